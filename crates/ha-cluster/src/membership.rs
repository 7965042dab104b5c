//! Who is alive: statuses, links, communication-up, death, restart and healed partitions (`wire-protocol.md` 6).

use std::time::Duration;

use ha_wire::Message;

use crate::api::Class;
use crate::core::{Core, REQNODES_REPEAT};
use crate::mutation::{Mutation, broken};
use crate::node::Status;
use crate::throttle::Cause;
use crate::{Action, AutoJoin, Level, Notification};

/// How long a node may take to speak of its resources before we ask.
const INTRODUCTION_WAIT: Duration = Duration::from_secs(2);

/// Two seconds after a heal both sides give everything up and start anew (6.7).
pub(crate) const HEAL_PAUSE: Duration = Duration::from_secs(2);

impl Core {
    // ---- Links ---------------------------------------------------------------------------------------------------

    /// A packet of `name` came in on a medium: the first link of that name lives (6.5).
    pub(crate) fn refresh_link(&mut self, name: &str, medium: &str) {
        let now = self.now.mono;
        let Some(node) = self.find_mut(name) else {
            return;
        };
        let Some(link) = node.links.iter_mut().find(|link| link.name == medium) else {
            return;
        };
        link.refreshed = now;
        if link.up {
            return;
        }
        link.up = true;
        let (node, link) = (node.name.clone(), link.name.clone());
        self.info(format!("Link {node}:{link} up."));
        self.link_changed(node, link, true);
    }

    fn link_changed(&mut self, node: String, link: String, up: bool) {
        let word = if up { "up" } else { "dead" };
        let fields = vec![
            ("t".to_owned(), "ifstat".to_owned()),
            ("node".to_owned(), node),
            ("ifname".to_owned(), link),
            ("st".to_owned(), word.to_owned()),
        ];
        self.show_fields(&fields);
        self.notify("ifstat", fields);
    }

    /// How long a link of this node may be silent. The legacy uses the dead time of the node configured last for all
    /// links; here each node's own counts.
    fn link_timeout(&self, node: &crate::node::Node) -> Duration {
        if self.comm_up {
            node.deadtime
        } else {
            self.config.initdead
        }
    }

    fn check_links(&mut self) {
        let (now, judge_from) = (self.now.mono, self.punctuality.judge_from);
        let mut dead = Vec::new();
        for index in 0..self.nodes.len() {
            let timeout = self.link_timeout(&self.nodes[index]);
            let node = &mut self.nodes[index];
            if node.name == self.config.local {
                continue;
            }
            for link in &mut node.links {
                if link.up && now >= (link.refreshed + timeout).max(judge_from) {
                    link.up = false;
                    dead.push((node.name.clone(), link.name.clone()));
                }
            }
        }
        for (node, link) in dead {
            self.info(format!("Link {node}:{link} dead."));
            self.link_changed(node, link, false);
        }
    }

    // ---- Timers --------------------------------------------------------------------------------------------------

    /// Until when the node may be silent, if it can still die.
    fn death_due(&self, node: &crate::node::Node) -> Option<Duration> {
        if node.is_dead() || node.name == self.config.local {
            return None;
        }
        let patience = if self.comm_up {
            node.deadtime
        } else {
            self.config.initdead
        };
        let patience = match broken(Mutation::EarlyDeath) {
            true => patience / 2,
            false => patience,
        };
        Some((node.last_status + patience).max(self.punctuality.judge_from))
    }

    pub(crate) fn membership_deadline(&self) -> Option<Duration> {
        let deaths = self.nodes.iter().filter_map(|node| self.death_due(node));
        let judge_from = self.punctuality.judge_from;
        let links = self
            .nodes
            .iter()
            .filter(|node| node.name != self.config.local)
            .flat_map(|node| {
                let timeout = self.link_timeout(node);
                node.links
                    .iter()
                    .filter(|link| link.up)
                    .map(move |link| (link.refreshed + timeout).max(judge_from))
            });
        let asked = if self.comm_up {
            None
        } else {
            self.asked.as_ref().map(|(_, due)| *due)
        };
        let introductions = self.nodes.iter().filter_map(|node| node.introduce_at);
        deaths
            .chain(links)
            .chain(introductions)
            .chain(asked)
            .chain(self.joining_until())
            .chain(self.next_request())
            .min()
    }

