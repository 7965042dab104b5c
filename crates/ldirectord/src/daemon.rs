//! The main loop: read, feed the core, drain its actions, sleep until the next deadline. It decides nothing.

mod maintenance;
mod reload;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use checks::{Checker, Outcome, Settings};
use ha_config::ldirectord::{Ldirectord, Probe};
use ha_net::{Ipvs, NetError, Trouble, ipvs_sysctl};
use ha_sys::clock::{self, LocalTime};
use ha_sys::lateness::Lateness;
use ha_sys::signals::{Signal, SignalSource};
use ha_sys::{Interest, Poller, Ready, child, errno_text};
use ipvs::{Change, Refusal};
use lvs_director::{Action, Director, Input, Options};

use crate::children::{Children, Job, Purpose};
use crate::command::Configuration;
use crate::config_file::{ConfigFile, Stamp};
use crate::files::{self, Answer, Names, Question};
use crate::host_names::HostNames;
use crate::log::Log;
use crate::mailer::Mailer;
use crate::places::Places;
use crate::remarks::Remarks;
use crate::worker::Worker;
use crate::{debug, machine, snapshot};

/// Signals that end the daemon (`ldirectord.md` 2).
const ENDING: [Signal; 11] = [
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGILL,
    Signal::SIGABRT,
    Signal::SIGFPE,
    Signal::SIGSEGV,
    Signal::SIGTERM,
    Signal::SIGBUS,
    Signal::SIGSYS,
    Signal::SIGXCPU,
    Signal::SIGXFSZ,
];

/// Signals for other things.
const OTHERS: [Signal; 3] = [Signal::SIGHUP, Signal::SIGCHLD, Signal::SIGUSR1];

/// Blocks the signals that the daemon handles, and opens the descriptor for them. Before the first thread is made: one that
/// does not block them, too, would get them, and the process would end on the spot.
///
/// # Errors
/// There is no descriptor left.
pub(crate) fn signals() -> io::Result<SignalSource> {
    SignalSource::new(&[ENDING.as_slice(), &OTHERS].concat())
}

/// Descriptors of ours in the poller; the checks have theirs.
const TOKEN_SIGNALS: u64 = 0;
const TOKEN_FILES: u64 = 1;
const TOKEN_NAMES: u64 = 2;
pub(crate) const TOKEN_MAILS: u64 = 3;

/// Lateness of the loop that is worth a line.
const LATE: Duration = Duration::from_millis(250);

/// How often the kernel's switches are looked at.
const SWITCHES_EVERY: Duration = Duration::from_secs(30);

/// At the end: how long mails, and instances that were told to end, are waited for.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

/// What the daemon is made of when it starts.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) log: Log,
    pub(crate) places: &'a Places,
    pub(crate) configuration: Configuration,
    pub(crate) ipvs: Ipvs,
    pub(crate) signals: SignalSource,
}

/// How the loop came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By a signal.
    Stopped,
    /// The loop itself failed, or a second signal did not leave it the time.
    Failed,
}

/// Why the configuration is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Signal,
    Change,
}

/// The running daemon.
pub(crate) struct Daemon {
    log: Log,
    config: Rc<Ldirectord>,
    file: ConfigFile,
    /// What the file looked like; none if it could not be read.
    stamp: Option<Stamp>,
    /// The file could not be read, which has been said.
    vanished: bool,
    director: Director,
    checker: Checker,
    ipvs: Ipvs,
    poller: Poller,
    signals: SignalSource,
    children: Children,
    mailer: Mailer,
    remarks: Remarks,
    lateness: Lateness,
    modprobe: Option<std::path::PathBuf>,
    /// Checks in progress.
    probes: HashMap<u64, Rc<Probe>>,
    files: Worker<Question, Answer>,
    /// Why the file is being read; and whether to do it once more afterwards.
    loading: Option<Reason>,
    load_again: bool,
    look_at: Duration,
    switches_at: Duration,
    maintenance: BTreeSet<String>,
    names_worker: Option<Names>,
    names: HostNames,
    /// The signal that ended us.
    signal: Option<&'static str>,
    /// From then on the newest line is held back: the last one says that we are gone, and shall be true.
    last_line: Option<String>,
    over: bool,
}

