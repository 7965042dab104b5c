//! A kernel of our own that can do what the machine's kernel may not: IPVS.
//!
//! Debian's `linux.uml` is a Linux that runs as an ordinary process. Its root file system is the machine's own `/` (hostfs),
//! under an overlay: everything installed is there, nothing written there survives, and the machine's files are never
//! written. Its IPVS, bridges and namespaces are its own.
//!
//! ```text
//! this program ── helper (namespaces) ── helper (pid 1, the leash) ── linux.uml
//!      │                                                                 │
//!      │                                               pid 1 of the guest (this program again)
//!      └──────────── a serial line: jobs, their output ──────── the guest's server
//! ```
//!
//! The kernel's processes live in a process namespace whose pid 1 watches a socket to this program: when this program
//! ends, in whatever way, the whole kernel is gone at once. What the kernel itself prints goes to its console, which is
//! kept apart from the jobs' output.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::control::Control;
use crate::error::Doing;
use crate::{Implementation, LabError, Output, Result, lab, rootfs, seconds};

mod frames;
pub(crate) mod guest;
mod job;
pub(crate) mod keeper;

pub use job::GuestProgram;
pub(crate) use job::{job_init, job_main, job_outer};

use frames::Frame;

/// The program of Debian's package `user-mode-linux`.
pub(crate) const PROGRAM: &str = "linux.uml";

/// How long a boot may take. It takes 2 s on an idle machine.
const BOOT_LIMIT: Duration = Duration::from_secs(90);

/// What a user-mode kernel is to have.
#[derive(Clone, Debug)]
pub struct KernelOptions {
    /// Megabytes of memory. Only what is used is taken from the machine.
    pub memory_mb: u32,
    /// What is installed in the guest itself: our tree in place of the legacy's packages; the legacy as it is on the
    /// machine; or (`None`) the machine as it is, for jobs that make hosts with a [`crate::Lab`] of their own.
    pub implementation: Option<Implementation>,
}

impl Default for KernelOptions {
    fn default() -> Self {
        KernelOptions {
            memory_mb: 768,
            implementation: None,
        }
    }
}

/// A running user-mode kernel. Dropping it ends it at once, as a power cut would.
pub struct UserModeKernel {
    // With its Drop the kernel's processes end.
    control: Control,
    line: Mutex<UnixStream>,
    jobs: Jobs,
    next_job: AtomicU64,
    version: String,
    console: Mutex<File>,
}

/// Where the frames of each running job go.
type Jobs = Arc<Mutex<HashMap<u64, Sender<Frame>>>>;

impl UserModeKernel {
    /// Boots a kernel and waits until it takes jobs.
    ///
    /// # Errors
    /// [`LabError::Unavailable`] when this machine has no `linux.uml`, or does not let us make namespaces;
    /// else what went wrong, with what the kernel said.
    pub fn boot(options: &KernelOptions) -> Result<Self> {
        lab::require_tool(PROGRAM)?;
        if let Some(implementation) = options.implementation {
            implementation.check_available()?;
        }
        let (ours, theirs) = UnixStream::pair().doing(|| "socketpair".into())?;
        let console = memfd_create("console", MFdFlags::MFD_CLOEXEC)
            .map(File::from)
            .doing(|| "memfd".into())?;
        let console_end = console.try_clone().doing(|| "dup".into())?;
        let mut arguments = vec![
            format!("dir={}", rootfs::choose_lab_dir()?.display()),
            format!("memory={}", options.memory_mb),
        ];
        if !nix::unistd::geteuid().is_root() {
            arguments.push("rootless=yes".into());
        }
        if let Some(implementation) = options.implementation {
            arguments.push(format!("layers={}", implementation.word()));
        }
        if let Some(stage) = options.implementation.and_then(Implementation::stage) {
            let stage = stage.canonicalize().unwrap_or(stage);
            arguments.push(format!("stage={}", stage.display()));
        }
        let control = Control::start_with(
            "kernel",
            &arguments,
            Stdio::from(OwnedFd::from(theirs)),
            Stdio::from(console_end),
            lab::map_ids,
        )?;
        let reader = ours.try_clone().doing(|| "dup".into())?;
        let (sender, events) = channel();
        let jobs: Jobs = Arc::new(Mutex::new(HashMap::from([(0, sender)])));
        let table = Arc::clone(&jobs);
        thread::spawn(move || distribute(reader, &table));
        let mut kernel = UserModeKernel {
            control,
            line: Mutex::new(ours),
            jobs,
            next_job: AtomicU64::new(1),
            version: String::new(),
            console: Mutex::new(console),
        };
        kernel.version = match events.recv_timeout(BOOT_LIMIT) {
            Ok(frame) if frame.kind == "ready" => frame.text(0),
            Ok(frame) => {
                return Err(LabError::unexpected(format!(
                    "the guest: {}",
                    frame.text(0)
                )));
            }
            Err(_) => {
                return Err(LabError::unexpected(format!(
                    "the user-mode kernel did not come up; its console:\n{}",
                    kernel.console()
                )));
            }
        };
        Ok(kernel)
    }

