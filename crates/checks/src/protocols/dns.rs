//! dns: one question, and an answer that must be the expected one (`ldirectord.md` 6.3).
//!
//! `request` is a name (its address is asked for) or an address (its name is asked for); `receive` must be equal to what
//! an answer says. Where it is an IPv6 address the IPv6 address is asked for, which the legacy cannot. A short name is
//! completed from the resolver's search list. Over UDP the question is asked again while no answer comes, and an answer
//! that did not fit is fetched over TCP.

mod message;

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use ha_config::ldirectord::Negotiate;
use ipvs::Protocol;

use self::message::{Answer, BadAnswer, Kind, Question, Record};
use super::ending::{self, closed, failed, mismatch, too_long, up};
use super::frames::{BadFrame, Frames, Header};
use super::{Environment, Seed};
use crate::{Conversation, Effect, Effects, Event, Target, Transport, Verdict};

/// The first question is repeated after this time, the next after twice as long, and so on up to the longest.
const PATIENCE: Duration = Duration::from_secs(1);
const PATIENCE_MAX: Duration = Duration::from_secs(8);

/// Of a search list, so many domains are used.
const SEARCH_MAX: usize = 16;

/// One check.
#[derive(Debug)]
pub(super) struct Dns {
    target: Target,
    /// `receive`.
    wanted: Vec<u8>,
    /// What to ask, one after the other while there is no answer; never empty.
    questions: Vec<Question>,
    /// The one that is being asked.
    current: usize,
    seed: Seed,
    patience: Duration,
    frames: Frames,
    heard_something: bool,
}

impl Dns {
    /// A check over the transport of `negotiate`.
    pub(super) fn new(
        address: IpAddr,
        port: u16,
        negotiate: &Negotiate,
        seed: &Seed,
        environment: &Environment,
    ) -> Result<Dns, Verdict> {
        let transport = match negotiate.transport {
            Protocol::Udp => Transport::Udp,
            _ => Transport::Tcp,
        };
        let target = ending::target(address, port, transport)?;
        if negotiate.receive.is_empty() {
            return Err(mismatch()
                .remark("a dns check needs receive: the address or name that is to be answered"));
        }
        let request = negotiate.request.strip_prefix(b"/");
        let questions = questions(
            request.unwrap_or(&negotiate.request),
            &negotiate.receive,
            environment,
        );
        if questions.is_empty() {
            return Err(Verdict::down("Unusable request").remark(
                "a dns check needs request: the name or address to ask for, of valid length",
            ));
        }
        Ok(Dns {
            target,
            wanted: negotiate.receive.clone(),
            questions,
            current: 0,
            seed: *seed,
            patience: PATIENCE,
            frames: Frames::new(tcp_header),
            heard_something: false,
        })
    }

    fn is_udp(&self) -> bool {
        self.target.transport == Transport::Udp
    }

    /// Each question has its own number.
    fn id(&self) -> u16 {
        let mut bytes = self.seed.iter().copied().cycle().skip(2 * self.current);
        u16::from_be_bytes([bytes.next().unwrap_or(0), bytes.next().unwrap_or(0)])
    }

    fn ask(&mut self, effects: &mut Effects) {
        let Some(question) = self.questions.get(self.current) else {
            return;
        };
        let query = question.query(self.id());
        if self.is_udp() {
            effects.send(query);
            effects.push(Effect::Wake(self.patience));
            self.patience = (self.patience * 2).min(PATIENCE_MAX);
        } else {
            // A query has at most 12 + 255 + 4 bytes.
            let length = u16::try_from(query.len()).unwrap_or(0);
            effects.send([&length.to_be_bytes(), query.as_slice()].concat());
        }
    }

    fn data(&mut self, bytes: &[u8], effects: &mut Effects) {
        self.heard_something = true;
        if self.is_udp() {
            return self.message(bytes, effects);
        }
        self.frames.feed(bytes);
        match self.frames.next() {
            Ok(Some(frame)) => self.message(frame.body(), effects),
            Ok(None) => {}
            Err(BadFrame::TooLong) => effects.done(too_long()),
            Err(BadFrame::Malformed) => effects.done(mismatch()),
        }
    }

