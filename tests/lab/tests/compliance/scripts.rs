//! Resource scripts that fail, hang, lie, or are not there: the other groups are unharmed.

use ha_lab::{LabError, Misbehaviour, Result, TestRsc, millis, seconds, wait_until};

use crate::pair::{Pair, VIP_A};
use crate::runner::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "script_fails_to_start",
        modes: &["on", "off"],
        run: start_fails,
    },
    Scenario {
        name: "script_fails_to_start_everywhere",
        modes: &["off"],
        run: start_fails_everywhere,
    },
    Scenario {
        name: "script_hangs",
        modes: &["on"],
        run: hangs,
    },
    Scenario {
        name: "script_cannot_stop",
        modes: &["on"],
        run: cannot_stop,
    },
    Scenario {
        name: "script_stops_but_says_no",
        modes: &["off"],
        run: stops_but_lies,
    },
    Scenario {
        name: "script_prints_odd_status",
        modes: &["off"],
        run: odd_status,
    },
    Scenario {
        name: "script_is_missing",
        modes: &["off"],
        run: missing,
    },
    Scenario {
        name: "script_is_not_executable",
        modes: &["off"],
        run: not_executable,
    },
];

const FAILURE: &[&str] = &[
    "Return code",
    "Giving up resources due to failure of",
    "could not be started",
];

/// Group b is at home and whole.
fn b_is_unharmed(pair: &Pair) -> bool {
    pair.runs_on("b") == ["beta"]
}

/// The legacy stops the group again, asks for a standby of the wrong half, and the group stays down; ours moves it.
fn start_fails(pair: &Pair) -> Result<()> {
    TestRsc::misbehave(&pair.alpha, "a", Misbehaviour::StartFails(1))?;
    pair.start_both()?;
    if pair.alpha.is_ours() {
        pair.until_at(
            "the group moved to the healthy node",
            seconds(60),
            "beta",
            "beta",
        )?;
        pair.stays("it stays there", seconds(5), || pair.is_at("beta", "beta"))?;
    } else {
        wait_until("alpha gave the group up", seconds(45), || {
            pair.alpha
                .log()
                .contains("Giving up resources due to failure of TestRsc::a")
        })?;
        wait_until("the rest of the group is stopped", seconds(15), || {
            pair.has_address(VIP_A).is_empty()
        })?;
        wait_until("group b is up", seconds(15), || b_is_unharmed(pair))?;
        pair.stays("group a stays down", seconds(5), || {
            pair.runs_on("a").is_empty() && b_is_unharmed(pair)
        })?;
    }
    pair.check_views()?;
    pair.check_logs(FAILURE)
}

/// Nobody can start it: it ends stopped, and the other group is where it was, and stays there.
fn start_fails_everywhere(pair: &Pair) -> Result<()> {
    for host in pair.nodes() {
        TestRsc::misbehave(host, "a", Misbehaviour::StartFails(1))?;
    }
    pair.start_both()?;
    wait_until("alpha gave the group up", seconds(45), || {
        pair.alpha
            .log()
            .contains("Giving up resources due to failure of TestRsc::a")
    })?;
    wait_until("group b is up", seconds(30), || {
        pair.runs_on("b").len() == 1
    })?;
    pair.stays("a while for moves to and fro", seconds(40), || {
        pair.runs_on("a").is_empty()
    })?;
    let tries = |host| {
        TestRsc::calls(host)
            .iter()
            .filter(|call| call.instance == "a" && call.action == "start" && call.code.is_some())
            .count()
    };
    let total: usize = pair.nodes().into_iter().map(|host| tries(host)).sum();
    if total > 4 {
        return Err(LabError::unexpected(format!(
            "the group went to and fro: {total} starts"
        )));
    }
    wait_until("group b is served", seconds(20), || {
        pair.runs_on("b").len() == 1
    })?;
    pair.check_views()?;
    pair.check_logs(FAILURE)
}

/// A start that never ends blocks its own group. The legacy also never starts what comes after it on that node; ours
/// does, after half a minute.
fn hangs(pair: &Pair) -> Result<()> {
    pair.set_haresources("alpha TestRsc::hanging\n")?;
    TestRsc::misbehave(
        &pair.alpha,
        "hanging",
        Misbehaviour::SlowStart(seconds(1000)),
    )?;
    pair.start_both()?;
    wait_until("group b is up", seconds(45), || b_is_unharmed(pair))?;
    if pair.alpha.is_ours() {
        wait_until("group a is started all the same", seconds(60), || {
            pair.runs_on("a") == ["alpha"] && pair.has_address(VIP_A) == ["alpha"]
        })?;
    } else {
        pair.stays("group a waits", seconds(10), || {
            pair.runs_on("a").is_empty()
        })?;
    }
    pair.stays("group b is unharmed", seconds(5), || b_is_unharmed(pair))?;
    pair.check_views()?;
    pair.check_logs(&[])
}

