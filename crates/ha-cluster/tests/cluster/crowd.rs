//! Clusters of more than two nodes, for which the resource protocol was not made.

use ha_cluster::AutoFailback;

use crate::world::{World, failback, secs};

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

#[test]
fn standby_does_not_give_everything_to_everybody() {
    for kind in ["all", "local", "foreign"] {
        let mut world = World::settled(3, failback(AutoFailback::On));
        world.standby(0, kind);
        world.takeover(1, kind);
        world.run(secs(40));
        world.assert_holders(&[("A", "a"), ("B", "b"), ("C", "c")]);
        let refused = world.logged(0, "refused: with more than two nodes");
        assert_eq!(refused, kind != "foreign", "{kind}\n{}", world.story());
    }
}
