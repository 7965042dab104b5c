//! The disk of the logs is full, or that of the daemon's state, or both.

use super::{Deafens, Kind, Known, Target, pick};
use crate::Disk;

const CHOICES: [(&[Disk], &str); 3] = [
    (&[Disk::Log], "logs"),
    (&[Disk::State], "state"),
    (&[Disk::Log, Disk::State], "logs and state"),
];

pub(super) const KIND: Kind = Kind {
    name: "full disk",
    weight: 7,
    lasts: (3_000, 20_000),
    target: Target::Disk,
    deafens: Deafens::Never,
    variant: |choice| Some(pick(CHOICES, choice).1.to_owned()),
    begin: |_, host, choice| {
        let disks = pick(CHOICES, choice).0;
        disks.iter().try_for_each(|disk| host.fill_disk(*disk))
    },
    end: |_, host, choice| {
        let disks = pick(CHOICES, choice).0;
        disks.iter().try_for_each(|disk| host.free_disk(*disk))
    },
    known: &[&[
        Known {
            text: "No space left on device",
            reason: "there is none",
        },
        Known {
            text: "messages were dropped",
            reason: "they found no room",
        },
    ]],
};
