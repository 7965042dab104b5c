//! The standby protocol (`resource-protocol.md` 2.4.4, 2.4.6).

use std::time::Duration;

use ha_wire::Message;

use super::hold::Held;
use super::resources::{SHUTDOWN, STABLE};
use super::{Model, Program};

/// The other must answer a request so soon.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// And then it may take this long. Quirk: so long, too, waits whoever answered a request that its sender has given up.
const HOUR: Duration = Duration::from_secs(3600);

/// STANDBY of 2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standby {
    Not,
    Me,
    Other,
    Done,
}

impl Model {
    pub(super) fn ask_resources(&mut self, set: Held, info: &str) {
        let message = asking(set, info);
        self.send(message);
    }

    pub(super) fn hear_ask_resources(&mut self, from: usize, message: &Message) {
        if !self.settings.nice {
            self.log("Standby mode only implemented when nice_failback on");
            return;
        }
        if self.rsc.state == SHUTDOWN {
            return;
        }
        let Some(info) = message.text("info").map(str::to_owned) else {
            return;
        };
        let set = Held::from_word(message.text("rsc_hold").unwrap_or("all"));
        self.standby_step(from, &info, set);
        self.retry_shutdown();
    }

    /// The table of 2.4.4.
    fn standby_step(&mut self, from: usize, info: &str, set: Held) {
        let own = from == self.settings.local;
        let name = self.settings.nodes[from].clone();
        let pending = self.rsc.standby_deadline.is_some_and(|at| at > self.now);
        let word = info.to_ascii_lowercase();
        if pending && word == "me" {
            self.log(format!(
                "Standby in progress- new request from {name} ignored"
            ));
            return;
        }
        let hour = Some(self.now + HOUR);
        match (self.rsc.standby, word.as_str()) {
            (Standby::Not, _) if !self.rsc.other_stable => {
                self.log(format!(
                    "standby message [{info}] from {name} ignored.  Other side is in flux."
                ));
            }
            (Standby::Not, _) if self.rsc.state != STABLE => {
                self.log(format!(
                    "standby message [{info}] from {name} ignored.  local resources in flux."
                ));
            }
            (Standby::Not, "me") => {
                self.rsc.other_stable = false;
                self.log(format!("{name} wants to go standby [{set}]"));
                if own {
                    self.rsc.standby_deadline = Some(self.now + ANSWER_WITHIN);
                    self.rsc.standby = Standby::Me;
                } else {
                    self.rsc.standby = Standby::Other;
                    self.ask_resources(set, "other");
                    self.rsc.standby_deadline = hour;
                }
                self.rsc.standby_type = set;
            }
            (Standby::Me, "other") if !own => {
                self.rsc.standby_deadline = hour;
                self.log(format!("standby: {name} can take our {set} resources"));
                self.give_standby(set);
            }
            (Standby::Me, _) if !own => {
                // Quirk: even a word that it does not understand gives the other an hour.
                self.rsc.standby_deadline = hour;
                self.not_understood(&name, info);
            }
            (Standby::Me, "done") => {
                self.log(format!("Local standby process completed [{set}]."));
                self.rsc.standby = Standby::Done;
                self.rsc.held = self.rsc.held.without(set);
                self.rsc.standby_deadline = hour;
            }
            (Standby::Other, "done") if !own => {
                self.rsc.standby_deadline = hour;
                self.log(format!("standby: acquire [{set}] resources from {name}"));
                self.take_standby(set);
                self.rsc.standby = Standby::Done;
            }
            (Standby::Other, "other") if own => {}
            (Standby::Done, _) if info == "done" => {
                self.rsc.standby_deadline = None;
                self.rsc.standby = Standby::Not;
                if own {
                    self.log(format!("Standby resource acquisition done [{set}]."));
                    self.rsc.held = self.rsc.held.with(set.mirror());
                } else {
                    self.log(format!(
                        "Other node completed standby takeover of {set} resources."
                    ));
                }
                self.announce(true, None);
            }
            _ => self.not_understood(&name, info),
        }
    }

    fn not_understood(&mut self, name: &str, info: &str) {
        let state = self.rsc.standby as u8;
        self.log(format!(
            "Ignored standby message '{info}' from {name} in state {state}"
        ));
    }

    /// Looked at whenever a message was processed.
    pub(super) fn check_standby_deadline(&mut self) {
        if self.rsc.standby_deadline.is_some_and(|at| at <= self.now) {
            self.rsc.standby_deadline = None;
            self.rsc.other_stable = true;
            self.rsc.standby = Standby::Not;
            self.log("No reply to standby request.  Standby request cancelled.");
            self.retry_shutdown();
        }
    }

    /// The giver's child (2.4.6). `done` is said even if a group could not be stopped.
    fn give_standby(&mut self, set: Held) {
        self.rsc.other_stable = false;
        self.boasts = false;
        self.rsc.held = self.rsc.held.without(set);
        self.announce(false, Some("standby"));
        let done = asking(set, "done");
        self.run(Program::Give { set, done });
    }

    /// The taker's child. What it says at the end is the type of the last standby, which after a `shutdone` is an old one.
    pub(super) fn take_standby(&mut self, set: Held) {
        let done = asking(self.rsc.standby_type, "done");
        self.run(Program::Take { set, done });
    }
}

fn asking(set: Held, info: &str) -> Message {
    let mut message = Message::new();
    message.push("t", "ask_resources");
    message.push("rsc_hold", set.word());
    message.push("info", info);
    message
}
