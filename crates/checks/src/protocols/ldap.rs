//! ldap and ldaps: a simple bind, and a search that must find exactly one entry (`ldirectord.md` 6.3).
//!
//! `request` without its leading `/` is the entry's name; `receive` is looked for in the name of what was found. Without
//! a login or password the bind is anonymous.

mod message;

use ha_config::ldirectord::{Negotiate, Password};

use self::message::{Outcome, Response, read_header};
use super::ending::{self, closed, failed, mismatch, refused, too_long, up};
use super::frames::{BadFrame, Frame, Frames};
use crate::{Conversation, Effects, Event, Pattern, Target, Verdict};

const BIND: u8 = 1;
const SEARCH: u8 = 2;
const UNBIND: u8 = 3;

/// One check.
#[derive(Debug)]
pub(super) struct Ldap {
    target: Target,
    login: Vec<u8>,
    password: Password,
    base: Vec<u8>,
    receive: Option<Pattern>,
    frames: Frames,
    heard_something: bool,
    awaited: Awaited,
}

#[derive(Clone, Debug)]
enum Awaited {
    BindResponse,
    /// With the name of the entry that was found.
    SearchDone(Option<Vec<u8>>),
}

impl Ldap {
    /// A check with the login, request and receive of `negotiate`.
    pub(super) fn new(target: Target, negotiate: &Negotiate) -> Result<Ldap, Verdict> {
        let anonymous = negotiate.login.is_empty() || negotiate.password.is_empty();
        let base = negotiate.request.strip_prefix(b"/");
        Ok(Ldap {
            target,
            login: if anonymous {
                Vec::new()
            } else {
                negotiate.login.clone()
            },
            password: if anonymous {
                Password::default()
            } else {
                negotiate.password.clone()
            },
            base: base.unwrap_or(&negotiate.request).to_vec(),
            receive: ending::receive(negotiate)?,
            frames: Frames::new(read_header),
            heard_something: false,
            awaited: Awaited::BindResponse,
        })
    }

    fn data(&mut self, bytes: &[u8], effects: &mut Effects) {
        self.heard_something = true;
        self.frames.feed(bytes);
        loop {
            match self.frames.next() {
                Ok(Some(frame)) => {
                    if let Some(verdict) = self.frame(&frame, effects) {
                        effects.send(message::unbind(UNBIND));
                        return effects.done(verdict);
                    }
                }
                Ok(None) => return,
                Err(BadFrame::TooLong) => return effects.done(too_long()),
                Err(BadFrame::Malformed) => return effects.done(mismatch()),
            }
        }
    }

    fn frame(&mut self, frame: &Frame, effects: &mut Effects) -> Option<Verdict> {
        let Some((id, response)) = message::read(frame.body(), frame.is_whole()) else {
            return Some(mismatch());
        };
        // What no request asked for is the server's last word (RFC 4511 4.4).
        if id == 0 {
            return Some(match response {
                Response::Notice(outcome) => refused(&explain("Disconnected", &outcome)),
                _ => mismatch(),
            });
        }
        match (&mut self.awaited, response) {
            (Awaited::BindResponse, Response::Bind(outcome)) if id == u32::from(BIND) => {
                if outcome.code != 0 {
                    return Some(refused(&explain("Bind failed", &outcome)));
                }
                effects.send(message::search(SEARCH, &self.base));
                self.awaited = Awaited::SearchDone(None);
                None
            }
            (Awaited::SearchDone(entry), response) if id == u32::from(SEARCH) => match response {
                Response::Entry(name) if entry.is_none() => {
                    *entry = Some(name);
                    None
                }
                Response::Entry(_) => Some(mismatch()),
                // Neither is an entry.
                Response::Reference | Response::Intermediate => None,
                Response::Done(outcome) => Some(match entry {
                    _ if outcome.code != 0 => refused(&explain("Search failed", &outcome)),
                    Some(name) if self.receive.as_ref().is_none_or(|it| it.matches(name)) => up(),
                    _ => mismatch(),
                }),
                _ => Some(mismatch()),
            },
            _ => Some(mismatch()),
        }
    }
}

