//! Giving everything up, ending, and executing oneself anew (`resource-protocol.md` 2.7, 3.5, 3.8, 3.9; `wire-protocol.md`
//! 6.7, 6.9).

use std::time::Duration;

use super::hold::Held;
use super::resources::SHUTDOWN;
use super::{Action, Exit, Model, Program};

/// From the end of the release to the end of the clients, and from there to the end of the process.
const PHASE: Duration = Duration::from_secs(1);

/// After a healed partition everything is given up so much later.
const HEALED_DELAY: Duration = Duration::from_secs(2);

/// The dead time that is announced before a restart.
const RESTART_RAISED: Duration = Duration::from_secs(30);

/// What the end of the process waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The end of the release of everything.
    Release,
    /// The time at which clients are ended.
    Clients(Duration),
    /// The clients.
    ClientsGone,
    /// The time at which the process ends.
    Exit(Duration),
}

/// How far the process is on its way out.
#[derive(Default)]
pub(super) struct Ending {
    /// NEEDS_SHUTDOWN or SHUTDOWN_IN_PROGRESS: somebody has asked for it.
    wanted: bool,
    /// It is to begin anew afterwards.
    restart: bool,
    /// A healed partition was seen; everything is given up then.
    restart_at: Option<Duration>,
    /// Executed anew at once, keeping everything.
    quick: bool,
    phase: Option<Phase>,
    retry: bool,
    /// The node that it waits for died, and nobody told the predicate.
    pub(super) hangs: bool,
}

impl Ending {
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Everything is being released at the moment.
    pub(super) fn is_releasing(&self) -> bool {
        self.phase == Some(Phase::Release)
    }

    pub(super) fn next(&self) -> Option<Duration> {
        let phase = match self.phase {
            Some(Phase::Clients(at) | Phase::Exit(at)) => Some(at),
            _ => None,
        };
        self.restart_at.into_iter().chain(phase).min()
    }
}

impl Model {
    /// SIGTERM, or one of the reasons to begin anew.
    pub(super) fn give_up_all(&mut self, restart: bool) {
        self.ending.restart |= restart;
        if self.ending.phase.is_some() {
            self.log("Heartbeat shutdown already underway.");
            return;
        }
        self.ending.wanted = true;
        if !self.comm_up {
            self.log("Shutdown delayed until Communication is up.");
            return;
        }
        self.retry_shutdown();
        if !self.is_stable() {
            self.log("Shutdown delayed until current resource activity finishes.");
        }
    }

    /// A shutdown that has to wait is looked at again, after what is being processed (2.7).
    pub(super) fn retry_shutdown(&mut self) {
        self.ending.retry = true;
    }

    /// It begins when nothing is under way. Before communication is up only the death of the last other node lets it begin.
    pub(super) fn begin_shutdown(&mut self) {
        if !std::mem::take(&mut self.ending.retry)
            || !self.ending.wanted
            || self.ending.phase.is_some()
            || !self.is_stable()
        {
            return;
        }
        let alone = || {
            self.peers
                .iter()
                .any(|peer| peer.status == super::Word::Dead)
        };
        if !self.comm_up && !alone() {
            return;
        }
        self.ending.phase = Some(Phase::Release);
        self.rsc.held = Held::NONE;
        self.rsc.state = SHUTDOWN;
        if self.comm_up {
            self.send_status();
        }
        if self.settings.nice {
            self.announce(false, Some("shutdown"));
        }
        self.log("Heartbeat shutdown in progress.");
        self.run(Program::GiveUpAll);
    }

    /// Everything is released, and we have said so.
    pub(super) fn own_shutdone(&mut self) {
        self.rsc.state = SHUTDOWN;
        self.rsc.held = Held::NONE;
        if self.ending.phase == Some(Phase::Release) {
            self.ending.phase = Some(Phase::Clients(self.now + PHASE));
        }
    }

    /// A healed partition: a status now, and the end soon (6.7).
    pub(super) fn restart_soon(&mut self) {
        if self.ending.restart_at.is_none() {
            self.ending.restart_at = Some(self.now + HEALED_DELAY);
        }
    }

    /// A changed ha.cf: no resource is touched (3.9). Children of any kind are ended.
    pub(super) fn reload(&mut self) {
        if self.ending.phase.is_none() {
            self.raise_dead_time(RESTART_RAISED, RESTART_RAISED);
            self.ending.quick = true;
            self.ending.phase = Some(Phase::ClientsGone);
            self.out.push_back(Action::StopClients);
        }
    }

    pub(super) fn clients_gone(&mut self) {
        if self.ending.phase != Some(Phase::ClientsGone) {
            return;
        }
        if self.ending.quick {
            let held = self.settings.nice.then_some(self.rsc.held);
            self.out.push_back(Action::Exit(Exit::Quick { held }));
            return;
        }
        if self.ending.restart {
            self.raise_dead_time(RESTART_RAISED, RESTART_RAISED);
        } else {
            self.send_status();
        }
        self.ending.phase = Some(Phase::Exit(self.now + PHASE));
    }

    pub(super) fn ending_timers(&mut self) {
        if self.ending.restart_at.is_some_and(|at| at <= self.now) {
            self.ending.restart_at = None;
            self.give_up_all(true);
        }
        match self.ending.phase {
            Some(Phase::Clients(at)) if at <= self.now => {
                self.ending.phase = Some(Phase::ClientsGone);
                self.send_status();
                self.out.push_back(Action::StopClients);
            }
            Some(Phase::Exit(at)) if at <= self.now => {
                self.ending.phase = Some(Phase::Release);
                self.out.push_back(Action::Exit(match self.ending.restart {
                    true => Exit::Restart {
                        pause: Duration::from_secs(
                            self.settings.deadtime.as_millis().div_ceil(1000) as u64 + 1,
                        ),
                    },
                    false => Exit::Shutdown,
                }));
            }
            _ => {}
        }
    }
}
