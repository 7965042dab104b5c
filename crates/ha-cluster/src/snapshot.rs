//! The core's state as one value, for status displays, tests and simulators.

use crate::Hold;
use crate::core::Core;
use crate::resources::Standby;

/// What happened so far, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages put on the media (once each, whatever the number of media).
    pub sent: u64,
    /// Datagrams taken from the media.
    pub received: u64,
    /// Datagrams that did not decode, did not verify, or lacked mandatory fields.
    pub refused: u64,
    /// Messages of lower generation than known.
    pub replayed: u64,
    /// Messages of nodes that are not configured.
    pub unknown: u64,
    /// Messages under our own name that are not ours.
    pub own_name: u64,
    /// Sequence numbers found missing.
    pub lost: u64,
    /// Messages sent again on request.
    pub resent: u64,
    /// Times this process did not run when it should have.
    pub stalls: u64,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSnapshot {
    /// Its name.
    pub name: String,
    /// Its status word.
    pub status: String,
    /// Its generation; 0 before the first status.
    pub generation: u64,
    /// Its links: name and whether up.
    pub links: Vec<(String, bool)>,
}

/// The resource protocol's state (`resource-protocol.md` 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceSnapshot {
    /// RSTATE as a number 0 to 5.
    pub state: u8,
    /// What we hold.
    pub held: Hold,
    /// What the other claims, in its own view.
    pub other_held: Hold,
    /// The other says that it is stable.
    pub other_stable: bool,
    /// A standby is under way.
    pub standby: bool,
    /// Nothing at all is under way.
    pub stable: bool,
    /// Jobs that are out.
    pub jobs: usize,
}

/// Everything at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Our name.
    pub local: String,
    /// Our own status word.
    pub status: String,
    /// Communication is up.
    pub comm_up: bool,
    /// All nodes in configuration order.
    pub nodes: Vec<NodeSnapshot>,
    /// Resources.
    pub resources: ResourceSnapshot,
    /// Names of nodes that are being reset, and not taken over before.
    pub fencing: Vec<String>,
    /// Names of the local clients that have signed on; those of casual ones are their process ids.
    pub clients: Vec<String>,
    /// Counters.
    pub counters: Counters,
}

impl Core {
    /// The state at this moment.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            local: self.config.local.clone(),
            status: self.own_status_word().to_owned(),
            comm_up: self.comm_up,
            nodes: self
                .nodes
                .iter()
                .map(|node| NodeSnapshot {
                    name: node.name.clone(),
                    status: node.status.word().to_owned(),
                    generation: node.generation,
                    links: node
                        .links
                        .iter()
                        .map(|link| (link.name.clone(), link.up))
                        .collect(),
                })
                .collect(),
            resources: ResourceSnapshot {
                state: self.rsc.state as u8,
                held: self.rsc.ihold,
                other_held: self.rsc.ohold,
                other_stable: self.rsc.ostable,
                standby: self.rsc.standby != Standby::Not,
                stable: self.stable(),
                jobs: self.jobs.count(),
            },
            fencing: self.fencing.nodes(),
            clients: self.api.names(),
            counters: self.counters,
        }
    }
}
