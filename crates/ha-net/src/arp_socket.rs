//! Sending ARP frames and neighbour advertisements, and hearing the ARP frames of others.

use std::io;
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::arp::{ArpFrame, Mac};
use crate::error::NetError;
use crate::neighbour::{ALL_NODES_MAC, advertisement};

/// Byte of the frame at which the sender's address begins.
const SENDER_IP_OFFSET: u32 = 28;

/// With more addresses than this the kernel passes every ARP frame; the limit keeps the filter within the kernel's
/// 4096 instructions.
const FILTERED_ADDRESSES_MAX: usize = 2000;

const WORD_AT: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
const WHOLE_FRAME: u32 = u32::MAX;
const NOTHING: u32 = 0;

/// A packet socket for ARP on all interfaces: non-blocking, close-on-exec, needs `CAP_NET_RAW`.
///
/// It hears nothing until [`watch`](Self::watch) names addresses. Its descriptor becomes readable when somebody
/// claims one of them.
#[derive(Debug)]
pub struct ArpSocket {
    socket: OwnedFd,
}

/// A frame and where it was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Index of the interface.
    pub link: u32,
    /// The frame.
    pub frame: ArpFrame,
}

impl ArpSocket {
    /// Opens the socket.
    pub fn open() -> Result<ArpSocket, NetError> {
        // Protocol 0: the kernel delivers nothing to the socket until it is bound to a protocol.
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: plain system call without pointers.
        let fd = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
        if fd < 0 {
            return Err(NetError::last("open a packet socket"));
        }
        // SAFETY: `fd` was just returned by the kernel and has no other owner.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(ArpSocket { socket })
    }

    /// Sends a frame through the interface with that index. Fails with `ENETDOWN` when it is down, `ENXIO` when it
    /// does not exist, `ENOBUFS` or `EAGAIN` when its queue is full.
    pub fn send(&self, link: u32, frame: &ArpFrame) -> Result<(), NetError> {
        let target = packet_address(link, libc::ETH_P_ARP, Mac::BROADCAST);
        self.send_bytes("send an ARP frame", &frame.encode(), &target)
    }

    /// Tells every neighbour on the interface with that index that `address` is at `mac`. Fails as [`send`](Self::send)
    /// does.
    pub fn advertise(&self, link: u32, mac: Mac, address: Ipv6Addr) -> Result<(), NetError> {
        let target = packet_address(link, libc::ETH_P_IPV6, ALL_NODES_MAC);
        let frame = advertisement(mac, address);
        self.send_bytes("send a neighbour advertisement", &frame, &target)
    }

    fn send_bytes(
        &self,
        doing: &'static str,
        bytes: &[u8],
        target: &libc::sockaddr_ll,
    ) -> Result<(), NetError> {
        // SAFETY: `bytes` and `target` live across the call and the lengths given are theirs.
        let sent = unsafe {
            libc::sendto(
                self.socket.as_raw_fd(),
                bytes.as_ptr().cast(),
                bytes.len(),
                libc::MSG_NOSIGNAL,
                (&raw const *target).cast(),
                socket_length::<libc::sockaddr_ll>(),
            )
        };
        if sent < 0 {
            Err(NetError::last(doing))
        } else {
            Ok(())
        }
    }

    /// From now on hears the frames whose sender address is one of these, on every interface; with none, hears
    /// nothing. The kernel does the filtering, so other people's ARP traffic does not wake us.
    pub fn watch(&mut self, addresses: &[Ipv4Addr]) -> Result<(), NetError> {
        const DOING: &str = "watch ARP";
        let program = filter(addresses);
        let program = libc::sock_fprog {
            len: u16::try_from(program.len()).map_err(|_| NetError::refused(DOING, libc::E2BIG))?,
            filter: program.as_ptr().cast_mut(),
        };
        // SAFETY: `program` points to `len` instructions that live across the call; the kernel copies them.
        let result = unsafe {
            libc::setsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_ATTACH_FILTER,
                (&raw const program).cast(),
                socket_length::<libc::sock_fprog>(),
            )
        };
        if result < 0 {
            return Err(NetError::last(DOING));
        }
        let every_link = packet_address(0, libc::ETH_P_ARP, Mac::BROADCAST);
        // SAFETY: `every_link` lives across the call and the length given is its own.
        let result = unsafe {
            libc::bind(
                self.socket.as_raw_fd(),
                (&raw const every_link).cast(),
                socket_length::<libc::sockaddr_ll>(),
            )
        };
        if result < 0 {
            Err(NetError::last(DOING))
        } else {
            Ok(())
        }
    }

    /// The next frame heard; `None` when there is none at the moment. Frames of ours and frames that are not ARP are
    /// passed over. Fails with `ENETDOWN` when an interface went down; call again.
    pub fn receive(&self) -> Result<Option<Heard>, NetError> {
        loop {
            let mut bytes = [0u8; 128];
            // SAFETY: all-zero bytes are a valid `sockaddr_ll`.
            let mut sender: libc::sockaddr_ll = unsafe { mem::zeroed() };
            let mut sender_len = socket_length::<libc::sockaddr_ll>();
            // SAFETY: buffer and address live across the call and the lengths given are theirs.
            let length = unsafe {
                libc::recvfrom(
                    self.socket.as_raw_fd(),
                    bytes.as_mut_ptr().cast(),
                    bytes.len(),
                    0,
                    (&raw mut sender).cast(),
                    &raw mut sender_len,
                )
            };
            let Ok(length) = usize::try_from(length) else {
                let error = io::Error::last_os_error();
                match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(None),
                    io::ErrorKind::Interrupted => continue,
                    _ => return Err(NetError::system("receive an ARP frame", error)),
                }
            };
            let frame = bytes.get(..length).and_then(ArpFrame::decode);
            let link = u32::try_from(sender.sll_ifindex);
            if let (Some(frame), Ok(link), false) =
                (frame, link, sender.sll_pkttype == libc::PACKET_OUTGOING)
            {
                return Ok(Some(Heard { link, frame }));
            }
        }
    }
}

