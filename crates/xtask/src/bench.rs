//! `cargo xtask bench`: measurements that take minutes, beside the legacy and others in the same run. No part of the tests.

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
    for note in install::install(&cargo::stage(), LibDir::Lib64, Profile::Release)? {
        println!("note: {note}");
    }
    let mut bench = cargo::command();
    bench
        .args(["bench", "-p", "ha-lab", "--bench", "directors", "--"])
        .args(arguments.raw_args()?);
    cargo::run(&mut bench)?;
    Ok(ExitCode::SUCCESS)
}
