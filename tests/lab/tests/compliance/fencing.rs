//! A dead node is reset before it is taken over, by scripts, a fence agent and a human being.
//!
//! The script and the agent write down how they are called, in a file of the node that calls them; the machine itself is
//! switched off and on by the scenario. What they shall do wrong stands in a file beside it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ha_lab::{Host, LabError, Result, seconds, wait_until};

use crate::pair::Pair;
use crate::runner::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "fencing_resets_a_dead_node_and_then_takes_over",
        modes: &["on", "off", "legacy"],
        run: reset_and_takeover,
    },
    Scenario {
        name: "fencing_that_fails_twice_and_then_succeeds",
        modes: &["on"],
        run: fails_twice,
    },
    Scenario {
        name: "fencing_device_unreachable_means_no_takeover",
        modes: &["off"],
        run: unreachable,
    },
    Scenario {
        name: "fencing_and_the_peer_returns_meanwhile",
        modes: &["on"],
        run: peer_returns,
    },
    Scenario {
        name: "fencing_spares_who_leaves_cleanly",
        modes: &["on", "legacy"],
        run: graceful,
    },
    Scenario {
        name: "fencing_by_a_human_being",
        modes: &["on"],
        run: meatware,
    },
    Scenario {
        name: "fencing_by_a_fence_agent",
        modes: &["off"],
        run: agent,
    },
    Scenario {
        name: "fencing_by_debians_fence_dummy",
        modes: &["on"],
        run: fence_dummy,
    },
];

/// What goes wrong; it outlives a power cut.
const TROUBLE: &str = "/var/log/fencing-trouble";

/// Shaped like external/ssh. `TROUBLE` holds how many resets fail yet, or a word: the device is not reachable.
const SCRIPT: &str = r#"#!/bin/sh
echo "$1 $2 $hostlist" >>/var/log/fencing-calls
trouble=$(cat /var/log/fencing-trouble 2>/dev/null)
case $1 in
getconfignames) echo hostlist password;;
gethosts) echo $hostlist;;
getinfo-*) echo "lab device";;
status) [ "$trouble" != unreachable ] || exit 1;;
reset)
  case $trouble in
  unreachable) echo "no route to the device, login $password" >&2; exit 1;;
  slow) while [ "$(cat /var/log/fencing-trouble)" = slow ]; do sleep 0.1; done;;
  [1-9]*) echo $((trouble-1)) >/var/log/fencing-trouble; echo "the device is busy" >&2; exit 1;;
  esac;;
on|off) exit 1;;
*) exit 1;;
esac
exit 0
"#;

/// Shaped like fence_dummy.
const AGENT: &str = r#"#!/bin/sh
if [ "$1" = -o ] && [ "$2" = metadata ]; then
cat <<'END'
<?xml version="1.0" ?>
<resource-agent name="fence_lab" shortdesc="Lab agent">
<longdesc>For the lab</longdesc>
<parameters>
<parameter name="action"><content type="string" default="reboot"/></parameter>
<parameter name="password"><content type="string"/></parameter>
<parameter name="port"><content type="string"/></parameter>
</parameters>
<actions><action name="on"/><action name="off"/><action name="reboot"/><action name="monitor"/><action name="metadata"/></actions>
</resource-agent>
END
exit 0
fi
echo "arguments: $#" >>/var/log/fencing-calls
cat >>/var/log/fencing-calls
"#;

fn install(host: &Host) -> Result<()> {
    let directory = if host.is_ours() {
        "/usr/lib64/stonith/plugins/external"
    } else {
        "/usr/lib/stonith/plugins/external"
    };
    host.write_mode(&format!("{directory}/lab"), SCRIPT, 0o755)?;
    host.write_mode("/usr/sbin/fence_lab", AGENT, 0o755)
}

/// Every node has the device; parameters are a list of hosts and a secret.
fn configure(pair: &Pair, line: &str) -> Result<()> {
    for host in pair.nodes() {
        install(host)?;
        let file = pair.ha_cf(host).line(line);
        host.write("/etc/ha.d/ha.cf", &file.text())?;
    }
    Ok(())
}

const LINE: &str = "stonith_host * external/lab alpha,beta geheim";

fn calls(host: &Host) -> Vec<String> {
    let text = host.log_file("fencing-calls");
    text.lines().map(|line| line.trim().to_owned()).collect()
}

fn resets(host: &Host, node: &str) -> usize {
    let wanted = format!("reset {node} ");
    calls(host)
        .iter()
        .filter(|call| call.starts_with(&wanted))
        .count()
}

/// The secret stands in no log, and on no command line either: the script was handed it in its environment.
fn no_secrets(pair: &Pair) -> Result<()> {
    for host in pair.nodes().into_iter().filter(|host| host.is_ours()) {
        for name in ["ha-log", "ha-debug"] {
            if host.log_file(name).contains("geheim") {
                return Err(LabError::unexpected(format!(
                    "the secret is in {name} of {}",
                    host.name()
                )));
            }
        }
    }
    Ok(())
}

