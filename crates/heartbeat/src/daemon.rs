//! The main loop: read, feed the core, drain its actions, sleep until its deadline. It decides nothing.

use std::time::Duration;

use ha_cluster::{Action, ClientId, Core, ExitKind, Input, Now};
use ha_config::{Diagnostic, HEARTBEAT_VERSION};
use ha_sys::fifo::Fifo;
use ha_sys::lateness::Lateness;
use ha_sys::loadavg::LoadAverage;
use ha_sys::log::Priority;
use ha_sys::scribe::Scribe;
use ha_sys::signals::{Signal, SignalSource};
use ha_sys::watchdog::Watchdog;
use ha_sys::{Interest, Ready, child, clock, errno_text, process};
use ha_wire::decode_plain;

use crate::api::Api;
use crate::apphbd::Watched;
use crate::clients::Clients;
use crate::fencing::Fencing;
use crate::files::Stamps;
use crate::identity;
use crate::jobs::{self, Jobs};
use crate::links::{CannotOpen, Links};
use crate::logging::{priority_of_level, priority_of_severity};
use crate::mischief::Mischief;
use crate::places;
use crate::reload::{self, Change, Check, Verdict};
use crate::shell::{Due, Shell, Token};

/// How long a script may take to end after SIGTERM at the final shutdown.
const SCRIPT_GRACE: Duration = Duration::from_secs(1);

/// How long the last file may take to be written.
const LAST_FILE: Duration = Duration::from_secs(2);

/// What the daemon is made of when it starts.
pub(crate) struct Parts {
    pub(crate) shell: Shell,
    pub(crate) core: ha_cluster::Config,
    pub(crate) links: Links,
    pub(crate) jobs: Jobs,
    pub(crate) fencing: Fencing,
    pub(crate) clients: Clients,
    pub(crate) fifo: Fifo,
    pub(crate) signals: SignalSource,
    pub(crate) watchdog: Option<Watchdog>,
    pub(crate) watched: Option<Watched>,
    pub(crate) load: Option<LoadAverage>,
    pub(crate) stamps: Stamps,
    pub(crate) mischief: Mischief,
}

/// How the loop came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As the core said.
    Core(ExitKind),
    /// A medium cannot be opened, or the loop itself failed.
    Failed,
}

/// The running daemon.
pub(crate) struct Daemon {
    shell: Shell,
    core: Core,
    /// The core has been told that the media are open.
    started: bool,
    /// SIGTERM came before that.
    shutdown_early: bool,
    /// SIGHUP came before that.
    reload_early: bool,
    links: Links,
    jobs: Jobs,
    fencing: Fencing,
    clients: Clients,
    api: Api,
    fifo: Fifo,
    signals: SignalSource,
    watchdog: Option<Watchdog>,
    /// `use_apphbd`.
    watched: Option<Watched>,
    load: Option<LoadAverage>,
    keepalive: Duration,
    next_load: Duration,
    lateness: Lateness,
    managed: bool,
    stamps: Stamps,
    mischief: Mischief,
    check: Option<Check>,
    /// `delhostcache`, which is written beside the loop.
    deleted_nodes: Scribe,
    ending: Option<ExitKind>,
}

impl Daemon {
    pub(crate) fn new(parts: Parts) -> Daemon {
        let config = parts.core;
        let (keepalive, warntime, managed) = (config.keepalive, config.warntime, config.managed);
        Daemon {
            core: Core::new(config, now()),
            started: false,
            shutdown_early: false,
            reload_early: false,
            shell: parts.shell,
            links: parts.links,
            jobs: parts.jobs,
            fencing: parts.fencing,
            clients: parts.clients,
            api: Api::default(),
            fifo: parts.fifo,
            signals: parts.signals,
            watchdog: parts.watchdog,
            watched: parts.watched,
            load: parts.load,
            keepalive,
            next_load: Duration::ZERO,
            lateness: Lateness::new(warntime / 2),
            managed,
            stamps: parts.stamps,
            mischief: parts.mischief,
            check: None,
            deleted_nodes: Scribe::new(places::DELETED_NODES),
            ending: None,
        }
    }

