//! Raw socket calls shared by the media.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::errno::check;

/// An address to bind to or to send to.
#[derive(Clone, Copy)]
pub(super) union SocketAddress {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

/// A [`SocketAddress`] with its length.
#[derive(Clone, Copy)]
pub(super) struct Endpoint {
    address: SocketAddress,
    length: libc::socklen_t,
}

impl Endpoint {
    pub(super) fn v4(address: Ipv4Addr, port: u16) -> Endpoint {
        // SAFETY: all-zero is a valid `sockaddr_in`.
        let mut raw: libc::sockaddr_in = unsafe { std::mem::zeroed() };
        raw.sin_family = libc::AF_INET as libc::sa_family_t;
        raw.sin_port = port.to_be();
        raw.sin_addr.s_addr = u32::from(address).to_be();
        Endpoint {
            address: SocketAddress { v4: raw },
            length: size_of::<libc::sockaddr_in>() as libc::socklen_t,
        }
    }

    /// `scope` is the interface index that a link-local address needs.
    pub(super) fn v6(address: Ipv6Addr, port: u16, scope: u32) -> Endpoint {
        // SAFETY: all-zero is a valid `sockaddr_in6`.
        let mut raw: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
        raw.sin6_family = libc::AF_INET6 as libc::sa_family_t;
        raw.sin6_port = port.to_be();
        raw.sin6_addr.s6_addr = address.octets();
        raw.sin6_scope_id = scope;
        Endpoint {
            address: SocketAddress { v6: raw },
            length: size_of::<libc::sockaddr_in6>() as libc::socklen_t,
        }
    }

    fn pointer(&self) -> *const libc::sockaddr {
        (&raw const self.address).cast()
    }
}

/// One socket, non-blocking and close-on-exec.
#[derive(Debug)]
pub(super) struct Socket(OwnedFd);

impl Socket {
    pub(super) fn new(
        family: libc::c_int,
        kind: libc::c_int,
        protocol: libc::c_int,
    ) -> io::Result<Socket> {
        // SAFETY: plain system call; the result is checked.
        let fd = check(unsafe {
            libc::socket(
                family,
                kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
                protocol,
            )
        })?;
        // SAFETY: `fd` is new and belongs to nobody else.
        Ok(Socket(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Sets an option whose value is a plain structure or integer.
    pub(super) fn set<T: Copy>(
        &self,
        level: libc::c_int,
        option: libc::c_int,
        value: &T,
    ) -> io::Result<()> {
        // SAFETY: pointer and length describe `value`, which outlives the call.
        check(unsafe {
            libc::setsockopt(
                self.0.as_raw_fd(),
                level,
                option,
                (value as *const T).cast(),
                size_of::<T>() as libc::socklen_t,
            )
        })?;
        Ok(())
    }

    /// `SO_BINDTODEVICE`.
    pub(super) fn bind_to_device(&self, interface: &str) -> io::Result<()> {
        // SAFETY: pointer and length describe the name; the kernel copies it and adds the NUL.
        check(unsafe {
            libc::setsockopt(
                self.0.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_BINDTODEVICE,
                interface.as_ptr().cast(),
                interface.len() as libc::socklen_t,
            )
        })?;
        Ok(())
    }

    pub(super) fn bind(&self, to: &Endpoint) -> io::Result<()> {
        // SAFETY: the endpoint's pointer and length describe a valid address.
        check(unsafe { libc::bind(self.0.as_raw_fd(), to.pointer(), to.length) })?;
        Ok(())
    }

    /// Sends one datagram. A datagram is sent whole or not at all.
    pub(super) fn send_to(&self, payload: &[u8], to: &Endpoint) -> io::Result<()> {
        loop {
            // SAFETY: payload and endpoint are described by their true lengths and outlive the call.
            let sent = unsafe {
                libc::sendto(
                    self.0.as_raw_fd(),
                    payload.as_ptr().cast(),
                    payload.len(),
                    libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT,
                    to.pointer(),
                    to.length,
                )
            };
            if sent >= 0 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }

    /// Receives one datagram; none if there is nothing. A longer one than the buffer is cut.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        // SAFETY: the buffer is writable for its whole length.
        let received = unsafe {
            libc::recv(
                self.0.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                libc::MSG_DONTWAIT,
            )
        };
        quiet(received)
    }

    /// As [`Socket::receive`], with the sender's IPv4 address (for sockets that give no IP header).
    pub(super) fn receive_from_v4(
        &self,
        buffer: &mut [u8],
    ) -> io::Result<Option<(usize, Ipv4Addr)>> {
        // SAFETY: all-zero is a valid `sockaddr_in`.
        let mut from: libc::sockaddr_in = unsafe { std::mem::zeroed() };
        let length = self.receive_from(buffer, &mut from)?;
        Ok(length.map(|length| (length, Ipv4Addr::from(u32::from_be(from.sin_addr.s_addr)))))
    }

    /// As [`Socket::receive`], with the sender's IPv6 address (a raw IPv6 socket gives no header).
    pub(super) fn receive_from_v6(
        &self,
        buffer: &mut [u8],
    ) -> io::Result<Option<(usize, Ipv6Addr)>> {
        // SAFETY: all-zero is a valid `sockaddr_in6`.
        let mut from: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
        let length = self.receive_from(buffer, &mut from)?;
        Ok(length.map(|length| (length, Ipv6Addr::from(from.sin6_addr.s6_addr))))
    }

    /// As [`Socket::receive`]; the kernel writes the sender into `from`, one of its structures for addresses.
    fn receive_from<A: Copy>(&self, buffer: &mut [u8], from: &mut A) -> io::Result<Option<usize>> {
        let mut length = size_of::<A>() as libc::socklen_t;
        // SAFETY: buffer and address are writable for the lengths given. The callers' types are `sockaddr_in` and
        // `sockaddr_in6`, for which any bytes are a value.
        let received = unsafe {
            libc::recvfrom(
                self.0.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                libc::MSG_DONTWAIT,
                (&raw mut *from).cast(),
                &mut length,
            )
        };
        quiet(received)
    }
}

/// Being interrupted or finding nothing is not worth an error; nor is what ICMP reported about an earlier datagram,
/// which the kernel delivers at the next call whatever that is.
fn quiet(received: isize) -> io::Result<Option<usize>> {
    if let Ok(length) = usize::try_from(received) {
        return Ok(Some(length));
    }
    let error = io::Error::last_os_error();
    match error.kind() {
        io::ErrorKind::WouldBlock
        | io::ErrorKind::Interrupted
        | io::ErrorKind::ConnectionRefused => Ok(None),
        _ => Err(error),
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
