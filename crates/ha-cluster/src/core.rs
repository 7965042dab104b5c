//! The core itself: its state, its four calls, and its own status.
//!
//! Messages leave through [`crate::sending`]; what arrives is judged in [`crate::delivery`], who lives in
//! [`crate::membership`], who owns what in [`crate::resources`], [`crate::standby`] and [`crate::shutdown`], or among more
//! than two in [`crate::crowd`], and who is reset before that in [`crate::fencing`].

use std::collections::VecDeque;
use std::time::Duration;

use ha_wire::Message;

use crate::api::Api;
use crate::crowd::Crowd;
use crate::fencing::Fencing;
use crate::history::History;
use crate::jobs::Jobs;
use crate::node::{Link, Node, Status};
use crate::punctuality::Punctuality;
use crate::random::Random;
use crate::requests::Requests;
use crate::resources::Resources;
use crate::shutdown::Shutdown;
use crate::snapshot::Counters;
use crate::throttle::{Cause, Throttle};
use crate::{Action, Config, DeletedNode, Input, Level, MediumKind, NodeKind, Now};

/// How much longer than `deadtime` we ask to be waited for while we start (`wire-protocol.md` 6.2).
const START_GRACE: Duration = Duration::from_secs(2);

/// How long that grace is asked for.
const START_GRACE_SPAN: Duration = Duration::from_secs(5);

/// The same while we execute ourselves anew (6.2, 6.9).
pub(crate) const RESTART_GRACE: Duration = Duration::from_secs(30);

/// How often an unanswered `reqnodes` is repeated (6.3).
pub(crate) const REQNODES_REPEAT: Duration = Duration::from_secs(1);

/// The heartbeat core of one node.
#[derive(Debug)]
pub struct Core {
    pub(crate) config: Config,
    pub(crate) now: Now,
    pub(crate) random: Random,
    pub(crate) throttle: Throttle,
    pub(crate) counters: Counters,
    pub(crate) actions: VecDeque<Action>,

    /// In configuration order; ours is among them.
    pub(crate) nodes: Vec<Node>,
    /// Those removed with `delnode`.
    pub(crate) deleted: Vec<DeletedNode>,
    /// They have been told to the shell.
    pub(crate) deleted_told: bool,
    pub(crate) started: Duration,
    pub(crate) comm_up: bool,
    /// Until a status without `protocol` is seen (5.9).
    pub(crate) flow_control: bool,
    /// Whom we asked for the node list, and when to ask again.
    pub(crate) asked: Option<(String, Duration)>,
    pub(crate) punctuality: Punctuality,
    /// It is time, and not something that happened, that calls: what has arrived was read before.
    pub(crate) judging: bool,

    pub(crate) next_seq: u64,
    pub(crate) history: History,
    pub(crate) load: String,
    next_status: Duration,
    grace: Duration,
    grace_until: Option<Duration>,
    pub(crate) has_serial: bool,

    pub(crate) rsc: Resources,
    pub(crate) crowd: Crowd,
    pub(crate) jobs: Jobs,
    pub(crate) fencing: Fencing,
    pub(crate) requests: Requests,
    pub(crate) shutdown: Shutdown,
    pub(crate) api: Api,
}

impl Core {
    /// A core that has not started yet; feed [`Input::Start`] when the media are open.
    pub fn new(config: Config, now: Now) -> Core {
        let mut random = Random::new(config.seed);
        let nodes = config
            .nodes
            .iter()
            .map(|spec| {
                let deadtime = if spec.kind == NodeKind::Ping {
                    config.deadping
                } else {
                    config.deadtime
                };
                Node::new(
                    spec,
                    deadtime,
                    random.below(10),
                    links_of(&config, spec),
                    now.mono,
                )
            })
            .collect();
        let has_serial = config
            .media
            .iter()
            .any(|medium| medium.kind == MediumKind::Serial);
        let rsc = Resources::new(&config);
        Core {
            now,
            random,
            throttle: Throttle::default(),
            counters: Counters::default(),
            actions: VecDeque::new(),
            nodes,
            deleted: Vec::new(),
            deleted_told: false,
            started: now.mono,
            comm_up: false,
            flow_control: true,
            asked: None,
            punctuality: Punctuality::new(now.mono),
            judging: false,
            next_seq: 1,
            history: History::default(),
            load: "n/a".to_owned(),
            next_status: now.mono + config.keepalive,
            grace: Duration::ZERO,
            grace_until: None,
            has_serial,
            rsc,
            crowd: Crowd::default(),
            jobs: Jobs::default(),
            fencing: Fencing::default(),
            requests: Requests::default(),
            shutdown: Shutdown::default(),
            api: Api::default(),
            config,
        }
    }

