//! The core itself: its state and its four calls.
//!
//! How it begins, reloads and ends is in [`crate::takeover`], what the kernel answers in [`crate::programming`], what
//! checks find out in [`crate::verdicts`], and who is in maintenance in [`crate::maintenance`].

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use ha_config::ldirectord::{Ldirectord, State};
use ipvs::ServiceKey;

use crate::alert::Repetitions;
use crate::kernel::{Asked, Kernel};
use crate::maintenance::Maintenance;
use crate::persistence::{Switches, Warnings};
use crate::place::Place;
use crate::servers::Servers;
use crate::watch::Watches;
use crate::{Action, Input, RealSnapshot, Snapshot, VirtualSnapshot};

/// What the core has to know beyond the configuration.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// For mails.
    pub host_name: String,
}

/// The director of all virtual services of one configuration.
#[derive(Debug)]
pub struct Director {
    pub(crate) config: Rc<Ldirectord>,
    pub(crate) options: Options,
    pub(crate) actions: VecDeque<Action>,
    pub(crate) state: State,
    pub(crate) stage: Stage,

    pub(crate) servers: Servers,
    pub(crate) watches: Watches,
    pub(crate) kernel: Kernel,
    pub(crate) changed: Changed,
    /// Virtual services that the configuration no longer has and the kernel still may.
    pub(crate) retired: BTreeSet<ServiceKey>,

    /// Checks run.
    pub(crate) started: bool,
    pub(crate) takeover: Takeover,
    /// Waits until the kernel has answered.
    pub(crate) new_config: Option<Rc<Ldirectord>>,

    pub(crate) maintenance: Maintenance,
    pub(crate) repetitions: Repetitions,
    pub(crate) switches: Switches,
    pub(crate) warnings: Warnings,
}

/// How far the daemon has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// At work.
    Working,
    /// This signal came; the table is to be cleaned.
    Stopping(String),
    /// The cleaning changes are with the kernel.
    Cleaning(String),
    /// Over.
    Ended,
}

/// Making a configuration true (`ldirectord.md` 7.4), at start and at a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takeover {
    /// It begins when the table has been read.
    Wanted,
    /// Its changes are with the kernel.
    UnderWay,
    /// Done.
    Done,
}

/// What a changed state means for the table is not planned yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changed {
    pub(crate) reals: BTreeSet<Place>,
    /// Virtual services whose fallback may have to come or go.
    pub(crate) fallbacks: BTreeSet<usize>,
    /// Virtual services whose fallback command may have to be told.
    pub(crate) commands: BTreeSet<usize>,
}

impl Director {
    /// A director that wants to see the kernel's table first.
    pub fn new(config: Rc<Ldirectord>, options: Options) -> Director {
        let mut director = Director {
            servers: Servers::new(&config),
            config,
            options,
            actions: VecDeque::new(),
            state: State::Starting,
            stage: Stage::Working,
            watches: Watches::default(),
            kernel: Kernel::default(),
            changed: Changed::default(),
            retired: BTreeSet::new(),
            started: false,
            takeover: Takeover::Wanted,
            new_config: None,
            maintenance: Maintenance::default(),
            repetitions: Repetitions::default(),
            switches: Switches::default(),
            warnings: Warnings::default(),
        };
        director.ask_for_table();
        director
    }

    /// Takes note of an input at the monotonic time `now`, which never goes back.
    pub fn handle(&mut self, now: Duration, input: Input<'_>) {
        if self.stage == Stage::Ended {
            return;
        }
        match input {
            Input::Table(table) => self.table_read(now, table),
            Input::TableUnreadable(why) => self.table_unreadable(now, why),
            Input::Programmed(results) => self.programmed(now, results),
            Input::Timer => {}
            Input::CheckEnded { id, up, text } => self.check_ended(now, id, up, text),
            Input::CheckImpossible { id } => {
                self.watches.ended(id, None);
            }
            Input::Reload(config) => self.new_config = Some(config),
            Input::Maintenance { files, names } => self.maintenance_listed(now, files, names),
            Input::ExpireQuiescentTemplate(value) => {
                self.switches.expire_quiescent_template = value;
                self.warn_of_pinned_clients();
            }
            Input::ExpireNodestConn(value) => {
                self.switches.expire_nodest_conn = value;
                self.warn_of_pinned_clients();
            }
            Input::Stop(signal) => self.stop(signal),
        }
        self.tick(now);
        self.proceed(now);
        self.tell_fallback_commands();
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Input::Timer`] is due at the latest; none while only answers are awaited.
    pub fn next_deadline(&self) -> Option<Duration> {
        if self.stage != Stage::Working {
            return None;
        }
        let checks = if self.checks_run() {
            self.watches.next_deadline()
        } else {
            None
        };
        [checks, self.kernel.next_read(), self.repetitions.next()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The state as one value.
    pub fn snapshot(&self) -> Snapshot {
        let virtuals = self.config.virtuals.iter().zip(&self.servers.virtuals);
        let virtuals = virtuals
            .enumerate()
            .map(|(at, (service, state))| {
                let reals = service.reals.iter().zip(&state.reals).enumerate();
                VirtualSnapshot {
                    id: service.id(),
                    fallback_active: service.fallback.is_some() && state.serving == 0,
                    reals: reals
                        .map(|(position, (real, state))| RealSnapshot {
                            name: real.configured.to_string(),
                            up: state.serves(),
                            maintenance: state.maintenance,
                            since: state.since,
                            failures: state.failures,
                            text: state.text.clone(),
                            next_check: self.watches.due_of(Place {
                                service: at,
                                real: position,
                            }),
                        })
                        .collect(),
                }
            })
            .collect();
        Snapshot {
            virtuals,
            checks_running: self.watches.running_count(),
            unsettled: self.takeover != Takeover::Done
                || matches!(self.kernel.asked, Asked::Changes(_))
                || self.kernel.unreadable.is_some()
                || !self.kernel.troubles.is_empty(),
        }
    }

    /// The configuration in force.
    pub fn config(&self) -> &Rc<Ldirectord> {
        &self.config
    }

    pub(crate) fn log(&mut self, text: impl Into<String>) {
        self.actions.push_back(Action::Log(text.into()));
    }

    /// New checks begin: not before a configuration is in the table, except when there is no table to put it in.
    pub(crate) fn checks_run(&self) -> bool {
        self.started && (self.takeover == Takeover::Done || self.kernel.unreadable.is_some())
    }

    /// What is due by time alone.
    fn tick(&mut self, now: Duration) {
        if self.stage != Stage::Working {
            return;
        }
        if self.kernel.next_read().is_some_and(|due| due <= now) {
            self.kernel.read_wanted = true;
        }
        if self.checks_run() {
            self.begin_checks(now);
        }
        self.repeat_mails(now);
    }
}
