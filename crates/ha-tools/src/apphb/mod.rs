//! `apphbd`: watches applications that say every so often that they live, and tells when they do not (`client-api.md` 10,
//! `install-and-cli.md` 13).
//!
//! What the legacy does beyond that, telling plugins of it, is not here: none of its plugins could be loaded.

pub(crate) mod client;
mod monitor;
mod server;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use ha_config::{ApphbdCf, parse_apphbd_cf};
use ha_sys::daemon::{self, Side};
use ha_sys::log::{Logger, Priority, Sinks, SyslogFacility};
use ha_sys::pidfile::{self, PidFile};
use ha_sys::signals::Signal;
use ha_sys::watchdog::Watchdog;
use ha_sys::{clock, errno_text, process, realtime};
use lexopt::{Arg, Parser};

use crate::output;
use server::{Feeding, Server};

/// Where applications find the monitor.
const SOCKET: &str = "/var/run/heartbeat/apphb.comm";
const PID_FILE: &str = "/var/run/apphbd.pid";
/// Read unless another file is named.
const DEFAULT_CONFIGURATION: &str = "./apphbd.cf";
const NAME: &str = "apphbd";

const EXIT_STOPPED: i32 = 3;
const EXIT_NOT_CONFIGURED: i32 = 6;

const REALTIME_PRIORITY: i32 = 1;
const POLL: Duration = Duration::from_millis(50);
const LAST_WORDS: Duration = Duration::from_secs(5);

const USAGE: &str = "\
usage: apphbd [-srkh][-c configure file]
	-d	sets debug level
	-s	gets daemon status
	-r	restarts daemon
	-k	stops daemon
	-h	help message
";

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Options {
    asked: Asked,
    configuration: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Start,
    Restart,
    Stop,
    Status,
    Help,
}

impl Options {
    /// # Errors
    /// In getopt's words.
    fn parse(args: &[OsString]) -> Result<Options, String> {
        let mut options = Options {
            asked: Asked::Start,
            configuration: DEFAULT_CONFIGURATION.to_owned(),
        };
        let mut parser = Parser::from_args(args);
        while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
            let missing = |letter| format!("option requires an argument -- '{letter}'");
            match arg {
                Arg::Short('s') => options.asked = Asked::Status,
                Arg::Short('k') => options.asked = Asked::Stop,
                Arg::Short('r') => options.asked = Asked::Restart,
                Arg::Short('h') => {
                    options.asked = Asked::Help;
                    return Ok(options);
                }
                // Nothing is said for debugging.
                Arg::Short('d') => {
                    parser.value().map_err(|_| missing('d'))?;
                }
                Arg::Short('c') => {
                    let file = parser.value().map_err(|_| missing('c'))?;
                    options.configuration = file.to_string_lossy().into_owned();
                }
                Arg::Short(letter) => return Err(format!("invalid option -- '{letter}'")),
                Arg::Long(name) => return Err(format!("unrecognized option '--{name}'")),
                Arg::Value(_) => {}
            }
        }
        Ok(options)
    }
}

pub(crate) fn main(program: &OsStr, args: &[OsString]) -> i32 {
    let options = match Options::parse(args) {
        Ok(options) => options,
        Err(complaint) => {
            let program = program.to_string_lossy();
            output::error(&format!("{program}: {complaint}\n{USAGE}"));
            return 1;
        }
    };
    match options.asked {
        Asked::Help => {
            output::print(USAGE);
            0
        }
        Asked::Status => status(),
        Asked::Stop => stop(),
        Asked::Restart => match stop() {
            0 => start(&options),
            code => code,
        },
        Asked::Start => start(&options),
    }
}

fn status() -> i32 {
    match pidfile::inspect(Path::new(PID_FILE)) {
        PidFile::Running { pid } => {
            output::error(&format!("apphbd is running [pid: {pid}]\n"));
            0
        }
        PidFile::Stale { .. } | PidFile::Absent => {
            output::error("apphbd is stopped.\n");
            EXIT_STOPPED
        }
    }
}

/// Tells it to end, and waits until it has.
fn stop() -> i32 {
    let path = Path::new(PID_FILE);
    let PidFile::Running { pid } = pidfile::inspect(path) else {
        return 0;
    };
    if let Err(error) = process::signal_process(pid, Signal::SIGTERM) {
        output::error(&format!("Cannot kill pid {pid}: {}\n", errno_text(&error)));
        return 1;
    }
    while pidfile::inspect(path) == (PidFile::Running { pid }) {
        std::thread::sleep(POLL);
    }
    0
}

