//! The tables of `resource-scripts.md` 2.1 and 5, row by row.

use ha_net::Purpose;

use super::super::testing::{FakeKernel, Scratch, logged};
use super::super::{AgentLevel, AgentResult, Operation, run};
use super::*;
use crate::NativeAgent;

const STOPPED: &str = "INFO:  Resource is stopped";
const RUNNING: &str = "INFO:  Running OK";
const SUCCESS: &str = "INFO:  Success";

struct World {
    kernel: FakeKernel,
    scratch: Scratch,
}

impl World {
    fn new() -> World {
        World {
            kernel: FakeKernel::reference_network(),
            scratch: Scratch::new(),
        }
    }

    fn call(&mut self, spec: &str, operation: Operation) -> AgentResult {
        let spec = AddressSpec::parse(spec.as_bytes());
        let site = self.scratch.site();
        run(
            NativeAgent::IpAddr,
            operation,
            &spec,
            site,
            &mut self.kernel,
        )
    }

    fn start(&mut self, spec: &str) -> AgentResult {
        self.call(spec, Operation::Start)
    }

    fn stop(&mut self, spec: &str) -> AgentResult {
        self.call(spec, Operation::Stop)
    }

    fn status(&mut self, spec: &str) -> AgentResult {
        self.call(spec, Operation::Status)
    }
}

#[test]
fn table_2_1_specs_that_start() {
    for (spec, expected) in [
        (
            "192.168.6.66/32/eth0:0",
            "192.168.6.66/32 brd 192.168.6.66 eth0:0",
        ),
        (
            "192.168.6.66/24",
            "192.168.6.66/24 brd 192.168.6.255 eth0:0",
        ),
        (
            "192.168.6.66/24/eth0",
            "192.168.6.66/24 brd 192.168.6.255 eth0:0",
        ),
        (
            "192.168.6.66/24/eth0:3",
            "192.168.6.66/24 brd 192.168.6.255 eth0:0",
        ),
        (
            "192.168.6.66/24/eth0:web",
            "192.168.6.66/24 brd 192.168.6.255 eth0:0",
        ),
        (
            "192.168.6.66/24/192.168.6.255",
            "192.168.6.66/24 brd 192.168.6.255 eth0:0",
        ),
        (
            "192.168.6.66/24/eth0/192.168.6.254",
            "192.168.6.66/24 brd 192.168.6.254 eth0:0",
        ),
        (
            "192.168.6.66/24/eth0/192.168.6.255/extra",
            "192.168.6.66/24 brd 192.168.6.255 eth0:0",
        ),
        (
            "192.168.6.66/255.255.255.0/eth0",
            "192.168.6.66/24 brd 192.168.6.255 eth0:0",
        ),
        // "1 or 0" in the table: with the most specific route first it is 0.
        ("192.168.6.66", "192.168.6.66/24 brd 192.168.6.255 eth0:0"),
        ("192.168.6.66/", "192.168.6.66/24 brd 192.168.6.255 eth0:0"),
        ("172.16.5.5/24", "172.16.5.5/24 brd 172.16.5.255 eth0:0"),
        (
            "172.16.5.5/24/eth1",
            "172.16.5.5/24 brd 172.16.5.255 eth1:0",
        ),
        ("10.9.7.7/16", "10.9.7.7/16 brd 10.9.255.255 eth1:0"),
        (
            "127.0.0.5",
            "127.0.0.5/8 brd 127.255.255.255 scope host lo:0",
        ),
    ] {
        let mut world = World::new();
        assert_eq!(world.status(spec).code, 7, "{spec}");
        let started = world.start(spec);
        assert_eq!(
            (started.code, started.stdout.as_slice()),
            (0, &[SUCCESS.to_owned()][..]),
            "{spec}"
        );
        assert_eq!(world.kernel.shown(), [expected], "{spec}");
        assert_eq!(
            started.announce.is_some(),
            !spec.starts_with("127."),
            "{spec}"
        );
        let status = world.status(spec);
        assert_eq!(
            (status.code, status.stdout),
            (0, vec![RUNNING.to_owned()]),
            "{spec}"
        );
        let stopped = world.stop(spec);
        assert_eq!(
            (stopped.code, stopped.stdout),
            (0, vec!["In IP Stop".to_owned(), SUCCESS.to_owned()]),
            "{spec}"
        );
        assert!(world.kernel.shown().is_empty(), "{spec}");
        assert_eq!(world.status(spec).code, 7, "{spec}");
    }
}