    /// Its release, as `uname -r` says it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The process whose end is the end of all processes of the kernel, as this machine numbers it.
    pub fn keeper(&self) -> i32 {
        self.control.pid()
    }

    /// Everything it has printed so far, for a person who has to find out why something failed.
    pub fn console(&self) -> String {
        let mut text = Vec::new();
        let mut console = self.console.lock().expect("no panic while held");
        // The kernel writes through the same open file: its place in it must be at the end again.
        let _ = console.rewind();
        let _ = console.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Starts a program of the test in the guest, in namespaces of its own (network, mounts, processes, host name):
    /// the [`GuestProgram`] of that name, which [`crate::run_if_helper_or`] was given. Jobs run side by side.
    ///
    /// # Errors
    /// When the kernel is gone.
    pub fn start_job(&self, name: &str, arguments: &[&str]) -> Result<GuestJob> {
        let mut words = vec!["job", name];
        words.extend(arguments);
        self.start(&words)
    }

    /// Runs a shell script in the guest, in its first namespaces, to its end.
    ///
    /// # Errors
    /// When the kernel is gone, or the script does not end within `limit`. An exit code that is not 0 is no error here.
    pub fn sh(&self, script: &str, limit: Duration) -> Result<Output> {
        self.start(&["command", "sh", "-c", script])?.finish(limit)
    }

    fn start(&self, words: &[&str]) -> Result<GuestJob> {
        let number = self.next_job.fetch_add(1, Ordering::Relaxed);
        let (sender, events) = channel();
        self.jobs
            .lock()
            .expect("no panic while held")
            .insert(number, sender);
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let line = self.line.lock().expect("no panic while held");
        say(&line, &Frame::new(number, "run", &words))?;
        Ok(GuestJob {
            number,
            events,
            line: line.try_clone().doing(|| "dup".into())?,
            stdout: Vec::new(),
            lines_read: 0,
            stderr: Vec::new(),
            status: None,
        })
    }
}

/// A program that runs in the guest. Dropping it kills the program with everything it started.
pub struct GuestJob {
    number: u64,
    events: Receiver<Frame>,
    line: UnixStream,
    stdout: Vec<u8>,
    /// How much of `stdout` was given out as lines.
    lines_read: usize,
    stderr: Vec<u8>,
    status: Option<ExitStatus>,
}

impl GuestJob {
    /// The next whole line of its standard output; `None` when it has ended.
    ///
    /// # Errors
    /// [`LabError::Timeout`]; when the kernel is gone.
    pub fn next_line(&mut self, limit: Duration) -> Result<Option<String>> {
        let deadline = Instant::now() + limit;
        loop {
            let rest = &self.stdout[self.lines_read..];
            let end = rest.iter().position(|&byte| byte == b'\n');
            if let Some(length) =
                end.or((self.status.is_some() && !rest.is_empty()).then_some(rest.len()))
            {
                let line = String::from_utf8_lossy(&rest[..length]).into_owned();
                self.lines_read = (self.lines_read + length + 1).min(self.stdout.len());
                return Ok(Some(line));
            }
            if self.status.is_some() {
                return Ok(None);
            }
            self.take_event(deadline, limit)?;
        }
    }

