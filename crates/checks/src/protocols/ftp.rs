//! ftp: a file is fetched and looked at (`ldirectord.md` 6.3).
//!
//! The legacy lets the server connect to us (`PORT`), which firewalls and servers behind address translation do not like.
//! We begin like it, for a server may know nothing else, but if the server refuses or its connection does not come, the
//! transfer is tried the other way round (`PASV`, `EPSV`). Of the server's answer to that only the port is used: its
//! address could be any host's.
//!
//! Single failed steps before the transfer do not matter by themselves. If there is no transfer in the end, a refused login
//! is the reason that is given.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ha_config::ldirectord::{Negotiate, Password};

use super::ending::{self, closed, failed, mismatch, one_line, receive, refused, too_long, up};
use super::reply::{BadReply, Replies, Reply};
use crate::{Conversation, Effect, Effects, Event, Pattern, Target, Verdict};

/// Of a file no more than this is read. What has come by then is looked at as if it were all.
const FILE_MAX: usize = 1024 * 1024;

/// So long the server may take to connect to us before we try it the other way round. A lost packet costs it 1 s.
const PATIENCE: Duration = Duration::from_millis(1500);

/// One check.
#[derive(Debug)]
pub(super) struct Ftp {
    target: Target,
    is_ipv6: bool,
    login: Vec<u8>,
    password: Password,
    path: Vec<u8>,
    /// None: the transfer has to succeed, whatever the file holds.
    receive: Option<Pattern>,
    replies: Replies,
    heard_something: bool,
    step: Step,
    /// The server does not connect to us.
    passive: bool,
    side: Side,
    file: Vec<u8>,
    /// The server has said that the transfer is complete.
    complete: bool,
    /// How the login was refused.
    refusal: Option<Vec<u8>>,
}

/// What is awaited on the main connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Greeting,
    User,
    Password,
    Directory,
    Type,
    /// The driver's word that it listens; no reply is expected.
    Listening,
    /// The reply to PORT or EPRT.
    Port,
    /// The reply to PASV.
    Passive,
    /// The reply to EPSV.
    ExtendedPassive,
    /// The side connection; no reply is expected.
    Connecting,
    /// The replies to RETR: one at its beginning, one at its end.
    Transfer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Absent,
    Open,
    Closed,
}

impl Ftp {
    /// A check with the login, request and receive of `negotiate`.
    pub(super) fn new(address: IpAddr, port: u16, negotiate: &Negotiate) -> Result<Ftp, Verdict> {
        one_line("login", &negotiate.login)?;
        one_line("passwd", negotiate.password.expose())?;
        one_line("request", &negotiate.request)?;
        Ok(Ftp {
            target: ending::tcp(address, port)?,
            is_ipv6: address.to_canonical().is_ipv6(),
            login: negotiate.login.clone(),
            password: negotiate.password.clone(),
            path: negotiate.request.clone(),
            receive: receive(negotiate)?,
            replies: Replies::default(),
            heard_something: false,
            step: Step::Greeting,
            passive: false,
            side: Side::Absent,
            file: Vec::new(),
            complete: false,
            refusal: None,
        })
    }

    fn data(&mut self, bytes: &[u8], effects: &mut Effects) -> Option<Verdict> {
        self.heard_something = true;
        self.replies.feed(bytes);
        loop {
            match self.replies.next() {
                Ok(Some(reply)) => {
                    if let Some(verdict) = self.reply(&reply, effects) {
                        return Some(verdict);
                    }
                }
                Ok(None) => return None,
                Err(BadReply::TooLong) => return Some(too_long()),
                Err(BadReply::NoReply(_)) => return Some(mismatch()),
            }
        }
    }

