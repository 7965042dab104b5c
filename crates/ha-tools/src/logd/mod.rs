//! `ha_logd`: takes lines from everybody and writes them, so that a slow disk holds up nobody else (`client-api.md` 9,
//! `install-and-cli.md` 10).
//!
//! The legacy is two processes with a queue between them. Ours is one: a loop that reads, and the writing thread of
//! `ha_sys::log` behind a bounded queue. While the queue is full nobody is read from; the clients' own queues fill, and
//! they drop and count.

mod control;
mod options;
mod server;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use ha_config::{Diagnostic, LogdCf, Origin, Severity, parse_logd_cf};
use ha_sys::daemon::{self, Side};
use ha_sys::errno_text;
use ha_sys::log::{Logger, Priority, Sinks, SyslogFacility};
use ha_sys::pidfile::{self, PidFileError};

use crate::output;
use options::{Asked, Options};
use server::{Server, Sockets};

/// Where the pid is written. The file stays when the daemon ends.
const PID_FILE: &str = "/var/run/logd.pid";
/// Read unless another file is named, if it exists.
const DEFAULT_CONFIGURATION: &str = "/etc/logd.cf";
/// Where a daemon works, so that core files and log files without a directory lie there.
const WORKING_DIRECTORY: &str = "/var/lib/heartbeat/cores/root";
/// The name in the lines of whoever has read no configuration.
const ENTITY: &str = "logd";

/// The configuration is wrong.
const EXIT_NOT_CONFIGURED: i32 = 6;
/// Neither socket could be made, or the loop failed.
const EXIT_FAILED: i32 = 100;

/// How long the last lines may take to be written.
const LAST_WORDS: Duration = Duration::from_secs(10);

pub(crate) fn main(program: &OsStr, args: &[OsString]) -> i32 {
    let program = program.to_string_lossy();
    let options = Options::parse(args);
    match options.asked {
        Asked::Usage { complaint } => {
            if let Some(complaint) = complaint {
                output::error(&format!("{program}: {complaint}\n"));
            }
            output::print(&options::usage(&program));
            1
        }
        Asked::Status => control::status(Path::new(PID_FILE)),
        Asked::Stop => control::stop(Path::new(PID_FILE), &early_logger(), options.verbose),
        Asked::Serve { detached } => serve(&program, &options, detached),
    }
}

/// The log before a configuration is read, and of commands: syslog's `daemon`.
fn early_logger() -> Logger {
    Logger::new(
        ENTITY,
        Sinks {
            facility: Some(SyslogFacility::DAEMON),
            ..Sinks::default()
        },
    )
}

fn serve(program: &str, options: &Options, detached: bool) -> i32 {
    daemon::close_inherited_descriptors();
    let pid_file = Path::new(PID_FILE);
    // The legacy detaches before it looks at anything, so whoever starts it detached learns nothing from the exit code.
    // That stays so; the reason is printed.
    let end = |code: i32| if detached { 0 } else { code };
    let early = early_logger();
    let (configuration, source) = match configuration(options, &early) {
        Ok(read) => read,
        Err(path) => {
            let text = format!("Config file [{path}] is incorrect.");
            output::error(&format!("{text}\n"));
            early.log(Priority::Error, text);
            return end(EXIT_NOT_CONFIGURED);
        }
    };
    if let Err(error) = pidfile::create(pid_file, None) {
        return match error {
            PidFileError::Held { pid } => {
                output::error(&format!("{program}: already running [pid {pid}].\n"));
                0
            }
            PidFileError::Io(_) => {
                let text = format!("Cannot write {PID_FILE}: {error}");
                output::error(&format!("{text}\n"));
                early.log(Priority::Error, text);
                end(EXIT_FAILED)
            }
        };
    }
    // Before detaching: when the command returns, the daemon can be reached.
    let sockets = match Sockets::bind(&mut |text| early.log(Priority::Warn, text)) {
        Ok(sockets) => sockets,
        Err(text) => {
            output::error(&format!("{text}\n"));
            early.log(Priority::Error, text);
            return end(EXIT_FAILED);
        }
    };
    let former = std::process::id();
    if detached {
        match daemon::daemonise() {
            Ok(Side::Parent) => return 0,
            Ok(Side::Daemon) => {}
            Err(error) => {
                output::error(&format!("Cannot detach: {}\n", errno_text(&error)));
                return EXIT_FAILED;
            }
        }
    }
    run(&configuration, &source, sockets, former)
}

