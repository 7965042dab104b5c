//! The logging daemon: ours and Debian's, each with loggers and with a heartbeat of both makes.
//!
//! Debian's is that of cluster-glue 1.0.12, which has another socket and another record than release 2.1. Ours serves
//! both, and our clients speak both.

use std::sync::Arc;

use ha_lab::{Host, Implementation, LabError, Output, Result, millis, seconds, wait_until};

use crate::pair::Pair;
use crate::runner::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "logd_commands",
        modes: &["on"],
        run: commands,
    },
    Scenario {
        name: "logd_and_logger_of_either_make",
        modes: &["on"],
        run: loggers,
    },
    Scenario {
        name: "logd_writes_for_heartbeat",
        modes: &["on"],
        run: heartbeats,
    },
    Scenario {
        name: "logd_stops_and_nobody_waits",
        modes: &["off"],
        run: stalled,
    },
    MONITORED,
    Scenario {
        name: "apphbd_watches_heartbeat",
        modes: &["on"],
        run: watched_daemon,
    },
];

/// Heartbeats of applications: either monitor with either client.
const MONITORED: Scenario = Scenario {
    name: "apphbd_and_cl_respawn_of_either_make",
    modes: &["on"],
    run: applications,
};

/// The configuration of every logging daemon here.
const LOGD_CF: &str =
    "logfile /var/log/ha-log\ndebugfile /var/log/ha-debug\nlogfacility none\nsyslogmsgfmt no\n";

/// Whose program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Make {
    Ours,
    Debians,
}

const MAKES: [Make; 2] = [Make::Ours, Make::Debians];

impl Make {
    /// The place of a program on every host, whatever else is installed there.
    fn path(self, name: &str) -> String {
        match self {
            Make::Ours => format!("/opt/ours/{name}"),
            Make::Debians => format!("/opt/debian/{name}"),
        }
    }
}

/// Brings the programs of both makes, and the configuration.
fn prepare(host: &Host) -> Result<()> {
    let missing = |path: &str| LabError::Unavailable(format!("{path} is missing"));
    for path in [
        "/usr/lib/heartbeat/ha_logd",
        "/usr/libexec/heartbeat/apphbd",
        "/usr/bin/cl_respawn",
        "/usr/sbin/ha_logger",
    ] {
        let octets = std::fs::read(path).map_err(|_| missing(path))?;
        let name = path.rsplit('/').next().unwrap_or(path);
        host.write_octets(&Make::Debians.path(name), &octets, 0o755)?;
    }
    let stage = Implementation::Ours
        .stage()
        .ok_or_else(|| missing("our installed tree"))?;
    let tools = ["usr/lib64", "usr/lib"]
        .iter()
        .find_map(|lib| std::fs::read(stage.join(lib).join("heartbeat/ha-tools")).ok())
        .ok_or_else(|| missing("our ha-tools"))?;
    for name in ["ha_logd", "ha_logger", "apphbd", "cl_respawn"] {
        host.write_octets(&Make::Ours.path(name), &tools, 0o755)?;
    }
    host.write("/etc/logd.cf", LOGD_CF)
}

fn logd(host: &Host, make: Make, options: &[&str]) -> Result<Output> {
    let program = make.path("ha_logd");
    let mut words = vec![program.as_str()];
    words.extend_from_slice(options);
    host.run(&words)
}

/// Starts a daemon and waits until it says that it runs; Debian's is not there yet when its command returns.
fn start(host: &Host, make: Make) -> Result<()> {
    logd(host, make, &["-d", "-c", "/etc/logd.cf"])?.success()?;
    wait_until(&format!("{make:?} ha_logd runs"), seconds(10), || {
        host.log().contains("logd started with /etc/logd.cf.")
    })
}

fn stop(host: &Host, make: Make) -> Result<()> {
    logd(host, make, &["-k"])?.success().map(drop)
}

