//! The driver: runs any number of checks on the program's loop.
//!
//! | module | responsible for |
//! |---|---|
//! | `slots` | places for checks, their tokens and deadlines |
//! | `talk` | a conversation with the connections that it uses |
//! | `line` | one connection: socket, TLS, what waits to be sent, how it ends |
//! | `tls` | what TLS is configured to |
//! | `lookup` | host names, beside the loop |
//! | `echo` | pings over shared sockets |
//! | `program` | the administrator's check programs |

mod echo;
mod line;
mod lookup;
mod program;
mod slots;
mod talk;
mod tls;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use ha_config::ldirectord::{External, Probe, ProbeKind};
use ha_sys::child::End;
use ha_sys::signals::Signal;
use ha_sys::{Poller, Ready, errno_text};

use self::echo::{Ping, Pinger};
use self::line::{LINGER, Line, Refusal};
use self::lookup::Resolver;
use self::program::{GRACE, Program, Stage};
use self::slots::{Part, Slots};
use self::talk::{Progress, Talk, Tools};
use self::tls::Configurations;
use crate::protocols::{self, Connect};
use crate::{Conversation, Environment, Verdict};

/// Room for the largest datagram.
const SCRATCH: usize = 65_536;

/// What the monitor file says about a check that took too long (`ldirectord.md` 8).
const TIMED_OUT: &str = "Connection timed out";

/// What a [`Checker`] has to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The machine, for protocols that ask.
    pub environment: Environment,
    /// How many check programs may run at once; more wait their turn, and their time only begins with it.
    pub externals_max: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            environment: Environment::default(),
            externals_max: 64,
        }
    }
}

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It found something out about the server.
    Verdict(Verdict),
    /// This machine could not even try (no descriptor, port, buffer or process left; the text is the system's). This says
    /// nothing about the server, so its state should stay as it is. To be logged, at a bounded rate.
    Local(String),
}

/// Runs checks. Everything is told to it: time, ready descriptors, ended children.
pub struct Checker {
    settings: Settings,
    slots: Slots,
    entries: Vec<Option<Entry>>,
    /// Where the check with this number is.
    ids: HashMap<u64, u32>,
    outcomes: VecDeque<(u64, Outcome)>,
    tls: Configurations,
    resolver: Resolver,
    pinger: Pinger,
    /// Programs that run, by pid.
    pids: HashMap<u32, u32>,
    /// Slots of programs that wait to be started, and which tenant is meant.
    queue: VecDeque<u64>,
    scratch: Box<[u8]>,
    retired: Vec<Line>,
    expired: Vec<u32>,
}

/// What occupies a slot.
struct Entry {
    /// The caller's number; none if nobody waits for an outcome any more.
    id: Option<u64>,
    work: Work,
}

enum Work {
    Talk(Box<Talk>),
    Ping(Ping),
    Program(Program),
    /// A connection whose check is over.
    Lingering(Line),
}

impl Checker {
    /// The bit that all its tokens carry in the poller; the program keeps it out of its own.
    pub const TOKEN_BIT: u64 = 1 << 63;

    /// Whether a token is one of its own ([`Checker::ready`] takes it then).
    pub fn owns(token: u64) -> bool {
        token & Checker::TOKEN_BIT != 0 && token != u64::MAX
    }

    /// No checks yet.
    pub fn new(settings: Settings) -> Checker {
        let tls = Configurations::new();
        let mut key = [0; 16];
        tls.fill_random(&mut key);
        Checker {
            settings,
            slots: Slots::default(),
            entries: Vec::new(),
            ids: HashMap::new(),
            outcomes: VecDeque::new(),
            tls,
            resolver: Resolver::default(),
            pinger: Pinger::new(key),
            pids: HashMap::new(),
            queue: VecDeque::new(),
            scratch: vec![0; SCRATCH].into_boxed_slice(),
            retired: Vec::new(),
            expired: Vec::new(),
        }
    }

    /// Starts a check under a number of the caller's choice; [`Checker::poll_outcome`] will give its outcome under the
    /// same number, exactly once, unless it is cancelled. A check that still runs under that number is cancelled. `now`
    /// is [`ha_sys::clock::monotonic`], here and below.
    pub fn start(&mut self, now: Duration, id: u64, probe: &Probe, poller: &Poller) {
        self.stop(now, id);
        let conversation = match &probe.kind {
            ProbeKind::Ping { attempts } => {
                let ping = Ping {
                    address: probe.address,
                    attempts_left: (*attempts).max(1),
                    timeout: probe.timeout,
                };
                let slot = self.occupy(Some(id), Work::Ping(ping));
                return self.send_ping(now, slot, poller);
            }
            ProbeKind::External(command) => {
                return self.start_program(now, id, command, probe.timeout);
            }
            ProbeKind::Connect => Connect::new(probe.address, probe.port)
                .map(|connect| Box::new(connect) as Box<dyn Conversation>),
            ProbeKind::Negotiate(negotiate) => {
                let mut seed = [0; 32];
                self.tls.fill_random(&mut seed);
                protocols::conversation(
                    negotiate,
                    probe.address,
                    probe.port,
                    &seed,
                    &self.settings.environment,
                )
            }
        };
        match conversation {
            Ok(conversation) => self.converse(now, id, conversation, probe.timeout, poller),
            Err(verdict) => self.outcomes.push_back((id, Outcome::Verdict(verdict))),
        }
    }

