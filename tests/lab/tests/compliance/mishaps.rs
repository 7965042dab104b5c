//! Machines that die at the worst moment.

use std::time::Duration;

use ha_lab::{Misbehaviour, Result, TestRsc, seconds, wait_until};

use crate::pair::Pair;
use crate::runner::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "giver_dies_while_it_releases",
        modes: &["on", "off"],
        run: giver_dies,
    },
    Scenario {
        name: "taker_dies_while_it_acquires",
        modes: &["on", "off"],
        run: taker_dies,
    },
    Scenario {
        name: "node_dies_while_the_other_shuts_down",
        modes: &["on"],
        run: peer_dies_during_shutdown,
    },
];

fn busy(pair: &Pair, node: usize, instance: &str, action: &str) -> bool {
    let host = pair.nodes()[node];
    TestRsc::calls(host)
        .iter()
        .rev()
        .find(|call| call.instance == instance && call.action == action)
        .is_some_and(|call| call.code.is_none())
}

/// The survivor has everything; the other returns, and there is one holder of each group.
fn survive_and_return(pair: &Pair, dead: usize) -> Result<()> {
    let dead = pair.nodes()[dead];
    let survivor = pair.other(dead).name().to_owned();
    pair.until_at(
        "the survivor has everything",
        seconds(30),
        &survivor,
        &survivor,
    )?;
    pair.lab
        .wait_until("the log is quiet", seconds(1), || true)?;
    for host in pair.nodes().into_iter().filter(|host| host.is_up()) {
        TestRsc::behave(host, "a")?;
    }
    pair.boot(dead)?;
    TestRsc::behave(dead, "a")?;
    pair.check_views()?;
    wait_until("one holder of each group", seconds(60), || {
        pair.one_holder_each()
    })?;
    wait_until("it lasts", seconds(60), || {
        pair.stays("one holder each", seconds(5), || pair.one_holder_each())
            .is_ok()
    })?;
    pair.check_logs(&["Return code", "Ignored standby message"])
}

fn giver_dies(pair: &Pair) -> Result<()> {
    pair.settle()?;
    TestRsc::misbehave(&pair.alpha, "a", Misbehaviour::SlowStop(seconds(20)))?;
    pair.alpha.tool("hb_standby", &["all"])?;
    wait_until("alpha is stopping", seconds(20), || {
        busy(pair, 0, "a", "stop")
    })?;
    pair.alpha.power_cut()?;
    survive_and_return(pair, 0)
}

fn taker_dies(pair: &Pair) -> Result<()> {
    pair.settle()?;
    TestRsc::misbehave(&pair.beta, "a", Misbehaviour::SlowStart(seconds(20)))?;
    pair.alpha.tool("hb_standby", &["all"])?;
    wait_until("beta is starting", seconds(20), || {
        busy(pair, 1, "a", "start")
    })?;
    pair.beta.power_cut()?;
    survive_and_return(pair, 1)
}

/// The legacy waits for an hour when its peer dies in a standby while a shutdown is wanted (2.7); ours ends.
fn peer_dies_during_shutdown(pair: &Pair) -> Result<()> {
    pair.settle()?;
    TestRsc::misbehave(&pair.beta, "a", Misbehaviour::SlowStart(seconds(60)))?;
    pair.alpha.tool("hb_standby", &["all"])?;
    wait_until("beta is starting", seconds(20), || {
        busy(pair, 1, "a", "start")
    })?;
    let daemon = pair.alpha.daemon()?;
    pair.alpha.sh(&format!("{daemon} -k >/dev/null 2>&1 &"))?;
    wait_until("the shutdown waits", seconds(10), || {
        pair.alpha
            .log()
            .contains("Shutdown delayed until current resource activity finishes.")
    })?;
    pair.beta.power_cut()?;
    let ended = || pair.alpha.heartbeat_pids().is_empty();
    if pair.alpha.is_ours() {
        wait_until("the shutdown goes on", seconds(30), ended)?;
    } else {
        wait_until("the death is noticed", seconds(10), || {
            pair.alpha.log().contains("node beta: is dead")
        })?;
        pair.stays("the legacy hangs", Duration::from_secs(8), || !ended())?;
    }
    pair.check_logs(&["No one owns"])
}
