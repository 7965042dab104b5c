//! Recordings of the legacy's ipfail with a real daemon: given what the daemon said, ours sends what the recorded one
//! sent, field by field and in the same order.
//!
//! `ipfail-306-daemon-306`: the ping node goes away and comes back, the peer stops and starts again.
//! `ipfail-306-daemon-213`: the same ipfail with a 2.1.3 daemon, whose list of nodes has names only.

use std::collections::VecDeque;
use std::time::Duration;

use ha_wire::Message;
use ipfail::{Action, Answer, Input, Ipfail, Level, NodeEntry, Question};

use crate::desk::words_of;

#[derive(Debug)]
enum Frame {
    /// From the client to the daemon.
    Sent(Message),
    /// From the daemon to the client.
    Received(Message),
}

#[test]
fn the_recorded_ipfail_of_306_is_repeated() {
    assert_eq!(
        replay(include_str!("../vectors/ipfail-306-daemon-306.txt")),
        7
    );
}

#[test]
fn the_recorded_ipfail_with_a_daemon_of_213_is_repeated() {
    assert_eq!(
        replay(include_str!("../vectors/ipfail-306-daemon-213.txt")),
        1
    );
}

/// Plays a recording; answers how many messages to the cluster were compared.
fn replay(recording: &str) -> usize {
    let frames = parse(recording);
    let signon = frames
        .iter()
        .find_map(|frame| match frame {
            Frame::Received(m) if m.text("reqtype") == Some("signon") => Some(m),
            _ => None,
        })
        .expect("a sign-on is answered");
    let keepalive = u64::from_str_radix(signon.text("keepalive").unwrap(), 16).unwrap();
    let us = signon.text("node").unwrap();
    let mut player = Player {
        core: Ipfail::new(us, Duration::from_millis(keepalive)),
        open: None,
        out: VecDeque::new(),
        said: Vec::new(),
        nodes: Vec::new(),
    };
    player.drain();
    let mut compared = 0;
    for frame in &frames {
        match frame {
            Frame::Received(m) if m.text("t") != Some("hbapi-resp") => {
                player.core.handle(Duration::ZERO, Input::Message(m));
                player.drain();
            }
            Frame::Received(m) if m.text("reqtype") == Some("signon") => {}
            Frame::Received(m) => player.answered(m),
            Frame::Sent(m) if m.text("reqtype") == Some("signon") => {}
            Frame::Sent(m) => {
                if m.text("reqtype") == Some("signoff") {
                    assert_eq!(
                        player.out,
                        VecDeque::<String>::new(),
                        "more than was recorded"
                    );
                    player.core.handle(Duration::ZERO, Input::Stop);
                    player.drain();
                }
                // Who asks is the client library's business.
                let mut expected = m.clone();
                for field in ["pid", "from_id"] {
                    expected.remove(field);
                }
                let is_request = m.text("t") == Some("hbapi-req");
                if is_request {
                    expected.remove("dest");
                }
                compared += usize::from(!is_request);
                assert_eq!(player.out.pop_front(), Some(words_of(&expected)));
            }
        }
    }
    assert_eq!(player.out, VecDeque::<String>::new());
    let header: Vec<&str> = recording
        .lines()
        .filter_map(|line| line.strip_prefix('#')?.split_once(": debug: "))
        .map(|(_, text)| text)
        .filter(|text| !text.starts_with("PID=") && *text != "Signing in with heartbeat")
        .collect();
    assert_eq!(
        player.said[..header.len()],
        header,
        "what was said at the start"
    );
    compared
}

struct Player {
    core: Ipfail,
    open: Option<Question>,
    /// What the core wants to send, not compared yet.
    out: VecDeque<String>,
    said: Vec<String>,
    nodes: Vec<NodeEntry>,
}

impl Player {
    fn drain(&mut self) {
        while let Some(action) = self.core.poll_action() {
            match action {
                Action::Ask(question) => {
                    assert_eq!(self.open, None, "one question at a time");
                    self.out.push_back(request(&question));
                    self.open = Some(question);
                }
                Action::Send(message) => self.out.push_back(words_of(&message)),
                Action::Log(Level::Debug, text) => self.said.push(text),
                Action::Log(..) => {}
                Action::Exit(code) => {
                    assert_eq!(code, 0);
                    self.out.push_back("t=hbapi-req reqtype=signoff".into());
                }
            }
        }
    }

    fn answered(&mut self, m: &Message) {
        let text = |name: &str| m.text(name).map(str::to_owned);
        let more = match m.text("result") {
            Some("OK") => false,
            Some("ok/more") => true,
            other => panic!("{other:?} was recorded"),
        };
        let question = self.open.clone().expect("an answer to a question");
        let answer = match question {
            Question::Nodes => {
                self.nodes.push(NodeEntry {
                    name: text("node").unwrap(),
                    kind: text("nodetype"),
                    status: text("st"),
                });
                if more {
                    return;
                }
                Answer::Nodes(std::mem::take(&mut self.nodes))
            }
            Question::Resources => Answer::Value(text("rsc_hold")),
            Question::Parameter(_) => Answer::Value(text("pvalue")),
            Question::NodeStatus(_) => Answer::Value(text("st")),
            Question::NodeKind(_) => Answer::Value(text("nodetype")),
            Question::Filter(_) | Question::Signal(_) => Answer::Value(None),
        };
        self.open = None;
        self.core.handle(Duration::ZERO, Input::Answer(answer));
        self.drain();
    }
}

/// The request as the client library writes it, without who asks.
fn request(question: &Question) -> String {
    let rest = match question {
        Question::Resources => "getrsc".to_owned(),
        Question::Parameter(name) => format!("getparm pname={name}"),
        Question::Filter(mask) => format!("setfilter fmask={mask:x}"),
        Question::Nodes => "nodelist".to_owned(),
        Question::NodeStatus(node) => format!("nodestatus node={node}"),
        Question::NodeKind(node) => format!("nodetype node={node}"),
        Question::Signal(number) => format!("setsignal signal={number}"),
    };
    format!("t=hbapi-req reqtype={rest}")
}

/// The frames of a recording: `[n] C>S ...` or `[n] S>C ...`, then `body <hex>` and more lines of hex.
fn parse(recording: &str) -> Vec<Frame> {
    let mut frames = Vec::new();
    for block in recording.split("\n[").skip(1) {
        let sent = block.contains("] C>S");
        let hex: String = block
            .lines()
            .skip_while(|line| !line.starts_with("  body "))
            .take_while(|line| !line.starts_with("  |"))
            .map(|line| line.trim_start_matches("  body").trim())
            .collect();
        let body: Vec<u8> = (0..hex.len() / 2)
            .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        let message = ha_wire::decode_plain(&body).expect("a recorded body");
        frames.push(if sent {
            Frame::Sent(message)
        } else {
            Frame::Received(message)
        });
    }
    assert!(frames.len() > 40, "{}", frames.len());
    frames
}
