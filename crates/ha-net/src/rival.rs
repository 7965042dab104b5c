//! Who else claims an address that we hold. Pure.
//!
//! After a split heals, both nodes hold an address for a moment, and neighbours may have learnt the other's hardware
//! address last. The legacy never announces a running address again (`resource-scripts.md` 4.1), so the wrong entry stays
//! until it expires. [`RivalWatch`] answers every rival announcement with one of ours, and lets two nodes that insist
//! on the same address shout at each other ever more rarely.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::announcement::{Announcement, Plan};
use crate::arp::{ArpFrame, Mac};

/// Shortest time between two answers for one address; longer than [`Plan::Takeover`] lasts.
const PAUSE_MIN: Duration = Duration::from_secs(5);
/// Longest time between two answers for one address.
const PAUSE_MAX: Duration = Duration::from_secs(320);

/// Addresses that we hold, and what was heard about them.
#[derive(Debug, Default)]
pub struct RivalWatch {
    own: Vec<Mac>,
    held: BTreeMap<(u32, Ipv4Addr), Held>,
}

#[derive(Debug)]
struct Held {
    interface: String,
    device: Mac,
    /// Not before this moment; `None` until the first answer.
    next_answer: Option<Duration>,
    pause: Duration,
}

/// Somebody else announced an address that we hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// The address.
    pub address: Ipv4Addr,
    /// The interface on which it was heard.
    pub interface: String,
    /// The hardware address that claims it.
    pub mac: Mac,
    /// Our answer. Replace a running announcement of the address by it.
    pub answer: Announcement,
}

impl RivalWatch {
    /// Watches nothing yet.
    pub fn new() -> RivalWatch {
        RivalWatch::default()
    }

    /// Tells which hardware addresses belong to this machine. A machine with two interfaces on one network answers for
    /// an address on both; that is no rival.
    pub fn set_own(&mut self, own: Vec<Mac>) {
        self.own = own;
    }

    /// From now on we hold the address.
    pub fn hold(&mut self, interface: &str, link: u32, device: Mac, address: Ipv4Addr) {
        let held = Held {
            interface: interface.to_owned(),
            device,
            next_answer: None,
            pause: PAUSE_MIN,
        };
        self.held.insert((link, address), held);
    }

    /// From now on we do not hold the address any more, on any interface.
    pub fn release(&mut self, address: Ipv4Addr) {
        self.held.retain(|&(_, held), _| held != address);
    }

    /// The addresses held, for [`crate::ArpSocket::watch`].
    pub fn addresses(&self) -> Vec<Ipv4Addr> {
        let mut addresses: Vec<Ipv4Addr> = self.held.keys().map(|&(_, address)| address).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }

    /// Takes note of a frame heard on the interface with that index. Returns the rival when the frame claims an address
    /// of ours for foreign hardware and it is time to answer: at most one answer per address in 5 s, and the pause
    /// doubles, up to 320 s, while the rival goes on.
    pub fn heard(&mut self, now: Duration, link: u32, frame: &ArpFrame) -> Option<Rival> {
        let address = frame.sender_ip;
        let held = self.held.get_mut(&(link, address))?;
        let mac = frame.sender_mac;
        if mac == held.device || mac == Mac::ZERO || self.own.contains(&mac) {
            return None;
        }
        if let Some(next_answer) = held.next_answer {
            if now < next_answer {
                return None;
            }
            let quiet = now.saturating_sub(next_answer);
            held.pause = if quiet > held.pause {
                PAUSE_MIN
            } else {
                (held.pause * 2).min(PAUSE_MAX)
            };
        }
        held.next_answer = Some(now.saturating_add(held.pause));
        Some(Rival {
            address,
            interface: held.interface.clone(),
            mac,
            answer: Announcement::new(&held.interface, link, held.device, address, Plan::Takeover),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arp::Purpose;

    const OURS: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const SECOND: Mac = Mac([2, 0, 0, 0, 0, 2]);
    const THEIRS: Mac = Mac([2, 0, 0, 0, 0, 3]);
    const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

    fn watch() -> RivalWatch {
        let mut watch = RivalWatch::new();
        watch.set_own(vec![OURS, SECOND]);
        watch.hold("eth0", 2, OURS, VIP);
        watch
    }

    fn claim(mac: Mac, address: Ipv4Addr) -> ArpFrame {
        ArpFrame::announcement(Purpose::Reply, mac, mac, address)
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(1000 + seconds)
    }

    #[test]
    fn a_rival_is_answered_at_once() {
        let rival = watch()
            .heard(at(0), 2, &claim(THEIRS, VIP))
            .expect("a rival");
        assert_eq!(
            (rival.address, rival.mac, rival.interface.as_str()),
            (VIP, THEIRS, "eth0")
        );
        let mut answer = rival.answer;
        assert!(
            answer
                .due(at(0))
                .all(|frame| frame.sender_mac == OURS && frame.sender_ip == VIP)
        );
    }

    #[test]
    fn our_own_hardware_other_addresses_and_other_links_are_no_rivals() {
        let mut watch = watch();
        assert_eq!(watch.heard(at(0), 2, &claim(OURS, VIP)), None);
        assert_eq!(watch.heard(at(0), 2, &claim(SECOND, VIP)), None);
        assert_eq!(
            watch.heard(at(0), 2, &claim(THEIRS, Ipv4Addr::new(10, 0, 0, 2))),
            None
        );
        assert_eq!(watch.heard(at(0), 3, &claim(THEIRS, VIP)), None);
        let probe = ArpFrame {
            sender_ip: Ipv4Addr::UNSPECIFIED,
            ..claim(THEIRS, VIP)
        };
        assert_eq!(
            watch.heard(at(0), 2, &probe),
            None,
            "an address probe claims nothing"
        );
    }

    #[test]
    fn answers_become_rare_while_the_rival_insists_and_ready_again_after_quiet() {
        let mut watch = watch();
        let answered: Vec<u64> = (0..200)
            .filter(|&second| watch.heard(at(second), 2, &claim(THEIRS, VIP)).is_some())
            .collect();
        assert_eq!(answered, [0, 5, 15, 35, 75, 155]);
        assert!(watch.heard(at(2000), 2, &claim(THEIRS, VIP)).is_some());
        assert!(watch.heard(at(2004), 2, &claim(THEIRS, VIP)).is_none());
        assert!(
            watch.heard(at(2005), 2, &claim(THEIRS, VIP)).is_some(),
            "the pause starts short again"
        );
    }

    #[test]
    fn a_released_address_has_no_rivals() {
        let mut watch = watch();
        assert_eq!(watch.addresses(), [VIP]);
        watch.release(VIP);
        assert_eq!(watch.heard(at(0), 2, &claim(THEIRS, VIP)), None);
        assert!(watch.addresses().is_empty());
    }
}
