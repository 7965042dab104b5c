//! The line between the harness and a pid 1: a stream socket, lines of text, the far end's death is EOF.
//!
//! It is also the leash: the init ends itself (and with it every process of its host) when the harness
//! is gone, because then the socket reads as ended. That holds for SIGKILL and Ctrl-C too.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::error::Doing;
use crate::helper::MARKER;
use crate::{LabError, Result};

/// A helper process that carries a namespace, and the socket to its pid 1.
pub(crate) struct Control {
    outer: Child,
    lines: BufReader<UnixStream>,
    pid: i32,
}

/// How long an init may take to report: generous, because the machine may be busy.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

impl Control {
    /// Starts the helper `role` with `arguments` and waits until its inner process says it is ready.
    /// `map_ids` is called with the helper's pid when it has entered a user namespace.
    pub(crate) fn start(
        role: &str,
        arguments: &[String],
        map_ids: impl FnMut(u32) -> Result<()>,
    ) -> Result<Self> {
        Self::start_with(role, arguments, Stdio::null(), Stdio::inherit(), map_ids)
    }

    /// As [`Control::start`], with a standard output and standard error for the helper and all that it starts.
    pub(crate) fn start_with(
        role: &str,
        arguments: &[String],
        stdout: Stdio,
        stderr: Stdio,
        mut map_ids: impl FnMut(u32) -> Result<()>,
    ) -> Result<Self> {
        let (ours, theirs) = UnixStream::pair().doing(|| "socketpair".into())?;
        ours.set_read_timeout(Some(ANSWER_LIMIT))
            .doing(|| "socket time-out".into())?;
        // Not by its path: in a guest another file system may lie over the directory that it came from.
        let outer = Command::new("/proc/self/exe")
            .arg(MARKER)
            .arg(role)
            .args(arguments)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .doing(|| format!("starting the helper for {role}"))?;
        let mut control = Control {
            outer,
            lines: BufReader::new(ours),
            pid: 0,
        };
        loop {
            let line = control.read_line()?;
            match line.split_once(' ').unwrap_or((line.as_str(), "")) {
                ("user", _) => {
                    map_ids(control.outer.id())?;
                    control.write_line("mapped")?;
                }
                ("pid", number) => control.pid = number.parse().unwrap_or(0),
                ("ready", _) => break,
                ("unavailable", reason) => return Err(LabError::Unavailable(reason.to_owned())),
                ("error", text) => return Err(LabError::Unexpected(format!("{role}: {text}"))),
                _ => return Err(LabError::Unexpected(format!("{role}: said {line:?}"))),
            }
        }
        // The pid comes from the outer process, "ready" from the inner one: they may cross.
        while control.pid == 0 {
            let line = control.read_line()?;
            if let Some(number) = line.strip_prefix("pid ") {
                control.pid = number.parse().unwrap_or(0);
            }
        }
        Ok(control)
    }

    /// The pid of the inner process (pid 1 of its namespace) as seen from here.
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Asks a question of one line; the answer is the lines up to a single dot.
    pub(crate) fn ask(&mut self, question: &str) -> Result<Vec<String>> {
        self.write_line(question)?;
        let mut answer = Vec::new();
        loop {
            let line = self.read_line()?;
            if line == "." {
                return Ok(answer);
            }
            answer.push(line);
        }
    }

    /// Ends the namespace at once: the outer helper is killed, the inner one dies with it (parent death
    /// signal), and the kernel kills the rest. Returns when the inner one is gone.
    pub(crate) fn kill(&mut self) {
        let _ = self.outer.kill();
        let _ = self.outer.wait();
        // Everybody who held the far end is dead once it reads as ended.
        let mut line = String::new();
        while matches!(self.lines.read_line(&mut line), Ok(n) if n > 0) {
            line.clear();
        }
    }

    fn read_line(&mut self) -> Result<String> {
        let mut line = String::new();
        let n = self
            .lines
            .read_line(&mut line)
            .doing(|| "reading from an init".into())?;
        if n == 0 {
            return Err(LabError::unexpected("the init of a host is gone"));
        }
        Ok(line.trim_end().to_owned())
    }

    fn write_line(&mut self, line: &str) -> Result<()> {
        writeln!(self.lines.get_mut(), "{line}").doing(|| "writing to an init".into())
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.kill();
    }
}
