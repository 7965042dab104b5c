//! Scripts of all kinds in one line: a third party's init script, a script of the old kind with two arguments, Debian's OCF
//! agent, and a stock script. They start in the order of the line, stop in the opposite one, and see what they always saw.

use std::fs;
use std::path::Path;

use ha_lab::{Host, LabError, Result, seconds, wait_until};

use crate::pair::Pair;
use crate::runner::Scenario;

pub const SCENARIOS: &[Scenario] = &[Scenario {
    name: "resource_scripts_of_all_kinds",
    modes: &["off"],
    run: all_kinds,
}];

const VIP: &str = "10.0.0.110";
const LINE: &str = "alpha lsbd Two::left::right OCF::Dummy::one IPaddr2::10.0.0.110/24/eth0\n";

/// The calls as heartbeat logs them, in the order of the line.
const CALLS: [&str; 4] = [
    "/etc/init.d/lsbd ",
    "/etc/ha.d/resource.d/Two left right",
    "/etc/ha.d/resource.d/OCF Dummy one",
    "/etc/ha.d/resource.d/IPaddr2 10.0.0.110/24/eth0",
];

/// Exit codes and words of the Linux Standard Base.
const LSBD: &str = r#"#!/bin/sh
case "$1" in
start) touch /run/lsbd ;;
stop) rm -f /run/lsbd ;;
status) [ -e /run/lsbd ] || { echo "lsbd is stopped"; exit 3; }; echo "lsbd is running" ;;
*) exit 2 ;;
esac
"#;

