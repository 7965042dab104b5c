//! What was measured: medians, their ratios, and the table that is kept.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::contestant::Contestant;

/// All runs of one director with one number of servers.
#[derive(Default)]
struct Series {
    /// By the word of the measurement, in seconds.
    times: BTreeMap<String, Vec<f64>>,
    /// Servers in service when patience ended, and the patience in seconds.
    unfinished: Option<(u64, u64)>,
}

/// Everything that was measured.
#[derive(Default)]
pub struct Figures(BTreeMap<(usize, Contestant), Series>);

/// A row per number of servers: title, the measurement's word, and what a second is in its unit.
const ROWS: [(&str, &str, f64, &str); 4] = [
    ("start to full table", "start", 1.0, "s"),
    ("failed server out", "out", 1.0, "s"),
    ("returned server in", "back", 1.0, "s"),
    (
        "processor time per check, servers included",
        "check",
        1000.0,
        "ms",
    ),
];

impl Figures {
    /// Takes a line that a run has said.
    pub fn take(&mut self, contestant: Contestant, servers: usize, line: &str) {
        let series = self.0.entry((servers, contestant)).or_default();
        let mut words = line.split_whitespace();
        let word = words.next().unwrap_or_default();
        let numbers: Vec<f64> = words.filter_map(|number| number.parse().ok()).collect();
        match (word, numbers.as_slice()) {
            ("unfinished", [up, patience]) => {
                series.unfinished = Some((*up as u64, *patience as u64));
            }
            ("start" | "out" | "back" | "check", [seconds]) => series.add(word, *seconds),
            _ => {}
        }
    }

    /// Whether it could not even start with so many, or with fewer.
    pub fn gave_up(&self, contestant: Contestant, servers: usize) -> bool {
        self.0.iter().any(|((tried, who), series)| {
            *who == contestant && *tried <= servers && series.unfinished.is_some()
        })
    }

    /// As Markdown.
    pub fn table(&self, servers: &[usize]) -> String {
        let mut text = String::from("| servers | |");
        for contestant in Contestant::ALL {
            let _ = write!(text, " {} |", contestant.word());
        }
        text.push_str(" legacy / ours | keepalived / ours |\n|---|---|---|---|---|---|---|\n");
        for servers in servers {
            for (title, word, scale, unit) in ROWS {
                let _ = write!(text, "| {servers} | {title} |");
                let series = |contestant| self.0.get(&(*servers, contestant));
                for contestant in Contestant::ALL {
                    let cell = series(contestant)
                        .map_or_else(String::new, |series| series.cell(word, scale, unit));
                    let _ = write!(text, " {cell} |");
                }
                let median = |contestant| series(contestant)?.median(word);
                for other in [Contestant::Legacy, Contestant::Keepalived] {
                    let ratio = match (median(other), median(Contestant::Ours)) {
                        (Some(other), Some(ours)) if ours > 0.0 => format!("{:.1}", other / ours),
                        _ => String::new(),
                    };
                    let _ = write!(text, " {ratio} |");
                }
                text.push('\n');
            }
        }
        text
    }
}

impl Series {
    fn add(&mut self, word: &str, value: f64) {
        self.times.entry(word.to_owned()).or_default().push(value);
    }

    fn sorted(&self, word: &str) -> Vec<f64> {
        let mut values = self.times.get(word).cloned().unwrap_or_default();
        values.sort_by(f64::total_cmp);
        values
    }

    fn median(&self, word: &str) -> Option<f64> {
        let values = self.sorted(word);
        let upper = values.get(values.len() / 2)?;
        let lower = values.get((values.len() - 1) / 2)?;
        Some((upper + lower) / 2.0)
    }

    /// Median (least - most).
    fn cell(&self, word: &str, scale: f64, unit: &str) -> String {
        if word == "start"
            && let Some((up, patience)) = self.unfinished
        {
            return format!("{up} in after {patience} s, given up");
        }
        let values = self.sorted(word);
        match (self.median(word), values.first(), values.last()) {
            (Some(median), Some(least), Some(most)) => format!(
                "{:.2} {unit} ({:.2} - {:.2})",
                median * scale,
                least * scale,
                most * scale
            ),
            _ => String::new(),
        }
    }
}
