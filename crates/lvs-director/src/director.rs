//! The state of the daemon, and what each input does to it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use ha_config::ldirectord::{CheckPlan, Ldirectord, Real, State, VirtualService, protocol_word};
use ipvs::{Change, ServiceKey, Table};

use crate::reconcile::{self, About, Occasion, Pending};
use crate::servers::{RealState, VirtualState};
use crate::watch::Watches;
use crate::{
    Action, CheckId, Execute, Input, RealSnapshot, Refused, Snapshot, VirtualSnapshot, alert,
    monitor,
};

/// The table is read again so often, to see what others did to it.
const AUDIT_INTERVAL: Duration = Duration::from_secs(30);
/// After a change that the kernel refused: first pause, and the longest.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// What a director knows of its surroundings.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// For mails.
    pub host_name: String,
}

/// The core. See the crate's documentation.
#[derive(Debug)]
pub struct Director {
    options: Options,
    config: Rc<Ldirectord>,
    state: State,
    virtuals: Vec<VirtualState>,
    table: Table,
    watches: Watches,
    actions: VecDeque<Action>,
    /// Changes that the shell is making.
    in_flight: Vec<Pending>,
    phase: Phase,
    audit_at: Option<Duration>,
    retry_pause: Duration,
    unsettled: bool,
    expire_quiescent: Option<bool>,
    /// Services that the new configuration no longer has.
    to_purge: Vec<ServiceKey>,
}

/// How far the daemon has come.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// Waits for the table, to start or to apply a new configuration.
    Takeover,
    /// The changes of a takeover are under way.
    TakingOver,
    /// Everything is as it shall be, or on its way there.
    Running,
    /// The last changes are under way; the signal's name.
    Stopping(String),
    /// Over.
    Ended,
}

impl Director {
    /// A director that wants to see the kernel's table first.
    pub fn new(config: Rc<Ldirectord>, options: Options) -> Director {
        let mut director = Director {
            options,
            virtuals: states(&config),
            config,
            state: State::Starting,
            table: Table::default(),
            watches: Watches::default(),
            actions: VecDeque::new(),
            in_flight: Vec::new(),
            phase: Phase::Takeover,
            audit_at: None,
            retry_pause: RETRY_MIN,
            unsettled: true,
            expire_quiescent: None,
            to_purge: Vec::new(),
        };
        director.actions.push_back(Action::ReadTable);
        director
    }

