//! Child processes of the legacy's master and the scripts that they run, one after another (`resource-protocol.md` 1.6, 1.7,
//! 2.4.5 to 2.4.7, 2.5, 2.7).
//!
//! A group counts as one resource. Children of one daemon run beside one another and lock nothing: two may start and stop the
//! same group. They outlive a killed daemon, and go on.

use std::collections::VecDeque;
use std::time::Duration;

use ha_wire::Message;

use super::{Held, Input, Program, Unasked};
use crate::host::{Activity, Host, Verb};
use crate::world::{Happening, World};

/// A shell, its programs and a line in the log: what a step takes, at least and at most.
const STEP: (u64, u64) = (5, 25);

/// After a failed start everything foreign is offered (1.6).
const STANDBY_AFTER: Duration = Duration::from_secs(30);

/// Between the two pieces in which a shell writes a message into the FIFO (7.1).
const BETWEEN_PIECES: Duration = Duration::from_micros(300);

/// What a child does next.
#[derive(Clone, Debug)]
enum Step {
    /// A script without effect of its own.
    Exec(String),
    Sleep(Duration),
    /// `req_resource`.
    Request {
        group: usize,
        dont_ask: bool,
    },
    /// It looks whether the key runs.
    Look {
        group: usize,
        dont_ask: bool,
    },
    /// `rc.d/ip-request` of a node that asks for a group.
    Answer {
        group: usize,
        src: String,
    },
    /// The answer, after the group was given up or was not ours.
    Respond {
        group: usize,
        src: String,
        owned: bool,
    },
    /// `takegroup`.
    Take(usize),
    /// `givegroup`.
    Give(usize),
    /// What `takegroup` does about a group that could not be started.
    Undo(usize),
    /// `hb_standby` of everything foreign.
    Offer,
    /// A message of a script, written by a shell in two pieces.
    Say(Message),
    /// The second piece.
    Finish(Message),
    /// A message of a child of the daemon, written in one piece.
    SayWhole(Message),
    /// What we hold now, as the daemon's memory has it.
    SayHeld,
}

/// A child process.
#[derive(Debug)]
pub(crate) struct Child {
    id: u64,
    /// The queue waits for it (NCHILD of `resource-protocol.md` 2.2).
    counts: bool,
    steps: VecDeque<Step>,
    /// The resource script that it waits for, and its group.
    process: Option<u64>,
    at_work: Option<usize>,
}

impl Child {
    /// It starts or stops the group, or is going to.
    fn concerns(&self, group: usize) -> bool {
        let does = |step: &Step| matches!(step, Step::Take(of) | Step::Give(of) | Step::Undo(of) if *of == group);
        self.at_work == Some(group) || self.steps.iter().any(does)
    }
}

impl Host {
    /// A child of the legacy's master waits for this script.
    pub(crate) fn child_waits_for(&self, process: u64) -> bool {
        self.children
            .iter()
            .any(|child| child.process == Some(process))
    }
}

impl World {
    /// Groups in the order of haresources.
    fn groups_of(&self, host: usize, set: Held) -> Vec<usize> {
        let groups = self.scenario.settings.groups.iter().enumerate();
        let ours = |home: usize| if home == host { set.local } else { set.foreign };
        groups
            .filter(|(_, group)| ours(group.home))
            .map(|(number, _)| number)
            .collect()
    }

    fn group_named(&self, key: Option<&str>) -> Option<usize> {
        let groups = &self.scenario.settings.groups;
        groups
            .iter()
            .position(|group| Some(group.key.as_str()) == key)
    }

    fn name(&self, host: usize) -> String {
        self.hosts[host].name.clone()
    }

