//! What checks find out, and what follows from it (`ldirectord.md` 7.3, 9).

use std::rc::Rc;
use std::time::Duration;

use ha_config::ldirectord::protocol_word;

use crate::director::Director;
use crate::place::Place;
use crate::plan::{About, Step};
use crate::watch::Due;
use crate::{Action, CheckId, alert, monitor};

/// What monitor files say of a server that a file in `maintenancedir` names.
pub(crate) const IN_MAINTENANCE: &str = "Server in maintenance";

impl Director {
    /// Begins the checks that are due.
    pub(crate) fn begin_checks(&mut self, now: Duration) {
        loop {
            let servers = &self.servers;
            let rests = |place| servers.real(place).is_none_or(|real| real.maintenance);
            match self.watches.due(now, rests) {
                None => return,
                Some(Due::Check { id, probe }) => {
                    self.actions.push_back(Action::StartCheck { id, probe });
                }
                Some(Due::Good(users)) => {
                    for place in users.iter() {
                        self.judge(now, *place, true, "");
                    }
                    // The fallback of a service leaves when its first server is in, before the others come.
                    if users.iter().any(|place| self.awaits_its_first(now, *place)) {
                        return;
                    }
                }
                Some(Due::Resting(users)) => {
                    for place in users.iter() {
                        self.monitor(*place, false, IN_MAINTENANCE);
                    }
                }
            }
        }
    }

    /// The only server of a service is on its way into the table, and the fallback has to leave then. Where the kernel
    /// refuses the service nothing is on its way, and no answer will come that goes on with the checks.
    fn awaits_its_first(&self, now: Duration, place: Place) -> bool {
        let has_fallback = self
            .config
            .virtuals
            .get(place.service)
            .is_some_and(|service| {
                service.fallback.is_some() && !self.kernel.is_resting(service.key(), now)
            });
        let state = self.servers.virtuals.get(place.service);
        has_fallback
            && self.kernel.table.is_some()
            && self.changed.reals.contains(&place)
            && state.is_some_and(|state| state.serving == 1)
    }

    pub(crate) fn check_ended(&mut self, now: Duration, id: CheckId, up: bool, text: &str) {
        let Some(users) = self.watches.ended(id, Some(up)) else {
            return;
        };
        for place in users.iter() {
            self.judge(now, *place, up, text);
        }
    }

    /// Applies a verdict to a real server of one virtual service.
    fn judge(&mut self, now: Duration, place: Place, up: bool, text: &str) {
        let config = Rc::clone(&self.config);
        let Some((service, real)) = config
            .virtuals
            .get(place.service)
            .and_then(|service| Some((service, service.reals.get(place.real)?)))
        else {
            return;
        };
        let Some(state) = self.servers.real_mut(place) else {
            return;
        };
        if state.maintenance {
            self.monitor(place, false, IN_MAINTENANCE);
            return;
        }
        state.judged = true;
        state.set_text(text);
        let (was_up, failures) = (state.up, state.failures);
        self.monitor(place, up, text);
        let limit = service.failure_count;
        if up {
            if failures > 0 && limit > 1 {
                self.log(format!(
                    "Resetting soft failure count: {} ({})",
                    real.configured,
                    service.id()
                ));
            }
            self.set(now, place, true, 0);
        } else if was_up {
            let failures = failures.saturating_add(1);
            let down = failures >= limit;
            if !down {
                self.log(format!(
                    "Soft failure real server: {} ({}) failure {failures}/{limit}",
                    real.configured,
                    service.id()
                ));
            }
            self.set(now, place, !down, failures);
        }
    }

    fn set(&mut self, now: Duration, place: Place, up: bool, failures: u32) {
        let moved = self.servers.change(now, place, |state| {
            state.up = up;
            state.failures = failures;
        });
        if moved {
            self.moved(place);
        }
    }

    /// A real server came into or went out of service.
    pub(crate) fn moved(&mut self, place: Place) {
        self.changed.reals.insert(place);
        self.changed.fallbacks.insert(place.service);
        self.changed.commands.insert(place.service);
        let twin = self
            .servers
            .virtuals
            .get(place.service)
            .and_then(|state| state.fallback_twin);
        if let Some(real) = twin {
            self.changed.reals.insert(Place { real, ..place });
        }
    }

