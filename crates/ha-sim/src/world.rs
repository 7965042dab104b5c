//! The machines, the network between them and the clock: everything but the judgement of what happens.
//!
//! It does what `heartbeat`'s main loop does for one core, for several: hand in what arrives, carry out what is asked for,
//! until nothing more is asked. Scripts are in [`crate::scripts`], faults in [`crate::trouble`].

use std::rc::Rc;
use std::time::Duration;

use ha_cluster::{
    Action, ApiSettings, AutoJoin, Config, Core, DeviceResult, ExitKind, FencingDevice, Input, Job,
    JobId, MediumKind, MediumSpec, NodeKind, NodeSpec, Now, RestartState,
};
use ha_wire::{CompressionSettings, KeyRing};

use crate::host::{Activity, Daemon, Host, Mind, SOCKET_BUFFER, Waiting};
use crate::legacy;
use crate::network::Network;
use crate::packet::Packet;
use crate::plan::{Cut, Scenario};
use crate::queue::Queue;
use crate::random::Random;
use crate::recording::Line;
use crate::seen::Seen;
use crate::settings::name_of;
use crate::timeline::Timeline;

/// The calendar when the monotonic clock shows 0.
const WALL_START: u64 = 1_700_000_000;

/// A machine has been up for a while when its first heartbeat starts.
pub(crate) const CLOCK_START: Duration = Duration::from_secs(100);

/// Executing ourselves anew takes this long.
const EXEC_TIME: Duration = Duration::from_millis(30);

/// Whoever stops heartbeat while nothing goes wrong any more starts it again after this time.
pub(crate) const START_AGAIN: Duration = Duration::from_secs(3);

/// Inputs that may follow one another without time passing; more is a core that runs in circles.
const STEPS_AT_ONCE_MAX: u32 = 20_000;

/// Things to come.
pub(crate) enum Happening {
    /// A datagram reaches a machine.
    Arrive {
        to: usize,
        medium: usize,
        packet: Rc<Packet>,
        damaged: Option<Vec<u8>>,
    },
    /// A datagram of a node, kept by somebody, reaches a machine.
    Replay {
        to: usize,
        medium: usize,
        packet: Rc<Packet>,
    },
    /// A datagram of a stranger reaches a machine.
    Forgery {
        to: usize,
        medium: usize,
        bytes: Vec<u8>,
    },
    /// A script ends.
    ScriptEnds { host: usize, process: u64 },
    /// A script has been running for long.
    ScriptIsSlow { host: usize, process: u64 },
    /// A fencing device has done its work, or failed.
    DeviceEnds {
        host: usize,
        generation: u64,
        job: JobId,
        reset: Option<usize>,
        result: DeviceResult,
    },
    /// A child of the legacy's master goes on.
    ChildSteps { host: usize, child: u64 },
    /// The legacy's master finds what came while it was not scheduled.
    LegacyTold { host: usize, input: legacy::Input },
    /// The respawn clients of a process have ended.
    ClientsGone { host: usize, generation: u64 },
    /// Heartbeat starts.
    Start {
        host: usize,
        number: u64,
        restart: Option<RestartState>,
    },
    /// A machine is scheduled again.
    Wake { host: usize },
    /// A fault begins; its place in the scenario.
    Begin(usize),
    /// It ends.
    End(usize),
    /// Nothing goes wrong any more.
    Quiet,
    /// Has it settled?
    Look,
}

/// The whole, without its judges.
pub(crate) struct World {
    pub(crate) now: Duration,
    pub(crate) scenario: Rc<Scenario>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) network: Network,
    pub(crate) queue: Queue<Happening>,
    /// By device: resets that will fail.
    pub(crate) device_failures: Vec<u32>,
    pub(crate) random: Random,
    pub(crate) keys: KeyRing,
    pub(crate) timeline: Timeline,
    /// What legacy nodes say and run, if it is wanted.
    pub(crate) recording: Option<Vec<Line>>,
    /// What has happened since the checkers last looked.
    pub(crate) seen: Vec<Seen>,
    /// When a fault began or ended last.
    pub(crate) calm_since: Duration,
    pub(crate) quiet: bool,
    steps_at_once: u32,
    last_step: Duration,
    last_packet: Option<Rc<Packet>>,
}

