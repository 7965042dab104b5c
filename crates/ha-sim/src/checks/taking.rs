//! When a group may be taken (`resource-protocol.md` 2.4.4 to 2.4.7, 2.9; `stonith.md` 9).
//!
//! A start may begin while the group is active on another machine only if that one was declared dead, which is right or
//! wrong but all that a node can know; with fencing not even then. So in every agreed hand-over the release has ended
//! before the acquisition begins. And of a node that crashed while it held a group nobody may take it before it was
//! declared dead, or has come back and said that it holds nothing.

use std::time::Duration;

use ha_cluster::Hold;

use super::{Pairs, excused};
use crate::packet::Packet;
use crate::plan::Scenario;
use crate::seen::Seen;
use crate::world::World;

pub(super) const RULE: &str = "taken only when free";

/// What was decided when a node was held dead may be carried out so much later than it was heard again: jobs wait for
/// jobs.
const DECISION_HOLDS: Duration = Duration::from_secs(120);

/// Who took a group last, and has not released it.
#[derive(Clone, Copy)]
struct Holder {
    host: usize,
    generation: u64,
    since: Duration,
    /// When it crashed or was killed.
    lost: Option<Duration>,
}

pub(crate) struct Taking {
    holders: Vec<Option<Holder>>,
    /// The highest generation of each node that each other one was handed a packet of.
    heard: Pairs<u64>,
    /// By node: when the job was asked for whose taking was found right last.
    accepted: Vec<Option<Duration>>,
    /// By group and node: when it took it last.
    taken: Vec<Vec<Duration>>,
    /// When the newest word about resources was sent that each node was handed of each other one.
    told: Pairs<Duration>,
    /// When each node was declared dead by each other one, and what it held then in its own eyes.
    claims: Pairs<(Option<Duration>, Hold)>,
}

impl Taking {
    pub(crate) fn new(scenario: &Scenario) -> Taking {
        Taking {
            holders: vec![None; scenario.settings.groups.len()],
            heard: Pairs::new(scenario.nodes, 0),
            accepted: vec![None; scenario.nodes],
            taken: vec![vec![Duration::ZERO; scenario.nodes]; scenario.settings.groups.len()],
            told: Pairs::new(scenario.nodes, Duration::ZERO),
            claims: Pairs::new(scenario.nodes, (None, Hold::NONE)),
        }
    }

    pub(crate) fn see(
        &mut self,
        world: &World,
        seen: &Seen,
        deaths: &Pairs<Option<Duration>>,
    ) -> Result<(), String> {
        match seen {
            Seen::Delivered { to, packet, .. } => {
                let heard = self.heard.get_mut(*to, packet.from);
                *heard = packet.generation.max(*heard);
                self.is_told(*to, packet);
            }
            // Whoever did not run for long has to think of what may be waiting to be read.
            Seen::Arrived { to, packet } if world.hosts[*to].is_long_stalled(&world.scenario) => {
                self.is_told(*to, packet);
            }
            Seen::Crashed { host } | Seen::Killed { host } => {
                let mine = |holder: &&mut Holder| holder.host == *host;
                for holder in self.holders.iter_mut().flatten().filter(mine) {
                    holder.lost.get_or_insert(world.now);
                }
            }
            Seen::Released { host, group } => {
                let holder = &mut self.holders[*group];
                if holder.is_some_and(|holder| holder.host == *host) {
                    *holder = None;
                }
            }
            Seen::Stepped { host } => {
                for other in 0..world.hosts.len() {
                    let death = *deaths.get(*host, other);
                    let claim = self.claims.get_mut(*host, other);
                    if claim.0 != death {
                        *claim = (death, world.held(other));
                    }
                }
            }
            Seen::Taken { host, group, asked } => {
                self.judge(world, *host, *group, *asked, deaths)?;
                self.taken[*group][*host] = world.now;
                self.accepted[*host] = Some(*asked);
                let Some(daemon) = &world.hosts[*host].daemon else {
                    return Ok(());
                };
                self.holders[*group] = Some(Holder {
                    host: *host,
                    generation: daemon.generation,
                    since: world.now,
                    lost: None,
                });
            }
            _ => {}
        }
        Ok(())
    }

