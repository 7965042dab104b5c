//! A cable is pulled: the carrier is gone, for the cluster and for clients.

use super::{Deafens, Kind, Known, REUNION, Target, only_one};

pub(super) const KIND: Kind = Kind {
    name: "cable pulled",
    weight: 8,
    lasts: (500, 20_000),
    target: Target::Link,
    deafens: Deafens::Always,
    variant: only_one,
    begin: |site, host, _| site.lab.cut(host, None),
    end: |site, host, _| site.lab.restore(host, None),
    known: &[
        REUNION,
        &[
            Known {
                text: "Unable to send",
                reason: "there is no link to send on",
            },
            Known {
                text: "No working comm channels to write to",
                reason: "there is no link to send on",
            },
            Known {
                text: "write failure on",
                reason: "there is no link to send on",
            },
            Known {
                text: "Error sending packet",
                reason: "there is no link to send on",
            },
        ],
    ],
};
