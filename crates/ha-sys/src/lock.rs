//! Locks on parts of files, as other processes and other machines see them (`fcntl(2)`, "Advisory record locking").
//!
//! They belong to the process: closing any descriptor of the file gives all of them up.

use std::fs::File;
use std::io;

use nix::fcntl::{FcntlArg, fcntl};

/// A part of a file, in octets. Length 0: up to the end, however far that will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The first octet.
    pub start: i64,
    /// How many.
    pub length: i64,
}

/// Locks the part for ourselves alone.
///
/// # Errors
/// `EACCES` or `EAGAIN`: another process has a lock there. Others as `fcntl(2)`.
pub fn lock(file: &File, part: Part) -> io::Result<()> {
    set(file, &description(libc::F_WRLCK, part), FcntlArg::F_SETLK)
}

/// The same, waiting for others to give theirs up.
///
/// # Errors
/// As `fcntl(2)`.
pub fn lock_patiently(file: &File, part: Part) -> io::Result<()> {
    set(file, &description(libc::F_WRLCK, part), FcntlArg::F_SETLKW)
}

/// Gives up what we have locked of the part.
///
/// # Errors
/// As `fcntl(2)`.
pub fn unlock(file: &File, part: Part) -> io::Result<()> {
    set(file, &description(libc::F_UNLCK, part), FcntlArg::F_SETLK)
}

/// Whether another process has a lock anywhere in the part.
///
/// # Errors
/// As `fcntl(2)`.
pub fn is_locked_by_another(file: &File, part: Part) -> io::Result<bool> {
    let mut asked = description(libc::F_WRLCK, part);
    fcntl(file, FcntlArg::F_GETLK(&mut asked))?;
    Ok(i32::from(asked.l_type) != libc::F_UNLCK)
}

fn set<'a>(
    file: &File,
    asked: &'a libc::flock,
    how: fn(&'a libc::flock) -> FcntlArg<'a>,
) -> io::Result<()> {
    fcntl(file, how(asked)).map(drop).map_err(Into::into)
}

fn description(kind: i32, part: Part) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: part.start,
        l_len: part.length,
        l_pid: 0,
    }
}
