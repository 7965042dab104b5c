//! Starting, dying, coming back.

use ha_cluster::{AutoFailback, Hold};

use crate::world::{Settings, World, failback, ms, secs};

const MODES: [AutoFailback; 3] = [AutoFailback::On, AutoFailback::Off, AutoFailback::Legacy];

#[test]
fn two_nodes_started_together_hold_their_own() {
    for mode in MODES {
        let world = World::settled(2, failback(mode));
        world.assert_holders(&[("A", "a"), ("B", "b")]);
        if mode != AutoFailback::Legacy {
            world.assert_agreement();
        }
        world.assert_no_errors();
    }
}

#[test]
fn a_lone_node_takes_everything_after_initdead() {
    for mode in MODES {
        let mut world = World::new(2, failback(mode));
        world.start(0);
        world.run(secs(11));
        assert!(world.holders("A").is_empty() && !world.hosts[0].comm_up);
        world.until("a holds both", secs(3), |w| {
            w.holders("A") == ["a"] && w.holders("B") == ["a"]
        });
        world.run(secs(12));
        assert!(world.logged(0, "node b: is dead"));
        assert!(world.errors(0).is_empty(), "{}", world.story());
    }
}

#[test]
fn the_second_node_joins_later() {
    for mode in MODES {
        let mut world = World::new(2, failback(mode));
        world.start(0);
        world.run(secs(40));
        world.start(1);
        world.run(secs(25));
        let owner_of_b = if mode == AutoFailback::Off { "a" } else { "b" };
        world.assert_holders(&[("A", "a"), ("B", owner_of_b)]);
        world.assert_no_errors();
    }
}

#[test]
fn a_dead_node_is_replaced_right_after_its_dead_time() {
    for mode in MODES {
        let mut world = World::settled(2, failback(mode));
        world.power_cut(0);
        let cut = world.now;
        world.until("b took over", secs(4), |w| w.holders("A") == ["b"]);
        let taken = world.now - cut;
        assert!(taken >= ms(2500) && taken <= ms(3200), "{taken:?}");
        world.assert_holders(&[("A", "b"), ("B", "b")]);
    }
}

#[test]
fn nobody_is_declared_dead_before_the_dead_time_it_asked_for() {
    let mut world = World::settled(2, Settings::default());
    // A fresh start asks for two seconds more.
    world.power_cut(0);
    world.run(secs(10));
    world.start(0);
    world.run(secs(1));
    world.power_cut(0);
    world.run(ms(4000));
    assert_eq!(
        world.hosts[1]
            .log
            .iter()
            .filter(|(_, _, t)| t == "node a: is dead")
            .count(),
        1,
        "{}",
        world.story()
    );
    world.run(ms(1500));
    assert_eq!(
        world.hosts[1]
            .log
            .iter()
            .filter(|(_, _, t)| t == "node a: is dead")
            .count(),
        2
    );
}

#[test]
fn a_returning_node_gets_back_what_the_mode_says() {
    for mode in MODES {
        let mut world = World::settled(2, failback(mode));
        world.power_cut(0);
        world.run(secs(10));
        world.start(0);
        world.run(secs(25));
        let owner_of_a = if mode == AutoFailback::Off { "b" } else { "a" };
        world.assert_holders(&[("A", owner_of_a), ("B", "b")]);
        if mode != AutoFailback::Legacy {
            world.assert_agreement();
        }
        world.assert_no_errors();
    }
}

#[test]
fn a_restart_inside_the_dead_time_is_no_death() {
    for mode in MODES {
        let mut world = World::settled(2, failback(mode));
        world.kill(0);
        world.run(ms(500));
        world.start(0);
        world.run(secs(25));
        world.assert_holders(&[("A", "a"), ("B", "b")]);
        assert!(world.logged(1, "Heartbeat restart on node a"));
        assert!(!world.logged(1, "is dead"));
        world.assert_no_errors();
    }
}

#[test]
fn a_power_cut_shorter_than_the_dead_time_leaves_every_group_served() {
    for mode in MODES {
        let mut world = World::settled(2, failback(mode));
        world.power_cut(0);
        world.run(ms(300));
        world.start(0);
        world.run(secs(30));
        world.assert_holders(&[("A", "a"), ("B", "b")]);
    }
}

#[test]
fn a_killed_daemon_leaves_no_second_holder_behind() {
    for mode in MODES {
        let mut world = World::settled(2, failback(mode));
        world.kill(0);
        world.run(secs(10));
        assert_eq!(
            world.holders("A"),
            ["a", "b"],
            "nobody can stop the scripts of a killed daemon"
        );
        world.start(0);
        world.run(secs(30));
        let owner_of_a = if mode == AutoFailback::Off { "b" } else { "a" };
        world.assert_holders(&[("A", owner_of_a), ("B", "b")]);
    }
}

