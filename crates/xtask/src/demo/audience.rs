//! The clients: who answers them, how long they waited, and what of that is worth a line.

use std::time::{Duration, Instant};

use ha_lab::{Browser, Probe};

/// Something that asks the virtual address all the time.
pub(super) trait Asker {
    /// The time since it began: the clock of the waits.
    fn now(&self) -> Duration;
    /// How many answers have come so far, and who gave the latest one.
    fn answers(&self) -> (usize, Option<String>);
    /// When the latest question that was answered had been put, by that clock; none if none was.
    fn latest(&self) -> Option<Duration>;
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

    fn latest(&self) -> Option<Duration> {
        Probe::latest(self)
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

    fn latest(&self) -> Option<Duration> {
        Browser::latest(self)
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
    /// When the present silence, or the last one, began: just after the last question that was answered before it.
    silent_since: Duration,
}

impl Client {
    pub(super) fn new(name: &str, asker: Box<dyn Asker>) -> Client {
        let view = View::new(asker.silence());
        Client {
            name: name.to_owned(),
            asker,
            view,
            silent_since: Duration::ZERO,
        }
    }

    /// Takes in what has come; returns what is worth telling.
    pub(super) fn look(&mut self) -> Option<String> {
        let (answers, server) = self.asker.answers();
        let text = match self.view.update(answers, server)? {
            News::Silent => {
                // Times are known to the microsecond.
                let last = self.asker.latest().unwrap_or_default();
                self.silent_since = last + Duration::from_micros(1);
                "no answer".to_owned()
            }
            News::First(server) => format!("served by {server} for the first time"),
            News::Other(server) => format!("served by {server}"),
            // The client's own measure, which is that of the table: here one looks only so often.
            News::Again(server) => {
                let wait = self.asker.longest_wait_since(self.silent_since);
                let seconds = wait.unwrap_or_default().as_secs_f64();
                format!("served by {server}, after {seconds:.3} s without")
            }
        };
        Some(format!("{}: {text}", self.name))
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

/// What is worth a line.
#[derive(Debug, PartialEq)]
enum News {
    /// No answer has come for a while.
    Silent,
    /// The first answer of all, by this server. Whoever has just come has not been without.
    First(String),
    /// Another server answers.
    Other(String),
    /// After a silence this server answers.
    Again(String),
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

    fn update(&mut self, answers: usize, server: Option<String>) -> Option<News> {
        if answers == self.answers {
            if !self.silent && self.heard.elapsed() >= self.silence {
                self.silent = true;
                return Some(News::Silent);
            }
            return None;
        }
        let first = self.answers == 0;
        let changed = server != self.server;
        (self.answers, self.heard, self.server) = (answers, Instant::now(), server);
        let name = self.server.clone().unwrap_or_else(|| "somebody".into());
        match std::mem::replace(&mut self.silent, false) {
            true if first => Some(News::First(name)),
            true => Some(News::Again(name)),
            false => changed.then_some(News::Other(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    #[test]
    fn a_client_is_silent_until_answered() {
        let mut view = View::new(Duration::from_secs(60));
        let lvs = |name: &str| Some(name.to_owned());
        assert_eq!(view.update(0, None), None);
        assert_eq!(
            view.update(1, lvs("lvs1")),
            Some(News::First("lvs1".into()))
        );
        assert_eq!(view.update(2, lvs("lvs1")), None);
        assert_eq!(
            view.update(3, lvs("lvs2")),
            Some(News::Other("lvs2".into()))
        );
        assert!(!view.silent);
    }

    /// A client that put its answered questions at these moments.
    struct MadeUp(Rc<RefCell<Vec<u64>>>);

    impl Asker for MadeUp {
        fn now(&self) -> Duration {
            Duration::from_secs(100)
        }

        fn answers(&self) -> (usize, Option<String>) {
            (self.0.borrow().len(), Some("lvs2".into()))
        }

        fn latest(&self) -> Option<Duration> {
            self.0.borrow().last().copied().map(Duration::from_millis)
        }

        fn longest_wait_since(&self, begin: Duration) -> Option<Duration> {
            let moments = self.0.borrow();
            let pairs = moments.windows(2).filter_map(|pair| match pair {
                [first, second] if Duration::from_millis(*second) >= begin => {
                    Some(Duration::from_millis(second - first))
                }
                _ => None,
            });
            pairs.max()
        }

        fn silence(&self) -> Duration {
            Duration::ZERO
        }
    }

    /// The line said 8.397 s and the table 8.365 s; and a client that had just come was said to have been without.
    #[test]
    fn a_line_and_the_table_say_the_same() {
        let moments = Rc::new(RefCell::new(vec![100]));
        let mut client = Client::new("client4", Box::new(MadeUp(moments.clone())));
        let mut look = || client.look().unwrap_or_default();
        assert_eq!(look(), "client4: served by lvs2 for the first time");
        moments.borrow_mut().extend([15_000, 15_005]);
        assert_eq!(look(), "");
        assert_eq!(look(), "client4: no answer");
        moments.borrow_mut().extend([23_370, 23_375]);
        assert_eq!(look(), "client4: served by lvs2, after 8.365 s without");
        let table = client.longest_wait_since(Duration::from_millis(15_001));
        assert_eq!(table, Duration::from_millis(8_365));
    }
}
