//! Who holds what: `starting`, `resource`, `shutdone`, acquiring, takeover, failback (`resource-protocol.md` 2.2 to 2.6).

use std::time::Duration;

use ha_wire::Message;

use super::hold::Held;
use super::peer::Word;
use super::standby::Standby;
use super::{Model, Program, Settings};

/// Whoever has announced itself waits so long for others before it acquires (2.2, TAKEOVER_TIME).
const TAKEOVER_DELAY: Duration = Duration::from_secs(10);

/// A failback that has to wait is tried again after this time (2.6).
const FAILBACK_AGAIN: Duration = Duration::from_secs(1);

// RSTATE of 2.2.
pub(super) const INIT: u8 = 0;
const STARTING: u8 = 1;
const BOTH_STARTING: u8 = 2;
pub(super) const RECEIVED: u8 = 3;
pub(super) const STABLE: u8 = 4;
pub(super) const SHUTDOWN: u8 = 5;

/// The variables of 2.2.
pub(super) struct Resources {
    /// RSTATE.
    pub(super) state: u8,
    /// IHOLD.
    pub(super) held: Held,
    /// OHOLD: from the other node's point of view.
    pub(super) other_held: Held,
    /// OSTABLE.
    pub(super) other_stable: bool,
    pub(super) standby: Standby,
    pub(super) standby_deadline: Option<Duration>,
    pub(super) standby_type: Held,
    pub(super) takeover_in_progress: bool,
    pub(super) needs_failback: bool,
    pub(super) retry_failback: Option<Duration>,
    /// TAKEOVER_TIME: set once.
    takeover_time: Option<Duration>,
    /// Executed anew with `-R`: every `resource` message finds it in STABLE (3.9).
    restarted: bool,
}

impl Resources {
    pub(super) fn new(settings: &Settings) -> Resources {
        // `-R` without `-C` assumes the local half (3.9).
        let held = settings.restart.map(|held| held.unwrap_or(Held::LOCAL));
        Resources {
            state: INIT,
            held: held.filter(|_| settings.nice).unwrap_or(Held::NONE),
            other_held: Held::NONE,
            other_stable: false,
            standby: Standby::Not,
            standby_deadline: None,
            standby_type: Held::ALL,
            takeover_in_progress: false,
            needs_failback: false,
            retry_failback: None,
            takeover_time: None,
            restarted: settings.restart.is_some(),
        }
    }
}

impl Model {
    /// The stable predicate S of 2.2.
    pub(super) fn is_stable(&self) -> bool {
        let rsc = &self.rsc;
        if !self.settings.nice {
            return self.children == 0;
        }
        if self.ending.is_wanted() && rsc.state == INIT {
            return true;
        }
        rsc.other_stable
            && !rsc.takeover_in_progress
            && rsc.standby == Standby::Not
            && rsc.standby_deadline.is_none()
            && self.children == 0
            && matches!(rsc.state, STABLE | SHUTDOWN | INIT)
    }

    /// Communication is up.
    pub(super) fn begin_resources(&mut self) {
        if self.settings.nice {
            self.rsc.state = STARTING;
            let mut message = Message::new();
            message.push("t", "starting");
            self.send(message);
        } else if self.settings.restart.is_none() {
            self.acquire_local(false);
        }
    }

    /// The daemon's own announcement.
    pub(super) fn announce(&mut self, stable: bool, info: Option<&str>) {
        // Quirk: whoever asks while groups are being given away hears that we are stable, and hold no more of them.
        self.boasts |= stable && self.rsc.standby == Standby::Me && self.children > 0;
        let mut message = Message::new();
        message.push("t", "resource");
        message.push("rsc_hold", self.rsc.held.word());
        message.push("rtype", "full");
        message.push("isstable", if stable { "1" } else { "0" });
        if let Some(info) = info {
            message.push("info", info);
        }
        self.send(message);
    }

