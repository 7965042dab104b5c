//! `cargo xtask chaos`: a pair of nodes under a client load, one real fault after the other; see [`ha_lab::chaos`].

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ha_lab::{Implementation, LabError, Result, chaos};

fn main() {
    ha_lab::run_if_helper();
    let done = words().and_then(|words| match words.plan {
        Some(count) => {
            for line in chaos::plan(words.options.seed, count) {
                println!("{line}");
            }
            Ok(true)
        }
        None => run(&words.options, words.report),
    });
    match done {
        Ok(true) => {}
        Ok(false) => std::process::exit(1),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(2);
        }
    }
}

fn run(options: &chaos::Options, file: Option<PathBuf>) -> Result<bool> {
    println!("seed {} (--seed {0} makes the same plan)", options.seed);
    let report = chaos::run(options, |line| println!("{line}"))?;
    println!("\n{}", report.text);
    if let Some(file) = file {
        std::fs::write(&file, &report.text)
            .map_err(|error| LabError::Io(file.display().to_string(), error))?;
        for (node, log) in &report.logs {
            let file = format!("{}.{node}.log", file.display());
            std::fs::write(&file, log).map_err(|error| LabError::Io(file, error))?;
        }
    }
    Ok(report.failures.is_empty())
}

/// What the command line asks for.
struct Words {
    options: chaos::Options,
    /// Where the report goes as well.
    report: Option<PathBuf>,
    /// Only so many episodes of the plan are wanted.
    plan: Option<usize>,
}

fn words() -> Result<Words> {
    use Implementation::{Legacy, Ours};

    let (mut pair, mut minutes, mut seed, mut file) = ([Ours, Ours], 30.0, None, None);
    let (mut failback, mut plan, mut only) = (None, None, Vec::new());
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        // Cargo's own.
        if word == "--bench" {
            continue;
        }
        let value = words.next().unwrap_or_default();
        let wrong = || LabError::unexpected(format!("{word} {value:?}?"));
        match word.as_str() {
            "--minutes" => minutes = number(&value).ok_or_else(wrong)?,
            "--seed" => seed = Some(value.parse().map_err(|_| wrong())?),
            "--pair" => {
                pair = match value.as_str() {
                    "ours" => [Ours, Ours],
                    "ours+legacy" => [Ours, Legacy],
                    "legacy+ours" => [Legacy, Ours],
                    "legacy" => [Legacy, Legacy],
                    _ => return Err(wrong()),
                }
            }
            "--failback" if ["on", "off", "legacy"].contains(&value.as_str()) => {
                failback = Some(value);
            }
            "--only" => {
                let numbers: Option<Vec<usize>> =
                    value.split(',').map(|word| word.parse().ok()).collect();
                only = numbers.ok_or_else(wrong)?;
            }
            "--plan" => plan = Some(value.parse().map_err(|_| wrong())?),
            "--report" if !value.is_empty() => file = Some(PathBuf::from(value)),
            _ => return Err(wrong()),
        }
    }
    let any = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.unwrap_or_default().as_secs() % 1_000_000
    };
    let length = Duration::from_secs_f64(minutes * 60.0);
    let mut options = chaos::Options::new(pair, length, seed.unwrap_or_else(any));
    options.only = only;
    options.failback = failback.unwrap_or(options.failback);
    Ok(Words {
        options,
        report: file,
        plan,
    })
}

/// A number of minutes, a year at most.
fn number(text: &str) -> Option<f64> {
    text.parse()
        .ok()
        .filter(|number| (0.0..525_600.0).contains(number))
}
