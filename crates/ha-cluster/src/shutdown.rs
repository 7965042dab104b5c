//! How this node ends: by request, by restart after a healed partition, or by executing itself anew
//! (`wire-protocol.md` 6.7, 6.9; `resource-protocol.md` 2.7, 3.5, 3.9).

use std::time::Duration;

use crate::core::{Core, RESTART_GRACE};
use crate::resources::{RState, Standby};
use crate::{Action, ExitKind, Hold};

/// Between our `shutdone` and the end of the clients: time to repeat what got lost.
const PHASE: Duration = Duration::from_secs(1);

/// How long a wanted shutdown waits for a word of the other's that does not come, when nothing is under way here. The
/// legacy waits for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// Releasing resources may take this long (6.9).
const EMERGENCY: Duration = Duration::from_secs(3600);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    Stop,
    Restart,
    QuickRestart,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Running,
    /// Resources are being released.
    Releasing,
    /// `shutdone` is out; the moment when the clients are stopped.
    Lingering(Duration),
    /// The clients are being stopped.
    StoppingClients,
    Over,
}

/// What is wanted and how far it has come.
#[derive(Debug, Default)]
pub(crate) struct Shutdown {
    goal: Option<Goal>,
    phase: Phase,
    /// Clients are stopped although resources are still held: for a quick restart.
    keeps: bool,
    /// They have ended, but something has begun meanwhile that must not be left half done.
    waits: bool,
    warned: bool,
    /// Until when a wanted shutdown waits for the other's stability.
    patience: Option<Duration>,
    /// After a heal: when to give up everything.
    heal: Option<Duration>,
    emergency: Option<Duration>,
}

impl Shutdown {
    /// Requested, whether begun or not.
    pub(crate) fn wanted(&self) -> bool {
        self.goal.is_some()
    }

    /// SHUTDOWN_IN_PROGRESS: resources are being released, or are released.
    pub(crate) fn in_progress(&self) -> bool {
        self.phase != Phase::Running
    }

    /// Not everything is released yet.
    pub(crate) fn releasing(&self) -> bool {
        self.phase == Phase::Releasing
    }

    /// What we hold is being given up, or is: we do not come back with it.
    pub(crate) fn leaves(&self) -> bool {
        self.in_progress() && !self.keeps
    }

    pub(crate) fn over(&self) -> bool {
        self.phase == Phase::Over
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        let lingering = match self.phase {
            Phase::Lingering(until) => Some(until),
            _ => None,
        };
        let patience = if self.in_progress() {
            None
        } else {
            self.patience
        };
        [self.heal, self.emergency, lingering, patience]
            .into_iter()
            .flatten()
            .min()
    }
}

impl Core {
    /// SIGTERM.
    pub(crate) fn request_shutdown(&mut self) {
        // What is under way may be meant to come back; that is over now.
        self.shutdown.goal = Some(Goal::Stop);
        if self.shutdown.in_progress() {
            self.info("Heartbeat shutdown already underway.");
            return;
        }
        if !self.comm_up {
            self.warn("Shutdown delayed until Communication is up.");
            return;
        }
        self.retry_shutdown();
        self.warn_if_delayed();
    }

    /// A changed ha.cf: end without releasing, and come back with `-R`.
    pub(crate) fn request_quick_restart(&mut self) {
        if self.shutdown.wanted() {
            return;
        }
        self.shutdown.goal = Some(Goal::QuickRestart);
        self.raise_grace(RESTART_GRACE);
        self.retry_shutdown();
        self.warn_if_delayed();
    }

    /// A healed partition: in two seconds everything is given up (6.7).
    pub(crate) fn plan_heal_restart(&mut self, when: Duration) {
        if !self.shutdown.in_progress() {
            self.shutdown.heal.get_or_insert(when);
        }
    }

    pub(crate) fn warn_if_delayed(&mut self) {
        if self.shutdown.wanted() && !self.shutdown.in_progress() && !self.shutdown.warned {
            self.shutdown.warned = true;
            self.shutdown.patience = Some(self.now.mono + PATIENCE);
            self.warn("Shutdown delayed until current resource activity finishes.");
        }
    }

