//! Addresses of interfaces.

use std::net::{IpAddr, Ipv4Addr};

/// Which addresses to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// How far an address is valid (`ip address` shows it as `scope`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Scope {
    /// Everywhere: `global`.
    #[default]
    Universe,
    /// Only on the link.
    Link,
    /// Only on this machine: what the kernel gives to 127.0.0.0/8.
    Host,
    /// Another number, kept as it is.
    Other(u8),
}

/// One address of one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// [`crate::Link::index`] of the interface.
    pub link: u32,
    /// The local address.
    pub ip: IpAddr,
    /// Bits of the network mask.
    pub prefix_len: u8,
    /// IPv4 broadcast address.
    pub broadcast: Option<Ipv4Addr>,
    /// IPv4 label: the interface's name, or an alias such as `eth0:0`.
    pub label: Option<String>,
    /// Scope.
    pub scope: Scope,
    /// IPv4 `IFA_F_SECONDARY`: another address of the same subnet on the interface came first. Deleting that primary
    /// deletes this one too unless `promote_secondaries` is set. Ignored when adding.
    pub secondary: bool,
    /// IPv6 `IFA_F_TENTATIVE`: duplicate detection is still running. Ignored when adding.
    pub tentative: bool,
    /// IPv6 `IFA_F_DADFAILED`: somebody else has it. Ignored when adding.
    pub duplicate: bool,
}

impl Address {
    /// A plain address, ready to be added.
    pub fn new(link: u32, ip: IpAddr, prefix_len: u8) -> Address {
        Address {
            link,
            ip,
            prefix_len,
            broadcast: None,
            label: None,
            scope: Scope::Universe,
            secondary: false,
            tentative: false,
            duplicate: false,
        }
    }
}
