//! `/etc/ha.d/shellfuncs` and `/etc/ha.d/harc`: what scripts of third parties rely on (`resource-protocol.md` 4).

mod common;

use std::fs::File;
use std::io::Read;
use std::process::Command;

use common::{Host, Outcome, shells};

/// Runs lines of shell after sourcing shellfuncs.
fn script(host: &Host, shell: &str, lines: &str) -> Outcome {
    let functions = host.path("etc/ha.d/shellfuncs");
    host.write(
        "script",
        &format!(". {}\n{lines}", functions.display()),
        0o755,
    );
    host.shell(shell, &[host.path("script").to_str().unwrap()])
}

fn stdout(host: &Host, shell: &str, lines: &str) -> String {
    let outcome = script(host, shell, lines);
    assert_eq!(outcome.stderr, "", "{shell}: {lines}");
    outcome.stdout
}

/// Log lines carry a pid and a date; this puts words in their place.
fn anonymous(line: &str) -> String {
    let digits = |c: char| if c.is_ascii_digit() { '9' } else { c };
    let line: String = line.chars().map(digits).collect();
    let mut line = line.replace("9999/99/99_99:99:99 ", "DATE ");
    while line.contains("99]") {
        line = line.replace("99]", "9]");
    }
    line.replace("[9]", "[PID]")
}

#[test]
fn variables_have_the_documented_values() {
    let wanted = [
        ("HA_DIR", "/etc/ha.d"),
        ("HA_RCDIR", "/etc/ha.d/rc.d"),
        ("HA_CONFDIR", "/etc/ha.d/conf"),
        ("HA_CF", "/etc/ha.d/ha.cf"),
        ("HA_RESOURCEDIR", "/etc/ha.d/resource.d"),
        ("HA_DOCDIR", "/usr/share/doc/heartbeat-2.1.4"),
        ("HA_VARLIB", "/var/lib/heartbeat"),
        ("HA_RSCTMP", "/var/run/heartbeat/rsctmp"),
        ("HA_FIFO", "/var/lib/heartbeat/fifo"),
        ("HA_BIN", "/usr/lib64/heartbeat"),
        ("HA_SBIN_DIR", "/usr/sbin"),
        ("HA_NOARCHBIN", "/usr/share/heartbeat"),
        ("HBSHARE", "/usr/share/heartbeat"),
        ("HA_VARRUN", "/var/run/"),
        ("HA_VARLOCK", "/var/lock/subsys/"),
        ("HA_DATEFMT", "%Y/%m/%d_%T "),
        ("HA_DEBUGLOG", "/dev/null"),
    ];
    for shell in shells() {
        let host = Host::new();
        for (name, value) in wanted {
            assert_eq!(
                stdout(&host, shell, &format!("echo \"${name}\"")),
                format!("{value}\n"),
                "{name}"
            );
        }
    }
}

#[test]
fn what_the_daemon_set_stays() {
    let host = Host::new();
    let functions = host.path("etc/ha.d/shellfuncs");
    let lines = format!(
        "HA_DATEFMT=%Y HA_LOGFILE=/x\n. {}\necho $HA_DATEFMT $HA_LOGFILE\n",
        functions.display()
    );
    assert_eq!(host.shell("sh", &["-c", &lines]).stdout, "%Y /x\n");
}

#[test]
fn the_path_is_prefixed_once() {
    for shell in shells() {
        let host = Host::new();
        let functions = host.path("etc/ha.d/shellfuncs");
        let path = stdout(
            &host,
            shell,
            &format!(". {}\necho \"$PATH\"", functions.display()),
        );
        let prefix = "/usr/lib64/heartbeat:/usr/sbin:/usr/share/heartbeat:";
        assert_eq!(path, format!("{prefix}/usr/sbin:/usr/bin:/sbin:/bin\n"));
    }
}

#[test]
fn log_lines_go_to_stderr_without_a_log_file() {
    for shell in shells() {
        let host = Host::new();
        let outcome = script(&host, shell, "ha_log 'info: Going * standby'");
        assert_eq!(anonymous(&outcome.stderr), "DATE info: Going * standby\n");
        assert_eq!((outcome.stdout.as_str(), outcome.code), ("", 0));
    }
}

