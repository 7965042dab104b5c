//! Groups that nobody holds: their holder died, left, or lost its memory.
//!
//! They are taken by their owner if it is there, else by the first node in configuration order that is. If a dead node may
//! still run them, it is reset first where that is configured.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Holding;
use super::settling::{LOOK_AGAIN, WORD_WAIT};
use crate::core::Core;
use crate::mutation::{Mutation, broken};
use crate::node::Status;

/// How long nobody must claim groups before they are taken, unless it is known what became of their holder: the message
/// that says otherwise may be on its way.
const PATIENCE: Duration = Duration::from_secs(3);

/// How soon it is looked again whether a node that was late or lossy still is.
pub(super) const LOOK_SOON: Duration = Duration::from_millis(250);

/// After this time it is not the first in configuration order who takes them, but the one whose name comes first: each may
/// wait for another, if two ha.cf list the nodes in different orders.
const LONG_PATIENCE: Duration = Duration::from_secs(20);

/// Groups of one owner that nobody holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unclaimed {
    /// Since when, as far as we know.
    since: Duration,
    /// We have said so.
    reported: bool,
}

impl Core {
    pub(super) fn take_unclaimed(&mut self) {
        let owners = self.owners();
        self.crowd
            .unclaimed
            .retain(|owner, _| owners.contains(owner));
        for owner in owners {
            if self.is_claimed(&owner) {
                self.crowd.unclaimed.remove(&owner);
                self.crowd.free.remove(&owner);
            } else {
                self.consider(&owner);
            }
        }
    }

    /// Somebody holds the groups, or is about to.
    fn is_claimed(&self, owner: &str) -> bool {
        let crowd = &self.crowd;
        let awaited = |node: &crate::node::Node| {
            !node.is_dead() && node.crowd.fresh && node.crowd.word.takes.contains(owner)
        };
        // An owner that is about to be active takes its own, and a living legacy node does so without asking us.
        let coming = self.find(owner).is_some_and(|node| {
            let active = node.status == Status::Active && !node.crowd.fresh;
            let starts = !node.crowd.here && !active;
            !self.is_us(owner)
                && !node.is_dead()
                && !node.crowd.leaving
                && (starts || node.crowd.legacy)
        });
        coming
            || crowd.held.contains_key(owner)
            || crowd.takes.contains_key(owner)
            || self.claimants(owner).next().is_some()
            || self.peers().any(awaited)
    }

    fn consider(&mut self, owner: &str) {
        let now = self.now.mono;
        let Unclaimed { since, reported } = *self
            .crowd
            .unclaimed
            .entry(owner.to_owned())
            .or_insert(Unclaimed {
                since: now,
                reported: false,
            });
        if self.awaits_a_word(since + WORD_WAIT) {
            return self.wake_at((since + WORD_WAIT).max(now + LOOK_AGAIN));
        }
        let known = self.crowd.free.contains(owner);
        if !known && now < since + PATIENCE {
            return self.wake_at(since + PATIENCE);
        }
        let unsure = self.has_to_listen()
            || self.is_late_or_lossy(now >= since + PATIENCE)
            || self.somebody_hears_the_dead();
        if unsure {
            return self.wake_at(now + LOOK_SOON);
        }
        let late = since + LONG_PATIENCE;
        if now < late {
            self.wake_at(late);
        }
        let late = now >= late && !self.is_present(owner);
        let ours = self.takes_first(owner) || (late && self.is_first_by_name());
        if !ours {
            return;
        }
        if !known && !reported {
            self.report_unclaimed(owner);
        }
        for node in self.who_may_still_run(owner) {
            self.take_over_safely(&node);
        }
        if self.who_may_still_run(owner).is_empty() {
            self.take(owner);
        }
    }

    /// This node did not run for a while: what happened meanwhile is still being read.
    pub(crate) fn has_to_listen(&self) -> bool {
        self.now.mono < self.punctuality.judge_from
    }

    /// A living node was not heard lately, or messages of it are missing: it may have taken what we believe to be
    /// unclaimed, or died itself. So two nodes that fall silent together are declared dead before anything is taken.
    fn is_late_or_lossy(&self, long: bool) -> bool {
        let now = self.now.mono;
        let recent = self.recent();
        self.peers()
            .filter(|node| !node.is_dead() && !node.crowd.leaving)
            .any(|node| {
                let lossy = node.tracking.next_request().is_some() && !long;
                lossy || now >= node.last_status + recent
            })
    }

