//! Taking over from a node that died or left (`resource-protocol.md` 2.4.3, 2.4.7, 2.9).

use ha_wire::Message;

use crate::core::Core;
use crate::mutation::{Mutation, broken};
use crate::node::Status;
use crate::resources::{RState, Standby};
use crate::{Hold, NodeKind};

impl Core {
    /// A normal node was declared dead (2.9). `heard`: a packet of it was processed since it was last declared dead.
    pub(crate) fn recover_dead_node(&mut self, name: &str, heard: bool, had_resources: bool) {
        // It was given something, and has not said yet that it runs there.
        let given = self.rsc.standby == Standby::Done && self.jobs.acquiring() == Hold::NONE;
        if self.rsc.standby != Standby::Not {
            self.cancel_standby();
            if !self.rsc.ostable && self.rsc.ihold == Hold::ALL {
                self.rsc.ostable = true;
            }
        }
        self.rsc.moved.clear();
        let told_something = self.rsc.ohold != Hold::NONE;
        if self.shutdown.wanted() {
            // The legacy leaves OSTABLE false here and waits an hour for a word from the dead (2.7).
            if self.live_peer_count() == 0 {
                self.rsc.ostable = true;
                self.rsc.ohold = Hold::NONE;
            }
            self.retry_shutdown();
            if self.shutdown.in_progress() {
                return;
            }
        }
        if self.in_crowd() {
            return self.crowd_node_died(name);
        }
        self.rsc.needs_failback = true;
        // Its own groups have no holder that we know of: it may have taken them since.
        let orphans = self.nice() && !self.rsc.ihold.foreign && had_resources;
        let doubtful = self.can_fence() && (given || orphans);
        let may_hold = if !heard || self.holdings_unknown(name) || doubtful {
            true
        } else if self.nice() {
            told_something
        } else {
            had_resources
        };
        if may_hold {
            self.take_over_safely(name);
            return;
        }
        self.fencing_unneeded(name);
        if !self.nice() {
            self.take_over_from(name);
        } else if self.rsc.ihold == Hold::ALL {
            self.rsc.ostable = true;
        } else {
            if !self.rsc.ihold.local {
                self.acquire_local(true);
            }
            if !self.rsc.ihold.foreign {
                self.take_over_from(name);
            } else {
                self.rsc.ostable = true;
            }
        }
        self.retry_shutdown();
    }

    fn live_peer_count(&self) -> usize {
        self.peers().filter(|node| node.status.live()).count()
    }

    /// Everything of the node becomes ours (2.4.7).
    pub(crate) fn take_over_from(&mut self, name: &str) {
        let Some(kind) = self.find(name).map(|node| node.kind) else {
            return;
        };
        if self.shutdown.in_progress() {
            self.info("Resource takeover cancelled - shutdown in progress.");
            return;
        }
        if kind == NodeKind::Ping {
            self.notify_dead(name, true);
            return;
        }
        if self.in_crowd() {
            return self.crowd_cleared(name);
        }
        if self.is_crowd() {
            if let Some(taker) = self.taker_in_a_crowd(name)
                && !broken(Mutation::EverybodyTakes)
            {
                self.info(format!("Resources of {name} are left to {taker}."));
                return;
            }
            self.take_from_the_long_dead(name);
        }
        self.info(format!("Resources being acquired from {name}."));
        self.notify_dead(name, false);
        if self.nice() {
            self.rsc.ihold.foreign = true;
            self.rsc.ohold = Hold::NONE;
            self.rsc.ostable = true;
            self.rsc.takeover_in_progress = true;
        }
        self.acquire_local(true);
    }

    /// More than two nodes in legacy mode. The legacy lets every survivor take a dead node's groups, and each of them keeps
    /// them. Who else takes what `gone` held: of all active nodes the first in configuration order, which all share. None if
    /// that is ourselves.
    fn taker_in_a_crowd(&self, gone: &str) -> Option<String> {
        let mut active = self.nodes.iter().filter(|node| {
            !node.is_ping()
                && node.status == Status::Active
                && !node.name.eq_ignore_ascii_case(gone)
        });
        let taker = active.next().map(|node| node.name.clone())?;
        (!self.is_us(&taker)).then_some(taker)
    }

    /// What `gone` had taken over from others that are still dead is without a holder again.
    fn take_from_the_long_dead(&mut self, gone: &str) {
        let dead: Vec<String> = self
            .peers()
            .filter(|node| node.is_dead() && !node.name.eq_ignore_ascii_case(gone))
            .map(|node| node.name.clone())
            .collect();
        for name in dead {
            self.info(format!("Resources being acquired from {name}."));
            self.notify_dead(&name, false);
        }
    }

    /// `shutdone` (2.4.3): a node has released everything and is about to end.
    pub(crate) fn receive_shutdone(&mut self, source: &str, message: &Message) {
        self.retry_shutdown();
        if self.is_us(source) {
            self.rsc.state = RState::Shutdown;
            self.rsc.ihold = Hold::NONE;
            self.crowd_gave_up_all();
            self.begin_final_phases();
            return;
        }
        if !self.config.managed {
            return;
        }
        // The legacy first forks a child that acquires what is held already, and the takeover waits for it; its only
        // visible trace is a `done` that nobody needs.
        if let Some(node) = self.find_mut(source) {
            node.has_resources = false;
        }
        self.fencing_excused(source);
        self.holdings_told(source, true);
        self.lets_go(source, false);
        if self.in_crowd() {
            // A word that is older and comes later says nothing against it.
            self.is_overtaken(source, message);
            self.info(format!("Received shutdown notice from '{source}'."));
            return self.crowd_left(source);
        }
        self.rsc.ostable = false;
        self.rsc.ohold = Hold::NONE;
        self.info(format!("Received shutdown notice from '{source}'."));
        self.jobs.forget_requests_of(source);
        if self.comm_up && self.now.mono < self.rsc.old_words_until {
            // It may have been said long ago, and its sender be back. If it is not, it will be declared dead.
            self.info(format!(
                "Nothing is taken over from {source} before it is silent."
            ));
        } else if self.comm_up {
            self.take_over_from(source);
        }
        self.retry_shutdown();
    }
}
