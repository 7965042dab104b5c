//! The pid file of an instance (`ldirectord.md` 1.3, 2).
//!
//! A process counts as the daemon when its command line contains `ldirectord`: so a daemon of the legacy is found, too,
//! and can be stopped by us right after the program was replaced.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use ha_sys::pidfile::lock_directory;

/// What a pid file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// There is none.
    Absent,
    /// It names no daemon that lives.
    Stale,
    /// The daemon lives.
    Running { pid: u32 },
}

/// Why we have no pid file of our own now.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Another daemon of this instance was faster.
    Held,
    /// The file system refused.
    Io(io::Error),
}

/// Looks whether the daemon lives.
pub(crate) fn inspect(path: &Path) -> State {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return State::Absent,
        Err(_) => return State::Stale,
    };
    let pid = text
        .lines()
        .next()
        .and_then(|line| line.trim().parse().ok());
    match pid {
        Some(pid) if is_director(pid) => State::Running { pid },
        _ => State::Stale,
    }
}

fn is_director(pid: u32) -> bool {
    // A file from before the last boot may hold the number of whoever is asking: that is no daemon.
    if pid == 0 || pid == std::process::id() || pid == std::os::unix::process::parent_id() {
        return false;
    }
    fs::read(format!("/proc/{pid}/cmdline"))
        .is_ok_and(|line| line.windows(10).any(|part| part == b"ldirectord"))
}

/// Writes our own pid. Of two that start at once only one succeeds.
pub(crate) fn create(path: &Path) -> Result<(), Trouble> {
    // Between the look at an old file and its replacement nobody else may do the same.
    let _alone = lock_directory(path);
    if matches!(inspect(path), State::Running { .. }) {
        return Err(Trouble::Held);
    }
    replace(path).map_err(Trouble::Io)
}

/// The file is there in one piece or not at all: heartbeat may ask for the status at any moment.
fn replace(path: &Path) -> io::Result<()> {
    let pid = std::process::id();
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{pid}"));
    let temporary = PathBuf::from(temporary);
    // What a crashed namesake left must not be written through.
    let _ = fs::remove_file(&temporary);
    let written = File::create_new(&temporary)
        .and_then(|mut file| io::Write::write_all(&mut file, format!("{pid}\n").as_bytes()))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Removes the file if it is ours.
pub(crate) fn remove_own(path: &Path) {
    let own = fs::read_to_string(path)
        .is_ok_and(|text| text.trim_end() == std::process::id().to_string());
    if own {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::scratch::Scratch;

    /// A process with `ldirectord` in its command line.
    fn director() -> Child {
        use std::os::unix::process::CommandExt;
        let child = Command::new("sleep")
            .arg0("ldirectord")
            .arg("60")
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_secs(10);
        while !is_director(child.id()) && Instant::now() < until {
            std::thread::yield_now();
        }
        child
    }

    #[test]
    fn a_daemon_of_either_make_is_found_and_keeps_others_out() {
        let dir = Scratch::new();
        let path = dir.path("ldirectord.x.pid");
        assert_eq!(inspect(&path), State::Absent);
        let mut other = director();
        // The legacy writes no more than this.
        fs::write(&path, format!("{}\n", other.id())).unwrap();
        let running = State::Running { pid: other.id() };
        assert_eq!(inspect(&path), running);
        assert!(matches!(create(&path), Err(Trouble::Held)));
        remove_own(&path);
        assert_eq!(inspect(&path), running, "not ours to remove");
        other.kill().unwrap();
        // A process that was not waited for has no command line any more.
        let until = Instant::now() + Duration::from_secs(10);
        while inspect(&path) == running && Instant::now() < until {
            std::thread::yield_now();
        }
        assert_eq!(inspect(&path), State::Stale);
        other.wait().unwrap();
        create(&path).unwrap();
        let own = format!("{}\n", std::process::id());
        assert_eq!(fs::read_to_string(&path).unwrap(), own);
        remove_own(&path);
        assert_eq!(fs::read_dir(dir.path("")).unwrap().count(), 0);
    }

    #[test]
    fn nonsense_is_stale() {
        let dir = Scratch::new();
        let path = dir.path("p");
        for text in ["", "x\n", "0\n", "-1\n", "4194999\n"] {
            fs::write(&path, text).unwrap();
            assert_eq!(inspect(&path), State::Stale, "{text:?}");
        }
        // Whoever asks is not the daemon, whatever its name.
        for pid in [std::process::id(), std::os::unix::process::parent_id()] {
            fs::write(&path, format!("{pid}\n")).unwrap();
            assert_eq!(inspect(&path), State::Stale);
        }
        assert!(matches!(create(&dir.path("none/p")), Err(Trouble::Io(_))));
    }

    #[test]
    fn of_many_at_once_one_wins() {
        let dir = Scratch::new();
        let path = dir.path("p");
        let _first = lock_directory(&path).unwrap();
        let began = Instant::now();
        assert!(lock_directory(&path).is_none(), "taken");
        assert!(began.elapsed() >= Duration::from_millis(900));
    }
}
