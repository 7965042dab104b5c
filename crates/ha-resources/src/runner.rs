//! Runs a task from beginning to end, waiting for each script: what command-line tools do. The daemon has a loop of its
//! own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use crate::{Action, Invocation, Lookup, Outcome, RunResult, ScriptLog, Step, Task};

/// No status answer needs more than this.
const STATUS_OUTPUT_MAX: u64 = 64 * 1024;

/// Where the standard output of `start` and `stop`, and standard error of everything, goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// To the debug log, or nowhere if there is none (`resource-protocol.md` 4.3).
    DebugLog,
    /// Where our own goes.
    Inherited,
}

/// What scripts are run with.
#[derive(Debug)]
pub struct RunContext<'a> {
    /// Where lines go.
    pub log: &'a ScriptLog,
    /// The whole environment of the scripts.
    pub environment: &'a BTreeMap<OsString, OsString>,
    /// Where their output goes.
    pub output: Output,
}

/// Runs tasks.
pub struct Runner<'a> {
    lookup: &'a dyn Lookup,
    context: RunContext<'a>,
    reboot: &'a dyn Fn(&str),
}

impl<'a> Runner<'a> {
    /// `reboot` is called with the word of a resource that cannot be stopped.
    pub fn new(lookup: &'a dyn Lookup, context: RunContext<'a>, reboot: &'a dyn Fn(&str)) -> Self {
        Runner {
            lookup,
            context,
            reboot,
        }
    }

    /// Runs a task to its end. Blocks as long as its scripts do: there is no time limit, as in the legacy.
    pub fn run(&self, mut task: Task) -> Outcome {
        loop {
            match task.next(self.lookup) {
                Step::Run(invocation) => task.ended(self.execute(&invocation)),
                Step::Wait(pause) => thread::sleep(pause),
                Step::Log(line) => self.context.log.write(&line),
                Step::Reboot { word } => (self.reboot)(&word),
                Step::Done(outcome) => return outcome,
            }
        }
    }

    /// Runs one script and waits for its end.
    pub fn execute(&self, invocation: &Invocation) -> RunResult {
        let mut command = Command::new(&invocation.path);
        command
            .args(invocation.all_arguments())
            .stdin(Stdio::null());
        command.env_clear().envs(self.context.environment);
        let captured = invocation.action == Action::Status;
        command
            .stdout(if captured {
                Stdio::piped()
            } else {
                self.output()
            })
            .stderr(self.output());
        let spawned = command.spawn();
        let mut child = match spawned {
            Ok(child) => child,
            // The shell's codes: found but not executable, or not found.
            Err(error) => {
                return RunResult::code(if error.kind() == std::io::ErrorKind::NotFound {
                    127
                } else {
                    126
                });
            }
        };
        let stdout = child.stdout.take().map(read_answer).unwrap_or_default();
        let code = child.wait().map_or(126, exit_code);
        RunResult { code, stdout }
    }

    fn output(&self) -> Stdio {
        match self.context.output {
            Output::Inherited => Stdio::inherit(),
            Output::DebugLog => {
                let debuglog = self.context.log.settings().debuglog.as_deref();
                debuglog
                    .and_then(open_append)
                    .map_or_else(Stdio::null, Stdio::from)
            }
        }
    }
}

fn open_append(path: &Path) -> Option<File> {
    OpenOptions::new().append(true).create(true).open(path).ok()
}

/// Keeps a bounded beginning and reads the rest to nowhere, lest the script block or die of a closed pipe.
fn read_answer(mut pipe: impl Read) -> Vec<u8> {
    let mut answer = Vec::new();
    if pipe
        .by_ref()
        .take(STATUS_OUTPUT_MAX)
        .read_to_end(&mut answer)
        .is_ok()
    {
        let _ = std::io::copy(&mut pipe, &mut std::io::sink());
    }
    answer
}

/// The shell's view of an end: the exit code, or 128 + signal.
fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| {
        status
            .signal()
            .map_or(126, |signal| signal.saturating_add(128))
    })
}
