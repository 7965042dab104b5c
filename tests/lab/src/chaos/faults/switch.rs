//! No fault: the operator moves resources, so that faults meet hand-overs that are under way.

use super::{Deafens, Kind, Known, Target, nothing, pick};

const COMMANDS: [(&str, &str); 6] = [
    ("hb_standby", "all"),
    ("hb_standby", "foreign"),
    ("hb_standby", "local"),
    ("hb_takeover", "all"),
    ("hb_takeover", "foreign"),
    ("hb_takeover", "local"),
];

pub(super) const KIND: Kind = Kind {
    name: "hand-over",
    weight: 10,
    lasts: (0, 0),
    target: Target::Resources,
    deafens: Deafens::Never,
    variant: |choice| {
        let (command, half) = pick(COMMANDS, choice);
        Some(format!("{command} {half}"))
    },
    begin: |_, host, choice| {
        let (command, half) = pick(COMMANDS, choice);
        host.tool(command, &[half]).map(drop)
    },
    end: nothing,
    known: &[&[Known {
        text: "Ignored standby message",
        reason: "the operator's wish crossed another",
    }]],
};