    /// Begins a requested shutdown as soon as nothing else is under way (2.7).
    pub(crate) fn retry_shutdown(&mut self) {
        if self.shutdown.waits && self.may_be_executed_anew() {
            return self.clients_gone();
        }
        if self.shutdown.in_progress() {
            return;
        }
        match self.shutdown.goal {
            None => {}
            Some(Goal::QuickRestart) if self.may_be_executed_anew() => self.stop_clients(),
            Some(Goal::Stop | Goal::Restart) if self.comm_up && !self.config.managed => {
                self.info(format!(
                    "Heartbeat shutdown in progress. ({})",
                    self.config.pid
                ));
                self.shutdown.phase = Phase::Releasing;
                self.begin_final_phases();
            }
            Some(Goal::Stop | Goal::Restart) if self.comm_up && self.stable() => self.give_up_all(),
            Some(_) => {}
        }
    }

    /// No group is on its way.
    fn may_be_executed_anew(&self) -> bool {
        if self.in_crowd() {
            return self.crowd_is_quiet();
        }
        self.jobs.idle() && self.rsc.standby == Standby::Not
    }

    fn give_up_all(&mut self) {
        self.shutdown.phase = Phase::Releasing;
        self.shutdown.emergency = Some(self.now.mono + EMERGENCY);
        self.rsc.ihold = Hold::NONE;
        self.rsc.state = RState::Shutdown;
        self.send_status();
        self.info(format!(
            "Heartbeat shutdown in progress. ({})",
            self.config.pid
        ));
        if self.nice() {
            self.send_resource(false, Some("shutdown"));
        }
        self.start_give_up_all();
    }

    /// Our own `shutdone` was processed, or there is nothing to release.
    pub(crate) fn begin_final_phases(&mut self) {
        if self.shutdown.goal == Some(Goal::Restart) {
            self.raise_grace(RESTART_GRACE);
        }
        self.shutdown.emergency = None;
        self.shutdown.phase = Phase::Lingering(self.now.mono + PHASE);
    }

    fn stop_clients(&mut self) {
        self.shutdown.phase = Phase::StoppingClients;
        self.shutdown.keeps = self.shutdown.goal == Some(Goal::QuickRestart);
        self.send_status();
        self.act(Action::StopClients);
    }

    pub(crate) fn clients_gone(&mut self) {
        if self.shutdown.phase != Phase::StoppingClients {
            return;
        }
        if self.shutdown.keeps && self.shutdown.goal == Some(Goal::Stop) {
            // SIGTERM came while we prepared to be executed anew: what we kept for that must be given up first.
            self.shutdown.keeps = false;
            self.shutdown.waits = false;
            self.shutdown.phase = Phase::Running;
            self.retry_shutdown();
            self.warn_if_delayed();
            return;
        }
        self.shutdown.waits = self.shutdown.keeps && !self.may_be_executed_anew();
        if self.shutdown.waits {
            return;
        }
        self.send_status();
        let local = self.config.local.clone();
        self.info(format!("{local} Heartbeat shutdown complete."));
        self.shutdown.phase = Phase::Over;
        let exit = match self.shutdown.goal {
            Some(Goal::QuickRestart) => match self.left_to_successor() {
                Some(held) => ExitKind::QuickRestart {
                    held: self.nice().then_some(held),
                    owners: self.owners_left(),
                },
                None => ExitKind::Restart {
                    pause: Duration::ZERO,
                },
            },
            Some(Goal::Restart) => ExitKind::Restart {
                pause: Duration::from_secs(whole_seconds_up(self.config.deadtime) + 1),
            },
            Some(Goal::Stop) | None => ExitKind::Shutdown,
        };
        self.act(Action::Exit(exit));
    }

    pub(crate) fn run_shutdown_timers(&mut self) {
        let now = self.now.mono;
        if self.shutdown.heal.is_some_and(|when| when <= now) {
            self.shutdown.heal = None;
            if !self.shutdown.wanted() {
                self.shutdown.goal = Some(Goal::Restart);
                self.retry_shutdown();
                self.warn_if_delayed();
            }
        }
        if !self.shutdown.in_progress() && self.shutdown.patience.is_some_and(|when| when <= now) {
            self.shutdown.patience = Some(now + PATIENCE);
            if self.comm_up && self.jobs.idle() && self.shutdown.goal != Some(Goal::QuickRestart) {
                self.warn(
                    "The other node does not say that it is stable: shutting down all the same",
                );
                self.give_up_all();
            }
        }
        if matches!(self.shutdown.phase, Phase::Lingering(until) if until <= now) {
            self.stop_clients();
        }
        if self.shutdown.emergency.is_some_and(|when| when <= now) {
            self.crit("Emergency Shutdown: Attempting to kill everything ourselves");
            self.shutdown.phase = Phase::Over;
            self.act(Action::Exit(ExitKind::Emergency));
        }
    }
}

fn whole_seconds_up(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