    /// Runs until the end.
    pub(crate) fn run(&mut self) -> Ending {
        if let Err(failure) = self.prepare() {
            self.shell.error(failure.to_string());
            return Ending::Failed;
        }
        let mut ready = Vec::new();
        loop {
            if let Some(kind) = &self.ending
                && !self.jobs.any_child()
            {
                return Ending::Core(kind.clone());
            }
            let deadline = self.next_deadline();
            // Some clients' next message has been read already.
            let wake = match self.api.has_more() {
                true => Some(Duration::ZERO),
                false => deadline,
            };
            if let Err(error) = self.shell.poller.wait(wake, &mut ready) {
                self.shell
                    .error(format!("Cannot wait for events: {}", errno_text(&error)));
                return Ending::Failed;
            }
            if let Some(text) =
                deadline.and_then(|deadline| self.lateness.measure(deadline, clock::monotonic()))
            {
                self.shell.warn(text);
            }
            self.serve_ready_clients();
            for event in &ready {
                self.serve(*event);
            }
            if let Err(failure) = self.run_timers() {
                self.shell.error(failure.to_string());
                return Ending::Failed;
            }
        }
    }

    /// The parts that outlive the loop.
    pub(crate) fn into_rest(self) -> (Shell, Option<Watchdog>, SignalSource, Clients) {
        self.deleted_nodes.finish(LAST_FILE);
        (self.shell, self.watchdog, self.signals, self.clients)
    }

    fn prepare(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        self.shell
            .poller
            .add(&self.signals, Token::Signals.number(), Interest::Read)?;
        self.shell
            .poller
            .add(&self.fifo, Token::Fifo.number(), Interest::Read)?;
        self.jobs.native.watch(&self.shell)?;
        self.links.open_all(&mut self.shell)?;
        self.beat();
        self.start_if_open();
        Ok(())
    }

    fn start_if_open(&mut self) {
        if self.started || !self.links.all_proven() {
            return;
        }
        self.started = true;
        self.feed_load();
        self.feed(Input::Start);
        if self.shutdown_early {
            self.feed(Input::Shutdown);
        } else if self.reload_early {
            self.begin_reload();
        }
    }

    fn next_deadline(&mut self) -> Option<Duration> {
        let core = if self.started && self.ending.is_none() {
            self.core.next_deadline()
        } else {
            None
        };
        let native = self.jobs.native.next_deadline();
        [core, self.shell.timers.next_deadline(), native]
            .into_iter()
            .flatten()
            .min()
    }

    fn run_timers(&mut self) -> Result<(), CannotOpen> {
        let time = clock::monotonic();
        self.jobs.native.run_due(&self.shell, time);
        while let Some(due) = self.shell.timers.pop_due(time) {
            self.run_due(due)?;
        }
        if self.started
            && self.ending.is_none()
            && self.core.next_deadline().is_some_and(|at| at <= time)
        {
            if time >= self.next_load {
                self.feed_load();
            }
            self.feed(Input::Timer);
        }
        Ok(())
    }

    fn run_due(&mut self, due: Due) -> Result<(), CannotOpen> {
        match due {
            Due::OpenMedium(index) => {
                self.links.open_due(&mut self.shell, index)?;
                self.start_if_open();
            }
            Due::ResumeJob(id) => {
                self.jobs.resume(&mut self.shell, id);
                self.drain();
            }
            Due::SlowScript { pid } => {
                self.jobs.script_is_slow(&mut self.shell, pid);
                self.drain();
            }
            Due::ScriptDeadline { child } => self.jobs.end_overdue(&mut self.shell, child),
            Due::KillScript { child } => self.jobs.kill_overdue(child),
            Due::StartClient(index) => self.start_client(index),
            Due::KillClient { index, pid } => self.clients.kill_if_running(&self.shell, index, pid),
            Due::Reboot { client: _ } => {
                let clients = &mut self.clients;
                jobs::die(&self.shell, || clients.kill_all());
            }
            Due::Beat => self.beat(),
            Due::AcceptClients => self.api.resume_accepting(&self.shell),
            Due::KillJobs => {
                self.jobs.signal_all(Signal::SIGKILL);
            }
        }
        Ok(())
    }

