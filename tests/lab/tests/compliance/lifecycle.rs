//! The life of a node: stopped and woken, with damaged identity files, with the directives that concern its process,
//! and as one of three (`wire-protocol.md` 5.3, 8; `config-files.md` 5; `resource-protocol.md` 3).

use std::sync::Arc;
use std::time::Duration;

use ha_lab::{
    Authkeys, HaCf, Host, HostSpec, Implementation, LabError, Result, TestRsc, millis, seconds,
    wait_until,
};

use crate::pair::{Pair, VIP_A, view};
use crate::runner::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "holder_is_stopped_for_thirty_seconds",
        modes: &["on"],
        run: stopped_holder,
    },
    Scenario {
        name: "identity_files_are_damaged_between_two_lives",
        modes: &["off"],
        run: identity_files,
    },
    Scenario {
        name: "directives_of_the_process",
        modes: &["on"],
        run: directives,
    },
    Scenario {
        name: "three_nodes_and_a_death",
        modes: &["on"],
        run: three_nodes,
    },
    Scenario {
        name: "third_node_joins_by_reload",
        modes: &["on", "legacy"],
        run: third_node,
    },
];

/// Every process of the daemon gets a signal.
fn signal(host: &Host, signal: &str) -> Result<()> {
    let pids: Vec<String> = host.heartbeat_pids().iter().map(u32::to_string).collect();
    host.sh(&format!("kill -{signal} {}", pids.join(" ")))
        .map(drop)
}

fn demand(holds: bool, otherwise: &str) -> Result<()> {
    if holds {
        Ok(())
    } else {
        Err(LabError::unexpected(otherwise))
    }
}

/// A holder that does not run for thirty dead times, and then goes on as if nothing had been.
fn stopped_holder(pair: &Pair) -> Result<()> {
    for host in pair.nodes() {
        let file = pair.ha_cf(host).timers(millis(200), seconds(1), seconds(4));
        host.write("/etc/ha.d/ha.cf", &file.text())?;
    }
    pair.settle()?;
    signal(&pair.alpha, "STOP")?;
    pair.lab
        .wait_until("beta has taken over", seconds(20), || {
            TestRsc::is_running(&pair.beta, "a") && pair.beta.has_address(VIP_A)
        })?;
    pair.stays("beta holds it", seconds(28), || {
        TestRsc::is_running(&pair.beta, "a")
    })?;
    signal(&pair.alpha, "CONT")?;
    wait_until("one holder of each group, for good", seconds(90), || {
        pair.one_holder_each()
            && pair
                .stays("one holder each", seconds(4), || pair.one_holder_each())
                .is_ok()
    })?;
    pair.check_views()?;
    for host in pair.nodes() {
        demand(host.is_up(), &format!("{} rebooted", host.name()))?;
    }
    if pair.alpha.is_ours() {
        let log = pair.alpha.log();
        let lines: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("This node did not run for"))
            .collect();
        demand(
            lines.len() == 1 && lines[0].contains("the others have declared it dead"),
            &format!("one line of explanation: {lines:?}"),
        )?;
        demand(
            !log.contains("node beta: is dead"),
            "alpha judged before it listened",
        )?;
    }
    Ok(())
}

/// The uuid as it stands in the file, in hex.
fn uuid(host: &Host) -> Result<String> {
    let text = host.sh("od -An -tx1 /var/lib/heartbeat/hb_uuid")?.stdout;
    Ok(text.split_whitespace().collect())
}

