//! The daemon's processes are stopped (SIGSTOP) and go on later, as if nothing had been.

use super::{CLIENTS_GAVE_UP, Deafens, Kind, REUNION, Target, only_one};
use crate::chaos::site;

pub(super) const KIND: Kind = Kind {
    name: "SIGSTOP",
    weight: 10,
    lasts: (500, 15_000),
    target: Target::Life,
    deafens: Deafens::Always,
    variant: only_one,
    begin: |_, host, _| site::signal(host, "STOP"),
    end: |_, host, _| site::signal(host, "CONT"),
    known: &[REUNION, CLIENTS_GAVE_UP],
};
