//! The four messages that ipfail sends, field by field in the legacy's order.

use ha_wire::Message;

/// What is offered to the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    /// Everything that we hold.
    All,
    /// What is at home on the other side.
    Foreign,
}

impl Set {
    fn word(self) -> &'static str {
        match self {
            Set::All => "all",
            Set::Foreign => "foreign",
        }
    }
}

/// `num_ping_nodes`: I see this many ping nodes.
pub(crate) fn ping_count(us: &str, peer: &str, count: u32) -> Message {
    message(&[
        ("t", "num_ping_nodes"),
        ("src", us),
        ("num_ping", &count.to_string()),
        ("dest", peer),
    ])
}

/// `you_are_dead`: I see more than you. This one says not who sends it.
pub(crate) fn you_are_dead(peer: &str) -> Message {
    message(&[("t", "you_are_dead"), ("dest", peer)])
}

/// `abort_giveup`: I see as many as you, stay as you are.
pub(crate) fn abort_giveup(us: &str, peer: &str) -> Message {
    message(&[("t", "abort_giveup"), ("src", us), ("dest", peer)])
}

/// `ask_resources`: an ordinary request to go standby, heard by the whole cluster.
pub(crate) fn standby(us: &str, set: Set) -> Message {
    message(&[
        ("t", "ask_resources"),
        ("rsc_hold", set.word()),
        ("src", us),
        ("info", "me"),
    ])
}

fn message(fields: &[(&str, &str)]) -> Message {
    let mut message = Message::new();
    for (name, value) in fields {
        message.push(name, value);
    }
    message
}
