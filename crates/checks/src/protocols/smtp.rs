//! smtp and submission: greeting, EHLO (else HELO), QUIT (`ldirectord.md` 6.3). `request` and `receive` play no part.

use std::net::IpAddr;

use super::ending::{self, closed, failed, mismatch, refused, too_long, up};
use super::reply::{BadReply, Replies, Reply};
use crate::{Conversation, Effects, Event, Target, Verdict};

/// What the legacy says, too. It need not be our name: nothing is sent that would be judged by it.
const NAME: &str = "localhost.localdomain";

/// One check.
#[derive(Debug)]
pub(super) struct Smtp {
    target: Target,
    replies: Replies,
    heard_something: bool,
    awaited: Awaited,
}

#[derive(Clone, Copy, Debug)]
enum Awaited {
    Greeting,
    Ehlo,
    Helo,
}

impl Smtp {
    /// A check of this server.
    pub(super) fn new(address: IpAddr, port: u16) -> Result<Smtp, Verdict> {
        Ok(Smtp {
            target: ending::tcp(address, port)?,
            replies: Replies::default(),
            heard_something: false,
            awaited: Awaited::Greeting,
        })
    }

    fn data(&mut self, bytes: &[u8], effects: &mut Effects) {
        self.heard_something = true;
        self.replies.feed(bytes);
        loop {
            match self.replies.next() {
                Ok(Some(reply)) => {
                    if let Some(verdict) = self.reply(&reply, effects) {
                        effects.send("QUIT\r\n");
                        return effects.done(verdict);
                    }
                }
                Ok(None) => return,
                Err(BadReply::TooLong) => return effects.done(too_long()),
                Err(BadReply::NoReply(_)) => return effects.done(mismatch()),
            }
        }
    }

    fn reply(&mut self, reply: &Reply, effects: &mut Effects) -> Option<Verdict> {
        match (self.awaited, reply.is_good()) {
            (Awaited::Greeting, true) => {
                effects.send(format!("EHLO {NAME}\r\n"));
                self.awaited = Awaited::Ehlo;
                None
            }
            (Awaited::Ehlo, false) => {
                effects.send(format!("HELO {NAME}\r\n"));
                self.awaited = Awaited::Helo;
                None
            }
            (Awaited::Ehlo | Awaited::Helo, true) => Some(up()),
            (Awaited::Greeting | Awaited::Helo, false) => Some(refused(&reply.line)),
        }
    }
}

impl Conversation for Smtp {
    fn target(&self) -> Target {
        self.target.clone()
    }

    fn handle(&mut self, event: Event<'_>, effects: &mut Effects) {
        match event {
            Event::Data(bytes) => self.data(bytes, effects),
            Event::Closed => effects.done(closed(self.heard_something)),
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
        Play::new(|| Box::new(Smtp::new(bench::SERVER, 25).unwrap()))
    }

    // As recorded from postfix 3.7.
    const GREETING: &str = "220 mail.lab.example ESMTP Postfix\r\n";
    const EHLO: &str = "250-mail.lab.example\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-VRFY\r\n\
        250-ETRN\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n\
        250-SMTPUTF8\r\n250 CHUNKING\r\n";

    #[test]
    fn a_server_that_works() {
        let end = play().hears(GREETING).hears(EHLO).ends();
        assert_eq!(end.verdict, Verdict::up("-"));
        assert_eq!(end.said, "EHLO localhost.localdomain\r\nQUIT\r\n");
    }

    #[test]
    fn a_server_that_knows_only_helo() {
        let end = play()
            .hears("220-old\n220 server\n")
            .hears("502 5.5.2 Error: command not recognized\n")
            .hears("250 mail.example\n")
            .ends();
        assert_eq!(end.verdict, Verdict::up("-"));
        assert_eq!(
            end.said,
            "EHLO localhost.localdomain\r\nHELO localhost.localdomain\r\nQUIT\r\n"
        );
    }

    #[test]
    fn a_server_that_says_no() {
        let busy = play()
            .hears("421 4.3.2 All server ports are busy\r\n")
            .ends();
        assert_eq!(
            busy.verdict,
            Verdict::down("421 4.3.2 All server ports are busy")
        );
        let both = play()
            .hears(GREETING)
            .hears("550 no\r\n")
            .hears("550 still no\r\n")
            .ends();
        assert_eq!(both.verdict, Verdict::down("550 still no"));
    }

    #[test]
    fn something_else_on_the_port() {
        let end = play().hears("HTTP/1.1 400 Bad Request\r\n").ends();
        assert_eq!(end.verdict, Verdict::down("Response mismatch"));
    }

    #[test]
    fn a_connection_that_ends_early() {
        let end = play().hears("220-mail.example\r\n").closed();
        assert_eq!(end.verdict, Verdict::down("Connection closed"));
        let end = play().closed();
        assert_eq!(end.verdict, Verdict::down("No answer received"));
        let end = play().failed("Connection refused");
        assert_eq!(
            end.verdict,
            Verdict::down("Connection failed (Connection refused)")
        );
    }

    #[test]
    fn neither_noise_nor_packet_borders_matter() {
        bench::sturdy(play, &[GREETING, EHLO]);
    }
}
