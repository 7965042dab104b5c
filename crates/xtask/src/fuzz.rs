//! `cargo xtask fuzz`: every decoder and parser under libFuzzer.
//!
//! The targets are functions of `tests/fuzz`; here they are built with coverage counters and run, each for a time. It works
//! with a stable compiler. Besides that it needs a C++ compiler once, for libFuzzer itself.
//!
//! Below `target/fuzzing` each target has a directory: `corpus/` with what was found to cover something new, which the next
//! run goes on from, `seeds/`, `findings/` with inputs that made it fail, and `log`. An input that failed belongs into
//! `tests/fuzz/findings/TARGET` under a name that says what was wrong: from then on it is a test.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::{Failure, cargo, debian};

mod instrumented;
mod session;

pub use instrumented::sanitize;

use instrumented::{Sanitizer, build};
use session::{Ended, Session, Target};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Options {
    time: Duration,
    jobs: usize,
    sanitizer: Sanitizer,
    replay: Option<PathBuf>,
    list: bool,
    targets: Vec<String>,
}

impl Options {
    fn parse(mut arguments: lexopt::Parser) -> Result<Options, Failure> {
        use lexopt::prelude::*;

        let mut options = Options {
            time: Duration::from_secs(60),
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
            sanitizer: Sanitizer::None,
            replay: None,
            list: false,
            targets: Vec::new(),
        };
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("time") => options.time = arguments.value()?.parse_with(time)?,
                Long("jobs") => options.jobs = arguments.value()?.parse::<usize>()?.max(1),
                Long("sanitizer") => {
                    options.sanitizer = arguments.value()?.parse_with(Sanitizer::parse)?;
                }
                Long("replay") => options.replay = Some(arguments.value()?.into()),
                Long("list") => options.list = true,
                Value(target) => options.targets.push(target.string()?),
                other => return Err(other.unexpected().into()),
            }
        }
        if options.replay.is_some() && options.targets.len() != 1 {
            return Err(Failure::Usage("--replay FILE of which target?".into()));
        }
        Ok(options)
    }
}

/// `90`, `90s`, `10m` or `2h`.
fn time(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.find(|letter: char| !letter.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(format!("'{text}' is no time; it may end in s, m or h")),
    };
    let number: u64 = number.parse().map_err(|_| format!("'{text}' is no time"))?;
    Ok(Duration::from_secs(number.saturating_mul(seconds)))
}

/// Runs `fuzz` with the rest of the command line. The exit code is 1 when there was a finding.
///
/// # Errors
/// [`Failure::Usage`]; what went wrong with packages or the build. A finding is no error here.
pub fn run(arguments: lexopt::Parser) -> Result<ExitCode, Failure> {
    let options = Options::parse(arguments)?;
    let program = program(options.sanitizer)?;
    let targets = session::prepare(&program, &work()?)?;
    if options.list {
        for target in &targets {
            println!("{}", target.name);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let chosen = choose(targets, &options.targets)?;
    if let (Some(file), [target]) = (&options.replay, chosen.as_slice()) {
        return session::replay(&program, target, file);
    }
    let mut findings = 0;
    let wanted = Wanted {
        program: &program,
        time: Some(options.time),
        jobs: options.jobs,
    };
    wanted.run(chosen, |ended| {
        println!("{}", ended.text());
        findings += ended.findings();
    })?;
    println!("{findings} findings");
    Ok(if findings == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Each target over its seeds and the inputs of earlier runs, without new ones: for `cargo xtask test`. Tells for each
/// whether it was well, and if not, why.
///
/// # Errors
/// The build failed.
pub(crate) fn over_seeds(mut tell: impl FnMut(&str, Result<(), String>)) -> Result<(), Failure> {
    let program = program(Sanitizer::None)?;
    let targets = session::prepare(&program, &work()?)?;
    let wanted = Wanted {
        program: &program,
        time: None,
        jobs: std::thread::available_parallelism().map_or(1, usize::from),
    };
    wanted.run(targets, |ended| {
        let well = ended.findings() == 0;
        tell(ended.name(), if well { Ok(()) } else { Err(ended.text()) });
    })
}

/// Whether fuzz targets can be built here. [`debian::provide`] has had its chance before.
pub(crate) fn can_build() -> bool {
    debian::is_here("g++") || debian::is_here("c++")
}

/// The targets linked with libFuzzer, built if need be.
fn program(sanitizer: Sanitizer) -> Result<PathBuf, Failure> {
    debian::provide(&[debian::FUZZING])?;
    build(sanitizer)
}

/// Where corpora and findings are kept.
fn work() -> Result<PathBuf, Failure> {
    Ok(cargo::target_directory()?.join("fuzzing"))
}

fn choose(targets: Vec<Target>, names: &[String]) -> Result<Vec<Target>, Failure> {
    for name in names {
        if !targets.iter().any(|target| target.name == *name) {
            return Err(Failure::Usage(format!(
                "no target is called {name}; --list lists them"
            )));
        }
    }
    Ok(targets
        .into_iter()
        .filter(|target| names.is_empty() || names.contains(&target.name))
        .collect())
}

/// A run of several targets.
struct Wanted<'a> {
    program: &'a Path,
    /// For each target; none: only what is there already is run, once.
    time: Option<Duration>,
    /// So many at the same time.
    jobs: usize,
}

impl Wanted<'_> {
    /// Runs the targets and tells of each when it has ended.
    fn run(&self, targets: Vec<Target>, mut ended: impl FnMut(&Ended)) -> Result<(), Failure> {
        /// How often we look whether one has ended.
        const PAUSE: Duration = Duration::from_millis(100);

        let mut waiting: VecDeque<Target> = targets.into();
        let mut running: Vec<Session> = Vec::new();
        while !waiting.is_empty() || !running.is_empty() {
            while running.len() < self.jobs
                && let Some(target) = waiting.pop_front()
            {
                running.push(Session::start(self.program, target, self.time)?);
            }
            std::thread::sleep(PAUSE);
            for session in std::mem::take(&mut running) {
                match session.look()? {
                    Ok(over) => ended(&over),
                    Err(still) => running.push(still),
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Options, Failure> {
        Options::parse(lexopt::Parser::from_args(words.split_whitespace()))
    }

    #[test]
    fn times_have_units() {
        for (text, seconds) in [("90", 90), ("5s", 5), ("10m", 600), ("2h", 7200)] {
            assert_eq!(time(text), Ok(Duration::from_secs(seconds)));
        }
        for text in ["", "m", "1d", "-1", "1.5m"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn arguments() {
        let options = parse("--time 10m wire_string --jobs 2 check_http").unwrap();
        assert_eq!(options.time, Duration::from_secs(600));
        assert_eq!(options.jobs, 2);
        assert_eq!(options.targets, ["wire_string", "check_http"]);
        assert_eq!(options.sanitizer, Sanitizer::None);
        assert!(parse("--sanitizer thread").is_err());
        assert!(parse("--replay input").is_err());
        assert!(parse("--replay input wire_string").is_ok());
    }
}
