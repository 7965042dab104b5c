//! What a seed decides about a cluster before anything happens to it: timers, mode, media, keys, groups, devices.

use std::time::Duration;

use ha_cluster::AutoFailback;
use ha_wire::{Encoding, Key, KeyRing, Method};

use crate::random::Random;

/// A group of haresources: one line, whose first word is its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The node that the line names.
    pub home: usize,
    /// The key.
    pub key: String,
}

/// A fencing device that every node can reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// How long a reset takes.
    pub time: Duration,
    /// The machine goes down at the beginning of that time, not at its end.
    pub early: bool,
}

/// How often datagrams arrive: the time that one takes.
pub const FLIGHT_MICROSECONDS: (u64, u64) = (100, 500);

/// Everything that holds for a whole run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `auto_failback`.
    pub failback: AutoFailback,
    /// `keepalive`.
    pub keepalive: Duration,
    /// `deadtime`.
    pub deadtime: Duration,
    /// `initdead`.
    pub initdead: Duration,
    /// Number of media; each connects every pair of nodes.
    pub media: usize,
    /// The media return what a node sends to itself, as bcast does.
    pub echo: bool,
    /// Form of what is sent.
    pub encoding: Encoding,
    /// How messages are signed.
    pub method: Method,
    /// All groups, in the order of haresources.
    pub groups: Vec<Group>,
    /// How long a script takes when nothing is wrong; none: our own agents, which take no time.
    pub script_time: Duration,
    /// Fencing devices in the order of ha.cf.
    pub devices: Vec<Device>,
    /// From power to heartbeat.
    pub boot_time: Duration,
    /// How long respawn clients take to end.
    pub client_time: Duration,
}

impl Settings {
    /// The settings of a seed.
    pub fn draw(nodes: usize, random: &mut Random) -> Settings {
        let failback = random.choose(&[
            AutoFailback::On,
            AutoFailback::On,
            AutoFailback::Off,
            AutoFailback::Off,
            AutoFailback::Legacy,
        ]);
        // The samples of ha.cf, a pair in a hurry, and one that is slow.
        let (keepalive, deadtime, initdead) = match random.below(10) {
            0..4 => (1000, 10_000, 20_000),
            4..8 => (2000, 30_000, 60_000),
            8 => (500, 3000, 12_000),
            _ => (200, 1000, 10_000),
        };
        let mut groups = Vec::new();
        for home in 0..nodes {
            for number in 0..1 + random.below(2) {
                let key = format!("{}{}", name_of(home).to_uppercase(), number + 1);
                groups.push(Group { home, key });
            }
        }
        let fenced = random.percent(20);
        let devices = (0..if fenced { 1 + random.below(2) } else { 0 })
            .map(|_| Device {
                time: Duration::from_millis(10 + random.below(8000)),
                early: random.percent(50),
            })
            .collect();
        Settings {
            failback,
            keepalive: Duration::from_millis(keepalive),
            deadtime: Duration::from_millis(deadtime),
            initdead: Duration::from_millis(initdead),
            media: 1 + random.index(2),
            echo: random.percent(15),
            encoding: random.choose(&[Encoding::String, Encoding::String, Encoding::Netstring]),
            method: random.choose(&[
                Method::Crc,
                Method::Crc,
                Method::Crc,
                Method::Md5,
                Method::Sha1,
            ]),
            groups,
            script_time: Duration::from_millis(random.choose(&[0, 50, 50, 400, 2000])),
            devices,
            boot_time: Duration::from_millis(5000 + random.below(30_000)),
            client_time: Duration::from_millis(random.choose(&[0, 0, 0, 300, 3000])),
        }
    }

    /// The keys that every node has.
    pub fn keys(&self) -> KeyRing {
        keys(self.method, b"the cluster's own secret")
    }

    /// The keys of somebody who has none of the cluster's.
    pub fn strangers_keys(&self) -> KeyRing {
        let method = match self.method {
            // A checksum has no secret: a stranger who knows it is no stranger.
            Method::Crc => Method::Sha1,
            other => other,
        };
        keys(method, b"a guess")
    }

    /// Coordinated mode. `legacy` is `on` with more than two nodes, each of which has a group.
    pub fn nice(&self) -> bool {
        let several = self.groups.iter().any(|group| group.home > 1);
        self.failback != AutoFailback::Legacy || several
    }
}

fn keys(method: Method, secret: &[u8]) -> KeyRing {
    let mut keys = KeyRing::new();
    keys.insert(1, Key::new(method, secret));
    keys.set_outbound(1);
    keys
}

/// `a`, `b`, ...
pub fn name_of(host: usize) -> String {
    char::from(b'a' + u8::try_from(host % 26).unwrap_or(0)).to_string()
}
