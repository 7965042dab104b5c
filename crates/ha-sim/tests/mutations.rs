//! Each broken variant of the core is noticed within ten thousand seeds. Built with the feature `mutations` only:
//! `cargo test -p ha-sim --features mutations --test mutations`.
#![cfg(feature = "mutations")]

use ha_cluster::mutation::{Mutation, choose};
use ha_sim::{Scenario, run, shrink};

const SEEDS_MAX: u64 = 10_000;

/// The nodes of the cluster in which a variant differs.
fn nodes_for(mutation: Mutation) -> usize {
    match mutation {
        Mutation::EverybodyTakes => 3,
        _ => 2,
    }
}

/// The first seed that notices.
fn first_seed(mutation: Mutation) -> Option<u64> {
    choose(Some(mutation));
    let nodes = nodes_for(mutation);
    let noticed = |seed: &u64| {
        run(&Scenario::draw(nodes, *seed), false)
            .violation
            .is_some()
    };
    let seed = (1..=SEEDS_MAX).find(noticed);
    choose(None);
    seed
}

#[test]
fn every_broken_core_is_noticed() {
    let mut unnoticed = Vec::new();
    for &mutation in Mutation::ALL {
        match first_seed(mutation) {
            Some(seed) => println!("{}: seed {seed}", mutation.name()),
            None => unnoticed.push(mutation),
        }
    }
    assert_eq!(unnoticed, []);
}

#[test]
fn what_is_shrunk_breaks_the_same_rule() {
    choose(Some(Mutation::TakerWaitsAnHour));
    let broken = (1..=SEEDS_MAX)
        .map(|seed| Scenario::draw(2, seed))
        .find(|scenario| run(scenario, false).violation.is_some())
        .expect("noticed");
    let rule = |scenario: &Scenario| run(scenario, false).violation.map(|known| known.rule);
    let kept = shrink(&broken);
    assert_eq!(rule(&broken.keep(&kept)), rule(&broken));
    assert!(kept.len() < broken.numbers().len(), "{kept:?}");
    choose(None);
    assert_eq!(rule(&broken), None, "an unbroken core breaks no rule there");
}
