//! Who holds what in clusters of three to sixteen nodes. `auto_failback legacy` is `on` there.
//!
//! The legacy's resource protocol knows only "us" and "the other" (`resource-protocol.md` 2.11). Here each node tells all
//! others whose groups it holds, whose it gives to whom, and whose it waits for ([`word`]), and each decides from what all
//! have told what it has to do itself:
//!
//! * [`settling`]: what it hears when it starts, and from nodes that come and go;
//! * [`unclaimed`]: groups that nobody holds any more, and who takes them;
//! * [`disputes`]: groups that two nodes hold, and which of them lets go;
//! * [`giving`]: agreed moves, by failback, by an operator, or because a start failed.
//!
//! Nothing here is a sequence of messages that could break off: whenever something has changed, [`Core::decide`] looks at
//! the whole, and a state that is told once more changes nothing. What may run on a node is claimed by it from before the
//! first start script to after the last stop script, so that a release has ended before anybody acquires.
//!
//! With two nodes none of this is used; the legacy would not understand it.

mod disputes;
mod giving;
mod peer;
mod settling;
mod unclaimed;
mod word;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ha_wire::Message;

use crate::Hold;
use crate::core::Core;
use crate::node::Node;

use giving::{Giving, Taking};
pub(crate) use peer::Peer;
use unclaimed::Unclaimed;
pub(crate) use word::Word;

/// How often a node repeats what it told, should all copies of it have been lost.
const REPEAT: Duration = Duration::from_secs(10);

/// The same before its communication is up.
const REPEAT_EARLY: Duration = Duration::from_secs(3);

/// What this node knows and does, beside what the others have told ([`Peer`]). Keys are names of nodes: the owners of
/// groups.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    /// Something has changed since the last decision.
    changed: bool,
    /// When to decide anew although nothing changes.
    wake: Option<Duration>,
    /// All who live have told us what they hold, or did not in time.
    settled: bool,
    /// Until when we wait for that.
    settle_by: Option<Duration>,
    /// When to ask again those who have not told.
    ask_again: Option<Duration>,
    /// Whose groups may run here.
    held: BTreeMap<String, Holding>,
    gives: BTreeMap<String, Giving>,
    takes: BTreeMap<String, Taking>,
    /// Whose groups nobody holds.
    unclaimed: BTreeMap<String, Unclaimed>,
    /// Whose groups need no patience once nobody holds them: it is known why.
    free: BTreeSet<String>,
    /// Whose groups are not offered again before that time.
    give_again: BTreeMap<String, Duration>,
    /// Whose groups could not be started here and shall go to another node.
    failed: BTreeSet<String>,
    /// Whose groups a killed predecessor may have left running here.
    unchecked: BTreeSet<String>,
    /// When to look for that once more.
    check_again: Option<Duration>,
    /// What we told last, and when it is repeated.
    told: Option<Word>,
    repeat: Option<Duration>,
    /// It has been said that legacy nodes do not fit in here.
    legacy_told: bool,
}

/// Groups of one owner that may run here.
#[derive(Clone, Copy, Debug, Default)]
struct Holding {
    /// Their owner was not there when they came here, or has died since: it gets them back.
    failback: bool,
    /// Another node holds them too, and keeps them: they are being released.
    yielding: bool,
    /// Another node holds them too, and has to let go.
    disputed: bool,
    /// They came here because they could not be started elsewhere.
    moved: bool,
}

impl Core {
    /// More than two nodes. The legacy's protocol was made for two.
    pub(crate) fn is_crowd(&self) -> bool {
        self.nodes.iter().filter(|node| !node.is_ping()).count() > 2
    }

    /// The rules of this module are in force.
    pub(crate) fn in_crowd(&self) -> bool {
        self.config.managed && self.is_crowd()
    }

    pub(crate) fn crowd_changed(&mut self) {
        self.crowd.changed = true;
    }

    /// The predicate S of `resource-protocol.md` 2.2: nothing is under way here.
    pub(crate) fn crowd_is_stable(&self) -> bool {
        self.crowd.settled && self.crowd_is_quiet()
    }

    /// No group is on its way.
    pub(crate) fn crowd_is_quiet(&self) -> bool {
        let crowd = &self.crowd;
        let moving = !crowd.gives.is_empty() || !crowd.takes.is_empty() || self.jobs.moving();
        !moving && self.jobs.idle()
    }

    // ---- Decisions -----------------------------------------------------------------------------------------------

    pub(crate) fn crowd_deadline(&self) -> Option<Duration> {
        let crowd = &self.crowd;
        if !self.comm_up {
            return crowd.repeat;
        }
        let now = crowd.changed.then_some(self.now.mono);
        [now, crowd.wake, crowd.ask_again, crowd.repeat]
            .into_iter()
            .flatten()
            .min()
    }

    pub(crate) fn run_crowd_timers(&mut self) {
        let now = self.now.mono;
        let due = |when: Option<Duration>| when.is_some_and(|when| when <= now);
        if !self.comm_up {
            if due(self.crowd.repeat) {
                self.tell_crowd(None);
            }
            return;
        }
        self.ask_silent_nodes();
        if self.crowd.changed || due(self.crowd.wake) {
            self.crowd.changed = false;
            self.crowd.wake = None;
            self.decide();
        }
        if self.crowd.told.as_ref() != Some(&self.own_word()) || due(self.crowd.repeat) {
            self.tell_crowd(None);
        }
    }

