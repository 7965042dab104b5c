//! The same commands to cluster-glue's `stonith` and `meatclient` and to ours: same output, same exit codes.
//!
//! Each difference that is meant stands in the test that shows it.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const LEGACY: &str = "/usr/sbin/stonith";
const LEGACY_CLIENT: &str = "/usr/sbin/meatclient";
const OURS: &str = env!("CARGO_BIN_EXE_stonith");

/// False, with the reason printed, where there is no legacy to compare with.
fn legacy_is_there() -> bool {
    let there =
        Path::new(LEGACY).exists() && Path::new("/usr/lib/stonith/plugins/external/ssh").exists();
    if !there {
        eprintln!("skipped: cluster-glue is not installed");
    }
    there
}

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A directory of its own that vanishes with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("stonith-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[track_caller]
fn same(arguments: &[&str]) {
    let (legacy, ours) = (run(LEGACY, arguments), run(OURS, arguments));
    let seen =
        |output: &Output| format!("exit {:?}\n{}", output.status.code(), text(&output.stdout));
    assert_eq!(
        seen(&ours),
        seen(&legacy),
        "{arguments:?}\n{}",
        text(&ours.stderr)
    );
}

#[test]
fn types_that_both_have_are_listed_alike() {
    if !legacy_is_there() {
        return;
    }
    let list = |program| text(&run(program, &["-L"]).stdout);
    let (legacy, ours) = (list(LEGACY), list(OURS));
    let both = |line: &&str| {
        line.starts_with("external/") || ["meatware", "null", "ssh", "suicide"].contains(line)
    };
    let wanted: Vec<&str> = legacy.lines().filter(both).collect();
    let seen: Vec<&str> = ours.lines().filter(both).collect();
    assert_eq!(seen, wanted);
    assert!(seen.contains(&"external/ssh"));
    let others: Vec<&str> = ours.lines().filter(|line| !both(line)).collect();
    assert!(
        others.iter().all(|line| line.starts_with("fence_")),
        "{others:?}"
    );
}

#[test]
fn names_of_parameters_are_the_same_for_every_script() {
    if !legacy_is_there() {
        return;
    }
    let list = text(&run(OURS, &["-L"]).stdout);
    for kind in list.lines().filter(|kind| !kind.starts_with("fence_")) {
        same(&["-t", kind, "-n"]);
    }
    same(&["-t", "external/nosuch", "-n"]);
    same(&["-t", "nosuch", "-n"]);
}

#[test]
fn help_and_metadata_are_the_same() {
    if !legacy_is_there() {
        return;
    }
    for kind in [
        "null",
        "ssh",
        "meatware",
        "suicide",
        "external/ssh",
        "external/ipmi",
    ] {
        same(&["-t", kind, "-h"]);
        same(&["-t", kind, "-m"]);
    }
    same(&["-t", "nosuch", "-h"]);
    let first = |program| {
        let text = text(&run(program, &["-h"]).stdout);
        let end = text.find("\n\n\nSTONITH Device").unwrap();
        text[..end].to_owned()
    };
    assert_eq!(first(OURS), first(LEGACY));
}

#[test]
fn exit_codes_and_hosts_are_the_same() {
    if !legacy_is_there() {
        return;
    }
    let scratch = Scratch::new("files");
    let good = scratch.0.join("good");
    std::fs::write(&good, "# one line\n\nfoo bar\nbaz\n").unwrap();
    let pair = scratch.0.join("pair");
    std::fs::write(&pair, "hostlist=foo bar\n").unwrap();
    let empty = scratch.0.join("empty");
    std::fs::write(&empty, "# nothing\n").unwrap();
    let [good, pair, empty] = [&good, &pair, &empty].map(|path| path.to_str().unwrap());
    for arguments in [
        &["-t", "null", "-p", "foo bar", "-l"][..],
        &["-t", "null", "-l", "hostlist=foo,BAR baz"],
        &["-t", "null", "hostlist=foo", "-l"],
        &["-t", "null", "-p", "foo", "-c", "2", "-lS"],
        &["-t", "null", "-p", "foo", "nosuch"],
        &["-t", "null", "-T", "off", "hostlist=foo", "FOO"],
        &["-t", "null", "-p", "foo", "-S", "foo"],
        &["-t", "null", "-F", good, "-l"],
        &["-t", "null", "-F", pair, "-l"],
        &["-t", "null", "-F", empty, "-l"],
        &["-t", "null", "-F", "/nonexistent", "-l"],
        &["-t", "null", "-p", "", "-S"],
        &["-t", "null", "-S", "bogus=1"],
        &["-t", "null", "-l", "hostlist="],
        &["-t", "null", "-S", "bogus=1", "hostlist=foo"],
        &["-t", "ssh", "-T", "on", "hostlist=foo", "foo"],
        &["-t", "ssh", "-T", "reset", "hostlist=foo", "bar"],
        &["-t", "suicide", "-T", "on", "x"],
        &["-t", "suicide", "-T", "off", "other"],
        &["-t", "suicide", "-l"],
        &["-t", "suicide", "-S"],
        &["-t", "external/ssh", "-l", "hostlist=foo bar"],
        &["-t", "external/ssh", "-S", "hostlist=foo"],
        &["-t", "external/ssh", "-S", "other=foo"],
        &["-t", "external/ssh", "-T", "off", "hostlist=foo", "foo"],
        &["-t", "external/ssh", "-T", "on", "hostlist=foo", "foo"],
        &["-t", "external/ssh", "-T", "reset", "hostlist=foo", "bar"],
        &["-t", "external/ipmi", "-p", "a b", "-S"],
        &["-t", "external/nosuch", "-S", "a=b"],
        &["-t", "nosuch", "-S", "a=b"],
        &["-t", "meatware", "-S"],
        &["-t", "meatware", "-p", "foo", "-l"],
    ] {
        same(arguments);
    }
}

#[test]
fn usage_errors_are_the_same_with_the_words_of_2_1() {
    if !legacy_is_there() {
        return;
    }
    for arguments in [
        &[][..],
        &["-x"],
        &["-t"],
        &["-T", "foo"],
        &["-c", "0"],
        &["-t", "null"],
        &["-t", "null", "a=b"],
        &["-t", "null", "hostlist=a", "x=y", "nodeb", "nodec"],
        &["-t", "null", "-S"],
        &["-S"],
        &["-t", "null", "-p", "x", "-F", "/dev/null", "foo"],
        &["-t", "null", "-p", "x", "a=b", "foo"],
        &["-t", "null", "-F", "x", "a=b", "foo"],
        &["-t", "null", "-E", "-p", "x", "foo"],
    ] {
        let (legacy, ours) = (run(LEGACY, arguments), run(OURS, arguments));
        let (was, is) = (
            text(&legacy.stderr).replace(LEGACY, "stonith"),
            text(&ours.stderr).replace(OURS, "stonith"),
        );
        assert_eq!(ours.status.code(), legacy.status.code(), "{arguments:?}");
        let usage = |text: &str| text[text.find("usage:").unwrap()..].to_owned();
        assert_eq!(usage(&is), usage(&was), "{arguments:?}");
        // cluster-glue joined three texts of 2.1 into two, and lost one.
        let own = was.starts_with("Cannot mix") || was.starts_with("Please use just one");
        match arguments {
            ["-S"] => assert!(
                is.starts_with("Must specify device type (-t option)\n"),
                "{is}"
            ),
            _ if own => {}
            _ => assert_eq!(is, was, "{arguments:?}"),
        }
    }
    let refused = |arguments: &[&str]| text(&run(OURS, arguments).stderr);
    assert!(
        refused(&["-t", "null", "-p", "x", "a=b", "foo"])
            .starts_with("Cannot include both -p and name=value style arguments\nusage:")
    );
    assert!(
        refused(&["-t", "null", "-p", "x", "-F", "y", "foo"])
            .starts_with("Cannot include both -F and -p options\nusage:")
    );
}

#[test]
fn what_cluster_glue_hides_is_said_unless_silent() {
    let done = run(OURS, &["-t", "null", "-p", "foo bar", "foo"]);
    assert_eq!(text(&done.stderr), "info: Host null-reset: foo\n");
    let done = run(OURS, &["-s", "-t", "null", "-p", "foo bar", "-S", "foo"]);
    assert_eq!(text(&done.stderr), "");
    let done = run(OURS, &["-t", "null", "-p", "foo", "-S"]);
    assert_eq!(text(&done.stderr), "info: null device OK.\n");
    let done = run(OURS, &["-t", "apcmaster", "-p", "a b c", "-S"]);
    assert_eq!(done.status.code(), Some(8));
    let said = text(&done.stderr);
    assert!(
        said.starts_with("ERROR: Invalid device type: 'apcmaster'\n"),
        "{said}"
    );
    assert!(said.contains("use fence_apc"), "{said}");
}

#[test]
fn parameters_come_from_the_environment() {
    let done = Command::new(OURS)
        .args(["-t", "null", "-E", "-l"])
        .env("hostlist", "foo bar")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(text(&done.stdout), "foo\nbar\n");
    assert_eq!(done.status.code(), Some(0));
}

// ---- A human being ----------------------------------------------------------------------------------------------

/// Ends with the value.
struct Waiting(Child);

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Waiting {
    fn end(&mut self) -> i32 {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code().unwrap();
            }
            assert!(Instant::now() < deadline, "it still waits");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// One request by meatware and one answer: exit codes of stonith and meatclient.
fn answered(stonith: &str, client: &str, node: &str, answer: &str) -> (i32, i32, bool) {
    let fifo = PathBuf::from(format!("/var/run/meatware.{}", node.to_lowercase()));
    let request = Command::new(stonith)
        .args(["-t", "meatware", "hostlist=other", node])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut request = Waiting(request);
    let deadline = Instant::now() + Duration::from_secs(20);
    // The FIFO may exist before it is read, so the client is tried until it is let in.
    let code = loop {
        let mut client = Command::new(client)
            .args(["-c", node])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let _ = client.stdin.take().unwrap().write_all(answer.as_bytes());
        let code = client.wait().unwrap().code().unwrap();
        if code != 4 {
            break code;
        }
        assert!(Instant::now() < deadline, "nobody asks");
        std::thread::sleep(Duration::from_millis(10));
    };
    let ended = request.end();
    let left = fifo.exists();
    let _ = std::fs::remove_file(&fifo);
    (ended, code, left)
}

#[test]
fn either_meatclient_answers_either_stonith() {
    if std::fs::File::create("/var/run/stonith-test").is_err() {
        eprintln!("skipped: only root may make a FIFO in /var/run");
        return;
    }
    let _ = std::fs::remove_file("/var/run/stonith-test");
    let scratch = Scratch::new("client");
    let client = scratch.0.join("meatclient");
    symlink(OURS, &client).unwrap();
    let client = client.to_str().unwrap();
    let mut pairs = vec![(OURS, client)];
    if legacy_is_there() {
        pairs.extend([
            (LEGACY, client),
            (OURS, LEGACY_CLIENT),
            (LEGACY, LEGACY_CLIENT),
        ]);
    }
    for (index, (stonith, client)) in pairs.into_iter().enumerate() {
        let node = format!("Test-{}-{index}", std::process::id());
        let shown = format!("{stonith} {client}");
        assert_eq!(
            answered(stonith, client, &node, "y\n"),
            (0, 0, false),
            "{shown}"
        );
        assert_eq!(
            answered(stonith, client, &node, "n\n"),
            (5, 3, true),
            "{shown}"
        );
        assert_eq!(
            answered(stonith, client, &node, ""),
            (5, 3, true),
            "{shown}"
        );
        // By a misplaced parenthesis the legacy takes this for a refusal.
        let capital = if client == LEGACY_CLIENT {
            (5, 3, true)
        } else {
            (0, 0, false)
        };
        assert_eq!(answered(stonith, client, &node, "Y\n"), capital, "{shown}");
    }
}

#[test]
fn meatclient_without_a_question_or_a_node() {
    let scratch = Scratch::new("alone");
    let client = scratch.0.join("meatclient");
    symlink(OURS, &client).unwrap();
    let client = client.to_str().unwrap();
    for arguments in [
        &["-c", "nosuch-node"][..],
        &[],
        &["-x"],
        &["-c"],
        &["-c", "a", "b"],
    ] {
        let ours = run(client, arguments);
        let seen = (ours.status.code(), text(&ours.stderr));
        assert!(text(&ours.stdout).is_empty());
        match arguments {
            ["-c", "nosuch-node"] => assert_eq!(
                seen,
                (
                    Some(4),
                    "Meatware_IPC failed: /var/run/meatware.nosuch-node: No such file or directory\n".into()
                )
            ),
            _ => {
                assert_eq!(seen.0, Some(3), "{arguments:?}");
                assert!(seen.1.ends_with("usage: meatclient -c node\n"), "{seen:?}");
            }
        }
        if legacy_is_there() {
            let legacy = run(LEGACY_CLIENT, arguments);
            assert_eq!(legacy.status.code(), seen.0, "{arguments:?}");
        }
    }
}

/// `stonith -h | head` ended in a panic, as did everything else that printed to a pipe which nobody read any more.
#[test]
fn a_closed_pipe_is_no_reason_to_panic() {
    for arguments in [
        &["-t", "meatware", "-h"][..],
        &["-V"],
        &["-t", "meatware", "-m"],
        &["-t", "meatware", "-n"],
        &["-t", "null", "-l", "hostlist=a b c"],
        &["-t", "nosuch", "hostlist=a"],
        &["-?"],
    ] {
        let code = |closed: bool| {
            let mut command = Command::new(OURS);
            command.args(arguments).stdin(Stdio::null());
            if closed {
                let pipe = || std::io::pipe().unwrap().1;
                command.stdout(pipe()).stderr(pipe());
            } else {
                command.stdout(Stdio::null()).stderr(Stdio::null());
            }
            command.status().unwrap().code()
        };
        assert_eq!(code(true), code(false), "{arguments:?}");
    }
}
