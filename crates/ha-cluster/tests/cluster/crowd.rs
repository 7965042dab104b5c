//! Clusters of more than two nodes, for which the resource protocol was not made.

use ha_cluster::{AutoFailback, ExitKind, Input};
use ha_wire::Message;

use crate::world::{Device, Settings, World, failback, ms, secs};

const MODES: [AutoFailback; 3] = [AutoFailback::On, AutoFailback::Off, AutoFailback::Legacy];

/// Every node that runs sees every other one as it is.
#[track_caller]
fn assert_views(world: &World) {
    for host in world.hosts.iter().filter(|host| host.core.is_some()) {
        let snapshot = host.core.as_ref().expect("runs").snapshot();
        for node in &snapshot.nodes {
            let other = world.hosts.iter().find(|other| other.name == node.name);
            let runs = other.is_some_and(|other| other.core.is_some());
            let expected = if runs { "active" } else { "dead" };
            assert_eq!(node.status, expected, "{} of {}", host.name, node.name);
        }
    }
}

#[test]
fn up_to_sixteen_nodes_see_each_other_and_hold_their_own() {
    let [on, off, legacy] = MODES;
    for (mode, count) in [(on, 3), (on, 16), (off, 8), (legacy, 5)] {
        let world = World::settled(count, failback(mode));
        assert_views(&world);
        for (owner, key) in &world.groups {
            assert_eq!(world.holders(key), [owner.as_str()], "{mode:?} {count}");
        }
        world.assert_no_errors();
    }
}

#[test]
fn one_survivor_takes_what_a_dead_node_held() {
    for mode in MODES {
        for count in [3, 4] {
            let mut world = World::settled(count, failback(mode));
            world.power_cut(0);
            world.run(secs(15));
            assert_eq!(world.holders("A"), ["b"], "{mode:?}\n{}", world.story());
            world.power_cut(1);
            world.run(secs(15));
            world.assert_holders(&[("A", "c"), ("B", "c"), ("C", "c")]);
            assert_views(&world);
        }
    }
}

#[test]
fn all_but_one_die_at_once() {
    for mode in MODES {
        let mut world = World::settled(4, failback(mode));
        for host in 0..3 {
            world.power_cut(host);
        }
        world.run(secs(20));
        world.assert_holders(&[("A", "d"), ("B", "d"), ("C", "d"), ("D", "d")]);
    }
}

#[test]
fn a_node_that_is_shut_down_is_replaced_by_one() {
    for mode in MODES {
        let mut world = World::settled(3, failback(mode));
        world.shutdown(0);
        world.run(secs(20));
        assert_eq!(world.holders("A"), ["b"], "{mode:?}\n{}", world.story());
        world.assert_holders(&[("B", "b"), ("C", "c")]);
    }
}

#[test]
fn a_node_that_returns_leads_to_one_holder() {
    for mode in MODES {
        let mut world = World::settled(3, failback(mode));
        world.power_cut(0);
        world.run(secs(15));
        world.start(0);
        world.run(secs(60));
        assert_views(&world);
        let owner = if mode == AutoFailback::Off { "b" } else { "a" };
        assert_eq!(world.holders("A"), [owner], "{mode:?}\n{}", world.story());
        world.assert_holders(&[("B", "b"), ("C", "c")]);
    }
}

/// Who answers last must not decide: only one of them has what the returning node owns.
#[test]
fn whichever_node_returns_and_whoever_answers_last_there_is_one_holder() {
    for mode in MODES {
        for count in [3, 4] {
            for dead in 0..count {
                let mut world = World::settled(count, failback(mode));
                world.power_cut(dead);
                world.run(secs(15));
                world.start(dead);
                world.run(secs(60));
                assert_views(&world);
                for (owner, key) in &world.groups {
                    let holders = world.holders(key);
                    assert_eq!(
                        holders.len(),
                        1,
                        "{mode:?} {count} {dead} {owner}: {holders:?}"
                    );
                }
            }
        }
    }
}

