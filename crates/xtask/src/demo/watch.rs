//! The observer: prints a line whenever somebody gains or loses the address, whenever a client's luck changes, and
//! whatever the directors' logs say that matters.

use std::collections::{BTreeSet, HashMap};
use std::thread;
use std::time::{Duration, Instant};

use ha_lab::{LabError, Result};

use super::audience::Client;
use super::clock::Clock;
use super::scene::{Director, Scene, VIP};
use super::story;

/// How often the observer looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(40);
/// A step is over when the right ones have served the clients for this long.
const STEADY: Duration = Duration::from_millis(500);

/// What a step leads to.
#[derive(Clone, Debug)]
pub(super) struct Goal {
    /// This director alone holds the address.
    pub(super) holder: Director,
    /// Every client is answered by one of these.
    pub(super) servers: Vec<&'static str>,
    /// Each of them is needed: no client may be left to the others alone.
    pub(super) all_of_them: bool,
}

/// The observer.
pub(super) struct Watch<'a> {
    scene: &'a Scene,
    clients: Vec<Client>,
    clock: Clock,
    holders: Vec<Director>,
    /// How much of each director's logs has been read.
    read: HashMap<(&'static str, &'static str), usize>,
}

/// The beginning of a step, by the clocks of the clients.
pub(super) struct Beginning(Vec<Duration>);

impl<'a> Watch<'a> {
    /// Nobody has been seen yet.
    pub(super) fn new(scene: &'a Scene, clock: Clock) -> Watch<'a> {
        Watch {
            scene,
            clients: Vec::new(),
            clock,
            holders: Vec::new(),
            read: HashMap::new(),
        }
    }

    /// More clients to look after.
    pub(super) fn welcome(&mut self, clients: Vec<Client>) {
        self.clients.extend(clients);
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

    /// The moment, for [`Watch::longest_wait_since`].
    pub(super) fn now(&self) -> Beginning {
        Beginning(self.clients.iter().map(Client::now).collect())
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

    /// Observes until a goal has been reached and kept for a while.
    pub(super) fn until(&mut self, goal: &Goal, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        let mut since: Option<Instant> = None;
        loop {
            self.look();
            since = if self.reached(goal) {
                Some(since.unwrap_or_else(Instant::now))
            } else {
                None
            };
            if since.is_some_and(|since| since.elapsed() >= STEADY) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(LabError::Timeout(
                    format!(
                        "{} serves the clients by {}",
                        goal.holder.short(),
                        goal.servers.join(" and ")
                    ),
                    limit,
                ));
            }
            thread::sleep(LOOK_INTERVAL);
        }
    }

    fn reached(&self, goal: &Goal) -> bool {
        let served_well = |client: &Client| {
            client
                .served_by()
                .is_some_and(|server| goal.servers.contains(&server))
        };
        let used = self.servers();
        self.holders == [goal.holder]
            && self.clients.iter().all(served_well)
            && (!goal.all_of_them || goal.servers.iter().all(|server| used.contains(server)))
    }

    /// Observes for a while.
    pub(super) fn rest(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.look();
            thread::sleep(LOOK_INTERVAL);
        }
    }

    /// The longest time that any of the clients of that moment has been without an answer since.
    pub(super) fn longest_wait_since(&self, begin: &Beginning) -> Duration {
        let clients = self.clients.iter().zip(&begin.0);
        clients
            .map(|(client, begin)| client.longest_wait_since(*begin))
            .max()
            .unwrap_or_default()
    }

    /// Who answers now; nobody if a client waits.
    pub(super) fn served_by(&self) -> Option<String> {
        let all = !self.clients.is_empty() && self.clients.iter().all(|c| c.served_by().is_some());
        let names: Vec<&str> = self.servers().into_iter().collect();
        all.then(|| names.join(" "))
    }

    /// Whether every client gets answers now.
    pub(super) fn clients_are_served(&mut self) -> bool {
        self.look();
        self.served_by().is_some()
    }

    fn servers(&self) -> BTreeSet<&str> {
        self.clients.iter().filter_map(Client::served_by).collect()
    }

    fn look(&mut self) {
        self.read_logs();
        let holders = self.scene.holders();
        if holders != self.holders {
            self.say(&holders_text(&holders));
            self.holders = holders;
        }
        let news: Vec<String> = self.clients.iter_mut().filter_map(Client::look).collect();
        for text in news {
            self.say(&text);
        }
    }

    fn read_logs(&mut self) {
        for which in Director::ALL {
            for file in story::FILES {
                let log = self.scene.host(which).log_file(file);
                let read = self.read.entry((which.short(), file)).or_default();
                // Whole lines only; the rest is read next time.
                let Some(fresh) = log
                    .get(*read..)
                    .and_then(|rest| rest.rfind('\n').and_then(|end| rest.get(..=end)))
                else {
                    continue;
                };
                *read += fresh.len();
                for text in fresh.lines().filter_map(|line| story::told(file, line)) {
                    self.say(&format!("  {} {text}", which.short()));
                }
            }
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
