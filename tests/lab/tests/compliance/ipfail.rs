//! Who sees fewer ping nodes than the other gives its groups away (`resource-protocol.md` 6).
//!
//! The client host is the ping node. A node that is parted from it has lost the ping node and nothing else.

use std::sync::Arc;

use ha_lab::{Host, Implementation, LabError, Result, millis, seconds, wait_until};

use crate::pair::Pair;
use crate::runner::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "ipfail_holder_loses_the_ping_node",
        modes: &["on", "off"],
        run: |pair| holder_loses(pair, Cast::Own),
    },
    Scenario {
        name: "ipfail_on_the_other_daemon",
        modes: &["on"],
        run: |pair| holder_loses(pair, Cast::Swapped),
    },
    Scenario {
        name: "ipfail_ours_beside_debians",
        modes: &["on", "off"],
        run: |pair| holder_loses(pair, Cast::OneOfEach),
    },
    Scenario {
        name: "ipfail_debians_beside_ours",
        modes: &["on"],
        run: |pair| holder_loses(pair, Cast::OneOfEachReversed),
    },
    Scenario {
        name: "ipfail_group_of_ping_nodes",
        modes: &["off"],
        run: ping_group,
    },
    Scenario {
        name: "ipfail_both_lose_the_ping_node",
        modes: &["on"],
        run: both_lose,
    },
    Scenario {
        name: "ipfail_short_flaps",
        modes: &["on"],
        run: short_flaps,
    },
    Scenario {
        name: "ipfail_long_flaps",
        modes: &["off"],
        run: long_flaps,
    },
    Scenario {
        name: "ipfail_rests_in_legacy_mode",
        modes: &["legacy"],
        run: rests,
    },
];

/// The client host's address.
const PING_NODE: &str = "10.0.0.9";

/// Which ipfail runs beside which daemon.
#[derive(Clone, Copy)]
enum Cast {
    /// Each node's own.
    Own,
    /// Debian's on our daemon, ours on the legacy's.
    Swapped,
    /// Ours on alpha and Debian's on beta, whatever the daemons are.
    OneOfEach,
    OneOfEachReversed,
}

/// The path of the ipfail that a host shall run; if it is not the host's own, it is put there.
fn program(host: &Host, cast: Cast) -> Result<String> {
    use Implementation::{Legacy, Ours};
    let of_host = host.implementation().unwrap_or(Legacy);
    let wanted = match (cast, host.name()) {
        (Cast::Own, _) => of_host,
        (Cast::Swapped, _) if of_host == Ours => Legacy,
        (Cast::Swapped, _) => Ours,
        (Cast::OneOfEach, "alpha") | (Cast::OneOfEachReversed, "beta") => Ours,
        (Cast::OneOfEach | Cast::OneOfEachReversed, _) => Legacy,
    };
    let own = |implementation: Implementation| match implementation {
        Ours => "/usr/lib64/heartbeat/ipfail",
        Legacy => "/usr/libexec/heartbeat/ipfail",
    };
    if wanted == of_host {
        return Ok(own(wanted).to_owned());
    }
    let source = match wanted {
        Legacy => own(Legacy).into(),
        Ours => {
            Ours.check_available()?;
            Ours.stage()
                .unwrap_or_default()
                .join("usr/lib64/heartbeat/ha-tools")
        }
    };
    let octets = std::fs::read(&source)
        .map_err(|error| LabError::Io(format!("{}", source.display()), error))?;
    let path = format!("/opt/{}/ipfail", wanted.word());
    host.write_octets(&path, &octets, 0o755)?;
    Ok(path)
}

/// Starts the pair with these lines in each ha.cf, besides the one that starts ipfail as the article does.
fn start(pair: &Pair, cast: Cast, lines: &[&str]) -> Result<()> {
    configure(pair, |host, file| {
        let mut file = file
            .line(&format!("respawn root {}", program(host, cast)?))
            .line("apiauth ipfail gid=root uid=root");
        for line in lines {
            file = file.line(line);
        }
        Ok(file)
    })?;
    settle(pair)
}

fn configure(pair: &Pair, add: impl Fn(&Host, ha_lab::HaCf) -> Result<ha_lab::HaCf>) -> Result<()> {
    for host in pair.nodes() {
        let file = add(host, pair.ha_cf(host))?;
        host.write("/etc/ha.d/ha.cf", &file.text())?;
    }
    Ok(())
}

/// Both have their own group, and both ipfails are through with their start.
fn settle(pair: &Pair) -> Result<()> {
    pair.settle()?;
    for host in pair.nodes() {
        until_said(host, "debug: Waiting for messages...", 1)?;
    }
    Ok(())
}

/// How often an ipfail has said a line. Its debug lines are in the debug file only, and that has the others too.
fn said(host: &Host, text: &str) -> usize {
    let lines = host.log_file("ha-debug");
    lines
        .lines()
        .filter(|line| line.contains("ipfail") && line.ends_with(text))
        .count()
}

fn until_said(host: &Host, text: &str, times: usize) -> Result<()> {
    let what = format!("{}: ipfail says \"{text}\" ({times})", host.name());
    wait_until(&what, seconds(20), || said(host, text) >= times)
}

const LOST: &str = "info: NS: We are dead. :<";
const FOUND: &str = "info: A ping node just came up.";