    pub(super) fn start_child(&mut self, host: usize, program: Program) {
        let steps = match program {
            Program::Acquire { dont_ask } => self.acquire_steps(host, dont_ask),
            Program::Give { set, done } => {
                let mut steps = vec![Step::Exec(format!("ResourceManager {}", query(set)))];
                steps.extend(self.groups_of(host, set).into_iter().map(Step::Give));
                steps.push(Step::SayWhole(done));
                // Nothing to give up: an error, and no `done` (2.4.6).
                if set == Held::NONE { Vec::new() } else { steps }
            }
            Program::Take { set, done } => {
                let ours = set.mirror();
                let mut steps = vec![Step::Exec(format!("ResourceManager {}", query(ours)))];
                steps.extend(self.groups_of(host, ours).into_iter().map(Step::Take));
                steps.push(Step::SayWhole(done));
                if set == Held::NONE { Vec::new() } else { steps }
            }
            Program::GiveUpAll => {
                self.hosts[host].releases_since = Some(self.now);
                let mut steps = vec![Step::Exec("ResourceManager listkeys .*".to_owned())];
                // Also what is not held (1.7).
                steps.extend(self.groups_of(host, Held::ALL).into_iter().map(Step::Give));
                let mut done = Message::new();
                done.push("t", "shutdone");
                done.push("st", "dead");
                steps.push(Step::SayWhole(done));
                steps
            }
            Program::Harc(message) => self.harc_steps(host, &message),
        };
        self.add_child(host, true, steps);
    }

    /// 2.4.5
    fn acquire_steps(&self, host: usize, dont_ask: bool) -> Vec<Step> {
        let nice = self.scenario.settings.nice();
        let name = self.name(host);
        let mut steps = vec![Step::Exec(format!("ResourceManager listkeys {name}"))];
        let groups = self.groups_of(host, Held::LOCAL);
        steps.extend(groups.into_iter().map(|group| Step::Request {
            group,
            dont_ask: dont_ask || nice,
        }));
        if nice {
            steps.push(Step::SayHeld);
        }
        steps
    }

    /// What is in `rc.d` (2.5).
    fn harc_steps(&self, host: usize, message: &Message) -> Vec<Step> {
        let kind = message.kind().unwrap_or_default();
        let own = self.name(host);
        let src = message.text("src").unwrap_or_default().to_owned();
        let mut steps = vec![Step::Exec(format!("harc {kind}"))];
        match kind {
            "status" if message.text("st") == Some("dead") => {
                steps.push(Step::Exec(format!("mach_down {src}")));
                if src == own {
                    return steps;
                }
                steps.push(Step::Exec(format!("ResourceManager listkeys {src}")));
                let home = self.hosts.iter().position(|host| host.name == src);
                let groups = self.scenario.settings.groups.iter().enumerate();
                let groups = groups.filter(|(_, group)| Some(group.home) == home);
                steps.extend(groups.map(|(number, _)| Step::Take(number)));
                if self.scenario.settings.nice() {
                    let mut taken = Message::new();
                    taken.push("t", "resource");
                    taken.push("rsc_hold", "foreign");
                    taken.push("info", "mach_down");
                    steps.push(Step::Say(taken));
                }
            }
            "ip-request" if src != own => {
                if let Some(group) = self.group_named(message.text("ipaddr")) {
                    steps.push(Step::Answer { group, src });
                }
            }
            // Whatever `weown` says, and whether or not it is still wanted.
            "ip-request-resp"
                if message.text("dest") == Some(&own) && message.text("ok") == Some("OK") =>
            {
                steps.extend(self.group_named(message.text("ipaddr")).map(Step::Take));
            }
            "hb_takeover" if src != own => {
                let word = match message.text("rsc_hold") {
                    Some("local") => "foreign",
                    Some("foreign") => "local",
                    _ => "all",
                };
                steps.push(Step::Exec(format!("hb_standby {word}")));
                steps.push(Step::Say(standby(word)));
            }
            _ => {}
        }
        steps
    }

    fn add_child(&mut self, host: usize, counts: bool, steps: Vec<Step>) {
        let machine = &mut self.hosts[host];
        machine.next_child += 1;
        let id = machine.next_child;
        machine.children.push(Child {
            id,
            counts,
            steps: steps.into(),
            process: None,
            at_work: None,
        });
        self.plan_step(host, id);
    }

