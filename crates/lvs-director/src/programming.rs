//! The conversation with the kernel: one question at a time, and what follows from its answers.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use ipvs::{Change, Refusal, ServiceKey, Table};

use crate::Action;
use crate::director::{Director, Stage, Takeover};
use crate::kernel::{self, AUDIT_INTERVAL, Asked, Trouble};
use crate::plan::{About, Extent, Planner, Step};
use crate::throttle;

/// What of one virtual service was refused in one batch.
struct Refused {
    /// The first refusal: said in full. What comes after it mostly follows from it.
    first: String,
    more: usize,
    out_of_date: bool,
}

impl Director {
    /// Asks the kernel for what is to be asked next.
    pub(crate) fn proceed(&mut self, now: Duration) {
        if self.kernel.is_busy() {
            return;
        }
        match &self.stage {
            Stage::Cleaning(_) | Stage::Ended => return,
            Stage::Stopping(signal) => {
                let signal = signal.clone();
                self.clean_up(signal);
                return;
            }
            Stage::Working => {}
        }
        if let Some(config) = self.new_config.take() {
            self.replace_config(now, config);
        }
        if self.kernel.read_wanted {
            self.ask_for_table();
        } else if self.takeover == Takeover::Done {
            self.program_changes(now);
        }
    }

    pub(crate) fn ask_for_table(&mut self) {
        self.kernel.read_wanted = false;
        self.kernel.asked = Asked::Table;
        self.actions.push_back(Action::ReadTable);
    }

    /// Plans what changed states mean for the table.
    fn program_changes(&mut self, now: Duration) {
        let Some(table) = &self.kernel.table else {
            // Everything is planned when it can be read again.
            self.changed.reals.clear();
            self.changed.fallbacks.clear();
            return;
        };
        let mut reals = std::mem::take(&mut self.changed.reals);
        let mut fallbacks = std::mem::take(&mut self.changed.fallbacks);
        if !self.kernel.troubles.is_empty() {
            // A service that the kernel refuses is planned as a whole when its time comes.
            let rests = |at: usize| {
                self.config
                    .virtuals
                    .get(at)
                    .is_none_or(|service| self.kernel.is_resting(service.key(), now))
            };
            reals.retain(|place| !rests(place.service));
            fallbacks.retain(|at| !rests(*at));
        }
        let planner = Planner {
            config: &self.config,
            servers: &self.servers,
            table,
        };
        let steps = planner.changed(&reals, &fallbacks);
        self.program(steps);
    }

    /// Hands changes to the kernel; false if there are none.
    pub(crate) fn program(&mut self, steps: Vec<Step>) -> bool {
        if steps.is_empty() {
            return false;
        }
        let changes = steps.iter().map(|step| step.change.clone()).collect();
        self.kernel.asked = Asked::Changes(steps);
        self.actions.push_back(Action::Program(changes));
        true
    }

    pub(crate) fn table_read(&mut self, now: Duration, table: Table) {
        if !matches!(self.kernel.asked, Asked::Table) {
            return;
        }
        self.kernel.asked = Asked::Nothing;
        self.kernel.next_audit = now.saturating_add(AUDIT_INTERVAL);
        self.retired.retain(|key| table.entry(key).is_some());
        // Without a table so far, or after a time without one, anything may be missing or wrong.
        let unknown = self.kernel.table.is_none();
        self.kernel.unreadable = None;
        if self.stage == Stage::Working {
            if self.takeover == Takeover::Wanted {
                self.take_over(now, &table);
            } else {
                self.audit(now, &table, unknown);
            }
        }
        self.kernel.table = Some(table);
    }

    /// Puts back what is missing, and tries again what was refused.
    fn audit(&mut self, now: Duration, table: &Table, unknown: bool) {
        let mut which = Vec::new();
        for (at, service) in self.config.virtuals.iter().enumerate() {
            let extent = match self.kernel.troubles.get(service.key()) {
                Some(trouble) if trouble.retry_at > now => continue,
                Some(trouble) if trouble.in_takeover => Extent::TakeOver,
                Some(_) => Extent::Whole,
                None if unknown => Extent::Whole,
                None => Extent::Missing,
            };
            which.push((at, extent));
        }
        let planner = Planner {
            config: &self.config,
            servers: &self.servers,
            table,
        };
        let mut steps = planner.services(&which);
        let retired = self
            .retired
            .iter()
            .filter(|key| !self.kernel.is_resting(key, now));
        steps.extend(retired.filter_map(|key| planner.retired(*key)));
        // Where nothing is left to do, the trouble is over.
        let open: std::collections::BTreeSet<&ServiceKey> =
            steps.iter().map(|step| step.change.service()).collect();
        self.kernel
            .troubles
            .retain(|key, trouble| trouble.retry_at > now || open.contains(key));
        self.program(steps);
    }

