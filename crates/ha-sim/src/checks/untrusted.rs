//! What is not signed with a key of the cluster changes nothing but counters and the log (`wire-protocol.md` 3.5), and so
//! with what a node sent in a former life (5.2, rule 4).

use super::Judge;
use crate::seen::Seen;
use crate::world::World;

pub(super) struct Untrusted;

impl Judge for Untrusted {
    fn rule(&self) -> &'static str {
        "the untrusted change nothing"
    }

    fn see(&mut self, world: &World, seen: &Seen) -> Result<(), String> {
        match seen {
            Seen::Untrusted {
                host,
                what,
                changed: Some(change),
            } => Err(format!(
                "{what} changed something at {}: {change}",
                world.hosts[*host].name
            )),
            _ => Ok(()),
        }
    }
}
