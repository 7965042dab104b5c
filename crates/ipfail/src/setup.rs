//! What ipfail asks before it begins to listen, in the legacy's order.

use crate::core::{Doing, Ipfail, Purpose};
use crate::{Answer, Level, Question, exit};

/// The message filter of an ordinary client (`client-api.md` 3).
const NORMAL_MESSAGES: u32 = 1;

/// The question that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Whether there are resources to move at all.
    Managed,
    AutoFailback,
    /// Asked because the legacy asks; nothing follows from it.
    CoreRoot,
    Filter,
    Signal,
}

impl Ipfail {
    pub(crate) fn answered_setup(&mut self, step: Step, answer: Answer) {
        let refused = answer == Answer::Refused;
        match step {
            Step::Managed if refused => {
                self.log(Level::Error, "No managed resources");
                self.end(exit::REST);
            }
            Step::Managed => {
                let us = format!("[We are {}]", self.us);
                self.log(Level::Debug, us);
                self.step(Step::AutoFailback, Question::Parameter("auto_failback"));
            }
            Step::AutoFailback => {
                let value = match answer {
                    Answer::Value(value) => value.unwrap_or_default(),
                    Answer::Nodes(_) | Answer::Refused => String::new(),
                };
                self.learn_failback(&value);
            }
            Step::CoreRoot => {
                self.log(Level::Debug, "Setting message filter mode");
                self.step(Step::Filter, Question::Filter(NORMAL_MESSAGES));
            }
            Step::Filter if refused => {
                self.log(Level::Error, "Cannot set the message filter");
                self.end(exit::FILTER);
            }
            Step::Filter => {
                self.log(Level::Debug, "Starting node walk");
                self.walk(Purpose::FindPeer);
            }
            Step::Signal if refused => {
                self.log(Level::Error, "Cannot set the message signal");
                self.end(exit::SIGNAL);
            }
            Step::Signal => {
                self.log(Level::Debug, "Waiting for messages...");
                self.doing = Doing::Nothing;
            }
        }
    }

    /// The list of nodes is through.
    pub(crate) fn peer_found(&mut self) {
        self.log(Level::Debug, "Setting message signal");
        self.step(Step::Signal, Question::Signal(0));
    }

    fn learn_failback(&mut self, value: &str) {
        if value.eq_ignore_ascii_case("legacy") {
            self.log(
                Level::Error,
                "auto_failback set to incompatible legacy option.",
            );
            return self.end(exit::REST);
        }
        let Some(on) = switch(value) else {
            self.log(
                Level::Error,
                format!("auto_failback is neither on nor off: \"{value}\""),
            );
            return self.end(exit::REST);
        };
        self.auto_failback = on;
        self.log(
            Level::Debug,
            format!("auto_failback -> {} ({value})", u8::from(on)),
        );
        self.step(Step::CoreRoot, Question::Parameter("coreroot"));
    }
}

/// The words that ha.cf takes for a boolean; the value comes as it stands there.
fn switch(word: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    if is(&["true", "on", "yes", "y", "1"]) {
        Some(true)
    } else if is(&["false", "off", "no", "n", "0"]) {
        Some(false)
    } else {
        None
    }
}
