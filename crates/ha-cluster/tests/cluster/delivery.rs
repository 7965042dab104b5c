//! What comes from the network is verified before it is believed, and nothing of it harms.

use ha_cluster::Input;
use ha_wire::{CompressionSettings, Encoding, Key, KeyRing, Message, Method};

use crate::world::{Settings, World, secs};

fn snapshot(world: &World, host: usize) -> ha_cluster::Snapshot {
    let mut snapshot = world.hosts[host].core.as_ref().expect("runs").snapshot();
    snapshot.counters = ha_cluster::Counters::default();
    snapshot
}

fn packet(message: &Message, keys: &KeyRing) -> Vec<u8> {
    let mut bytes = Vec::new();
    ha_wire::encode_datagram(
        message,
        Encoding::String,
        keys,
        &CompressionSettings::default(),
        &mut bytes,
    )
    .expect("encodes");
    bytes
}

fn status_of(name: &str, seq: u64, generation: u64) -> Message {
    let mut message = Message::new();
    message.push("t", "status");
    message.push("st", "active");
    message.push("dt", "bb8");
    message.push("protocol", "1");
    message.push("src", name);
    message.push_binary("srcuuid", &[2; 16]);
    message.push("seq", format!("{seq:x}"));
    message.push("hg", format!("{generation:x}"));
    message.push("ts", "65000000");
    message
}

#[test]
fn garbage_changes_nothing_but_a_counter() {
    let mut world = World::settled(2, Settings::default());
    let before = snapshot(&world, 0);
    let lines = world.hosts[0].log.len();
    let mut wrong = KeyRing::new();
    wrong.insert(1, Key::new(Method::Sha1, b"other"));
    wrong.set_outbound(1);
    let forged = packet(&status_of("b", 1 << 40, 1 << 30), &wrong);
    let mut seed = 7u64;
    for round in 0..5000usize {
        let length = round % 300;
        let bytes: Vec<u8> = (0..length)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 33) as u8
            })
            .collect();
        world.inject_packet(0, &bytes);
        world.inject_packet(0, &forged);
        world.inject_packet(0, &forged[..round % forged.len()]);
        world.inject_packet(0, &[b">>>\n", &bytes[..]].concat());
        world.inject_packet(0, &[b"###\n", &bytes[..]].concat());
    }
    world.inject_packet(0, &vec![b'x'; 300_000]);
    assert_eq!(snapshot(&world, 0), before);
    assert!(
        world.hosts[0].log.len() - lines < 100,
        "the log is flooded: {}",
        world.hosts[0].log.len() - lines
    );
    world.run(secs(10));
    world.assert_agreement();
}

#[test]
fn replayed_packets_change_nothing() {
    let mut world = World::settled(2, Settings::default());
    let captured: Vec<Vec<u8>> = world.hosts[1]
        .sent
        .iter()
        .map(|m| packet(m, &World::keys()))
        .collect();
    let before = snapshot(&world, 0);
    for bytes in &captured {
        world.inject_packet(0, bytes);
    }
    assert_eq!(snapshot(&world, 0), before);
    world.power_cut(1);
    world.run(secs(10));
    for bytes in &captured {
        world.inject_packet(0, bytes);
    }
    assert!(
        !world.logged(0, "returning after partition"),
        "{}",
        world.story()
    );
    world.start(1);
    world.run(secs(30));
    for bytes in &captured {
        world.inject_packet(0, bytes);
    }
    assert!(world.logged(0, "attempted replay attack"));
    world.assert_agreement();
}

#[test]
fn a_foreign_node_with_the_right_key_is_refused() {
    let mut world = World::settled(2, Settings::default());
    let before = snapshot(&world, 0);
    for seq in 1..100 {
        world.inject_packet(0, &packet(&status_of("mallory", seq, 5), &World::keys()));
    }
    assert_eq!(snapshot(&world, 0), before);
    assert!(world.logged(0, "process_status_message: bad node [mallory] in message"));
}

#[test]
fn a_node_with_our_own_name_is_reported_and_ignored() {
    let mut world = World::settled(2, Settings::default());
    let before = snapshot(&world, 0);
    world.inject_packet(0, &packet(&status_of("a", 9999, 77), &World::keys()));
    assert_eq!(snapshot(&world, 0), before);
    assert!(world.logged(0, "two nodes may not share a name"));
}

