//! sip: an OPTIONS request (`ldirectord.md` 6.3), over datagrams or a connection as the virtual service is.

use std::net::SocketAddr;
use std::time::Duration;

use ha_config::ldirectord::Negotiate;

use super::Seed;
use super::ending::{closed, failed, mismatch, one_line, refused, too_long, up};
use super::lines::Lines;
use crate::{Conversation, Effect, Effects, Event, Target, Transport, Verdict};

/// A datagram may be lost: the request is repeated after this time, then after twice as long, and so on (timer T1 of
/// RFC 3261, which also says that the server answers each time).
const PATIENCE: Duration = Duration::from_millis(500);

/// What the first line of the answer begins with.
const GOOD: &[u8] = b"SIP/2.0 200 OK";

/// One check.
#[derive(Debug)]
pub(super) struct Sip {
    target: Target,
    login: Vec<u8>,
    call_id: String,
    lines: Lines,
    request: Vec<u8>,
    /// When the request goes out again; none over a connection, which loses nothing.
    patience: Option<Duration>,
    /// The first line has come, and is good.
    begun: bool,
}

impl Sip {
    /// A check with the login of `negotiate`.
    pub(super) fn new(target: Target, negotiate: &Negotiate, seed: &Seed) -> Result<Sip, Verdict> {
        one_line("login", &negotiate.login)?;
        let random = seed.iter().take(8);
        Ok(Sip {
            login: negotiate.login.clone(),
            call_id: random.map(|byte| format!("{byte:02x}")).collect(),
            patience: (target.transport == Transport::Udp).then_some(PATIENCE),
            target,
            lines: Lines::default(),
            request: Vec::new(),
            begun: false,
        })
    }

    /// The text of 2.1.4. `UDP` stands there over TCP as well.
    fn request(&self, local: SocketAddr) -> Vec<u8> {
        let login = self.login.as_slice();
        let via = format!("SIP/2.0/UDP {local};branch=z9hG4bKhjhs8ass877");
        let lines: [&[&[u8]]; 10] = [
            &[b"OPTIONS sip:", login, b" SIP/2.0"],
            &[b"Via: ", via.as_bytes()],
            &[b"Max-Forwards: 70"],
            &[b"To: <sip:", login, b">"],
            &[b"From: <sip:", login, b">;tag=1928301774"],
            &[b"Call-ID: ", self.call_id.as_bytes()],
            &[b"CSeq: 63104 OPTIONS"],
            &[b"Contact: <sip:", login, b">"],
            &[b"Accept: application/sdp"],
            &[b"Content-Length: 0"],
        ];
        let mut request = Vec::new();
        for line in lines {
            request.extend(line.concat());
            request.extend(b"\r\n");
        }
        request.extend(b"\r\n");
        request
    }

    fn send(&mut self, effects: &mut Effects) {
        effects.send(self.request.clone());
        if let Some(patience) = self.patience {
            effects.push(Effect::Wake(patience));
            self.patience = Some(patience.saturating_mul(2));
        }
    }

    fn data(&mut self, bytes: &[u8], effects: &mut Effects) {
        self.lines.feed(bytes);
        loop {
            match self.lines.next() {
                Ok(Some(line)) if !self.begun => {
                    if !line.starts_with(GOOD) {
                        return effects.done(no_success(&line));
                    }
                    self.begun = true;
                }
                Ok(Some(line)) if line.is_empty() => return effects.done(up()),
                Ok(Some(_)) => {}
                Ok(None) => return,
                Err(_) => return effects.done(too_long()),
            }
        }
    }
}

/// Another status of the protocol is worth repeating, anything else is not.
fn no_success(line: &[u8]) -> Verdict {
    match line.strip_prefix(b"SIP/2.0 ") {
        Some(status) => refused(status),
        None => mismatch(),
    }
}

impl Conversation for Sip {
    fn target(&self) -> Target {
        self.target.clone()
    }

