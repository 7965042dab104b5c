//! Ping media: echo requests that carry the status the ping node shall have (`wire-protocol.md` 7.5).
//!
//! The socket is raw, not bound to a device, and the kernel filters for echo replies. A reply counts if it carries our
//! identifier and comes from an address that was asked; whether the message inside is genuine is for the core to say.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd};

use ha_wire::icmp::Echo;

use super::socket::{Endpoint, Socket};
use super::{Medium, Outcome, Said};
use crate::errno_text;
use crate::log::Priority;

/// Largest message in an echo request (MAXLINE).
const PAYLOAD_MAX: usize = 5120;

/// A group remembers which numbers were answered in this many slots.
const SLOTS: usize = 128;

/// `ICMP_FILTER`, from the kernel's `linux/icmp.h`.
const ICMP_FILTER: libc::c_int = 1;
/// `ICMPV6_FILTER`, from the kernel's `linux/icmpv6.h`.
const ICMP6_FILTER: libc::c_int = 1;
const ECHO_REPLY: u32 = 0;
pub(super) const ECHO6_REQUEST: u8 = 128;
const ECHO6_REPLY: u8 = 129;

struct PingMedium {
    socket: Socket,
    members: Vec<IpAddr>,
    identifier: u16,
    sequence: u16,
    /// For groups: which number was last answered in its slot, so that several answering members count once.
    answered: Option<[Option<u16>; SLOTS]>,
    packet: Vec<u8>,
}

pub(super) fn open_ping(_name: &str, address: Ipv4Addr, said: &mut Said) -> Outcome {
    let opened = open_v4().map(|socket| PingMedium::new(socket, vec![address.into()], false));
    finish(opened, "glib: ping heartbeat started.", said)
}

pub(super) fn open_group(_name: &str, members: &[Ipv4Addr], said: &mut Said) -> Outcome {
    let members = members.iter().copied().map(IpAddr::from).collect();
    let opened = open_v4().map(|socket| PingMedium::new(socket, members, true));
    finish(opened, "glib: ping group heartbeat started.", said)
}

pub(super) fn open_ping6(_name: &str, address: Ipv6Addr, said: &mut Said) -> Outcome {
    let opened = open_v6().map(|socket| PingMedium::new(socket, vec![address.into()], false));
    finish(opened, "glib: ping heartbeat started.", said)
}

fn finish(opened: io::Result<PingMedium>, started: &str, said: &mut Said) -> Outcome {
    match opened {
        Ok(medium) => {
            said.push((Priority::Info, started.to_owned()));
            Outcome::Open(Box::new(medium))
        }
        Err(error) => {
            said.push((
                Priority::Error,
                format!("glib: Can't open raw socket: {}", errno_text(&error)),
            ));
            Outcome::Failed
        }
    }
}

pub(super) fn open_v4() -> io::Result<Socket> {
    let socket = Socket::new(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP)?;
    let all_but_replies: u32 = !(1 << ECHO_REPLY);
    socket.set(libc::SOL_RAW, ICMP_FILTER, &all_but_replies)?;
    Ok(socket)
}

pub(super) fn open_v6() -> io::Result<Socket> {
    let socket = Socket::new(libc::AF_INET6, libc::SOCK_RAW, libc::IPPROTO_ICMPV6)?;
    // One bit per type, set to block it.
    let mut blocked = [u32::MAX; 8];
    if let Some(word) = blocked.get_mut(usize::from(ECHO6_REPLY) / 32) {
        *word &= !(1 << (ECHO6_REPLY % 32));
    }
    socket.set(libc::SOL_ICMPV6, ICMP6_FILTER, &blocked)?;
    Ok(socket)
}

impl PingMedium {
    fn new(socket: Socket, members: Vec<IpAddr>, group: bool) -> PingMedium {
        PingMedium {
            socket,
            members,
            // Low 16 bits of our pid, as the machine has them.
            identifier: std::process::id() as u16,
            sequence: 0,
            answered: group.then_some([None; SLOTS]),
            packet: Vec::new(),
        }
    }

    /// A group counts each number once.
    fn first_answer(&mut self, sequence: u16) -> bool {
        let Some(answered) = &mut self.answered else {
            return true;
        };
        match answered.get_mut(usize::from(sequence) % SLOTS) {
            Some(slot) if *slot == Some(sequence) => false,
            Some(slot) => {
                *slot = Some(sequence);
                true
            }
            None => false,
        }
    }

    fn accept(&mut self, from: IpAddr, echo: Option<Echo<'_>>, deliver: &mut dyn FnMut(&[u8])) {
        let Some(echo) = echo.filter(|echo| echo.is_reply && echo.identifier == self.identifier)
        else {
            return;
        };
        if self.members.contains(&from) && self.first_answer(echo.sequence) {
            deliver(echo.payload);
        }
    }
}

impl Medium for PingMedium {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn receive(&mut self, buffer: &mut [u8], deliver: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        if self.members.iter().any(IpAddr::is_ipv6) {
            let Some((length, from)) = self.socket.receive_from_v6(buffer)? else {
                return Ok(());
            };
            let echo = parse_v6(buffer.get(..length).unwrap_or_default());
            self.accept(from.into(), echo, deliver);
        } else if let Some(length) = self.socket.receive(buffer)? {
            let packet = buffer.get(..length).unwrap_or_default();
            if let Some(from) = source_v4(packet) {
                self.accept(from.into(), Echo::parse_ipv4(packet), deliver);
            }
        }
        Ok(())
    }

