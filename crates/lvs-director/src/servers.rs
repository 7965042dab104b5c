//! State of virtual services and their real servers.

use std::time::Duration;

/// What is remembered of a virtual service.
#[derive(Clone, Debug, Default)]
pub(crate) struct VirtualState {
    pub(crate) reals: Vec<RealState>,
    /// What the fallback command was last told: `start` is true.
    pub(crate) command_started: Option<bool>,
    /// The fallback's last repetition-free state, for logs: it is in the table because no server is up.
    pub(crate) fallback_active: bool,
}

impl VirtualState {
    /// Whether any real server is in service.
    pub(crate) fn any_up(&self) -> bool {
        self.reals.iter().any(RealState::serves)
    }
}

/// What is remembered of a real server of a virtual service.
#[derive(Clone, Debug, Default)]
pub(crate) struct RealState {
    /// Known up. Nothing known yet counts as down (`ldirectord.md` 7.4).
    pub(crate) up: bool,
    pub(crate) maintenance: bool,
    pub(crate) failures: u32,
    pub(crate) since: Duration,
    pub(crate) text: String,
    /// When the last mail about its being down was sent; none: nothing is repeated.
    pub(crate) mailed: Option<Duration>,
}

impl RealState {
    /// In service: up, and nobody has taken it out.
    pub(crate) fn serves(&self) -> bool {
        self.up && !self.maintenance
    }

    pub(crate) fn set_up(&mut self, up: bool, now: Duration) {
        if self.up != up {
            self.up = up;
            self.since = now;
        }
    }
}
