//! The state machine behind every task.

use std::collections::VecDeque;
use std::path::Path;

use ha_config::haresources::Group;

use super::step::{Action, Invocation, Outcome, RunResult, Step, StopRetries};
use crate::{LogLine, Lookup, SHARE_DIRECTORY, Script, Severity, judge_status};

/// A sequence of script runs. See the module above.
#[derive(Debug)]
pub struct Task {
    work: VecDeque<Work>,
    ready: VecDeque<Step>,
    state: State,
    stop_retries: StopRetries,
    outcome: Outcome,
}

/// Parts of a task, done one after the other.
#[derive(Debug)]
enum Work {
    Line(LogLine),
    Take(Group),
    Give(Group),
    Query(Group),
    GiveIfRunning(Group),
}

impl Work {
    fn group(&self) -> Option<&Group> {
        match self {
            Work::Line(_) => None,
            Work::Take(group)
            | Work::Give(group)
            | Work::Query(group)
            | Work::GiveIfRunning(group) => Some(group),
        }
    }
}

/// Where the task stands. A `...ing` state waits for [`Task::ended`]; the others are acted on at the next call.
#[derive(Debug)]
enum State {
    /// Take up the next piece of work.
    Idle,
    /// Ask the resource at the cursor whether it runs already.
    Check(Cursor),
    Checking(Cursor, Script),
    Starting(Cursor, Script),
    /// Stop the resource before the cursor; the cursor counts what is left to stop.
    Stop(Cursor, Retries),
    Stopping(Cursor, Script, Retries),
    /// All tries are used up: does it still run?
    Verifying(Cursor, ExitCode),
    /// Is the group's first resource running?
    Asking(Group, Question),
    /// Tell the administrator's `local_giveip`, if there is one, that the group will be given up.
    Announce(Group),
    Announcing(Group),
}

/// Retries made so far.
type Retries = u32;

/// Of the last try to stop.
type ExitCode = i32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Query,
    GiveIfRunning,
}

/// A place in a group: its resources before `position` are done with (when taking) or left (when giving).
#[derive(Debug)]
struct Cursor {
    group: Group,
    position: usize,
}

impl Cursor {
    fn first(group: Group) -> Self {
        Cursor { group, position: 0 }
    }

    fn last(group: Group) -> Self {
        Cursor {
            position: group.resources.len(),
            group,
        }
    }

    fn forward(self) -> Self {
        Cursor {
            position: self.position + 1,
            ..self
        }
    }

    fn backward(self) -> Self {
        Cursor {
            position: self.position.saturating_sub(1),
            ..self
        }
    }
}

/// A resource as the machine needs it: word, script name, arguments.
struct Resource {
    word: String,
    name: String,
    arguments: Vec<String>,
}

impl Resource {
    fn at(group: &Group, index: usize) -> Option<Resource> {
        group.resources.get(index).map(|resource| Resource {
            word: resource.word.clone(),
            name: resource.script_name().to_owned(),
            arguments: resource
                .arguments()
                .into_iter()
                .map(str::to_owned)
                .collect(),
        })
    }

    fn invocation(self, script: &Script, action: Action) -> Invocation {
        Invocation {
            path: script.path.clone(),
            arguments: self.arguments,
            action,
            native: script.native,
            word: self.word,
        }
    }
}

/// Who speaks in almost every line.
const MANAGER: &str = "ResourceManager";

impl Task {
    /// Acquires each group in turn (`takegroup`). A group that fails is given up again, whole, and named in
    /// [`Outcome::failed`]; the groups after it are not affected. What to do about it (the legacy asks its peer to
    /// take "foreign" resources half a minute later, always the wrong half) is left to the caller.
    pub fn take_groups(groups: Vec<Group>, stop_retries: StopRetries) -> Self {
        Task::of(groups.into_iter().map(Work::Take), stop_retries)
    }

    /// Releases each group in turn (`givegroup`), held or not.
    pub fn give_groups(groups: Vec<Group>, stop_retries: StopRetries) -> Self {
        Task::of(groups.into_iter().map(Work::Give), stop_retries)
    }

