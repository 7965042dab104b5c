//! Lines of ha.cf: names of directives, times, nodes, lexical oddities.

use super::{Case, HNS, NOT_A_NODE, accepted, accepted_saying, case, refused, refused_silently};
use crate::support::Files;

pub(super) fn directives() -> Vec<Case> {
    let illegal = |line: &str, word: &str| {
        refused(
            line,
            &[&format!(
                "ERROR Illegal directive [{word}] in /etc/ha.d/ha.cf"
            )],
        )
    };
    let bom = format!(
        "\u{feff}{}",
        String::from_utf8(Files::base().ha_cf.unwrap()).unwrap()
    );
    vec![
        illegal("frobnicate 3", "frobnicate"),
        illegal("Keepalive 2", "Keepalive"),
        illegal("keepalive=2", "keepalive=2"),
        illegal("keepalive: 2", "keepalive:"),
        illegal("keepalive,2", "keepalive,2"),
        illegal(", keepalive 2", ","),
        illegal("hbaping x", "hbaping"),
        illegal("normalpoll true", "normalpoll"),
        illegal("rds eth0", "rds"),
        illegal("setenv A=B", "setenv"),
        case(
            "BOM",
            Files::base().ha_cf(bom),
            6,
            &[
                "ERROR Illegal directive [\u{feff}logfile] in /etc/ha.d/ha.cf",
                HNS,
            ],
        ),
        refused(
            "frob 1\nnicate 2\nhopfudge 300",
            &[
                "ERROR Illegal directive [frob] in /etc/ha.d/ha.cf",
                "ERROR Illegal directive [nicate] in /etc/ha.d/ha.cf",
            ],
        )
        .ours(&["bad-value"]),
        accepted_saying("pacemaker no", &["info Version 2 support: no"]),
        accepted_saying("crm no", &["info Version 2 support: no"]),
        refused("crm foo", &["info Version 2 support: foo"]).ours(&["bad-value"]),
        refused(
            "crm yes",
            &[
                "info Version 2 support: yes",
                "WARN File /etc/ha.d/haresources exists.",
                "WARN This file is not used because crm is enabled",
            ],
        )
        .ours(&["crm-unsupported"])
        .texts_differ(
            "the legacy would start release 2 and complains that its programs are missing",
        ),
        accepted("keepalive").ours(&["no-value"]),
        accepted("ping").ours(&["no-value"]),
        accepted("node").ours(&["no-value"]),
        case(
            "bcast (no value) as only medium",
            Files::base().swap("bcast", "bcast"),
            6,
            &["ERROR No heartbeat media defined"],
        ),
        accepted_saying(
            "udp lo",
            &["WARN WARNING: directive 'udp' replaced by 'bcast'"],
        ),
    ]
}

pub(super) fn times() -> Vec<Case> {
    let check = |directive: &str, text: &str, says: &[&str]| {
        case(text, Files::base().swap(directive, text), 6, says)
    };
    let fine = |directive: &str, text: &str| {
        case(
            text,
            Files::base()
                .swap(directive, text)
                .swap("initdead", "initdead 60"),
            0,
            &[],
        )
    };
    let dead = |text: &str, ms: &str| {
        check(
            "deadtime",
            text,
            &[&format!(
                "ERROR Dead time [{ms}] is too small compared to keeplive [2000]"
            )],
        )
    };
    let mut cases = vec![
        dead("deadtime 4", "4000"),
        dead("deadtime 0", "0"),
        dead("deadtime 1.0.5", "1000"),
        case(
            "all times too small",
            Files::base()
                .swap("deadtime", "deadtime 4")
                .swap("initdead", "initdead 3\ndeadping 1"),
            6,
            &[
                "ERROR Dead time [4000] is too small compared to keeplive [2000]",
                "ERROR Initial dead time [3000] is smaller than deadtime [4000]",
                "ERROR Ping dead time [1000] is too small compared to keeplive [2000]",
            ],
        ),
        fine("deadtime", "deadtime 4001ms"),
        check(
            "initdead",
            "initdead 9",
            &["ERROR Initial dead time [9000] is smaller than deadtime [10000]"],
        ),
        case(
            "initdead 9 (deadtime 8)",
            Files::base()
                .swap("deadtime", "deadtime 8")
                .swap("initdead", "initdead 9"),
            0,
            &[
                "WARN Initial dead time [9000 ms] may be too small!",
                "info Initial dead time accounts for slow network startup time",
                "info It should be >= deadtime and >= 10 seconds",
            ],
        ),
        case("no initdead", Files::base().swap("initdead", ""), 0, &[]),
        case(
            "no times at all",
            {
                Files::base()
                    .swap("initdead", "")
                    .swap("deadtime", "")
                    .swap("keepalive", "")
                    .swap("warntime", "")
            },
            0,
            &[],
        ),
        case(
            "no initdead, deadtime 5",
            Files::base()
                .swap("initdead", "")
                .swap("deadtime", "deadtime 5"),
            0,
            &[],
        ),
        case(
            "no initdead, deadtime 6",
            Files::base()
                .swap("initdead", "")
                .swap("deadtime", "deadtime 6"),
            0,
            &[],
        ),
        case(
            "no initdead, deadtime 11",
            Files::base()
                .swap("initdead", "")
                .swap("deadtime", "deadtime 11"),
            0,
            &[],
        ),
        refused("warntime 0", &["STDERR Warn time [0] is invalid."]),
        refused("warntime abc", &["STDERR Warn time [abc] is invalid."]),
        fine("warntime", "warntime 10").ours(&["warntime-useless"]),
        fine("warntime", "warntime 30").ours(&["warntime-useless"]),
        check(
            "warntime",
            "deadping 4",
            &["ERROR Ping dead time [4000] is too small compared to keeplive [2000]"],
        ),
        check(
            "warntime",
            "deadping 0",
            &["ERROR Ping dead time [0] is too small compared to keeplive [2000]"],
        ),
        refused_silently("deadping abc"),
        accepted("initdead 9007199254740"),
        refused_silently("initdead 99999999999999999999"),
    ];
    for text in [
        "deadtime -5",
        "deadtime abc",
        "deadtime 1h",
        "deadtime 10s",
        "deadtime 15000 ms",
        "deadtime ms",
    ] {
        cases.push(refused_silently(text));
    }
    for text in [
        "keepalive 0",
        "keepalive 1us",
        "keepalive abc",
        "keepalive -1",
        "keepalive .",
    ] {
        cases.push(refused_silently(text));
    }
    for text in [
        "15000ms",
        "15000msec",
        "15000MS",
        "15000000us",
        "10.5",
        "10,12",
        "1..5 10",
    ] {
        cases.push(fine("deadtime", &format!("deadtime {text}")));
    }
    cases
}

