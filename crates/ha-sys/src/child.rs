//! Children: starting them with everything explicit, reading what they print, and learning of their end.
//!
//! A child gets the environment, working directory and standard streams that the caller names, a process group of its
//! own, an empty signal mask, no descriptor above standard error and ordinary scheduling. Their end is learnt with
//! [`reap`] after SIGCHLD; nothing here waits.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use crate::reserve;
use crate::users::Account;

/// Where a child's output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Nowhere.
    Discard,
    /// Appended to a file (made with mode 0644 if missing). A file that cannot be opened discards the output.
    Append(PathBuf),
    /// To us, through a pipe. Only for standard output.
    Capture,
}

/// A child to start.
#[derive(Clone, Debug)]
pub struct Spawn {
    /// The program, by path.
    pub program: PathBuf,
    /// `argv[0]`, if it shall differ from the path.
    pub name: Option<String>,
    /// Arguments after `argv[0]`.
    pub arguments: Vec<OsString>,
    /// The whole environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Working directory; ours if it is none or cannot be entered.
    pub directory: Option<PathBuf>,
    /// Standard output.
    pub stdout: Output,
    /// Standard error; [`Output::Capture`] counts as [`Output::Discard`].
    pub stderr: Output,
    /// Become this user (with its groups); stay what we are if none.
    pub account: Option<Account>,
    /// What it can read on its standard input; nothing if none.
    pub input: Option<Vec<u8>>,
}

/// A started child.
#[derive(Debug)]
pub struct Child {
    /// Its pid, which is also its process group.
    pub pid: u32,
    /// What it prints, if that is captured.
    pub stdout: Option<OutputPipe>,
}

impl Spawn {
    /// A child with no arguments, empty environment and discarded output.
    pub fn new(program: impl Into<PathBuf>) -> Spawn {
        Spawn {
            program: program.into(),
            name: None,
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: None,
            stdout: Output::Discard,
            stderr: Output::Discard,
            account: None,
            input: None,
        }
    }

    /// Starts it, with the descriptors of the [reserve](crate::reserve) if there are no others.
    ///
    /// # Errors
    /// It could not be executed or no process could be made.
    pub fn start(&self) -> io::Result<Child> {
        reserve::spend(|| self.start_once())
    }

    fn start_once(&self) -> io::Result<Child> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        let stdin = match &self.input {
            Some(input) => Stdio::from(memory_file(input)?),
            None => Stdio::null(),
        };
        command.process_group(0).stdin(stdin);
        if let Some(name) = &self.name {
            command.arg0(name);
        }
        if let Some(directory) = self
            .directory
            .as_ref()
            .filter(|directory| directory.is_dir())
        {
            command.current_dir(directory);
        }
        command.stdout(match &self.stdout {
            Output::Capture => Stdio::piped(),
            other => file_output(other),
        });
        command.stderr(file_output(&self.stderr));
        prepare_child(&mut command, self.account.as_ref());
        let mut child = command.spawn()?;
        let stdout = match child.stdout.take() {
            Some(pipe) => Some(OutputPipe::new(File::from(std::os::fd::OwnedFd::from(
                pipe,
            )))?),
            None => None,
        };
        Ok(Child {
            pid: child.id(),
            stdout,
        })
    }
}

/// A file in memory, to be read from its beginning. Unlike a pipe it never makes anybody wait.
fn memory_file(content: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"input", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(content)?;
    file.rewind()?;
    Ok(file)
}

fn file_output(output: &Output) -> Stdio {
    let Output::Append(path) = output else {
        return Stdio::null();
    };
    // Non-blocking only for the open: a FIFO or a dead terminal of that name must not stop the loop.
    match OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o644)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
    {
        Ok(file) => {
            let _ = fcntl(&file, FcntlArg::F_SETFL(OFlag::O_APPEND));
            Stdio::from(file)
        }
        Err(_) => Stdio::null(),
    }
}

