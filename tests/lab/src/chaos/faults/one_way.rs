//! All that a node sends is lost, or all that is sent to it.

use super::{Deafens, Kind, REUNION, Target, pick};
use crate::Loss;

const WAYS: [(Loss, &str); 2] = [(Loss::Outgoing, "dumb"), (Loss::Incoming, "deaf")];

pub(super) const KIND: Kind = Kind {
    name: "one-way cut",
    weight: 8,
    lasts: (500, 15_000),
    target: Target::Link,
    deafens: Deafens::Always,
    variant: |choice| Some(pick(WAYS, choice).1.to_owned()),
    begin: |site, host, choice| site.lab.lose(host, None, pick(WAYS, choice).0),
    end: |site, host, _| site.lab.restore(host, None),
    known: &[REUNION],
};
