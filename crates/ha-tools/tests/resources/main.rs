//! The stock resource scripts, each in namespaces of its own: start, start again, status, stop, stop again, wrong calls; beside
//! Debian's script of the same name where both can run and 2.1 did as Debian does.
//!
//! What a test cannot have here (a loop device, a volume manager) makes it a skip with the reason, and is counted. Words on the
//! command line choose tests by part of their name.

mod addresses;
mod agents;
mod applications;
mod frames;
mod ports;
mod sandbox;
mod storage;

use std::collections::VecDeque;
use std::sync::{Mutex, mpsc};
use std::thread;

use sandbox::{End, Test};

/// Tests at a time. They mostly wait.
const WORKERS: usize = 4;

fn main() {
    let tests = [
        addresses::TESTS,
        agents::TESTS,
        applications::TESTS,
        ports::TESTS,
        storage::TESTS,
    ]
    .concat();
    if let Some(code) = sandbox::inside(&tests) {
        std::process::exit(code);
    }
    std::process::exit(run(&tests));
}

fn run(tests: &[Test]) -> i32 {
    let filters: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let chosen: VecDeque<Test> = tests
        .iter()
        .filter(|test| filters.is_empty() || filters.iter().any(|part| test.0.contains(part)))
        .copied()
        .collect();
    println!("\nrunning {} tests of resource scripts", chosen.len());
    let queue = Mutex::new(chosen);
    let (sender, results) = mpsc::channel();
    let (mut passed, mut skipped, mut failures) = (0, 0, Vec::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            let (queue, sender) = (&queue, sender.clone());
            scope.spawn(move || {
                while let Some(test) = queue.lock().ok().and_then(|mut queue| queue.pop_front()) {
                    if sender.send((test.0, sandbox::outside(test.0))).is_err() {
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
    for (name, text) in &failures {
        println!("\n---- {name} ----\n{text}");
    }
    println!(
        "{passed} passed, {} failed, {skipped} skipped",
        failures.len()
    );
    i32::from(!failures.is_empty())
}
