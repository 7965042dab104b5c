//! Part of a node's packets is lost, both ways: not so many that nothing at all comes through for a dead time.

use super::{Deafens, Kind, Known, Target};
use crate::Loss;

/// At least so many in a hundred, and at most.
const PERCENT: (u64, u64) = (5, 25);

fn percent(choice: u64) -> u8 {
    let (low, high) = PERCENT;
    u8::try_from(low + choice % (high - low + 1)).unwrap_or(u8::MAX)
}

pub(super) const KIND: Kind = Kind {
    name: "loss",
    weight: 8,
    lasts: (5_000, 20_000),
    target: Target::Link,
    deafens: Deafens::Never,
    variant: |choice| Some(format!("{} %", percent(choice))),
    begin: |site, host, choice| site.lab.lose(host, None, Loss::Percent(percent(choice))),
    end: |site, host, _| site.lab.restore(host, None),
    known: &[&[
        Known {
            text: "Cannot rexmit pkt",
            reason: "asked for once more when it is forgotten already",
        },
        Known {
            text: "Irretrievably lost packet",
            reason: "the answer was lost as well",
        },
        Known {
            text: "Both machines own",
            reason: "an announcement that was lost and came again later",
        },
    ]],
};
