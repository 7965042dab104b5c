//! `IPsrcaddr`, `IPv6addr`, `SendArp`.

use std::collections::BTreeSet;

use crate::frames::{Ear, is_advertisement, is_announcement};
use crate::sandbox::{Script, Side, Skip, Test, need_legacy, run, until};

pub const TESTS: &[Test] = &[
    ("IPsrcaddr_lives", source_lives),
    (
        "IPsrcaddr_keeps_the_rest_of_the_route",
        source_keeps_the_rest,
    ),
    (
        "IPsrcaddr_wants_exactly_one_default_route",
        source_wants_one_route,
    ),
    ("IPsrcaddr_beside_the_legacy", source_beside_the_legacy),
    ("IPv6addr_lives", ipv6_lives),
    ("IPv6addr_refuses_what_another_machine_has", ipv6_duplicate),
    ("IPv6addr_beside_the_legacy", ipv6_beside_the_legacy),
    ("SendArp_lives", send_arp_lives),
    ("SendArp_beside_the_legacy", send_arp_beside_the_legacy),
];

fn ip(words: &str) -> String {
    let words: Vec<&str> = words.split_whitespace().collect();
    run("ip", &words).succeeds()
}

fn default_route() -> String {
    ip("route show to exact 0/0").trim_end().to_owned()
}

const SOURCE: &str = "192.168.6.66";

fn source_lives() -> Result<(), Skip> {
    let script = Script::ours("IPsrcaddr", &[SOURCE]);
    let before = ip("route");
    let with = "default via 192.168.6.1 dev eth0 src 192.168.6.66";
    script.lives(|| default_route() == with);
    assert_eq!(ip("route"), before);
    script.expect("start", 0, "INFO:  Success");
    assert_eq!(script.call("status").stdout, "OK\nINFO:  Running OK\n");
    let other = Script::ours("IPsrcaddr", &["192.168.6.122"]);
    assert_eq!(
        other.call("status").stdout,
        "Preferred source address has incorrect value\nERROR:  Generic error\n"
    );
    let refused = other.call("stop");
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains(
        "ERROR: The address you specified to stop does not match the preferred source address"
    ));
    script.expect("stop", 0, "INFO:  Success");
    let foreign = Script::ours("IPsrcaddr", &["1.2.3.4"]);
    foreign.expect("start", 1, "ERROR:  Generic error");
    assert_eq!(ip("route"), before);
    script.answers_wrong_calls();
    script.refuses(&[]);
    script.refuses(&["start"]);
    Ok(())
}

fn source_keeps_the_rest() -> Result<(), Skip> {
    let script = Script::ours("IPsrcaddr", &[SOURCE]);
    ip("route del default");
    ip("route add default via 192.168.6.1 dev eth0 proto static metric 7 mtu 1400 advmss 1300");
    let before = default_route();
    script.expect("start", 0, "INFO:  Success");
    let with = default_route();
    for word in [
        "proto static",
        "metric 7",
        "mtu 1400",
        "advmss 1300",
        "src 192.168.6.66",
    ] {
        assert!(with.contains(word), "{word}: {with}");
    }
    script.expect("stop", 0, "INFO:  Success");
    assert_eq!(default_route(), before);
    Ok(())
}

fn source_wants_one_route() -> Result<(), Skip> {
    let script = Script::ours("IPsrcaddr", &[SOURCE]);
    let says = |text: &str| {
        for operation in ["start", "stop", "status"] {
            let finished = script.call(operation);
            assert_eq!(finished.code, 1, "{operation}: {finished:?}");
            assert!(finished.stderr.contains(text), "{operation}: {finished:?}");
        }
    };
    ip("route add default via 10.9.0.2 metric 9");
    says("ERROR: more than 1 default route exists");
    ip("route del default");
    ip("route del default");
    says("ERROR: no default route exists");
    Ok(())
}

/// What Debian's does as 2.1 did. It also changes the route of the connected subnet, and leaves a source behind.
fn source_beside_the_legacy() -> Result<(), Skip> {
    need_legacy("IPsrcaddr")?;
    let [ours, theirs] = [Side::Ours, Side::Theirs].map(|side| {
        let script = Script::new(side, "IPsrcaddr", &[SOURCE]);
        let mut story = Vec::new();
        for operation in ["status", "start", "start", "status"] {
            let finished = script.call(operation);
            story.push((finished.code, finished.stdout, default_route()));
        }
        let stopped = script.call("stop");
        story.push((stopped.code, stopped.stdout, String::new()));
        ip("route change default via 192.168.6.1 dev eth0");
        story
    });
    assert_eq!(ours, theirs);
    Ok(())
}

const ADDRESS: &str = "fd00:6::66";

fn has(address: &str) -> bool {
    ip("-6 address show dev eth0").contains(&format!("{address}/"))
}

fn ipv6_lives() -> Result<(), Skip> {
    let script = Script::ours("IPv6addr", &["fd00:6::66/64"]);
    let ear = Ear::at("p0");
    script.expect("start", 0, "INFO:  Success");
    assert!(ip("-6 address show dev eth0").contains("fd00:6::66/64 scope global"));
    let shown = ip("-o -6 address show dev eth0");
    let line = shown.lines().find(|line| line.contains(" fd00:6::66/"));
    assert!(
        line.is_some_and(|line| !line.contains("tentative")),
        "{shown}"
    );
    until("an advertisement", || {
        !ear.frames(is_advertisement).is_empty()
    });
    // A stop at once ends the announcer, which has four more to send.
    script.expect("stop", 0, "INFO:  Success");
    assert!(!std::path::Path::new("/run/IPv6addr-fd00:6::66").exists());
    script.lives(|| has(ADDRESS));
    for (spec, code, line) in [
        ("fd00:7::66/64", 1, "ERROR:  Generic error"),
        ("fd00:6::66/48", 1, "ERROR:  Generic error"),
        ("xx", 2, "ERROR:  Illegal argument"),
        ("fd00:6::66/129", 2, "ERROR:  Illegal argument"),
        ("10.0.0.1", 2, "ERROR:  Illegal argument"),
    ] {
        Script::ours("IPv6addr", &[spec]).expect("start", code, line);
    }
    script.answers_wrong_calls();
    script.refuses(&[]);
    script.refuses(&["start"]);
    Ok(())
}