fn expect(what: &str, holds: bool) -> Result<()> {
    if holds {
        Ok(())
    } else {
        Err(LabError::unexpected(what.to_owned()))
    }
}

fn survivor_has_everything(pair: &Pair, survivor: &Arc<Host>, limit: Duration) -> Result<()> {
    let name = survivor.name();
    pair.until_at("the survivor has everything", limit, name, name)
}

fn reset_and_takeover(pair: &Pair) -> Result<()> {
    configure(pair, LINE)?;
    pair.settle()?;
    wait_until("both have looked at their device", seconds(20), || {
        pair.nodes()
            .into_iter()
            .all(|host| host.log().contains("Checking status of STONITH device"))
    })?;
    pair.alpha.power_cut()?;
    survivor_has_everything(pair, &pair.beta, seconds(30))?;
    let log = pair.beta.log();
    for text in [
        "Resetting node alpha with [",
        "node alpha now reset.",
        "Managed STONITH alpha process ",
        "Resources being acquired from alpha.",
    ] {
        expect(text, log.contains(text))?;
    }
    expect(
        "reset first",
        log.find("now reset.") < log.find("Resources being acquired"),
    )?;
    expect("one reset", resets(&pair.beta, "alpha") == 1)?;
    pair.boot(&pair.alpha)?;
    pair.check_views()?;
    wait_until("one holder of each group", seconds(60), || {
        pair.one_holder_each()
    })?;
    expect("no other reset", resets(&pair.beta, "alpha") == 1)?;
    expect("beta is spared", resets(&pair.alpha, "beta") == 0)?;
    no_secrets(pair)
}

fn fails_twice(pair: &Pair) -> Result<()> {
    configure(pair, LINE)?;
    pair.settle()?;
    pair.beta.write(TROUBLE, "2\n")?;
    pair.alpha.power_cut()?;
    wait_until("the first failure", seconds(20), || {
        pair.beta
            .log()
            .contains("STONITH of alpha failed.  Retrying...")
    })?;
    expect("nothing is taken", pair.runs_on("a").is_empty())?;
    survivor_has_everything(pair, &pair.beta, seconds(40))?;
    let log = pair.beta.log();
    let failures = log.matches("STONITH of alpha failed.  Retrying...").count();
    expect("two failures", failures == 2)?;
    expect(
        "said each time",
        log.matches("Host alpha not reset!").count() == 2,
    )?;
    expect("three attempts", resets(&pair.beta, "alpha") == 3)
}

fn unreachable(pair: &Pair) -> Result<()> {
    configure(pair, LINE)?;
    for host in pair.nodes() {
        host.write(TROUBLE, "unreachable\n")?;
    }
    pair.settle()?;
    wait_until("the look at the device fails", seconds(20), || {
        pair.beta.log().contains("STONITH status operation failed.")
    })?;
    pair.alpha.power_cut()?;
    wait_until("three attempts", seconds(40), || {
        resets(&pair.beta, "alpha") >= 3
    })?;
    pair.stays("nothing is taken", seconds(3), || {
        pair.runs_on("a").is_empty() && pair.has_address(crate::pair::VIP_A).is_empty()
    })?;
    let log = pair.beta.log();
    expect(
        "no takeover",
        !log.contains("Resources being acquired from alpha"),
    )?;
    let told = log
        .matches("'lab reset' for host alpha failed with rc")
        .count();
    expect("the reason is told each time", told >= 3)?;
    if pair.beta.is_ours() {
        expect(
            "and what the script says",
            log.contains("no route to the device, login ****"),
        )?;
    }
    expect("beta keeps its own", pair.runs_on("b") == ["beta"])?;
    // It is repaired at last.
    pair.beta.write(TROUBLE, "\n")?;
    survivor_has_everything(pair, &pair.beta, seconds(30))?;
    no_secrets(pair)
}

/// Neither hears the other, no reset succeeds, and then they hear each other again.
fn peer_returns(pair: &Pair) -> Result<()> {
    configure(pair, LINE)?;
    pair.settle()?;
    for host in pair.nodes() {
        host.write(TROUBLE, "1\n")?;
    }
    pair.lab.part(&pair.alpha, &pair.beta)?;
    wait_until("both have failed once", seconds(20), || {
        pair.nodes()
            .into_iter()
            .all(|host| host.log().contains("Retrying..."))
    })?;
    pair.lab.heal()?;
    for host in pair.nodes() {
        let peer = pair.other(host).name().to_owned();
        if host.is_ours() {
            // The next attempt would succeed. (A legacy peer starts anew at once, and says first that it gives everything up.)
            wait_until("the reset is dropped", seconds(20), || {
                host.log().contains(&format!("STONITH of {peer} dropped: "))
            })?;
            pair.stays("it is spared", seconds(6), || resets(host, &peer) == 1)?;
        } else if pair
            .variant
            .pair
            .iter()
            .all(|one| *one == ha_lab::Implementation::Legacy)
        {
            // The legacy resets a node that is back and well.
            wait_until("it is reset all the same", seconds(20), || {
                resets(host, &peer) >= 2
            })?;
        }
    }
    wait_until("one holder of each group", seconds(90), || {
        pair.one_holder_each()
    })
}