    /// Takes note of what happened at `now`, on a clock that never goes back.
    pub fn handle(&mut self, now: Duration, input: Input<'_>) {
        if self.phase == Phase::Ended {
            return;
        }
        match input {
            Input::Table(table) => self.table_read(table, now),
            Input::TableUnreadable(reason) => self.table_unreadable(reason, now),
            Input::Timer => {}
            Input::CheckEnded { id, up, text } => self.check_ended(id, up, text, now),
            Input::CheckImpossible { id } => {
                self.watches.ended(id, None);
            }
            Input::Programmed(results) => self.programmed(results, now),
            Input::Reload(config) => self.reload(config, now),
            Input::Maintenance { files, names } => self.maintenance(&files, &names, now),
            Input::ExpireQuiescentTemplate(value) => {
                let changed = self.expire_quiescent != value;
                self.expire_quiescent = value;
                if changed {
                    self.warn_of_pinned_clients();
                }
            }
            Input::Stop(signal) => self.stop(signal),
        }
        if self.phase == Phase::Running {
            self.timers(now);
        }
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Input::Timer`] is wanted.
    pub fn next_deadline(&self) -> Option<Duration> {
        if self.phase != Phase::Running {
            return self.audit_at;
        }
        [
            self.audit_at,
            self.watches.next_deadline(),
            self.next_repetition(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The state as one value.
    pub fn snapshot(&self) -> Snapshot {
        let virtuals = self
            .config
            .virtuals
            .iter()
            .zip(&self.virtuals)
            .enumerate()
            .map(|(v, (service, state))| VirtualSnapshot {
                id: service.id(),
                fallback_active: state.fallback_active,
                reals: service
                    .reals
                    .iter()
                    .zip(&state.reals)
                    .enumerate()
                    .map(|(r, (real, state))| RealSnapshot {
                        name: real.configured.to_string(),
                        up: state.up,
                        maintenance: state.maintenance,
                        since: state.since,
                        failures: state.failures,
                        text: state.text.clone(),
                        next_check: self.watches.due_of(v, r),
                    })
                    .collect(),
            })
            .collect();
        Snapshot {
            virtuals,
            checks_running: self.watches.running_count(),
            unsettled: self.unsettled,
        }
    }

    fn log(&mut self, text: impl Into<String>) {
        self.actions.push_back(Action::Log(text.into()));
    }

    fn table_read(&mut self, table: Table, now: Duration) {
        self.table = table;
        self.audit_at = Some(now + AUDIT_INTERVAL);
        match self.phase {
            Phase::Takeover => self.take_over(now),
            Phase::Running => self.reconcile(Occasion::Running, 0..self.virtuals.len()),
            Phase::TakingOver | Phase::Stopping(_) | Phase::Ended => {}
        }
    }

    fn table_unreadable(&mut self, reason: &str, now: Duration) {
        self.log(format!("ipvs: the table cannot be read: {reason}"));
        self.unsettled = true;
        self.retry_later(now);
    }

    /// The start sequence of `ldirectord.md` 7.4, also for a reload.
    fn take_over(&mut self, now: Duration) {
        for (service, state) in self.config.virtuals.iter().zip(&mut self.virtuals) {
            for (real, state) in service.reals.iter().zip(&mut state.reals) {
                // A server that is in service stays there until its first bad check.
                let present = self.table.destination(service.key(), &real.destination.key);
                if !state.up && present.is_some_and(|present| present.weight > 0) {
                    state.set_up(true, now);
                }
            }
        }
        self.phase = Phase::TakingOver;
        let mut changes: Vec<Pending> = Vec::new();
        for (at, service) in self.config.virtuals.iter().enumerate() {
            changes.extend(reconcile::service(at, service, &self.table));
        }
        for at in 0..self.virtuals.len() {
            changes.extend(self.differences(at, Occasion::Takeover));
        }
        for key in std::mem::take(&mut self.to_purge) {
            if self.table.entry(&key).is_some() {
                changes.push(Pending {
                    change: Change::DeleteService(key),
                    text: format!("Purged virtual server (start): {key}"),
                    service: None,
                    about: About::Service,
                });
            }
        }
        if !self.program(changes) {
            self.taken_over(now);
        }
    }

    /// The takeover's changes are made: what needs no look is up, and everything else is looked at.
    fn taken_over(&mut self, now: Duration) {
        self.phase = Phase::Running;
        for id in self.watches.rebuild(&Rc::clone(&self.config), now) {
            self.actions.push_back(Action::CancelCheck(id));
        }
        self.fallback_commands(0..self.virtuals.len());
        self.state = State::Running;
        let mut changed = Vec::new();
        for (at, (service, state)) in self
            .config
            .virtuals
            .iter()
            .zip(&mut self.virtuals)
            .enumerate()
        {
            for (real, state) in service.reals.iter().zip(&mut state.reals) {
                if real.check == CheckPlan::AlwaysUp && !state.up {
                    state.set_up(true, now);
                    changed.push(at);
                }
            }
        }
        self.reconcile(Occasion::Running, changed);
    }

    fn differences(&self, at: usize, occasion: Occasion) -> Vec<Pending> {
        match (self.config.virtuals.get(at), self.virtuals.get(at)) {
            (Some(service), Some(state)) => reconcile::servers(
                at,
                service,
                state,
                self.config.readd_quiescent,
                &self.table,
                occasion,
            ),
            _ => Vec::new(),
        }
    }

    fn reconcile(&mut self, occasion: Occasion, which: impl IntoIterator<Item = usize>) {
        if !self.in_flight.is_empty() {
            // The answer to these changes looks at everything again.
            self.unsettled = true;
            return;
        }
        let which: Vec<usize> = which.into_iter().collect();
        let mut changes = Vec::new();
        for at in &which {
            if let Some(service) = self.config.virtuals.get(*at) {
                changes.extend(reconcile::service(*at, service, &self.table));
            }
            changes.extend(self.differences(*at, occasion));
        }
        self.program(changes);
        self.fallback_commands(which);
    }

    /// Hands changes to the shell; false if there are none.
    fn program(&mut self, changes: Vec<Pending>) -> bool {
        if changes.is_empty() {
            self.unsettled = false;
            return false;
        }
        let batch = changes
            .iter()
            .map(|pending| pending.change.clone())
            .collect();
        self.in_flight = changes;
        self.actions.push_back(Action::Program(batch));
        true
    }

    fn programmed(&mut self, results: Vec<Result<(), Refused>>, now: Duration) {
        let changes = std::mem::take(&mut self.in_flight);
        let mut refused: BTreeSet<ServiceKey> = BTreeSet::new();
        let mut results = results.into_iter();
        for pending in changes {
            let result = results
                .next()
                .unwrap_or_else(|| Err("no answer from the kernel".into()));
            match result {
                Ok(()) => {
                    self.table.apply(&pending.change);
                    self.tell(&pending, now);
                }
                // What follows from the first refusal need not be said.
                Err(reason) => {
                    if refused.insert(*pending.change.service()) {
                        self.log(format!("ipvs: {} failed: {reason}", pending.change));
                    }
                }
            }
        }
        for (service, state) in self.config.virtuals.iter().zip(&mut self.virtuals) {
            state.fallback_active = service.fallback.is_some() && !state.any_up();
        }
        let good = refused.is_empty();
        match std::mem::replace(&mut self.phase, Phase::Running) {
            Phase::TakingOver => self.taken_over(now),
            Phase::Stopping(signal) => self.end(&signal),
            other => {
                self.phase = other;
                if good && self.unsettled {
                    self.unsettled = false;
                    self.reconcile(Occasion::Running, 0..self.virtuals.len());
                }
            }
        }
        if good {
            self.retry_pause = RETRY_MIN;
        } else {
            self.unsettled = true;
            self.retry_later(now);
        }
    }

    /// Reads the table again after a pause that grows.
    fn retry_later(&mut self, now: Duration) {
        self.audit_at = Some(now + self.retry_pause);
        self.retry_pause = (self.retry_pause * 2).min(RETRY_MAX);
    }

    /// Log line and mail for a change that the kernel has made.
    fn tell(&mut self, pending: &Pending, now: Duration) {
        self.log(pending.text.clone());
        let Some(at) = pending.service else { return };
        if pending.about == About::Service {
            return;
        }
        self.send_mail(at, &pending.text);
        let Some(service) = self.config.virtuals.get(at) else {
            return;
        };
        let repeats = !service.alerts.frequency.is_zero() && service.alerts.to.is_some();
        if let About::Out(position) = pending.about
            && let Some(state) = self.real_state(at, position)
        {
            state.mailed = repeats.then_some(now);
        }
    }

    fn send_mail(&mut self, at: usize, text: &str) {
        let Some(service) = self.config.virtuals.get(at) else {
            return;
        };
        let mail = alert::mail(
            service,
            self.config.email_from.as_deref(),
            &self.options.host_name,
            self.state,
            text,
        );
        if let Some(mail) = mail {
            self.log(format!("emailalert: {text}"));
            self.actions.push_back(Action::Mail(mail));
        }
    }

    fn real_state(&mut self, at: usize, position: usize) -> Option<&mut RealState> {
        self.virtuals.get_mut(at)?.reals.get_mut(position)
    }

    fn check_ended(&mut self, id: CheckId, up: bool, text: &str, now: Duration) {
        let Some(users) = self.watches.ended(id, Some(up)) else {
            return;
        };
        let config = Rc::clone(&self.config);
        let mut changed = Vec::new();
        for (at, position) in users {
            let real = config
                .virtuals
                .get(at)
                .and_then(|service| Some((service, service.reals.get(position)?)));
            if let Some((service, real)) = real
                && self.judge(at, position, service, real, up, text, now)
            {
                changed.push(at);
            }
        }
        if !changed.is_empty() {
            self.reconcile(Occasion::Running, changed);
        }
    }

    /// Applies a verdict to one virtual service's server; true if it came in or went out.
    #[allow(clippy::too_many_arguments)] // a verdict and all that it is about
    fn judge(
        &mut self,
        at: usize,
        position: usize,
        service: &VirtualService,
        real: &Real,
        up: bool,
        text: &str,
        now: Duration,
    ) -> bool {
        if let Some(path) = &service.monitor_file {
            self.actions.push_back(Action::Monitor {
                path: path.clone(),
                text: monitor::line(&real.identity, up, text),
            });
        }
        let name = format!("{} ({})", real.configured, service.id());
        let Some(state) = self.real_state(at, position) else {
            return false;
        };
        text.clone_into(&mut state.text);
        if up {
            let failures = std::mem::take(&mut state.failures);
            let changed = !state.up;
            state.set_up(true, now);
            state.mailed = None;
            if failures > 0 {
                self.log(format!("Resetting soft failure count: {name}"));
            }
            return changed;
        }
        if !state.up {
            return false;
        }
        state.failures += 1;
        let failures = state.failures;
        if failures < service.failure_count {
            self.log(format!(
                "Soft failure real server: {name} failure {failures}/{}",
                service.failure_count
            ));
            return false;
        }
        state.failures = 0;
        state.set_up(false, now);
        true
    }

    /// Tells the fallback commands what has changed for them (`ldirectord.md` 4.5).
    fn fallback_commands(&mut self, which: impl IntoIterator<Item = usize>) {
        for at in which {
            let (Some(service), Some(state)) =
                (self.config.virtuals.get(at), self.virtuals.get_mut(at))
            else {
                continue;
            };
            let Some(command) = &service.fallback_command else {
                continue;
            };
            let start = !state.any_up();
            // One that was never started need not be stopped.
            let news = match state.command_started {
                Some(started) => started != start,
                None => start,
            };
            state.command_started = Some(start);
            if news {
                let word = if start { "start" } else { "stop" };
                let key = service.key();
                self.actions.push_back(Action::RunCommand {
                    command: command.clone(),
                    arguments: vec![word.into(), key.to_string(), protocol_word(key).into()],
                });
            }
        }
    }

    fn reload(&mut self, config: Rc<Ldirectord>, now: Duration) {
        if matches!(self.phase, Phase::Stopping(_)) {
            return;
        }
        let old = std::mem::replace(&mut self.config, config);
        let former = std::mem::take(&mut self.virtuals);
        let mut known: BTreeMap<(ServiceKey, ipvs::DestinationKey), RealState> = BTreeMap::new();
        let mut commands: BTreeMap<ServiceKey, Option<bool>> = BTreeMap::new();
        for (service, state) in old.virtuals.iter().zip(former) {
            commands.insert(*service.key(), state.command_started);
            for (real, state) in service.reals.iter().zip(state.reals) {
                known.insert((*service.key(), real.configured), state);
            }
        }
        self.virtuals = states(&self.config);
        for (service, state) in self.config.virtuals.iter().zip(&mut self.virtuals) {
            state.command_started = commands.remove(service.key()).flatten();
            for (real, state) in service.reals.iter().zip(&mut state.reals) {
                if let Some(former) = known.remove(&(*service.key(), real.configured)) {
                    *state = former;
                } else {
                    state.since = now;
                }
            }
        }
        // Only what we had is ours to remove.
        self.to_purge.extend(commands.into_keys());
        self.executes(&old);
        self.state = State::Reloading;
        self.phase = Phase::Takeover;
        self.in_flight.clear();
        self.actions.push_back(Action::ReadTable);
        self.warn_of_pinned_clients();
    }

    /// Starts, stops and reloads other instances by the difference of their lists.
    fn executes(&mut self, old: &Ldirectord) {
        let new: Vec<String> = self.config.execute.clone();
        for text in &old.execute {
            let what = if new.contains(text) {
                Execute::Reload
            } else {
                Execute::Stop
            };
            self.actions.push_back(Action::Execute(what, text.clone()));
        }
        for text in new.iter().filter(|text| !old.execute.contains(text)) {
            self.actions
                .push_back(Action::Execute(Execute::Start, text.clone()));
        }
    }

    fn maintenance(
        &mut self,
        files: &BTreeSet<String>,
        names: &BTreeMap<IpAddr, String>,
        now: Duration,
    ) {
        let mut changed = Vec::new();
        for (at, (service, state)) in self
            .config
            .virtuals
            .iter()
            .zip(&mut self.virtuals)
            .enumerate()
        {
            for (real, state) in service.reals.iter().zip(&mut state.reals) {
                let out = in_maintenance(real, files, names);
                if state.maintenance != out {
                    state.maintenance = out;
                    state.since = now;
                    if out {
                        // It comes back by a good check.
                        state.up = false;
                        state.failures = 0;
                        state.text = "Server in maintenance".into();
                    }
                    changed.push(at);
                }
            }
        }
        if self.phase == Phase::Running && !changed.is_empty() {
            self.reconcile(Occasion::Running, changed);
        }
    }

    /// With weight 0 a server keeps the clients that are bound to it; when it is dead, they get no answer.
    fn warn_of_pinned_clients(&mut self) {
        if self.expire_quiescent != Some(false) {
            return;
        }
        let pinned: Vec<String> = self
            .config
            .virtuals
            .iter()
            .filter(|service| service.quiescent && service.service.persistence.is_some())
            .map(VirtualService::id)
            .collect();
        if !pinned.is_empty() {
            self.log(format!(
                "Warning: persistent clients of {} stay bound to a real server that is down; to free them: sysctl -w net.ipv4.vs.expire_quiescent_template=1",
                pinned.join(", ")
            ));
        }
    }

    fn timers(&mut self, now: Duration) {
        if self.audit_at.is_some_and(|at| at <= now) {
            // The answer sets the next one; should none come, we ask again then.
            self.audit_at = Some(now + AUDIT_INTERVAL);
            self.actions.push_back(Action::ReadTable);
        }
        let virtuals = &self.virtuals;
        let skip = |v: usize, r: usize| {
            virtuals
                .get(v)
                .and_then(|state| state.reals.get(r))
                .is_none_or(|state| state.maintenance)
        };
        while let Some((id, probe)) = self.watches.begin_due(now, skip) {
            self.actions.push_back(Action::StartCheck { id, probe });
        }
        self.repeat_mails(now);
    }

    fn next_repetition(&self) -> Option<Duration> {
        self.config
            .virtuals
            .iter()
            .zip(&self.virtuals)
            .filter(|(service, _)| !service.alerts.frequency.is_zero())
            .flat_map(|(service, state)| {
                state
                    .reals
                    .iter()
                    .filter_map(|real| Some(real.mailed? + service.alerts.frequency))
            })
            .min()
    }

    fn repeat_mails(&mut self, now: Duration) {
        let mut due = Vec::new();
        for (at, (service, state)) in self
            .config
            .virtuals
            .iter()
            .zip(&mut self.virtuals)
            .enumerate()
        {
            for (real, state) in service.reals.iter().zip(&mut state.reals) {
                let over = |mailed: Duration| mailed + service.alerts.frequency <= now;
                if state.mailed.is_some_and(over) {
                    state.mailed = Some(now);
                    due.push((
                        at,
                        format!(
                            "Inaccessible real server: {} ({})",
                            real.configured,
                            service.key()
                        ),
                    ));
                }
            }
        }
        for (at, text) in due {
            self.send_mail(at, &text);
        }
    }

    fn stop(&mut self, signal: &str) {
        if matches!(self.phase, Phase::Stopping(_)) {
            return;
        }
        self.state = State::Stopping;
        for id in self.watches.cancel_all() {
            self.actions.push_back(Action::CancelCheck(id));
        }
        for text in self.config.execute.clone() {
            self.actions.push_back(Action::Execute(Execute::Stop, text));
        }
        self.audit_at = None;
        let mut changes = Vec::new();
        for (at, (service, state)) in self.config.virtuals.iter().zip(&self.virtuals).enumerate() {
            if service.clean_stop {
                changes.extend(reconcile::stop(at, service, &state.reals, &self.table));
            }
        }
        if self.program(changes) {
            self.phase = Phase::Stopping(signal.to_owned());
        } else {
            self.end(signal);
        }
    }

    fn end(&mut self, signal: &str) {
        self.phase = Phase::Ended;
        self.log(format!(
            "Linux Director Daemon terminated on signal: {signal}"
        ));
        self.actions.push_back(Action::Exit);
    }
}

fn states(config: &Ldirectord) -> Vec<VirtualState> {
    config
        .virtuals
        .iter()
        .map(|service| VirtualState {
            reals: vec![RealState::default(); service.reals.len()],
            ..VirtualState::default()
        })
        .collect()
}

/// Whether a file names the server: by address, full name or first label, each with or without the port
/// (`ldirectord.md` 4.5).
fn in_maintenance(real: &Real, files: &BTreeSet<String>, names: &BTreeMap<IpAddr, String>) -> bool {
    if files.is_empty() {
        return false;
    }
    let address = match real.configured.address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    let full = names.get(&real.configured.address).cloned();
    let short = full
        .as_ref()
        .and_then(|name| name.split('.').next())
        .map(str::to_owned);
    [Some(address), full, short]
        .into_iter()
        .flatten()
        .any(|name| {
            files.contains(&name) || files.contains(&format!("{name}:{}", real.configured.port))
        })
}
