//! The nodes' logs: lines that say ERROR or worse, and which of them a fault explains.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::faults::{Kind, Known};
use crate::Host;

/// What any node may say on any machine, whatever happens.
const ALWAYS: &[Known] = &[Known {
    text: "Cannot lock ourselves into memory",
    reason: "machines that do not allow it",
}];

/// What is bad enough to be explained.
const LEVELS: [&str; 3] = ["ERROR:", "CRIT:", "EMERG:"];

/// A line that nothing explains.
pub(crate) struct Unexplained {
    pub(crate) node: String,
    pub(crate) ours: bool,
    pub(crate) episode: usize,
    pub(crate) line: String,
}

/// What was read so far.
#[derive(Default)]
pub(crate) struct Evidence {
    /// How far each node's log was read.
    read: BTreeMap<String, u64>,
    pub(crate) unexplained: Vec<Unexplained>,
    /// How often something was said that a fault explains: by its text, with the reason.
    pub(crate) explained: BTreeMap<(&'static str, &'static str), usize>,
}

impl Evidence {
    /// Reads what is new in a node's log, said while these kinds of fault were in force, or soon after.
    pub(crate) fn read(&mut self, host: &Arc<Host>, episode: usize, kinds: &[&'static Kind]) {
        let at = self.read.entry(host.name().to_owned()).or_default();
        let (text, length) = host.log_since(*at);
        *at = length;
        for line in text.lines() {
            if !LEVELS.iter().any(|level| line.contains(level)) {
                continue;
            }
            let lists = kinds.iter().flat_map(|kind| kind.known);
            let known = lists.copied().flatten().chain(ALWAYS);
            match known.into_iter().find(|known| line.contains(known.text)) {
                Some(known) => {
                    let count = self.explained.entry((known.text, known.reason));
                    *count.or_default() += 1;
                }
                None => self.unexplained.push(Unexplained {
                    node: host.name().to_owned(),
                    ours: host.is_ours(),
                    episode,
                    line: line.to_owned(),
                }),
            }
        }
    }
}
