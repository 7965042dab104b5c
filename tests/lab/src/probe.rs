//! A client that asks an address all the time, and the gaps in the answers.
//!
//! The probe sends one UDP datagram with a number every few milliseconds to the echo port of an address;
//! whoever holds the address answers with its name. It runs as a process inside the client's network
//! namespace and writes one line per answer: send time, round trip (both microseconds), name.

use std::io::Write;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Doing;
use crate::helper::Options;
use crate::init::ECHO_PORT;
use crate::recorder::{Recorder, wait_for_the_end};
use crate::{Host, Result};

/// A running probe. Dropping it ends it.
pub struct Probe(Recorder<Answer>);

#[derive(Clone, Debug)]
struct Answer {
    /// When the question was sent, since the probe's start.
    sent: Duration,
    round_trip: Duration,
    from: String,
}

/// What a probe saw.
#[derive(Clone, Debug)]
pub struct ProbeReport {
    /// Answers in all.
    pub answers: usize,
    /// Times without answer longer than the limit asked for, in order.
    pub gaps: Vec<Gap>,
    /// The hosts that answered, in order, each named once per turn.
    pub servers: Vec<String>,
}

/// A time without answer: from the last answered question before it to the first after it.
#[derive(Clone, Debug)]
pub struct Gap {
    /// When it began, since the probe's start.
    pub begin: Duration,
    /// Its length.
    pub length: Duration,
    /// Who answered before.
    pub before: String,
    /// Who answered after; empty if nobody has yet.
    pub after: String,
}

impl Host {
    /// Starts asking `address` from this host, one datagram per `interval`.
    ///
    /// # Errors
    /// When the probe cannot be started.
    pub fn probe(&self, address: &str, interval: Duration) -> Result<Probe> {
        let options = [
            format!("to={address}"),
            format!("interval_us={}", interval.as_micros()),
        ];
        Recorder::start(self, "probe", &options, Answer::parse).map(Probe)
    }
}

impl Probe {
    /// The time since its start: the clock of the report.
    pub fn now(&self) -> Duration {
        self.0.now()
    }

    /// How many answers have come.
    pub fn answers(&self) -> usize {
        self.0.look(<[Answer]>::len)
    }

    /// Who gave the latest answer.
    pub fn latest_server(&self) -> Option<String> {
        self.0
            .look(|answers| answers.last().map(|answer| answer.from.clone()))
    }

    /// When the latest question that was answered had been sent, since the probe's start.
    pub fn latest(&self) -> Option<Duration> {
        self.0
            .look(|answers| answers.iter().map(|answer| answer.sent).max())
    }

    /// What has been seen so far; gaps shorter than `gap_min` do not count.
    pub fn report(&self, gap_min: Duration) -> ProbeReport {
        self.0.look(|answers| report(answers, gap_min))
    }

    /// Ends the probe and reports.
    pub fn finish(mut self, gap_min: Duration) -> ProbeReport {
        self.0.end();
        self.report(gap_min)
    }
}

impl Answer {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let mut micros = || words.next()?.parse().ok().map(Duration::from_micros);
        let (sent, round_trip) = (micros()?, micros()?);
        Some(Answer {
            sent,
            round_trip,
            from: words.next()?.to_owned(),
        })
    }
}

fn report(answers: &[Answer], gap_min: Duration) -> ProbeReport {
    let mut sorted = answers.to_vec();
    sorted.sort_by_key(|answer| answer.sent);
    let gaps = sorted
        .windows(2)
        .filter_map(|pair| match pair {
            [a, b] => Some(Gap {
                begin: a.sent,
                length: b.sent.saturating_sub(a.sent),
                before: a.from.clone(),
                after: b.from.clone(),
            }),
            _ => None,
        })
        .filter(|gap| gap.length >= gap_min)
        .collect();
    let mut servers: Vec<String> = Vec::new();
    for answer in &sorted {
        if servers.last() != Some(&answer.from) {
            servers.push(answer.from.clone());
        }
    }
    ProbeReport {
        answers: sorted.len(),
        gaps,
        servers,
    }
}

impl ProbeReport {
    /// The longest gap; zero if there was none.
    pub fn longest_gap(&self) -> Duration {
        self.gaps
            .iter()
            .map(|gap| gap.length)
            .max()
            .unwrap_or_default()
    }
}

impl Answer {
    /// Only of use to look at outliers; kept because the process reports it anyway.
    #[allow(dead_code)]
    fn delay(&self) -> Duration {
        self.round_trip
    }
}

/// The helper process: sends, listens and prints until its standard input ends.
pub(crate) fn run(options: &Options) -> Result<()> {
    let address: Ipv4Addr = options.number("to")?;
    let interval = Duration::from_micros(options.number("interval_us")?);
    let socket = UdpSocket::bind("0.0.0.0:0").doing(|| "probe socket".into())?;
    let start = Instant::now();
    let listener = socket.try_clone().doing(|| "probe socket".into())?;
    thread::spawn(move || print_answers(&listener, start));
    let over = Arc::new(Mutex::new(false));
    let flag = Arc::clone(&over);
    thread::spawn(move || {
        wait_for_the_end();
        *flag.lock().expect("no panic while held") = true;
    });
    let mut next = start;
    while !*over.lock().expect("no panic while held") {
        let now = start.elapsed().as_micros();
        // Unreachable and the like are what we are here to see: the missing answer tells.
        let _ = socket.send_to(now.to_string().as_bytes(), (address, ECHO_PORT));
        next += interval;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    thread::sleep(Duration::from_millis(50));
    Ok(())
}

fn print_answers(socket: &UdpSocket, start: Instant) {
    let mut buffer = [0; 256];
    let stdout = std::io::stdout();
    loop {
        let Ok(length) = socket.recv(&mut buffer) else {
            continue;
        };
        let Some(text) = buffer
            .get(..length)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
        else {
            continue;
        };
        let Some((sent, name)) = text.split_once(' ') else {
            continue;
        };
        let round_trip = start
            .elapsed()
            .as_micros()
            .saturating_sub(sent.parse().unwrap_or(0));
        if writeln!(stdout.lock(), "{sent} {round_trip} {name}").is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_between_answered_questions() {
        let answers: Vec<Answer> = ["0 10 a", "5000 10 a", "905000 12 b", "910000 9 b"]
            .iter()
            .filter_map(|line| Answer::parse(line))
            .collect();
        let report = report(&answers, Duration::from_millis(20));
        assert_eq!(report.answers, 4);
        assert_eq!(report.servers, ["a", "b"]);
        assert_eq!(report.gaps.len(), 1);
        assert_eq!(report.longest_gap(), Duration::from_millis(900));
        assert_eq!(
            (
                report.gaps[0].before.as_str(),
                report.gaps[0].after.as_str()
            ),
            ("a", "b")
        );
    }
}
