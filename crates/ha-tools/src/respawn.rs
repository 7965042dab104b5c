//! `cl_respawn`: starts a program, and starts it again whenever it ends (`install-and-cli.md` 13).

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use ha_sys::log::{Logger, Priority, Sinks, SyslogFacility};
use ha_sys::pidfile::{self, PidFileError};
use ha_sys::process::signal_process;
use ha_sys::signals::{Signal, SignalSource};
use ha_sys::{Interest, Poller, clock, daemon, errno_text};
use lexopt::{Arg, Parser};

use crate::apphb::client::Registration;
use crate::output;

/// The exit code of a program that does not want to be started again.
const MAGIC: i32 = 100;
/// How often apphbd hears of us, in milliseconds.
const INTERVAL_MS: u64 = 2000;
/// From when on apphbd is to find us late, in milliseconds.
const WARN_MS: u64 = 6000;

/// A program that did not run for so long is started again only after [`PAUSE`]. The legacy starts it at once, some
/// seven hundred times a second.
const BRIEF: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_secs(1);

const NAME: &str = "cl_respawn";
const SIGNALS: u64 = 0;

pub(crate) fn main(_program: &OsStr, args: &[OsString]) -> i32 {
    let options = match Options::parse(args) {
        Ok(options) => options,
        Err(code) => {
            output::print(USAGE);
            return code;
        }
    };
    let log = Logger::new(
        NAME,
        Sinks {
            facility: Some(SyslogFacility::DAEMON),
            ..Sinks::default()
        },
    );
    if let Some(path) = &options.pid_file
        && let Err(error) = pidfile::create(Path::new(path), None)
    {
        return held(&log, &error, path);
    }
    let Some(path) = executable(&options.program) else {
        output::print(USAGE);
        return 2;
    };
    match supervise(&options, &path, &log) {
        Ok(code) => code,
        Err(error) => {
            let reason = errno_text(&error);
            log.log(Priority::Crit, format!("Cannot go on: {reason}"));
            output::error(&format!("{NAME}: {reason}\n"));
            1
        }
    }
}

fn held(log: &Logger, error: &PidFileError, path: &str) -> i32 {
    let (text, code) = match error {
        PidFileError::Held { pid } => (
            format!("pidfile [{path}] says we're already running as pid [{pid}]"),
            0,
        ),
        PidFileError::Io(_) => (format!("pidfile [{path}] cannot be written: {error}"), 1),
    };
    let terminal = Sinks {
        stderr: true,
        ..Sinks::default()
    };
    Logger::new(NAME, terminal).log(Priority::Warn, text.clone());
    log.log(Priority::Warn, text);
    code
}

/// The program's file, looked for as a shell does.
fn executable(program: &OsStr) -> Option<OsString> {
    if program.as_encoded_bytes().contains(&b'/') {
        return daemon::is_executable_file(program).then(|| program.to_owned());
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|directory| directory.join(program).into_os_string())
        .find(|path| daemon::is_executable_file(path))
}

/// The command line.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    magic: i32,
    interval_ms: u64,
    warn_ms: u64,
    pid_file: Option<String>,
    program: OsString,
    arguments: Vec<OsString>,
}

impl Options {
    /// Options end where the program begins.
    ///
    /// # Errors
    /// Usage is wanted; the exit code.
    fn parse(args: &[OsString]) -> Result<Options, i32> {
        let mut options = Options {
            magic: MAGIC,
            interval_ms: INTERVAL_MS,
            warn_ms: WARN_MS,
            pid_file: None,
            program: OsString::new(),
            arguments: Vec::new(),
        };
        let mut parser = Parser::from_args(args);
        while let Some(arg) = parser.next().map_err(|_| 2)? {
            match arg {
                Arg::Short('m') => options.magic = number(&mut parser)?,
                Arg::Short('i') => options.interval_ms = number(&mut parser)?,
                Arg::Short('w') => options.warn_ms = number(&mut parser)?,
                Arg::Short('p') => {
                    let path = parser.value().map_err(|_| 2)?;
                    options.pid_file = Some(path.to_string_lossy().into_owned());
                }
                // "Only called by other monitor programs", which no longer exist: the program is started.
                Arg::Short('r') => {}
                Arg::Short('h') => return Err(0),
                Arg::Short(_) | Arg::Long(_) => return Err(2),
                Arg::Value(program) => {
                    options.program = program;
                    options.arguments = parser.raw_args().map_err(|_| 2)?.collect();
                    return Ok(options);
                }
            }
        }
        Err(2)
    }
}

