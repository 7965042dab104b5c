//! What is told in the end: as text, for a person and for the documentation.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::Options;
use super::evidence::Evidence;
use super::outages::{OUTAGE_MIN, Outage};
use super::performance::{Played, RECOVERY_LIMIT};
use super::site::GROUPS;
use super::watcher::{Double, Knowledge, Seen};

/// Everything that a run has found.
pub(crate) struct Findings {
    /// How long it took from the first service to the end of the last episode.
    pub(crate) lasted: Duration,
    pub(crate) played: Vec<Played>,
    pub(crate) answers: usize,
    pub(crate) outages: Vec<Outage>,
    pub(crate) seen: Seen,
    pub(crate) evidence: Evidence,
    /// The log of each node.
    pub(crate) logs: Vec<(String, String)>,
    /// Kinds of fault that this machine cannot make.
    pub(crate) left_out: Vec<&'static str>,
}

/// The report of a run.
pub struct Report {
    /// The text, in Markdown.
    pub text: String,
    /// What should not have been; empty if all is well.
    pub failures: Vec<String>,
    /// Each node's name and log.
    pub logs: Vec<(String, String)>,
}

fn secs(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn longest(times: impl Iterator<Item = Duration>) -> Duration {
    times.max().unwrap_or_default()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

impl Findings {
    pub(crate) fn report(&self, options: &Options) -> Report {
        let failures = self.failures(options);
        let mut text = String::new();
        let _ = writeln!(
            text,
            "Chaos with {}, auto_failback {}, seed {}: {} episodes in {:.1} minutes.",
            options.pair_words(),
            options.failback,
            options.seed,
            self.played.len(),
            self.lasted.as_secs_f64() / 60.0
        );
        if !self.left_out.is_empty() {
            let _ = writeln!(text, "Left out here: {}.", self.left_out.join(", "));
        }
        text.push('\n');
        self.availability(&mut text);
        self.kinds(&mut text);
        self.doubles(&mut text);
        self.notes(&mut text);
        self.lines(&mut text);
        text.push_str("\nResult: ");
        if failures.is_empty() {
            text.push_str("passed.\n");
        } else {
            text.push_str("FAILED.\n");
            for failure in &failures {
                let _ = writeln!(text, "* {failure}");
            }
        }
        Report {
            text,
            failures,
            logs: self.logs.clone(),
        }
    }

    fn failures(&self, options: &Options) -> Vec<String> {
        let mut failures = Vec::new();
        for double in &self.seen.doubles {
            if double.knowledge == Knowledge::HearEachOther {
                failures.push(format!(
                    "two holders of {} that hear each other: {} at {}, episode {}",
                    GROUPS[double.group].address,
                    secs(double.length),
                    secs(double.begin),
                    double.episode
                ));
            }
        }
        for played in &self.played {
            let number = played.number;
            if played.serves.is_none() {
                failures.push(format!(
                    "not serving {} s after episode {number}: {}",
                    RECOVERY_LIMIT.as_secs(),
                    played.episode
                ));
            }
        }
        let ours = self.evidence.unexplained.iter().filter(|line| line.ours);
        let ours = ours.count();
        if ours > 0 {
            failures.push(format!("{ours} lines of ours that nothing explains"));
        }
        if self.played.is_empty() {
            failures.push(format!(
                "no episode fits into {} s",
                options.length.as_secs()
            ));
        }
        failures
    }

    fn availability(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "| address | answered | outages | in all | longest | then |\n|---|---|---|---|---|---|"
        );
        for (number, group) in GROUPS.iter().enumerate() {
            let outages = || self.outages.iter().filter(|outage| outage.group == number);
            let all: Duration = outages().map(|outage| outage.length).sum();
            let worst = outages().max_by_key(|outage| outage.length);
            let share = 1.0 - all.as_secs_f64() / self.lasted.as_secs_f64().max(1.0);
            let _ = writeln!(
                text,
                "| {} | {:.2} % | {} | {} | {} | {} |",
                group.address,
                share.max(0.0) * 100.0,
                outages().count(),
                secs(all),
                worst.map_or_else(String::new, |outage| secs(outage.length)),
                worst.map_or_else(String::new, |outage| self.during(outage.begin + OUTAGE_MIN)),
            );
        }
        let _ = writeln!(text, "\n{} answers in all.\n", self.answers);
    }

    /// What was done at a time.
    fn during(&self, at: Duration) -> String {
        let played = self.played.iter().rfind(|played| played.begin <= at);
        played.map_or_else(
            || "before the first episode".into(),
            |played| played.episode.to_string(),
        )
    }

    /// The time of an episode, from its first fault to the first one of the next.
    fn span(&self, number: usize) -> (Duration, Duration) {
        let begin = |number: usize| self.played.get(number).map(|played| played.begin);
        (
            begin(number).unwrap_or_default(),
            begin(number + 1).unwrap_or(Duration::MAX),
        )
    }

    fn kinds(&self, text: &mut String) {
        let mut by_kind: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (number, played) in self.played.iter().enumerate() {
            let name = match played.episode.faults.as_slice() {
                [alone] => alone.kind.name.to_owned(),
                _ => "several at a time".to_owned(),
            };
            by_kind.entry(name).or_default().push(number);
        }
        text.push_str(
            "| fault | times | longest outage, median | worst | serving after its end, median | worst |\n\
             |---|---|---|---|---|---|\n",
        );
        for (name, numbers) in &by_kind {
            let outages: Vec<Duration> = numbers.iter().map(|n| self.worst_outage(*n)).collect();
            let times = numbers.iter().filter_map(|number| {
                let played = self.played.get(*number)?;
                Some(played.serves?.saturating_sub(played.over))
            });
            let times: Vec<Duration> = times.collect();
            let _ = writeln!(
                text,
                "| {name} | {} | {} | {} | {} | {} |",
                numbers.len(),
                secs(median(outages.clone())),
                secs(longest(outages.into_iter())),
                secs(median(times.clone())),
                secs(longest(times.into_iter())),
            );
        }
        text.push('\n');
    }

    /// The longest outage of any address that began in an episode.
    fn worst_outage(&self, number: usize) -> Duration {
        let (begin, end) = self.span(number);
        let during = self
            .outages
            .iter()
            .filter(|outage| outage.begin + outage.length > begin && outage.begin < end);
        longest(during.map(|outage| outage.length))
    }

    fn doubles(&self, text: &mut String) {
        text.push_str("| two holders | times | in all | longest |\n|---|---|---|---|\n");
        for knowledge in Knowledge::ALL {
            let doubles = || -> Vec<&Double> {
                let all = self.seen.doubles.iter();
                all.filter(|double| double.knowledge == knowledge).collect()
            };
            let all: Duration = doubles().iter().map(|double| double.length).sum();
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} |",
                knowledge.words(),
                doubles().len(),
                secs(all),
                secs(longest(doubles().iter().map(|double| double.length))),
            );
        }
        let _ = writeln!(
            text,
            "\nLooked at {} times, never more than {} apart.",
            self.seen.looks,
            secs(self.seen.longest_blink)
        );
    }

    fn notes(&self, text: &mut String) {
        let mut any = false;
        for played in &self.played {
            let number = played.number;
            for note in &played.notes {
                if !any {
                    text.push_str("\nRemarks:\n");
                    any = true;
                }
                let note = note.lines().next().unwrap_or_default();
                let _ = writeln!(text, "* episode {number} ({}): {note}", played.episode);
            }
        }
    }

    fn lines(&self, text: &mut String) {
        if !self.evidence.explained.is_empty() {
            text.push_str("\nLines with ERROR or CRIT that a fault explains:\n");
        }
        for ((known, reason), count) in &self.evidence.explained {
            let _ = writeln!(text, "* {count} times `{known}`: {reason}");
        }
        for (ours, whose) in [(true, "ours"), (false, "the legacy's")] {
            let lines: Vec<_> = self
                .evidence
                .unexplained
                .iter()
                .filter(|line| line.ours == ours)
                .collect();
            let _ = writeln!(
                text,
                "\nLines of {whose} that nothing explains: {}",
                lines.len()
            );
            for line in lines.iter().take(40) {
                let _ = writeln!(
                    text,
                    "* {}, episode {}: `{}`",
                    line.node, line.episode, line.line
                );
            }
            if let Some(more) = lines.len().checked_sub(40).filter(|more| *more > 0) {
                let _ = writeln!(text, "* and {more} more");
            }
        }
    }
}