/// What a command says, without what differs from run to run: pids and times. Debian's `/run` is `/var/run`.
fn said(host: &Host, make: Make, options: &[&str]) -> Result<String> {
    let output = logd(host, make, options)?;
    let text = format!("{}{}exit {}", output.stdout, output.stderr, output.code())
        .replace(&make.path("ha_logd"), "ha_logd");
    let mut plain = String::new();
    for line in text.lines() {
        // A log line on standard error: release 2.1 and ours begin with the name, cluster-glue with the time.
        let logged = line
            .split_once(" logd: [")
            .or_else(|| Some(("", line.strip_prefix("logd[")?)))
            .and_then(|(_, rest)| rest.split_once("]: "));
        let line = match logged {
            Some((_, rest)) => rest.split_once("info: ").map_or(rest, |(_, text)| text),
            None => line,
        };
        let digits = |letter: char| letter.is_ascii_digit();
        let words: Vec<String> = line
            .split(' ')
            .map(
                |word| match word.trim_end_matches("].").trim_end_matches('.') {
                    number if number.len() > 1 && number.chars().all(digits) => "PID".to_owned(),
                    _ if word.starts_with("pid=") => "pid=PID".to_owned(),
                    _ => word.replace("/var/run/", "/run/"),
                },
            )
            .collect();
        plain.push_str(&words.join(" "));
        plain.push('\n');
    }
    Ok(plain)
}

/// `-s`, `-k`, `-d` and wrong calls: the same texts and exit codes.
fn commands(pair: &Pair) -> Result<()> {
    let host = &pair.alpha;
    prepare(host)?;
    let mut spoken = Vec::new();
    for make in MAKES {
        host.sh("rm -f /var/run/logd.pid /var/log/ha-log /var/log/ha-debug")?;
        let mut texts = Vec::new();
        let mut note = |options: &[&str]| -> Result<()> {
            let text = said(host, make, options)?;
            // Debian's summary of the options lacks a line break, and its debug line has no counterpart.
            let lines: Vec<&str> = text
                .lines()
                .filter(|line| !line.starts_with("-v") && !line.starts_with("-h"))
                .filter(|line| !line.contains("Stopping ha_logd"))
                .collect();
            texts.push(format!("{options:?}:\n{}", lines.join("\n")));
            Ok(())
        };
        note(&["-s"])?;
        note(&["-k"])?;
        note(&["-h"])?;
        note(&["-z"])?;
        note(&["-c"])?;
        host.write("/etc/bad.cf", "nonsense 1\nlogfacility daemon\n")?;
        note(&["-c", "/etc/bad.cf"])?;
        start(host, make)?;
        note(&["-s"])?;
        note(&["-c", "/etc/logd.cf"])?;
        note(&["-v", "-s"])?;
        note(&["-k"])?;
        note(&["-s"])?;
        note(&["-k"])?;
        host.write("/var/run/logd.pid", "99999\n")?;
        note(&["-s"])?;
        host.write("/var/run/logd.pid", "nothing\n")?;
        note(&["-s"])?;
        spoken.push(texts);
    }
    let [ours, debians] = spoken.as_slice() else {
        return Err(LabError::unexpected("two makes"));
    };
    for (ours, debians) in ours.iter().zip(debians) {
        // Ours says what is wrong with a configuration.
        let about = |text: &str| -> Vec<String> {
            text.lines()
                .filter(|line| {
                    !line.contains("the directives are") && !line.contains("is incorrect")
                })
                .map(str::to_owned)
                .collect()
        };
        if about(ours) != about(debians) {
            return Err(LabError::unexpected(format!(
                "ours:\n{ours}\nDebian's:\n{debians}"
            )));
        }
    }
    Ok(())
}

/// Every logger at every daemon; formats, levels, rotation with and without a signal, and nothing lost at the end.
fn loggers(pair: &Pair) -> Result<()> {
    for host in pair.nodes() {
        prepare(host)?;
        for daemon in MAKES {
            host.sh("rm -f /var/log/ha-log /var/log/ha-debug")?;
            let nobody = host.run(&[&Make::Ours.path("ha_logger"), "x"])?;
            let refused = (nobody.code(), nobody.stderr.as_str());
            if refused != (1, "logd is not running") {
                return Err(LabError::unexpected(format!("without daemon: {refused:?}")));
            }
            start(host, daemon)?;
            for logger in MAKES {
                log_something(host, daemon, logger)?;
            }
            host.sh("mv /var/log/ha-log /var/log/ha-log.1; kill -HUP $(cat /var/run/logd.pid)")?;
            let again = Make::Ours.path("ha_logger");
            wait_until("the log is a new file", seconds(10), || {
                // Debian's daemon looks for signals when it has something to write.
                let _ = host.run(&[&again, "after the signal"]);
                host.log().contains("SIGHUP received, re-opened log files")
            })?;
            // At the end everything is written that was sent before.
            let many = format!("seq 100 | {} -t last", Make::Ours.path("ha_logger"));
            host.sh(&many)?;
            stop(host, daemon)?;
            let count = host.log().matches("last[").count();
            // Debian's loses a few of them now and then.
            if count != 100 && (daemon == Make::Ours || count == 0) {
                return Err(LabError::unexpected(format!(
                    "{daemon:?} wrote {count} of 100 lines before its end"
                )));
            }
        }
    }
    Ok(())
}

