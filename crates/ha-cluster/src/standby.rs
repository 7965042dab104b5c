//! Planned hand-over: standby, automatic failback, and groups that could not be started here
//! (`resource-protocol.md` 2.4.4, 2.4.6, 2.6, 3.6, 3.7).

use std::time::Duration;

use ha_wire::Message;

use crate::core::Core;
use crate::mutation::{Mutation, broken};
use crate::resources::{RETRY, RState, Standby, Word};
use crate::{FailedGroup, Hold};

/// The other must answer a request within this time.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// After our answer the giver must begin to release within this time. The legacy waits an hour here, and for that hour
/// answers nobody, when its answer came too late to be heeded (3.7).
const RELEASE_WAIT: Duration = Duration::from_secs(15);

/// Scripts may take long.
const SCRIPTS_WAIT: Duration = Duration::from_secs(3600);

/// In a request for a standby: keys of groups that could not be started at the sender. No legacy node sends or reads it.
const FAILED_FIELD: &str = "failed";

/// Keys taken from one such field at most.
const MOVED_MAX: usize = 1000;

fn standby_message(kind: Hold, info: &str) -> Message {
    let mut message = Message::new();
    message.push("t", "ask_resources");
    message.push("rsc_hold", kind.word());
    message.push("info", info);
    message
}

impl Core {
    pub(crate) fn send_standby(&mut self, kind: Hold, info: &str) {
        self.send(standby_message(kind, info));
    }

    pub(crate) fn receive_ask_resources(&mut self, source: &str, message: &Message) {
        if !self.config.managed {
            return;
        }
        if !self.nice() {
            self.info("Standby mode only implemented when nice_failback on");
            return;
        }
        if self.rsc.state == RState::Shutdown {
            return;
        }
        if self.in_crowd() {
            return self.crowd_standby(source, message);
        }
        let Some(info) = message.text("info").map(str::to_owned) else {
            self.error("Received standby message without info/from");
            return;
        };
        let kind = message
            .text("rsc_hold")
            .map_or(Some(Hold::ALL), Hold::from_word)
            .unwrap_or(Hold::NONE);
        let ours = self.is_us(source);
        let now = self.now.mono;
        let word = info.to_ascii_lowercase();
        if let Some(deadline) = self.rsc.standby_deadline.filter(|deadline| *deadline > now)
            && word == "me"
        {
            let left = (deadline - now).as_millis().div_ceil(1000);
            self.warn(format!(
                "Standby in progress- new request from {source} ignored [{left} seconds left]"
            ));
            return;
        }
        match (self.rsc.standby, word.as_str(), ours) {
            (Standby::Not, "other", false) => {
                self.warn(format!(
                    "{source} answers a standby request that is over: it is told so"
                ));
                self.release_responder();
            }
            (Standby::Not, _, _) if !self.rsc.ostable => {
                self.warn(format!(
                    "standby message [{info}] from {source} ignored.  Other side is in flux."
                ));
            }
            (Standby::Not, _, _) if self.rsc.state != RState::Stable || self.jobs.moving() => {
                self.warn(format!(
                    "standby message [{info}] from {source} ignored.  local resources in flux."
                ));
            }
            (Standby::Not, "me", true) => {
                self.standby_begins(source, kind, Standby::Me, ANSWER_WAIT);
            }
            (Standby::Not, "me", false) => {
                let wait = match broken(Mutation::TakerWaitsAnHour) {
                    true => SCRIPTS_WAIT,
                    false => RELEASE_WAIT,
                };
                self.standby_begins(source, kind, Standby::Other, wait);
                // What failed over there and fails here too is not sent back.
                let failed = message.text(FAILED_FIELD).unwrap_or_default();
                let failed = failed
                    .split_ascii_whitespace()
                    .take(MOVED_MAX)
                    .map(str::to_owned);
                self.rsc.moved.extend(failed);
                self.send_standby(kind, "other");
            }
            (Standby::Me, "other", false) if kind == self.rsc.standby_kind => {
                self.rsc.standby_deadline = Some(now + SCRIPTS_WAIT);
                self.info(format!("standby: {source} can take our {kind} resources"));
                self.give_standby(kind);
            }
            (Standby::Me, "done", true) => {
                self.info(format!("Local standby process completed [{kind}]."));
                self.rsc.standby = Standby::Done;
                self.rsc.ihold = self.rsc.ihold.without(kind);
                self.rsc.standby_deadline = Some(now + SCRIPTS_WAIT);
            }
            (Standby::Other, "done", false) if self.is_taken_back(source, message, kind) => {
                self.warn(format!(
                    "{source} has taken its {kind} resources back since it released them"
                ));
                self.words_were_lost();
            }
            (Standby::Other, "done", false) => {
                self.rsc.standby_deadline = Some(now + SCRIPTS_WAIT);
                self.info(format!("standby: acquire [{kind}] resources from {source}"));
                self.rsc.standby = Standby::Done;
                // Its word that it has released may be the first that reaches us of it.
                self.rsc.ohold = self.rsc.ohold.without(kind);
                self.is_overtaken(source, message);
                self.take_standby(kind);
            }
            (Standby::Other, "other", true) => {}
            (Standby::Done, _, true) if info == "done" => {
                self.standby_over();
                self.info(format!("Standby resource acquisition done [{kind}]."));
                if self.auto() {
                    self.local_work_done("auto_failback");
                }
                self.rsc.ihold = self.rsc.ihold.with(kind.mirror());
                self.send_resource(true, None);
            }
            (Standby::Done, _, false) if info == "done" => {
                self.standby_over();
                // Its word that it has taken what we gave may be the only one that reaches us; an older one that comes
                // later does not count.
                self.rsc.ohold = self.rsc.ohold.with(kind.mirror());
                self.is_overtaken(source, message);
                self.info(format!(
                    "Other node completed standby takeover of {kind} resources."
                ));
                self.send_resource(true, None);
            }
            (state, _, _) => {
                if state == Standby::Me && !ours {
                    self.rsc.standby_deadline = Some(now + ANSWER_WAIT);
                }
                self.error(format!(
                    "Ignored standby message '{info}' from {source} in state {}",
                    state as u8
                ));
            }
        }
        self.retry_shutdown();
    }