    fn reply(&mut self, reply: &Reply, effects: &mut Effects) -> Option<Verdict> {
        // 421: the server is about to hang up.
        if reply.code == 421 {
            return Some(self.no_transfer(reply));
        }
        match self.step {
            // 120: it will be ready in a while.
            Step::Greeting if reply.code / 100 == 1 => {}
            Step::Greeting if !reply.is_good() => return Some(self.no_transfer(reply)),
            Step::Greeting => self.say_login(effects),
            Step::User if reply.code / 100 == 3 => self.say_password(effects),
            Step::User | Step::Password => {
                if reply.code >= 400 {
                    self.refusal = Some(reply.line.clone());
                }
                self.say(Step::Directory, "CWD /", effects);
            }
            Step::Directory => self.say(Step::Type, "TYPE I", effects),
            Step::Type if self.passive => self.ask_for_port(effects),
            Step::Type => {
                self.step = Step::Listening;
                effects.push(Effect::SideListen);
            }
            Step::Port if reply.is_good() => {
                self.fetch(effects);
                effects.push(Effect::Wake(PATIENCE));
            }
            Step::Port => self.ask_for_port(effects),
            Step::Passive | Step::ExtendedPassive => return self.port_reply(reply, effects),
            Step::Transfer => return self.transfer_reply(reply, effects),
            // Nothing was asked.
            Step::Listening | Step::Connecting => {}
        }
        None
    }

    fn say(&mut self, next: Step, command: &str, effects: &mut Effects) {
        effects.send(format!("{command}\r\n"));
        self.step = next;
    }

    fn say_login(&mut self, effects: &mut Effects) {
        effects.send([b"USER ", self.login.as_slice(), b"\r\n"].concat());
        self.step = Step::User;
    }

    fn say_password(&mut self, effects: &mut Effects) {
        effects.send([b"PASS ", self.password.expose(), b"\r\n"].concat());
        self.step = Step::Password;
    }

    fn fetch(&mut self, effects: &mut Effects) {
        effects.send([b"RETR ", self.path.as_slice(), b"\r\n"].concat());
        self.step = Step::Transfer;
    }

    /// Tells the server where to connect to (RFC 959, RFC 2428).
    fn offer_port(&mut self, local: SocketAddr, effects: &mut Effects) {
        let port = local.port();
        let command = match local.ip().to_canonical() {
            IpAddr::V4(address) => {
                let [a, b, c, d] = address.octets();
                format!("PORT {a},{b},{c},{d},{},{}", port >> 8, port & 255)
            }
            IpAddr::V6(address) => format!("EPRT |2|{address}|{port}|"),
        };
        self.say(Step::Port, &command, effects);
    }

    /// Asks where we may connect to. PASV knows no IPv6.
    fn ask_for_port(&mut self, effects: &mut Effects) {
        self.passive = true;
        if self.is_ipv6 {
            self.say(Step::ExtendedPassive, "EPSV", effects);
        } else {
            self.say(Step::Passive, "PASV", effects);
        }
    }

    fn port_reply(&mut self, reply: &Reply, effects: &mut Effects) -> Option<Verdict> {
        let port = match (self.step, reply.code) {
            (Step::Passive, 227) => passive_port(&reply.line),
            (Step::ExtendedPassive, 229) => extended_passive_port(&reply.line),
            _ => None,
        };
        match port {
            Some(port) => {
                self.step = Step::Connecting;
                effects.push(Effect::SideConnect(port));
                None
            }
            None if self.step == Step::Passive => {
                self.say(Step::ExtendedPassive, "EPSV", effects);
                None
            }
            None => Some(self.no_transfer(reply)),
        }
    }

    fn transfer_reply(&mut self, reply: &Reply, effects: &mut Effects) -> Option<Verdict> {
        match reply.code {
            ..200 => None,
            200..300 => {
                self.complete = true;
                self.end_of_transfer()
            }
            // 425: it could not connect to us.
            425 if !self.passive && self.side == Side::Absent => {
                self.ask_for_port(effects);
                None
            }
            _ => Some(self.no_transfer(reply)),
        }
    }

    /// The server waits in vain for its connection to us. Its other commands would wait with it, so all begins anew.
    fn begin_anew(&mut self, effects: &mut Effects) {
        self.passive = true;
        self.step = Step::Greeting;
        self.replies = Replies::default();
        self.side = Side::Absent;
        self.complete = false;
        self.refusal = None;
        effects.push(Effect::Reconnect(self.target.clone()));
    }

