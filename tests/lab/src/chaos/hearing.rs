//! Whether the two nodes can hear each other at a moment, as those know who make the faults.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// What keeps the nodes from hearing each other, counted.
pub(crate) struct Hearing(Mutex<State>);

struct State {
    reasons: usize,
    /// Since when there is no reason; in the past of whoever asks.
    since: Instant,
}

/// While it lives the nodes do not hear each other.
pub(crate) struct Deaf<'a>(&'a Hearing);

impl Hearing {
    pub(crate) fn new() -> Self {
        Hearing(Mutex::new(State {
            reasons: 0,
            since: Instant::now(),
        }))
    }

    /// One more reason, for as long as the answer lives.
    pub(crate) fn deafen(&self) -> Deaf<'_> {
        self.0.lock().expect("no panic while held").reasons += 1;
        Deaf(self)
    }

    /// Something else was found that keeps them from it, at this moment.
    pub(crate) fn interrupt(&self) {
        self.0.lock().expect("no panic while held").since = Instant::now();
    }

    /// For how long they have been able to hear each other; none while they are not.
    pub(crate) fn lasts(&self) -> Option<Duration> {
        let state = self.0.lock().expect("no panic while held");
        (state.reasons == 0).then(|| state.since.elapsed())
    }
}

impl Drop for Deaf<'_> {
    fn drop(&mut self) {
        let mut state = self.0.0.lock().expect("no panic while held");
        state.reasons -= 1;
        state.since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reason_is_enough() {
        let hearing = Hearing::new();
        assert!(hearing.lasts().is_some());
        let first = hearing.deafen();
        let second = hearing.deafen();
        drop(first);
        assert_eq!(hearing.lasts(), None);
        drop(second);
        assert!(hearing.lasts().is_some());
    }
}