impl Daemon {
    /// Makes the daemon, and lets it take the table over.
    ///
    /// # Errors
    /// The system has no descriptor or thread for us.
    pub(crate) fn begin(parts: Parts<'_>) -> io::Result<Daemon> {
        let Configuration {
            file,
            config,
            stamp,
        } = parts.configuration;
        let signals = parts.signals;
        let poller = Poller::new()?;
        poller.add(&signals, TOKEN_SIGNALS, Interest::Read)?;
        let files = files::start(file.clone())?;
        poller.add(&files, TOKEN_FILES, Interest::Read)?;
        let config = Rc::new(config);
        let host_name = machine::host_name();
        let options = Options {
            host_name: host_name.clone(),
        };
        let settings = Settings {
            environment: machine::environment(),
            ..Settings::default()
        };
        let now = clock::monotonic();
        let mut daemon = Daemon {
            director: Director::new(Rc::clone(&config), options),
            checker: Checker::new(settings),
            children: Children::new(parts.log.clone(), &parts.places.sendmail),
            mailer: Mailer::new(host_name),
            remarks: Remarks::default(),
            lateness: Lateness::new(LATE),
            modprobe: parts.places.modprobe().cloned(),
            probes: HashMap::new(),
            loading: None,
            load_again: false,
            look_at: now + config.check_interval,
            switches_at: now + SWITCHES_EVERY,
            maintenance: BTreeSet::new(),
            names_worker: None,
            names: HostNames::default(),
            signal: None,
            last_line: None,
            over: false,
            vanished: false,
            log: parts.log,
            ipvs: parts.ipvs,
            config,
            file,
            stamp,
            poller,
            signals,
            files,
        };
        // Before the first check, so that nobody in maintenance is checked.
        let directory = daemon.config.maintenance_dir.clone();
        if let Some(files) = directory.and_then(|path| files::list(path.as_ref())) {
            daemon.maintained(files);
        }
        daemon.feed_switches();
        daemon.settle();
        Ok(daemon)
    }

    /// Runs until the end.
    pub(crate) fn run(&mut self) -> Ending {
        let mut ready = Vec::new();
        while !self.over {
            let deadline = self.next_deadline();
            if let Err(error) = self.poller.wait(deadline, &mut ready) {
                self.log
                    .line(format!("Cannot wait for events: {}", errno_text(&error)));
                return Ending::Failed;
            }
            let woke = clock::monotonic();
            if let Some(text) = deadline.and_then(|deadline| self.lateness.measure(deadline, woke))
            {
                self.log.line(text);
            }
            for event in &ready {
                self.serve(*event);
            }
            self.timers();
            self.settle();
        }
        Ending::Stopped
    }

    /// After the loop: what has to be done before the process may end. Returns the reason of the end for the log.
    pub(crate) fn finish(&mut self) -> String {
        self.checker.cancel_all();
        self.children.hurry(clock::monotonic());
        self.wait_for_the_last();
        if let Some(text) = self.last_line.take() {
            self.log.line(text);
        }
        match self.signal {
            Some(signal) => format!("Linux Director Daemon terminated on signal: {signal}"),
            None => "Main loop failed".to_owned(),
        }
    }

    /// Waits for mails, and for other instances that were told to end: a service manager kills what we leave behind.
    fn wait_for_the_last(&mut self) {
        let until = clock::monotonic() + LAST_PATIENCE;
        let mut ready = Vec::new();
        let awaited = |purpose: &Purpose| matches!(purpose, Purpose::Execute(_) | Purpose::Mail);
        while (self.children.any(awaited) || self.mailer.busy()) && clock::monotonic() < until {
            if self.poller.wait(Some(until), &mut ready).is_err() {
                return;
            }
            for event in &ready {
                match event.token {
                    TOKEN_SIGNALS if self.last_signals() => return,
                    TOKEN_MAILS => self.mailer.serve(&self.log),
                    _ => {}
                }
            }
        }
    }

