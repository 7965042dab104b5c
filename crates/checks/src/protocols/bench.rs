//! For tests: plays the server, and the network between.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ha_config::ldirectord::{HttpMethod, Negotiate, Password, ServiceCheck, TlsVerify};
use proptest::prelude::*;

use crate::{Conversation, Effect, Effects, Event, Verdict};

/// The real server.
pub(crate) const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
/// Our end of the connection to it.
pub(crate) const LOCAL: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 40000);

/// A conversation and the server's side of it.
pub(crate) struct Play {
    conversation: Box<dyn Conversation>,
    connected: bool,
    /// What the conversation wanted so far.
    pub(crate) effects: Vec<Effect>,
}

/// How it ended.
#[derive(Debug, PartialEq)]
pub(crate) struct End {
    pub(crate) verdict: Verdict,
    /// All that was sent on the main connection.
    pub(crate) said: String,
    /// Everything before the verdict.
    pub(crate) effects: Vec<Effect>,
}

impl Play {
    pub(crate) fn new(make: impl Fn() -> Box<dyn Conversation>) -> Play {
        Play {
            conversation: make(),
            connected: false,
            effects: Vec::new(),
        }
    }

    /// One event. After the verdict there must be none.
    pub(crate) fn event(mut self, event: Event<'_>) -> Play {
        assert_eq!(self.verdict(), None, "over before {event:?}");
        let mut effects = Effects::new();
        self.conversation.handle(event, &mut effects);
        self.effects.extend(effects.take());
        self
    }

    pub(crate) fn connected(mut self) -> Play {
        assert!(!self.connected);
        self.connected = true;
        self.event(Event::Connected { local: LOCAL })
    }

    fn surely_connected(self) -> Play {
        if self.connected {
            self
        } else {
            self.connected()
        }
    }

    /// The server says something.
    pub(crate) fn hears(self, text: impl AsRef<[u8]>) -> Play {
        self.surely_connected().event(Event::Data(text.as_ref()))
    }

    /// The server says something, again and again, until the conversation has had enough.
    pub(crate) fn hears_endlessly(mut self, text: &str) -> Play {
        let text = text.repeat(1 + 16_000 / text.len());
        for _ in 0..1000 {
            self = self.hears(&text);
            if self.verdict().is_some() {
                return self;
            }
        }
        panic!("16 MB were not enough");
    }

    pub(crate) fn closed(self) -> End {
        self.surely_connected().event(Event::Closed).ends()
    }

    pub(crate) fn failed(self, cause: &str) -> End {
        self.event(Event::Failed(cause)).ends()
    }

    pub(crate) fn verdict(&self) -> Option<&Verdict> {
        match self.effects.last() {
            Some(Effect::Done(verdict)) => Some(verdict),
            _ => None,
        }
    }

    /// It must be over now.
    pub(crate) fn ends(mut self) -> End {
        let Some(Effect::Done(verdict)) = self.effects.pop() else {
            panic!("no verdict yet, after {:?}", self.effects);
        };
        let said: Vec<u8> = self
            .effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Send(bytes) => Some(bytes.as_slice()),
                _ => None,
            })
            .collect::<Vec<_>>()
            .concat();
        End {
            verdict,
            said: String::from_utf8_lossy(&said).into_owned(),
            effects: self.effects,
        }
    }
}

/// What stands in the file for a service with a login.
pub(crate) fn login(login: &str, password: &str) -> Negotiate {
    Negotiate {
        login: login.into(),
        password: Password::new(password),
        ..exchange("/", "")
    }
}

/// What stands in the file for a service with a request and an answer.
pub(crate) fn exchange(request: &str, receive: &str) -> Negotiate {
    Negotiate {
        // The conversations are made directly here.
        service: ServiceCheck::SimpleTcp,
        transport: ipvs::Protocol::Tcp,
        request: request.into(),
        own_request: false,
        receive: receive.into(),
        http_method: HttpMethod::Get,
        virtual_host: None,
        login: Vec::new(),
        password: Password::default(),
        database: Vec::new(),
        secret: Password::default(),
        tls: TlsVerify::No,
    }
}

/// The text in pieces of at most 16 KiB, cut at these places.
pub(crate) fn pieces<'a>(text: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
    cuts.sort_unstable();
    cuts.push(text.len());
    let mut start = 0;
    let mut pieces = Vec::new();
    for cut in cuts {
        pieces.extend(text[start..cut].chunks(16 * 1024));
        start = cut;
    }
    pieces
}

/// How a conversation ends if the server sends these pieces and closes, without waiting for any command.
fn end_of(mut play: Play, pieces: &[&[u8]]) -> End {
    play = play.connected();
    for piece in pieces {
        if play.verdict().is_some() {
            return play.ends();
        }
        play = play.hears(piece);
    }
    if play.verdict().is_some() {
        play.ends()
    } else {
        play.closed()
    }
}

/// The same answers in other packets give the same verdict and the same commands, also when some bytes of them are wrong,
/// and when all of them are; and nothing panics.
pub(crate) fn sturdy(play: impl Fn() -> Play, answers: &[impl AsRef<[u8]>]) {
    let text: Vec<u8> = answers.iter().flat_map(AsRef::as_ref).copied().collect();
    let whole = |text: &[u8]| end_of(play(), &pieces(text, &[]));
    let expected = whole(&text);
    let cuts = || proptest::collection::vec(any::<usize>(), 0..10);
    let wrong = proptest::collection::vec((any::<usize>(), interesting_byte()), 0..4);
    proptest!(|(cuts in cuts())| {
        prop_assert_eq!(&end_of(play(), &pieces(&text, &cuts)), &expected);
    });
    proptest!(|(cuts in cuts(), wrong in wrong)| {
        let mut text = text.clone();
        for (place, byte) in wrong {
            let place = place % text.len();
            text[place] = byte;
        }
        prop_assert_eq!(end_of(play(), &pieces(&text, &cuts)), whole(&text));
    });
    proptest!(|(cuts in cuts(), noise in proptest::collection::vec(interesting_byte(), 0..200))| {
        prop_assert_eq!(end_of(play(), &pieces(&noise, &cuts)), whole(&noise));
    });
}

fn interesting_byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        any::<u8>(),
        proptest::sample::select(b"\r\n \t0123456789-+*{}()|.,AOK".as_slice()),
    ]
}