    /// Says to `apphbd` that the loop turns.
    fn beat(&mut self) {
        let Some(watched) = &mut self.watched else {
            return;
        };
        let (news, pause) = watched.beat(clock::monotonic());
        if let Some((priority, text)) = news {
            self.shell.logger.log(priority, text);
        }
        self.shell.after(pause, Due::Beat);
    }

    fn serve(&mut self, event: Ready) {
        match Token::from_number(event.token) {
            Some(Token::Signals) => self.serve_signals(),
            Some(Token::Fifo) => self.serve_fifo(),
            Some(Token::Arp) => self.jobs.native.hear(&self.shell),
            Some(Token::Reload) => self.serve_reload(),
            Some(Token::Medium(index)) => self.serve_medium(index as usize, event),
            Some(Token::Output(pid)) => self.hear_child(pid),
            Some(Token::Network) => self.links.network_changed(&mut self.shell),
            Some(Token::Register) => self.accept_clients(),
            Some(Token::Client(number)) => self.serve_client(number, event),
            None => {}
        }
    }

    fn serve_medium(&mut self, index: usize, event: Ready) {
        if event.writable {
            self.links.flush(&mut self.shell, index);
        }
        if !event.readable {
            return;
        }
        let live = self.started && self.ending.is_none();
        let (core, mischief) = (&mut self.core, &mut self.mischief);
        self.links.receive(&mut self.shell, index, &mut |payload| {
            if live && !mischief.loses_received(payload) {
                core.handle(
                    now(),
                    Input::Datagram {
                        medium: index,
                        payload,
                    },
                );
            }
        });
        self.drain();
    }

    fn hear_child(&mut self, pid: u32) {
        if !self.fencing.output_ready(&self.shell, pid) {
            self.jobs.output_ready(&self.shell, pid);
        }
    }

    fn accept_clients(&mut self) {
        for (client, peer) in self.api.accept(&mut self.shell) {
            self.feed(Input::ClientAccepted { client, peer });
        }
    }

    fn serve_client(&mut self, number: u32, event: Ready) {
        let core = &mut self.core;
        self.api
            .serve(&self.shell, number, event, &mut |client, body| {
                hear_client(core, client, body);
            });
        self.drain();
    }

    fn serve_ready_clients(&mut self) {
        if self.api.has_more() {
            let core = &mut self.core;
            self.api.serve_ready(&self.shell, &mut |client, body| {
                hear_client(core, client, body);
            });
            self.drain();
        }
    }

    fn serve_fifo(&mut self) {
        let mut messages = Vec::new();
        let mut faults = Vec::new();
        let read = self.fifo.read(|bytes| match decode_plain(bytes) {
            Ok(message) => messages.push(message),
            Err(error) => faults.push(format!("NV failure (msgfromsteam): {error}")),
        });
        if let Err(error) = read {
            faults.push(format!("Cannot read from the FIFO: {}", errno_text(&error)));
        }
        for fault in faults {
            self.shell.error(fault);
        }
        for message in messages {
            if self.started {
                self.feed(Input::Inject { message });
            }
        }
    }

    fn serve_signals(&mut self) {
        while let Ok(Some(signal)) = self.signals.read() {
            match signal {
                Signal::SIGTERM if self.started => self.feed(Input::Shutdown),
                Signal::SIGTERM => {
                    self.shell
                        .warn("Shutdown delayed until Communication is up.");
                    self.shutdown_early = true;
                }
                Signal::SIGHUP if self.started => self.begin_reload(),
                Signal::SIGHUP => self.reload_early = true,
                Signal::SIGUSR1 => self.change_debug(1),
                Signal::SIGUSR2 => self.change_debug(-1),
                Signal::SIGCHLD => self.reap(),
                Signal::SIGALRM => {
                    self.shell.error(format!(
                        "Unexpected alarm in process {}",
                        std::process::id()
                    ));
                }
                // INT is ignored.
                _ => {}
            }
        }
    }