fn log_something(host: &Host, daemon: Make, logger: Make) -> Result<()> {
    let program = logger.path("ha_logger");
    let tag = format!("{daemon:?}-by-{logger:?}[77]");
    host.run(&[&program, "-t", &tag, "for both  files"])?
        .success()?;
    host.run(&[&program, "-t", &tag, "-D", "ha-debug", "only for one"])?
        .success()?;
    host.sh(&format!("printf 'a line\\n\\nlast' | {program} -t '{tag}'"))?;
    let line = |text: &str, file: &str| {
        file.lines().any(|line| {
            // TAG[PID]: DATE TEXT, without a level.
            let rest = line.strip_prefix(&format!("{tag}["));
            let parts = rest.and_then(|rest| rest.split_once("]: "));
            parts.is_some_and(|(pid, rest)| {
                pid.parse::<u32>().is_ok()
                    && rest.split_once(' ').is_some_and(|(date, said)| {
                        date.len() == "2026/11/23_22:12:28".len() && said == text
                    })
            })
        })
    };
    let what = format!("{logger:?} ha_logger's lines by {daemon:?} ha_logd");
    wait_until(&what, seconds(10), || {
        let (log, debug) = (host.log(), host.log_file("ha-debug"));
        ["for both  files", "a line", "", "last"]
            .iter()
            .all(|text| line(text, &log) && line(text, &debug))
            && line("only for one", &debug)
    })?;
    if line("only for one", &host.log()) {
        return Err(LabError::unexpected("a debug line in the log file"));
    }
    Ok(())
}

/// An ha.cf that leaves the log to the daemon; either says so or says nothing about logs at all.
fn leave_the_log(pair: &Pair, host: &Host, lines: &str) -> Result<()> {
    let text: String = pair
        .ha_cf(host)
        .text()
        .lines()
        .filter(|line| !line.starts_with("log") && !line.starts_with("debugfile"))
        .map(|line| format!("{line}\n"))
        .collect();
    host.write("/etc/ha.d/ha.cf", &format!("{lines}{text}"))
}

/// Both heartbeats through a daemon of the other make; the daemon is away for a while.
fn heartbeats(pair: &Pair) -> Result<()> {
    let daemons: [(&Arc<Host>, Make); 2] = pair.nodes().map(|host| match host.is_ours() {
        true => (host, Make::Debians),
        false => (host, Make::Ours),
    });
    for (host, daemon) in daemons {
        prepare(host)?;
        start(host, daemon)?;
    }
    leave_the_log(pair, &pair.alpha, "use_logd yes\nconn_logd_time 1\n")?;
    leave_the_log(pair, &pair.beta, "conn_logd_time 1\n")?;
    pair.alpha.start_heartbeat()?;
    let started = pair.beta.run(&[pair.beta.daemon()?])?.success()?;
    for text in [
        "No log entry found in ha.cf -- use logd",
        "Enabling logging daemon",
        "logfile and debug file are those specified in logd config file (default /etc/logd.cf)",
    ] {
        if !started.stderr.contains(text) {
            return Err(LabError::unexpected(format!(
                "not said: {text}\n{}",
                started.stderr
            )));
        }
    }
    pair.until_at("start", seconds(45), "alpha", "beta")?;
    pair.until_quiet()?;
    for (host, _) in daemons {
        let log = host.log();
        let line = |text: &str| {
            log.lines()
                .find(|line| line.contains(text))
                .map(str::to_owned)
                .ok_or_else(|| LabError::unexpected(format!("{} has no {text}", host.name())))
        };
        // As it would stand in a file of heartbeat's own, and as scripts' lines look through the daemon.
        let up = line("Local status now set to: 'active'")?;
        let proper = up.starts_with("heartbeat[") && up.contains("]: 20") && up.contains(" info: ");
        let script =
            line("Running /etc/ha.d/rc.d/status status").or_else(|_| line("ResourceManager"))?;
        if !proper || script.contains(":\t") {
            return Err(LabError::unexpected(format!("{up}\n{script}")));
        }
    }
    for (host, daemon) in daemons {
        stop(host, daemon)?;
        reload(host)?;
        pair.stays("nobody misses the log", seconds(4), || {
            pair.is_at("alpha", "beta")
        })?;
        host.sh("rm -f /var/log/ha-log /var/log/ha-debug")?;
        start(host, daemon)?;
        wait_until("lines come again", seconds(30), || {
            let _ = reload(host);
            std::thread::sleep(millis(500));
            host.log().contains("info: Configuration unchanged.")
        })?;
    }
    pair.check_logs(&[])
}

