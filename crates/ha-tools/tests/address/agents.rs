//! The same specs for both implementations: same addresses, same exit codes, same closing lines.

use std::fs;

use crate::sandbox::{Finished, Needs, Side, addresses, in_namespace, ip, until};

/// What one implementation does with one spec, from nothing to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Story {
    /// Exit code and last line of each operation, and the addresses there were after it.
    steps: Vec<(&'static str, i32, String, Vec<String>)>,
}

fn tell(side: Side, agent: &str, spec: &str) -> Story {
    let base = addresses();
    let steps = [
        "status", "start", "status", "start", "stop", "stop", "status",
    ]
    .map(|operation| {
        let finished = side.call(agent, [spec, operation], &[]);
        let added = addresses()
            .into_iter()
            .filter(|line| !base.contains(line))
            .collect();
        (
            operation,
            finished.code,
            finished.last_line().to_owned(),
            added,
        )
    });
    assert_eq!(
        addresses(),
        base,
        "{side:?} {agent} {spec} leaves the machine as it was"
    );
    let steps = steps.into();
    Story { steps }
}

impl Story {
    /// Exit codes of status, start and stop, and the address that start added; for what both do not do alike.
    fn summary(&self) -> (i32, i32, i32, String) {
        let code = |at: usize| self.steps.get(at).map_or(-1, |step| step.1);
        let added = self.steps.get(1).map(|step| step.3.join("; "));
        (code(0), code(1), code(4), added.unwrap_or_default())
    }
}

/// Specs of `resource-scripts.md` 2.1 and others that IPaddr of 2.1 and of Debian treat alike.
const IPADDR_ALIKE: [&str; 24] = [
    "192.168.6.66/32/eth0:0",
    "192.168.6.66/24",
    "192.168.6.66/24/eth0",
    "192.168.6.66/24/eth0:3",
    "192.168.6.66/24/eth0:web",
    "192.168.6.66/24/192.168.6.255",
    "192.168.6.66/24/eth0/192.168.6.254",
    "192.168.6.66/24/eth0/192.168.6.255/extra",
    "192.168.6.66/24/eth0/junk",
    "192.168.6.66/255.255.255.0/eth0",
    "192.168.6.66/33",
    "192.168.6.66/0/eth0",
    "192.168.6.66//eth0",
    "192.168.6.66",
    "172.16.5.5",
    "172.16.5.5/24",
    "172.16.5.5/24/eth1",
    "127.0.0.5/8/lo",
    "10.9.7.7/16/eth1",
    "192.168.6.66/24/eth9",
    "1.2.3",
    "abc",
    "300.1.1.1/24/eth0",
    "192.168.006.066/24/eth0",
];

/// Specs for which Debian's IPaddr ends otherwise than 2.1.x: its nic is eth0 unless the spec names another, and then the
/// route's nic is "wrong" (`resource-scripts.md` 14). Ours, theirs.
const IPADDR_OTHERWISE: [(&str, Summary, Summary); 2] = [
    (
        "127.0.0.5",
        (
            7,
            0,
            0,
            "lo inet 127.0.0.5/8 brd 127.255.255.255 scope host secondary lo:0",
        ),
        (7, 2, 0, ""),
    ),
    (
        "10.9.7.7/16",
        (
            7,
            0,
            0,
            "eth1 inet 10.9.7.7/16 brd 10.9.255.255 scope global secondary eth1:0",
        ),
        (7, 2, 0, ""),
    ),
];

