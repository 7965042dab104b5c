//! Once nothing goes wrong any more, every group has exactly one owner, and no state waits for ever
//! (`resource-protocol.md` 2.2: the predicate S; 2.6 to 2.8).
//!
//! The bound is what the slowest of all ways takes: a restart after a healed partition, with its pause, its own start, and
//! the wait before a first acquisition, begun at the end of a wait for a word that does not come.

use std::time::Duration;

use ha_cluster::Hold;

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
}

/// Nothing is under way and nothing is missing.
pub(crate) fn look(world: &World) -> Result<(), Unsettled> {
    let settings = &world.scenario.settings;
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
            return Err(Unsettled {
                ownership: true,
                text: format!("{} is held by {holders:?}", group.key),
            });
        }
    }
    let waits = |text: String| Unsettled {
        ownership: false,
        text,
    };
    for (number, host) in world.hosts.iter().enumerate() {
        let name = &host.name;
        if let Some(model) = host.model() {
            if !model.is_comm_up() || !model.sees_active(1 - number) || !model.is_idle() {
                return Err(waits(format!("the legacy {name} waits: {}", model.state())));
            }
            continue;
        }
        let Some(core) = host.core() else {
            return Err(waits(format!("{name} does not run")));
        };
        if !core.is_comm_up() {
            return Err(waits(format!("communication of {name} is not up")));
        }
        for other in &world.hosts {
            let view = core.view_of(&other.name);
            if !view.is_some_and(|view| view.active) {
                return Err(waits(format!("{name} does not see {} active", other.name)));
            }
        }
        let resources = core.resources();
        if !resources.stable || core.queues().jobs > 0 || core.queues().notifications > 0 {
            return Err(waits(format!("{name} is not stable: {resources:?}")));
        }
        let nice_pair = settings.nice() && world.hosts.len() == 2;
        if nice_pair && resources.other_held != world.held(1 - number) {
            return Err(waits(format!(
                "{name} believes that the other holds {}, which says {}",
                resources.other_held,
                world.held(1 - number)
            )));
        }
        if nice_pair && resources.held.with(world.held(1 - number).mirror()) != Hold::ALL {
            return Err(waits(format!(
                "{name} and the other do not hold everything"
            )));
        }
    }
    Ok(())
}
