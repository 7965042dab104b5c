//! Nodes that are reset before anybody takes over what they held.

use ha_cluster::{AutoFailback, ExitKind};

use crate::world::{Device, Settings, World, failback, ms, secs};

fn with_devices(mode: AutoFailback, devices: Vec<Device>) -> World {
    World::settled(
        2,
        Settings {
            devices,
            ..failback(mode)
        },
    )
}

/// Results that a node broadcast, in order.
fn results(world: &World, host: usize) -> Vec<String> {
    world.hosts[host]
        .sent
        .iter()
        .filter(|message| message.kind() == Some("stonith"))
        .map(|message| {
            format!(
                "{} {}",
                message.text("node").unwrap_or_default(),
                message.text("result").unwrap_or_default()
            )
        })
        .collect()
}

/// When a text was logged, in whole seconds since the first time.
fn beats(world: &World, host: usize, text: &str) -> Vec<u64> {
    let times: Vec<_> = world.hosts[host]
        .log
        .iter()
        .filter(|(_, _, line)| line.contains(text))
        .map(|(at, ..)| *at)
        .collect();
    times
        .iter()
        .map(|at| (*at - times[0]).as_millis().div_ceil(1000) as u64)
        .collect()
}

const MODES: [AutoFailback; 3] = [AutoFailback::On, AutoFailback::Off, AutoFailback::Legacy];

#[test]
fn a_dead_node_is_reset_and_then_taken_over() {
    for mode in MODES {
        let mut world = with_devices(mode, vec![Device::default()]);
        world.boot_time = None;
        world.power_cut(0);
        world.until("the reset begins", secs(10), |w| {
            w.logged(1, "Resetting node a with [device 0]")
        });
        world.run(ms(900));
        assert_eq!(world.holders("A"), [""; 0], "{}", world.story());
        assert!(!world.logged(1, "Resources being acquired"));
        world.until("the takeover", secs(3), |w| w.holders("A") == ["b"]);
        assert!(world.logged(1, "node a now reset."), "{}", world.story());
        assert_eq!(results(&world, 1), ["a OK"]);
        assert_eq!(world.hosts[0].resets, 1);
        world.run(secs(60));
        assert_eq!(world.hosts[0].resets, 1, "{}", world.story());
    }
}

#[test]
fn it_comes_back_and_gets_its_group() {
    let mut world = with_devices(AutoFailback::On, vec![Device::default()]);
    world.power_cut(0);
    world.until("the takeover", secs(10), |w| w.holders("A") == ["b"]);
    world.run(secs(90));
    world.assert_holders(&[("A", "a"), ("B", "b")]);
    world.assert_agreement();
    assert_eq!(world.hosts[0].resets, 1);
    assert_eq!(world.hosts[1].resets, 0);
}

#[test]
fn a_device_that_fails_is_asked_again_every_five_seconds_for_ever() {
    for mode in MODES {
        let device = Device {
            failures: 40,
            time: ms(10),
            ..Device::default()
        };
        let mut world = with_devices(mode, vec![device]);
        world.power_cut(0);
        world.run(secs(150));
        assert_eq!(world.holders("A"), [""; 0], "{}", world.story());
        let beats = beats(&world, 1, "STONITH of a failed.  Retrying...");
        assert!(beats.len() > 25, "{}", beats.len());
        for (step, pair) in beats.windows(2).enumerate() {
            assert!((5..=6).contains(&(pair[1] - pair[0])), "{step}: {pair:?}");
        }
        assert!(results(&world, 1).iter().all(|result| result == "a bad"));
        world.until("it works at last", secs(1000), |w| w.holders("A") == ["b"]);
        assert_eq!(world.hosts[0].resets, 1);
    }
}

