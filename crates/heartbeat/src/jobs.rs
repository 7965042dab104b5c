//! Runs the core's jobs on the loop: resource scripts as children, our own agents in-process, no waiting anywhere.
//!
//! Jobs that are out at the same time run at the same time, except over a common group: a job that touches a group of an
//! earlier one waits until that one is done. (The legacy relies on luck there.) haresources is read anew for each job,
//! so an edit takes effect without reload.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use ha_cluster::{FailedGroup, Job, JobId, JobOutcome, Report};
use ha_config::HaResources;
use ha_resources::environment::{Occasion, Settings, environment};
use ha_resources::{
    Action, FileFacts, Installed, Invocation, Outcome, RunResult, Severity, Step, StopRetries,
    Task, reboot,
};
use ha_sys::Interest;
use ha_sys::child::{End, Output, OutputPipe, Spawn};
use ha_sys::log::Priority;
use ha_sys::process;
use ha_sys::signals::Signal;

use crate::deadlines::{self, GRACE};
use crate::native::NativeAgents;
use crate::plan::{Circumstances, Handler, Plan};
use crate::shell::{Due, Shell, Token};

/// What all jobs have in common while the daemon runs.
pub(crate) struct JobSettings {
    /// Our node name.
    pub(crate) local: String,
    /// Where scripts and handlers lie.
    pub(crate) installed: Installed,
    /// `HA_BIN`
    pub(crate) library: String,
    /// Recorded parameters of ha.cf.
    pub(crate) parameters: Vec<(String, String)>,
    /// `env` directives.
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) logfile: Option<String>,
    pub(crate) debugfile: Option<String>,
    pub(crate) facility: Option<String>,
    pub(crate) logd: bool,
    /// What scripts inherit of our own environment.
    pub(crate) inherited: Vec<(OsString, OsString)>,
    /// Working directory of scripts.
    pub(crate) directory: PathBuf,
    /// haresources as it was read last.
    pub(crate) known: RefCell<HaResources>,
}

impl JobSettings {
    /// The whole environment of a child.
    pub(crate) fn environment(
        &self,
        occasion: Occasion<'_>,
        debug: i32,
    ) -> BTreeMap<OsString, OsString> {
        let settings = Settings {
            paths: self.installed.paths().clone(),
            library: &self.library,
            host: &self.local,
            parameters: &self.parameters,
            variables: &self.variables,
            logfile: self.logfile.as_deref(),
            debugfile: self.debugfile.as_deref(),
            facility: self.facility.as_deref(),
            logd: self.logd,
            debug_level: debug.unsigned_abs(),
            inherited: self.inherited.clone(),
        };
        environment(&settings, occasion)
    }

    fn stop_retries(&self) -> StopRetries {
        let value = self
            .inherited
            .iter()
            .find(|(name, _)| name == "HA_STOPRETRYMAX")
            .map(|(_, value)| value);
        StopRetries::from_variable(value.and_then(|value| value.to_str()))
    }

    /// haresources as it stands now. When it is there and cannot be read, because no descriptor is left or the disk fails,
    /// as it was read last: a job that knew of no groups would release nothing, start nothing, and call it done.
    fn resources(&self, shell: &Shell) -> HaResources {
        let path = &self.installed.paths().haresources;
        match std::fs::read(path) {
            Ok(bytes) => {
                let resources = ha_config::haresources::parse(&bytes);
                self.known.replace(resources.clone());
                resources
            }
            Err(error) => {
                shell.error(format!(
                    "Cannot open resources file [{}]: {}",
                    path.display(),
                    ha_sys::errno_text(&error)
                ));
                if error.kind() == std::io::ErrorKind::NotFound {
                    return HaResources::default();
                }
                self.known.borrow().clone()
            }
        }
    }

    fn handler(&self, kind: &str) -> Handler {
        match self.installed.handler(kind) {
            None => Handler::Missing,
            Some(path) if self.installed.is_stock(&path) => Handler::Stock,
            Some(_) => Handler::Script,
        }
    }

