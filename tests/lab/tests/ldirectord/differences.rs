//! Which recording is the measure for whom, and where the one under test is meant to differ from it.
//!
//! Ours is measured by 2.1.3 where it was recorded, else by 4.12.0. Each row of [`DIFFERENCES`] says what differs and why;
//! what is not listed there has to be as recorded.

use ha_lab::{Implementation, LabError, Result};

use crate::expectation::Expectation;
use crate::scenario::{Run, Scenario};

/// One deliberate difference.
struct Difference {
    under_test: Implementation,
    /// The number of the scenario, such as `07`; empty for all.
    scenario: &'static str,
    what: What,
    /// Why it is meant to be so.
    #[allow(dead_code, reason = "for the reader of this table")]
    reason: &'static str,
}

enum What {
    /// Texts of the log that contain these words are not said.
    Unsaid(&'static str),
    /// What was recorded under this title is not compared.
    NotLeft(&'static str),
}

use Implementation::Legacy;
use What::{NotLeft, Unsaid};

const DIFFERENCES: &[Difference] = &[
    Difference {
        under_test: Legacy,
        scenario: "00",
        what: Unsaid(""),
        reason: "no scenario has this number; keeps the table's shape while it is empty",
    },
    Difference {
        under_test: Legacy,
        scenario: "28",
        what: NotLeft("file mail"),
        reason: "its mail module does not call a sendmail of the search path: none was recorded either",
    },
];

/// The recording by which `under_test` is measured.
pub fn side(scenario: &Scenario, under_test: Implementation) -> Result<&Run> {
    let versions: &[&str] = match (under_test, number(scenario)) {
        (Implementation::Legacy, _) => &["4.12.0"],
        // 2.1.3 did not know the monitorfile yet, 2.1.4 does.
        (Implementation::Ours, "07") => &["snapshot of 9 Aug 2008 (possibly 2.1.4)"],
        (Implementation::Ours, _) => &["2.1.3", "4.12.0"],
    };
    versions
        .iter()
        .find_map(|version| scenario.runs.iter().find(|run| run.version == *version))
        .ok_or_else(|| {
            LabError::unexpected(format!("{} has no run of {versions:?}", scenario.name))
        })
}

/// Makes the deliberate differences part of what is expected.
pub fn apply(
    scenario: &Scenario,
    under_test: Implementation,
    _phase: usize,
    expected: &mut Expectation,
) {
    for difference in applicable(scenario, under_test) {
        match difference.what {
            Unsaid(words) => expected.log.retain(|text| !text.contains(words)),
            NotLeft(_) => {}
        }
    }
}

/// Whether what was recorded under `title` is not to be compared.
pub fn leaves_out(scenario: &Scenario, under_test: Implementation, title: &str) -> bool {
    applicable(scenario, under_test)
        .any(|difference| matches!(difference.what, NotLeft(other) if other == title))
}

fn applicable(
    scenario: &Scenario,
    under_test: Implementation,
) -> impl Iterator<Item = &'static Difference> {
    let number = number(scenario).to_owned();
    DIFFERENCES.iter().filter(move |difference| {
        difference.under_test == under_test
            && (difference.scenario.is_empty() || difference.scenario == number)
    })
}

fn number(scenario: &Scenario) -> &str {
    scenario.name.split('-').next().unwrap_or_default()
}
