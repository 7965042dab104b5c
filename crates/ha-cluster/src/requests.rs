//! In legacy mode a node asks for its groups, and takes each when somebody answers (`resource-protocol.md` 2.4.5, 2.5, 2.10).
//!
//! The legacy asks once and then waits for ever; but whoever was asked may have crashed, and been back before anybody
//! noticed. Here an unanswered question is asked again, and an answer to no question of ours is not heeded.

use std::time::Duration;

use ha_wire::Message;

use crate::core::Core;

/// How long an answer may take before we ask again. It is given after the release, which may well take longer; then it
/// is given twice, which does no harm.
const ASK_AGAIN: Duration = Duration::from_secs(15);

/// In an answer of ours: the generation that has asked.
pub(crate) const ASKED_FIELD: &str = "asked";

/// Keys of our own groups asked for at most.
const REQUESTS_MAX: usize = 1000;

/// What we have asked for.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    /// Keys that nobody has answered for, in the order in which they were asked for.
    unanswered: Vec<String>,
    /// Keys to ask for again, of whose old answers we do not know how old they are.
    void: Vec<String>,
    again: Option<Duration>,
}

impl Requests {
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.again
    }
}

impl Core {
    /// A request of our own goes out, whoever of us asks.
    pub(crate) fn request_asked(&mut self, message: &Message) {
        let Some(key) = message.text("ipaddr").map(str::to_owned) else {
            return;
        };
        let requests = &mut self.requests;
        requests.void.retain(|known| *known != key);
        if !requests.unanswered.contains(&key) && requests.unanswered.len() < REQUESTS_MAX {
            requests.unanswered.push(key);
        }
        requests.again.get_or_insert(self.now.mono + ASK_AGAIN);
    }

    /// An answer for us has come. True if it is one to a question of ours, or our own word that nobody needs to be asked.
    pub(crate) fn request_answered(&mut self, source: &str, message: &Message) -> bool {
        if self.is_us(source) {
            return true;
        }
        let for_us = message.text("dest").is_some_and(|dest| self.is_us(dest));
        let life = message.hex(ASKED_FIELD);
        if life.is_some_and(|life| life != self.config.generation) {
            // A former life of ours has asked; what is answered to it may not hold by now.
            return false;
        }
        let key = message.text("ipaddr").unwrap_or_default();
        let before = self.requests.unanswered.len();
        self.requests.unanswered.retain(|known| known != key);
        for_us && self.requests.unanswered.len() < before
    }

    /// We take our groups without asking anybody.
    pub(crate) fn nobody_is_asked(&mut self) {
        self.requests = Requests::default();
    }

    /// Answers that may have been waiting for us for long say nothing of the present: we ask again.
    pub(crate) fn requests_are_void(&mut self) {
        let requests = &mut self.requests;
        requests.void.append(&mut requests.unanswered);
        if !requests.void.is_empty() {
            // Later than the answers that wait.
            requests.again = Some(self.now.mono + self.config.keepalive * 2);
        }
    }

    pub(crate) fn run_request_timers(&mut self) {
        if self.requests.again.is_none_or(|due| due > self.now.mono) {
            return;
        }
        self.requests.again = None;
        if self.shutdown.in_progress() {
            return self.nobody_is_asked();
        }
        let mut keys = std::mem::take(&mut self.requests.unanswered);
        keys.append(&mut self.requests.void);
        if self.peers().any(|node| node.status.live()) {
            for key in keys {
                self.ask_for_group(&key);
            }
        } else {
            // Whoever is silent dies, and then nobody needs to be asked.
            self.requests.unanswered = keys;
            if !self.requests.unanswered.is_empty() {
                self.requests.again = Some(self.now.mono + ASK_AGAIN);
            }
        }
    }

    pub(crate) fn ask_for_group(&mut self, key: &str) {
        let mut message = Message::new();
        message.push("t", "ip-request");
        message.push("ipaddr", key);
        self.send(message);
    }
}
