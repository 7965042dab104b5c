//! simpletcp: a text is sent, and a line of what comes back has to match (`ldirectord.md` 6.3).
//!
//! Release 2.1 sends the slash that is put in front of each request, 4.12 does not. 2.1 is followed, as everywhere; it
//! does not shut down its sending side either.

use ha_config::ldirectord::Negotiate;

use super::ending::{closed, failed, mismatch, receive, too_long, up};
use super::lines::Lines;
use crate::{Conversation, Effects, Event, Pattern, Target, Verdict};

/// One check.
#[derive(Debug)]
pub(super) struct SimpleTcp {
    target: Target,
    request: Vec<u8>,
    /// None: any line will do.
    receive: Option<Pattern>,
    lines: Lines,
    heard_something: bool,
}

impl SimpleTcp {
    /// A check with request and receive of `negotiate`.
    pub(super) fn new(target: Target, negotiate: &Negotiate) -> Result<SimpleTcp, Verdict> {
        Ok(SimpleTcp {
            target,
            request: with_line_ends(&negotiate.request),
            receive: receive(negotiate)?,
            lines: Lines::default(),
            heard_something: false,
        })
    }

    fn data(&mut self, bytes: &[u8], effects: &mut Effects) {
        self.heard_something |= !bytes.is_empty();
        self.lines.feed(bytes);
        loop {
            match self.lines.next_raw() {
                Ok(Some(line)) if self.matches(&line) => return effects.done(up()),
                Ok(Some(_)) => {}
                Ok(None) => return,
                Err(_) => return effects.done(too_long()),
            }
        }
    }

    fn matches(&self, line: &[u8]) -> bool {
        self.receive
            .as_ref()
            .is_none_or(|pattern| pattern.matches(line))
    }

    /// What stands behind the last line end is a line as well, also if the connection broke: a server that speaks and
    /// closes without having read our request resets the connection, sooner or later.
    fn end(&self, otherwise: Verdict) -> Verdict {
        let rest = self.lines.rest();
        if !rest.is_empty() && self.matches(rest) {
            up()
        } else {
            otherwise
        }
    }

    fn no_match(&self) -> Verdict {
        if self.heard_something {
            mismatch()
        } else {
            closed(false)
        }
    }
}

impl Conversation for SimpleTcp {
    fn target(&self) -> Target {
        self.target.clone()
    }

    fn handle(&mut self, event: Event<'_>, effects: &mut Effects) {
        match event {
            Event::Connected { .. } => effects.send(self.request.clone()),
            Event::Data(bytes) => self.data(bytes, effects),
            Event::Closed => effects.done(self.end(self.no_match())),
            Event::Failed(cause) => effects.done(self.end(failed(cause))),
            _ => {}
        }
    }
}

/// The file has one line for a request, so a line end is written as `\n` there.
fn with_line_ends(request: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(request.len());
    let mut rest = request;
    while let Some((&first, behind)) = rest.split_first() {
        if let Some(behind) = rest.strip_prefix(br"\n") {
            out.push(b'\n');
            rest = behind;
        } else {
            out.push(first);
            rest = behind;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::bench::{self, Play};
    use crate::protocols::ending;

    fn play_for(request: &'static str, receive: &'static str) -> Play {
        Play::new(move || {
            let target = ending::tcp(bench::SERVER, 7).unwrap();
            Box::new(SimpleTcp::new(target, &bench::exchange(request, receive)).unwrap())
        })
    }

    fn play() -> Play {
        play_for("/", "^PONG [0-9]")
    }

    #[test]
    fn what_is_sent() {
        let end = play_for(r"/PING\nQUIT\n", "x")
            .connected()
            .hears("x\n")
            .ends();
        assert_eq!(end.said, "/PING\nQUIT\n");
        assert_eq!(with_line_ends(br"\n\\n\t\"), b"\n\\\n\\t\\");
    }

    #[test]
    fn line_by_line() {
        let end = play().hears("hello\nPONG 1\n").ends();
        assert_eq!(end.verdict, Verdict::up("-"));
        let end = play().hears("hello PONG 1\nPONG\n 1\n").closed();
        assert_eq!(end.verdict, Verdict::down("Response mismatch"));
        let end = play_for("/", "a\r\n").hears("a\r\n").ends();
        assert!(end.verdict.up, "the line end is part of the line");
    }

    #[test]
    fn the_last_line_needs_no_end() {
        let end = play().hears("hello\nPONG 1").closed();
        assert_eq!(end.verdict, Verdict::up("-"));
        let reset = "Connection reset by peer";
        assert!(play().hears("PONG 1").failed(reset).verdict.up);
        let end = play().hears("PONG").failed(reset);
        assert_eq!(
            end.verdict,
            Verdict::down("Connection failed (Connection reset by peer)")
        );
    }

    #[test]
    fn without_receive_any_line_will_do() {
        assert!(play_for("/", "").hears("\n").ends().verdict.up);
        assert!(play_for("/", "").hears("x").closed().verdict.up);
        let end = play_for("/", "").closed();
        assert_eq!(end.verdict, Verdict::down("No answer received"));
    }

    #[test]
    fn answers_without_end() {
        let end = play().hears_endlessly("PING\n").ends();
        assert_eq!(end.verdict, Verdict::down("Answer too long"));
        let end = play().hears_endlessly("PONG 1").ends();
        assert_eq!(end.verdict, Verdict::down("Answer too long"));
    }

    #[test]
    fn neither_noise_nor_packet_borders_matter() {
        bench::sturdy(play, &["PING 1\n", "PONG 1\n"]);
        bench::sturdy(play, &["PING 1\n", "PONG\n"]);
    }
}
