//! The queue in front of `harc` and `rc.d` (`resource-protocol.md` 2.5).

use ha_wire::Message;

use super::{Action, Model, Program};

/// The files of `rc.d` whose types arrive here; `ask_resources` is there, too, and never run.
const FILES: [&str; 4] = ["status", "ip-request", "ip-request-resp", "hb_takeover"];

impl Model {
    /// A message without a handler of its own, ours included.
    pub(super) fn notify(&mut self, from: usize, message: &Message) {
        let own = from == self.settings.local;
        match message.kind() {
            Some("ip-request") if own => {}
            Some("ip-request-resp") if self.ending.is_wanted() => {}
            _ => self.queue_notification(message.clone()),
        }
    }

    pub(super) fn queue_notification(&mut self, message: Message) {
        if message.kind().is_some_and(|kind| FILES.contains(&kind)) {
            self.queue.push_back(message);
            self.start_next();
        }
    }

    /// The head of the queue begins when no child runs.
    fn start_next(&mut self) {
        if self.children == 0
            && let Some(message) = self.queue.pop_front()
        {
            self.run(Program::Harc(message));
        }
    }

    /// A child that does not wait in the queue; those in it wait for its end.
    pub(super) fn run(&mut self, program: Program) {
        self.children += 1;
        self.out.push_back(Action::Run(program));
    }

    pub(super) fn child_ended(&mut self) {
        self.children = self.children.saturating_sub(1);
        self.start_next();
        self.retry_shutdown();
    }
}
