//! `cargo xtask test`: every test there is, added up.
//!
//! First the tests of the crates, then the compliance suite of `tests/lab`, which runs the installed tree in network
//! namespaces, alone, in pairs and beside the legacy, then the checks of ldirectord against servers in namespaces, and
//! ldirectord as a whole on the IPVS of a user-mode kernel. The last line is `N passed, N failed, N skipped`; before it
//! stands why anything was skipped.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};

use crate::cargo::{self, Profile};
use crate::install::{self, LibDir};
use crate::{Failure, debian, fuzz};

mod tally;

use tally::Tally;

/// Runs `test` with the rest of the command line. The exit code is 1 when anything failed.
///
/// # Errors
/// [`Failure::Usage`]; what went wrong with packages or with the installation. A test that fails is no error here.
pub fn run(mut arguments: lexopt::Parser) -> Result<ExitCode, Failure> {
    use lexopt::prelude::*;

    let mut tally = Tally::default();
    let mut filters: Vec<String> = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            // Checks that .ci/run made before, to be counted with the tests.
            Long("passed-before") => tally.passed += arguments.value()?.parse::<usize>()?,
            Long("failed-before") => tally.fail(arguments.value()?.string()?),
            Value(filter) => filters.push(filter.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let passed_before = tally.passed;
    debian::provide(&[debian::LAB, debian::TESTS, debian::KERNEL, debian::FUZZING])?;
    debian::provide_where_possible(debian::SERVERS);
    debian::provide_where_possible(debian::FENCING);

    println!("== tests of the crates");
    let mut crates = cargo::command();
    crates
        .args([
            "test",
            "--workspace",
            "--exclude",
            "ha-lab",
            "--no-fail-fast",
            "--",
        ])
        .args(&filters);
    observe(crates, &mut tally)?;
    let mut lab = cargo::command();
    lab.args(["test", "-p", "ha-lab", "--lib", "--no-fail-fast", "--"])
        .args(&filters);
    observe(lab, &mut tally)?;

    if filters.is_empty() {
        println!("== fuzz targets over their seeds");
        fuzz_targets(&mut tally)?;
    }

    println!("== compliance: the installed tree in network namespaces");
    for note in install::install(&cargo::stage(), LibDir::Lib64, Profile::Release)? {
        println!("note: {note}");
    }
    let mut compliance = cargo::command();
    compliance
        .args(["test", "-p", "ha-lab", "--test", "compliance", "--"])
        .args(&filters);
    observe(compliance, &mut tally)?;

    println!("== checks of real servers, and of peers that misbehave");
    let mut checks = cargo::command();
    checks
        .args(["test", "-p", "ha-lab", "--test", "checks", "--"])
        .args(&filters);
    observe(checks, &mut tally)?;

    println!("== ldirectord on the IPVS of a user-mode kernel");
    let mut ldirectord = cargo::command();
    ldirectord
        .args(["test", "-p", "ha-lab", "--test", "ldirectord", "--"])
        .args(&filters);
    observe(ldirectord, &mut tally)?;

    if filters.is_empty() && tally.passed == passed_before {
        tally.fail("no test was run at all".into());
    }
    println!();
    for skip in &tally.skips {
        println!("skipped: {skip}");
    }
    for failure in &tally.failures {
        println!("failed: {failure}");
    }
    println!(
        "{} passed, {} failed, {} skipped",
        tally.passed, tally.failed, tally.skipped
    );
    Ok(if tally.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Builds the fuzz targets and has each take its seeds; making up new inputs is for `cargo xtask fuzz`.
fn fuzz_targets(tally: &mut Tally) -> Result<(), Failure> {
    if !fuzz::can_build() {
        tally.skip("fuzz targets: there is no C++ compiler for libFuzzer".into());
        return Ok(());
    }
    fuzz::over_seeds(|name, result| match result {
        Ok(()) => tally.passed += 1,
        Err(text) => {
            println!("{text}");
            tally.fail(format!("fuzz target {name}"));
        }
    })
}

/// Runs a test program, shows what it says, and counts. A program that failed without naming a failed test (it did not
/// compile, or crashed) counts as one failure.
fn observe(mut command: Command, tally: &mut Tally) -> Result<(), Failure> {
    let program = format!("{command:?}");
    let start = |source| Failure::Start {
        program: program.clone(),
        source,
    };
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(start)?;
    let failed_before = tally.failed;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            println!("{line}");
            tally.take(&line);
        }
    }
    let status = child.wait().map_err(start)?;
    if !status.success() && tally.failed == failed_before {
        tally.fail(format!("{program}: {status}"));
    }
    Ok(())
}