#[test]
fn log_lines_go_to_the_files() {
    for shell in shells() {
        let host = Host::new();
        let (log, debug) = (host.path("ha-log"), host.path("ha-debug"));
        let lines = format!(
            "HA_LOGFILE={} HA_DEBUGLOG={}\nha_log 'WARN: a\\tb' c\nha_debug \"d: e\"\n",
            log.display(),
            debug.display()
        );
        assert_eq!(stdout(&host, shell, &lines), "");
        assert_eq!(
            anonymous(&host.read("ha-log")),
            "script[PID]:\tDATE WARN: a\\tb c\n"
        );
        let debug = "script[PID]:\tDATE WARN: a\\tb c\nscript[PID]:\tDATE d: e\n";
        assert_eq!(anonymous(&host.read("ha-debug")), debug);
    }
}

#[test]
fn the_level_in_syslog_follows_the_text() {
    let host = Host::new();
    host.write(
        "usr/lib64/heartbeat/logger",
        "#!/bin/sh\necho \"$4 $6\" >>\"${0%/*}/calls\"\n",
        0o755,
    );
    let lines = "HA_LOGFACILITY=local0 HA_LOGFILE=/dev/null\n\
                 for text in 'ERROR: a' 'WARN: b' 'INFO: c' 'info: d' 'CRIT: e'; do ha_log \"$text\"; done\n\
                 ha_debug f\nHA_LOGFACILITY=none\nha_log g\n";
    assert_eq!(stdout(&host, "sh", lines), "");
    let wanted = "local0.err ERROR: a\nlocal0.warning WARN: b\nlocal0.info INFO: c\nlocal0.notice info: d\n\
                  local0.notice CRIT: e\nlocal0.debug f\n";
    assert_eq!(host.read("usr/lib64/heartbeat/calls"), wanted);
}

#[test]
fn the_logging_daemon_gets_the_line_alone_unless_it_fails() {
    let host = Host::new();
    let log = host.path("ha-log");
    host.write(
        "usr/lib64/heartbeat/ha_logger",
        "#!/bin/sh\necho \"$*\" >>\"${0%/*}/calls\"\n",
        0o755,
    );
    let lines = format!(
        "HA_LOGD=yes HA_LOGFILE={}\nHA_LOGTAG=tag\nha_log x\nha_debug y\n",
        log.display()
    );
    assert_eq!(stdout(&host, "sh", &lines), "");
    assert_eq!(
        host.read("usr/lib64/heartbeat/calls"),
        "-t tag x\n-t tag -D ha-debug y\n"
    );
    assert_eq!(host.read("ha-log"), "");
    host.write(
        "usr/lib64/heartbeat/ha_logger",
        "#!/bin/sh\nexit 1\n",
        0o755,
    );
    script(&host, "sh", &lines);
    assert_eq!(anonymous(&host.read("ha-log")), "tag:\tDATE x\n");
}

#[test]
fn a_cluster_message_is_written_in_one_piece() {
    for shell in shells() {
        let host = Host::new();
        let fifo = host.path("fifo");
        assert!(
            Command::new("mkfifo")
                .arg(&fifo)
                .status()
                .unwrap()
                .success()
        );
        let reader = std::thread::spawn({
            let fifo = fifo.clone();
            move || {
                let mut buffer = [0; 512];
                let length = File::open(fifo).unwrap().read(&mut buffer).unwrap();
                String::from_utf8(buffer[..length].to_vec()).unwrap()
            }
        });
        let lines = format!(
            "HA_FIFO={}\nha_clustermsg <<-!MSG\n\tt=hb_takeover\n\trsc_hold=all\n\t!MSG\necho $?\n",
            fifo.display()
        );
        assert_eq!(stdout(&host, shell, &lines), "0\n");
        assert_eq!(
            reader.join().unwrap(),
            ">>>\nt=hb_takeover\nrsc_hold=all\n<<<\n"
        );
    }
}

#[test]
fn a_cluster_message_without_heartbeat_is_an_error_and_leaves_no_file() {
    let host = Host::new();
    let outcome = script(
        &host,
        "sh",
        &format!(
            "HA_FIFO={}\necho t=x | ha_clustermsg",
            host.path("fifo").display()
        ),
    );
    assert_eq!(outcome.code, 1);
    assert!(
        outcome
            .stderr
            .contains("ERROR: Cannot send cluster message: "),
        "{}",
        outcome.stderr
    );
    assert!(!host.path("fifo").exists());
}

