//! The cluster of the recordings: `nodea` and `nodeb`, one broadcast link, one ping node, and clients.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use ha_cluster::{
    Action, ApiSettings, ClientId, Config, Core, Credentials, Gone, Input, Job, JobOutcome, Level,
    MediumKind, MediumSpec, NodeKind, NodeSpec, Notice, Now, Report,
};
use ha_config::{AutoFailback, AutoJoin, HaCf, parse_ha_cf};
use ha_wire::{CompressionSettings, Encoding, Key, KeyRing, Message, Method};

use crate::facts::RecordedHost;
use crate::trace::Frame;

pub const PING: &str = "10.77.1.254";

const HA_CF: &[u8] = b"logfacility local0\nlogfile /run/hb-log\ndebugfile /run/hb-debug\nkeepalive 500ms\n\
deadtime 5\nwarntime 2\ninitdead 6\nbcast eth0\nping 10.77.1.254\nauto_failback off\nnode nodea nodeb\n\
apiauth default uid=root\n";

pub const UUID_A: [u8; 16] = [
    0xd0, 0x6d, 0x78, 0x87, 0x54, 0x97, 0x40, 0xbb, 0xab, 0xea, 0xbb, 0xd3, 0xaa, 0xf1, 0x6a, 0x1d,
];
pub const UUID_B: [u8; 16] = [
    0xaf, 0x7f, 0xf6, 0x5a, 0x0e, 0xe8, 0x4d, 0x75, 0x89, 0x0f, 0xf5, 0x3b, 0xc3, 0xe1, 0x6f, 0x26,
];

pub const A: usize = 0;
pub const B: usize = 1;

pub fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

pub fn secs(value: u64) -> Duration {
    Duration::from_secs(value)
}

/// What the core said to one connection.
#[derive(Debug, Default)]
pub struct Heard {
    pub frames: VecDeque<Frame>,
    pub notices: Vec<Notice>,
    pub closed: bool,
    pub paused: bool,
    pub queue: Option<usize>,
}

struct Host {
    core: Core,
    log: Vec<(Level, String)>,
    heard: BTreeMap<ClientId, Heard>,
    /// Nothing leaves it, and nothing reaches it.
    silent: bool,
    audits: usize,
    sent: Vec<Message>,
}

pub struct Pair {
    pub now: Duration,
    hosts: Vec<Host>,
    next_client: u64,
    /// The ping node answers.
    pub ping_lives: bool,
    /// Packets on their way: receiver, medium, payload.
    packets: VecDeque<(usize, usize, Vec<u8>)>,
    /// Packets from the first to the second are lost while set.
    pub lost: Option<(usize, usize)>,
}

pub fn ha_cf() -> HaCf {
    ha_cf_of(HA_CF)
}

pub fn ha_cf_of(text: &[u8]) -> HaCf {
    let parsed = parse_ha_cf(text, "ha.cf", &RecordedHost);
    assert!(
        parsed
            .diagnostics
            .iter()
            .all(|d| d.severity != ha_config::Severity::Error),
        "{:?}",
        parsed.diagnostics
    );
    parsed.value.expect("a configuration without errors")
}

fn keys() -> KeyRing {
    let mut keys = KeyRing::new();
    keys.insert(1, Key::new(Method::Sha1, b"secretkey"));
    keys.set_outbound(1);
    keys
}

fn config(local: &str, uuid: [u8; 16], ha_cf: &HaCf) -> Config {
    let node = |name: &str, kind| NodeSpec {
        name: name.to_owned(),
        kind,
    };
    let medium = |name: &str, kind| MediumSpec {
        name: name.to_owned(),
        kind,
    };
    Config {
        local: local.to_owned(),
        uuid,
        generation: 0x6b04_b4cc,
        nodes: vec![
            node(PING, NodeKind::Ping),
            node("nodea", NodeKind::Normal),
            node("nodeb", NodeKind::Normal),
        ],
        media: vec![
            medium("eth0", MediumKind::Datagram),
            medium(PING, MediumKind::Ping),
        ],
        keepalive: ha_cf.keepalive,
        deadtime: ha_cf.deadtime,
        deadping: ha_cf.deadping,
        warntime: ha_cf.warntime,
        initdead: ha_cf.initdead,
        auto_failback: AutoFailback::Off,
        autojoin: AutoJoin::None,
        hopfudge: 1,
        max_rexmit_delay: ms(250),
        encoding: Encoding::String,
        compression: CompressionSettings::default(),
        keys: keys(),
        log_badpack: true,
        managed: true,
        restart: None,
        seed: 1,
        pid: 74,
        fencing: Vec::new(),
        api: ApiSettings {
            // As recorded.
            version: "2.1.3".to_owned(),
            parameters: ha_cf.parameters.clone(),
            facility: Some(128),
            rules: ha_cf.apiauth.clone(),
        },
    }
}

