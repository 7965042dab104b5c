//! The daemon is killed; what it holds stays as it is until it is started again.

use super::{BACK_SO_SOON, Deafens, Kind, Known, Target, only_one};

pub(super) const KIND: Kind = Kind {
    name: "kill -9 of the daemon",
    weight: 8,
    lasts: (300, 10_000),
    target: Target::Life,
    deafens: Deafens::Always,
    variant: only_one,
    begin: |_, host, _| host.kill_heartbeat(),
    end: |site, host, _| site.ensure_running(host).map(drop),
    known: &[
        BACK_SO_SOON,
        &[
            Known {
                text: "Both machines own our resources!",
                reason: "the killed one left them behind while the other took over",
            },
            Known {
                text: "Both machines own foreign resources!",
                reason: "the killed one left them behind while the other took over",
            },
        ],
    ],
};
