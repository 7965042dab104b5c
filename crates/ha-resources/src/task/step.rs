//! What a task asks for, what it is told, and how it ends.

use std::path::PathBuf;
use std::time::Duration;

use crate::{LogLine, NativeAgent};

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Run a script (or the native agent in its place), then call [`crate::Task::ended`].
    Run(Invocation),
    /// Do nothing for this long, then ask for the next step.
    Wait(Duration),
    /// Write a line. [`crate::Severity::Debug`] lines go to the debug log, and only while debugging is on.
    Log(LogLine),
    /// A resource runs and cannot be stopped: the node must be reset before the peer may start it. End the daemon
    /// without a farewell and reboot ([`crate::reboot`]); the reasons have been logged. Should the machine live on, the
    /// task continues with the rest, as in the legacy.
    Reboot {
        /// The resource word.
        word: String,
    },
    /// The end. Asking again gives the same answer.
    Done(Outcome),
}

/// A script to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The executable file.
    pub path: PathBuf,
    /// Its arguments, without the action.
    pub arguments: Vec<String>,
    /// What it shall do; the last argument.
    pub action: Action,
    /// Our own agent stands behind `path`: its work may be done in-process instead.
    pub native: Option<NativeAgent>,
    /// The resource word that this is about.
    pub word: String,
}

impl Invocation {
    /// All arguments, the action last.
    pub fn all_arguments(&self) -> impl Iterator<Item = &str> {
        self.arguments
            .iter()
            .map(String::as_str)
            .chain([self.action.word()])
    }

    /// `<path> <arguments> <action>` as in the log.
    pub fn command_line(&self) -> String {
        let mut text = self.path.to_string_lossy().into_owned();
        for argument in self.all_arguments() {
            text.push(' ');
            text.push_str(argument);
        }
        text
    }
}

/// What a script is run for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `start`: exit code 0 is success.
    Start,
    /// `stop`: exit code 0 is success.
    Stop,
    /// `status`: standard output must be captured; see [`crate::judge_status`].
    Status,
    /// `rc.d/local_giveip`, which is called with the message type `ip-request`; its end is waited for, not judged.
    LocalGive,
}

impl Action {
    /// The last argument of the script.
    pub fn word(self) -> &'static str {
        match self {
            Action::Start => "start",
            Action::Stop => "stop",
            Action::Status => "status",
            Action::LocalGive => "ip-request",
        }
    }
}

/// How a script ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunResult {
    /// Exit code; 128 + signal; 126 or 127 if it could not be executed.
    pub code: i32,
    /// Standard output, for [`Action::Status`]; a bounded beginning of it is enough.
    pub stdout: Vec<u8>,
}

impl RunResult {
    /// An end without output.
    pub fn code(code: i32) -> Self {
        RunResult {
            code,
            stdout: Vec::new(),
        }
    }
}

/// What a task found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Keys of the groups that could not be started; each has been stopped again, whole.
    pub failed: Vec<String>,
    /// Of [`crate::Task::query_keys`]: keys whose resource does not run, in the order given.
    pub wanted: Vec<String>,
    /// Of [`crate::Task::give_if_running`]: the key resource ran, so the group was given up.
    pub owned: bool,
    /// Resource words whose stop never succeeded although they do not run.
    pub stop_failed: Vec<String>,
    /// Resource words that still run after all tries to stop them; a reboot was asked for.
    pub unstoppable: Vec<String>,
    /// Exit code of the last stop of such a resource, which is what `ResourceManager` exits with; otherwise 0.
    pub stop_code: i32,
}

/// How often a failed stop is tried again (`resource-protocol.md` 1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopRetries(Option<u32>);

impl Default for StopRetries {
    fn default() -> Self {
        StopRetries::at_most(10)
    }
}

impl StopRetries {
    /// The pause before each further try.
    pub const PAUSE: Duration = Duration::from_secs(1);

    /// This many further tries after the first.
    pub const fn at_most(retries: u32) -> Self {
        StopRetries(Some(retries))
    }

    /// The value of `HA_STOPRETRYMAX`: default 10, zero or less means for ever. What is no number counts as absent.
    pub fn from_variable(value: Option<&str>) -> Self {
        match value.and_then(|value| value.trim().parse::<i64>().ok()) {
            Some(limit) if limit <= 0 => StopRetries(None),
            Some(limit) => StopRetries::at_most(u32::try_from(limit).unwrap_or(u32::MAX)),
            None => StopRetries::default(),
        }
    }

    pub(crate) fn allows(self, retries_so_far: u32) -> bool {
        self.0.is_none_or(|limit| retries_so_far < limit)
    }
}
