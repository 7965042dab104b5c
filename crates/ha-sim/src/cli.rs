//! The command `ha-sim`, which `cargo xtask sim` runs: many seeds, or one with its story.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::as_test::as_test;
use crate::checks::Violation;
use crate::plan::Scenario;
use crate::run::run;
use crate::shrink::shrink;

/// What `--help` prints.
pub const USAGE: &str = "\
Usage: cargo xtask sim [--nodes N | --legacy] [--seeds COUNT] [--from SEED] [--jobs N]
       cargo xtask sim [--nodes N | --legacy] --seed SEED [--events N,N,...]

Without --nodes and --legacy: 100000 seeds with two nodes, then 20000 with three.

  --nodes N      nodes, 2 to 16
  --legacy       two nodes, of which one is the model of a legacy one
  --seeds COUNT  how many seeds
  --from SEED    the first (1)
  --jobs N       threads (as many as there are processors)
  --keep-going   look for more seeds after the first that fails
  --seed SEED    one run, with its story
  --events N,... of its faults only these
  --as-test      print the run as the source of a test instead
  --mutation M   with the core broken in this way (only where it was built with the feature `mutations`)";

/// What is simulated.
#[derive(Clone, Copy, Debug)]
enum Cluster {
    /// So many nodes of ours.
    Ours(usize),
    /// One of ours and the model of a legacy one.
    Mixed,
}

impl Cluster {
    fn draw(self, seed: u64) -> Scenario {
        match self {
            Cluster::Ours(nodes) => Scenario::draw(nodes, seed),
            Cluster::Mixed => Scenario::draw_mixed(seed),
        }
    }

    /// The arguments that choose it.
    fn arguments(self) -> String {
        match self {
            Cluster::Ours(nodes) => format!("--nodes {nodes}"),
            Cluster::Mixed => "--legacy".to_owned(),
        }
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cluster::Ours(nodes) => write!(f, "{nodes} nodes"),
            Cluster::Mixed => f.write_str("one of ours and a legacy one"),
        }
    }
}

/// Seeds of the run without arguments, by number of nodes.
const WHOLE: [(Cluster, u64); 2] = [(Cluster::Ours(2), 100_000), (Cluster::Ours(3), 20_000)];

/// Failing seeds told at most.
const TOLD_MAX: usize = 20;

/// What is wanted.
#[derive(Debug, Default)]
struct Wanted {
    nodes: Option<usize>,
    legacy: bool,
    seeds: Option<u64>,
    from: Option<u64>,
    seed: Option<u64>,
    events: Option<Vec<usize>>,
    jobs: Option<usize>,
    keep_going: bool,
    as_test: bool,
    mutation: Option<String>,
    help: bool,
}

impl Wanted {
    fn cluster(&self) -> Cluster {
        match self.legacy {
            true => Cluster::Mixed,
            false => Cluster::Ours(self.nodes.unwrap_or(2)),
        }
    }
}

fn wanted(arguments: impl IntoIterator<Item = OsString>) -> Result<Wanted, lexopt::Error> {
    use lexopt::prelude::*;

    let mut wanted = Wanted::default();
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("nodes") => {
                let nodes: usize = parser.value()?.parse()?;
                if !(2..=16).contains(&nodes) {
                    return Err("--nodes: 2 to 16".into());
                }
                wanted.nodes = Some(nodes);
            }
            Long("seeds") => wanted.seeds = Some(parser.value()?.parse()?),
            Long("from") => wanted.from = Some(parser.value()?.parse()?),
            Long("seed") => wanted.seed = Some(parser.value()?.parse()?),
            Long("jobs") => wanted.jobs = Some(parser.value()?.parse()?),
            Long("legacy") => wanted.legacy = true,
            Long("keep-going") => wanted.keep_going = true,
            Long("as-test") => wanted.as_test = true,
            Long("mutation") => wanted.mutation = Some(parser.value()?.string()?),
            Long("events") => {
                let list = parser.value()?.string()?;
                let numbers = list.split(',').filter(|word| !word.is_empty());
                let parsed: Result<_, _> = numbers.map(str::parse).collect();
                wanted.events = Some(parsed.map_err(|_| "--events: numbers with commas")?);
            }
            Short('h') | Long("help") => wanted.help = true,
            other => return Err(other.unexpected()),
        }
    }
    if wanted.legacy && wanted.nodes.is_some_and(|nodes| nodes != 2) {
        return Err("--legacy: two nodes".into());
    }
    Ok(wanted)
}