    pub(crate) fn run_membership_timers(&mut self) {
        self.request_missing();
        self.watch_history();
        let now = self.now.mono;
        // While datagrams are read one after the other, the sign of life may be the next one.
        if self.judging {
            let silent: Vec<String> = self
                .nodes
                .iter()
                .filter(|node| self.death_due(node).is_some_and(|due| due <= now))
                .map(|node| node.name.clone())
                .collect();
            for name in silent {
                self.node_died(&name);
            }
            // Links after nodes: a client hears of both in the legacy's order.
            self.check_links();
        }
        self.introduce_ourselves();
        self.try_comm_up();
    }

    // ---- Statuses ------------------------------------------------------------------------------------------------

    /// A `status`, or the `NS_st` of a ping node (6.4). `source` is configured.
    pub(crate) fn process_status(&mut self, source: &str, message: &Message) {
        let ours = self.is_us(source);
        let Some(word) = message.text("st") else {
            self.log_limited(Cause::BadFields, || {
                vec![(
                    Level::Error,
                    "HBDoMsg_T_STATUS: status update without st field".to_owned(),
                )]
            });
            return;
        };
        let status = Status::from_word(word);
        let (seq, ts) = (
            message.hex("seq").unwrap_or(0),
            message.hex("ts").unwrap_or(0),
        );
        let dt = message.hex("dt").map(Duration::from_millis);
        let now = self.now.mono;
        let (warntime, flow_control) = (self.config.warntime, self.flow_control);
        let Some(node) = self.find_mut(source) else {
            return;
        };
        if ts < node.status_ts && seq < node.status_seq {
            return;
        }
        if std::mem::take(&mut node.joining) {
            node.last_status = now;
            return;
        }
        let name = node.name.clone();
        let is_ping = node.is_ping();
        let interval = now.saturating_sub(node.last_status);
        let late = node.interval_known && interval > warntime;
        let changed = node.status != status;
        let was_live = node.status.live();
        if let Some(dt) = dt.filter(|dt| !dt.is_zero()) {
            node.deadtime = dt;
        }
        node.last_status = now;
        node.interval_known = true;
        node.status_ts = ts;
        node.status_seq = seq;
        if !ours {
            node.status = status.clone();
        }
        if flow_control && !is_ping && !ours && !message.contains("protocol") {
            self.flow_control = false;
            self.info("flow control disabled due to different version heartbeat");
        }
        if late {
            self.warn(format!(
                "Late heartbeat: Node {name}: interval {} ms",
                interval.as_millis()
            ));
        }
        if ours {
            self.act(Action::FeedWatchdog);
            self.show(Class::NoChange, message);
            return;
        }
        if changed {
            self.crowd_changed();
            self.notice_introduction(&name, was_live, &status);
            if status.live() && !was_live {
                let sent = self.last_sent();
                if let Some(node) = self.find_mut(&name) {
                    node.acknowledged_base = sent;
                }
            }
            self.info(format!(
                "Status update for node {name}: status {}",
                status.word()
            ));
            self.notify("status", crate::jobs::text_fields(message));
            self.show(Class::Kept, message);
        } else {
            self.show(Class::NoChange, message);
        }
        self.acquire_when_peers_are_known();
    }

    /// A node that comes to life says `init` and `up` first, and `starting` when it is active. One that we had declared
    /// dead and that is active at once ran while we could not hear it, and may hold what we took over. The legacy
    /// notices nothing if it has never heard that node before, since its test for a healed partition wants a generation
    /// that it knows.
    fn notice_introduction(&mut self, name: &str, was_live: bool, status: &Status) {
        let due = self.now.mono + INTRODUCTION_WAIT;
        let possible =
            self.comm_up && self.config.managed && !was_live && *status == Status::Active;
        if let Some(node) = self.find_mut(name).filter(|node| !node.is_ping()) {
            let declared_dead = std::mem::take(&mut node.declared_dead);
            node.introduce_at = if possible && declared_dead {
                Some(due)
            } else {
                None
            };
        }
    }

    /// The node spoke of its resources by itself.
    pub(crate) fn introduced(&mut self, name: &str) {
        if let Some(node) = self.find_mut(name) {
            node.introduce_at = None;
        }
    }

    fn introduce_ourselves(&mut self) {
        let now = self.now.mono;
        let mut strangers = Vec::new();
        for node in &mut self.nodes {
            if node.introduce_at.is_some_and(|due| due <= now) {
                node.introduce_at = None;
                strangers.push(node.name.clone());
            }
        }
        for name in strangers {
            self.warn(format!(
                "node {name} was active before we could hear it: comparing what each of us holds"
            ));
            if self.nice() {
                if !self.in_crowd() {
                    // It may be about to acquire for the first time, and does not before it has been told something. (In
                    // this order, since a question that comes after a later word counts for nothing.)
                    self.send_state();
                }
                self.ask_for_resources();
            } else {
                // Without resource messages nobody can compare; both give everything up and start anew, as after
                // any other partition.
                self.plan_heal_restart(now);
            }
        }
    }

