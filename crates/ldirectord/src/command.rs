//! What a call on the command line does (`ldirectord.md` 1.3).

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ha_config::ldirectord::Ldirectord;
use ha_sys::signals::Signal;
use ha_sys::{daemon, errno_text, process, terminal};

use crate::children::instance_call;
use crate::config_file::{ConfigFile, Stamp};
use crate::log::{Log, Target, target_of};
use crate::options::{Call, Command};
use crate::pid_file::{self, State};
use crate::places::Places;
use crate::startup;

/// Anything else that went wrong.
pub(crate) const EXIT_FAILED: u8 = 1;
/// A mistake in the configuration.
const EXIT_CONFIG: u8 = 2;
/// `status`: not running.
const EXIT_STOPPED: u8 = 3;

/// How long `restart` waits for the daemon to end. The legacy waits for ever. Cleaning the table takes milliseconds, a
/// daemon of the legacy may first finish a check.
const STOP_PATIENCE: Duration = Duration::from_secs(60);

/// How often it looks.
const STOP_POLL: Duration = Duration::from_millis(20);

/// A call, and what goes with it.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) call: &'a Call,
    pub(crate) places: &'a Places,
    pub(crate) log: Log,
    pub(crate) pid_file: PathBuf,
}

/// A configuration that is valid.
#[derive(Debug)]
pub(crate) struct Configuration {
    pub(crate) file: ConfigFile,
    pub(crate) config: Ldirectord,
    pub(crate) stamp: Option<Stamp>,
}

/// Runs a call. `program` is the first word of the command line.
pub(crate) fn run(call: &Call, program: &str, places: &Places) -> ExitCode {
    let target = match call.debug {
        true => Target::Debug,
        false => Target::File(places.log.clone()),
    };
    let context = Context {
        call,
        places,
        log: Log::new(&call.instance, target),
        pid_file: places.pid_file(&call.instance),
    };
    let Some(file) = ConfigFile::find(&call.config, places) else {
        return context.not_found();
    };
    let loaded = file.load();
    for text in &loaded.diagnostics {
        terminal::error(&format!("{text}\n"));
    }
    let Some(config) = loaded.config else {
        if let Some(log) = loaded.log {
            context.log.retarget(target_of(&log));
        }
        return context.broken(&file, loaded.diagnostics);
    };
    if config.supervised {
        context.log.retarget(Target::Supervised);
    } else {
        context.log.retarget(target_of(&config.log));
    }
    let words: String = call.words.iter().map(|word| format!("{word} ")).collect();
    let program = full_name(program);
    context
        .log
        .line(format!("Invoking ldirectord invoked as: {program} {words}"));
    let starts = matches!(
        call.command,
        Command::Start | Command::Restart | Command::TryRestart
    );
    // With -d somebody looks at the terminal, perhaps to check a file with `status`.
    if starts || call.debug {
        for text in loaded.remarks {
            context.log.as_it_is(text);
        }
    }
    let configuration = Configuration {
        file,
        config,
        stamp: loaded.stamp,
    };
    context.command(configuration)
}

