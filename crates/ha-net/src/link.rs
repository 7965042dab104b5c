//! Network interfaces as far as address agents need them.

use crate::arp::Mac;

/// One network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number for it; stable while the interface exists.
    pub index: u32,
    /// Its name, at most 15 bytes, never with an alias suffix.
    pub name: String,
    /// `IFF_UP`: the administrator has switched it on. Says nothing about the cable.
    pub up: bool,
    /// `IFF_LOOPBACK`.
    pub loopback: bool,
    /// It carries Ethernet frames and does ARP (`ARPHRD_ETHER` without `IFF_NOARP`).
    pub arp: bool,
    /// Its hardware address, when that has six bytes.
    pub mac: Option<Mac>,
}

impl Link {
    /// Whether an announcement on this link can reach anybody.
    pub fn can_announce(&self) -> bool {
        self.up && self.arp && !self.loopback && self.mac.is_some()
    }
}
