//! pgsql: log in, run a statement, and count the rows it yields (`ldirectord.md` 6.3).
//!
//! Like the legacy's client library this uses TLS where a server insists on it, but without need it does without: only
//! when the server wants the password in the clear, or has nothing for plain connections from here, the check begins
//! again and asks for TLS.

mod message;
mod scram;

use std::net::IpAddr;
use std::time::Duration;

use ha_config::ldirectord::{Negotiate, Password};
use md5::{Digest, Md5};

use self::message::{Authentication, Refusal};
use self::scram::{Deriving, First, Last, Step};
use super::ending::{self, closed, failed, mismatch, refused, too_long};
use super::frames::{BadFrame, Frame, Frames};
use super::{Seed, sql};
use crate::{Conversation, Effect, Effects, Event, Target, Verdict};

/// invalid_authorization_specification: no such user, or none from here, or not like this.
const NOT_LIKE_THIS: &[u8] = b"28000";

/// One check.
#[derive(Debug)]
pub(super) struct Pgsql {
    target: Target,
    login: Vec<u8>,
    password: Password,
    database: Vec<u8>,
    statement: Vec<u8>,
    start_tls: Effect,
    seed: Seed,
    tls: Tls,
    frames: Frames,
    heard_something: bool,
    awaited: Awaited,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tls {
    /// Not asked for.
    No,
    /// To be asked for on this connection.
    Wanted,
    /// Asked for: the server has it (and it may be on by now), or not.
    Answered,
}

#[derive(Debug)]
enum Awaited {
    Connection,
    /// Whether the server speaks TLS.
    TlsAnswer,
    TlsStart,
    Authentication,
    Challenge(First),
    /// Time to go on.
    Derived(Box<Deriving>),
    Proof(Last),
    /// That what we said is accepted.
    Accepted,
    Ready,
    /// The result, of which there are rows or not.
    Result {
        any: bool,
    },
}

impl Pgsql {
    /// A check with the login, database and request of `negotiate`.
    pub(super) fn new(
        address: IpAddr,
        port: u16,
        negotiate: &Negotiate,
        seed: &Seed,
    ) -> Result<Pgsql, Verdict> {
        let statement = sql::statement(negotiate, address)?;
        let target = ending::tcp(address, port)?;
        sql::no_zero("login", &negotiate.login)?;
        sql::no_zero("passwd", negotiate.password.expose())?;
        sql::no_zero("database", &negotiate.database)?;
        sql::no_zero("request", &statement)?;
        Ok(Pgsql {
            target,
            login: negotiate.login.clone(),
            password: negotiate.password.clone(),
            database: negotiate.database.clone(),
            statement,
            start_tls: sql::start_tls(negotiate, address, port),
            seed: *seed,
            tls: Tls::No,
            frames: Frames::new(message::read_header),
            heard_something: false,
            awaited: Awaited::Connection,
        })
    }

    fn connected(&mut self, effects: &mut Effects) {
        self.frames = Frames::new(message::read_header);
        if self.tls == Tls::Wanted {
            effects.send(message::SSL_REQUEST);
            self.awaited = Awaited::TlsAnswer;
        } else {
            self.start(effects);
        }
    }

    fn start(&mut self, effects: &mut Effects) {
        effects.send(message::startup(&self.login, &self.database));
        self.awaited = Awaited::Authentication;
    }

    fn data(&mut self, bytes: &[u8], effects: &mut Effects) {
        match self.awaited {
            Awaited::Connection => return,
            Awaited::TlsAnswer => return self.tls_answer(bytes, effects),
            // Nobody may slip in what would seem to come out of TLS.
            Awaited::TlsStart => return effects.done(mismatch()),
            _ => {}
        }
        self.heard_something = true;
        self.frames.feed(bytes);
        loop {
            let verdict = match self.frames.next() {
                Ok(Some(frame)) => self.frame(&frame, effects),
                Ok(None) => return,
                Err(BadFrame::TooLong) => Some(too_long()),
                Err(BadFrame::Malformed) => Some(mismatch()),
            };
            if let Some(verdict) = verdict {
                effects.send(message::TERMINATE);
                return effects.done(verdict);
            }
            if matches!(self.awaited, Awaited::Connection) {
                return;
            }
        }
    }

    fn tls_answer(&mut self, bytes: &[u8], effects: &mut Effects) {
        self.heard_something = true;
        self.tls = Tls::Answered;
        match bytes {
            b"S" => {
                effects.push(self.start_tls.clone());
                self.awaited = Awaited::TlsStart;
            }
            b"N" => self.start(effects),
            // More than one byte is as wrong as another one: see above.
            _ => effects.done(mismatch()),
        }
    }

    fn frame(&mut self, frame: &Frame, effects: &mut Effects) -> Option<Verdict> {
        let body = frame.body();
        let kind = frame.header().first().copied().unwrap_or(0);
        match kind {
            b'E' => return self.error(&Refusal::read(body), effects),
            // Notice, notification, parameter: they come at any time and change nothing.
            b'N' | b'A' | b'S' => return None,
            b'R' if !frame.is_whole() => return Some(mismatch()),
            _ => {}
        }
        match (
            std::mem::replace(&mut self.awaited, Awaited::Connection),
            kind,
        ) {
            (awaited, b'R') => match Authentication::read(body) {
                Some(authentication) => self.authentication(awaited, authentication, effects),
                None => Some(mismatch()),
            },
            // The key to cancel with; a lower version of the protocol.
            (Awaited::Ready, b'K' | b'v') => self.await_ready(),
            (Awaited::Authentication, b'v') => {
                self.awaited = Awaited::Authentication;
                None
            }
            (Awaited::Ready, b'Z') => {
                effects.send(message::query(&self.statement));
                self.awaited = Awaited::Result { any: false };
                None
            }
            (Awaited::Result { any }, b'Z') => Some(sql::by_rows(any)),
            (Awaited::Result { .. }, b'D') if self.frames.total() > sql::RESULT_MAX => {
                Some(sql::by_rows(true))
            }
            (Awaited::Result { .. }, b'D') => {
                self.awaited = Awaited::Result { any: true };
                None
            }
            // Description, end of one statement, no statement.
            (Awaited::Result { any }, b'T' | b'C' | b'I') => {
                self.awaited = Awaited::Result { any };
                None
            }
            // COPY is no SELECT, and one way of it would wait for us.
            _ => Some(mismatch()),
        }
    }

