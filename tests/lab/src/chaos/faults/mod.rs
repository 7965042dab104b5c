//! The kinds of fault, one per file.

mod carrier;
mod clock;
mod crash;
mod descriptors;
mod disk;
mod kill;
mod loss;
mod one_way;
mod partition;
mod pause;
mod reboot;
mod script;
mod switch;
mod syslog;

pub(crate) use clock::CLOCK_STEP;

use std::sync::Arc;

use super::site::Site;
use crate::{Host, Result};

/// What a fault is done to. Two faults of the same thing of the same node are never in force together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Whether the machine or the daemon runs.
    Life,
    /// The node's link.
    Link,
    /// What is between the two nodes.
    Pair,
    /// Its disks.
    Disk,
    /// What the daemon may use.
    Limits,
    /// Its calendar.
    Calendar,
    /// Its syslog.
    Syslog,
    /// Scripts, and who holds what.
    Resources,
}

/// Whether the two nodes cannot hear each other while a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deafens {
    /// They hear each other.
    Never,
    /// They do not.
    Always,
    /// They do not if the victim is a legacy node, which this fault stops.
    Legacy,
}

/// A line with ERROR or CRIT that a fault explains.
pub(crate) struct Known {
    /// Part of it.
    pub(crate) text: &'static str,
    /// Why it is right to say so.
    pub(crate) reason: &'static str,
}

/// A kind of fault. Beginning and ending may fail because the host is off at that time, through another fault of the same
/// episode; whatever is left over is put right at the end of the episode.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// How often it comes up, relative to others.
    pub(crate) weight: u64,
    /// How long it lasts at least and at most, in milliseconds.
    pub(crate) lasts: (u64, u64),
    pub(crate) target: Target,
    pub(crate) deafens: Deafens,
    /// The name of the variant that a number stands for, if there are several.
    pub(crate) variant: fn(u64) -> Option<String>,
    /// Makes it happen to a node, in the variant of a number.
    pub(crate) begin: fn(&Site, &Arc<Host>, u64) -> Result<()>,
    /// Undoes it. Does no harm when there is nothing to undo.
    pub(crate) end: fn(&Site, &Arc<Host>, u64) -> Result<()>,
    /// Lists of lines that it explains.
    pub(crate) known: &'static [&'static [Known]],
}

/// All of them.
pub(crate) static ALL: &[&Kind] = &[
    &crash::KIND,
    &reboot::KIND,
    &kill::KIND,
    &pause::KIND,
    &partition::KIND,
    &carrier::KIND,
    &one_way::KIND,
    &loss::KIND,
    &disk::KIND,
    &descriptors::KIND,
    &clock::KIND,
    &script::KIND,
    &syslog::KIND,
    &switch::KIND,
];

/// For kinds without variants.
const fn only_one(_: u64) -> Option<String> {
    None
}

/// For kinds whose effect is an event and no state.
fn nothing(_: &Site, _: &Arc<Host>, _: u64) -> Result<()> {
    Ok(())
}

/// One of several variants.
fn pick<T: Copy, const N: usize>(all: [T; N], choice: u64) -> T {
    all[usize::try_from(choice % N as u64).unwrap_or(0)]
}

/// What a daemon says that could not serve its local clients for a while.
const CLIENTS_GAVE_UP: &[Known] = &[Known {
    text: "cannot add client()",
    reason: "a client gave up while the daemon could not serve it",
}];

/// What is said when a node was back before anybody had missed it.
const BACK_SO_SOON: &[Known] = &[Known {
    text: "No one owns our local resources!",
    reason: "they were at a node that has lost them and was not missed",
}];

/// What both sides say when a time without hearing each other is over.
pub(crate) const REUNION: &[Known] = &[
    Known {
        text: "returning after partition",
        reason: "each had taken the other for dead",
    },
    Known {
        text: "Both machines own our resources!",
        reason: "each had taken over from the other",
    },
    Known {
        text: "Both machines own foreign resources!",
        reason: "each had taken over from the other",
    },
    Known {
        text: "Cannot rexmit pkt",
        reason: "what was said into the void is asked for when it is forgotten",
    },
    Known {
        text: "Irretrievably lost packet",
        reason: "what was said into the void is asked for when it is forgotten",
    },
    Known {
        text: "lost a lot of packets!",
        reason: "so it did",
    },
    Known {
        text: "Late heartbeat: Node",
        reason: "3.0.6 says so of a node that it took for dead",
    },
    Known {
        text: "Ignored standby message",
        reason: "an answer of the time before",
    },
];
