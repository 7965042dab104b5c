//! A daemon that answers at once, and a clock turned by hand.

use std::time::Duration;

use ha_wire::Message;
use ipfail::{Action, Answer, Input, Ipfail, Level, NodeEntry, Question};

/// What most of these tests use.
pub const KEEPALIVE: Duration = Duration::from_millis(500);

/// One ipfail, on the node `alpha` unless said otherwise, and what surrounds it.
pub struct Desk {
    pub core: Ipfail,
    pub now: Duration,
    /// What `getrsc` answers; none: it is refused.
    pub resources: Option<&'static str>,
    /// What `getparm auto_failback` answers.
    pub auto_failback: Option<&'static str>,
    /// Name, kind, status.
    pub nodes: Vec<(String, &'static str, &'static str)>,
    /// Say kind and status in the list, as the daemon of 3.0.6 does.
    pub full_list: bool,
    /// Questions that are refused.
    pub refuses: fn(&Question) -> bool,
    pub asked: Vec<Question>,
    pub sent: Vec<String>,
    pub log: Vec<String>,
    pub code: Option<i32>,
}

impl Desk {
    /// Not started yet, for tests that change the surroundings first.
    pub fn unstarted(us: &str, peer: &str) -> Desk {
        let node = |name: &str, kind, status| (name.to_owned(), kind, status);
        Desk {
            core: Ipfail::new(us, KEEPALIVE),
            now: Duration::from_secs(100),
            resources: Some("local"),
            auto_failback: Some("on"),
            nodes: vec![
                node("gate", "ping", "ping"),
                node(us, "normal", "active"),
                node(peer, "normal", "active"),
            ],
            full_list: true,
            refuses: |_| false,
            asked: Vec::new(),
            sent: Vec::new(),
            log: Vec::new(),
            code: None,
        }
    }

    /// Through with its start and silent.
    pub fn new(auto_failback: &'static str) -> Desk {
        let mut desk = Desk::unstarted("alpha", "beta");
        desk.auto_failback = Some(auto_failback);
        desk.run();
        assert_eq!(desk.code, None);
        desk.clear();
        desk
    }

    pub fn clear(&mut self) {
        self.asked.clear();
        self.sent.clear();
        self.log.clear();
    }

    /// The daemon delivers a message written as `name=value` words.
    pub fn hears(&mut self, words: &str) {
        self.core.handle(self.now, Input::Message(&message(words)));
        self.run();
    }

    /// Time goes by, and what is due is done on the way.
    pub fn waits(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.core.next_deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.core.handle(self.now, Input::Due);
            self.run();
        }
        self.now = end;
    }

    /// The ping node answers, or not.
    pub fn sees_the_ping_node(&mut self, yes: bool) {
        self.nodes[0].2 = if yes { "ping" } else { "dead" };
    }

    /// Since the last call.
    pub fn take_sent(&mut self) -> Vec<String> {
        std::mem::take(&mut self.sent)
    }

    /// Lines that an operator sees at debug level 0, since the last call.
    pub fn take_info(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
            .into_iter()
            .filter(|line| !line.starts_with("debug: "))
            .collect()
    }

    pub fn run(&mut self) {
        while let Some(action) = self.core.poll_action() {
            assert_eq!(self.code, None, "nothing follows the end");
            match action {
                Action::Ask(question) => {
                    let answer = self.answer(&question);
                    self.asked.push(question);
                    self.core.handle(self.now, Input::Answer(answer));
                }
                Action::Send(message) => self.sent.push(words_of(&message)),
                Action::Log(level, text) => {
                    let word = match level {
                        Level::Error => "ERROR",
                        Level::Warn => "WARN",
                        Level::Info => "info",
                        Level::Debug => "debug",
                    };
                    self.log.push(format!("{word}: {text}"));
                }
                Action::Exit(code) => self.code = Some(code),
            }
        }
    }

    fn answer(&self, question: &Question) -> Answer {
        if (self.refuses)(question) {
            return Answer::Refused;
        }
        let node = |name: &String| self.nodes.iter().find(|node| node.0 == *name);
        let value = |text: Option<&str>| Answer::Value(text.map(str::to_owned));
        match question {
            Question::Resources => match self.resources {
                Some(held) => value(Some(held)),
                None => Answer::Refused,
            },
            Question::Parameter("auto_failback") => value(self.auto_failback),
            Question::Parameter(_) | Question::Filter(_) | Question::Signal(_) => value(None),
            Question::Nodes => Answer::Nodes(
                self.nodes
                    .iter()
                    .map(|(name, kind, status)| NodeEntry {
                        name: name.clone(),
                        kind: self.full_list.then(|| (*kind).to_owned()),
                        status: self.full_list.then(|| (*status).to_owned()),
                    })
                    .collect(),
            ),
            Question::NodeStatus(name) => node(name).map_or(Answer::Refused, |n| value(Some(n.2))),
            Question::NodeKind(name) => node(name).map_or(Answer::Refused, |n| value(Some(n.1))),
        }
    }
}

/// `name=value` words as a message.
pub fn message(words: &str) -> Message {
    let mut message = Message::new();
    for word in words.split(' ') {
        let (name, value) = word.split_once('=').expect("name=value");
        message.push(name, value);
    }
    message
}

/// A message as `name=value` words.
pub fn words_of(message: &Message) -> String {
    let words: Vec<String> = message
        .fields()
        .map(|field| match field.value {
            ha_wire::Value::Text(text) => format!(
                "{}={}",
                String::from_utf8_lossy(field.name),
                String::from_utf8_lossy(text)
            ),
            other => format!("{}={other:?}", String::from_utf8_lossy(field.name)),
        })
        .collect();
    words.join(" ")
}
