//! When to tell the neighbours that an address lives here now. Pure: time comes in, frames come out.

use std::iter::Flatten;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::arp::{ArpFrame, Mac, Purpose};

/// The frames that are due at one moment: none, one, or a request with its reply.
pub type Frames = Flatten<std::array::IntoIter<Option<ArpFrame>, 2>>;

/// Offsets, in milliseconds, of the pairs that [`Plan::Takeover`] sends.
///
/// A receiver ignores a change of an ARP entry for `locktime` (1 s on Linux) after the entry was last updated; kernels
/// before 4.13 do so even for announcements. If the former owner announced itself just before it died, everything
/// that we say within that second is lost. So pairs come densely at first, for those that listen at once, and again
/// just after one second and well beyond, for those that were locked. The tail is as long and the number of pairs is
/// at least as great as with the legacy's IPaddr (10 pairs in 4.75 s), against frames lost while a switch relearns.
const TAKEOVER_MS: [u64; 14] = [
    0, 50, 150, 300, 500, 750, 1010, 1110, 1300, 1600, 2000, 3000, 4000, 4750,
];

/// Which frames to send when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Our own plan: a request and a reply together, 14 times in 4.75 s. Used by the daemon. If the caller is late, the
    /// pairs that it missed are not made up for.
    Takeover,
    /// The plan of the `send_arp` command (`resource-scripts.md` 4.1): request and reply in turn, one frame per pause.
    Alternating {
        /// Time between two frames: half of `-i`.
        pause: Duration,
        /// Number of frames: twice `-r`.
        frames: u64,
    },
}

impl Plan {
    /// The plan of `send_arp -i <interval> -r <pairs>`.
    pub fn send_arp(interval: Duration, pairs: u32) -> Plan {
        Plan::Alternating {
            pause: interval / 2,
            frames: u64::from(pairs) * 2,
        }
    }

    /// When step number `step` is due, counted from the first; `None` when there is no such step.
    fn offset(self, step: u64) -> Option<Duration> {
        match self {
            Plan::Takeover => TAKEOVER_MS
                .get(usize::try_from(step).ok()?)
                .map(|&offset_ms| Duration::from_millis(offset_ms)),
            Plan::Alternating { frames, .. } if step >= frames => None,
            Plan::Alternating { pause, .. } => Some(pause.checked_mul(u32::try_from(step).ok()?)?),
        }
    }
}

/// An announcement under way: "this address is at this hardware address", said repeatedly.
///
/// The owner calls [`due`](Self::due) when [`next_deadline`](Self::next_deadline) has come, sends what it returns on
/// [`link`](Self::link), and drops the announcement when there is no further deadline. The first call of either starts
/// the clock: the first frames are due at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Name of the interface, for logs and command lines.
    pub interface: String,
    /// Its index, for [`crate::ArpSocket::send`].
    pub link: u32,
    /// The interface's own hardware address: the source of the frames.
    pub device: Mac,
    /// The hardware address that is announced, normally the same.
    pub mac: Mac,
    /// The address that is announced.
    pub address: Ipv4Addr,
    plan: Plan,
    step: u64,
    origin: Option<Duration>,
}

impl Announcement {
    /// An announcement of the interface's own hardware address.
    pub fn new(
        interface: &str,
        link: u32,
        device: Mac,
        address: Ipv4Addr,
        plan: Plan,
    ) -> Announcement {
        Announcement {
            interface: interface.to_owned(),
            link,
            device,
            mac: device,
            address,
            plan,
            step: 0,
            origin: None,
        }
    }

    /// The same announcement for another hardware address.
    pub fn of(mut self, mac: Mac) -> Announcement {
        self.mac = mac;
        self
    }

    /// When [`due`](Self::due) will next have something; `None` when all has been said. `now` and the result are
    /// monotonic time since any fixed moment.
    pub fn next_deadline(&mut self, now: Duration) -> Option<Duration> {
        let origin = *self.origin.get_or_insert(now);
        Some(origin.saturating_add(self.plan.offset(self.step)?))
    }