    /// Reaps; true if we were told to end once more.
    fn last_signals(&mut self) -> bool {
        while let Ok(Some(signal)) = self.signals.read() {
            if signal == Signal::SIGCHLD {
                self.reap();
            } else if ENDING.contains(&signal) {
                self.log.line("Exit Handler Repeatedly Called");
                return true;
            }
        }
        false
    }

    fn next_deadline(&self) -> Option<Duration> {
        [
            self.director.next_deadline(),
            self.checker.next_deadline(),
            self.children.next_deadline(),
            Some(self.look_at),
            Some(self.switches_at),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn timers(&mut self) {
        let now = clock::monotonic();
        self.checker.timer(now, &self.poller);
        self.children.timer(now);
        if self.look_at <= now {
            self.look_at = now + self.config.check_interval.max(Duration::from_millis(100));
            self.look();
        }
        if self.switches_at <= now {
            self.switches_at = now + SWITCHES_EVERY;
            self.feed_switches();
        }
        if self.director.next_deadline().is_some_and(|at| at <= now) {
            self.director.handle(now, Input::Timer);
        }
    }

    fn serve(&mut self, event: Ready) {
        if Checker::owns(event.token) {
            self.checker.ready(clock::monotonic(), event, &self.poller);
            return;
        }
        match event.token {
            TOKEN_SIGNALS => self.serve_signals(),
            TOKEN_FILES => {
                while let Some(answer) = self.files.answer() {
                    self.answered(answer);
                }
            }
            TOKEN_NAMES => {
                while let Some(named) = self.names_worker.as_mut().and_then(Worker::answer) {
                    self.names.learn(named);
                    self.feed_maintenance();
                }
            }
            TOKEN_MAILS => self.mailer.serve(&self.log),
            _ => {}
        }
    }

    fn serve_signals(&mut self) {
        while let Ok(Some(signal)) = self.signals.read() {
            match signal {
                Signal::SIGCHLD => self.reap(),
                Signal::SIGHUP => {
                    self.log
                        .line("Reloading Linux Director Daemon config on signal");
                    self.load(Reason::Signal);
                }
                Signal::SIGUSR1 => {
                    let state = self.director.snapshot();
                    for line in snapshot::lines(&state, clock::monotonic()) {
                        self.log.line(line);
                    }
                }
                ending => self.stop(ending),
            }
        }
    }

    fn stop(&mut self, signal: Signal) {
        let name = signal.as_str();
        let name = name.strip_prefix("SIG").unwrap_or(name);
        if self.signal.is_some() {
            // The first one is still being worked off: whoever sends a second one does not want to wait.
            self.log.line("Exit Handler Repeatedly Called");
            self.over = true;
            return;
        }
        self.signal = Some(name);
        self.director.handle(clock::monotonic(), Input::Stop(name));
        self.settle();
    }

    fn reap(&mut self) {
        let now = clock::monotonic();
        while let Some((pid, end)) = child::reap() {
            if !self.children.ended(now, pid, end) {
                self.checker.child_ended(now, pid, end, &self.poller);
            }
        }
    }

    /// Does what the core asks for, and tells it what came of that, until both are content.
    fn settle(&mut self) {
        loop {
            if let Some(action) = self.director.poll_action() {
                self.act(action);
            } else if let Some((id, outcome)) = self.checker.poll_outcome() {
                self.check_ended(id, outcome);
            } else {
                return;
            }
        }
    }

    fn act(&mut self, action: Action) {
        let now = clock::monotonic();
        match action {
            Action::ReadTable => self.read_table(),
            Action::Program(changes) => self.program(&changes),
            Action::StartCheck { id, probe } => {
                if self.log.debugging() {
                    for (level, line) in debug::begun(&self.config, &probe) {
                        self.log.debug(level, line);
                    }
                }
                self.checker.start(now, id.0, &probe, &self.poller);
                self.probes.insert(id.0, probe);
            }
            Action::CancelCheck(id) => {
                self.probes.remove(&id.0);
                self.checker.cancel(now, id.0, &self.poller);
            }
            Action::Log(text) if self.signal.is_none() => self.log.line(text),
            Action::Log(text) => {
                if let Some(earlier) = self.last_line.replace(text) {
                    self.log.line(earlier);
                }
            }
            Action::Mail(mail) => {
                let Some(text) = self.mailer.send(mail, &self.poller, &self.log) else {
                    return;
                };
                self.children.mail(now, text);
            }
            Action::RunCommand { command, arguments } => {
                let service = arguments.get(1).cloned().unwrap_or_default();
                let text = format!("{command} {}", arguments.join(" "));
                let job = Job::shell(Purpose::Fallback(service), text);
                self.children.add(now, job);
            }
            Action::Monitor { path, text } => {
                let time = LocalTime::at(clock::wall()).ctime();
                let pid = std::process::id();
                let line = format!("[{time}] [{pid}] {text}\n");
                self.log.append(path.as_ref(), line);
            }
            Action::Execute(what, text) => {
                self.children.add(now, Job::instance(&text, what.word()));
            }
            Action::Exit => self.over = true,
        }
    }

    fn read_table(&mut self) {
        let result = self.ipvs.read_table();
        let now = clock::monotonic();
        match result {
            Ok(reading) => self.director.handle(now, Input::Table(reading.table)),
            Err(error) => {
                if matches!(error.trouble, Trouble::NoIpvs) {
                    self.load_module(now);
                }
                let text = why(&error);
                self.director.handle(now, Input::TableUnreadable(&text));
            }
        }
    }

    fn program(&mut self, changes: &[Change]) {
        if self.log.debugging() {
            for change in changes {
                self.log.line(format!("Running ipvs({change})"));
            }
        }
        let results = self.ipvs.apply(changes);
        let now = clock::monotonic();
        if results.contains(&Err(Refusal::NoIpvs)) {
            self.load_module(now);
        }
        self.director.handle(now, Input::Programmed(results));
    }

    /// Somebody has unloaded it; the core tries again later.
    fn load_module(&mut self, now: Duration) {
        let Some(program) = self.modprobe.clone() else {
            return;
        };
        if self.children.any(|purpose| *purpose == Purpose::Module) {
            return;
        }
        let job = Job {
            purpose: Purpose::Module,
            shown: format!("{} ip_vs", program.display()),
            program,
            arguments: vec!["ip_vs".into()],
            input: None,
        };
        self.children.add(now, job);
    }

    fn check_ended(&mut self, id: u64, outcome: Outcome) {
        let now = clock::monotonic();
        let probe = self.probes.remove(&id);
        let id = lvs_director::CheckId(id);
        match outcome {
            Outcome::Verdict(verdict) => {
                if let Some(probe) = &probe {
                    if let Some(line) = self.remarks.heard(probe, verdict.remark.as_deref()) {
                        self.log.line(line);
                    }
                    if self.log.debugging() {
                        let lines = debug::ended(&self.config, probe, verdict.up, &verdict.text);
                        for (level, line) in lines {
                            self.log.debug(level, line);
                        }
                    }
                }
                let input = Input::CheckEnded {
                    id,
                    up: verdict.up,
                    text: &verdict.text,
                };
                self.director.handle(now, input);
            }
            Outcome::Local(text) => {
                if let Some(line) = self.remarks.impossible(now, probe.as_deref(), &text) {
                    self.log.line(line);
                }
                self.director.handle(now, Input::CheckImpossible { id });
            }
        }
    }

    fn feed_switches(&mut self) {
        let now = clock::monotonic();
        let switch = ipvs_sysctl::expire_quiescent_template();
        self.director
            .handle(now, Input::ExpireQuiescentTemplate(switch));
        let switch = ipvs_sysctl::expire_nodest_conn();
        self.director.handle(now, Input::ExpireNodestConn(switch));
    }
}

fn why(error: &NetError) -> String {
    match &error.trouble {
        Trouble::NoIpvs => "no IPVS in the kernel".to_owned(),
        _ => error.to_string(),
    }
}