    /// Waits for its end; the result holds all of its output.
    ///
    /// # Errors
    /// [`LabError::Timeout`] (the program is killed then); when the kernel is gone.
    pub fn finish(mut self, limit: Duration) -> Result<Output> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.status {
                return Ok(Output {
                    status,
                    stdout: String::from_utf8_lossy(&self.stdout).into_owned(),
                    stderr: String::from_utf8_lossy(&self.stderr).into_owned(),
                });
            }
            self.take_event(deadline, limit)?;
        }
    }

    fn take_event(&mut self, deadline: Instant, limit: Duration) -> Result<()> {
        let wait = deadline.saturating_duration_since(Instant::now());
        match self.events.recv_timeout(wait) {
            Ok(frame) => self.take(frame),
            Err(RecvTimeoutError::Timeout) => {
                return Err(LabError::Timeout(
                    format!(
                        "the end of a job in the guest\nstdout: {}\nstderr: {}",
                        String::from_utf8_lossy(&self.stdout),
                        String::from_utf8_lossy(&self.stderr)
                    ),
                    limit,
                ));
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(LabError::unexpected("the user-mode kernel is gone"));
            }
        }
        Ok(())
    }

    fn take(&mut self, frame: Frame) {
        let bytes = frame.words.first().map(Vec::as_slice).unwrap_or_default();
        match frame.kind.as_str() {
            "out" => self.stdout.extend_from_slice(bytes),
            "err" => self.stderr.extend_from_slice(bytes),
            // The raw status, as wait(2) has it.
            "end" => {
                self.status = Some(ExitStatus::from_raw(
                    frame.text(0).parse().unwrap_or(255 << 8),
                ));
            }
            _ => {}
        }
    }
}

impl Drop for GuestJob {
    fn drop(&mut self) {
        if self.status.is_none() {
            let _ = say(&self.line, &Frame::new(self.number, "kill", &[]));
        }
    }
}

/// Reads what the guest says and hands it to whom it concerns, until the guest is gone.
fn distribute(line: UnixStream, jobs: &Mutex<HashMap<u64, Sender<Frame>>>) {
    for text in BufReader::new(line)
        .split(b'\n')
        .map_while(|text| text.ok())
    {
        let Ok(frame) = Frame::decode(&String::from_utf8_lossy(&text)) else {
            continue;
        };
        let mut jobs = jobs.lock().expect("no panic while held");
        let ends = frame.kind == "end";
        let job = frame.job;
        // Nobody listens any more to a job that was dropped.
        if let Some(listener) = jobs.get(&job) {
            let _ = listener.send(frame);
        }
        if ends {
            jobs.remove(&job);
        }
    }
    // Whoever still waits learns that nothing will come.
    jobs.lock().expect("no panic while held").clear();
}

fn say(mut line: &UnixStream, frame: &Frame) -> Result<()> {
    line.write_all(frame.encode().as_bytes())
        .doing(|| "writing to the guest".into())
}

/// The directory of Debian's modules for a kernel release.
fn modules_of(release: &str) -> std::path::PathBuf {
    Path::new("/usr/lib/uml/modules").join(release)
}

/// Whether a machine can boot one at all, for callers that want to say so before they begin.
///
/// # Errors
/// [`LabError::Unavailable`] with the reason.
pub fn check_user_mode_kernel() -> Result<()> {
    lab::require_tool(PROGRAM)
}

/// How long a short command in the guest may take: generous, for a new process takes 30 ms there and others may run.
pub const COMMAND_LIMIT: Duration = seconds(60);