/// Every group ran on one node at most all the time, runs on one now, and nothing is under way.
#[track_caller]
fn assert_calm(world: &World, expected: &[(&str, &str)]) {
    assert_eq!(world.held_twice, None, "\n{}", world.story());
    assert_settled(world, expected);
}

#[track_caller]
fn assert_settled(world: &World, expected: &[(&str, &str)]) {
    world.assert_holders(expected);
    for host in &world.hosts {
        let Some(core) = &host.core else { continue };
        let snapshot = core.snapshot();
        assert!(
            snapshot.resources.stable,
            "{}\n{}",
            host.name,
            world.story()
        );
        let mine: Vec<&str> = expected
            .iter()
            .filter(|(_, holder)| *holder == host.name)
            .map(|(key, _)| *key)
            .collect();
        let said: Vec<String> = snapshot
            .owners
            .iter()
            .map(|owner| owner.to_uppercase())
            .collect();
        assert_eq!(said, mine, "{}\n{}", host.name, world.story());
    }
}

#[test]
fn a_returning_node_gets_its_own_groups_and_no_others() {
    for mode in MODES {
        let mut world = World::settled(3, failback(mode));
        world.power_cut(0);
        world.run(secs(15));
        world.power_cut(1);
        world.run(secs(15));
        assert_calm(&world, &[("A", "c"), ("B", "c"), ("C", "c")]);
        world.start(0);
        world.run(secs(40));
        let (a, b) = match mode {
            AutoFailback::Off => ("c", "c"),
            _ => ("a", "c"),
        };
        assert_calm(&world, &[("A", a), ("B", "c"), ("C", "c")]);
        world.start(1);
        world.run(secs(40));
        let b = if mode == AutoFailback::Off { b } else { "b" };
        assert_calm(&world, &[("A", a), ("B", b), ("C", "c")]);
    }
}

#[test]
fn what_a_node_held_for_others_goes_to_one_node_when_it_dies_too() {
    let mut world = World::settled(4, failback(AutoFailback::On));
    world.power_cut(0);
    world.run(secs(15));
    world.power_cut(1);
    world.run(secs(15));
    assert_calm(&world, &[("A", "c"), ("B", "c"), ("C", "c"), ("D", "d")]);
}

#[test]
fn standby_gives_to_the_first_other_node_and_foreign_groups_to_their_owner() {
    for mode in MODES {
        let mut world = World::settled(3, failback(mode));
        world.standby(2, "all");
        world.run(secs(10));
        assert_calm(&world, &[("A", "a"), ("B", "b"), ("C", "a")]);
        // An operator's move lasts.
        world.run(secs(60));
        assert_calm(&world, &[("A", "a"), ("B", "b"), ("C", "a")]);
        world.standby(0, "foreign");
        world.run(secs(10));
        assert_calm(&world, &[("A", "a"), ("B", "b"), ("C", "c")]);
        world.standby(0, "local");
        world.run(secs(10));
        assert_calm(&world, &[("A", "b"), ("B", "b"), ("C", "c")]);
        world.assert_no_errors();
    }
}

#[test]
fn takeover_collects_from_every_holder() {
    for (kind, expected) in [
        ("foreign", [("A", "b"), ("B", "b"), ("C", "b")]),
        ("all", [("A", "b"), ("B", "b"), ("C", "b")]),
        ("local", [("A", "a"), ("B", "b"), ("C", "c")]),
    ] {
        let mut world = World::settled(3, failback(AutoFailback::On));
        world.takeover(1, kind);
        world.run(secs(10));
        assert_calm(&world, &expected);
        world.assert_no_errors();
    }
}

#[test]
fn an_operators_move_ends_with_the_owners_next_life() {
    let mut world = World::settled(3, failback(AutoFailback::On));
    world.standby(2, "local");
    world.run(secs(10));
    world.shutdown(2);
    world.run(secs(20));
    assert_calm(&world, &[("A", "a"), ("B", "b"), ("C", "a")]);
    world.start(2);
    world.run(secs(30));
    assert_calm(&world, &[("A", "a"), ("B", "b"), ("C", "c")]);
}