type Summary = (i32, i32, i32, &'static str);

const IPADDR2_ALIKE: [&str; 9] = [
    "192.168.6.66/24",
    "192.168.6.66/24/eth0",
    "192.168.6.66/24/eth0:3",
    "192.168.6.66/24/eth0:web",
    "192.168.6.66/24/192.168.6.255",
    "192.168.6.66/24/eth0/192.168.6.254",
    "192.168.6.66/255.255.255.0/eth0",
    "192.168.6.66",
    "10.9.7.7/16/eth1",
];

/// Debian has rewritten findif in shell for this agent (`resource-scripts.md` 14): another broadcast address where the
/// subnet is not the nic's own, other exit codes for bad specs (in 2.1 even `stop` fails with 2). Ours, theirs.
const IPADDR2_OTHERWISE: [(&str, Summary, Summary); 6] = [
    (
        "192.168.6.66/32/eth0:0",
        (
            7,
            0,
            0,
            "eth0 inet 192.168.6.66/32 brd 192.168.6.66 scope global eth0:0",
        ),
        (
            7,
            0,
            0,
            "eth0 inet 192.168.6.66/32 brd 192.168.6.255 scope global eth0:0",
        ),
    ),
    (
        "172.16.5.5/24/eth1",
        (
            7,
            0,
            0,
            "eth1 inet 172.16.5.5/24 brd 172.16.5.255 scope global eth1",
        ),
        (7, 0, 0, "eth1 inet 172.16.5.5/24 scope global eth1"),
    ),
    (
        "172.16.5.5/24",
        (
            7,
            0,
            0,
            "eth0 inet 172.16.5.5/24 brd 172.16.5.255 scope global eth0",
        ),
        (7, 1, 0, ""),
    ),
    ("192.168.6.66/24/eth9", (2, 2, 2, ""), (7, 6, 0, "")),
    ("192.168.6.66/33", (2, 2, 2, ""), (7, 6, 0, "")),
    ("abc", (2, 2, 2, ""), (7, 6, 0, "")),
];

fn compare(agent: &str, alike: &[&str], otherwise: &[(&str, Summary, Summary)]) {
    for spec in alike {
        let [ours, theirs] = Side::BOTH.map(|side| tell(side, agent, spec));
        assert_eq!(ours, theirs, "{agent} {spec}: ours, theirs");
    }
    for (spec, ours, theirs) in otherwise {
        for (side, (status, start, stop, added)) in [(Side::Ours, ours), (Side::Theirs, theirs)] {
            let expected = (*status, *start, *stop, (*added).to_owned());
            assert_eq!(
                tell(side, agent, spec).summary(),
                expected,
                "{side:?} {agent} {spec}"
            );
        }
    }
}

#[test]
fn ipaddr_does_what_the_legacy_does() {
    in_namespace(
        "agents::ipaddr_does_what_the_legacy_does",
        Needs::RootAndLegacy,
        || {
            compare("IPaddr", &IPADDR_ALIKE, &IPADDR_OTHERWISE);
        },
    );
}

#[test]
fn ipaddr2_does_what_the_legacy_does() {
    in_namespace(
        "agents::ipaddr2_does_what_the_legacy_does",
        Needs::RootAndLegacy,
        || {
            compare("IPaddr2", &IPADDR2_ALIKE, &IPADDR2_OTHERWISE);
        },
    );
}

/// Calls that never reach an agent: same output but for the path, same exit code.
#[test]
fn wrong_calls_are_answered_as_the_legacy_does() {
    in_namespace(
        "agents::wrong_calls_are_answered_as_the_legacy_does",
        Needs::RootAndLegacy,
        || {
            let calls: [&[&str]; 8] = [
                &[],
                &["start"],
                &["192.168.6.66", "start", "extra"],
                &["192.168.6.66", "usage"],
                &["192.168.6.66", "help"],
                &["192.168.6.66", "restart"],
                &["192.168.6.66", "START"],
                &["192.168.6.66", ""],
            ];
            for agent in ["IPaddr", "IPaddr2"] {
                for call in calls {
                    let [ours, theirs] = Side::BOTH.map(|side| {
                        let finished = side.call(agent, call.iter().copied(), &[]);
                        let path = side.program(agent).display().to_string();
                        (finished.code, finished.stdout.replace(&path, "PROGRAM"))
                    });
                    if agent == "IPaddr2" && matches!(call, [_, "usage" | "help"]) {
                        // Debian's wrapper goes on to a closing line and exits 0; in 2.1 the usage is an error.
                        assert_eq!((ours.0, theirs.0), (1, 0), "{agent} {call:?}");
                        assert!(
                            theirs.1.starts_with(&ours.1),
                            "{agent} {call:?}: {ours:?} {theirs:?}"
                        );
                    } else {
                        assert_eq!(ours, theirs, "{agent} {call:?}: ours, theirs");
                    }
                }
            }
        },
    );
}

#[test]
fn descriptions_need_no_address() {
    in_namespace("agents::descriptions_need_no_address", Needs::Root, || {
        for agent in ["IPaddr", "IPaddr2"] {
            let description = ours(agent, "192.168.6.66", "meta-data").succeeds();
            assert!(description.starts_with("<?xml"), "{description}");
            let bare = Side::Ours.call(agent, ["meta-data"], &[]);
            assert_eq!(bare.succeeds(), description, "{agent}");
        }
    });
}

fn ours(agent: &str, spec: &str, operation: &str) -> Finished {
    Side::Ours.call(agent, [spec, operation], &[])
}

#[test]
fn a_base_interface_that_is_down() {
    in_namespace(
        "agents::a_base_interface_that_is_down",
        Needs::RootAndLegacy,
        || {
            ip("link set eth1 down");
            let base = addresses();
            for side in Side::BOTH {
                let started = side.call("IPaddr", ["10.9.7.7/16/eth1", "start"], &[]);
                assert_eq!(
                    (started.code, started.last_line()),
                    (7, "INFO:  Resource is stopped"),
                    "{side:?}"
                );
                assert_eq!(addresses(), base, "{side:?}");
            }
            for side in Side::BOTH {
                let started = side.call("IPaddr2", ["10.9.7.7/16/eth1", "start"], &[]);
                assert_eq!(started.code, 0, "{side:?} brings the interface up");
                assert!(ip("link show eth1").contains(",UP"), "{side:?}");
                assert_eq!(
                    side.call("IPaddr2", ["10.9.7.7/16/eth1", "stop"], &[]).code,
                    0
                );
                ip("link set eth1 down");
            }
        },
    );
}

/// An exception on purpose: 2.1 and Debian lose 172.16.5.6 here (`resource-scripts.md` 5.5, "kernel trap").
#[test]
fn other_addresses_of_the_subnet_survive() {
    in_namespace(
        "agents::other_addresses_of_the_subnet_survive",
        Needs::RootAndLegacy,
        || {
            for (side, survives) in [(Side::Theirs, false), (Side::Ours, true)] {
                for spec in ["172.16.5.5/24/eth0", "172.16.5.6/24/eth0"] {
                    assert_eq!(
                        side.call("IPaddr", [spec, "start"], &[]).code,
                        0,
                        "{side:?}"
                    );
                }
                assert_eq!(
                    side.call("IPaddr", ["172.16.5.5/24/eth0", "stop"], &[])
                        .code,
                    0,
                    "{side:?}"
                );
                let status = side.call("IPaddr", ["172.16.5.6/24/eth0", "status"], &[]);
                assert_eq!(status.code == 0, survives, "{side:?}");
                side.call("IPaddr", ["172.16.5.6/24/eth0", "stop"], &[]);
            }
        },
    );
}

/// 2.1.x refuses to start a base address and leaves it alone when stopping; Debian's IPaddr switches the interface off.
#[test]
fn a_base_address_is_left_alone() {
    in_namespace("agents::a_base_address_is_left_alone", Needs::Root, || {
        let base = addresses();
        let started = ours("IPaddr", "192.168.6.122/24", "start");
        assert_eq!(
            (started.code, started.last_line()),
            (1, "ERROR:  Unknown error: 255")
        );
        assert_eq!(ours("IPaddr", "192.168.6.122/24", "stop").code, 0);
        assert_eq!(addresses(), base);
        assert!(ip("link show eth0").contains(",UP"));
    });
}

/// 2.1.x only; Debian's IPaddr2 hides and restores differently.
#[test]
fn ipaddr2_hides_a_loopback_copy() {
    in_namespace("agents::ipaddr2_hides_a_loopback_copy", Needs::Root, || {
        ip("address add 192.168.6.66/32 dev lo label lo:0");
        let spec = "192.168.6.66/24/eth0";
        assert_eq!(ours("IPaddr2", spec, "status").code, 7);
        assert_eq!(ours("IPaddr2", spec, "start").code, 0);
        let vip = |line: &String| line.contains("192.168.6.66");
        let there: Vec<String> = addresses().into_iter().filter(vip).collect();
        assert_eq!(
            there,
            ["eth0 inet 192.168.6.66/24 brd 192.168.6.255 scope global secondary eth0"]
        );
        let hidden = fs::read_to_string("/run/ours/IPaddr/192.168.6.66").expect("a state file");
        assert_eq!(hidden, "192.168.6.66 32 255.255.255.255 lo\n");
        assert_eq!(ours("IPaddr2", spec, "stop").code, 0);
        let there: Vec<String> = addresses().into_iter().filter(vip).collect();
        assert_eq!(
            there,
            ["lo inet 192.168.6.66/32 brd 255.255.255.255 scope global lo"]
        );
    });
}

#[test]
fn what_is_printed_and_logged() {
    in_namespace("agents::what_is_printed_and_logged", Needs::Root, || {
        let log = "/run/ha-log";
        let variables = [("HA_LOGFILE", log)];
        let call =
            |operation| Side::Ours.call("IPaddr", ["192.168.6.66/24/eth0", operation], &variables);
        let finished = [call("start"), call("status"), call("stop"), call("status")];
        let printed: Vec<&str> = finished
            .iter()
            .map(|finished| finished.stdout.as_str())
            .collect();
        assert_eq!(
            printed,
            [
                "INFO:  Success\n",
                "INFO:  Running OK\n",
                "In IP Stop\nINFO:  Success\n",
                "INFO:  Resource is stopped\n",
            ]
        );
        let text = fs::read_to_string(log).expect("a log");
        // `IPaddr[<pid>]:<TAB><date>_<time> <text>`
        let logged: Vec<&str> = text
            .lines()
            .map(|line| {
                let (tag, rest) = line.split_once("]:\t").expect("a tag");
                assert!(tag.starts_with("IPaddr["), "{line}");
                rest.split_once(' ').expect("a date").1
            })
            .collect();
        assert_eq!(
            logged,
            [
                "INFO: Using calculated netmask for 192.168.6.66: 255.255.255.0",
                "INFO: eval ifconfig eth0:0 192.168.6.66 netmask 255.255.255.0 broadcast 192.168.6.255",
                "INFO:  Success",
                "INFO:  Running OK",
                "INFO: ifconfig eth0:0 down",
                "INFO:  Success",
                "INFO:  Resource is stopped",
            ]
        );
        assert!(
            finished.iter().all(|finished| finished.stderr.is_empty()),
            "{finished:?}"
        );
    });
}

#[test]
fn monitor_of_ipaddr_pings() {
    in_namespace("agents::monitor_of_ipaddr_pings", Needs::Root, || {
        let here = ours("IPaddr", "192.168.6.122/24", "monitor");
        assert_eq!((here.code, here.stdout.as_str()), (0, ""));
        // Unreachable, so that ping gives up at once.
        ip("route add unreachable 10.77.0.0/16");
        let away = ours("IPaddr", "10.77.0.1/24", "monitor");
        assert_eq!((away.code, away.stdout.as_str()), (1, ""));
        assert_eq!(
            ours("IPaddr", "-f", "monitor").code,
            1,
            "no option for ping"
        );
    });
}

/// The state files are shared with scripts: a lock of theirs is respected, and the stop finds their announcer.
#[test]
fn state_files_can_be_shared_with_scripts() {
    in_namespace(
        "agents::state_files_can_be_shared_with_scripts",
        Needs::Root,
        || {
            fs::create_dir_all("/run/ours/IPaddr").expect("a directory");
            fs::write("/run/ours/IPaddr/eth0", "").expect("a file");
            fs::hard_link("/run/ours/IPaddr/eth0", "/run/ours/IPaddr/eth0:0").expect("a link");
            assert_eq!(ours("IPaddr", "192.168.6.66/24", "start").code, 0);
            assert!(
                addresses().iter().any(|line| line.ends_with(" eth0:1")),
                "{:?}",
                addresses()
            );
            let pidfile = Side::Ours.pidfile("192.168.6.66");
            let pid =
                fs::read_to_string(&pidfile).expect("a pid file, as soon as start has returned");
            assert!(pid.bytes().all(|byte| byte.is_ascii_digit()), "{pid}");
            assert_eq!(ours("IPaddr", "192.168.6.66/24", "stop").code, 0);
            assert!(!pidfile.exists());
            until("the announcer has ended", || {
                let command_line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                command_line.is_empty().then_some(())
            });
        },
    );
}
