//! Plain pings: one socket that asks any number of hosts for an echo.
//!
//! Raw where we may, else the kernel's ping sockets, which ordinary users may open if `net.ipv4.ping_group_range` lets
//! them. A ping socket gets only its own replies, with an identifier of the kernel's choice.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use ha_wire::icmp::Echo;

use super::icmp::{ECHO6_REQUEST, open_v4, open_v6, parse_v6, source_v4};
use super::socket::{Endpoint, Socket};

/// A reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EchoReply<'a> {
    /// Who replied.
    pub from: IpAddr,
    /// The number of the request.
    pub sequence: u16,
    /// What came back. On a raw socket it may answer somebody else's request, so it should hold something unguessable.
    pub payload: &'a [u8],
}

/// The socket, of one address family.
#[derive(Debug)]
pub struct EchoSocket {
    socket: Socket,
    family: Family,
    raw: bool,
    identifier: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl EchoSocket {
    /// For IPv4.
    ///
    /// # Errors
    /// Neither kind of socket is allowed, or there are no descriptors left; the error is that of the first kind.
    pub fn open_v4() -> io::Result<EchoSocket> {
        EchoSocket::open(Family::V4, open_v4(), || {
            Socket::new(libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP)
        })
    }

    /// For IPv6.
    ///
    /// # Errors
    /// As [`EchoSocket::open_v4`].
    pub fn open_v6() -> io::Result<EchoSocket> {
        EchoSocket::open(Family::V6, open_v6(), || {
            Socket::new(libc::AF_INET6, libc::SOCK_DGRAM, libc::IPPROTO_ICMPV6)
        })
    }

    fn open(
        family: Family,
        raw: io::Result<Socket>,
        ping: impl FnOnce() -> io::Result<Socket>,
    ) -> io::Result<EchoSocket> {
        let (socket, raw) = match raw {
            Ok(socket) => (socket, true),
            Err(error) => (ping().map_err(|_| error)?, false),
        };
        // Replies of thousands of hosts may come in one burst. What the kernel refuses is not worth an error.
        let bytes: libc::c_int = 4 << 20;
        let _ = socket.set(libc::SOL_SOCKET, libc::SO_RCVBUF, &bytes);
        let _ = socket.set(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &bytes);
        Ok(EchoSocket {
            socket,
            family,
            raw,
            identifier: std::process::id() as u16,
        })
    }

    /// Asks one host.
    ///
    /// # Errors
    /// The system's; among them those of an address of the other family.
    pub fn send(&self, to: IpAddr, sequence: u16, payload: &[u8]) -> io::Result<()> {
        let mut packet = Vec::new();
        Echo {
            is_reply: false,
            identifier: self.identifier,
            sequence,
            payload,
        }
        .write(&mut packet);
        let endpoint = match (self.family, to) {
            (Family::V4, IpAddr::V4(address)) => Endpoint::v4(address, 0),
            (Family::V6, IpAddr::V6(address)) => {
                // The kernel fills in the checksum, which covers addresses that we do not know.
                if let Some(kind) = packet.first_mut() {
                    *kind = ECHO6_REQUEST;
                }
                Endpoint::v6(address, 0, 0)
            }
            _ => return Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT)),
        };
        self.socket.send_to(&packet, &endpoint)
    }

    /// The next reply; none if there is nothing more to read. Packets that are no reply to a request of this socket are
    /// skipped.
    ///
    /// # Errors
    /// The system's.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> io::Result<Option<EchoReply<'a>>> {
        loop {
            let (length, from) = match (self.family, self.raw) {
                (Family::V4, true) => match self.socket.receive(buffer)? {
                    Some(length) => (length, None),
                    None => return Ok(None),
                },
                (Family::V4, false) => match self.socket.receive_from_v4(buffer)? {
                    Some((length, from)) => (length, Some(IpAddr::V4(from))),
                    None => return Ok(None),
                },
                (Family::V6, _) => match self.socket.receive_from_v6(buffer)? {
                    Some((length, from)) => (length, Some(IpAddr::V6(from))),
                    None => return Ok(None),
                },
            };
            let packet = buffer.get(..length).unwrap_or_default();
            let Some((from, sequence, range)) = self.understand(packet, from) else {
                continue;
            };
            let payload = buffer.get(range).unwrap_or_default();
            return Ok(Some(EchoReply {
                from,
                sequence,
                payload,
            }));
        }
    }

    /// Sender, number, and where the payload lies.
    fn understand(
        &self,
        packet: &[u8],
        from: Option<IpAddr>,
    ) -> Option<(IpAddr, u16, std::ops::Range<usize>)> {
        let (from, echo) = match from {
            None => (IpAddr::V4(source_v4(packet)?), Echo::parse_ipv4(packet)?),
            Some(from @ IpAddr::V4(_)) => (from, Echo::parse(packet)?),
            Some(from @ IpAddr::V6(_)) => (from, parse_v6(packet)?),
        };
        if !echo.is_reply || (self.raw && echo.identifier != self.identifier) {
            return None;
        }
        // The payload is the packet's end, but for what the link layer may have added behind an IPv4 packet.
        let start = echo.payload.as_ptr() as usize - packet.as_ptr() as usize;
        Some((from, echo.sequence, start..start + echo.payload.len()))
    }
}

impl AsFd for EchoSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::time::Duration;

    use super::*;
    use crate::clock::monotonic;
    use crate::{Interest, Poller};

    fn round_trip(socket: &EchoSocket, to: IpAddr) {
        let mut poller = Poller::new().unwrap();
        poller.add(socket, 0, Interest::Read).unwrap();
        let (mut ready, mut buffer) = (Vec::new(), [0; 2048]);
        let deadline = monotonic() + Duration::from_secs(20);
        socket.send(to, 7, b"who is there").unwrap();
        loop {
            assert!(monotonic() < deadline, "no reply from {to}");
            poller.wait(Some(deadline), &mut ready).unwrap();
            if let Some(reply) = socket.receive(&mut buffer).unwrap()
                && reply.payload == b"who is there"
            {
                assert_eq!((reply.from, reply.sequence), (to, 7));
                return;
            }
        }
    }

    #[test]
    fn loopback_answers_on_either_kind_of_socket() {
        let mut tried = 0;
        if let Ok(socket) = EchoSocket::open_v4() {
            round_trip(&socket, Ipv4Addr::LOCALHOST.into());
            tried += 1;
        }
        let denied = || Err(io::Error::from_raw_os_error(libc::EPERM));
        let ping = EchoSocket::open(Family::V4, denied(), || {
            Socket::new(libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP)
        });
        if let Ok(socket) = ping {
            round_trip(&socket, Ipv4Addr::LOCALHOST.into());
            tried += 1;
        }
        if tried == 0 {
            eprintln!("skipped: no kind of ICMP socket is allowed here");
        }
    }

    #[test]
    fn loopback_answers_over_ipv6() {
        let Ok(socket) = EchoSocket::open_v6() else {
            eprintln!("skipped: no ICMPv6 socket is allowed here");
            return;
        };
        if std::net::UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
            eprintln!("skipped: no IPv6 on loopback");
            return;
        }
        round_trip(&socket, Ipv6Addr::LOCALHOST.into());
    }

    #[test]
    fn the_other_family_is_an_error() {
        if let Ok(socket) = EchoSocket::open_v4() {
            let error = socket.send(Ipv6Addr::LOCALHOST.into(), 0, b"").unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EAFNOSUPPORT));
        }
    }
}
