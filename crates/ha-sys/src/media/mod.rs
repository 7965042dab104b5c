//! Media: how messages leave this host and come in (`wire-protocol.md` 7).
//!
//! A [`Medium`] is one `bcast`, `ucast`, `mcast`, `serial`, `ping` or `ping_group` of ha.cf. Opening one may need
//! patience (a port still in use, an interface without an address yet), so [`MediumSetup::open`] is a step that can ask
//! to be repeated after a while instead of sleeping. Reading and writing never block.

mod echo;
mod icmp;
mod serial;
mod socket;
mod udp;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::time::Duration;

use crate::errno_text;
use crate::host;
use crate::log::Priority;

pub use echo::{EchoReply, EchoSocket};

/// Room for whatever one read can bring: the largest datagram that UDP or ICMP carries is a little smaller.
pub const RECEIVE_MAX: usize = 65_536;

/// What one medium line of ha.cf asks for, all names resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediumSetup {
    /// `bcast INTERFACE`
    Broadcast {
        /// Interface or alias.
        interface: String,
        /// Its broadcast address.
        address: Ipv4Addr,
        /// UDP port.
        port: u16,
    },
    /// `ucast INTERFACE PEER`
    Unicast {
        /// Interface.
        interface: String,
        /// Where to send to.
        peer: Ipv4Addr,
        /// UDP port.
        port: u16,
    },
    /// `mcast INTERFACE GROUP PORT TTL LOOP`
    Multicast {
        /// Interface.
        interface: String,
        /// 224.0.0.0/4.
        group: Ipv4Addr,
        /// UDP port.
        port: u16,
        /// 0 to 4.
        ttl: u8,
        /// Our own packets come back.
        own: bool,
    },
    /// `ucast6 INTERFACE PEER`
    Unicast6 {
        /// Interface.
        interface: String,
        /// Where to send to.
        peer: Ipv6Addr,
        /// UDP port.
        port: u16,
    },
    /// `mcast6 INTERFACE GROUP PORT HOPS LOOP`
    Multicast6 {
        /// Interface.
        interface: String,
        /// ff00::/8.
        group: Ipv6Addr,
        /// UDP port.
        port: u16,
        /// Hop limit.
        hops: u8,
        /// Our own packets come back.
        own: bool,
    },
    /// `serial DEVICE`
    Serial {
        /// Character device.
        device: PathBuf,
        /// Bits per second; one of the values of `baud`.
        baud: u32,
    },
    /// `ping HOST`
    Ping {
        /// The ping node's name.
        name: String,
        /// Its address.
        address: Ipv4Addr,
    },
    /// `ping_group NAME HOST...`
    PingGroup {
        /// The group's name.
        name: String,
        /// Its members.
        members: Vec<Ipv4Addr>,
    },
    /// `ping6 HOST`
    Ping6 {
        /// The ping node's name.
        name: String,
        /// Its address.
        address: Ipv6Addr,
    },
}