fn number<T: std::str::FromStr>(parser: &mut Parser) -> Result<T, i32> {
    let word = parser.value().map_err(|_| 2)?;
    word.to_str().and_then(|word| word.parse().ok()).ok_or(2)
}

/// The program's state.
enum State {
    Running {
        child: Child,
        since: Duration,
    },
    /// To be started at this time.
    Due(Duration),
}

/// Runs the program until it ends with the magic code, or we are told to end and it has.
fn supervise(options: &Options, path: &OsStr, log: &Logger) -> io::Result<i32> {
    let signals = SignalSource::new(&[
        Signal::SIGCHLD,
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
    ])?;
    let mut poller = Poller::new()?;
    poller.add(&signals, SIGNALS, Interest::Read)?;
    let mut ready = Vec::new();
    let mut state = State::Due(Duration::ZERO);
    let mut started_before = false;
    let mut ending = false;
    let mut registration = None;
    let mut next_beat = Duration::MAX;
    loop {
        let now = clock::monotonic();
        if let State::Due(at) = state
            && at <= now
        {
            state = start(options, path, log, now, started_before);
            if !started_before {
                registration = register(options, log);
                next_beat = now;
            }
            started_before = true;
        }
        if next_beat <= now {
            next_beat = beat(&mut registration, options, now);
        }
        let due = match &state {
            State::Due(at) => *at,
            State::Running { .. } => Duration::MAX,
        };
        let deadline = due.min(next_beat);
        poller.wait((deadline != Duration::MAX).then_some(deadline), &mut ready)?;
        while let Some(signal) = signals.read()? {
            if signal == Signal::SIGCHLD {
                continue;
            }
            ending = true;
            if let State::Running { child, .. } = &state {
                let pid = child.id();
                log.log(Priority::Info, format!("Killing pid [{pid}] with SIGTERM"));
                // It may be gone already; then its end is looked at below.
                let _ = signal_process(pid, Signal::SIGTERM);
            }
        }
        if let State::Running { child, since } = &mut state
            && let Some(status) = child.try_wait()?
        {
            let pid = child.id();
            say_end(log, path, pid, status);
            if !ending && status.code() == Some(options.magic) {
                let program = path.to_string_lossy();
                log.log(
                    Priority::Info,
                    format!(
                        "Don't restart the monitored program {program} [{pid}], since we got the magic exit code."
                    ),
                );
                return Ok(options.magic);
            }
            if !ending {
                let (program, code) = (path.to_string_lossy(), status.code().unwrap_or(0));
                let text = format!("process {program}[{pid}] exited, and its exit code is {code}");
                log.log(Priority::Info, text);
            }
            let now = clock::monotonic();
            let brief = now.saturating_sub(*since) < BRIEF;
            state = State::Due(if brief { now + PAUSE } else { now });
        }
        if ending && matches!(state, State::Due(_)) {
            return Ok(0);
        }
    }
}

fn start(options: &Options, path: &OsStr, log: &Logger, now: Duration, again: bool) -> State {
    let program = path.to_string_lossy();
    let mut command = Command::new(path);
    command.args(&options.arguments);
    match command.spawn() {
        Ok(child) => {
            let pid = child.id();
            let text = format!("Child process [{program}] started [ pid: {pid} ].");
            log.log(Priority::Info, text);
            let text = match again {
                false => format!("started the monitored program {program}, whose PID is {pid}"),
                true => format!("restarted the monitored program, whose PID  is {pid}"),
            };
            log.log(Priority::Notice, text);
            State::Running { child, since: now }
        }
        Err(error) => {
            let reason = errno_text(&error);
            log.log(Priority::Error, format!("Cannot start {program}: {reason}"));
            State::Due(now + PAUSE)
        }
    }
}