    fn change_debug(&mut self, step: i32) {
        let before = self.shell.debug;
        self.shell.debug = before.saturating_add(step).max(0);
        if before == 0 && self.shell.debug == 1 {
            self.shell
                .info(format!("heartbeat: version {HEARTBEAT_VERSION}"));
        }
        if self.started {
            self.feed(Input::DebugLevel(self.shell.debug));
        }
        let text = format!(
            "debug now set to {} [pid {}]",
            self.shell.debug,
            std::process::id()
        );
        self.shell.logger.log(Priority::Debug, text);
    }

    fn reap(&mut self) {
        while let Some((pid, end)) = child::reap() {
            if self.started && self.ending.is_none() {
                self.core.handle(now(), Input::ProcessEnded { pid });
            }
            if !self.jobs.child_ended(&mut self.shell, pid, end)
                && !self.fencing.child_ended(&self.shell, pid, end)
            {
                self.clients.child_ended(&mut self.shell, pid, end);
            }
        }
        self.drain();
        if self.clients.stop_is_due() && self.clients.stop_next(&mut self.shell) {
            self.feed(Input::ClientsGone);
        }
    }

    fn start_client(&mut self, index: usize) {
        // Starting a program may hold us up; peers are asked for patience first (`wire-protocol.md` 6.2).
        self.feed(Input::ClientStarting);
        self.clients.start(&mut self.shell, index);
    }

    fn begin_reload(&mut self) {
        if self.check.is_some() {
            return;
        }
        let (mischief, diagnostics) = Mischief::read(clock::wall());
        self.mischief = mischief;
        self.say(&diagnostics);
        let stamps = Stamps::now();
        let change = reload::change(&self.stamps, &stamps);
        match change {
            Change::Nothing => return self.shell.info("Configuration unchanged."),
            Change::Keys => self.shell.info("Rereading authentication file."),
            Change::Configuration => {}
        }
        let check = Check::start(change, stamps, self.managed);
        let watched = check.and_then(|check| {
            self.shell
                .poller
                .add(&check, Token::Reload.number(), Interest::Read)?;
            Ok(check)
        });
        match watched {
            Ok(check) => self.check = Some(check),
            Err(error) => self.shell.error(format!(
                "Cannot check the configuration: {}",
                errno_text(&error)
            )),
        }
    }

    fn serve_reload(&mut self) {
        let Some(verdict) = self.check.as_mut().and_then(Check::finished) else {
            return;
        };
        if let Some(check) = self.check.take() {
            let _ = self.shell.poller.remove(&check);
        }
        match verdict {
            Verdict::Restart => self.feed(Input::QuickRestart),
            Verdict::NewKeys { keys, stamps } => {
                self.stamps.authkeys = stamps.authkeys;
                self.feed(Input::NewKeys(keys));
            }
            Verdict::Refused(diagnostics) => {
                self.say(&diagnostics);
                self.shell.error("Config errors: Heartbeat NOT restarted, the running configuration stays in force");
            }
        }
    }

    fn say(&self, diagnostics: &[Diagnostic]) {
        for diagnostic in diagnostics {
            for line in diagnostic.lines() {
                self.shell
                    .logger
                    .log(priority_of_severity(diagnostic.severity), line);
            }
        }
    }

    fn feed_load(&mut self) {
        self.next_load = clock::monotonic() + self.keepalive;
        if let Some(error) = self.deleted_nodes.take_failure() {
            self.cannot_keep_deleted_nodes(&error);
        }
        if let Some(line) = self.load.as_mut().and_then(LoadAverage::read) {
            self.core.handle(now(), Input::LoadAverage(line));
        }
    }

    fn feed(&mut self, input: Input<'_>) {
        if self.ending.is_none() {
            self.core.handle(now(), input);
            self.drain();
        }
    }

