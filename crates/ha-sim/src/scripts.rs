//! The jobs of a core, done by scripts that take time, as `heartbeat::jobs` does them: a job that touches a group of an
//! earlier one waits for it, and a script that takes long no longer holds up the other groups of its job.

use std::collections::VecDeque;
use std::slice;
use std::time::Duration;

use ha_cluster::{FailedGroup, Hold, Job, JobId, JobOutcome, Report};

use crate::host::{Activity, Process, Run, Step, Verb};
use crate::legacy::SCRIPT_LEAST;
use crate::seen::Seen;
use crate::world::{Happening, World};

/// As in `heartbeat::jobs`.
const SLOW: Duration = Duration::from_secs(30);

/// After so many failed stops of something that still runs the machine goes down (`resource-protocol.md` 1.7).
const STOPS_MAX: u32 = 11;

/// Between two attempts to stop.
const STOP_PAUSE: Duration = Duration::from_secs(1);

impl World {
    fn set(&self, host: usize, set: Hold) -> Vec<usize> {
        let groups = self.scenario.settings.groups.iter().enumerate();
        groups
            .filter(|(_, group)| match group.home == host {
                true => set.local,
                false => set.foreign,
            })
            .map(|(number, _)| number)
            .collect()
    }

    fn of(&self, owners: &[String]) -> Vec<usize> {
        let groups = self.scenario.settings.groups.iter().enumerate();
        groups
            .filter(|(_, group)| owners.contains(&self.hosts[group.home].name))
            .map(|(number, _)| number)
            .collect()
    }

    fn group_with_key(&self, key: Option<&str>) -> Vec<usize> {
        let groups = &self.scenario.settings.groups;
        let found = groups
            .iter()
            .position(|group| Some(group.key.as_str()) == key);
        found.into_iter().collect()
    }

    /// The steps of a job; none where nobody handles it.
    fn steps(&self, host: usize, job: &Job) -> Option<Vec<Step>> {
        let each = |groups: Vec<usize>, step: fn(usize) -> Step| groups.into_iter().map(step);
        Some(match job {
            Job::AcquireLocal { dont_ask, nice } => {
                let ask = !(*dont_ask || *nice);
                let groups = self.set(host, Hold::LOCAL).into_iter();
                groups.map(|group| Step::Query { group, ask }).collect()
            }
            Job::Release { set } => each(self.set(host, *set), Step::Stop).collect(),
            Job::GiveUpAll => each(self.set(host, Hold::ALL), Step::Stop).collect(),
            Job::Acquire { set } => each(self.set(host, *set), Step::Start).collect(),
            Job::ReleaseStale { set } => each(self.set(host, *set), Step::StopIfRunning).collect(),
            Job::ReleaseGroupsOf { owner } => {
                each(self.of(slice::from_ref(owner)), Step::Stop).collect()
            }
            Job::AcquireGroupsOf { owner } => {
                each(self.of(slice::from_ref(owner)), Step::Start).collect()
            }
            Job::ReleaseStaleOf { owners } => each(self.of(owners), Step::StopIfRunning).collect(),
            Job::Notify(message) => {
                let own = self.hosts[host].name.as_str();
                let from_us = message.field("src") == Some(own);
                match message.kind.as_str() {
                    "status" if message.field("st") == Some("dead") && !from_us => {
                        let dead = message.field("src");
                        let home = self
                            .hosts
                            .iter()
                            .position(|host| Some(host.name.as_str()) == dead);
                        let groups = self.scenario.settings.groups.iter().enumerate();
                        groups
                            .filter(|(_, group)| Some(group.home) == home)
                            .map(|(number, _)| Step::Start(number))
                            .collect()
                    }
                    "ip-request-resp"
                        if message.field("dest") == Some(own)
                            && message.field("ok") == Some("OK") =>
                    {
                        each(self.group_with_key(message.field("ipaddr")), Step::Start).collect()
                    }
                    "ip-request" if !from_us => each(
                        self.group_with_key(message.field("ipaddr")),
                        Step::StopIfRunning,
                    )
                    .collect(),
                    "status" | "ip-request" | "ip-request-resp" | "hb_takeover" => Vec::new(),
                    _ => return None,
                }
            }
            Job::Reset { .. } | Job::CheckDevice { .. } => return None,
        })
    }

    pub(crate) fn start_job(&mut self, host: usize, id: JobId, job: &Job) {
        let steps = self.steps(host, job);
        let mut report = Report::default();
        if matches!(job, Job::AcquireLocal { .. }) {
            let groups = self.set(host, Hold::LOCAL);
            report.keys = groups.into_iter().map(|group| self.key(group)).collect();
        }
        let Some(daemon) = &mut self.hosts[host].daemon else {
            return;
        };
        daemon.next_run += 1;
        let nobody = steps.is_none();
        let steps: VecDeque<Step> = steps.unwrap_or_default().into();
        daemon.runs.push(Run {
            id: daemon.next_run,
            job: id,
            asked: self.now,
            groups: steps.iter().map(|step| step.group()).collect(),
            steps,
            active: false,
            child: None,
            report,
            nobody,
        });
        self.activate(host);
    }

