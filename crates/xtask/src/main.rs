//! The project's own commands, called as `cargo xtask COMMAND`. This file only chooses which.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use xtask::Failure;

fn main() -> ExitCode {
    // The hosts of the laboratory are this program, started again.
    ha_lab::run_if_helper_or(&[xtask::demo::PROGRAM]);
    match xtask::run(std::env::args_os().skip(1)) {
        Ok(code) => code,
        Err(Failure::Usage(text)) => {
            eprintln!("xtask: {text}\n\n{}", xtask::USAGE);
            ExitCode::from(2)
        }
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}
