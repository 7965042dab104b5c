//! Two nodes do not hold one group for longer than it takes to notice (`resource-protocol.md` 2.8, 3.8; what is done
//! about it is in `docs/compatibility.md`).
//!
//! A partition, or a daemon that was killed, can leave a group active on two machines. As soon as nothing is in the way
//! of their hearing each other, that ends within a bound.

use std::time::Duration;

use super::{Judge, excused, settled};
use crate::plan::Scenario;
use crate::seen::Seen;
use crate::world::World;

pub(super) struct Overlap {
    since: Vec<Option<Duration>>,
    bound: Duration,
}

impl Overlap {
    pub(super) fn new(scenario: &Scenario) -> Overlap {
        Overlap {
            since: vec![None; scenario.settings.groups.len()],
            bound: settled::bound(&scenario.settings),
        }
    }
}

impl Judge for Overlap {
    fn rule(&self) -> &'static str {
        "one holder"
    }

    fn see(&mut self, world: &World, seen: &Seen) -> Result<(), String> {
        match seen {
            Seen::Taken { group, .. } | Seen::Released { group, .. } => {
                let active = world
                    .hosts
                    .iter()
                    .filter(|host| host.groups[*group].is_active())
                    .count();
                self.since[*group] = match active {
                    0 | 1 => None,
                    _ => Some(self.since[*group].unwrap_or(world.now)),
                };
                Ok(())
            }
            Seen::Crashed { .. } => {
                for (group, since) in self.since.iter_mut().enumerate() {
                    let holders = |host: &&crate::host::Host| host.groups[group].is_active();
                    if world.hosts.iter().filter(holders).count() < 2 {
                        *since = None;
                    }
                }
                Ok(())
            }
            Seen::Started { .. } => {
                // A node that has just begun has its own time to settle.
                for since in self.since.iter_mut().flatten() {
                    *since = world.now;
                }
                Ok(())
            }
            Seen::Stepped { .. } => {
                for (group, since) in self.since.iter().enumerate() {
                    let Some(since) = since else { continue };
                    let lasted = world.now.saturating_sub((*since).max(world.calm_since));
                    if lasted > self.bound && excused::ownership(world, group).is_none() {
                        return Err(format!(
                            "{} has been active on two nodes for {} ms although nothing was in the way of their noticing",
                            world.scenario.settings.groups[group].key,
                            lasted.as_millis()
                        ));
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