#[test]
fn a_clean_stop_is_followed_at_once() {
    for mode in MODES {
        let mut world = World::settled(3, failback(mode));
        world.shutdown(1);
        world.until("a has what b left", secs(1), |w| w.holders("B") == ["a"]);
        world.run(secs(20));
        assert_eq!(world.hosts[1].exited, Some(ExitKind::Shutdown));
        assert_calm(&world, &[("A", "a"), ("B", "a"), ("C", "c")]);
    }
}

#[test]
fn all_shut_down_at_once_release_everything() {
    let mut world = World::settled(3, failback(AutoFailback::On));
    for host in 0..3 {
        world.shutdown(host);
    }
    world.run(secs(20));
    for host in &world.hosts {
        assert_eq!(host.exited, Some(ExitKind::Shutdown), "{}", world.story());
        assert!(host.running.is_empty());
    }
    assert_eq!(world.held_twice, None);
}

#[test]
fn after_a_healed_partition_owners_keep_their_groups_and_nobody_starts_anew() {
    for mode in MODES {
        for lone in 0..3 {
            let mut world = World::settled(3, failback(mode));
            for other in (0..3).filter(|other| *other != lone) {
                world.partition(lone, other);
            }
            world.run(secs(20));
            world.heal();
            world.run(secs(20));
            assert_settled(&world, &[("A", "a"), ("B", "b"), ("C", "c")]);
            assert!(world.hosts.iter().all(|host| host.exited.is_none()));
        }
    }
}

/// c hears a, and b does not: it is the way that is broken, and a keeps what it has.
#[test]
fn who_is_still_heard_by_another_is_not_dead() {
    let devices = vec![Device::default()];
    for devices in [Vec::new(), devices] {
        let settings = Settings {
            devices,
            ..Settings::default()
        };
        let mut world = World::settled(3, settings);
        world.partition(0, 1);
        world.run(secs(60));
        world.assert_holders(&[("A", "a"), ("B", "b"), ("C", "c")]);
        assert_eq!(world.held_twice, None, "\n{}", world.story());
        assert!(world.hosts.iter().all(|host| host.resets == 0));
        world.heal();
        world.run(secs(20));
        assert_calm(&world, &[("A", "a"), ("B", "b"), ("C", "c")]);
    }
}

#[test]
fn a_holder_that_restarts_at_once_leaves_one_holder() {
    for mode in MODES {
        // Killed, with what it started still running; or the machine lost power for a moment.
        for cut in [false, true] {
            let mut world = World::settled(3, failback(mode));
            world.power_cut(0);
            world.run(secs(15));
            if cut {
                world.power_cut(1);
            } else {
                world.kill(1);
            }
            world.start(1);
            world.run(secs(40));
            assert_calm(&world, &[("A", "b"), ("B", "b"), ("C", "c")]);
        }
    }
}

#[test]
fn a_reload_keeps_the_groups_of_every_owner() {
    let mut world = World::settled(3, failback(AutoFailback::On));
    world.power_cut(0);
    world.run(secs(15));
    world.feed(1, Input::QuickRestart);
    world.run(secs(30));
    assert_calm(&world, &[("A", "b"), ("B", "b"), ("C", "c")]);
    assert!(!world.logged(2, "node b: is dead"), "{}", world.story());
    world.start(0);
    world.run(secs(30));
    assert_calm(&world, &[("A", "a"), ("B", "b"), ("C", "c")]);
}