#[test]
fn table_2_1_specs_that_fail() {
    const GENERIC: &str = "ERROR:  Generic error";
    for (spec, code, last, complaint) in [
        (
            "192.168.6.66/24/eth0/junk",
            1,
            GENERIC,
            "Invalid broadcast address [junk].",
        ),
        (
            "192.168.6.66/33",
            1,
            GENERIC,
            "Invalid netmask specification [33]",
        ),
        (
            "192.168.6.66/0/eth0",
            1,
            GENERIC,
            "Invalid netmask specification [0]",
        ),
        (
            "192.168.6.66/eth0",
            1,
            GENERIC,
            "Invalid netmask specification [eth0]",
        ),
        (
            "192.168.6.66//eth0",
            1,
            GENERIC,
            "Invalid netmask specification [eth0]",
        ),
        (
            "172.16.5.5",
            1,
            GENERIC,
            "ERROR: Cannot use default route w/o netmask [172.16.5.5]",
        ),
        (
            "192.168.6.66/24/eth9",
            1,
            GENERIC,
            "eth9: unknown interface: No such device",
        ),
        (
            "300.1.1.1/24/eth0",
            1,
            GENERIC,
            "IP address [300.1.1.1] not valid.",
        ),
        (
            "192.168.006.066/24/eth0",
            1,
            GENERIC,
            "IP address [192.168.006.066] not valid.",
        ),
        ("1.2.3", 6, "ERROR:  Program is not configured", ""),
        ("abc", 6, "ERROR:  Program is not configured", ""),
        ("", 6, "ERROR:  Program is not configured", ""),
    ] {
        let mut world = World::new();
        let result = world.start(spec);
        assert_eq!(
            (result.code, result.stdout),
            (code, vec![last.to_owned()]),
            "{spec}"
        );
        assert_eq!(result.stderr.join("; "), complaint, "{spec}");
        assert_eq!(result.announce, None, "{spec}");
        assert!(world.kernel.shown().is_empty(), "{spec}");
        assert!(world.scratch.state_files().is_empty(), "{spec}");
        let status = world.status(spec);
        assert_eq!(
            (status.code, status.stdout),
            (7, vec![STOPPED.to_owned()]),
            "{spec}"
        );
        assert_eq!(world.stop(spec).code, 0, "{spec}");
    }
}

#[test]
fn table_2_1_the_base_address_cannot_be_started_and_is_never_taken_away() {
    let mut world = World::new();
    let result = world.start("192.168.6.122/24");
    assert_eq!(result.code, 1);
    assert_eq!(
        result.stdout,
        [
            "ERROR: eval ifconfig eth0:0 192.168.6.122 netmask 255.255.255.0 broadcast 192.168.6.255 failed (rc=255)",
            "ERROR:  Unknown error: 255",
        ]
    );
    assert!(logged(&result).contains(&"ERROR: Could not add 192.168.6.122 to eth0: 255"));
    assert_eq!(
        world.scratch.state_files(),
        ["eth0"],
        "no lock is left behind"
    );
    assert_eq!(
        world.status("192.168.6.122/24").code,
        7,
        "not seen: it has no alias label"
    );
    assert_eq!(world.stop("192.168.6.122/24").code, 0);
    assert_eq!(world.kernel.addresses.len(), 3);
}

