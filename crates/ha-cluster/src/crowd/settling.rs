//! What a node of a crowd hears: when it starts, and of nodes that come, go, and return.

use std::collections::BTreeSet;
use std::time::Duration;

use ha_wire::Message;

use super::{Crowd, Holding, Word};
use crate::Hold;
use crate::core::Core;
use crate::node::{Node, Status};
use crate::resources::RState;

/// How long a node that starts waits for the word of one who lives but says nothing of resources, and how long groups that
/// nobody claims are left alone because of it. Longer than the time between two repetitions of a word: only who manages no
/// resources at all (`heartbeat -M`) is silent for so long.
pub(super) const WORD_WAIT: Duration = Duration::from_secs(20);

/// How soon it is looked again whether one whose silence is waited for is still heard.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// When a node that has started looks once more for what a killed predecessor left: its last scripts may have gone on.
const CHECK_AGAIN: Duration = Duration::from_secs(60);

/// After this time a node that speaks like a legacy one is one.
const LEGACY_SURE: Duration = Duration::from_secs(5);

/// How often those are asked who have not told.
const ASK_AGAIN: Duration = Duration::from_secs(3);

impl Core {
    /// We start. Others that are further may ask what we hold before our communication is up: nothing, or what the process
    /// before us did.
    pub(crate) fn introduce_to_crowd(&mut self) {
        if !self.in_crowd() {
            return;
        }
        if let Some(inherited) = self.rsc.inherited {
            self.inherit(inherited);
        }
        self.tell_crowd(None);
    }

    /// Words count before communication is up, too.
    pub(crate) fn crowd_listens_to(&self, kind: &str) -> bool {
        matches!(kind, "starting" | "resource") && self.in_crowd()
    }

    /// Communication is up.
    pub(crate) fn start_crowd(&mut self) {
        self.rsc.state = RState::Starting;
        if self.rsc.inherited.is_some() {
            let held: Vec<&str> = self.crowd.held.keys().map(String::as_str).collect();
            self.info(format!(
                "restart: local resources already acquired, holding those of [{}].",
                held.join(" ")
            ));
        }
        self.crowd.settle_by = Some(self.now.mono + WORD_WAIT);
        self.ask_crowd();
    }

    /// Takes up what the process before us held.
    fn inherit(&mut self, inherited: Hold) {
        let restart = self.config.restart.clone();
        let mut owners = restart.map(|restart| restart.owners).unwrap_or_default();
        owners.retain(|owner| self.known_owner(owner).is_some());
        if owners.is_empty() && inherited != Hold::NONE {
            // It knew only one other node, and one more has been added to ha.cf. We say that we hold the groups of all
            // others, so we must; those that run already stay as they are.
            owners = self.owners();
            owners.retain(|owner| match self.is_us(owner) {
                true => inherited.local,
                false => inherited.foreign,
            });
            for owner in &owners {
                if !self.is_us(owner) {
                    self.start_acquire_of(owner);
                }
            }
        }
        let holding = |owner| (owner, Holding::default());
        self.crowd.held.extend(owners.into_iter().map(holding));
    }

    /// Makes the others tell what they hold, and tells them what we hold.
    pub(crate) fn ask_crowd(&mut self) {
        self.crowd.ask_again = None;
        let mut message = Message::new();
        message.push("t", "starting");
        self.send(message);
        self.tell_crowd(None);
        self.crowd_changed();
    }

    /// It lives and has not told what it holds; or it told before it knew that we are here, and may since have taken what it
    /// will not take from now on without asking us.
    fn is_silent(&self, node: &Node) -> bool {
        let peer = &node.crowd;
        let since = peer.word.knows.get(&self.config.local);
        let knows_us = peer.legacy || since == Some(&self.config.generation);
        let told = peer.fresh && knows_us;
        !node.is_dead() && !peer.leaving && !told
    }

    /// Who was heard within this time is not late.
    pub(super) fn recent(&self) -> Duration {
        self.config.keepalive * 2 + Duration::from_secs(1)
    }

    /// Somebody may yet say that it holds what nobody claims. After the time given that is no longer believed of nodes
    /// that could have spoken: they are active, and we hear them.
    pub(super) fn awaits_a_word(&self, until: Duration) -> bool {
        let now = self.now.mono;
        let recent = self.recent();
        self.peers()
            .filter(|node| self.is_silent(node))
            .any(|node| {
                let heard = now < node.last_status + recent && node.status == Status::Active;
                now < until.max(node.crowd.doubted + WORD_WAIT) || !heard
            })
    }

    pub(super) fn ask_silent_nodes(&mut self) {
        let now = self.now.mono;
        if !self.peers().any(|node| self.is_silent(node)) || self.shutdown.in_progress() {
            self.crowd.ask_again = None;
        } else if self.crowd.ask_again.is_some_and(|due| due <= now) {
            self.ask_crowd();
            self.crowd.ask_again = Some(now + ASK_AGAIN);
        } else {
            self.crowd.ask_again.get_or_insert(now + ASK_AGAIN);
        }
    }