fn holder_loses(pair: &Pair, cast: Cast) -> Result<()> {
    start(pair, cast, &["ping 10.0.0.9", "deadping 2"])?;
    pair.lab.part(&pair.client, &pair.alpha)?;
    pair.until_at("alpha has less to offer", seconds(20), "beta", "beta")?;
    until_said(
        &pair.alpha,
        "info: Giving up because we were told that we have less ping nodes.",
        1,
    )?;
    until_said(
        &pair.beta,
        "info: Telling other node that we have more visible ping nodes.",
        1,
    )?;
    pair.stays("beta keeps them", seconds(2), || pair.is_at("beta", "beta"))?;
    pair.lab.heal()?;
    until_said(&pair.alpha, FOUND, 1)?;
    match pair.variant.failback {
        "on" => pair.until_at("back home", seconds(20), "alpha", "beta"),
        _ => pair.stays("nothing moves", seconds(6), || pair.is_at("beta", "beta")),
    }?;
    stop_both(pair)
}

/// As long as one of the group answers, the group does. This time ipfail runs as in the manual, without a line for its
/// right to sign on.
fn ping_group(pair: &Pair) -> Result<()> {
    pair.client.sh("ip addr add 10.0.0.8/24 dev eth0")?;
    configure(pair, |host, file| {
        Ok(file
            .line("ping_group gates 10.0.0.8 10.0.0.9")
            .line("deadping 2")
            .line(&format!("respawn hacluster {}", program(host, Cast::Own)?)))
    })?;
    settle(pair)?;
    pair.client.sh("ip addr del 10.0.0.8/24 dev eth0")?;
    pair.stays("one of two is enough", seconds(5), || {
        pair.is_at("alpha", "beta")
    })?;
    pair.lab.part(&pair.client, &pair.beta)?;
    pair.until_at("beta has less to offer", seconds(20), "alpha", "alpha")?;
    pair.lab.heal()?;
    until_said(&pair.beta, FOUND, 1)?;
    pair.stays("nothing moves", seconds(4), || pair.is_at("alpha", "alpha"))
}

/// The keepalive is longer here: the one who notices first waits for two of them, and in that time the other has to
/// notice too, and both of the legacy's ipfails have to have asked their daemons several questions.
fn both_lose(pair: &Pair) -> Result<()> {
    configure(pair, |host, file| {
        Ok(file
            .timers(millis(600), seconds(4), seconds(5))
            .line(&format!("ping {PING_NODE}"))
            .line("deadping 3")
            .line(&format!("respawn root {}", program(host, Cast::Own)?))
            .line("apiauth ipfail gid=root uid=root"))
    })?;
    settle(pair)?;
    pair.lab.cut(&pair.client, None)?;
    for host in pair.nodes() {
        until_said(host, LOST, 1)?;
    }
    pair.stays("nobody has more to offer", seconds(5), || {
        pair.is_at("alpha", "beta")
    })?;
    pair.lab.heal()?;
    for host in pair.nodes() {
        until_said(host, FOUND, 1)?;
    }
    pair.stays("nothing moves", seconds(5), || pair.is_at("alpha", "beta"))
}

/// A loss that is over before deadping is none.
fn short_flaps(pair: &Pair) -> Result<()> {
    start(pair, Cast::Own, &["ping 10.0.0.9", "deadping 3"])?;
    let home = || pair.is_at("alpha", "beta");
    for _ in 0..5 {
        pair.lab.part(&pair.client, &pair.alpha)?;
        pair.stays("lost for a moment", millis(1200), home)?;
        pair.lab.heal()?;
        pair.stays("and back", millis(1200), home)?;
    }
    for host in pair.nodes() {
        if said(host, LOST) > 0 {
            return Err(LabError::unexpected("a short loss was noticed"));
        }
    }
    Ok(())
}

/// Without auto_failback the groups move once, however often the ping node comes and goes.
fn long_flaps(pair: &Pair) -> Result<()> {
    start(pair, Cast::Own, &["ping 10.0.0.9", "deadping 2"])?;
    pair.lab.part(&pair.client, &pair.alpha)?;
    pair.until_at("alpha has less to offer", seconds(20), "beta", "beta")?;
    let away = || pair.is_at("beta", "beta");
    for round in 1..=3 {
        pair.lab.heal()?;
        until_said(&pair.alpha, FOUND, round)?;
        pair.stays("found", seconds(2), away)?;
        // Said once at the return as well: the daemon calls the ping node dead again before it lives.
        let before = said(&pair.alpha, LOST);
        pair.lab.part(&pair.client, &pair.alpha)?;
        until_said(&pair.alpha, LOST, before + 1)?;
        pair.stays("lost", seconds(2), away)?;
    }
    Ok(())
}

/// There is no standby in that mode, so ipfail ends with the code that means "not again".
fn rests(pair: &Pair) -> Result<()> {
    configure(pair, |host, file| {
        Ok(file
            .line(&format!("ping {PING_NODE}"))
            .line(&format!("respawn root {}", program(host, Cast::Own)?))
            .line("apiauth ipfail gid=root uid=root"))
    })?;
    pair.settle()?;
    for host in pair.nodes() {
        let complaint = "ERROR: auto_failback set to incompatible legacy option.";
        until_said(host, complaint, 1)?;
        wait_until("the daemon notices", seconds(5), || {
            host.log().contains("exited with return code 100.")
        })?;
        pair.stays("it rests", seconds(3), || said(host, complaint) == 1)?;
    }
    Ok(())
}

/// ipfail ends when it is told to.
fn stop_both(pair: &Pair) -> Result<()> {
    for host in pair.nodes() {
        host.stop_heartbeat()?;
        if !no_ipfail_runs(host)? {
            return Err(LabError::unexpected(format!(
                "ipfail is left on {}",
                host.name()
            )));
        }
    }
    Ok(())
}

fn no_ipfail_runs(host: &Arc<Host>) -> Result<bool> {
    let output = host.run(&["sh", "-c", "cat /proc/[0-9]*/comm"])?;
    Ok(!output.stdout.lines().any(|name| name == "ipfail"))
}
