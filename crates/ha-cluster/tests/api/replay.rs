//! Each recorded request gets the recorded reply. What differs from run to run is masked, and what only the newer of the
//! two recorded releases says is left out where the older one was recorded.

use ha_cluster::{ClientId, Gone, Input};

use crate::pair::{A, B, Pair, secs};
use crate::trace::{self, Frame, Step};

/// Fields whose value is another one in every run.
const MASKED: &[&str] = &[
    "seq",
    "hg",
    "ts",
    "ld",
    "auth",
    "client_gen",
    "hbversion",
    "ttl",
];

struct Replay {
    pair: Pair,
    release: &'static str,
    name: String,
    /// The connection, until one side ends it.
    client: Option<ClientId>,
    signed_off: bool,
    /// The ping node's death has not been recorded yet.
    ping_is_due: bool,
    /// What the recording says about the process at the other end, where that is not what it says itself.
    peer: Option<(u32, u32, u32)>,
    compared: usize,
}

impl Replay {
    fn new(name: &str) -> Replay {
        let mut pair = Pair::new();
        let name = name.to_owned();
        let plays_ipfail = name.contains("ipfail.txt") || name.contains("ipfail306");
        if !plays_ipfail {
            pair.sign_on_at(A, "ipfail", 900, 103, 106);
        }
        pair.sign_on_at(B, "ipfail", 901, 103, 106);
        let release = if name.starts_with("213") {
            "213"
        } else {
            "306"
        };
        // The recording lies about its pid and its ids on purpose.
        let peer = name.contains("own_error_cases").then_some(match release {
            "213" => (3442, 0, 106),
            _ => (393, 0, 0),
        });
        Replay {
            pair,
            release,
            name,
            client: None,
            signed_off: false,
            ping_is_due: true,
            peer,
            compared: 0,
        }
    }

    fn run(mut self) -> usize {
        let steps = trace::read(&self.name);
        for (number, step) in steps.iter().enumerate() {
            match step {
                Step::Sent(frame) => self.send(frame),
                Step::Received(frame) if self.is_foreign_story(frame) => break,
                Step::Received(frame) if self.is_second_death(frame) => {}
                Step::Received(frame) => self.expect(frame, number),
                Step::Event(event) => self.event(event),
            }
        }
        let (name, compared) = (&self.name, self.compared);
        // Whoever was stopped did not wait for its last answer.
        let cut_short = matches!(steps.last(), Some(Step::Sent(_)));
        let left = match self.client {
            Some(client) if !self.signed_off && !cut_short => self.pair.take(client),
            _ => Vec::new(),
        };
        let unasked: Vec<&Frame> = left.iter().filter(|frame| !by_itself(frame)).collect();
        assert!(unasked.is_empty(), "{name}: too much: {unasked:?}");
        compared
    }

    fn send(&mut self, frame: &Frame) {
        let closed = self
            .client
            .is_none_or(|client| self.pair.heard(client).closed);
        if closed {
            let number = |field| frame.get(field).and_then(|text| text.parse().ok());
            let (pid, uid, gid) = self.peer.unwrap_or_else(|| {
                let own = |field| number(field).unwrap_or(0);
                (own("pid"), own("uid"), own("gid"))
            });
            self.client = Some(self.pair.connect_to(A, pid, uid, gid));
            self.signed_off = false;
        }
        if let Some(client) = self.client {
            self.signed_off |= frame.get("reqtype") == Some("signoff");
            self.pair.say_at(A, client, &frame.body());
        }
    }

    fn event(&mut self, event: &str) {
        let Some(client) = self.client else { return };
        if event.starts_with("S>C EOF") {
            assert!(self.pair.heard(client).closed, "{}: {event}", self.name);
        } else if event.contains("closed without signoff") {
            self.pair.gone(client, Gone::Closed);
            self.client = None;
        }
    }

    fn expect(&mut self, wanted: &Frame, number: usize) {
        self.make_happen(wanted);
        let client = self.client.expect("somebody who reads");
        let heard = &mut self.pair.heard(client).frames;
        // Nobody asked for these, and they come when they come.
        let by_itself = by_itself(wanted);
        let at = heard.iter().position(|frame| match by_itself {
            true => same_story(frame, wanted),
            false => !by_itself_kind(frame),
        });
        let Some(found) = at.and_then(|at| heard.remove(at)) else {
            let heard = &self.pair.heard(client).frames;
            panic!(
                "{} {number}: missing {wanted:?}\namong {heard:?}",
                self.name
            );
        };
        self.compared += 1;
        if wanted.kind() == "NS_ackmsg" {
            // Legacy nodes acknowledge messages of their own.
            return;
        }
        let (wanted, found) = (self.masked(wanted), self.masked(&found));
        assert_eq!(found, wanted, "{} {number}", self.name);
    }