    /// A tool that an operator calls writes as a script does.
    pub(crate) fn call_tool(&mut self, host: usize, message: Message) {
        self.add_child(host, false, vec![Step::Say(message)]);
    }

    /// The next step of a child, after the time that a shell takes.
    fn plan_step(&mut self, host: usize, child: u64) {
        let (least, most) = STEP;
        let time = Duration::from_millis(least + self.random.below(most - least));
        self.plan_step_after(host, child, time);
    }

    fn plan_step_after(&mut self, host: usize, child: u64, time: Duration) {
        let step = Happening::ChildSteps { host, child };
        self.queue.plan(self.now + time, step);
    }

    fn push_step(&mut self, host: usize, child: u64, step: Step) {
        let children = &mut self.hosts[host].children;
        if let Some(child) = children.iter_mut().find(|known| known.id == child) {
            child.steps.push_front(step);
        }
    }

    pub(crate) fn child_steps(&mut self, host: usize, id: u64) {
        let children = &mut self.hosts[host].children;
        let Some(index) = children.iter().position(|child| child.id == id) else {
            return;
        };
        let Some(step) = children[index].steps.pop_front() else {
            let child = children.remove(index);
            if child.counts {
                self.tell_legacy(host, Input::ChildEnded);
            }
            return;
        };
        match step {
            Step::Exec(what) => self.record_exec(host, &what),
            Step::Sleep(time) => return self.plan_step_after(host, id, time),
            Step::Request { group, dont_ask } => {
                let key = self.key(group);
                self.record_exec(host, &format!("req_resource {key}"));
                self.push_step(host, id, Step::Look { group, dont_ask });
            }
            Step::Look { group, dont_ask } => self.request(host, id, group, dont_ask),
            Step::Answer { group, src } => {
                let key = self.key(group);
                self.record_exec(host, &format!("ResourceManager status {key}"));
                let owned = self.runs_there(host, group);
                self.push_step(host, id, Step::Respond { group, src, owned });
                if owned {
                    self.push_step(host, id, Step::Give(group));
                }
            }
            Step::Respond { group, src, owned } => {
                let mut answer = Message::new();
                answer.push("t", "ip-request-resp");
                answer.push("dest", src);
                answer.push("ipaddr", self.key(group));
                answer.push("weown", if owned { "yes" } else { "no" });
                answer.push("ok", "OK");
                self.push_step(host, id, Step::Say(answer));
            }
            Step::Take(group) => {
                let key = self.key(group);
                self.record_exec(host, &format!("ResourceManager takegroup {key}"));
                self.hosts[host].asked[group] = false;
                if let Some(why) = self.hosts[host].model().and_then(|model| model.buried()) {
                    self.hosts[host].unasked[group].get_or_insert(why);
                }
                if self.runs_there(host, group) {
                    self.adopt_for_legacy(host, group);
                } else {
                    return self.call_for_child(host, id, group, Verb::Start);
                }
            }
            Step::Give(group) => {
                let key = self.key(group);
                self.record_exec(host, &format!("ResourceManager givegroup {key}"));
                return self.call_for_child(host, id, group, Verb::Stop);
            }
            Step::Undo(group) => return self.call_for_child(host, id, group, Verb::Stop),
            Step::Offer => {
                self.record_exec(host, "hb_standby foreign");
                self.push_step(host, id, Step::Say(standby("foreign")));
            }
            Step::Say(message) => {
                // Another one that writes now mixes its pieces with ours, and both are lost (7.1).
                let fifo = &mut self.hosts[host].fifo;
                let mixed = fifo.is_some();
                *fifo = Some((id, mixed));
                self.push_step(host, id, Step::Finish(message));
                return self.plan_step_after(host, id, BETWEEN_PIECES);
            }
            Step::Finish(message) => {
                let (last, mixed) = self.hosts[host].fifo.unwrap_or((id, false));
                if last == id {
                    self.hosts[host].fifo = None;
                }
                if mixed || last != id {
                    self.lose_in_fifo(host, &message);
                } else {
                    self.tell_legacy(host, Input::Fifo(message));
                }
            }
            Step::SayWhole(message) => self.say_whole(host, message),
            Step::SayHeld => {
                let Some(held) = self.hosts[host].model().map(|model| model.held()) else {
                    return self.plan_step(host, id);
                };
                let mut message = Message::new();
                message.push("t", "resource");
                message.push("rsc_hold", held.word());
                message.push("rtype", "full");
                message.push("isstable", "1");
                message.push("info", "req_our_resources()");
                self.say_whole(host, message);
            }
        }
        self.plan_step(host, id);
    }

