//! How regularly nodes speak: a host that hears what they broadcast, and the times between their datagrams.
//!
//! Times are those at which the kernel took a datagram in, so they do not depend on when the listener gets to run. It
//! keeps a histogram per sender, and can go on for days.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IoSliceMut, Write};
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, SockaddrIn, bind, recvmsg,
    setsockopt, socket, sockopt,
};
use nix::sys::time::TimeSpec;

use crate::error::Doing;
use crate::helper::Options;
use crate::recorder::{Recorder, wait_for_the_end};
use crate::{Host, Result};

/// A bucket of the histogram is a millisecond; the last one holds everything longer.
const BUCKETS: usize = 20_001;

/// A running listener.
pub struct Listener(Recorder<(Ipv4Addr, Intervals)>);

/// The times between the datagrams of one sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Intervals {
    /// How many there were.
    pub count: u64,
    /// Half of them were shorter, to the millisecond.
    pub median: Duration,
    /// 999 of 1,000 were shorter, to the millisecond.
    pub most: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Host {
    /// Starts listening on this host to what is broadcast to a port.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn listen(&self, port: u16) -> Result<Listener> {
        Recorder::start(self, "listen", &[format!("port={port}")], parse).map(Listener)
    }
}

impl Listener {
    /// Ends it, and says what was heard of each sender.
    pub fn finish(mut self) -> BTreeMap<Ipv4Addr, Intervals> {
        self.0.end();
        self.0.look(|heard| heard.iter().copied().collect())
    }
}

fn parse(line: &str) -> Option<(Ipv4Addr, Intervals)> {
    let mut words = line.split(' ');
    let sender = words.next()?.parse().ok()?;
    let count = words.next()?.parse().ok()?;
    let mut micros = || words.next()?.parse().ok().map(Duration::from_micros);
    let (median, most, longest) = (micros()?, micros()?, micros()?);
    let intervals = Intervals {
        count,
        median,
        most,
        longest,
    };
    Some((sender, intervals))
}

/// What is known of a sender.
struct Heard {
    last: Duration,
    /// How many intervals began with so many milliseconds.
    histogram: Vec<u32>,
    count: u64,
    longest: Duration,
}

impl Heard {
    fn new(now: Duration) -> Self {
        Heard {
            last: now,
            histogram: vec![0; BUCKETS],
            count: 0,
            longest: Duration::ZERO,
        }
    }

    fn hear(&mut self, now: Duration) {
        let interval = now.saturating_sub(self.last);
        self.last = now;
        self.count += 1;
        self.longest = self.longest.max(interval);
        let bucket = usize::try_from(interval.as_millis()).unwrap_or(usize::MAX);
        if let Some(count) = self.histogram.get_mut(bucket.min(BUCKETS - 1)) {
            *count += 1;
        }
    }

    /// The shortest time, to the millisecond, that at least this many of 1,000 do not exceed.
    fn quantile(&self, of_thousand: u64) -> Duration {
        let wanted = (self.count * of_thousand).div_ceil(1000);
        let mut seen = 0;
        for (bucket, count) in (0..).zip(&self.histogram) {
            seen += u64::from(*count);
            if seen >= wanted {
                return Duration::from_millis(bucket);
            }
        }
        self.longest
    }

    fn line(&self, sender: Ipv4Addr) -> String {
        let micros = [self.quantile(500), self.quantile(999), self.longest].map(|d| d.as_micros());
        let mut line = format!("{sender} {}", self.count);
        for number in micros {
            let _ = write!(line, " {number}");
        }
        line
    }
}

/// The helper process: listens until its standard input ends, then prints a line per sender.
pub(crate) fn run(options: &Options) -> Result<()> {
    let socket = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .doing(|| "listening socket".into())?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true).doing(|| "SO_TIMESTAMPNS".into())?;
    // Datagrams may wait while the machine is busy.
    let _ = setsockopt(&socket, sockopt::RcvBufForce, &(8 << 20));
    let address = SockaddrIn::new(0, 0, 0, 0, options.number("port")?);
    bind(socket.as_raw_fd(), &address).doing(|| "listening port".into())?;
    let senders = Arc::new(Mutex::new(BTreeMap::new()));
    let book = Arc::clone(&senders);
    thread::spawn(move || {
        loop {
            if let Some((sender, now)) = receive(&socket) {
                let mut book = book.lock().expect("no panic while held");
                book.entry(sender)
                    .and_modify(|heard: &mut Heard| heard.hear(now))
                    .or_insert_with(|| Heard::new(now));
            }
        }
    });
    wait_for_the_end();
    let mut out = std::io::stdout().lock();
    for (sender, heard) in senders.lock().expect("no panic while held").iter() {
        let _ = writeln!(out, "{}", heard.line(*sender));
    }
    Ok(())
}

/// Waits for a datagram: who sent it, and when it came in.
fn receive(socket: &OwnedFd) -> Option<(Ipv4Addr, Duration)> {
    let mut buffer = [0; 16];
    let mut parts = [IoSliceMut::new(&mut buffer)];
    let mut control = nix::cmsg_space!(TimeSpec);
    let message = recvmsg::<SockaddrIn>(
        socket.as_raw_fd(),
        &mut parts,
        Some(&mut control),
        MsgFlags::empty(),
    )
    .ok()?;
    let sender = message.address?.ip();
    let time = message.cmsgs().ok()?.find_map(|part| match part {
        ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
        _ => None,
    })?;
    Some((sender, time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_survive_the_way_to_the_harness() {
        let mut heard = Heard::new(Duration::from_secs(1));
        for count in 1..=100_u64 {
            heard.hear(Duration::from_secs(1) + Duration::from_millis(100 * count));
        }
        heard.hear(Duration::from_secs(12));
        let (sender, intervals) = parse(&heard.line(Ipv4Addr::LOCALHOST)).unwrap();
        assert_eq!(sender, Ipv4Addr::LOCALHOST);
        assert_eq!(intervals.count, 101);
        assert_eq!(intervals.median, Duration::from_millis(100));
        assert_eq!(intervals.most, Duration::from_millis(1000));
        assert_eq!(intervals.longest, Duration::from_secs(1));
    }
}
