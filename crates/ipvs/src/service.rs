//! Virtual services.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// Address family of a firewall mark; an address carries its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// AF_INET
    V4,
    /// AF_INET6
    V6,
}

/// Transport protocol of an address service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// IPPROTO_TCP
    Tcp,
    /// IPPROTO_UDP
    Udp,
    /// IPPROTO_SCTP; never made by us, but others may have put it into the table.
    Sctp,
}

impl Protocol {
    /// `tcp`, `udp` or `sctp`.
    pub fn word(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        }
    }
}

/// What identifies a virtual service in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceKey {
    /// Protocol, address and port.
    Address {
        /// Transport protocol.
        protocol: Protocol,
        /// Virtual address.
        address: IpAddr,
        /// Virtual port; 0 means every port (the kernel wants persistence then).
        port: u16,
    },
    /// A firewall mark, never 0: the kernel takes that for "no mark" (`ipvs-netlink.md` 2).
    Mark {
        /// The mark.
        mark: u32,
        /// Of the packets that carry it.
        family: Family,
    },
}

impl ServiceKey {
    /// Family of the packets.
    pub fn family(&self) -> Family {
        match self {
            ServiceKey::Address { address, .. } if address.is_ipv4() => Family::V4,
            ServiceKey::Address { .. } => Family::V6,
            ServiceKey::Mark { family, .. } => *family,
        }
    }

    /// The port, if the service has one.
    pub fn port(&self) -> Option<u16> {
        match self {
            ServiceKey::Address { port, .. } => Some(*port),
            ServiceKey::Mark { .. } => None,
        }
    }

    /// The words that name the service on ipvsadm's command line: `-t 192.168.6.66:80`, `-f 1 -6`.
    pub fn words(&self) -> String {
        match self {
            ServiceKey::Address { protocol, .. } => {
                let option = match protocol {
                    Protocol::Tcp => "-t",
                    Protocol::Udp => "-u",
                    Protocol::Sctp => "--sctp-service",
                };
                format!("{option} {self}")
            }
            ServiceKey::Mark {
                mark,
                family: Family::V4,
            } => format!("-f {mark}"),
            ServiceKey::Mark { mark, .. } => format!("-f {mark} -6"),
        }
    }
}

impl fmt::Display for ServiceKey {
    /// As log lines name it: `192.168.6.66:80`, `[fd00::1]:80`, or just the mark (`ldirectord.md` 7.1).
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServiceKey::Address { address, port, .. } => {
                write!(out, "{}", std::net::SocketAddr::new(*address, *port))
            }
            ServiceKey::Mark { mark, .. } => write!(out, "{mark}"),
        }
    }
}

/// Which clients a persistent service takes for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Netmask {
    /// A mask; `255.255.255.255` keeps every client apart.
    V4(Ipv4Addr),
    /// A prefix length, 1 to 128.
    V6(u8),
}

impl Netmask {
    /// The mask that keeps every client apart.
    pub fn full(family: Family) -> Netmask {
        match family {
            Family::V4 => Netmask::V4(Ipv4Addr::BROADCAST),
            Family::V6 => Netmask::V6(128),
        }
    }

    /// Whether it keeps every client apart.
    pub fn is_full(&self) -> bool {
        matches!(self, Netmask::V4(Ipv4Addr::BROADCAST) | Netmask::V6(128))
    }
}

impl fmt::Display for Netmask {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Netmask::V4(mask) => write!(out, "{mask}"),
            Netmask::V6(length) => write!(out, "{length}"),
        }
    }
}

/// A client keeps its real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Persistence {
    /// For so many seconds after its last connection, at least 1.
    pub timeout_s: u32,
    /// What counts as one client.
    pub netmask: Netmask,
}

/// The three flags that a scheduler may give a meaning to (`ipvs-netlink.md` 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchedulerFlags {
    /// 0x8: `sh-fallback`, `mh-fallback`, `flag-1`.
    pub first: bool,
    /// 0x10: `sh-port`, `mh-port`, `flag-2`.
    pub second: bool,
    /// 0x20: `flag-3`.
    pub third: bool,
}

/// A virtual service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// What identifies it.
    pub key: ServiceKey,
    /// Name of the scheduler, at most 15 bytes, such as `wrr`.
    pub scheduler: String,
    /// Flags for the scheduler.
    pub scheduler_flags: SchedulerFlags,
    /// Every datagram is scheduled by itself (udp only).
    pub one_packet: bool,
    /// Clients keep their real server; none: every connection is scheduled anew.
    pub persistence: Option<Persistence>,
}

impl Service {
    /// A service that only has a scheduler.
    pub fn new(key: ServiceKey, scheduler: impl Into<String>) -> Service {
        Service {
            key,
            scheduler: scheduler.into(),
            scheduler_flags: SchedulerFlags::default(),
            one_packet: false,
            persistence: None,
        }
    }
}