    /// Looks at everything that is known and does what is to be done here.
    fn decide(&mut self) {
        if self.shutdown.in_progress() {
            return;
        }
        self.report_legacy();
        self.settle();
        if !self.crowd.settled {
            return;
        }
        self.settle_disputes();
        self.continue_takes();
        self.continue_gives();
        self.take_unclaimed();
        self.release_what_a_predecessor_left();
        self.plan_gives();
        self.mirror_held();
        self.retry_shutdown();
    }

    /// Decides again at that time at the latest.
    fn wake_at(&mut self, when: Duration) {
        let earlier = self.crowd.wake.map_or(when, |old| old.min(when));
        self.crowd.wake = Some(earlier);
    }

    // ---- What we say ---------------------------------------------------------------------------------------------

    fn own_word(&self) -> Word {
        let crowd = &self.crowd;
        let held = crowd.held.keys().cloned().collect();
        let early = !self.comm_up;
        let here = self
            .peers()
            .filter(|node| !node.is_dead() && node.crowd.here);
        let knows = here
            .map(|node| (node.name.clone(), node.generation))
            .collect();
        if self.shutdown.leaves() {
            return Word {
                held,
                knows,
                early,
                ..Word::default()
            };
        }
        let gives = crowd.gives.iter();
        let failed = gives.clone().filter(|(_, giving)| giving.failed);
        Word {
            held,
            failed: failed.map(|(owner, _)| owner.clone()).collect(),
            gives: gives
                .map(|(owner, giving)| (owner.clone(), giving.to.clone()))
                .collect(),
            takes: crowd.takes.keys().cloned().collect(),
            knows,
            early,
            settled: crowd.settled,
        }
    }

    /// Tells everybody what we hold. To a legacy node it is an ordinary `resource` message.
    pub(crate) fn tell_crowd(&mut self, info: Option<&str>) {
        self.mirror_held();
        let word = self.own_word();
        let leaving = self.shutdown.leaves().then_some("shutdown");
        let mut message = Message::new();
        message.push("t", "resource");
        message.push("rsc_hold", self.rsc.ihold.word());
        message.push("rtype", "full");
        message.push("isstable", if word.settled { "1" } else { "0" });
        if let Some(info) = leaving.or(info) {
            message.push("info", info);
        }
        word.write(&mut message);
        self.crowd.told = Some(word);
        let pause = match self.comm_up {
            true => REPEAT,
            false => REPEAT_EARLY,
        };
        self.crowd.repeat = leaving.is_none().then_some(self.now.mono + pause);
        self.send(message);
    }

    /// Clients, and a process executed in our place, ask for the two halves of haresources.
    fn mirror_held(&mut self) {
        if self.shutdown.in_progress() {
            return;
        }
        let held = &self.crowd.held;
        self.rsc.ihold = Hold {
            local: held.contains_key(&self.config.local),
            foreign: held.keys().any(|owner| *owner != self.config.local),
        };
    }

    /// Names of the nodes whose groups may run here.
    pub(crate) fn owners_held(&self) -> Vec<String> {
        if self.in_crowd() {
            return self.crowd.held.keys().cloned().collect();
        }
        let half = |node: &&Node| match self.is_us(&node.name) {
            true => self.rsc.ihold.local,
            false => self.rsc.ihold.foreign,
        };
        let normal = self.nodes.iter().filter(|node| !node.is_ping());
        normal.filter(half).map(|node| node.name.clone()).collect()
    }

    /// Everything is released.
    pub(crate) fn crowd_gave_up_all(&mut self) {
        self.crowd.held.clear();
        self.crowd.gives.clear();
        self.crowd.takes.clear();
    }

    // ---- Who is who ----------------------------------------------------------------------------------------------

    /// Names of all normal nodes, in configuration order.
    fn owners(&self) -> Vec<String> {
        let normal = self.nodes.iter().filter(|node| !node.is_ping());
        normal.map(|node| node.name.clone()).collect()
    }

    /// The name of a configured normal node in its own spelling.
    fn known_owner(&self, name: &str) -> Option<String> {
        let node = self.find(name).filter(|node| !node.is_ping())?;
        Some(node.name.clone())
    }

    /// The node takes part: it can be given groups, and takes those that nobody holds.
    fn is_present(&self, name: &str) -> bool {
        if self.is_us(name) {
            return !self.shutdown.in_progress();
        }
        self.find(name).is_some_and(|node| {
            !node.is_dead() && node.crowd.here && !node.crowd.leaving && !node.crowd.legacy
        })
    }

    /// The living nodes, other than us, that say that groups of `owner` may run there; also those that have not
    /// confirmed it since they were away.
    fn claimants<'a>(&'a self, owner: &'a str) -> impl Iterator<Item = &'a Node> {
        let claims = move |node: &&Node| !node.is_dead() && node.crowd.word.held.contains(owner);
        self.peers().filter(claims)
    }
}
