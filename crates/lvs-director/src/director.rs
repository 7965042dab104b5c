//! The core itself: its state and its four calls.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use ha_config::ldirectord::{Ldirectord, State};

use crate::{Action, FileStamp, Input, Snapshot};

/// What the core has to know beyond the configuration.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The configuration file as messages name it.
    pub config_file: String,
    /// What the file looked like when it was read; none: the next look tells.
    pub stamp: Option<FileStamp>,
    /// For mails.
    pub host_name: String,
    /// Process id, for diagnostics.
    pub pid: u32,
    /// Produce [`Action::Debug`].
    pub debug: bool,
}

/// The director of all virtual services of one configuration.
#[derive(Debug)]
pub struct Director {
    config: Rc<Ldirectord>,
    options: Options,
    actions: VecDeque<Action>,
    state: State,
}

impl Director {
    /// A director that has not started yet; feed [`Input::Start`].
    pub fn new(config: Rc<Ldirectord>, options: Options) -> Director {
        Director {
            config,
            options,
            actions: VecDeque::new(),
            state: State::Starting,
        }
    }

    /// Takes note of an input at the monotonic time `now`.
    pub fn handle(&mut self, _now: Duration, _input: Input<'_>) {
        self.actions.push_back(Action::ReadTable);
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Input::Timer`] is due at the latest.
    pub fn next_deadline(&self) -> Option<Duration> {
        None
    }

    /// The state as one value.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.state,
            virtuals: Vec::with_capacity(self.config.virtuals.len()),
            checks_running: 0,
            table_known: false,
            busy: self.options.debug,
        }
    }

    /// The configuration in force.
    pub fn config(&self) -> &Rc<Ldirectord> {
        &self.config
    }
}
