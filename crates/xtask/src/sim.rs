//! `cargo xtask sim`: whole clusters simulated from seeds. Everything but the build is `ha-sim`'s.

use std::process::{Command, ExitCode};

use crate::Failure;
use crate::cargo::{self, Profile};

/// Runs `sim` with the rest of the command line.
///
/// # Errors
/// The build failed, or the simulator could not be started. A broken rule is no error here; the exit code tells.
pub fn run(mut arguments: lexopt::Parser) -> Result<ExitCode, Failure> {
    cargo::build(Profile::Release, &["ha-sim"])?;
    let program = cargo::output(Profile::Release).join("ha-sim");
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
