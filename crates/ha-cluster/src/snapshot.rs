//! The core's state as one value, for status displays, tests and simulators.

use crate::Hold;
use crate::core::Core;
use crate::node::Status;
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
    /// Whose groups may run here: names of nodes, the first words of lines in haresources.
    pub owners: Vec<String>,
    /// Names of nodes that are being reset, and not taken over before.
    pub fencing: Vec<String>,
    /// Names of the local clients that have signed on; those of casual ones are their process ids.
    pub clients: Vec<String>,
    /// Counters.
    pub counters: Counters,
}

/// How much is kept in each place that grows, for whoever watches the bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queues {
    /// Sent messages kept for retransmission.
    pub history: usize,
    /// Missing numbers of the node that misses most.
    pub missing: usize,
    /// Messages that wait for `rc.d`.
    pub notifications: usize,
    /// Jobs that are out or wait for one.
    pub jobs: usize,
    /// Nodes.
    pub nodes: usize,
    /// Keys of groups that were moved because their start failed, or shall be.
    pub failed_groups: usize,
}

/// The bounds of [`Queues`]. Jobs and failed groups have none of their own: the first are as many as there are decisions,
/// the second as there are groups.
pub const QUEUE_BOUNDS: Queues = Queues {
    history: crate::history::HISTORY_MAX,
    missing: crate::tracking::GAP_MAX as usize,
    notifications: crate::jobs::QUEUE_MAX,
    jobs: usize::MAX,
    nodes: crate::admin::NODES_MAX,
    failed_groups: usize::MAX,
};

/// What one node thinks of another, as far as it is cheap to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// It is declared dead.
    pub dead: bool,
    /// It takes part fully.
    pub active: bool,
    /// The generation known of it; 0 before the first.
    pub generation: u64,
}

impl Core {
    /// Communication is up.
    pub fn is_comm_up(&self) -> bool {
        self.comm_up
    }

    /// What we think of a node; none if it is not configured. Unlike [`Core::snapshot`] it copies nothing.
    pub fn view_of(&self, node: &str) -> Option<View> {
        let node = self.find(node)?;
        Some(View {
            dead: node.is_dead(),
            active: node.status == Status::Active,
            generation: node.generation,
        })
    }

    /// The resource protocol's state alone.
    pub fn resources(&self) -> ResourceSnapshot {
        ResourceSnapshot {
            state: self.rsc.state as u8,
            held: self.rsc.ihold,
            other_held: self.rsc.ohold,
            other_stable: self.rsc.ostable,
            standby: self.rsc.standby != Standby::Not,
            stable: self.stable(),
            jobs: self.jobs.count(),
        }
    }

    /// How full every queue is.
    pub fn queues(&self) -> Queues {
        let missing = self.nodes.iter().map(|node| node.tracking.missing_count());
        Queues {
            history: self.history.len(),
            missing: missing.max().unwrap_or(0),
            notifications: self.jobs.queued(),
            jobs: self.jobs.count(),
            nodes: self.nodes.len(),
            failed_groups: self.rsc.failed.len() + self.rsc.moved.len(),
        }
    }

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
            resources: self.resources(),
            owners: self.owners_held(),
            fencing: self.fencing.nodes(),
            clients: self.api.names(),
            counters: self.counters,
        }
    }
}