impl Context<'_> {
    fn command(&self, configuration: Configuration) -> ExitCode {
        let running = pid_file::inspect(&self.pid_file);
        let file = &configuration.file.name;
        match (self.call.command, running) {
            (Command::Start, State::Running { .. }) => self.done(),
            (Command::Start, _) => startup::start(self, configuration),
            (Command::Stop, _) => self.stop(file),
            (Command::Restart | Command::TryRestart, State::Running { pid }) => {
                match self.stop_and_wait(pid, file) {
                    Ok(()) => startup::start(self, configuration),
                    Err(code) => code,
                }
            }
            (Command::Restart, _) => startup::start(self, configuration),
            (Command::TryRestart, _) => self.done(),
            (Command::Reload, State::Running { pid }) => match self.signal(pid, Signal::SIGHUP) {
                Ok(()) => self.done(),
                Err(code) => code,
            },
            (Command::Reload, _) => {
                self.log.line(format!("ldirectord is stopped for {file}"));
                self.exit(EXIT_FAILED, &self.exiting())
            }
            (Command::Status, _) => self.status(running, &configuration),
        }
    }

    fn status(&self, running: State, configuration: &Configuration) -> ExitCode {
        let file = &configuration.file.name;
        let code = match running {
            State::Running { pid } => {
                let text = running_text(file, pid);
                terminal::error(&format!("{text}\n"));
                self.log.line(text);
                self.log.line(self.exiting());
                0
            }
            State::Stale => {
                let text = format!(
                    "ldirectord stale pid file {} for {file}",
                    self.pid_file.display()
                );
                terminal::error(&format!("{text}\n"));
                self.log.line(text);
                EXIT_FAILED
            }
            State::Absent => EXIT_STOPPED,
        };
        if code != 0 {
            terminal::print(&format!("ldirectord is stopped for {file}\n"));
            return self.exit(code, &self.exiting());
        }
        for text in &configuration.config.execute {
            ask_instance(text, "status");
        }
        self.done()
    }

    /// `stop`, also without a configuration: a resource that cannot be stopped makes heartbeat reboot the node, and the
    /// pid file is all that is needed (`ldirectord.md` 12, number 3).
    fn stop(&self, file: &str) -> ExitCode {
        let State::Running { pid } = pid_file::inspect(&self.pid_file) else {
            return self.done();
        };
        match self.signal(pid, Signal::SIGTERM) {
            Ok(()) => self.done(),
            // Gone in this very moment.
            Err(_) if pid_file::inspect(&self.pid_file) != (State::Running { pid }) => self.done(),
            Err(code) => {
                terminal::error(&format!("{}\n", running_text(file, pid)));
                code
            }
        }
    }

    fn stop_and_wait(&self, pid: u32, file: &str) -> Result<(), ExitCode> {
        self.signal(pid, Signal::SIGTERM)?;
        let until = Instant::now() + STOP_PATIENCE;
        while pid_file::inspect(&self.pid_file) == (State::Running { pid }) {
            if Instant::now() >= until {
                let text = format!(
                    "ldirectord for {file} with pid: {pid} does not end within {} s",
                    STOP_PATIENCE.as_secs()
                );
                terminal::error(&format!("{text}\n"));
                self.log.line(text);
                return Err(self.exit(EXIT_FAILED, &self.exiting()));
            }
            std::thread::sleep(STOP_POLL);
        }
        Ok(())
    }

    fn signal(&self, pid: u32, signal: Signal) -> Result<(), ExitCode> {
        process::signal_process(pid, signal).map_err(|error| {
            let text = format!("Can not send {signal} to {pid}: {}", errno_text(&error));
            terminal::error(&format!("{text}\n"));
            self.log.line(text);
            self.exit(EXIT_FAILED, &self.exiting())
        })
    }

    fn not_found(&self) -> ExitCode {
        let text = format!("Config file {} not found", self.call.config);
        // With -d the log is standard error.
        if !self.call.debug {
            terminal::error(&format!("{text}\n"));
        }
        self.log.line(text);
        match self.call.command {
            Command::Stop => self.stop(&self.call.config),
            _ => self.exit(EXIT_FAILED, "Initialisation Error"),
        }
    }

    /// The mistakes have been printed. They are logged as well: what a resource script prints, heartbeat may keep nowhere.
    /// A daemon that runs goes on, and its pid file stays (12, number 4).
    fn broken(&self, file: &ConfigFile, mistakes: Vec<String>) -> ExitCode {
        // With -d the log is standard error.
        if !self.call.debug {
            for text in mistakes {
                self.log.as_it_is(text);
            }
        }
        match (self.call.command, pid_file::inspect(&self.pid_file)) {
            (Command::Stop, _) => return self.stop(&file.name),
            (Command::Status, State::Running { pid }) => {
                terminal::error(&format!("{}\n", running_text(&file.name, pid)));
            }
            _ => {}
        }
        self.exit(EXIT_CONFIG, "config_error: Configuration Error")
    }

    fn exiting(&self) -> String {
        format!("Exiting from ldirectord {}", self.call.command_word)
    }

    fn done(&self) -> ExitCode {
        self.exit(0, &self.exiting())
    }

    /// Ends the call; a failure is logged, with -d also success.
    pub(crate) fn exit(&self, code: u8, reason: &str) -> ExitCode {
        if code != 0 || self.call.debug {
            self.log
                .line(format!("Exiting with exit_status {code}: {reason}"));
        }
        ExitCode::from(code)
    }
}

fn running_text(file: &str, pid: u32) -> String {
    format!("ldirectord for {file} is running with pid: {pid}")
}

/// Runs a command for the instance of an `execute=` line, in the terminal of ours.
fn ask_instance(text: &str, command: &str) {
    let (arguments, _) = instance_call(text, command);
    let _ = std::process::Command::new("/bin/sh")
        .args(arguments)
        .status();
}

/// The program as the kernel executed it: a bare name was found by the search path. (For a script the kernel passes the
/// full name, and that is what the log of the legacy shows.)
fn full_name(program: &str) -> String {
    if program.contains('/') {
        return program.to_owned();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|candidate| daemon::is_executable_file(candidate))
        .map_or_else(
            || program.to_owned(),
            |found| found.to_string_lossy().into_owned(),
        )
}