    pub(crate) fn key(&self, group: usize) -> String {
        self.scenario.settings.groups[group].key.clone()
    }

    /// Starts every waiting job that shares no group with an earlier one.
    fn activate(&mut self, host: usize) {
        loop {
            let Some(daemon) = &mut self.hosts[host].daemon else {
                return;
            };
            let runs = &daemon.runs;
            let startable = |(index, run): &(usize, &Run)| {
                let mut earlier = runs.iter().take(*index).flat_map(|earlier| &earlier.groups);
                !run.active && !earlier.any(|group| run.groups.contains(group))
            };
            let Some((index, run)) = runs.iter().enumerate().find(startable) else {
                return;
            };
            let id = run.id;
            daemon.runs[index].active = true;
            self.advance(host, id);
        }
    }

    fn run_mut(&mut self, host: usize, id: u64) -> Option<&mut Run> {
        let daemon = self.hosts[host].daemon.as_mut()?;
        daemon.runs.iter_mut().find(|run| run.id == id)
    }

    /// Takes a job as far as it goes without waiting.
    fn advance(&mut self, host: usize, id: u64) {
        loop {
            let Some(run) = self.run_mut(host, id) else {
                return;
            };
            if run.child.is_some() {
                return;
            }
            let Some(step) = run.steps.pop_front() else {
                return self.finish(host, id);
            };
            let running = self.hosts[host].groups[step.group()].activity == Activity::Running;
            match step {
                Step::Query { group, ask } => {
                    if running {
                        if !ask {
                            self.adopt(host, id, group);
                        }
                    } else {
                        let key = self.key(group);
                        if let Some(run) = self.run_mut(host, id) {
                            run.report.wanted.push(key);
                        }
                    }
                }
                Step::Start(group) if running => self.adopt(host, id, group),
                Step::Start(group) => self.call(host, id, group, Verb::Start),
                Step::Stop(group) => self.call(host, id, group, Verb::Stop),
                Step::StopIfRunning(group) => {
                    if running && let Some(run) = self.run_mut(host, id) {
                        run.report.owned = true;
                        run.steps.push_front(Step::Stop(group));
                    }
                }
            }
        }
    }

    /// It runs already, whoever started it: from now on this daemon answers for it.
    fn adopt(&mut self, host: usize, id: u64, group: usize) {
        if std::mem::take(&mut self.hosts[host].groups[group].left_behind) {
            let key = self.key(group);
            self.tell(host, || format!("{key} runs already"));
            self.taken(host, id, group);
        }
    }

    fn taken(&mut self, host: usize, id: u64, group: usize) {
        let asked = self.run_mut(host, id).map(|run| run.asked);
        let asked = asked.unwrap_or(self.now);
        self.seen.push(Seen::Taken { host, group, asked });
    }

    /// Runs a script for a job.
    fn call(&mut self, host: usize, id: u64, group: usize, verb: Verb) {
        if verb == Verb::Start {
            self.taken(host, id, group);
        }
        let process = self.begin_script(host, group, verb);
        if let Some(run) = self.run_mut(host, id) {
            run.child = Some(process.id);
        }
        self.execute(host, process, Duration::ZERO);
    }

    /// Runs a script for a child of the legacy's master, which looks for its end by this number.
    pub(crate) fn call_for_legacy(&mut self, host: usize, group: usize, verb: Verb) -> u64 {
        if verb == Verb::Start {
            let asked = self.now;
            self.seen.push(Seen::Taken { host, group, asked });
        }
        let process = self.begin_script(host, group, verb);
        let id = process.id;
        self.execute(host, process, Duration::ZERO);
        id
    }

    /// The legacy finds it running.
    pub(crate) fn adopt_for_legacy(&mut self, host: usize, group: usize) {
        if std::mem::take(&mut self.hosts[host].groups[group].left_behind) {
            let asked = self.now;
            self.seen.push(Seen::Taken { host, group, asked });
        }
    }

    fn begin_script(&mut self, host: usize, group: usize, verb: Verb) -> Process {
        let key = self.key(group);
        self.tell(host, || format!("{key} {verb:?}"));
        let machine = &mut self.hosts[host];
        let state = &mut machine.groups[group];
        match verb {
            Verb::Start => {
                state.activity = Activity::Starting;
                state.left_behind = false;
            }
            Verb::Stop if state.is_active() => state.activity = Activity::Stopping,
            Verb::Stop => {}
        }
        machine.next_process += 1;
        Process {
            id: machine.next_process,
            group,
            verb,
            attempts: 0,
        }
    }

    fn execute(&mut self, host: usize, process: Process, pause: Duration) {
        let least = match self.legacy(host) {
            Some(_) => SCRIPT_LEAST,
            None => Duration::ZERO,
        };
        let machine = &mut self.hosts[host];
        let usual = self.scenario.settings.script_time.max(least);
        let time = pause + machine.slow.iter().copied().max().unwrap_or(usual);
        let id = process.id;
        machine.processes.push(process);
        if time > SLOW {
            let slow = Happening::ScriptIsSlow { host, process: id };
            self.queue.plan(self.now + SLOW, slow);
        }
        if time.is_zero() {
            // Our own agents are done before anything else happens.
            self.script_ends(host, id, false);
        } else {
            let ends = Happening::ScriptEnds { host, process: id };
            self.queue.plan(self.now + time, ends);
        }
    }

