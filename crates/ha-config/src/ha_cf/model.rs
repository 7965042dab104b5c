//! ha.cf as meant: typed values with every default filled in.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use ha_wire::{CompressionSettings, Encoding};

use crate::diagnostic::Span;
use crate::ha_cf::directive;

/// A whole ha.cf, defaults included.
#[derive(Clone, Debug)]
pub struct HaCf {
    /// `cluster`. Only a label.
    pub cluster: String,
    /// `node`, `ping` and `ping_group` in file order, without duplicates.
    pub nodes: Vec<Node>,
    /// Every medium in file order; at most [`MEDIA_MAX`].
    pub media: Vec<Medium>,
    /// `keepalive`: interval between our own heartbeats.
    pub keepalive: Duration,
    /// `deadtime`: silence after which a node is dead.
    pub deadtime: Duration,
    /// `deadping`: the same for ping nodes.
    pub deadping: Duration,
    /// `warntime`: silence that is worth a warning.
    pub warntime: Duration,
    /// `initdead`: the first dead time after start.
    pub initdead: Duration,
    /// `auto_failback` (and the obsolete `nice_failback`).
    pub auto_failback: AutoFailback,
    /// `hopfudge`: the ttl of a message is the number of nodes plus this.
    pub hopfudge: u32,
    /// `max_rexmit_delay`: upper bound of the random delay before a retransmission request.
    pub max_rexmit_delay: Duration,
    /// `msgfmt`: the form in which messages are sent.
    pub msgfmt: Encoding,
    /// `compression`, `compression_threshold` and `traditional_compression`.
    pub compression: CompressionSettings,
    /// `log_badpack`: complain about packets that do not decode or verify.
    pub log_badpack: bool,
    /// `realtime`: real-time priority and locked memory.
    pub realtime: bool,
    /// `rtprio`: real-time priority of the daemon.
    pub rtprio: i32,
    /// `debug`, or the number of `-d` options when the file does not say.
    pub debug: i32,
    /// `logfile` as written; see [`HaCf::log_destinations`] for what it means.
    pub logfile: Option<PathBuf>,
    /// `debugfile` as written.
    pub debugfile: Option<PathBuf>,
    /// `logfacility` as written, `none` and `kern` included.
    pub logfacility: Option<Facility>,
    /// `use_logd` as written or as switched on because nothing else is configured (`config-files.md` 5.3).
    pub use_logd: bool,
    /// `conn_logd_time`: pause before connecting to ha_logd anew.
    pub conn_logd_time: Duration,
    /// `syslogmsgfmt`: log files in syslog style.
    pub syslogmsgfmt: bool,
    /// `hbgenmethod`: where the protocol generation comes from.
    pub hb_generation_method: GenerationMethod,
    /// `uuidfrom`: where our UUID comes from.
    pub uuid_from: UuidFrom,
    /// `autojoin`; anything but `none` needs a cluster that is not managed the R1 way.
    pub autojoin: AutoJoin,
    /// `watchdog` device.
    pub watchdog: Option<PathBuf>,
    /// `coredumps`: core dumps are wanted.
    pub coredumps: bool,
    /// `coreroot`: below it each user has a core directory.
    pub coreroot: PathBuf,
    /// `memreserve`: KiB of heap to allocate before memory is locked.
    pub memreserve_kib: u32,
    /// `use_apphbd`: register with apphbd.
    pub use_apphbd: bool,
    /// `udpport` as recorded; the media carry the port that they really use.
    pub udpport: u16,
    /// `baud` in effect for serial media.
    pub baud: u32,
    /// `respawn` and `failfast` clients in start order.
    pub respawn: Vec<ClientChild>,
    /// Who may use the client API: `apiauth` lines in file order, then the defaults that they leave.
    pub apiauth: Vec<ApiAuth>,
    /// `stonith` and `stonith_host` lines that concern this node. The legacy keeps only the last valid device; whether a
    /// device type exists is for the caller to judge.
    pub stonith: Vec<Stonith>,
    /// `env` pairs without the `HA_` prefix, in file order.
    pub env: Vec<(String, String)>,
    /// Recorded parameters, defaults included, in table order; values as written, or `<n>ms` when computed
    /// (`config-files.md` 9). `HA_<name>=<value>` is exported to every child.
    pub parameters: Vec<(String, String)>,
}

/// The number of media that a configuration may have (`config-files.md` 6).
pub const MEDIA_MAX: usize = 64;

/// The number of nodes that a configuration may have, ping nodes included (`config-files.md` 5.1).
pub const NODES_MAX: usize = 100;

impl HaCf {
    /// The value of a recorded parameter, as `cl_status hbparameter` tells it.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// True when `name` (any case) is a node of this configuration, ping nodes included.
    pub fn has_node(&self, name: &str) -> bool {
        self.nodes
            .iter()
            .any(|node| node.name.eq_ignore_ascii_case(name))
    }