    /// Where the output of scripts goes.
    fn script_output(&self) -> Output {
        self.debugfile
            .as_ref()
            .map_or(Output::Discard, |path| Output::Append(path.into()))
    }
}

/// Number of a run, unique within the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunId(u64);

/// A script that runs for this long no longer holds up the other groups of its job. (The legacy has no limit at all; we
/// have none for the script itself.)
const SLOW: Duration = Duration::from_secs(30);

/// One job that is out, or the part of one that goes on beside a script that hangs.
struct Run {
    id: RunId,
    job: JobId,
    /// What is asked of its report.
    acquires_local: bool,
    keys: Vec<String>,
    tasks: Vec<Task>,
    script: Option<String>,
    environment: BTreeMap<OsString, OsString>,
    report: Report,
    active: bool,
    child: Option<RunningChild>,
}

struct RunningChild {
    /// Unique within the process, as pids are not.
    number: u64,
    pid: u32,
    /// How it was called, for texts.
    call: String,
    stdout: Option<OutputPipe>,
}

/// All jobs that are out.
pub(crate) struct Jobs {
    settings: JobSettings,
    /// In the order in which they came.
    runs: Vec<Run>,
    next_run: u64,
    ended: Vec<(JobId, JobOutcome)>,
    pub(crate) native: NativeAgents,
    /// A resource could not be stopped; the machine must go down.
    pub(crate) reboot_for: Option<String>,
    /// The daemon ends: nothing is started any more.
    closing: bool,
}

impl Jobs {
    pub(crate) fn new(settings: JobSettings, native: NativeAgents) -> Jobs {
        Jobs {
            settings,
            runs: Vec::new(),
            next_run: 0,
            ended: Vec::new(),
            native,
            reboot_for: None,
            closing: false,
        }
    }

    /// Takes a job of the core; [`Jobs::take_ended`] will name it.
    pub(crate) fn start(&mut self, shell: &mut Shell, id: JobId, job: &Job) {
        let resources = self.settings.resources(shell);
        let handlers = self
            .settings
            .installed
            .paths()
            .handlers
            .to_string_lossy()
            .into_owned();
        let circumstances = Circumstances {
            resources: &resources,
            local: &self.settings.local,
            stop_retries: self.settings.stop_retries(),
            handlers: &handlers,
        };
        let (tasks, keys, script) =
            match circumstances.plan(job, |kind| self.settings.handler(kind)) {
                Plan::Tasks { tasks, keys } => (tasks, keys, None),
                Plan::Script { kind } => (Vec::new(), Vec::new(), Some(kind)),
                Plan::Nobody => return self.ended.push((id, JobOutcome::NoHandler)),
            };
        let mut report = Report::default();
        let acquires_local = matches!(job, Job::AcquireLocal { .. });
        if acquires_local {
            report.keys = keys.clone();
        }
        let environment = self.settings.environment(occasion(job), shell.debug);
        let run = Run {
            id: self.new_run(),
            job: id,
            acquires_local,
            keys,
            tasks: tasks.into_iter().rev().collect(),
            script,
            environment,
            report,
            active: false,
            child: None,
        };
        self.runs.push(run);
        self.activate(shell);
    }

    /// The jobs that have ended since the last call.
    pub(crate) fn take_ended(&mut self) -> Vec<(JobId, JobOutcome)> {
        std::mem::take(&mut self.ended)
    }

    /// A child of ours ended. False if no job had it.
    pub(crate) fn child_ended(&mut self, shell: &mut Shell, pid: u32, end: End) -> bool {
        let found = self
            .runs
            .iter_mut()
            .find(|run| run.child.as_ref().is_some_and(|child| child.pid == pid));
        let Some(run) = found else { return false };
        let Some(mut child) = run.child.take() else {
            return false;
        };
        if let Some(pipe) = &mut child.stdout {
            let _ = shell.poller.remove(&*pipe);
            // What the script printed is all there by now; what a process that it left behind may print is not awaited.
            pipe.read();
        }
        let stdout = child.stdout.map(OutputPipe::into_text).unwrap_or_default();
        let id = run.id;
        match run.tasks.last_mut() {
            Some(task) => {
                task.ended(RunResult {
                    code: end.code(),
                    stdout,
                });
                self.advance(shell, id);
            }
            None => self.finish(shell, id, JobOutcome::Script { code: end.code() }),
        }
        true
    }

