//! A restarted node is never taken for its former self (`wire-protocol.md` 5.2, 6.7, 6.8): its generation is known once it
//! was heard, never goes back, and a new life is no healed partition.

use super::{Judge, Pairs};
use crate::plan::Scenario;
use crate::seen::Seen;
use crate::world::World;

pub(super) struct Lives {
    /// The generation that each node must know of each other one.
    known: Pairs<u64>,
    /// The generation of the node that was declared dead.
    buried: Pairs<Option<u64>>,
}

impl Lives {
    pub(super) fn new(scenario: &Scenario) -> Lives {
        Lives {
            known: Pairs::new(scenario.nodes, 0),
            buried: Pairs::new(scenario.nodes, None),
        }
    }
}

impl Judge for Lives {
    fn rule(&self) -> &'static str {
        "no life is taken for another"
    }

    fn see(&mut self, world: &World, seen: &Seen) -> Result<(), String> {
        match seen {
            Seen::Started { host } => {
                for other in 0..world.hosts.len() {
                    *self.known.get_mut(*host, other) = 0;
                    *self.buried.get_mut(*host, other) = None;
                }
            }
            Seen::Delivered { to, packet, .. } if packet.from != *to && packet.seq.is_some() => {
                let known = self.known.get_mut(*to, packet.from);
                *known = packet.generation.max(*known);
                let name = &world.hosts[packet.from].name;
                let view = world.hosts[*to].core().and_then(|core| core.view_of(name));
                if let Some(view) = view.filter(|view| view.generation < *known) {
                    return Err(format!(
                        "{} knows {name} as generation {}, but was told by generation {known}",
                        world.hosts[*to].name, view.generation
                    ));
                }
            }
            Seen::Healed { host, name } => {
                let of = world.hosts.iter().position(|other| other.name == *name);
                let buried = of.and_then(|of| *self.buried.get(*host, of));
                let now = world.hosts[*host]
                    .core()
                    .and_then(|core| core.view_of(name))
                    .map(|view| view.generation);
                if let (Some(buried), Some(now)) = (buried, now)
                    && buried != now
                {
                    return Err(format!(
                        "{} takes generation {now} of {name} for generation {buried}, which it had declared dead",
                        world.hosts[*host].name
                    ));
                }
            }
            Seen::Stepped { host } => {
                let Some(core) = world.hosts[*host].core() else {
                    return Ok(());
                };
                for (other, machine) in world.hosts.iter().enumerate() {
                    if other == *host {
                        continue;
                    }
                    let Some(view) = core.view_of(&machine.name) else {
                        continue;
                    };
                    let buried = self.buried.get_mut(*host, other);
                    *buried = match (view.dead, *buried) {
                        (true, None) => Some(view.generation),
                        (true, buried) => buried,
                        (false, _) => None,
                    };
                }
            }
            _ => {}
        }
        Ok(())
    }
}