impl World {
    pub(crate) fn new(scenario: Rc<Scenario>, timeline: Timeline) -> World {
        let settings = &scenario.settings;
        let mut hosts: Vec<Host> = (0..scenario.nodes)
            .map(|number| Host::new(number, name_of(number), settings.groups.len()))
            .collect();
        for (_, event) in &scenario.events {
            if let crate::plan::Fault::Replay { of, .. } = event.fault {
                hosts[of].capture = true;
            }
        }
        let mut queue = Queue::default();
        for (host, &after) in scenario.starts.iter().enumerate() {
            let start = Happening::Start {
                host,
                number: 0,
                restart: None,
            };
            queue.plan(CLOCK_START + after, start);
            hosts[host].will_start = true;
        }
        for (place, (_, event)) in scenario.events.iter().enumerate() {
            queue.plan(CLOCK_START + event.at, Happening::Begin(place));
        }
        queue.plan(CLOCK_START + scenario.quiet_from, Happening::Quiet);
        let random = Random::new(scenario.seed, 2);
        let mut network = Network::new(scenario.nodes, settings.media, random);
        if scenario.legacy.iter().any(Option::is_some) {
            network.keep_order();
        }
        World {
            now: CLOCK_START,
            hosts,
            network,
            queue,
            device_failures: vec![0; settings.devices.len()],
            random: Random::new(scenario.seed, 3),
            keys: settings.keys(),
            timeline,
            recording: None,
            seen: Vec::new(),
            calm_since: Duration::ZERO,
            quiet: false,
            steps_at_once: 0,
            last_step: Duration::ZERO,
            last_packet: None,
            scenario,
        }
    }

    pub(crate) fn tell(&mut self, host: usize, what: impl FnOnce() -> String) {
        let name = match self.hosts.get(host) {
            Some(host) => host.name.as_str(),
            None => "--",
        };
        self.timeline.tell(self.now, name, what);
    }

    // ---- The clock -----------------------------------------------------------------------------------------------

    /// The next moment at which anything happens, and the host whose timer it is, if it is one.
    fn next(&self) -> Option<(Duration, Option<usize>)> {
        let queued = self.queue.next_at().map(|at| (at, None));
        let timers = self.hosts.iter().enumerate().filter_map(|(number, host)| {
            let awake = host.stalled_until.is_none();
            let wake = host.daemon.as_ref().filter(|_| awake)?.wake?;
            // One that is overdue after a stall comes after what waits to be read, too.
            Some((wake.max(self.now), Some(number)))
        });
        // Of equal times the queue's comes first: what has arrived is read before time is judged, as the loop does.
        queued
            .into_iter()
            .chain(timers)
            .min_by_key(|(at, timer)| (*at, timer.is_some()))
    }

    /// Takes one step, if it is due by `end`. None when there is nothing more to do; a text when a core runs in circles.
    pub(crate) fn step(&mut self, end: Duration) -> Option<Result<Option<Happening>, String>> {
        let (at, timer) = self.next().filter(|(at, _)| *at <= end)?;
        self.now = self.now.max(at);
        if self.now > self.last_step {
            self.last_step = self.now;
            self.steps_at_once = 0;
        }
        self.steps_at_once += 1;
        if self.steps_at_once > STEPS_AT_ONCE_MAX {
            return Some(Err("the clock does not advance".to_owned()));
        }
        match timer {
            Some(host) => {
                self.feed(host, Input::Timer);
                Some(Ok(None))
            }
            None => Some(Ok(self.queue.pop())),
        }
    }

    // ---- A core and what it asks for -------------------------------------------------------------------------------

    pub(crate) fn stamp(&self, host: usize) -> Now {
        let wall = WALL_START + self.now.as_secs();
        Now {
            mono: self.now,
            wall: wall.saturating_add_signed(self.hosts[host].wall_offset),
        }
    }

    fn config(&self, host: usize, generation: u64, restart: Option<RestartState>) -> Config {
        let settings = &self.scenario.settings;
        let node = |name: &Host| NodeSpec {
            name: name.name.clone(),
            kind: NodeKind::Normal,
        };
        let medium = |number: usize| MediumSpec {
            name: format!("eth{number}"),
            kind: MediumKind::Datagram,
        };
        let device = |number: usize| FencingDevice {
            id: format!("device {number}"),
        };
        Config {
            local: self.hosts[host].name.clone(),
            uuid: self.hosts[host].uuid,
            generation,
            nodes: self.hosts.iter().map(node).collect(),
            media: (0..settings.media).map(medium).collect(),
            keepalive: settings.keepalive,
            deadtime: settings.deadtime,
            deadping: settings.deadtime,
            warntime: settings.deadtime / 2,
            initdead: settings.initdead,
            auto_failback: settings.failback,
            autojoin: AutoJoin::None,
            hopfudge: 1,
            max_rexmit_delay: Duration::from_millis(250),
            encoding: settings.encoding,
            compression: CompressionSettings::default(),
            keys: self.keys.clone(),
            log_badpack: true,
            managed: true,
            restart,
            seed: self.scenario.seed ^ generation.wrapping_mul(0x9e37_79b9) ^ (host as u64) << 56,
            pid: 1000,
            fencing: (0..settings.devices.len()).map(device).collect(),
            api: ApiSettings::default(),
        }
    }

