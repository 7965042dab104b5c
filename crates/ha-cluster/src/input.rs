//! What the shell tells the core.

use ha_wire::{KeyRing, Message};

use crate::{ClientId, Credentials, Gone, JobId, JobOutcome, ProcessExists};

/// One thing that happened outside the core.
#[derive(Debug)]
pub enum Input<'a> {
    /// The media are open; called once, first.
    Start,
    /// A datagram (or one serial frame, or the payload of an echo reply of ours) arrived. Any bytes.
    Datagram {
        /// Position of the medium in [`crate::Config::media`].
        medium: usize,
        /// The bytes as received.
        payload: &'a [u8],
    },
    /// [`crate::Core::next_deadline`] has come (calling it early or late is harmless).
    Timer,
    /// A message from the FIFO, without `src`, `seq` and the like.
    Inject {
        /// The message as written; the core adds the automatic fields and treats it as sent by this node.
        message: Message,
    },
    /// A job started by [`crate::Action::StartJob`] came to its end.
    JobEnded {
        /// Which.
        id: JobId,
        /// How.
        outcome: JobOutcome,
    },
    /// SIGTERM: give up all resources, say so, end.
    Shutdown,
    /// SIGHUP with a changed ha.cf: end without releasing anything and come back with `-R`.
    QuickRestart,
    /// authkeys was reread.
    NewKeys(Box<KeyRing>),
    /// First line of /proc/loadavg, for the `ld` field; feed it about once per keepalive.
    LoadAverage(&'a str),
    /// A respawn client is about to be started: our dead time is raised by two seconds for a while (6.2).
    ClientStarting,
    /// All respawn clients have ended after [`crate::Action::StopClients`].
    ClientsGone,
    /// Somebody connected to the registration socket.
    ClientAccepted {
        /// Number of the connection from now on.
        client: ClientId,
        /// Who, as the kernel says.
        peer: Credentials,
    },
    /// A frame from a client. Any bytes.
    ClientMessage {
        /// Which connection.
        client: ClientId,
        /// Body of the frame.
        body: &'a [u8],
        /// Whether a process exists, for the check of a sign-on.
        exists: ProcessExists,
    },
    /// A connection is gone; not said of those that [`crate::Action::CloseClient`] ends.
    ClientGone {
        /// Which connection.
        client: ClientId,
        /// How.
        gone: Gone,
    },
    /// Answer to [`crate::Action::AuditClients`].
    AuditClients {
        /// Whether a process exists.
        exists: ProcessExists,
    },
    /// A child of the daemon ended; it may be a client.
    ProcessEnded {
        /// Its number.
        pid: u32,
    },
    /// SIGUSR1 or SIGUSR2 changed the debug level, which clients can ask for.
    DebugLevel(i32),
}