    /// Another node still hears one that we hold dead: not it has died, but the way from it to us. What it holds it says to
    /// others. (Of two nodes nobody can know that.)
    fn somebody_hears_the_dead(&self) -> bool {
        let witness =
            |node: &&crate::node::Node| !node.is_dead() && node.crowd.fresh && !node.crowd.leaving;
        let dead = self
            .peers()
            .filter(|node| node.is_dead() && !node.crowd.cleared);
        dead.into_iter().any(|dead| {
            let mut witnesses = self.peers().filter(witness);
            witnesses.any(|node| node.crowd.word.knows.contains_key(&dead.name))
        })
    }

    fn report_unclaimed(&mut self, owner: &str) {
        if let Some(unclaimed) = self.crowd.unclaimed.get_mut(owner) {
            unclaimed.reported = true;
        }
        self.error(match self.is_us(owner) {
            true => "No one owns our local resources!".to_owned(),
            false => format!("No one owns the resources of {owner}!"),
        });
    }

    /// Of the nodes that are there, which takes groups of nobody's: ourselves among them.
    pub(super) fn first_present(&self) -> Option<String> {
        let present = |node: &&crate::node::Node| !node.is_ping() && self.is_present(&node.name);
        let first = self.nodes.iter().find(present)?;
        Some(first.name.clone())
    }

    fn takes_first(&self, owner: &str) -> bool {
        if self.is_present(owner) {
            return self.is_us(owner);
        }
        if broken(Mutation::EverybodyTakes) {
            return true;
        }
        self.first_present().is_some_and(|first| self.is_us(&first))
    }

    fn is_first_by_name(&self) -> bool {
        let before = |node: &crate::node::Node| node.name < self.config.local;
        !self
            .peers()
            .any(|node| before(node) && self.is_present(&node.name))
    }

    /// Dead nodes on which groups of `owner` may still run, so that they must be reset first. Where that can be done, it is
    /// all who have not left cleanly: since we heard them last they may have taken the groups, as we are about to.
    fn who_may_still_run(&self, owner: &str) -> Vec<String> {
        let all = self.can_fence();
        let may = |node: &&crate::node::Node| {
            let peer = &node.crowd;
            let runs = all || peer.unknown || peer.word.held.contains(owner);
            node.is_dead() && !peer.cleared && runs
        };
        self.peers()
            .filter(may)
            .map(|node| node.name.clone())
            .collect()
    }

    /// If the process before us was killed, groups may still run here that others hold, or will. What we take ourselves is
    /// found running and stays so.
    pub(super) fn release_what_a_predecessor_left(&mut self) {
        match self.crowd.check_again {
            Some(due) if due <= self.now.mono => {
                self.crowd.check_again = None;
                self.crowd.unchecked.extend(self.owners());
            }
            Some(due) => self.wake_at(due),
            None => {}
        }
        let mut stale = Vec::new();
        for owner in std::mem::take(&mut self.crowd.unchecked) {
            if self.crowd.held.contains_key(&owner) {
                continue;
            }
            if self.is_claimed(&owner) || !self.takes_first(&owner) {
                stale.push(owner);
            } else {
                self.crowd.unchecked.insert(owner);
            }
        }
        if !stale.is_empty() {
            self.start_release_stale_of(stale);
        }
    }

    fn take(&mut self, owner: &str) {
        let away = !self.is_us(owner) && !self.is_present(owner);
        let holding = Holding {
            failback: away,
            ..Holding::default()
        };
        self.crowd.unclaimed.remove(owner);
        self.crowd.free.remove(owner);
        self.crowd.held.insert(owner.to_owned(), holding);
        self.mirror_held();
        self.moved_from_the_dead(&BTreeSet::from([owner.to_owned()]));
        if self.is_us(owner) {
            let dont_ask = self.active_count() < 2;
            self.start_acquire_local(dont_ask);
            return;
        }
        self.info(format!("Resources being acquired from {owner}."));
        self.notify_dead(owner, false);
    }

    /// The takeover of a dead node's groups has come to its end.
    pub(crate) fn crowd_mach_down_ended(&mut self) {
        self.info("mach_down takeover complete.");
        self.foreign_work_done("mach_down");
        self.crowd_changed();
    }
}