    fn handle(&mut self, event: Event<'_>, effects: &mut Effects) {
        match event {
            Event::Connected { local } => {
                self.request = self.request(local);
                self.send(effects);
            }
            // Between two datagrams of an answer nothing has to be repeated.
            Event::Woken if !self.begun => self.send(effects),
            Event::Data(bytes) => self.data(bytes, effects),
            Event::Closed => {
                effects.done(closed(self.begun || !self.lines.rest().is_empty()));
            }
            Event::Failed(cause) => effects.done(failed(cause)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::bench::{self, Play};
    use crate::protocols::ending;

    const SEED: Seed = *b"\x01\x23\x45\x67\x89\xab\xcd\xef........................";

    fn play() -> Play {
        Play::new(|| {
            let target = ending::target(bench::SERVER, 5060, Transport::Udp).unwrap();
            Box::new(Sip::new(target, &bench::login("ldirectord@lvs1", ""), &SEED).unwrap())
        })
    }

    // As recorded from kamailio 5.6.
    const OK: &str = "SIP/2.0 200 OK\r\n\
        Via: SIP/2.0/UDP 127.0.0.1:54456;branch=z9hG4bKhjhs8ass877\r\n\
        To: <sip:ldirectord@lvs1>;tag=9dd61ff61e802d8e2bef5f14621ef3c2.6179bee6\r\n\
        From: <sip:ldirectord@lvs1>;tag=1928301774\r\n\
        Call-ID: 3bacc3adc44084f1\r\n\
        CSeq: 63104 OPTIONS\r\n\
        Server: kamailio (5.6.3 (x86_64/linux))\r\n\
        Content-Length: 0\r\n\r\n";

    #[test]
    fn what_is_sent() {
        let end = play().connected().hears(OK).ends();
        assert_eq!(end.verdict, Verdict::up("-"));
        assert_eq!(
            end.said,
            "OPTIONS sip:ldirectord@lvs1 SIP/2.0\r\n\
             Via: SIP/2.0/UDP 192.0.2.1:40000;branch=z9hG4bKhjhs8ass877\r\n\
             Max-Forwards: 70\r\n\
             To: <sip:ldirectord@lvs1>\r\n\
             From: <sip:ldirectord@lvs1>;tag=1928301774\r\n\
             Call-ID: 0123456789abcdef\r\n\
             CSeq: 63104 OPTIONS\r\n\
             Contact: <sip:ldirectord@lvs1>\r\n\
             Accept: application/sdp\r\n\
             Content-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn a_lost_datagram() {
        let play = play().connected();
        assert_eq!(play.effects.last(), Some(&Effect::Wake(PATIENCE)));
        let mut play = play.event(Event::Woken);
        assert_eq!(play.effects.last(), Some(&Effect::Wake(PATIENCE * 2)));
        assert_eq!(play.effects[0], play.effects[2]);
        play = play.hears(OK);
        assert_eq!(play.ends().verdict, Verdict::up("-"));
    }

    #[test]
    fn a_connection_loses_nothing() {
        let play = Play::new(|| {
            let target = ending::tcp(bench::SERVER, 5060).unwrap();
            Box::new(Sip::new(target, &bench::login("x", ""), &SEED).unwrap())
        });
        assert_eq!(play.connected().effects.len(), 1);
    }

    #[test]
    fn only_200_ok_will_do() {
        let end = play().hears("SIP/2.0 404 Not here\r\n\r\n").ends();
        assert_eq!(end.verdict, Verdict::down("404 Not here"));
        for other in [
            "SIP/2.0 200 Fine\r\n\r\n",
            "SIP/2.0 100 Trying\r\n\r\n",
            "\r\n",
            "hello\n\n",
        ] {
            assert!(!play().hears(other).ends().verdict.up, "{other}");
        }
    }

    #[test]
    fn the_answer_has_to_be_whole() {
        let end = play().hears("SIP/2.0 200 OK\r\nVia: x\r\n").closed();
        assert_eq!(end.verdict, Verdict::down("Connection closed"));
        let end = play().hears("SIP/2.0 200 OK\n").hears("\n").ends();
        assert_eq!(end.verdict, Verdict::up("-"));
        let end = play()
            .hears("SIP/2.0 200 OK\n")
            .hears_endlessly("X: y\n")
            .ends();
        assert_eq!(end.verdict, Verdict::down("Answer too long"));
    }

    #[test]
    fn a_login_is_one_line() {
        let target = ending::target(bench::SERVER, 5060, Transport::Udp).unwrap();
        assert!(Sip::new(target, &bench::login("a\r\nX: y", ""), &SEED).is_err());
    }

    #[test]
    fn neither_noise_nor_packet_borders_matter() {
        bench::sturdy(play, &[OK]);
        bench::sturdy(play, &["SIP/2.0 404 Not here\r\n\r\n"]);
    }
}
