//! The story of one run, for whoever has to find out why it went wrong.

use std::fmt::Write;
use std::time::Duration;

/// Lines with their times; nothing is kept unless somebody wants to read it.
#[derive(Default)]
pub(crate) struct Timeline {
    wanted: bool,
    text: String,
}

impl Timeline {
    pub(crate) fn new(wanted: bool) -> Timeline {
        Timeline {
            wanted,
            text: String::new(),
        }
    }

    /// One line; made only if it is wanted.
    pub(crate) fn tell(&mut self, now: Duration, who: &str, what: impl FnOnce() -> String) {
        if self.wanted {
            let _ = writeln!(self.text, "{:10.3} {who:4} {}", now.as_secs_f64(), what());
        }
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }
}
