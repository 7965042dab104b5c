//! The state of ipfail, and what it does about each event.
//!
//! Almost every event needs the number of ping nodes that answer *now*, and that is a question to the daemon. While one
//! is open, further events wait: each is judged by a count made after it came in.

use std::collections::VecDeque;
use std::time::Duration;

use ha_wire::Message;

use crate::event::Event;
use crate::outgoing::{self, Set};
use crate::setup::Step;
use crate::{Action, Answer, Input, Level, NodeEntry, Question, exit};

/// Events that may wait for an answer. More can only come when the daemon stopped answering; the newest are dropped then.
const WAITING_MAX: usize = 256;

/// How long after the other side settled a stand-by that had to be postponed is tried again. The legacy sleeps that
/// long, deaf to everything; this one goes on listening.
const SETTLING: Duration = Duration::from_secs(10);

/// How long an answer to the second question may take when nobody waited for it. A daemon of the legacy answers each
/// question of its ipfail after up to a keepalive, so that a count takes several.
const LATE_ANSWER: Duration = Duration::from_secs(10);

/// The legacy numbers its timers from here on and says the number when it stops one.
const FIRST_TIMER: u32 = 3;

/// What the open question is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// No question is open.
    Nothing,
    Setup(Step),
    Walking(Walk),
    /// Whether our resources are at rest, before what is foreign is given back.
    WeighingFailback,
    /// Whether they are, at the end of the delay.
    GivingUp(Set),
    Ended,
}

/// A walk over the list of nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Walk {
    purpose: Purpose,
    /// Nodes not looked at yet, the next one last. The legacy's library turns the list round, and so the walk begins
    /// with what the daemon named last.
    left: Vec<NodeEntry>,
    /// Ping nodes that answer, so far.
    pings: u32,
    asked: Asked,
}

/// What the open question of a walk asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    List,
    Status,
    Kind,
}

/// Why the nodes are walked over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// At the start: who is the other node?
    FindPeer,
    NodeDied,
    LinkDied,
    /// To tell the other side, whatever the reason.
    Tell,
    /// The other side said that it sees so many.
    Compare(u32),
}

/// A stand-by that will be asked for unless something is said against it.
///
/// At the end of its delay the legacy asks for it whatever the other side sees by then. When both lose a ping node at
/// once, the delay is what the slower one has to notice in and to say so, and a legacy that answers a question of its
/// ipfail only after most of a keepalive does not always make it. So before everything is given up the other side is
/// told our count once more, and its answer decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Giveup {
    set: Set,
    at: Duration,
    timer: u32,
    /// The other side was told a second time; an answer is waited for until `at`.
    asked_again: bool,
    /// It has answered, and so nothing is waited for.
    answered: bool,
}

/// One ipfail, from the sign-on to its end.
#[derive(Debug)]
pub struct Ipfail {
    pub(crate) us: String,
    peer: Option<String>,
    keepalive: Duration,
    pub(crate) auto_failback: bool,
    pub(crate) doing: Doing,
    waiting: VecDeque<Event>,
    /// Some were passed over since it was last empty.
    overrun: bool,
    giveup: Option<Giveup>,
    timers: u32,
    /// A stand-by came at a moment when resources were moving.
    postponed: bool,
    /// When the other side is told our count again, after it settled.
    retry: Option<Duration>,
    /// Everything was given up although the other side had not answered the second time. Until then what it answers is no
    /// reason to do it once more.
    answer_owed: Option<Duration>,
    /// Both saw as much while resources moved here. Then it is looked again whether they are at rest, so that what is
    /// foreign goes home all the same (the legacy forgets it).
    weigh_again: Option<Duration>,
    actions: VecDeque<Action>,
}

impl Ipfail {
    /// After the sign-on, whose answer says our node name and the keepalive. The first question is there to be drained.
    pub fn new(us: &str, keepalive: Duration) -> Ipfail {
        let mut core = Ipfail {
            us: us.to_owned(),
            peer: None,
            keepalive,
            auto_failback: false,
            doing: Doing::Nothing,
            waiting: VecDeque::new(),
            overrun: false,
            giveup: None,
            timers: FIRST_TIMER,
            postponed: false,
            retry: None,
            answer_owed: None,
            weigh_again: None,
            actions: VecDeque::new(),
        };
        if us.is_empty() {
            core.log(Level::Error, "The daemon does not say which node we are");
            core.end(exit::NODE_NAME);
        } else {
            core.step(Step::Managed, Question::Resources);
        }
        core
    }

