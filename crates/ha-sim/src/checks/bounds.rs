//! Every queue of the core stays below its bound, whatever comes in.

use ha_cluster::QUEUE_BOUNDS;

use super::Judge;
use crate::seen::Seen;
use crate::world::World;

pub(super) struct Bounds;

impl Judge for Bounds {
    fn rule(&self) -> &'static str {
        "queues are bounded"
    }

    fn see(&mut self, world: &World, seen: &Seen) -> Result<(), String> {
        let Seen::Stepped { host } = seen else {
            return Ok(());
        };
        let Some(core) = world.hosts[*host].core() else {
            return Ok(());
        };
        let (queues, bounds) = (core.queues(), QUEUE_BOUNDS);
        // One decision makes one or two jobs; as many at once as this are decisions that repeat themselves.
        let jobs = 64;
        let groups = world.scenario.settings.groups.len() * 2;
        let within = queues.history <= bounds.history
            && queues.missing <= bounds.missing
            && queues.notifications <= bounds.notifications
            && queues.nodes <= bounds.nodes
            && queues.jobs <= jobs
            && queues.failed_groups <= groups;
        match within {
            true => Ok(()),
            false => Err(format!(
                "{}: {queues:?}, at most {bounds:?}, {jobs} jobs and {groups} groups",
                world.hosts[*host].name
            )),
        }
    }
}
