//! From a valid configuration to a running loop, and from its end to the end of the process.
//!
//! The process that was called ends when the daemon is committed to run: its pid file is written, the kernel's table has
//! been read, and virtual services and fallbacks are in it. Until then the daemon can still refuse, and the caller is told
//! so. The legacy's caller ends before any of that, and a director without IPVS runs on doing nothing.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use ha_net::{Ipvs, NetError, Trouble};
use ha_sys::daemon::Side;
use ha_sys::{daemon, errno_text, process, terminal};

use crate::VERSION;
use crate::command::{Configuration, Context, EXIT_FAILED};
use crate::daemon::{Daemon, Ending, Parts};
use crate::pid_file::{self, Trouble as PidTrouble};
use crate::places::Places;

/// The fork failed.
const EXIT_FORK: u8 = 255;

/// So many sockets may be open at a time.
const DESCRIPTORS: u64 = 65_536;

/// How long loading the module may take.
const MODULE_PATIENCE: Duration = Duration::from_secs(20);

/// How long the caller waits for the daemon's word, which is much longer than the daemon may need.
const WORD_PATIENCE: Duration = Duration::from_secs(120);

/// How long the last log lines may take.
const LAST_LINES: Duration = Duration::from_secs(2);

/// The daemon's word to its caller: exit code and a text for standard error.
#[derive(Debug, PartialEq, Eq)]
struct Word {
    code: u8,
    text: String,
}

/// Starts the daemon, or becomes it.
pub(crate) fn start(context: &Context<'_>, configuration: Configuration) -> ExitCode {
    if context.call.debug || configuration.config.supervised {
        return in_foreground(context, configuration);
    }
    let pair = UnixStream::pair();
    let (ours, theirs) = match pair {
        Ok(pair) => pair,
        Err(error) => return fork_failed(context, &error),
    };
    match daemon::daemonise() {
        Err(error) => fork_failed(context, &error),
        Ok(Side::Parent) => {
            drop(theirs);
            let word = hear(ours);
            terminal::error(&word.text);
            ExitCode::from(word.code)
        }
        Ok(Side::Daemon) => {
            drop(ours);
            in_background(context, configuration, theirs)
        }
    }
}

fn fork_failed(context: &Context<'_>, error: &std::io::Error) -> ExitCode {
    let text = format!("Can not fork: {}", errno_text(error));
    terminal::error(&format!("{text}\n"));
    context.exit(EXIT_FORK, &text)
}

fn in_foreground(context: &Context<'_>, configuration: Configuration) -> ExitCode {
    let pid = std::process::id();
    match prepare(context, configuration, &format!("with pid: {pid}")) {
        Ok(daemon) => run(context, daemon),
        Err(text) => {
            terminal::error(&format!("{text}\n"));
            context.exit(EXIT_FAILED, "Initialisation Error")
        }
    }
}

fn in_background(
    context: &Context<'_>,
    configuration: Configuration,
    caller: UnixStream,
) -> ExitCode {
    let refuse = |text: String| {
        context.exit(EXIT_FAILED, "Initialisation Error");
        context.log.flush(LAST_LINES);
        let word = Word {
            code: EXIT_FAILED,
            text: format!("{text}\n"),
        };
        say(&caller, &word);
        ExitCode::from(EXIT_FAILED)
    };
    let _ = daemon::enter_directory(Path::new("/"));
    let done = Word {
        code: 0,
        text: String::new(),
    };
    match pid_file::create(&context.pid_file) {
        Ok(()) => {}
        // Somebody else starts the same instance, and was faster.
        Err(PidTrouble::Held) => {
            say(&caller, &done);
            return ExitCode::SUCCESS;
        }
        Err(PidTrouble::Io(error)) => {
            let text = format!(
                "Can not open {}: {}",
                context.pid_file.display(),
                errno_text(&error)
            );
            context.log.line(&text);
            return refuse(text);
        }
    }
    match prepare(context, configuration, "as daemon") {
        Ok(daemon) => {
            say(&caller, &done);
            drop(caller);
            run(context, daemon)
        }
        Err(text) => {
            pid_file::remove_own(&context.pid_file);
            refuse(text)
        }
    }
}