impl MediumSetup {
    /// The directive.
    pub fn kind(&self) -> &'static str {
        match self {
            MediumSetup::Broadcast { .. } => "bcast",
            MediumSetup::Unicast { .. } => "ucast",
            MediumSetup::Multicast { .. } => "mcast",
            MediumSetup::Unicast6 { .. } => "ucast6",
            MediumSetup::Multicast6 { .. } => "mcast6",
            MediumSetup::Serial { .. } => "serial",
            MediumSetup::Ping { .. } => "ping",
            MediumSetup::PingGroup { .. } => "ping_group",
            MediumSetup::Ping6 { .. } => "ping6",
        }
    }

    /// The link name: interface, device, or ping node.
    pub fn name(&self) -> String {
        match self {
            MediumSetup::Broadcast { interface, .. }
            | MediumSetup::Unicast { interface, .. }
            | MediumSetup::Multicast { interface, .. }
            | MediumSetup::Unicast6 { interface, .. }
            | MediumSetup::Multicast6 { interface, .. } => interface.clone(),
            MediumSetup::Serial { device, .. } => device.to_string_lossy().into_owned(),
            MediumSetup::Ping { name, .. }
            | MediumSetup::PingGroup { name, .. }
            | MediumSetup::Ping6 { name, .. } => name.clone(),
        }
    }

    /// The interface that the medium stands on, without alias; none for a serial line and for pings, which go wherever
    /// the routes lead.
    fn interface(&self) -> Option<&str> {
        match self {
            MediumSetup::Broadcast { interface, .. }
            | MediumSetup::Unicast { interface, .. }
            | MediumSetup::Multicast { interface, .. }
            | MediumSetup::Unicast6 { interface, .. }
            | MediumSetup::Multicast6 { interface, .. } => Some(device_of(interface)),
            MediumSetup::Serial { .. }
            | MediumSetup::Ping { .. }
            | MediumSetup::PingGroup { .. }
            | MediumSetup::Ping6 { .. } => None,
        }
    }

    /// What the medium would stand on if it were opened now.
    pub fn footing(&self) -> Footing {
        let Some(device) = self.interface() else {
            return Footing::Free;
        };
        let index = match host::interface_index(device) {
            Ok(index) => index,
            Err(error) => return Footing::without(&error),
        };
        let address = match self {
            MediumSetup::Broadcast { interface, .. } => host::broadcast_address(interface).ok(),
            MediumSetup::Multicast { interface, .. } => host::interface_address(interface).ok(),
            _ => None,
        };
        Footing::Interface { index, address }
    }

    /// What the log says when a message of `length` octets could not be sent, without level (`wire-protocol.md` 7.6;
    /// the texts of the UDP media are those of 3.0.6).
    pub fn write_failure(&self, length: usize, error: &io::Error) -> String {
        let text = errno_text(error);
        let packet = |to: String| {
            let kind = self.kind();
            format!(
                "glib: {kind}_write: Unable to send HBcomm packet {to} len={length} [-1]: {text}"
            )
        };
        match self {
            MediumSetup::Broadcast {
                interface,
                address,
                port,
            } => packet(format!("{interface} {address}:{port}")),
            MediumSetup::Unicast {
                interface,
                peer,
                port,
            } => packet(format!("{interface} {peer}:{port}")),
            MediumSetup::Multicast {
                interface,
                group,
                port,
                ..
            } => packet(format!("{interface} {group}:{port}")),
            MediumSetup::Unicast6 {
                interface,
                peer,
                port,
            } => packet(format!("{interface}[{peer}]:{port}")),
            MediumSetup::Multicast6 {
                interface,
                group,
                port,
                ..
            } => packet(format!("{interface}[{group}]:{port}")),
            MediumSetup::Serial { device, .. } => {
                format!("glib: TTY write failure on [{}]: {text}", device.display())
            }
            MediumSetup::Ping { .. }
            | MediumSetup::PingGroup { .. }
            | MediumSetup::Ping6 { .. } => format!("glib: Error sending packet: {text}"),
        }
    }

    /// Tries once to open the medium. `attempt` counts from 1.
    pub fn open(&self, attempt: u32) -> Opening {
        let mut said = Vec::new();
        let outcome = match self {
            MediumSetup::Serial { device, baud } => serial::open(device, *baud, &mut said),
            MediumSetup::Ping { name, address } => icmp::open_ping(name, *address, &mut said),
            MediumSetup::PingGroup { name, members } => icmp::open_group(name, members, &mut said),
            MediumSetup::Ping6 { name, address } => icmp::open_ping6(name, *address, &mut said),
            _ => udp::open(self, attempt, &mut said),
        };
        Opening { said, outcome }
    }
}

/// Only a device can be bound to, not its alias: `eth0:0` sends through `eth0`.
fn device_of(interface: &str) -> &str {
    interface.split(':').next().unwrap_or(interface)
}

/// What an open medium stands on. When that changes, its sockets are of no use any more: they belong to an interface
/// that has gone, even when one of the same name has come, or speak for an address that has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Footing {
    /// Nothing in particular.
    Free,
    /// Its interface does not exist.
    Absent,
    /// It cannot be found out at the moment, for want of a descriptor perhaps. That is no reason to give anything up.
    Unknown,
    /// An interface.
    Interface {
        /// The kernel's number for it.
        index: u32,
        /// The address by which the medium sends (mcast) or to which (bcast), if it has one now.
        address: Option<Ipv4Addr>,
    },
}

impl Footing {
    /// When the interface could not be looked up.
    fn without(error: &io::Error) -> Footing {
        match error.raw_os_error() {
            Some(libc::ENODEV | libc::ENXIO) => Footing::Absent,
            _ => Footing::Unknown,
        }
    }

    /// Whether a medium opened on `self` is to be opened anew now that it would stand on `now`. That an address is gone
    /// is no reason: there is nothing better to be had, and the old one may come back.
    pub fn is_lost(self, now: Footing) -> bool {
        match (self, now) {
            (
                Footing::Interface { index, address },
                Footing::Interface {
                    index: index_now,
                    address: address_now,
                },
            ) => index != index_now || (address_now.is_some() && address != address_now),
            (Footing::Unknown, _) | (_, Footing::Unknown) => false,
            _ => self != now,
        }
    }
}

/// What one attempt to open a medium led to.
#[derive(Debug)]
pub struct Opening {
    /// Lines for the log, without prefix.
    pub said: Vec<(Priority, String)>,
    /// The result.
    pub outcome: Outcome,
}

