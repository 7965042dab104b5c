//! The pid file of a process that announces an address (`resource-scripts.md` 4.2).
//!
//! One file per address, `send_arp-<ip>`, holds the announcer's pid. A new announcer kills the one in the file and takes
//! its place; whoever stops the address kills it and removes the file. Old and new programs can be mixed on one node.
//! Unlike the legacy we look before we kill: a pid that no longer belongs to an announcer is left alone.

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The names by which announcers are known: of IPv4 and of IPv6 addresses.
const ANNOUNCERS: [&[u8]; 2] = [b"send_arp", b"IPv6addr"];

/// How often a claim starts over because other announcers come and go.
const CLAIM_TRIES: u32 = 10;

/// A claimed pid file: ours until it is released. Dropping it leaves the file in place, as a process that is killed
/// does.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    pid: u32,
}

/// Why a pid file could not be claimed.
#[derive(Debug)]
pub enum PidFileError {
    /// The name does not begin with `/`.
    NotAbsolute(PathBuf),
    /// The file existed and held no pid. It has been removed; the next try may succeed.
    NoPid(PathBuf),
    /// The announcer named in the file could not be killed.
    Unkillable(i32, io::Error),
    /// A system call failed on this path.
    System(PathBuf, io::Error),
}

/// What a successful claim did.
#[derive(Debug)]
pub struct Claim {
    /// The file, ours now.
    pub file: PidFile,
    /// The announcer that was in it and has been killed or was gone already.
    pub replaced: Option<i32>,
}

impl PidFile {
    /// Claims the file for this process.
    pub fn claim(path: &Path) -> Result<Claim, PidFileError> {
        PidFile::claim_for(path, std::process::id())
    }

