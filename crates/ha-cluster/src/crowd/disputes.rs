//! Groups that two living nodes hold: after a healed partition, or when two views of the cluster differed for a moment.
//!
//! All apply one rule: the owner keeps them, else the node whose name comes first. (Not the first in configuration order:
//! two ha.cf may list the nodes in different orders, and then both would keep them, or neither.) The other releases.

use super::Holding;
use crate::Action;
use crate::core::Core;

impl Core {
    pub(super) fn settle_disputes(&mut self) {
        let mut over = false;
        let held: Vec<(String, Holding)> = self
            .crowd
            .held
            .iter()
            .map(|(owner, holding)| (owner.clone(), *holding))
            .collect();
        for (owner, holding) in held {
            if holding.yielding {
                continue;
            }
            let rival = self.rival(&owner);
            let disputed = rival.is_some();
            let keeps = rival.as_ref().is_none_or(|rival| {
                self.is_us(&owner) || (*rival != owner && self.config.local < *rival)
            });
            match rival {
                Some(rival) if keeps && !holding.disputed => {
                    self.warn(format!(
                        "Both {rival} and this node hold the resources of {owner}: {rival} has to let go of them"
                    ));
                }
                Some(rival) if !keeps => self.yield_to(&owner, &rival),
                None if holding.disputed => over = true,
                _ => {}
            }
            if let Some(holding) = self.crowd.held.get_mut(&owner) {
                holding.disputed = keeps && disputed;
            }
        }
        if over {
            // Those who learned the other's hardware address must learn ours.
            self.act(Action::AnnounceAddresses);
        }
    }

    /// Who else holds them: of several the one that keeps them if we do not.
    pub(crate) fn rival(&self, owner: &str) -> Option<String> {
        let sure = self.claimants(owner).filter(|node| node.crowd.fresh);
        let best = sure.min_by_key(|node| (node.name != owner, &node.name))?;
        Some(best.name.clone())
    }

    fn yield_to(&mut self, owner: &str, rival: &str) {
        // What is still being started is released when it has been: its end leads here again. What has not begun never will.
        self.jobs.forget_takeover(owner);
        if self.jobs.acquires(owner, &self.config.local) || self.is_being_given(owner) {
            return;
        }
        if let Some(holding) = self.crowd.held.get_mut(owner) {
            holding.yielding = true;
        }
        self.crowd.gives.remove(owner);
        self.warn(format!(
            "Both {rival} and this node hold the resources of {owner}: this node lets go of them"
        ));
        self.start_release_of(owner);
    }
}
