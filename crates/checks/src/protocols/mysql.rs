//! mysql: log in, run a statement, and count the rows it yields (`ldirectord.md` 6.3).
//!
//! The password is proved without being sent (mysql_native_password, caching_sha2_password). Where a server wants the
//! password itself, or denies access on a plain connection and has TLS, the check begins again over TLS. With
//! caching_sha2_password a server remembers the account after that for as long as it runs, so the next checks are plain
//! ones again.

mod message;
mod plugin;

use std::net::IpAddr;

use ha_config::ldirectord::{Negotiate, Password};

use self::message::{Challenge, GOES_ON, Greeting, capability};
use self::plugin::{Plugin, in_clear};
use super::ending::{self, closed, failed, mismatch, refused, too_long};
use super::frames::{BadFrame, Frame, Frames};
use super::sql;
use crate::{Conversation, Effect, Effects, Event, Target, Verdict};

const QUIT: u8 = 1;
const QUERY: u8 = 3;

/// ER_SECURE_TRANSPORT_REQUIRED, as MySQL says it.
const TLS_REQUIRED: u16 = 3159;
/// ER_ACCESS_DENIED_ERROR, which is all that one hears when an account, or MariaDB, takes no plain connections.
const DENIED: u16 = 1045;
/// So often a server may change its mind about how to log in; MariaDB tries all ways that an account allows.
const SWITCHES_MAX: u8 = 8;
/// As many as a server allows.
const COLUMNS_MAX: u64 = 4096;

/// One check.
#[derive(Debug)]
pub(super) struct Mysql {
    target: Target,
    login: Vec<u8>,
    password: Password,
    database: Vec<u8>,
    statement: Vec<u8>,
    start_tls: Effect,
    tls: Tls,
    /// The server's and ours.
    capabilities: u32,
    /// Of the next packet, whoever sends it.
    sequence: u8,
    frames: Frames,
    heard_something: bool,
    switches: u8,
    awaited: Awaited,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tls {
    No,
    /// This time.
    Wanted,
    Yes,
}

#[derive(Clone, Debug)]
enum Awaited {
    /// The first packet, and before that the connection.
    Greeting,
    /// The beginning of TLS, then the login.
    TlsStart(Challenge),
    Login(Plugin),
    /// How many columns the result has, if it is one.
    Columns,
    /// So many definitions of columns.
    Definitions(u64),
    DefinitionsEnd,
    Rows {
        any: bool,
        /// The packet that comes belongs to the one before.
        goes_on: bool,
    },
    /// Another connection.
    Connection,
}

impl Mysql {
    /// A check with the login, database and request of `negotiate`.
    pub(super) fn new(address: IpAddr, port: u16, negotiate: &Negotiate) -> Result<Mysql, Verdict> {
        let statement = sql::statement(negotiate, address)?;
        let target = ending::tcp(address, port)?;
        sql::no_zero("login", &negotiate.login)?;
        sql::no_zero("passwd", negotiate.password.expose())?;
        sql::no_zero("database", &negotiate.database)?;
        Ok(Mysql {
            target,
            login: negotiate.login.clone(),
            password: negotiate.password.clone(),
            database: negotiate.database.clone(),
            statement,
            start_tls: sql::start_tls(negotiate, address, port),
            tls: Tls::No,
            capabilities: 0,
            sequence: 0,
            frames: Frames::new(message::read_header),
            heard_something: false,
            switches: 0,
            awaited: Awaited::Greeting,
        })
    }

    fn connected(&mut self) {
        self.sequence = 0;
        self.frames = Frames::new(message::read_header);
        self.awaited = Awaited::Greeting;
    }

    fn data(&mut self, bytes: &[u8], effects: &mut Effects) {
        if matches!(self.awaited, Awaited::Connection) {
            return;
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
                return effects.done(verdict);
            }
            if matches!(self.awaited, Awaited::Connection) {
                return;
            }
        }
    }