/// Everything up to the moment when the director is in charge. The error is logged already.
fn prepare(
    context: &Context<'_>,
    configuration: Configuration,
    how: &str,
) -> Result<Daemon, String> {
    let log = &context.log;
    let logged = |text: String| {
        log.line(&text);
        text
    };
    let cannot = |error: std::io::Error| logged(format!("Can not start: {}", errno_text(&error)));
    let signals = crate::daemon::signals().map_err(cannot)?;
    if let Err(error) = log.run_in_background() {
        log.line(format!("No thread for the log: {}", errno_text(&error)));
    }
    log.line(format!("Starting {VERSION} {how}"));
    let _ = process::raise_descriptor_limit(DESCRIPTORS);
    let ipvs = open_ipvs(context.places).map_err(logged)?;
    let parts = Parts {
        log: log.clone(),
        places: context.places,
        configuration,
        ipvs,
        signals,
    };
    Daemon::begin(parts).map_err(cannot)
}

fn run(context: &Context<'_>, mut daemon: Daemon) -> ExitCode {
    let ending = daemon.run();
    let reason = daemon.finish();
    let code = match ending {
        Ending::Stopped => 0,
        Ending::Failed => EXIT_FAILED,
    };
    let code = context.exit(code, &reason);
    context.log.flush(LAST_LINES);
    // Last of all: who restarts us waits for this.
    pid_file::remove_own(&context.pid_file);
    code
}

fn open_ipvs(places: &Places) -> Result<Ipvs, String> {
    let error = match reach() {
        Ok(ipvs) => return Ok(ipvs),
        Err(error) => error,
    };
    if !matches!(error.trouble, Trouble::NoIpvs) {
        return Err(format!("Can not use IPVS: {error}"));
    }
    let loaded = load_module(places);
    reach().map_err(|error| match loaded {
        Ok(()) => format!("Can not use IPVS: {error}"),
        Err(why) => format!("Can not use IPVS: {error}; modprobe ip_vs: {why}"),
    })
}

/// Opens the socket and puts a question that needs all rights.
fn reach() -> Result<Ipvs, NetError> {
    let mut ipvs = Ipvs::open()?;
    ipvs.info()?;
    Ok(ipvs)
}

fn load_module(places: &Places) -> Result<(), String> {
    let program = places.modprobe().ok_or("there is no such program")?;
    let mut child = std::process::Command::new(program)
        .arg("ip_vs")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| errno_text(&error))?;
    let until = Instant::now() + MODULE_PATIENCE;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("takes longer than {} s", MODULE_PATIENCE.as_secs()));
            }
            Err(error) => return Err(errno_text(&error)),
        }
    };
    if status.success() {
        return Ok(());
    }
    let mut said = Vec::new();
    if let Some(pipe) = child.stderr.take() {
        let _ = pipe.take(1024).read_to_end(&mut said);
    }
    let said = String::from_utf8_lossy(&said);
    Err(match said.trim() {
        "" => status.to_string(),
        said => said.lines().next().unwrap_or(said).to_owned(),
    })
}

fn say(mut caller: &UnixStream, word: &Word) {
    // A caller that is gone needs no word.
    let _ = caller.write_all(&[word.code]);
    let _ = caller.write_all(word.text.as_bytes());
    let _ = caller.shutdown(Shutdown::Both);
}

fn hear(mut daemon: UnixStream) -> Word {
    let _ = daemon.set_read_timeout(Some(WORD_PATIENCE));
    let mut bytes = Vec::new();
    let _ = daemon.read_to_end(&mut bytes);
    match bytes.split_first() {
        Some((code, text)) => Word {
            code: *code,
            text: String::from_utf8_lossy(text).into_owned(),
        },
        None => Word {
            code: EXIT_FAILED,
            text: "The daemon ended without a word\n".into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_hear_the_daemons_word() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let word = Word {
            code: 1,
            text: "Can not use IPVS\n".into(),
        };
        say(&theirs, &word);
        assert_eq!(hear(ours), word);
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        assert_eq!(hear(ours).code, EXIT_FAILED);
    }

    #[test]
    fn why_the_module_cannot_be_loaded_is_said() {
        let places = |program: &str| Places {
            modprobe: vec!["/nonexistent".into(), program.into()],
            ..Places::default()
        };
        assert_eq!(load_module(&places("/bin/true")), Ok(()));
        let failed = load_module(&places("/bin/false"));
        assert_eq!(failed, Err("exit status: 1".to_owned()));
        assert!(load_module(&places("/none")).is_err());
        // It says why on standard error.
        let said = load_module(&places("/bin/ls")).unwrap_err();
        assert!(said.contains("ip_vs"), "{said}");
    }
}