#[test]
fn parameters_come_from_ha_cf() {
    let ha_cf = "# node x\nKeepalive\t3 # seconds\nnode  a b\nnode c\r\nnodeset d\ndeadtime 10\n";
    for shell in shells() {
        let host = Host::new();
        host.write("etc/ha.d/ha.cf", ha_cf, 0o644);
        for (name, value) in [
            ("node", "a b c"),
            ("keepalive", "3"),
            ("deadtime", "10"),
            ("crm", ""),
            ("no.e", ""),
        ] {
            assert_eq!(
                stdout(&host, shell, &format!("ha_parameter {name}")),
                format!("{value}\n"),
                "{name}"
            );
        }
    }
}

#[test]
fn keepalive_and_deadtime_have_defaults() {
    for (ha_cf, keepalive, deadtime) in [
        ("", "2", "5"),
        ("keepalive 3\n", "3", "7"),
        ("keepalive 200ms\n", "200ms", "401ms"),
    ] {
        let host = Host::new();
        host.write("etc/ha.d/ha.cf", ha_cf, 0o644);
        assert_eq!(
            stdout(&host, "sh", "ha_parameter keepalive\nha_parameter deadtime"),
            format!("{keepalive}\n{deadtime}\n")
        );
    }
}

#[test]
fn pseudo_resources_note_their_state() {
    let lines = "mkdir -p \"$HA_RSCTMP\"\n\
                 for op in status monitor start status monitor reload stop status stop nonsense; do\n\
                 ha_pseudo_resource thing $op; printf '%s ' $?\ndone\n";
    for shell in shells() {
        let host = Host::new();
        assert_eq!(stdout(&host, shell, lines), "3 7 0 0 0 0 0 3 0 3 ");
        assert_eq!(
            host.plain(&stdout(&host, shell, "ha_pseudo_resource thing print")),
            "/var/run/heartbeat/rsctmp/thing\n"
        );
        assert_eq!(
            stdout(&host, shell, "ha_pseudo_resource thing print /x"),
            "/x\n"
        );
    }
}

#[test]
fn small_functions() {
    for shell in shells() {
        let host = Host::new();
        assert_eq!(
            stdout(&host, shell, "pingargs 192.0.2.1"),
            "-c 1 -q -n 192.0.2.1\n"
        );
        assert_eq!(stdout(&host, shell, "Echo a '\\t' b"), "a \\t b\n");
        assert_eq!(stdout(&host, shell, "HA_DATEFMT='x %% '\nhadate"), "x % \n");
        assert_eq!(
            stdout(&host, shell, "BSD_Status no-such-program-here; echo $?"),
            "0\n"
        );
        let check = "f=$(maketempfile); [ -f \"$f\" ] && ls -l \"$f\" | cut -c1-10; rm \"$f\"\n\
                     d=$(maketempfile -d); [ -d \"$d\" ] && ls -ld \"$d\" | cut -c1-10; rmdir \"$d\"\n";
        assert_eq!(stdout(&host, shell, check), "-rw-------\ndrwx------\n");
    }
}

fn harc(host: &Host, arguments: &[&str]) -> Outcome {
    host.write("etc/ha.d/harc", &host.compat("ha.d/harc"), 0o755);
    let path = host.path("etc/ha.d/harc");
    let mut all = vec![path.to_str().unwrap()];
    all.extend(arguments);
    host.shell("sh", &all)
}

#[test]
fn harc_runs_the_handler_of_a_message() {
    let host = Host::new();
    host.write(
        "etc/ha.d/rc.d/mine",
        "#!/bin/sh\necho handler $*\nexit 5\n",
        0o755,
    );
    let outcome = harc(&host, &["mine", "mine", "x"]);
    assert_eq!(
        (outcome.stdout.as_str(), outcome.code),
        ("handler mine mine x\n", 5)
    );
    assert_eq!(
        anonymous(&outcome.stderr),
        "DATE info: Running /etc/ha.d/rc.d/mine mine mine x\n"
    );
}

#[test]
fn harc_refuses_what_is_no_handler() {
    let host = Host::new();
    host.write("etc/ha.d/rc.d/plain", "", 0o644);
    host.write("etc/ha.d/outside", "#!/bin/sh\necho outside\n", 0o755);
    for (kind, text) in [
        ("plain", "/etc/ha.d/rc.d/plain: not executable"),
        ("absent", "/etc/ha.d/rc.d/absent: not executable"),
        ("../outside", "../outside: not a message type"),
    ] {
        let outcome = harc(&host, &[kind]);
        assert_eq!(
            anonymous(&outcome.stderr),
            format!("DATE ERROR: /etc/ha.d/harc: {text}\n")
        );
        assert_eq!((outcome.stdout.as_str(), outcome.code), ("", 1));
    }
}