#[test]
fn a_holder_of_everything_that_restarts_at_once_leaves_nothing_unowned() {
    for mode in [AutoFailback::On, AutoFailback::Off] {
        let mut world = World::settled(2, failback(mode));
        world.standby(1, "all");
        world.run(secs(5));
        assert_eq!(world.held(0), Hold::ALL);
        world.power_cut(0);
        world.run(ms(200));
        world.start(0);
        world.run(secs(40));
        world.assert_holders(&[("A", "a"), ("B", "b")]);
        world.assert_agreement();
    }
}

#[test]
fn a_healed_partition_ends_with_one_holder() {
    for mode in MODES {
        let mut world = World::settled(2, failback(mode));
        world.partition(0, 1);
        world.run(secs(8));
        assert_eq!(world.holders("A"), ["a", "b"]);
        world.heal();
        world.run(secs(45));
        world.assert_holders(&[("A", "a"), ("B", "b")]);
        assert!(world.logged(0, "Cluster node b returning after partition."));
    }
}

/// A node that is about to acquire for the first time may not before it knows what the other one holds. It was asked, but
/// nobody told it, so that both held everything until it asked itself, fifteen seconds later.
#[test]
fn a_node_that_started_unheard_is_told_what_the_other_holds() {
    for mode in [AutoFailback::On, AutoFailback::Off] {
        for step in 0..30 {
            let settings = Settings {
                initdead: secs(4),
                ..failback(mode)
            };
            let mut world = World::settled(2, settings);
            world.power_cut(0);
            world.run(secs(1));
            world.partition(0, 1);
            world.run(secs(4));
            world.start(0);
            world.run(ms(500 * step));
            world.heal();
            world.run(secs(8));
            let holders = ["A", "B"].map(|key| world.holders(key).len());
            assert!(
                holders.iter().all(|holders| *holders <= 1),
                "{mode:?} {step}: {holders:?}\n{}",
                world.story()
            );
        }
    }
}

#[test]
fn a_healed_one_way_cut_ends_with_one_holder() {
    for mode in MODES {
        for cut in [(0, 1), (1, 0)] {
            let mut world = World::settled(2, failback(mode));
            world.cut.insert(cut);
            world.run(secs(8));
            world.heal();
            world.run(secs(60));
            let holders: Vec<usize> = ["A", "B"]
                .iter()
                .map(|key| world.holders(key).len())
                .collect();
            assert_eq!(holders, [1, 1], "{mode:?} {cut:?}\n{}", world.story());
        }
    }
}

/// Clients are told of the node first and of its links then, also when a datagram is read at the very moment.
#[test]
fn a_datagram_at_the_moment_of_a_death_does_not_put_the_link_first() {
    let mut world = World::settled(2, Settings::default());
    world.power_cut(1);
    for _ in 0..secs(5).as_millis() {
        world.now += ms(1);
        world.inject_packet(0, b"noise");
        world.run(ms(0));
    }
    let at = |text: &str| {
        let line = |(_, _, line): &(_, _, String)| line.starts_with(text);
        world.hosts[0].log.iter().rposition(line)
    };
    let (node, link) = (at("node b: is dead"), at("Link b:"));
    assert!(node.is_some() && node < link, "{}", world.story());
    assert!(
        world.hosts[0].log[link.unwrap_or(0)].2.ends_with(" dead."),
        "{}",
        world.story()
    );
}

#[test]
fn a_stalled_node_listens_before_it_judges() {
    let mut world = World::settled(2, Settings::default());
    world.hosts[0].stopped_until = Some(world.now + secs(30));
    world.run(secs(90));
    assert!(!world.logged(0, "node b: is dead"), "{}", world.story());
    assert!(world.logged(1, "node a: is dead"));
    let holders: Vec<usize> = ["A", "B"]
        .iter()
        .map(|key| world.holders(key).len())
        .collect();
    assert_eq!(holders, [1, 1], "{}", world.story());
}

#[test]
fn three_nodes_start_and_hold_their_own() {
    for mode in MODES {
        let world = World::settled(3, failback(mode));
        world.assert_holders(&[("A", "a"), ("B", "b"), ("C", "c")]);
    }
}

/// Nodes that miss each other's first words at a start are no strangers who hold each other's groups.
#[test]
fn a_first_status_that_says_active_is_no_reason_to_restart() {
    for mode in MODES {
        let mut world = World::new(2, failback(mode));
        world.start(0);
        world.run(ms(50));
        world.start(1);
        world.run(secs(30));
        world.assert_holders(&[("A", "a"), ("B", "b")]);
        for host in [0, 1] {
            assert!(
                !world.logged(host, "shutdown in progress"),
                "{}",
                world.story()
            );
            assert!(
                !world.logged(host, "was active before we could hear it"),
                "{}",
                world.story()
            );
        }
    }
}