    /// One packet with one number to every member.
    ///
    /// # Errors
    /// If no member could be sent to; the first error then.
    fn transmit(&mut self, payload: &[u8]) -> io::Result<()> {
        if payload.len() > PAYLOAD_MAX {
            return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
        }
        let echo = Echo {
            is_reply: false,
            identifier: self.identifier,
            sequence: self.sequence,
            payload,
        };
        self.sequence = self.sequence.wrapping_add(1);
        echo.write(&mut self.packet);
        let mut failed = None;
        let mut sent = HashSet::new();
        for member in &self.members {
            let result = match member {
                IpAddr::V4(address) => self
                    .socket
                    .send_to(&self.packet, &Endpoint::v4(*address, 0)),
                IpAddr::V6(address) => {
                    // The kernel fills in the checksum, which covers addresses that we do not know.
                    if let Some(kind) = self.packet.first_mut() {
                        *kind = ECHO6_REQUEST;
                    }
                    self.socket
                        .send_to(&self.packet, &Endpoint::v6(*address, 0, 0))
                }
            };
            match result {
                Ok(()) => drop(sent.insert(*member)),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match failed {
            Some(error) if sent.is_empty() => Err(error),
            _ => Ok(()),
        }
    }
}

pub(super) fn source_v4(packet: &[u8]) -> Option<Ipv4Addr> {
    let source: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
    Some(source.into())
}

/// An ICMPv6 message without IP header. The kernel has verified its checksum.
pub(super) fn parse_v6(packet: &[u8]) -> Option<Echo<'_>> {
    let (header, payload) = packet.split_first_chunk::<8>()?;
    let [kind, code, _, _, id_first, id_second, seq_first, seq_second] = *header;
    (kind == ECHO6_REPLY && code == 0).then_some(Echo {
        is_reply: true,
        identifier: u16::from_ne_bytes([id_first, id_second]),
        sequence: u16::from_be_bytes([seq_first, seq_second]),
        payload,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::monotonic;
    use crate::{Interest, Poller};

    fn round_trip(outcome: Outcome, rounds: usize) -> Vec<Vec<u8>> {
        let Outcome::Open(mut medium) = outcome else {
            panic!("{outcome:?}")
        };
        let mut poller = Poller::new().unwrap();
        poller.add(medium.descriptor(), 0, Interest::Read).unwrap();
        let mut buffer = vec![0; 65536];
        let mut found: Vec<Vec<u8>> = Vec::new();
        let mut ready = Vec::new();
        let deadline = monotonic() + Duration::from_secs(20);
        for round in 0..rounds {
            medium
                .transmit(format!("message {round}").as_bytes())
                .unwrap();
            while found.len() <= round && monotonic() < deadline {
                poller.wait(Some(deadline), &mut ready).unwrap();
                medium
                    .receive(&mut buffer, &mut |payload| found.push(payload.to_vec()))
                    .unwrap();
            }
        }
        // A second answer with the same number, if any, is waiting by now.
        medium
            .receive(&mut buffer, &mut |payload| found.push(payload.to_vec()))
            .unwrap();
        found
    }

    fn root() -> bool {
        let root = crate::users::is_root();
        if !root {
            eprintln!("skipped: raw sockets need root");
        }
        root
    }

    #[test]
    fn the_loopback_address_answers() {
        if root() {
            let mut said = Vec::new();
            // All media of a process share an identifier: an address of its own keeps the other tests' answers out.
            let outcome = open_ping("lo", Ipv4Addr::new(127, 0, 0, 3), &mut said);
            assert_eq!(round_trip(outcome, 2), [b"message 0", b"message 1"]);
            assert_eq!(
                said,
                [(Priority::Info, "glib: ping heartbeat started.".to_owned())]
            );
        }
    }

    #[test]
    fn a_group_counts_each_number_once_and_the_first_too() {
        if root() {
            let members = [Ipv4Addr::new(127, 0, 0, 1), Ipv4Addr::new(127, 0, 0, 2)];
            let outcome = open_group("g", &members, &mut Vec::new());
            assert_eq!(
                round_trip(outcome, 3),
                [b"message 0", b"message 1", b"message 2"]
            );
        }
    }

    #[test]
    fn slots_repeat_after_128_numbers() {
        if root() {
            let mut medium = PingMedium::new(open_v4().unwrap(), vec![], true);
            assert!(medium.first_answer(0));
            assert!(!medium.first_answer(0));
            assert!(medium.first_answer(128));
            assert!(medium.first_answer(0));
        }
    }

    #[test]
    fn an_oversize_message_is_refused() {
        if root() {
            let Outcome::Open(mut medium) = open_ping("lo", Ipv4Addr::LOCALHOST, &mut Vec::new())
            else {
                panic!()
            };
            assert_eq!(
                medium
                    .transmit(&[0; PAYLOAD_MAX + 1])
                    .unwrap_err()
                    .raw_os_error(),
                Some(libc::EMSGSIZE)
            );
        }
    }
}