#[test]
fn table_2_1_base_interface_down_is_not_running_and_leaves_no_trace() {
    let mut world = World::new();
    world.kernel.link_mut("eth1").up = false;
    let result = world.start("10.9.7.7/16/eth1");
    assert_eq!(
        (result.code, result.stdout.as_slice()),
        (7, &[STOPPED.to_owned()][..])
    );
    assert_eq!(result.announce, None);
    assert!(world.kernel.shown().is_empty());
    assert!(!world.kernel.link_mut("eth1").up);
    assert!(world.scratch.state_files().is_empty());
}

#[test]
fn the_lines_that_people_grep_for() {
    let mut world = World::new();
    let result = world.start("192.168.6.66/24");
    assert_eq!(
        logged(&result),
        [
            "INFO: Using calculated nic for 192.168.6.66: eth0",
            "INFO: Using calculated netmask for 192.168.6.66: 255.255.255.0",
            "DEBUG: Using calculated broadcast for 192.168.6.66: 192.168.6.255",
            "INFO: eval ifconfig eth0:0 192.168.6.66 netmask 255.255.255.0 broadcast 192.168.6.255",
        ]
    );
    let closing = result.log.last().expect("a line");
    assert_eq!(
        (closing.level, closing.text.as_str()),
        (AgentLevel::Info, SUCCESS)
    );
    assert_eq!(
        logged(&world.stop("192.168.6.66/24")),
        ["INFO: ifconfig eth0:0 down"]
    );

    let result = world.start("192.168.6.66/255.255.255.0/eth0/192.168.6.255");
    assert_eq!(
        logged(&result),
        ["INFO: eval ifconfig eth0:0 192.168.6.66 netmask 255.255.255.0 broadcast 192.168.6.255"]
    );

    let result = world.start("192.168.6.67/24/eth9");
    assert_eq!(
        logged(&result),
        ["ERROR: /usr/lib64/heartbeat/findif failed [rc=1]."]
    );
    let result = world.start("abc");
    assert_eq!(
        logged(&result),
        ["ERROR: Parameter OCF_RESKEY_ip [abc] not an IP address"]
    );
}

#[test]
fn a_second_start_changes_nothing_and_announces_nothing() {
    let mut world = World::new();
    world.start("192.168.6.66/24/eth0");
    let again = world.start("192.168.6.66/24/eth0");
    assert_eq!((again.code, again.announce.clone()), (0, None));
    assert_eq!(world.kernel.shown().len(), 1);
}

#[test]
fn the_announcement_is_for_the_base_interface() {
    let mut world = World::new();
    let mut announcement = world
        .start("192.168.6.66/32/eth0:0")
        .announce
        .expect("an announcement");
    assert_eq!(
        (announcement.interface.as_str(), announcement.link),
        ("eth0", 2)
    );
    let frames: Vec<_> = announcement.due(std::time::Duration::ZERO).collect();
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[0].purpose, Purpose::Request);
    assert!(
        frames
            .iter()
            .all(|frame| Some(frame.sender_mac) == world.kernel.link_mut("eth0").mac)
    );
}

#[test]
fn only_interfaces_that_speak_arp_announce() {
    let mut world = World::new();
    world.kernel.link_mut("eth1").arp = false;
    let result = world.start("10.9.7.7/16/eth1");
    assert_eq!((result.code, result.announce), (0, None));
}

#[test]
fn section_5_2_on_another_interface_than_configured_is_an_error() {
    let mut world = World::new();
    world.start("192.168.6.66/24/eth1");
    let status = world.status("192.168.6.66/24/eth0");
    assert_eq!(
        (status.code, status.stdout.as_slice()),
        (1, &["ERROR:  Generic error".to_owned()][..])
    );
    assert_eq!(
        logged(&status),
        [
            "ERROR: 192.168.6.66 is running an interface (eth1:0) instead of the configured one (eth0)"
        ]
    );
    assert_eq!(
        world.status("192.168.6.66").code,
        0,
        "no interface configured: any will do"
    );
}

