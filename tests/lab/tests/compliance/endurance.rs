//! Short slices of the long runs, the same ones every time: see [`ha_lab::chaos`] and [`ha_lab::soak`].

use ha_lab::{Implementation, LabError, Result, chaos, seconds, soak};

use crate::pair::Pair;
use crate::runner::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a_minute_of_chaos",
        modes: &["on"],
        run: chaos_slice,
    },
    Scenario {
        name: "five_nodes_at_a_tenth_of_a_second",
        modes: &["on"],
        run: soak_slice,
    },
];

/// A power cut, a one-way cut, scripts that are killed when they start, a reboot.
const SEED: u64 = 3;

/// These slices are about ours; with a legacy node the runs have limits that take minutes to tell from a fault.
fn only_ours(pair: &Pair) -> Result<()> {
    if pair.variant.pair == [Implementation::Ours; 2] {
        return Ok(());
    }
    let why = "long runs with the legacy are a matter of cargo xtask chaos and soak";
    Err(LabError::Unavailable(why.into()))
}

fn passed(failures: &[String], text: &str) -> Result<()> {
    if failures.is_empty() {
        return Ok(());
    }
    Err(LabError::unexpected(text))
}

fn chaos_slice(pair: &Pair) -> Result<()> {
    only_ours(pair)?;
    let options = chaos::Options::new(pair.variant.pair, seconds(50), SEED);
    let report = chaos::run(&options, |_| {})?;
    passed(&report.failures, &report.text)
}

fn soak_slice(pair: &Pair) -> Result<()> {
    only_ours(pair)?;
    let report = soak::run(&soak::Options::new(5, seconds(20)), |_| {})?;
    passed(&report.failures, &report.text)
}