    /// Finds the groups whose key resource does not run ([`Outcome::wanted`]); changes nothing
    /// (`resource-protocol.md` 2.4.5).
    pub fn query_keys(groups: Vec<Group>) -> Self {
        Task::of(groups.into_iter().map(Work::Query), StopRetries::default())
    }

    /// Releases a group if its key resource runs ([`Outcome::owned`]): the answer to `ip-request`
    /// (`resource-protocol.md` 2.5).
    pub fn give_if_running(group: Group, stop_retries: StopRetries) -> Self {
        Task::of([Work::GiveIfRunning(group)], stop_retries)
    }

    /// Acquires the groups of a dead node, with the lines of `mach_down` (`resource-protocol.md` 2.4.7). `nice` is the
    /// coordinated mode. The message that ends the takeover is the caller's business.
    pub fn mach_down(
        node: &str,
        groups: Vec<Group>,
        nice: bool,
        stop_retries: StopRetries,
    ) -> Self {
        let line = |text: String| Work::Line(LogLine::new("mach_down", Severity::Info, text));
        let mut work = Vec::new();
        for group in groups {
            work.push(line(format!("Taking over resource group {}", group.key())));
            work.push(Work::Take(group));
        }
        if nice {
            work.push(line(format!(
                "{SHARE_DIRECTORY}/mach_down: nice_failback: foreign resources acquired"
            )));
        }
        work.push(line(format!(
            "mach_down takeover complete for node {node}."
        )));
        Task::of(work, stop_retries)
    }

    /// The same task with a line before everything else.
    pub fn preceded_by(mut self, line: LogLine) -> Self {
        self.ready.push_front(Step::Log(line));
        self
    }

    fn of(work: impl IntoIterator<Item = Work>, stop_retries: StopRetries) -> Self {
        Task {
            work: work.into_iter().collect(),
            ready: VecDeque::new(),
            state: State::Idle,
            stop_retries,
            outcome: Outcome::default(),
        }
    }

    /// Splits off everything after the group that is being worked on, so that it can be done beside a script that hangs.
    /// `None` if no group is left to split off.
    pub fn split_rest(&mut self) -> Option<Task> {
        self.work
            .iter()
            .any(|work| work.group().is_some())
            .then(|| Task {
                work: std::mem::take(&mut self.work),
                ready: VecDeque::new(),
                state: State::Idle,
                stop_retries: self.stop_retries,
                outcome: Outcome::default(),
            })
    }

    /// The keys of the groups that have not been begun.
    pub fn keys_ahead(&self) -> Vec<String> {
        self.work
            .iter()
            .filter_map(Work::group)
            .map(|group| group.key().to_owned())
            .collect()
    }

    /// The next step. Scripts are looked up each time they are needed, since a resource may bring the next one's script
    /// with it.
    ///
    /// # Panics
    /// If the script of the last [`Step::Run`] has not been reported as ended.
    pub fn next(&mut self, lookup: &dyn Lookup) -> Step {
        loop {
            if let Some(step) = self.ready.pop_front() {
                return step;
            }
            match std::mem::replace(&mut self.state, State::Idle) {
                State::Idle => match self.work.pop_front() {
                    Some(work) => self.begin(work, lookup),
                    None => return Step::Done(self.outcome.clone()),
                },
                State::Check(cursor) => self.check(cursor, lookup),
                State::Stop(cursor, retries) => self.stop(cursor, retries, lookup),
                State::Announce(group) => self.announce(group, lookup),
                waiting => panic!("asked for the next step while a script runs: {waiting:?}"),
            }
        }
    }