    fn await_ready(&mut self) -> Option<Verdict> {
        self.awaited = Awaited::Ready;
        None
    }

    fn authentication(
        &mut self,
        awaited: Awaited,
        authentication: Authentication,
        effects: &mut Effects,
    ) -> Option<Verdict> {
        match (awaited, authentication) {
            (Awaited::Authentication | Awaited::Accepted, Authentication::Ok) => self.await_ready(),
            (Awaited::Authentication, Authentication::Other(_)) => Some(not_known()),
            (Awaited::Authentication, _) if self.password.is_empty() => {
                Some(Verdict::down("Password wanted, none given"))
            }
            (Awaited::Authentication, Authentication::ClearPassword) if self.tls == Tls::No => {
                self.begin_again_with_tls(effects)
            }
            (Awaited::Authentication, Authentication::ClearPassword) => {
                effects.send(message::password(self.password.expose()));
                self.awaited = Awaited::Accepted;
                None
            }
            (Awaited::Authentication, Authentication::Md5(salt)) => {
                let answer = md5_answer(&self.login, self.password.expose(), salt);
                effects.send(message::password(answer.as_bytes()));
                self.awaited = Awaited::Accepted;
                None
            }
            (Awaited::Authentication, Authentication::Sasl(mechanisms)) => {
                if !mechanisms.iter().any(|name| name == scram::MECHANISM) {
                    return Some(not_known());
                }
                let first = First::new(self.seed.get(..18).unwrap_or_default());
                let message = first.message();
                effects.send(message::sasl_first(scram::MECHANISM, message.as_bytes()));
                self.awaited = Awaited::Challenge(first);
                None
            }
            (Awaited::Challenge(first), Authentication::SaslContinue(server)) => {
                let Some(deriving) = first.challenged(&server, self.password.expose()) else {
                    return Some(mismatch());
                };
                effects.push(Effect::Wake(Duration::ZERO));
                self.awaited = Awaited::Derived(deriving);
                None
            }
            (Awaited::Proof(last), Authentication::SaslFinal(server)) => {
                if !last.is_proved(&server) {
                    return Some(Verdict::down("Server does not know the password"));
                }
                self.awaited = Awaited::Accepted;
                None
            }
            // Above all a server that says Ok without having proved anything.
            _ => Some(mismatch()),
        }
    }

    fn woken(&mut self, effects: &mut Effects) {
        match std::mem::replace(&mut self.awaited, Awaited::Connection) {
            Awaited::Derived(deriving) => match deriving.step() {
                Step::More(deriving) => {
                    effects.push(Effect::Wake(Duration::ZERO));
                    self.awaited = Awaited::Derived(deriving);
                }
                Step::Done(message, last) => {
                    effects.send(message::sasl_next(message.as_bytes()));
                    self.awaited = Awaited::Proof(last);
                }
            },
            other => self.awaited = other,
        }
    }

    fn begin_again_with_tls(&mut self, effects: &mut Effects) -> Option<Verdict> {
        self.tls = Tls::Wanted;
        self.awaited = Awaited::Connection;
        effects.push(Effect::Reconnect(self.target.clone()));
        None
    }

    fn error(&mut self, refusal: &Refusal, effects: &mut Effects) -> Option<Verdict> {
        let in_login = matches!(self.awaited, Awaited::Authentication | Awaited::Accepted);
        if refusal.code == NOT_LIKE_THIS && in_login && self.tls == Tls::No {
            return self.begin_again_with_tls(effects);
        }
        Some(refused(&refusal.words))
    }
}

impl Conversation for Pgsql {
    fn target(&self) -> Target {
        self.target.clone()
    }

    fn handle(&mut self, event: Event<'_>, effects: &mut Effects) {
        match event {
            Event::Connected { .. } => self.connected(effects),
            Event::TlsStarted => self.start(effects),
            Event::Woken => self.woken(effects),
            Event::Data(bytes) => self.data(bytes, effects),
            Event::Closed => effects.done(closed(self.heard_something)),
            Event::Failed(cause) => effects.done(failed(cause)),
            _ => {}
        }
    }
}

fn not_known() -> Verdict {
    Verdict::down("Login method not known").remark(
        "the account of a pgsql check needs trust, password, md5 or scram-sha-256 in pg_hba.conf",
    )
}

/// `md5` and MD5(MD5(password, user), salt), both in hexadecimal digits.
fn md5_answer(user: &[u8], password: &[u8], salt: [u8; 4]) -> String {
    let inner = Md5::new()
        .chain_update(password)
        .chain_update(user)
        .finalize();
    let outer = Md5::new()
        .chain_update(format!("{inner:x}"))
        .chain_update(salt)
        .finalize();
    format!("md5{outer:x}")
}

#[cfg(test)]
mod tests;
