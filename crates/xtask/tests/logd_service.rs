//! `/etc/init.d/logd`, with a stand-in for the daemon.

mod common;

use common::{Host, Outcome, shells};

/// Runs or not, as the file `pid` says; notes its arguments in `calls`.
const DAEMON: &str = r#"#!/bin/sh
here=${0%/*}
echo "$*" >>"$here/calls"
case "$1" in
-s)
	if [ -e "$here/pid" ]; then
		echo "logging daemon is running [pid = 7]."
		exit 0
	fi
	echo "logging daemon is stopped."
	exit 3
	;;
-d)
	[ -e "$here/broken" ] || : >"$here/pid"
	exit 0
	;;
-k)
	[ ! -e "$here/stuck" ] || exit 1
	rm -f "$here/pid"
	;;
esac
"#;

fn host() -> Host {
    let host = Host::new();
    host.write("etc/init.d/logd", &host.compat("init.d/logd"), 0o755);
    host.write("usr/lib64/heartbeat/ha_logd", DAEMON, 0o755);
    host
}

fn run(host: &Host, shell: &str, command: &str) -> (String, i32) {
    let script = host.path("etc/init.d/logd");
    let Outcome {
        stdout,
        stderr,
        code,
    } = host.shell(shell, &[script.to_str().unwrap(), command]);
    assert_eq!(stderr, "", "{shell} {command}");
    (stdout, code)
}

fn said(text: &str, code: i32) -> (String, i32) {
    (text.to_owned(), code)
}

#[test]
fn a_life() {
    for shell in shells() {
        let host = host();
        let lock = host.path("var/lock/subsys/logd");
        assert_eq!(
            run(&host, shell, "status"),
            said("logging daemon is stopped.\n", 3)
        );
        assert_eq!(run(&host, shell, "try-restart"), said("", 0));
        assert_eq!(run(&host, shell, "start"), said("", 0));
        assert!(lock.exists());
        assert_eq!(
            run(&host, shell, "start"),
            said("logd is already running\n", 0)
        );
        let running = said("logging daemon is running [pid = 7].\n", 0);
        assert_eq!(run(&host, shell, "status"), running);
        assert_eq!(run(&host, shell, "restart"), said("", 0));
        assert_eq!(run(&host, shell, "status"), running);
        assert_eq!(run(&host, shell, "stop"), said("", 0));
        assert!(!lock.exists());
        assert_eq!(
            run(&host, shell, "stop"),
            said("logd is already stopped\n", 0)
        );
    }
}

/// The daemon itself says 0 when it is started in the background.
#[test]
fn a_daemon_that_does_not_come_up_or_go_down_is_told() {
    let host = host();
    host.write("usr/lib64/heartbeat/broken", "", 0o644);
    assert_eq!(run(&host, "sh", "start"), said("starting logd failed\n", 1));
    std::fs::remove_file(host.path("usr/lib64/heartbeat/broken")).unwrap();
    run(&host, "sh", "start");
    host.write("usr/lib64/heartbeat/stuck", "", 0o644);
    assert_eq!(run(&host, "sh", "stop"), said("stopping logd failed\n", 1));
}

#[test]
fn another_configuration_and_usage() {
    let host = host();
    host.write(
        "etc/default/heartbeat",
        "LOGD_CFG='/etc/my own.cf'\n",
        0o644,
    );
    run(&host, "sh", "start");
    let calls = host.read("usr/lib64/heartbeat/calls");
    assert!(calls.contains("-d -c /etc/my own.cf\n"), "{calls}");
    let usage = "Usage: /etc/init.d/logd {start|stop|restart|try-restart|status|force-reload}\n";
    assert_eq!(run(&host, "sh", "nonsense"), said(usage, 1));
}
