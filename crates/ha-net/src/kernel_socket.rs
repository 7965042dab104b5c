//! A netlink socket that talks to the kernel.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::error::NetError;

/// Room for one datagram. The kernel never makes a part of a dump larger than this.
const BUFFER_LEN: usize = 32 * 1024;

/// A netlink socket, non-blocking and close-on-exec, with room for one datagram from the kernel.
#[derive(Debug)]
pub(crate) struct KernelSocket {
    socket: Socket,
    buffer: Box<[u8]>,
}

impl KernelSocket {
    /// Opens a socket of that netlink protocol.
    pub(crate) fn open(doing: &'static str, protocol: isize) -> Result<KernelSocket, NetError> {
        let mut socket = Socket::new(protocol).map_err(|source| NetError::system(doing, source))?;
        socket
            .bind_auto()
            .map_err(|source| NetError::system(doing, source))?;
        socket
            .set_non_blocking(true)
            .map_err(|source| NetError::system(doing, source))?;
        Ok(KernelSocket {
            socket,
            buffer: vec![0; BUFFER_LEN].into_boxed_slice(),
        })
    }

    /// The socket itself, for its options.
    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Sends messages. The kernel works on them before this returns.
    pub(crate) fn send(&self, doing: &'static str, bytes: &[u8]) -> Result<(), NetError> {
        let kernel = SocketAddr::new(0, 0);
        self.socket
            .send_to(bytes, &kernel, 0)
            .map_err(|source| NetError::system(doing, source))?;
        Ok(())
    }

    /// Receives one datagram from the kernel.
    pub(crate) fn receive(
        &mut self,
        doing: &'static str,
        deadline: Instant,
    ) -> Result<&[u8], NetError> {
        loop {
            match self
                .socket
                .recv_from(&mut &mut self.buffer[..], libc::MSG_TRUNC)
            {
                Ok((length, _)) if length > self.buffer.len() => {
                    return Err(NetError::malformed(doing));
                }
                // Any process may write to our socket; only port 0 is the kernel.
                Ok((_, sender)) if sender.port_number() != 0 => {}
                Ok((length, _)) => return Ok(self.buffer.get(..length).unwrap_or_default()),
                Err(error) => match error.raw_os_error() {
                    Some(libc::EAGAIN | libc::EINTR) => self.wait(doing, deadline)?,
                    _ => return Err(NetError::system(doing, error)),
                },
            }
        }
    }

    fn wait(&self, doing: &'static str, deadline: Instant) -> Result<(), NetError> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(NetError::timed_out(doing));
        }
        // Rounded up, so that the last round does not spin.
        let left = left.as_millis().saturating_add(1);
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut waiting = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        match poll(&mut waiting, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(NetError::system(doing, errno)),
        }
    }
}

impl AsFd for KernelSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
