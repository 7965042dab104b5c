//! What the core asks the shell to do, in order.

use std::rc::Rc;
use std::time::Duration;

use crate::{ClientId, Held, Job, JobId};

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
    /// Queue a message for a client; when the queue is full, [`crate::Input::ClientGone`] says so. A connection that is
    /// gone already is none to worry about.
    ToClient {
        /// Which connection.
        client: ClientId,
        /// Body of one frame.
        body: Rc<[u8]>,
        /// Signal to send afterwards.
        notice: Option<Notice>,
    },
    /// Hang up, once what is queued has been sent as far as the client takes it without waiting. Nothing that it still
    /// says is heard.
    CloseClient {
        /// Which connection.
        client: ClientId,
    },
    /// Change how many messages may be queued for a client.
    ClientQueue {
        /// Which connection.
        client: ClientId,
        /// How many, at least 1; the shell has a limit of its own.
        length: usize,
    },
    /// Stop reading from a client, or begin again.
    PauseClient {
        /// Which connection.
        client: ClientId,
        /// Stop, or begin.
        paused: bool,
    },
    /// Look which clients' processes exist; answer with [`crate::Input::AuditClients`].
    AuditClients,
    /// The nodes that were deleted from the cluster have changed, or are known for the first time: all of them, for
    /// `delhostcache`.
    DeletedNodes(Vec<DeletedNode>),
    /// End. Nothing follows.
    Exit(ExitKind),
}

/// A node that was deleted (`wire-protocol.md` 8.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedNode {
    /// Its name.
    pub name: String,
    /// Its UUID, zeros if it was never heard.
    pub uuid: [u8; 16],
    /// Its weight.
    pub weight: u32,
    /// Its site; mostly empty.
    pub site: String,
}

/// How the process ends.
#[derive(Clone, Debug, PartialEq, Eq)]
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
        /// Whose groups these are: names of nodes, for `-C` too.
        owners: Vec<String>,
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

/// How a client wants to hear of a message, besides reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The process to send a signal to.
    pub pid: u32,
    /// The user that it must still belong to: its number may have gone to another process.
    pub uid: u32,
    /// The signal, 1 to 31.
    pub signal: i32,
}