/// Makes the daemon say something.
fn reload(host: &Host) -> Result<()> {
    host.sh("kill -HUP $(cat /var/run/heartbeat.pid)").map(drop)
}

/// A logging daemon that is there and does nothing: no node is late, and a standby works.
fn stalled(pair: &Pair) -> Result<()> {
    for host in pair.nodes() {
        prepare(host)?;
        start(host, Make::Ours)?;
        leave_the_log(pair, host, "use_logd yes\nconn_logd_time 1\n")?;
    }
    pair.settle()?;
    for host in pair.nodes() {
        host.sh("kill -STOP $(cat /var/run/logd.pid)")?;
    }
    for _ in 0..3 {
        for host in pair.nodes() {
            reload(host)?;
        }
        pair.stays("nobody is late", seconds(2), || pair.is_at("alpha", "beta"))?;
    }
    pair.alpha.tool("hb_standby", &["all"])?;
    pair.until_at("a standby", seconds(40), "beta", "beta")?;
    for host in pair.nodes() {
        host.sh("kill -CONT $(cat /var/run/logd.pid)")?;
    }
    wait_until("the log goes on", seconds(30), || {
        let _ = reload(&pair.alpha);
        std::thread::sleep(millis(500));
        pair.alpha
            .log()
            .contains("Standby resource acquisition done")
            || pair
                .alpha
                .log()
                .contains("Other node completed standby takeover")
            || pair.alpha.log().contains("messages were dropped")
    })?;
    for host in pair.nodes() {
        if host.log().contains("is dead") {
            return Err(LabError::unexpected("somebody was declared dead"));
        }
    }
    Ok(())
}

/// A program that notes its calls, runs for as long as it is told, and ends as it is told.
const PROGRAM: &str = "#!/bin/sh\necho called >> /var/log/calls\nsleep $1\nexit $2\n";

/// A program is started again until it ends with the magic code; the monitor knows its keeper, misses it while it is
/// stopped, and hears of its end. (Debian's cl_respawn aborts then, and Debian's monitor with it.)
fn applications(pair: &Pair) -> Result<()> {
    let host = &pair.alpha;
    prepare(host)?;
    host.write_mode("/opt/program", PROGRAM, 0o755)?;
    host.write(
        "/etc/apphbd.cf",
        "debug_level 1\nlogfile /var/log/apphbd\ndebugfile /var/log/apphbd-debug\nrealtime no\n",
    )?;
    host.sh("mkdir -p /var/run/heartbeat")?;
    for monitor in MAKES {
        for keeper in MAKES {
            host.sh("rm -f /var/log/apphbd* /var/log/calls")?;
            let (apphbd, respawn) = (monitor.path("apphbd"), keeper.path("cl_respawn"));
            host.run(&[&apphbd, "-c", "/etc/apphbd.cf"])?.success()?;
            wait_until("the monitor runs", seconds(10), || {
                host.run(&[&apphbd, "-s"])
                    .is_ok_and(|said| said.code() == 0)
                    && host.log_file("apphbd").contains("Starting apphbd")
            })?;
            let log = || host.log_file("apphbd");
            host.sh(&format!(
                "{respawn} -i 600 -w 400 -p /var/run/keeper.pid /opt/program 1 0 >/dev/null 2>&1 &"
            ))?;
            wait_until("the program is started again", seconds(20), || {
                host.log_file("calls").lines().count() >= 3
            })?;
            let again = host.run(&[
                &respawn,
                "-p",
                "/var/run/keeper.pid",
                "/opt/program",
                "1",
                "0",
            ])?;
            if again.code() != 0 || !again.stderr.contains("says we're already running as pid [") {
                return Err(LabError::unexpected(format!("{again:?}")));
            }
            host.sh("kill -STOP $(cat /var/run/keeper.pid)")?;
            wait_until("the monitor misses the keeper", seconds(20), || {
                log().contains("WARN: apphb client 'cl_respawn' / 'cl_respawn_")
                    && log().contains(") failed to heartbeat")
            })?;
            host.sh("kill -CONT $(cat /var/run/keeper.pid)")?;
            wait_until("the monitor hears the keeper again", seconds(20), || {
                log().contains(") resumed heartbeats") && log().contains(") late heartbeat: ")
            })?;
            host.sh("kill -TERM $(cat /var/run/keeper.pid)")?;
            wait_until("the monitor hears of the end", seconds(20), || {
                log().contains("apphb_client_remove: client: ")
            })?;
            let magic = host.run(&[&respawn, "-m", "7", "/opt/program", "0", "7"])?;
            // 134: aborted.
            let expected = if keeper == Make::Ours { 7 } else { 134 };
            if magic.code() != expected && magic.code() != -6 {
                return Err(LabError::unexpected(format!("{keeper:?} {magic:?}")));
            }
            host.run(&[&apphbd, "-k"])?.success()?;
            wait_until("the monitor is gone", seconds(20), || {
                host.run(&[&apphbd, "-s"])
                    .is_ok_and(|said| said.code() == 3)
            })?;
        }
    }
    Ok(())
}

