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
    /// It cannot be opened. The lines say why.
    Failed,
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Open(_) => f.write_str("Open"),
            Outcome::Retry(pause) => write!(f, "Retry({pause:?})"),
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