/// Exactly two arguments and the action; at start it writes down what it sees.
const TWO: &str = r#"#!/bin/sh
[ "$#" = 3 ] || exit 2
state=/run/Two.$1.$2
case "$3" in
start)
    { echo "cwd $(pwd)"; echo "umask $(umask)"; readlink /proc/$$/fd/* | sed 's/^/fd /'; env | sort; } >/var/log/Two
    touch "$state" ;;
stop) rm -f "$state" ;;
status) [ -e "$state" ] && echo running || echo stopped ;;
esac
"#;

fn prepare(host: &Host) -> Result<()> {
    host.write_mode("/etc/init.d/lsbd", LSBD, 0o755)?;
    host.write_mode("/etc/ha.d/resource.d/Two", TWO, 0o755)?;
    host.sh("mkdir -p /etc/ha.d/conf/OCF/Dummy")?;
    host.write("/etc/ha.d/conf/OCF/Dummy/one", "passwd=none\n")?;
    if host.is_ours() {
        return install_agents(host);
    }
    // Debian's OCF script only looks one directory deeper than where Debian's agents are.
    host.sh("mkdir -p /usr/lib/ocf/resource.d/heartbeat/debian && \
         ln -s ../Dummy /usr/lib/ocf/resource.d/heartbeat/debian/Dummy")
        .map(drop)
}

/// The package resource-agents, as far as the agent needs it: no host of ours sees the machine's copy.
fn install_agents(host: &Host) -> Result<()> {
    let root = Path::new("/usr/lib/ocf");
    let library = root.join("lib/heartbeat");
    let mut files = vec![root.join("resource.d/heartbeat/Dummy")];
    let entries = fs::read_dir(&library)
        .map_err(|_| LabError::Unavailable("no resource-agents package is installed".to_owned()))?;
    files.extend(entries.flatten().map(|entry| entry.path()));
    host.sh("rm -f /usr/lib/ocf/lib/heartbeat/* && mkdir -p /usr/lib/ocf/lib/heartbeat")?;
    for file in files.iter().filter(|file| file.is_file()) {
        let text = fs::read_to_string(file)
            .map_err(|error| LabError::Io(file.display().to_string(), error))?;
        host.write_mode(&file.to_string_lossy(), &text, 0o755)?;
    }
    Ok(())
}

/// Which of the four are there.
fn present(host: &Host) -> [bool; 4] {
    let dummy = ["/run/resource-agents", "/run/heartbeat/rsctmp"]
        .map(|directory| format!("ls {directory}/Dummy*.state"))
        .join("; ");
    let said = host.run(&["sh", "-c", &dummy]);
    [
        host.exists("/run/lsbd"),
        host.exists("/run/Two.left.right"),
        said.is_ok_and(|output| !output.stdout.is_empty()),
        host.has_address(VIP),
    ]
}

/// The four calls of an action, as they stand in the log.
fn calls(host: &Host, action: &str) -> Vec<usize> {
    let called = |line: &str| {
        // 3.0.6 has two slashes in it.
        let line = line.replace("//", "/");
        let (_, call) = line.split_once("Running ")?;
        let call = call.trim_end().strip_suffix(action)?;
        CALLS
            .iter()
            .position(|known| call.trim_end() == known.trim_end())
    };
    host.log().lines().filter_map(called).collect()
}

fn expect_calls(host: &Host, action: &str, expected: &[usize]) -> Result<()> {
    let mut found = calls(host, action);
    if !host.is_ours() {
        // Debian's OCF script asks the agent for `status`, which this one does not know: it is started again each time
        // heartbeat looks.
        while found.len() > expected.len() && found.last() == Some(&2) {
            found.pop();
        }
    }
    if found == expected {
        return Ok(());
    }
    Err(LabError::unexpected(format!(
        "{}: {action} was called in the order {found:?}, not {expected:?}",
        host.name()
    )))
}

/// Where a script runs, and with what open (`resource-protocol.md` 4.2 and 4.3).
fn check_surroundings(host: &Host) -> Result<()> {
    let seen = host.read("/var/log/Two")?;
    let complain = |text: &str| {
        Err(LabError::unexpected(format!(
            "{}: a script sees {text}:\n{seen}",
            host.name()
        )))
    };
    for line in [
        "cwd /var/lib/heartbeat/cores/root".to_owned(),
        "umask 0022".to_owned(),
        "fd /dev/null".to_owned(),
        format!("HA_CURHOST={}", host.name()),
        "OCF_ROOT=/usr/lib/ocf".to_owned(),
        "HA_FUNCS=/etc/ha.d/shellfuncs".to_owned(),
        "HA_LOGFILE=/var/log/ha-log".to_owned(),
        "HA_auto_failback=off".to_owned(),
    ] {
        // 3.0.6 writes two slashes in some of them.
        if !seen.lines().any(|known| known.replace("//", "/") == line) {
            return complain(&format!("no `{line}`"));
        }
    }
    // The legacy leaks its own.
    let foreign = |line: &str| line.starts_with("fd socket:") || line.starts_with("fd anon_inode:");
    if host.is_ours() && seen.lines().any(foreign) {
        return complain("descriptors of the daemon");
    }
    Ok(())
}

fn all_kinds(pair: &Pair) -> Result<()> {
    for host in pair.nodes() {
        prepare(host)?;
    }
    pair.set_haresources(LINE)?;
    pair.settle()?;
    let (alpha, beta) = (&pair.alpha, &pair.beta);
    wait_until("the whole line is at alpha", seconds(30), || {
        present(alpha) == [true; 4] && present(beta) == [false; 4]
    })?;
    expect_calls(alpha, " start", &[0, 1, 2, 3])?;
    check_surroundings(alpha)?;

    pair.standby(alpha, "all", "beta", "beta")?;
    wait_until("the whole line is at beta", seconds(30), || {
        present(beta) == [true; 4] && present(alpha) == [false; 4]
    })?;
    expect_calls(alpha, " stop", &[3, 2, 1, 0])?;
    expect_calls(beta, " start", &[0, 1, 2, 3])?;
    check_surroundings(beta)?;

    // And with the daemon's end.
    beta.stop_heartbeat()?;
    wait_until("the whole line is at alpha again", seconds(45), || {
        present(alpha) == [true; 4] && present(beta) == [false; 4]
    })?;
    expect_calls(beta, " stop", &[3, 2, 1, 0])?;
    expect_calls(alpha, " start", &[0, 1, 2, 3, 0, 1, 2, 3])?;
    pair.check_logs(&[])
}