    /// A child printed something.
    pub(crate) fn output_ready(&mut self, shell: &Shell, pid: u32) {
        let children = self.runs.iter_mut().filter_map(|run| run.child.as_mut());
        if let Some(child) = children.into_iter().find(|child| child.pid == pid)
            && let Some(pipe) = &mut child.stdout
            && pipe.read()
        {
            let _ = shell.poller.remove(&*pipe);
        }
    }

    /// A task's pause is over.
    pub(crate) fn resume(&mut self, shell: &mut Shell, id: RunId) {
        self.advance(shell, id);
    }

    /// A script has been running for a long time: what its job still has to do with other groups is done beside it.
    pub(crate) fn script_is_slow(&mut self, shell: &mut Shell, pid: u32) {
        let id = self.new_run();
        let slow = |run: &Run| run.child.as_ref().is_some_and(|child| child.pid == pid);
        let Some(index) = self.runs.iter().position(slow) else {
            return;
        };
        let Some(run) = self.runs.get_mut(index) else {
            return;
        };
        let call = run.child.as_ref().map(|child| child.call.clone());
        let call = format!(
            "{} (process {pid}) has been running for {} s",
            call.unwrap_or_default(),
            SLOW.as_secs()
        );
        let mut tasks = run.tasks.split_off(0);
        let Some(mut current) = tasks.pop() else {
            return;
        };
        tasks.extend(current.split_rest());
        run.tasks.push(current);
        let keys: Vec<String> = tasks.iter().flat_map(Task::keys_ahead).collect();
        run.keys.retain(|key| !keys.contains(key));
        if tasks.is_empty() {
            shell.warn(call);
            return;
        }
        shell.warn(format!(
            "{call}, of resource group {}: going on with the other groups",
            run.keys.join(" ")
        ));
        let rest = Run {
            id,
            job: run.job,
            acquires_local: run.acquires_local,
            keys,
            tasks,
            script: None,
            environment: run.environment.clone(),
            report: Report::default(),
            active: false,
            child: None,
        };
        // In the slow one's place, before whatever came after it: a release that waits for this job must not overtake
        // its acquisitions.
        self.runs.insert(index + 1, rest);
        self.activate(shell);
    }

    /// A script's time is over: it is told to end, and its end counts as what it is, a failure.
    pub(crate) fn end_overdue(&mut self, shell: &mut Shell, number: u64) {
        let Some(child) = self.child(number) else {
            return;
        };
        shell.error(format!(
            "{} (process {}) has not ended by its deadline: it is ended now",
            child.call, child.pid
        ));
        let _ = process::signal_group(child.pid, Signal::SIGTERM);
        shell.after(GRACE, Due::KillScript { child: number });
    }

    /// It did not listen.
    pub(crate) fn kill_overdue(&self, number: u64) {
        if let Some(child) = self.child(number) {
            let _ = process::signal_group(child.pid, Signal::SIGKILL);
        }
    }

    fn child(&self, number: u64) -> Option<&RunningChild> {
        let mut children = self.runs.iter().filter_map(|run| run.child.as_ref());
        children.find(|child| child.number == number)
    }

    fn new_run(&mut self) -> RunId {
        self.next_run += 1;
        RunId(self.next_run)
    }

    /// The daemon ends: sends a signal to the process group of every script, and starts nothing after them. True if there
    /// was one.
    pub(crate) fn signal_all(&mut self, signal: Signal) -> bool {
        self.closing = true;
        let mut any = false;
        for child in self.runs.iter().filter_map(|run| run.child.as_ref()) {
            any = true;
            let _ = process::signal_group(child.pid, signal);
        }
        any
    }

    /// Scripts are running.
    pub(crate) fn any_child(&self) -> bool {
        self.runs.iter().any(|run| run.child.is_some())
    }

