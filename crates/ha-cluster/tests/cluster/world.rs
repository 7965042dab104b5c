//! A cluster in one thread: cores, a virtual clock, a network that loses and delays, and a model of the groups.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use ha_cluster::{
    Action, ApiSettings, AutoFailback, AutoJoin, Config, Core, DeletedNode, DeviceResult, ExitKind,
    FailedGroup, FencingDevice, Hold, Input, Job, JobId, JobOutcome, Level, MediumKind, MediumSpec,
    NodeKind, NodeSpec, Now, Report, RestartState,
};
use ha_wire::{CompressionSettings, Encoding, Key, KeyRing, Message, Method};

/// What a node may be told to do wrong.
#[derive(Default, Clone)]
pub struct Faults {
    /// Keys whose start fails.
    pub start_fails: BTreeSet<String>,
    /// Keys whose start never returns.
    pub start_hangs: BTreeSet<String>,
}

/// One machine.
pub struct Host {
    pub name: String,
    pub core: Option<Core>,
    generation: u64,
    restart_at: Option<(Duration, Option<RestartState>)>,
    /// Keys of the groups whose scripts say "running" on this machine; they survive a killed daemon.
    pub running: BTreeSet<String>,
    pub log: Vec<(Duration, Level, String)>,
    pub faults: Faults,
    pub script_time: Duration,
    /// How long respawn clients take to end.
    pub client_time: Duration,
    clients_end: Option<Duration>,
    jobs: Vec<(Duration, JobId, Job)>,
    /// What it was told to keep of deleted nodes, each time.
    pub deleted: Vec<Vec<DeletedNode>>,
    /// How far its calendar is wrong, in seconds.
    pub wall_offset: i64,
    /// Not scheduled at all until then.
    pub stopped_until: Option<Duration>,
    pub sent: Vec<Message>,
    pub comm_up: bool,
    pub exited: Option<ExitKind>,
    /// How often a device of another node reset this machine.
    pub resets: usize,
}

/// A fencing device; every node has the same.
#[derive(Clone, Debug)]
pub struct Device {
    /// How long it takes.
    pub time: Duration,
    /// Attempts that fail before it works.
    pub failures: usize,
    /// It is at the very beginning of its work that the machine goes down, not at the end.
    pub early: bool,
    /// It controls the nodes.
    pub controls: bool,
}

impl Default for Device {
    fn default() -> Device {
        Device {
            time: secs(1),
            failures: 0,
            early: false,
            controls: true,
        }
    }
}

struct Packet {
    at: Duration,
    to: usize,
    payload: Vec<u8>,
}

/// The whole.
pub struct World {
    pub now: Duration,
    pub hosts: Vec<Host>,
    packets: VecDeque<Packet>,
    /// (from, to) pairs that are cut.
    pub cut: BTreeSet<(usize, usize)>,
    /// Percentage of packets lost.
    pub loss: u64,
    rng: u64,
    pub groups: Vec<(String, String)>,
    /// In the order in which they are tried.
    pub devices: Vec<Device>,
    device_results: Vec<(usize, JobId, DeviceResult)>,
    /// How long a machine takes from a reset to the start of heartbeat; none: it stays off.
    pub boot_time: Option<Duration>,
    /// A group ran on two nodes at the same time.
    pub held_twice: Option<String>,
    pub settings: Settings,
}

/// Everything that a scenario may want different.
#[derive(Clone)]
pub struct Settings {
    pub failback: AutoFailback,
    pub keepalive: Duration,
    pub deadtime: Duration,
    pub initdead: Duration,
    pub encoding: Encoding,
    /// Unless it is none, nothing manages resources, and every node has only the first one and itself in its ha.cf.
    pub autojoin: AutoJoin,
    pub seed: u64,
    pub devices: Vec<Device>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            failback: AutoFailback::On,
            keepalive: ms(500),
            deadtime: secs(3),
            initdead: secs(12),
            encoding: Encoding::String,
            autojoin: AutoJoin::None,
            seed: 1,
            devices: Vec::new(),
        }
    }
}

pub fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

pub fn secs(value: u64) -> Duration {
    Duration::from_secs(value)
}

pub fn failback(failback: AutoFailback) -> Settings {
    Settings {
        failback,
        ..Settings::default()
    }
}