    fn converse(
        &mut self,
        now: Duration,
        id: u64,
        conversation: Box<dyn Conversation>,
        timeout: Duration,
        poller: &Poller,
    ) {
        let talk = Talk::new(conversation, now.saturating_add(timeout));
        let slot = self.occupy(Some(id), Work::Talk(Box::new(talk)));
        self.drive(now, slot, poller, Talk::begin);
    }

    /// Forgets a check: no outcome will come. A running check program is told to end.
    pub fn cancel(&mut self, now: Duration, id: u64, poller: &Poller) {
        self.outcomes.retain(|(finished, _)| *finished != id);
        self.stop(now, id);
        self.settle_retired(now, poller);
    }

    fn stop(&mut self, now: Duration, id: u64) {
        let Some(slot) = self.ids.remove(&id) else {
            return;
        };
        match self.entry_mut(slot) {
            Some(Entry {
                id,
                work: Work::Program(program),
            }) if matches!(program.stage, Stage::Running(_)) => {
                *id = None;
                self.end_program(now, slot);
            }
            _ => self.vacate(slot, None),
        }
    }

    /// Forgets all of them, before the program ends: check programs are killed for good at once.
    pub fn cancel_all(&mut self) {
        for pid in self.pids.keys() {
            program::end(*pid, Signal::SIGKILL);
        }
        for slot in (0u32..).take(self.entries.len()) {
            self.vacate(slot, None);
        }
        self.pids.clear();
        self.queue.clear();
        self.outcomes.clear();
    }

    /// A descriptor of its own is ready. Stale reports do no harm.
    pub fn ready(&mut self, now: Duration, ready: Ready, poller: &Poller) {
        let Some((slot, part)) = self.slots.resolve(ready.token) else {
            return;
        };
        match part {
            Part::Lookup => self.take_answers(now, poller),
            Part::Echo4 | Part::Echo6 => self.take_replies(part),
            Part::Main | Part::Side => match self.entry_mut(slot) {
                Some(Entry {
                    work: Work::Talk(_),
                    ..
                }) => self.drive(now, slot, poller, |talk, tools| {
                    talk.ready(part, ready.readable, ready.writable, tools)
                }),
                Some(Entry {
                    work: Work::Lingering(_),
                    ..
                }) => self.drain(slot, poller),
                _ => {}
            },
        }
    }

    /// A child has ended; false if it was none of its own.
    pub fn child_ended(&mut self, now: Duration, pid: u32, end: End, poller: &Poller) -> bool {
        let Some(slot) = self.pids.remove(&pid) else {
            return false;
        };
        let ending = matches!(
            self.entry_mut(slot),
            Some(Entry { work: Work::Program(program), .. }) if matches!(program.stage, Stage::Ending { .. })
        );
        if ending {
            // What it started and left behind in its group goes with it.
            program::end(pid, Signal::SIGKILL);
            self.vacate(slot, None);
        } else {
            let verdict = match end {
                End::Code(0) => Verdict::up("-"),
                End::Code(code) => Verdict::down(format!("Exit status {code}")),
                // Up in the legacy, by mistake (`ldirectord.md` 6.3).
                End::Signal(signal) => Verdict::down(format!("Killed by signal {signal}")),
            };
            self.vacate(slot, Some(Outcome::Verdict(verdict)));
        }
        self.run_queue(now);
        self.settle_retired(now, poller);
        true
    }

    /// [`Checker::next_deadline`] has come (or any time has passed).
    pub fn timer(&mut self, now: Duration, poller: &Poller) {
        let mut expired = std::mem::take(&mut self.expired);
        self.slots.expired(now, &mut expired);
        for slot in expired.drain(..) {
            self.expire(now, slot, poller);
        }
        self.expired = expired;
        self.settle_retired(now, poller);
    }