    fn is_waiting_for_server(&self) -> bool {
        self.step == Step::Transfer && !self.passive && self.side == Side::Absent
    }

    fn side_closed(&mut self, effects: &mut Effects) -> Option<Verdict> {
        match (self.step, self.side) {
            // We cannot even listen.
            (Step::Listening | Step::Port, _) => {
                self.ask_for_port(effects);
                None
            }
            (Step::Connecting, _) => Some(Verdict::down("Data connection failed")),
            (Step::Transfer, Side::Open) => {
                self.side = Side::Closed;
                self.end_of_transfer()
            }
            (Step::Transfer, Side::Absent) => {
                self.begin_anew(effects);
                None
            }
            _ => None,
        }
    }

    fn side_data(&mut self, bytes: &[u8]) -> Option<Verdict> {
        let room = FILE_MAX.saturating_sub(self.file.len());
        self.file.extend(bytes.iter().take(room));
        if self.file.len() < FILE_MAX {
            return None;
        }
        Some(if self.file_matches() {
            up()
        } else {
            too_long()
        })
    }

    /// Both signs of the end have to be there: a closed data connection alone may be a broken one.
    fn end_of_transfer(&self) -> Option<Verdict> {
        if !self.complete || self.side != Side::Closed {
            return None;
        }
        Some(if self.file_matches() {
            up()
        } else {
            mismatch()
        })
    }

    fn file_matches(&self) -> bool {
        self.receive
            .as_ref()
            .is_none_or(|pattern| pattern.matches(&self.file))
    }

    fn no_transfer(&self, reply: &Reply) -> Verdict {
        refused(self.refusal.as_ref().unwrap_or(&reply.line))
    }
}

impl Conversation for Ftp {
    fn target(&self) -> Target {
        self.target.clone()
    }

    fn handle(&mut self, event: Event<'_>, effects: &mut Effects) {
        let verdict = match event {
            Event::Data(bytes) => self.data(bytes, effects),
            Event::SideListening(local) => {
                if self.step == Step::Listening {
                    self.offer_port(local, effects);
                }
                None
            }
            Event::SideConnected => {
                self.side = Side::Open;
                if self.step == Step::Connecting {
                    self.fetch(effects);
                }
                None
            }
            Event::SideData(bytes) => self.side_data(bytes),
            Event::SideClosed => self.side_closed(effects),
            Event::Woken if self.is_waiting_for_server() => {
                self.begin_anew(effects);
                None
            }
            Event::Closed => return effects.done(closed(self.heard_something)),
            Event::Failed(cause) => return effects.done(failed(cause)),
            _ => None,
        };
        if let Some(verdict) = verdict {
            effects.send("QUIT\r\n");
            effects.done(verdict);
        }
    }
}

/// The port in `227 any text (h1,h2,h3,h4,p1,p2)`; some servers leave the parentheses out.
fn passive_port(line: &[u8]) -> Option<u16> {
    let text = line.get(4..)?;
    let start = text.iter().position(u8::is_ascii_digit)?;
    let numbers = text
        .get(start..)?
        .split(|byte| !byte.is_ascii_digit() && *byte != b',')
        .next()?;
    let numbers: Vec<u8> = numbers
        .split(|&byte| byte == b',')
        .map(number_in)
        .collect::<Option<_>>()?;
    let [_, _, _, _, high, low] = numbers.as_slice() else {
        return None;
    };
    real_port(u16::from_be_bytes([*high, *low]))
}

/// The port in `229 any text (|||port|)`; the bar may be any character.
fn extended_passive_port(line: &[u8]) -> Option<u16> {
    let start = line.iter().position(|&byte| byte == b'(')? + 1;
    let (&[a, b, c], rest) = line.get(start..)?.split_first_chunk()?;
    if a != b || b != c {
        return None;
    }
    let port = rest.split(|&byte| byte == a).next()?;
    real_port(number_in(port)?)
}

fn number_in<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn real_port(port: u16) -> Option<u16> {
    (port != 0).then_some(port)
}

#[cfg(test)]
mod tests;
