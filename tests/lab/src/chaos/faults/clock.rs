//! The calendar of a node jumps, and jumps back.
//!
//! A kernel has one calendar for all its namespaces. So that this machine keeps its time, the daemons of the lab run with
//! a library (`tests/calendar`) that adds to what the kernel says whatever stands in a file; only they and their scripts
//! see it.

use super::{Deafens, Kind, Known, Target, pick};
use crate::chaos::site::CALENDAR;

const STEPS: [(&str, &str); 6] = [
    ("3600", "an hour ahead"),
    ("-3600", "an hour back"),
    ("86400", "a day ahead"),
    ("-86400", "a day back"),
    ("7", "seven seconds ahead"),
    ("-7", "seven seconds back"),
];

pub(super) const KIND: Kind = Kind {
    name: CLOCK_STEP,
    weight: 7,
    lasts: (3_000, 20_000),
    target: Target::Calendar,
    deafens: Deafens::Never,
    variant: |choice| Some(pick(STEPS, choice).1.to_owned()),
    begin: |_, host, choice| host.write(CALENDAR, pick(STEPS, choice).0),
    end: |_, host, _| host.remove(CALENDAR),
    known: &[&[Known {
        text: "Clock jumped backwards",
        reason: "it did",
    }]],
};

/// The name of the kind that needs the library.
pub(crate) const CLOCK_STEP: &str = "clock step";