fn graceful(pair: &Pair) -> Result<()> {
    configure(pair, LINE)?;
    pair.settle()?;
    pair.alpha.stop_heartbeat()?;
    survivor_has_everything(pair, &pair.beta, seconds(30))?;
    wait_until("it is dead", seconds(20), || {
        pair.beta
            .log()
            .contains("Dead node alpha gave up resources.")
    })?;
    pair.stays("no reset", seconds(3), || resets(&pair.beta, "alpha") == 0)
}

fn meatware(pair: &Pair) -> Result<()> {
    configure(pair, "stonith_host * meatware alpha beta")?;
    pair.settle()?;
    pair.alpha.power_cut()?;
    let asks = || {
        pair.beta
            .log()
            .matches("OPERATOR INTERVENTION REQUIRED to reset alpha.")
            .count()
    };
    wait_until("it asks", seconds(20), || asks() == 1)?;
    pair.stays("it waits", seconds(3), || pair.runs_on("a").is_empty())?;
    pair.beta.sh("echo n | meatclient -c alpha; true")?;
    wait_until("it asks again", seconds(20), || asks() == 2)?;
    expect("nothing is taken", pair.runs_on("a").is_empty())?;
    let answered = pair.beta.sh("echo y | meatclient -c ALPHA")?;
    expect("meatclient takes the answer", answered.code() == 0)?;
    survivor_has_everything(pair, &pair.beta, seconds(20))?;
    expect("reset", pair.beta.log().contains("node alpha now reset."))
}

/// A legacy node has no such type: it keeps the script there.
fn agent(pair: &Pair) -> Result<()> {
    configure(pair, LINE)?;
    for host in pair.nodes().into_iter().filter(|host| host.is_ours()) {
        host.write_mode(
            "/etc/ha.d/fence.conf",
            "# for the lab\npassword=geheim\nhostlist=alpha beta\n",
            0o600,
        )?;
        let line = "stonith fence_lab /etc/ha.d/fence.conf";
        host.write("/etc/ha.d/ha.cf", &pair.ha_cf(host).line(line).text())?;
    }
    pair.settle()?;
    pair.alpha.power_cut()?;
    survivor_has_everything(pair, &pair.beta, seconds(30))?;
    if pair.beta.is_ours() {
        let wanted = [
            "arguments: 0",
            "action=monitor",
            "password=geheim",
            "arguments: 0",
            "action=reboot",
            "password=geheim",
            "nodename=alpha",
            "port=alpha",
        ];
        let seen = calls(&pair.beta);
        expect(&format!("{seen:?}"), seen == wanted)?;
    }
    no_secrets(pair)
}

/// The agent of Debian's package fence-agents, unchanged, as two devices: the first one's plug never goes off, the second
/// one keeps the state of its plug in a file. A legacy node has no such type: it keeps the script there.
fn fence_dummy(pair: &Pair) -> Result<()> {
    const AGENT: &str = "/usr/sbin/fence_dummy";
    if !Path::new(AGENT).exists() {
        let reason = format!("there is no {AGENT} (package fence-agents)");
        return Err(LabError::Unavailable(reason));
    }
    configure(pair, LINE)?;
    for host in pair.nodes().into_iter().filter(|host| host.is_ours()) {
        let lines = "stonith_host * fence_dummy hostlist=alpha,beta type=fail power_timeout=2\n\
                     stonith_host * fence_dummy hostlist=alpha,beta type=file status_file=/var/log/plug";
        host.write("/etc/ha.d/ha.cf", &pair.ha_cf(host).line(lines).text())?;
    }
    pair.settle()?;
    pair.alpha.power_cut()?;
    if pair.beta.is_ours() {
        wait_until("the first device fails", seconds(60), || {
            pair.beta.log().contains("Timed out waiting to power OFF")
        })?;
    }
    survivor_has_everything(pair, &pair.beta, seconds(60))?;
    let log = pair.beta.log();
    let taken = log.find("Resources being acquired");
    expect("reset first", log.find("now reset.") < taken)?;
    if pair.beta.is_ours() {
        expect(
            "nothing is taken after a failure",
            log.find("Timed out waiting to power OFF") < taken,
        )?;
        let plug = pair.beta.sh("cat /var/log/plug")?.stdout;
        expect(&format!("the plug is on again: {plug:?}"), plug == "on")?;
    }
    pair.boot(&pair.alpha)?;
    wait_until("one holder of each group", seconds(60), || {
        pair.one_holder_each()
    })?;
    expect(
        "one reset",
        pair.beta.log().matches("node alpha now reset.").count() == 1,
    )
}
