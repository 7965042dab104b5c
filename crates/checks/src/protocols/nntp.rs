//! nntp: the greeting begins with a 2 (`ldirectord.md` 6.3).

use std::net::IpAddr;

use super::ending::{self, closed, failed, mismatch, up};
use crate::{Conversation, Effects, Event, Target, Verdict};

/// One check.
#[derive(Debug)]
pub(super) struct Nntp {
    target: Target,
}

impl Nntp {
    /// A check of this server.
    pub(super) fn new(address: IpAddr, port: u16) -> Result<Nntp, Verdict> {
        let target = ending::tcp(address, port)?;
        Ok(Nntp { target })
    }
}

impl Conversation for Nntp {
    fn target(&self) -> Target {
        self.target.clone()
    }

    fn handle(&mut self, event: Event<'_>, effects: &mut Effects) {
        match event {
            Event::Data([first, ..]) => {
                effects.send("QUIT\r\n");
                // Nothing more of the answer is in the text: how much of it is here by now depends on the network.
                effects.done(if *first == b'2' { up() } else { mismatch() });
            }
            Event::Closed => effects.done(closed(false)),
            Event::Failed(cause) => effects.done(failed(cause)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::bench::{self, Play};

    fn play() -> Play {
        Play::new(|| Box::new(Nntp::new(bench::SERVER, 119).unwrap()))
    }

    // As recorded from leafnode 1.12.
    const GREETING: &str = "200 Leafnode NNTP Daemon, version 1.12.0 running at localhost (my fqdn: news.lab.internal)\r\n";
    const UNFIT: &str = "503 Leafnode must have a unique fully-qualified domain name. Have its administrator fix the configuration. More detail is in the logs.\r\n";

    #[test]
    fn only_the_first_digit_counts() {
        for greeting in [GREETING, "201 read only\r\n", "2", "299999"] {
            let end = play().hears(greeting).ends();
            assert_eq!(end.verdict, Verdict::up("-"), "{greeting}");
            assert_eq!(end.said, "QUIT\r\n");
        }
        for greeting in [UNFIT, "400 no\r\n", " 200\r\n", "\r\n200\r\n", "hello"] {
            let end = play().hears(greeting).ends();
            assert_eq!(
                end.verdict,
                Verdict::down("Response mismatch"),
                "{greeting}"
            );
        }
    }

    #[test]
    fn a_server_that_says_nothing() {
        let end = play().closed();
        assert_eq!(end.verdict, Verdict::down("No answer received"));
    }

    #[test]
    fn neither_noise_nor_packet_borders_matter() {
        bench::sturdy(play, &[GREETING]);
        bench::sturdy(play, &[UNFIT]);
    }
}