#[test]
fn section_5_3_a_start_beside_the_wrong_interface_adds_a_second_and_stop_takes_them_one_by_one() {
    let mut world = World::new();
    world.start("192.168.6.66/24/eth1");
    assert_eq!(world.start("192.168.6.66/24/eth0").code, 0);
    assert_eq!(world.kernel.shown().len(), 2);
    world.stop("192.168.6.66/24/eth1");
    assert_eq!(
        world.kernel.shown(),
        ["192.168.6.66/24 brd 192.168.6.255 eth1:0"],
        "eth0:0 comes first"
    );
    world.stop("192.168.6.66/24/eth0");
    assert!(world.kernel.shown().is_empty());
}

#[test]
fn section_5_4_numbers() {
    let mut world = World::new();
    for (spec, files) in [
        ("192.168.6.66/24", &["eth0", "eth0:0"][..]),
        ("192.168.6.67/24", &["eth0", "eth0:0", "eth0:1"]),
        ("192.168.6.68/24", &["eth0", "eth0:0", "eth0:1", "eth0:2"]),
    ] {
        assert_eq!(world.start(spec).code, 0);
        assert_eq!(world.scratch.state_files(), files);
    }
    world.stop("192.168.6.67");
    assert_eq!(world.scratch.state_files(), ["eth0", "eth0:0", "eth0:2"]);
    world.start("192.168.6.69/24");
    assert!(
        world
            .kernel
            .shown()
            .iter()
            .any(|line| line == "192.168.6.69/24 brd 192.168.6.255 eth0:1")
    );
}

#[test]
fn section_5_4_a_foreign_alias_is_skipped() {
    let mut world = World::new();
    world.kernel.put(2, [192, 168, 6, 99], 24, "eth0:0");
    world.start("192.168.6.66/24");
    assert!(
        world
            .kernel
            .shown()
            .iter()
            .any(|line| line.ends_with(" eth0:1"))
    );
}

#[test]
fn section_5_5_stop_ends_the_announcer() {
    let mut world = World::new();
    world.start("192.168.6.66/24");
    let pidfile = world.scratch.path().join("send_arp/send_arp-192.168.6.66");
    world.kernel.announcers.insert(pidfile, 4711);
    world.stop("192.168.6.66/24");
    assert!(world.kernel.announcers.is_empty());
}

#[test]
fn section_5_5_start_ends_an_announcer_that_was_left_behind() {
    let mut world = World::new();
    let pidfile = world.scratch.path().join("send_arp/send_arp-192.168.6.66");
    world.kernel.announcers.insert(pidfile, 4711);
    world.start("192.168.6.66/24");
    assert!(world.kernel.announcers.is_empty());
}

#[test]
fn section_5_5_a_failed_removal() {
    let mut world = World::new();
    world.start("192.168.6.66/24");
    world.kernel.refuse_delete = Some(libc::EPERM);
    let result = world.stop("192.168.6.66/24");
    assert_eq!(
        (result.code, result.stdout.last().map(String::as_str)),
        (1, Some("ERROR:  Unknown error: 255"))
    );
    assert_eq!(
        logged(&result),
        [
            "INFO: ifconfig eth0:0 down",
            "WARNING: IP Address 192.168.6.66 NOT released"
        ]
    );
    assert_eq!(world.scratch.state_files(), ["eth0"]);
}

#[test]
fn section_5_5_the_host_route_goes() {
    let mut world = World::new();
    world.start("192.168.6.66/24");
    let ip = Ipv4Addr::new(192, 168, 6, 66);
    let host = ha_net::Route {
        destination: ip,
        prefix_len: 32,
        ..world.kernel.routes[0]
    };
    world.kernel.routes.push(host);
    world.stop("192.168.6.66/24");
    assert!(!world.kernel.routes.contains(&host));
}

