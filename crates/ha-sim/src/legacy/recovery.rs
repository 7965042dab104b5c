//! What follows from a death, and fencing (`resource-protocol.md` 2.9, 5).

use std::time::Duration;

use ha_wire::Message;

use super::hold::Held;
use super::resources::{SHUTDOWN, STABLE};
use super::standby::Standby;
use super::{Action, Model};

/// A reset that failed is tried again after this time, for ever.
const RESET_AGAIN: Duration = Duration::from_secs(5);

impl Model {
    /// The steps of 2.9 in their order; what is known of the node's numbers is forgotten by the caller.
    pub(super) fn recover(&mut self, dead: usize) {
        if self.rsc.standby != Standby::Not {
            self.log("Cancelling pending standby operation");
            self.rsc.standby = Standby::Not;
            self.rsc.standby_deadline = None;
            if !self.rsc.other_stable && self.rsc.held == Held::ALL {
                self.rsc.other_stable = true;
            }
        }
        if self.ending.is_wanted() {
            // Defect: in STABLE nothing follows, and a shutdown that waits for the dead one's word waits for an hour (2.7).
            self.ending.hangs |=
                self.settings.nice && self.rsc.state == STABLE && !self.rsc.other_stable;
            if !matches!(self.rsc.state, STABLE | SHUTDOWN) || !self.settings.nice {
                self.retry_shutdown();
                self.begin_shutdown();
            }
            return;
        }
        self.rsc.needs_failback = true;
        let peer = &self.peers[dead];
        let needed = match (peer.heard, self.settings.nice) {
            (false, _) => true,
            (true, true) => self.rsc.other_held != Held::NONE,
            (true, false) => peer.has_resources,
        };
        match (needed, self.settings.fenced) {
            (true, true) => self.out.push_back(Action::Reset { node: dead }),
            (true, false) => {
                self.tell_of_reset(dead, "n_stnth");
                self.log("No STONITH device configured.");
                self.take_over(dead);
            }
            (false, _) => {
                self.log(format!(
                    "Dead node {} gave up resources.",
                    self.settings.nodes[dead]
                ));
                self.tell_of_reset(dead, "unneeded");
                self.gave_up(dead);
            }
        }
    }

    fn gave_up(&mut self, dead: usize) {
        if !self.settings.nice {
            return self.take_over(dead);
        }
        if self.rsc.held == Held::ALL {
            self.rsc.other_stable = true;
            return;
        }
        if !self.rsc.held.local {
            self.acquire_local(true);
        }
        if !self.rsc.held.foreign {
            self.take_over(dead);
        }
    }

    fn tell_of_reset(&mut self, node: usize, result: &str) {
        let mut message = Message::new();
        message.push("t", "stonith");
        message.push("node", self.settings.nodes[node].as_str());
        message.push("result", result);
        self.send(message);
    }

    /// Only success lets the takeover begin. A node that comes back meanwhile does not end this.
    pub(super) fn reset_ended(&mut self, node: usize, done: bool) {
        self.tell_of_reset(node, if done { "OK" } else { "bad" });
        if done {
            self.take_over(node);
        } else {
            self.resets[node] = Some(self.now + RESET_AGAIN);
        }
    }

    pub(super) fn retry_resets(&mut self) {
        for node in 0..self.resets.len() {
            if self.resets[node].is_some_and(|at| at <= self.now) {
                self.resets[node] = None;
                self.out.push_back(Action::Reset { node });
            }
        }
    }
}