    /// Heartbeat starts. One more than the number on disk, or the calendar's on a new disk (`wire-protocol.md` 5.3).
    pub(crate) fn start(&mut self, host: usize, restart: Option<RestartState>) {
        let machine = &mut self.hosts[host];
        if machine.daemon.is_some() {
            return;
        }
        if machine.generation_on_disk.is_none() {
            // A calendar that goes back further would make the node a replay of itself: its generation comes from the
            // calendar now (`wire-protocol.md` 5.3).
            machine.wall_offset = machine.wall_offset.max(machine.wall_offset_of_disk);
            machine.wall_offset_of_disk = machine.wall_offset;
        }
        let stamp = self.stamp(host);
        let machine = &mut self.hosts[host];
        machine.comm_up_at = None;
        machine.first_sent.clear();
        machine.asked.fill(false);
        machine.releases_since = None;
        machine.will_start = false;
        let generation = machine
            .generation_on_disk
            .map_or(stamp.wall, |known| known)
            .saturating_add(1);
        machine.generation_on_disk = Some(generation);
        let orphans: Vec<u64> = machine.processes.iter().map(|process| process.id).collect();
        for process in orphans {
            // A script that outlives a killed daemon and its successor's first look is beyond what a daemon can know.
            self.hosts[host].failing_stops.fill(0);
            self.script_ends(host, process, false);
        }
        if restart.is_some() && self.legacy(host).is_some() {
            let machine = &mut self.hosts[host];
            for (group, state) in machine.groups.iter().enumerate() {
                if state.is_active() {
                    machine.unasked[group].get_or_insert(legacy::Unasked::Anew);
                }
            }
        }
        if restart.is_none() {
            self.hosts[host].lost_in_fifo = 0;
            self.hosts[host].cut_short = false;
            self.hosts[host].raced.fill(false);
            for group in &mut self.hosts[host].groups {
                group.left_behind = group.is_active();
            }
        }
        // What is left of the children of a killed one ends as scripts do.
        self.hosts[host].children.clear();
        self.hosts[host].fifo = None;
        let mind = match self.legacy(host) {
            None => {
                let config = self.config(host, generation, restart.clone());
                Mind::Ours(Box::new(Core::new(config, stamp)))
            }
            Some(node) => {
                let model = self.legacy_model(host, node, generation, restart.clone());
                Mind::Legacy(Box::new(model))
            }
        };
        self.hosts[host].daemon = Some(Daemon {
            mind,
            generation,
            wake: None,
            runs: Vec::new(),
            next_run: 0,
            ended: Vec::new(),
            handed: Default::default(),
            clients: !self.scenario.settings.client_time.is_zero(),
        });
        self.tell(host, || {
            format!(
                "=== heartbeat starts, generation {generation}{}",
                match restart {
                    Some(state) => format!(", -R {:?}", state.held.map(|held| held.word())),
                    None => String::new(),
                }
            )
        });
        self.seen.push(Seen::Started { host });
        match self.legacy(host) {
            None => self.feed(host, Input::Start),
            Some(_) => self.start_legacy(host),
        }
    }

    pub(crate) fn plan_start(
        &mut self,
        host: usize,
        after: Duration,
        restart: Option<RestartState>,
    ) {
        let machine = &mut self.hosts[host];
        machine.start_number += 1;
        machine.will_start = true;
        let number = machine.start_number;
        self.queue.plan(
            self.now + after,
            Happening::Start {
                host,
                number,
                restart,
            },
        );
    }

    /// Hands something to a core and does what it asks for.
    pub(crate) fn feed(&mut self, host: usize, input: Input<'_>) {
        let stamp = self.stamp(host);
        match self.hosts[host]
            .daemon
            .as_mut()
            .map(|daemon| &mut daemon.mind)
        {
            None => {}
            Some(Mind::Ours(core)) => {
                core.handle(stamp, input);
                self.drain(host);
            }
            Some(Mind::Legacy(_)) => {
                if let Some(input) = legacy::Input::from_ours(input) {
                    self.feed_legacy(host, input);
                }
            }
        }
    }