/// The kernel's trap of 5.5: the legacy loses 172.16.5.6 here.
#[test]
fn stopping_the_first_address_of_a_subnet_keeps_the_others() {
    for promote_secondaries in [false, true] {
        let mut world = World::new();
        world.kernel.promote_secondaries = promote_secondaries;
        for spec in [
            "172.16.5.5/24/eth0",
            "172.16.5.6/24/eth0",
            "172.16.5.7/24/eth0",
        ] {
            world.start(spec);
        }
        assert_eq!(world.stop("172.16.5.5/24/eth0").code, 0);
        assert_eq!(
            world.kernel.shown(),
            [
                "172.16.5.6/24 brd 172.16.5.255 eth0:1",
                "172.16.5.7/24 brd 172.16.5.255 eth0:2"
            ]
        );
        assert_eq!(world.status("172.16.5.6/24/eth0").code, 0);
        for spec in ["172.16.5.6/24/eth0", "172.16.5.7/24/eth0"] {
            assert_eq!(world.stop(spec).code, 0);
        }
        assert!(world.kernel.shown().is_empty());
    }
}

#[test]
fn section_5_6_a_loopback_alias_is_an_error_for_status_and_stays() {
    let mut world = World::new();
    world.kernel.put(1, [192, 168, 6, 66], 32, "lo:0");
    let spec = "192.168.6.66/24/eth0";
    assert_eq!(world.status(spec).code, 1);
    assert_eq!(world.start(spec).code, 0);
    assert_eq!(world.kernel.shown().len(), 2);
    assert_eq!(world.stop(spec).code, 0);
    assert_eq!(
        world.kernel.shown(),
        ["192.168.6.66/32 brd 192.168.6.66 lo:0"]
    );
}

#[test]
fn section_5_6_a_plain_loopback_address_is_invisible() {
    let mut world = World::new();
    world.kernel.put(1, [192, 168, 6, 66], 32, "lo");
    let spec = "192.168.6.66/24/eth0";
    assert_eq!(world.status(spec).code, 7);
    assert_eq!((world.start(spec).code, world.stop(spec).code), (0, 0));
    assert_eq!(
        world.kernel.shown(),
        ["192.168.6.66/32 brd 192.168.6.66 lo"]
    );
}

#[test]
fn an_interface_name_without_room_for_a_number_fails() {
    let mut world = World::new();
    world.kernel.link_mut("eth1").name = "fourteen-chars".to_owned();
    let result = world.start("10.9.7.7/16/fourteen-chars");
    assert_eq!(
        (result.code, result.stdout.last().map(String::as_str)),
        (1, Some("ERROR:  Unknown error: 255"))
    );
    assert_eq!(world.scratch.state_files(), ["fourteen-chars"]);
}

#[test]
fn a_state_directory_that_cannot_be_made_is_a_generic_error() {
    let mut world = World::new();
    std::fs::write(world.scratch.path().join("IPaddr"), "").expect("a file in its place");
    assert_eq!(world.start("192.168.6.66/24").code, 1);
}

#[test]
fn a_text_that_is_no_address_never_becomes_a_path() {
    let mut world = World::new();
    let victim = world
        .scratch
        .path()
        .join("send_arp/send_arp-x/../../victim");
    world.kernel.announcers.insert(victim, 1);
    let result = world.stop("x/../../victim");
    assert_eq!(result.code, 0);
    assert_eq!(world.kernel.announcers.len(), 1);
}

#[test]
fn the_agents_own_pattern() {
    for (text, expected) in [
        ("1.2.3.4", true),
        ("300.1.1.1", true),
        ("1x.2y.3z.4", true),
        ("1.2.3.x4", true),
        ("1.2.3.4.5", true),
        ("1..2.3.4", true),
        ("1.2.3", false),
        ("1.2.3.", false),
        ("1.2.3.x", false),
        ("abc", false),
        ("", false),
        ("x1.2.3.4", false),
        ("1.x2.3.4", false),
        ("1.x2.3.4.5", true),
    ] {
        assert_eq!(looks_like_address(text), expected, "{text}");
    }
}