    /// The other has answered too late, and a legacy node would now wait for an hour for our groups, answer nobody and delay
    /// its shutdown (3.7). With `done` for nothing at all it acquires nothing, and with the second it is through.
    fn release_responder(&mut self) {
        for _ in 0..2 {
            self.send_standby(Hold::NONE, "done");
        }
        self.say_again();
    }

    /// A newer word of the sender's says that it holds what it releases in this one.
    fn is_taken_back(&self, source: &str, message: &Message, kind: Hold) -> bool {
        let seq = message.hex("seq").unwrap_or(0);
        let overtaken = self
            .find(source)
            .is_some_and(|node| seq < node.resource_seq);
        overtaken && self.rsc.ohold.without(kind) != self.rsc.ohold
    }

    fn standby_begins(&mut self, source: &str, kind: Hold, standby: Standby, wait: Duration) {
        self.rsc.ostable = false;
        self.info(format!("{source} wants to go standby [{kind}]"));
        self.rsc.standby = standby;
        self.rsc.standby_kind = kind;
        self.rsc.standby_deadline = Some(self.now.mono + wait);
    }

    fn standby_over(&mut self) {
        self.rsc.standby = Standby::Not;
        self.rsc.standby_deadline = None;
        self.rsc.failback_asked = false;
    }

    /// We give: stop scripts run here (2.4.6 ME).
    fn give_standby(&mut self, kind: Hold) {
        if kind == Hold::NONE {
            self.error("no resources to give up");
            return self.standby_came_to_nothing();
        }
        self.rsc.ostable = false;
        self.rsc.ihold = self.rsc.ihold.without(kind);
        self.send_resource(false, Some("standby"));
        self.start_release(kind);
        if broken(Mutation::DoneBeforeRelease) {
            self.send_standby(kind, "done");
        }
    }

    /// There was nothing to move, and no `done` will follow. (The legacy waits for it for an hour.)
    fn standby_came_to_nothing(&mut self) {
        self.standby_over();
        self.rsc.ostable = true;
    }

    /// We take: start scripts run here (2.4.6 OTHER).
    fn take_standby(&mut self, kind: Hold) {
        if kind == Hold::NONE {
            self.error("no resources to acquire");
            return self.standby_came_to_nothing();
        }
        self.start_acquire(kind);
    }

    /// The giver said that it releases: from now on its scripts may take their time.
    pub(crate) fn giver_releases(&mut self) {
        if self.rsc.standby == Standby::Other {
            self.rsc.standby_deadline = Some(self.now.mono + SCRIPTS_WAIT);
        }
    }

    pub(crate) fn standby_timed_out(&mut self) {
        if self.rsc.failback_asked {
            // The other may just have been busy; the legacy gives up here.
            self.rsc.needs_failback = true;
            self.rsc.failback_retry = Some(self.now.mono + RETRY);
        }
        self.standby_over();
        self.rsc.ostable = true;
        self.warn("No reply to standby request.  Standby request cancelled.");
        self.audit();
        self.retry_shutdown();
    }

    /// The other node died, or lost its memory in a restart: what was agreed with it is void (2.9 step 2).
    pub(crate) fn cancel_standby(&mut self) {
        if self.rsc.standby != Standby::Not {
            self.info("Cancelling pending standby operation");
            self.standby_over();
            // What is being started here already will run here, and the other must not hear anything else.
            self.rsc.ihold = self.rsc.ihold.with(self.jobs.acquiring());
        }
    }

