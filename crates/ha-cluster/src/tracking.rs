//! Which sequence numbers of one sender have arrived, which are missing, and what is to be acknowledged
//! (`wire-protocol.md` 5.1, 5.2, 5.4, 5.5). Knows nothing of messages.

use std::collections::BTreeMap;
use std::time::Duration;

/// A gap of more numbers than this is not repaired: everything missing is forgotten (5.2 rule 8, the limit of 2.1).
pub(crate) const GAP_MAX: u64 = 500;

/// Numbers `n` with `n mod 10 == trigger` are acknowledged (5.5).
pub(crate) const ACK_PERIOD: u64 = 10;

/// What the arrival of a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The next one, or the first one ever: deliver.
    InSequence,
    /// The same as last time: another link brought it already. Not delivered, but its link lives (rule 7).
    Duplicate,
    /// Deliver; the numbers between `after` and this one are missing.
    Gap {
        /// The last number before the gap.
        after: u64,
    },
    /// Deliver; too many are missing to be asked for.
    Flood {
        /// How many are missing.
        lost: u64,
    },
    /// Deliver; it was missing.
    Filled {
        /// No other number is missing now.
        complete: bool,
    },
    /// Seen before: drop.
    Old,
}

/// Tracking of one sender.
#[derive(Clone, Debug)]
pub(crate) struct Tracking {
    /// Highest number seen; none before the first.
    last: Option<u64>,
    /// Everything up to this number is over: the sender was declared dead after it. Without it a capture of its old
    /// packets could speak for the dead.
    floor: u64,
    /// Missing numbers and when to ask for each (again).
    missing: BTreeMap<u64, Duration>,
    ack_trigger: u64,
    /// Highest number acknowledged so far.
    acked: u64,
}

impl Tracking {
    pub(crate) fn new(ack_trigger: u64) -> Tracking {
        Tracking {
            last: None,
            floor: 0,
            missing: BTreeMap::new(),
            ack_trigger: ack_trigger % ACK_PERIOD,
            acked: 0,
        }
    }

    /// The sender restarted: its numbers begin anew.
    pub(crate) fn reset(&mut self) {
        self.died();
        self.floor = 0;
    }

    /// The sender is held dead: what is missing will not come, and what it said before does not count again.
    pub(crate) fn died(&mut self) {
        self.floor = self.last.take().unwrap_or(self.floor).max(self.floor);
        self.missing.clear();
        self.acked = 0;
    }

    /// Takes note of a number. For a gap the caller plans the requests with [`Tracking::plan_requests`].
    pub(crate) fn arrive(&mut self, seq: u64) -> Arrival {
        if seq <= self.floor {
            return Arrival::Old;
        }
        let Some(last) = self.last else {
            self.last = Some(seq);
            // A sender that was already running when we first heard it wants no answer for what we never saw.
            self.acked = seq.saturating_sub(1);
            return Arrival::InSequence;
        };
        if seq == last {
            return Arrival::Duplicate;
        }
        if seq < last {
            return match self.missing.remove(&seq) {
                Some(_) => Arrival::Filled {
                    complete: self.missing.is_empty(),
                },
                None => Arrival::Old,
            };
        }
        self.last = Some(seq);
        let lost = seq - last - 1;
        if lost == 0 {
            return Arrival::InSequence;
        }
        if lost + self.missing.len() as u64 > GAP_MAX {
            self.missing.clear();
            return Arrival::Flood { lost };
        }
        Arrival::Gap { after: last }
    }

    /// Remembers that `seq` is missing and shall be asked for at `due`.
    pub(crate) fn plan_request(&mut self, seq: u64, due: Duration) {
        self.missing.insert(seq, due);
    }

    /// The highest number seen, if something before it is missing.
    pub(crate) fn highest_despite_gap(&self) -> Option<u64> {
        if self.missing.is_empty() {
            return None;
        }
        self.last
    }

    /// Removes a number that will never come (5.8). True if it was missing.
    pub(crate) fn give_up(&mut self, seq: u64) -> bool {
        self.missing.remove(&seq).is_some()
    }

    /// Numbers to be asked for now, at most `count_max`; each is planned again after `repeat`.
    pub(crate) fn due_requests(
        &mut self,
        now: Duration,
        repeat: Duration,
        count_max: usize,
    ) -> Vec<u64> {
        let mut due = Vec::new();
        for (seq, when) in &mut self.missing {
            if *when <= now && due.len() < count_max {
                *when = now + repeat;
                due.push(*seq);
            }
        }
        due
    }

    /// When the next request is due.
    pub(crate) fn next_request(&self) -> Option<Duration> {
        self.missing.values().min().copied()
    }

    /// The number to acknowledge now, if there is a new one: the highest on the trigger below the first gap (5.5).
    pub(crate) fn acknowledge(&mut self) -> Option<u64> {
        let last = self.last?;
        let complete_to = self
            .missing
            .keys()
            .next()
            .map_or(last, |first| first.saturating_sub(1));
        let back = (complete_to % ACK_PERIOD + ACK_PERIOD - self.ack_trigger) % ACK_PERIOD;
        let ack = complete_to.checked_sub(back)?;
        if ack == 0 || ack <= self.acked {
            return None;
        }
        self.acked = ack;
        Some(ack)
    }

    /// How many numbers are missing.
    pub(crate) fn missing_count(&self) -> usize {
        self.missing.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_sequence_and_twice() {
        let mut t = Tracking::new(0);
        assert_eq!(t.arrive(7), Arrival::InSequence);
        assert_eq!(t.arrive(8), Arrival::InSequence);
        assert_eq!(t.arrive(8), Arrival::Duplicate);
        assert_eq!(t.arrive(7), Arrival::Old);
    }

    #[test]
    fn a_gap_is_filled_in_any_order() {
        let mut t = Tracking::new(0);
        t.arrive(1);
        assert_eq!(t.arrive(4), Arrival::Gap { after: 1 });
        t.plan_request(2, Duration::from_millis(50));
        t.plan_request(3, Duration::from_millis(60));
        assert_eq!(t.next_request(), Some(Duration::from_millis(50)));
        assert_eq!(
            t.due_requests(Duration::from_millis(55), Duration::from_millis(250), 50),
            vec![2]
        );
        assert_eq!(t.next_request(), Some(Duration::from_millis(60)));
        assert_eq!(t.arrive(3), Arrival::Filled { complete: false });
        assert_eq!(t.arrive(2), Arrival::Filled { complete: true });
        assert_eq!(t.arrive(2), Arrival::Old);
    }

    #[test]
    fn a_flood_forgets_what_is_missing() {
        let mut t = Tracking::new(0);
        t.arrive(1);
        t.arrive(3);
        t.plan_request(2, Duration::ZERO);
        assert_eq!(t.arrive(1000), Arrival::Flood { lost: 996 });
        assert_eq!(t.missing_count(), 0);
    }

    #[test]
    fn acknowledges_on_the_trigger_and_never_beyond_a_gap() {
        let mut t = Tracking::new(5);
        for seq in 1..=4 {
            t.arrive(seq);
            assert_eq!(t.acknowledge(), None);
        }
        t.arrive(5);
        assert_eq!(t.acknowledge(), Some(5));
        assert_eq!(t.acknowledge(), None, "once is enough");
        t.arrive(16);
        for seq in 6..16 {
            t.plan_request(seq, Duration::ZERO);
        }
        assert_eq!(t.acknowledge(), None);
        for seq in 6..16 {
            t.arrive(seq);
        }
        assert_eq!(t.acknowledge(), Some(15));
    }
}