/// The result of an attempt to open a medium.
pub enum Outcome {
    /// It is open.
    Open(Box<dyn Medium>),
    /// Try again after this pause.
    Retry(Duration),
    /// Its interface does not exist, or has no address yet: try again when that has changed.
    Absent,
    /// It cannot be opened. The lines say why.
    Failed,
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Open(_) => f.write_str("Open"),
            Outcome::Retry(pause) => write!(f, "Retry({pause:?})"),
            Outcome::Absent => f.write_str("Absent"),
            Outcome::Failed => f.write_str("Failed"),
        }
    }
}

/// An open medium.
pub trait Medium {
    /// The descriptor to wait on for [`Medium::receive`] (and, while [`Medium::wants_to_write`], for
    /// [`Medium::flush`]).
    fn descriptor(&self) -> BorrowedFd<'_>;

    /// Reads once, using `buffer` (of at least [`RECEIVE_MAX`] octets) as scratch space, and gives each message that
    /// came to `deliver`.
    ///
    /// # Errors
    /// As `recv(2)`; having nothing to read is none.
    fn receive(&mut self, buffer: &mut [u8], deliver: &mut dyn FnMut(&[u8])) -> io::Result<()>;

    /// Sends one message, or queues it where the medium is slow.
    ///
    /// # Errors
    /// As `send(2)`. A datagram that finds no room in the socket's buffer is an error too: heartbeats are only worth
    /// something while they are fresh.
    fn transmit(&mut self, payload: &[u8]) -> io::Result<()>;

    /// There is something queued.
    fn wants_to_write(&self) -> bool {
        false
    }

    /// Writes what is queued as far as possible.
    ///
    /// # Errors
    /// As `write(2)`; having no room is none.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where log lines of an attempt are collected.
type Said = Vec<(Priority, String)>;

#[cfg(test)]
mod tests {
    use super::*;

    fn on(index: u32, address: Option<[u8; 4]>) -> Footing {
        let address = address.map(Ipv4Addr::from);
        Footing::Interface { index, address }
    }

    #[test]
    fn a_medium_is_opened_anew_for_another_interface_or_address_but_not_for_none() {
        let (one, two) = (Some([10, 0, 0, 1]), Some([10, 0, 0, 2]));
        for (opened, now, lost) in [
            (on(2, one), on(2, one), false),
            (on(2, one), on(3, one), true),
            (on(2, one), on(2, two), true),
            (on(2, one), on(2, None), false),
            (on(2, None), on(2, one), true),
            (on(2, None), on(2, None), false),
            (on(2, one), Footing::Absent, true),
            (Footing::Free, Footing::Free, false),
            (on(2, one), Footing::Unknown, false),
            (Footing::Unknown, on(2, one), false),
        ] {
            assert_eq!(opened.is_lost(now), lost, "{opened:?} {now:?}");
        }
    }

    /// A node without a free descriptor closed its only link when any address changed, and fell silent.
    #[test]
    fn want_of_descriptors_is_not_an_interface_that_is_gone() {
        let footing = |code| Footing::without(&io::Error::from_raw_os_error(code));
        assert_eq!(footing(libc::EMFILE), Footing::Unknown);
        assert_eq!(footing(libc::ENFILE), Footing::Unknown);
        assert_eq!(footing(libc::ENODEV), Footing::Absent);
        let setup = MediumSetup::Broadcast {
            interface: "none-such".into(),
            address: Ipv4Addr::BROADCAST,
            port: 694,
        };
        assert_eq!(setup.footing(), Footing::Absent);
    }

    #[test]
    fn failures_are_told_as_3_0_6_does() {
        let error = io::Error::from_raw_os_error(libc::ENETUNREACH);
        let broadcast = MediumSetup::Broadcast {
            interface: "eth0".into(),
            address: Ipv4Addr::new(10, 0, 0, 255),
            port: 694,
        };
        assert_eq!(
            broadcast.write_failure(239, &error),
            "glib: bcast_write: Unable to send HBcomm packet eth0 10.0.0.255:694 len=239 [-1]: Network is unreachable"
        );
        let multicast = MediumSetup::Multicast6 {
            interface: "eth0".into(),
            group: "ff05::1".parse().unwrap(),
            port: 694,
            hops: 1,
            own: false,
        };
        assert_eq!(
            multicast.write_failure(242, &error),
            "glib: mcast6_write: Unable to send HBcomm packet eth0[ff05::1]:694 len=242 [-1]: Network is unreachable"
        );
        let serial = MediumSetup::Serial {
            device: "/dev/ttyS0".into(),
            baud: 19200,
        };
        assert_eq!(
            serial.write_failure(0, &io::Error::from_raw_os_error(libc::EIO)),
            "glib: TTY write failure on [/dev/ttyS0]: Input/output error"
        );
    }
}