    /// Takes in what happened. `now` is monotonic and never goes back.
    pub fn handle(&mut self, now: Duration, input: Input<'_>) {
        match input {
            Input::Message(message) => self.message(message),
            Input::Answer(answer) => self.answer(now, answer),
            Input::Due => {}
            Input::Stop => self.end(exit::STOPPED),
            Input::Lost => {
                if self.doing != Doing::Ended {
                    self.log(Level::Error, "Lost the connection to heartbeat");
                    self.end(exit::LOST);
                }
            }
        }
        self.proceed(now);
    }

    /// When [`Input::Due`] is wanted. None while a question is open: its answer comes first.
    pub fn next_deadline(&self) -> Option<Duration> {
        if self.doing != Doing::Nothing {
            return None;
        }
        let giveup = self.giveup.map(|giveup| giveup.at);
        giveup
            .into_iter()
            .chain(self.retry)
            .chain(self.weigh_again)
            .min()
    }

    /// The next thing to do, if any.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Whether a stand-by will be asked for when the delay is over.
    pub fn giveup_is_pending(&self) -> bool {
        self.giveup.is_some()
    }

    // ---- What comes in -------------------------------------------------------------------------------------------

    fn message(&mut self, message: &Message) {
        let Some(event) = Event::of(message, &self.us) else {
            return;
        };
        if self.doing == Doing::Ended {
            return;
        }
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(event);
        } else if !std::mem::replace(&mut self.overrun, true) {
            self.log(
                Level::Warn,
                "heartbeat does not answer: messages are passed over",
            );
        }
    }

    fn answer(&mut self, now: Duration, answer: Answer) {
        match std::mem::replace(&mut self.doing, Doing::Nothing) {
            // An answer to nothing.
            Doing::Nothing => {}
            Doing::Ended => self.doing = Doing::Ended,
            Doing::Setup(step) => self.answered_setup(step, answer),
            Doing::Walking(walk) => self.answered_walk(now, walk, answer),
            Doing::WeighingFailback if at_rest(&answer) => {
                self.log(Level::Info, "Giving up foreign resources (auto_failback).");
                self.schedule(now, Set::Foreign);
            }
            Doing::WeighingFailback => {
                self.weigh_again = Some(now.saturating_add(self.delay()));
            }
            Doing::GivingUp(set) => {
                self.postponed = !at_rest(&answer);
                if !self.postponed {
                    self.actions
                        .push_back(Action::Send(outgoing::standby(&self.us, set)));
                    self.log(Level::Debug, "Message [ask_resources] sent.");
                }
                self.log(Level::Debug, "giveup timeout has been destroyed.");
            }
        }
    }

    /// Does what can be done while no question is open: what waited first, then what is due.
    fn proceed(&mut self, now: Duration) {
        while self.doing == Doing::Nothing {
            self.overrun &= !self.waiting.is_empty();
            if let Some(event) = self.waiting.pop_front() {
                self.react(now, event);
            } else if let Some(giveup) = self.giveup.filter(|giveup| giveup.at <= now) {
                self.giveup_due(now, giveup);
            } else if self.retry.is_some_and(|at| at <= now) {
                self.retry = None;
                self.walk(Purpose::Tell);
            } else if self.weigh_again.is_some_and(|at| at <= now) {
                self.weigh_again = None;
                self.ask(Doing::WeighingFailback, Question::Resources);
            } else {
                return;
            }
        }
    }

    fn react(&mut self, now: Duration, event: Event) {
        match event {
            Event::Node { name, status } => {
                let text = format!("Status update: Node {name} now has status {status}");
                self.log(Level::Info, text);
                match status.as_str() {
                    "dead" => self.walk(Purpose::NodeDied),
                    "ping" => {
                        self.log(Level::Info, "A ping node just came up.");
                        self.walk(Purpose::Tell);
                    }
                    _ => {}
                }
            }
            Event::Link { node, link, status } => {
                let text =
                    format!("Link Status update: Link {node}/{link} now has status {status}");
                self.log(Level::Info, text);
                if status == "dead" {
                    self.walk(Purpose::LinkDied);
                }
            }
            Event::Join { node } => {
                let text = format!("Got join message from another ipfail client. ({node})");
                self.log(Level::Debug, text);
                self.walk(Purpose::Tell);
            }
            Event::PingCount(theirs) => {
                self.log(Level::Debug, "Got asked for num_ping.");
                self.walk(Purpose::Compare(theirs));
            }
            Event::YouAreDead if self.answer_owed.take().is_some_and(|end| now < end) => self.log(
                Level::Debug,
                "The other side says so too, after everything was given up.",
            ),
            Event::YouAreDead => {
                self.log(
                    Level::Info,
                    "Giving up because we were told that we have less ping nodes.",
                );
                self.schedule(now, Set::All);
            }
            Event::AbortGiveup => self.abort(),
            Event::Stable => {
                self.log(Level::Debug, "Other side is now stable.");
                if std::mem::take(&mut self.postponed) {
                    self.retry = Some(now + SETTLING);
                }
            }
            Event::Unstable => self.log(Level::Debug, "Other side is unstable."),
        }
    }

    // ---- Counting ------------------------------------------------------------------------------------------------

    pub(crate) fn walk(&mut self, purpose: Purpose) {
        let walk = Walk {
            purpose,
            left: Vec::new(),
            pings: 0,
            asked: Asked::List,
        };
        self.ask(Doing::Walking(walk), Question::Nodes);
    }

    fn answered_walk(&mut self, now: Duration, mut walk: Walk, answer: Answer) {
        match (walk.asked, answer) {
            (Asked::List, Answer::Nodes(nodes)) => walk.left = nodes,
            (Asked::List, _) => {
                self.log(Level::Error, "Cannot walk the list of nodes");
                return self.end(match walk.purpose {
                    Purpose::FindPeer => exit::NODE_WALK,
                    _ => exit::PING_WALK,
                });
            }
            // A node may have been deleted since it was listed: then it has no status, and that is all.
            (asked, answer) => {
                let value = match answer {
                    Answer::Value(value) => value.unwrap_or_default(),
                    Answer::Nodes(_) | Answer::Refused => String::new(),
                };
                if let Some(node) = walk.left.last_mut() {
                    match asked {
                        Asked::Kind => node.kind = Some(value),
                        Asked::List | Asked::Status => node.status = Some(value),
                    }
                }
            }
        }
        let fresh = walk.asked != Asked::Kind;
        self.look_at_nodes(now, walk, fresh);
    }

    /// Looks at the nodes that are left until one needs another question. `fresh` says that the status of the first has
    /// not been looked at yet.
    fn look_at_nodes(&mut self, now: Duration, mut walk: Walk, mut fresh: bool) {
        let finding = walk.purpose == Purpose::FindPeer;
        while let Some(node) = walk.left.last() {
            let name = node.name.clone();
            let Some(status) = node.status.clone() else {
                walk.asked = Asked::Status;
                return self.ask(Doing::Walking(walk), Question::NodeStatus(name));
            };
            if !finding {
                if status == "ping" {
                    self.log(Level::Debug, format!("Found ping node {name}!"));
                    walk.pings = walk.pings.saturating_add(1);
                }
                walk.left.pop();
                continue;
            }
            if std::mem::replace(&mut fresh, true) {
                let text = format!("Cluster node: {name}: status: {status}");
                self.log(Level::Debug, text);
            }
            let Some(kind) = node.kind.clone() else {
                walk.asked = Asked::Kind;
                return self.ask(Doing::Walking(walk), Question::NodeKind(name));
            };
            if kind == "normal" && !name.eq_ignore_ascii_case(&self.us) {
                self.log(Level::Debug, format!("[They are {name}]"));
                self.peer = Some(name);
            }
            walk.left.pop();
        }
        self.counted(now, walk.purpose, walk.pings);
    }

    fn counted(&mut self, now: Duration, purpose: Purpose, pings: u32) {
        // What was counted is another reason, and who sees as much looks again.
        self.weigh_again = None;
        match purpose {
            Purpose::FindPeer => self.peer_found(),
            Purpose::NodeDied if pings > 0 => self.log(Level::Info, "NS: We are still alive!"),
            Purpose::NodeDied => self.log(Level::Info, "NS: We are dead. :<"),
            Purpose::LinkDied if pings > 0 => {
                self.tell(pings);
                self.log(Level::Info, "Checking remote count of ping nodes.");
            }
            Purpose::LinkDied => {
                self.log(Level::Info, "We are dead. :<");
                self.tell(pings);
            }
            Purpose::Tell => self.tell(pings),
            Purpose::Compare(theirs) if pings > theirs => {
                self.log(
                    Level::Info,
                    "Telling other node that we have more visible ping nodes.",
                );
                self.log(Level::Debug, "Sending you_are_dead.");
                self.send_to_peer(|_, peer| outgoing::you_are_dead(peer));
                self.log(Level::Debug, "Message [you_are_dead] sent.");
            }
            Purpose::Compare(theirs) if pings < theirs => {
                self.log(
                    Level::Info,
                    "Giving up because we have less visible ping nodes.",
                );
                self.schedule(now, Set::All);
            }
            Purpose::Compare(_) => self.balanced(),
        }
    }

    fn tell(&mut self, pings: u32) {
        self.answer_owed = None;
        self.log(Level::Info, "Asking other side for ping node count.");
        self.send_to_peer(|us, peer| outgoing::ping_count(us, peer, pings));
        self.log(Level::Debug, "Message [num_ping] sent.");
    }

    /// Both see as much. Nobody has a reason to give anything up, except what is at home on the other side.
    fn balanced(&mut self) {
        self.answer_owed = None;
        self.log(Level::Info, "Ping node count is balanced.");
        self.send_to_peer(outgoing::abort_giveup);
        self.log(Level::Debug, "Abort message sent.");
        if self.giveup.is_some() {
            self.abort();
        } else if self.auto_failback {
            self.ask(Doing::WeighingFailback, Question::Resources);
        }
    }

    // ---- Giving up -----------------------------------------------------------------------------------------------

    /// A later reason replaces an earlier one and begins a new delay, unless it is the answer that was waited for.
    fn schedule(&mut self, now: Duration, set: Set) {
        self.weigh_again = None;
        if let Some(giveup) = &mut self.giveup
            && giveup.asked_again
            && giveup.set == set
        {
            giveup.at = now;
            giveup.answered = true;
            return;
        }
        let delay = self.delay();
        self.giveup = Some(Giveup {
            set,
            at: now.saturating_add(delay),
            timer: self.timers,
            asked_again: false,
            answered: false,
        });
        self.timers = self.timers.wrapping_add(1);
        let text = format!("Delayed giveup in {} seconds.", delay.as_secs());
        self.log(Level::Info, text);
    }

    fn giveup_due(&mut self, now: Duration, giveup: Giveup) {
        if giveup.set == Set::All && !giveup.asked_again && self.peer.is_some() {
            self.giveup = Some(Giveup {
                at: now.saturating_add(self.delay()),
                asked_again: true,
                ..giveup
            });
            self.walk(Purpose::Tell);
            return;
        }
        self.giveup = None;
        self.answer_owed =
            (giveup.asked_again && !giveup.answered).then(|| now.saturating_add(LATE_ANSWER));
        self.log(Level::Info, "giveup() called (timeout worked)");
        self.ask(Doing::GivingUp(giveup.set), Question::Resources);
    }

    fn delay(&self) -> Duration {
        self.keepalive.saturating_mul(2)
    }

    fn abort(&mut self) {
        let text = match self.giveup.take() {
            Some(giveup) => format!("Aborted delayed giveup ({})", giveup.timer),
            None => "No giveup timer to abort.".to_owned(),
        };
        self.log(Level::Info, text);
    }

    // ---- What goes out -------------------------------------------------------------------------------------------

    /// Without another node there is nobody to tell.
    fn send_to_peer(&mut self, message: impl FnOnce(&str, &str) -> Message) {
        if let Some(peer) = &self.peer {
            self.actions
                .push_back(Action::Send(message(&self.us, peer)));
        }
    }

    pub(crate) fn step(&mut self, step: Step, question: Question) {
        self.ask(Doing::Setup(step), question);
    }

    fn ask(&mut self, doing: Doing, question: Question) {
        self.doing = doing;
        self.actions.push_back(Action::Ask(question));
    }

    pub(crate) fn log(&mut self, level: Level, text: impl Into<String>) {
        self.actions.push_back(Action::Log(level, text.into()));
    }

    pub(crate) fn end(&mut self, code: i32) {
        if self.doing != Doing::Ended {
            self.doing = Doing::Ended;
            self.actions.push_back(Action::Exit(code));
        }
    }
}

/// Whether the resources are not moving. A daemon that manages none refuses the question, and nothing moves then.
fn at_rest(answer: &Answer) -> bool {
    !matches!(answer, Answer::Value(Some(held)) if held == "transition")
}