    /// A script ends. `later`: the core is not in the middle of asking for something, so that it can be told.
    pub(crate) fn script_ends(&mut self, host: usize, id: u64, later: bool) {
        let machine = &mut self.hosts[host];
        let Some(index) = machine
            .processes
            .iter()
            .position(|process| process.id == id)
        else {
            return;
        };
        let process = machine.processes.remove(index);
        let group = process.group;
        let mut failed = false;
        match process.verb {
            Verb::Start => {
                failed = machine.failing_starts[group] > 0;
                machine.groups[group].start_failed = failed;
                let asked = machine
                    .daemon
                    .as_ref()
                    .is_some_and(|daemon| daemon.runs.iter().any(|run| run.child == Some(id)))
                    || machine.child_waits_for(id);
                if !failed {
                    machine.groups[group].activity = Activity::Running;
                } else if !asked {
                    machine.groups[group].activity = Activity::Stopped;
                    self.seen.push(Seen::Released { host, group });
                }
            }
            Verb::Stop if machine.failing_stops[group] > 0 => {
                machine.failing_stops[group] -= 1;
                let attempts = process.attempts + 1;
                if attempts >= STOPS_MAX && machine.groups[group].is_active() {
                    let boot = self.scenario.settings.boot_time;
                    self.tell(host, || "a stop failed for good".to_owned());
                    return self.power_cut(host, boot);
                }
                let again = Process {
                    attempts,
                    ..process
                };
                if attempts < STOPS_MAX {
                    return self.execute(host, again, STOP_PAUSE);
                }
            }
            Verb::Stop => {
                machine.groups[group].activity = Activity::Stopped;
                machine.groups[group].left_behind = false;
                machine.unasked[group] = None;
                self.seen.push(Seen::Released { host, group });
            }
        }
        let key = self.key(group);
        let word = if failed { "failed" } else { "done" };
        self.tell(host, || format!("{key} {:?} {word}", process.verb));
        if self.child_script_ended(host, id, group, failed).is_some() {
            return;
        }
        let ours = self.scenario.settings.groups[group].home == host;
        let Some(daemon) = &mut self.hosts[host].daemon else {
            return;
        };
        let Some(run) = daemon.runs.iter_mut().find(|run| run.child == Some(id)) else {
            return;
        };
        run.child = None;
        if failed {
            run.report.failed.push(FailedGroup { key, ours });
            run.steps.push_front(Step::Stop(group));
        }
        if later {
            let run = run.id;
            self.advance(host, run);
            self.activate(host);
            self.tell_core_of_ends(host);
        }
    }

    fn finish(&mut self, host: usize, id: u64) {
        let Some(daemon) = &mut self.hosts[host].daemon else {
            return;
        };
        let Some(index) = daemon.runs.iter().position(|run| run.id == id) else {
            return;
        };
        let run = daemon.runs.remove(index);
        if let Some(other) = daemon.runs.iter_mut().find(|other| other.job == run.job) {
            // Two parts of one job report as one.
            other.report.keys.extend(run.report.keys);
            other.report.wanted.extend(run.report.wanted);
            other.report.owned |= run.report.owned;
            other.report.failed.extend(run.report.failed);
        } else {
            let outcome = match run.nobody {
                true => JobOutcome::NoHandler,
                false => JobOutcome::Native(run.report),
            };
            daemon.ended.push((run.job, outcome));
        }
    }

    /// The jobs that ended while the core was not asking.
    fn tell_core_of_ends(&mut self, host: usize) {
        while let Some(daemon) = &mut self.hosts[host].daemon {
            if daemon.ended.is_empty() {
                return;
            }
            let (id, outcome) = daemon.ended.remove(0);
            self.feed(host, ha_cluster::Input::JobEnded { id, outcome });
        }
    }

    /// What a job still has to do with other groups is done beside a script that takes long.
    pub(crate) fn script_is_slow(&mut self, host: usize, process: u64) {
        let Some(daemon) = &mut self.hosts[host].daemon else {
            return;
        };
        let Some(index) = daemon
            .runs
            .iter()
            .position(|run| run.child == Some(process))
        else {
            return;
        };
        daemon.next_run += 1;
        let id = daemon.next_run;
        let run = &mut daemon.runs[index];
        let steps = std::mem::take(&mut run.steps);
        if steps.is_empty() {
            return;
        }
        let groups: Vec<usize> = steps.iter().map(|step| step.group()).collect();
        run.groups.retain(|group| !groups.contains(group));
        let rest = Run {
            id,
            job: run.job,
            asked: run.asked,
            groups,
            steps,
            active: false,
            child: None,
            report: Report::default(),
            nobody: false,
        };
        daemon.runs.insert(index + 1, rest);
        self.activate(host);
        self.tell_core_of_ends(host);
    }
}