    /// A node that starts takes no part before everybody who lives has told what it holds.
    pub(super) fn settle(&mut self) {
        if self.crowd.settled {
            return;
        }
        let until = self.crowd.settle_by.unwrap_or(self.now.mono);
        if self.awaits_a_word(until) {
            return self.wake_at(until.max(self.now.mono + LOOK_AGAIN));
        }
        self.crowd.settled = true;
        self.crowd.settle_by = None;
        self.rsc.state = RState::Stable;
        self.info("local resource transition completed.");
        self.foreign_work_done("T_RESOURCES(them)");
        let local = self.config.local.clone();
        if self.claimants(&local).next().is_some() {
            self.info("Local Resource acquisition completed. (none)");
            self.local_work_done("T_RESOURCES(them)");
        }
        for owner in self.owners_held() {
            if !self.is_present(&owner) {
                self.owner_is_gone(&owner);
            }
        }
        // Everybody was asked: what nobody has is free at once.
        self.crowd.free.extend(self.owners());
        if self.rsc.inherited.take().is_none() {
            self.crowd.unchecked.extend(self.owners());
            self.crowd.check_again = Some(self.now.mono + CHECK_AGAIN);
        }
    }

    // ---- Messages ------------------------------------------------------------------------------------------------

    /// `starting`: another node wants to hear what we hold.
    pub(crate) fn crowd_starting(&mut self, source: &str) {
        if let Some(node) = self.find_mut(source) {
            node.crowd.here = true;
        }
        self.tell_crowd(None);
        self.crowd_changed();
    }

    /// `resource`: a node tells what it holds. Only the newest counts.
    pub(crate) fn crowd_resource(&mut self, source: &str, message: &Message) {
        let info = message.text("info");
        if self.is_us(source) {
            if info == Some("mach_down") {
                // A script of the administrator's has taken over.
                self.crowd_mach_down_ended();
            }
            return;
        }
        if self.is_overtaken(source, message) {
            return;
        }
        let word = Word::read(message, |name| self.known_owner(name));
        let legacy = word.is_none();
        if legacy && info == Some("mach_down") {
            return;
        }
        let word = word.unwrap_or_else(|| self.word_of_legacy(source, message));
        let now = self.now.mono;
        let Some(node) = self.find_mut(source) else {
            return;
        };
        // Of a node that is held dead this may be a late copy; when it lives it will be asked.
        let dead = node.is_dead();
        if !dead {
            node.crowd.fresh = true;
            node.crowd.here = !word.early;
            node.crowd.leaving = info == Some("shutdown");
            node.crowd.legacy = legacy;
            node.crowd.legacy_since = legacy.then_some(node.crowd.legacy_since.unwrap_or(now));
        } else if word.held.is_empty() {
            return;
        }
        let before = std::mem::replace(&mut node.crowd.word, word.clone());
        if word.early && word.held.is_empty() {
            // It has only begun: what its predecessor held may still run there.
            node.crowd.word.held = before.held;
        }
        if !dead {
            self.moved_from_the_dead(&word.held);
        }
        self.crowd_changed();
    }

    /// Says once that a legacy node does not fit in here. One of ours speaks so, too, until it has been told of a third node.
    pub(super) fn report_legacy(&mut self) {
        if self.crowd.legacy_told {
            return;
        }
        let legacy = |node: &Node| {
            let since = node.crowd.legacy_since.filter(|_| !node.is_dead())?;
            Some((node.name.clone(), since))
        };
        let Some((name, since)) = self.peers().find_map(legacy) else {
            return;
        };
        if self.now.mono < since + LEGACY_SURE {
            return self.wake_at(since + LEGACY_SURE);
        }
        self.crowd.legacy_told = true;
        self.warn(format!(
            "node {name} knows only clusters of two nodes: it takes over whatever dies, and is given nothing"
        ));
    }

    /// Its words do not tell the other nodes apart; its own groups are what is sure.
    fn word_of_legacy(&self, source: &str, message: &Message) -> Word {
        let local = matches!(message.text("rsc_hold"), Some("local" | "all"));
        Word {
            held: self
                .known_owner(source)
                .filter(|_| local)
                .into_iter()
                .collect(),
            settled: message.text("isstable") == Some("1"),
            ..Word::default()
        }
    }

    /// What a living node holds no longer runs on one that is dead.
    pub(super) fn moved_from_the_dead(&mut self, held: &BTreeSet<String>) {
        for node in self.nodes.iter_mut().filter(|node| node.is_dead()) {
            let peer = &mut node.crowd;
            let before = peer.word.held.len();
            peer.word.held.retain(|owner| !held.contains(owner));
            // Whoever has taken its own groups knew what it held, and has dealt with it.
            let dealt_with = peer.unknown && held.contains(&node.name);
            let moved = !peer.unknown && before > 0;
            if peer.word.held.is_empty() && (dealt_with || moved) {
                peer.clear();
            }
        }
    }