/// Both files are damaged while a node is down. The legacy makes itself a new identity of a truncated uuid and begins
/// again with generation 1, which its peer takes for a replay; ours comes back as who it was.
fn identity_files(pair: &Pair) -> Result<()> {
    pair.settle()?;
    let mine = uuid(&pair.alpha)?;
    demand(mine.len() == 32, &format!("16 bytes of uuid: {mine:?}"))?;
    // A generation for the peer to remember.
    for _ in 0..2 {
        pair.alpha.stop_heartbeat()?;
        pair.until_at("beta has everything", seconds(30), "beta", "beta")?;
        let before = pair.alpha.log().len();
        pair.alpha.start_heartbeat()?;
        wait_until("alpha is back", seconds(20), || {
            pair.alpha.log()[before..].contains("resource acquisition complete")
        })?;
    }
    pair.alpha.stop_heartbeat()?;
    if !pair.alpha.is_ours() {
        pair.alpha.sh("truncate -s 5 /var/lib/heartbeat/hb_uuid")?;
        pair.alpha.start_heartbeat()?;
        wait_until("a new uuid without a word", seconds(20), || {
            uuid(&pair.alpha).is_ok_and(|new| new.len() == 32 && new != mine)
        })?;
        return pair.check_views();
    }
    for damage in [
        "truncate -s 5 hb_uuid; : >hb_generation",
        "head -c 16 /dev/zero >hb_uuid; echo rubbish >hb_generation",
        "echo rubbish >hb_identity",
    ] {
        pair.alpha
            .sh(&format!("cd /var/lib/heartbeat && {damage}"))?;
        let before = pair.alpha.log().len();
        let said = |text: &str| pair.alpha.log()[before..].contains(text);
        pair.alpha.start_heartbeat()?;
        wait_until(&format!("a word about {damage}"), seconds(20), || {
            said("/var/lib/heartbeat/hb_")
        })?;
        wait_until("alpha is back", seconds(20), || {
            said("Status update for node beta: status active")
        })?;
        demand(
            uuid(&pair.alpha)? == mine,
            &format!("another uuid after {damage}"),
        )?;
        pair.alpha.stop_heartbeat()?;
    }
    demand(
        !pair.beta.log().contains("Possible replay attack"),
        "beta took the new alpha for the old one",
    )
}

/// `realtime`, `rtprio`, `coredumps` and `env`: what a process of the node is like.
fn directives(pair: &Pair) -> Result<()> {
    for host in pair.nodes() {
        let file = pair
            .ha_cf(host)
            .line("realtime on")
            .line("rtprio 3")
            .line("coredumps true")
            .line("env SITE_NAME=east");
        host.write("/etc/ha.d/ha.cf", &file.text())?;
        host.write("/etc/TestRsc/a.start", "env >/run/TestRsc.environment\n")?;
        host.write("/etc/TestRsc/b.start", "env >/run/TestRsc.environment\n")?;
    }
    pair.settle()?;
    for host in pair.nodes() {
        let name = host.name();
        let environment = host.sh("cat /run/TestRsc.environment")?.stdout;
        demand(
            environment.lines().any(|line| line == "HA_SITE_NAME=east"),
            &format!("{name}: env in the environment of scripts:\n{environment}"),
        )?;
        let policies: Vec<String> = host
            .heartbeat_pids()
            .iter()
            .filter_map(|pid| host.run(&["chrt", "-p", &pid.to_string()]).ok())
            .map(|output| output.stdout)
            .collect();
        demand(
            policies
                .iter()
                .any(|text| text.contains("SCHED_RR") && text.contains("priority: 3")),
            &format!("{name}: no process at real-time priority 3: {policies:?}"),
        )?;
        let limits: Vec<String> = host
            .heartbeat_pids()
            .iter()
            .filter_map(|pid| host.sh(&format!("grep core /proc/{pid}/limits")).ok())
            .map(|output| output.stdout)
            .collect();
        demand(
            limits
                .iter()
                .any(|text| text.split_whitespace().nth(4) == Some("unlimited")),
            &format!("{name}: cores are limited: {limits:?}"),
        )?;
    }
    pair.until_at("nothing has moved", seconds(10), "alpha", "beta")
}

/// The third host, of the make of beta.
fn gamma(pair: &Pair) -> Result<Arc<Host>> {
    let gamma = pair.lab.host(
        HostSpec::new("gamma")
            .runs(pair.variant.pair[1])
            .nic("eth0", "10.0.0.3/24"),
    )?;
    TestRsc::install(&gamma)?;
    Ok(gamma)
}

/// Files of a cluster of three, each of which owns a group.
fn configure_of_three(pair: &Pair, host: &Host) -> Result<()> {
    let file = HaCf::for_tests(&["alpha", "beta", "gamma"])
        .bcast("eth0")
        .auto_failback(pair.variant.failback);
    host.write("/etc/ha.d/ha.cf", &file.text())?;
    pair.set_key(host, &Authkeys::new(pair.variant.auth, "the secret"))?;
    host.write(
        "/etc/ha.d/haresources",
        "alpha 10.0.0.100/24/eth0 TestRsc::a\nbeta 10.0.0.101/24/eth0 TestRsc::b\n\
         gamma 10.0.0.102/24/eth0 TestRsc::c\n",
    )
}

