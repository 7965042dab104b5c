//! What the shell tells the core.

use ha_wire::{KeyRing, Message};

use crate::{JobId, JobOutcome};

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
    /// A message from the FIFO or from a local client, without `src`, `seq` and the like.
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
}