    // ---- What is heard ---------------------------------------------------------------------------------------------

    /// 2.4.1
    pub(super) fn hear_starting(&mut self, from: usize) {
        self.retry_shutdown();
        if from == self.settings.local || !self.settings.nice {
            return;
        }
        let state = self.rsc.state;
        if !matches!(state, STARTING | RECEIVED | STABLE | SHUTDOWN) {
            // Quirk: whoever waits for somebody else's first word does not answer one that begins anew.
            self.log(format!("Received 'starting' message in state {state}"));
            return;
        }
        self.rsc.other_stable = false;
        self.announce(state == STABLE, None);
        if state == STARTING {
            // The announcement has come back as RECEIVED; what is stored now is this.
            self.rsc.state = BOTH_STARTING;
        }
    }

    /// 2.4.2
    pub(super) fn hear_resource(&mut self, from: usize, message: &Message) {
        self.retry_shutdown();
        if !self.settings.nice {
            return;
        }
        let Some(word) = message.text("rsc_hold") else {
            return;
        };
        let said = Held::from_word(word);
        let full = message.text("rtype") == Some("full");
        let update = |old: Held| match full || said == Held::NONE {
            true => said,
            false => old.with(said),
        };
        if self.rsc.restarted && self.rsc.state != SHUTDOWN {
            self.rsc.state = STABLE;
        }
        match self.rsc.state {
            INIT => return,
            STARTING | BOTH_STARTING => self.rsc.state = RECEIVED,
            _ => {}
        }
        if from == self.settings.local {
            self.rsc.held = update(self.rsc.held);
            match message.text("info") {
                Some("mach_down") => {
                    self.log("mach_down takeover complete.");
                    self.rsc.takeover_in_progress = false;
                    self.rsc.held.foreign = true;
                    self.rsc.needs_failback = true;
                    self.rsc.other_stable = true;
                }
                Some("shutdown") => self.rsc.state = SHUTDOWN,
                _ => {}
            }
        } else {
            self.rsc.other_held = update(self.rsc.other_held);
            match message.text("isstable") {
                Some("1") if !self.rsc.other_stable => {
                    self.log("remote resource transition completed.");
                    self.rsc.other_stable = true;
                    self.announce(self.rsc.state == STABLE, None);
                    self.failback();
                }
                Some("1") | None => {}
                Some(_) => self.rsc.other_stable = false,
            }
            if !matches!(self.rsc.state, STABLE | SHUTDOWN) && self.rsc.other_stable {
                self.log("remote resource transition completed.");
                self.acquire_local(false);
                self.rsc.state = STABLE;
                self.announce(true, None);
                self.failback();
            }
        }
        if self.rsc.state == RECEIVED && self.rsc.takeover_time.is_none() {
            self.rsc.takeover_time = Some(self.now + TAKEOVER_DELAY);
        }
        self.audit();
        self.retry_shutdown();
    }

    /// The local takeover timer. A node that comes into RECEIVED once more acts at once: its time is long past.
    pub(super) fn check_takeover_timer(&mut self) {
        let due = self.rsc.takeover_time.is_some_and(|at| self.now > at);
        if !self.settings.nice || self.rsc.state != RECEIVED || !due {
            return;
        }
        self.rsc.state = STABLE;
        self.acquire_local(false);
        self.log("local resource transition completed.");
        self.announce(true, None);
        self.audit();
    }

    /// Contradictions are logged, and nothing is done about them (2.8).
    fn audit(&mut self) {
        let (held, other) = (self.rsc.held, self.rsc.other_held);
        if held.local && other.foreign {
            self.log("Both machines own our resources!");
        }
        if held.foreign && other.local {
            self.log("Both machines own foreign resources!");
        }
        if !self.is_stable() || self.ending.is_wanted() {
            return;
        }
        if !held.local && !other.foreign {
            self.log("No one owns our local resources!");
        }
        if !held.foreign && !other.local {
            self.log("No one owns foreign resources!");
        }
    }

