//! `portblock`, `Delay`, `AudibleAlarm`.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use crate::sandbox::{Script, Skip, Test, need, run, until};

pub const TESTS: &[Test] = &[
    ("portblock_lives", portblock_lives),
    ("portblock_block_and_unblock_in_one_line", portblock_line),
    ("Delay_lives", delay_lives),
    ("AudibleAlarm_lives", alarm_lives),
    (
        "AudibleAlarm_is_known_the_moment_it_has_started",
        alarm_is_known_at_once,
    ),
];

const PORT: u16 = 1999;

/// Whether somebody who connects is left without an answer.
fn is_blocked() -> bool {
    let address = SocketAddr::from(([127, 0, 0, 1], PORT));
    match TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        Ok(_) => false,
        Err(error) if error.kind() == ErrorKind::TimedOut => true,
        Err(error) => panic!("connecting: {error}"),
    }
}

fn filter() -> Result<(), Skip> {
    if need("iptables").is_err() {
        need("nft")?;
    }
    match run("nft", &["list", "ruleset"]).code {
        0 => Ok(()),
        _ => Err(Skip("the kernel has no nftables".to_owned())),
    }
}

fn portblock_lives() -> Result<(), Skip> {
    filter()?;
    let _listener = TcpListener::bind(("127.0.0.1", PORT)).expect("the port");
    let script = Script::ours("portblock", &["tcp", "1999,2000:2002", "block"]);
    let shown = "portblock DROP rule for INPUT chain [tcp 1999,2000:2002 block]";
    let inactive = format!("{shown}  is inactive\nERROR:  Generic error\n");
    let active = format!("{shown}  is running (OK)\nINFO:  Running OK\n");
    for _ in 0..2 {
        let stopped = script.call("status");
        assert_eq!((stopped.code, stopped.stdout), (1, inactive.clone()));
        assert!(!is_blocked());
        script.expect("start", 0, "INFO:  Success");
        script.expect("start", 0, "INFO:  Success");
        assert!(is_blocked());
        assert_eq!(script.call("status").succeeds(), active);
        script.expect("stop", 0, "INFO:  Success");
        script.expect("stop", 0, "INFO:  Success");
    }
    let wrong = |words: [&str; 3]| {
        Script::ours("portblock", &words).expect("start", 2, "ERROR:  Illegal argument");
    };
    wrong(["tcp", "1999", "shut"]);
    wrong(["", "1999", "block"]);
    wrong(["tcp", "", "block"]);
    wrong(["tcp", "1999;", "block"]);
    script.answers_wrong_calls();
    script.refuses(&["tcp", "1999", "start"]);
    Ok(())
}

/// `portblock::tcp::1999::block ... portblock::tcp::1999::unblock`.
fn portblock_line() -> Result<(), Skip> {
    filter()?;
    let _listener = TcpListener::bind(("127.0.0.1", PORT)).expect("the port");
    let block = Script::ours("portblock", &["tcp", "1999", "block"]);
    let unblock = Script::ours("portblock", &["tcp", "1999", "unblock"]);
    block.expect("start", 0, "INFO:  Success");
    assert_eq!(unblock.call("status").code, 1);
    unblock.expect("start", 0, "INFO:  Success");
    assert!(!is_blocked());
    let considered = block.call("status");
    assert!(considered.stdout.contains("considered to be running (OK)"));
    assert_eq!((considered.code, unblock.call("status").code), (0, 0));
    unblock.expect("stop", 0, "INFO:  Success");
    assert!(is_blocked(), "the way back");
    block.expect("stop", 0, "INFO:  Success");
    assert!(!is_blocked());
    Ok(())
}

fn delay_lives() -> Result<(), Skip> {
    let note = Path::new("/run/ours/Delay_Delay_0.01");
    let script = Script::ours("Delay", &["0.01", "0"]);
    script.lives(|| note.exists());
    for bad in ["x", "1.2.3", "-1"] {
        let finished = Script::ours("Delay", &[bad]).call("start");
        let said = "Some of the instance parameters are invalid\nERROR:  Illegal argument\n";
        assert_eq!((finished.code, finished.stdout.as_str()), (2, said));
    }
    script.answers_wrong_calls();
    script.refuses(&[]);
    script.refuses(&["1", "2", "3", "start"]);
    Ok(())
}

/// Its status was "stopped", and a stop left it ringing, as long as the kernel did not show the new process's words.
fn alarm_is_known_at_once() -> Result<(), Skip> {
    run("sh", &["-ec", "hostname alpha"]);
    let script = Script::ours("AudibleAlarm", &["beta"]);
    for _ in 0..40 {
        script.expect("start", 0, "INFO:  Success");
        let pid = std::fs::read_to_string("/run/heartbeat-bell").expect("a pid");
        script.expect("status", 0, "INFO:  Running OK");
        script.expect("stop", 0, "INFO:  Success");
        until("the end of the alarm", || {
            let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
            state.map_or(true, |state| state.contains(") Z "))
        });
    }
    Ok(())
}

fn alarm_lives() -> Result<(), Skip> {
    // The console is a file here.
    run(
        "sh",
        &[
            "-ec",
            "hostname alpha; mount -t tmpfs dev /run/mnt; : >/run/mnt/console; : >/dev/console || :",
        ],
    );
    let script = Script::ours("AudibleAlarm", &["beta", "gamma"]);
    let pid = || std::fs::read_to_string("/run/heartbeat-bell").ok();
    let rings = || pid().is_some_and(|pid| Path::new("/proc").join(pid.trim()).exists());
    script.lives(rings);
    script.expect("start", 0, "INFO:  Success");
    let first = pid();
    script.expect("start", 0, "INFO:  Success");
    assert_ne!(first, pid(), "the old one is replaced");
    let first = first.expect("a pid");
    // It stays a zombie until whoever adopted it looks; nobody does here.
    until("the end of the old one", || {
        let state = std::fs::read_to_string(format!("/proc/{}/stat", first.trim()));
        state.map_or(true, |state| state.contains(") Z "))
    });
    script.expect("stop", 0, "INFO:  Success");
    let home = Script::ours("AudibleAlarm", &["beta", "alpha"]);
    home.expect("start", 0, "INFO:  Success");
    home.expect("status", 7, "INFO:  Resource is stopped");
    // A number that belongs to somebody else by now.
    std::fs::write("/run/heartbeat-bell", "1\n").expect("written");
    home.expect("status", 7, "INFO:  Resource is stopped");
    home.expect("stop", 0, "INFO:  Success");
    script.answers_wrong_calls();
    script.refuses(&[]);
    Ok(())
}