impl World {
    /// Nodes `a`, `b`, ... each with one group of the same key in upper case.
    pub fn new(count: usize, settings: Settings) -> World {
        let names: Vec<String> = (0..count)
            .map(|i| char::from(b'a' + i as u8).to_string())
            .collect();
        let hosts = names
            .iter()
            .map(|name| Host {
                name: name.clone(),
                core: None,
                generation: 1000,
                restart_at: None,
                running: BTreeSet::new(),
                log: Vec::new(),
                faults: Faults::default(),
                script_time: ms(50),
                client_time: Duration::ZERO,
                clients_end: None,
                jobs: Vec::new(),
                deleted: Vec::new(),
                wall_offset: 0,
                stopped_until: None,
                sent: Vec::new(),
                comm_up: false,
                exited: None,
                resets: 0,
            })
            .collect();
        World {
            now: secs(100),
            hosts,
            packets: VecDeque::new(),
            cut: BTreeSet::new(),
            loss: 0,
            rng: settings
                .seed
                .wrapping_mul(2_654_435_761)
                .wrapping_add(12345),
            groups: names
                .iter()
                .map(|name| (name.clone(), name.to_uppercase()))
                .collect(),
            devices: settings.devices.clone(),
            device_results: Vec::new(),
            boot_time: Some(secs(20)),
            held_twice: None,
            settings,
        }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.rng = self
            .rng
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.rng >> 33) % below.max(1)
    }

    fn stamp(&self, host: usize) -> Now {
        let wall = 1_700_000_000 + self.now.as_secs();
        Now {
            mono: self.now,
            wall: wall.saturating_add_signed(self.hosts[host].wall_offset),
        }
    }

    pub fn keys() -> KeyRing {
        let mut keys = KeyRing::new();
        // The cheapest digest: these tests are about what follows once a message is believed.
        keys.insert(1, Key::new(Method::Crc, b""));
        keys.set_outbound(1);
        keys
    }

    fn config(&self, host: usize, restart: Option<RestartState>) -> Config {
        let settings = &self.settings;
        Config {
            local: self.hosts[host].name.clone(),
            uuid: [host as u8 + 1; 16],
            generation: self.hosts[host].generation,
            nodes: self
                .hosts
                .iter()
                .enumerate()
                .filter(|(number, _)| {
                    settings.autojoin == AutoJoin::None || *number == 0 || *number == host
                })
                .map(|(_, host)| NodeSpec {
                    name: host.name.clone(),
                    kind: NodeKind::Normal,
                })
                .collect(),
            media: vec![MediumSpec {
                name: "eth0".to_owned(),
                kind: MediumKind::Datagram,
            }],
            keepalive: settings.keepalive,
            deadtime: settings.deadtime,
            deadping: settings.deadtime,
            warntime: settings.deadtime / 2,
            initdead: settings.initdead,
            auto_failback: settings.failback,
            autojoin: settings.autojoin,
            hopfudge: 1,
            max_rexmit_delay: ms(250),
            encoding: settings.encoding,
            compression: CompressionSettings::default(),
            keys: World::keys(),
            log_badpack: true,
            managed: settings.autojoin == AutoJoin::None,
            restart,
            seed: settings.seed.wrapping_mul(31).wrapping_add(host as u64),
            pid: 1000 + host as u32,
            fencing: (0..self.devices.len())
                .map(|number| FencingDevice {
                    id: format!("device {number}"),
                })
                .collect(),
            api: ApiSettings::default(),
        }
    }

    pub fn start(&mut self, host: usize) {
        self.start_with(host, None);
    }

    pub fn start_with(&mut self, host: usize, restart: Option<RestartState>) {
        self.hosts[host].generation += 1;
        let core = Core::new(self.config(host, restart), self.stamp(host));
        self.hosts[host].core = Some(core);
        self.hosts[host].exited = None;
        self.hosts[host].comm_up = false;
        self.feed(host, Input::Start);
    }

    pub fn start_all(&mut self) {
        for host in 0..self.hosts.len() {
            self.start(host);
        }
    }

    /// kill -9 of the daemon: scripts' results stay.
    pub fn kill(&mut self, host: usize) {
        self.hosts[host].core = None;
        self.hosts[host].jobs.clear();
        self.device_results.retain(|(of, ..)| *of != host);
    }

    /// The machine loses power: nothing stays.
    pub fn power_cut(&mut self, host: usize) {
        self.kill(host);
        self.hosts[host].running.clear();
    }

    /// Its daemon does not run, and will not by itself.
    pub fn is_off(&self, host: usize) -> bool {
        self.hosts[host].core.is_none() && self.hosts[host].restart_at.is_none()
    }

    /// A fencing device switches the machine off and on again.
    pub fn reset_machine(&mut self, host: usize) {
        self.power_cut(host);
        let now = self.now;
        let host = &mut self.hosts[host];
        host.resets += 1;
        host.stopped_until = None;
        host.clients_end = None;
        host.log
            .push((now, Level::Notice, "MACHINE RESET".to_owned()));
        host.restart_at = self.boot_time.map(|time| (now + time, None));
    }

    /// What the device will do is decided now.
    fn device_begins(&mut self, host: usize, id: JobId, job: &Job) {
        let Job::Reset { device, node } = job else {
            return;
        };
        let model = &mut self.devices[*device];
        let early = model.early;
        let result = if !model.controls {
            DeviceResult::BadHost
        } else if model.failures > 0 {
            model.failures -= 1;
            DeviceResult::Failed
        } else {
            DeviceResult::Done
        };
        self.device_results.push((host, id, result));
        if early && result == DeviceResult::Done {
            self.reset_named(node);
        }
    }

    fn reset_named(&mut self, node: &str) {
        if let Some(target) = self.hosts.iter().position(|host| host.name == *node) {
            self.reset_machine(target);
        }
    }

    fn device_ends(&mut self, host: usize, id: JobId, job: &Job) -> DeviceResult {
        let Job::Reset { device, node } = job else {
            return DeviceResult::Done;
        };
        let decided = self
            .device_results
            .iter()
            .position(|(of, job, _)| (*of, *job) == (host, id))
            .expect("every reset begins");
        let (_, _, result) = self.device_results.remove(decided);
        if result == DeviceResult::Done && !self.devices[*device].early {
            self.reset_named(node);
        }
        result
    }

    pub fn partition(&mut self, a: usize, b: usize) {
        self.cut.insert((a, b));
        self.cut.insert((b, a));
    }

    pub fn heal(&mut self) {
        self.cut.clear();
    }

    pub fn feed(&mut self, host: usize, input: Input<'_>) {
        let stamp = self.stamp(host);
        if let Some(core) = &mut self.hosts[host].core {
            core.handle(stamp, input);
        }
        self.drain(host);
    }

    pub fn standby(&mut self, host: usize, kind: &str) {
        let mut message = Message::new();
        message.push("t", "ask_resources");
        message.push("rsc_hold", kind);
        message.push("info", "me");
        self.feed(host, Input::Inject { message });
    }

    pub fn takeover(&mut self, host: usize, kind: &str) {
        let mut message = Message::new();
        message.push("t", "hb_takeover");
        message.push("rsc_hold", kind);
        self.feed(host, Input::Inject { message });
    }

    pub fn shutdown(&mut self, host: usize) {
        self.feed(host, Input::Shutdown);
    }

    fn drain(&mut self, host: usize) {
        while let Some(action) = self.hosts[host].core.as_mut().and_then(Core::poll_action) {
            match action {
                Action::Transmit { payload, .. } => self.transmit(host, &payload),
                Action::Log { level, text } => {
                    let now = self.now;
                    self.hosts[host].log.push((now, level, text));
                }
                Action::StartJob { id, job } => {
                    self.device_begins(host, id, &job);
                    let end = self.now + self.duration(host, &job);
                    self.hosts[host].jobs.push((end, id, job));
                }
                Action::CommUp => self.hosts[host].comm_up = true,
                Action::StopClients if self.hosts[host].client_time.is_zero() => {
                    self.feed(host, Input::ClientsGone)
                }
                Action::StopClients => {
                    // The second time there are none left.
                    let time = std::mem::take(&mut self.hosts[host].client_time);
                    self.hosts[host].clients_end = Some(self.now + time);
                }
                Action::Exit(kind) => self.exit(host, kind),
                Action::DeletedNodes(nodes) => self.hosts[host].deleted.push(nodes),
                Action::FeedWatchdog
                | Action::AnnounceAddresses
                | Action::ToClient { .. }
                | Action::CloseClient { .. }
                | Action::ClientQueue { .. }
                | Action::PauseClient { .. }
                | Action::AuditClients => {}
            }
        }
    }

    fn exit(&mut self, host: usize, kind: ExitKind) {
        let host = &mut self.hosts[host];
        host.core = None;
        host.jobs.clear();
        host.exited = Some(kind.clone());
        host.restart_at = match kind {
            ExitKind::Restart { pause } => Some((self.now + pause, None)),
            ExitKind::QuickRestart { held, owners } => {
                Some((self.now, Some(RestartState { held, owners })))
            }
            ExitKind::Shutdown | ExitKind::Emergency => None,
        };
    }

    fn transmit(&mut self, from: usize, payload: &[u8]) {
        if let Ok(message) = ha_wire::decode_datagram(payload, &World::keys()) {
            self.hosts[from].sent.push(message);
        }
        for to in 0..self.hosts.len() {
            if self.cut.contains(&(from, to)) || (from != to && self.random(100) < self.loss) {
                continue;
            }
            let at = self.now + Duration::from_micros(100 + self.random(400));
            self.packets.push_back(Packet {
                at,
                to,
                payload: payload.to_vec(),
            });
        }
    }

    /// Anybody may send anything to the port.
    pub fn inject_packet(&mut self, to: usize, payload: &[u8]) {
        self.feed(to, Input::Datagram { medium: 0, payload });
    }

    fn duration(&self, host: usize, job: &Job) -> Duration {
        match job {
            Job::Notify(n) if n.kind == "status" && n.field("st") != Some("dead") => ms(1),
            Job::Notify(n) if n.kind == "ifstat" => ms(1),
            Job::Reset { device, .. } => self.devices[*device].time,
            Job::CheckDevice { .. } => ms(500),
            _ => self.hosts[host].script_time,
        }
    }

    fn keys_of(&self, host: usize, set: Hold) -> Vec<String> {
        let name = &self.hosts[host].name;
        self.groups
            .iter()
            .filter(|(owner, _)| {
                if owner == name {
                    set.local
                } else {
                    set.foreign
                }
            })
            .map(|(_, key)| key.clone())
            .collect()
    }

    fn keys_of_owners(&self, owners: &[String]) -> Vec<String> {
        let groups = self.groups.iter();
        groups
            .filter(|(owner, _)| owners.contains(owner))
            .map(|(_, key)| key.clone())
            .collect()
    }

    fn take(&mut self, host: usize, keys: &[String]) -> Vec<FailedGroup> {
        let mut failed = Vec::new();
        for key in keys {
            if self.hosts[host].faults.start_fails.contains(key) {
                self.hosts[host].running.remove(key);
                let ours = self
                    .groups
                    .iter()
                    .any(|(owner, k)| k == key && *owner == self.hosts[host].name);
                failed.push(FailedGroup {
                    key: key.clone(),
                    ours,
                });
            } else {
                self.hosts[host].running.insert(key.clone());
            }
        }
        failed
    }

    fn finish_job(&mut self, host: usize, id: JobId, job: Job) {
        if let Job::Notify(n) = &job
            && n.field("ipaddr")
                .is_some_and(|key| self.hosts[host].faults.start_hangs.contains(key))
        {
            return;
        }
        let mut report = Report::default();
        let mut outcome = None;
        if matches!(job, Job::Reset { .. } | Job::CheckDevice { .. }) {
            outcome = Some(JobOutcome::Device(self.device_ends(host, id, &job)));
        }
        match job {
            Job::AcquireLocal { .. } => {
                let keys = self.keys_of(host, Hold::LOCAL);
                report.keys = keys.clone();
                report.wanted = keys
                    .into_iter()
                    .filter(|key| !self.hosts[host].running.contains(key))
                    .collect();
            }
            Job::Release { set } => {
                for key in self.keys_of(host, set) {
                    self.hosts[host].running.remove(&key);
                }
            }
            Job::Acquire { set } => {
                let keys = self.keys_of(host, set);
                report.failed = self.take(host, &keys);
            }
            Job::GiveUpAll => self.hosts[host].running.clear(),
            Job::ReleaseStale { set } => {
                for key in self.keys_of(host, set) {
                    self.hosts[host].running.remove(&key);
                }
            }
            Job::ReleaseGroupsOf { owner } => {
                for key in self.keys_of_owners(&[owner]) {
                    self.hosts[host].running.remove(&key);
                }
            }
            Job::AcquireGroupsOf { owner } => {
                let keys = self.keys_of_owners(&[owner]);
                report.failed = self.take(host, &keys);
            }
            Job::ReleaseStaleOf { owners } => {
                for key in self.keys_of_owners(&owners) {
                    self.hosts[host].running.remove(&key);
                }
            }
            Job::Notify(n) => match n.kind.as_str() {
                "status" if n.field("st") == Some("dead") => {
                    let dead = n.field("src").unwrap_or_default();
                    let keys: Vec<String> = self
                        .groups
                        .iter()
                        .filter(|(owner, _)| owner == dead)
                        .map(|(_, key)| key.clone())
                        .collect();
                    report.failed = self.take(host, &keys);
                }
                "ip-request-resp" if n.field("dest") == Some(self.hosts[host].name.as_str()) => {
                    let keys = vec![n.field("ipaddr").unwrap_or_default().to_owned()];
                    report.failed = self.take(host, &keys);
                }
                "ip-request" => {
                    let key = n.field("ipaddr").unwrap_or_default();
                    report.owned = self.hosts[host].running.remove(key);
                }
                "status" | "hb_takeover" | "ip-request-resp" => {}
                _ => outcome = Some(JobOutcome::NoHandler),
            },
            Job::Reset { .. } | Job::CheckDevice { .. } => {}
        }
        self.feed(
            host,
            Input::JobEnded {
                id,
                outcome: outcome.unwrap_or(JobOutcome::Native(report)),
            },
        );
    }

    /// The next moment at which anything happens.
    fn next_event(&self) -> Option<Duration> {
        let packets = self.packets.iter().map(|packet| packet.at);
        let hosts = self.hosts.iter().flat_map(|host| {
            let awake = |at: Duration| host.stopped_until.map_or(at, |until| at.max(until));
            let deadline = host.core.as_ref().and_then(Core::next_deadline).map(awake);
            let jobs = host.jobs.iter().map(|(at, ..)| *at).min().map(awake);
            let restart = host.restart_at.as_ref().map(|(at, _)| *at).map(awake);
            let clients = host.clients_end.map(awake);
            [deadline, jobs, restart, clients].into_iter().flatten()
        });
        packets.chain(hosts).min()
    }

    /// Lets the time pass, event by event.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        let mut idle_steps = 0;
        while let Some(at) = self.next_event().filter(|at| *at <= end) {
            idle_steps = if at <= self.now { idle_steps + 1 } else { 0 };
            assert!(
                idle_steps < 10_000,
                "the clock does not advance at {:?}: {:#?}\n{}",
                self.now,
                self.hosts.iter().map(|host| &host.core).collect::<Vec<_>>(),
                self.story()
            );
            self.now = self.now.max(at);
            self.step();
            self.look_for_two_holders();
        }
        self.now = end;
    }

    fn look_for_two_holders(&mut self) {
        let twice = self
            .groups
            .iter()
            .find(|(_, key)| self.holders(key).len() > 1);
        if let (None, Some((_, key))) = (&self.held_twice, twice) {
            self.held_twice = Some(format!("{key} at {:.3}", self.now.as_secs_f64()));
        }
    }

    fn asleep(&mut self, host: usize) -> bool {
        match self.hosts[host].stopped_until {
            Some(until) if until > self.now => true,
            Some(_) => {
                self.hosts[host].stopped_until = None;
                false
            }
            None => false,
        }
    }

    fn step(&mut self) {
        // Packets first: what has arrived is read before time is judged, as the event loop does.
        let mut later = VecDeque::new();
        let due: Vec<Packet> = {
            let mut due = Vec::new();
            for packet in std::mem::take(&mut self.packets) {
                if packet.at <= self.now {
                    due.push(packet)
                } else {
                    later.push_back(packet)
                }
            }
            due
        };
        self.packets = later;
        for packet in due {
            if self.asleep(packet.to) {
                let until = self.hosts[packet.to].stopped_until.unwrap_or(self.now);
                self.packets.push_back(Packet {
                    at: until,
                    ..packet
                });
            } else {
                self.feed(
                    packet.to,
                    Input::Datagram {
                        medium: 0,
                        payload: &packet.payload,
                    },
                );
            }
        }
        for host in 0..self.hosts.len() {
            if self.asleep(host) {
                continue;
            }
            if let Some((at, restart)) = self.hosts[host].restart_at.clone()
                && at <= self.now
            {
                self.hosts[host].restart_at = None;
                self.start_with(host, restart);
            }
            if self.hosts[host]
                .clients_end
                .is_some_and(|at| at <= self.now)
            {
                self.hosts[host].clients_end = None;
                self.feed(host, Input::ClientsGone);
            }
            let (ended, waiting) = std::mem::take(&mut self.hosts[host].jobs)
                .into_iter()
                .partition(|(at, ..)| *at <= self.now);
            self.hosts[host].jobs = waiting;
            let ended: Vec<(Duration, JobId, Job)> = ended;
            for (_, id, job) in ended {
                self.finish_job(host, id, job);
            }
            if self.hosts[host]
                .core
                .as_ref()
                .and_then(Core::next_deadline)
                .is_some_and(|at| at <= self.now)
            {
                self.feed(host, Input::Timer);
            }
        }
    }

    /// Runs until the condition holds; panics with both logs if it does not within the time.
    #[track_caller]
    pub fn until(&mut self, what: &str, within: Duration, condition: impl Fn(&World) -> bool) {
        let end = self.now + within;
        while !condition(self) {
            assert!(
                self.now < end,
                "not within {within:?}: {what}\n{}",
                self.story()
            );
            self.run(ms(10));
        }
    }

    pub fn holders(&self, key: &str) -> Vec<&str> {
        self.hosts
            .iter()
            .filter(|host| host.running.contains(key))
            .map(|host| host.name.as_str())
            .collect()
    }

    /// Each group runs on the named node and nowhere else.
    #[track_caller]
    pub fn assert_holders(&self, expected: &[(&str, &str)]) {
        let seen: BTreeMap<&str, Vec<&str>> = expected
            .iter()
            .map(|(key, _)| (*key, self.holders(key)))
            .collect();
        let wanted: BTreeMap<&str, Vec<&str>> = expected
            .iter()
            .map(|(key, host)| (*key, vec![*host]))
            .collect();
        assert_eq!(seen, wanted, "\n{}", self.story());
    }

    pub fn held(&self, host: usize) -> Hold {
        self.hosts[host]
            .core
            .as_ref()
            .map_or(Hold::NONE, |core| core.snapshot().resources.held)
    }

    /// Both nodes are stable and each believes of the other what that believes of itself.
    #[track_caller]
    pub fn assert_agreement(&self) {
        let snapshots: Vec<_> = self
            .hosts
            .iter()
            .filter_map(|h| h.core.as_ref())
            .map(Core::snapshot)
            .collect();
        for snapshot in &snapshots {
            assert!(
                snapshot.resources.stable,
                "{} is not stable: {:?}\n{}",
                snapshot.local,
                snapshot.resources,
                self.story()
            );
            for other in &snapshots {
                let node = snapshot.nodes.iter().find(|node| node.name == other.local);
                assert_eq!(
                    node.map(|n| n.status.as_str()),
                    Some("active"),
                    "\n{}",
                    self.story()
                );
                if other.local != snapshot.local && snapshots.len() == 2 {
                    assert_eq!(
                        snapshot.resources.other_held,
                        other.resources.held,
                        "{} of {}\n{}",
                        snapshot.local,
                        other.local,
                        self.story()
                    );
                }
            }
        }
    }

    pub fn logged(&self, host: usize, text: &str) -> bool {
        self.hosts[host]
            .log
            .iter()
            .any(|(_, _, line)| line.contains(text))
    }

    pub fn errors(&self, host: usize) -> Vec<&str> {
        self.hosts[host]
            .log
            .iter()
            .filter(|(_, level, _)| *level <= Level::Error)
            .map(|(_, _, t)| t.as_str())
            .collect()
    }

    #[track_caller]
    pub fn assert_no_errors(&self) {
        for host in 0..self.hosts.len() {
            assert!(
                self.errors(host).is_empty(),
                "{:?}\n{}",
                self.errors(host),
                self.story()
            );
        }
    }

    /// All logs in the order of time.
    pub fn story(&self) -> String {
        let mut lines: Vec<(Duration, String)> = Vec::new();
        for host in &self.hosts {
            for (at, level, text) in &host.log {
                lines.push((
                    *at,
                    format!("{:9.3} {} {level:?}: {text}", at.as_secs_f64(), host.name),
                ));
            }
        }
        lines.sort_by_key(|(at, _)| *at);
        lines.into_iter().map(|(_, line)| line + "\n").collect()
    }

    /// Two nodes (or more), started together, every group at home.
    pub fn settled(count: usize, settings: Settings) -> World {
        let mut world = World::new(count, settings);
        world.start_all();
        world.run(secs(25));
        for host in 0..count {
            let (owner, key) = world.groups[host].clone();
            assert_eq!(
                world.holders(&key),
                vec![owner.as_str()],
                "\n{}",
                world.story()
            );
        }
        world
    }
}
