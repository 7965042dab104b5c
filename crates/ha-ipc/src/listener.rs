//! The socket that clients find (`client-api.md` 1.1).

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockType, UnixAddr};

use crate::channel::Channel;

/// Clients that may wait to be accepted: what the newest legacy has (release 2.1: 10).
const BACKLOG: i32 = 128;

/// Everybody may connect. What keeps strangers out is the directory of the socket, and the rules of `apiauth`.
const MODE: u32 = 0o777;

/// Waits for clients, without blocking.
///
/// The socket file stays when a listener goes away, as with the legacy: a client then gets `ECONNREFUSED` instead of
/// `ENOENT`, and tells both the same way.
#[derive(Debug)]
pub struct Listener {
    listener: UnixListener,
}

impl Listener {
    /// Makes the socket in the legacy's order: unlink, bind, chmod 0777, listen. Nobody can connect before the mode is
    /// right. Anything else of that name but a directory is replaced.
    ///
    /// # Errors
    /// The file system refused, or the path is longer than a unix address may be (107 octets).
    pub fn bind(path: &Path) -> io::Result<Listener> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let address = UnixAddr::new(path)?;
        let fd = socket::socket(
            AddressFamily::Unix,
            SockType::Stream,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            None,
        )?;
        socket::bind(std::os::fd::AsRawFd::as_raw_fd(&fd), &address)?;
        fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
        socket::listen(&fd, Backlog::new(BACKLOG)?)?;
        Ok(Listener {
            listener: UnixListener::from(fd),
        })
    }

    /// The next client, if one waits.
    ///
    /// # Errors
    /// As `accept(2)`. Out of descriptors (`EMFILE`, `ENFILE`) is one to be careful with: the client goes on waiting, so a
    /// loop that only waits for this descriptor would turn without end.
    pub fn accept(&self) -> io::Result<Option<Channel>> {
        match self.listener.accept() {
            Ok((stream, _)) => Channel::new(stream).map(Some),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock
                        | io::ErrorKind::Interrupted
                        | io::ErrorKind::ConnectionAborted
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}
