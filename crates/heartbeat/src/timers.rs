//! The shell's own few timers.

use std::collections::BTreeMap;
use std::time::Duration;

/// Things to do at a time, in the order of their times.
#[derive(Debug)]
pub(crate) struct Timers<T> {
    due: BTreeMap<(Duration, u64), T>,
    next_number: u64,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Timers {
            due: BTreeMap::new(),
            next_number: 0,
        }
    }
}

impl<T> Timers<T> {
    /// Remembers `what` for the time `at`. Equal times keep the order in which they were set.
    pub(crate) fn set(&mut self, at: Duration, what: T) {
        self.due.insert((at, self.next_number), what);
        self.next_number = self.next_number.wrapping_add(1);
    }

    /// When the first is due.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes out the first if its time has come.
    pub(crate) fn pop_due(&mut self, now: Duration) -> Option<T> {
        let first = self.due.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn come_out_in_order_and_not_before_their_time() {
        let second = Duration::from_secs;
        let mut timers = Timers::default();
        timers.set(second(2), "b");
        timers.set(second(1), "a");
        timers.set(second(2), "c");
        assert_eq!(timers.next_deadline(), Some(second(1)));
        assert_eq!(timers.pop_due(second(0)), None);
        assert_eq!(timers.pop_due(second(2)), Some("a"));
        assert_eq!(timers.pop_due(second(2)), Some("b"));
        assert_eq!(timers.pop_due(second(2)), Some("c"));
        assert_eq!(timers.next_deadline(), None);
    }
}
