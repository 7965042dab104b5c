//! Agreed moves of groups from one node to another: failback, standby and takeover by an operator's command, and groups
//! that could not be started.
//!
//! The giver says whose groups it gives to whom; the taker says that it takes them; the giver releases, and then no longer
//! says that it holds them; the taker claims and acquires them. Each says so as long as it is so, and each gives up if the
//! other is not there any more.

use std::time::Duration;

use ha_wire::Message;

use super::Holding;
use super::unclaimed::LOOK_SOON;
use crate::FailedGroup;
use crate::core::Core;

/// The other must say within this time that it takes what we give.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// How long a failback that nobody answered is not tried again.
const GIVE_AGAIN: Duration = Duration::from_secs(5);

/// Groups of one owner that are on their way to another node.
#[derive(Clone, Debug)]
pub(super) struct Giving {
    pub(super) to: String,
    /// They could not be started here.
    pub(super) failed: bool,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Until the other answers, or this time.
    Offered(Duration),
    Releasing,
}

/// Groups of one owner that another node gives us.
#[derive(Clone, Debug)]
pub(super) struct Taking {
    from: String,
    /// They could not be started there.
    failed: bool,
}

impl Core {
    /// The groups are being stopped here, to be given to another node.
    pub(super) fn is_being_given(&self, owner: &str) -> bool {
        let giving = self.crowd.gives.get(owner);
        giving.is_some_and(|giving| giving.stage == Stage::Releasing)
    }

    // ---- The giver -----------------------------------------------------------------------------------------------

    /// True if the groups are ours to give just now.
    fn can_give(&self, owner: &str) -> bool {
        let holding = self.crowd.held.get(owner);
        holding.is_some_and(|holding| !holding.yielding && !holding.disputed)
            && !self.crowd.gives.contains_key(owner)
    }

    fn offer(&mut self, owner: &str, to: &str, failed: bool) {
        let until = self.now.mono + ANSWER_WAIT;
        self.info(format!(
            "standby: {to} is asked to take the resources of {owner}"
        ));
        let giving = Giving {
            to: to.to_owned(),
            failed,
            stage: Stage::Offered(until),
        };
        self.crowd.gives.insert(owner.to_owned(), giving);
        self.crowd_changed();
    }

    pub(super) fn continue_gives(&mut self) {
        for (owner, giving) in self.crowd.gives.clone() {
            let Stage::Offered(until) = giving.stage else {
                continue;
            };
            let taker = self.find(&giving.to).map(|node| &node.crowd);
            let accepted = taker.is_some_and(|peer| peer.fresh && peer.word.takes.contains(&owner));
            if !self.is_present(&giving.to) || !self.crowd.held.contains_key(&owner) {
                self.info("Cancelling pending standby operation");
                self.crowd.gives.remove(&owner);
            } else if accepted && self.jobs.acquires(&owner, &self.config.local) {
                // Their start here has not ended yet; its end leads here again.
            } else if accepted {
                self.info(format!(
                    "standby: {} can take the resources of {owner}",
                    giving.to
                ));
                if let Some(giving) = self.crowd.gives.get_mut(&owner) {
                    giving.stage = Stage::Releasing;
                }
                self.info(format!("give up HA resources of {owner} (standby)."));
                self.start_release_of(&owner);
            } else if until <= self.now.mono {
                self.warn("No reply to standby request.  Standby request cancelled.");
                self.crowd.gives.remove(&owner);
                if giving.failed {
                    self.crowd.failed.insert(owner.clone());
                }
                let again = self.now.mono + GIVE_AGAIN;
                self.crowd.give_again.insert(owner, again);
            } else {
                self.wake_at(until);
            }
        }
    }

    /// The stop scripts have ended: from now on nothing of these groups runs here.
    pub(crate) fn crowd_released(&mut self, owner: &str) {
        if self.crowd.gives.remove(owner).is_some() {
            self.info(format!(
                "HA resource release of {owner} completed (standby)."
            ));
        }
        self.crowd.held.remove(owner);
        self.mirror_held();
        self.crowd_changed();
    }