/// Each says of each other one that it is active, within `limit` each.
fn all_see_each_other(all: &[&Arc<Host>], limit: Duration) -> Result<()> {
    for host in all {
        for other in all.iter().filter(|other| !Arc::ptr_eq(other, host)) {
            wait_until("everybody sees everybody", limit, || {
                view(&host.log(), other.name()) == "active"
            })?;
        }
    }
    Ok(())
}

/// One of three dies. All see it; with ours, one survivor has what it held.
fn three_nodes(pair: &Pair) -> Result<()> {
    let gamma = gamma(pair)?;
    let all = [&pair.alpha, &pair.beta, &gamma];
    for host in all {
        configure_of_three(pair, host)?;
    }
    for host in all {
        host.start_heartbeat()?;
    }
    let holders = |instance: &str| -> Vec<String> {
        all.iter()
            .filter(|host| host.is_up() && TestRsc::is_running(host, instance))
            .map(|host| host.name().to_owned())
            .collect()
    };
    wait_until("each has its own group", seconds(60), || {
        [("a", "alpha"), ("b", "beta"), ("c", "gamma")]
            .iter()
            .all(|(instance, node)| holders(instance) == [*node])
    })?;
    all_see_each_other(&all, seconds(20))?;
    pair.alpha.power_cut()?;
    for host in [&pair.beta, &gamma] {
        wait_until("both see the death", seconds(20), || {
            view(&host.log(), "alpha") == "dead"
        })?;
    }
    wait_until("group a is held again", seconds(30), || {
        !holders("a").is_empty()
    })?;
    if pair.variant.pair[1] == Implementation::Ours {
        pair.stays("one has group a, and keeps its own", seconds(5), || {
            holders("a") == ["beta"] && holders("b") == ["beta"] && holders("c") == ["gamma"]
        })?;
    }
    if pair.variant.pair.contains(&Implementation::Legacy) {
        return Ok(());
    }
    // And back: alpha has its own group again, nobody else has.
    pair.alpha.power_up(ha_lab::PowerUp::DiskKept)?;
    pair.alpha.start_heartbeat()?;
    wait_until("alpha is back", seconds(60), || {
        [("a", "alpha"), ("b", "beta"), ("c", "gamma")]
            .iter()
            .all(|(instance, node)| holders(instance) == [*node])
    })
}

/// A pair that serves becomes a cluster of three: the files of all are changed, both nodes read them again at the same time,
/// then the third one starts. Nothing that runs is touched. (For the legacy that is true of the members only.) One after the
/// other would not do: at its start a node drops whom it has never heard and the other one does not know
/// (`wire-protocol.md` 9).
fn third_node(pair: &Pair) -> Result<()> {
    pair.settle()?;
    let gamma = gamma(pair)?;
    let all = [&pair.alpha, &pair.beta, &gamma];
    let touched = |host: &Host, instance: &str| {
        let calls = TestRsc::calls(host);
        calls
            .iter()
            .filter(|call| call.instance == instance && call.action != "status")
            .count()
    };
    let before = [touched(&pair.alpha, "a"), touched(&pair.beta, "b")];
    for host in all {
        configure_of_three(pair, host)?;
    }
    let active = |host: &Host| {
        let log = host.log();
        log.matches("Local status now set to: 'active'").count()
    };
    let former: Vec<usize> = pair.nodes().into_iter().map(|host| active(host)).collect();
    for host in pair.nodes() {
        let output = host.run(&[host.daemon()?, "-r"])?;
        demand(output.code() == 0, &format!("-r: {output:?}"))?;
    }
    for (host, former) in pair.nodes().into_iter().zip(former) {
        wait_until("it is active again", seconds(60), || active(host) > former)?;
    }
    gamma.start_heartbeat()?;
    all_see_each_other(&all, seconds(30))?;
    if pair.variant.pair.contains(&Implementation::Legacy) {
        return Ok(());
    }
    let home = || {
        [("a", &pair.alpha), ("b", &pair.beta), ("c", &gamma)]
            .iter()
            .all(|(instance, home)| {
                let running = |host: &&&Arc<Host>| TestRsc::is_running(host, instance);
                let holders: Vec<&str> =
                    all.iter().filter(running).map(|host| host.name()).collect();
                holders == [home.name()]
            })
    };
    wait_until("each has its own group", seconds(60), home)?;
    pair.stays("each keeps its own", seconds(5), home)?;
    let after = [touched(&pair.alpha, "a"), touched(&pair.beta, "b")];
    demand(after == before, "what ran was touched")
}