    /// Starts every waiting job that shares no group with an earlier one.
    fn activate(&mut self, shell: &mut Shell) {
        while let Some(id) = self.next_startable() {
            if let Some(run) = self.runs.iter_mut().find(|run| run.id == id) {
                run.active = true;
            }
            self.advance(shell, id);
        }
    }

    fn next_startable(&self) -> Option<RunId> {
        let startable = |(index, run): &(usize, &Run)| {
            let earlier = self
                .runs
                .iter()
                .take(*index)
                .flat_map(|earlier| &earlier.keys);
            !run.active && !earlier.into_iter().any(|key| run.keys.contains(key))
        };
        self.runs
            .iter()
            .enumerate()
            .find(startable)
            .map(|(_, run)| run.id)
    }

    /// Takes a job as far as it goes without waiting.
    fn advance(&mut self, shell: &mut Shell, id: RunId) {
        if self.closing {
            return;
        }
        loop {
            let Some(run) = self.runs.iter_mut().find(|run| run.id == id) else {
                return;
            };
            if run.child.is_some() {
                return;
            }
            if let Some(kind) = run.script.clone() {
                return self.run_script(shell, id, &kind);
            }
            let Some(task) = run.tasks.last_mut() else {
                let report = std::mem::take(&mut run.report);
                return self.finish(shell, id, JobOutcome::Native(report));
            };
            match task.next(&self.settings.installed) {
                Step::Log(line) => match line.severity {
                    Severity::Debug if shell.debug <= 0 => {}
                    Severity::Debug => shell.logger.script_debug(line.program, line.to_string()),
                    _ => shell.logger.script_line(line.program, line.to_string()),
                },
                Step::Wait(pause) => return shell.after(pause, Due::ResumeJob(id)),
                Step::Run(invocation) => {
                    if !self.run_invocation(shell, id, &invocation) {
                        return;
                    }
                }
                Step::Reboot { word } => {
                    self.reboot_for = Some(word);
                    return;
                }
                Step::Done(outcome) => {
                    run.tasks.pop();
                    merge(&mut run.report, outcome, run.acquires_local, &self.settings);
                }
            }
        }
    }

    /// Runs one script, or our own agent in its place. True if it is over already.
    fn run_invocation(&mut self, shell: &mut Shell, id: RunId, invocation: &Invocation) -> bool {
        let RunId(number) = self.new_run();
        let Some(run) = self.runs.iter_mut().find(|run| run.id == id) else {
            return false;
        };
        if let Some(agent) = invocation.native
            && let Some(result) = self.native.run(shell, agent, invocation)
        {
            if let Some(task) = run.tasks.last_mut() {
                task.ended(result);
            }
            return true;
        }
        let mut spawn = Spawn::new(&invocation.path);
        spawn.arguments = invocation.all_arguments().map(OsString::from).collect();
        spawn.environment = run.environment.clone().into_iter().collect();
        spawn.directory = Some(self.settings.directory.clone());
        spawn.stderr = self.settings.script_output();
        spawn.stdout = match invocation.action {
            Action::Status => Output::Capture,
            _ => self.settings.script_output(),
        };
        let deadline = deadlines::deadline(&self.settings.variables, invocation.action);
        match start_child(shell, &spawn, number) {
            Ok(child) => {
                shell.after(SLOW, Due::SlowScript { pid: child.pid });
                match deadline {
                    Ok(Some(limit)) => shell.after(limit, Due::ScriptDeadline { child: number }),
                    Ok(None) => {}
                    Err(complaint) => shell.warn(complaint),
                }
                run.child = Some(child);
                false
            }
            Err(code) => {
                if let Some(task) = run.tasks.last_mut() {
                    task.ended(RunResult::code(code));
                }
                true
            }
        }
    }