#[test]
fn devices_are_tried_in_order_and_from_the_first_again() {
    let stranger = Device {
        controls: false,
        ..Device::default()
    };
    let broken = Device {
        failures: 1,
        ..Device::default()
    };
    let mut world = with_devices(AutoFailback::On, vec![stranger, broken]);
    world.power_cut(0);
    world.until("the takeover", secs(20), |w| w.holders("A") == ["b"]);
    assert_eq!(
        results(&world, 1),
        ["a badhost", "a bad", "a badhost", "a OK"]
    );
    let log: Vec<&str> = world.hosts[1]
        .log
        .iter()
        .map(|(_, _, text)| text.as_str())
        .filter(|text| {
            ["Resetting", "reset", "STONITH of"]
                .iter()
                .any(|word| text.contains(word))
        })
        .collect();
    assert_eq!(
        log,
        [
            "Resetting node a with [device 0]",
            "Device device 0 cannot reset host a.",
            "Resetting node a with [device 1]",
            "Host a not reset!",
            "STONITH of a failed.  Retrying...",
            "Resetting node a with [device 0]",
            "Device device 0 cannot reset host a.",
            "Resetting node a with [device 1]",
            "node a now reset.",
        ]
    );
}

#[test]
fn who_left_cleanly_is_not_reset() {
    for mode in MODES {
        let mut world = with_devices(mode, vec![Device::default()]);
        world.shutdown(0);
        world.run(secs(30));
        assert_eq!(world.hosts[0].exited, Some(ExitKind::Shutdown));
        assert_eq!(world.hosts[0].resets, 0, "{}", world.story());
        assert_eq!(world.holders("A"), ["b"], "{}", world.story());
        assert_eq!(results(&world, 1), ["a unneeded"]);
        assert!(world.logged(1, "Dead node a gave up resources."));
    }
}

#[test]
fn who_held_nothing_is_not_reset() {
    let mut world = with_devices(AutoFailback::Off, vec![Device::default()]);
    world.standby(0, "all");
    world.run(secs(15));
    world.assert_holders(&[("A", "b"), ("B", "b")]);
    world.power_cut(0);
    world.run(secs(20));
    assert_eq!(world.hosts[0].resets, 0, "{}", world.story());
    assert_eq!(results(&world, 1), ["a unneeded"]);
}

/// It has never been heard since our start: nobody knows what it holds.
#[test]
fn who_was_never_heard_is_reset_before_anything_is_taken() {
    for mode in MODES {
        let device = Device {
            failures: 3,
            ..Device::default()
        };
        let settings = Settings {
            devices: vec![device],
            ..failback(mode)
        };
        let mut world = World::new(2, settings);
        world.boot_time = None;
        world.start(1);
        world.until("the reset", secs(30), |w| {
            w.logged(1, "Resetting node a with [device 0]")
        });
        world.run(secs(10));
        // Not even our own group: the other node may have it.
        world.assert_holders(&[]);
        assert_eq!(
            (world.holders("A"), world.holders("B")),
            (vec![], vec![]),
            "{mode:?}\n{}",
            world.story()
        );
        world.run(secs(30));
        world.assert_holders(&[("A", "b"), ("B", "b")]);
        assert_eq!(results(&world, 1), ["a bad", "a bad", "a bad", "a OK"]);
    }
}

#[test]
fn a_node_that_is_back_is_not_reset_by_the_next_attempt() {
    for mode in MODES {
        let device = Device {
            // One for each of them.
            failures: 2,
            time: ms(100),
            ..Device::default()
        };
        let mut world = with_devices(mode, vec![device]);
        world.partition(0, 1);
        world.until("the first attempt of b fails", secs(10), |w| {
            w.logged(1, "STONITH of a failed.  Retrying...")
        });
        // The second would work.
        world.heal();
        world.run(secs(90));
        assert_eq!(
            (world.hosts[0].resets, world.hosts[1].resets),
            (0, 0),
            "{mode:?}\n{}",
            world.story()
        );
        // In legacy mode both start anew, after any partition.
        assert!(
            mode == AutoFailback::Legacy
                || world.logged(1, "STONITH of a dropped: it is alive again."),
            "{}",
            world.story()
        );
        world.assert_holders(&[("A", "a"), ("B", "b")]);
        assert_eq!(world.held_twice, None, "{}", world.story());
    }
}