    /// The other one took the group because it held us dead, and we go on with what we had begun before.
    fn goes_on(
        &self,
        world: &World,
        host: usize,
        group: usize,
        other: usize,
        asked: Duration,
    ) -> bool {
        let settings = &world.scenario.settings;
        let (buried, claimed) = *self.claims.get(other, host);
        let is_home = settings.groups[group].home == host;
        let ours = match settings.nice() {
            true if is_home => claimed.local,
            true => claimed.foreign,
            false => is_home,
        };
        buried.is_some_and(|at| asked < at || (ours && world.now <= at + DECISION_HOLDS))
    }

    fn is_told(&mut self, to: usize, packet: &Packet) {
        if packet.resources {
            let told = self.told.get_mut(to, packet.from);
            *told = packet.sent.max(*told);
        }
    }

    fn judge(
        &self,
        world: &World,
        host: usize,
        group: usize,
        asked: Duration,
        deaths: &Pairs<Option<Duration>>,
    ) -> Result<(), String> {
        let settings = &world.scenario.settings;
        let taker = &world.hosts[host];
        let Some(core) = taker.core() else {
            return Ok(());
        };
        let key = &settings.groups[group].key;
        if self.accepted[host] == Some(asked) {
            // The rest of a job of which one group was rightly taken.
            return Ok(());
        }
        let fenced = !settings.devices.is_empty() && settings.nice();
        for (other, machine) in world.hosts.iter().enumerate() {
            let state = machine.groups[group];
            if other == host || !state.is_active() || state.left_behind {
                continue;
            }
            if excused::taking(world, other, group).is_some() {
                continue;
            }
            let dead = core.view_of(&machine.name).is_some_and(|view| view.dead);
            let death = *deaths.get(host, other);
            let decided = death.is_some_and(|at| world.now <= at + DECISION_HOLDS);
            if fenced {
                return Err(format!(
                    "{} takes {key}, which is {:?} on {}, though {} can be reset",
                    taker.name, state.activity, machine.name, machine.name
                ));
            }
            let begun = self.goes_on(world, host, group, other, asked);
            // And no word about resources that it said since has reached us.
            let (buried, _) = *self.claims.get(other, host);
            let taken = self.taken[group][other];
            let told = *self.told.get(host, other);
            let parted = buried.is_some_and(|at| at <= taken && told < at);
            if !dead && !decided && !begun && !parted {
                return Err(format!(
                    "{} takes {key}, which is {:?} on {}, and does not hold that node dead",
                    taker.name, state.activity, machine.name
                ));
            }
        }
        if let Some(holder) = self.holders[group]
            && let Some(lost) = holder.lost
            && holder.host != host
        {
            let view = core.view_of(&world.hosts[holder.host].name);
            let told_dead = view.is_some_and(|view| view.dead)
                || deaths
                    .get(host, holder.host)
                    .is_some_and(|at| at >= holder.since);
            let came_back = *self.heard.get(host, holder.host) > holder.generation;
            // Both held each other dead, and each does what it decided then.
            let recent = |by: usize, of: usize| {
                let death = *deaths.get(by, of);
                death.is_some_and(|at| world.now <= at + DECISION_HOLDS)
            };
            let mutual = recent(host, holder.host) && recent(holder.host, host);
            // Or it took it while what was decided before that was still being carried out here.
            let death = *deaths.get(host, holder.host);
            let earlier = death.is_some_and(|at| at <= asked && asked <= holder.since);
            let begun = mutual || earlier || self.goes_on(world, host, group, holder.host, asked);
            let excused = excused::taking_after_crash(world, holder.host).is_some();
            if !told_dead && !came_back && !begun && !excused {
                return Err(format!(
                    "{} takes {key} of {}, which crashed {} ms ago, without having declared it dead",
                    taker.name,
                    world.hosts[holder.host].name,
                    (world.now - lost).as_millis()
                ));
            }
        }
        Ok(())
    }
}
