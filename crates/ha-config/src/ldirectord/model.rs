//! What an ldirectord.cf means: defaults and globals are applied, names are looked up.

use std::time::Duration;

use ipvs::{Destination, DestinationKey, Service, ServiceKey};

use super::probe::CheckPlan;

/// A whole file.
#[derive(Clone, Debug, PartialEq)]
pub struct Ldirectord {
    /// The virtual services, in file order. One that cannot exist in the kernel (firewall mark 0) is left out with a
    /// warning.
    pub virtuals: Vec<VirtualService>,
    /// Pause from one check of a real server to the next, where a virtual service has none of its own.
    pub check_interval: Duration,
    /// Reread the file when it changes.
    pub auto_reload: bool,
    /// Program to run when the file has changed, with the file's name as its argument.
    pub callback: Option<String>,
    /// Where log lines go.
    pub log: LogTarget,
    /// Further configurations to start an ldirectord for, as written after `execute=`, in file order.
    pub execute: Vec<String>,
    /// Stay in the foreground and log to standard output.
    pub supervised: bool,
    /// `fork=yes`: the legacy used a process per virtual service. With us it only makes a virtual service's own
    /// `checkinterval` valid (already applied to [`VirtualService::check_interval`]).
    pub fork: bool,
    /// `readdquiescent`: a real server that is down and not in the table is added with weight 0 (with `quiescent`).
    pub readd_quiescent: bool,
    /// Directory of files that name real servers in maintenance (`ldirectord.md` 4.5).
    pub maintenance_dir: Option<String>,
    /// Sender of mails.
    pub email_from: Option<String>,
}

/// Where the log goes (`ldirectord.md` 8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Appended to a file.
    File(String),
    /// To syslog, with this facility's name as written, such as `local0`.
    Syslog(String),
}

/// A virtual service with everything that concerns it.
#[derive(Clone, Debug, PartialEq)]
pub struct VirtualService {
    /// Line of its `virtual=`.
    pub line: usize,
    /// As the kernel shall have it.
    pub service: Service,
    /// Its real servers, in file order, one per configured address and port.
    pub reals: Vec<Real>,
    /// Server of last resort: its own, else the global one.
    pub fallback: Option<Fallback>,
    /// Command to run when no server is up (`start`) and when the first one comes back (`stop`).
    pub fallback_command: Option<String>,
    /// A server that is down keeps its place with weight 0 instead of being removed.
    pub quiescent: bool,
    /// Clean the table when stopping.
    pub clean_stop: bool,
    /// So many failed checks in a row make a server down, at least 1.
    pub failure_count: u32,
    /// From the beginning of one check of a real server to the beginning of the next.
    pub check_interval: Duration,
    /// Who is told by mail, and of what.
    pub alerts: Alerts,
    /// File that gets a line for each check.
    pub monitor_file: Option<String>,
    /// Name for mails.
    pub service_name: Option<String>,
    /// Remark for mails.
    pub comment: Option<String>,
}

impl VirtualService {
    /// What identifies it in the kernel.
    pub fn key(&self) -> &ServiceKey {
        &self.service.key
    }

    /// Its identity in log and debug texts: `tcp:192.168.6.66:80`, `fwm:1`, `fwm6:1` (`ldirectord.md` 7.1).
    pub fn id(&self) -> String {
        format!("{}:{}", protocol_word(self.key()), self.key())
    }
}

/// `tcp`, `udp`, `fwm` or `fwm6`: how check identities, fallback commands and debug lines call a service's protocol.
pub fn protocol_word(key: &ServiceKey) -> &'static str {
    match key {
        ServiceKey::Address { protocol, .. } => protocol.word(),
        ServiceKey::Mark {
            family: ipvs::Family::V4,
            ..
        } => "fwm",
        ServiceKey::Mark { .. } => "fwm6",
    }
}

/// A real server of a virtual service.
#[derive(Clone, Debug, PartialEq)]
pub struct Real {
    /// Line of its `real=`.
    pub line: usize,
    /// Address and port as configured; log lines name these.
    pub configured: DestinationKey,
    /// As the kernel shall have it while the server is up. Its port is the virtual service's for gate and ipip, since
    /// these cannot change ports (`ldirectord.md` 7.8).
    pub destination: Destination,
    /// What one round of checking does.
    pub check: CheckPlan,
    /// The check's identity of `ldirectord.md` 7.2, for debug output and the monitor file.
    pub identity: String,
}

/// The server of last resort; its weight is always 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Fallback {
    /// Address and port as configured (or the virtual service's port); log lines name these.
    pub configured: DestinationKey,
    /// As the kernel shall have it while it is needed.
    pub destination: Destination,
}

/// Mail about one virtual service (`ldirectord.md` 9).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alerts {
    /// To whom; none: no mail.
    pub to: Option<String>,
    /// How often a server that is down is mailed again; zero: never.
    pub frequency: Duration,
    /// In which states of the daemon mail is sent.
    pub states: AlertStates,
    /// Mail host; none: the local sendmail.
    pub smtp: Option<String>,
}

/// What the daemon is doing, as mails name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// From the start to the first check.
    Starting,
    /// In between.
    Running,
    /// After a terminating signal.
    Stopping,
    /// While a new configuration is applied.
    Reloading,
}

impl State {
    /// The word in `emailalertstatus` and in mails.
    pub fn word(self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::Running => "running",
            State::Stopping => "stopping",
            State::Reloading => "reloading",
        }
    }
}

/// A set of [`State`]s; all of them by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertStates {
    /// [`State::Starting`]
    pub starting: bool,
    /// [`State::Running`]
    pub running: bool,
    /// [`State::Stopping`]
    pub stopping: bool,
    /// [`State::Reloading`]
    pub reloading: bool,
}

impl AlertStates {
    /// `none`
    pub const NONE: AlertStates = AlertStates {
        starting: false,
        running: false,
        stopping: false,
        reloading: false,
    };

    /// `all`
    pub const ALL: AlertStates = AlertStates {
        starting: true,
        running: true,
        stopping: true,
        reloading: true,
    };

    /// Whether mail is sent in this state.
    pub fn contains(&self, state: State) -> bool {
        match state {
            State::Starting => self.starting,
            State::Running => self.running,
            State::Stopping => self.stopping,
            State::Reloading => self.reloading,
        }
    }
}

impl Default for AlertStates {
    fn default() -> Self {
        AlertStates::ALL
    }
}
