//! The tables of `resource-scripts.md` 6, row by row.

use super::super::testing::{FakeKernel, Scratch, logged};
use super::super::{AgentResult, Operation, run};
use super::*;
use crate::NativeAgent;

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
            NativeAgent::IpAddr2,
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
fn specs_that_start() {
    for (spec, expected) in [
        (
            "192.168.6.66/32/eth0:0",
            "192.168.6.66/32 brd 192.168.6.66 eth0:0",
        ),
        ("192.168.6.66/24", "192.168.6.66/24 brd 192.168.6.255 eth0"),
        (
            "192.168.6.66/24/eth0",
            "192.168.6.66/24 brd 192.168.6.255 eth0",
        ),
        (
            "192.168.6.66/24/eth0:web",
            "192.168.6.66/24 brd 192.168.6.255 eth0:web",
        ),
        (
            "192.168.6.66/24/eth0/192.168.6.254",
            "192.168.6.66/24 brd 192.168.6.254 eth0",
        ),
        ("192.168.6.66", "192.168.6.66/24 brd 192.168.6.255 eth0"),
        (
            "172.16.5.5/24/eth1:9",
            "172.16.5.5/24 brd 172.16.5.255 eth1:9",
        ),
    ] {
        let mut world = World::new();
        assert_eq!(world.status(spec).code, 7, "{spec}");
        let started = world.start(spec);
        assert_eq!(
            (started.code, started.stdout),
            (0, vec!["INFO:  Success".to_owned()]),
            "{spec}"
        );
        assert_eq!(world.kernel.shown(), [expected], "{spec}");
        assert!(started.announce.is_some(), "{spec}");
        let status = world.status(spec);
        assert_eq!(
            (status.code, status.stdout),
            (0, vec!["INFO:  Running OK".to_owned()]),
            "{spec}"
        );
        let again = world.start(spec);
        assert_eq!((again.code, again.announce), (0, None), "{spec}");
        let stopped = world.stop(spec);
        assert_eq!(
            (stopped.code, stopped.stdout),
            (0, vec!["INFO:  Success".to_owned()]),
            "{spec}"
        );
        assert!(world.kernel.shown().is_empty(), "{spec}");
        let stopped = world.status(spec);
        assert_eq!(
            (stopped.code, stopped.stdout),
            (7, vec!["INFO:  Resource is stopped".to_owned()]),
            "{spec}"
        );
        assert_eq!(world.stop(spec).code, 0, "{spec}");
        assert!(world.scratch.state_files().is_empty(), "{spec}");
    }
}

#[test]
fn a_bad_spec_is_2_for_every_operation() {
    for spec in [
        "192.168.6.66/33",
        "192.168.6.66/24/eth9",
        "192.168.6.66/24/eth0/junk",
        "172.16.5.5",
        "abc",
        "",
    ] {
        let mut world = World::new();
        for result in [world.start(spec), world.stop(spec), world.status(spec)] {
            assert_eq!(
                (result.code, result.stdout.as_slice()),
                (2, &["ERROR:  Illegal argument".to_owned()][..]),
                "{spec}"
            );
            assert_eq!(
                logged(&result),
                ["ERROR: [/usr/lib64/heartbeat/findif -C] failed"],
                "{spec}"
            );
        }
    }
}

#[test]
fn start_and_stop_need_root() {
    let mut world = World::new();
    world.scratch.site_mut().privileged = false;
    for result in [
        world.start("192.168.6.66/24"),
        world.stop("192.168.6.66/24"),
    ] {
        assert_eq!(
            (result.code, result.stdout),
            (
                4,
                vec!["ERROR:  User had insufficient privilege".to_owned()]
            )
        );
    }
    assert_eq!(world.status("192.168.6.66/24").code, 7);
}

#[test]
fn the_commands_in_the_log() {
    let mut world = World::new();
    let started = world.start("192.168.6.66/24/eth0:web");
    let pidfile = world.scratch.path().join("send_arp/send_arp-192.168.6.66");
    let announce = format!(
        "INFO: /usr/lib64/heartbeat/send_arp -i 200 -r 7 -p {} eth0 192.168.6.66 auto not_used not_used",
        pidfile.display()
    );
    assert_eq!(
        logged(&started),
        [
            "INFO: ip -f inet addr add 192.168.6.66/24 brd 192.168.6.255 dev eth0 label eth0:web",
            "INFO: ip link set eth0 up",
            &announce,
        ]
    );
    world.kernel.announcers.insert(pidfile, 4711);
    assert_eq!(
        logged(&world.stop("192.168.6.66/24/eth0:web")),
        [
            "INFO: killed previously running send_arp for 192.168.6.66",
            "INFO: ip -f inet addr delete 192.168.6.66/24 dev eth0",
        ]
    );
}

#[test]
fn the_interface_is_switched_on_and_off_again_when_no_address_is_left() {
    let mut world = World::new();
    world.kernel.addresses.retain(|address| address.link != 3);
    world.kernel.link_mut("eth1").up = false;
    let started = world.start("10.9.7.7/16/eth1");
    assert_eq!(started.code, 0);
    assert!(started.announce.is_some());
    assert!(world.kernel.link_mut("eth1").up);
    let stopped = world.stop("10.9.7.7/16/eth1");
    assert_eq!(
        logged(&stopped).last(),
        Some(&"INFO: ip link set eth1 down")
    );
    assert!(!world.kernel.link_mut("eth1").up);
}

#[test]
fn an_interface_with_another_address_stays_on() {
    let mut world = World::new();
    world.start("192.168.6.66/24/eth0");
    world.stop("192.168.6.66/24/eth0");
    assert!(world.kernel.link_mut("eth0").up);
}