    /// When [`Checker::timer`] has to be called next.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.slots.next_deadline()
    }

    /// The next outcome, if any. To be called until there is none, after every call above.
    pub fn poll_outcome(&mut self) -> Option<(u64, Outcome)> {
        self.outcomes.pop_front()
    }

    /// How many checks have been started and have not ended.
    pub fn running(&self) -> usize {
        self.ids.len()
    }

    /// Reads files of certificate authorities again when they are next needed (after a reload).
    pub fn forget_authorities(&mut self) {
        self.tls.forget();
    }

    fn entry_mut(&mut self, slot: u32) -> Option<&mut Entry> {
        self.entries.get_mut(slot as usize)?.as_mut()
    }

    fn occupy(&mut self, id: Option<u64>, work: Work) -> u32 {
        let slot = self.slots.take();
        if self.entries.len() <= slot as usize {
            self.entries.resize_with(slot as usize + 1, || None);
        }
        if let Some(place) = self.entries.get_mut(slot as usize) {
            *place = Some(Entry { id, work });
        }
        if let Some(id) = id {
            self.ids.insert(id, slot);
        }
        slot
    }

    fn clear(&mut self, slot: u32) -> Option<Entry> {
        let entry = self.entries.get_mut(slot as usize)?.take()?;
        self.slots.release(slot);
        Some(entry)
    }

    /// Ends what is in a slot. Connections end in an orderly way if the check came to an end of its own.
    fn vacate(&mut self, slot: u32, outcome: Option<Outcome>) {
        self.vacate_as(slot, outcome, true);
    }

    fn vacate_as(&mut self, slot: u32, outcome: Option<Outcome>, orderly: bool) {
        let Some(entry) = self.clear(slot) else {
            return;
        };
        let orderly = orderly && outcome.is_some();
        match entry.work {
            Work::Talk(mut talk) => talk.dismantle(orderly, &mut self.retired),
            Work::Lingering(line) => line.abandon(),
            Work::Ping(_) | Work::Program(_) => {}
        }
        if let Some(id) = entry.id {
            self.ids.remove(&id);
            if let Some(outcome) = outcome {
                self.outcomes.push_back((id, outcome));
            }
        }
    }

    /// Lets a talk do something, and arms its deadlines or ends it.
    fn drive(
        &mut self,
        now: Duration,
        slot: u32,
        poller: &Poller,
        action: impl FnOnce(&mut Talk, &mut Tools<'_>) -> Progress,
    ) {
        let Some(Some(Entry {
            work: Work::Talk(talk),
            ..
        })) = self.entries.get_mut(slot as usize)
        else {
            return;
        };
        let mut tools = Tools {
            now,
            slot,
            slots: &mut self.slots,
            poller,
            tls: &mut self.tls,
            resolver: &mut self.resolver,
            scratch: &mut self.scratch,
            retired: &mut self.retired,
        };
        match action(talk, &mut tools) {
            Progress::Going => {
                let next = talk
                    .wake
                    .map_or(talk.deadline, |wake| wake.min(talk.deadline));
                self.slots.arm(slot, Some(next));
            }
            Progress::Over(outcome) => self.vacate(slot, Some(outcome)),
        }
        self.settle_retired(now, poller);
    }

    fn expire(&mut self, now: Duration, slot: u32, poller: &Poller) {
        match self.entry_mut(slot).map(|entry| &mut entry.work) {
            Some(Work::Talk(talk)) if now < talk.deadline => {
                self.drive(now, slot, poller, Talk::woken);
            }
            Some(Work::Talk(_)) => {
                let verdict = Verdict::down(TIMED_OUT);
                self.vacate_as(slot, Some(Outcome::Verdict(verdict)), false);
            }
            Some(Work::Ping(_)) => self.send_ping(now, slot, poller),
            Some(Work::Program(_)) => self.end_program(now, slot),
            Some(Work::Lingering(_)) => self.vacate(slot, None),
            None => {}
        }
    }

    /// Gives connections whose check is over what they need to end well.
    fn settle_retired(&mut self, now: Duration, poller: &Poller) {
        while let Some(line) = self.retired.pop() {
            if let Some(line) = line.retire(&mut self.scratch) {
                self.linger(now, line, poller);
            }
        }
    }

    fn linger(&mut self, now: Duration, line: Line, poller: &Poller) {
        let slot = self.occupy(None, Work::Lingering(line));
        let token = self.slots.token(slot, Part::Main);
        let kept = match self.entry_mut(slot).map(|entry| &mut entry.work) {
            Some(Work::Lingering(line)) => line.register_again(poller, token).is_ok(),
            _ => false,
        };
        if kept {
            self.slots.arm(slot, Some(now.saturating_add(LINGER)));
        } else {
            self.vacate(slot, None);
        }
    }

    fn drain(&mut self, slot: u32, poller: &Poller) {
        let Some(Entry {
            work: Work::Lingering(line),
            ..
        }) = self.entries.get_mut(slot as usize).and_then(Option::take)
        else {
            return;
        };
        match line.drained(&mut self.scratch) {
            Some(mut line) => {
                line.update(poller, self.slots.token(slot, Part::Main));
                if let Some(place) = self.entries.get_mut(slot as usize) {
                    *place = Some(Entry {
                        id: None,
                        work: Work::Lingering(line),
                    });
                }
            }
            None => self.slots.release(slot),
        }
    }

    fn take_answers(&mut self, now: Duration, poller: &Poller) {
        while let Some((ticket, answer)) = self.resolver.answer() {
            if let Some((slot, _)) = self.slots.resolve(ticket) {
                self.drive(now, slot, poller, |talk, tools| {
                    talk.looked_up(answer, tools)
                });
            }
        }
    }

    fn send_ping(&mut self, now: Duration, slot: u32, poller: &Poller) {
        let token = self.slots.token(slot, Part::Main);
        let Some(Some(Entry {
            work: Work::Ping(ping),
            ..
        })) = self.entries.get_mut(slot as usize)
        else {
            return;
        };
        if ping.attempts_left == 0 {
            let verdict = Verdict::down(TIMED_OUT);
            return self.vacate(slot, Some(Outcome::Verdict(verdict)));
        }
        ping.attempts_left -= 1;
        let (address, due) = (ping.address, now.saturating_add(ping.timeout));
        match self.pinger.send(address, token, poller) {
            Ok(()) => self.slots.arm(slot, Some(due)),
            Err(Refusal::Local(text)) => self.vacate(slot, Some(Outcome::Local(text))),
            Err(Refusal::Failed(text)) => {
                self.vacate(slot, Some(Outcome::Verdict(Verdict::down(text))));
            }
        }
    }

    fn take_replies(&mut self, part: Part) {
        while let Some((token, from)) = self.pinger.reply(part, &mut self.scratch) {
            let Some((slot, Part::Main)) = self.slots.resolve(token) else {
                continue;
            };
            let answered = matches!(
                self.entry_mut(slot),
                Some(Entry { work: Work::Ping(ping), .. }) if ping.address == from
            );
            if answered {
                self.vacate(slot, Some(Outcome::Verdict(Verdict::up("-"))));
            }
        }
    }

    fn start_program(&mut self, now: Duration, id: u64, command: &External, timeout: Duration) {
        let program = Program {
            command: command.clone(),
            timeout,
            stage: Stage::Queued,
        };
        let slot = self.occupy(Some(id), Work::Program(program));
        self.queue.push_back(self.slots.token(slot, Part::Main));
        self.run_queue(now);
    }

    /// Starts programs while more may run.
    fn run_queue(&mut self, now: Duration) {
        while self.pids.len() < self.settings.externals_max.max(1) {
            let Some(token) = self.queue.pop_front() else {
                return;
            };
            let Some((slot, _)) = self.slots.resolve(token) else {
                continue;
            };
            let Some(Some(Entry {
                work: Work::Program(program),
                ..
            })) = self.entries.get_mut(slot as usize)
            else {
                continue;
            };
            match program::start(&program.command) {
                Ok(pid) => {
                    program.stage = Stage::Running(pid);
                    let due = now.saturating_add(program.timeout);
                    self.pids.insert(pid, slot);
                    self.slots.arm(slot, Some(due));
                }
                Err(error) => {
                    let outcome = match Refusal::from_error(&error) {
                        Refusal::Local(text) => Outcome::Local(text),
                        Refusal::Failed(_) => Outcome::Verdict(Verdict::down(errno_text(&error))),
                    };
                    self.vacate(slot, Some(outcome));
                }
            }
        }
    }

    /// A program has had its time, or nobody wants to know any more; called again, it is killed.
    fn end_program(&mut self, now: Duration, slot: u32) {
        let Some(Some(Entry {
            id,
            work: Work::Program(program),
        })) = self.entries.get_mut(slot as usize)
        else {
            return;
        };
        let (pid, signal) = match program.stage {
            Stage::Queued => return,
            Stage::Running(pid) => (pid, Signal::SIGTERM),
            Stage::Ending { pid, .. } => (pid, Signal::SIGKILL),
        };
        program::end(pid, signal);
        let killed = signal == Signal::SIGKILL;
        program.stage = Stage::Ending { pid, killed };
        // It keeps its slot, and its share of what may run at once, until its end is reported.
        if let Some(id) = id.take() {
            self.ids.remove(&id);
            let verdict = Verdict::down(TIMED_OUT);
            self.outcomes.push_back((id, Outcome::Verdict(verdict)));
        }
        if !killed {
            self.slots.arm(slot, Some(now.saturating_add(GRACE)));
        }
    }
}

impl std::fmt::Debug for Checker {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Checker")
            .field("running", &self.ids.len())
            .field("outcomes", &self.outcomes.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
