//! The compliance suite: how a pair behaves, seen from outside, for the legacy, for ours, and for one of each.
//!
//! `HA_UNDER_TEST` chooses the pair (`legacy`, `ours`, `ours+legacy`, `legacy+ours`); without it all that are available
//! are tested. Words on the command line choose scenarios by part of their name; `HA_LAB_WORKERS` says how many run at
//! a time. Digests and media rotate over the scenarios, so that each combination occurs with each kind of pair.

mod clients;
mod crowd;
mod endurance;
mod fencing;
mod hand_over;
mod ipfail;
mod lifecycle;
mod logging;
mod media;
mod membership;
mod mishaps;
mod network;
mod our_clients;
mod pair;
mod reload;
mod resource_scripts;
mod runner;
mod scripts;
mod start;

fn main() {
    ha_lab::run_if_helper();
    let mut scenarios = Vec::new();
    for list in [
        start::SCENARIOS,
        hand_over::SCENARIOS,
        network::SCENARIOS,
        mishaps::SCENARIOS,
        fencing::SCENARIOS,
        ipfail::SCENARIOS,
        membership::SCENARIOS,
        scripts::SCENARIOS,
        resource_scripts::SCENARIOS,
        our_clients::SCENARIOS,
        logging::SCENARIOS,
        reload::SCENARIOS,
        clients::SCENARIOS,
        crowd::SCENARIOS,
        media::SCENARIOS,
        lifecycle::SCENARIOS,
        endurance::SCENARIOS,
    ] {
        scenarios.extend_from_slice(list);
    }
    std::process::exit(runner::run(&scenarios));
}
