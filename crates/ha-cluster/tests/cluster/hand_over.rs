//! Planned hand-over: shutdown, standby, takeover, failback.

use ha_cluster::{AutoFailback, ExitKind, Hold, Input};

use crate::world::{Settings, World, failback, ms, secs};

const NICE: [AutoFailback; 2] = [AutoFailback::On, AutoFailback::Off];

#[test]
fn a_graceful_shutdown_hands_over_at_once() {
    for mode in [AutoFailback::On, AutoFailback::Off, AutoFailback::Legacy] {
        let mut world = World::settled(2, failback(mode));
        world.shutdown(0);
        world.until("b holds A", secs(1), |w| w.holders("A") == ["b"]);
        world.until("a has ended", secs(3), |w| {
            w.hosts[0].exited == Some(ExitKind::Shutdown)
        });
        world.run(secs(10));
        world.assert_holders(&[("A", "b"), ("B", "b")]);
        assert!(world.logged(1, "Received shutdown notice from 'a'."));
        world.assert_no_errors();
    }
}

#[test]
fn both_shut_down_at_the_same_moment() {
    for mode in [AutoFailback::On, AutoFailback::Legacy] {
        let mut world = World::settled(2, failback(mode));
        world.shutdown(0);
        world.shutdown(1);
        world.run(secs(20));
        for host in [0, 1] {
            assert_eq!(
                world.hosts[host].exited,
                Some(ExitKind::Shutdown),
                "{}",
                world.story()
            );
            assert!(world.hosts[host].running.is_empty());
        }
    }
}

#[test]
fn standby_of_each_kind_from_each_side() {
    for mode in NICE {
        for (giver, taker) in [(0, 1), (1, 0)] {
            for (kind, given) in [
                ("all", vec![giver]),
                ("local", vec![giver]),
                ("foreign", vec![taker]),
            ] {
                let mut world = World::settled(2, failback(mode));
                if kind == "foreign" {
                    // It first has to hold something foreign.
                    world.standby(taker, "all");
                    world.run(secs(5));
                }
                world.standby(giver, kind);
                world.run(secs(5));
                for host in given {
                    let (_, key) = world.groups[host].clone();
                    let name = world.hosts[taker].name.clone();
                    assert_eq!(
                        world.holders(&key),
                        [name],
                        "{kind} {giver}\n{}",
                        world.story()
                    );
                }
                world.assert_agreement();
                world.assert_no_errors();
            }
        }
    }
}

#[test]
fn takeover_asks_the_other_side() {
    for mode in NICE {
        for (kind, held) in [
            ("all", Hold::ALL),
            ("foreign", Hold::ALL),
            ("local", Hold::LOCAL),
            ("failback", Hold::ALL),
        ] {
            let mut world = World::settled(2, failback(mode));
            world.takeover(0, kind);
            world.run(secs(5));
            assert_eq!(world.held(0), held, "{kind}\n{}", world.story());
            world.assert_agreement();
            world.assert_no_errors();
        }
    }
}

#[test]
fn a_standby_back_and_forth_ends_where_it_began() {
    let mut world = World::settled(2, failback(AutoFailback::Off));
    for _ in 0..20 {
        world.standby(0, "all");
        world.run(secs(3));
        world.assert_holders(&[("A", "b"), ("B", "b")]);
        world.standby(1, "foreign");
        world.run(secs(3));
        world.assert_holders(&[("A", "a"), ("B", "b")]);
    }
    world.assert_agreement();
    world.assert_no_errors();
}

#[test]
fn crossing_standby_requests_release_nothing() {
    let mut world = World::settled(2, Settings::default());
    world.standby(0, "all");
    world.standby(1, "all");
    world.run(secs(15));
    world.assert_holders(&[("A", "a"), ("B", "b")]);
    world.run(secs(30));
    world.standby(0, "all");
    world.run(secs(5));
    world.assert_holders(&[("A", "b"), ("B", "b")]);
}