fn start(options: &Options) -> i32 {
    daemon::close_inherited_descriptors();
    let early = Logger::new(
        NAME,
        Sinks {
            facility: SyslogFacility::from_name("user"),
            stderr: true,
            ..Sinks::default()
        },
    );
    let path = &options.configuration;
    let Ok(bytes) = fs::read(path) else {
        let text = format!("Cannot open config file:[{path}]");
        early.log(Priority::Error, text);
        return EXIT_NOT_CONFIGURED;
    };
    let parsed = parse_apphbd_cf(&bytes, path);
    for diagnostic in &parsed.diagnostics {
        for line in diagnostic.lines() {
            early.log(Priority::Error, line);
        }
    }
    let Some(configuration) = parsed.value else {
        return EXIT_NOT_CONFIGURED;
    };
    if let Err(error) = pidfile::create(Path::new(PID_FILE), None) {
        return match error {
            pidfile::PidFileError::Held { pid } => {
                early.log(Priority::Crit, format!("already running: [pid {pid}]."));
                0
            }
            pidfile::PidFileError::Io(_) => {
                early.log(Priority::Crit, format!("Cannot write {PID_FILE}: {error}"));
                1
            }
        };
    }
    // Before detaching: when the command returns, the monitor can be reached.
    let listener = match server::bind(Path::new(SOCKET)) {
        Ok(listener) => listener,
        Err(error) => {
            let reason = errno_text(&error);
            early.log(Priority::Crit, format!("Cannot serve {SOCKET}: {reason}"));
            let _ = fs::remove_file(PID_FILE);
            return 1;
        }
    };
    let former = std::process::id();
    match daemon::daemonise() {
        Ok(Side::Parent) => return 0,
        Ok(Side::Daemon) => {}
        Err(error) => {
            early.log(
                Priority::Crit,
                format!("Cannot detach: {}", errno_text(&error)),
            );
            return 1;
        }
    }
    daemon::set_umask();
    let mut log = Logger::new(NAME, sinks(&configuration));
    let served = pidfile::create(Path::new(PID_FILE), Some(former))
        .map_err(io::Error::other)
        .and_then(|()| serve(&configuration, listener, &mut log));
    if let Err(error) = &served {
        let reason = errno_text(error);
        log.log(Priority::Crit, format!("Cannot go on: {reason}"));
    }
    log.log(Priority::Info, "[apphbd] stopped");
    log.flush(LAST_WORDS);
    // Unlike other daemons of the family this one removes it.
    let _ = fs::remove_file(PID_FILE);
    i32::from(served.is_err())
}

fn serve(
    configuration: &ApphbdCf,
    listener: ha_ipc::listener::Listener,
    log: &mut Logger,
) -> io::Result<()> {
    let mut server = Server::new(listener)?;
    log.run_in_background()?;
    log.log(Priority::Info, "Starting apphbd");
    let pid = std::process::id();
    if !configuration.realtime {
        let text = format!("Request to set pid {pid} to realtime ignored.");
        log.log(Priority::Info, text);
    } else if let Some(text) = realtime_trouble() {
        log.log(Priority::Warn, text);
    }
    if let Some(device) = &configuration.watchdog_device {
        let interval = configuration.watchdog_interval;
        match Watchdog::open(Path::new(device), interval * 10) {
            Ok(opened) => server.feed(Feeding {
                device: opened,
                interval,
                next: clock::monotonic(),
            }),
            Err(_) => {
                let text = format!("Cannot open watchdog device: {device}");
                log.log(Priority::Error, text);
            }
        }
    }
    server.run(log)
}

/// What keeps us from real-time priority, if anything does.
fn realtime_trouble() -> Option<String> {
    let result = realtime::make_realtime(REALTIME_PRIORITY);
    let trouble = result.priority.or(result.memory)?;
    Some(format!("no real-time priority: {}", errno_text(&trouble)))
}

fn sinks(configuration: &ApphbdCf) -> Sinks {
    Sinks {
        logfile: configuration.logfile.as_ref().map(Into::into),
        debugfile: configuration.debugfile.as_ref().map(Into::into),
        facility: SyslogFacility::from_name("user"),
        node: ha_sys::host::uname_node(),
        ..Sinks::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Options, String> {
        let args: Vec<OsString> = words.iter().map(OsString::from).collect();
        Options::parse(&args)
    }

    #[test]
    fn the_command_line() {
        assert_eq!(parse(&[]).unwrap().asked, Asked::Start);
        assert_eq!(parse(&[]).unwrap().configuration, "./apphbd.cf");
        let restart = parse(&["-r", "-d", "2", "-c", "/f"]).unwrap();
        assert_eq!(restart.asked, Asked::Restart);
        assert_eq!(restart.configuration, "/f");
        assert_eq!(parse(&["-h", "-z"]).unwrap().asked, Asked::Help);
        assert_eq!(parse(&["-z"]), Err("invalid option -- 'z'".into()));
        assert_eq!(
            parse(&["-c"]),
            Err("option requires an argument -- 'c'".into())
        );
    }
}