    fn frame(&mut self, frame: &Frame, effects: &mut Effects) -> Option<Verdict> {
        if frame.header().get(3) != Some(&self.sequence) {
            return Some(mismatch());
        }
        self.sequence = self.sequence.wrapping_add(1);
        let payload = frame.body();
        if let Awaited::Rows { any, goes_on } = self.awaited {
            return self.row(frame, any, goes_on, effects);
        }
        if frame.body_length() == GOES_ON {
            return Some(mismatch());
        }
        if payload.first() == Some(&0xff) {
            return self.error(payload, effects);
        }
        match &self.awaited {
            Awaited::Greeting => self.greeting(payload, effects),
            Awaited::Login(plugin) => self.login_answer(*plugin, payload, effects),
            Awaited::Columns => self.columns(payload, effects),
            Awaited::Definitions(left) => {
                self.awaited = match left - 1 {
                    0 if self.capabilities & capability::DEPRECATE_EOF != 0 => Awaited::Rows {
                        any: false,
                        goes_on: false,
                    },
                    0 => Awaited::DefinitionsEnd,
                    left => Awaited::Definitions(left),
                };
                None
            }
            Awaited::DefinitionsEnd if payload.first() == Some(&0xfe) => {
                self.awaited = Awaited::Rows {
                    any: false,
                    goes_on: false,
                };
                None
            }
            // Nothing comes between our request for TLS and TLS itself.
            _ => Some(mismatch()),
        }
    }

    fn greeting(&mut self, payload: &[u8], effects: &mut Effects) -> Option<Verdict> {
        let Some(greeting) = Greeting::read(payload) else {
            return Some(mismatch());
        };
        let can = |capability| greeting.capabilities & capability == capability;
        if !can(capability::NEEDED) {
            return Some(
                Verdict::down("Server too old")
                    .remark("a mysql check needs a server of 4.1 at least"),
            );
        }
        let mut wanted = capability::NEEDED
            | capability::TRANSACTIONS
            | capability::PLUGIN_AUTH
            | capability::DEPRECATE_EOF;
        if !self.database.is_empty() {
            wanted |= capability::CONNECT_WITH_DB;
        }
        if self.tls == Tls::Wanted {
            wanted |= capability::SSL;
        }
        // Remember whether TLS is offered even when this connection does without.
        self.capabilities = greeting.capabilities & (wanted | capability::SSL);
        if self.tls != Tls::Wanted {
            return self.log_in(&greeting.challenge, effects);
        }
        if !can(capability::SSL) {
            return Some(no_tls());
        }
        // Nobody may slip in what would seem to come out of TLS.
        if !self.frames.is_empty() {
            return Some(mismatch());
        }
        self.say(&message::login_head(self.capabilities), effects);
        effects.push(self.start_tls.clone());
        self.awaited = Awaited::TlsStart(greeting.challenge);
        None
    }

    fn tls_started(&mut self, effects: &mut Effects) {
        self.tls = Tls::Yes;
        let verdict = match std::mem::replace(&mut self.awaited, Awaited::Greeting) {
            Awaited::TlsStart(challenge) if self.frames.is_empty() => {
                self.log_in(&challenge, effects)
            }
            _ => Some(mismatch()),
        };
        if let Some(verdict) = verdict {
            effects.done(verdict);
        }
    }

    fn log_in(&mut self, challenge: &Challenge, effects: &mut Effects) -> Option<Verdict> {
        // A method that we do not know may be the server's default and not the account's; then it will say so.
        let plugin = Plugin::named(&challenge.plugin).unwrap_or(Plugin::Native);
        let Some(answer) = self.answer(plugin, challenge) else {
            return self.begin_again_with_tls(effects);
        };
        let mut capabilities = self.capabilities;
        if self.tls != Tls::Yes {
            capabilities &= !capability::SSL;
        }
        let login = message::login(
            capabilities,
            &self.login,
            &answer,
            &self.database,
            plugin.name(),
        );
        self.say(&login, effects);
        self.awaited = Awaited::Login(plugin);
        None
    }

    /// None if it takes TLS to say it.
    fn answer(&self, plugin: Plugin, challenge: &Challenge) -> Option<Vec<u8>> {
        let password = self.password.expose();
        match plugin.answer(challenge, password) {
            None if self.tls == Tls::Yes => Some(in_clear(password)),
            answer => answer,
        }
    }

    fn login_answer(
        &mut self,
        plugin: Plugin,
        payload: &[u8],
        effects: &mut Effects,
    ) -> Option<Verdict> {
        match payload {
            [0x00, ..] => {
                self.sequence = 0;
                self.say(&[&[QUERY], self.statement.as_slice()].concat(), effects);
                self.awaited = Awaited::Columns;
                None
            }
            [0xfe, ..] => self.switch(payload, effects),
            // The hash was good.
            [0x01, 0x03] if plugin == Plugin::CachingSha2 => None,
            // The server has no hash to compare it with yet.
            [0x01, 0x04] if plugin == Plugin::CachingSha2 => {
                if self.tls != Tls::Yes {
                    return self.begin_again_with_tls(effects);
                }
                self.say(&in_clear(self.password.expose()), effects);
                None
            }
            _ => Some(mismatch()),
        }
    }

