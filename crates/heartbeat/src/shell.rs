//! What every part of the daemon needs to act on the machine: the poller, the log and the timers.

use std::time::Duration;

use crate::jobs::RunId;
use ha_sys::Poller;
use ha_sys::log::{Logger, Priority};

use crate::timers::Timers;

/// Things that the shell does at a time of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Try again to open a medium.
    OpenMedium(usize),
    /// A task's pause is over.
    ResumeJob(RunId),
    /// A resource script that has been running for long.
    SlowScript {
        /// Its process.
        pid: u32,
    },
    /// A resource script's time is over.
    ScriptDeadline {
        /// Which child of a job.
        child: u64,
    },
    /// A resource script that was told to end has had time for it.
    KillScript {
        /// Which child of a job.
        child: u64,
    },
    /// Start a respawn client.
    StartClient(usize),
    /// A client that was told to end has not.
    KillClient { index: usize, pid: u32 },
    /// A `failfast` client failed, and its last messages have had time to leave.
    Reboot { client: usize },
    /// Say to `apphbd` that we live.
    Beat,
    /// Accept clients again.
    AcceptClients,
    /// What did not end by SIGTERM ends now.
    KillJobs,
}

/// What a descriptor in the poller belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// Pending signals.
    Signals,
    /// The command FIFO.
    Fifo,
    /// Rival ARP announcements.
    Arp,
    /// A reload that was checked beside the loop.
    Reload,
    /// Somebody wants to connect to the registration socket.
    Register,
    /// Interfaces or addresses have changed.
    Network,
    /// A medium, by its position.
    Medium(u32),
    /// Standard output of a child, by its pid.
    Output(u32),
    /// A connection of a local client, by its number.
    Client(u32),
}

impl Token {
    const MEDIUM: u64 = 1 << 32;
    const OUTPUT: u64 = 2 << 32;
    const CLIENT: u64 = 3 << 32;

    /// For the poller.
    pub(crate) fn number(self) -> u64 {
        match self {
            Token::Signals => 0,
            Token::Fifo => 1,
            Token::Arp => 2,
            Token::Reload => 3,
            Token::Register => 4,
            Token::Network => 5,
            Token::Medium(index) => Token::MEDIUM | u64::from(index),
            Token::Output(pid) => Token::OUTPUT | u64::from(pid),
            Token::Client(number) => Token::CLIENT | u64::from(number),
        }
    }

    /// From the poller.
    pub(crate) fn from_number(number: u64) -> Option<Token> {
        let low = number as u32;
        Some(match number & !u64::from(u32::MAX) {
            Token::MEDIUM => Token::Medium(low),
            Token::OUTPUT => Token::Output(low),
            Token::CLIENT => Token::Client(low),
            0 => match low {
                0 => Token::Signals,
                1 => Token::Fifo,
                2 => Token::Arp,
                3 => Token::Reload,
                4 => Token::Register,
                5 => Token::Network,
                _ => return None,
            },
            _ => return None,
        })
    }
}

/// The three of them.
#[derive(Debug)]
pub(crate) struct Shell {
    pub(crate) poller: Poller,
    pub(crate) logger: Logger,
    pub(crate) timers: Timers<Due>,
    /// Debug level: debug lines are written from 1 on.
    pub(crate) debug: i32,
}

impl Shell {
    pub(crate) fn info(&self, text: impl Into<String>) {
        self.logger.log(Priority::Info, text);
    }

    pub(crate) fn warn(&self, text: impl Into<String>) {
        self.logger.log(Priority::Warn, text);
    }

    pub(crate) fn error(&self, text: impl Into<String>) {
        self.logger.log(Priority::Error, text);
    }

    /// Does something after a while.
    pub(crate) fn after(&mut self, pause: Duration, what: Due) {
        self.timers.set(ha_sys::clock::monotonic() + pause, what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_the_poller() {
        let tokens = [
            Token::Signals,
            Token::Fifo,
            Token::Arp,
            Token::Reload,
            Token::Network,
            Token::Medium(0),
            Token::Medium(63),
            Token::Output(1),
            Token::Output(u32::MAX),
            Token::Register,
            Token::Client(1),
            Token::Client(u32::MAX),
        ];
        for token in tokens {
            assert_eq!(Token::from_number(token.number()), Some(token));
        }
        assert_eq!(Token::from_number(6), None);
        assert_eq!(Token::from_number(u64::MAX), None);
    }
}
