//! `/etc/init.d/ldirectord` and `ldirectord.service`: texts, exit codes and the lock of `install-and-cli.md` 14 and
//! `ldirectord.md` 1.2, with a stand-in for the daemon.

mod common;

use std::fs;

use common::{Host, Outcome, shells};

/// Notes its arguments in `calls`; complains and fails as the file `code` says.
const DAEMON: &str = r#"#!/bin/sh
here=${0%/*}
echo "$*" >>"$here/calls"
code=$(cat "$here/code" 2>/dev/null || echo 0)
[ "$code" -eq 0 ] || echo "Error [1] reading file" >&2
exit "$code"
"#;

fn host() -> Host {
    let host = Host::new();
    host.write(
        "etc/init.d/ldirectord",
        &host.compat("init.d/ldirectord"),
        0o755,
    );
    host.write("usr/sbin/ldirectord", DAEMON, 0o755);
    host
}

fn run(host: &Host, shell: &str, command: &[&str]) -> Outcome {
    let script = host.path("etc/init.d/ldirectord");
    let mut arguments = vec![script.to_str().unwrap()];
    arguments.extend(command);
    host.shell(shell, &arguments)
}

fn calls(host: &Host) -> Vec<String> {
    let calls = host.read("usr/sbin/calls");
    calls.lines().map(|call| host.plain(call)).collect()
}

fn said(stdout: &str, stderr: &str, code: i32) -> Outcome {
    Outcome {
        stdout: stdout.into(),
        stderr: stderr.into(),
        code,
    }
}

#[test]
fn commands_that_work() {
    for shell in shells() {
        for (command, text) in [
            ("start", "Starting ldirectord... success\n"),
            ("stop", "Stopping ldirectord... success\n"),
            ("restart", "Restarting ldirectord... success\n"),
            ("try-restart", "Restarting ldirectord... success\n"),
            ("reload", "Reloading ldirectord... success\n"),
            ("force-reload", "Reloading ldirectord... success\n"),
            ("status", ""),
        ] {
            let host = host();
            assert_eq!(run(&host, shell, &[command]), said(text, "", 0));
            assert_eq!(calls(&host), [command], "{shell}");
        }
    }
}

#[test]
fn the_exit_code_is_the_daemons() {
    for shell in shells() {
        for (command, code, text) in [
            ("start", "2", "Starting ldirectord... failure\n"),
            ("stop", "2", "Stopping ldirectord... failure\n"),
            ("reload", "1", "Reloading ldirectord... failure\n"),
            ("status", "3", ""),
        ] {
            let host = host();
            host.write("usr/sbin/code", code, 0o644);
            let wanted = said(text, "Error [1] reading file\n", code.parse().unwrap());
            assert_eq!(run(&host, shell, &[command]), wanted);
        }
    }
}

#[test]
fn the_lock_follows_what_was_asked_for() {
    for code in ["0", "2"] {
        let host = host();
        let lock = host.path("var/lock/subsys/ldirectord");
        host.write("usr/sbin/code", code, 0o644);
        run(&host, "sh", &["start"]);
        assert!(lock.exists(), "{code}");
        run(&host, "sh", &["status"]);
        run(&host, "sh", &["reload"]);
        assert!(lock.exists(), "{code}");
        run(&host, "sh", &["stop"]);
        assert!(!lock.exists(), "{code}");
    }
    let host = host();
    fs::remove_dir_all(host.path("var/lock/subsys")).unwrap();
    assert_eq!(run(&host, "sh", &["start"]).stderr, "");
}

#[test]
fn usage() {
    let text = "Usage: /etc/init.d/ldirectord {start|stop|restart|try-restart|status|reload|force-reload}\n";
    for command in [&["takeover"][..], &[]] {
        let host = host();
        assert_eq!(run(&host, "sh", command), said(text, "", 1));
        assert!(calls(&host).is_empty());
    }
}

#[test]
fn without_the_daemon_nothing_is_said() {
    let host = host();
    fs::remove_file(host.path("usr/sbin/ldirectord")).unwrap();
    assert_eq!(run(&host, "sh", &["start"]), said("", "", 0));
}

/// Debian's way to name another configuration.
#[test]
fn another_configuration() {
    for settings in ["etc/default/ldirectord", "etc/sysconfig/ldirectord"] {
        let host = host();
        let text = format!("CONFIG_FILE={}\n", host.path("etc/my own.cf").display());
        host.write(settings, &text.replace("my own", "\"my own\""), 0o644);
        let wanted = "ldirectord not configured: /etc/my own.cf not found.\n";
        assert_eq!(run(&host, "sh", &["start"]), said("", wanted, 0));
        assert!(calls(&host).is_empty());
        host.write("etc/my own.cf", "", 0o644);
        assert_eq!(run(&host, "sh", &["start"]).code, 0);
        assert_eq!(calls(&host), ["/etc/my own.cf start"]);
    }
}

/// A name without a directory is the daemon's to look for.
#[test]
fn a_short_name_is_passed_on() {
    let host = host();
    host.write("etc/default/ldirectord", "CONFIG_FILE=www.cf\n", 0o644);
    run(&host, "sh", &["status"]);
    assert_eq!(calls(&host), ["www.cf status"]);
}

/// chkconfig and LSB both leave it switched off: heartbeat starts it as a rule.
#[test]
fn it_is_not_started_at_boot_by_default() {
    let script = host().compat("init.d/ldirectord");
    assert!(script.contains("\n# chkconfig: - 92 40\n"));
    assert!(script.contains("\n# Default-Start:\n"));
}

/// The condition of the unit, run as systemd would.
#[test]
fn the_unit_leaves_to_heartbeat_what_is_heartbeats() {
    let host = host();
    let unit = host.compat("systemd/ldirectord.service");
    let condition = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecCondition=/bin/sh -c '"))
        .and_then(|line| line.strip_suffix('\''))
        .expect("a condition")
        .replace("$$", "$");
    for (haresources, starts) in [
        (None, true),
        (Some("lvs1 192.0.2.1 httpd\n"), true),
        (Some("#lvs1 192.0.2.1 ldirectord\n"), true),
        (Some("lvs1 192.0.2.1 httpd # ldirectord\n"), true),
        (Some("lvs1 192.0.2.1 my-ldirectord ldirectord2\n"), true),
        (Some("lvs1 192.0.2.1/32/eth0:0 ldirectord\n"), false),
        (Some("lvs1 ldirectord::www.cf 192.0.2.1\n"), false),
        (Some("lvs1 192.0.2.1 \\\n\tldirectord\n"), false),
        (Some("lvs1 192.0.2.1 \\\nldirectord::www.cf\n"), false),
    ] {
        match haresources {
            Some(text) => host.write("etc/ha.d/haresources", text, 0o644),
            None => assert!(!host.path("etc/ha.d/haresources").exists()),
        }
        let outcome = host.shell("/bin/sh", &["-c", &condition]);
        assert_eq!(outcome.code == 0, starts, "{haresources:?} {outcome:?}");
        assert_eq!(outcome.stderr, "");
    }
}

/// One signal, to the daemon alone, and nothing that outlives the unit: the legacy's unit killed nothing at all.
#[test]
fn the_unit_ends_what_it_started() {
    let unit = host().compat("systemd/ldirectord.service");
    for line in [
        "KillMode=mixed",
        "PIDFile=/run/ldirectord.ldirectord.pid",
        "Type=forking",
    ] {
        assert!(unit.lines().any(|have| have == line), "{line}");
    }
    assert!(!unit.contains("ExecStop"));
}

/// Nothing in the unit is unknown to systemd or contradicts itself.
#[test]
fn systemd_takes_the_unit() {
    let host = host();
    let unit = host.compat("systemd/ldirectord.service");
    host.write("ldirectord.service", &unit, 0o644);
    let verified = std::process::Command::new("systemd-analyze")
        .arg("verify")
        .arg(host.path("ldirectord.service"))
        .output();
    let output = match verified {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: there is no systemd-analyze");
            return;
        }
        other => other.unwrap(),
    };
    let said = String::from_utf8_lossy(&output.stderr);
    // It also has its opinion of the machine's other units.
    let about_ours: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("ldirectord.service"))
        .collect();
    assert!(about_ours.is_empty(), "{said}");
    assert!(output.status.success(), "{said}");
}
