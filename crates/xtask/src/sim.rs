//! `cargo xtask sim`: whole clusters simulated from seeds. Everything but the build is `ha-sim`'s. With `--director` it is
//! ldirectord's core, simulated by a test of `lvs-director`.

use std::process::{Command, ExitCode};

use crate::Failure;
use crate::cargo::{self, Profile};

/// Runs `sim` with the rest of the command line.
///
/// # Errors
/// The build failed, or the simulator could not be started. A broken rule is no error here; the exit code tells.
pub fn run(mut arguments: lexopt::Parser) -> Result<ExitCode, Failure> {
    if arguments
        .try_raw_args()
        .is_some_and(|words| words.peek().is_some_and(|word| word == "--director"))
    {
        return director(arguments);
    }
    cargo::build(Profile::Release, &["ha-sim"])?;
    let program = cargo::output(Profile::Release)?.join("ha-sim");
    let mut simulator = Command::new(&program);
    simulator.args(arguments.raw_args()?);
    let status = simulator.status().map_err(|source| Failure::Start {
        program: program.display().to_string(),
        source,
    })?;
    Ok(match status.code() {
        Some(0) => ExitCode::SUCCESS,
        Some(2) => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    })
}

/// Runs the simulation of `lvs-director` for as many seeds as are asked for, or one with its timeline.
fn director(mut arguments: lexopt::Parser) -> Result<ExitCode, Failure> {
    use lexopt::prelude::*;

    let mut test = cargo::command();
    test.args(["test", "--release", "-p", "lvs-director"])
        .args(["--test", "simulation"]);
    let mut which = "whatever_happens";
    while let Some(argument) = arguments.next()? {
        let name = match argument {
            Long("director") => continue,
            Long("seeds") => "DIRECTOR_SEEDS",
            Long("from") => "DIRECTOR_FROM",
            Long("seed") => {
                which = "one_seed";
                "DIRECTOR_SEED"
            }
            other => return Err(other.unexpected().into()),
        };
        let number: u64 = arguments.value()?.parse()?;
        test.env(name, number.to_string());
    }
    cargo::run(test.args([which, "--", "--nocapture"]))?;
    Ok(ExitCode::SUCCESS)
}
