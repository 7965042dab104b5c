//! The pid file and the liveness test that goes with it (`install-and-cli.md` 3).
//!
//! The file is exactly 11 bytes: the pid right-aligned in ten columns and a newline. It is written under a name of its
//! own and hard-linked into place, under a lock, so that two daemons starting at once cannot both win. It is never removed at
//! shutdown; scripts know the difference between "no file" and "stale file".

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};

/// What a pid file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PidFile {
    /// There is none, or it holds no number.
    Absent,
    /// It names a process that is gone, or that runs another program.
    Stale {
        /// The recorded pid.
        pid: u32,
    },
    /// It names a live process that runs the same executable as we do.
    Running {
        /// Its pid.
        pid: u32,
    },
}

/// Reads a pid file and tests whether its process lives **and** executes the same file as the caller. The second half
/// keeps a recycled pid from being taken for the daemon (and killed).
pub fn inspect(path: &Path) -> PidFile {
    let Some(pid) = read_pid(path) else {
        return PidFile::Absent;
    };
    match (executable(&pid.to_string()), executable("self")) {
        (Some(theirs), Some(ours)) if theirs == ours => PidFile::Running { pid },
        _ => PidFile::Stale { pid },
    }
}

/// The program that a process executes. An upgrade replaces the file under a running daemon, and the kernel then says so
/// behind its name; it is the same daemon all the same, and must be found by `-k`. (The legacy loses sight of it.)
fn executable(process: &str) -> Option<PathBuf> {
    let path = fs::read_link(format!("/proc/{process}/exe")).ok()?;
    let text = path.to_str()?;
    Some(PathBuf::from(
        text.strip_suffix(" (deleted)").unwrap_or(text),
    ))
}

fn read_pid(path: &Path) -> Option<u32> {
    /// Whatever lies there instead of a pid file is not read as a whole.
    const LENGTH_MAX: u64 = 64;
    let mut head = Vec::new();
    let file = fs::File::open(path).ok()?;
    file.take(LENGTH_MAX).read_to_end(&mut head).ok()?;
    parse(&head)
}

/// The pid in the content of a pid file. Like the legacy's scanf: leading white space, then a number; what follows does
/// not matter. Never 0, nor more than a pid can be, which `kill(2)` would take for many processes.
pub fn parse(content: &[u8]) -> Option<u32> {
    let digits = content.trim_ascii_start();
    let end = digits
        .iter()
        .position(|octet| !octet.is_ascii_digit())
        .unwrap_or(digits.len());
    let number: i32 = std::str::from_utf8(digits.get(..end)?).ok()?.parse().ok()?;
    u32::try_from(number).ok().filter(|pid| *pid > 0)
}

/// Why the pid file could not be written.
#[derive(Debug)]
pub enum PidFileError {
    /// Another instance lives.
    Held {
        /// Its pid.
        pid: u32,
    },
    /// The file system refused.
    Io(io::Error),
}

impl std::fmt::Display for PidFileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PidFileError::Held { pid } => write!(f, "already held by pid {pid}"),
            PidFileError::Io(error) => f.write_str(&crate::errno_text(error)),
        }
    }
}

impl std::error::Error for PidFileError {}

/// Writes our own pid, replacing a stale file. Succeeds at once if the file already names us (a re-executed daemon).
///
/// `former` is the process that we were before we detached. It may take a moment to be gone, and if it was a re-executed
/// daemon the file still names it; that does not keep us from taking over.
///
/// # Errors
/// [`PidFileError::Held`] if a live instance other than us is named there.
pub fn create(path: &Path, former: Option<u32>) -> Result<(), PidFileError> {
    let own = std::process::id();
    // Between the look at a stale file and its replacement nobody else may do the same.
    let _alone = lock_directory(path);
    match inspect(path) {
        PidFile::Running { pid } if pid == own => return Ok(()),
        PidFile::Running { pid } if Some(pid) == former => {}
        PidFile::Running { pid } => return Err(PidFileError::Held { pid }),
        PidFile::Stale { .. } | PidFile::Absent => {}
    }
    link_into_place(path, own).map_err(|error| match (error.kind(), inspect(path)) {
        (io::ErrorKind::AlreadyExists, PidFile::Running { pid }) => PidFileError::Held { pid },
        _ => PidFileError::Io(error),
    })
}

/// An advisory lock on the directory of a file, given up when dropped. Whoever cannot have it within a second goes on
/// without: a strange lock must not keep a daemon from starting.
pub fn lock_directory(path: &Path) -> Option<Flock<fs::File>> {
    let directory = path.parent()?;
    let mut file = fs::File::open(directory).ok()?;
    for _ in 0..100 {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Some(lock),
            Err((back, _)) => file = back,
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}

/// Writes our pid whatever the file says.
pub(crate) fn replace(path: &Path) -> io::Result<()> {
    link_into_place(path, std::process::id())
}

fn link_into_place(path: &Path, pid: u32) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{pid}"));
    let temporary = PathBuf::from(temporary);
    // A left-over of a crashed namesake must not stand in the way.
    remove_if_present(&temporary)?;
    let written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&temporary)
        .and_then(|mut file| file.write_all(format!("{pid:>10}\n").as_bytes()));
    let linked = written
        .and_then(|()| remove_if_present(path))
        .and_then(|()| fs::hard_link(&temporary, path));
    let removed = remove_if_present(&temporary);
    linked.and(removed)
}

fn remove_if_present(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::testing::ScratchDir;

    #[test]
    fn is_eleven_bytes_and_leaves_nothing_else_behind() {
        let dir = ScratchDir::new();
        let path = dir.path().join("d.pid");
        create(&path, None).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{:>10}\n", std::process::id()));
        assert_eq!(text.len(), 11);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert_eq!(
            inspect(&path),
            PidFile::Running {
                pid: std::process::id()
            }
        );
        // Again: it is ours already.
        create(&path, None).unwrap();
    }

    #[test]
    fn missing_or_senseless_files_count_as_absent() {
        let dir = ScratchDir::new();
        let path = dir.path().join("d.pid");
        assert_eq!(inspect(&path), PidFile::Absent);
        for text in ["", "abc\n", "0\n", "-4\n", "99999999999999\n"] {
            fs::write(&path, text).unwrap();
            assert_eq!(inspect(&path), PidFile::Absent, "{text:?}");
        }
    }

    #[test]
    fn a_live_process_running_something_else_is_stale_and_replaced() {
        let dir = ScratchDir::new();
        let path = dir.path().join("d.pid");
        let mut other = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        // Until the child has executed `sleep` it still runs our own image.
        let deadline = crate::clock::monotonic() + std::time::Duration::from_secs(10);
        fs::write(&path, format!("{:>10}\n", other.id())).unwrap();
        while matches!(inspect(&path), PidFile::Running { .. })
            && crate::clock::monotonic() < deadline
        {
            std::thread::yield_now();
        }
        assert_eq!(inspect(&path), PidFile::Stale { pid: other.id() });
        create(&path, None).unwrap();
        assert_eq!(
            inspect(&path),
            PidFile::Running {
                pid: std::process::id()
            }
        );
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn a_missing_directory_is_an_error() {
        let dir = ScratchDir::new();
        assert!(matches!(
            create(&dir.path().join("none/d.pid"), None),
            Err(PidFileError::Io(_))
        ));
    }
}