    /// What the network, the FIFO or time did when this was recorded.
    fn make_happen(&mut self, frame: &Frame) {
        let own_fields = || match frame {
            Frame::Fields(fields) => {
                let added = ["seq", "hg", "ts", "ld", "ttl", "auth"];
                let own = |(name, _): &&(String, String)| {
                    !added.contains(&name.as_str()) && !name.starts_with("(1)")
                };
                Frame::Fields(fields.iter().filter(own).cloned().collect()).message()
            }
            Frame::Raw(raw) => panic!("{raw}"),
        };
        let source = frame.get("src").unwrap_or_default();
        match (frame.kind(), source) {
            ("status", source) if frame.get("st") == Some("dead") => {
                if source != "nodeb" {
                    self.pair.ping_lives = false;
                    self.ping_is_due = false;
                }
                self.pair.run(secs(7));
            }
            ("ifstat", _) if frame.get("st") == Some("up") => {
                self.pair.ping_lives = true;
                self.pair.run(secs(1));
            }
            ("status" | "NS_st" | "NS_ackmsg" | "ifstat", _) => self.pair.run(secs(1)),
            // The other node answers by itself.
            ("respond-cstatus", _) => {}
            (_, "nodeb") => {
                let message = own_fields();
                self.pair.feed(B, Input::Inject { message });
            }
            ("fifotest", _) => {
                let mut message = own_fields();
                message.remove("src");
                self.pair.feed(A, Input::Inject { message });
            }
            _ => {}
        }
    }

    /// From here on the recording shows the other node's restart, with times and resources of its own.
    fn is_foreign_story(&self, frame: &Frame) -> bool {
        self.name == "ipfail.txt"
            && frame.kind() == "resource"
            && frame.get("info") == Some("shutdown")
    }

    /// 3.0.6 alone says once more that a ping node is dead, after its link has come back.
    fn is_second_death(&mut self, frame: &Frame) -> bool {
        frame.kind() == "status" && frame.get("info") == Some("ping") && !self.ping_is_due
    }

    fn masked(&self, frame: &Frame) -> Vec<(String, String)> {
        let Frame::Fields(fields) = frame else {
            panic!("{frame:?}")
        };
        let request = frame.get("reqtype").unwrap_or_default();
        let only_306 = |name: &str| match request {
            "signon" => ["info", "hbversion", "pacemaker"].contains(&name),
            "nodelist" => ["nodetype", "st"].contains(&name),
            "iflist" => name == "st",
            _ => false,
        };
        let mut masked = Vec::new();
        for (name, value) in fields {
            if self.release == "213" && only_306(name) {
                continue;
            }
            let mut value = value.clone();
            if MASKED.contains(&name.as_str()) {
                value = "*".to_owned();
            }
            // The legacy runs on into the memory behind the name.
            if ["from_id", "to_id"].contains(&name.as_str()) && value.starts_with("nnnnnnnn") {
                value.truncate(31);
            }
            // When ipfail was recorded the other node held everything.
            if self.name == "ipfail.txt" && name == "rsc_hold" {
                value = "*".to_owned();
            }
            masked.push((name.clone(), value));
        }
        masked
    }
}

/// Messages that come without being asked for, from the network or from time.
fn by_itself(frame: &Frame) -> bool {
    by_itself_kind(frame) || frame.get("src") == Some("nodeb")
}

fn by_itself_kind(frame: &Frame) -> bool {
    [
        "status",
        "NS_st",
        "NS_ackmsg",
        "ifstat",
        "resource",
        "respond-cstatus",
    ]
    .contains(&frame.kind())
        || frame.get("src") == Some("nodeb")
}

fn same_story(frame: &Frame, wanted: &Frame) -> bool {
    if wanted.kind() == "NS_ackmsg" {
        return frame.kind() == wanted.kind();
    }
    ["t", "src", "st", "node", "from_id", "info", "cs", "dest"]
        .iter()
        .all(|name| frame.get(name) == wanted.get(name))
}

fn replay_all(release: &str) -> (usize, usize) {
    let names = trace::names(release);
    let frames = names.iter().map(|name| Replay::new(name).run()).sum();
    (names.len(), frames)
}

#[test]
fn conversations_with_3_0_6_repeat() {
    let (conversations, frames) = replay_all("");
    assert!(
        conversations >= 60 && frames >= 310,
        "{conversations} {frames}"
    );
}

#[test]
fn conversations_with_2_1_3_repeat() {
    let (conversations, frames) = replay_all("213");
    assert!(
        conversations >= 30 && frames >= 250,
        "{conversations} {frames}"
    );
}
