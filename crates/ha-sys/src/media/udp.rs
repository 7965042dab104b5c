//! The UDP media: `bcast`, `ucast`, `mcast`, `ucast6`, `mcast6` (`wire-protocol.md` 7.1).
//!
//! Each has one socket to send, from an ephemeral port, and one to receive. Socket options and log lines are the
//! legacy's; options that the lines promise but the kernel refuses make the medium fail.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::socket::{Endpoint, Socket};
use super::{Medium, MediumSetup, Outcome, Said};
use crate::errno_text;
use crate::host;
use crate::log::Priority;

/// Attempts to bind a port that somebody else still holds, one second apart.
const BIND_ATTEMPTS: u32 = 10;
/// The same for multicast.
const MULTICAST_BIND_ATTEMPTS: u32 = 50;
/// How many seconds a multicast interface may take to get its address.
const ADDRESS_ATTEMPTS: u32 = 120;
/// Pause between attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// `IPTOS_LOWDELAY`.
const LOW_DELAY: libc::c_int = 0x10;

struct UdpMedium {
    sender: Socket,
    receiver: Socket,
    destination: Endpoint,
}

impl Medium for UdpMedium {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.receiver.as_fd()
    }

    fn receive(&mut self, buffer: &mut [u8], deliver: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        if let Some(length) = self.receiver.receive(buffer)? {
            deliver(buffer.get(..length).unwrap_or_default());
        }
        Ok(())
    }

    fn transmit(&mut self, payload: &[u8]) -> io::Result<()> {
        self.sender.send_to(payload, &self.destination)
    }
}

/// Why an attempt did not succeed.
enum Obstacle {
    /// Worth another attempt.
    Passing,
    /// Not.
    Lasting,
}

type Attempt<T> = Result<T, Obstacle>;

pub(super) fn open(setup: &MediumSetup, attempt: u32, said: &mut Said) -> Outcome {
    let opened = match setup {
        MediumSetup::Broadcast {
            interface,
            address,
            port,
        } => broadcast(interface, *address, *port, attempt, said),
        MediumSetup::Unicast {
            interface,
            peer,
            port,
        } => unicast(interface, *peer, *port, attempt, said),
        MediumSetup::Multicast {
            interface,
            group,
            port,
            ttl,
            own,
        } => multicast(interface, *group, *port, (*ttl, *own), attempt, said),
        MediumSetup::Unicast6 {
            interface,
            peer,
            port,
        } => unicast6(interface, *peer, *port, attempt, said),
        MediumSetup::Multicast6 {
            interface,
            group,
            port,
            hops,
            own,
        } => multicast6(interface, *group, *port, (*hops, *own), attempt, said),
        _ => Err(Obstacle::Lasting),
    };
    match opened {
        Ok(medium) => Outcome::Open(Box::new(medium)),
        Err(Obstacle::Passing) => Outcome::Retry(PAUSE),
        Err(Obstacle::Lasting) => Outcome::Failed,
    }
}

fn broadcast(
    interface: &str,
    address: Ipv4Addr,
    port: u16,
    attempt: u32,
    said: &mut Said,
) -> Attempt<UdpMedium> {
    let sender = socket(libc::AF_INET, said)?;
    option(&sender, "SO_BROADCAST", interface, said, |s| {
        s.set(libc::SOL_SOCKET, libc::SO_BROADCAST, &1i32)
    })?;
    option(&sender, "SO_DONTROUTE", interface, said, |s| {
        s.set(libc::SOL_SOCKET, libc::SO_DONTROUTE, &1i32)
    })?;
    // Only a device can be bound to, not its alias.
    let device = device_of(interface);
    option(&sender, "SO_BINDTODEVICE(w)", interface, said, |s| {
        s.bind_to_device(device)
    })?;
    let receiver = socket(libc::AF_INET, said)?;
    reuse(&receiver, interface, said)?;
    option(&receiver, "SO_BINDTODEVICE(r)", interface, said, |s| {
        s.bind_to_device(device)
    })?;
    bind(
        &receiver,
        &Endpoint::v4(Ipv4Addr::UNSPECIFIED, port),
        (attempt, BIND_ATTEMPTS),
        "",
        said,
    )?;
    info(
        said,
        format!(
            "glib: UDP Broadcast heartbeat started on port {port} ({port}) interface {interface}"
        ),
    );
    // The legacy's parent closes its copies after forking the children, and says so; tools wait for the line.
    info(
        said,
        format!(
            "glib: UDP Broadcast heartbeat closed on port {port} interface {interface} - Status: 1"
        ),
    );
    Ok(UdpMedium {
        sender,
        receiver,
        destination: Endpoint::v4(address, port),
    })
}

