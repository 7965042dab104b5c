//! Recorded calls of the legacy's cl_status: ours asks the daemon the same and says the same.

use std::ffi::OsString;

use crate::command::run;
use crate::report::{Report, Trouble};

#[path = "../../../ha-ipc/tests/client/recording.rs"]
mod recording;

use recording::{Place, Recording};

/// Recording, command line, what it says line by line (`!` before standard error, `!!` before a log line), exit code.
type Call = (&'static str, &'static str, &'static [&'static str], u8);

/// At a daemon of 3.0.6. Those whose texts differ say what 2.1 says.
const CALLS_AT_306: &[Call] = &[
    (
        "clientstatus_local",
        "clientstatus nodea ipfail",
        &["online"],
        0,
    ),
    (
        "clientstatus_local_off",
        "clientstatus nodea nosuch",
        &["offline"],
        1,
    ),
    (
        "clientstatus_ping",
        "clientstatus 10.77.1.254 ipfail",
        &["offline"],
        1,
    ),
    (
        "clientstatus_remote",
        "clientstatus nodeb ipfail",
        &["online"],
        0,
    ),
    (
        "clientstatus_remote_off",
        "clientstatus nodeb nosuch 1000",
        &["offline"],
        1,
    ),
    ("hblinkstatus", "hblinkstatus nodeb eth0", &["up"], 0),
    (
        "hblinkstatus_bad",
        "hblinkstatus nodeb eth9",
        &["!!Cannot get heartbeat link status", "!!REASON: "],
        13,
    ),
    (
        "hblinkstatus_ping",
        "hblinkstatus 10.77.1.254 10.77.1.254",
        &["up"],
        0,
    ),
    (
        "hbparameter_auto_failback",
        "hbparameter -p auto_failback",
        &["off"],
        0,
    ),
    ("hbparameter_baud", "hbparameter -p baud", &["19200"], 0),
    (
        "hbparameter_cluster",
        "hbparameter -p cluster",
        &["linux-ha"],
        0,
    ),
    (
        "hbparameter_compression",
        "hbparameter -p compression",
        &["zlib"],
        0,
    ),
    ("hbparameter_crm", "hbparameter -p crm", &["false"], 0),
    (
        "hbparameter_deadping",
        "hbparameter -p deadping",
        &["5000ms"],
        0,
    ),
    ("hbparameter_deadtime", "hbparameter -p deadtime", &["5"], 0),
    ("hbparameter_debug", "hbparameter -p debug", &["0"], 0),
    (
        "hbparameter_hbversion",
        "hbparameter -p hbversion",
        &["3.0.6 (node: 958e11be8686759f1b99204c17812f2c2633b169)"],
        0,
    ),
    ("hbparameter_initdead", "hbparameter -p initdead", &["6"], 0),
    (
        "hbparameter_keepalive",
        "hbparameter -p keepalive",
        &["500ms"],
        0,
    ),
    (
        "hbparameter_logfacility",
        "hbparameter -p logfacility",
        &["local0"],
        0,
    ),
    (
        "hbparameter_noarg",
        "hbparameter",
        &["!!parameter name required"],
        11,
    ),
    (
        "hbparameter_node",
        "hbparameter -p node",
        &["!!Cannot get parameter node's value", "!!REASON: "],
        1,
    ),
    (
        "hbparameter_normalpoll",
        "hbparameter -p normalpoll",
        &["!!Cannot get parameter normalpoll's value", "!!REASON: "],
        1,
    ),
    (
        "hbparameter_nosuch",
        "hbparameter -p nosuch",
        &["!!Cannot get parameter nosuch's value", "!!REASON: "],
        1,
    ),
    (
        "hbparameter_pacemaker",
        "hbparameter -p pacemaker",
        &["false"],
        0,
    ),
    (
        "hbparameter_respawn",
        "hbparameter -p respawn",
        &["!!Cannot get parameter respawn's value", "!!REASON: "],
        1,
    ),
    ("hbparameter_udpport", "hbparameter -p udpport", &["694"], 0),
    ("hbparameter_warntime", "hbparameter -p warntime", &["2"], 0),
    (
        "hbstatus",
        "hbstatus",
        &["Heartbeat is running on this machine."],
        0,
    ),
    // 3.0.6 says `REASON: EINVAL`.
    (
        "listhblinks_bad",
        "listhblinks nosuch",
        &[
            "!!Cannot start heartbeat link interface walk.",
            "!!REASON: ",
        ],
        13,
    ),
    ("listhblinks_peer", "listhblinks nodeb", &["\teth0"], 0),
    (
        "listhblinks_ping",
        "listhblinks 10.77.1.254",
        &["\t10.77.1.254"],
        0,
    ),
    ("listhblinks_self", "listhblinks nodea", &["\teth0"], 0),
    (
        "listnodes",
        "listnodes",
        &["nodeb", "nodea", "10.77.1.254"],
        0,
    ),
    (
        "listnodes_m",
        "listnodes -m",
        &["The nodes are as follow:", "nodeb", "nodea", "10.77.1.254"],
        0,
    ),
    ("listnodes_n", "listnodes -n", &["nodeb", "nodea"], 0),
    ("listnodes_p", "listnodes -p", &["10.77.1.254"], 0),
    ("nodesite", "nodesite nodea", &[""], 0),
    (
        "nodesite_m",
        "nodesite -m nodeb",
        &["The site of the cluster node nodeb is "],
        0,
    ),
    (
        "nodestatus_bad",
        "nodestatus nosuch",
        &["!Error. May be due to incorrect node name"],
        11,
    ),
    (
        "nodestatus_m",
        "nodestatus -m nodeb",
        &["The cluster node nodeb is active"],
        0,
    ),
    (
        "nodestatus_noarg",
        "nodestatus",
        &["!Not enough parameters."],
        11,
    ),
    ("nodestatus_ping", "nodestatus 10.77.1.254", &["ping"], 0),
    ("nodestatus_self", "nodestatus nodea", &["active"], 0),
    ("nodetype", "nodetype nodea", &["normal"], 0),
    ("nodetype_ping", "nodetype 10.77.1.254", &["ping"], 0),
    ("nodeweight", "nodeweight nodea", &["100"], 0),
    ("rscstatus", "rscstatus", &["local"], 0),
    (
        "rscstatus_m",
        "rscstatus -m",
        &["This node is holding local resources."],
        0,
    ),
    (
        "test",
        "test",
        &[
            "Dead time: 5000",
            " keeplive time: 500",
            " mynodeid: nodea",
            " rsc: local",
        ],
        0,
    ),
];

