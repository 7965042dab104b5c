//! A client that fetches a page all the time, each time over a connection of its own, and what became of each request.
//!
//! It runs as a process inside the client's network namespace and writes one line per request: when it was begun, how
//! long it took (both microseconds), and the last word of the page, or `-` for a request that failed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::helper::Options;
use crate::recorder::{Recorder, wait_for_the_end};
use crate::{Host, Result};

/// A running browser. Dropping it ends it.
pub struct Browser(Recorder<Request>);

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// When it was begun, since the browser's start.
    pub begun: Duration,
    /// How long it took to succeed or fail.
    pub took: Duration,
    /// The last word of the page; none if the request failed.
    pub page: Option<String>,
}

impl Host {
    /// Fetches `http://ADDRESS/index.html` from this host, one request per `interval`, each given up after `patience`.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn browse(&self, address: &str, interval: Duration, patience: Duration) -> Result<Browser> {
        let options = [
            format!("to={address}:80"),
            format!("interval_us={}", interval.as_micros()),
            format!("patience_us={}", patience.as_micros()),
        ];
        Recorder::start(self, "browse", &options, Request::parse).map(Browser)
    }
}

impl Browser {
    /// The time since its start: the clock of the requests.
    pub fn now(&self) -> Duration {
        self.0.now()
    }

    /// The requests that ended since `begin`, in the order of their ends.
    pub fn ended_since(&self, begin: Duration) -> Vec<Request> {
        let ended = |request: &&Request| request.begun + request.took >= begin;
        self.0
            .look(|requests| requests.iter().filter(ended).cloned().collect())
    }
}

impl Browser {
    /// How many requests have been answered.
    pub fn answers(&self) -> usize {
        self.0.look(|requests| {
            requests
                .iter()
                .filter(|request| request.page.is_some())
                .count()
        })
    }

    /// The page of the request that was answered last.
    pub fn latest_page(&self) -> Option<String> {
        self.0.look(|requests| {
            let mut pages = requests
                .iter()
                .rev()
                .filter_map(|request| request.page.clone());
            pages.next()
        })
    }

    /// When the latest request that was answered had been begun.
    pub fn latest(&self) -> Option<Duration> {
        self.0.look(|requests| {
            let answered = requests.iter().filter(|request| request.page.is_some());
            answered.map(|request| request.begun).max()
        })
    }

    /// The longest time between the beginnings of two successive requests that were answered, of those whose second one
    /// was begun after `begin`. None when there are no two.
    pub fn longest_wait_since(&self, begin: Duration) -> Option<Duration> {
        self.0.look(|requests| longest_wait(requests, begin))
    }
}

fn longest_wait(requests: &[Request], begin: Duration) -> Option<Duration> {
    let answered = requests.iter().filter(|request| request.page.is_some());
    let mut begun: Vec<Duration> = answered.map(|request| request.begun).collect();
    // They stand in the order of their ends.
    begun.sort_unstable();
    let waits = begun.windows(2).filter_map(|pair| match pair {
        [first, second] if *second >= begin => Some(*second - *first),
        _ => None,
    });
    waits.max()
}

impl Request {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let mut micros = || words.next()?.parse().ok().map(Duration::from_micros);
        let (begun, took) = (micros()?, micros()?);
        let page = words.next()?;
        Some(Request {
            begun,
            took,
            page: (page != "-").then(|| page.to_owned()),
        })
    }
}

/// The helper process: fetches and prints until its standard input ends.
pub(crate) fn run(options: &Options) -> Result<()> {
    let address: SocketAddr = options.number("to")?;
    let interval = Duration::from_micros(options.number("interval_us")?);
    let patience = Duration::from_micros(options.number("patience_us")?);
    let start = Instant::now();
    thread::spawn(move || {
        let fetch = Arc::new(move || {
            let begun = start.elapsed();
            let page = fetch(address, patience);
            let took = start.elapsed() - begun;
            let page = page.as_deref().unwrap_or("-");
            let mut out = std::io::stdout().lock();
            let _ = writeln!(out, "{} {} {page}", begun.as_micros(), took.as_micros());
        });
        let mut workers = Workers::new(fetch);
        let mut next = start;
        loop {
            workers.work();
            next += interval;
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    });
    wait_for_the_end();
    Ok(())
}

/// Threads that do one thing again and again, as many as it takes so that a request that waits holds up no other. They
/// are kept: in a user-mode kernel a new one for each request would cost more than the request.
struct Workers<F> {
    work: Arc<F>,
    orders: Sender<()>,
    taken: Arc<Mutex<Receiver<()>>>,
    idle: Arc<AtomicUsize>,
}

impl<F: Fn() + Send + Sync + 'static> Workers<F> {
    fn new(work: Arc<F>) -> Self {
        let (orders, taken) = channel();
        Workers {
            work,
            orders,
            taken: Arc::new(Mutex::new(taken)),
            idle: Arc::default(),
        }
    }

    /// Has it done once, at once.
    fn work(&mut self) {
        // Only we take from the number, so that whoever it counts is there for the order.
        let reserve = |idle: usize| idle.checked_sub(1);
        let reserved = self
            .idle
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, reserve);
        if reserved.is_err() {
            let (work, taken, idle) = (
                Arc::clone(&self.work),
                Arc::clone(&self.taken),
                Arc::clone(&self.idle),
            );
            thread::spawn(move || {
                loop {
                    let order = taken.lock().expect("no panic while held").recv();
                    if order.is_err() {
                        return;
                    }
                    work();
                    idle.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let _ = self.orders.send(());
    }
}

/// The last word of the page, if it came within `patience`.
fn fetch(address: SocketAddr, patience: Duration) -> Option<String> {
    let deadline = Instant::now() + patience;
    let mut connection = TcpStream::connect_timeout(&address, patience).ok()?;
    write!(
        connection,
        "GET /index.html HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        address.ip()
    )
    .ok()?;
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let left = deadline.checked_duration_since(Instant::now())?;
        connection
            .set_read_timeout(Some(left.max(Duration::from_millis(1))))
            .ok()?;
        match connection.read(&mut chunk).ok()? {
            0 => break,
            length => answer.extend_from_slice(chunk.get(..length)?),
        }
    }
    let text = String::from_utf8(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let good = head.split(' ').nth(1) == Some("200");
    good.then(|| body.split_whitespace().last().map(str::to_owned))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_requests() {
        assert_eq!(
            Request::parse("20000 1500 rs1"),
            Some(Request {
                begun: Duration::from_millis(20),
                took: Duration::from_micros(1500),
                page: Some("rs1".into()),
            })
        );
        assert_eq!(
            Request::parse("0 5 -").and_then(|request| request.page),
            None
        );
        assert_eq!(Request::parse("kernel: noise"), None);
    }

    #[test]
    fn a_wait_lasts_from_one_answered_request_to_the_next() {
        let requests: Vec<Request> = ["0 10 a", "100 10 a", "300 10 a", "200 900 -", "400 5 b"]
            .iter()
            .filter_map(|line| Request::parse(line))
            .collect();
        let micros = Duration::from_micros;
        assert_eq!(longest_wait(&requests, micros(0)), Some(micros(200)));
        assert_eq!(longest_wait(&requests, micros(350)), Some(micros(100)));
        assert_eq!(longest_wait(&requests, micros(401)), None);
    }
}
