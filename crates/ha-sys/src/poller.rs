//! The event loop's heart: epoll plus one timer descriptor.
//!
//! `epoll_wait` counts its time-out in whole milliseconds, which is coarse for a cluster with a keepalive of 10 ms, so
//! the next deadline sits in a timerfd instead. It is set only when it changes, and edge-triggered so that it need not
//! be read: a quiet loop costs one system call per wake-up.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

/// The timer's own token; callers may use every other value.
const TIMER_TOKEN: u64 = u64::MAX;

/// How many events one wait may return.
const EVENTS_MAX: usize = 64;

/// What to wait for on a descriptor. Hang-ups and errors are always reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Something to read.
    Read,
    /// Something to read, or room to write.
    ReadWrite,
    /// Room to write.
    Write,
}

impl Interest {
    fn flags(self) -> EpollFlags {
        match self {
            Interest::Read => EpollFlags::EPOLLIN,
            Interest::ReadWrite => EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT,
            Interest::Write => EpollFlags::EPOLLOUT,
        }
    }
}

/// One descriptor that wants attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The token given to [`Poller::add`].
    pub token: u64,
    /// Reading will not block (it may report an error or the end).
    pub readable: bool,
    /// Writing will not block.
    pub writable: bool,
}

/// Waits for descriptors and for one deadline.
#[derive(Debug)]
pub struct Poller {
    epoll: Epoll,
    timer: TimerFd,
    armed: Option<Duration>,
}

impl Poller {
    /// Makes an empty set. Level-triggered: what is not read is reported again.
    pub fn new() -> io::Result<Poller> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let timer = TimerFd::new(
            ClockId::CLOCK_BOOTTIME,
            TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK,
        )?;
        epoll.add(
            &timer,
            EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, TIMER_TOKEN),
        )?;
        Ok(Poller {
            epoll,
            timer,
            armed: None,
        })
    }

    /// Adds a descriptor under a token of the caller's choice (any value but `u64::MAX`).
    pub fn add(&self, fd: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(self
            .epoll
            .add(fd, EpollEvent::new(interest.flags(), token))?)
    }

    /// Changes what is waited for.
    pub fn modify(&self, fd: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(self
            .epoll
            .modify(fd, &mut EpollEvent::new(interest.flags(), token))?)
    }

    /// Takes a descriptor out. Closing it does the same, unless it was duplicated.
    pub fn remove(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(self.epoll.delete(fd)?)
    }

    /// Waits until something is ready or `deadline` (on [`crate::clock::monotonic`]) has come, and fills `ready`,
    /// which is empty afterwards if only time passed. No deadline: waits for ever. An interrupting signal counts as
    /// "nothing ready".
    pub fn wait(&mut self, deadline: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        self.arm(deadline)?;
        let mut events = [EpollEvent::empty(); EVENTS_MAX];
        let count = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
            Ok(count) => count,
            Err(nix::errno::Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        let failing = EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP;
        for event in events.iter().take(count) {
            if event.data() == TIMER_TOKEN {
                self.armed = None;
                continue;
            }
            let flags = event.events();
            ready.push(Ready {
                token: event.data(),
                readable: flags.intersects(EpollFlags::EPOLLIN | failing),
                writable: flags.intersects(EpollFlags::EPOLLOUT | failing),
            });
        }
        Ok(())
    }

    fn arm(&mut self, deadline: Option<Duration>) -> io::Result<()> {
        if self.armed == deadline {
            return Ok(());
        }
        match deadline {
            // An all-zero time would disarm the timer.
            Some(at) => self.timer.set(
                Expiration::OneShot(TimeSpec::from_duration(at.max(Duration::from_nanos(1)))),
                TimerSetTimeFlags::TFD_TIMER_ABSTIME,
            )?,
            None => self.timer.unset()?,
        }
        self.armed = deadline;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::clock::monotonic;

    #[test]
    fn a_deadline_ends_the_wait_and_is_never_early() {
        let mut poller = Poller::new().unwrap();
        let mut ready = Vec::new();
        for _ in 0..3 {
            let deadline = monotonic() + Duration::from_millis(5);
            poller.wait(Some(deadline), &mut ready).unwrap();
            assert!(ready.is_empty());
            assert!(monotonic() >= deadline);
        }
        // A deadline in the past fires at once, also twice in a row with the same value.
        let past = Duration::ZERO;
        poller.wait(Some(past), &mut ready).unwrap();
        poller.wait(Some(past), &mut ready).unwrap();
    }

    #[test]
    fn data_is_reported_under_its_token_until_read() {
        let mut poller = Poller::new().unwrap();
        let (here, mut there) = UnixStream::pair().unwrap();
        poller.add(&here, 7, Interest::Read).unwrap();
        there.write_all(b"x").unwrap();
        let mut ready = Vec::new();
        for _ in 0..2 {
            poller.wait(None, &mut ready).unwrap();
            assert_eq!(
                ready,
                [Ready {
                    token: 7,
                    readable: true,
                    writable: false
                }]
            );
        }
        poller.modify(&here, 7, Interest::Write).unwrap();
        poller.wait(None, &mut ready).unwrap();
        assert_eq!(
            ready,
            [Ready {
                token: 7,
                readable: false,
                writable: true
            }]
        );
        poller.remove(&here).unwrap();
        poller.wait(Some(monotonic()), &mut ready).unwrap();
        assert!(ready.is_empty());
    }
}
