//! The command FIFO, through which scripts send cluster messages (`resource-protocol.md` 7.1).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use ha_wire::stream::{Framing, StreamReader};
use nix::sys::stat::Mode;

/// The reading end.
#[derive(Debug)]
pub struct Fifo {
    file: File,
    messages: StreamReader,
}

/// How [`Fifo::open`] found the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FifoOrigin {
    /// It was there.
    Existing,
    /// It was made: `Creating FIFO <path>.`
    Created,
}

impl Fifo {
    /// Opens the FIFO, making it if needed, mode 0600. Anything else of that name (a shell's `>>` makes a plain file
    /// when we do not run) is replaced.
    ///
    /// We hold a writing end ourselves, so the end of the last writer is no event.
    ///
    /// # Errors
    /// The file system refused.
    pub fn open(path: &Path) -> io::Result<(Fifo, FifoOrigin)> {
        let present = match fs::symlink_metadata(path) {
            Ok(found) if found.file_type().is_fifo() => true,
            Ok(_) => {
                fs::remove_file(path)?;
                false
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        if !present {
            nix::unistd::mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR)?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW)
            .open(path)?;
        let origin = if present {
            FifoOrigin::Existing
        } else {
            FifoOrigin::Created
        };
        Ok((
            Fifo {
                file,
                messages: StreamReader::new(Framing::Any),
            },
            origin,
        ))
    }

    /// Reads once and gives every message that is complete to `deliver`, in the form it was written in, without
    /// authentication.
    ///
    /// # Errors
    /// As `read(2)`; having nothing to read is none.
    pub fn read(&mut self, deliver: impl FnMut(&[u8])) -> io::Result<()> {
        let mut chunk = [0; 4096];
        match self.file.read(&mut chunk) {
            Ok(length) => {
                self.messages
                    .feed(chunk.get(..length).unwrap_or_default(), deliver);
                Ok(())
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Fifo {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Writes one message into the FIFO in one piece, as a local tool does.
///
/// # Errors
/// There is no FIFO, or (`ENXIO`) nobody reads it. It never waits for a reader.
pub fn inject(path: &Path, message: &[u8]) -> io::Result<()> {
    use std::io::Write;
    let mut file = OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW)
        .open(path)?;
    if !file.metadata()?.file_type().is_fifo() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a FIFO"));
    }
    file.write_all(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::testing::ScratchDir;

    const MESSAGE: &[u8] = b">>>\nt=hb_takeover\nrsc_hold=all\n<<<\n";

    #[test]
    fn replaces_a_plain_file_and_reads_what_tools_write() {
        let dir = ScratchDir::new();
        let path = dir.path().join("fifo");
        fs::write(&path, "left by a script\n").unwrap();
        let (mut fifo, origin) = Fifo::open(&path).unwrap();
        assert_eq!(origin, FifoOrigin::Created);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        inject(&path, MESSAGE).unwrap();
        inject(&path, MESSAGE).unwrap();
        let mut found = Vec::new();
        fifo.read(|frame| found.push(frame.to_vec())).unwrap();
        assert_eq!(found, [MESSAGE, MESSAGE]);
        fifo.read(|_| panic!("nothing more")).unwrap();
        drop(fifo);
        assert_eq!(Fifo::open(&path).unwrap().1, FifoOrigin::Existing);
    }

    #[test]
    fn an_unread_fifo_does_not_block_a_tool() {
        let dir = ScratchDir::new();
        let path = dir.path().join("fifo");
        drop(Fifo::open(&path).unwrap());
        assert_eq!(
            inject(&path, MESSAGE).unwrap_err().raw_os_error(),
            Some(libc::ENXIO)
        );
    }
}
