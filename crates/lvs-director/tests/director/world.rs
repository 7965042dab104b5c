//! A director, a kernel that is a [`Table`], a directory, and real servers that do as a test says.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use ha_config::ldirectord::{FakeHost, Ldirectord, Probe, ProbeKind, parse};
use ipvs::{Change, Refusal, Table};
use lvs_director::{Action, CheckId, Director, Input, Mail, Options};

/// More actions than this from one input are a bug, not work.
const ACTIONS_MAX: usize = 100_000;

pub(crate) fn host() -> FakeHost {
    FakeHost {
        writable: "/var/log".to_owned(),
        ..FakeHost::default()
    }
}

pub(crate) fn config(text: &str) -> Rc<Ldirectord> {
    let parsed = parse(text.as_bytes(), "test.cf", &host());
    Rc::new(
        parsed
            .value
            .unwrap_or_else(|| panic!("{:?}", parsed.diagnostics)),
    )
}

/// What a check sees of a real server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    Up(String),
    Down(String),
    /// Nothing until its time is over.
    Hangs,
    /// The machine cannot check.
    Impossible,
}

pub(crate) struct World {
    pub(crate) director: Director,
    pub(crate) kernel: Table,
    pub(crate) now: Duration,
    /// Real servers, by `ADDRESS` or `ADDRESS:PORT`; others are up.
    pub(crate) sights: BTreeMap<String, Sight>,
    /// Changes that the kernel refuses, by a part of their words.
    pub(crate) refuses: Option<(String, Refusal)>,
    /// The kernel has no IPVS.
    pub(crate) absent: bool,
    /// What is in `maintenancedir`, looked at once per second, and what is known of names.
    pub(crate) maintenance: BTreeSet<String>,
    pub(crate) names: BTreeMap<std::net::IpAddr, String>,

    /// In the words of ipvsadm, and how many in each batch.
    pub(crate) commands: Vec<String>,
    pub(crate) batches: Vec<usize>,
    pub(crate) reads: usize,
    pub(crate) log: Vec<String>,
    pub(crate) mails: Vec<(Duration, Mail)>,
    pub(crate) ran: Vec<String>,
    pub(crate) executed: Vec<String>,
    pub(crate) monitored: Vec<String>,
    pub(crate) probes: Vec<(Duration, Rc<Probe>)>,
    pub(crate) cancelled: Vec<CheckId>,
    pub(crate) ended: bool,
    pending: BTreeMap<CheckId, (Duration, Rc<Probe>)>,
}

impl World {
    pub(crate) fn start(text: &str) -> World {
        World::over(text, Table::default())
    }

    /// With a table that somebody left in the kernel.
    pub(crate) fn over(text: &str, kernel: Table) -> World {
        let mut world = World::fresh(text, kernel);
        world.begin();
        world
    }

    /// Nothing has been asked or answered yet.
    pub(crate) fn fresh(text: &str, kernel: Table) -> World {
        World::with(config(text), kernel)
    }

    pub(crate) fn with(config: Rc<Ldirectord>, kernel: Table) -> World {
        let options = Options {
            host_name: "director".into(),
        };
        World {
            director: Director::new(config, options),
            kernel,
            now: Duration::from_secs(1),
            sights: BTreeMap::new(),
            refuses: None,
            absent: false,
            maintenance: BTreeSet::new(),
            names: BTreeMap::new(),
            commands: Vec::new(),
            batches: Vec::new(),
            reads: 0,
            log: Vec::new(),
            mails: Vec::new(),
            ran: Vec::new(),
            executed: Vec::new(),
            monitored: Vec::new(),
            probes: Vec::new(),
            cancelled: Vec::new(),
            ended: false,
            pending: BTreeMap::new(),
        }
    }

    /// As a shell begins: who is in maintenance is told first.
    pub(crate) fn begin(&mut self) {
        self.list();
        self.drain();
    }

    fn list(&mut self) {
        let files = self.maintenance.clone();
        let names = self.names.clone();
        self.director
            .handle(self.now, Input::Maintenance { files, names });
    }

    pub(crate) fn handle(&mut self, input: Input<'_>) {
        self.director.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        let mut actions = 0;
        while let Some(action) = self.director.poll_action() {
            assert!(!self.ended, "after the end: {action:?}");
            actions += 1;
            assert!(actions < ACTIONS_MAX, "it spins: {action:?}");
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::ReadTable => {
                self.reads += 1;
                let table = self.kernel.clone();
                if self.absent {
                    self.director
                        .handle(self.now, Input::TableUnreadable("no IPVS"));
                } else {
                    self.director.handle(self.now, Input::Table(table));
                }
            }
            Action::Program(changes) => {
                assert!(!changes.is_empty());
                self.batches.push(changes.len());
                let results = changes.iter().map(|change| self.make(change)).collect();
                self.director.handle(self.now, Input::Programmed(results));
            }
            Action::StartCheck { id, probe } => {
                self.probes.push((self.now, Rc::clone(&probe)));
                let due = match self.sight(&probe) {
                    Sight::Hangs => self.now + probe.timeout,
                    _ => self.now,
                };
                self.pending.insert(id, (due, probe));
            }
            Action::CancelCheck(id) => {
                assert!(self.pending.remove(&id).is_some(), "{id:?} is running");
                self.cancelled.push(id);
            }
            Action::Log(text) => self.log.push(text),
            Action::Mail(mail) => self.mails.push((self.now, mail)),
            Action::RunCommand { command, arguments } => {
                self.ran.push(format!("{command} {}", arguments.join(" ")));
            }
            Action::Monitor { path, text } => self.monitored.push(format!("{path}: {text}")),
            Action::Execute(what, config) => {
                self.executed.push(format!("{config} {}", what.word()));
            }
            Action::Exit => {
                assert!(self.pending.is_empty(), "checks outlive the daemon");
                self.ended = true;
            }
        }
    }

