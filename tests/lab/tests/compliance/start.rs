//! Starting, dying, coming back.

use ha_lab::{LabError, Result, millis, seconds, wait_until};

use crate::pair::{Pair, view};
use crate::runner::Scenario;

const ALL: &[&str] = &["on", "off", "legacy"];

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "cold_start_together",
        modes: ALL,
        run: together,
    },
    Scenario {
        name: "cold_start_apart",
        modes: ALL,
        run: apart,
    },
    Scenario {
        name: "crash_and_return_of_alpha",
        modes: ALL,
        run: |pair| crash_and_return(pair, 0),
    },
    Scenario {
        name: "crash_and_return_of_beta",
        modes: &["on"],
        run: |pair| crash_and_return(pair, 1),
    },
    Scenario {
        name: "restart_within_deadtime",
        modes: &["on", "legacy"],
        run: fast_restart,
    },
    Scenario {
        name: "killed_daemon_restarted",
        modes: &["on"],
        run: killed_and_restarted,
    },
    Scenario {
        name: "duplicate_start",
        modes: &["on"],
        run: duplicate_start,
    },
];

fn together(pair: &Pair) -> Result<()> {
    pair.settle()?;
    pair.check("alpha", "beta", &[])
}

fn apart(pair: &Pair) -> Result<()> {
    pair.alpha.start_heartbeat()?;
    pair.until_at("alone after initdead", seconds(30), "alpha", "alpha")?;
    // Its own wait before the first acquisition has to be over, or it answers that it is in flux.
    if pair.nice() {
        wait_until("alpha is stable", seconds(30), || {
            pair.alpha
                .log()
                .contains("local resource transition completed.")
        })?;
    }
    pair.beta.start_heartbeat()?;
    let owner = if pair.variant.failback == "off" {
        "alpha"
    } else {
        "beta"
    };
    pair.until_at("the second node has joined", seconds(45), "alpha", owner)?;
    pair.until_quiet()?;
    pair.check("alpha", owner, &[])
}

fn crash_and_return(pair: &Pair, victim: usize) -> Result<()> {
    pair.settle()?;
    let victim = pair.nodes()[victim];
    let survivor = pair.other(victim);
    let probe = pair.client.probe(crate::pair::VIP_A, millis(20))?;
    victim.power_cut()?;
    pair.until_at("takeover", seconds(20), survivor.name(), survivor.name())?;
    wait_until("the client is served", seconds(10), || {
        probe.latest_server().as_deref() == Some(survivor.name())
    })?;
    if view(&survivor.log(), victim.name()) != "dead" {
        return Err(LabError::unexpected(format!(
            "{} was not declared dead",
            victim.name()
        )));
    }
    pair.boot(victim)?;
    let (home_a, home_b) = ("alpha", "beta");
    let (a, b) = if pair.variant.failback == "off" {
        (survivor.name(), survivor.name())
    } else {
        (home_a, home_b)
    };
    pair.check_views()?;
    pair.until_at("return", seconds(45), a, b)?;
    pair.stays("the groups stay", seconds(3), || pair.is_at(a, b))?;
    pair.check(a, b, &[])
}

/// A new generation inside the dead time is a restart, not a death.
fn fast_restart(pair: &Pair) -> Result<()> {
    pair.settle()?;
    pair.alpha.kill_heartbeat()?;
    pair.alpha.start_heartbeat()?;
    wait_until("the restart is noticed", seconds(20), || {
        pair.beta.log().contains("Heartbeat restart on node alpha")
    })?;
    pair.check_views()?;
    pair.until_at("after the restart", seconds(30), "alpha", "beta")?;
    pair.stays("the groups stay", seconds(4), || {
        pair.is_at("alpha", "beta")
    })?;
    if pair.beta.log().contains("node alpha: is dead") {
        return Err(LabError::unexpected(
            "a restart was taken for a death".to_owned(),
        ));
    }
    pair.check("alpha", "beta", &[])
}

/// What a killed daemon leaves running is nobody's to stop until it is started again; then there is one holder.
fn killed_and_restarted(pair: &Pair) -> Result<()> {
    pair.settle()?;
    pair.alpha.kill_heartbeat()?;
    wait_until("beta took over", seconds(20), || {
        pair.runs_on("a").contains(&"beta")
    })?;
    pair.alpha.start_heartbeat()?;
    pair.check_views()?;
    pair.until_at("one holder again", seconds(45), "alpha", "beta")?;
    pair.until_quiet()?;
    pair.check("alpha", "beta", &[])
}

fn duplicate_start(pair: &Pair) -> Result<()> {
    pair.settle()?;
    let pids = pair.alpha.heartbeat_pids();
    let output = pair.alpha.run(&[pair.alpha.daemon()?])?;
    if output.code() != 0 || !(output.stderr.clone() + &output.stdout).contains("already running") {
        return Err(LabError::unexpected(format!(
            "a second start said {output:?}"
        )));
    }
    pair.stays("nothing changes", seconds(5), || {
        pair.is_at("alpha", "beta") && pair.alpha.heartbeat_pids() == pids
    })?;
    pair.check("alpha", "beta", &[])
}
