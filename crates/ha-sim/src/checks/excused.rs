//! What cannot be asked of a pair with a legacy node: its quirks and defects, each as narrow as what can be seen of it.
//!
//! An excuse is looked for only when a rule is broken, and only for the group or the node that breaks it. Our node has none:
//! what it does wrong is wrong beside a legacy partner, too.

use crate::host::{Activity, Host};
use crate::world::World;

/// `kill -9` leaves groups behind, and nobody looks for them (`resource-protocol.md` 1.8: the check at the start changes
/// nothing).
const LEFT_BEHIND: &str =
    "a killed legacy daemon left a group behind, and its successor does not know (1.8)";

/// Children of one daemon lock nothing: what one gives away another one starts (2.5; `docs/compatibility.md`).
const UNCLAIMED: &str =
    "two children of the legacy started and stopped one group beside one another (2.5)";

/// `heartbeat -r` ends the children that were about to take or to give, and keeps what it claims (3.9, 4.3).
const CUT_SHORT: &str = "heartbeat -r of the legacy while it was taking or giving: it claims what it does not run (3.9)";

/// `ip-request-resp` is ignored before communication is up, also the own one (2.4).
const DEAF: &str =
    "the legacy took over before communication was up, and did not hear its own children (2.4)";

/// Its answer to `starting` does not say so (2.4.1).
const SHUTS_DOWN: &str =
    "the legacy shuts down, and tells whoever starts then only that it holds nothing (2.4.1)";

/// Whoever asks while it gives something away hears that it is stable (2.4.1; `docs/compatibility.md`).
const BOASTS: &str = "the legacy called itself stable while it still let go of groups (2.4.1)";

/// It asks once, and waits (2.10).
const ASKED_ONCE: &str = "in legacy mode the legacy asks once for a group, and its question or the answer was lost (2.10)";

/// Two writers at once (7.1).
const FIFO: &str = "the legacy lost a message of its own in the FIFO (7.1)";

/// The responder in OTHER, or whoever waits for the last word (2.4.4, 3.7).
const HOUR: &str = "the legacy waits an hour for the end of a standby (3.7)";

/// A message that comes late counts like a new one (`wire-protocol.md` 5.2, rule 9).
const MISLED: &str =
    "the legacy took an older word of ours that came late for the latest (wire-protocol.md 5.2)";

/// A node that comes back does not end the resets that are under way (5).
const RESET: &str =
    "the legacy resets a node that starts more slowly than its dead time, for ever (5)";

/// 2.7
const HANGS: &str = "a shutdown of the legacy waits for a node that has died (2.7)";

fn legacy(world: &World) -> Option<&Host> {
    world.hosts.iter().find(|host| host.model().is_some())
}

/// It runs there, and its daemon does not say so and is not about to stop it.
fn runs_unsaid(world: &World, host: &Host, group: usize) -> Option<&'static str> {
    let model = host.model()?;
    let state = host.groups[group];
    if !state.is_active() {
        return None;
    }
    if state.left_behind {
        return Some(LEFT_BEHIND);
    }
    let claimed = claims(world, host, group);
    (world.scenario.settings.nice() && !claimed && !model.is_releasing()).then_some(UNCLAIMED)
}

fn claims(world: &World, host: &Host, group: usize) -> bool {
    let held = host.model().map(|model| model.held()).unwrap_or_default();
    let home = &world.hosts[world.scenario.settings.groups[group].home].name;
    match *home == host.name {
        true => held.local,
        false => held.foreign,
    }
}

/// Our node takes a group that is active on this one.
pub(crate) fn taking(world: &World, host: usize, group: usize) -> Option<&'static str> {
    let machine = &world.hosts[host];
    let unheard = || {
        let shuts_down = machine.model()?.shuts_down();
        taking_after_crash(world, host).filter(|_| shuts_down)
    };
    let boasts = || machine.model()?.boasts().then_some(BOASTS);
    let raced = || machine.raced[group].then_some(UNCLAIMED);
    runs_unsaid(world, machine, group)
        .or_else(raced)
        .or_else(unheard)
        .or_else(boasts)
}

/// Our node takes a group of a legacy one that crashed.
pub(crate) fn taking_after_crash(world: &World, host: usize) -> Option<&'static str> {
    let since = world.hosts[host].releases_since?;
    let takers = world.hosts.iter().filter(|taker| taker.core().is_some());
    let later = takers
        .flat_map(|taker| taker.comm_up_at)
        .any(|up| up > since);
    later.then_some(SHUTS_DOWN)
}

/// A group has no holder, or two.
pub(crate) fn ownership(world: &World, group: usize) -> Option<&'static str> {
    let host = legacy(world)?;
    if let Some(quirk) = runs_unsaid(world, host, group) {
        return Some(quirk);
    }
    if !world.scenario.settings.nice()
        && host.groups[group].is_active()
        && let Some(unasked) = host.unasked[group]
    {
        return Some(unasked.quirk());
    }
    let runs = host.groups[group].activity == Activity::Running;
    if !runs && (claims(world, host, group) || !world.scenario.settings.nice()) {
        if host.raced[group] {
            return Some(UNCLAIMED);
        }
        if host.asked[group] && !world.scenario.settings.nice() {
            return Some(ASKED_ONCE);
        }
        if host.cut_short {
            return Some(CUT_SHORT);
        }
        if host.lost_in_fifo > 0 {
            return Some(FIFO);
        }
        if host.model().is_some_and(|model| model.was_deaf()) {
            return Some(DEAF);
        }
    }
    if !runs {
        return waiting(world);
    }
    None
}

/// Our node is down: the legacy has just reset it, as it does whenever a node is silent for longer than its dead time.
pub(crate) fn down(world: &World, host: usize) -> Option<&'static str> {
    legacy(world)?;
    let at = world.hosts[host].reset_at?;
    (world.now <= at + world.scenario.settings.boot_time).then_some(RESET)
}

fn down_and_out(world: &World, host: usize) -> Option<&'static str> {
    let machine = &world.hosts[host];
    let gone = machine.daemon.is_none() && world.legacy(host).is_none();
    down(world, host).filter(|_| gone)
}

/// The legacy node waits for something that does not come.
pub(crate) fn waiting(world: &World) -> Option<&'static str> {
    if let Some(quirk) = (0..world.hosts.len()).find_map(|host| down_and_out(world, host)) {
        return Some(quirk);
    }
    let model = legacy(world)?.model()?;
    if model.waits_an_hour() {
        return Some(HOUR);
    }
    let host = legacy(world)?;
    if model.takes_over() && host.lost_in_fifo > 0 {
        return Some(FIFO);
    }
    if model.takes_over() && model.was_deaf() {
        return Some(DEAF);
    }
    if model.hangs() {
        return Some(HANGS);
    }
    if model.is_misled() && world.scenario.settings.nice() {
        return Some(MISLED);
    }
    None
}