    fn run_script(&mut self, shell: &mut Shell, id: RunId, kind: &str) {
        let RunId(number) = self.new_run();
        let Some(run) = self.runs.iter_mut().find(|run| run.id == id) else {
            return;
        };
        let mut spawn = Spawn::new(self.settings.installed.paths().config.join("harc"));
        spawn.name = Some("harc".into());
        spawn.arguments = vec![kind.into()];
        spawn.environment = run.environment.clone().into_iter().collect();
        spawn.directory = Some(self.settings.directory.clone());
        // harc sends its own output to the debug log; what it says before that goes the same way.
        spawn.stdout = self.settings.script_output();
        spawn.stderr = self.settings.script_output();
        match start_child(shell, &spawn, number) {
            Ok(child) => run.child = Some(child),
            Err(code) => self.finish(shell, id, JobOutcome::Script { code }),
        }
    }

    fn finish(&mut self, shell: &mut Shell, id: RunId, outcome: JobOutcome) {
        if let Some(index) = self.runs.iter().position(|run| run.id == id) {
            let job = self.runs.remove(index).job;
            match (self.runs.iter_mut().find(|run| run.job == job), outcome) {
                (Some(other), JobOutcome::Native(report)) => absorb(&mut other.report, report),
                (_, outcome) => self.ended.push((job, outcome)),
            }
        }
        self.activate(shell);
    }
}

/// Starts a child and has its output watched. The error is a shell's exit code.
fn start_child(shell: &Shell, spawn: &Spawn, number: u64) -> Result<RunningChild, i32> {
    match spawn.start() {
        Ok(child) => {
            if let Some(pipe) = &child.stdout {
                let watched =
                    shell
                        .poller
                        .add(pipe, Token::Output(child.pid).number(), Interest::Read);
                if let Err(error) = watched {
                    shell.error(format!(
                        "{}: {}",
                        spawn.program.display(),
                        ha_sys::errno_text(&error)
                    ));
                }
            }
            let words = spawn.arguments.iter().map(|word| word.to_string_lossy());
            let call = std::iter::once(spawn.program.to_string_lossy()).chain(words);
            Ok(RunningChild {
                number,
                call: call.collect::<Vec<_>>().join(" "),
                pid: child.pid,
                stdout: child.stdout,
            })
        }
        Err(error) => {
            shell.error(format!(
                "Cannot run {}: {}",
                spawn.program.display(),
                ha_sys::errno_text(&error)
            ));
            Err(if error.kind() == std::io::ErrorKind::NotFound {
                127
            } else {
                126
            })
        }
    }
}

fn occasion(job: &Job) -> Occasion<'_> {
    match job {
        Job::AcquireLocal { dont_ask, nice } => Occasion::Acquisition {
            nice: *nice,
            dont_ask: *dont_ask,
        },
        Job::Notify(notification) => Occasion::Notification {
            fields: &notification.fields,
            own_status: notification.own_status,
            nice: notification.nice,
        },
        _ => Occasion::Handover,
    }
}

/// Two parts of one job report as one.
fn absorb(report: &mut Report, part: Report) {
    report.keys.extend(part.keys);
    report.wanted.extend(part.wanted);
    report.owned |= part.owned;
    report.failed.extend(part.failed);
}

fn merge(report: &mut Report, outcome: Outcome, acquires_local: bool, settings: &JobSettings) {
    if acquires_local {
        report.wanted.extend(outcome.wanted);
    }
    report.owned |= outcome.owned;
    if !outcome.failed.is_empty() {
        let resources = settings.known.borrow();
        let ours = |key: &str| {
            resources
                .group_with_key(key)
                .is_some_and(|group| group.node.eq_ignore_ascii_case(&settings.local))
        };
        report
            .failed
            .extend(outcome.failed.into_iter().map(|key| FailedGroup {
                ours: ours(&key),
                key,
            }));
    }
}

/// A resource runs and cannot be stopped, so the other node must not start it while we live: the machine goes down
/// without a farewell, and the peer notices by deadtime (`resource-protocol.md` 1.7). Does not return.
pub(crate) fn die(shell: &Shell, kill_clients: impl FnOnce()) -> ! {
    if !reboot::force() {
        shell.logger.log(Priority::Crit, reboot::UNABLE);
    }
    kill_clients();
    shell.logger.flush(Duration::from_millis(500));
    let _ = process::signal_process(std::process::id(), Signal::SIGKILL);
    std::process::abort()
}

#[cfg(test)]
mod tests;
