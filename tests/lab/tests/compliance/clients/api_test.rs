//! Debian's `api_test` (`client-api.md` 8).

use ha_lab::{Host, LabError, Result, seconds, wait_until};

use super::{Differences, debian, matches};
use crate::pair::Pair;

/// What it says in the first seconds on alpha.
const API_TEST: &[&str] = &[
    "info: PID=%",
    "info: Signing in with heartbeat",
    "info: Setting message filter mode",
    "info: Parameter hbversion is [%]",
    "info: Parameter hopfudge is [1]",
    "info: Parameter keepalive is [300ms]",
    "info: Parameter deadtime is [2500ms]",
    "info: Parameter deadping is [2500ms]",
    "info: Parameter warntime is [1250ms]",
    "info: Parameter initdead is [4000ms]",
    "info: Parameter baud is [19200]",
    "info: Parameter udpport is [694]",
    "info: Parameter auto_failback is [off]",
    "info: Parameter hbgenmethod is [file]",
    "info: Parameter realtime is [true]",
    "info: Parameter debug is [0]",
    "ERROR: Mandantory Parameter normalpoll is not available!",
    "info: Optional Parameter logfile is [/var/log/ha-log]",
    "info: Optional Parameter debugfile is [/var/log/ha-debug]",
    "info: Optional Parameter logfacility is [none]",
    "info: Current resource status: local",
    "info: Starting node walk",
    "info: Cluster node: beta: status: active",
    "info: \tnode beta: intf: eth0 ifstatus: up",
    "info: beta/api_test status: [BETA]",
    "info: Cluster node: alpha: status: active",
    "info: \tnode alpha: intf: eth0 ifstatus: %",
    "info: alpha/api_test status: [online]",
    "info: Cluster node: 10.0.0.9: status: ping",
    "info: \tnode 10.0.0.9: intf: 10.0.0.9 ifstatus: up",
    "info: 10.0.0.9/api_test status: [offline]",
    "info: Sleeping...",
];

/// How much of it does not depend on the daemon's speed.
const API_TEST_IN_STEP: usize = 23;

/// What it says once it has slept.
const API_TEST_LATER: &[&str] = &[
    "info: Sent ping request to cluster",
    "info: Waiting for messages...",
    "notice: Got message % of type [ping] from [alpha]",
    "info: Sent ping reply(9) to [alpha]",
    "notice: Got message % of type [pingreply] from [alpha]",
];

/// Lets it run beside everything else; it sleeps most of its time.
pub fn start(pair: &Pair) -> Result<()> {
    let program = debian("api_test");
    let alone = "setpriv --regid haclient --clear-groups";
    pair.alpha
        .sh(&format!(
            "timeout 60 {alone} {program} 2>/var/log/api_test &"
        ))
        .map(drop)
}

pub fn check(pair: &Pair, differences: &mut Differences) -> Result<()> {
    let alpha = &pair.alpha;
    // It waits 100 ms for each answer about a client. The legacy often needs longer; then it takes every later answer for
    // that of the question before, and ends.
    let later = if alpha.is_ours() {
        API_TEST_LATER
    } else {
        &["info: Cluster node: beta: status: active"]
    };
    for text in later {
        wait_until(&format!("api_test says {text}"), seconds(30), || {
            lines_of(alpha).iter().any(|line| matches(text, line))
        })
        .map_err(|error| {
            LabError::unexpected(format!("{error}; it said {:#?}", lines_of(alpha)))
        })?;
    }
    let lines = lines_of(alpha);
    let shown = if alpha.is_ours() {
        API_TEST.len()
    } else {
        API_TEST_IN_STEP
    };
    // The far client is not there, which a legacy peer may be too slow to say.
    let beta = if pair.beta.is_ours() { "offline" } else { "%" };
    let expected: Vec<String> = API_TEST
        .iter()
        .take(shown)
        .map(|line| line.replace("BETA", beta))
        .collect();
    let seen: Vec<&String> = lines.iter().take(shown).collect();
    differences.compare("api_test", &expected, &seen);
    Ok(())
}

fn lines_of(host: &Host) -> Vec<String> {
    let text = host.log_file("api_test");
    let said = |line: &str| {
        let (_, rest) = line.split_once("api_test: [")?;
        let (_, text) = rest.split_once("]: ")?;
        Some(text.to_owned())
    };
    text.lines().filter_map(said).collect()
}