    /// What is to be given although nobody asks just now: failback, and groups that could not be started here.
    pub(super) fn plan_gives(&mut self) {
        let now = self.now.mono;
        self.crowd.give_again.retain(|_, until| *until > now);
        if self.shutdown.wanted() {
            return;
        }
        let owners: Vec<String> = self.crowd.held.keys().cloned().collect();
        for owner in owners {
            if !self.can_give(&owner) || self.jobs.acquires(&owner, &self.config.local) {
                continue;
            }
            let failed = self.crowd.failed.contains(&owner);
            let to = match failed {
                true => self.other_node(),
                false => Some(owner.clone()).filter(|owner| self.wants_back(owner)),
            };
            match (to, self.crowd.give_again.get(&owner)) {
                (None, _) => {}
                (Some(_), Some(until)) => self.wake_at(*until),
                (Some(to), None) => {
                    self.crowd.failed.remove(&owner);
                    self.offer(&owner, &to, failed);
                }
            }
        }
    }

    /// Automatic failback (`resource-protocol.md` 2.6): the owner is there again and has settled.
    fn wants_back(&self, owner: &str) -> bool {
        let due = self
            .crowd
            .held
            .get(owner)
            .is_some_and(|holding| holding.failback);
        let peer = self.find(owner).map(|node| &node.crowd);
        let settled = peer.is_some_and(|peer| peer.fresh && peer.word.settled);
        due && settled && self.auto() && !self.is_us(owner) && self.is_present(owner)
    }

    /// The first other node in configuration order that is there.
    fn other_node(&self) -> Option<String> {
        let other = self.peers().find(|node| self.is_present(&node.name))?;
        Some(other.name.clone())
    }

    // ---- The taker -----------------------------------------------------------------------------------------------

    pub(super) fn continue_takes(&mut self) {
        for (owner, taking) in self.crowd.takes.clone() {
            self.continue_take(&owner, taking);
        }
        if self.shutdown.wanted() {
            return;
        }
        let mut offers = Vec::new();
        for node in self
            .peers()
            .filter(|node| !node.is_dead() && node.crowd.fresh)
        {
            let word = &node.crowd.word;
            for (owner, to) in &word.gives {
                if self.is_us(to) && word.held.contains(owner) {
                    let taking = Taking {
                        from: node.name.clone(),
                        failed: word.failed.contains(owner),
                    };
                    offers.push((owner.clone(), taking));
                }
            }
        }
        for (owner, taking) in offers {
            if !self.crowd.held.contains_key(&owner) && !self.crowd.takes.contains_key(&owner) {
                self.info(format!(
                    "{} wants to give the resources of {owner} to this node (standby)",
                    taking.from
                ));
                self.crowd.takes.insert(owner, taking);
            }
        }
    }

    fn continue_take(&mut self, owner: &str, taking: Taking) {
        let Some(giver) = self.find(&taking.from).filter(|node| !node.is_dead()) else {
            return self.cancel_take(owner);
        };
        if !giver.crowd.fresh {
            // It restarted, or was out of reach: it will say what became of them.
            return;
        }
        if giver.crowd.word.held.contains(owner) {
            let to = giver.crowd.word.gives.get(owner);
            if !to.is_some_and(|to| self.is_us(to)) {
                self.cancel_take(owner);
            }
            return;
        }
        if self.claimants(owner).next().is_some() {
            return self.cancel_take(owner);
        }
        if self.has_to_listen() {
            // We may have been declared dead, and somebody else has them.
            return self.wake_at(self.now.mono + LOOK_SOON);
        }
        self.crowd.takes.remove(owner);
        let holding = Holding {
            failback: !self.is_us(owner) && !self.is_present(owner),
            moved: taking.failed,
            ..Holding::default()
        };
        self.crowd.held.insert(owner.to_owned(), holding);
        self.mirror_held();
        self.info(format!("acquire HA resources of {owner} (standby)."));
        self.start_acquire_of(owner);
    }