impl AsFd for ArpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A classic BPF program that passes frames whose sender address is in the list.
fn filter(addresses: &[Ipv4Addr]) -> Vec<libc::sock_filter> {
    let statement = |code, k| libc::sock_filter {
        code,
        jt: 0,
        jf: 0,
        k,
    };
    if addresses.len() > FILTERED_ADDRESSES_MAX {
        return vec![statement(RETURN, WHOLE_FRAME)];
    }
    let mut program = vec![statement(WORD_AT, SENDER_IP_OFFSET)];
    for &address in addresses {
        // A jump reaches at most 255 instructions, so every comparison carries its own return.
        program.push(libc::sock_filter {
            code: JUMP_IF_EQUAL,
            jt: 0,
            jf: 1,
            k: address.into(),
        });
        program.push(statement(RETURN, WHOLE_FRAME));
    }
    program.push(statement(RETURN, NOTHING));
    program
}

/// The address "frames of this protocol for this station, on this interface"; index 0 is every interface.
fn packet_address(link: u32, protocol: libc::c_int, station: Mac) -> libc::sockaddr_ll {
    // SAFETY: all-zero bytes are a valid `sockaddr_ll`.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (protocol as u16).to_be();
    address.sll_ifindex = i32::try_from(link).unwrap_or(i32::MAX);
    address.sll_halen = 6;
    let [a, b, c, d, e, f] = station.0;
    address.sll_addr = [a, b, c, d, e, f, 0, 0];
    address
}

fn socket_length<T>() -> libc::socklen_t {
    mem::size_of::<T>() as libc::socklen_t
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arp::{FRAME_LEN, Mac, Purpose};

    /// Runs a program over a frame as the kernel would.
    fn passes(program: &[libc::sock_filter], frame: &[u8; FRAME_LEN]) -> bool {
        let mut accumulator = 0;
        let mut at = 0;
        loop {
            let step = &program[at];
            at += 1;
            match step.code {
                WORD_AT => {
                    let offset = step.k as usize;
                    accumulator = u32::from_be_bytes(
                        frame[offset..offset + 4].try_into().expect("four bytes"),
                    );
                }
                JUMP_IF_EQUAL => {
                    at += usize::from(if accumulator == step.k {
                        step.jt
                    } else {
                        step.jf
                    })
                }
                RETURN => return step.k != NOTHING,
                other => panic!("unknown instruction {other}"),
            }
        }
    }

    #[test]
    fn the_filter_passes_claims_of_watched_addresses_only() {
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        let claim = |last| {
            ArpFrame::announcement(Purpose::Reply, mac, mac, Ipv4Addr::new(10, 0, 0, last)).encode()
        };
        let program = filter(&[Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)]);
        assert!(passes(&program, &claim(1)));
        assert!(passes(&program, &claim(2)));
        assert!(!passes(&program, &claim(3)));
        assert!(!passes(&filter(&[]), &claim(1)));
    }

    #[test]
    fn the_filter_stays_within_the_kernels_limit() {
        let addresses: Vec<Ipv4Addr> = (0..10_000u32).map(Ipv4Addr::from).collect();
        assert!(filter(&addresses[..FILTERED_ADDRESSES_MAX]).len() <= 4096);
        assert_eq!(filter(&addresses).len(), 1);
    }
}
