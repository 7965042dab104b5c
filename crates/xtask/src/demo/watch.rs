//! The observer: prints a line whenever somebody gains or loses the address, whenever the client's luck changes, and
//! whatever the directors' logs say that matters.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use ha_lab::{LabError, Probe, Result};

use super::clock::Clock;
use super::scene::{Director, Scene, VIP};

/// How often the client asks.
const PROBE_INTERVAL: Duration = Duration::from_millis(5);
/// How often the observer looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// Silence of this length is worth a line. Shorter gaps appear in the table only.
const SILENCE: Duration = Duration::from_millis(200);
/// A step is over when the right director has served the client for this long.
const STEADY: Duration = Duration::from_millis(500);

/// Log lines that tell the story; everything else stays in the log.
const STORY: &[&str] = &[
    ": is dead",
    "is running ResourceManager",
    "Acquiring resource group",
    "Releasing resource group",
    "wants to go standby",
    "Heartbeat shutdown in progress",
    "Heartbeat shutdown complete",
    "Received shutdown notice",
    "Status update for node",
    "Heartbeat restart on node",
    "Configuration validated",
    "ERROR",
    "CRIT",
];

/// The observer.
pub(super) struct Watch<'a> {
    scene: &'a Scene,
    probe: Probe,
    clock: Clock,
    holders: Vec<Director>,
    client: ClientView,
    /// How much of each director's log has been read.
    read: HashMap<&'static str, usize>,
}

/// What the client sees.
struct ClientView {
    server: Option<String>,
    answers: usize,
    /// When the number of answers last grew.
    heard: Instant,
    silent: bool,
}

