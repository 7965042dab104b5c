//! The clients: who answers them, how long they waited, and what of that is worth a line.

use std::time::{Duration, Instant};

use ha_lab::{Browser, Probe};

/// Something that asks the virtual address all the time.
pub(super) trait Asker {
    /// The time since it began: the clock of the waits.
    fn now(&self) -> Duration;
    /// How many answers have come so far, and who gave the latest one.
    fn answers(&self) -> (usize, Option<String>);
    /// The longest time between two answered questions since `begin`; none if there were not two.
    fn longest_wait_since(&self, begin: Duration) -> Option<Duration>;
    /// Silence of this length is worth a line; shorter ones appear in the table only.
    fn silence(&self) -> Duration;
}

/// Datagrams to the echo port, answered by the director itself.
impl Asker for Probe {
    fn now(&self) -> Duration {
        Probe::now(self)
    }

    fn answers(&self) -> (usize, Option<String>) {
        let server = self.latest_server();
        let short = server.map(|name| name.split('.').next().unwrap_or_default().to_owned());
        (Probe::answers(self), short)
    }

    fn longest_wait_since(&self, begin: Duration) -> Option<Duration> {
        let report = self.report(Duration::ZERO);
        let since = report
            .gaps
            .iter()
            .filter(|gap| gap.begin + gap.length >= begin);
        since.map(|gap| gap.length).max()
    }

    fn silence(&self) -> Duration {
        Duration::from_millis(200)
    }
}

/// Pages over HTTP, answered by a real server behind the director. A page's last word is the server's name.
impl Asker for Browser {
    fn now(&self) -> Duration {
        Browser::now(self)
    }

    fn answers(&self) -> (usize, Option<String>) {
        (Browser::answers(self), self.latest_page())
    }

    fn longest_wait_since(&self, begin: Duration) -> Option<Duration> {
        Browser::longest_wait_since(self, begin)
    }

    fn silence(&self) -> Duration {
        Duration::from_millis(500)
    }
}

/// One client.
pub(super) struct Client {
    name: String,
    asker: Box<dyn Asker>,
    view: View,
}

impl Client {
    pub(super) fn new(name: &str, asker: Box<dyn Asker>) -> Client {
        let view = View::new(asker.silence());
        Client {
            name: name.to_owned(),
            asker,
            view,
        }
    }

    /// Takes in what has come; returns what is worth telling.
    pub(super) fn look(&mut self) -> Option<String> {
        let (answers, server) = self.asker.answers();
        let news = self.view.update(answers, server)?;
        Some(format!("{}: {news}", self.name))
    }

    /// Who answers now; nobody while it waits.
    pub(super) fn served_by(&self) -> Option<&str> {
        self.view.server.as_deref().filter(|_| !self.view.silent)
    }

    /// The moment, by the client's own clock.
    pub(super) fn now(&self) -> Duration {
        self.asker.now()
    }

    /// The longest time without an answer since a moment of [`Client::now`]. An answer that is still missing counts up
    /// to now.
    pub(super) fn longest_wait_since(&self, begin: Duration) -> Duration {
        let past = self.asker.longest_wait_since(begin).unwrap_or_default();
        let present = if self.view.silent {
            self.view.heard.elapsed()
        } else {
            Duration::ZERO
        };
        past.max(present)
    }
}

/// What a client sees.
struct View {
    server: Option<String>,
    answers: usize,
    /// When the number of answers last grew.
    heard: Instant,
    silent: bool,
    silence: Duration,
}

impl View {
    fn new(silence: Duration) -> View {
        View {
            server: None,
            answers: 0,
            heard: Instant::now(),
            silent: true,
            silence,
        }
    }

    fn update(&mut self, answers: usize, server: Option<String>) -> Option<String> {
        if answers == self.answers {
            if !self.silent && self.heard.elapsed() >= self.silence {
                self.silent = true;
                return Some("no answer".into());
            }
            return None;
        }
        let silence = self.heard.elapsed();
        let was_silent = std::mem::replace(&mut self.silent, false);
        (self.answers, self.heard) = (answers, Instant::now());
        let changed = server != self.server;
        self.server = server;
        let name = self.server.as_deref().unwrap_or("somebody");
        match (was_silent, changed) {
            (true, _) => Some(format!(
                "served by {name}, after {:.3} s without",
                silence.as_secs_f64()
            )),
            (false, true) => Some(format!("served by {name}")),
            (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_silent_until_answered() {
        let mut view = View::new(Duration::from_secs(60));
        assert_eq!(view.update(0, None), None);
        assert!(
            view.update(1, Some("lvs1".into()))
                .is_some_and(|text| text.contains("served by lvs1, after"))
        );
        assert_eq!(view.update(2, Some("lvs1".into())), None);
        assert_eq!(
            view.update(3, Some("lvs2".into())).as_deref(),
            Some("served by lvs2")
        );
        assert!(!view.silent);
    }
}
