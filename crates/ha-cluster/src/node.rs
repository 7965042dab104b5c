//! One cluster member as this node sees it.

use std::time::Duration;

use crate::crowd::Peer;
use crate::tracking::Tracking;
use crate::{NodeKind, NodeSpec};

/// Status words of `wire-protocol.md` 6.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Never heard, or restarting.
    Init,
    /// Listening.
    Up,
    /// Fully functional.
    Active,
    /// Silent for too long.
    Dead,
    /// A live ping node.
    Ping,
    /// Any other word is stored as it came (6.4).
    Other(Box<str>),
}

impl Status {
    pub(crate) fn from_word(word: &str) -> Status {
        match word.to_ascii_lowercase().as_str() {
            "init" => Status::Init,
            "up" => Status::Up,
            "active" => Status::Active,
            "dead" => Status::Dead,
            "ping" => Status::Ping,
            _ => Status::Other(word.chars().take(31).collect::<String>().into_boxed_str()),
        }
    }

    pub(crate) fn word(&self) -> &str {
        match self {
            Status::Init => "init",
            Status::Up => "up",
            Status::Active => "active",
            Status::Dead => "dead",
            Status::Ping => "ping",
            Status::Other(word) => word,
        }
    }

    /// `up` or `active`: the node takes part.
    pub(crate) fn live(&self) -> bool {
        matches!(self, Status::Up | Status::Active)
    }
}

/// The path to a node over one medium (6.5).
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) up: bool,
    /// When it was last refreshed, monotonic.
    pub(crate) refreshed: Duration,
}

/// A member and everything remembered of it.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) kind: NodeKind,
    pub(crate) uuid: Option<[u8; 16]>,
    pub(crate) status: Status,
    /// 0 until its first status.
    pub(crate) generation: u64,
    /// Arrival of its last status, monotonic; until then the moment from which its silence counts.
    pub(crate) last_status: Duration,
    /// False until a status arrived since the start, its death or its restart: then no interval can be judged.
    pub(crate) interval_known: bool,
    /// Sequence number of its last status; kept over its death, so that a replayed one is not taken for a heal (5.2).
    pub(crate) status_seq: u64,
    /// `ts` of its last status.
    pub(crate) status_ts: u64,
    /// How long it may be silent: its own `dt`, else `deadtime` or `deadping` (6.6).
    pub(crate) deadtime: Duration,
    /// A packet of it was processed since it was last declared dead ("anypacketsyet").
    pub(crate) heard: bool,
    /// We declared it dead, and it has not said since that it starts anew.
    pub(crate) declared_dead: bool,
    /// It joined by itself and has not said a status twice: until then nobody is told of it (6.10).
    pub(crate) joining: bool,
    /// It was active when we first heard it, so that nobody has told the other what it holds; when to ask.
    pub(crate) introduce_at: Option<Duration>,
    /// It may hold resources (`resource-protocol.md` 2.2).
    pub(crate) has_resources: bool,
    /// Its last word on what it holds, since we started, it started, or it was declared dead, was of a state that lasts.
    pub(crate) told_holdings: bool,
    /// It said that it lets go of something, and not yet that it has.
    pub(crate) letting_go: bool,
    /// Sequence number of the newest `resource` message processed: an older one that was lost and came again, or was
    /// overtaken, must not put the clock back.
    pub(crate) resource_seq: u64,
    /// What it has told in a cluster of more than two.
    pub(crate) crowd: Peer,
    /// Sequence tracking of what it sends.
    pub(crate) tracking: Tracking,
    /// The highest of our numbers that it has acknowledged.
    pub(crate) acknowledged: u64,
    /// Our highest number when it came to life: it is not expected to acknowledge less, though it may ask for less.
    pub(crate) acknowledged_base: u64,
    pub(crate) links: Vec<Link>,
    pub(crate) weight: u32,
    pub(crate) site: String,
}

impl Node {
    pub(crate) fn new(
        spec: &NodeSpec,
        deadtime: Duration,
        ack_trigger: u64,
        links: Vec<Link>,
        now: Duration,
    ) -> Node {
        Node {
            name: spec.name.clone(),
            kind: spec.kind,
            uuid: None,
            status: Status::Init,
            generation: 0,
            last_status: now,
            interval_known: false,
            status_seq: 0,
            status_ts: 0,
            deadtime,
            heard: false,
            declared_dead: false,
            joining: false,
            introduce_at: None,
            has_resources: false,
            told_holdings: false,
            letting_go: false,
            resource_seq: 0,
            crowd: Peer::default(),
            tracking: Tracking::new(ack_trigger),
            acknowledged: 0,
            acknowledged_base: 0,
            links,
            weight: 100,
            site: String::new(),
        }
    }

    pub(crate) fn is_ping(&self) -> bool {
        self.kind == NodeKind::Ping
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.status == Status::Dead
    }
}