    /// Fallback commands hear `start` when no server is up and `stop` when the first one is, each once per change
    /// (4.5).
    pub(crate) fn tell_fallback_commands(&mut self) {
        for at in std::mem::take(&mut self.changed.commands) {
            let (Some(service), Some(state)) = (
                self.config.virtuals.get(at),
                self.servers.virtuals.get_mut(at),
            ) else {
                continue;
            };
            let Some(command) = &service.fallback_command else {
                continue;
            };
            let start = state.serving == 0;
            if state.command == Some(start) {
                continue;
            }
            state.command = Some(start);
            let word = if start { "start" } else { "stop" };
            self.actions.push_back(Action::RunCommand {
                command: command.clone(),
                arguments: vec![
                    word.to_owned(),
                    service.key().to_string(),
                    protocol_word(service.key()).to_owned(),
                ],
            });
        }
    }

    fn monitor(&mut self, place: Place, up: bool, text: &str) {
        let service = self.config.virtuals.get(place.service);
        if let Some(service) = service
            && let Some(path) = &service.monitor_file
            && let Some(real) = service.reals.get(place.real)
        {
            self.actions.push_back(Action::Monitor {
                path: path.clone(),
                text: monitor::line(&real.identity, up, text),
            });
        }
    }

    /// Says that a change was made: in the log and, if it concerns a server, by mail.
    pub(crate) fn tell(&mut self, now: Duration, step: &Step) {
        self.log(step.text.clone());
        match step.about {
            About::Service => {}
            About::Other(at) => self.send_mail(at, &step.text),
            About::In(place) => {
                self.send_mail(place.service, &step.text);
                self.remind(place, None);
            }
            About::Out(place) => {
                self.send_mail(place.service, &step.text);
                self.remind(place, Some(now));
            }
        }
    }

    fn send_mail(&mut self, at: usize, text: &str) {
        let Some(service) = self.config.virtuals.get(at) else {
            return;
        };
        let host = &self.options.host_name;
        let mail = alert::mail(&self.config, service, host, self.state, text);
        if let Some(mail) = mail {
            self.log(format!("emailalert: {}", mail.subject));
            self.actions.push_back(Action::Mail(mail));
        }
    }

    /// Begins (at the time of a mail) or ends the repetition of mails about a server that is down.
    fn remind(&mut self, place: Place, mailed: Option<Duration>) {
        let Some(alerts) = self
            .config
            .virtuals
            .get(place.service)
            .map(|service| &service.alerts)
        else {
            return;
        };
        let Some(state) = self.servers.real_mut(place) else {
            return;
        };
        if let Some(last) = state.mailed.take() {
            let due = last.saturating_add(alerts.frequency);
            self.repetitions.remove(due, place);
        }
        let repeats = alerts.to.is_some() && !alerts.frequency.is_zero();
        if let Some(mailed) = mailed.filter(|_| repeats) {
            state.mailed = Some(mailed);
            let due = mailed.saturating_add(alerts.frequency);
            self.repetitions.add(due, place);
        }
    }

    pub(crate) fn repeat_mails(&mut self, now: Duration) {
        while let Some(place) = self.repetitions.pop_due(now) {
            let Some(text) = self.inaccessible(place) else {
                continue;
            };
            self.send_mail(place.service, &text);
            self.remind(place, Some(now));
        }
    }

    fn inaccessible(&self, place: Place) -> Option<String> {
        let service = self.config.virtuals.get(place.service)?;
        let server = service.reals.get(place.real)?.configured;
        Some(format!(
            "Inaccessible real server: {server} ({})",
            service.key()
        ))
    }

    /// Reminders go on over a reload, in the new rhythm.
    pub(crate) fn inherit_repetitions(&mut self) {
        self.repetitions.clear();
        let mut reminders = Vec::new();
        for (service, state) in self.servers.virtuals.iter_mut().enumerate() {
            for (real, state) in state.reals.iter_mut().enumerate() {
                if let Some(mailed) = state.mailed.take() {
                    reminders.push((Place { service, real }, mailed));
                }
            }
        }
        for (place, mailed) in reminders {
            self.remind(place, Some(mailed));
        }
    }
}
