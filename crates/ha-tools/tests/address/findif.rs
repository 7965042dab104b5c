//! findif: same answers for the same environment.

use crate::sandbox::{Needs, Side, in_namespace, ip};

/// ip, netmask, broadcast, nic.
const QUESTIONS: [[&str; 4]; 24] = [
    ["192.168.6.66", "24", "", ""],
    ["192.168.6.66", "", "", ""],
    ["192.168.6.66", "255.255.255.0", "", ""],
    ["192.168.6.66", "255.0.255.0", "", ""],
    ["192.168.6.66", "0.0.0.0", "", ""],
    ["192.168.6.66", "255.x", "", ""],
    ["192.168.6.66", "08", "", ""],
    ["192.168.6.66", "2x", "", ""],
    ["192.168.6.66", "33", "", ""],
    ["192.168.6.66", "24", "", "eth0:0"],
    ["192.168.6.66", "24", "", "eth9"],
    ["192.168.6.66", "24", "junk", "eth9"],
    ["192.168.6.66", "24", "", "averyveryverylongname"],
    ["192.168.6.66", "", "", "eth0"],
    ["192.168.6.66", "24", "192.168.6.254", ""],
    ["192.168.6.66", "24", "192.168.006.1", ""],
    ["172.16.5.5", "", "", ""],
    ["172.16.5.5", "24", "", ""],
    ["127.0.0.5", "", "", ""],
    ["10.9.3.3", "", "", ""],
    ["10.9.3.3", "31", "", ""],
    ["", "", "", ""],
    ["abc", "99", "", ""],
    ["300.1.1.1", "24", "", ""],
];

fn compare() {
    for [ip, netmask, broadcast, nic] in QUESTIONS {
        let variables = [
            ("OCF_RESKEY_ip", ip),
            ("OCF_RESKEY_cidr_netmask", netmask),
            ("OCF_RESKEY_broadcast", broadcast),
            ("OCF_RESKEY_nic", nic),
        ];
        for arguments in [&[][..], &["-C"]] {
            let [ours, theirs] =
                Side::BOTH.map(|side| side.call("findif", arguments.iter().copied(), &variables));
            assert_eq!(ours.stdout, theirs.stdout, "{variables:?}");
            let message = |text: &str| text.lines().next().unwrap_or_default().to_owned();
            assert_eq!(
                message(&ours.stderr),
                message(&theirs.stderr),
                "{variables:?}"
            );
            // After 2.1 misuse got the codes 2 and 6; in 2.1 every failure is 1 (`resource-scripts.md` 3.2).
            assert_eq!(ours.code, theirs.code.min(1), "{variables:?}");
        }
    }
}

#[test]
fn findif_answers_as_the_legacy_does() {
    in_namespace(
        "findif::findif_answers_as_the_legacy_does",
        Needs::RootAndLegacy,
        || {
            compare();
            // The same with more to choose from.
            ip("route add 192.168.6.64/26 dev eth1");
            ip("route add 10.9.3.0/24 dev eth0");
            ip("route add 172.16.0.0/12 via 10.9.0.2");
            compare();
        },
    );
}

#[test]
fn findif_wants_no_other_argument() {
    in_namespace(
        "findif::findif_wants_no_other_argument",
        Needs::Root,
        || {
            for arguments in [&["-x"][..], &["-h"], &["-C", "more"], &["192.168.6.66"]] {
                let finished = Side::Ours.call("findif", arguments.iter().copied(), &[]);
                assert_eq!(
                    (finished.code, finished.stdout.as_str()),
                    (1, ""),
                    "{arguments:?}"
                );
                assert!(
                    finished.stderr.contains("Usage: /run/bin/findif [-C]"),
                    "{}",
                    finished.stderr
                );
            }
        },
    );
}

/// A route that leads nowhere is no answer. The legacy prints the `*` that the kernel shows for its interface.
#[test]
fn routes_without_an_interface_do_not_count() {
    in_namespace(
        "findif::routes_without_an_interface_do_not_count",
        Needs::RootAndLegacy,
        || {
            ip("route add blackhole 10.9.3.0/24");
            let variables = [("OCF_RESKEY_ip", "10.9.3.3")];
            let [ours, theirs] = Side::BOTH.map(|side| side.call("findif", ["-C"], &variables));
            assert_eq!(ours.stdout, "eth1\tnetmask 16\tbroadcast 10.9.255.255\n");
            assert_eq!(theirs.stdout, "*\tnetmask 24\tbroadcast 10.9.3.255\n");
        },
    );
}

/// The kernel prefers the longer prefix whatever its metric, and so do we (`resource-scripts.md` 3.3, recommendation).
/// 2.1 compares only metrics; Debian takes a longer prefix only if its metric is not higher.
#[test]
fn a_longer_prefix_wins_over_a_lower_metric() {
    in_namespace(
        "findif::a_longer_prefix_wins_over_a_lower_metric",
        Needs::RootAndLegacy,
        || {
            ip("route add 10.9.3.0/24 dev eth0 metric 50");
            let variables = [("OCF_RESKEY_ip", "10.9.3.3")];
            let [ours, theirs] = Side::BOTH.map(|side| side.call("findif", ["-C"], &variables));
            assert_eq!(ours.stdout, "eth0\tnetmask 24\tbroadcast 10.9.3.255\n");
            assert_eq!(theirs.stdout, "eth1\tnetmask 16\tbroadcast 10.9.255.255\n");
        },
    );
}