    /// Creates the file with a pid (mode 0600, no newline), replacing an announcer that is in it. The last directory of
    /// the path is created with mode 0750 when missing. If the pid is in the file already, that is fine: who starts an
    /// announcer in the background claims the file for it, so that a stop that follows at once finds it, and
    /// the announcer claims it again.
    pub fn claim_for(path: &Path, pid: u32) -> Result<Claim, PidFileError> {
        if !path.is_absolute() {
            return Err(PidFileError::NotAbsolute(path.to_owned()));
        }
        let system = |error| PidFileError::System(path.to_owned(), error);
        if let Some(directory) = path.parent() {
            match DirBuilder::new().mode(0o750).create(directory) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(system(error));
                }
                _ => {}
            }
        }
        let mut replaced = None;
        for _ in 0..CLAIM_TRIES {
            let file = PidFile {
                path: path.to_owned(),
                pid,
            };
            if create(path, pid).map_err(system)? {
                return Ok(Claim { file, replaced });
            }
            let found = match read_pid(path) {
                Ok(found) => found,
                // Its owner was quicker than we; now it is free.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(system(error)),
            };
            if found.is_some_and(|found| u32::try_from(found) == Ok(pid)) {
                return Ok(Claim { file, replaced });
            }
            remove(path).map_err(system)?;
            let Some(found) = found else {
                return Err(PidFileError::NoPid(path.to_owned()));
            };
            end(found, Signal::SIGKILL).map_err(|error| PidFileError::Unkillable(found, error))?;
            replaced = Some(found);
        }
        Err(system(io::ErrorKind::AlreadyExists.into()))
    }

    /// Removes the file at the end of the announcement, unless a successor has put its own pid there.
    pub fn release(self) -> io::Result<()> {
        match read_pid(&self.path) {
            Ok(Some(pid)) if u32::try_from(pid) == Ok(self.pid) => remove(&self.path),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Creates the file with its content in one step, so that nobody ever sees it empty. False if it exists.
fn create(path: &Path, pid: u32) -> io::Result<bool> {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}", std::process::id()));
    let draft = path.with_file_name(name);
    remove(&draft)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&draft)?;
    let linked = file
        .write_all(pid.to_string().as_bytes())
        .and_then(|()| fs::hard_link(&draft, path));
    remove(&draft)?;
    match linked {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Ends the announcer in the file, if any, with SIGTERM and removes the file. Returns its pid if one was running.
pub fn retire(path: &Path) -> io::Result<Option<i32>> {
    let pid = match read_pid(path) {
        Ok(pid) => pid,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let ended = match pid {
        Some(pid) => end(pid, Signal::SIGTERM)?.then_some(pid),
        None => None,
    };
    remove(path)?;
    Ok(ended)
}

/// Sends the signal if the process is an announcer. False when there was no such process any more.
fn end(pid: i32, signal: Signal) -> io::Result<bool> {
    if !is_announcer(pid) {
        return Ok(false);
    }
    match kill(Pid::from_raw(pid), signal) {
        Ok(()) => Ok(true),
        Err(Errno::ESRCH) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether the process was started under the announcer's name, legacy's or ours.
fn is_announcer(pid: i32) -> bool {
    let mut command_line = Vec::new();
    let read = File::open(format!("/proc/{pid}/cmdline"))
        .and_then(|file| file.take(4096).read_to_end(&mut command_line));
    let program = command_line
        .split(|&byte| byte == 0)
        .next()
        .unwrap_or_default();
    let name = Path::new(OsStr::from_bytes(program)).file_name();
    read.is_ok() && name.is_some_and(|name| ANNOUNCERS.contains(&name.as_bytes()))
}

/// The pid in the file; `None` when there is no positive decimal number in it.
fn read_pid(path: &Path) -> io::Result<Option<i32>> {
    let mut text = String::new();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    file.take(32).read_to_string(&mut text)?;
    Ok(text.trim().parse().ok().filter(|&pid| pid > 0))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

impl fmt::Display for PidFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PidFileError::NotAbsolute(path) => {
                write!(
                    f,
                    "Invalid pid-file name, must begin with a '/' [{}]",
                    path.display()
                )
            }
            PidFileError::NoPid(path) => write!(f, "Invalid pid in pid-file [{}]", path.display()),
            PidFileError::Unkillable(pid, error) => {
                write!(f, "Cannot kill old send_arp process [{pid}]: {error}")
            }
            PidFileError::System(path, error) => {
                write!(f, "Cannot use pid-file [{}]: {error}", path.display())
            }
        }
    }
}

impl Error for PidFileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            PidFileError::Unkillable(_, error) | PidFileError::System(_, error) => Some(error),
            PidFileError::NotAbsolute(_) | PidFileError::NoPid(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::{Child, Command};
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;

    /// A directory of its own for each test, removed at the end.
    struct Directory(PathBuf);

    impl Directory {
        fn new() -> Directory {
            static NUMBER: AtomicU32 = AtomicU32::new(0);
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir()
                .join(format!("ha-net-pidfile-{}-{number}", std::process::id()));
            fs::create_dir_all(&path).expect("a directory");
            Directory(path)
        }

        fn file(&self) -> PathBuf {
            self.0.join("send_arp").join("send_arp-10.0.0.1")
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// A process that waits, under the given name. An announcer writes its pid file itself, so its command line is
    /// complete when somebody reads the file; our child's is only some time after `spawn` has returned.
    fn waiting(name: &str) -> Child {
        let child = Command::new("sleep")
            .arg0(name)
            .arg("300")
            .spawn()
            .expect("sleep");
        let deadline = Instant::now() + Duration::from_secs(20);
        let command_line = format!("/proc/{}/cmdline", child.id());
        while !fs::read(&command_line).is_ok_and(|text| text.starts_with(name.as_bytes())) {
            assert!(Instant::now() < deadline, "sleep does not start");
            thread::yield_now();
        }
        child
    }

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    #[test]
    fn a_claim_makes_directory_and_file_and_release_removes_the_file() {
        let directory = Directory::new();
        let claim = PidFile::claim(&directory.file()).expect("claimed");
        assert_eq!(claim.replaced, None);
        assert_eq!(
            fs::read_to_string(directory.file()).expect("text"),
            std::process::id().to_string()
        );
        let mode = fs::metadata(directory.file())
            .expect("metadata")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        claim.file.release().expect("released");
        assert!(!directory.file().exists());
    }

    #[test]
    fn a_claim_kills_the_announcer_before_it() {
        let directory = Directory::new();
        let mut old = waiting("/usr/lib/heartbeat/send_arp");
        write(&directory.file(), &old.id().to_string());
        let claim = PidFile::claim(&directory.file()).expect("claimed");
        assert_eq!(claim.replaced, i32::try_from(old.id()).ok());
        assert_eq!(old.wait().expect("ended").signal(), Some(libc::SIGKILL));
    }

    #[test]
    fn a_file_claimed_for_an_announcer_is_claimed_again_by_itself() {
        let directory = Directory::new();
        PidFile::claim_for(&directory.file(), std::process::id()).expect("claimed");
        let claim = PidFile::claim(&directory.file()).expect("claimed again");
        assert_eq!(claim.replaced, None);
        let names: Vec<_> = fs::read_dir(directory.0.join("send_arp"))
            .expect("a listing")
            .flatten()
            .collect();
        assert_eq!(names.len(), 1, "no drafts are left");
    }

    #[test]
    fn a_process_that_is_no_announcer_is_never_killed() {
        let directory = Directory::new();
        let mut innocent = waiting("database");
        write(&directory.file(), &innocent.id().to_string());
        PidFile::claim(&directory.file()).expect("claimed");
        write(&directory.file(), &innocent.id().to_string());
        assert_eq!(retire(&directory.file()).expect("retired"), None);
        assert!(!directory.file().exists());
        assert!(
            innocent.try_wait().expect("a state").is_none(),
            "must still run"
        );
        innocent.kill().expect("killed");
        innocent.wait().expect("ended");
    }

    #[test]
    fn an_empty_file_is_removed_and_reported_once() {
        let directory = Directory::new();
        write(&directory.file(), "");
        assert!(matches!(
            PidFile::claim(&directory.file()),
            Err(PidFileError::NoPid(_))
        ));
        PidFile::claim(&directory.file()).expect("the next try works");
    }

    #[test]
    fn retire_ends_the_announcer_and_removes_the_file() {
        let directory = Directory::new();
        assert_eq!(retire(&directory.file()).expect("nothing to do"), None);
        let mut announcer = waiting("send_arp");
        write(&directory.file(), &announcer.id().to_string());
        assert_eq!(
            retire(&directory.file()).expect("retired"),
            i32::try_from(announcer.id()).ok()
        );
        assert_eq!(
            announcer.wait().expect("ended").signal(),
            Some(libc::SIGTERM)
        );
        assert!(!directory.file().exists());
    }

    #[test]
    fn a_successors_file_survives_our_release() {
        let directory = Directory::new();
        let claim = PidFile::claim(&directory.file()).expect("claimed");
        write(&directory.file(), "1");
        claim.file.release().expect("released");
        assert!(directory.file().exists());
    }

    #[test]
    fn a_relative_name_is_refused() {
        let error = PidFile::claim(Path::new("rel")).expect_err("refused");
        assert_eq!(
            error.to_string(),
            "Invalid pid-file name, must begin with a '/' [rel]"
        );
    }

    #[test]
    fn pids_of_groups_and_of_everybody_are_no_pids() {
        let directory = Directory::new();
        for text in ["0", "-1", "-4", "12 13", "99999999999"] {
            write(&directory.file(), text);
            assert_eq!(
                read_pid(&directory.file()).expect("readable"),
                None,
                "{text}"
            );
        }
        write(&directory.file(), " 42\n");
        assert_eq!(read_pid(&directory.file()).expect("readable"), Some(42));
    }
}
