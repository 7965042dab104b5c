//! Media.

use super::{Case, HNS, accepted, accepted_saying, case, refused};
use crate::support::Files;

pub(super) fn bcast_and_ucast() -> Vec<Case> {
    let no_bcast = |interface: &str, reason: &str| {
        refused(
            &format!("bcast {interface}"),
            &[
                &format!("ERROR glib: Get broadcast for interface {interface} failed: {reason}"),
                &format!("ERROR glib: IP interface [{interface}] does not exist"),
                &format!("ERROR Illegal bcast [UDP/IP broadcast] in config file [{interface}]"),
            ],
        )
    };
    let many = |line: &str, count: usize| Files::base().add(&format!("{line}\n").repeat(count));
    vec![
        no_bcast("eth9", "No such device"),
        no_bcast("eth8", "Cannot assign requested address"),
        no_bcast("eth0:0", "Cannot assign requested address"),
        no_bcast("192.168.6.122", "No such device"),
        accepted("bcast eth0 eth0"),
        accepted("bcast eth0,lo"),
        case("64 media", many("bcast lo", 63), 0, &[]),
        case(
            "65 media",
            many("bcast lo", 64),
            6,
            &[
                "ERROR Too many media specified (> 64)",
                "info Offending command: bcast lo",
                HNS,
            ],
        ),
        {
            let mut case = case(
                "65 media, ucast",
                many("ucast lo 192.168.6.123", 64),
                6,
                &[
                    "ERROR Too many media specified (> 64)",
                    "info Offending command: ucast lo 192.168.6.123",
                    HNS,
                ],
            );
            case.legacy_exit = 0;
            case.texts_differ("the legacy does not count media that parse their own line")
        },
        refused(
            "ucast eth0",
            &["ERROR glib: ucast: [eth0] missing target IP address/hostname"],
        ),
        refused(
            "ucast eth0,1.2.3.4",
            &["ERROR glib: ucast: [eth0,1.2.3.4] missing target IP address/hostname"],
        ),
        refused(
            "ucast eth0 nosuch.invalid",
            &[
                "ERROR glib: ucast: cannot resolve hostname",
                "ERROR glib: ucast: interface [eth0] does not exist",
            ],
        ),
        accepted("ucast eth9 192.168.6.123").ours(&["interface-missing"]),
        accepted("ucast eth0 192.168.6.122"),
        accepted("ucast eth0 192.168.6.123 and more"),
        refused("ucast", &[])
            .ours(&["medium-incomplete"])
            .legacy_crashes(),
        refused("mcast", &[])
            .ours(&["medium-incomplete"])
            .legacy_crashes(),
    ]
}

pub(super) fn mcast() -> Vec<Case> {
    let field = |rest: &str, complaint: &str| {
        refused(
            &format!("mcast eth0{rest}"),
            &[&format!("ERROR glib: {complaint}")],
        )
    };
    vec![
        field("", "mcast [eth0] missing mcast address"),
        field(" 1.2.3.4", "mcast [eth0] bad addr [1.2.3.4]"),
        field(" foo 694 1 0", "mcast [eth0] bad addr [foo]"),
        field(" 225.0.0.1", "mcast [eth0] missing port"),
        field(" 225.0.0.1 0 1 0", " mcast [eth0] bad port [0]"),
        field(" 225.0.0.1 65536 1 0", " mcast [eth0] bad port [0]"),
        field(" 225.0.0.1 abc 1 0", " mcast [eth0] bad port [0]"),
        field(" 225.0.0.1 694", "mcast [eth0] missing ttl"),
        field(" 225.0.0.1 694 5 0", " mcast [eth0] bad ttl [5]"),
        field(" 225.0.0.1 694 1", "mcast [eth0] missing loop"),
        field(" 225.0.0.1 694 1 2", " mcast [eth0] bad loop [2]"),
        field(" 225.0.0.1 694 1 -1", " mcast [eth0] bad loop [255]"),
        refused(
            "mcast eth9 225.0.0.1 694 1 0",
            &[
                "ERROR glib: Unable to retrieve local interface address for interface [eth9] using ioctl(SIOCGIFADDR): No such device",
                "ERROR glib: mcast device [eth9] is invalid or not set up properly",
            ],
        ),
        accepted("mcast eth0 225.0.0.1 694 1 0"),
        accepted("mcast eth0 225.0.0.1 694 260 0"),
        accepted("mcast eth0 225.0.0.1 694 0 256 more"),
        accepted("mcast eth0 225.0.0.1 694 x y"),
    ]
}