    /// We were silent for so long that the others may have declared us dead, above all if some of what we said before was lost.
    /// What they said before that may still be waiting to be read, and is not what they hold by now: until then nothing they say permits us to take anything, and then we
    /// ask anew.
    pub(crate) fn what_was_said_is_old(&mut self, until: Duration) {
        self.cancel_standby();
        self.rsc.ostable = false;
        self.crowd_takes_are_old();
        self.rsc.old_words_until = until;
        self.rsc.word = Word::Wanted;
        self.rsc.ask_again = Some(until);
        self.requests_are_void();
    }

    /// Something of another node's is lost for good, and may have been the word that we wait for: we ask what it holds.
    pub(crate) fn words_were_lost(&mut self) {
        if self.nice() && self.comm_up {
            self.cancel_standby();
            self.rsc.ostable = false;
            self.rsc.word = Word::Wanted;
            self.rsc.ask_again = Some(self.now.mono + RETRY);
        }
    }

    pub(crate) fn peer_lost_its_memory(&mut self, _name: &str) {
        if self.rsc.standby != Standby::Not {
            self.cancel_standby();
            // It will announce itself with `starting`.
            self.rsc.ostable = false;
        }
    }

    // ---- Failback (2.6) ------------------------------------------------------------------------------------------

    pub(crate) fn try_failback(&mut self) {
        // Who claims its own groups already needs none of ours back; two claims are for the audit to settle.
        let lacks_its_own = self.rsc.ihold.foreign && !self.rsc.ohold.local;
        let wanted = self.rsc.needs_failback && lacks_its_own && self.auto();
        if self.shutdown.in_progress() || !wanted {
            self.rsc.needs_failback = false;
            self.rsc.failback_retry = None;
            self.retry_shutdown();
            return;
        }
        let settled = self.rsc.ostable && self.rsc.state == RState::Stable && !self.jobs.moving();
        if self.rsc.standby != Standby::Not || !settled {
            self.debug("Auto failback delayed.");
            self.rsc.failback_retry = Some(self.now.mono + RETRY);
            return;
        }
        self.rsc.needs_failback = false;
        self.rsc.standby_kind = Hold::FOREIGN;
        self.send_standby(Hold::FOREIGN, "me");
        self.rsc.failback_asked = self.rsc.standby == Standby::Me;
    }

    /// Asks the other to take its own groups, which nobody has: a standby of what we do not hold, in which nothing is released
    /// and the other acquires (3.6). A legacy node that waits for the end of a standby which we know nothing of, because we
    /// have started since, answers no request; to it what it waits for is said.
    pub(crate) fn offer_foreign(&mut self, again: bool) {
        self.say_again();
        if again {
            self.send_standby(Hold::FOREIGN, "done");
        } else {
            self.rsc.standby_kind = Hold::FOREIGN;
            self.send_standby(Hold::FOREIGN, "me");
        }
    }

    // ---- Groups that failed to start -----------------------------------------------------------------------------

    /// Some groups could not be started here and have been stopped again. The half of haresources that they belong to
    /// goes to the other node as soon as the cluster is stable, once; the legacy always asks for `foreign`, half a
    /// minute later, so that a node's own group stays down (1.6, 9).
    pub(crate) fn groups_failed(&mut self, failed: Vec<FailedGroup>) {
        for group in failed {
            if self.rsc.moved.contains(&group.key) {
                self.error(format!(
                    "group {} could not be started on either node: it stays stopped",
                    group.key
                ));
            } else if self.nice() {
                self.rsc.failed.retain(|known| known.key != group.key);
                self.rsc.failed.push(group);
            } else {
                self.error(format!(
                    "group {} could not be started and stays stopped (auto_failback legacy knows no standby)",
                    group.key
                ));
            }
        }
        if !self.rsc.failed.is_empty() {
            self.rsc.move_retry = Some(self.now.mono + RETRY);
        }
    }

    pub(crate) fn try_move_failed(&mut self) {
        if self.rsc.failed.is_empty() || self.shutdown.wanted() {
            return;
        }
        let ready = self.stable()
            && self.rsc.state == RState::Stable
            && self.peers().any(|node| self.is_live(&node.name));
        if !ready {
            self.rsc.move_retry = Some(self.now.mono + RETRY);
            return;
        }
        let mut set = Hold::NONE;
        let mut keys = Vec::new();
        for group in std::mem::take(&mut self.rsc.failed) {
            set = set.with(if group.ours {
                Hold::LOCAL
            } else {
                Hold::FOREIGN
            });
            self.warn(format!(
                "group {} could not be started here: asking the other node to take our {set} resources",
                group.key
            ));
            self.rsc.moved.insert(group.key.clone());
            keys.push(group.key);
        }
        let mut message = standby_message(set, "me");
        message.push(FAILED_FIELD, keys.join(" "));
        self.send(message);
    }

    /// An operator moves resources: failures of the past are forgiven.
    pub(crate) fn operator_asked(&mut self) {
        self.rsc.moved.clear();
        self.rsc.failed.clear();
        self.rsc.move_retry = None;
        self.crowd_forgives();
    }
}