    /// The frames to be sent now, and moves on. Empty before the deadline and after the end.
    pub fn due(&mut self, now: Duration) -> Frames {
        if self
            .next_deadline(now)
            .is_none_or(|deadline| now < deadline)
        {
            return [None, None].into_iter().flatten();
        }
        let frames = match self.plan {
            Plan::Takeover => [
                Some(self.frame(Purpose::Request)),
                Some(self.frame(Purpose::Reply)),
            ],
            Plan::Alternating { .. } if self.step.is_multiple_of(2) => {
                [Some(self.frame(Purpose::Request)), None]
            }
            Plan::Alternating { .. } => [Some(self.frame(Purpose::Reply)), None],
        };
        self.step += 1;
        if self.plan == Plan::Takeover {
            while self
                .next_deadline(now)
                .is_some_and(|deadline| deadline <= now)
            {
                self.step += 1;
            }
        }
        frames.into_iter().flatten()
    }

    fn frame(&self, purpose: Purpose) -> ArpFrame {
        ArpFrame::announcement(purpose, self.device, self.mac, self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const START: Duration = Duration::from_secs(1000);

    fn announcement(plan: Plan) -> Announcement {
        Announcement::new("eth0", 2, MAC, Ipv4Addr::new(10, 0, 0, 1), plan)
    }

    /// Runs an announcement to its end as a punctual owner would: offset from the start and purpose of each frame.
    fn run(plan: Plan) -> Vec<(u128, Purpose)> {
        let mut announcement = announcement(plan);
        let mut now = START;
        let mut sent = Vec::new();
        while let Some(deadline) = announcement.next_deadline(now) {
            now = now.max(deadline);
            sent.extend(
                announcement
                    .due(now)
                    .map(|frame| ((now - START).as_millis(), frame.purpose)),
            );
        }
        sent
    }

    #[test]
    fn takeover_sends_pairs_at_once_and_beyond_the_receivers_locktime() {
        let sent = run(Plan::Takeover);
        assert_eq!(&sent[..2], [(0, Purpose::Request), (0, Purpose::Reply)]);
        assert!(sent.len() >= 20, "at least the legacy's ten pairs");
        assert!(
            sent.iter()
                .any(|&(offset_ms, _)| (1001..1200).contains(&offset_ms)),
            "soon after the lock ends"
        );
        assert_eq!(sent.last(), Some(&(4750, Purpose::Reply)));
    }

    #[test]
    fn takeover_does_not_make_up_for_what_a_late_owner_missed() {
        let mut announcement = announcement(Plan::Takeover);
        assert_eq!(announcement.due(START).count(), 2);
        assert_eq!(announcement.due(START).count(), 0, "nothing twice");
        let late = START + Duration::from_secs(2);
        assert_eq!(
            announcement.due(late).count(),
            2,
            "one pair for all those missed"
        );
        assert_eq!(
            announcement.next_deadline(late),
            Some(START + Duration::from_secs(3))
        );
        assert_eq!(announcement.due(START + Duration::from_secs(60)).count(), 2);
        assert_eq!(
            announcement.next_deadline(START + Duration::from_secs(60)),
            None
        );
        assert_eq!(announcement.due(START + Duration::from_secs(60)).count(), 0);
    }

    #[test]
    fn ipaddr_plan_is_twenty_frames_in_4750_ms() {
        let sent = run(Plan::send_arp(Duration::from_millis(500), 10));
        assert_eq!(sent.len(), 20);
        for (number, &(offset_ms, purpose)) in sent.iter().enumerate() {
            assert_eq!(offset_ms, number as u128 * 250);
            assert_eq!(
                purpose,
                if number % 2 == 0 {
                    Purpose::Request
                } else {
                    Purpose::Reply
                }
            );
        }
    }

    #[test]
    fn ipaddr2_plan_is_ten_frames_in_900_ms() {
        let sent = run(Plan::send_arp(Duration::from_millis(200), 5));
        assert_eq!(sent.len(), 10);
        assert_eq!(sent.last(), Some(&(900, Purpose::Reply)));
    }

    #[test]
    fn send_arp_plan_keeps_its_count_when_late() {
        let mut announcement = announcement(Plan::send_arp(Duration::from_millis(500), 2));
        assert_eq!(announcement.due(START).count(), 1);
        let late = START + Duration::from_secs(9);
        for _ in 0..3 {
            assert_eq!(announcement.due(late).count(), 1);
        }
        assert_eq!(announcement.next_deadline(late), None);
    }

    #[test]
    fn another_hardware_address_can_be_announced() {
        let other = Mac([2, 0, 0, 0, 0, 9]);
        let mut announcement = announcement(Plan::Takeover).of(other);
        for frame in announcement.due(START) {
            assert_eq!((frame.ethernet_source, frame.sender_mac), (MAC, other));
        }
    }
}