    /// 2.4.3
    pub(super) fn hear_shutdone(&mut self, from: usize) {
        self.retry_shutdown();
        if from == self.settings.local {
            return self.own_shutdone();
        }
        if self.comm_up && self.settings.nice {
            self.rsc.other_stable = true;
            self.rsc.other_held = Held::NONE;
            if self.rsc.held != Held::ALL && !self.ending.is_wanted() {
                // What we lack, named as the leaving node would have named it: with the local half ours already, its query is
                // for our own lines once more, which does nothing.
                let missing = match (self.rsc.held.local, self.rsc.held.foreign) {
                    (false, true) => Held::LOCAL,
                    (true, false) => Held::FOREIGN,
                    _ => Held::ALL,
                };
                self.rsc.standby = Standby::Done;
                self.take_standby(missing);
            }
        }
        self.peers[from].has_resources = false;
        self.rsc.other_stable = false;
        self.rsc.other_held = Held::NONE;
        self.log(format!(
            "Received shutdown notice from '{}'.",
            self.settings.nodes[from]
        ));
        if self.comm_up {
            self.take_over(from);
        }
    }

    // ---- Acquiring -------------------------------------------------------------------------------------------------

    /// `req_our_resources` (2.4.5).
    pub(super) fn acquire_local(&mut self, forced: bool) {
        if self.ending.is_wanted() {
            return;
        }
        if self.settings.nice {
            let taken = self.rsc.other_held.foreign || self.rsc.held.local;
            if !forced && taken && self.rsc.standby == Standby::Not {
                self.log("Local Resource acquisition completed. (none)");
                return;
            }
            self.rsc.held.local = true;
        }
        // Hazard: whoever is not known to be active is not asked, whatever it runs (2.10).
        let local = self.settings.local;
        let active =
            |(place, peer): &(usize, &super::Peer)| *place == local || peer.status == Word::Active;
        let count = self.peers.iter().enumerate().filter(active).count();
        self.run(Program::Acquire {
            dont_ask: count < 2,
        });
    }

    /// From a node that is dead or has left (2.4.7).
    pub(super) fn take_over(&mut self, from: usize) {
        if self.ending.is_wanted() {
            self.log("Resource takeover cancelled - shutdown in progress.");
            return;
        }
        let name = self.settings.nodes[from].clone();
        self.log(format!("Resources being acquired from {name}."));
        let mut dead = Message::new();
        dead.push("t", "status");
        dead.push("seq", "1");
        dead.push("ts", format!("{:x}", self.wall));
        dead.push("src", name);
        dead.push("st", Word::Dead.word());
        self.queue_notification(dead);
        if self.settings.nice {
            self.rsc.held.foreign = true;
            self.rsc.other_held = Held::NONE;
            self.rsc.other_stable = true;
            self.rsc.takeover_in_progress = true;
        }
        self.acquire_local(true);
    }

    // ---- Failback --------------------------------------------------------------------------------------------------

    /// 2.6
    fn failback(&mut self) {
        self.rsc.retry_failback = None;
        let rsc = &mut self.rsc;
        if self.ending.is_wanted()
            || !rsc.held.foreign
            || !rsc.needs_failback
            || !self.settings.auto
        {
            rsc.needs_failback = false;
            self.retry_shutdown();
            return;
        }
        if rsc.standby != Standby::Not || !rsc.other_stable || rsc.state != STABLE {
            rsc.retry_failback = Some(self.now + FAILBACK_AGAIN);
            return;
        }
        rsc.standby_type = Held::FOREIGN;
        rsc.needs_failback = false;
        self.ask_resources(Held::FOREIGN, "me");
    }

    pub(super) fn retry_failback(&mut self) {
        if self.rsc.retry_failback.is_some_and(|at| at <= self.now) {
            self.failback();
        }
    }
}
