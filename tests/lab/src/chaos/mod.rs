//! Chaos: a pair of nodes under a client, and one real fault after the other, as a seed wants it.
//!
//! | module | responsible for |
//! |---|---|
//! | `dice`, `plan` | what happens when and to whom |
//! | `faults` | the kinds of fault, one per file, each with the lines in the log that it explains |
//! | `site` | the pair, and how a node is put right |
//! | `performance` | plays the plan, episode by episode |
//! | `hearing` | whether the two nodes can hear each other at the moment |
//! | `watcher` | who holds what, from outside, every 50 ms |
//! | `outages` | what a client saw |
//! | `evidence` | lines in the logs that nothing explains |
//! | `report` | what is told in the end |
//!
//! A run has failed when two nodes that have heard each other for [`Options::settling`] hold the same thing, when the
//! cluster does not serve 90 s after an episode, or when a node of ours logs an error that no fault explains.

mod dice;
mod evidence;
mod faults;
mod hearing;
mod outages;
mod performance;
mod plan;
mod report;
mod site;
mod watcher;

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use crate::{Implementation, LabError, Result, seconds, wait_until};

use evidence::Evidence;
use faults::CLOCK_STEP;
use hearing::Hearing;
use outages::Client;
use performance::Performance;
use plan::Plan;
use report::Findings;
use site::Site;
use watcher::Stage;

pub use report::Report;

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Options {
    /// No episode begins later than this.
    pub length: Duration,
    /// Chooses the faults.
    pub seed: u64,
    /// The two nodes.
    pub pair: [Implementation; 2],
    /// `auto_failback`: `on`, `off` or `legacy`.
    pub failback: String,
    /// How long two nodes that can hear each other again may both hold a group.
    pub settling: Duration,
    /// Only these episodes of the plan, by number; all if there are none. To look at one again.
    pub only: Vec<usize>,
}

impl Options {
    /// A pair for a time, by a seed; with the settling time that this pair needs.
    pub fn new(pair: [Implementation; 2], length: Duration, seed: u64) -> Self {
        let legacy = pair.contains(&Implementation::Legacy);
        Options {
            length,
            seed,
            pair,
            failback: "on".into(),
            settling: if legacy { SETTLING_LEGACY } else { SETTLING },
            only: Vec::new(),
        }
    }

    fn pair_words(&self) -> String {
        self.pair.map(Implementation::word).join("+")
    }
}

/// A pair of ours needs the first heartbeat, and scripts that end; five seconds have been seen.
const SETTLING: Duration = seconds(10);

/// A legacy node restarts itself before it lets go.
const SETTLING_LEGACY: Duration = seconds(15);

/// The first start of a pair takes no longer.
const START_LIMIT: Duration = seconds(60);

/// The first episodes of a seed's plan, one line each, where all kinds of fault can be made.
pub fn plan(seed: u64, count: usize) -> Vec<String> {
    let episodes = Plan::new(seed, &[]).take(count);
    episodes.map(|episode| episode.to_string()).collect()
}

/// Makes a pair, torments it, and reports. `tell` hears what is being done.
///
/// # Errors
/// [`LabError::Unavailable`] when this machine cannot do it; when the pair does not even start, or the laboratory fails.
/// What a run finds is no error here.
pub fn run(options: &Options, mut tell: impl FnMut(&str)) -> Result<Report> {
    let site = Site::new(options.pair, &options.failback)?;
    let mut left_out = Vec::new();
    if !site.has_calendars() {
        left_out.push(CLOCK_STEP);
    }
    for host in &site.nodes {
        site.start(host)?;
    }
    wait_until("the pair serves", START_LIMIT, || site.serves())
        .map_err(|error| LabError::unexpected(format!("{error}\n{}", site.lab.dump())))?;

    let (hearing, stage) = (Hearing::new(), Stage::default());
    let begun = Instant::now();
    let client = Client::start(&site, begun)?;
    let mut performance = Performance {
        site: &site,
        hearing: &hearing,
        stage: &stage,
        begun,
        before: Vec::new(),
        evidence: Evidence::default(),
    };
    performance.look_before();
    let mut played = Vec::new();
    let (seen, done) = thread::scope(|scope| {
        let watch =
            scope.spawn(|| watcher::watch(&site, &hearing, &stage, begun, options.settling));
        let mut done = Ok(());
        let plan = Plan::new(options.seed, &left_out);
        for (number, episode) in (1..).zip(plan.filter(|episode| !episode.faults.is_empty())) {
            let last = options.only.iter().max();
            if begun.elapsed() >= options.length || last.is_some_and(|last| number > *last) {
                break;
            }
            if last.is_some() && !options.only.contains(&number) {
                continue;
            }
            tell(&format!(
                "{:>6.1} s  {number}: {episode}",
                begun.elapsed().as_secs_f64()
            ));
            match performance.play(number, episode) {
                Ok(episode) => {
                    for note in &episode.notes {
                        tell(&format!("          {note}"));
                    }
                    played.push(episode);
                }
                Err(error) => {
                    done = Err(error);
                    break;
                }
            }
        }
        stage.over.store(true, Ordering::Relaxed);
        (watch.join(), done)
    });
    done?;
    let seen = seen.map_err(|_| LabError::unexpected("the watcher panicked"))?;
    let lasted = begun.elapsed();
    let (answers, outages) = client.finish();
    let logs = site
        .nodes
        .each_ref()
        .map(|host| (host.name().to_owned(), host.log()));
    let findings = Findings {
        logs: logs.to_vec(),
        lasted,
        played,
        answers,
        outages,
        seen,
        evidence: performance.evidence,
        left_out,
    };
    Ok(findings.report(options))
}