    fn make(&mut self, change: &Change) -> Result<(), Refusal> {
        self.commands.push(change.to_string());
        if self.absent {
            return Err(Refusal::NoIpvs);
        }
        change.check().map_err(Refusal::Invalid)?;
        match &self.refuses {
            Some((part, refusal)) if change.to_string().contains(part) => Err(refusal.clone()),
            _ => apply(&mut self.kernel, change),
        }
    }

    fn sight(&self, probe: &Probe) -> Sight {
        let address = probe.address.to_string();
        self.sights
            .get(&format!("{address}:{}", probe.port))
            .or_else(|| self.sights.get(&address))
            .cloned()
            .unwrap_or_else(|| Sight::Up("200 OK".into()))
    }

    pub(crate) fn down(&mut self, address: &str) {
        self.sights
            .insert(address.into(), Sight::Down("Connection failed".into()));
    }

    pub(crate) fn up(&mut self, address: &str) {
        self.sights.remove(address);
    }

    /// Ends the checks whose time has come, in the order in which they began.
    pub(crate) fn answer(&mut self) {
        loop {
            let now = self.now;
            let ended = |(_, (due, _)): &(&CheckId, &(Duration, Rc<Probe>))| *due <= now;
            let Some(id) = self.pending.iter().find(ended).map(|(id, _)| *id) else {
                return;
            };
            let Some((_, probe)) = self.pending.remove(&id) else {
                return;
            };
            match self.sight(&probe) {
                Sight::Up(text) => self.handle(Input::CheckEnded {
                    id,
                    up: true,
                    text: &text,
                }),
                Sight::Down(text) => self.handle(Input::CheckEnded {
                    id,
                    up: false,
                    text: &text,
                }),
                Sight::Hangs => self.handle(Input::CheckEnded {
                    id,
                    up: false,
                    text: "Connection timed out",
                }),
                Sight::Impossible => self.handle(Input::CheckImpossible { id }),
            }
        }
    }

    /// The next moment at which something happens by itself.
    pub(crate) fn next(&self) -> Option<Duration> {
        let checks = self.pending.values().map(|(due, _)| *due).min();
        [checks, self.director.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Goes to the next moment, if it is not after `end`; false if there is none.
    pub(crate) fn step(&mut self, end: Duration) -> bool {
        let Some(next) = self.next().filter(|next| *next <= end) else {
            return false;
        };
        self.now = self.now.max(next);
        self.answer();
        self.handle(Input::Timer);
        assert!(
            self.director
                .next_deadline()
                .is_none_or(|due| due > self.now),
            "a timer at {:?} is still due",
            self.now
        );
        true
    }

    /// Time passes. Files are looked at in between, as a shell does once per interval.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.answer();
        while self.now < end {
            let next_second = Duration::from_secs(self.now.as_secs() + 1);
            let until = next_second.min(end);
            while self.step(until) {}
            self.now = until;
            if until == next_second {
                self.list();
                self.drain();
            }
        }
        while self.step(end) {}
    }

    pub(crate) fn seconds(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    pub(crate) fn reload(&mut self, text: &str) {
        self.handle(Input::Reload(config(text)));
    }

    pub(crate) fn stop(&mut self) {
        self.handle(Input::Stop("TERM"));
    }

    pub(crate) fn is_connect(probe: &Probe) -> bool {
        probe.kind == ProbeKind::Connect
    }

    /// What was done since the last look.
    pub(crate) fn commands(&mut self) -> Vec<String> {
        std::mem::take(&mut self.commands)
    }

    pub(crate) fn log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    pub(crate) fn subjects(&mut self) -> Vec<String> {
        std::mem::take(&mut self.mails)
            .into_iter()
            .map(|(_, mail)| mail.subject)
            .collect()
    }
}

/// As the kernel answers, errors included (`ipvs-netlink.md` 2).
pub(crate) fn apply(table: &mut Table, change: &Change) -> Result<(), Refusal> {
    const ENOENT: i32 = 2;
    const ESRCH: i32 = 3;
    const EEXIST: i32 = 17;
    if table.apply(change) {
        return Ok(());
    }
    let service = table.entry(change.service()).is_some();
    Err(Refusal::Errno(match change {
        Change::AddService(_) => EEXIST,
        _ if !service => ESRCH,
        Change::AddDestination(..) => EEXIST,
        _ => ENOENT,
    }))
}
