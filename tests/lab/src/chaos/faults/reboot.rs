//! A machine is shut down and booted as an operator does it.

use super::{BACK_SO_SOON, Deafens, Kind, REUNION, Target, only_one};

pub(super) const KIND: Kind = Kind {
    name: "reboot",
    weight: 8,
    lasts: (1_000, 10_000),
    target: Target::Life,
    deafens: Deafens::Always,
    variant: only_one,
    begin: |_, host, _| {
        // A daemon that does not want to end does not keep the machine from going down.
        let stopped = host.stop_heartbeat();
        host.power_cut()?;
        stopped
    },
    end: |site, host, _| site.ensure_running(host).map(drop),
    known: &[BACK_SO_SOON, REUNION],
};
