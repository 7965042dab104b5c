//! `cargo xtask`: what a developer runs, and what packagers build on.
//!
//! | command | module |
//! |---|---|
//! | `demo` | [`demo`]: the article's pair of directors, live |
//! | `test` | [`test`]: every test there is |
//! | `bench`, `chaos`, `soak` | [`bench`]: measurements beside the legacy, and long runs |
//! | `sim` | [`sim`]: clusters simulated from seeds, with judges |
//! | `fuzz`, `sanitize` | [`fuzz`]: decoders and parsers under libFuzzer, and tests under AddressSanitizer |
//! | `install`, `uninstall` | [`install`]: a complete tree at the legacy's paths, and away again |
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

  sim [--nodes N | --legacy] [--seeds COUNT] [--from SEED] [--jobs N] [--keep-going] | --seed SEED [--events N,...] [--as-test]
        Simulate clusters of 2 to 16 nodes with every kind of fault, and judge each step (default: 100,000 seeds with two
        nodes, then 20,000 with three). With --seed one run and its story.
        --legacy       two nodes, of which one is a model of the original
        --keep-going   look for more seeds after the first that fails
        --events N,... of the faults of the seed only these
        --as-test      print the run as the source of a test instead

  sim --director [--seeds COUNT] [--from SEED] | --seed SEED
        The same for ldirectord's core: odd configurations, servers that come and go, reloads, a kernel that refuses.

  fuzz [--time T] [--jobs N] [--sanitizer address] [TARGET...] | --list | --replay FILE TARGET
        Build the fuzz targets and run each for T (seconds, or 10m, 2h; default 60), N at a time (default: one for each
        processor). Ends with 1 if anything was found, and says how to see it again.

  sanitize [PACKAGE...]
        Run the tests of the packages that have `unsafe` in them under AddressSanitizer.

  install --destdir DIR [--libdir lib64|lib] [--debug]
        Build heartbeat and lay it out below DIR at the places of heartbeat 2.1.4. With --destdir / what stood in these
        places is kept in /var/lib/heartbeat-replaced; elsewhere it is replaced.
        --libdir  the machine's library directory (default lib64)
        --debug   an unoptimised build

  uninstall
        Take away what install --destdir / put on this machine, and put back what stood there before.";

/// What each word after `cargo xtask` runs, with the rest of the command line.
const COMMANDS: &[(&str, Command)] = &[
    ("demo", demo::run),
    ("test", test::run),
    ("bench", bench::run),
    ("chaos", bench::chaos),
    ("soak", bench::soak),
    ("sim", sim::run),
    ("fuzz", fuzz::run),
    ("sanitize", fuzz::sanitize),
    ("install", install::run),
    ("uninstall", install::undo),
];

type Command = fn(lexopt::Parser) -> Result<ExitCode, Failure>;

/// Runs the command named by the first argument. With `--help` or `-h` among its arguments it only says what it does.
///
/// # Errors
/// [`Failure::Usage`] for arguments that make no sense, else what the command could not do.
pub fn run(args: impl IntoIterator<Item = OsString>) -> Result<ExitCode, Failure> {
    use lexopt::prelude::*;

    let mut parser = lexopt::Parser::from_args(args);
    match parser.next()? {
        Some(Value(word)) if word == "help" => help(USAGE),
        Some(Value(word)) => match COMMANDS.iter().find(|(name, _)| word == *name) {
            Some((name, _)) if wants_help(&mut parser) => help(&usage_of(name)),
            Some((_, command)) => command(parser),
            None => Err(Failure::Usage(format!(
                "no such command: {}",
                word.display()
            ))),
        },
        Some(Short('h') | Long("help")) => help(USAGE),
        Some(other) => Err(other.unexpected().into()),
        None => Err(Failure::Usage("which command?".into())),
    }
}

/// Looked for before the command is started, since some build or install packages before they read their arguments.
fn wants_help(arguments: &mut lexopt::Parser) -> bool {
    arguments.try_raw_args().is_some_and(|words| {
        words
            .as_slice()
            .iter()
            .take_while(|word| *word != "--")
            .any(|word| word == "--help" || word == "-h")
    })
}

/// The paragraphs of [`USAGE`] about one command.
fn usage_of(command: &str) -> String {
    let about = |paragraph: &&str| paragraph.split_whitespace().next() == Some(command);
    let paragraphs: Vec<&str> = USAGE.split("\n\n").filter(about).collect();
    format!("Usage: cargo xtask COMMAND\n\n{}", paragraphs.join("\n\n"))
}

fn help(text: &str) -> Result<ExitCode, Failure> {
    println!("{text}");
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_says_what_it_does_and_does_nothing_else() {
        for (name, _) in COMMANDS {
            let usage = usage_of(name);
            let paragraph = usage.split("\n\n").nth(1).unwrap_or_default();
            assert_eq!(paragraph.split_whitespace().next(), Some(*name), "{usage}");
            for help in ["--help", "-h"] {
                // A command that came to read its arguments would refuse these.
                let words = [name, "--no-such-option", help].map(OsString::from);
                assert!(run(words).is_ok(), "{name} {help}");
            }
        }
        assert!(usage_of("sim").contains("--director"));
        assert!(!usage_of("demo").contains("sim"));
    }

    #[test]
    fn help_behind_two_dashes_is_a_word() {
        let mut parser = lexopt::Parser::from_args(["--", "--help"]);
        assert!(!wants_help(&mut parser));
    }
}