#[test]
fn mandatory_fields_are_demanded() {
    let mut world = World::settled(2, Settings::default());
    let before = snapshot(&world, 0);
    for field in ["src", "ts", "t", "seq"] {
        let mut message = status_of("b", 1 << 20, 1 << 20);
        message.remove(field);
        world.inject_packet(0, &packet(&message, &World::keys()));
        let mut message = status_of("b", 1 << 20, 1 << 20);
        message.set(field, "zzz");
        if field != "src" && field != "t" {
            world.inject_packet(0, &packet(&message, &World::keys()));
        }
    }
    assert_eq!(snapshot(&world, 0), before);
}

#[test]
fn lost_packets_are_asked_for_and_sent_again() {
    let mut world = World::settled(2, Settings::default());
    world.cut.insert((1, 0));
    world.run(secs(2));
    world.heal();
    world.run(secs(5));
    assert!(world.logged(0, "lost packet(s) for [b]"));
    assert!(
        world.logged(0, "No pkts missing from b!"),
        "{}",
        world.story()
    );
    assert!(!world.logged(0, "Irretrievably lost"));
}

#[test]
fn messages_are_acknowledged() {
    let mut world = World::settled(2, Settings::default());
    world.run(secs(30));
    for host in [0, 1] {
        assert!(
            world.hosts[host]
                .sent
                .iter()
                .any(|m| m.kind() == Some("NS_ackmsg"))
        );
        assert!(!world.logged(host, "hist queue"));
    }
}

#[test]
fn a_local_message_without_type_is_refused() {
    let mut world = World::settled(2, Settings::default());
    let mut message = Message::new();
    message.push("info", "me");
    world.feed(0, Input::Inject { message });
    assert!(world.logged(0, "missing type"));
}

#[test]
fn unknown_messages_of_any_name_are_harmless() {
    let mut world = World::settled(2, Settings::default());
    for kind in [
        "../../../bin/sh",
        "a/b",
        "",
        "x".repeat(500).as_str(),
        ".hidden",
        "ok\u{7}",
    ] {
        let mut message = Message::new();
        message.push("t", kind);
        world.feed(0, Input::Inject { message });
    }
    world.run(secs(5));
    world.assert_agreement();
}

#[test]
fn the_highest_sequence_number_of_all_is_a_number_like_others() {
    let mut world = World::settled(2, Settings::default());
    for generation in [1 << 20, 1 << 21, 1 << 22] {
        for seq in [1, u64::MAX] {
            let message = status_of("b", seq, generation);
            world.inject_packet(0, &packet(&message, &World::keys()));
        }
    }
    assert!(world.logged(0, "lost a lot of packets!"));
}

#[test]
fn a_long_name_is_added_once() {
    let mut world = World::settled(2, Settings::default());
    for _ in 0..3 {
        let mut message = Message::new();
        message.push("t", "addnode");
        message.push("nodelist", "n".repeat(150));
        world.feed(0, Input::Inject { message });
    }
    assert_eq!(snapshot(&world, 0).nodes.len(), 3);
}

#[test]
fn two_machines_of_one_name_do_not_fill_the_log() {
    let mut world = World::settled(2, Settings::default());
    let lines = world.hosts[0].log.len();
    for round in 0..200u8 {
        let mut message = status_of("b", 1, 1);
        message.set_binary("srcuuid", &[2 + round % 2; 16]);
        world.inject_packet(0, &packet(&message, &World::keys()));
    }
    assert!(world.hosts[0].log.len() < lines + 20, "{}", world.story());
}

#[test]
fn a_message_too_large_to_send_does_not_spoil_what_is_sent_after_it() {
    let mut world = World::settled(2, Settings::default());
    let mut message = Message::new();
    message.push("t", "huge");
    message.push("x", "x".repeat(300_000));
    world.feed(0, Input::Inject { message });
    world.run(secs(1));
    // b misses one of the messages that follow, and asks for it.
    world.partition(0, 1);
    world.run(secs(1));
    world.heal();
    world.run(secs(3));
    let lost = |line: &(std::time::Duration, ha_cluster::Level, String)| {
        line.2.starts_with("Irretrievably lost packet")
    };
    let count = world.hosts[1].log.iter().filter(|line| lost(line)).count();
    assert!(count <= 1, "{}", world.story());
}
