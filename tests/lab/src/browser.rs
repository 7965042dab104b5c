//! A client that fetches a page all the time, each time over a connection of its own, and what became of each request.
//!
//! It runs as a process inside the client's network namespace and writes one line per request: when it was begun, how
//! long it took (both microseconds), and the last word of the page, or `-` for a request that failed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
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
        let mut next = start;
        loop {
            // A thread each, so that a request that waits holds up no other.
            thread::spawn(move || {
                let begun = start.elapsed();
                let page = fetch(address, patience);
                let took = start.elapsed() - begun;
                let page = page.as_deref().unwrap_or("-");
                let mut out = std::io::stdout().lock();
                let _ = writeln!(out, "{} {} {page}", begun.as_micros(), took.as_micros());
            });
            next += interval;
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    });
    wait_for_the_end();
    Ok(())
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
}
