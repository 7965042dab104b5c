//! How a configuration becomes true: at start, at a reload, and how all ends (`ldirectord.md` 7.4, 7.6, 10).

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use ha_config::ldirectord::{Ldirectord, State};
use ipvs::{ServiceKey, Table};

use crate::director::{Changed, Director, Stage, Takeover};
use crate::plan::{Extent, Planner};
use crate::servers::Servers;
use crate::{Action, Execute};

impl Director {
    /// Makes the configuration true, now that the table is known: one batch.
    pub(crate) fn take_over(&mut self, now: Duration, table: &Table) {
        self.adopt(now, table);
        self.changed = Changed::default();
        self.kernel.troubles.clear();
        let all: Vec<(usize, Extent)> = (0..self.config.virtuals.len())
            .map(|at| (at, Extent::TakeOver))
            .collect();
        let planner = Planner {
            config: &self.config,
            servers: &self.servers,
            table,
        };
        let mut steps = planner.services(&all);
        steps.extend(self.retired.iter().filter_map(|key| planner.retired(*key)));
        self.changed.commands.extend(0..self.config.virtuals.len());
        self.takeover = Takeover::UnderWay;
        if !self.program(steps) {
            self.taken_over(now);
        }
    }

    /// A server with a weight in the table of which nothing is known yet is in service: whoever put it there, perhaps a
    /// predecessor that crashed, had a reason. It stays until its first bad check.
    fn adopt(&mut self, now: Duration, table: &Table) {
        for (service, state) in self.config.virtuals.iter().zip(&mut self.servers.virtuals) {
            let Some(entry) = table.entry(service.key()) else {
                continue;
            };
            for (real, state) in service.reals.iter().zip(&mut state.reals) {
                let present = entry.destinations.get(&real.destination.key);
                if !state.judged && present.is_some_and(|present| present.weight > 0) {
                    state.up = true;
                    state.judged = true;
                    state.since = now;
                }
            }
        }
        self.servers.count();
    }

    /// The configuration is in the table, as far as the kernel took it.
    pub(crate) fn taken_over(&mut self, now: Duration) {
        self.takeover = Takeover::Done;
        self.begin(now);
        self.state = State::Running;
    }

    /// The first checks begin, all at once.
    pub(crate) fn begin(&mut self, now: Duration) {
        if self.started {
            return;
        }
        self.started = true;
        self.state = State::Running;
        for config in self.config.execute.clone() {
            self.actions
                .push_back(Action::Execute(Execute::Start, config));
        }
        self.watches.rebuild(&self.config, now);
    }

    /// The new configuration replaces the old one. What both have keeps its state.
    pub(crate) fn replace_config(&mut self, now: Duration, config: Rc<Ldirectord>) {
        let old = std::mem::replace(&mut self.config, config);
        let config = Rc::clone(&self.config);
        self.state = if self.started {
            State::Reloading
        } else {
            State::Starting
        };
        let old_servers = std::mem::replace(&mut self.servers, Servers::new(&config));
        self.servers.inherit(&config, old_servers, &old);
        self.changed = Changed::default();
        self.retire(&old);
        self.inherit_repetitions();
        if self.started {
            self.reload_others(&old.execute);
            for id in self.watches.rebuild(&config, now) {
                self.actions.push_back(Action::CancelCheck(id));
            }
        }
        if config.maintenance_dir != old.maintenance_dir {
            self.maintenance.files.clear();
        }
        self.apply_maintenance(now);
        self.warn_of_pinned_clients();
        self.takeover = Takeover::Wanted;
        self.kernel.read_wanted = true;
    }

    fn retire(&mut self, old: &Ldirectord) {
        let new: BTreeSet<ServiceKey> = self
            .config
            .virtuals
            .iter()
            .map(|service| *service.key())
            .collect();
        self.retired
            .extend(old.virtuals.iter().map(|service| *service.key()));
        self.retired.retain(|key| !new.contains(key));
    }

    /// Instances of `execute=` lines are stopped, reloaded or started by difference.
    fn reload_others(&mut self, old: &[String]) {
        let old: BTreeSet<&String> = old.iter().collect();
        let config = Rc::clone(&self.config);
        let new: BTreeSet<&String> = config.execute.iter().collect();
        let gone = old.difference(&new).map(|text| (Execute::Stop, *text));
        let kept = old.intersection(&new).map(|text| (Execute::Reload, *text));
        let added = new.difference(&old).map(|text| (Execute::Start, *text));
        for (what, text) in gone.chain(kept).chain(added) {
            self.actions.push_back(Action::Execute(what, text.clone()));
        }
    }

    /// A signal that ends the daemon. Checks end at once; the table is cleaned when the kernel has answered what it was
    /// asked.
    pub(crate) fn stop(&mut self, signal: &str) {
        if self.stage != Stage::Working {
            return;
        }
        self.stage = Stage::Stopping(signal.to_owned());
        self.state = State::Stopping;
        for id in self.watches.give_up() {
            self.actions.push_back(Action::CancelCheck(id));
        }
        if self.started {
            for config in self.config.execute.clone() {
                self.actions
                    .push_back(Action::Execute(Execute::Stop, config));
            }
        }
    }

    /// Takes the table down, or ends when there is nothing to take down.
    pub(crate) fn clean_up(&mut self, signal: String) {
        let steps = match &self.kernel.table {
            Some(table) => Planner {
                config: &self.config,
                servers: &self.servers,
                table,
            }
            .stop(),
            None => Vec::new(),
        };
        if self.program(steps) {
            self.stage = Stage::Cleaning(signal);
        } else {
            self.end(&signal);
        }
    }

    pub(crate) fn end(&mut self, signal: &str) {
        self.stage = Stage::Ended;
        self.log(format!(
            "Linux Director Daemon terminated on signal: {signal}"
        ));
        self.actions.push_back(Action::Exit);
    }
}
