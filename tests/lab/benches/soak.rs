//! `cargo xtask soak`: some nodes for minutes or days; see [`ha_lab::soak`].

use std::path::PathBuf;
use std::time::Duration;

use ha_lab::{LabError, Result, soak};

fn main() {
    ha_lab::run_if_helper();
    let done = words().and_then(|(options, file)| run(&options, file));
    match done {
        Ok(true) => {}
        Ok(false) => std::process::exit(1),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(2);
        }
    }
}

fn run(options: &soak::Options, file: Option<PathBuf>) -> Result<bool> {
    let report = soak::run(options, |line| println!("{line}"))?;
    println!("\n{}", report.text);
    if let Some(file) = file {
        std::fs::write(&file, &report.text)
            .map_err(|error| LabError::Io(file.display().to_string(), error))?;
    }
    Ok(report.failures.is_empty())
}

/// What the command line asks for, and where the report goes.
fn words() -> Result<(soak::Options, Option<PathBuf>)> {
    let mut options = soak::Options::new(2, Duration::from_secs(600));
    let mut file = None;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            // Cargo's own.
            "--bench" => continue,
            "--busy" => {
                options.busy = true;
                continue;
            }
            _ => {}
        }
        let value = words.next().unwrap_or_default();
        let wrong = || LabError::unexpected(format!("{word} {value:?}?"));
        let number = || value.parse::<u64>().map_err(|_| wrong());
        let time = |unit: f64| {
            let number = value.parse::<f64>().ok();
            let number = number.filter(|number| (0.0..1_000_000.0).contains(number));
            number.map(|number| Duration::from_secs_f64(number * unit))
        };
        match word.as_str() {
            "--hours" => options.length = time(3600.0).ok_or_else(wrong)?,
            "--minutes" => options.length = time(60.0).ok_or_else(wrong)?,
            "--nodes" => options.nodes = usize::try_from(number()?).map_err(|_| wrong())?,
            "--legacy" => options.legacy = usize::try_from(number()?).map_err(|_| wrong())?,
            "--keepalive" => options.keepalive = Duration::from_millis(number()?),
            "--deadtime" => options.deadtime = Duration::from_millis(number()?),
            "--report" if !value.is_empty() => file = Some(PathBuf::from(value)),
            _ => return Err(wrong()),
        }
    }
    Ok((options, file))
}
