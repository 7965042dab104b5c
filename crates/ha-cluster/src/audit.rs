//! Does what both nodes say fit together? (`resource-protocol.md` 2.8)
//!
//! The legacy only complains. Here a lasting contradiction is mended: groups that nobody owns are taken by the node
//! whose lines they are, and of two owners one lets go. Both arise when a node starts while it cannot hear the other:
//! for the other it is a restarted node, not a healed partition, so that nobody gives anything up.

use std::time::Duration;

use crate::core::Core;
use crate::mutation::{Mutation, broken};
use crate::resources::RState;
use crate::{Action, Hold};

/// How long nobody must own our groups before we take them: the message that says otherwise may be on its way.
const ORPHAN_WAIT: Duration = Duration::from_secs(1);

/// How long both must claim the other's groups before we let go of them.
const FOREIGN_CONFLICT_WAIT: Duration = Duration::from_secs(2);

/// How long the other may keep claiming our own groups. It would have let go long before if it were one of ours; a
/// legacy node never does, so that we must.
const LOCAL_CONFLICT_WAIT: Duration = Duration::from_secs(10);

/// How long nobody must own the other's groups before it is given them: one of ours would have taken them long before. A
/// legacy node that was told, before it said anything else, that it holds nothing never does (2.8, 3.9).
const FOREIGN_ORPHAN_WAIT: Duration = Duration::from_secs(10);

/// Since when each contradiction has lasted.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    orphaned: Option<Duration>,
    foreign_orphaned: Option<Duration>,
    /// They were offered, and not taken.
    foreign_offered: bool,
    foreign_conflict: Option<Duration>,
    local_conflict: Option<Duration>,
}

impl Audit {
    /// `judge_from`: before that moment we have not listened for long enough.
    pub(crate) fn deadline(&self, judge_from: Duration) -> Option<Duration> {
        [
            self.orphaned.map(|since| since + ORPHAN_WAIT),
            self.foreign_orphaned
                .map(|since| since + FOREIGN_ORPHAN_WAIT),
            self.foreign_conflict
                .map(|since| since + FOREIGN_CONFLICT_WAIT),
            self.local_conflict.map(|since| since + LOCAL_CONFLICT_WAIT),
        ]
        .into_iter()
        .flatten()
        .min()
        .map(|due| due.max(judge_from))
    }
}

impl Core {
    /// Called after every resource message and every finished job.
    pub(crate) fn audit(&mut self) {
        if !self.nice() || !self.config.managed || self.in_crowd() {
            return;
        }
        let (local, foreign) = self.conflicts();
        if local {
            self.resource_error("Both machines own our resources!".to_owned());
        }
        if foreign {
            self.resource_error("Both machines own foreign resources!".to_owned());
        }
        let quiet = self.quiet();
        let now = self.now.mono;
        let since = |old: Option<Duration>, holds: bool| {
            if holds {
                Some(old.unwrap_or(now))
            } else {
                None
            }
        };
        let had_conflict =
            self.rsc.audit.local_conflict.is_some() || self.rsc.audit.foreign_conflict.is_some();
        self.rsc.audit = Audit {
            orphaned: since(
                self.rsc.audit.orphaned,
                quiet && self.our_groups_are_orphaned(),
            ),
            foreign_orphaned: since(
                self.rsc.audit.foreign_orphaned,
                quiet && self.their_groups_are_orphaned(),
            ),
            foreign_offered: self.rsc.audit.foreign_offered && self.their_groups_are_orphaned(),
            foreign_conflict: since(self.rsc.audit.foreign_conflict, quiet && foreign),
            local_conflict: since(self.rsc.audit.local_conflict, quiet && local),
        };
        if had_conflict && !local && !foreign {
            // Somebody let go; those who learned the other's hardware address must learn ours.
            self.act(Action::AnnounceAddresses);
        }
    }

    /// Ours claimed by both, theirs claimed by both.
    fn conflicts(&self) -> (bool, bool) {
        let (ihold, ohold) = (self.rsc.ihold, self.rsc.ohold);
        (ihold.local && ohold.foreign, ihold.foreign && ohold.local)
    }

    fn our_groups_are_orphaned(&self) -> bool {
        !self.rsc.ihold.local && !self.rsc.ohold.foreign
    }

    fn their_groups_are_orphaned(&self) -> bool {
        !self.rsc.ihold.foreign && !self.rsc.ohold.local
    }

    /// Nothing is under way that could explain a contradiction.
    fn quiet(&self) -> bool {
        self.rsc.state == RState::Stable
            && self.is_free()
            && !self.fencing.pending()
            && self.stable()
            && !self.shutdown.wanted()
    }

    pub(crate) fn run_audit_timers(&mut self) {
        let now = self.now.mono;
        if broken(Mutation::NoAudit) {
            self.rsc.audit = Audit::default();
        }
        if now < self.punctuality.judge_from {
            return;
        }
        let due = |since: Option<Duration>, wait: Duration| {
            since.is_some_and(|since| since + wait <= now)
        };
        let audit = &self.rsc.audit;
        let orphaned = due(audit.orphaned, ORPHAN_WAIT);
        let theirs = due(audit.foreign_orphaned, FOREIGN_ORPHAN_WAIT);
        let foreign = due(audit.foreign_conflict, FOREIGN_CONFLICT_WAIT);
        let local = due(audit.local_conflict, LOCAL_CONFLICT_WAIT);
        if !(orphaned || theirs || foreign || local) {
            return;
        }
        if !self.quiet() {
            self.rsc.audit = Audit::default();
            return;
        }
        if orphaned {
            self.rsc.audit.orphaned = None;
            self.error("No one owns our local resources!");
            self.acquire_local(true);
            self.send_state();
        }
        if theirs {
            self.rsc.audit.foreign_orphaned = None;
            if self.their_groups_are_orphaned() {
                self.error("No one owns foreign resources!");
                let again = self.rsc.audit.foreign_offered;
                self.rsc.audit.foreign_offered = !again;
                self.offer_foreign(again);
            }
        }
        let (mut set, (local_now, foreign_now)) = (Hold::NONE, self.conflicts());
        if foreign {
            self.rsc.audit.foreign_conflict = None;
            set.foreign = foreign_now;
        }
        if local {
            self.rsc.audit.local_conflict = None;
            set.local = local_now;
        }
        if set != Hold::NONE {
            self.warn(format!(
                "Both machines hold {set} resources: this node lets go of them"
            ));
            self.start_yield(set);
        }
    }
}