/// Does what the command line says. The exit code is 1 when a rule was broken, 2 for arguments that make no sense.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let wanted = match wanted(arguments) {
        Ok(wanted) => wanted,
        Err(error) => {
            eprintln!("ha-sim: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if wanted.help {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let mutation = match mutation(wanted.mutation.as_deref()) {
        Ok(mutation) => mutation,
        Err(text) => {
            eprintln!("ha-sim: {text}");
            return ExitCode::from(2);
        }
    };
    mutation();
    let good = match wanted.seed {
        Some(seed) if wanted.as_test => {
            let scenario = wanted.cluster().draw(seed);
            let events = wanted.events.unwrap_or_else(|| scenario.numbers());
            print!("{}", as_test(&scenario.keep(&events)));
            true
        }
        Some(seed) => replay(wanted.cluster(), seed, wanted.events.as_deref()),
        None => {
            let runs = match (wanted.nodes, wanted.seeds) {
                (None, None) if !wanted.legacy => WHOLE.to_vec(),
                (_, seeds) => vec![(wanted.cluster(), seeds.unwrap_or(1000))],
            };
            let mut good = true;
            for (cluster, count) in runs {
                good &= many(cluster, count, &wanted, mutation);
            }
            good
        }
    };
    match good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// What a thread does before its first run.
type Prepare = fn();

/// Breaks the core in a thread.
#[cfg(not(feature = "mutations"))]
fn mutation(name: Option<&str>) -> Result<Prepare, String> {
    match name {
        None => Ok(|| ()),
        Some(_) => Err("--mutation: built without the feature `mutations`".to_owned()),
    }
}

/// One run with its story.
fn replay(cluster: Cluster, seed: u64, events: Option<&[usize]>) -> bool {
    let mut scenario = cluster.draw(seed);
    if let Some(events) = events {
        scenario = scenario.keep(events);
    }
    println!("{cluster}, seed {seed}: {:?}", scenario.settings);
    for (host, node) in scenario.legacy.iter().enumerate() {
        if let Some(node) = node {
            println!("{} is {node:?}", crate::settings::name_of(host));
        }
    }
    for (number, event) in &scenario.events {
        let at = event.at.as_secs_f64() + crate::world::CLOCK_START.as_secs_f64();
        println!("{number:3} at {at:.3}: {}", event.fault);
    }
    let outcome = run(&scenario, true);
    print!("{}", outcome.timeline);
    match &outcome.violation {
        Some(violation) => println!("broken: {}: {}", violation.rule, violation.text),
        None => println!(
            "no rule broken; settled {:.1} s after the last fault",
            outcome.settled_after.unwrap_or_default().as_secs_f64()
        ),
    }
    if let Some(excused) = &outcome.excused {
        println!("excused: {}: {}", excused.rule, excused.text);
    }
    outcome.violation.is_none()
}

/// What a thread has found.
#[derive(Default)]
struct Found {
    time: Duration,
    slowest: Duration,
    broken: Vec<(u64, Violation)>,
    /// By quirk of the legacy: how many runs, and the first.
    excused: BTreeMap<&'static str, (u64, u64)>,
}

/// Many seeds, on several threads.
fn many(cluster: Cluster, count: u64, wanted: &Wanted, prepare: Prepare) -> bool {
    let from = wanted.from.unwrap_or(1);
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
    let jobs = wanted.jobs.unwrap_or(threads).max(1);
    let began = Instant::now();
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let total = Mutex::new(Found::default());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                prepare();
                let mut found = Found::default();
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    try_seed(cluster, from + number, &mut found);
                    if !found.broken.is_empty() && !wanted.keep_going {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
                let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
                total.time += found.time;
                total.slowest = total.slowest.max(found.slowest);
                total.broken.extend(found.broken);
                for (quirk, (count, first)) in found.excused {
                    let known = total.excused.entry(quirk).or_insert((0, u64::MAX));
                    *known = (known.0 + count, known.1.min(first));
                }
            });
        }
    });
    let mut found = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.broken.sort_by_key(|(seed, _)| *seed);
    let real = began.elapsed().as_secs_f64();
    let hours = found.time.as_secs_f64() / 3600.0;
    let done = next.into_inner().min(count);
    println!(
        "{cluster}: {done} seeds from {from}, {hours:.0} cluster-hours in {real:.0} s ({:.0} per minute), \
         settled within {:.0} s, {} broken",
        hours * 60.0 / real,
        found.slowest.as_secs_f64(),
        found.broken.len()
    );
    for (quirk, (count, first)) in &found.excused {
        println!("excused in {count} runs, first in seed {first}: {quirk}");
    }
    for (seed, violation) in found.broken.iter().take(TOLD_MAX) {
        println!("seed {seed}: {}: {}", violation.rule, violation.text);
    }
    if let Some((seed, _)) = found.broken.first().filter(|_| !wanted.keep_going) {
        let events = shrink(&cluster.draw(*seed));
        let list: Vec<String> = events.iter().map(usize::to_string).collect();
        let scenario = cluster.draw(*seed).keep(&events);
        replay(cluster, *seed, Some(&events));
        println!("as a test:\n{}", as_test(&scenario));
        println!(
            "once more: cargo xtask sim {} --seed {seed} --events {}",
            cluster.arguments(),
            list.join(",")
        );
    }
    found.broken.is_empty()
}

/// One of many. A core that panics has broken a rule, too.
fn try_seed(cluster: Cluster, seed: u64, found: &mut Found) {
    let outcome = catch_unwind(AssertUnwindSafe(|| run(&cluster.draw(seed), false)));
    match outcome {
        Ok(outcome) => {
            found.time += outcome.time;
            found.slowest = found.slowest.max(outcome.settled_after.unwrap_or_default());
            if let Some(excused) = outcome.excused {
                found.excused.entry(excused.rule).or_insert((0, seed)).0 += 1;
            }
            if let Some(violation) = outcome.violation {
                found.broken.push((seed, violation));
            }
        }
        Err(_) => found.broken.push((
            seed,
            Violation {
                rule: "no panic",
                text: "the core panicked; see above".to_owned(),
            },
        )),
    }
}

#[cfg(feature = "mutations")]
mod mutations {
    use std::sync::OnceLock;

    use ha_cluster::mutation::{Mutation, choose};

    use super::Prepare;

    static CHOSEN: OnceLock<Mutation> = OnceLock::new();

    /// Breaks the core in a thread.
    pub(super) fn mutation(name: Option<&str>) -> Result<Prepare, String> {
        let Some(name) = name else {
            return Ok(|| ());
        };
        let known = Mutation::ALL.iter().find(|known| known.name() == name);
        let Some(&mutation) = known else {
            let names: Vec<&str> = Mutation::ALL.iter().map(|known| known.name()).collect();
            return Err(format!("--mutation: one of {}", names.join(", ")));
        };
        let _ = CHOSEN.set(mutation);
        Ok(|| choose(CHOSEN.get().copied()))
    }
}

#[cfg(feature = "mutations")]
use mutations::mutation;
