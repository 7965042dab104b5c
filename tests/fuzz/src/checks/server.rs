//! A server that says what an input says, and the network between it and a check.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use checks::{Conversation, Effect, Effects, Event, Transport, Verdict};
use ha_config::ldirectord::ServiceCheck;

pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 40000);

/// At most so many bytes at a time reach a conversation.
const PIECE_MAX: usize = 16 * 1024;
/// No check needs more commands than this, or connections.
const EFFECTS_MAX: usize = 1000;
const ENDINGS_MAX: usize = 64;
/// More than any check has to say: a request, a login, a query.
const SAID_MAX: usize = 64 * 1024;

/// What the server says, and in which pieces.
#[derive(Clone, Debug)]
pub(crate) struct Delivery<'a> {
    pieces: Vec<(bool, &'a [u8])>,
    text: &'a [u8],
}

impl<'a> Delivery<'a> {
    pub(crate) fn of(input: &'a [u8]) -> Delivery<'a> {
        let (count, rest) = input
            .split_last()
            .map_or((0, input), |(last, rest)| (*last, rest));
        let count = usize::from(count % 16).min(rest.len());
        let (text, places) = rest.split_at(rest.len() - count);
        let mut places = places.to_vec();
        places.sort_by_key(|place| place & 0x7f);
        let mut pieces = Vec::new();
        let mut from = 0;
        for place in places {
            let to = (text.len() * usize::from(place & 0x7f)).div_ceil(127);
            pieces.push((place & 0x80 != 0, &text[from..to]));
            from = to;
        }
        pieces.push((false, &text[from..]));
        Delivery { pieces, text }
    }

    /// Everything in one packet.
    pub(crate) fn at_once(&self) -> Delivery<'a> {
        Delivery {
            pieces: vec![(false, self.text)],
            text: self.text,
        }
    }

    /// Nothing goes another way, and nothing waits.
    pub(crate) fn is_stream(&self) -> bool {
        self.pieces.iter().all(|(aside, _)| !aside)
    }
}

/// How a check ended.
pub(crate) struct End {
    pub(crate) verdict: Option<Verdict>,
    /// All that was sent.
    pub(crate) said: Vec<u8>,
    /// It was one connection, with nothing but sending and receiving.
    pub(crate) plain: bool,
}

/// One check and the server's side of it.
pub(crate) struct Server {
    conversation: Box<dyn Conversation>,
    service: ServiceCheck,
    udp: bool,
    verdict: Option<Verdict>,
    said: Vec<u8>,
    last_said: Vec<u8>,
    effects: usize,
    plain: bool,
    side: bool,
    wakes: bool,
}

impl Server {
    pub(crate) fn new(conversation: Box<dyn Conversation>, service: ServiceCheck) -> Server {
        let udp = conversation.target().transport == Transport::Udp;
        Server {
            conversation,
            service,
            udp,
            verdict: None,
            said: Vec::new(),
            last_said: Vec::new(),
            effects: 0,
            plain: !udp,
            side: false,
            wakes: false,
        }
    }

    /// Says everything, without waiting for any command, and closes.
    ///
    /// # Panics
    /// The check does something that no check may do.
    pub(crate) fn play(mut self, delivery: &Delivery<'_>) -> End {
        self.event(Event::Connected { local: LOCAL });
        for (aside, piece) in &delivery.pieces {
            if *aside && self.side {
                self.event(Event::SideData(piece));
                continue;
            }
            if *aside && self.wakes {
                self.wakes = false;
                self.event(Event::Woken);
            }
            let answer = self.fitting(piece);
            for part in answer.chunks(PIECE_MAX) {
                self.event(Event::Data(part));
            }
        }
        for _ in 0..ENDINGS_MAX {
            if self.verdict.is_none() {
                self.end();
            }
        }
        // Datagrams may still come: such a check is ended by the driver's deadline.
        assert!(self.verdict.is_some() || self.udp, "it does not end");
        if let Some(verdict) = &self.verdict {
            assert!(verdict.text.len() <= Verdict::TEXT_MAX);
        }
        End {
            verdict: self.verdict,
            said: self.said,
            plain: self.plain,
        }
    }

    /// Whatever may still be waited for comes to its end.
    fn end(&mut self) {
        if self.side {
            self.side = false;
            self.event(Event::SideClosed);
        } else if std::mem::take(&mut self.wakes) {
            self.event(Event::Woken);
        } else if self.udp {
            self.event(Event::Failed("Connection refused"));
        } else {
            self.event(Event::Closed);
        }
    }

    /// A server of datagrams repeats the number that it was asked with, which nobody guesses.
    fn fitting(&self, piece: &[u8]) -> Vec<u8> {
        let mut piece = piece.to_vec();
        let same: &[usize] = match self.service {
            ServiceCheck::Dns if self.udp => &[0, 1],
            ServiceCheck::Radius => &[1],
            _ => &[],
        };
        for at in same {
            if let (Some(to), Some(from)) = (piece.get_mut(*at), self.last_said.get(*at)) {
                *to = *from;
            }
        }
        piece
    }

    /// One event, unless the check is over, and what follows from it at once.
    fn event(&mut self, event: Event<'_>) {
        if self.verdict.is_some() {
            return;
        }
        let mut effects = Effects::new();
        self.conversation.handle(event, &mut effects);
        for effect in effects.take() {
            assert!(self.verdict.is_none(), "after the verdict: {effect:?}");
            self.effects += 1;
            assert!(self.effects < EFFECTS_MAX, "it does not come to an end");
            self.act(effect);
        }
    }

    fn act(&mut self, effect: Effect) {
        match effect {
            Effect::Send(bytes) => {
                self.said.extend(&bytes);
                self.last_said = bytes;
                assert!(self.said.len() < SAID_MAX, "it says too much");
            }
            Effect::FinishSending => {}
            Effect::Done(verdict) => self.verdict = Some(verdict),
            Effect::StartTls { .. } => {
                self.plain = false;
                self.event(Event::TlsStarted);
            }
            Effect::Wake(_) => {
                self.plain = false;
                self.wakes = true;
            }
            Effect::Reconnect(target) => {
                self.plain = false;
                self.wakes = false;
                self.udp = target.transport == Transport::Udp;
                self.event(Event::Connected { local: LOCAL });
            }
            Effect::SideListen => {
                self.plain = false;
                self.event(Event::SideListening(LOCAL));
            }
            Effect::SideConnect(_) => {
                self.plain = false;
                self.side = true;
                self.event(Event::SideConnected);
            }
        }
    }
}
