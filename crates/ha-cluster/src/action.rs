//! What the core asks the shell to do, in order.

use std::rc::Rc;
use std::time::Duration;

use ha_wire::Message;

use crate::{Held, Job, JobId};

/// One thing to do.
#[derive(Clone, Debug)]
pub enum Action {
    /// Send these bytes as one datagram on one medium. For ping media the payload goes into an echo request.
    Transmit {
        /// Position of the medium in [`crate::Config::media`].
        medium: usize,
        /// The payload, complete with digest.
        payload: Rc<[u8]>,
    },
    /// Log a line.
    Log {
        /// Its level.
        level: Level,
        /// The text, without prefix.
        text: String,
    },
    /// Start a job. Jobs that are out at the same time run at the same time; the core keeps the legacy's order itself.
    StartJob {
        /// To be named in [`crate::Input::JobEnded`].
        id: JobId,
        /// What to do.
        job: Job,
    },
    /// Communication is up: make the client socket, start the respawn clients.
    CommUp,
    /// Our own status message was seen: feed the watchdog.
    FeedWatchdog,
    /// Announce all addresses that this node holds once more (ARP): another node let go of some of them without ours
    /// being acquired anew.
    AnnounceAddresses,
    /// Send SIGTERM to the respawn clients, last started first, one at a time; answer with
    /// [`crate::Input::ClientsGone`] (at once when there are none).
    StopClients,
    /// Something that local clients may want to know.
    Event(Event),
    /// End. Nothing follows.
    Exit(ExitKind),
}

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitKind {
    /// Orderly shutdown: exit 0.
    Shutdown,
    /// Resources are released; wait this long in silence, then start anew as if from the command line.
    Restart {
        /// deadtime rounded up to whole seconds plus one (`wire-protocol.md` 6.7).
        pause: Duration,
    },
    /// Resources are kept; execute ourselves at once as `heartbeat -R [-C held]`.
    QuickRestart {
        /// For `-C`; none in legacy mode.
        held: Option<Held>,
    },
    /// The release of resources did not end within an hour: kill everything of ours, exit 100
    /// (`wire-protocol.md` 6.9).
    Emergency,
}

/// Log levels with the legacy's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `CRIT`
    Crit,
    /// `ERROR`
    Error,
    /// `WARN`
    Warn,
    /// `notice`
    Notice,
    /// `info`
    Info,
    /// `debug`
    Debug,
}

/// What clients of the local API are told.
#[derive(Clone, Debug)]
pub enum Event {
    /// A node's status changed.
    NodeStatus {
        /// The node.
        node: String,
        /// `init`, `up`, `active`, `dead`, `ping`.
        status: String,
    },
    /// A link's state changed.
    LinkStatus {
        /// The node at the other end.
        node: String,
        /// The link's name.
        link: String,
        /// Up, or dead.
        up: bool,
    },
    /// A cluster message was delivered, ours included.
    Message(Message),
}
