//! What the core must know before it starts. All of it comes from ha.cf, authkeys and the identity files; the core
//! itself reads none of them.

use std::time::Duration;

use ha_wire::{CompressionSettings, Encoding, KeyRing};

use crate::ApiSettings;

pub use ha_config::{AutoFailback, AutoJoin};

/// The core's view of ha.cf, authkeys and the node's identity.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our node name, lower case.
    pub local: String,
    /// Our UUID (`/var/lib/heartbeat/hb_uuid`).
    pub uuid: [u8; 16],
    /// Our generation, already incremented for this start.
    pub generation: u64,
    /// Every node in configuration order, ping nodes and groups included.
    pub nodes: Vec<NodeSpec>,
    /// Every medium in configuration order; [`crate::Input::Datagram`] and [`crate::Action::Transmit`] name one by its
    /// position here.
    pub media: Vec<MediumSpec>,
    /// `keepalive`.
    pub keepalive: Duration,
    /// `deadtime`.
    pub deadtime: Duration,
    /// `deadping`.
    pub deadping: Duration,
    /// `warntime`.
    pub warntime: Duration,
    /// `initdead`.
    pub initdead: Duration,
    /// `auto_failback`; decides between the coordinated ("nice") and the legacy resource protocol.
    pub auto_failback: AutoFailback,
    /// `autojoin`: whether senders that are not configured become nodes. With haresources only `none` is accepted.
    pub autojoin: AutoJoin,
    /// `hopfudge`.
    pub hopfudge: u32,
    /// `max_rexmit_delay`.
    pub max_rexmit_delay: Duration,
    /// `msgfmt`: the form of what is sent. Both forms are always accepted.
    pub encoding: Encoding,
    /// `compression`, `compression_threshold`, `traditional_compression`.
    pub compression: CompressionSettings,
    /// The keys of authkeys.
    pub keys: KeyRing,
    /// `log_badpack`: complain about datagrams that do not decode or verify.
    pub log_badpack: bool,
    /// False with `-M`: no resource management at all.
    pub managed: bool,
    /// Set when the process re-executed itself with `-R`.
    pub restart: Option<RestartState>,
    /// Seed of every random choice (acknowledgement triggers, retransmission delays).
    pub seed: u64,
    /// Our process id, for texts that carry one.
    pub pid: u32,
    /// Fencing devices, in the order in which they are tried; none: nothing is protected.
    pub fencing: Vec<FencingDevice>,
    /// What local clients are told and allowed.
    pub api: ApiSettings,
}

/// One cluster member, real or pinged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSpec {
    /// Name in lower case.
    pub name: String,
    /// What it is.
    pub kind: NodeKind,
}

/// A real member or an address that is only pinged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// Runs heartbeat.
    Normal,
    /// `ping` or `ping_group`.
    Ping,
}

/// One medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediumSpec {
    /// Link name: the interface, the tty's path, or the ping node's name.
    pub name: String,
    /// Its kind.
    pub kind: MediumKind,
}

/// What the core must know of a medium's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediumKind {
    /// bcast, ucast, mcast (and the IPv6 media): one datagram is one message.
    Datagram,
    /// A serial line: string form without the final NUL.
    Serial,
    /// `ping`: echo requests that carry the status the node shall have; sent only with our own statuses.
    Ping,
    /// `ping_group`.
    PingGroup,
}

/// A device that can reset nodes. What it is and how it is asked is the shell's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FencingDevice {
    /// What the log calls it.
    pub id: String,
}

/// What `-R [-C held]` told the new process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartState {
    /// `-C`; absent when the old process ran in legacy mode.
    pub held: Option<Held>,
    /// Whose groups these are: names of nodes. Of use where there are more than two.
    pub owners: Vec<String>,
}

/// What this node holds, as spoken on the wire.
pub type Held = crate::Hold;