/// Eleven tries, a second apart; then the machine must go down, because its peer must not start what still runs.
fn cannot_stop(pair: &Pair) -> Result<()> {
    pair.settle()?;
    pair.alpha.write_mode(
        "/sbin/reboot",
        "#!/bin/sh\necho \"$@\" > /var/log/reboot-called\n",
        0o755,
    )?;
    TestRsc::misbehave(&pair.alpha, "a", Misbehaviour::StopFails(1))?;
    pair.alpha.tool("hb_standby", &["all"])?;
    wait_until("the reboot", seconds(60), || {
        pair.alpha.exists("/var/log/reboot-called")
    })?;
    let arguments = pair.alpha.read("/var/log/reboot-called")?;
    if !arguments.contains("-n") || !arguments.contains('f') {
        return Err(LabError::unexpected(format!(
            "reboot was called with {arguments:?}"
        )));
    }
    let tries = TestRsc::calls(&pair.alpha)
        .iter()
        .filter(|call| call.action == "stop" && call.code == Some(1))
        .count();
    if tries != 11 {
        return Err(LabError::unexpected(format!("{tries} tries to stop")));
    }
    wait_until("heartbeat is gone", seconds(10), || {
        pair.alpha.heartbeat_pids().is_empty()
    })?;
    if !pair
        .alpha
        .log()
        .contains("Resource STOP failure. Reboot required!")
    {
        return Err(LabError::unexpected(
            "the reason is not in the log".to_owned(),
        ));
    }
    pair.alpha.power_cut()?;
    pair.until_at("beta took over", seconds(20), "beta", "beta")?;
    pair.check_logs(&[
        "Return code",
        "Resource STOP failure",
        "Killing heartbeat ungracefully",
        "Unable to force reboot",
    ])
}

fn stops_but_lies(pair: &Pair) -> Result<()> {
    pair.settle()?;
    TestRsc::misbehave(&pair.alpha, "a", Misbehaviour::StopLies(1))?;
    pair.alpha.tool("hb_standby", &["all"])?;
    pair.until_at("the standby goes on", seconds(60), "beta", "beta")?;
    for text in [
        "probably not LSB-compliant.",
        "MUST succeed on a stop when already stopped",
        "Machine reboot narrowly avoided!",
    ] {
        if !pair.alpha.log().contains(text) {
            return Err(LabError::unexpected(format!("not in the log: {text}")));
        }
    }
    pair.stays("it stays", seconds(4), || pair.is_at("beta", "beta"))?;
    pair.check(
        "beta",
        "beta",
        &["Return code", "probably not LSB-compliant."],
    )
}

/// Only the text counts, and in the legacy's order: "is not OK" contains OK (`resource-protocol.md` 1.5).
fn odd_status(pair: &Pair) -> Result<()> {
    TestRsc::misbehave(&pair.alpha, "a", Misbehaviour::StatusSays("is not OK"))?;
    TestRsc::misbehave(&pair.beta, "b", Misbehaviour::StatusSays("RUNNING"))?;
    pair.start_both()?;
    wait_until("both groups are up", seconds(45), || {
        pair.has_address(VIP_A) == ["alpha"] && pair.runs_on("b") == ["beta"]
    })?;
    pair.stays("it stays", seconds(2), || pair.runs_on("a").is_empty())?;
    let started = TestRsc::calls(&pair.alpha)
        .iter()
        .any(|call| call.action == "start");
    if started {
        return Err(LabError::unexpected(
            "\"is not OK\" was not taken for running".to_owned(),
        ));
    }
    pair.check_views()?;
    pair.check_logs(&[])
}

/// A group whose script cannot be found or run does not start; its neighbours do.
fn unusable(pair: &Pair, word: &str) -> Result<()> {
    pair.set_haresources(&format!("alpha {word}\n"))?;
    pair.start_both()?;
    let text = format!("Cannot locate resource script {word}");
    wait_until(&text, seconds(45), || pair.alpha.log().contains(&text))?;
    wait_until("the other groups are up", seconds(45), || {
        pair.one_holder_each()
    })?;
    wait_until("it lasts", seconds(60), || {
        pair.stays("the other groups are served", seconds(6), || {
            pair.one_holder_each()
        })
        .is_ok()
    })?;
    pair.check_views()?;
    pair.check_logs(&[
        "Cannot locate resource script",
        "Return code",
        "Giving up resources due to failure of",
        "could not be started",
        // The legacy tries to stop what it cannot find, and wonders.
        "probably not LSB-compliant.",
    ])
}

fn missing(pair: &Pair) -> Result<()> {
    unusable(pair, "NoSuchScript")
}

fn not_executable(pair: &Pair) -> Result<()> {
    for host in pair.nodes() {
        host.write_mode("/etc/ha.d/resource.d/Plain", "#!/bin/sh\nexit 0\n", 0o644)?;
    }
    pair.stays("written", millis(1), || true)?;
    unusable(pair, "Plain")
}
