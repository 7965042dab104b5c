//! pop and pops: greeting, CAPA, USER, PASS, QUIT (`ldirectord.md` 6.3).
//!
//! Without a login the connection alone decides. With one, the answer to it does; the legacy asks for STAT after that
//! and does not look at the answer, which is left out here.

use ha_config::ldirectord::{Negotiate, Password};

use super::ending::{closed, failed, mismatch, one_line, refused, too_long, up};
use super::lines::Lines;
use crate::{Conversation, Effects, Event, Target, Verdict};

/// One check.
#[derive(Debug)]
pub(super) struct Pop {
    target: Target,
    login: Vec<u8>,
    password: Password,
    lines: Lines,
    heard_something: bool,
    awaited: Awaited,
}

#[derive(Clone, Copy, Debug)]
enum Awaited {
    Greeting,
    Capabilities,
    /// The rest of the list, up to the line with the dot.
    CapabilitiesEnd,
    User,
    Password,
}

impl Pop {
    /// A check with the login of `negotiate`.
    pub(super) fn new(target: Target, negotiate: &Negotiate) -> Result<Pop, Verdict> {
        one_line("login", &negotiate.login)?;
        one_line("passwd", negotiate.password.expose())?;
        Ok(Pop {
            target,
            login: negotiate.login.clone(),
            password: negotiate.password.clone(),
            lines: Lines::default(),
            heard_something: false,
            awaited: Awaited::Greeting,
        })
    }

    fn data(&mut self, bytes: &[u8], effects: &mut Effects) {
        self.heard_something = true;
        self.lines.feed(bytes);
        loop {
            match self.lines.next() {
                Ok(Some(line)) => {
                    if let Some(verdict) = self.line(&line, effects) {
                        effects.send("QUIT\r\n");
                        return effects.done(verdict);
                    }
                }
                Ok(None) => return,
                Err(_) => return effects.done(too_long()),
            }
        }
    }

    fn line(&mut self, line: &[u8], effects: &mut Effects) -> Option<Verdict> {
        if matches!(self.awaited, Awaited::CapabilitiesEnd) {
            if line == b"." {
                self.say_user(effects);
            }
            return None;
        }
        let good = match Status::of(line) {
            Some(Status::Ok) => true,
            Some(Status::Err) => false,
            None => return Some(mismatch()),
        };
        match (self.awaited, good) {
            (Awaited::Greeting, true) => {
                effects.send("CAPA\r\n");
                self.awaited = Awaited::Capabilities;
                None
            }
            (Awaited::Capabilities, true) => {
                self.awaited = Awaited::CapabilitiesEnd;
                None
            }
            // An old server does not know the command.
            (Awaited::Capabilities, false) => {
                self.say_user(effects);
                None
            }
            (Awaited::User, true) => {
                effects.send([b"PASS ", self.password.expose(), b"\r\n"].concat());
                self.awaited = Awaited::Password;
                None
            }
            (Awaited::Password, true) => Some(up()),
            _ => Some(refused(line)),
        }
    }

    fn say_user(&mut self, effects: &mut Effects) {
        effects.send([b"USER ", self.login.as_slice(), b"\r\n"].concat());
        self.awaited = Awaited::User;
    }
}

impl Conversation for Pop {
    fn target(&self) -> Target {
        self.target.clone()
    }

    fn handle(&mut self, event: Event<'_>, effects: &mut Effects) {
        match event {
            Event::Connected { .. } if self.login.is_empty() => {
                effects.send("QUIT\r\n");
                effects.done(up());
            }
            Event::Data(bytes) => self.data(bytes, effects),
            Event::Closed => effects.done(closed(self.heard_something)),
            Event::Failed(cause) => effects.done(failed(cause)),
            _ => {}
        }
    }
}

enum Status {
    Ok,
    Err,
}

