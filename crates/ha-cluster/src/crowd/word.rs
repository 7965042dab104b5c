//! What one node tells all others of the groups: fields of the `resource` message that a legacy node does not look at.
//!
//! ```text
//! groups=alpha beta     whose groups may run on the sender, those being released included; blank if none
//! gives=beta            of these, whose it wants to give away ...
//! givesto=gamma         ... and to whom, in the same order
//! failed=beta           of those it gives, whose could not be started there
//! takes=delta           whose it will take as soon as they are released
//! knows=beta gamma      who takes part, as far as it has heard ...
//! knowsgen=3e9 3eb      ... and since which start of that node: its generation, in hex
//! early=1               its communication is not up yet, so that it takes no part itself
//! ```
//!
//! Names are those of nodes; for groups they stand for the lines of haresources that begin with them. A message says everything each
//! time, so that a lost one does no harm once the next has come.

use std::collections::{BTreeMap, BTreeSet};

use ha_wire::Message;

/// The field that shows that its sender is no legacy node.
const GROUPS: &str = "groups";
const GIVES: &str = "gives";
const GIVES_TO: &str = "givesto";
const FAILED: &str = "failed";
const TAKES: &str = "takes";
const KNOWS: &str = "knows";
const KNOWS_SINCE: &str = "knowsgen";
const EARLY: &str = "early";

/// Names taken from one field at most: a cluster has no more nodes (`wire-protocol.md` 1.1).
const NAMES_MAX: usize = 100;

/// The content of one such message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Word {
    /// Whose groups may run there.
    pub(crate) held: BTreeSet<String>,
    /// Whose of these shall go to whom.
    pub(crate) gives: BTreeMap<String, String>,
    /// Whose of those given could not be started there.
    pub(crate) failed: BTreeSet<String>,
    /// Whose it waits for.
    pub(crate) takes: BTreeSet<String>,
    /// Whom it knows to take part, with the generation.
    pub(crate) knows: BTreeMap<String, u64>,
    /// Its communication is not up yet.
    pub(crate) early: bool,
    /// It has heard from everybody what there is to know, and takes part in decisions.
    pub(crate) settled: bool,
}

impl Word {
    /// Adds the fields to a `resource` message; `settled` travels as its `isstable`.
    pub(crate) fn write(&self, message: &mut Message) {
        message.push(GROUPS, list(&self.held));
        if !self.gives.is_empty() {
            message.push(GIVES, list(self.gives.keys()));
            message.push(GIVES_TO, list(self.gives.values()));
        }
        if !self.failed.is_empty() {
            message.push(FAILED, list(&self.failed));
        }
        if !self.takes.is_empty() {
            message.push(TAKES, list(&self.takes));
        }
        if !self.knows.is_empty() {
            let generations = self.knows.values();
            let generations: Vec<String> = generations.map(|since| format!("{since:x}")).collect();
            message.push(KNOWS, list(self.knows.keys()));
            message.push(KNOWS_SINCE, list(&generations));
        }
        if self.early {
            message.push(EARLY, "1");
        }
    }

    /// Reads them; none if the sender is a legacy node. `known` gives the name of a configured node in its own spelling;
    /// other names do not count.
    pub(crate) fn read(message: &Message, known: impl Fn(&str) -> Option<String>) -> Option<Word> {
        message.text(GROUPS)?;
        let words = |field| {
            let text = message.text(field).unwrap_or_default();
            text.split_ascii_whitespace().take(NAMES_MAX)
        };
        let names = |field| {
            words(field)
                .filter_map(&known)
                .collect::<BTreeSet<String>>()
        };
        let gives = words(GIVES).zip(words(GIVES_TO));
        let knows = words(KNOWS).zip(words(KNOWS_SINCE));
        Some(Word {
            held: names(GROUPS),
            gives: gives
                .filter_map(|(owner, to)| Some((known(owner)?, known(to)?)))
                .collect(),
            failed: names(FAILED),
            takes: names(TAKES),
            knows: knows
                .filter_map(|(name, since)| {
                    Some((known(name)?, u64::from_str_radix(since, 16).ok()?))
                })
                .collect(),
            early: message.text(EARLY) == Some("1"),
            settled: message.text("isstable") == Some("1"),
        })
    }
}

/// A value may not be empty.
fn list<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    if names.is_empty() {
        return " ".to_owned();
    }
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn known(name: &str) -> Option<String> {
        let name = name.to_ascii_lowercase();
        ["alpha", "beta", "gamma"]
            .contains(&name.as_str())
            .then_some(name)
    }

    #[test]
    fn what_is_written_is_read_again() {
        let gives = [("beta".to_owned(), "gamma".to_owned())];
        for word in [
            Word::default(),
            Word {
                held: set(&["alpha", "beta"]),
                gives: gives.into_iter().collect(),
                failed: set(&["beta"]),
                takes: set(&["gamma"]),
                knows: [("beta".to_owned(), 0x3e9)].into_iter().collect(),
                early: true,
                settled: true,
            },
        ] {
            let mut message = Message::new();
            message.push("t", "resource");
            message.push("isstable", if word.settled { "1" } else { "0" });
            word.write(&mut message);
            assert_eq!(Word::read(&message, known), Some(word));
        }
    }

    #[test]
    fn names_of_strangers_do_not_count_and_a_legacy_node_says_nothing() {
        let mut message = Message::new();
        message.push("t", "resource");
        assert_eq!(Word::read(&message, known), None);
        message.push("groups", "mallory ALPHA alpha");
        message.push("gives", "alpha beta gamma");
        message.push("givesto", "mallory beta");
        let word = Word::read(&message, known).expect("one of ours");
        assert_eq!(word.held, set(&["alpha"]));
        assert_eq!(word.gives.len(), 1);
        assert_eq!(word.gives.get("beta").map(String::as_str), Some("beta"));
    }

    #[test]
    fn of_a_flood_of_names_a_hundred_are_looked_at() {
        let mut message = Message::new();
        message.push("groups", format!("{} alpha", "x ".repeat(100)));
        assert!(Word::read(&message, known).expect("ours").held.is_empty());
    }
}