impl<'a> Watch<'a> {
    /// Starts the client.
    pub(super) fn new(scene: &'a Scene) -> Result<Watch<'a>> {
        let probe = scene.client.probe(VIP, PROBE_INTERVAL)?;
        let client = ClientView {
            server: None,
            answers: 0,
            heard: Instant::now(),
            silent: true,
        };
        Ok(Watch {
            scene,
            probe,
            clock: Clock::new(),
            holders: Vec::new(),
            client,
            read: HashMap::new(),
        })
    }

    /// Prints a line with the time of day.
    pub(super) fn say(&self, text: &str) {
        println!("{}  {text}", self.clock.now());
    }

    /// Announces a step.
    pub(super) fn headline(&self, text: &str) {
        println!();
        self.say(&format!("== {text}"));
    }

    /// The client's clock, for [`Watch::longest_gap_since`].
    pub(super) fn now(&self) -> Duration {
        self.probe.now()
    }

    /// Observes while something is done.
    pub(super) fn during(&mut self, action: impl FnOnce() -> Result<()> + Send) -> Result<()> {
        thread::scope(|scope| {
            let worker = scope.spawn(action);
            while !worker.is_finished() {
                self.look();
                thread::sleep(LOOK_INTERVAL);
            }
            worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Observes until this director alone holds the address and the client has been answered by it for a while.
    pub(super) fn until_served_by(&mut self, which: Director, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        let mut since: Option<Instant> = None;
        loop {
            self.look();
            let good =
                self.holders == [which] && self.served_by().as_deref() == Some(which.short());
            since = if good {
                Some(since.unwrap_or_else(Instant::now))
            } else {
                None
            };
            if since.is_some_and(|since| since.elapsed() >= STEADY) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(LabError::Timeout(
                    format!("{} serves the client", which.short()),
                    limit,
                ));
            }
            thread::sleep(LOOK_INTERVAL);
        }
    }

    /// Observes for a while.
    pub(super) fn rest(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.look();
            thread::sleep(LOOK_INTERVAL);
        }
    }

    /// The longest time without an answer since a moment of [`Watch::now`]. An answer that is still missing counts up
    /// to now.
    pub(super) fn longest_gap_since(&self, begin: Duration) -> Duration {
        let report = self.probe.report(Duration::ZERO);
        let past = report
            .gaps
            .iter()
            .filter(|gap| gap.begin + gap.length >= begin)
            .map(|gap| gap.length)
            .max();
        let present = if self.client.silent {
            self.client.heard.elapsed()
        } else {
            Duration::ZERO
        };
        past.unwrap_or_default().max(present)
    }

    /// The director that answers the client now.
    pub(super) fn served_by(&self) -> Option<String> {
        self.client.server.clone().filter(|_| !self.client.silent)
    }

    /// Whether the client gets answers now.
    pub(super) fn client_is_served(&mut self) -> bool {
        self.look();
        !self.client.silent
    }

    fn look(&mut self) {
        self.read_logs();
        let holders = self.scene.holders();
        if holders != self.holders {
            self.say(&holders_text(&holders));
            self.holders = holders;
        }
        let (answers, server) = (self.probe.answers(), self.probe.latest_server());
        if let Some(text) = self.client.update(answers, server) {
            self.say(&text);
        }
    }

    fn read_logs(&mut self) {
        for which in Director::ALL {
            let log = self.scene.host(which).log();
            let read = self.read.entry(which.short()).or_default();
            // Whole lines only; the rest is read next time.
            let Some(fresh) = log
                .get(*read..)
                .and_then(|rest| rest.rfind('\n').and_then(|end| rest.get(..=end)))
            else {
                continue;
            };
            *read += fresh.len();
            let lines: Vec<String> = fresh
                .lines()
                .filter(|line| tells(line))
                .map(without_prefix)
                .collect();
            for line in lines {
                self.say(&format!("  {} log: {line}", which.short()));
            }
        }
    }
}

impl ClientView {
    /// Takes in what the probe has seen; returns what is worth telling.
    fn update(&mut self, answers: usize, server: Option<String>) -> Option<String> {
        if answers == self.answers {
            if !self.silent && self.heard.elapsed() >= SILENCE {
                self.silent = true;
                return Some("client: no answer".into());
            }
            return None;
        }
        let silence = self.heard.elapsed();
        let was_silent = std::mem::replace(&mut self.silent, false);
        (self.answers, self.heard) = (answers, Instant::now());
        let server = server.map(|name| name.split('.').next().unwrap_or_default().to_owned());
        let changed = server != self.server;
        self.server = server;
        let name = self.server.as_deref().unwrap_or("somebody");
        match (was_silent, changed) {
            (true, _) => Some(format!(
                "client: served by {name}, after {:.3} s without",
                silence.as_secs_f64()
            )),
            (false, true) => Some(format!("client: served by {name}")),
            (false, false) => None,
        }
    }
}

fn holders_text(holders: &[Director]) -> String {
    match holders {
        [] => format!("{VIP} is held by nobody"),
        [one] => format!("{VIP} is held by {}", one.short()),
        _ => format!("{VIP} is held by BOTH"),
    }
}

fn tells(line: &str) -> bool {
    STORY.iter().any(|text| line.contains(text))
}

/// A log line without program, process id and date, which say nothing new here.
fn without_prefix(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let dated = words
        .get(1)
        .is_some_and(|word| word.len() == 19 && word.contains('_'));
    if dated {
        words.get(2..).unwrap_or_default().join(" ")
    } else {
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_go_and_levels_stay() {
        let line = "heartbeat[98]: 2026/11/23_22:07:48 WARN: node lvs1.okooo.cn: is dead";
        assert!(tells(line));
        assert_eq!(without_prefix(line), "WARN: node lvs1.okooo.cn: is dead");
        assert_eq!(without_prefix("something else"), "something else");
    }

    #[test]
    fn the_client_is_silent_until_answered() {
        let mut view = ClientView {
            server: None,
            answers: 0,
            heard: Instant::now(),
            silent: true,
        };
        assert_eq!(view.update(0, None), None);
        assert!(
            view.update(1, Some("lvs1.okooo.cn".into()))
                .is_some_and(|text| text.contains("served by lvs1, after"))
        );
        assert_eq!(view.update(2, Some("lvs1.okooo.cn".into())), None);
        assert_eq!(
            view.update(3, Some("lvs2.okooo.cn".into())).as_deref(),
            Some("client: served by lvs2")
        );
        assert!(!view.silent);
    }
}