    /// A message with a higher generation: the node's heartbeat started anew (5.2 rule 5, 6.8). `by_status` says that it is
    /// a status, which is looked at next and is then news of its own, `init` too.
    pub(crate) fn peer_restarted(&mut self, source: &str, generation: u64, by_status: bool) {
        let now = self.now.mono;
        let Some(node) = self.find_mut(source) else {
            return;
        };
        let known = node.generation > 0;
        let name = node.name.clone();
        node.generation = generation;
        if !broken(Mutation::NumbersGoOn) {
            node.tracking.reset();
        }
        node.resource_seq = 0;
        node.status_seq = 0;
        node.status_ts = 0;
        node.acknowledged = 0;
        if node.is_dead() && !by_status {
            // It speaks, though its first status may have been lost: the next one is not a healed partition.
            node.status = Status::Init;
        }
        node.last_status = now;
        node.interval_known = false;
        node.has_resources = true;
        node.told_holdings = false;
        node.letting_go = false;
        self.crowd_restarted(&name);
        if known {
            self.info(format!("Heartbeat restart on node {name}"));
            self.jobs.forget_requests_of(&name);
            self.peer_lost_its_memory(&name);
        }
    }

    /// A status of unchanged generation from a node that we hold dead (6.7).
    pub(crate) fn partition_healed(&mut self, source: &str) {
        let Some(node) = self.find(source) else {
            return;
        };
        let name = node.name.clone();
        self.crit(format!("Cluster node {name} returning after partition."));
        self.info("For information on cluster partitions, See URL: http://linux-ha.org/SplitBrain");
        self.warn("Deadtime value may be too small.");
        self.info("See FAQ for information on tuning deadtime.");
        self.info("URL: http://linux-ha.org/FAQ#heavy_load");
        self.send_status();
        if self.in_crowd() {
            self.crowd_healed(&name);
        } else if self.nice() && self.is_being_reset(source) {
            // Nothing of it was taken over, so there is nothing to give up. If it took over from us it restarts itself.
            self.info(format!(
                "Nothing was taken over from {name} while it was away: no restart."
            ));
        } else if self.config.managed && !broken(Mutation::HealIgnored) {
            self.plan_heal_restart(self.now.mono + HEAL_PAUSE);
        }
    }

    // ---- Death ---------------------------------------------------------------------------------------------------

    /// Nothing was heard of the node for its dead time (6.6).
    fn node_died(&mut self, name: &str) {
        let Some(node) = self.find_mut(name) else {
            return;
        };
        let is_ping = node.is_ping();
        let was_heard = node.heard;
        let had_resources = node.has_resources;
        node.status = Status::Dead;
        node.declared_dead = true;
        node.interval_known = false;
        node.status_ts = 0;
        node.introduce_at = None;
        node.acknowledged = 0;
        node.tracking.died();
        let name = node.name.clone();
        self.warn(format!("node {name}: is dead"));
        self.jobs.forget_requests_of(&name);
        let internal = self.death_message(&name, is_ping);
        self.show_fields(&internal);
        // Comm-up runs inside the processing of a death that completes it (`resource-protocol.md` 3.3).
        self.fencing_is_decided(is_ping);
        self.try_comm_up();
        if is_ping {
            self.notify_dead(&name, true);
        } else if self.config.managed {
            self.recover_dead_node(&name, was_heard, had_resources);
        }
        self.fencing_is_decided(true);
        if let Some(node) = self.find_mut(&name) {
            node.heard = false;
            node.told_holdings = false;
            node.letting_go = false;
        }
        self.acquire_when_peers_are_known();
    }

    /// The internal status of a dead node, for clients and for `rc.d/status` (`resource-protocol.md` 2.5).
    fn death_message(&self, name: &str, ping: bool) -> Vec<(String, String)> {
        let mut fields = vec![
            ("t".to_owned(), "status".to_owned()),
            ("seq".to_owned(), "1".to_owned()),
            ("ts".to_owned(), format!("{:x}", self.now.wall)),
            ("src".to_owned(), name.to_owned()),
            ("st".to_owned(), "dead".to_owned()),
        ];
        if ping {
            fields.push(("info".to_owned(), "ping".to_owned()));
        }
        fields
    }

    pub(crate) fn notify_dead(&mut self, name: &str, ping: bool) {
        let fields = self.death_message(name, ping);
        self.notify("status", fields);
    }