fn ipv6_duplicate() -> Result<(), Skip> {
    // The neighbour on the other end of the cable, in a namespace of its own.
    run(
        "sh",
        &["-ec", "ip netns add other 2>/dev/null || { mkdir -p /run/netns; ip netns add other; }
            ip link set p0 netns other
            ip netns exec other sh -c 'echo 0 > /proc/sys/net/ipv6/conf/p0/disable_ipv6; ip link set p0 up;
                ip address add fd00:6::66/64 dev p0 nodad'"],
    )
    .succeeds();
    let script = Script::ours("IPv6addr", &["fd00:6::66/64"]);
    until("the cable", || {
        ip("link show dev eth0").contains("LOWER_UP")
    });
    script.expect("start", 1, "ERROR:  Generic error");
    assert!(!has(ADDRESS), "a duplicate address is taken away");
    script.expect("status", 7, "INFO:  Resource is stopped");
    Ok(())
}

fn ipv6_beside_the_legacy() -> Result<(), Skip> {
    need_legacy("IPv6addr")?;
    let ear = Ear::at("p0");
    let [ours, theirs] = [Side::Ours, Side::Theirs].map(|side| {
        let story: Vec<_> = [
            (
                "fd00:6::66/64",
                ["status", "start", "start", "status", "stop", "stop"].as_slice(),
            ),
            ("fd00:6::67", ["start", "status", "stop"].as_slice()),
            ("fd00:7::66/64", ["status", "start", "stop"].as_slice()),
            ("fd00:6::67/48", ["status", "start", "stop"].as_slice()),
            ("xx", ["start", "stop"].as_slice()),
        ]
        .iter()
        .flat_map(|(spec, operations)| {
            operations.iter().map(move |operation| {
                let finished = Script::new(side, "IPv6addr", &[spec]).call(operation);
                let shown = ip("-o -6 address show dev eth0 scope global");
                let addresses: Vec<String> = shown
                    .lines()
                    .map(|line| {
                        line.split_whitespace()
                            .take(4)
                            .collect::<Vec<_>>()
                            .join(" ")
                    })
                    .collect();
                (*spec, *operation, finished.end(), addresses)
            })
        })
        .collect();
        // The legacy sends through the kernel, which puts a number of its own into the flow label.
        let frames = ear
            .frames(is_advertisement)
            .into_iter()
            .map(without_flow_label);
        (story, frames.collect::<BTreeSet<_>>())
    });
    assert_eq!(ours.0, theirs.0);
    assert_eq!(ours.1, theirs.1, "the frames");
    assert_eq!(ours.1.len(), 2, "one for each address");
    Ok(())
}

fn without_flow_label(mut frame: Vec<u8>) -> Vec<u8> {
    frame.splice(15..18, [0, 0, 0]);
    frame
}

fn send_arp_lives() -> Result<(), Skip> {
    let script = Script::ours("SendArp", &["192.168.6.66/eth0"]);
    let pidfile = std::path::Path::new("/run/ours/send_arp/send_arp-192.168.6.66");
    let ear = Ear::at("p0");
    script.expect("status", 7, "INFO:  Resource is stopped");
    script.expect("start", 0, "INFO:  Success");
    script.expect("start", 0, "INFO:  Success");
    script.expect("status", 0, "INFO:  Running OK");
    until("a frame", || !ear.frames(is_announcement).is_empty());
    until("the end of the announcement", || !pidfile.exists());
    // What was said stays said.
    script.expect("status", 0, "INFO:  Running OK");
    script.expect("stop", 0, "INFO:  Success");
    script.expect("stop", 0, "INFO:  Success");
    script.expect("status", 7, "INFO:  Resource is stopped");
    script.expect("start", 0, "INFO:  Success");
    let released = script.call("stop");
    assert!(
        released
            .stderr
            .contains("INFO: SendArp for 192.168.6.66/eth0 released")
    );
    Script::ours("SendArp", &["/eth0"]).expect("start", 2, "ERROR:  Illegal argument");
    Script::ours("SendArp", &["192.168.6.66"]).expect("start", 0, "INFO:  Success");
    script.answers_wrong_calls();
    script.refuses(&[]);
    script.refuses(&["192.168.6.66/eth0", "x", "start"]);
    Ok(())
}

/// Debian's says nothing at all, with 7, when it is stopped.
fn send_arp_beside_the_legacy() -> Result<(), Skip> {
    need_legacy("SendArp")?;
    let ear = Ear::at("p0");
    let [ours, theirs] = [Side::Ours, Side::Theirs].map(|side| {
        let script = Script::new(side, "SendArp", &["192.168.6.66/eth0"]);
        let stopped = script.call("status").code;
        let mut story = vec![(stopped, String::new())];
        for operation in ["start", "start", "status"] {
            story.push(script.call(operation).end());
        }
        let mut frames = BTreeSet::new();
        until("both kinds of frame", || {
            frames.extend(ear.frames(is_announcement));
            frames.len() >= 2
        });
        for operation in ["stop", "stop"] {
            story.push(script.call(operation).end());
        }
        story.push((script.call("status").code, String::new()));
        ear.frames(is_announcement);
        (story, frames)
    });
    assert_eq!(ours, theirs);
    Ok(())
}