fn unicast(
    interface: &str,
    peer: Ipv4Addr,
    port: u16,
    attempt: u32,
    said: &mut Said,
) -> Attempt<UdpMedium> {
    let sender = socket(libc::AF_INET, said)?;
    let device = device_of(interface);
    let low_delay = sender.set(libc::IPPROTO_IP, libc::IP_TOS, &LOW_DELAY);
    option(&sender, "SO_BINDTODEVICE(w)", interface, said, |s| {
        s.bind_to_device(device)
    })?;
    let receiver = socket(libc::AF_INET, said)?;
    reuse(&receiver, interface, said)?;
    option(&receiver, "SO_BINDTODEVICE(r)", interface, said, |s| {
        s.bind_to_device(device)
    })?;
    bind(
        &receiver,
        &Endpoint::v4(Ipv4Addr::UNSPECIFIED, port),
        (attempt, BIND_ATTEMPTS),
        "ucast: ",
        said,
    )?;
    match low_delay {
        Ok(()) => info(
            said,
            format!("glib: ucast: write socket priority set to IPTOS_LOWDELAY on {interface}"),
        ),
        Err(error) => warn(
            said,
            format!(
                "glib: ucast: error setting socket priority: {}",
                errno_text(&error)
            ),
        ),
    }
    info(
        said,
        format!("glib: ucast: bound send socket to device: {interface}"),
    );
    info(
        said,
        format!("glib: ucast: bound receive socket to device: {interface}"),
    );
    info(
        said,
        format!("glib: ucast: started on port {port} interface {interface} to {peer}"),
    );
    Ok(UdpMedium {
        sender,
        receiver,
        destination: Endpoint::v4(peer, port),
    })
}

fn multicast(
    interface: &str,
    group: Ipv4Addr,
    port: u16,
    (ttl, own): (u8, bool),
    attempt: u32,
    said: &mut Said,
) -> Attempt<UdpMedium> {
    let local = match host::interface_address(interface) {
        Ok(address) => address,
        Err(error) => return Err(no_address(interface, &error, attempt, said)),
    };
    let in_group = |address: Ipv4Addr| libc::in_addr {
        s_addr: u32::from(address).to_be(),
    };
    let sender = socket(libc::AF_INET, said)?;
    option(&sender, "IP_MULTICAST_IF", interface, said, |s| {
        s.set(libc::IPPROTO_IP, libc::IP_MULTICAST_IF, &in_group(local))
    })?;
    option(&sender, "IP_MULTICAST_LOOP", interface, said, |s| {
        s.set(libc::IPPROTO_IP, libc::IP_MULTICAST_LOOP, &u8::from(own))
    })?;
    option(&sender, "IP_MULTICAST_TTL", interface, said, |s| {
        s.set(libc::IPPROTO_IP, libc::IP_MULTICAST_TTL, &ttl)
    })?;
    let receiver = socket(libc::AF_INET, said)?;
    reuse(&receiver, interface, said)?;
    bind(
        &receiver,
        &Endpoint::v4(group, port),
        (attempt, MULTICAST_BIND_ATTEMPTS),
        "",
        said,
    )?;
    let membership = libc::ip_mreq {
        imr_multiaddr: in_group(group),
        imr_interface: in_group(local),
    };
    option(&receiver, "IP_ADD_MEMBERSHIP", interface, said, |s| {
        s.set(libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP, &membership)
    })?;
    info(
        said,
        format!(
            "glib: UDP multicast heartbeat started for group {group} port {port} interface {interface} (ttl={ttl} loop={})",
            u8::from(own)
        ),
    );
    Ok(UdpMedium {
        sender,
        receiver,
        destination: Endpoint::v4(group, port),
    })
}

fn unicast6(
    interface: &str,
    peer: Ipv6Addr,
    port: u16,
    attempt: u32,
    said: &mut Said,
) -> Attempt<UdpMedium> {
    let index = index_of(interface, said)?;
    let sender = socket(libc::AF_INET6, said)?;
    option(&sender, "SO_BINDTODEVICE(w)", interface, said, |s| {
        s.bind_to_device(interface)
    })?;
    let receiver = socket(libc::AF_INET6, said)?;
    reuse(&receiver, interface, said)?;
    only_v6(&receiver, interface, said)?;
    option(&receiver, "SO_BINDTODEVICE(r)", interface, said, |s| {
        s.bind_to_device(interface)
    })?;
    let any = Endpoint::v6(Ipv6Addr::UNSPECIFIED, port, 0);
    bind(&receiver, &any, (attempt, BIND_ATTEMPTS), "ucast6: ", said)?;
    info(
        said,
        format!("glib: ucast6: started on port {port} interface {interface} to {peer}"),
    );
    Ok(UdpMedium {
        sender,
        receiver,
        destination: Endpoint::v6(peer, port, scope(peer, index)),
    })
}