    /// The script of the last [`Step::Run`] has ended.
    ///
    /// # Panics
    /// If no script was running.
    pub fn ended(&mut self, result: RunResult) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Checking(cursor, script) => self.checked(cursor, script, &result),
            State::Starting(cursor, script) => self.started(cursor, &script, &result),
            State::Stopping(cursor, script, retries) => {
                self.stopped(cursor, &script, retries, &result)
            }
            State::Verifying(cursor, code) => {
                self.verified(cursor, code, judge_status(&result.stdout))
            }
            State::Asking(group, question) => {
                self.asked(group, question, judge_status(&result.stdout))
            }
            State::Announcing(group) => self.begin_giving(group),
            idle => panic!("told of the end of a script while none runs: {idle:?}"),
        }
    }

    fn begin(&mut self, work: Work, lookup: &dyn Lookup) {
        match work {
            Work::Line(line) => self.ready.push_back(Step::Log(line)),
            Work::Take(group) => {
                self.log(
                    Severity::Info,
                    format!("Acquiring resource group: {}", group.line_text()),
                );
                self.state = State::Check(Cursor::first(group));
            }
            Work::Give(group) => self.begin_giving(group),
            Work::Query(group) => self.ask(group, Question::Query, lookup),
            Work::GiveIfRunning(group) => self.ask(group, Question::GiveIfRunning, lookup),
        }
    }

    fn begin_giving(&mut self, group: Group) {
        self.log(
            Severity::Info,
            format!("Releasing resource group: {}", group.line_text()),
        );
        self.state = State::Stop(Cursor::last(group), 0);
    }

    // Taking (1.6).

    fn check(&mut self, cursor: Cursor, lookup: &dyn Lookup) {
        let Some(resource) = Resource::at(&cursor.group, cursor.position) else {
            return;
        };
        let Some(script) = self.locate(&resource, lookup) else {
            return self.start_failed(cursor);
        };
        self.ready
            .push_back(Step::Run(resource.invocation(&script, Action::Status)));
        self.state = State::Checking(cursor, script);
    }

    fn checked(&mut self, cursor: Cursor, script: Script, result: &RunResult) {
        if judge_status(&result.stdout) {
            self.state = State::Check(cursor.forward());
        } else if let Some(resource) = Resource::at(&cursor.group, cursor.position) {
            self.run(resource.invocation(&script, Action::Start));
            self.state = State::Starting(cursor, script);
        }
    }

    fn started(&mut self, cursor: Cursor, script: &Script, result: &RunResult) {
        self.report(&cursor, cursor.position, script, Action::Start, result.code);
        if result.code == 0 {
            self.state = State::Check(cursor.forward());
        } else {
            self.start_failed(cursor);
        }
    }

    fn start_failed(&mut self, cursor: Cursor) {
        let word = cursor
            .group
            .resources
            .get(cursor.position)
            .map_or("", |resource| resource.word.as_str());
        self.log(
            Severity::Crit,
            format!("Giving up resources due to failure of {word}"),
        );
        self.outcome.failed.push(cursor.group.key().to_owned());
        self.begin_giving(cursor.group);
    }

    // Giving (1.7).

    fn stop(&mut self, cursor: Cursor, retries: Retries, lookup: &dyn Lookup) {
        let Some(resource) = cursor
            .position
            .checked_sub(1)
            .and_then(|index| Resource::at(&cursor.group, index))
        else {
            return;
        };
        let Some(script) = self.locate(&resource, lookup) else {
            // Nobody can have started it, and it will not appear within seconds: unlike the legacy, do not hold up the
            // rest of the release with ten tries.
            self.outcome.stop_failed.push(resource.word);
            self.state = State::Stop(cursor.backward(), 0);
            return;
        };
        self.run(resource.invocation(&script, Action::Stop));
        self.state = State::Stopping(cursor, script, retries);
    }

    fn stopped(&mut self, cursor: Cursor, script: &Script, retries: Retries, result: &RunResult) {
        let index = cursor.position.saturating_sub(1);
        self.report(&cursor, index, script, Action::Stop, result.code);
        let Some(resource) = Resource::at(&cursor.group, index) else {
            return;
        };
        if result.code == 0 {
            self.state = State::Stop(cursor.backward(), 0);
        } else if self.stop_retries.allows(retries) {
            self.ready.push_back(Step::Wait(StopRetries::PAUSE));
            self.log(
                Severity::Info,
                format!("Retrying failed stop operation [{}]", resource.word),
            );
            self.state = State::Stop(cursor, retries.saturating_add(1));
        } else {
            self.ready
                .push_back(Step::Run(resource.invocation(script, Action::Status)));
            self.state = State::Verifying(cursor, result.code);
        }
    }

    fn verified(&mut self, cursor: Cursor, code: ExitCode, running: bool) {
        let index = cursor.position.saturating_sub(1);
        let word = cursor
            .group
            .resources
            .get(index)
            .map_or_else(String::new, |resource| resource.word.clone());
        if running {
            self.log(Severity::Crit, "Resource STOP failure. Reboot required!");
            self.log(Severity::Crit, "Killing heartbeat ungracefully!");
            self.ready.push_back(Step::Reboot { word: word.clone() });
            self.outcome.unstoppable.push(word);
            self.outcome.stop_code = code;
        } else {
            self.log(
                Severity::Error,
                format!("Resource script for {word} probably not LSB-compliant."),
            );
            self.log(
                Severity::Warn,
                format!("it ({word}) MUST succeed on a stop when already stopped"),
            );
            self.log(Severity::Warn, "Machine reboot narrowly avoided!");
            self.outcome.stop_failed.push(word);
        }
        self.state = State::Stop(cursor.backward(), 0);
    }

    // Asking (2.4.5, 2.5).

    fn ask(&mut self, group: Group, question: Question, lookup: &dyn Lookup) {
        let Some(resource) = Resource::at(&group, 0) else {
            return;
        };
        let Some(script) = self.locate(&resource, lookup) else {
            return self.asked(group, question, false);
        };
        self.ready
            .push_back(Step::Run(resource.invocation(&script, Action::Status)));
        self.state = State::Asking(group, question);
    }

    fn asked(&mut self, group: Group, question: Question, running: bool) {
        match (question, running) {
            (Question::Query, false) => self.outcome.wanted.push(group.key().to_owned()),
            (Question::GiveIfRunning, true) => {
                self.outcome.owned = true;
                self.state = State::Announce(group);
            }
            _ => {}
        }
    }

    fn announce(&mut self, group: Group, lookup: &dyn Lookup) {
        let Some(path) = lookup.local_giveip() else {
            return self.begin_giving(group);
        };
        let word = group.key().to_owned();
        let invocation = Invocation {
            path,
            arguments: Vec::new(),
            action: Action::LocalGive,
            native: None,
            word,
        };
        self.ready.push_back(Step::Run(invocation));
        self.state = State::Announcing(group);
    }

    // Helpers.

    /// Finds the script of a resource, or says that there is none (1.4).
    fn locate(&mut self, resource: &Resource, lookup: &dyn Lookup) -> Option<Script> {
        let script = lookup.script(&resource.name);
        if script.is_none() {
            self.log(
                Severity::Error,
                format!("Cannot locate resource script {}", resource.name),
            );
        }
        script
    }

    fn run(&mut self, invocation: Invocation) {
        let command = invocation.command_line();
        self.log(Severity::Info, format!("Running {command}"));
        self.log(Severity::Debug, format!("Starting {command}"));
        self.ready.push_back(Step::Run(invocation));
    }

    fn report(
        &mut self,
        cursor: &Cursor,
        index: usize,
        script: &Script,
        action: Action,
        code: i32,
    ) {
        if let Some(resource) = Resource::at(&cursor.group, index) {
            let command = resource.invocation(script, action).command_line();
            self.log(Severity::Debug, format!("{command} done. RC={code}"));
        }
        if code != 0 {
            self.log(
                Severity::Error,
                format!("Return code {code} from {}", shown(&script.path)),
            );
        }
    }

    fn log(&mut self, severity: Severity, text: impl Into<String>) {
        self.ready
            .push_back(Step::Log(LogLine::new(MANAGER, severity, text)));
    }
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
