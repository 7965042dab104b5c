//! The core of ipfail behind the client library: what the other node, ping nodes and the daemon may say.
//!
//! An input is a list of messages as in `cluster`: a byte before each is the time that passes until it comes, in units
//! of 50 ms. A question is answered when time passes. A message `hbapi-resp` is an answer to the next question, of any kind
//! and whether it fits or not; what nobody thought of is answered as a daemon of two nodes and a ping node would.

use std::collections::VecDeque;
use std::time::Duration;

use ha_wire::Message;
use ipfail::{Action, Answer, Input, Ipfail, NodeEntry, Question, exit};

use crate::Target;
use crate::cluster::{message, messages, written};
use crate::seeds::{self, Seed};

pub(crate) const TARGETS: &[Target] = &[Target {
    name: "ipfail_messages",
    run: pair,
    seeds: conversations,
    words,
    length_max: 4096,
}];

const KEEPALIVE: Duration = Duration::from_millis(500);

/// More than one input makes the core do: each event that waited leads to a few lines.
const ACTIONS_MAX: usize = 2_000;

/// Rounds of deadlines until there is nothing more to do.
const ROUNDS_MAX: usize = 400;

struct Subject {
    core: Ipfail,
    now: Duration,
    open: Option<Question>,
    /// Answers that the input holds.
    scripted: VecDeque<Answer>,
    /// Whether one of them was given: then the daemon is to blame for the end.
    strange: bool,
    exit: Option<i32>,
    /// How often it asked for a standby.
    standbys: usize,
}

/// The ipfail of `alpha` and everything that reaches it: it ends by nothing but what the daemon answers, and finds rest.
fn pair(bytes: &[u8]) {
    let mut subject = Subject {
        core: Ipfail::new("alpha", KEEPALIVE),
        now: Duration::from_secs(100),
        open: None,
        scripted: VecDeque::new(),
        strange: false,
        exit: None,
        standbys: 0,
    };
    subject.drain();
    subject.settle();
    for (pause, message) in messages(bytes) {
        if !pause.is_zero() {
            subject.pass(pause);
        }
        match message.kind() {
            Some("hbapi-resp") => subject.scripted.push_back(answer(&message)),
            _ => subject.feed(Input::Message(&message)),
        }
    }
    subject.come_to_rest();
    subject.feed(Input::Stop);
    assert!(subject.exit.is_some(), "told to stop, it ends");
    if !subject.strange {
        assert_eq!(subject.exit, Some(exit::STOPPED), "by what a message said");
    }
}

impl Subject {
    fn feed(&mut self, input: Input<'_>) {
        self.core.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        let mut actions = 0;
        while let Some(action) = self.core.poll_action() {
            assert_eq!(self.exit, None, "after the end: {action:?}");
            actions += 1;
            assert!(actions < ACTIONS_MAX, "it spins: {action:?}");
            match action {
                Action::Ask(question) => {
                    assert_eq!(self.open, None, "two questions at a time: {question:?}");
                    self.open = Some(question);
                }
                Action::Send(message) => self.sent(&message),
                Action::Log(_, text) => assert!(text.len() < 10_000, "{} bytes", text.len()),
                Action::Exit(code) => self.exit = Some(code),
            }
        }
        if self.open.is_some() {
            assert_eq!(self.core.next_deadline(), None, "the answer comes first");
        }
    }

    /// It speaks of nobody but itself and the other node.
    fn sent(&mut self, message: &Message) {
        match message.kind() {
            Some("num_ping_nodes" | "you_are_dead" | "abort_giveup") => {
                assert!(message.contains("dest"));
            }
            Some("ask_resources") => {
                assert_eq!(message.text("src"), Some("alpha"));
                assert_eq!(message.text("info"), Some("me"));
                self.standbys += 1;
            }
            kind => panic!("{kind:?} is not of ipfail"),
        }
    }

    /// All open questions are answered.
    fn settle(&mut self) {
        // A count asks for the list, and at the most for status and kind of each node in it.
        for _ in 0..ACTIONS_MAX {
            if self.exit.is_some() {
                return;
            }
            let Some(question) = self.open.take() else {
                return;
            };
            let answer = match self.scripted.pop_front() {
                Some(answer) => {
                    self.strange = true;
                    answer
                }
                None => usual(&question),
            };
            self.feed(Input::Answer(answer));
        }
        panic!("it asks and asks: {:?}", self.open);
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        for _ in 0..ROUNDS_MAX {
            if self.exit.is_some() {
                break;
            }
            let Some(due) = self.core.next_deadline().filter(|due| *due <= end) else {
                break;
            };
            self.now = due.max(self.now);
            self.feed(Input::Due);
            assert!(
                self.core.next_deadline().is_none_or(|next| next > self.now),
                "it spins"
            );
            self.settle();
        }
        self.now = end;
    }

