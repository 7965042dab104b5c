//! The driver: runs any number of checks on the program's loop.

use std::time::Duration;

use ha_config::ldirectord::Probe;
use ha_sys::child::End;
use ha_sys::{Poller, Ready};

use crate::{Environment, Verdict};

/// What a [`Checker`] has to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The machine, for protocols that ask.
    pub environment: Environment,
    /// How many check programs may run at once; more wait their turn, and their time only begins with it.
    pub externals_max: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            environment: Environment::default(),
            externals_max: 64,
        }
    }
}

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It found something out about the server.
    Verdict(Verdict),
    /// This machine could not even try (no descriptor, port, buffer or process left; the text is the system's). This says
    /// nothing about the server, so its state should stay as it is. To be logged, at a bounded rate.
    Local(String),
}

/// Runs checks. Everything is told to it: time, ready descriptors, ended children.
#[derive(Debug)]
pub struct Checker {
    settings: Settings,
}

impl Checker {
    /// The bit that all its tokens carry in the poller; the program keeps it out of its own.
    pub const TOKEN_BIT: u64 = 1 << 63;

    /// Whether a token is one of its own ([`Checker::ready`] takes it then).
    pub fn owns(token: u64) -> bool {
        token & Checker::TOKEN_BIT != 0 && token != u64::MAX
    }

    /// No checks yet.
    pub fn new(settings: Settings) -> Checker {
        Checker { settings }
    }

    /// Starts a check under a number of the caller's choice; [`Checker::poll_outcome`] will give its outcome under the
    /// same number, exactly once, unless it is cancelled. A check that still runs under that number is cancelled. `now`
    /// is [`ha_sys::clock::monotonic`], here and below.
    pub fn start(&mut self, now: Duration, id: u64, probe: &Probe, poller: &Poller) {
        let _ = (now, id, probe, poller, &self.settings);
    }

    /// Forgets a check: no outcome will come. A running check program is killed.
    pub fn cancel(&mut self, now: Duration, id: u64, poller: &Poller) {
        let _ = (now, id, poller);
    }

    /// Forgets all of them, before the program ends: check programs are killed for good at once.
    pub fn cancel_all(&mut self) {}

    /// A descriptor of its own is ready. Stale reports do no harm.
    pub fn ready(&mut self, now: Duration, ready: Ready, poller: &Poller) {
        let _ = (now, ready, poller);
    }

    /// A child has ended; false if it was none of its own.
    pub fn child_ended(&mut self, now: Duration, pid: u32, end: End, poller: &Poller) -> bool {
        let _ = (now, pid, end, poller);
        false
    }

    /// [`Checker::next_deadline`] has come (or any time has passed).
    pub fn timer(&mut self, now: Duration, poller: &Poller) {
        let _ = (now, poller);
    }

    /// When [`Checker::timer`] has to be called next.
    pub fn next_deadline(&self) -> Option<Duration> {
        None
    }

    /// The next outcome, if any. To be called until there is none, after every call above.
    pub fn poll_outcome(&mut self) -> Option<(u64, Outcome)> {
        None
    }

    /// How many checks have been started and have not ended.
    pub fn running(&self) -> usize {
        0
    }

    /// Reads files of certificate authorities again when they are next needed (after a reload).
    pub fn forget_authorities(&mut self) {}
}
