//! Running commands with a time limit, without being held up by what they leave behind.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::error::Doing;
use crate::{LabError, Result};

/// What a finished command said.
#[derive(Clone, Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    /// The exit code, or 128 + signal number as a shell says it.
    pub fn code(&self) -> i32 {
        self.status
            .code()
            .unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }

    /// The output if the command ended with code 0, else an error that holds everything.
    pub fn success(self) -> Result<Self> {
        if self.status.success() {
            return Ok(self);
        }
        Err(LabError::Command(format!(
            "exit code {}\nstdout: {}\nstderr: {}",
            self.code(),
            self.stdout.trim_end(),
            self.stderr.trim_end()
        )))
    }
}

/// Runs `command` to its end, or kills it after `limit`.
///
/// Output goes to memory files, not pipes: a daemon that keeps them open does not hold us up.
pub(crate) fn run(mut command: Command, limit: Duration) -> Result<Output> {
    let shown = || {
        let words: Vec<_> = command_words(&command);
        words.join(" ")
    };
    let description = shown();
    let (mut stdout, mut stderr) = (memory_file()?, memory_file()?);
    let clone = |file: &File| file.try_clone().map(Stdio::from).doing(|| "dup".into());
    let mut child = command
        .stdin(Stdio::null())
        .stdout(clone(&stdout)?)
        .stderr(clone(&stderr)?)
        .spawn()
        .doing(|| description.clone())?;
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    let status = loop {
        if let Some(status) = child.try_wait().doing(|| description.clone())? {
            break status;
        }
        if Instant::now() >= deadline {
            let _ = child.kill();
            let _ = child.wait();
            return Err(LabError::Timeout(
                format!("the end of: {description}"),
                limit,
            ));
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(30));
    };
    Ok(Output {
        status,
        stdout: read_all(&mut stdout)?,
        stderr: read_all(&mut stderr)?,
    })
}

/// Runs a command of the machine and demands success.
pub(crate) fn run_ok(command: Command) -> Result<Output> {
    let description = command_words(&command).join(" ");
    run(command, Duration::from_secs(30))?
        .success()
        .map_err(|error| LabError::Command(format!("{description}: {error}")))
}

fn command_words(command: &Command) -> Vec<String> {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect()
}

fn memory_file() -> Result<File> {
    memfd_create("output", MFdFlags::MFD_CLOEXEC)
        .map(File::from)
        .doing(|| "memfd".into())
}

fn read_all(file: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind().doing(|| "memfd".into())?;
    file.read_to_end(&mut bytes).doing(|| "memfd".into())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
