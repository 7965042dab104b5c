//! Runs scenarios side by side (they mostly wait) and reports like any other test runner.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Instant;

use ha_lab::{Implementation, LabError, Result};

use crate::pair::{Pair, Variant};

/// Scenarios at a time; more would make the legacy's scripts slow enough to matter.
const WORKERS: usize = 8;

/// One behaviour, and the modes of `auto_failback` in which it is looked at.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// Its name in the report.
    pub name: &'static str,
    /// `on`, `off`, `legacy`.
    pub modes: &'static [&'static str],
    /// What is done and demanded.
    pub run: fn(&Pair) -> Result<()>,
}

/// The nine ways to sign and carry a message.
const AUTH: [&str; 3] = ["crc", "md5", "sha1"];
const MEDIA: [&str; 3] = ["bcast", "ucast", "mcast"];

struct Case {
    name: String,
    scenario: Scenario,
    variant: Variant,
}

enum End {
    Passed,
    /// At the second try; what the first one said.
    PassedLater(String),
    Failed(String),
    Skipped(String),
}

/// Runs everything that was asked for; the exit code of the program.
pub fn run(scenarios: &[Scenario]) -> i32 {
    let filters: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let mut cases = VecDeque::new();
    for pair in pairs_under_test() {
        for (index, scenario) in scenarios.iter().enumerate() {
            for (offset, mode) in scenario.modes.iter().enumerate() {
                let turn = index * 2 + offset;
                let variant = Variant {
                    pair,
                    failback: mode,
                    auth: AUTH[turn % 3],
                    medium: MEDIA[turn / 3 % 3],
                };
                let name = format!("{}::{}", variant.label(), scenario.name);
                if filters.is_empty() || filters.iter().any(|filter| name.contains(filter)) {
                    cases.push_back(Case {
                        name,
                        scenario: *scenario,
                        variant,
                    });
                }
            }
        }
    }
    let total = cases.len();
    println!("\nrunning {total} scenarios");
    let started = Instant::now();
    let workers = std::env::var("HA_LAB_WORKERS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(WORKERS);
    let queue = Mutex::new(cases);
    let (sender, results) = mpsc::channel();
    let (mut passed, mut failures, mut skipped) = (0, Vec::new(), 0);
    let mut later = Vec::new();
    thread::scope(|scope| {
        for _ in 0..workers {
            let (queue, sender) = (&queue, sender.clone());
            scope.spawn(move || {
                while let Some(case) = queue.lock().ok().and_then(|mut queue| queue.pop_front()) {
                    let end = run_one(&case);
                    if sender.send((case.name, end)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (name, end) in results {
            match end {
                End::Passed => {
                    passed += 1;
                    println!("test {name} ... ok");
                }
                End::PassedLater(first) => {
                    passed += 1;
                    println!("test {name} ... ok (second try)");
                    later.push((name, first));
                }
                End::Skipped(reason) => {
                    skipped += 1;
                    println!("test {name} ... skipped: {reason}");
                }
                End::Failed(text) => {
                    println!("test {name} ... FAILED");
                    failures.push((name, text));
                }
            }
        }
    });
    for (name, text) in later.iter().chain(&failures) {
        println!("\n---- {name} ----\n{text}");
    }
    println!("\n{total} scenarios in {} s", started.elapsed().as_secs());
    for (name, _) in &later {
        println!("    passed at the second try only: {name}");
    }
    for (name, _) in &failures {
        println!("    failed: {name}");
    }
    println!(
        "{passed} passed, {} failed, {skipped} skipped",
        failures.len()
    );
    i32::from(!failures.is_empty())
}

/// Who fails has a second try, with everything about the first one in the report: two scripts of the legacy that write
/// into its FIFO at the same moment lose both messages (about one start in fifty never gets its resources), and a machine
/// that did not run for seconds makes every short dead time too short.
fn run_one(case: &Case) -> End {
    match try_one(case) {
        End::Failed(first) => match try_one(case) {
            End::Passed => End::PassedLater(first),
            end => end,
        },
        end => end,
    }
}

fn try_one(case: &Case) -> End {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let pair = Pair::new(&case.variant)?;
        (case.scenario.run)(&pair).map_err(|error| pair.explain(error))
    }));
    match outcome {
        Ok(Ok(())) => End::Passed,
        Ok(Err(LabError::Unavailable(reason))) => End::Skipped(reason),
        Ok(Err(error)) => End::Failed(error.to_string()),
        Err(_) => End::Failed("the scenario panicked".to_owned()),
    }
}

fn pairs_under_test() -> Vec<[Implementation; 2]> {
    use Implementation::{Legacy, Ours};
    let all = [
        [Legacy, Legacy],
        [Ours, Ours],
        [Ours, Legacy],
        [Legacy, Ours],
    ];
    let wanted = std::env::var("HA_UNDER_TEST").unwrap_or_default();
    match wanted.as_str() {
        "" => all.to_vec(),
        "legacy" => vec![all[0]],
        "ours" => vec![all[1]],
        "ours+legacy" => vec![all[2]],
        "legacy+ours" => vec![all[3]],
        other => {
            eprintln!(
                "HA_UNDER_TEST is \"{other}\"; it may be legacy, ours, ours+legacy, legacy+ours"
            );
            std::process::exit(2);
        }
    }
}