pub(super) fn serial_and_ports() -> Vec<Case> {
    let bad_serial = |path: &str, complaint: &str| {
        refused(
            &format!("serial {path}"),
            &[
                &format!("ERROR glib: {complaint}"),
                &format!("ERROR Illegal serial [serial ring] in config file [{path}]"),
            ],
        )
    };
    let bad_port = |word: &str| {
        refused(
            &format!("udpport {word}"),
            &[&format!(
                "STDERR heartbeat: invalid port [{word}] specified."
            )],
        )
    };
    vec![
        bad_serial(
            "/dev/nosuch",
            "Nonexistent serial port [/dev/nosuch] in config file",
        ),
        bad_serial(
            "ttyS0",
            "Serial port not full pathname [ttyS0] in config file",
        ),
        bad_serial(
            "/etc/passwd",
            "Serial port [/etc/passwd] not a char device in config file",
        ),
        accepted("serial /dev/null"),
        accepted("baud 9600x"),
        refused(
            "baud 1234",
            &["STDERR heartbeat: invalid baudrate [1234] specified."],
        ),
        refused(
            "baud 9600\nbaud 9600",
            &["STDERR heartbeat: Baudrate multiply specified."],
        ),
        refused(
            "baud 1234\nbaud 9600",
            &[
                "STDERR heartbeat: invalid baudrate [1234] specified.",
                "STDERR heartbeat: Baudrate multiply specified.",
            ],
        ),
        bad_port("0"),
        bad_port("abc"),
        bad_port("ha-cluster"),
        bad_port("-1"),
        accepted_saying(
            "udpport 123",
            &["WARN heartbeat: udp port 123 reserved for service \"ntp\"."],
        ),
        accepted_saying(
            "udpport 65659",
            &["WARN heartbeat: udp port 65659 reserved for service \"ntp\"."],
        ),
        accepted("udpport 70000").ours(&["udpport-truncated"]),
        accepted("udpport 5000").ours(&["udpport-too-late"]),
        accepted("udpport 694\nudpport 694"),
    ]
}

pub(super) fn pings() -> Vec<Case> {
    vec![
        refused(
            "ping nosuch.invalid",
            &[
                "ERROR glib: unknown host: nosuch.invalid: Resource temporarily unavailable",
                "ERROR Illegal ping [ping membership] in config file [nosuch.invalid]",
            ],
        ),
        refused("ping_group", &[]).ours(&["medium-incomplete"]),
        refused("ping_group g", &[]).ours(&["medium-incomplete"]),
        accepted_saying(
            "ping_group g nosuch.invalid",
            &["ERROR glib: unknown host: nosuch.invalid: Resource temporarily unavailable"],
        ),
        accepted("ping 192.168.6.1 192.168.6.2"),
        case(
            "ping alone satisfies the media check",
            Files::base().swap("bcast", "ping 192.168.6.1"),
            0,
            &[],
        )
        .ours(&["no-link-to-nodes"]),
    ]
}

pub(super) fn media_of_306() -> Vec<Case> {
    let complains = |line: &str, text: &str| refused(line, &[&format!("ERROR {text}")]);
    vec![
        accepted("ping6 2001:db8::1"),
        complains(
            "ping6 nosuch.invalid",
            "Illegal ping6 [ping6 membership] in config file [nosuch.invalid]",
        ),
        accepted("ucast6 eth0 fe80::1"),
        accepted("ucast6 eth0 fe80::1%eth0"),
        complains("ucast6", "glib: ucast6 statement without device"),
        complains(
            "ucast6 eth9 fe80::1",
            "glib: ucast6 device [eth9] is invalid or not set up properly",
        ),
        complains("ucast6 eth0", "glib: ucast6 [eth0] missing ucast6 address"),
        complains("ucast6 eth0 foo", "glib: ucast6 [eth0] bad addr [foo]"),
        complains("ucast6 eth0 ::1", "glib: ucast6 [eth0] bad addr [::1]"),
        accepted("mcast6 eth0 ff02::1 694 2 0"),
        complains("mcast6", "glib: mcast6 statement without device"),
        complains("mcast6 eth0", "glib: mcast6 [eth0] missing mcast6 address"),
        complains("mcast6 eth0 ::1", "glib:  mcast6 [eth0] bad addr [::1]"),
        complains("mcast6 eth0 ff02::1", "glib: mcast6 [eth0] missing port"),
        complains(
            "mcast6 eth0 ff02::1 694",
            "glib: mcast6 [eth0] missing hops",
        ),
        complains(
            "mcast6 eth0 ff02::1 694 5 0",
            "glib:  mcast6 [eth0] bad hops [5]",
        ),
        complains(
            "mcast6 eth0 ff02::1 694 2",
            "glib: mcast6 [eth0] missing loop",
        ),
        complains(
            "mcast6 eth0 ff02::1 694 2 3",
            "glib:  mcast6 [eth0] bad loop [3]",
        ),
    ]
}
