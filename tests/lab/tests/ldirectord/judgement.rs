//! Whether the judge of the scenarios judges: what it must accept, and what it must refuse.

use std::fs;

use ha_lab::{Implementation, LabError, Result};

use crate::expectation::{Expectation, Observation, Verdict};
use crate::scenario::{Exit, Scenario, Table};
use crate::{differences, scenarios, texts};

/// A test that needs no kernel: its name, and what it does.
type Test = (&'static str, fn() -> Result<()>);

/// All of them.
pub const TESTS: &[Test] = &[
    (
        "judgement::all_recordings_are_read",
        all_recordings_are_read,
    ),
    (
        "judgement::recordings_meet_themselves",
        recordings_meet_themselves,
    ),
    ("judgement::deviations_are_refused", deviations_are_refused),
    (
        "judgement::other_orders_of_servers_are_accepted",
        other_orders_of_servers_are_accepted,
    ),
    (
        "judgement::process_numbers_and_versions_do_not_count",
        process_numbers_and_versions_do_not_count,
    ),
];

fn all() -> Result<Vec<Scenario>> {
    scenarios::names()?
        .iter()
        .map(|name| {
            let path = scenarios::path(name);
            let text = fs::read_to_string(&path)
                .map_err(|error| LabError::Io(path.display().to_string(), error))?;
            Scenario::parse(name, &text)
                .map_err(|why| LabError::unexpected(format!("{name}: {why}")))
        })
        .collect()
}

fn all_recordings_are_read() -> Result<()> {
    let scenarios = all()?;
    let runs: usize = scenarios.iter().map(|scenario| scenario.runs.len()).sum();
    let logs: usize = scenarios
        .iter()
        .flat_map(|scenario| &scenario.runs)
        .flat_map(|run| &run.phases)
        .map(|phase| phase.log.len())
        .sum();
    // Counted in the files by other means.
    demand((scenarios.len(), runs, logs) == (41, 72, 1385), || {
        format!("{} scenarios, {runs} runs, {logs} texts", scenarios.len())
    })?;
    for scenario in &scenarios {
        for under_test in [Implementation::Ours, Implementation::Legacy] {
            differences::side(scenario, under_test)?;
        }
    }
    Ok(())
}

/// What was recorded is what is expected.
fn recordings_meet_themselves() -> Result<()> {
    for scenario in all()? {
        for run in &scenario.runs {
            let mut before = run.table_before.clone();
            for phase in &run.phases {
                let expected = Expectation::new(phase, &before);
                let mut seen = Observation {
                    log: phase.log.clone(),
                    tables: vec![before.clone()],
                    exits: phase.exits.clone(),
                };
                seen.tables.extend(phase.tables.iter().cloned());
                let verdict = expected.judge(&seen);
                demand(verdict == Verdict::Met, || {
                    format!("{} {}: {verdict:?}", scenario.name, run.version)
                })?;
                before = expected.table;
            }
        }
    }
    Ok(())
}

/// The first phase of the second scenario: two servers and a fallback come up.
fn a_start() -> Result<(Expectation, Observation)> {
    let scenarios = all()?;
    let phase = scenarios
        .get(1)
        .and_then(|scenario| scenario.runs.first())
        .and_then(|run| run.phases.first())
        .ok_or_else(|| LabError::unexpected("no second scenario"))?;
    let mut tables = vec![Table::default()];
    tables.extend(phase.tables.iter().cloned());
    let seen = Observation {
        log: phase.log.clone(),
        tables,
        exits: phase.exits.clone(),
    };
    Ok((Expectation::new(phase, &Table::default()), seen))
}

fn deviations_are_refused() -> Result<()> {
    let (expected, good) = a_start()?;
    let wrong = |seen: &Observation, what: &str| {
        let verdict = expected.judge(seen);
        demand(matches!(verdict, Verdict::Wrong(_)), || {
            format!("{what}: {verdict:?}")
        })
    };
    let pending = |seen: &Observation, what: &str| {
        let verdict = expected.judge(seen);
        demand(matches!(verdict, Verdict::Pending(_)), || {
            format!("{what}: {verdict:?}")
        })
    };

    let mut seen = good.clone();
    seen.log.push("Something else".into());
    wrong(&seen, "a text too many")?;
    let mut seen = good.clone();
    seen.log.extend(good.log.last().cloned());
    wrong(&seen, "a text said twice")?;
    let mut seen = good.clone();
    seen.log.pop();
    pending(&seen, "a text too few")?;
    let mut seen = good.clone();
    // "Restored" of a server before its "Quiescent".
    let of_first = |words: &str| {
        good.log
            .iter()
            .position(|text| text.starts_with(words) && text.contains("192.168.6.42:80 ("))
            .ok_or_else(|| LabError::unexpected(format!("no {words}")))
    };
    seen.log.swap(of_first("Quiescent")?, of_first("Restored")?);
    wrong(&seen, "texts of one server in another order")?;
    let mut seen = good.clone();
    seen.log.swap(0, 3);
    wrong(&seen, "a service after its server")?;

    let mut seen = good.clone();
    seen.tables.pop();
    pending(&seen, "a table that is not there yet")?;
    let service = "-A -t 192.168.6.66:80 -s wrr";
    for (what, line) in [
        (
            "a weight that never was",
            "-a -t 192.168.6.66:80 -r 192.168.6.42:80 -g -w 7",
        ),
        (
            "a server of nobody",
            "-a -t 192.168.6.66:80 -r 192.168.6.99:80 -g -w 1",
        ),
    ] {
        let mut seen = good.clone();
        seen.tables.insert(1, Table::from_lines([service, line]));
        wrong(&seen, what)?;
    }
    let mut seen = good.clone();
    // The weight is right, the method is not: only the settled table is compared to that depth.
    if let Some(last) = seen.tables.last_mut() {
        for servers in last.0.values_mut() {
            for server in servers {
                *server = server.replace(" -g ", " -m ");
            }
        }
    }
    pending(&seen, "another forwarding method")?;

    let mut seen = good;
    seen.exits = vec![Exit {
        code: 1,
        output: String::new(),
    }];
    wrong(&seen, "another exit code")
}

fn other_orders_of_servers_are_accepted() -> Result<()> {
    let (expected, mut seen) = a_start()?;
    let swap = |text: &String| {
        text.replace(".42:80", ".xx:80")
            .replace(".46:80", ".42:80")
            .replace(".xx:80", ".46:80")
    };
    // The other server comes first, each with its own weight.
    let mut first = Vec::new();
    for text in &seen.log {
        let other = swap(text);
        let weight = match (text.contains("Restored"), other.contains(".42:80")) {
            (true, true) => other.replace("set to 3", "set to 2"),
            (true, false) => other.replace("set to 2", "set to 3"),
            _ => other,
        };
        first.push(weight);
    }
    seen.log = first;
    // All in one go: steps may be left out.
    seen.tables.drain(1..seen.tables.len() - 1);
    let verdict = expected.judge(&seen);
    demand(verdict == Verdict::Met, || format!("{verdict:?}"))
}

fn process_numbers_and_versions_do_not_count() -> Result<()> {
    for (one, other) in [
        (
            "Starting Linux Director v1.186-ha-2.1.3 with pid: 12",
            "Starting Linux Director v2 with pid: 7",
        ),
        (
            "Error [12] reading file x at line 3: y",
            "Error [4] reading file x at line 3: y",
        ),
        (
            "Spawned child tcp:1.2.3.4:80 PID=8070",
            "Spawned child tcp:1.2.3.4:80 PID=1",
        ),
    ] {
        demand(texts::masked(one) == texts::masked(other), || {
            format!("{:?} is not {:?}", texts::masked(one), texts::masked(other))
        })?;
    }
    demand(
        texts::masked("Error [12] reading file x at line 3: y")
            != texts::masked("Error [12] reading file x at line 4: y"),
        || "the line of an error counts".into(),
    )
}

fn demand(holds: bool, otherwise: impl FnOnce() -> String) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(LabError::unexpected(otherwise()))
}