/// cl_status of 2.1.3 at a daemon of 2.1.3.
const CALLS_AT_213: &[Call] = &[
    ("clientstatus", "clientstatus nodeb ipfail", &["online"], 0),
    (
        "hbparameter_hbversion",
        "hbparameter -p hbversion",
        &["2.1.3"],
        0,
    ),
    (
        "hbparameter_keepalive",
        "hbparameter -p keepalive",
        &["500ms"],
        0,
    ),
    (
        "hbstatus",
        "hbstatus",
        &["Heartbeat is running on this machine."],
        0,
    ),
    ("listhblinks", "listhblinks nodeb", &["\teth0"], 0),
    (
        "listhblinks_bad",
        "listhblinks nosuch",
        &[
            "!!Cannot start heartbeat link interface walk.",
            "!!REASON: ",
        ],
        13,
    ),
    (
        "listnodes",
        "listnodes",
        &["nodeb", "nodea", "10.77.1.254"],
        0,
    ),
    ("listnodes_n", "listnodes -n", &["nodeb", "nodea"], 0),
    ("nodesite", "nodesite nodeb", &[""], 0),
    ("nodestatus", "nodestatus nodeb", &["active"], 0),
    (
        "nodestatus_bad",
        "nodestatus nosuch",
        &["!Error. May be due to incorrect node name"],
        11,
    ),
    ("rscstatus", "rscstatus", &["local"], 0),
    (
        "test",
        "test",
        &[
            "Dead time: 5000",
            " keeplive time: 500",
            " mynodeid: nodea",
            " rsc: local",
        ],
        0,
    ),
];

