//! The director simulated from seeds: odd configurations, servers that come and go, reloads, kills, a kernel that refuses.
//!
//! A seed makes a [`History`]: a configuration and a list of events with their times. It is played on the virtual clock of
//! `tests/director/world.rs`. Whenever things have settled, the kernel's table must be what the configuration, the sights of
//! the servers and the maintenance say, virtual services of others must be untouched, and a reload of the unchanged file
//! must do nothing. A history that fails is shortened as long as it still fails, and shown with the time of everything
//! that happened.
//!
//! The ordinary tests play [`SLICE`] seeds. More: `DIRECTOR_SEEDS=20000 cargo test -p lvs-director --test simulation`,
//! `DIRECTOR_FROM` for the first one. One, with its timeline: `DIRECTOR_SEED=7 cargo test ... -- --nocapture`.

mod history;
mod random;
mod run;
mod shrink;
// Shared with the other tests, which use more of it.
#[allow(dead_code)]
#[path = "../director/world.rs"]
mod world;

use history::History;
use run::play;

/// Seeds of the ordinary tests.
const SLICE: u64 = 120;

/// Seeds that once failed, with what was wrong.
const REGRESSIONS: &[(u64, &str)] = &[(
    2352,
    "checks stayed due while a service with a fallback was refused by the kernel",
)];

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Plays a seed; what failed, shortened, as text.
fn fails(seed: u64) -> Option<String> {
    let history = History::from_seed(seed);
    let failure = play(&history).err()?;
    let (short, failure) = shrink::shrink(history, failure);
    Some(format!(
        "seed {seed}: {}\n\n{short}\ntimeline:\n{}",
        failure.what,
        failure.timeline.join("\n")
    ))
}

#[test]
fn whatever_happens_the_table_is_a_function_of_configuration_verdicts_and_maintenance() {
    let first = number("DIRECTOR_FROM").unwrap_or(0);
    let count = number("DIRECTOR_SEEDS").unwrap_or(SLICE);
    for seed in first..first.saturating_add(count) {
        if let Some(failure) = fails(seed) {
            panic!("{failure}");
        }
    }
}

#[test]
fn what_once_failed_does_not_fail_again() {
    for (seed, what) in REGRESSIONS {
        if let Some(failure) = fails(*seed) {
            panic!("again, {what}: {failure}");
        }
    }
}

#[test]
fn one_seed_with_its_timeline() {
    let seed = number("DIRECTOR_SEED").unwrap_or(0);
    let history = History::from_seed(seed);
    println!("{history}");
    let timeline = match play(&history) {
        Ok(timeline) => timeline,
        Err(failure) => panic!("{}\n{}", failure.timeline.join("\n"), failure.what),
    };
    println!("{}", timeline.join("\n"));
    assert!(timeline.len() > 10);
    assert_eq!(
        play(&history).ok(),
        Some(timeline),
        "a seed always tells the same story"
    );
}

/// The simulation notices what it is there for, and says it in few words.
#[test]
fn a_fault_is_found_and_shortened() {
    let sabotaged = (0..200).find_map(|seed| {
        let mut history = History::from_seed(seed);
        history.sabotage = true;
        let failure = play(&history).err()?;
        let length = history.events.len();
        let (short, failure) = shrink::shrink(history, failure);
        Some((length, short, failure))
    });
    let (length, short, failure) = sabotaged.expect("a fault that is found");
    assert!(short.events.len() <= 3, "{length} events became\n{short}");
    assert!(failure.what.contains("missing"), "{}", failure.what);
    assert!(!failure.timeline.is_empty());
}