    /// Takes in one thing that happened. Drain [`Core::poll_action`] afterwards.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        self.notice_clock_step(now);
        self.notice_stall(now);
        self.now = now;
        self.judging = matches!(input, Input::Timer);
        match input {
            Input::Start => self.start(),
            Input::Datagram { medium, payload } => self.receive(medium, payload),
            Input::Timer => {}
            Input::Inject { message } => self.inject(message),
            Input::JobEnded { id, outcome } => self.job_ended(id, outcome),
            Input::Shutdown => self.request_shutdown(),
            Input::QuickRestart => self.request_quick_restart(),
            Input::NewKeys(keys) => self.config.keys = *keys,
            Input::LoadAverage(text) => {
                self.load.clear();
                self.load
                    .extend(text.chars().take(64).take_while(|c| !c.is_control()));
            }
            Input::ClientStarting => self.raise_grace(START_GRACE),
            Input::ClientsGone => self.clients_gone(),
            Input::ClientAccepted { client, peer } => self.client_accepted(client, peer),
            Input::ClientMessage {
                client,
                body,
                exists,
            } => self.client_message(client, body, exists),
            Input::ClientGone { client, gone } => self.client_gone(client, gone),
            Input::AuditClients { exists } => self.audit_clients(exists),
            Input::ProcessEnded { pid } => self.process_ended(pid),
            Input::DebugLevel(level) => self.config.api.set_parameter("debug", level.to_string()),
        }
        self.run_timers();
    }

    /// The next thing to do, in order.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Input::Timer`] is due, on the monotonic clock.
    pub fn next_deadline(&self) -> Option<Duration> {
        if self.shutdown.over() {
            return None;
        }
        [
            Some(self.next_status),
            self.grace_until,
            self.membership_deadline(),
            self.resource_deadline(),
            self.jobs_deadline(),
            self.fencing.deadline(),
            self.requests.deadline(),
            self.shutdown.deadline(),
            self.client_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn start(&mut self) {
        self.started = self.now.mono;
        for node in &mut self.nodes {
            node.last_status = self.now.mono;
        }
        self.raise_grace(START_GRACE);
        if self.legacy_among_several() {
            self.warn("auto_failback legacy knows two nodes only: with more it is on");
        }
        self.set_own_status(Status::Up);
        self.send_status();
        self.introduce_to_crowd();
        self.next_status = self.now.mono + self.config.keepalive;
    }

    fn run_timers(&mut self) {
        if self.shutdown.over() {
            return;
        }
        if self.grace_until.is_some_and(|until| until <= self.now.mono) {
            self.grace_until = None;
            self.grace = Duration::ZERO;
            self.send_status();
        }
        if self.next_status <= self.now.mono {
            // From the previous due time, so that the period does not slip; but a stall is not made up for.
            self.next_status += self.config.keepalive;
            if self.next_status <= self.now.mono {
                self.next_status = self.now.mono + self.config.keepalive;
            }
            self.send_status();
            self.history
                .release(self.overall_acknowledged(), self.now.mono);
        }
        self.run_membership_timers();
        self.run_resource_timers();
        self.run_job_timers();
        self.run_fencing_timers();
        self.run_request_timers();
        self.run_shutdown_timers();
        self.run_client_timers();
    }

    // ---- Our own status ------------------------------------------------------------------------------------------

    pub(crate) fn own(&self) -> &Node {
        // Configuration checks guarantee that our own name is among the nodes.
        self.find(&self.config.local)
            .expect("the local node is configured")
    }

    pub(crate) fn own_mut(&mut self) -> &mut Node {
        let local = self.config.local.clone();
        self.find_mut(&local).expect("the local node is configured")
    }

    pub(crate) fn own_status_word(&self) -> &'static str {
        match self.own().status {
            Status::Active => "active",
            Status::Up => "up",
            _ => "init",
        }
    }

    /// Changes our status, says so on the wire, and logs it.
    pub(crate) fn set_own_status(&mut self, status: Status) {
        let word = status.word().to_owned();
        self.own_mut().status = status;
        self.send_status();
        self.info(format!("Local status now set to: '{word}'"));
    }

    /// Asks the others to be patient for a while; says so at once.
    pub(crate) fn raise_grace(&mut self, grace: Duration) {
        self.grace = self.grace.max(grace);
        let until = self.now.mono + START_GRACE_SPAN.max(grace);
        self.grace_until = Some(self.grace_until.map_or(until, |old| old.max(until)));
        self.send_status();
    }

    pub(crate) fn send_status(&mut self) {
        let mut message = Message::new();
        message.push("t", "status");
        message.push("st", self.own().status.word());
        message.push(
            "dt",
            format!("{:x}", (self.config.deadtime + self.grace).as_millis()),
        );
        if self.flow_control {
            message.push("protocol", "1");
        }
        self.send(message);
    }

    /// Highest sequence number used so far.
    pub(crate) fn last_sent(&self) -> u64 {
        self.next_seq - 1
    }

    // ---- Nodes ---------------------------------------------------------------------------------------------------

    pub(crate) fn find(&self, name: &str) -> Option<&Node> {
        self.nodes
            .iter()
            .find(|node| node.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn find_mut(&mut self, name: &str) -> Option<&mut Node> {
        self.nodes
            .iter_mut()
            .find(|node| node.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn is_us(&self, name: &str) -> bool {
        self.config.local.eq_ignore_ascii_case(name)
    }

    /// The normal nodes other than ourselves.
    pub(crate) fn peers(&self) -> impl Iterator<Item = &Node> {
        self.nodes
            .iter()
            .filter(|node| !node.is_ping() && !self.is_us(&node.name))
    }

    // ---- Output --------------------------------------------------------------------------------------------------

    pub(crate) fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    pub(crate) fn log(&mut self, level: Level, text: impl Into<String>) {
        self.act(Action::Log {
            level,
            text: text.into(),
        });
    }

    pub(crate) fn crit(&mut self, text: impl Into<String>) {
        self.log(Level::Crit, text);
    }

    pub(crate) fn error(&mut self, text: impl Into<String>) {
        self.log(Level::Error, text);
    }

    pub(crate) fn warn(&mut self, text: impl Into<String>) {
        self.log(Level::Warn, text);
    }

    pub(crate) fn info(&mut self, text: impl Into<String>) {
        self.log(Level::Info, text);
    }

    pub(crate) fn debug(&mut self, text: impl Into<String>) {
        self.log(Level::Debug, text);
    }

    /// Logs lines whose cause can be repeated from outside at any rate.
    pub(crate) fn log_limited(
        &mut self,
        cause: Cause,
        lines: impl FnOnce() -> Vec<(Level, String)>,
    ) {
        let Some(silent) = self.throttle.allow(cause, self.now.mono) else {
            return;
        };
        for (level, text) in lines() {
            self.log(level, text);
        }
        if silent > 0 {
            self.info(format!(
                "{silent} more of the same in the last while were not logged"
            ));
        }
    }
}

/// One link for each medium that can carry the node's messages (`wire-protocol.md` 6.5).
pub(crate) fn links_of(config: &Config, spec: &crate::NodeSpec) -> Vec<Link> {
    let link = |name: &str| Link {
        name: name.to_owned(),
        up: false,
        refreshed: Duration::ZERO,
    };
    match spec.kind {
        NodeKind::Ping => vec![link(&spec.name)],
        NodeKind::Normal => config
            .media
            .iter()
            .filter(|medium| matches!(medium.kind, MediumKind::Datagram | MediumKind::Serial))
            .map(|medium| link(&medium.name))
            .collect(),
    }
}
