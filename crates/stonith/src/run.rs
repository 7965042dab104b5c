//! Running a script: no shell, everything explicit, a limit, and never more of its output than we want to keep.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use ha_sys::process;
use ha_sys::signals::Signal;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How much output is kept of each stream; the rest is read and forgotten.
const OUTPUT_MAX: usize = 256 * 1024;

/// How long a script has after SIGTERM.
const GRACE: Duration = Duration::from_secs(2);

/// The longest pause between two looks whether a script has ended that keeps its output open.
const LOOK: Duration = Duration::from_millis(20);

/// A script to run.
pub(crate) struct Call<'a> {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<&'a str>,
    /// Added to our own environment.
    pub(crate) environment: Vec<(&'a str, &'a str)>,
    /// Standard input.
    pub(crate) input: Option<String>,
    pub(crate) limit: Duration,
}

/// How it went.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) end: End,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// How a script ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It exited, or a signal killed it: 128 + signal.
    Code(i32),
    /// We ended it.
    TimedOut,
}

impl Finished {
    pub(crate) fn success(&self) -> bool {
        self.end == End::Code(0)
    }

    /// The last lines of what it said, in one: for the log of a failure.
    pub(crate) fn last_words(&self) -> String {
        let text = if self.stderr.trim().is_empty() {
            &self.stdout
        } else {
            &self.stderr
        };
        let mut lines: Vec<&str> = text
            .lines()
            .rev()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .take(3)
            .collect();
        lines.reverse();
        let text: String = lines.join(" / ");
        text.chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(300)
            .collect()
    }
}

impl Call<'_> {
    /// Runs it to its end, or to the end of its time.
    ///
    /// # Errors
    /// It could not be started.
    pub(crate) fn run(&self) -> io::Result<Finished> {
        let deadline = Instant::now() + self.limit;
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .envs(self.environment.iter().copied())
            .stdin(match self.input {
                Some(_) => Stdio::piped(),
                None => Stdio::null(),
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if std::env::var_os("PATH").is_none() {
            command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        }
        let mut child = command.spawn()?;
        if let (Some(mut pipe), Some(input)) = (child.stdin.take(), &self.input) {
            // Parameters fit into a pipe; a script that does not read them has said enough.
            let _ = pipe.write_all(input.as_bytes());
        }
        let mut streams = Streams::new(&mut child);
        let mut pause = Duration::from_millis(1);
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            if Instant::now() >= deadline {
                break None;
            }
            if streams.open() {
                streams.read_some(LOOK);
            } else {
                std::thread::sleep(pause);
                pause = (pause * 2).min(LOOK);
            }
        };
        let end = match status {
            Some(status) => End::Code(code(status)),
            None => {
                end_group(&mut child)?;
                End::TimedOut
            }
        };
        // What it printed is all there by now; what a process that it left behind may print is not awaited.
        streams.read_some(Duration::ZERO);
        let [stdout, stderr] = streams.into_texts();
        Ok(Finished {
            end,
            stdout,
            stderr,
        })
    }
}

/// As a shell counts.
fn code(status: ExitStatus) -> i32 {
    let signal = || status.signal().unwrap_or(127).saturating_add(128);
    status.code().unwrap_or_else(signal)
}

/// Ends the whole process group of a script.
fn end_group(child: &mut Child) -> io::Result<()> {
    let leader = child.id();
    let _ = process::signal_group(leader, Signal::SIGTERM);
    let deadline = Instant::now() + GRACE;
    while child.try_wait()?.is_none() && Instant::now() < deadline {
        std::thread::sleep(LOOK);
    }
    let _ = process::signal_group(leader, Signal::SIGKILL);
    child.wait().map(|_| ())
}

/// Both outputs of a child.
struct Streams {
    pipes: [Option<Box<dyn Pipe>>; 2],
    texts: [Vec<u8>; 2],
}

trait Pipe: Read + AsFd {}
impl<T: Read + AsFd> Pipe for T {}

impl Streams {
    fn new(child: &mut Child) -> Streams {
        let stdout = child.stdout.take().map(|p| Box::new(p) as Box<dyn Pipe>);
        let stderr = child.stderr.take().map(|p| Box::new(p) as Box<dyn Pipe>);
        Streams {
            pipes: [stdout, stderr],
            texts: [Vec::new(), Vec::new()],
        }
    }

    fn open(&self) -> bool {
        self.pipes.iter().any(Option::is_some)
    }

    /// Waits for output at most so long, and takes what is there.
    fn read_some(&mut self, patience: Duration) {
        let mut patience = patience.as_millis().min(1000) as u16;
        // A bound, so that a script that prints for ever still runs out of its time.
        for _ in 0..256 {
            let mut any = false;
            for (slot, text) in self.pipes.iter_mut().zip(&mut self.texts) {
                let Some(pipe) = slot else { continue };
                let mut fds = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
                let ready = poll(&mut fds, PollTimeout::from(patience)).unwrap_or(0);
                patience = 0;
                if ready == 0 {
                    continue;
                }
                any = true;
                let mut chunk = [0; 4096];
                match pipe.read(&mut chunk) {
                    Ok(0) | Err(_) => *slot = None,
                    Ok(length) => {
                        let room = OUTPUT_MAX.saturating_sub(text.len()).min(length);
                        text.extend_from_slice(chunk.get(..room).unwrap_or_default());
                    }
                }
            }
            if !any {
                return;
            }
        }
    }

    fn into_texts(self) -> [String; 2] {
        self.texts
            .map(|text| String::from_utf8_lossy(&text).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Finished {
        let call = Call {
            program: "/bin/sh".into(),
            arguments: vec!["-c", script],
            environment: vec![("ipaddr", "10.0.0.9")],
            input: Some("action=off\n".into()),
            limit,
        };
        call.run().unwrap()
    }

    #[test]
    fn output_environment_input_and_code_arrive() {
        let done = shell(
            "read line; echo $ipaddr $line; echo oops >&2; exit 7",
            Duration::from_secs(20),
        );
        assert_eq!(done.end, End::Code(7));
        assert_eq!(done.stdout, "10.0.0.9 action=off\n");
        assert_eq!(done.last_words(), "oops");
    }

    #[test]
    fn a_script_that_hangs_is_ended_with_all_that_it_started() {
        let done = shell(
            "sleep 1000 & echo $!; trap '' TERM; sleep 1000",
            Duration::from_millis(300),
        );
        assert_eq!(done.end, End::TimedOut);
        let sleeper: u32 = done.stdout.trim().parse().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while ha_sys::process::exists(sleeper) {
            // Whoever adopts orphans may take its time to bury it.
            let state = std::fs::read_to_string(format!("/proc/{sleeper}/stat"));
            if state.is_ok_and(|state| state.contains(") Z ")) {
                break;
            }
            assert!(Instant::now() < deadline, "{sleeper} lives on");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_process_left_behind_holds_nobody_up() {
        let started = Instant::now();
        let done = shell("sleep 300 & echo $!", Duration::from_secs(200));
        assert_eq!(done.end, End::Code(0));
        assert!(started.elapsed() < Duration::from_secs(150));
        let sleeper = done.stdout.trim().parse().unwrap();
        ha_sys::process::signal_process(sleeper, Signal::SIGKILL).unwrap();
    }

    #[test]
    fn much_output_neither_blocks_nor_grows() {
        let done = shell(
            "head -c 3000000 /dev/zero | tr '\\0' x",
            Duration::from_secs(60),
        );
        assert_eq!((done.end, done.stdout.len()), (End::Code(0), OUTPUT_MAX));
    }
}