/// Every process but one of this number exists.
pub const NO_PROCESS: u32 = 99999;

fn exists(pid: u32) -> bool {
    pid != NO_PROCESS
}

impl Pair {
    /// Both run, hold their own groups, and are stable.
    pub fn new() -> Pair {
        Pair::with(&ha_cf())
    }

    pub fn with(ha_cf: &HaCf) -> Pair {
        let now = Now {
            mono: secs(100),
            wall: 0x6b04_b500,
        };
        let host = |name, uuid| Host {
            core: Core::new(config(name, uuid, ha_cf), now),
            log: Vec::new(),
            heard: BTreeMap::new(),
            silent: false,
            audits: 0,
            sent: Vec::new(),
        };
        let mut pair = Pair {
            now: now.mono,
            hosts: vec![host("nodea", UUID_A), host("nodeb", UUID_B)],
            next_client: 1,
            ping_lives: true,
            packets: VecDeque::new(),
            lost: None,
        };
        for host in [A, B] {
            let line = "3.75 4.07 2.52 7/290 391";
            pair.feed(host, Input::LoadAverage(line));
            pair.feed(host, Input::Start);
        }
        pair.run(secs(40));
        for host in [A, B] {
            let state = pair.hosts[host].core.snapshot();
            assert!(state.comm_up && state.resources.stable, "{state:?}");
            assert_eq!(state.resources.held.word(), "local");
            pair.hosts[host].log.clear();
        }
        pair
    }

    fn stamp(&self) -> Now {
        Now {
            mono: self.now,
            wall: 0x6b04_b500 + self.now.as_secs() - 100,
        }
    }