    fn drain(&mut self, host: usize) {
        loop {
            while let Some(action) = self.poll(host) {
                self.act(host, action);
            }
            let stamp = self.stamp(host);
            let Some(daemon) = &mut self.hosts[host].daemon else {
                break;
            };
            let Mind::Ours(core) = &mut daemon.mind else {
                break;
            };
            if daemon.ended.is_empty() {
                daemon.wake = core.next_deadline();
                let up = core.is_comm_up().then_some(self.now);
                let machine = &mut self.hosts[host];
                machine.comm_up_at = machine.comm_up_at.or(up);
                break;
            }
            for (id, outcome) in std::mem::take(&mut daemon.ended) {
                core.handle(stamp, Input::JobEnded { id, outcome });
            }
        }
        self.seen.push(Seen::Stepped { host });
    }

    fn poll(&mut self, host: usize) -> Option<Action> {
        match &mut self.hosts[host].daemon.as_mut()?.mind {
            Mind::Ours(core) => core.poll_action(),
            Mind::Legacy(_) => None,
        }
    }

    fn act(&mut self, host: usize, action: Action) {
        match action {
            Action::Transmit { medium, payload } => self.transmit(host, medium, payload),
            Action::Log { level, text } => {
                if let Some(name) = text
                    .strip_prefix("Cluster node ")
                    .and_then(|rest| rest.strip_suffix(" returning after partition."))
                {
                    let name = name.to_owned();
                    self.seen.push(Seen::Healed { host, name });
                }
                self.tell(host, || format!("{level:?}: {text}"));
            }
            Action::StartJob { id, job } => {
                self.tell(host, || format!("job {}: {job:?}", id.0));
                match job {
                    Job::Reset { device, node } => self.start_reset(host, id, device, &node),
                    Job::CheckDevice { .. } => {
                        let time = Duration::from_millis(500);
                        self.device_answers(host, id, None, DeviceResult::Done, time);
                    }
                    job => self.start_job(host, id, &job),
                }
            }
            Action::StopClients => self.stop_clients(host),
            Action::Exit(kind) => self.exit(host, kind),
            Action::CommUp
            | Action::FeedWatchdog
            | Action::AnnounceAddresses
            | Action::DeletedNodes(_)
            | Action::ToClient { .. }
            | Action::CloseClient { .. }
            | Action::ClientQueue { .. }
            | Action::PauseClient { .. }
            | Action::AuditClients => {}
        }
    }

    /// The second time there are none left.
    pub(crate) fn stop_clients(&mut self, host: usize) {
        let Some(daemon) = &mut self.hosts[host].daemon else {
            return;
        };
        let generation = daemon.generation;
        let time = match std::mem::take(&mut daemon.clients) {
            true => self.scenario.settings.client_time,
            false => Duration::ZERO,
        };
        let gone = Happening::ClientsGone { host, generation };
        self.queue.plan(self.now + time, gone);
    }

    pub(crate) fn exit(&mut self, host: usize, kind: ExitKind) {
        self.tell(host, || format!("=== heartbeat ends: {kind:?}"));
        let machine = &mut self.hosts[host];
        machine.daemon = None;
        machine.waiting.clear();
        // Scripts that still run get a signal; what they were about is left as it is.
        for process in std::mem::take(&mut machine.processes) {
            let state = &mut machine.groups[process.group];
            if state.is_active() {
                state.activity = Activity::Running;
            }
        }
        let restart = match kind {
            ExitKind::QuickRestart { held, ref owners } => {
                let owners = owners.clone();
                Some(RestartState { held, owners })
            }
            _ => None,
        };
        if restart.is_none() {
            for group in &mut machine.groups {
                group.left_behind = group.is_active();
            }
        }
        let after = match kind {
            ExitKind::Restart { pause } => pause + EXEC_TIME,
            ExitKind::QuickRestart { .. } => EXEC_TIME,
            ExitKind::Shutdown | ExitKind::Emergency => {
                machine.back_after.take().unwrap_or(START_AGAIN)
            }
        };
        self.plan_start(host, after, restart);
        self.seen.push(Seen::Exited);
    }

    // ---- Datagrams -----------------------------------------------------------------------------------------------