    fn message(&mut self, message: &[u8], effects: &mut Effects) {
        let Some(question) = self.questions.get(self.current) else {
            return;
        };
        match Answer::read(message, self.id(), question) {
            Ok(answer) => self.answer(&answer, effects),
            // A datagram may be late, or forged; the right one may still come.
            Err(BadAnswer::NotOurs) if self.is_udp() => {}
            Err(_) => effects.done(mismatch()),
        }
    }

    fn answer(&mut self, answer: &Answer, effects: &mut Effects) {
        if answer.wanted.iter().any(|record| self.is_wanted(record)) {
            return effects.done(up());
        }
        if answer.truncated && self.is_udp() {
            self.target.transport = Transport::Tcp;
            return effects.push(Effect::Reconnect(self.target.clone()));
        }
        if answer.records > 0 {
            return effects.done(mismatch());
        }
        if self.current + 1 == self.questions.len() {
            return effects.done(Verdict::down(rcode_text(answer.rcode)));
        }
        self.current += 1;
        self.patience = PATIENCE;
        if self.is_udp() {
            self.ask(effects);
        } else {
            // Not every server answers a second question on one connection.
            self.frames = Frames::new(tcp_header);
            effects.push(Effect::Reconnect(self.target.clone()));
        }
    }

    fn is_wanted(&self, record: &Record) -> bool {
        match record {
            Record::A(address) => address.to_string().as_bytes() == self.wanted,
            // Names are the same in any case.
            Record::Ptr(name) => name.eq_ignore_ascii_case(&self.wanted),
            Record::Aaaa(address) => ipv6(&self.wanted) == Some(*address),
        }
    }
}

impl Conversation for Dns {
    fn target(&self) -> Target {
        self.target.clone()
    }

    fn handle(&mut self, event: Event<'_>, effects: &mut Effects) {
        match event {
            Event::Connected { .. } => self.ask(effects),
            Event::Woken if self.is_udp() => self.ask(effects),
            Event::Data(bytes) => self.data(bytes, effects),
            Event::Closed => effects.done(closed(self.heard_something)),
            Event::Failed(cause) => effects.done(failed(cause)),
            _ => {}
        }
    }
}

/// What to ask for this request, in order.
fn questions(request: &[u8], receive: &[u8], environment: &Environment) -> Vec<Question> {
    let address = std::str::from_utf8(request)
        .ok()
        .and_then(|text| text.parse::<IpAddr>().ok());
    if let Some(address) = address {
        return vec![Question::reverse(address)];
    }
    let kind = match ipv6(receive) {
        Some(_) => Kind::Aaaa,
        None => Kind::A,
    };
    names(request, environment)
        .iter()
        .filter_map(|name| Question::new(name, kind))
        .collect()
}

/// A name as the resolver would complete it. One with a dot at its end is complete.
fn names(name: &[u8], environment: &Environment) -> Vec<Vec<u8>> {
    if let Some(complete) = name.strip_suffix(b".") {
        return vec![complete.to_vec()];
    }
    let mut names: Vec<Vec<u8>> = environment
        .search
        .iter()
        .map(|domain| domain.trim_matches('.'))
        .filter(|domain| !domain.is_empty())
        .take(SEARCH_MAX)
        .map(|domain| [name, b".", domain.as_bytes()].concat())
        .collect();
    let dots = name.iter().filter(|&&byte| byte == b'.').count();
    let first = usize::try_from(environment.ndots).is_ok_and(|ndots| dots >= ndots);
    let place = if first { 0 } else { names.len() };
    names.insert(place, name.to_vec());
    names
}

fn ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `length(2) message`.
fn tcp_header(bytes: &[u8]) -> Result<Option<Header>, BadFrame> {
    Ok(bytes.first_chunk().map(|length| Header {
        length: 2,
        body: usize::from(u16::from_be_bytes(*length)),
    }))
}

