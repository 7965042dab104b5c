//! Two of them, as on two nodes: what one sends the other hears at once.

use std::time::Duration;

use crate::desk::{Desk, KEEPALIVE};

struct Pair {
    sides: [Desk; 2],
    /// Who asked to go standby with which set, and when.
    standbys: Vec<(usize, String, Duration)>,
}

impl Pair {
    fn new(auto_failback: &'static str) -> Pair {
        let side = |us, peer| {
            let mut desk = Desk::unstarted(us, peer);
            desk.auto_failback = Some(auto_failback);
            desk.run();
            desk.clear();
            desk
        };
        Pair {
            sides: [side("alpha", "beta"), side("beta", "alpha")],
            standbys: Vec::new(),
        }
    }

    fn sees(&mut self, side: usize, yes: bool) {
        self.sides[side].sees_the_ping_node(yes);
    }

    /// The daemon of a side says what it noticed.
    fn news(&mut self, side: usize, yes: bool) {
        if yes {
            self.sides[side].hears("t=ifstat node=gate ifname=gate st=up");
            self.sides[side].hears("t=NS_st st=ping src=gate");
        } else {
            self.sides[side].hears("t=status st=dead src=gate info=ping");
            self.sides[side].hears("t=ifstat node=gate ifname=gate st=dead");
        }
        self.deliver();
    }

    fn deliver(&mut self) {
        loop {
            let sent = [0, 1].map(|side| self.sides[side].take_sent());
            if sent.iter().all(Vec::is_empty) {
                return;
            }
            for (side, messages) in sent.into_iter().enumerate() {
                for message in messages {
                    if let Some((_, rest)) = message.split_once("ask_resources rsc_hold=") {
                        let set = rest.split(' ').next().unwrap().to_owned();
                        self.standbys.push((side, set, self.sides[side].now));
                    } else {
                        self.sides[1 - side].hears(&message);
                    }
                }
            }
        }
    }

    fn waits(&mut self, span: Duration) {
        let step = Duration::from_millis(50);
        for _ in 0..span.as_millis() / step.as_millis() {
            for side in &mut self.sides {
                side.waits(step);
            }
            self.deliver();
        }
    }

    fn take_standbys(&mut self) -> Vec<(usize, String)> {
        std::mem::take(&mut self.standbys)
            .into_iter()
            .map(|(side, set, _)| (side, set))
            .collect()
    }
}

const LONG: Duration = Duration::from_secs(30);

#[test]
fn lost_on_one_side_it_goes_standby_once_and_the_other_gives_back() {
    for (mode, back) in [("on", vec![(1, "foreign".to_owned())]), ("off", vec![])] {
        let mut pair = Pair::new(mode);
        pair.sees(0, false);
        pair.news(0, false);
        pair.waits(LONG);
        assert_eq!(pair.take_standbys(), [(0, "all".to_owned())]);
        pair.sees(0, true);
        pair.news(0, true);
        pair.waits(LONG);
        assert_eq!(pair.take_standbys(), back, "auto_failback {mode}");
    }
}

#[test]
fn lost_on_both_sides_nobody_moves() {
    for mode in ["on", "off"] {
        let mut pair = Pair::new(mode);
        pair.sees(0, false);
        pair.sees(1, false);
        pair.news(0, false);
        pair.news(1, false);
        pair.waits(LONG);
        let asked_all = pair.standbys.iter().any(|(_, set, _)| set == "all");
        assert!(!asked_all, "{:?}", pair.standbys);
    }
}

/// One side notices a little later than the other: within the delay, the balance is found again.
#[test]
fn lost_on_both_sides_one_after_the_other_nobody_moves() {
    let mut pair = Pair::new("off");
    pair.sees(0, false);
    pair.news(0, false);
    pair.waits(KEEPALIVE);
    pair.sees(1, false);
    pair.news(1, false);
    pair.waits(LONG);
    assert_eq!(pair.take_standbys(), []);
}

/// As between ours and a legacy whose ipfail is slow: it knows, but has not said so when the delay is over.
#[test]
fn lost_on_both_sides_nobody_moves_although_one_says_nothing() {
    let mut pair = Pair::new("off");
    pair.sees(0, false);
    pair.news(0, false);
    pair.waits(KEEPALIVE);
    pair.sees(1, false);
    pair.waits(LONG);
    assert_eq!(pair.take_standbys(), []);
}

/// However a ping node comes and goes: who asks to give everything up has seen less than the other all through the
/// delay, and without auto_failback nothing else ever moves.
#[test]
fn a_flapping_ping_node_moves_nothing_that_would_not_stay_moved() {
    let mut random = 7_u64;
    let mut below = |limit: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % limit
    };
    let (mut moved, mut spared) = (0, 0);
    for _ in 0..200 {
        let mut pair = Pair::new("off");
        let mut seen = [true, true];
        for _ in 0..20 {
            let side = usize::try_from(below(2)).unwrap();
            seen[side] = !seen[side];
            pair.sees(side, seen[side]);
            pair.news(side, seen[side]);
            let before = pair.sides[0].now;
            pair.waits(Duration::from_millis(50 * below(60)));
            let unequal = seen[0] != seen[1];
            spared += usize::from(unequal && pair.standbys.is_empty());
            for (who, set, at) in std::mem::take(&mut pair.standbys) {
                assert_eq!(set, "all");
                assert!(!seen[who] && seen[1 - who], "only who sees less");
                assert!(at - before >= 2 * KEEPALIVE, "after the whole delay");
                moved += 1;
            }
        }
    }
    assert!(moved > 100 && spared > 100, "both happen: {moved} {spared}");
}