/// Either daemon registers with either monitor, is missed while it is stopped, and takes its leave. Ours also finds a
/// monitor that comes later. (Debian's never does.)
fn watched_daemon(pair: &Pair) -> Result<()> {
    let host = &pair.alpha;
    for node in pair.nodes() {
        let file = pair.ha_cf(node).line("use_apphbd yes");
        node.write("/etc/ha.d/ha.cf", &file.text())?;
    }
    host.write(
        "/etc/apphbd.cf",
        "debug_level 1\nlogfile /var/log/apphbd\ndebugfile /var/log/apphbd-debug\nrealtime no\n",
    )?;
    for monitor in MAKES {
        prepare(host)?;
        host.sh("mkdir -p /var/run/heartbeat; rm -f /var/log/apphbd* /var/log/ha-log")?;
        let apphbd = monitor.path("apphbd");
        let runs = || {
            host.run(&[&apphbd, "-s"])
                .is_ok_and(|said| said.code() == 0)
                && host.log_file("apphbd").contains("Starting apphbd")
        };
        host.run(&[&apphbd, "-c", "/etc/apphbd.cf"])?.success()?;
        wait_until("the monitor runs", seconds(10), runs)?;
        host.start_heartbeat()?;
        let registered = || {
            host.log()
                .matches("Registered with apphbd as heartbeat/master_control_process.")
                .count()
        };
        wait_until("it registers", seconds(20), || registered() == 1)?;
        host.sh("kill -STOP $(cat /var/run/heartbeat.pid)")?;
        wait_until("it is missed", seconds(30), || {
            host.log_file("apphbd")
                .contains("WARN: apphb client 'heartbeat' / 'master_control_process' (pid ")
                && host.log_file("apphbd").contains(") failed to heartbeat")
        })?;
        host.sh("kill -CONT $(cat /var/run/heartbeat.pid)")?;
        wait_until("it is heard again", seconds(20), || {
            host.log_file("apphbd").contains(") resumed heartbeats")
        })?;
        if host.is_ours() {
            host.sh("kill -KILL $(cat /var/run/apphbd.pid)")?;
            wait_until("it misses the monitor", seconds(20), || {
                host.log().contains("ERROR: apphb_hb() failed.: ")
            })?;
            host.run(&[&apphbd, "-c", "/etc/apphbd.cf"])?.success()?;
            wait_until("it finds the new one", seconds(60), || registered() == 2)?;
        }
        host.stop_heartbeat()?;
        // Debian's monitor never survives a client that leaves, whatever its last words.
        if monitor == Make::Ours {
            if !runs() {
                return Err(LabError::unexpected("the monitor ended with its client"));
            }
            host.run(&[&apphbd, "-k"])?.success()?;
        }
        wait_until("the monitor is gone", seconds(20), || {
            host.run(&[&apphbd, "-s"])
                .is_ok_and(|said| said.code() == 3 || said.code() == 1)
        })?;
    }
    Ok(())
}