    pub(crate) fn notify(&mut self, kind: &str, fields: Vec<(String, String)>) {
        let notification = Notification {
            kind: kind.to_owned(),
            fields,
            own_status: self.own_status_word(),
            nice: self.nice(),
        };
        self.queue_notification(notification);
    }

    // ---- Communication up ----------------------------------------------------------------------------------------

    /// Where nodes may join by themselves, nobody knows that all are there before initdead is over (6.3).
    fn joining_until(&self) -> Option<Duration> {
        let open = self.config.autojoin != AutoJoin::None && !self.comm_up;
        open.then(|| self.started + self.config.initdead)
            .filter(|end| self.now.mono < *end)
    }

    /// The rule of 6.3: everybody was heard or is dead, and somebody told us the node list.
    pub(crate) fn try_comm_up(&mut self) {
        if self.comm_up || self.shutdown.over() {
            return;
        }
        if !self.nodes.iter().all(|node| node.heard || node.is_dead())
            || self.joining_until().is_some()
        {
            self.asked = None;
            return;
        }
        if !self.flow_control {
            self.set_comm_up();
            return;
        }
        if let Some((name, due)) = &self.asked {
            let waiting = self.find(name).is_some_and(|node| !node.is_dead());
            if waiting && *due > self.now.mono {
                return;
            }
        }
        let Some(target) = self
            .peers()
            .find(|node| !node.is_dead())
            .map(|node| node.name.clone())
        else {
            self.set_comm_up();
            return;
        };
        self.asked = Some((target.clone(), self.now.mono + REQNODES_REPEAT));
        let mut message = Message::new();
        message.push("t", "reqnodes");
        message.push("dest", target);
        self.send(message);
    }

    fn set_comm_up(&mut self) {
        self.comm_up = true;
        self.asked = None;
        // From now on a node has its own dead time, and was allowed to be silent for initdead. One that has just answered
        // us must have the time to say its next status.
        self.listen_first();
        self.own_mut().has_resources = true;
        self.info("Comm_now_up(): updating status to active");
        self.set_own_status(Status::Active);
        self.act(Action::CommUp);
        if self.config.managed {
            self.start_resources();
            self.check_devices();
        }
        self.retry_shutdown();
        self.warn_if_delayed();
    }

    /// Somebody wants the node list; answered at any time, also before our own comm-up.
    pub(crate) fn answer_reqnodes(&mut self, source: &str) {
        if self.is_us(source) {
            self.error("get_reqnodes: get reqnodes msg from myself!");
            return;
        }
        if self.comm_up {
            // A returning legacy node that hears this answer before any status of ours takes its groups without asking
            // us, although we hold them (`resource-protocol.md` 2.10).
            self.send_status();
        }
        let mut list = String::new();
        for node in self.nodes.iter().filter(|node| !node.is_ping()) {
            list.push_str(&node.name);
            list.push(' ');
        }
        let mut deleted = String::new();
        for node in &self.deleted {
            deleted.push_str(&node.name);
            deleted.push(' ');
        }
        if deleted.is_empty() {
            deleted.push(' ');
        }
        let mut message = Message::new();
        message.push("dest", source.to_ascii_lowercase());
        message.push("t", "repnodes");
        message.push("nodelist", list);
        message.push("delnodelist", deleted);
        self.send(message);
    }

    /// Any answer that is for us completes comm-up.
    pub(crate) fn receive_repnodes(&mut self, message: &Message) {
        let words = |name| {
            message
                .text(name)
                .unwrap_or_default()
                .split_ascii_whitespace()
                .map(str::to_owned)
                .collect::<Vec<String>>()
        };
        let (listed, deleted) = (words("nodelist"), words("delnodelist"));
        for name in &listed {
            if self.find(name).is_none() {
                self.add_node(name);
            }
        }
        let missing: Vec<String> = self
            .nodes
            .iter()
            .filter(|node| !node.is_ping() && !self.is_us(&node.name))
            .filter(|node| {
                !listed
                    .iter()
                    .any(|name| name.eq_ignore_ascii_case(&node.name))
            })
            .map(|node| node.name.clone())
            .collect();
        for name in missing {
            let Some(node) = self.find(&name) else {
                continue;
            };
            if matches!(node.status, Status::Dead | Status::Init) {
                self.remove_node(&name);
            } else {
                let word = node.status.word().to_owned();
                self.error(format!(
                    "remove_node: node {name} is {word}. Cannot remove alive node"
                ));
            }
        }
        self.replace_deleted(&deleted);
        if !self.comm_up {
            self.set_comm_up();
        }
    }
}