/// What the child does between fork and exec: default signals and an empty mask (ours are blocked, and whoever started us
/// may have ignored some), then groups, group and user, in the order that keeps the right to do the next.
fn prepare_child(command: &mut Command, account: Option<&Account>) {
    let account = account.map(|account| (account.uid, account.gid, account.groups.clone()));
    let prepare = move || {
        // SAFETY: only calls that are safe between fork and exec, which neither allocate nor lock; the mask and the list
        // of groups outlive them. Signals that cannot be changed (KILL, STOP) refuse harmlessly.
        unsafe {
            for signal in 1..32 {
                libc::signal(signal, libc::SIG_DFL);
            }
            let mut none: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
            let Some((uid, gid, groups)) = &account else {
                return Ok(());
            };
            // In a user namespace nobody may change groups. A child that stays who we are can do without.
            let same = libc::geteuid() == *uid && libc::getegid() == *gid;
            if (libc::setgroups(groups.len(), groups.as_ptr()) < 0 && !same)
                || libc::setgid(*gid) < 0
                || libc::setuid(*uid) < 0
            {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: the closure keeps to what is allowed between fork and exec, see above.
    unsafe { command.pre_exec(prepare) };
}

/// How much of a child's output is kept; the rest is read and thrown away.
pub const OUTPUT_MAX: usize = 64 * 1024;

/// The reading end of a child's standard output.
#[derive(Debug)]
pub struct OutputPipe {
    pipe: File,
    text: Vec<u8>,
}

impl OutputPipe {
    fn new(pipe: File) -> io::Result<OutputPipe> {
        fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(OutputPipe {
            pipe,
            text: Vec::new(),
        })
    }

    /// Reads what is there, at most [`OUTPUT_MAX`] octets at a time; true at the end of output. The end of the *child*
    /// is another thing: a background process that it left may hold the pipe for ever, so nobody should wait for this.
    pub fn read(&mut self) -> bool {
        let mut chunk = [0; 4096];
        for _ in 0..OUTPUT_MAX / 4096 {
            match self.pipe.read(&mut chunk) {
                Ok(0) => return true,
                Ok(length) => {
                    let room = OUTPUT_MAX.saturating_sub(self.text.len()).min(length);
                    self.text
                        .extend_from_slice(chunk.get(..room).unwrap_or_default());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(_) => return true,
            }
        }
        false
    }

    /// What was read since the last call, at most [`OUTPUT_MAX`] octets, for those who want it as it comes.
    pub fn take_text(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.text)
    }

    /// Everything read so far, cut at [`OUTPUT_MAX`].
    pub fn into_text(self) -> Vec<u8> {
        self.text
    }
}

impl AsFd for OutputPipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It exited.
    Code(i32),
    /// A signal killed it.
    Signal(i32),
}

impl End {
    /// The exit code, or 128 + signal, as a shell counts.
    pub fn code(self) -> i32 {
        match self {
            End::Code(code) => code,
            End::Signal(signal) => signal.saturating_add(128),
        }
    }

    /// It exited with 0.
    pub fn success(self) -> bool {
        self == End::Code(0)
    }
}

/// The next child that has ended, if any. To be called until there is none: one SIGCHLD may stand for many.
pub fn reap() -> Option<(u32, End)> {
    loop {
        let status = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(status) => status,
            Err(nix::errno::Errno::EINTR) => continue,
            Err(_) => return None,
        };
        let (pid, end) = match status {
            WaitStatus::Exited(pid, code) => (pid, End::Code(code)),
            WaitStatus::Signaled(pid, signal, _) => (pid, End::Signal(signal as i32)),
            WaitStatus::StillAlive => return None,
            _ => continue,
        };
        return Some((pid.as_raw().unsigned_abs(), end));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::monotonic;
    use crate::process::testing::ScratchDir;

    fn shell(script: &str) -> Spawn {
        let mut spawn = Spawn::new("/bin/sh");
        spawn.arguments = vec!["-c".into(), script.into()];
        spawn
    }

    /// Waits for one particular child: tests of one process share [`reap`], which would steal from each other.
    fn wait_for(pid: u32) -> End {
        let deadline = monotonic() + Duration::from_secs(20);
        loop {
            match waitpid(
                nix::unistd::Pid::from_raw(pid as i32),
                Some(WaitPidFlag::WNOHANG),
            )
            .unwrap()
            {
                WaitStatus::Exited(_, code) => return End::Code(code),
                WaitStatus::Signaled(_, signal, _) => return End::Signal(signal as i32),
                _ => assert!(monotonic() < deadline, "child {pid} does not end"),
            }
            std::thread::yield_now();
        }
    }

    fn output_of(mut spawn: Spawn) -> (End, String) {
        spawn.stdout = Output::Capture;
        let child = spawn.start().unwrap();
        let mut pipe = child.stdout.unwrap();
        let deadline = monotonic() + Duration::from_secs(20);
        while !pipe.read() {
            assert!(monotonic() < deadline);
            std::thread::yield_now();
        }
        (
            wait_for(child.pid),
            String::from_utf8(pipe.into_text()).unwrap(),
        )
    }

    #[test]
    fn everything_is_explicit() {
        let mut spawn = shell(
            "env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= | sort; pwd; readlink /proc/self/fd/0; exit 3",
        );
        spawn.environment = vec![
            ("HA_x".into(), "1".into()),
            ("PATH".into(), "/usr/bin:/bin".into()),
        ];
        spawn.directory = Some("/usr".into());
        assert_eq!(
            output_of(spawn),
            (
                End::Code(3),
                "HA_x=1\nPATH=/usr/bin:/bin\n/usr\n/dev/null\n".to_owned()
            )
        );
    }

    #[test]
    fn the_child_leads_a_group_has_no_descriptor_of_ours_and_an_empty_mask() {
        let _leak = File::open("/etc/passwd").unwrap();
        let mut blocked = nix::sys::signal::SigSet::empty();
        blocked.add(nix::sys::signal::Signal::SIGTERM);
        blocked.thread_block().unwrap();
        // The mask is read by the shell itself: while it starts a program it blocks signals for a moment.
        let (end, text) = output_of(shell(
            "set -- $(cat /proc/self/stat); echo $5 $$; ls -l /proc/$$/fd; \
             while read -r name value; do case $name in SigBlk:) echo $value;; esac; done </proc/$$/status",
        ));
        assert_eq!(end, End::Code(0));
        let (group, rest) = text.split_once('\n').unwrap();
        let (group, pid) = group.split_once(' ').unwrap();
        assert_eq!(group, pid);
        assert!(rest.trim_end().ends_with("0000000000000000"), "{rest}");
        assert!(!rest.contains("/etc/passwd"), "{rest}");
    }

    #[test]
    fn much_output_is_cut_but_never_blocks_the_child() {
        let (end, text) = output_of(shell("head -c 300000 /dev/zero | tr '\\0' x"));
        assert_eq!((end, text.len()), (End::Code(0), OUTPUT_MAX));
    }

    #[test]
    fn a_signal_is_told_from_a_code_and_output_can_be_appended() {
        let dir = ScratchDir::new();
        let path = dir.path().join("log");
        std::fs::write(&path, "before\n").unwrap();
        let mut spawn = shell("echo out; echo err >&2; kill -9 $$");
        spawn.stdout = Output::Append(path.clone());
        spawn.stderr = Output::Append(path.clone());
        let child = spawn.start().unwrap();
        let end = wait_for(child.pid);
        assert_eq!((end, end.code()), (End::Signal(9), 137));
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "before\nout\nerr\n"
        );
    }

    #[test]
    fn reads_its_input_however_long_it_is() {
        let mut spawn = shell("wc -c");
        spawn.input = Some(vec![b'x'; 300_000]);
        assert_eq!(output_of(spawn), (End::Code(0), "300000\n".to_owned()));
    }

    #[test]
    fn a_missing_program_is_an_error() {
        assert_eq!(
            Spawn::new("/nonexistent").start().unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn becomes_another_user_with_its_groups_only() {
        if !crate::users::is_root() {
            eprintln!("skipped: changing the user needs root");
            return;
        }
        let Some(account) = Account::by_name("nobody").unwrap() else {
            eprintln!("skipped: there is no user nobody");
            return;
        };
        let mut spawn = shell("id -u; id -g; id -G");
        spawn.environment = vec![("PATH".into(), "/usr/bin:/bin".into())];
        let groups = account
            .groups
            .iter()
            .map(u32::to_string)
            .collect::<Vec<_>>()
            .join(" ");
        let expected = format!("{}\n{}\n{}\n", account.uid, account.gid, groups);
        spawn.account = Some(account);
        assert_eq!(output_of(spawn), (End::Code(0), expected));
    }
}