#[test]
fn a_node_that_comes_back_during_its_reset_is_not_taken_over() {
    for early in [true, false] {
        for mode in [AutoFailback::On, AutoFailback::Off] {
            let device = Device {
                time: secs(15),
                early,
                ..Device::default()
            };
            let mut world = with_devices(mode, vec![device]);
            world.boot_time = Some(secs(2));
            // Only b misses the other.
            world.cut.insert((0, 1));
            world.until("b resets a", secs(10), |w| w.logged(1, "Resetting node a"));
            world.heal();
            world.until("the device is done", secs(20), |w| {
                w.logged(1, "node a now reset.")
            });
            assert!(
                world.logged(1, "node a was heard during its reset"),
                "{early} {mode:?}\n{}",
                world.story()
            );
            assert!(!world.logged(1, "Resources being acquired from a"));
            world.run(secs(120));
            if mode == AutoFailback::Off {
                assert_eq!(world.holders("A").len(), 1, "{}", world.story());
                assert_eq!(world.held_twice, None, "{}", world.story());
                continue;
            }
            world.assert_holders(&[("A", "a"), ("B", "b")]);
            assert_eq!(world.held_twice, None, "{}", world.story());
        }
    }
}

/// In legacy mode both start anew after any partition; what the device does meanwhile proves nothing afterwards.
#[test]
fn in_legacy_mode_a_heal_during_the_reset_ends_with_one_holder_too() {
    for early in [true, false] {
        let device = Device {
            time: secs(15),
            early,
            ..Device::default()
        };
        let mut world = with_devices(AutoFailback::Legacy, vec![device]);
        world.boot_time = Some(secs(2));
        world.cut.insert((0, 1));
        world.until("b resets a", secs(10), |w| w.logged(1, "Resetting node a"));
        world.heal();
        world.run(secs(120));
        world.assert_holders(&[("A", "a"), ("B", "b")]);
        assert_eq!(world.held_twice, None, "{}", world.story());
    }
}

/// It is reset, boots, is heard, and is gone again while the device is still busy: that reset proves nothing.
#[test]
fn a_reset_that_is_older_than_the_last_sign_of_life_does_not_count() {
    let device = Device {
        time: secs(40),
        early: true,
        ..Device::default()
    };
    let mut world = with_devices(AutoFailback::On, vec![device]);
    world.boot_time = Some(secs(2));
    world.power_cut(0);
    world.until("b resets a", secs(10), |w| w.logged(1, "Resetting node a"));
    world.until("a is back", secs(30), |w| w.holders("A") == ["a"]);
    world.run(secs(1));
    world.cut.insert((0, 1));
    world.until("the device is done", secs(45), |w| {
        w.logged(1, "node a now reset.")
    });
    assert!(
        world.logged(
            1,
            "node a was heard during its reset: it is reset once more."
        ),
        "{}",
        world.story()
    );
    world.run(secs(4));
    assert_eq!(world.holders("A"), ["a"], "{}", world.story());
    world.until("the second one counts", secs(60), |w| {
        w.holders("A") == ["b"]
    });
    assert_eq!(world.hosts[0].resets, 2);
    assert_eq!(world.held_twice, None, "{}", world.story());
}

#[test]
fn a_shutdown_does_not_wait_for_a_reset_that_fails() {
    for mode in MODES {
        let device = Device {
            failures: usize::MAX,
            ..Device::default()
        };
        let mut world = with_devices(mode, vec![device]);
        world.power_cut(0);
        world.until("it fails", secs(10), |w| {
            w.logged(1, "STONITH of a failed.")
        });
        world.shutdown(1);
        world.run(secs(60));
        assert_eq!(
            world.hosts[1].exited,
            Some(ExitKind::Shutdown),
            "{mode:?}\n{}",
            world.story()
        );
        assert_eq!(world.holders("A"), [""; 0]);
    }
}

#[test]
fn without_devices_everything_is_as_before() {
    let mut world = with_devices(AutoFailback::On, Vec::new());
    world.power_cut(0);
    world.until("the takeover", secs(10), |w| w.holders("A") == ["b"]);
    assert_eq!(results(&world, 1), ["a n_stnth"]);
    assert!(world.logged(1, "No STONITH device configured."));
    assert!(world.logged(1, "Shared disks are not protected."));
}

#[test]
fn devices_are_looked_at_when_communication_is_up_and_an_hour_after_each_look() {
    let devices = vec![Device::default(), Device::default()];
    let mut world = with_devices(AutoFailback::On, devices);
    world.run(secs(3700));
    for device in 0..2 {
        let text = format!("Checking status of STONITH device [device {device}]");
        assert_eq!(beats(&world, 1, &text), [0, 3601], "{device}");
    }
}
