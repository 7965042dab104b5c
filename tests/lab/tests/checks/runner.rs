//! Runs scenarios side by side (they mostly wait) and reports like any other test runner.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Instant;

use ha_lab::LabError;

use crate::needs;
use crate::site::{Look, Scenario, Site};

/// Scenarios at a time.
const WORKERS: usize = 4;

enum End {
    /// It ran to its end; the looks say how.
    Ran(Vec<Look>),
    Skipped(String),
    /// It could not go on; the looks until then, and why.
    Broken(Vec<Look>, String),
}

/// Runs everything that was asked for; the exit code of the program.
pub fn run(scenarios: &[Scenario]) -> i32 {
    let filters: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let chosen: VecDeque<Scenario> = scenarios
        .iter()
        .filter(|scenario| {
            filters.is_empty() || filters.iter().any(|part| scenario.name.contains(part))
        })
        .copied()
        .collect();
    println!("\nrunning {} scenarios of checks", chosen.len());
    let started = Instant::now();
    let queue = Mutex::new(chosen);
    let (sender, results) = mpsc::channel();
    let (mut passed, mut skipped, mut failures) = (0, 0, Vec::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            let (queue, sender) = (&queue, sender.clone());
            scope.spawn(move || {
                while let Some(scenario) = queue.lock().ok().and_then(|mut queue| queue.pop_front())
                {
                    if sender.send((scenario.name, run_one(&scenario))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (scenario, end) in results {
            let looks = match end {
                End::Ran(looks) => looks,
                End::Skipped(reason) => {
                    skipped += 1;
                    println!("test {scenario} ... skipped: {reason}");
                    continue;
                }
                End::Broken(looks, reason) => {
                    println!("test {scenario} ... FAILED");
                    failures.push((scenario.to_owned(), reason));
                    looks
                }
            };
            for look in looks {
                let name = format!("{scenario}::{}", look.name);
                if let Some(complaint) = look.complaint {
                    println!("test {name} ... FAILED");
                    failures.push((name, complaint));
                } else {
                    println!("test {name} ... ok");
                    passed += 1;
                }
            }
        }
    });
    for (name, text) in &failures {
        println!("\n---- {name} ----\n{text}");
    }
    println!("\nchecks in {} s", started.elapsed().as_secs());
    for (name, _) in &failures {
        println!("    failed: {name}");
    }
    println!(
        "{passed} passed, {} failed, {skipped} skipped",
        failures.len()
    );
    i32::from(!failures.is_empty())
}

fn run_one(scenario: &Scenario) -> End {
    if let Some(reason) = needs::missing(scenario.needs) {
        return End::Skipped(reason);
    }
    let site = match Site::new(scenario) {
        Ok(site) => site,
        Err(LabError::Unavailable(reason)) => return End::Skipped(reason),
        Err(error) => return End::Broken(Vec::new(), error.to_string()),
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| (scenario.run)(&site)));
    match outcome {
        Ok(Ok(())) => End::Ran(site.looks()),
        Ok(Err(LabError::Unavailable(reason))) => End::Skipped(reason),
        Ok(Err(error)) => End::Broken(site.looks(), format!("{error}\n{}", site.host().dump())),
        Err(_) => End::Broken(site.looks(), "the scenario panicked".to_owned()),
    }
}
