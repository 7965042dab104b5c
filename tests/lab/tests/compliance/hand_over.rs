//! Planned hand-over: stop, standby, takeover.

use ha_lab::{LabError, Result, millis, seconds, wait_until};

use crate::pair::Pair;
use crate::runner::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "stop_and_return_of_alpha",
        modes: &["on", "off", "legacy"],
        run: |pair| stop_and_return(pair, 0),
    },
    Scenario {
        name: "stop_and_return_of_beta",
        modes: &["on"],
        run: |pair| stop_and_return(pair, 1),
    },
    Scenario {
        name: "stop_both_at_once",
        modes: &["on", "legacy"],
        run: stop_both,
    },
    Scenario {
        name: "standby_of_each_kind",
        modes: &["on", "off"],
        run: standby_kinds,
    },
    Scenario {
        name: "takeover_of_each_kind",
        modes: &["on", "off"],
        run: takeover_kinds,
    },
    Scenario {
        name: "standby_that_is_answered_too_late",
        modes: &["on", "off"],
        run: standby_too_late,
    },
    Scenario {
        name: "standby_is_refused_in_legacy_mode",
        modes: &["legacy"],
        run: standby_in_legacy_mode,
    },
];

fn stop_and_return(pair: &Pair, leaver: usize) -> Result<()> {
    pair.settle()?;
    let leaver = pair.nodes()[leaver];
    let stayer = pair.other(leaver);
    leaver.stop_heartbeat()?;
    pair.until_at(
        "the other took over",
        seconds(15),
        stayer.name(),
        stayer.name(),
    )?;
    let notice = format!("Received shutdown notice from '{}'.", leaver.name());
    if !stayer.log().contains(&notice) {
        return Err(LabError::unexpected(format!(
            "{} did not log: {notice}",
            stayer.name()
        )));
    }
    let dead = format!("node {}: is dead", leaver.name());
    wait_until(&dead, seconds(10), || stayer.log().contains(&dead))?;
    leaver.start_heartbeat()?;
    let (a, b) = if pair.variant.failback == "off" {
        (stayer.name(), stayer.name())
    } else {
        ("alpha", "beta")
    };
    pair.check_views()?;
    pair.until_at("return", seconds(45), a, b)?;
    pair.stays("the groups stay", seconds(3), || pair.is_at(a, b))?;
    pair.check(a, b, &[])
}

fn stop_both(pair: &Pair) -> Result<()> {
    pair.settle()?;
    std::thread::scope(|scope| {
        let stops = pair
            .nodes()
            .map(|host| scope.spawn(move || host.stop_heartbeat()));
        stops
            .into_iter()
            .try_for_each(|stop| stop.join().unwrap_or(Ok(())))
    })?;
    for host in pair.nodes() {
        if !host.heartbeat_pids().is_empty() {
            return Err(LabError::unexpected(format!("{} still runs", host.name())));
        }
    }
    if !pair.runs_on("a").is_empty() || !pair.runs_on("b").is_empty() {
        return Err(LabError::unexpected(
            "something was left running".to_owned(),
        ));
    }
    pair.check_logs(&[])
}

fn standby_kinds(pair: &Pair) -> Result<()> {
    pair.settle()?;
    let (alpha, beta) = (&pair.alpha, &pair.beta);
    pair.standby(alpha, "all", "beta", "beta")?;
    pair.standby(beta, "foreign", "alpha", "beta")?;
    pair.standby(beta, "all", "alpha", "alpha")?;
    pair.standby(alpha, "failback", "alpha", "beta")?;
    pair.standby(alpha, "local", "beta", "beta")?;
    pair.standby(beta, "failback", "alpha", "beta")?;
    pair.standby(beta, "local", "alpha", "alpha")?;
    pair.standby(alpha, "foreign", "alpha", "beta")?;
    // What a node does not hold it can give away as well.
    pair.standby(alpha, "foreign", "alpha", "beta")?;
    pair.check("alpha", "beta", &[])
}

fn takeover_kinds(pair: &Pair) -> Result<()> {
    pair.settle()?;
    let (alpha, beta) = (&pair.alpha, &pair.beta);
    pair.takeover(alpha, "all", "alpha", "alpha")?;
    pair.takeover(beta, "local", "alpha", "beta")?;
    pair.takeover(alpha, "foreign", "alpha", "alpha")?;
    pair.takeover(beta, "local", "alpha", "beta")?;
    pair.takeover(beta, "failback", "beta", "beta")?;
    pair.takeover(alpha, "local", "alpha", "beta")?;
    pair.check("alpha", "beta", &[])
}

/// A request that the other one hears when it has been given up already. A legacy node that has answered it would wait for
/// an hour for what it asked for, and refuse everything meanwhile, unless one of ours tells it that it is over.
fn standby_too_late(pair: &Pair) -> Result<()> {
    use ha_lab::Implementation::{Legacy, Ours};
    for host in pair.nodes() {
        let file = pair
            .ha_cf(host)
            .timers(millis(300), seconds(25), seconds(26));
        host.write("/etc/ha.d/ha.cf", &file.text())?;
    }
    pair.settle()?;
    let asker = if pair.variant.pair == [Legacy, Ours] {
        &pair.beta
    } else {
        &pair.alpha
    };
    let other = pair.other(asker);
    pair.lab.part(&pair.alpha, &pair.beta)?;
    asker.tool("hb_standby", &["all"])?;
    wait_until("it is given up", seconds(20), || {
        asker.log().contains("No reply to standby request.")
    })?;
    pair.lab.heal()?;
    wait_until("the other hears it", seconds(20), || {
        other
            .log()
            .contains(&format!("{} wants to go standby [all]", asker.name()))
    })?;
    pair.stays("nothing has moved", seconds(2), || {
        pair.is_at("alpha", "beta")
    })?;
    if pair.variant.pair == [Legacy, Legacy] {
        other.tool("hb_standby", &["all"])?;
        return wait_until("the refusal", seconds(10), || {
            other.log().contains("Standby in progress- new request")
        });
    }
    pair.standby(other, "all", asker.name(), asker.name())?;
    pair.check_views()
}

fn standby_in_legacy_mode(pair: &Pair) -> Result<()> {
    pair.settle()?;
    pair.alpha.tool("hb_standby", &["all"])?;
    wait_until("the refusal", seconds(10), || {
        pair.alpha
            .log()
            .contains("Standby mode only implemented when nice_failback on")
    })?;
    pair.stays("nothing moves", seconds(3), || pair.is_at("alpha", "beta"))?;
    pair.check("alpha", "beta", &[])
}
