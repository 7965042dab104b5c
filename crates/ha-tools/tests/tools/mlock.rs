//! `mlock`: two of ours, and one of each make, through all tests of two rounds, over the loopback of a namespace.

use std::path::Path;
use std::process::Command;

const DEBIANS: &str = "/usr/libexec/heartbeat/mlock";

/// Arguments: the program of node 1 and that of node 2. Prints what both say, node 1 first.
const SCRIPT: &str = r#"
ip link set lo up
mount -t tmpfs tmpfs /mnt
cd /mnt
ln -s "$OURS" mlock
timeout 60 "$1" -N 2 /mnt/locked >one 2>&1 &
# Until it listens.
until grep -q ' 00000000:1388 .* 0A ' /proc/net/tcp; do sleep 0.05; done
timeout 60 "$2" -N 2 /mnt/locked localhost >two 2>&1
echo "node 2: $?"
wait $!
echo "node 1: $?"
cat one two
"#;

fn pair(first: &str, second: &str) -> String {
    let output = Command::new("unshare")
        .args(["-m", "-n", "sh", "-c", SCRIPT, "sh", first, second])
        .env("OURS", env!("CARGO_BIN_EXE_ha-tools"))
        .output()
        .expect("unshare");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn locks_are_tried_as_by_the_legacy_and_together_with_it() {
    if !is_root() {
        println!("skipped: needs root");
        return;
    }
    let ours = "/mnt/mlock";
    let two_of_ours = pair(ours, ours);
    assert!(
        two_of_ours.starts_with("node 2: 1\nnode 1: 1\nIteration 0: \n1-1:\tPASSED.\n"),
        "{two_of_ours}"
    );
    assert_eq!(
        two_of_ours
            .matches("All tests finished successfully!\n")
            .count(),
        2,
        "{two_of_ours}"
    );
    if !Path::new(DEBIANS).exists() {
        println!("skipped beside the legacy: {DEBIANS} is missing");
        return;
    }
    for (first, second) in [(DEBIANS, DEBIANS), (ours, DEBIANS), (DEBIANS, ours)] {
        assert_eq!(pair(first, second), two_of_ours, "{first} and {second}");
    }
}

/// A peer that locks nothing is found out at the first look.
#[test]
fn locks_that_are_not_respected_are_found() {
    if !is_root() {
        println!("skipped: needs root");
        return;
    }
    // The two do not share the file.
    let script = SCRIPT.replace("locked localhost", "another localhost");
    let output = Command::new("unshare")
        .args([
            "-m",
            "-n",
            "sh",
            "-c",
            &script,
            "sh",
            "/mnt/mlock",
            "/mnt/mlock",
        ])
        .env("OURS", env!("CARGO_BIN_EXE_ha-tools"))
        .output()
        .expect("unshare");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("\n2-1:\ttest failed, result =0\n"), "{said}");
    assert!(!said.contains("successfully"), "{said}");
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id");
    id.stdout == b"0\n"
}