    /// We did not run for so long that what was to be given to us may have gone elsewhere.
    pub(crate) fn crowd_takes_are_old(&mut self) {
        let owners: Vec<String> = self.crowd.takes.keys().cloned().collect();
        for owner in owners {
            self.cancel_take(&owner);
        }
    }

    fn cancel_take(&mut self, owner: &str) {
        self.info("Cancelling pending standby operation");
        self.crowd.takes.remove(owner);
    }

    /// The start scripts have ended.
    pub(crate) fn crowd_acquired(&mut self, owner: &str, failed: Vec<FailedGroup>) {
        self.info(format!(
            "HA resource acquisition of {owner} completed (standby)."
        ));
        if self.is_us(owner) && self.auto() {
            self.local_work_done("auto_failback");
        }
        self.crowd_groups_failed(owner, failed);
        self.crowd_changed();
    }

    /// Groups could not be started here and have been stopped again. All groups of their owner go to another node, once.
    pub(crate) fn crowd_groups_failed(&mut self, owner: &str, failed: Vec<FailedGroup>) {
        let moved = self
            .crowd
            .held
            .get(owner)
            .is_some_and(|holding| holding.moved);
        for FailedGroup { key, .. } in failed {
            if moved {
                self.error(format!(
                    "group {key} could not be started on either node: it stays stopped"
                ));
                continue;
            }
            self.warn(format!(
                "group {key} could not be started here: the resources of {owner} shall go to another node"
            ));
            self.crowd.failed.insert(owner.to_owned());
        }
        self.crowd_changed();
    }

    // ---- Operators -----------------------------------------------------------------------------------------------

    /// `ask_resources` from hb_standby, ipfail or the like on this node. What other nodes were asked is theirs to do.
    pub(crate) fn crowd_standby(&mut self, source: &str, message: &Message) {
        let info = message.text("info").unwrap_or_default();
        if !self.is_us(source) || !info.eq_ignore_ascii_case("me") {
            return;
        }
        let word = message.text("rsc_hold").unwrap_or("all");
        if !self.crowd.settled || self.shutdown.wanted() {
            self.warn(format!(
                "standby message [{info}] from {source} ignored.  local resources in flux."
            ));
            return;
        }
        let Some(kind) = crate::Hold::from_word(word).filter(|kind| *kind != crate::Hold::NONE)
        else {
            return self.error("no resources to give up");
        };
        self.info(format!("{source} wants to go standby [{kind}]"));
        for owner in self.held_of(kind, source) {
            let home =
                Some(owner.clone()).filter(|home| !self.is_us(home) && self.is_present(home));
            match home.or_else(|| self.other_node()) {
                Some(to) => self.offer(&owner, &to, false),
                None => self.warn(format!("No other node can take the resources of {owner}.")),
            }
        }
    }

    /// `hb_takeover` on another node: whoever holds what it wants gives it.
    pub(crate) fn crowd_takeover(&mut self, source: &str, word: Option<&str>) {
        let kind = match word {
            Some("local") => crate::Hold::LOCAL,
            Some("foreign") => crate::Hold::FOREIGN,
            _ => crate::Hold::ALL,
        };
        if !self.crowd.settled || self.shutdown.wanted() || !self.is_present(source) {
            return;
        }
        let Some(to) = self.known_owner(source) else {
            return;
        };
        for owner in self.held_of(kind, source) {
            self.offer(&owner, &to, false);
        }
    }

    /// What we hold and can give of one half of haresources, as `node` sees the halves.
    fn held_of(&self, kind: crate::Hold, node: &str) -> Vec<String> {
        let half = |owner: &&String| match owner.eq_ignore_ascii_case(node) {
            true => kind.local,
            false => kind.foreign,
        };
        let held = self.crowd.held.keys().filter(half);
        held.filter(|owner| self.can_give(owner)).cloned().collect()
    }

    /// An operator moves groups: failures of the past are forgiven.
    pub(crate) fn crowd_forgives(&mut self) {
        self.crowd.failed.clear();
        for holding in self.crowd.held.values_mut() {
            holding.moved = false;
        }
    }
}