    fn switch(&mut self, payload: &[u8], effects: &mut Effects) -> Option<Verdict> {
        self.switches += 1;
        if self.switches > SWITCHES_MAX {
            return Some(mismatch());
        }
        let Some(challenge) = message::read_switch(payload) else {
            return Some(Verdict::down("Old password").remark(
                "the server wants a password of the kind before mysql 4.1, which is not safe: \
                 give the account a new one",
            ));
        };
        let Some(plugin) = Plugin::named(&challenge.plugin) else {
            let mut text = b"Login method not known: ".to_vec();
            text.extend(&challenge.plugin);
            return Some(refused(&text).remark(
                "the account of a mysql check needs mysql_native_password, \
                 caching_sha2_password or sha256_password",
            ));
        };
        let Some(answer) = self.answer(plugin, &challenge) else {
            return self.begin_again_with_tls(effects);
        };
        self.say(&answer, effects);
        self.awaited = Awaited::Login(plugin);
        None
    }

    fn begin_again_with_tls(&mut self, effects: &mut Effects) -> Option<Verdict> {
        if self.tls != Tls::No || self.capabilities & capability::SSL == 0 {
            return Some(no_tls());
        }
        self.tls = Tls::Wanted;
        self.switches = 0;
        self.awaited = Awaited::Connection;
        effects.push(Effect::Reconnect(self.target.clone()));
        None
    }

    fn columns(&mut self, payload: &[u8], effects: &mut Effects) -> Option<Verdict> {
        match message::read_count(payload) {
            Some(count @ 1..=COLUMNS_MAX) => {
                self.awaited = Awaited::Definitions(count);
                None
            }
            // Well done, and no rows.
            _ if payload.first() == Some(&0) => Some(self.finish(sql::by_rows(false), effects)),
            // `fb` would make us send a file.
            _ => Some(mismatch()),
        }
    }

    fn row(
        &mut self,
        frame: &Frame,
        any: bool,
        goes_on: bool,
        effects: &mut Effects,
    ) -> Option<Verdict> {
        let payload = frame.body();
        let new_format = self.capabilities & capability::DEPRECATE_EOF != 0;
        // A row may begin with fe too, but then it is a long one.
        let end_below = if new_format { GOES_ON } else { 9 };
        match payload.first() {
            _ if goes_on => {}
            Some(0xff) => return self.error(payload, effects),
            Some(0xfe) if frame.body_length() < end_below => {
                return Some(self.finish(sql::by_rows(any), effects));
            }
            Some(_) => {}
            None => return Some(mismatch()),
        }
        if self.frames.total() > sql::RESULT_MAX {
            return Some(sql::by_rows(true));
        }
        self.awaited = Awaited::Rows {
            any: true,
            goes_on: frame.body_length() == GOES_ON,
        };
        None
    }

    fn error(&mut self, payload: &[u8], effects: &mut Effects) -> Option<Verdict> {
        let Some((code, words)) = message::read_error(payload) else {
            return Some(mismatch());
        };
        let in_login = matches!(self.awaited, Awaited::Login(_));
        let tls_may_help = self.tls == Tls::No && self.capabilities & capability::SSL != 0;
        if in_login && tls_may_help && matches!(code, TLS_REQUIRED | DENIED) {
            return self.begin_again_with_tls(effects);
        }
        Some(refused(words))
    }

    fn finish(&mut self, verdict: Verdict, effects: &mut Effects) -> Verdict {
        self.sequence = 0;
        self.say(&[QUIT], effects);
        verdict
    }

    fn say(&mut self, payload: &[u8], effects: &mut Effects) {
        effects.send(message::packets(self.sequence, payload));
        let packets = payload.len() / GOES_ON + 1;
        self.sequence = self.sequence.wrapping_add(packets as u8);
    }
}

impl Conversation for Mysql {
    fn target(&self) -> Target {
        self.target.clone()
    }

    fn handle(&mut self, event: Event<'_>, effects: &mut Effects) {
        match event {
            Event::Connected { .. } => self.connected(),
            Event::TlsStarted => self.tls_started(effects),
            Event::Data(bytes) => self.data(bytes, effects),
            Event::Closed => effects.done(closed(self.heard_something)),
            Event::Failed(cause) => effects.done(failed(cause)),
            _ => {}
        }
    }
}

fn no_tls() -> Verdict {
    Verdict::down("Server wants the password and has no TLS").remark(
        "the account of a mysql check needs mysql_native_password, or the server TLS: \
         the password is not sent in the clear",
    )
}

#[cfg(test)]
mod tests;
