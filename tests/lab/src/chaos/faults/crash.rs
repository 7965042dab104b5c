//! The power of a machine fails, and comes back.

use super::{BACK_SO_SOON, Deafens, Kind, REUNION, Target, only_one};

pub(super) const KIND: Kind = Kind {
    name: "power cut",
    weight: 12,
    lasts: (1_000, 20_000),
    target: Target::Life,
    deafens: Deafens::Always,
    variant: only_one,
    begin: |_, host, _| host.power_cut(),
    end: |site, host, _| site.ensure_running(host).map(drop),
    known: &[BACK_SO_SOON, REUNION],
};