    /// Where messages really go (`config-files.md` 5.3).
    pub fn log_destinations(&self) -> LogDestinations {
        let file =
            |path: &Option<PathBuf>| path.clone().filter(|path| path.as_os_str() != "/dev/null");
        LogDestinations {
            logfile: file(&self.logfile),
            debugfile: file(&self.debugfile),
            facility: self.logfacility.clone().filter(Facility::is_used),
            logd: self.use_logd,
        }
    }

    /// The API authorisation of a client: its own entry, else that of `default`. A client without a name is `anon`.
    pub fn api_auth(&self, client: &str) -> Option<&ApiAuth> {
        let entry = |name: &str| self.apiauth.iter().find(|entry| entry.client == name);
        entry(client).or_else(|| entry("default"))
    }
}

/// A cluster member or a ping target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Lower case, at most 99 bytes.
    pub name: String,
    /// What it is.
    pub kind: NodeKind,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// Runs heartbeat.
    Normal,
    /// A `ping` host.
    Ping,
    /// A `ping_group`.
    PingGroup,
}

/// `auto_failback` (`config-files.md` 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoFailback {
    /// Resources return to their owner when it comes back.
    On,
    /// They stay where they are.
    Off,
    /// The old protocol: no coordination, no hand-over on request.
    Legacy,
}

impl AutoFailback {
    /// The coordinated protocol that ipfail, hb_standby and hb_takeover need.
    pub fn nice(self) -> bool {
        self != AutoFailback::Legacy
    }

    /// Give resources back to their owner by ourselves.
    pub fn auto(self) -> bool {
        self == AutoFailback::On
    }
}

/// One configured medium, with everything that was looked up for it when the file was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Medium {
    /// `bcast`
    Bcast {
        /// Interface, also the link name.
        interface: String,
        /// Its broadcast address.
        broadcast: Ipv4Addr,
        /// UDP port.
        port: u16,
    },
    /// `ucast`
    Ucast {
        /// Interface, also the link name.
        interface: String,
        /// The peer as written.
        peer_text: String,
        /// The peer as resolved.
        peer: Ipv4Addr,
        /// UDP port.
        port: u16,
    },
    /// `mcast`
    Mcast {
        /// Interface, also the link name.
        interface: String,
        /// Its own address, which sends; none if it has none yet.
        interface_address: Option<Ipv4Addr>,
        /// 224.0.0.0/4.
        group: Ipv4Addr,
        /// UDP port.
        port: u16,
        /// 0 to 4.
        ttl: u8,
        /// Hear our own packets.
        looped: bool,
    },
    /// `serial`
    Serial {
        /// Path of the tty, also the link name.
        device: String,
        /// Line speed.
        baud: u32,
    },
    /// `ping`
    Ping {
        /// Host as written, also the link name.
        host: String,
        /// Host as resolved.
        address: Ipv4Addr,
    },
    /// `ping_group`
    PingGroup {
        /// Name of the group, also the link name.
        name: String,
        /// Members that could be resolved; may be empty.
        addresses: Vec<Ipv4Addr>,
    },
    /// `ucast6` of 3.0.6
    Ucast6 {
        /// Interface, also the link name.
        interface: String,
        /// The peer as written.
        peer_text: String,
        /// The peer as resolved.
        peer: Ipv6Addr,
        /// UDP port.
        port: u16,
    },
    /// `mcast6` of 3.0.6
    Mcast6 {
        /// Interface, also the link name.
        interface: String,
        /// ff00::/8.
        group: Ipv6Addr,
        /// UDP port.
        port: u16,
        /// Hop limit.
        hops: u8,
        /// Hear our own packets.
        looped: bool,
    },
    /// `ping6` of 3.0.6
    Ping6 {
        /// Host as written, also the link name.
        host: String,
        /// Host as resolved.
        address: Ipv6Addr,
    },
}

impl Medium {
    /// The link name used in logs, `cl_status` and ipfail (`config-files.md` 6).
    pub fn link_name(&self) -> &str {
        match self {
            Medium::Bcast { interface, .. }
            | Medium::Ucast { interface, .. }
            | Medium::Mcast { interface, .. }
            | Medium::Ucast6 { interface, .. }
            | Medium::Mcast6 { interface, .. } => interface,
            Medium::Serial { device, .. } => device,
            Medium::Ping { host, .. } | Medium::Ping6 { host, .. } => host,
            Medium::PingGroup { name, .. } => name,
        }
    }

