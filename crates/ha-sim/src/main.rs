//! `ha-sim`; see [`ha_sim::cli`].
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    ha_sim::cli::main(std::env::args_os().skip(1))
}
