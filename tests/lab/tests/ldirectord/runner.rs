//! Boots a kernel, runs the tests in it side by side, and reports like any other test runner.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Instant;

use ha_lab::{Implementation, KernelOptions, LabError, Result, UserModeKernel, seconds};

use crate::{ipvs_socket, judgement, kernel, resilience, scenarios};

/// Scenarios at a time. They mostly wait; but the guest has one processor, a start of the legacy needs two seconds of it,
/// and its checks have a time limit.
const WORKERS: [(Implementation, usize); 2] =
    [(Implementation::Ours, 12), (Implementation::Legacy, 3)];

type Test<'a> = Box<dyn Fn(&UserModeKernel) -> Result<()> + Send + Sync + 'a>;

struct Case<'a> {
    name: String,
    test: Test<'a>,
}

enum End {
    Passed,
    Failed(String),
    Skipped(String),
}

/// Runs a shell script in a kernel of its own; its exit code.
pub fn run_script(script: &str) -> i32 {
    let done = under_test()
        .and_then(|under_test| boot(Some(under_test)))
        .and_then(|kernel| kernel.sh(script, seconds(600)));
    match done {
        Ok(output) => {
            print!("{}", output.stdout);
            eprint!("{}", output.stderr);
            output.code()
        }
        Err(error) => {
            eprintln!("{error}");
            2
        }
    }
}

fn under_test() -> Result<Implementation> {
    match std::env::var("LDIRECTORD_UNDER_TEST").as_deref() {
        Ok("legacy") => Ok(Implementation::Legacy),
        Ok("ours" | "") | Err(_) => Ok(Implementation::Ours),
        Ok(other) => Err(LabError::unexpected(format!(
            "LDIRECTORD_UNDER_TEST is \"{other}\"; it may be ours or legacy"
        ))),
    }
}

/// Runs everything that was asked for; the exit code of the program.
pub fn run() -> i32 {
    let under_test = match under_test() {
        Ok(under_test) => under_test,
        Err(error) => {
            eprintln!("{error}");
            return 2;
        }
    };
    let names = match scenarios::names() {
        Ok(names) => names,
        Err(error) => {
            eprintln!("{error}");
            return 2;
        }
    };
    let alone = chosen(alone());
    let shared = chosen(shared(&names, under_test));
    let hard = chosen(resilience(under_test, true));
    let plain: Vec<_> = judgement::TESTS
        .iter()
        .filter(|(name, _)| is_chosen(name))
        .collect();
    let total = plain.len() + alone.len() + shared.len() + hard.len();
    println!("\nrunning {total} tests, ldirectord: {}", under_test.word());
    let started = Instant::now();
    let mut report = Report::default();
    for (name, test) in &plain {
        report.take((*name).to_owned(), end_of(test()));
    }
    // Then those that do things to the whole kernel, in one of their own.
    group(alone, None, 1, &mut report);
    let workers = WORKERS
        .iter()
        .find(|(implementation, _)| *implementation == under_test)
        .map_or(1, |(_, workers)| *workers);
    let workers = std::env::var("HA_LAB_WORKERS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(workers);
    group(shared, Some(under_test), workers, &mut report);
    group(hard, Some(under_test), 1, &mut report);
    for (name, text) in &report.failures {
        println!("\n---- {name} ----\n{text}");
    }
    println!("\n{total} tests in {} s", started.elapsed().as_secs());
    for (name, _) in &report.failures {
        println!("    failed: {name}");
    }
    println!(
        "{} passed, {} failed, {} skipped",
        report.passed,
        report.failures.len(),
        report.skipped
    );
    i32::from(!report.failures.is_empty())
}

/// A test that has a kernel to itself.
type OnKernel = fn(&UserModeKernel) -> Result<()>;

/// Tests of the machine as it is, one after the other.
fn alone() -> Vec<Case<'static>> {
    let cases: [(&str, OnKernel); 7] = [
        ("kernel::it_has_ipvs", kernel::it_has_ipvs),
        ("kernel::output_comes_through", kernel::output_comes_through),
        (
            "kernel::the_machine_is_not_written",
            kernel::the_machine_is_not_written,
        ),
        ("kernel::a_lab_works_in_it", kernel::a_lab_works_in_it),
        (
            "kernel::a_director_forwards_in_it",
            kernel::a_director_forwards_in_it,
        ),
        ("kernel::nothing_stays_behind", kernel::nothing_stays_behind),
        ("ipvs_socket::all", ipvs_socket::all),
    ];
    cases
        .into_iter()
        .map(|(name, test)| Case {
            name: name.to_owned(),
            test: Box::new(test),
        })
        .collect()
}

