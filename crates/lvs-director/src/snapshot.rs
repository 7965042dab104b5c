//! The state as one value, for whoever wants to look.

use std::time::Duration;

use ha_config::ldirectord::State;

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// What the daemon is doing.
    pub state: State,
    /// In file order.
    pub virtuals: Vec<VirtualSnapshot>,
    /// Checks in progress.
    pub checks_running: usize,
    /// The table could be read last time.
    pub table_known: bool,
    /// Changes are being made or wait for the table.
    pub busy: bool,
}

/// A virtual service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualSnapshot {
    /// `tcp:192.168.6.66:80`
    pub id: String,
    /// Real servers in service.
    pub serving: usize,
    /// The fallback is to serve, for nobody else does.
    pub fallback_active: bool,
    /// The kernel refused something; when it is tried again.
    pub retry_at: Option<Duration>,
    /// In file order.
    pub reals: Vec<RealSnapshot>,
}

/// A real server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealSnapshot {
    /// Address and port as configured.
    pub name: String,
    /// Known to work.
    pub up: bool,
    /// Taken out by a file in `maintenancedir`.
    pub maintenance: bool,
    /// Since when it is in or out of service, on the clock of the inputs.
    pub since: Duration,
    /// Failed checks in a row that did not take it out yet.
    pub failures: u32,
    /// What the last check saw, shortened.
    pub text: String,
    /// When it is checked next; none with `checktype=off`.
    pub next_check: Option<Duration>,
    /// Its weight in the kernel's table as last known; none: it is not there.
    pub weight: Option<u32>,
}