#[test]
fn a_responder_whose_answer_came_too_late_is_free_again_within_a_minute() {
    let mut world = World::settled(
        2,
        Settings {
            deadtime: secs(30),
            initdead: secs(30),
            ..Settings::default()
        },
    );
    world.partition(0, 1);
    world.standby(0, "all");
    world.run(secs(14));
    world.heal();
    world.run(secs(60));
    world.assert_holders(&[("A", "a"), ("B", "b")]);
    world.standby(1, "all");
    world.run(secs(5));
    world.assert_holders(&[("A", "a"), ("B", "a")]);
}

#[test]
fn shutdown_before_communication_is_up_waits_for_it() {
    let mut world = World::new(2, Settings::default());
    world.start(0);
    world.run(secs(2));
    world.shutdown(0);
    assert!(world.logged(0, "Shutdown delayed until Communication is up."));
    world.until("a has ended", secs(30), |w| w.hosts[0].exited.is_some());
    assert!(world.hosts[0].running.is_empty());
}

#[test]
fn shutdown_is_not_stuck_when_the_peer_dies_in_a_standby() {
    let mut world = World::settled(2, Settings::default());
    world.hosts[0].script_time = secs(2);
    world.hosts[1].script_time = secs(8);
    world.standby(0, "all");
    world.run(secs(4));
    world.shutdown(0);
    world.power_cut(1);
    world.until("a has ended", secs(60), |w| {
        w.hosts[0].exited == Some(ExitKind::Shutdown)
    });
}

#[test]
fn a_reload_keeps_resources_and_roles() {
    for mode in [AutoFailback::On, AutoFailback::Off, AutoFailback::Legacy] {
        let mut world = World::settled(2, failback(mode));
        world.feed(0, Input::QuickRestart);
        world.run(ms(10));
        world.run(secs(30));
        world.assert_holders(&[("A", "a"), ("B", "b")]);
        assert!(!world.logged(1, "is dead"), "{}", world.story());
        if mode != AutoFailback::Legacy {
            world.assert_agreement();
            world.standby(0, "all");
            world.run(secs(5));
            world.assert_holders(&[("A", "b"), ("B", "b")]);
        }
    }
}

#[test]
fn failback_asks_nobody_who_is_busy() {
    let mut world = World::settled(2, failback(AutoFailback::On));
    world.power_cut(0);
    world.run(secs(10));
    world.hosts[1].script_time = secs(3);
    world.start(0);
    world.run(secs(60));
    world.assert_holders(&[("A", "a"), ("B", "b")]);
    world.assert_agreement();
}

/// A legacy node that comes up on our answer alone believes that nobody is active, and takes its groups without asking.
#[test]
fn who_asks_for_the_node_list_first_hears_our_status() {
    let mut world = World::settled(2, failback(AutoFailback::Legacy));
    world.power_cut(0);
    world.run(secs(10));
    world.hosts[1].sent.clear();
    world.start(0);
    world.run(secs(2));
    let kinds: Vec<_> = world.hosts[1]
        .sent
        .iter()
        .filter_map(|m| m.kind())
        .collect();
    let answer = kinds
        .iter()
        .position(|kind| *kind == "repnodes")
        .expect("it answers");
    let before = &world.hosts[1].sent[..answer];
    assert!(
        before
            .iter()
            .rev()
            .take(2)
            .any(|m| m.kind() == Some("status") && m.text("st") == Some("active")),
        "{kinds:?}"
    );
}

#[test]
fn a_request_for_nothing_does_not_keep_the_cluster_busy_for_an_hour() {
    let mut world = World::settled(2, failback(AutoFailback::Off));
    world.standby(0, "everything");
    world.run(secs(60));
    for host in [0, 1] {
        let core = world.hosts[host].core.as_ref().expect("runs");
        assert!(core.snapshot().resources.stable, "{}", world.story());
    }
    world.standby(0, "all");
    world.run(secs(5));
    world.assert_holders(&[("A", "b"), ("B", "b")]);
}