/// Tests of the one under test, side by side.
fn shared(names: &[String], under_test: Implementation) -> Vec<Case<'_>> {
    names
        .iter()
        .map(|name| Case {
            name: format!("{}::{name}", under_test.word()),
            test: Box::new(move |kernel: &UserModeKernel| scenarios::run(kernel, name, under_test)),
        })
        .chain(resilience(under_test, false))
        .collect()
}

/// The tests of [`resilience`]: those that need the kernel to themselves, or the others.
fn resilience(under_test: Implementation, alone: bool) -> Vec<Case<'static>> {
    resilience::TESTS
        .iter()
        .filter(|test| test.alone == alone)
        .map(|test| Case {
            name: format!("{}::resilience::{}", under_test.word(), test.name),
            test: Box::new(move |kernel: &UserModeKernel| {
                resilience::run(kernel, test, under_test)
            }),
        })
        .collect()
}

fn chosen(cases: Vec<Case<'_>>) -> VecDeque<Case<'_>> {
    cases
        .into_iter()
        .filter(|case| is_chosen(&case.name))
        .collect()
}

/// Whether the command line asks for a test of this name.
fn is_chosen(name: &str) -> bool {
    let mut filters = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .peekable();
    filters.peek().is_none() || filters.any(|filter| name.contains(&filter))
}

/// Boots a kernel with `implementation` installed and runs `cases` in it.
fn group(
    cases: VecDeque<Case<'_>>,
    implementation: Option<Implementation>,
    workers: usize,
    report: &mut Report,
) {
    if cases.is_empty() {
        return;
    }
    let kernel = match boot(implementation) {
        Ok(kernel) => kernel,
        Err(error) => {
            for case in cases {
                report.take(case.name, end_of(Err(copy(&error))));
            }
            return;
        }
    };
    let queue = Mutex::new(cases);
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..workers {
            let (queue, sender, kernel) = (&queue, sender.clone(), &kernel);
            scope.spawn(move || {
                while let Some(case) = next(queue) {
                    let done = catch_unwind(AssertUnwindSafe(|| (case.test)(kernel)));
                    let end =
                        done.map_or_else(|_| End::Failed("the test panicked".to_owned()), end_of);
                    if sender.send((case.name, end)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (name, end) in results {
            report.take(name, end);
        }
    });
}

fn next<'a>(queue: &Mutex<VecDeque<Case<'a>>>) -> Option<Case<'a>> {
    queue.lock().ok()?.pop_front()
}

fn boot(implementation: Option<Implementation>) -> Result<UserModeKernel> {
    if let Some(implementation) = implementation {
        available(implementation)?;
    }
    UserModeKernel::boot(&KernelOptions {
        implementation,
        ..KernelOptions::default()
    })
}

/// Whether this machine has the ldirectord to test.
fn available(implementation: Implementation) -> Result<()> {
    implementation.check_available()?;
    let root = implementation.stage().unwrap_or_else(|| "/".into());
    let program = root.join("usr/sbin/ldirectord");
    if program.exists() {
        return Ok(());
    }
    Err(LabError::Unavailable(format!("no {}", program.display())))
}

fn copy(error: &LabError) -> LabError {
    match error {
        LabError::Unavailable(reason) => LabError::Unavailable(reason.clone()),
        other => LabError::unexpected(other.to_string()),
    }
}

fn end_of(done: Result<()>) -> End {
    match done {
        Ok(()) => End::Passed,
        Err(LabError::Unavailable(reason)) => End::Skipped(reason),
        Err(error) => End::Failed(error.to_string()),
    }
}

#[derive(Default)]
struct Report {
    passed: usize,
    skipped: usize,
    failures: Vec<(String, String)>,
}

impl Report {
    fn take(&mut self, name: String, end: End) {
        match end {
            End::Passed => {
                self.passed += 1;
                println!("test {name} ... ok");
            }
            End::Skipped(reason) => {
                self.skipped += 1;
                println!("test {name} ... skipped: {reason}");
            }
            End::Failed(text) => {
                println!("test {name} ... FAILED");
                self.failures.push((name, text));
            }
        }
    }
}