impl Conversation for Ldap {
    fn target(&self) -> Target {
        self.target.clone()
    }

    fn handle(&mut self, event: Event<'_>, effects: &mut Effects) {
        match event {
            Event::Connected { .. } => {
                effects.send(message::bind(BIND, &self.login, self.password.expose()));
            }
            Event::Data(bytes) => self.data(bytes, effects),
            Event::Closed => effects.done(closed(self.heard_something)),
            Event::Failed(cause) => effects.done(failed(cause)),
            _ => {}
        }
    }
}

/// `Bind failed: invalidCredentials (49) what the server says`.
fn explain(what: &str, outcome: &Outcome) -> Vec<u8> {
    let code = outcome.code;
    let name = match code {
        1 => "operationsError",
        2 => "protocolError",
        3 => "timeLimitExceeded",
        4 => "sizeLimitExceeded",
        7 => "authMethodNotSupported",
        8 => "strongerAuthRequired",
        10 => "referral",
        11 => "adminLimitExceeded",
        13 => "confidentialityRequired",
        14 => "saslBindInProgress",
        32 => "noSuchObject",
        34 => "invalidDNSyntax",
        48 => "inappropriateAuthentication",
        49 => "invalidCredentials",
        50 => "insufficientAccessRights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwillingToPerform",
        _ => "error",
    };
    let mut text = format!("{what}: {name} ({code}) ").into_bytes();
    text.extend(&outcome.words);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::bench::{self, Play};

    // Shaped like those of slapd 2.5.
    const BOUND: &[u8] = b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\0\x04\0\x04\0";
    const NOT_BOUND: &[u8] = b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x31\x04\0\x04\0";
    const ENTRY: &[u8] = b"\x30\x50\x02\x01\x02\x64\x4b\x04\x11dc=example,dc=com\x30\x36\
        \x30\x1c\x04\x0bobjectClass\x31\x0d\x04\x03top\x04\x06domain\
        \x30\x16\x04\x02dc\x31\x10\x04\x0eexample-domain";
    const DONE: &[u8] = b"\x30\x0c\x02\x01\x02\x65\x07\x0a\x01\0\x04\0\x04\0";
    const NO_SUCH: &[u8] = b"\x30\x0c\x02\x01\x02\x65\x07\x0a\x01\x20\x04\0\x04\0";
    const REFERRAL: &[u8] =
        b"\x30\x1f\x02\x01\x02\x65\x1a\x0a\x01\x0a\x04\0\x04\0\xa3\x11\x04\x0fldap://other/dc";
    const REFERENCE: &[u8] = b"\x30\x14\x02\x01\x02\x73\x0f\x04\x0dldap://other/";
    const DISCONNECTED: &[u8] = b"\x30\x2e\x02\x01\0\x78\x29\x0a\x01\x34\x04\0\x04\x0abusy today\
        \x8a\x161.3.6.1.4.1.1466.20036";

    fn play(negotiate: Negotiate) -> Play {
        let target = ending::tcp(bench::SERVER, 389).unwrap();
        Play::new(|| Box::new(Ldap::new(target.clone(), &negotiate).unwrap())).connected()
    }

    fn search(receive: &str) -> Play {
        play(bench::exchange("/dc=example,dc=com", receive)).hears(BOUND)
    }

    #[test]
    fn what_is_sent() {
        let end = search("").hears([ENTRY, DONE].concat()).ends();
        assert_eq!(end.verdict, up());
        let bind = b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\0\x80\0";
        // Scope base, deref always, no limits, types and values, (objectClass=*), all attributes.
        let search = b"\x30\x36\x02\x01\x02\x63\x31\x04\x11dc=example,dc=com\x0a\x01\0\x0a\x01\x03\
            \x02\x01\0\x02\x01\0\x01\x01\0\x87\x0bobjectClass\x30\0";
        let unbind = b"\x30\x05\x02\x01\x03\x42\0";
        assert_eq!(
            end.said.as_bytes(),
            String::from_utf8_lossy(&[&bind[..], search, unbind].concat()).as_bytes()
        );
    }

    #[test]
    fn with_a_login() {
        let sent = |login: &str, password: &str| play(bench::login(login, password)).effects;
        let bind = b"\x30\x16\x02\x01\x01\x60\x11\x02\x01\x03\x04\x04cn=a\x80\x06secret";
        assert_eq!(sent("cn=a", "secret"), [crate::Effect::Send(bind.to_vec())]);
        // Without a password a server would take it for an anonymous one with a name, which most refuse.
        assert_eq!(sent("cn=a", ""), sent("", ""));
        assert_eq!(sent("", "secret"), sent("", ""));
    }

    #[test]
    fn the_name_of_the_entry_must_match() {
        for (receive, good) in [
            ("example", true),
            ("^dc=example,dc=com$", true),
            ("domain", false),
        ] {
            let end = search(receive).hears(ENTRY).hears(DONE).ends();
            assert_eq!(
                end.verdict,
                if good { up() } else { mismatch() },
                "{receive}"
            );
        }
    }

    #[test]
    fn exactly_one_entry() {
        assert_eq!(search("").hears(DONE).ends().verdict, mismatch());
        let two = search("").hears([ENTRY, ENTRY].concat()).ends();
        assert_eq!(two.verdict, mismatch());
        let end = search("").hears([REFERENCE, ENTRY, DONE].concat()).ends();
        assert_eq!(end.verdict, up());
        assert_eq!(
            search("").hears([REFERENCE, DONE].concat()).ends().verdict,
            mismatch()
        );
    }

    #[test]
    fn what_the_server_refuses() {
        let text = |play: Play| play.ends().verdict.text;
        let bind = play(bench::login("cn=a", "secret")).hears(NOT_BOUND);
        assert_eq!(text(bind), "Bind failed: invalidCredentials (49)");
        assert_eq!(
            text(search("").hears(NO_SUCH)),
            "Search failed: noSuchObject (32)"
        );
        assert_eq!(
            text(search("").hears(REFERRAL)),
            "Search failed: referral (10)"
        );
        assert_eq!(
            text(search("").hears(DISCONNECTED)),
            "Disconnected: unavailable (52) busy today"
        );
    }

    #[test]
    fn a_large_entry_is_passed_over() {
        // dc=x with one attribute of a million bytes.
        let value = vec![b'v'; 1_000_000];
        let name = b"\x04\x04dc=x";
        let long = |tag: u8, content: &[u8]| {
            let length = (content.len() as u32).to_be_bytes();
            [&[tag, 0x84], length.as_slice(), content].concat()
        };
        let attributes = long(0x30, &long(0x30, &long(0x04, &value)));
        let op = long(0x64, &[&name[..], &attributes].concat());
        let entry = long(0x30, &[b"\x02\x01\x02", op.as_slice()].concat());
        let mut play = search("^dc=x$");
        for piece in bench::pieces(&entry, &[]) {
            play = play.hears(piece);
        }
        assert_eq!(play.hears(DONE).ends().verdict, up());
    }

    #[test]
    fn neither_noise_nor_packet_borders_matter() {
        let make = || {
            let target = ending::tcp(bench::SERVER, 389).unwrap();
            let negotiate = bench::exchange("/dc=example,dc=com", "example");
            Play::new(|| Box::new(Ldap::new(target.clone(), &negotiate).unwrap()))
        };
        bench::sturdy(make, &[BOUND, REFERENCE, ENTRY, DONE]);
        bench::sturdy(make, &[BOUND, DISCONNECTED]);
        bench::sturdy(make, &[NOT_BOUND]);
    }

    #[test]
    fn the_password_is_not_printed() {
        let target = ending::tcp(bench::SERVER, 389).unwrap();
        let ldap = Ldap::new(target, &bench::login("cn=a", "\u{7}secret")).unwrap();
        let text = format!("{ldap:?}");
        assert!(!text.contains("secret") && !text.contains("115, 101, 99"));
    }
}