    pub fn feed(&mut self, host: usize, input: Input<'_>) {
        let stamp = self.stamp();
        self.hosts[host].core.handle(stamp, input);
        self.drain(host);
        self.deliver();
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let due = self
                .hosts
                .iter()
                .filter_map(|host| host.core.next_deadline())
                .min();
            match due {
                Some(due) if due <= end => {
                    self.now = self.now.max(due);
                    for host in [A, B] {
                        if self.hosts[host]
                            .core
                            .next_deadline()
                            .is_some_and(|due| due <= self.now)
                        {
                            self.feed(host, Input::Timer);
                        }
                    }
                }
                _ => break,
            }
        }
        self.now = end;
    }

    fn deliver(&mut self) {
        while let Some((to, medium, payload)) = self.packets.pop_front() {
            let stamp = self.stamp();
            let input = Input::Datagram {
                medium,
                payload: &payload,
            };
            self.hosts[to].core.handle(stamp, input);
            self.drain(to);
        }
    }

    fn drain(&mut self, at: usize) {
        while let Some(action) = self.hosts[at].core.poll_action() {
            match action {
                Action::Transmit { medium, payload } => self.transmit(at, medium, &payload),
                Action::Log { level, text } => self.hosts[at].log.push((level, text)),
                Action::StartJob { id, job } => {
                    let stamp = self.stamp();
                    let mut report = Report::default();
                    if matches!(job, Job::AcquireLocal { .. }) {
                        report.keys = vec!["dummyrsc::one".to_owned()];
                    }
                    let outcome = JobOutcome::Native(report);
                    let input = Input::JobEnded { id, outcome };
                    self.hosts[at].core.handle(stamp, input);
                }
                Action::ToClient {
                    client,
                    body,
                    notice,
                } => {
                    let heard = self.hosts[at].heard.entry(client).or_default();
                    assert!(!heard.closed, "nothing is said after hanging up");
                    heard.frames.push_back(Frame::from_body(&body));
                    heard.notices.extend(notice);
                }
                Action::CloseClient { client } => self.heard_at(at, client).closed = true,
                Action::PauseClient { client, paused } => self.heard_at(at, client).paused = paused,
                Action::ClientQueue { client, length } => {
                    self.heard_at(at, client).queue = Some(length);
                }
                Action::AuditClients => {
                    self.hosts[at].audits += 1;
                    let stamp = self.stamp();
                    let input = Input::AuditClients { exists };
                    self.hosts[at].core.handle(stamp, input);
                }
                Action::CommUp
                | Action::FeedWatchdog
                | Action::AnnounceAddresses
                | Action::DeletedNodes(_) => {}
                Action::StopClients => {
                    let stamp = self.stamp();
                    self.hosts[at].core.handle(stamp, Input::ClientsGone);
                }
                Action::Exit(_) => self.hosts[at].silent = true,
            }
        }
    }

    fn transmit(&mut self, from: usize, medium: usize, payload: &[u8]) {
        if self.hosts[from].silent {
            return;
        }
        if medium == 1 {
            if self.ping_lives {
                self.packets.push_back((from, medium, payload.to_vec()));
            }
            return;
        }
        if let Ok(message) = ha_wire::decode_datagram(payload, &keys()) {
            self.hosts[from].sent.push(message);
        }
        for to in [A, B] {
            if !self.hosts[to].silent && self.lost != Some((from, to)) {
                self.packets.push_back((to, medium, payload.to_vec()));
            }
        }
    }

    // ---- Clients -------------------------------------------------------------------------------------------------

    fn heard_at(&mut self, host: usize, client: ClientId) -> &mut Heard {
        self.hosts[host].heard.entry(client).or_default()
    }

    /// Connects to one of the nodes.
    pub fn connect_to(&mut self, host: usize, pid: u32, uid: u32, gid: u32) -> ClientId {
        let client = ClientId(self.next_client);
        self.next_client += 1;
        let peer = Credentials { pid, uid, gid };
        self.feed(host, Input::ClientAccepted { client, peer });
        client
    }

    pub fn say_at(&mut self, host: usize, client: ClientId, body: &[u8]) {
        self.feed(
            host,
            Input::ClientMessage {
                client,
                body,
                exists,
            },
        );
    }

    pub fn sign_on_at(
        &mut self,
        host: usize,
        name: &str,
        pid: u32,
        uid: u32,
        gid: u32,
    ) -> ClientId {
        let client = self.connect_to(host, pid, uid, gid);
        let body = format!(
            ">>>\nt=hbapi-req\nreqtype=signon\ndest=nodea\npid={pid}\nfrom_id={name}\nuid={uid}\ngid={gid}\n<<<\n\0"
        );
        self.say_at(host, client, body.as_bytes());
        client
    }

    /// Signs on at `nodea`, and forgets what is said to that.
    pub fn sign_on(&mut self, name: &str, pid: u32) -> ClientId {
        let client = self.sign_on_at(A, name, pid, 0, 106);
        let frames = self.take(client);
        let last = frames.last().expect("a reply");
        assert_eq!(last.get("result"), Some("OK"), "{last:?}");
        client
    }

    pub fn say(&mut self, client: ClientId, fields: &[(&str, &str)]) {
        let fields = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.say_at(A, client, &Frame::Fields(fields.collect()).body());
    }

    /// A request with the five leading fields.
    pub fn request(&mut self, client: ClientId, pid: u32, name: &str, fields: &[(&str, &str)]) {
        let pid = pid.to_string();
        let mut all = vec![
            ("t", "hbapi-req"),
            fields[0],
            ("dest", "nodea"),
            ("pid", pid.as_str()),
            ("from_id", name),
        ];
        all.extend(&fields[1..]);
        self.say(client, &all);
    }

    /// What was said to a client of `nodea` since the last call.
    pub fn take(&mut self, client: ClientId) -> Vec<Frame> {
        self.heard_at(A, client).frames.drain(..).collect()
    }

    /// The same at either node.
    pub fn take_at(&mut self, host: usize, client: ClientId) -> Vec<Frame> {
        self.heard_at(host, client).frames.drain(..).collect()
    }

    /// How often a node wanted to know which processes exist.
    pub fn audits(&self, host: usize) -> usize {
        self.hosts[host].audits
    }

    pub fn heard(&mut self, client: ClientId) -> &mut Heard {
        self.heard_at(A, client)
    }

    pub fn gone(&mut self, client: ClientId, gone: Gone) {
        self.feed(A, Input::ClientGone { client, gone });
    }

    /// The lines that `nodea` logged since the last call.
    pub fn log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.hosts[A].log)
            .into_iter()
            .map(|(_, text)| text)
            .collect()
    }

    /// Messages that a node sent since the last call.
    pub fn sent(&mut self, host: usize) -> Vec<Message> {
        std::mem::take(&mut self.hosts[host].sent)
    }

    pub fn silence(&mut self, host: usize) {
        self.hosts[host].silent = true;
    }

    /// A silenced host speaks again, with a heartbeat of the next generation.
    pub fn start_anew(&mut self, host: usize) {
        let (name, uuid) = [("nodea", UUID_A), ("nodeb", UUID_B)][host];
        let mut config = config(name, uuid, &ha_cf());
        config.generation += 1;
        self.hosts[host].core = Core::new(config, self.stamp());
        self.hosts[host].silent = false;
        self.feed(host, Input::Start);
    }

    pub fn core(&self, host: usize) -> &Core {
        &self.hosts[host].core
    }
}

/// The frame as `name=value` words, without what differs from run to run.
pub fn words(frame: &Frame) -> String {
    let varies = [
        "(1)srcuuid",
        "(1)destuuid",
        "seq",
        "hg",
        "ts",
        "ld",
        "ttl",
        "auth",
    ];
    match frame {
        Frame::Raw(raw) => raw.clone(),
        Frame::Fields(fields) => fields
            .iter()
            .filter(|(name, _)| !varies.contains(&name.as_str()))
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join(" "),
    }
}