    pub(crate) fn transmit(&mut self, host: usize, medium: usize, payload: Rc<[u8]>) {
        let packet = match &self.last_packet {
            Some(last) if Rc::ptr_eq(&last.bytes, &payload) => Rc::clone(last),
            _ => {
                let generation = match &self.hosts[host].daemon {
                    Some(daemon) => daemon.generation,
                    None => return,
                };
                let mut packet = Packet::new(host, generation, self.now, payload);
                if let (true, Some(seq)) = (packet.resources, packet.seq) {
                    // What is sent again is as old as it was.
                    let first = self.hosts[host].first_sent.entry(seq).or_insert(self.now);
                    packet.sent = *first;
                }
                let packet = Rc::new(packet);
                if packet.resources {
                    self.tell(host, || format!("-> {}", packet.summary()));
                }
                self.hosts[host].keep_copy(&packet);
                self.last_packet = Some(Rc::clone(&packet));
                packet
            }
        };
        for to in 0..self.hosts.len() {
            if to == host && !self.scenario.settings.echo {
                continue;
            }
            let path = Cut {
                from: host,
                to,
                medium,
            };
            let (queue, now) = (&mut self.queue, self.now);
            self.network.carry(path, packet.bytes.len(), |copy| {
                let damaged = (!copy.turned.is_empty()).then(|| {
                    let mut bytes = packet.bytes.to_vec();
                    for bit in copy.turned {
                        bytes[bit / 8] ^= 1 << (bit % 8);
                    }
                    bytes
                });
                let arrive = Happening::Arrive {
                    to,
                    medium,
                    packet: Rc::clone(&packet),
                    damaged,
                };
                queue.plan(now + copy.flight, arrive);
            });
        }
    }

    pub(crate) fn arrive(
        &mut self,
        to: usize,
        medium: usize,
        packet: Rc<Packet>,
        damaged: Option<Vec<u8>>,
    ) {
        let machine = &mut self.hosts[to];
        if machine.daemon.is_none() {
            return;
        }
        if machine.stalled_until.is_some() {
            let datagrams = |waiting: &&Waiting| matches!(waiting, Waiting::Datagram { .. });
            if machine.waiting.iter().filter(datagrams).count() < SOCKET_BUFFER {
                if damaged.is_none() {
                    self.seen.push(Seen::Arrived {
                        to,
                        packet: Rc::clone(&packet),
                    });
                }
                machine.waiting.push(Waiting::Datagram {
                    medium,
                    packet,
                    damaged,
                });
            }
            return;
        }
        match damaged {
            Some(bytes) if !self.means_the_same(&bytes, &packet.bytes) => {
                self.feed_untrusted(to, medium, &bytes, "a damaged datagram");
            }
            Some(_) | None => {
                self.seen.push(Seen::Delivered {
                    to,
                    packet: Rc::clone(&packet),
                });
                if let (true, Some(seq)) = (self.hosts[packet.from].capture, packet.seq)
                    && let Some(daemon) = &mut self.hosts[to].daemon
                {
                    daemon.handed.insert((packet.from, packet.generation, seq));
                }
                let payload = &packet.bytes;
                self.feed(to, Input::Datagram { medium, payload });
            }
        }
    }

    /// Some octets do not matter, the final NUL for one: what the wire format reads as the same message is the same.
    fn means_the_same(&self, damaged: &[u8], original: &[u8]) -> bool {
        match ha_wire::decode_datagram(damaged, &self.keys) {
            Ok(message) => {
                ha_wire::decode_datagram(original, &self.keys).is_ok_and(|known| known == message)
            }
            Err(_) => false,
        }
    }

    /// A datagram that must not be believed: compares the core before and after.
    pub(crate) fn feed_untrusted(
        &mut self,
        host: usize,
        medium: usize,
        payload: &[u8],
        what: &'static str,
    ) {
        if self.legacy(host).is_some() {
            // What the model believes is its own business.
            return self.legacy_datagram(host, medium, payload);
        }
        // What is due anyway is done first, so that only the datagram can be the cause of a change.
        self.feed(host, Input::Timer);
        let state = |world: &World| {
            world.hosts[host].core().map(|core| {
                let mut snapshot = core.snapshot();
                snapshot.counters = Default::default();
                (snapshot, core.next_deadline(), core.queues())
            })
        };
        let before = state(self);
        let stamp = self.stamp(host);
        let mut changed = None;
        if let Some(daemon) = &mut self.hosts[host].daemon
            && let Mind::Ours(core) = &mut daemon.mind
        {
            core.handle(stamp, Input::Datagram { medium, payload });
            while let Some(action) = core.poll_action() {
                if !matches!(action, Action::Log { .. }) {
                    changed.get_or_insert_with(|| format!("{action:?}"));
                }
            }
        }
        let after = state(self);
        if before != after {
            changed.get_or_insert_with(|| format!("from {before:?} to {after:?}"));
        }
        self.seen.push(Seen::Untrusted {
            host,
            what,
            changed,
        });
    }
}
