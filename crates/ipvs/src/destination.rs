//! Real servers as the kernel sees them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::Family;

/// How packets get to the real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Forward {
    /// `gate`: direct routing.
    Gate,
    /// `masq`: address translation.
    Masq,
    /// `ipip`: a tunnel.
    Ipip,
    /// The server is this host. Never asked for; kernels up to 2.6.36 report it for their own addresses.
    Local,
}

impl Forward {
    /// As in ldirectord.cf.
    pub fn word(self) -> &'static str {
        match self {
            Forward::Gate => "gate",
            Forward::Masq => "masq",
            Forward::Ipip => "ipip",
            Forward::Local => "local",
        }
    }

    /// ipvsadm's option: `-g`, `-m`, `-i`.
    pub fn option(self) -> &'static str {
        match self {
            Forward::Gate | Forward::Local => "-g",
            Forward::Masq => "-m",
            Forward::Ipip => "-i",
        }
    }
}

/// What identifies a real server within a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DestinationKey {
    /// Its address.
    pub address: IpAddr,
    /// Its port; 0 with a firewall mark keeps the packet's port.
    pub port: u16,
}

impl DestinationKey {
    /// Family of its address.
    pub fn family(&self) -> Family {
        match self.address {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }
}

impl fmt::Display for DestinationKey {
    /// `192.168.6.42:80` or `[fd00::2a]:80`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", SocketAddr::new(self.address, self.port))
    }
}

/// A real server of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// What identifies it.
    pub key: DestinationKey,
    /// How packets get there.
    pub forward: Forward,
    /// Its share of new connections; 0 gives it none and keeps those it has.
    pub weight: u32,
    /// No new connections above this many, 0: no limit.
    pub upper_threshold: u32,
    /// New connections again below this many, 0: no limit.
    pub lower_threshold: u32,
}

/// What a real server carries at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// Established connections.
    pub active: u32,
    /// Connections that the kernel still remembers.
    pub inactive: u32,
    /// Clients that are held by persistence.
    pub persistent: u32,
}
