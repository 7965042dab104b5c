//! The state as one value, for whoever wants to look.

use std::time::Duration;

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// In file order.
    pub virtuals: Vec<VirtualSnapshot>,
    /// Checks in progress.
    pub checks_running: usize,
    /// The table is not yet as it shall be; it is tried again.
    pub unsettled: bool,
}

/// A virtual service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualSnapshot {
    /// `tcp:192.168.6.66:80`
    pub id: String,
    /// The fallback serves.
    pub fallback_active: bool,
    /// In file order.
    pub reals: Vec<RealSnapshot>,
}

/// A real server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealSnapshot {
    /// As configured.
    pub name: String,
    /// In service.
    pub up: bool,
    /// Taken out by hand.
    pub maintenance: bool,
    /// Since when it is in this state, on the clock of the inputs.
    pub since: Duration,
    /// Failed checks in a row that did not take it out yet.
    pub failures: u32,
    /// What the last check saw.
    pub text: String,
    /// When it is checked next.
    pub next_check: Option<Duration>,
}
