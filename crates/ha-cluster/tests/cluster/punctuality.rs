//! Calendars that jump, processes that are stopped, machines that are always late.

use std::time::Duration;

use crate::world::{Settings, World, failback, ms, secs};
use ha_cluster::AutoFailback;

const MODES: [AutoFailback; 3] = [AutoFailback::On, AutoFailback::Off, AutoFailback::Legacy];

fn holders(world: &World) -> [usize; 2] {
    ["A", "B"].map(|key| world.holders(key).len())
}

fn lines<'a>(world: &'a World, host: usize, text: &str) -> Vec<&'a str> {
    let lines = world.hosts[host].log.iter();
    lines
        .map(|(_, _, line)| line.as_str())
        .filter(|line| line.contains(text))
        .collect()
}

#[test]
fn the_calendar_may_jump_to_any_time() {
    let day = 86_400;
    let century = 36_525 * day;
    for mode in MODES {
        let mut world = World::settled(2, failback(mode));
        for offset in [day, -day, 3, -3, century, i64::MIN / 2, i64::MAX / 2, 0] {
            for host in [0, 1] {
                world.hosts[host].wall_offset = offset;
                world.run(secs(12));
            }
        }
        world.assert_holders(&[("A", "a"), ("B", "b")]);
        for host in [0, 1] {
            for text in ["is dead", "Link", "Late heartbeat", "did not run"] {
                let before_start = if text == "Link" { 2 } else { 0 };
                let said = lines(&world, host, text);
                assert!(said.len() <= before_start, "{said:?}\n{}", world.story());
            }
            assert_eq!(
                lines(&world, host, "Clock jumped backwards. Compensating.").len(),
                4
            );
            assert_eq!(lines(&world, host, "Clock jumped forwards by").len(), 4);
        }
        world.assert_no_errors();
    }
}

/// A crash is still noticed in time after the calendar was set.
#[test]
fn the_calendar_does_not_delay_a_takeover() {
    for offset in [-1_000_000, 1_000_000] {
        let mut world = World::settled(2, Settings::default());
        world.hosts[1].wall_offset = offset;
        world.run(ms(100));
        world.power_cut(0);
        let cut = world.now;
        world.until("b took over", secs(4), |w| w.holders("A") == ["b"]);
        assert!(world.now - cut >= ms(2500));
    }
}

#[test]
fn a_stopped_holder_comes_back_to_one_holder_and_says_why() {
    for mode in MODES {
        for stop in [secs(4), secs(30), secs(300)] {
            let mut world = World::settled(2, failback(mode));
            world.hosts[0].stopped_until = Some(world.now + stop);
            world.run(stop + secs(60));
            assert_eq!(holders(&world), [1, 1], "{mode:?}\n{}", world.story());
            assert!(!world.logged(0, "node b: is dead"), "{}", world.story());
            assert!(!world.logged(0, "Link b:net dead."), "{}", world.story());
            assert!(world.logged(1, "node a: is dead"));
            let said = lines(&world, 0, "This node did not run for");
            assert_eq!(said.len(), 1, "{said:?}");
            assert!(
                said[0].contains("the others have declared it dead"),
                "{said:?}"
            );
        }
    }
}

/// Both are stopped, as when the host of two virtual machines is suspended: nobody is declared dead.
#[test]
fn nodes_that_sleep_together_wake_together() {
    for mode in MODES {
        let mut world = World::settled(2, failback(mode));
        for host in [0, 1] {
            world.hosts[host].stopped_until = Some(world.now + secs(600) + ms(300 * host as u64));
        }
        world.run(secs(700));
        world.assert_holders(&[("A", "a"), ("B", "b")]);
        for host in [0, 1] {
            assert!(
                lines(&world, host, "is dead").is_empty(),
                "{}",
                world.story()
            );
            assert!(lines(&world, host, " dead.").is_empty());
            assert_eq!(lines(&world, host, "This node did not run for").len(), 1);
        }
    }
}

/// Stopped twice with hardly any time between.
#[test]
fn a_second_stall_is_not_judged_by_the_first() {
    let mut world = World::settled(2, Settings::default());
    for _ in 0..5 {
        world.hosts[0].stopped_until = Some(world.now + secs(5));
        world.run(secs(5) + ms(100));
    }
    assert!(!world.logged(0, "node b: is dead"), "{}", world.story());
}

/// A node that is late at every single turn still finds out that the other one is gone.
#[test]
fn perpetual_lateness_does_not_keep_the_dead_alive() {
    let mut world = World::settled(2, Settings::default());
    world.power_cut(0);
    let cut = world.now;
    let nap = ms(1300);
    while !world.logged(1, "node a: is dead") {
        world.hosts[1].stopped_until = Some(world.now + nap);
        world.run(nap + Duration::from_millis(1));
        assert!(world.now - cut < secs(30), "{}", world.story());
    }
    assert!(world.now - cut > secs(3));
    world.hosts[1].stopped_until = None;
    world.until("b took over", secs(5), |w| w.holders("A") == ["b"]);
}

/// The same lateness while the other one lives: its words are read before it is judged.
#[test]
fn perpetual_lateness_does_not_kill_the_living() {
    let mut world = World::settled(2, Settings::default());
    for _ in 0..100 {
        let nap = ms(1300);
        world.hosts[1].stopped_until = Some(world.now + nap);
        world.run(nap + ms(1));
    }
    assert!(!world.logged(1, "node a: is dead"), "{}", world.story());
    assert!(!world.logged(0, "node b: is dead"), "{}", world.story());
}
