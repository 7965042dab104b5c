//! Statuses, communication, deaths and healed partitions (`wire-protocol.md` 6).

use std::time::Duration;

use ha_wire::Message;

use super::peer::Word;
use super::{Model, Unasked, Version};

/// The own dead time is raised by so much at the start, and for so long (6.2).
const START_RAISED: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(5));

/// `reqnodes` is sent again after this time.
const ASK_FOR_NODES: Duration = Duration::from_secs(1);

impl Model {
    /// The media are open.
    pub(crate) fn start(&mut self) {
        let (by, time) = START_RAISED;
        self.raise_dead_time(by, time);
        self.status = Word::Up;
        self.log("Local status now set to: 'up'");
        self.send_status();
        self.send_status();
    }

    /// Others are to be patient with us.
    pub(super) fn raise_dead_time(&mut self, by: Duration, time: Duration) {
        self.raised = Some((by, self.now + time));
        self.send_status();
    }

    pub(super) fn lower_dead_time(&mut self) {
        if self.raised.is_some_and(|(_, until)| until <= self.now) {
            self.raised = None;
            self.send_status();
        }
    }

    pub(super) fn send_status(&mut self) {
        let raised = self.raised.map_or(Duration::ZERO, |(by, _)| by);
        let patience = (self.settings.deadtime + raised).as_millis();
        let mut message = Message::new();
        message.push("t", "status");
        message.push("st", self.status.word());
        message.push("dt", format!("{patience:x}"));
        message.push("protocol", "1");
        self.send(message);
    }

    // ---- Others' statuses ------------------------------------------------------------------------------------------

    pub(super) fn hear_status(&mut self, from: usize, message: &Message) {
        let Some(word) = message.text("st").and_then(Word::from_word) else {
            return;
        };
        let ts = message.hex("ts").unwrap_or(0);
        let seq = message.hex("seq").unwrap_or(0);
        let own = from == self.settings.local;
        let peer = &self.peers[from];
        if ts < peer.status_ts && seq < peer.status_seq {
            return;
        }
        let interval = self.now.saturating_sub(peer.status_at);
        if !peer.fresh && interval > peer.patience && !own && self.settings.version == Version::V3_0
        {
            // 3.0.6 buries once more whoever has just come back (6.4, step 4).
            self.log(format!(
                "Late heartbeat: Node {}",
                self.settings.nodes[from]
            ));
            self.node_died(from);
            self.buried = Some(Unasked::Late);
        }
        let peer = &mut self.peers[from];
        let changed = peer.status != word;
        peer.status = word;
        peer.fresh = false;
        if let Some(patience) = message.hex("dt") {
            peer.patience = Duration::from_millis(patience);
        }
        peer.status_ts = ts;
        peer.status_seq = seq;
        peer.status_at = self.now;
        if changed && !own {
            self.log(format!(
                "Status update for node {}: status {}",
                self.settings.nodes[from],
                word.word()
            ));
            self.queue_notification(message.clone());
        }
    }

    pub(super) fn refresh_link(&mut self, from: usize, medium: usize) {
        let now = self.now;
        if let Some(link) = self.peers[from].links.get_mut(medium) {
            *link = (true, now);
        }
    }

    // ---- Deaths ----------------------------------------------------------------------------------------------------

    pub(super) fn look_at_nodes(&mut self, starved: bool) {
        let looked = std::mem::replace(&mut self.wall_looked, self.wall);
        if self.wall < looked {
            self.log("Clock jumped backwards. Compensating.");
            return;
        }
        for place in 0..self.peers.len() {
            let peer = &self.peers[place];
            let patience = match self.comm_up {
                true => peer.patience,
                false => self.settings.initdead,
            };
            if peer.status != Word::Dead && self.now.saturating_sub(peer.status_at) > patience {
                let unheard = self.peers[place].generation == 0;
                self.node_died(place);
                self.buried = match starved {
                    true => Some(Unasked::Starved),
                    false => unheard.then_some(Unasked::Unheard),
                };
            }
        }
        // Quirk: all links have the patience of the node that is configured last (6.5).
        let last = self.peers.last().map(|peer| peer.patience);
        let patience = match self.comm_up {
            true => last.unwrap_or(self.settings.deadtime),
            false => self.settings.initdead,
        };
        for (up, refreshed) in self.peers.iter_mut().flat_map(|peer| &mut peer.links) {
            *up = *up && self.now.saturating_sub(*refreshed) <= patience;
        }
    }

    fn node_died(&mut self, place: usize) {
        self.log(format!("node {}: is dead", self.settings.nodes[place]));
        self.buried = None;
        if self.peers[place].status != Word::Dead {
            self.burials[place] += 1;
        }
        self.peers[place].status = Word::Dead;
        if place == self.settings.local {
            self.log("No local heartbeat. Forcing restart.");
            self.give_up_all(true);
        } else {
            self.recover(place);
        }
        self.peers[place].forget();
    }

    /// A node that was dead is heard, and has not started since (6.7).
    pub(super) fn partition_healed(&mut self, from: usize) {
        self.log(format!(
            "Cluster node {} returning after partition.",
            self.settings.nodes[from]
        ));
        self.send_status();
        self.restart_soon();
    }

    // ---- Communication ---------------------------------------------------------------------------------------------

    /// Everybody was heard or is dead: others are asked for the nodes they know (6.3).
    pub(super) fn check_communication(&mut self) {
        if self.comm_up || self.next_reqnodes.is_some() {
            return;
        }
        let known = |peer: &super::Peer| peer.heard || peer.status == Word::Dead;
        if self.peers.iter().all(known) {
            self.ask_for_nodes();
        }
    }

    pub(super) fn ask_for_nodes(&mut self) {
        let local = self.settings.local;
        let alive = |&place: &usize| place != local && self.peers[place].status != Word::Dead;
        let Some(place) = (0..self.peers.len()).find(alive) else {
            return self.communication_up();
        };
        self.next_reqnodes = Some(self.now + ASK_FOR_NODES);
        let mut message = Message::new();
        message.push("t", "reqnodes");
        message.push("dest", self.settings.nodes[place].as_str());
        self.send(message);
    }

    /// Answered at any time, also before the own communication is up. The answer is no status: whoever asks may not know
    /// yet that we are active (`resource-protocol.md` 2.10).
    pub(super) fn answer_reqnodes(&mut self, from: usize) {
        let mut message = Message::new();
        message.push("dest", self.settings.nodes[from].as_str());
        message.push("t", "repnodes");
        message.push("nodelist", self.settings.nodes.join(" ") + " ");
        message.push("delnodelist", " ");
        self.send(message);
    }

    pub(super) fn nodes_told(&mut self) {
        if !self.comm_up {
            self.communication_up();
        }
    }

    fn communication_up(&mut self) {
        self.comm_up = true;
        self.next_reqnodes = None;
        self.status = Word::Active;
        self.log("Comm_now_up(): updating status to active");
        self.send_status();
        self.begin_resources();
        self.retry_shutdown();
    }
}