    /// When nobody says anything more, it asks for at most one standby and is quiet then.
    fn come_to_rest(&mut self) {
        self.scripted.clear();
        self.settle();
        let before = self.standbys;
        self.pass(Duration::from_secs(3600));
        if self.exit.is_none() {
            assert_eq!(self.core.next_deadline(), None, "it finds no rest");
            assert!(!self.core.giveup_is_pending());
        }
        assert!(self.standbys <= before + 1, "one reason, one standby");
    }
}

fn usual(question: &Question) -> Answer {
    let node = |name: &str, kind: &str, status: &str| NodeEntry {
        name: name.to_owned(),
        kind: Some(kind.to_owned()),
        status: Some(status.to_owned()),
    };
    let value = |text: &str| Answer::Value(Some(text.to_owned()));
    match question {
        Question::Resources => value("local"),
        Question::Parameter("auto_failback") => value("on"),
        Question::Parameter(_) | Question::Filter(_) | Question::Signal(_) => Answer::Value(None),
        Question::Nodes => Answer::Nodes(vec![
            node("10.77.1.254", "ping", "ping"),
            node("alpha", "normal", "active"),
            node("beta", "normal", "active"),
        ]),
        Question::NodeStatus(_) => value("active"),
        Question::NodeKind(_) => value("normal"),
    }
}

/// `result=fail` refuses; `nodes=name/kind/status ...` is a list, in which kind and status may be missing; everything else
/// is the value `value`.
fn answer(message: &Message) -> Answer {
    if message.text("result") == Some("fail") {
        return Answer::Refused;
    }
    let Some(list) = message.text("nodes") else {
        return Answer::Value(message.text("value").map(str::to_owned));
    };
    let entry = |word: &str| {
        let mut parts = word.split('/').map(str::to_owned);
        NodeEntry {
            name: parts.next().unwrap_or_default(),
            kind: parts.next(),
            status: parts.next(),
        }
    };
    Answer::Nodes(list.split_whitespace().map(entry).collect())
}

fn conversations() -> Vec<Seed> {
    let from_beta = |fields: &[(&str, &str)]| {
        let mut message = message(fields);
        message.push("src", "beta");
        message
    };
    let count = |number: &str| {
        from_beta(&[
            ("t", "num_ping_nodes"),
            ("num_ping", number),
            ("dest", "alpha"),
        ])
    };
    let ping = |status: &str| message(&[("t", "status"), ("src", "10.77.1.254"), ("st", status)]);
    let link = message(&[
        ("t", "ifstat"),
        ("node", "10.77.1.254"),
        ("ifname", "10.77.1.254"),
        ("st", "dead"),
    ]);
    let answer = |name: &str, value: &str| message(&[("t", "hbapi-resp"), (name, value)]);
    let resource = |stable: &str| from_beta(&[("t", "resource"), ("isstable", stable)]);
    let paused = |messages: &[Message], units: u8| {
        let mut all = Vec::new();
        for message in messages {
            let mut one = written(std::slice::from_ref(message));
            one[0] = units;
            all.extend(one);
        }
        all
    };
    let join = from_beta(&[("t", "hbapi-clstat"), ("st", "join"), ("from_id", "ipfail")]);
    let dead = from_beta(&[("t", "you_are_dead")]);
    let abort = from_beta(&[("t", "abort_giveup")]);
    vec![
        ("balanced".into(), paused(&[join, count("1")], 9)),
        ("less".into(), paused(&[link, count("2"), dead.clone()], 30)),
        (
            "ping-node".into(),
            paused(&[ping("dead"), ping("ping"), count("0")], 1),
        ),
        ("aborted".into(), paused(&[dead.clone(), abort], 5)),
        (
            "moving".into(),
            paused(
                &[
                    answer("value", "transition"),
                    dead.clone(),
                    resource("0"),
                    resource("1"),
                ],
                40,
            ),
        ),
        (
            "answers".into(),
            paused(
                &[
                    answer("nodes", "10.77.1.254/ping alpha beta/normal/active"),
                    answer("value", "ping"),
                    answer("result", "fail"),
                    count("1"),
                ],
                3,
            ),
        ),
        ("flood".into(), written(&vec![dead; 40])),
    ]
}

fn words() -> Vec<Vec<u8>> {
    let mut words = seeds::words(
        "t=status t=NS_st t=ifstat t=hbapi-clstat t=num_ping_nodes t=you_are_dead t=abort_giveup t=resource t=hbapi-resp \
         src=beta src=alpha src=10.77.1.254 st=dead st=ping st=join st=up num_ping=0 num_ping=1 num_ping=2 isstable=1 \
         isstable=0 info=x node=beta ifname=eth0 from_id=ipfail value=transition value=local value=ping value=normal \
         result=fail nodes=alpha/normal/active",
    );
    words.push(b"<<<\n>>>\n".to_vec());
    words.push(b"<<<\n\x28>>>\n".to_vec());
    words.push(b"\n".to_vec());
    words
}