    fn say_whole(&mut self, host: usize, message: Message) {
        match &mut self.hosts[host].fifo {
            Some((_, mixed)) => {
                *mixed = true;
                self.lose_in_fifo(host, &message);
            }
            None => self.tell_legacy(host, Input::Fifo(message)),
        }
    }

    fn lose_in_fifo(&mut self, host: usize, message: &Message) {
        self.hosts[host].lost_in_fifo += 1;
        let kind = message.kind().unwrap_or_default().to_owned();
        self.tell(host, || format!("a message {kind} is lost in the FIFO"));
    }

    /// `req_resource` looks at the key alone, and asks (2.4.5).
    fn request(&mut self, host: usize, id: u64, group: usize, dont_ask: bool) {
        let key = self.key(group);
        self.record_exec(host, &format!("ResourceManager status {key}"));
        if self.runs_there(host, group) {
            // It counts as ours, whoever started it; nobody is asked whether he has it, too.
            self.hosts[host].unasked[group].get_or_insert(Unasked::Found);
            return self.adopt_for_legacy(host, group);
        }
        let mut message = Message::new();
        if dont_ask {
            self.hosts[host].unasked[group].get_or_insert(Unasked::NobodyActive);
            message.push("t", "ip-request-resp");
            message.push("dest", self.name(host));
            message.push("ipaddr", key);
            message.push("weown", "yes");
            message.push("ok", "OK");
        } else {
            self.hosts[host].asked[group] = true;
            message.push("t", "ip-request");
            message.push("ipaddr", key);
        }
        self.push_step(host, id, Step::Say(message));
    }

    fn runs_there(&self, host: usize, group: usize) -> bool {
        self.hosts[host].groups[group].activity == Activity::Running
    }

    /// Starts or stops a group; the child goes on when that has ended.
    fn call_for_child(&mut self, host: usize, id: u64, group: usize, verb: Verb) {
        let concerns = |child: &Child| child.id != id && child.concerns(group);
        if self.hosts[host].children.iter().any(concerns) {
            self.hosts[host].raced[group] = true;
        }
        let process = self.call_for_legacy(host, group, verb);
        let children = &mut self.hosts[host].children;
        if let Some(child) = children.iter_mut().find(|known| known.id == id) {
            child.process = Some(process);
            child.at_work = Some(group);
        }
    }

    /// A resource script has ended. None when no child waits for it.
    pub(crate) fn child_script_ended(
        &mut self,
        host: usize,
        process: u64,
        group: usize,
        failed: bool,
    ) -> Option<()> {
        let children = &mut self.hosts[host].children;
        let child = children
            .iter_mut()
            .find(|child| child.process == Some(process))?;
        child.process = None;
        child.at_work = None;
        let id = child.id;
        if failed {
            // The whole group is stopped, and half a minute later everything foreign is offered, whatever it was that failed
            // (1.6): the group stays down everywhere if it is one of our own.
            child.steps.push_front(Step::Undo(group));
            self.add_child(host, false, vec![Step::Sleep(STANDBY_AFTER), Step::Offer]);
        }
        self.plan_step(host, id);
        Some(())
    }
}

/// The query of `ResourceManager` for one half or both.
fn query(set: Held) -> &'static str {
    match (set.local, set.foreign) {
        (true, true) => "allkeys",
        (true, false) => "ourkeys",
        _ => "otherkeys",
    }
}

fn standby(word: &str) -> Message {
    let mut message = Message::new();
    message.push("t", "ask_resources");
    message.push("rsc_hold", word);
    message.push("info", "me");
    message
}