fn rcode_text(rcode: u16) -> String {
    match rcode {
        0 => "No such record".to_owned(),
        1 => "Answer FORMERR".to_owned(),
        2 => "Answer SERVFAIL".to_owned(),
        3 => "Answer NXDOMAIN".to_owned(),
        4 => "Answer NOTIMP".to_owned(),
        5 => "Answer REFUSED".to_owned(),
        other => format!("Answer with error {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::bench::{self, Play};

    const SEED: Seed = *b"\x01\x23\x45\x67\x89\xab\xcd\xef........................";

    fn play(transport: Protocol, request: &str, receive: &str, search: &[&str]) -> Play {
        let negotiate = Negotiate {
            transport,
            ..bench::exchange(request, receive)
        };
        let environment = Environment {
            search: search.iter().map(|&domain| domain.to_owned()).collect(),
            ndots: 1,
            ..Environment::default()
        };
        Play::new(|| {
            Box::new(Dns::new(bench::SERVER, 53, &negotiate, &SEED, &environment).unwrap())
        })
    }

    fn udp(request: &str, receive: &str) -> Play {
        play(Protocol::Udp, request, receive, &[]).connected()
    }

    /// Flags and number of records, question and records.
    fn answer(id: u16, flags: u16, question: &Question, records: &[&[u8]]) -> Vec<u8> {
        let mut message = question.query(id);
        message[2..4].copy_from_slice(&flags.to_be_bytes());
        message[7] = records.len() as u8;
        message.extend(records.concat());
        message
    }

    fn question(name: &str, kind: Kind) -> Question {
        Question::new(name.as_bytes(), kind).unwrap()
    }

    fn www() -> Question {
        question("www.example.com", Kind::A)
    }

    const OK: u16 = 0x8180;
    const NXDOMAIN: u16 = 0x8183;
    // www.example.com CNAME web.example.com; its address 192.0.2.7; AAAA 2001:db8::7.
    const CNAME: &[u8] = b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x06\x03web\xc0\x10";
    const A: &[u8] = b"\xc0\x2d\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x07";
    const AAAA: &[u8] =
        b"\xc0\x0c\0\x1c\0\x01\0\0\0\x3c\0\x10\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07";
    // The name of an address: WEB.example.com; the question's name has 23 bytes.
    const PTR: &[u8] = b"\xc0\x0c\0\x0c\0\x01\0\0\0\x3c\0\x11\x03WEB\x07example\x03com\0";

    #[test]
    fn the_address_of_a_name() {
        let good = answer(0x0123, OK, &www(), &[CNAME, A]);
        let end = udp("/www.example.com", "192.0.2.7").hears(&good).ends();
        assert_eq!(end.verdict, up());
        assert_eq!(end.effects[0], Effect::Send(www().query(0x0123)));
        for other in [
            "192.0.2.8",
            "192.0.2",
            "192\\.0\\.2\\.7",
            "web.example.com",
            ".",
        ] {
            let end = udp("/www.example.com", other).hears(&good).ends();
            assert_eq!(end.verdict, mismatch(), "{other}");
        }
    }

    #[test]
    fn the_name_of_an_address() {
        let question = Question::reverse("192.0.2.7".parse().unwrap());
        let good = answer(0x0123, OK, &question, &[PTR]);
        let end = udp("/192.0.2.7", "web.example.com").hears(&good).ends();
        assert_eq!(end.verdict, up());
        let end = udp("/192.0.2.7", "web.example.org").hears(&good).ends();
        assert_eq!(end.verdict, mismatch());
    }

    #[test]
    fn ipv6() {
        let question = question("www.example.com", Kind::Aaaa);
        let good = answer(0x0123, OK, &question, &[AAAA]);
        let end = udp("/www.example.com", "2001:DB8:0::7").hears(&good).ends();
        assert_eq!(end.verdict, up());
        // Not looked at when the address is asked for.
        let other = answer(0x0123, OK, &www(), &[AAAA]);
        let end = udp("/www.example.com", "192.0.2.7").hears(&other).ends();
        assert_eq!(end.verdict, mismatch());
    }

    #[test]
    fn what_cannot_be_asked() {
        for (request, receive) in [("/www", ""), ("/", "192.0.2.7"), ("/a..b", "192.0.2.7")] {
            let negotiate = bench::exchange(request, receive);
            let made = Dns::new(
                bench::SERVER,
                53,
                &negotiate,
                &SEED,
                &Environment::default(),
            );
            assert!(made.unwrap_err().remark.is_some(), "{request}");
        }
    }

    #[test]
    fn errors_have_a_name() {
        for (rcode, text) in [
            (0, "No such record"),
            (2, "Answer SERVFAIL"),
            (3, "Answer NXDOMAIN"),
            (5, "Answer REFUSED"),
            (9, "Answer with error 9"),
        ] {
            let message = answer(0x0123, OK | rcode, &www(), &[]);
            let end = udp("/www.example.com", "192.0.2.7").hears(&message).ends();
            assert_eq!(end.verdict, Verdict::down(text));
        }
    }

    #[test]
    fn a_forged_datagram_changes_nothing() {
        let play = udp("/www.example.com", "192.0.2.7")
            .hears(answer(0x0124, OK, &www(), &[CNAME, A]))
            .hears(answer(
                0x0123,
                OK,
                &question("ww2.example.com", Kind::A),
                &[CNAME, A],
            ))
            .hears("\x01")
            .hears("");
        assert_eq!(play.effects.len(), 2);
        let end = play.hears(answer(0x0123, OK, &www(), &[CNAME, A])).ends();
        assert_eq!(end.verdict, up());
    }

    #[test]
    fn a_lost_datagram_is_asked_for_again() {
        let mut play = udp("/www.example.com", "192.0.2.7");
        for _ in 0..5 {
            play = play.event(Event::Woken);
        }
        let pauses: Vec<u64> = play
            .effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Wake(pause) => Some(pause.as_secs()),
                effect => {
                    assert_eq!(*effect, Effect::Send(www().query(0x0123)));
                    None
                }
            })
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 8, 8]);
    }

    #[test]
    fn an_answer_that_did_not_fit_is_fetched_over_tcp() {
        let play = udp("/www.example.com", "192.0.2.7").hears(answer(
            0x0123,
            OK | 0x0200,
            &www(),
            &[CNAME],
        ));
        let Some(Effect::Reconnect(target)) = play.effects.last() else {
            panic!("{:?}", play.effects);
        };
        assert_eq!(target.transport, Transport::Tcp);
        let message = answer(0x0123, OK, &www(), &[CNAME, A]);
        let end = play
            .event(Event::Connected {
                local: bench::LOCAL,
            })
            .hears([0, message.len() as u8])
            .hears(&message[..10])
            .hears(&message[10..])
            .ends();
        assert_eq!(end.verdict, up());
    }

    #[test]
    fn a_short_name_is_completed() {
        let search = &["a.example", ".", "example.com."];
        let first = question("www.a.example", Kind::A);
        let end = play(Protocol::Udp, "/www", "192.0.2.7", search)
            .hears(answer(0x0123, NXDOMAIN, &first, &[]))
            .hears(answer(0x4567, OK, &www(), &[CNAME, A]))
            .ends();
        assert_eq!(end.verdict, up());
        let asked = |name: &str| -> Vec<String> {
            let environment = Environment {
                search: search.iter().map(|&domain| domain.to_owned()).collect(),
                ndots: 1,
                ..Environment::default()
            };
            names(name.as_bytes(), &environment)
                .into_iter()
                .map(|name| String::from_utf8(name).unwrap())
                .collect()
        };
        assert_eq!(asked("www"), ["www.a.example", "www.example.com", "www"]);
        assert_eq!(asked("w.b"), ["w.b", "w.b.a.example", "w.b.example.com"]);
        assert_eq!(asked("www."), ["www"]);
    }

    #[test]
    fn over_tcp_each_question_has_a_connection() {
        let tcp = |message: Vec<u8>| [&[0, message.len() as u8], message.as_slice()].concat();
        let play = play(Protocol::Tcp, "/www", "192.0.2.7", &["example.com"]).hears(tcp(answer(
            0x0123,
            NXDOMAIN,
            &www(),
            &[],
        )));
        assert!(matches!(play.effects.last(), Some(Effect::Reconnect(_))));
        let end = play
            .event(Event::Connected {
                local: bench::LOCAL,
            })
            .hears(tcp(answer(
                0x4567,
                NXDOMAIN,
                &question("www", Kind::A),
                &[],
            )))
            .ends();
        assert_eq!(end.verdict, Verdict::down("Answer NXDOMAIN"));
    }

    #[test]
    fn nothing_shakes_it() {
        let message = answer(0x0123, OK, &www(), &[CNAME, A]);
        let stream = [&[0, message.len() as u8], message.as_slice()].concat();
        let make = || play(Protocol::Tcp, "/www.example.com", "192.0.2.7", &[]);
        bench::sturdy(make, &[&stream]);
    }
}
