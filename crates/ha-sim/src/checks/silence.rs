//! A node is declared dead when it was silent for its dead time on all media, and only then (`wire-protocol.md` 6.6;
//! before communication is up, for `initdead`).
//!
//! Only statuses are signs of life, and only new ones: copies that somebody sends again are none. A judge that was not
//! scheduled itself has not listened, and may take its time.

use std::time::Duration;

use super::Pairs;
use crate::plan::Scenario;
use crate::seen::Seen;
use crate::world::World;

pub(super) const RULE: &str = "dead after silence";

/// How much later than due a death may be told by a node that was not disturbed: it looks when a timer is due.
const LATE: Duration = Duration::from_millis(10);

/// What one node can know of another by what it was handed.
#[derive(Clone, Default)]
struct Heard {
    /// Generation and number of the newest numbered packet.
    newest: (u64, u64),
    /// When a new status came.
    last: Duration,
    /// When something came that may be taken for a sign of life: a status that was overtaken, a first packet of a new life.
    last_of_any: Duration,
    /// How long it may be silent after `last_of_any`, at most.
    patience: Duration,
    was_dead: bool,
    /// When it was last declared dead.
    death: Option<Duration>,
}

pub(crate) struct Silence {
    heard: Pairs<Heard>,
    comm_up: Vec<bool>,
    /// When communication came up.
    comm_up_at: Vec<Duration>,
    deaths: Pairs<Option<Duration>>,
    /// How often each legacy node has declared another one dead.
    burials: Pairs<u32>,
}

impl Silence {
    pub(crate) fn new(scenario: &Scenario) -> Silence {
        Silence {
            heard: Pairs::new(scenario.nodes, Heard::default()),
            comm_up: vec![false; scenario.nodes],
            comm_up_at: vec![Duration::ZERO; scenario.nodes],
            deaths: Pairs::new(scenario.nodes, None),
            burials: Pairs::new(scenario.nodes, 0),
        }
    }

    /// When each node was last declared dead by each other one.
    pub(crate) fn deaths(&self) -> &Pairs<Option<Duration>> {
        &self.deaths
    }

    pub(crate) fn see(&mut self, world: &World, seen: &Seen) -> Result<(), String> {
        match seen {
            Seen::Started { host } => {
                self.comm_up[*host] = false;
                let patience = world.scenario.settings.deadtime;
                for other in 0..world.hosts.len() {
                    let heard = self.heard.get_mut(*host, other);
                    *heard = Heard {
                        last: world.now,
                        last_of_any: world.now,
                        patience,
                        ..Heard::default()
                    };
                }
            }
            // What waits to be read is no silence either.
            Seen::Delivered { to, packet } | Seen::Arrived { to, packet } if packet.from != *to => {
                let heard = self.heard.get_mut(*to, packet.from);
                let number = (packet.generation, packet.seq.unwrap_or(0));
                if packet.generation > heard.newest.0 {
                    heard.last_of_any = world.now;
                    heard.newest = (packet.generation, 0);
                }
                if packet.generation < heard.newest.0 || packet.seq.is_none() {
                    return Ok(());
                }
                let newer = number > heard.newest;
                heard.newest = heard.newest.max(number);
                match packet.status {
                    Some(patience) if newer => {
                        heard.last = world.now;
                        heard.last_of_any = world.now;
                        heard.patience = patience;
                    }
                    // It was overtaken: it counts if it was missed, and not if nothing was missed yet.
                    Some(patience) => {
                        heard.last_of_any = world.now;
                        heard.patience = heard.patience.max(patience);
                    }
                    None => {}
                }
            }
            // A death and the takeover that follows from it are one step of the core.
            Seen::Stepped { host } | Seen::Taken { host, .. } => self.judge(world, *host)?,
            _ => {}
        }
        Ok(())
    }

    /// What a legacy node decides is not judged, but counts for what others may do.
    fn note_burials(&mut self, world: &World, host: usize) {
        for other in 0..world.hosts.len() {
            let Some(model) = world.hosts[host].model() else {
                return;
            };
            let known = self.burials.get_mut(host, other);
            let before = std::mem::replace(known, model.burials(other));
            if *known > before {
                *self.deaths.get_mut(host, other) = Some(world.now);
            }
        }
    }

    fn judge(&mut self, world: &World, host: usize) -> Result<(), String> {
        self.note_burials(world, host);
        let Some(core) = world.hosts[host].core() else {
            return Ok(());
        };
        let settings = &world.scenario.settings;
        let was_up = std::mem::replace(&mut self.comm_up[host], core.is_comm_up());
        if core.is_comm_up() && !was_up {
            self.comm_up_at[host] = world.now;
        }
        let comm_up_at = self.comm_up_at[host];
        let judged_by = |heard: &Heard| match was_up {
            true => heard.patience,
            false => settings.initdead,
        };
        for (other, machine) in world.hosts.iter().enumerate() {
            if other == host {
                continue;
            }
            let Some(view) = core.view_of(&machine.name) else {
                continue;
            };
            let heard = self.heard.get_mut(host, other);
            let was_dead = std::mem::replace(&mut heard.was_dead, view.dead);
            if view.dead && !was_dead {
                heard.death = Some(world.now);
                *self.deaths.get_mut(host, other) = Some(world.now);
                let silent = world.now.saturating_sub(heard.last);
                let least = match was_up {
                    true => settings.deadtime,
                    false => settings.initdead,
                };
                if silent < least {
                    return Err(format!(
                        "{} declares {} dead after {} ms of silence, but its dead time is {} ms",
                        world.hosts[host].name,
                        machine.name,
                        silent.as_millis(),
                        least.as_millis()
                    ));
                }
            }
            if !view.dead {
                let machine_of_judge = &world.hosts[host];
                // Of more than two nodes one that another one hears is not dead.
                let heard_of = (0..world.hosts.len())
                    .filter(|&by| by == host || world.hosts.len() > 2)
                    .map(|by| self.heard.get(by, other).last_of_any);
                let last = heard_of.max().unwrap_or_default();
                let heard = self.heard.get(host, other);
                let listened_from = last.max(machine_of_judge.stalled_before);
                // When communication comes up the shorter time counts, for a silence that began before, too.
                // Who is not dead yet for another one may be heard there.
                let elsewhere = match world.hosts.len() {
                    2 => Duration::ZERO,
                    _ => judged_by(heard),
                };
                let due = (listened_from + judged_by(heard) + elsewhere).max(comm_up_at) + LATE;
                if world.now > due + settings.keepalive * 2 {
                    return Err(format!(
                        "{} has not declared {} dead after {} ms of silence, though its dead time is {} ms",
                        machine_of_judge.name,
                        machine.name,
                        world.now.saturating_sub(heard.last_of_any).as_millis(),
                        judged_by(heard).as_millis()
                    ));
                }
            }
        }
        Ok(())
    }
}