pub(super) fn nodes() -> Vec<Case> {
    let only = |name: &str, text: &str, says: &[&str], haresources: &str| {
        let exit = if says.is_empty() { 0 } else { 6 };
        case(
            name,
            Files::base().swap("node", text).haresources(haresources),
            exit,
            says,
        )
    };
    let no_node = [&["ERROR no nodes defined"][..], &NOT_A_NODE].concat();
    let many = |count: usize| {
        let names: Vec<String> = (0..count).map(|number| format!("n{number}")).collect();
        Files::base().add(&format!("node {}", names.join(" ")))
    };
    vec![
        only("no node", "", &no_node, ""),
        only("other node only", "node other", &NOT_A_NODE, ""),
        only("short name", "node lvs1 lvs2", &NOT_A_NODE, ""),
        only("quoted name", "node \"lvs1.okooo.cn\"", &NOT_A_NODE, ""),
        only(
            "node upper case",
            "node LVS1.OKOOO.CN",
            &[],
            "lvs1.okooo.cn x\n",
        ),
        only(
            "comma list",
            "node lvs1.okooo.cn,lvs2.okooo.cn",
            &[],
            "lvs2.okooo.cn x\n",
        ),
        only(
            "autojoin any and no node",
            "autojoin any",
            &[
                "notice Current node [lvs1.okooo.cn] added to configuration.",
                "ERROR R1 style resource management conflicts with  autojoin set",
                "ERROR You need either unset autojoin or enable crm",
            ],
            "",
        ),
        only(
            "autojoin other and no node",
            "autojoin other",
            &[
                &no_node[..],
                &[
                    "ERROR R1 style resource management conflicts with  autojoin set",
                    "ERROR You need either unset autojoin or enable crm",
                ],
            ]
            .concat(),
            "",
        ),
        only("single node", "node lvs1.okooo.cn", &[], ""),
        accepted("node lvs2.okooo.cn").ours(&["duplicate-node"]),
        accepted("ping 192.168.6.1 192.168.6.1").ours(&["duplicate-node"]),
        accepted("ping_group LVS2.okooo.cn 192.168.6.1").ours(&["duplicate-node"]),
        case("100 nodes", many(98), 0, &[]),
        {
            let files = many(98).add("ping_group g 192.168.6.1");
            let mut case = case("101 nodes incl. ping", files, 6, &[HNS]).ours(&["too-many-nodes"]);
            case.legacy_exit = 0;
            case.texts_differ("3.0.6 forgets to ask when the last one is a group")
        },
        case("101 nodes", many(99), 6, &[HNS]).ours(&["too-many-nodes"]),
    ]
}

pub(super) fn lexical() -> Vec<Case> {
    let tail = |directive: &str| format!("#{}{directive}\n", "x".repeat(LINE_MAX - 1));
    let base = String::from_utf8(Files::base().ha_cf.unwrap()).unwrap();
    vec![
        case(
            "comment line longer than 5119",
            Files::base().add(&tail("tail of it")),
            6,
            &["ERROR Illegal directive [tail] in /etc/ha.d/ha.cf", HNS],
        ),
        case(
            "the tail of a comment may be a directive",
            Files::base().add(&tail("debug 0")),
            0,
            &[],
        ),
        accepted("keepalive 2#x"),
        accepted("\t \x0ckeepalive 2"),
        case(
            "CRLF",
            Files::base().ha_cf(base.replace('\n', "\r\n")),
            0,
            &[],
        ),
        case(
            "no final newline",
            Files::base().ha_cf(base.trim_end()),
            0,
            &[],
        ),
        refused(
            "keepalive\x0b3",
            &["ERROR Illegal directive [keepalive\x0b3] in /etc/ha.d/ha.cf"],
        ),
    ]
}

/// What fits into the line buffer.
const LINE_MAX: usize = 5119;