#[test]
fn lost_messages_do_not_change_where_it_ends() {
    for seed in 1..=10 {
        let settings = Settings {
            seed,
            ..Settings::default()
        };
        let mut world = World::settled(3, settings);
        world.loss = 20;
        world.power_cut(0);
        world.run(secs(15));
        world.start(0);
        world.run(secs(20));
        world.standby(1, "all");
        world.run(secs(10));
        world.loss = 0;
        world.run(secs(60));
        for (_, key) in &world.groups {
            assert_eq!(
                world.holders(key).len(),
                1,
                "{seed} {key}\n{}",
                world.story()
            );
        }
    }
}

#[test]
fn only_one_survivor_resets_a_dead_node() {
    let settings = Settings {
        devices: vec![Device::default()],
        ..Settings::default()
    };
    let mut world = World::settled(4, settings);
    world.power_cut(0);
    world.run(secs(12));
    assert_eq!(world.hosts[0].resets, 1, "{}", world.story());
    assert_eq!(world.holders("A"), ["b"], "{}", world.story());
    world.run(secs(60));
    assert_calm(&world, &[("A", "a"), ("B", "b"), ("C", "c"), ("D", "d")]);
}

#[test]
fn a_group_that_cannot_be_started_goes_to_another_node_once() {
    let mut world = World::settled(3, failback(AutoFailback::Off));
    world.hosts[1].faults.start_fails.insert("A".to_owned());
    world.power_cut(0);
    world.run(secs(20));
    assert_eq!(world.holders("A"), ["c"], "{}", world.story());
    let text = "group A could not be started here";
    assert!(world.logged(1, text), "{}", world.story());
}

#[test]
fn sixteen_nodes_lose_and_regain_half_of_them() {
    let mut world = World::settled(16, failback(AutoFailback::On));
    for host in 0..8 {
        world.power_cut(host);
    }
    world.run(secs(8));
    for (_, key) in world.groups.iter().take(8) {
        assert_eq!(world.holders(key), ["i"], "{}", world.story());
    }
    for host in 0..8 {
        world.start(host);
    }
    world.run(secs(15));
    assert_views(&world);
    assert_eq!(world.held_twice, None, "{}", world.story());
    for (owner, key) in &world.groups {
        assert_eq!(world.holders(key), [owner.as_str()], "{}", world.story());
    }
}

/// The third node is deleted, and added again: the two others change between the protocol of two and that of more.
#[test]
fn a_cluster_may_shrink_to_two_and_grow_again() {
    let nodes = |kind: &str| {
        let mut message = Message::new();
        message.push("t", kind);
        message.push("nodelist", "c");
        message
    };
    let mut world = World::settled(3, failback(AutoFailback::On));
    world.shutdown(2);
    world.run(secs(20));
    assert_calm(&world, &[("A", "a"), ("B", "b"), ("C", "a")]);
    let message = nodes("delnode");
    world.feed(0, Input::Inject { message });
    world.run(secs(30));
    assert_eq!(world.holders("A").len(), 1, "{}", world.story());
    assert_eq!(world.holders("B").len(), 1, "{}", world.story());
    let message = nodes("addnode");
    world.feed(0, Input::Inject { message });
    world.run(ms(100));
    world.start(2);
    world.run(secs(60));
    assert_views(&world);
    for (_, key) in &world.groups {
        assert_eq!(world.holders(key).len(), 1, "{key}\n{}", world.story());
    }
}

/// With two nodes the mode knows no standby; with three it broke the rules of every mode.
#[test]
fn auto_failback_legacy_is_on_among_three_and_says_so() {
    let told = |world: &World| {
        let text = "auto_failback legacy knows two nodes only: with more it is on";
        world.story().matches(text).count()
    };
    let mut world = World::settled(3, failback(AutoFailback::Legacy));
    assert_eq!(told(&world), 3, "{}", world.story());
    world.standby(0, "all");
    world.run(secs(20));
    world.assert_holders(&[("A", "b"), ("B", "b"), ("C", "c")]);
    let world = World::settled(3, failback(AutoFailback::On));
    assert_eq!(told(&world), 0);
    let world = World::settled(2, failback(AutoFailback::Legacy));
    assert_eq!(told(&world), 0);
}
