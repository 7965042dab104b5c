//! Becoming a daemon, and the directories that a daemon expects.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

/// Closes every descriptor above standard error: whoever started us may have leaked some. To be called first of all in
/// `main`, before anything of ours is open.
pub fn close_inherited_descriptors() {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else {
        return;
    };
    let open: Vec<i32> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
        })
        .filter(|fd| *fd > 2)
        .collect();
    // The list itself was one of them and is closed by now; closing it twice fails harmlessly.
    for fd in open {
        // SAFETY: called before this program opened anything, so nobody here owns the descriptor.
        unsafe { libc::close(fd) };
    }
}

/// Which side of [`daemonise`] we are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that the caller waits for; it shall exit now.
    Parent,
    /// The daemon: in a session of its own, standard streams on /dev/null.
    Daemon,
}

/// Forks, and detaches the child from terminal and session. To be called while there is one thread only.
///
/// # Errors
/// The fork failed, or /dev/null cannot be opened.
pub fn daemonise() -> io::Result<Side> {
    let null = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    // SAFETY: no other thread exists (condition of this function), so the child may do anything.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Parent { .. } => Ok(Side::Parent),
        nix::unistd::ForkResult::Child => {
            nix::unistd::setsid()?;
            nix::unistd::dup2_stdin(&null)?;
            nix::unistd::dup2_stdout(&null)?;
            nix::unistd::dup2_stderr(&null)?;
            Ok(Side::Daemon)
        }
    }
}

/// Puts standard input, output and error on /dev/null (a re-executed daemon, which does not fork).
///
/// # Errors
/// /dev/null cannot be opened.
pub fn silence_standard_streams() -> io::Result<()> {
    let null = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    nix::unistd::dup2_stdin(&null)?;
    nix::unistd::dup2_stdout(&null)?;
    nix::unistd::dup2_stderr(&null)?;
    Ok(())
}

/// Sets the file creation mask to 022.
pub fn set_umask() {
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
}

/// Sets the file creation mask to nothing: files get exactly the mode that they are made with.
pub fn clear_umask() {
    nix::sys::stat::umask(nix::sys::stat::Mode::empty());
}

/// Goes to the directory where core files shall lie.
///
/// # Errors
/// As `chdir(2)`.
pub fn enter_directory(path: &Path) -> io::Result<()> {
    Ok(nix::unistd::chdir(path)?)
}

/// Empties the scratch directory of the resource scripts by making it anew: mode 1777 less the umask 022, so 1755.
/// Symbolic links are removed, not followed.
///
/// # Errors
/// The file system refused.
pub fn recreate_scratch(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path)?,
        Ok(_) => fs::remove_file(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    DirBuilder::new().mode(0o700).create(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o1755))
}

/// Makes a directory (not its parents) if it is missing. True if it was.
///
/// # Errors
/// The file system refused.
pub fn ensure_directory(path: &Path, mode: u32) -> io::Result<bool> {
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        other => other.map(|()| true),
    }
}

/// Gives a file to a user and group by id.
///
/// # Errors
/// As `chown(2)`.
pub fn change_owner(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    std::os::unix::fs::chown(path, Some(uid), Some(gid))
}

/// A regular file (links followed) that we may execute.
pub fn is_executable_file(path: impl AsRef<OsStr>) -> bool {
    let path = Path::new(path.as_ref());
    fs::metadata(path).is_ok_and(|found| found.is_file()) && may_execute(path)
}

/// `access(2)` with `X_OK`: true for directories too, as the legacy's check of client commands.
pub fn may_execute(path: &Path) -> bool {
    nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::testing::ScratchDir;

    #[test]
    fn the_scratch_directory_is_emptied_and_links_are_not_followed() {
        let dir = ScratchDir::new();
        let scratch = dir.path().join("rsctmp");
        let kept = dir.path().join("kept");
        fs::create_dir(&kept).unwrap();
        fs::write(kept.join("file"), "x").unwrap();
        recreate_scratch(&scratch).unwrap();
        fs::create_dir(scratch.join("sub")).unwrap();
        std::os::unix::fs::symlink(&kept, scratch.join("sub/link")).unwrap();
        recreate_scratch(&scratch).unwrap();
        assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);
        assert_eq!(
            fs::metadata(&scratch).unwrap().permissions().mode() & 0o7777,
            0o1755
        );
        assert!(kept.join("file").exists());
        fs::remove_dir(&scratch).unwrap();
        std::os::unix::fs::symlink(&kept, &scratch).unwrap();
        recreate_scratch(&scratch).unwrap();
        assert!(fs::symlink_metadata(&scratch).unwrap().is_dir());
        assert!(kept.join("file").exists());
    }

    #[test]
    fn only_executable_regular_files_count() {
        assert!(is_executable_file("/bin/sh"));
        assert!(!is_executable_file("/"));
        assert!(may_execute(Path::new("/")));
        assert!(!is_executable_file("/etc/passwd"));
    }
}
