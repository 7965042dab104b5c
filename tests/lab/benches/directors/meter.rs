//! Processor time of the whole user-mode kernel, as the machine's kernel counts it.
//!
//! What the guest itself says of a process is no measure: it counts in ticks of 10 ms, so that a process which wakes on a
//! tick and soon sleeps again is charged with a whole one each time, or with nothing.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// For how long the guest is watched while it does nothing.
const RESTED: Duration = Duration::from_secs(3);

/// Reads what the guest uses while checks are counted.
pub struct Meter {
    root: i32,
    begun: Option<(Instant, Duration, u64)>,
    /// Processor time per second of a guest that does nothing.
    rest: f64,
}

impl Meter {
    /// A meter of all processes below `root`, made while they are at rest.
    pub fn new(root: i32) -> Self {
        let (since, before) = (Instant::now(), used_below(root));
        std::thread::sleep(RESTED);
        let used = used_below(root).saturating_sub(before);
        Meter {
            root,
            begun: None,
            rest: used.as_secs_f64() / since.elapsed().as_secs_f64(),
        }
    }

    /// Hears a line of the run, such as `count begins CHECKS`. Seconds per check, once they are counted.
    pub fn hear(&mut self, line: &str) -> Option<f64> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["count", moment @ ("begins" | "ends"), checks] = words.as_slice() else {
            return None;
        };
        let checks: u64 = checks.parse().ok()?;
        if *moment == "begins" {
            self.begun = Some((Instant::now(), used_below(self.root), checks));
            return None;
        }
        let (since, before, checks_before) = self.begun.take()?;
        let used = used_below(self.root).saturating_sub(before).as_secs_f64();
        let checks = checks.saturating_sub(checks_before);
        (checks > 0).then(|| (used - self.rest * since.elapsed().as_secs_f64()) / checks as f64)
    }
}

/// Processor time of a process and of everything below it.
fn used_below(root: i32) -> Duration {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let parents: HashMap<i32, i32> = entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
            Some((pid, parent.parse().ok()?))
        })
        .collect();
    let belongs = |mut pid: i32| {
        while pid != root {
            match parents.get(&pid) {
                Some(parent) => pid = *parent,
                None => return false,
            }
        }
        true
    };
    parents
        .keys()
        .filter(|pid| belongs(**pid))
        .map(|pid| used_by(*pid))
        .sum()
}

/// Processor time of all threads of a process: the first number of their `schedstat`, nanoseconds.
fn used_by(pid: i32) -> Duration {
    let tasks = Path::new("/proc").join(pid.to_string()).join("task");
    let tasks = fs::read_dir(tasks).into_iter().flatten().flatten();
    let nanoseconds = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}