    // ---- Coming and going ----------------------------------------------------------------------------------------

    /// Its process was started anew. What its predecessor held may run there until it says that it does not.
    pub(crate) fn crowd_restarted(&mut self, name: &str) {
        let now = self.now.mono;
        if let Some(node) = self.find_mut(name) {
            node.crowd.doubt(now);
        }
        self.crowd_changed();
    }

    /// A node that we held dead was only out of reach. Both may hold what the other had, and both tell. (Of two nodes each
    /// gives up everything and starts anew, because neither knows what the other holds.)
    pub(crate) fn crowd_healed(&mut self, name: &str) {
        let now = self.now.mono;
        if let Some(node) = self.find_mut(name) {
            node.crowd.doubt(now);
            // It says a status just now, and is asked for the rest.
            node.introduce_at = None;
            node.declared_dead = false;
        }
        self.info(format!("comparing what {name} and this node hold"));
        if self.comm_up {
            self.ask_crowd();
        }
    }

    /// Nothing was heard of the node for its dead time.
    pub(crate) fn crowd_node_died(&mut self, name: &str) {
        let now = self.now.mono;
        let Some(node) = self.find_mut(name) else {
            return;
        };
        let peer = &mut node.crowd;
        // Who has not settled holds nothing yet, but is about to.
        let told = peer.fresh && (peer.word.settled || peer.leaving);
        let held = peer.word.clone().held;
        let nothing = told && held.is_empty();
        let left = nothing && peer.leaving;
        peer.doubt(now);
        peer.unknown = !told;
        if left {
            peer.clear();
        }
        self.crowd.free.extend(held);
        self.owner_is_gone(name);
        let taker = self.first_present();
        let ours = taker.as_ref().is_none_or(|taker| self.is_us(taker));
        match taker {
            _ if nothing && ours => self.fencing_unneeded(name),
            _ if nothing => self.info(format!("Dead node {name} gave up resources.")),
            Some(taker) if !ours => {
                self.info(format!("Resources of {name} are left to {taker}."));
            }
            _ => {}
        }
        self.crowd_changed();
    }

    /// `shutdone`: the node has released everything and is about to end.
    pub(crate) fn crowd_left(&mut self, name: &str) {
        let Some(node) = self.find_mut(name) else {
            return;
        };
        let peer = &mut node.crowd;
        let held = std::mem::take(&mut peer.word).held;
        peer.fresh = true;
        peer.leaving = true;
        self.crowd.free.extend(held);
        self.owner_is_gone(name);
        self.crowd_changed();
    }

    /// What belongs to it goes back to it when it returns.
    fn owner_is_gone(&mut self, name: &str) {
        let Some(owner) = self.known_owner(name) else {
            return;
        };
        if let Some(holding) = self.crowd.held.get_mut(&owner) {
            holding.failback = true;
        }
        for holding in self.crowd.held.values_mut() {
            holding.moved = false;
        }
        self.crowd.free.insert(owner);
    }

    /// Nothing of a dead node is in the way any more: it was reset, or nobody can reset it.
    pub(crate) fn crowd_cleared(&mut self, name: &str) {
        if let Some(node) = self.find_mut(name).filter(|node| node.is_dead()) {
            node.crowd.clear();
            self.crowd_changed();
        }
    }

    /// Another node says what became of the reset of a node (`stonith.md` 9).
    pub(crate) fn crowd_heard_of_reset(&mut self, message: &Message) {
        if message.text("result") != Some("OK") {
            return;
        }
        let node = message.text("node").unwrap_or_default();
        if let Some(name) = self.known_owner(node) {
            self.crowd_cleared(&name);
        }
    }

    // ---- From two nodes to more, and back ------------------------------------------------------------------------

    /// A node was added or deleted while we run.
    pub(crate) fn crowd_size_changed(&mut self, before: Vec<String>, was_crowd: bool) {
        let is_crowd = self.in_crowd();
        if !self.comm_up || was_crowd == is_crowd {
            return;
        }
        if is_crowd {
            self.cancel_standby();
            let now = self.now.mono;
            self.crowd = Crowd {
                held: before
                    .into_iter()
                    .map(|owner| (owner, Holding::default()))
                    .collect(),
                settle_by: Some(now + WORD_WAIT),
                ..Crowd::default()
            };
            self.rsc.state = RState::Starting;
            self.ask_crowd();
        } else {
            let settled = self.crowd.settled;
            self.crowd = Crowd::default();
            if settled {
                self.rsc.state = RState::Stable;
            }
            self.ask_for_resources();
        }
    }
}
