//! What the checkers get to see, in the order in which it happens.

use std::rc::Rc;
use std::time::Duration;

use crate::packet::Packet;

/// One thing that happened.
pub(crate) enum Seen {
    /// A heartbeat process begins.
    Started { host: usize },
    /// The machine lost its power.
    Crashed { host: usize },
    /// The daemon was killed, and left behind what ran.
    Killed { host: usize },
    /// The daemon ended by itself.
    Exited,
    /// A group's start begins, or a group that runs already is taken for our own.
    Taken {
        host: usize,
        group: usize,
        /// When the core asked for the job that it belongs to.
        asked: Duration,
    },
    /// A group was stopped.
    Released { host: usize, group: usize },
    /// A datagram of a node was handed to another one's core, unharmed, be it by the network or again by
    /// somebody who had kept it.
    Delivered { to: usize, packet: Rc<Packet> },
    /// A datagram waits at a machine that is not scheduled.
    Arrived { to: usize, packet: Rc<Packet> },
    /// The core says that a partition has healed.
    Healed { host: usize, name: String },
    /// A datagram without a good signature, or of a former life, was handed to a core. What it changed, if anything.
    Untrusted {
        host: usize,
        what: &'static str,
        changed: Option<String>,
    },
    /// The core of a host has taken a step.
    Stepped { host: usize },
}