#[test]
fn on_another_interface_it_counts_as_served_and_cannot_be_stopped() {
    let mut world = World::new();
    world.kernel.put(3, [192, 168, 6, 66], 24, "eth1");
    let spec = "192.168.6.66/24/eth0";
    let started = world.start(spec);
    assert_eq!((started.code, started.announce), (0, None));
    assert_eq!(world.status(spec).code, 0);
    let stopped = world.stop(spec);
    assert_eq!(
        (stopped.code, stopped.stdout),
        (1, vec!["ERROR:  Generic error".to_owned()])
    );
    assert_eq!(
        world.kernel.shown(),
        ["192.168.6.66/24 brd 192.168.6.255 eth1"]
    );
}

#[test]
fn the_base_address_counts_as_served_and_stop_takes_it_away() {
    let mut world = World::new();
    let spec = "192.168.6.122/24/eth0";
    assert_eq!((world.start(spec).code, world.status(spec).code), (0, 0));
    assert_eq!(world.stop(spec).code, 0);
    assert!(!world.kernel.link_mut("eth0").up);
}

#[test]
fn ipsec_interfaces_do_not_serve() {
    for (name, code) in [("ipsec0", 7), ("ipsecure", 0)] {
        let mut world = World::new();
        world.kernel.put(3, [192, 168, 6, 66], 32, name);
        world.kernel.link_mut("eth1").name = name.to_owned();
        assert_eq!(world.status("192.168.6.66/24/eth0").code, code, "{name}");
    }
}

#[test]
fn a_loopback_copy_is_hidden_while_the_address_is_served() {
    let mut world = World::new();
    world.kernel.put(1, [192, 168, 6, 66], 32, "lo:0");
    let spec = "192.168.6.66/24/eth0";
    assert_eq!(world.status(spec).code, 7);
    let started = world.start(spec);
    assert_eq!(started.code, 0);
    assert_eq!(
        logged(&started)[..2],
        [
            "INFO: ip -f inet addr delete 192.168.6.66/32 dev lo",
            "INFO: ip route delete 192.168.6.66 dev lo"
        ]
    );
    assert_eq!(
        world.kernel.shown(),
        ["192.168.6.66/24 brd 192.168.6.255 eth0"]
    );
    assert_eq!(world.scratch.state_files(), ["192.168.6.66"]);
    let file = world.scratch.path().join("IPaddr/192.168.6.66");
    assert_eq!(
        fs::read_to_string(file).expect("text"),
        "192.168.6.66 32 255.255.255.255 lo\n"
    );
    assert_eq!(world.status(spec).code, 0);

    assert_eq!(world.stop(spec).code, 0);
    assert_eq!(
        world.kernel.shown(),
        ["192.168.6.66/32 brd 255.255.255.255 lo"],
        "without its label"
    );
    assert!(world.scratch.state_files().is_empty());
    assert_eq!(world.stop(spec).code, 0);
    assert_eq!(world.kernel.shown().len(), 1, "a second stop leaves it");
}

#[test]
fn a_start_that_fails_halfway_is_undone_by_stop() {
    let mut world = World::new();
    world.kernel.put(1, [192, 168, 6, 66], 32, "lo:0");
    world.kernel.refuse_add = Some(libc::EPERM);
    assert_eq!(world.start("192.168.6.66/24/eth0").code, 1);
    assert!(world.kernel.shown().is_empty());
    world.kernel.refuse_add = None;
    assert_eq!(world.stop("192.168.6.66/24/eth0").code, 0);
    assert_eq!(
        world.kernel.shown(),
        ["192.168.6.66/32 brd 255.255.255.255 lo"]
    );
}

#[test]
fn only_a_host_address_can_be_hidden() {
    let mut world = World::new();
    world.kernel.put(1, [192, 168, 6, 66], 24, "lo:0");
    assert_eq!(world.start("192.168.6.66/24/eth0").code, 1);
    assert_eq!(world.kernel.shown().len(), 1);
    assert!(world.scratch.state_files().is_empty());
}

#[test]
fn stopping_the_first_address_of_a_subnet_keeps_the_others() {
    let mut world = World::new();
    for spec in ["172.16.5.5/24/eth0", "172.16.5.6/24/eth0:six"] {
        world.start(spec);
    }
    let stopped = world.stop("172.16.5.5/24/eth0");
    assert_eq!(stopped.code, 0);
    assert_eq!(
        world.kernel.shown(),
        ["172.16.5.6/24 brd 172.16.5.255 eth0:six"]
    );
    assert_eq!(
        logged(&stopped).last(),
        Some(&"INFO: 172.16.5.6 went away with 172.16.5.5 and was put back")
    );
}

#[test]
fn the_loopback_interface_is_never_switched_off() {
    let mut world = World::new();
    world.kernel.addresses.retain(|address| address.link != 1);
    world.kernel.put(1, [192, 168, 6, 66], 32, "lo");
    assert_eq!(world.start("192.168.6.66/24/eth0").code, 0);
    assert!(world.kernel.link_mut("lo").up);
}

#[test]
fn an_address_that_belongs_on_the_loopback_interface_can_be_stopped() {
    for spec in ["127.0.0.5/8/lo", "127.0.0.5", "192.168.6.66/32/lo"] {
        let mut world = World::new();
        let started = world.start(spec);
        assert_eq!((started.code, started.announce), (0, None), "{spec}");
        assert_eq!(world.status(spec).code, 0, "{spec}");
        assert_eq!(world.start(spec).code, 0, "{spec}");
        assert_eq!(world.stop(spec).code, 0, "{spec}");
        assert!(world.kernel.shown().is_empty(), "{spec}");
        assert!(world.kernel.link_mut("lo").up, "{spec}");
    }
}
