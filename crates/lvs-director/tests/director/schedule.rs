//! When checks run.

use std::collections::BTreeSet;
use std::time::Duration;

use lvs_director::Input;

use crate::QUIESCENT;
use crate::world::{Sight, World};

#[test]
fn one_check_serves_all_services_that_ask_the_same() {
    let text = format!(
        "{QUIESCENT}{}",
        QUIESCENT
            .replace("66:80", "67:80")
            .replace("checkinterval=1\n", "")
    );
    let mut world = World::start(&text);
    world.handle(Input::Timer);
    assert_eq!(world.probes.len(), 2);
}

#[test]
fn checks_do_not_slip_and_a_slow_one_is_not_begun_twice() {
    let mut world = World::start(&QUIESCENT.replace("\treal=192.168.6.46:80 gate 3\n", ""));
    world.seconds(10);
    let times: Vec<u64> = world.probes.iter().map(|(at, _)| at.as_secs()).collect();
    assert_eq!(times, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    world.handle(Input::Timer);
    let before = world.probes.len();
    for _ in 0..5 {
        world.now += std::time::Duration::from_secs(1);
        world.handle(Input::Timer);
    }
    assert_eq!(world.probes.len(), before + 1);
}

#[test]
fn the_first_round_is_at_once_and_later_ones_are_spread_without_a_longer_gap() {
    let reals: String = (1..=100)
        .map(|n| format!("\treal=10.0.0.{n}:80 gate\n"))
        .collect();
    let mut world = World::start(&format!(
        "checkinterval=10\nvirtual=10.1.0.1:80\n{reals}\tchecktype=connect\n# end\n"
    ));
    let begin = world.now;
    assert_eq!(world.probes.len(), 100, "all at once");
    world.seconds(40);
    for n in 1..=100u8 {
        let times: Vec<Duration> = world
            .probes
            .iter()
            .filter(|(_, probe)| probe.address == std::net::IpAddr::from([10, 0, 0, n]))
            .map(|(at, _)| *at)
            .collect();
        assert_eq!(times.first(), Some(&begin));
        assert!(times.len() >= 4);
        let gaps: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps[0] <= Duration::from_secs(10), "{gaps:?}");
        assert!(
            gaps[1..].iter().all(|gap| *gap == Duration::from_secs(10)),
            "{gaps:?}"
        );
    }
    let starts: BTreeSet<Duration> = world
        .probes
        .iter()
        .skip(100)
        .take(100)
        .map(|(at, _)| *at)
        .collect();
    assert_eq!(starts.len(), 100, "each at its own time");
}

#[test]
fn a_hanging_server_misses_beats_and_delays_nobody() {
    let mut world =
        World::start(&QUIESCENT.replace("checkinterval=1", "checkinterval=1\nchecktimeout=3"));
    world.sights.insert("192.168.6.42".into(), Sight::Hangs);
    world.seconds(1);
    world.probes.clear();
    world.seconds(8);
    let of = |last: u8| {
        world
            .probes
            .iter()
            .filter(|(_, probe)| probe.address == std::net::IpAddr::from([192, 168, 6, last]))
            .count()
    };
    assert_eq!(of(46), 8);
    assert!((2..=4).contains(&of(42)), "{}", of(42));
}

#[test]
fn of_several_intervals_the_shortest_counts() {
    let text = "fork=yes\nvirtual=10.0.0.1:80\n\treal=10.1.0.1:80 gate\n\tchecktype=connect\n\tcheckinterval=5\nvirtual=10.0.0.2:80\n\treal=10.1.0.1:80 gate\n\tchecktype=connect\n\tcheckinterval=2\n# end\n";
    let mut world = World::start(text);
    world.seconds(10);
    assert_eq!(world.probes.len(), 6);
}

#[test]
fn probes_that_differ_in_a_login_are_not_shared() {
    let text = "virtual=10.0.0.1:110\n\treal=10.1.0.1:110 gate\n\tservice=pop\n\tlogin=\"a\"\nvirtual=10.0.0.2:110\n\treal=10.1.0.1:110 gate\n\tservice=pop\n\tlogin=\"b\"\n# end\n";
    assert_eq!(World::start(text).probes.len(), 2);
}

#[test]
fn after_a_failure_a_combined_check_negotiates_until_it_is_good() {
    let text = QUIESCENT
        .replace("checktype=negotiate", "checktype=3")
        .replace("\treal=192.168.6.46:80 gate 3\n", "");
    let mut world = World::start(&text);
    world.seconds(2);
    world.down("192.168.6.42");
    world.seconds(4);
    world.up("192.168.6.42");
    world.seconds(4);
    let kinds: String = world
        .probes
        .iter()
        .map(|(_, probe)| if World::is_connect(probe) { 'c' } else { 'N' })
        .collect();
    assert_eq!(kinds, "NccccNNNccc".replacen("ccccNNN", "cccNNNN", 1));
}

#[test]
fn what_cannot_be_checked_keeps_its_state_and_is_tried_again() {
    let mut world = World::start(QUIESCENT);
    world.seconds(2);
    world.commands();
    world.log();
    world.probes.clear();
    world
        .sights
        .insert("192.168.6.42".into(), Sight::Impossible);
    world.seconds(20);
    assert_eq!(world.commands(), [""; 0]);
    assert_eq!(world.log(), [""; 0]);
    assert_eq!(world.probes.len(), 40);
}
