//! `cargo xtask bench`, `chaos` and `soak`: programs of the laboratory that run for minutes or hours. No part of the tests.

use std::process::ExitCode;

use crate::cargo::{self, Profile};
use crate::install::{self, LibDir};
use crate::{Failure, debian};

/// Runs `bench` with the rest of the command line: what to measure, and words for the measurement.
///
/// # Errors
/// [`Failure::Usage`]; what went wrong with packages, the installation or the measurement.
pub fn run(mut arguments: lexopt::Parser) -> Result<ExitCode, Failure> {
    use lexopt::prelude::*;

    match arguments.next()? {
        Some(Value(what)) if what == "ldirectord" => {}
        Some(Value(what)) => {
            return Err(Failure::Usage(format!(
                "there is no measurement of {}",
                what.display()
            )));
        }
        Some(other) => return Err(other.unexpected().into()),
        None => return Err(Failure::Usage("measure what?".into())),
    }
    debian::provide(&[debian::LAB, debian::KERNEL, debian::DIRECTORS])?;
    program("directors", arguments)
}

/// Runs `chaos` with the rest of the command line: a pair under real faults.
///
/// # Errors
/// What went wrong with packages or the installation, or what the run found.
pub fn chaos(arguments: lexopt::Parser) -> Result<ExitCode, Failure> {
    debian::provide(&[debian::LAB, debian::TESTS])?;
    // Preloaded by the daemons, so that their calendar can jump without that of the machine.
    let mut calendar = cargo::command();
    calendar.args(["build", "--quiet", "--release", "-p", "ha-lab-calendar"]);
    cargo::run(&mut calendar)?;
    program("chaos", arguments)
}

/// Runs `soak` with the rest of the command line: some nodes for a long time.
///
/// # Errors
/// As [`chaos`].
pub fn soak(arguments: lexopt::Parser) -> Result<ExitCode, Failure> {
    debian::provide(&[debian::LAB, debian::TESTS])?;
    program("soak", arguments)
}

/// Installs our tree and runs one of the programs, optimised, with the rest of the command line.
fn program(name: &str, mut arguments: lexopt::Parser) -> Result<ExitCode, Failure> {
    for note in install::install(&cargo::stage(), LibDir::Lib64, Profile::Release)? {
        println!("note: {note}");
    }
    let mut bench = cargo::command();
    bench
        .args(["bench", "-p", "ha-lab", "--bench", name, "--"])
        .args(arguments.raw_args()?);
    cargo::run(&mut bench)?;
    Ok(ExitCode::SUCCESS)
}