/// What follows in the process that serves.
fn run(configuration: &LogdCf, source: &str, sockets: Sockets, former: u32) -> i32 {
    if let Err(error) = pidfile::create(Path::new(PID_FILE), Some(former)) {
        early_logger().log(Priority::Error, format!("Cannot write {PID_FILE}: {error}"));
        return EXIT_FAILED;
    }
    // Files are made with exactly the mode of `logmode`.
    daemon::clear_umask();
    let directory = Path::new(WORKING_DIRECTORY);
    if daemon::enter_directory(directory).is_err() {
        // A relative name of a log file is then relative to the root.
        let _ = daemon::enter_directory(Path::new("/"));
    }
    let mut logger = Logger::new(&configuration.entity, sinks(configuration));
    match server_loop(&mut logger, configuration, source, sockets) {
        Ok(()) => 0,
        Err(error) => {
            let text = format!("Cannot go on: {}", errno_text(&error));
            logger.log(Priority::Crit, text);
            logger.flush(LAST_WORDS);
            EXIT_FAILED
        }
    }
}

fn server_loop(
    logger: &mut Logger,
    configuration: &LogdCf,
    source: &str,
    sockets: Sockets,
) -> io::Result<()> {
    // Signals are blocked before the writing thread exists, so that it has them blocked as well.
    let mut server = Server::new(sockets)?;
    let queue = configuration
        .send_queue
        .saturating_add(configuration.receive_queue);
    logger.run_in_background_with(usize::try_from(queue).unwrap_or(usize::MAX))?;
    logger.log(Priority::Info, format!("logd started with {source}."));
    server.run(logger)?;
    logger.log(Priority::Info, "Exiting write process");
    logger.flush(LAST_WORDS);
    Ok(())
}

/// The configuration, and what to call it in the log.
///
/// # Errors
/// It is wrong; the file's name.
fn configuration(options: &Options, early: &Logger) -> Result<(LogdCf, String), String> {
    let path = match &options.configuration {
        Some(path) => path.clone(),
        None if Path::new(DEFAULT_CONFIGURATION).exists() => DEFAULT_CONFIGURATION.to_owned(),
        None => return Ok((LogdCf::default(), "default configuration".to_owned())),
    };
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => {
            // As the legacy: better a log in the default place than none.
            early.log(Priority::Warn, format!("Cannot open config file [{path}]"));
            output::error(&format!(
                "Cannot open config file [{path}]: {}; using the default configuration\n",
                errno_text(&error)
            ));
            return Ok((LogdCf::default(), path));
        }
    };
    let parsed = parse_logd_cf(&bytes, &path);
    for diagnostic in &parsed.diagnostics {
        say(diagnostic, early);
    }
    parsed.value.map(|value| (value, path.clone())).ok_or(path)
}

fn say(diagnostic: &Diagnostic, early: &Logger) {
    let priority = match diagnostic.severity {
        Severity::Crit => Priority::Crit,
        Severity::Error => Priority::Error,
        Severity::Warn => Priority::Warn,
        Severity::Notice => Priority::Notice,
        Severity::Info => Priority::Info,
        Severity::Debug => Priority::Debug,
    };
    for line in diagnostic.lines() {
        if diagnostic.severity <= Severity::Warn {
            output::error(&format!("{line}\n"));
        }
        if diagnostic.origin != Origin::LegacyStderr {
            early.log(priority, line);
        }
    }
}

fn sinks(configuration: &LogdCf) -> Sinks {
    let facility = configuration.facility.as_ref();
    Sinks {
        logfile: configuration.logfile.as_ref().map(Into::into),
        debugfile: configuration.debugfile.as_ref().map(Into::into),
        facility: facility.and_then(|facility| SyslogFacility::from_name(facility.name())),
        syslog_style: configuration.syslog_style,
        node: ha_sys::host::uname_node(),
        mode: Some(configuration.mode),
        syslog_prefix: configuration.syslog_prefix.clone(),
        ..Sinks::default()
    }
}
