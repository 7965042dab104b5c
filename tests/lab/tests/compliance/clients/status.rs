//! Debian's `cl_status`, every sub-command of it, in every state that a pair can be in (`client-api.md` 7).

use ha_lab::{Host, Output, Result, seconds, wait_until};

use super::{Differences, debian, started, transcript};
use crate::pair::Pair;

/// A command line and what it prints: `out`, `err`, `exit`. A `%` stands for any text.
type Call = (&'static str, &'static [&'static str]);

/// What does not depend on the state of the cluster.
const ALWAYS: &[Call] = &[
    (
        "hbstatus",
        &["out: Heartbeat is running on this machine.", "exit 0"],
    ),
    (
        "listnodes",
        &["out: beta", "out: alpha", "out: 10.0.0.9", "exit 0"],
    ),
    (
        "listnodes -m",
        &[
            "out: The nodes are as follow:",
            "out: beta",
            "out: alpha",
            "out: 10.0.0.9",
            "exit 0",
        ],
    ),
    ("listnodes -n", &["out: beta", "out: alpha", "exit 0"]),
    ("listnodes -p", &["out: 10.0.0.9", "exit 0"]),
    (
        "listnodes -n -p",
        &["out: beta", "out: alpha", "out: 10.0.0.9", "exit 0"],
    ),
    ("nodestatus alpha", &["out: active", "exit 0"]),
    ("nodestatus ALPHA", &["out: active", "exit 0"]),
    ("nodestatus 10.0.0.9", &["out: ping", "exit 0"]),
    (
        "nodestatus -m 10.0.0.9",
        &["out: The cluster node 10.0.0.9 is ping", "exit 0"],
    ),
    (
        "nodestatus nosuch",
        &["err: Error. May be due to incorrect node name", "exit 11"],
    ),
    ("nodestatus", &["err: Not enough parameters.", "exit 11"]),
    ("nodeweight alpha", &["out: 100", "exit 0"]),
    (
        "nodeweight -m beta",
        &["out: The weight of the cluster node beta is 100", "exit 0"],
    ),
    (
        "nodeweight nosuch",
        &["err: Error. Maybe due to incorrect node name.", "exit 11"],
    ),
    ("nodeweight", &["err: Not enough parameters.", "exit 11"]),
    ("nodesite alpha", &["out: ", "exit 0"]),
    (
        "nodesite -m beta",
        &["out: The site of the cluster node beta is ", "exit 0"],
    ),
    (
        "nodesite nosuch",
        &["err: Error. May be due to incorrect node name", "exit 11"],
    ),
    ("nodesite", &["err: Not enough parameters.", "exit 11"]),
    ("nodetype alpha", &["out: normal", "exit 0"]),
    ("nodetype 10.0.0.9", &["out: ping", "exit 0"]),
    (
        "nodetype -m beta",
        &["out: The node beta's type: normal", "exit 0"],
    ),
    (
        "nodetype nosuch",
        &["err: Error. May be due to incorrect node name", "exit 11"],
    ),
    ("nodetype", &["err: No enough parameter.", "exit 11"]),
    ("listhblinks alpha", &["out: \teth0", "exit 0"]),
    ("listhblinks beta", &["out: \teth0", "exit 0"]),
    (
        "listhblinks -m beta",
        &[
            "out: \tthis node has the following heartbeat links:",
            "out: \teth0",
            "exit 0",
        ],
    ),
    ("listhblinks 10.0.0.9", &["out: \t10.0.0.9", "exit 0"]),
    (
        "listhblinks nosuch",
        &[
            "err: Cannot start heartbeat link interface walk.",
            "err: REASON: EINVAL",
            "exit 13",
        ],
    ),
    ("listhblinks", &["err: No enough parameter.", "exit 11"]),
    ("hblinkstatus 10.0.0.9 10.0.0.9", &["out: up", "exit 0"]),
    (
        "hblinkstatus beta eth9",
        &[
            "err: Cannot get heartbeat link status",
            "err: REASON: ",
            "exit 13",
        ],
    ),
    (
        "hblinkstatus nosuch eth0",
        &[
            "err: Cannot get heartbeat link status",
            "err: REASON: ",
            "exit 13",
        ],
    ),
    (
        "hblinkstatus beta",
        &["err: No enough parameter.", "exit 11"],
    ),
    ("clientstatus alpha nosuch", &["out: offline", "exit 1"]),
    ("clientstatus 10.0.0.9 nosuch", &["out: offline", "exit 1"]),
    (
        "clientstatus nosuch nosuch",
        &[
            "err: Cannot get heartbeat client nosuch's status",
            "err: REASON: No timely response.",
            "exit 13",
        ],
    ),
    (
        "clientstatus alpha",
        &["err: No enough parameter.", "exit 11"],
    ),
    (
        "test",
        &[
            "out: Dead time: 2500",
            "out:  keeplive time: 300",
            "out:  mynodeid: alpha",
            "out:  rsc: %",
            "exit 0",
        ],
    ),
    ("hbparameter", &["err: parameter name required", "exit 11"]),
    (
        "hbparameter -m -p keepalive",
        &[
            "out: Heartbeat parameter keepalive's value: 300ms",
            "exit 0",
        ],
    ),
    ("hbparameter -p hbversion", &["out: %", "exit 0"]),
    ("hbparameter -p hopfudge", &["out: 1", "exit 0"]),
    ("hbparameter -p keepalive", &["out: 300ms", "exit 0"]),
    ("hbparameter -p deadtime", &["out: 2500ms", "exit 0"]),
    ("hbparameter -p deadping", &["out: 2500ms", "exit 0"]),
    ("hbparameter -p initdead", &["out: 4000ms", "exit 0"]),
    ("hbparameter -p warntime", &["out: 1250ms", "exit 0"]),
    ("hbparameter -p baud", &["out: 19200", "exit 0"]),
    ("hbparameter -p udpport", &["out: 694", "exit 0"]),
    ("hbparameter -p logfacility", &["out: none", "exit 0"]),
    (
        "hbparameter -p logfile",
        &["out: /var/log/ha-log", "exit 0"],
    ),
    (
        "hbparameter -p debugfile",
        &["out: /var/log/ha-debug", "exit 0"],
    ),
    ("hbparameter -p auto_failback", &["out: on", "exit 0"]),
    ("hbparameter -p cluster", &["out: linux-ha", "exit 0"]),
    ("hbparameter -p crm", &["out: false", "exit 0"]),
    ("hbparameter -p debug", &["out: 0", "exit 0"]),
    ("hbparameter -p hbgenmethod", &["out: file", "exit 0"]),
    ("hbparameter -p realtime", &["out: true", "exit 0"]),
    ("hbparameter -p conn_logd_time", &["out: 60", "exit 0"]),
    ("hbparameter -p log_badpack", &["out: true", "exit 0"]),
    ("hbparameter -p coredumps", &["out: true", "exit 0"]),
    ("hbparameter -p autojoin", &["out: none", "exit 0"]),
    ("hbparameter -p uuidfrom", &["out: file", "exit 0"]),
    ("hbparameter -p compression", &["out: zlib", "exit 0"]),
    (
        "hbparameter -p compression_threshold",
        &["out: 2", "exit 0"],
    ),
    (
        "hbparameter -p traditional_compression",
        &["out: no", "exit 0"],
    ),
    ("hbparameter -p max_rexmit_delay", &["out: 250", "exit 0"]),
    ("hbparameter -p memreserve", &["out: 6500", "exit 0"]),
    ("hbparameter -p msgfmt", &["out: classic", "exit 0"]),
    (
        "hbparameter -p watchdog",
        &[
            "err: Cannot get parameter watchdog's value",
            "err: REASON: %",
            "exit 1",
        ],
    ),
    (
        "hbparameter -p node",
        &[
            "err: Cannot get parameter node's value",
            "err: REASON: %",
            "exit 1",
        ],
    ),
    (
        "hbparameter -p respawn",
        &[
            "err: Cannot get parameter respawn's value",
            "err: REASON: %",
            "exit 1",
        ],
    ),
    (
        "hbparameter -p nosuch",
        &[
            "err: Cannot get parameter nosuch's value",
            "err: REASON: %",
            "exit 1",
        ],
    ),
    (
        "nosuchcmd",
        &["err: nosuchcmd: invalid sub-command.", "exit 11"],
    ),
    (
        "nodestatus -x alpha",
        &[
            "err: nodestatus: invalid option -- 'x'",
            "err: Error: getopt returnedcharacter ?.",
            "exit 11",
        ],
    ),
];

/// Both nodes active, each with its own group.
const PAIR_UP: &[Call] = &[
    ("nodestatus beta", &["out: active", "exit 0"]),
    (
        "nodestatus -m beta",
        &["out: The cluster node beta is active", "exit 0"],
    ),
    ("hblinkstatus beta eth0", &["out: up", "exit 0"]),
    (
        "hblinkstatus -m beta eth0",
        &["out: The node beta's heartbeat link eth0 is up", "exit 0"],
    ),
    ("clientstatus beta nosuch 4000", &["out: offline", "exit 1"]),
    ("rscstatus", &["out: local", "exit 0"]),
    (
        "rscstatus -m",
        &["out: This node is holding local resources.", "exit 0"],
    ),
];

/// A node's link to itself is up where it hears itself.
const OWN_LINK: [&[Call]; 2] = [
    &[("hblinkstatus alpha eth0", &["out: dead", "exit 1"])],
    &[("hblinkstatus alpha eth0", &["out: up", "exit 0"])],
];

/// After `hb_standby all` on alpha.
const AFTER_STANDBY: &[Call] = &[
    ("rscstatus", &["out: none", "exit 0"]),
    (
        "rscstatus -m",
        &["out: This node is holding none resources.", "exit 0"],
    ),
];

/// Beta has lost its power and alpha knows.
const PEER_DEAD: &[Call] = &[
    ("nodestatus beta", &["out: dead", "exit 1"]),
    (
        "nodestatus -m beta",
        &["out: The cluster node beta is dead", "exit 1"],
    ),
    ("hblinkstatus beta eth0", &["out: dead", "exit 1"]),
    (
        "hblinkstatus -m beta eth0",
        &["out: The node beta's heartbeat link eth0 is dead", "exit 1"],
    ),
    ("clientstatus beta nosuch 4000", &["out: offline", "exit 1"]),
    ("rscstatus", &["out: all", "exit 0"]),
];

const NOT_RUNNING: &[&str] = &[
    "err: Cannot signon with heartbeat",
    "err: REASON: hb_api_signon: Can't initiate connection to heartbeat",
    "exit 1",
];

/// The daemon has been stopped.
const STOPPED: &[Call] = &[
    (
        "hbstatus",
        &["out: Heartbeat is stopped on this machine.", "exit 1"],
    ),
    ("listnodes", NOT_RUNNING),
    ("nodestatus alpha", NOT_RUNNING),
    ("nodeweight alpha", NOT_RUNNING),
    ("nodesite alpha", NOT_RUNNING),
    ("nodetype alpha", NOT_RUNNING),
    ("listhblinks alpha", NOT_RUNNING),
    ("hblinkstatus alpha eth0", NOT_RUNNING),
    ("clientstatus alpha nosuch", NOT_RUNNING),
    ("rscstatus", NOT_RUNNING),
    ("hbparameter -p keepalive", NOT_RUNNING),
    ("test", NOT_RUNNING),
    (
        "nosuchcmd",
        &["err: nosuchcmd: invalid sub-command.", "exit 11"],
    ),
];

pub fn every_sub_command(pair: &Pair) -> Result<()> {
    started(pair, &[])?;
    let mut differences = Differences::default();
    let alpha = &pair.alpha;
    check(&mut differences, "pair up", alpha, ALWAYS)?;
    check(&mut differences, "pair up", alpha, PAIR_UP)?;
    let [dead, up] = OWN_LINK;
    let own_link = if pair.variant.medium == "bcast" {
        up
    } else {
        dead
    };
    check(&mut differences, "pair up", alpha, own_link)?;
    socket(&mut differences, alpha)?;
    pair.standby(alpha, "all", "beta", "beta")?;
    check(&mut differences, "after standby", alpha, AFTER_STANDBY)?;
    pair.beta.power_cut()?;
    pair.until_at("alpha took over", seconds(20), "alpha", "alpha")?;
    wait_until("alpha is stable", seconds(20), || {
        cl_status(alpha, "rscstatus").is_ok_and(|output| output.stdout == "all\n")
    })?;
    check(&mut differences, "beta dead", alpha, PEER_DEAD)?;
    alpha.stop_heartbeat()?;
    check(&mut differences, "stopped", alpha, STOPPED)?;
    // It is left behind, and refuses whoever comes.
    socket(&mut differences, alpha)?;
    differences.finish()
}

/// Who may reach the daemon is decided by the directory, not by the socket (`client-api.md` 1.1).
fn socket(differences: &mut Differences, host: &Host) -> Result<()> {
    let output = host.run(&["stat", "-c", "%a %U %G %F", "/var/run/heartbeat/register"])?;
    differences.compare(
        "the socket",
        &["777 root root socket"],
        &[output.stdout.trim_end()],
    );
    Ok(())
}

fn check(differences: &mut Differences, state: &str, host: &Host, calls: &[Call]) -> Result<()> {
    for (words, expected) in calls {
        let output = cl_status(host, words)?;
        let seen: Vec<String> = transcript(&output)
            .iter()
            .map(|line| without_stamp(line))
            .collect();
        differences.compare(&format!("{state}: cl_status {words}"), expected, &seen);
    }
    Ok(())
}

fn cl_status(host: &Host, words: &str) -> Result<Output> {
    let program = debian("cl_status");
    let mut all = vec![program.as_str()];
    all.extend(words.split(' '));
    host.run(&all)
}

/// `err: Mon DD HH:MM:SS host cl_status: [pid]: ERROR: text` without all before the text.
fn without_stamp(line: &str) -> String {
    match line.split_once(" cl_status: [") {
        Some((_, rest)) => match rest.split_once("]: ERROR: ") {
            Some((_, text)) => format!("err: {text}"),
            None => line.to_owned(),
        },
        None => line.to_owned(),
    }
}
