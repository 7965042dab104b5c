//! `cargo xtask`: what a developer runs, and what packagers build on.
//!
//! | command | module |
//! |---|---|
//! | `demo` | [`demo`]: the article's pair of directors, live |
//! | `test` | [`test`]: every test there is |
//! | `bench`, `chaos`, `soak` | [`bench`]: measurements beside the legacy, and long runs |
//! | `sim` | [`sim`]: clusters simulated from seeds, with judges |
//! | `fuzz`, `sanitize` | [`fuzz`]: decoders and parsers under libFuzzer, and tests under AddressSanitizer |
//! | `install` | [`install`]: a complete tree at the legacy's paths |
//!
//! Every command sets up what it needs.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::process::ExitCode;

pub mod bench;
mod cargo;
mod debian;
pub mod demo;
mod failure;
pub mod fuzz;
pub mod install;
#[cfg(test)]
mod scratch;
pub mod sim;
pub mod test;

pub use failure::Failure;

/// What `cargo xtask --help` prints.
pub const USAGE: &str = "\
Usage: cargo xtask COMMAND

  demo [--fast] [--no-lvs]
        Build heartbeat and show two directors and two real servers, live, in a user-mode kernel.
        --fast    timers below a second
        --no-lvs  only the address, without ldirectord, in network namespaces of this machine

  test [NAME...]
        Run the tests of all crates, then the installed tree in network namespaces.
        NAME      only tests with this in their name

  bench ldirectord [--servers N,...] [--runs N] [--patience SECONDS]
        Measure ldirectord beside Debian's ldirectord and keepalived, in a user-mode kernel, for six minutes.

  chaos [--minutes M] [--seed S] [--pair ours|ours+legacy|legacy+ours|legacy] [--failback on|off|legacy] [--report FILE]
        A pair of nodes under real faults, one after the other as the seed wants it (default: ours, 30 minutes).
        --plan N      only show the first N episodes of the seed
        --only N,...  only these episodes
        --report FILE keep the report there, and the logs of the nodes beside it

  soak [--hours H | --minutes M] [--nodes N] [--legacy K] [--busy] [--keepalive MS] [--deadtime MS] [--report FILE]
        N nodes, the last K of them of the legacy, for a long time; nobody may be declared dead, and what the daemons
        use must not grow (default: 2 nodes of ours, 10 minutes, 100 ms and 1000 ms).
        --busy    something else keeps all processors busy

  sim [--nodes N | --legacy] [--seeds COUNT] [--from SEED] | --seed SEED
        Simulate clusters with every kind of fault, and judge each step. --help tells more.

  sim --director [--seeds COUNT] [--from SEED] | --seed SEED
        The same for ldirectord's core: odd configurations, servers that come and go, reloads, a kernel that refuses.

  fuzz [--time T] [--jobs N] [--sanitizer address] [TARGET...] | --list | --replay FILE TARGET
        Build the fuzz targets and run each for T (seconds, or 10m, 2h; default 60), N at a time (default: one for each
        processor). Ends with 1 if anything was found, and says how to see it again.

  sanitize [PACKAGE...]
        Run the tests of the packages that have `unsafe` in them under AddressSanitizer.

  install --destdir DIR [--libdir lib64|lib] [--debug]
        Build heartbeat and lay it out below DIR at the places of heartbeat 2.1.4.
        --libdir  the machine's library directory (default lib64)
        --debug   an unoptimised build";

/// Runs the command named by the first argument.
///
/// # Errors
/// [`Failure::Usage`] for arguments that make no sense, else what the command could not do.
pub fn run(args: impl IntoIterator<Item = OsString>) -> Result<ExitCode, Failure> {
    use lexopt::prelude::*;

    let mut parser = lexopt::Parser::from_args(args);
    match parser.next()? {
        Some(Value(command)) => match command.to_str() {
            Some("demo") => demo::run(parser),
            Some("test") => test::run(parser),
            Some("bench") => bench::run(parser),
            Some("chaos") => bench::chaos(parser),
            Some("soak") => bench::soak(parser),
            Some("sim") => sim::run(parser),
            Some("fuzz") => fuzz::run(parser),
            Some("sanitize") => fuzz::sanitize(parser),
            Some("install") => install::run(parser),
            Some("help") => help(),
            _ => Err(Failure::Usage(format!(
                "no such command: {}",
                command.display()
            ))),
        },
        Some(Short('h') | Long("help")) => help(),
        Some(other) => Err(other.unexpected().into()),
        None => Err(Failure::Usage("which command?".into())),
    }
}

fn help() -> Result<ExitCode, Failure> {
    println!("{USAGE}");
    Ok(ExitCode::SUCCESS)
}