fn say_end(log: &Logger, path: &OsStr, pid: u32, status: ExitStatus) {
    let program = path.to_string_lossy();
    let code = status.code().unwrap_or(0);
    let (priority, text) = match status.signal() {
        Some(number) => {
            let name = Signal::try_from(number).map_or("unknown", Signal::as_str);
            (
                Priority::Warn,
                format!("Managed {program} process {pid} killed by signal {number} [{name}]."),
            )
        }
        None => (
            if code == 0 {
                Priority::Info
            } else {
                Priority::Warn
            },
            format!("Managed {program} process {pid} exited with return code {code}."),
        ),
    };
    log.log(priority, text);
}

fn register(options: &Options, log: &Logger) -> Option<Registration> {
    let instance = format!("{NAME}_{}d", std::process::id());
    let registered = Registration::make(NAME, &instance, options.interval_ms, options.warn_ms);
    if registered.is_err() {
        log.log(Priority::Warn, "Failed to register with apphbd.");
        log.log(Priority::Warn, "Maybe apphd isn't running.");
    }
    registered.ok()
}

/// Says that we live, and when to say so again. An apphbd that is gone is not looked for any more.
fn beat(registration: &mut Option<Registration>, options: &Options, now: Duration) -> Duration {
    let gone = registration
        .as_mut()
        .is_none_or(|registration| registration.beat().is_err());
    if gone {
        *registration = None;
        return Duration::MAX;
    }
    // Well before apphbd would miss us.
    now + Duration::from_millis((options.interval_ms / 2).max(1))
}

const USAGE: &str = "\
Usage cl_respawn [<options>] <monitored_program> [<arg1>] [<arg2>] ...
Options are as below:
-m magic_exit_code
	When monitored_program exit as this magic_exit_code, then cl_respawn
	will not try to respawn it.
-i interval
	Set the interval(ms) of application hearbeat or plumbing its client.
-w warntime
	Set the warning time (ms) of application heartbeat.
-p pidfile
	Set the name of a pid file to use.
-r	Recover itself from crash. Only called by other monitor programs like	recovery manager.
-l	List the program monitored by cl_respawn.
	Notice: do not support yet.
-h	Display this simple help.

";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Options, i32> {
        let args: Vec<OsString> = words.iter().map(OsString::from).collect();
        Options::parse(&args)
    }

    #[test]
    fn options_end_where_the_program_begins() {
        let options = parse(&["-m", "7", "-p", "/x.pid", "/prog", "-m", "8", "-h"]).unwrap();
        assert_eq!(
            (options.magic, options.pid_file.as_deref()),
            (7, Some("/x.pid"))
        );
        assert_eq!(options.program, "/prog");
        assert_eq!(options.arguments, ["-m", "8", "-h"]);
        let plain = parse(&["prog"]).unwrap();
        assert_eq!(
            (plain.magic, plain.interval_ms, plain.warn_ms),
            (100, 2000, 6000)
        );
    }

    #[test]
    fn wrong_calls_end_with_2_and_help_with_0() {
        for words in [
            &[][..],
            &["-l"],
            &["-z"],
            &["-m"],
            &["-m", "abc", "x"],
            &["-p", "x"],
        ] {
            assert_eq!(parse(words), Err(2), "{words:?}");
        }
        assert_eq!(parse(&["-h"]), Err(0));
    }

    #[test]
    fn a_program_without_a_slash_is_looked_for() {
        assert!(executable(OsStr::new("sh")).is_some());
        assert_eq!(executable(OsStr::new("/bin/sh")), Some("/bin/sh".into()));
        assert_eq!(executable(OsStr::new("/nonexistent")), None);
        assert_eq!(executable(OsStr::new("/etc")), None);
    }
}