impl Status {
    fn of(line: &[u8]) -> Option<Status> {
        let word = line.split(|&byte| byte == b' ').next().unwrap_or_default();
        match word {
            _ if word.eq_ignore_ascii_case(b"+OK") => Some(Status::Ok),
            _ if word.eq_ignore_ascii_case(b"-ERR") => Some(Status::Err),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::bench::{self, Play};
    use crate::protocols::ending;

    fn play_as(login: &'static str, password: &'static str) -> Play {
        Play::new(move || {
            let target = ending::tcp(bench::SERVER, 110).unwrap();
            Box::new(Pop::new(target, &bench::login(login, password)).unwrap())
        })
    }

    fn play() -> Play {
        play_as("joe", "secret word")
    }

    // As recorded from dovecot 2.3.
    const GREETING: &str = "+OK Dovecot (Debian) ready.\r\n";
    const CAPA: &str = "+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\n\
        STLS\r\nUSER\r\nSASL PLAIN\r\n.\r\n";

    #[test]
    fn a_login_that_works() {
        let end = play()
            .hears(GREETING)
            .hears(CAPA)
            .hears("+OK\r\n")
            .hears("+OK Logged in.\r\n")
            .ends();
        assert_eq!(end.verdict, Verdict::up("-"));
        assert_eq!(end.said, "CAPA\r\nUSER joe\r\nPASS secret word\r\nQUIT\r\n");
    }

    #[test]
    fn a_login_that_does_not() {
        let end = play()
            .hears(GREETING)
            .hears(CAPA)
            .hears("+OK\r\n")
            .hears("-ERR [AUTH] Authentication failed.\r\n")
            .ends();
        assert_eq!(
            end.verdict,
            Verdict::down("-ERR [AUTH] Authentication failed.")
        );
    }

    #[test]
    fn a_server_without_capa() {
        let end = play()
            .hears("+OK <1896.697170952@pop.example>\n")
            .hears("-ERR unknown command\n")
            .hears("+OK joe\n")
            .hears("+OK 2 320\n")
            .ends();
        assert_eq!(end.verdict, Verdict::up("-"));
    }

    #[test]
    fn a_list_that_does_not_end() {
        let mut endless = play().hears(GREETING).hears("+OK\r\n");
        endless = endless.hears_endlessly("ANOTHER\r\n");
        assert_eq!(endless.ends().verdict, Verdict::down("Answer too long"));
        let end = play().hears(GREETING).hears("+OK\r\nTOP\r\n").closed();
        assert_eq!(end.verdict, Verdict::down("Connection closed"));
    }

    #[test]
    fn without_a_login_the_connection_decides() {
        let end = play_as("", "").connected().ends();
        assert_eq!(end.verdict, Verdict::up("-"));
        assert_eq!(end.said, "QUIT\r\n");
        let end = play_as("", "").failed("Connection refused");
        assert!(!end.verdict.up);
    }

    #[test]
    fn a_server_that_is_busy_or_another() {
        let end = play().hears("-ERR [IN-USE] busy\r\n").ends();
        assert_eq!(end.verdict, Verdict::down("-ERR [IN-USE] busy"));
        let end = play().hears("220 ftp\r\n").ends();
        assert_eq!(end.verdict, Verdict::down("Response mismatch"));
    }

    #[test]
    fn a_password_is_one_line() {
        let target = ending::tcp(bench::SERVER, 110).unwrap();
        for (login, password) in [("joe\r\nDELE 1", "x"), ("joe", "x\nDELE 1"), ("joe", "x\r")] {
            assert!(Pop::new(target.clone(), &bench::login(login, password)).is_err());
        }
    }

    #[test]
    fn neither_noise_nor_packet_borders_matter() {
        bench::sturdy(play, &[GREETING, CAPA, "+OK\r\n", "+OK Logged in.\r\n"]);
        bench::sturdy(play, &[GREETING, CAPA, "+OK\r\n", "-ERR no\r\n"]);
    }
}
