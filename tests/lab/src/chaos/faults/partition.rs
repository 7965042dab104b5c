//! The two nodes do not hear each other; their clients hear both.

use super::{Deafens, Kind, REUNION, Target, only_one};

pub(super) const KIND: Kind = Kind {
    name: "partition",
    weight: 10,
    lasts: (500, 20_000),
    target: Target::Pair,
    deafens: Deafens::Always,
    variant: only_one,
    begin: |site, _, _| site.lab.part(&site.nodes[0], &site.nodes[1]),
    end: |site, _, _| site.lab.join(&site.nodes[0], &site.nodes[1]),
    known: &[REUNION],
};
