//! A director, a kernel that is a [`Table`], and real servers that are up or down as a test says.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use ha_config::ldirectord::{FakeHost, Ldirectord, Probe, parse};
use ipvs::{Change, Table};
use lvs_director::{Action, CheckId, Director, Input, Mail, Options};

pub(crate) fn config(text: &str) -> Rc<Ldirectord> {
    let parsed = parse(text.as_bytes(), "test.cf", &FakeHost::default());
    Rc::new(
        parsed
            .value
            .unwrap_or_else(|| panic!("{:?}", parsed.diagnostics)),
    )
}

pub(crate) struct World {
    pub(crate) director: Director,
    pub(crate) kernel: Table,
    pub(crate) now: Duration,
    /// Addresses of real servers that fail their checks.
    pub(crate) down: BTreeSet<String>,
    /// Changes that the kernel refuses, by a part of their words.
    pub(crate) refuses: Option<String>,
    /// In the words of ipvsadm, and what was logged.
    pub(crate) commands: Vec<String>,
    pub(crate) log: Vec<String>,
    pub(crate) mails: Vec<Mail>,
    pub(crate) ran: Vec<String>,
    pub(crate) probes: Vec<(Duration, Probe)>,
    pub(crate) ended: bool,
    pending: BTreeMap<CheckId, Probe>,
}

impl World {
    pub(crate) fn start(text: &str) -> World {
        World::over(text, Table::default())
    }

    /// With a table that somebody left in the kernel.
    pub(crate) fn over(text: &str, kernel: Table) -> World {
        let options = Options {
            host_name: "director".into(),
        };
        let mut world = World {
            director: Director::new(config(text), options),
            kernel,
            now: Duration::from_secs(1),
            down: BTreeSet::new(),
            refuses: None,
            commands: Vec::new(),
            log: Vec::new(),
            mails: Vec::new(),
            ran: Vec::new(),
            probes: Vec::new(),
            ended: false,
            pending: BTreeMap::new(),
        };
        world.drain();
        world
    }

    pub(crate) fn handle(&mut self, input: Input<'_>) {
        self.director.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(action) = self.director.poll_action() {
            match action {
                Action::ReadTable => {
                    let table = self.kernel.clone();
                    self.director.handle(self.now, Input::Table(table));
                }
                Action::Program(changes) => {
                    let results = changes.iter().map(|change| self.make(change)).collect();
                    self.director.handle(self.now, Input::Programmed(results));
                }
                Action::StartCheck { id, probe } => {
                    self.probes.push((self.now, probe.clone()));
                    self.pending.insert(id, probe);
                }
                Action::CancelCheck(id) => {
                    self.pending.remove(&id);
                }
                Action::Log(text) => self.log.push(text),
                Action::Mail(mail) => self.mails.push(mail),
                Action::RunCommand { command, arguments } => {
                    self.ran.push(format!("{command} {}", arguments.join(" ")));
                }
                Action::Monitor { .. } | Action::Execute(..) => {}
                Action::Exit => self.ended = true,
            }
        }
    }

    fn make(&mut self, change: &Change) -> Result<(), String> {
        self.commands.push(change.to_string());
        let refused = self
            .refuses
            .as_ref()
            .is_some_and(|part| change.to_string().contains(part));
        if refused || !self.kernel.apply(change) {
            return Err("refused".into());
        }
        Ok(())
    }

    /// Lets every check in progress end.
    pub(crate) fn answer(&mut self) {
        while let Some((id, probe)) = self.pending.pop_first() {
            let up = !self.down.contains(&probe.address.to_string());
            self.handle(Input::CheckEnded { id, up, text: "-" });
        }
    }

    /// Time passes, and checks are answered at once.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.answer();
        while let Some(next) = self.director.next_deadline().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.handle(Input::Timer);
            self.answer();
        }
        self.now = end;
    }

    pub(crate) fn seconds(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    /// What was done since the last look.
    pub(crate) fn commands(&mut self) -> Vec<String> {
        std::mem::take(&mut self.commands)
    }

    pub(crate) fn log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }
}
