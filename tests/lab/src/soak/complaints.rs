//! What the nodes said that they should not have: deaths that were none, lateness.

use crate::Host;

/// What a complaint is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Complaint {
    /// A node that lives was declared dead.
    Death,
    /// A heartbeat came later than `warntime`.
    Late,
    /// The daemon itself did not run when it should have.
    Slept,
}

impl Complaint {
    pub(crate) const ALL: [Complaint; 3] = [Complaint::Death, Complaint::Late, Complaint::Slept];

    pub(crate) fn words(self) -> &'static str {
        match self {
            Complaint::Death => "nodes declared dead",
            Complaint::Late => "heartbeats told as late",
            Complaint::Slept => "daemons that say they ran too late",
        }
    }

    fn signs(self) -> &'static [&'static str] {
        match self {
            Complaint::Death => &[": is dead", "returning after partition"],
            Complaint::Late => &["Late heartbeat"],
            Complaint::Slept => &["woke up too late", "did not run for"],
        }
    }
}

/// The log of one node, read as it grows.
#[derive(Default)]
pub(crate) struct Ear {
    read: u64,
}

impl Ear {
    /// What was said since the last time.
    pub(crate) fn hear(&mut self, host: &Host) -> Vec<(Complaint, String)> {
        let (text, length) = host.log_since(self.read);
        self.read = length;
        let mut heard = Vec::new();
        for line in text.lines() {
            // A link may be dead without a node being so.
            if line.contains("Link ") && line.contains(" dead.") {
                continue;
            }
            for complaint in Complaint::ALL {
                if complaint.signs().iter().any(|sign| line.contains(sign)) {
                    heard.push((complaint, format!("{}: {line}", host.name())));
                }
            }
        }
        heard
    }

    /// Skips what was said so far.
    pub(crate) fn skip(&mut self, host: &Host) {
        self.read = host.log_since(self.read).1;
    }
}
