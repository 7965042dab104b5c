//! `/etc/init.d/heartbeat`: texts, exit codes and steps of `install-and-cli.md` 5, with a stand-in for the daemon.

mod common;

use common::{Host, Outcome, shells};

/// Writes its arguments to `calls`; says and returns what the files `said` and `code` hold.
const DAEMON: &str = r#"#!/bin/sh
here=${0%/*}
echo "heartbeat${1:+ }$*" >>"$here/calls"
if [ "$1" = -s ]; then
    if [ -f "$here/running" ]; then echo "heartbeat OK"; exit 0; fi
    echo "heartbeat is stopped. No process"
    exit 3
fi
[ -f "$here/said" ] && cat "$here/said" >&2
exit "$(cat "$here/code" 2>/dev/null || echo 0)"
"#;

const HA_CF: &str = "deadtime 10\nauto_failback on\nnode lvs1\nnode lvs2\n";

/// A host with the script, the stand-in and a configuration.
fn host() -> Host {
    let host = Host::new();
    host.write(
        "etc/init.d/heartbeat",
        &host.compat("init.d/heartbeat"),
        0o755,
    );
    host.write("usr/lib64/heartbeat/heartbeat", DAEMON, 0o755);
    host.write("etc/ha.d/ha.cf", HA_CF, 0o644);
    stand_in(&host, "usr/lib64/heartbeat/sleep", "sleep");
    host
}

/// A program that only notes that it was called.
fn stand_in(host: &Host, path: &str, name: &str) {
    let calls = host.path("usr/lib64/heartbeat/calls");
    host.write(
        path,
        &format!("#!/bin/sh\necho \"{name} $*\" >>{}\n", calls.display()),
        0o755,
    );
}

fn calls(host: &Host) -> Vec<String> {
    host.read("usr/lib64/heartbeat/calls")
        .lines()
        .map(String::from)
        .collect()
}

fn run(host: &Host, shell: &str, command: &[&str]) -> Outcome {
    let script = host.path("etc/init.d/heartbeat");
    let mut arguments = vec![script.to_str().unwrap()];
    arguments.extend(command);
    host.shell(shell, &arguments)
}

fn said(stdout: &str, code: i32) -> Outcome {
    Outcome {
        stdout: stdout.into(),
        stderr: String::new(),
        code,
    }
}

#[test]
fn start_that_works() {
    for shell in shells() {
        let host = host();
        host.write("usr/lib64/heartbeat/said", "info: validated\n", 0o644);
        assert_eq!(
            run(&host, shell, &["start"]),
            said("Starting High-Availability services: \nDone.\n\n", 0)
        );
        assert_eq!(calls(&host), ["heartbeat"]);
        assert!(host.path("var/lock/subsys/heartbeat").exists());
        assert!(host.path("var/run/heartbeat/ccm").is_dir());
    }
}

#[test]
fn start_that_is_refused_shows_why() {
    for shell in shells() {
        let host = host();
        host.write(
            "usr/lib64/heartbeat/said",
            "ERROR: one\nERROR: two\n",
            0o644,
        );
        host.write("usr/lib64/heartbeat/code", "6", 0o644);
        let text = "Starting High-Availability services: \n Heartbeat failure [rc=6]. Failed.\n\n\
                    ERROR: one\nERROR: two\n\n";
        assert_eq!(run(&host, shell, &["start"]), said(text, 6));
        assert!(!host.path("var/lock/subsys/heartbeat").exists());
    }
}

#[test]
fn resources_are_checked_before_a_start() {
    let host = host();
    stand_in(
        &host,
        "usr/share/heartbeat/ResourceManager",
        "ResourceManager",
    );
    run(&host, "sh", &["start"]);
    assert_eq!(calls(&host), ["ResourceManager verifyallidle", "heartbeat"]);
}

#[test]
fn status_is_the_daemons_answer() {
    for shell in shells() {
        let host = host();
        assert_eq!(
            run(&host, shell, &["status"]),
            said("heartbeat is stopped. No process\n", 3)
        );
        host.write("usr/lib64/heartbeat/running", "", 0o644);
        assert_eq!(run(&host, shell, &["status"]), said("heartbeat OK\n", 0));
    }
}

#[test]
fn stop_removes_the_lock_only_when_it_worked() {
    for shell in shells() {
        let host = host();
        host.write("var/lock/subsys/heartbeat", "", 0o644);
        host.write("usr/lib64/heartbeat/said", "noise\n", 0o644);
        host.write("usr/lib64/heartbeat/code", "1", 0o644);
        let text = "Stopping High-Availability services: \n Heartbeat failure [rc=1]. Failed.\n\n";
        assert_eq!(run(&host, shell, &["stop"]), said(text, 1));
        assert!(host.path("var/lock/subsys/heartbeat").exists());

        host.write("usr/lib64/heartbeat/code", "0", 0o644);
        assert_eq!(
            run(&host, shell, &["stop"]),
            said("Stopping High-Availability services: \nDone.\n\n", 0)
        );
        assert!(!host.path("var/lock/subsys/heartbeat").exists());
        assert_eq!(calls(&host), ["heartbeat -k", "heartbeat -k"]);
    }
}

#[test]
fn restart_leaves_time_for_the_takeover() {
    let text = "Stopping High-Availability services: \nDone.\n\n\
                Waiting to allow resource takeover to complete:\nDone.\n\n\
                Starting High-Availability services: \nDone.\n\n";
    for (deadtime, sleep) in [
        ("10", "sleep 10"),
        ("10000ms", "sleep 10"),
        ("1500msec", "sleep 2"),
        ("2.5", "sleep 3"),
    ] {
        let host = host();
        host.write(
            "etc/ha.d/ha.cf",
            &format!("deadtime {deadtime} # comment\n"),
            0o644,
        );
        assert_eq!(run(&host, "sh", &["restart"]), said(text, 0));
        assert_eq!(
            calls(&host),
            ["heartbeat -k", sleep, "sleep 10", "heartbeat"]
        );
    }
}

#[test]
fn restart_drops_the_results_of_its_parts() {
    let host = host();
    host.write("usr/lib64/heartbeat/code", "6", 0o644);
    assert_eq!(run(&host, "sh", &["restart"]).code, 0);
}

#[test]
fn reload_by_either_name() {
    for command in ["reload", "force-reload"] {
        let host = host();
        host.write("usr/lib64/heartbeat/said", "info: parsed\n", 0o644);
        let outcome = run(&host, "sh", &[command]);
        assert_eq!(
            outcome.stdout,
            "Reloading High-Availability services: \nDone.\n\n"
        );
        assert_eq!(
            (outcome.stderr.as_str(), outcome.code),
            ("info: parsed\n", 0)
        );
        assert_eq!(calls(&host), ["heartbeat -r"]);
    }
}

#[test]
fn standby_asks_for_it() {
    for shell in shells() {
        let host = host();
        host.write("usr/lib64/heartbeat/running", "", 0o644);
        stand_in(&host, "usr/share/heartbeat/hb_standby", "hb_standby");
        let text = "auto_failback: on\nAttempting to enter standby mode\nDone.\n";
        assert_eq!(run(&host, shell, &["standby"]), said(text, 0));
        assert_eq!(calls(&host), ["heartbeat -s", "hb_standby "]);
    }
}

#[test]
fn standby_needs_the_coordinated_protocol_and_a_running_daemon() {
    for (ha_cf, text) in [
        (
            "auto_failback legacy\n",
            "auto_failback is set to legacy.  Cannot enter standby.\n",
        ),
        (
            "nice_failback off\n",
            "nice_failback is disabled.  Cannot enter standby.\n",
        ),
        (
            "keepalive 1\n",
            "auto_failback defaulted to legacy.  Cannot enter standby.\n",
        ),
        (
            "auto_failback off\n",
            "auto_failback: off\nHeartbeat is not currently running.\n",
        ),
    ] {
        let host = host();
        host.write("etc/ha.d/ha.cf", ha_cf, 0o644);
        assert_eq!(run(&host, "sh", &["standby"]), said(text, 1), "{ha_cf}");
    }
}

#[test]
fn without_configuration_every_command_says_so_and_succeeds() {
    for command in ["start", "stop", "status", "restart", "reload", "standby"] {
        let host = host();
        std::fs::remove_file(host.path("etc/ha.d/ha.cf")).unwrap();
        let text = "Heartbeat not configured: /etc/ha.d/ha.cf not found.\n Heartbeat failure [rc=1]. Failed.\n";
        assert_eq!(run(&host, "sh", &[command]), said(text, 0));
        assert!(calls(&host).is_empty());
    }
}

#[test]
fn without_the_daemon_nothing_is_said() {
    let host = host();
    std::fs::remove_file(host.path("usr/lib64/heartbeat/heartbeat")).unwrap();
    assert_eq!(run(&host, "sh", &["start"]), said("", 0));
}

#[test]
fn usage() {
    let text = "Usage: /etc/init.d/heartbeat {start|stop|status|restart|reload|force-reload}\n";
    for command in [&["takeover"][..], &[]] {
        assert_eq!(run(&host(), "sh", command), said(text, 1));
    }
}

#[test]
fn hooks_stand_around_start_and_stop() {
    let host = host();
    stand_in(&host, "etc/ha.d/resource.d/startstop", "hook");
    run(&host, "sh", &["start"]);
    host.write("usr/lib64/heartbeat/code", "1", 0o644);
    run(&host, "sh", &["stop"]);
    let steps = [
        "hook pre-start",
        "heartbeat",
        "hook post-start 0",
        "hook pre-stop",
        "heartbeat -k",
        "hook post-stop 1",
    ];
    assert_eq!(calls(&host), steps);
}

#[test]
fn the_logging_daemon_comes_first_and_goes_last() {
    let host = host();
    host.write(
        "usr/lib64/heartbeat/ha_logd",
        &DAEMON.replace("heartbeat$", "logd$"),
        0o755,
    );
    run(&host, "sh", &["start"]);
    host.write("usr/lib64/heartbeat/running", "", 0o644);
    assert!(
        run(&host, "sh", &["start"])
            .stdout
            .starts_with("logd is already running\nStarting ")
    );
    run(&host, "sh", &["stop"]);
    let steps = [
        "logd -s",
        "logd -d",
        "heartbeat",
        "logd -s",
        "heartbeat",
        "heartbeat -k",
        "logd -s",
        "logd -k",
    ];
    assert_eq!(
        calls(&host)
            .iter()
            .map(|call| call.replace("${1:+ }", " "))
            .collect::<Vec<_>>(),
        steps
    );
}

#[test]
fn the_logging_daemon_can_be_left_alone() {
    let host = host();
    host.write("usr/lib64/heartbeat/ha_logd", DAEMON, 0o755);
    host.write("etc/sysconfig/heartbeat", "USE_LOGD=no\n", 0o644);
    run(&host, "sh", &["start"]);
    assert_eq!(calls(&host), ["heartbeat"]);
}

#[test]
fn red_hat_shows_results_its_own_way() {
    let host = host();
    let functions =
        "echo_success() { printf '[  OK  ]'; }\necho_failure() { printf '[FAILED]'; }\n";
    host.write("etc/rc.d/init.d/functions", functions, 0o755);
    assert_eq!(
        run(&host, "sh", &["stop"]),
        said("Stopping High-Availability services: \n[  OK  ]\n", 0)
    );
    host.write("usr/lib64/heartbeat/code", "6", 0o644);
    let outcome = run(&host, "sh", &["start"]);
    assert_eq!(
        outcome.stdout,
        "Starting High-Availability services: \n[FAILED]\n\n\n"
    );
    host.write("etc/rc.d/init.d/functions", functions, 0o644);
    assert!(
        run(&host, "sh", &["start"])
            .stdout
            .contains(" Heartbeat failure [rc=6]. Failed.\n")
    );
}

#[test]
fn the_old_name_of_haresources_is_corrected() {
    let host = host();
    host.write("etc/ha.d/ipresources", "lvs1 192.0.2.1\n", 0o644);
    run(&host, "sh", &["start"]);
    assert_eq!(host.read("etc/ha.d/haresources"), "lvs1 192.0.2.1\n");
}