    /// The directive that declares it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Medium::Bcast { .. } => "bcast",
            Medium::Ucast { .. } => "ucast",
            Medium::Mcast { .. } => "mcast",
            Medium::Serial { .. } => "serial",
            Medium::Ping { .. } => "ping",
            Medium::PingGroup { .. } => "ping_group",
            Medium::Ucast6 { .. } => "ucast6",
            Medium::Mcast6 { .. } => "mcast6",
            Medium::Ping6 { .. } => "ping6",
        }
    }

    /// The legacy's description of the type, as in `Illegal bcast [UDP/IP broadcast] in config file [eth9]`.
    pub fn description(&self) -> &'static str {
        directive::find(self.type_name()).map_or("", |directive| directive.description)
    }
}

/// `hbgenmethod`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GenerationMethod {
    /// A counter kept in a file.
    File,
    /// The clock.
    Time,
}

/// `uuidfrom`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UuidFrom {
    /// `/var/lib/heartbeat/hb_uuid`
    File,
    /// Computed from the node name.
    NodeName,
}

/// `autojoin`: which nodes may join without being declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoJoin {
    /// None.
    None,
    /// Others than ourselves.
    Other,
    /// Any.
    Any,
}

/// A syslog facility.
#[derive(Clone, PartialEq, Eq)]
pub struct Facility {
    name: &'static str,
    code: Option<u8>,
}

impl Facility {
    /// The facilities that `logfacility` knows, `none` included; lower case only.
    pub fn from_name(name: &str) -> Option<Facility> {
        FACILITIES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|&(name, code)| Facility { name, code })
    }

    /// The name as written.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The syslog facility number (before it is shifted by three); none for `none`.
    pub fn code(&self) -> Option<u8> {
        self.code
    }

    /// Whether messages go to syslog with it: `none` and `kern` mean that they do not (`config-files.md` 5.3).
    pub fn is_used(&self) -> bool {
        !matches!(self.code, None | Some(0))
    }
}

impl fmt::Debug for Facility {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name)
    }
}

/// Names and numbers of RFC 3164 and syslog(3).
const FACILITIES: &[(&str, Option<u8>)] = &[
    ("none", None),
    ("kern", Some(0)),
    ("user", Some(1)),
    ("mail", Some(2)),
    ("daemon", Some(3)),
    ("auth", Some(4)),
    ("security", Some(4)),
    ("syslog", Some(5)),
    ("lpr", Some(6)),
    ("news", Some(7)),
    ("uucp", Some(8)),
    ("cron", Some(9)),
    ("authpriv", Some(10)),
    ("ftp", Some(11)),
    ("local0", Some(16)),
    ("local1", Some(17)),
    ("local2", Some(18)),
    ("local3", Some(19)),
    ("local4", Some(20)),
    ("local5", Some(21)),
    ("local6", Some(22)),
    ("local7", Some(23)),
];

/// Where messages go once `/dev/null`, `none` and `kern` are understood as "nowhere".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDestinations {
    /// Receives everything but debug messages.
    pub logfile: Option<PathBuf>,
    /// Receives everything.
    pub debugfile: Option<PathBuf>,
    /// Syslog with this facility.
    pub facility: Option<Facility>,
    /// Everything to ha_logd instead; the files and the facility are then ha_logd's own.
    pub logd: bool,
}

/// A `respawn` or `failfast` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientChild {
    /// Account name as written.
    pub user: String,
    /// Its uid.
    pub uid: u32,
    /// Its primary gid.
    pub gid: u32,
    /// Path and arguments; run as `/bin/sh -c "exec <command>"`.
    pub command: String,
    /// Its death reboots the machine.
    pub failfast: bool,
    /// Where the line stands.
    pub span: Span,
}

/// Who may connect as one API client: any of these users, or any of these groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiAuth {
    /// Client name; `anon` for clients without one, `default` for those without an entry.
    pub client: String,
    /// User ids.
    pub uids: Vec<u32>,
    /// Group ids.
    pub gids: Vec<u32>,
}

impl ApiAuth {
    /// Whether a process with these effective ids is authorised.
    pub fn authorises(&self, uid: u32, gid: u32) -> bool {
        self.uids.contains(&uid) || self.gids.contains(&gid)
    }
}

/// A `stonith` or `stonith_host` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stonith {
    /// Device type, for example `external/ssh`.
    pub device: String,
    /// Where its parameters are.
    pub source: StonithSource,
    /// Where the line stands.
    pub span: Span,
}

/// Where a fencing device gets its parameters from. `Debug` does not show parameters: they may be passwords.
#[derive(Clone, PartialEq, Eq)]
pub enum StonithSource {
    /// `stonith <type> <file>`; empty when the file is not given.
    File(String),
    /// `stonith_host <host> <type> <parameters>`
    Parameters {
        /// The host as written: `*` or our own name.
        host: String,
        /// Rest of the line.
        parameters: String,
    },
}

impl std::fmt::Debug for StonithSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StonithSource::File(path) => f.debug_tuple("File").field(path).finish(),
            StonithSource::Parameters { host, .. } => f
                .debug_struct("Parameters")
                .field("host", host)
                .finish_non_exhaustive(),
        }
    }
}
