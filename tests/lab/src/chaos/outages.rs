//! What a client saw of the two addresses, matched with what was done at that time.

use std::time::{Duration, Instant};

use super::site::{GROUPS, Site};
use crate::{Probe, Result, millis};

/// How often the client asks each address.
const INTERVAL: Duration = millis(20);

/// A shorter time without an answer is no outage: the client's machine may be busy.
pub(crate) const OUTAGE_MIN: Duration = millis(200);

/// A client of both addresses.
pub(crate) struct Client {
    probes: Vec<(Probe, Duration)>,
}

/// A time in which an address did not answer. Times are from the beginning of the run.
#[derive(Clone, Debug)]
pub(crate) struct Outage {
    /// The number of the group.
    pub(crate) group: usize,
    pub(crate) begin: Duration,
    pub(crate) length: Duration,
}

impl Client {
    pub(crate) fn start(site: &Site, begun: Instant) -> Result<Client> {
        let probes = GROUPS.iter().map(|group| {
            let started = begun.elapsed();
            let probe = site.client.probe(group.address, INTERVAL)?;
            Ok((probe, started))
        });
        Ok(Client {
            probes: probes.collect::<Result<_>>()?,
        })
    }

    /// Ends it: how many answers came, and when none came.
    pub(crate) fn finish(self) -> (usize, Vec<Outage>) {
        let mut answers = 0;
        let mut outages = Vec::new();
        for (group, (probe, started)) in self.probes.into_iter().enumerate() {
            let report = probe.finish(OUTAGE_MIN);
            answers += report.answers;
            outages.extend(report.gaps.iter().map(|gap| Outage {
                group,
                begin: started + gap.begin,
                length: gap.length,
            }));
        }
        outages.sort_by_key(|outage| outage.begin);
        (answers, outages)
    }
}
