//! Three directors side by side: Debian's ldirectord and keepalived, and ours, on the IPVS of one user-mode kernel.
//!
//! `cargo xtask bench ldirectord` installs ours and runs this. Each of `--runs` rounds has every director do the same with
//! every number of real servers of `--servers`, one of which hangs, alone in fresh namespaces ([`measurement`]): from the
//! start to the full table; what its checks cost; how long a server that fails stays in service, and one that returns out
//! of it. A director that is not ready after `--patience` seconds is not asked for that number again, nor for a larger one.
//!
//! | module | responsible for |
//! |---|---|
//! | `contestant` | how each director is configured, started and watched |
//! | `farm` | real servers |
//! | `measurement` | one run, inside the guest |
//! | `meter` | processor time |
//! | `figures` | medians, ratios, the table |

mod contestant;
mod farm;
mod figures;
mod measurement;
mod meter;

use std::time::Instant;

use ha_lab::{
    COMMAND_LIMIT, Implementation, KernelOptions, LabError, Result, UserModeKernel, seconds,
};

use contestant::Contestant;
use figures::Figures;
use meter::Meter;

/// No run may take longer than its patience and this.
const REST_LIMIT: u64 = 120;

/// What the command line asks for.
struct Options {
    servers: Vec<usize>,
    runs: usize,
    patience: u64,
}

fn main() {
    ha_lab::run_if_helper_or(&[measurement::PROGRAM]);
    let done = options().and_then(|options| run(&options));
    match done {
        Ok(()) => {}
        Err(LabError::Unavailable(reason)) => println!("skipped: {reason}"),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
}

fn options() -> Result<Options> {
    let mut options = Options {
        servers: vec![10, 100, 500],
        runs: 3,
        patience: 20,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        // Cargo's own.
        if word == "--bench" {
            continue;
        }
        let value = words.next().unwrap_or_default();
        let wrong = || LabError::unexpected(format!("{word} {value:?}?"));
        let number = |text: &str| text.parse::<usize>().ok().filter(|number| *number > 0);
        match word.as_str() {
            "--servers" => {
                let numbers: Option<Vec<usize>> = value.split(',').map(number).collect();
                options.servers = numbers.ok_or_else(wrong)?;
            }
            "--runs" => options.runs = number(&value).ok_or_else(wrong)?,
            "--patience" => options.patience = number(&value).ok_or_else(wrong)? as u64,
            _ => return Err(wrong()),
        }
    }
    Ok(options)
}

fn run(options: &Options) -> Result<()> {
    let stage = Implementation::Ours.stage();
    Implementation::Ours.check_available()?;
    let programs: Vec<(Contestant, String)> = Contestant::ALL
        .iter()
        .map(|contestant| Ok((*contestant, contestant.program(stage.as_deref())?)))
        .collect::<Result<_>>()?;
    let kernel = UserModeKernel::boot(&KernelOptions::default())?;
    for (_, program) in &programs {
        // The guest has the machine's files, but a /tmp of its own.
        let seen = kernel.sh(&format!("test -x '{program}'"), COMMAND_LIMIT)?;
        if !seen.status.success() {
            return Err(LabError::Unavailable(format!(
                "the guest does not see {program}"
            )));
        }
    }
    let began = Instant::now();
    let mut meter = Meter::new(kernel.keeper());
    let mut figures = Figures::default();
    for round in 0..options.runs {
        for servers in &options.servers {
            // Nobody is always the first one.
            for turn in 0..programs.len() {
                let at = (turn + round) % programs.len();
                let Some((contestant, program)) = programs.get(at) else {
                    continue;
                };
                if figures.gave_up(*contestant, *servers) {
                    continue;
                }
                eprintln!(
                    "{:>5} s: {} with {servers} real servers",
                    began.elapsed().as_secs(),
                    contestant.word()
                );
                let words = [
                    contestant.word(),
                    program,
                    &servers.to_string(),
                    &options.patience.to_string(),
                    &round.to_string(),
                ];
                let limit = seconds(options.patience + REST_LIMIT);
                let mut job = kernel.start_job(measurement::PROGRAM.name, &words)?;
                while let Some(line) = job.next_line(limit)? {
                    figures.take(*contestant, *servers, &line);
                    if let Some(seconds) = meter.hear(&line) {
                        figures.take(*contestant, *servers, &format!("check {seconds}"));
                    }
                }
                let output = job.finish(limit)?;
                if !output.status.success() {
                    return Err(LabError::unexpected(format!(
                        "{}: {}{}",
                        contestant.word(),
                        output.stdout,
                        output.stderr
                    )));
                }
            }
        }
    }
    println!(
        "Linux {} as an ordinary process, one processor; {}; {} runs in {} s; load of the machine {}",
        kernel.version(),
        contestant::versions(),
        options.runs,
        began.elapsed().as_secs(),
        std::fs::read_to_string("/proc/loadavg")
            .unwrap_or_default()
            .split(' ')
            .next()
            .unwrap_or_default()
    );
    println!("\n{}", figures.table(&options.servers));
    Ok(())
}
