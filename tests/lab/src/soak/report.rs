//! What a soak has measured, as text, and what of it is wrong.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::Options;
use super::cluster::Cluster;
use super::complaints::Complaint;
use crate::{Host, Intervals, Vitals};

/// A daemon may use so much more memory in the end than in the middle, in KiB.
const GROWTH_MAX_KIB: u64 = 256;

/// Everything that was measured.
pub(crate) struct Measured {
    pub(crate) lasted: Duration,
    pub(crate) processors: usize,
    /// For each time of looking the vitals of every node, in order.
    pub(crate) samples: Vec<Vec<Vitals>>,
    pub(crate) complaints: Vec<(Complaint, String)>,
    pub(crate) intervals: BTreeMap<Ipv4Addr, Intervals>,
    /// Moments at which a group was not where it should be, or a node's view was wrong.
    pub(crate) misplaced: Vec<String>,
    /// Hand-overs by the operator.
    pub(crate) hand_overs: usize,
}

/// The report of a soak.
pub struct Report {
    /// The text, in Markdown.
    pub text: String,
    /// What should not have been; empty if all is well.
    pub failures: Vec<String>,
}

impl Measured {
    /// A node's vitals in the beginning, in the middle and in the end.
    fn three(&self, node: usize) -> [Vitals; 3] {
        let last = self.samples.len().saturating_sub(1);
        [0, last / 2, last].map(|at| {
            let sample = self.samples.get(at).and_then(|sample| sample.get(node));
            sample.copied().unwrap_or_default()
        })
    }

    pub(crate) fn report(&self, options: &Options, cluster: &Cluster) -> Report {
        let failures = self.failures(cluster);
        let ours = options.nodes - options.legacy;
        let mut text = format!(
            "{ours} nodes of ours and {} of the legacy for {:.1} minutes, keepalive {} ms, deadtime {} ms, {}.\n\n",
            options.legacy,
            self.lasted.as_secs_f64() / 60.0,
            options.keepalive.as_millis(),
            options.deadtime.as_millis(),
            match self.processors {
                0 => "a machine at rest".to_owned(),
                count => format!("all {count} processors busy"),
            }
        );
        for complaint in Complaint::ALL {
            let count = self.complaints.iter().filter(|(c, _)| *c == complaint);
            let _ = writeln!(text, "* {}: {}", complaint.words(), count.count());
        }
        let _ = writeln!(
            text,
            "* groups or views that were not as they should be: {}",
            self.misplaced.len()
        );
        if self.hand_overs > 0 {
            let _ = writeln!(text, "* hand-overs by the operator: {}", self.hand_overs);
        }
        text.push_str(
            "\nTimes between datagrams of a node, as the kernel of another host took them in; descriptors, processes and \
             resident memory of its daemon in the beginning, in the middle and in the end.\n\n\
             | node | datagrams | median | 99.9 % within | longest | descriptors | processes | others | resident KiB |\n\
             |---|---|---|---|---|---|---|---|---|\n",
        );
        for (node, host) in cluster.nodes.iter().enumerate() {
            let heard = self.intervals.get(&Cluster::speaks_from(node + 1));
            let heard = heard.copied().unwrap_or_default();
            let three = self.three(node);
            let all = |what: fn(&Vitals) -> u64| {
                let [begin, middle, end] = three.map(|vitals| what(&vitals));
                format!("{begin}, {middle}, {end}")
            };
            let _ = writeln!(
                text,
                "| {} ({}) | {} | {} ms | {} ms | {:.1} ms | {} | {} | {} | {} |",
                host.name(),
                word(host),
                heard.count,
                heard.median.as_millis(),
                heard.most.as_millis(),
                heard.longest.as_secs_f64() * 1000.0,
                all(|vitals| vitals.descriptors as u64),
                all(|vitals| vitals.processes as u64),
                all(|vitals| vitals.others as u64),
                all(|vitals| vitals.resident_kib),
            );
        }
        text.push_str("\nResult: ");
        if failures.is_empty() {
            text.push_str("passed.\n");
        } else {
            text.push_str("FAILED.\n");
            for failure in &failures {
                let _ = writeln!(text, "* {failure}");
            }
        }
        Report { text, failures }
    }

    fn failures(&self, cluster: &Cluster) -> Vec<String> {
        let mut failures = self.misplaced.clone();
        for (complaint, line) in &self.complaints {
            if *complaint == Complaint::Death {
                failures.push(line.clone());
            }
        }
        for (node, host) in cluster.nodes.iter().enumerate() {
            // The legacy's own figures are shown for comparison.
            if !host.is_ours() {
                continue;
            }
            let [begin, middle, end] = self.three(node);
            let mut flat = |what: &str, from: u64, to: u64, allowed: u64| {
                if to > from + allowed {
                    failures.push(format!("{}: {what} grew from {from} to {to}", host.name()));
                }
            };
            let number = |count: usize| count as u64;
            flat(
                "descriptors",
                number(begin.descriptors),
                number(end.descriptors),
                0,
            );
            flat(
                "processes",
                number(begin.processes),
                number(end.processes),
                0,
            );
            flat(
                "other processes",
                number(begin.others),
                number(end.others),
                0,
            );
            flat(
                "resident KiB",
                middle.resident_kib,
                end.resident_kib,
                GROWTH_MAX_KIB,
            );
            if end.processes == 0 {
                failures.push(format!("{}: no daemon runs in the end", host.name()));
            }
            let heard = self.intervals.get(&Cluster::speaks_from(node + 1));
            if heard.is_none_or(|heard| heard.count == 0) {
                failures.push(format!("{} was not heard at all", host.name()));
            }
        }
        failures
    }
}

fn word(host: &Host) -> &'static str {
    host.implementation()
        .map_or("no heartbeat", crate::Implementation::word)
}
