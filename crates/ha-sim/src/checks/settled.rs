//! Once nothing goes wrong any more, every group has exactly one owner, and no state waits for ever
//! (`resource-protocol.md` 2.2: the predicate S; 2.6 to 2.8).
//!
//! The bound is what the slowest of all ways takes: a restart after a healed partition, with its pause, its own start, and
//! the wait before a first acquisition, begun at the end of a wait for a word that does not come.

use std::time::Duration;

use ha_cluster::Hold;

use super::excused;
use crate::host::Activity;
use crate::settings::Settings;
use crate::world::World;

/// Within this time everything is settled.
pub(crate) fn bound(settings: &Settings) -> Duration {
    settings.initdead + settings.deadtime * 3 + Duration::from_secs(150)
}

/// So long it must stay so.
pub(crate) fn lasting(settings: &Settings) -> Duration {
    settings.deadtime + Duration::from_secs(3)
}

/// What is not settled yet.
pub(crate) struct Unsettled {
    /// A group has no owner, or several.
    pub(crate) ownership: bool,
    pub(crate) text: String,
    /// The quirk of a legacy node that is to blame.
    pub(crate) quirk: Option<&'static str>,
}

/// What is under way or missing: first what nobody is excused for.
pub(crate) fn look(world: &World) -> Option<Unsettled> {
    let mut found = groups(world);
    for number in 0..world.hosts.len() {
        let unsettled = match world.hosts[number].model() {
            Some(_) => legacy_node(world, number),
            None => node(world, number),
        };
        found.extend(unsettled);
    }
    found.sort_by_key(|unsettled| unsettled.quirk.is_some());
    found.into_iter().next()
}

fn groups(world: &World) -> Vec<Unsettled> {
    let settings = &world.scenario.settings;
    let mut found = Vec::new();
    for (number, group) in settings.groups.iter().enumerate() {
        let holders: Vec<&str> = world
            .hosts
            .iter()
            .filter(|host| host.groups[number].is_active())
            .map(|host| host.name.as_str())
            .collect();
        let runs = |host: &crate::host::Host| {
            let state = host.groups[number];
            // Without announcements nobody answers for it but the scripts themselves.
            state.activity == Activity::Running && !(state.left_behind && settings.nice())
        };
        let failed = |host: &crate::host::Host| host.groups[number].start_failed;
        if holders.is_empty() && world.hosts.iter().any(failed) {
            // It stays stopped until an operator comes (`resource-protocol.md` 1.6).
            continue;
        }
        if holders.len() != 1 || !world.hosts.iter().any(runs) {
            found.push(Unsettled {
                ownership: true,
                text: format!("{} is held by {holders:?}", group.key),
                quirk: excused::ownership(world, number),
            });
        }
    }
    found
}

/// The model of the legacy: what it waits for is not always anybody's fault but its own.
fn legacy_node(world: &World, number: usize) -> Option<Unsettled> {
    let host = &world.hosts[number];
    let model = host.model()?;
    let settled = model.is_comm_up() && model.sees_active(1 - number) && model.is_idle();
    (!settled).then(|| Unsettled {
        ownership: false,
        text: format!("the legacy {} waits: {}", host.name, model.state()),
        quirk: excused::waiting(world),
    })
}

/// One of ours.
fn node(world: &World, number: usize) -> Option<Unsettled> {
    let settings = &world.scenario.settings;
    let host = &world.hosts[number];
    let name = &host.name;
    let waits = |text: String| {
        Some(Unsettled {
            ownership: false,
            text,
            quirk: None,
        })
    };
    let Some(core) = host.core() else {
        return Some(Unsettled {
            ownership: false,
            text: format!("{name} does not run"),
            quirk: excused::down(world, number),
        });
    };
    if !core.is_comm_up() {
        return waits(format!("communication of {name} is not up"));
    }
    for other in &world.hosts {
        let view = core.view_of(&other.name);
        if !view.is_some_and(|view| view.active) {
            return waits(format!("{name} does not see {} active", other.name));
        }
    }
    let resources = core.resources();
    if !resources.stable || core.queues().jobs > 0 || core.queues().notifications > 0 {
        return waits(format!("{name} is not stable: {resources:?}"));
    }
    let nice_pair = settings.nice() && world.hosts.len() == 2;
    if nice_pair && resources.other_held != world.held(1 - number) {
        return waits(format!(
            "{name} believes that the other holds {}, which says {}",
            resources.other_held,
            world.held(1 - number)
        ));
    }
    if nice_pair && resources.held.with(world.held(1 - number).mirror()) != Hold::ALL {
        return Some(Unsettled {
            ownership: false,
            text: format!("{name} and the other do not hold everything"),
            quirk: excused::waiting(world),
        });
    }
    None
}