    /// Does what the core asks for, and tells it of jobs that end at once, until it is silent.
    fn drain(&mut self) {
        loop {
            while let Some(action) = self.core.poll_action() {
                self.act(action);
            }
            self.reboot_if_needed();
            let mut ended = self.jobs.take_ended();
            ended.extend(self.fencing.take_ended());
            let gone = self.api.take_gone();
            if (ended.is_empty() && gone.is_empty()) || self.ending.is_some() {
                return;
            }
            for (client, gone) in gone {
                self.core.handle(now(), Input::ClientGone { client, gone });
            }
            for (id, outcome) in ended {
                self.core.handle(now(), Input::JobEnded { id, outcome });
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Transmit { .. } if self.mischief.loses_transmitted() => {}
            Action::Transmit { medium, payload } => {
                self.links.transmit(&mut self.shell, medium, &payload)
            }
            Action::Log { level, text } => {
                let priority = priority_of_level(level);
                if priority != Priority::Debug || self.shell.debug > 0 {
                    self.shell.logger.log(priority, text);
                }
            }
            Action::StartJob { id, job } => {
                if !self.fencing.start(&mut self.shell, id, &job) {
                    self.jobs.start(&mut self.shell, id, &job);
                }
            }
            Action::CommUp => {
                self.api.open(&self.shell);
                for index in 0..self.clients.count() {
                    self.core.handle(now(), Input::ClientStarting);
                    self.clients.start(&mut self.shell, index);
                }
            }
            Action::FeedWatchdog => {
                if let Some(Err(error)) = self.watchdog.as_mut().map(Watchdog::feed) {
                    self.shell.error(format!(
                        "Cannot write to the watchdog device: {}",
                        errno_text(&error)
                    ));
                }
            }
            Action::StopClients => {
                if self.clients.stop_next(&mut self.shell) {
                    self.core.handle(now(), Input::ClientsGone);
                }
            }
            Action::AnnounceAddresses => self.jobs.native.announce_all(&self.shell),
            Action::ToClient {
                client,
                body,
                notice,
            } => self.api.send(&self.shell, client, &body, notice),
            Action::CloseClient { client } => self.api.hang_up(&self.shell, client),
            Action::ClientQueue { client, length } => self.api.set_queue(client, length),
            Action::PauseClient { client, paused } => self.api.pause(&self.shell, client, paused),
            Action::AuditClients => self.core.handle(
                now(),
                Input::AuditClients {
                    exists: process::exists,
                },
            ),
            Action::DeletedNodes(nodes) => {
                let content = identity::deleted_nodes(&nodes);
                if let Err(error) = self.deleted_nodes.write(content) {
                    self.cannot_keep_deleted_nodes(&error);
                }
            }
            Action::Exit(kind) => self.end(kind),
        }
    }

    fn cannot_keep_deleted_nodes(&self, error: &std::io::Error) {
        let (path, reason) = (places::DELETED_NODES, errno_text(error));
        self.shell.error(format!("Cannot write {path}: {reason}"));
    }

    fn end(&mut self, kind: ExitKind) {
        self.api.close(&self.shell);
        self.fencing.stop();
        match &kind {
            ExitKind::Emergency => {
                self.jobs.signal_all(Signal::SIGKILL);
                self.clients.kill_all();
            }
            ExitKind::Shutdown | ExitKind::Restart { .. } | ExitKind::QuickRestart { .. } => {
                if self.jobs.signal_all(Signal::SIGTERM) {
                    self.shell.after(SCRIPT_GRACE, Due::KillJobs);
                }
            }
        }
        self.ending = Some(kind);
    }

    fn reboot_if_needed(&mut self) {
        if self.jobs.reboot_for.is_some() {
            let clients = &mut self.clients;
            jobs::die(&self.shell, || clients.kill_all());
        }
    }
}

/// A frame of a client; the core looks at every octet of it.
fn hear_client(core: &mut Core, client: ClientId, body: &[u8]) {
    let exists = process::exists;
    let input = Input::ClientMessage {
        client,
        body,
        exists,
    };
    core.handle(now(), input);
}

/// Both clocks, as the core wants them.
fn now() -> Now {
    Now {
        mono: clock::monotonic(),
        wall: clock::wall(),
    }
}