    pub(crate) fn table_unreadable(&mut self, now: Duration, why: &str) {
        if !matches!(self.kernel.asked, Asked::Table) {
            return;
        }
        self.kernel.asked = Asked::Nothing;
        self.lose_table(now, &format!("ipvs: the table cannot be read: {why}"));
        // Who is up is found out all the same.
        self.begin(now);
    }

    fn lose_table(&mut self, now: Duration, text: &str) {
        self.kernel.table = None;
        self.kernel.troubles.clear();
        let trouble = self.kernel.unreadable.get_or_insert_default();
        trouble.refused(now, false);
        if let Some(unsaid) = trouble.throttle.ask(now, text) {
            self.log(format!("{text}{}", throttle::times(unsaid)));
        }
    }

    pub(crate) fn programmed(&mut self, now: Duration, results: Vec<Result<(), Refusal>>) {
        let Asked::Changes(steps) = std::mem::take(&mut self.kernel.asked) else {
            return;
        };
        let mut results = results.into_iter();
        let mut refused: BTreeMap<ServiceKey, Refused> = BTreeMap::new();
        let mut absent: Option<String> = None;
        for step in &steps {
            match results.next().unwrap_or(Err(Refusal::Unknown)) {
                Ok(()) => self.done(now, step),
                Err(Refusal::NoIpvs) => {
                    absent.get_or_insert_with(|| failure(&step.change, &Refusal::NoIpvs));
                }
                Err(refusal) => self.refused(now, &mut refused, &step.change, &refusal),
            }
        }
        self.settle(now, &steps, refused);
        if let Some(text) = absent {
            self.lose_table(now, &text);
        }
        match std::mem::replace(&mut self.stage, Stage::Working) {
            Stage::Cleaning(signal) => self.end(&signal),
            other => self.stage = other,
        }
        if self.takeover == Takeover::UnderWay {
            self.taken_over(now);
            if self.kernel.table.is_none() {
                self.takeover = Takeover::Wanted;
            }
        }
    }

    /// A change was made: it is in the table as we know it, and is said.
    fn done(&mut self, now: Duration, step: &Step) {
        let fits = self
            .kernel
            .table
            .as_mut()
            .is_some_and(|table| table.apply(&step.change));
        if !fits {
            self.kernel.read_wanted = true;
        }
        if let Change::DeleteService(key) = &step.change {
            self.retired.remove(key);
        }
        if let About::In(place) = step.about {
            // The fallback leaves now that somebody is in.
            self.changed.fallbacks.insert(place.service);
            let twin = self
                .servers
                .virtuals
                .get(place.service)
                .and_then(|state| state.fallback_twin);
            if let Some(real) = twin {
                self.changed
                    .reals
                    .insert(crate::place::Place { real, ..place });
            }
        }
        self.tell(now, step);
    }

    fn refused(
        &mut self,
        now: Duration,
        refused: &mut BTreeMap<ServiceKey, Refused>,
        change: &Change,
        refusal: &Refusal,
    ) {
        let out_of_date = kernel::is_out_of_date(change, refusal);
        match refused.entry(*change.service()) {
            Entry::Occupied(mut entry) => entry.get_mut().more += 1,
            Entry::Vacant(entry) => {
                let text = failure(change, refusal);
                entry.insert(Refused {
                    first: text.clone(),
                    more: 0,
                    out_of_date,
                });
                let trouble = self.kernel.troubles.entry(*change.service()).or_default();
                if let Some(unsaid) = trouble.throttle.ask(now, &text) {
                    self.log(format!("{text}{}", throttle::times(unsaid)));
                }
            }
        }
    }

    /// Refused services rest for a while; those that took everything are well again.
    fn settle(&mut self, now: Duration, steps: &[Step], refused: BTreeMap<ServiceKey, Refused>) {
        for step in steps {
            if !refused.contains_key(step.change.service()) {
                self.kernel.troubles.remove(step.change.service());
            }
        }
        let in_takeover = self.takeover == Takeover::UnderWay;
        for (key, refused) in refused {
            let trouble: &mut Trouble = self.kernel.troubles.entry(key).or_default();
            trouble.refused(now, refused.out_of_date);
            trouble.in_takeover |= in_takeover;
            if refused.more > 0 && trouble.throttle.just_said(now, &refused.first) {
                let changes = if refused.more == 1 {
                    "change"
                } else {
                    "changes"
                };
                self.log(format!(
                    "ipvs: {} more {changes} of {key} failed",
                    refused.more
                ));
            }
        }
    }
}

fn failure(change: &Change, refusal: &Refusal) -> String {
    format!(
        "ipvs: {change} failed: {}",
        kernel::refusal_text(change, refusal)
    )
}
