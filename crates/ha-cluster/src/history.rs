//! What we have sent lately, kept for retransmission (`wire-protocol.md` 5.7).

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use crate::mutation::{Mutation, broken};

/// Messages kept at most.
pub(crate) const HISTORY_MAX: usize = 500;

/// A sent message is kept at least this long even when everybody has acknowledged it.
const KEEP_MIN: Duration = Duration::from_millis(2500);

/// The same message as the bytes for each kind of medium.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) datagram: Rc<[u8]>,
    /// Only made when there is a serial medium.
    pub(crate) serial: Option<Rc<[u8]>>,
    /// It says what we hold, or asks the other, so that a newer one makes it out of date.
    pub(crate) word: bool,
}

#[derive(Debug)]
struct Entry {
    seq: u64,
    sent: Sent,
    first_sent: Duration,
    last_sent: Duration,
}

/// The answer to a request for one number.
#[derive(Debug)]
pub(crate) enum Lookup {
    /// Send it again.
    Found(Sent),
    /// It was sent again a moment ago.
    TooSoon,
    /// It is older than anything kept.
    TooLow,
    /// It ought to be there but is not.
    NotFound,
}

/// A bounded record of sent messages in the order of their numbers.
#[derive(Debug, Default)]
pub(crate) struct History {
    entries: VecDeque<Entry>,
}

impl History {
    pub(crate) fn record(&mut self, seq: u64, sent: Sent, now: Duration) {
        if self.entries.len() >= HISTORY_MAX && !broken(Mutation::HistoryUnbounded) {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry {
            seq,
            sent,
            first_sent: now,
            last_sent: now,
        });
    }

    /// Frees what everybody has acknowledged, but not before it is 2.5 s old.
    pub(crate) fn release(&mut self, acknowledged: u64, now: Duration) {
        while let Some(oldest) = self.entries.front() {
            if oldest.seq > acknowledged || now.saturating_sub(oldest.first_sent) < KEEP_MIN {
                break;
            }
            self.entries.pop_front();
        }
    }

    /// Looks a number up for retransmission; one that was sent less than `pause` ago is not sent again (rule 4).
    pub(crate) fn again(&mut self, seq: u64, now: Duration, pause: Duration) -> Lookup {
        let Some(lowest) = self.entries.front().map(|entry| entry.seq) else {
            return Lookup::NotFound;
        };
        if seq < lowest {
            return Lookup::TooLow;
        }
        // Numbers ascend but need not be consecutive: a message that could not be encoded has used one up.
        let found = self.entries.binary_search_by_key(&seq, |entry| entry.seq);
        match found.ok().and_then(|index| self.entries.get_mut(index)) {
            Some(entry) => {
                if entry.last_sent > entry.first_sent && now.saturating_sub(entry.last_sent) < pause
                {
                    return Lookup::TooSoon;
                }
                entry.last_sent = now.max(entry.first_sent + Duration::from_nanos(1));
                Lookup::Found(entry.sent.clone())
            }
            None => Lookup::NotFound,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn lowest(&self) -> u64 {
        self.entries.front().map_or(0, |entry| entry.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(byte: u8) -> Sent {
        Sent {
            datagram: Rc::from(&[byte][..]),
            serial: None,
            word: false,
        }
    }

    #[test]
    fn finds_what_is_kept_and_names_what_is_not() {
        let mut history = History::default();
        let pause = Duration::from_millis(240);
        for seq in 1..=600u64 {
            history.record(seq, sent(1), Duration::from_millis(seq));
        }
        let now = Duration::from_secs(1);
        assert!(matches!(history.again(100, now, pause), Lookup::TooLow));
        assert!(matches!(history.again(101, now, pause), Lookup::Found(_)));
        assert!(matches!(
            history.again(101, now + Duration::from_millis(1), pause),
            Lookup::TooSoon
        ));
        assert!(matches!(
            history.again(101, now + pause, pause),
            Lookup::Found(_)
        ));
        assert!(matches!(history.again(600, now, pause), Lookup::Found(_)));
        assert!(matches!(history.again(601, now, pause), Lookup::NotFound));
    }

    #[test]
    fn frees_only_what_is_acknowledged_and_old() {
        let mut history = History::default();
        history.record(1, sent(1), Duration::ZERO);
        history.record(2, sent(2), Duration::from_secs(2));
        history.release(2, Duration::from_secs(3));
        assert_eq!(history.lowest(), 2);
    }
}