fn lines(report: &Report) -> Vec<String> {
    let said = report.stdout.lines().map(str::to_owned);
    let troubles = report.troubles.iter().map(|trouble| match trouble {
        Trouble::Printed(text) => format!("!{text}"),
        Trouble::Logged(text) => format!("!!{text}"),
    });
    said.chain(troubles).collect()
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|&line| line.to_owned()).collect()
}

fn words(command: &str) -> Vec<OsString> {
    command.split_whitespace().map(OsString::from).collect()
}

fn replay(directory: &str, calls: &[Call]) {
    for (name, command, expected, code) in calls {
        let name = format!("{directory}{name}.txt");
        let place = Place::new();
        let recording = Recording::read(&name);
        let recorded = recording.requests();
        let server = recording.serve(&place.socket());
        let report = run(&words(command), &place.socket());
        assert_eq!(
            (lines(&report), report.code),
            (owned(expected), *code),
            "{name}"
        );
        assert_eq!(server.join().unwrap(), recorded, "{name}");
    }
}

#[test]
fn recorded_calls_at_a_daemon_of_306() {
    replay("cl_status_", CALLS_AT_306);
}

#[test]
fn recorded_calls_at_a_daemon_of_213() {
    replay("213/cl_status213_", CALLS_AT_213);
}

/// No recording is forgotten, but those of calls that do not reach the daemon and those of 3.0.6's own questions.
#[test]
fn every_recording_is_replayed() {
    let directory =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../ha-cluster/tests/api/vectors");
    for (directory, prefix, calls) in [
        (directory.clone(), "cl_status_", CALLS_AT_306),
        (directory.join("213"), "cl_status213_", CALLS_AT_213),
    ] {
        for entry in std::fs::read_dir(directory).unwrap() {
            let file = entry.unwrap().file_name().into_string().unwrap();
            let Some(name) = file
                .strip_prefix(prefix)
                .and_then(|rest| rest.strip_suffix(".txt"))
            else {
                continue;
            };
            let known = calls.iter().any(|(known, ..)| *known == name);
            let unsaid = name.starts_with("stopped_") || name == "badsub";
            assert!(known || unsaid, "{file}");
        }
    }
}

#[test]
fn calls_that_nobody_answers() {
    let place = Place::new();
    for (command, expected, code) in [
        (
            "hbstatus",
            &["Heartbeat is stopped on this machine."][..],
            1,
        ),
        (
            "listnodes",
            &[
                "!!Cannot signon with heartbeat",
                "!!REASON: hb_api_signon: Can't initiate connection  to heartbeat",
            ],
            1,
        ),
        (
            "hbparameter -p keepalive",
            &[
                "!!Cannot get parameter keepalive's value",
                "!!REASON: not signed on",
            ],
            1,
        ),
        ("hbparameter", &["!!parameter name required"], 11),
        ("nosuchcmd", &["!!nosuchcmd: invalid sub-command."], 11),
        ("-x hbstatus", &["!!-x: invalid sub-command."], 11),
        (
            "nodestatus-and",
            &["!!nodestatus-and: invalid sub-command."],
            11,
        ),
    ] {
        let report = run(&words(command), &place.socket());
        let said = (lines(&report), report.code);
        assert_eq!(said, (owned(expected), code), "{command}");
    }
    for command in ["", "-h", "-h hbstatus"] {
        let report = run(&words(command), &place.socket());
        assert!(report.stdout.starts_with("Usage: cl_status <sub-command>"));
        assert_eq!((report.troubles.len(), report.code), (0, 0));
    }
}