fn multicast6(
    interface: &str,
    group: Ipv6Addr,
    port: u16,
    (hops, own): (u8, bool),
    attempt: u32,
    said: &mut Said,
) -> Attempt<UdpMedium> {
    let index = index_of(interface, said)?;
    let sender = socket(libc::AF_INET6, said)?;
    let number = |value: u8| libc::c_int::from(value);
    option(&sender, "IPV6_MULTICAST_IF", interface, said, |s| {
        s.set(libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_IF, &index)
    })?;
    option(&sender, "IPV6_MULTICAST_LOOP", interface, said, |s| {
        s.set(
            libc::IPPROTO_IPV6,
            libc::IPV6_MULTICAST_LOOP,
            &number(u8::from(own)),
        )
    })?;
    option(&sender, "IPV6_MULTICAST_HOPS", interface, said, |s| {
        s.set(libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_HOPS, &number(hops))
    })?;
    let receiver = socket(libc::AF_INET6, said)?;
    reuse(&receiver, interface, said)?;
    only_v6(&receiver, interface, said)?;
    let here = Endpoint::v6(group, port, index);
    bind(
        &receiver,
        &here,
        (attempt, MULTICAST_BIND_ATTEMPTS),
        "",
        said,
    )?;
    let membership = libc::ipv6_mreq {
        ipv6mr_multiaddr: libc::in6_addr {
            s6_addr: group.octets(),
        },
        ipv6mr_interface: index,
    };
    option(&receiver, "IPV6_JOIN_GROUP", interface, said, |s| {
        s.set(libc::IPPROTO_IPV6, libc::IPV6_ADD_MEMBERSHIP, &membership)
    })?;
    info(
        said,
        format!(
            "glib: UDP multicast6 heartbeat started for group {group} port {port} interface {interface} (hops={hops} loop={})",
            u8::from(own)
        ),
    );
    Ok(UdpMedium {
        sender,
        receiver,
        destination: here,
    })
}

/// An alias is cut off: `eth0:0` sends through `eth0`.
fn device_of(interface: &str) -> &str {
    interface.split(':').next().unwrap_or(interface)
}

/// Only link-local addresses need to be told the interface.
fn scope(address: Ipv6Addr, index: u32) -> u32 {
    if address.is_unicast_link_local() || address.is_multicast() {
        index
    } else {
        0
    }
}

fn index_of(interface: &str, said: &mut Said) -> Attempt<u32> {
    host::interface_index(interface).map_err(|error| {
        fault(
            said,
            format!(
                "glib: interface [{interface}] is invalid or not set up properly: {}",
                errno_text(&error)
            ),
        );
        Obstacle::Lasting
    })
}

fn no_address(interface: &str, error: &io::Error, attempt: u32, said: &mut Said) -> Obstacle {
    let waiting = error.raw_os_error() == Some(libc::EADDRNOTAVAIL) && attempt < ADDRESS_ATTEMPTS;
    if waiting && attempt > 1 {
        return Obstacle::Passing;
    }
    fault(
        said,
        format!(
            "glib: Unable to retrieve local interface address for interface [{interface}] using ioctl(SIOCGIFADDR): {}",
            errno_text(error)
        ),
    );
    if waiting {
        Obstacle::Passing
    } else {
        Obstacle::Lasting
    }
}

fn socket(family: libc::c_int, said: &mut Said) -> Attempt<Socket> {
    Socket::new(family, libc::SOCK_DGRAM, 0).map_err(|error| {
        fault(
            said,
            format!("glib: Error getting socket: {}", errno_text(&error)),
        );
        Obstacle::Lasting
    })
}

fn reuse(receiver: &Socket, interface: &str, said: &mut Said) -> Attempt<()> {
    option(receiver, "SO_REUSEADDR", interface, said, |s| {
        s.set(libc::SOL_SOCKET, libc::SO_REUSEADDR, &1i32)
    })
}

fn only_v6(receiver: &Socket, interface: &str, said: &mut Said) -> Attempt<()> {
    option(receiver, "IPV6_V6ONLY", interface, said, |s| {
        s.set(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, &1i32)
    })
}

fn option(
    socket: &Socket,
    name: &str,
    interface: &str,
    said: &mut Said,
    set: impl FnOnce(&Socket) -> io::Result<()>,
) -> Attempt<()> {
    set(socket).map_err(|error| {
        fault(
            said,
            format!(
                "glib: ucast: error setting option {name} on {interface}: {}",
                errno_text(&error)
            ),
        );
        Obstacle::Lasting
    })
}

fn bind(
    receiver: &Socket,
    to: &Endpoint,
    (attempt, attempts_max): (u32, u32),
    prefix: &str,
    said: &mut Said,
) -> Attempt<()> {
    let Err(error) = receiver.bind(to) else {
        return Ok(());
    };
    let text = errno_text(&error);
    if attempt < attempts_max {
        fault(
            said,
            format!("glib: {prefix}Error binding socket ({text}). Retrying."),
        );
        Err(Obstacle::Passing)
    } else {
        fault(
            said,
            format!("glib: {prefix}Unable to bind socket ({text}). Giving up."),
        );
        Err(Obstacle::Lasting)
    }
}

fn info(said: &mut Said, text: String) {
    said.push((Priority::Info, text));
}

fn warn(said: &mut Said, text: String) {
    said.push((Priority::Warn, text));
}

fn fault(said: &mut Said, text: String) {
    said.push((Priority::Error, text));
}
