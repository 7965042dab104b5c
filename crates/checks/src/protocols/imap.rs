//! imap and imaps: greeting, LOGIN if there is a login, LOGOUT (`ldirectord.md` 6.3).

use std::collections::VecDeque;

use ha_config::ldirectord::{Negotiate, Password};

use super::ending::{closed, failed, mismatch, refused, too_long, up};
use super::lines::{Lines, TooLong};
use crate::{Conversation, Effects, Event, Target, Verdict};

const LOGIN_TAG: &[u8] = b"A1";
const LOGOUT: &str = "A2 LOGOUT\r\n";

/// One check.
#[derive(Debug)]
pub(super) struct Imap {
    target: Target,
    /// The parts of the LOGIN command that have not been sent; before each but the first the server has to say `+`.
    /// None: no login.
    login: Option<VecDeque<Secret>>,
    lines: Lines,
    /// So many bytes of a literal are still to come.
    literal: usize,
    heard_something: bool,
    greeted: bool,
}

/// Part of a command with a password in it.
type Secret = Password;

impl Imap {
    /// A check with the login of `negotiate`.
    pub(super) fn new(target: Target, negotiate: &Negotiate) -> Result<Imap, Verdict> {
        let login = if negotiate.login.is_empty() {
            None
        } else {
            Some(login(&negotiate.login, negotiate.password.expose())?)
        };
        Ok(Imap {
            target,
            login,
            lines: Lines::default(),
            literal: 0,
            heard_something: false,
            greeted: false,
        })
    }

    fn data(&mut self, bytes: &[u8], effects: &mut Effects) {
        self.heard_something = true;
        self.lines.feed(bytes);
        loop {
            match self.next_line() {
                Ok(Some(line)) => {
                    if let Some(verdict) = self.line(&line, effects) {
                        effects.send(LOGOUT);
                        return effects.done(verdict);
                    }
                }
                Ok(None) => return,
                Err(TooLong) => return effects.done(too_long()),
            }
        }
    }

    fn next_line(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        self.literal -= self.lines.skip(self.literal)?;
        if self.literal > 0 {
            return Ok(None);
        }
        self.lines.next()
    }

    fn line(&mut self, line: &[u8], effects: &mut Effects) -> Option<Verdict> {
        let mut words = line.split(|&byte| byte == b' ');
        let tag = words.next().unwrap_or_default();
        let word = words.next().unwrap_or_default().to_ascii_uppercase();
        match (tag, word.as_slice()) {
            (b"*", b"OK" | b"PREAUTH") if !self.greeted => {
                self.greeted = true;
                let Some(parts) = &mut self.login else {
                    return Some(up());
                };
                send_next(parts, effects);
                None
            }
            _ if !self.greeted && tag == b"*" => Some(refused(line)),
            _ if !self.greeted => Some(mismatch()),
            (LOGIN_TAG, b"OK") => Some(up()),
            (LOGIN_TAG, _) | (b"*", b"BYE") => Some(refused(line)),
            // Free text, in which nothing announces a literal.
            (b"*", b"OK" | b"NO" | b"BAD" | b"PREAUTH") => None,
            (b"+", _) => {
                if let Some(parts) = &mut self.login {
                    send_next(parts, effects);
                }
                None
            }
            // Untagged data, or the rest of a line with a literal in it.
            _ => {
                self.literal = literal(line);
                None
            }
        }
    }
}

fn send_next(parts: &mut VecDeque<Secret>, effects: &mut Effects) {
    if let Some(part) = parts.pop_front() {
        effects.send(part.expose());
    }
}

/// The length that a line announces at its end: `{123}`. One that no bound allows counts as the largest.
fn literal(line: &[u8]) -> usize {
    let digits = line.strip_suffix(b"}").and_then(|line| {
        let start = line.iter().rposition(|&byte| byte == b'{')? + 1;
        line.get(start..)
    });
    match digits {
        Some(digits) if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
            digits.iter().fold(0_usize, |sum, digit| {
                sum.saturating_mul(10)
                    .saturating_add(usize::from(digit - b'0'))
            })
        }
        _ => 0,
    }
}

/// The LOGIN command, cut where the server has to agree before we go on (RFC 3501 7.5).
fn login(login: &[u8], password: &[u8]) -> Result<VecDeque<Secret>, Verdict> {
    let mut parts = VecDeque::new();
    let mut part = [LOGIN_TAG, b" LOGIN"].concat();
    for word in [login, password] {
        if word.contains(&0) {
            return Err(Verdict::down("Unusable login")
                .remark("login or passwd has a zero byte in it and cannot be sent"));
        }
        part.push(b' ');
        if is_quotable(word) {
            part.extend(quoted(word));
        } else {
            part.extend(format!("{{{}}}\r\n", word.len()).as_bytes());
            parts.push_back(Secret::new(std::mem::replace(&mut part, word.to_vec())));
        }
    }
    part.extend(b"\r\n");
    parts.push_back(Secret::new(part));
    Ok(parts)
}

/// A quoted string holds seven-bit characters of one line; anything else has to be a literal.
fn is_quotable(word: &[u8]) -> bool {
    word.iter()
        .all(|byte| byte.is_ascii() && !matches!(byte, b'\r' | b'\n'))
}

fn quoted(word: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for &byte in word {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
    out
}

impl Conversation for Imap {
    fn target(&self) -> Target {
        self.target.clone()
    }

    fn handle(&mut self, event: Event<'_>, effects: &mut Effects) {
        match event {
            Event::Data(bytes) => self.data(bytes, effects),
            Event::Closed => effects.done(closed(self.heard_something)),
            Event::Failed(cause) => effects.done(failed(cause)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocols::bench::{self, Play};
    use crate::protocols::ending;

    fn play_as(login: &'static str, password: &'static str) -> Play {
        Play::new(move || {
            let target = ending::tcp(bench::SERVER, 143).unwrap();
            Box::new(Imap::new(target, &bench::login(login, password)).unwrap())
        })
    }

    fn play() -> Play {
        play_as("joe", "secret")
    }

    // As recorded from dovecot 2.3.
    const GREETING: &str = "* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ STARTTLS AUTH=PLAIN] \
        Dovecot (Debian) ready.\r\n";
    const LOGGED_IN: &str =
        "A1 OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE] Logged in\r\n";
    const REFUSED: &str = "A1 NO [AUTHENTICATIONFAILED] Authentication failed.\r\n";

    #[test]
    fn a_login_that_works() {
        let end = play().hears(GREETING).hears(LOGGED_IN).ends();
        assert_eq!(end.verdict, Verdict::up("-"));
        assert_eq!(end.said, "A1 LOGIN \"joe\" \"secret\"\r\nA2 LOGOUT\r\n");
        let end = play()
            .hears("* preauth hi\n")
            .hears("a1 ok\nA1 ok\n")
            .ends();
        assert_eq!(end.verdict, Verdict::up("-"));
    }

    #[test]
    fn a_login_that_does_not() {
        let end = play().hears(GREETING).hears(REFUSED).ends();
        assert_eq!(
            end.verdict,
            Verdict::down("A1 NO [AUTHENTICATIONFAILED] Authentication failed.")
        );
        assert!(!play().hears(GREETING).hears("A1 BAD x\n").ends().verdict.up);
        assert!(!play().hears(GREETING).hears("* BYE x\n").ends().verdict.up);
        assert!(!play().hears(GREETING).hears("A1\n").ends().verdict.up);
    }

    #[test]
    fn without_a_login_the_greeting_decides() {
        let end = play_as("", "").hears(GREETING).ends();
        assert_eq!(end.verdict, Verdict::up("-"));
        assert_eq!(end.said, "A2 LOGOUT\r\n");
        let end = play_as("", "")
            .hears("* BYE Too many connections\r\n")
            .ends();
        assert_eq!(end.verdict, Verdict::down("* BYE Too many connections"));
        let end = play_as("", "").hears("+OK pop\r\n").ends();
        assert_eq!(end.verdict, Verdict::down("Response mismatch"));
    }

    #[test]
    fn literals_are_passed_over() {
        let end = play()
            .hears(GREETING)
            .hears("* LIST () \"/\" {12}\r\nA1 NO no\r\nA1 {3}\r\nxyz\r\n* OK not one {70}\r\n")
            .hears(LOGGED_IN)
            .ends();
        assert_eq!(end.verdict, Verdict::up("-"));
        let end = play()
            .hears(GREETING)
            .hears("* X {99999999999999999999999}\r\n")
            .hears_endlessly("A1 OK\r\n")
            .ends();
        assert_eq!(end.verdict, Verdict::down("Answer too long"));
    }

    #[test]
    fn quotes_and_literals_in_a_login() {
        let end = play_as(r#"j"o\e"#, "")
            .hears(GREETING)
            .hears(LOGGED_IN)
            .ends();
        assert_eq!(end.said, "A1 LOGIN \"j\\\"o\\\\e\" \"\"\r\nA2 LOGOUT\r\n");
        let end = play_as("jo\u{e9}", "two\r\nlines")
            .hears(GREETING)
            .hears("+ OK\r\n")
            .hears("+ OK\r\n")
            .hears(LOGGED_IN)
            .ends();
        assert_eq!(
            end.said,
            "A1 LOGIN {4}\r\njo\u{e9} {10}\r\ntwo\r\nlines\r\nA2 LOGOUT\r\n"
        );
        let end = play_as("jo\u{e9}", "x")
            .hears(GREETING)
            .hears("A1 NO\r\n")
            .ends();
        assert_eq!(end.said, "A1 LOGIN {4}\r\nA2 LOGOUT\r\n");
        assert!(login(b"a\0", b"").is_err());
    }

    proptest! {
        /// What a server reads as the two strings is what was in the file, whatever it is.
        #[test]
        fn a_login_arrives_as_it_was(
            name in proptest::collection::vec(1_u8.., 1..20),
            password in proptest::collection::vec(1_u8.., 0..20),
        ) {
            let parts = login(&name, &password).unwrap();
            let sent: Vec<u8> = parts.iter().flat_map(|part| part.expose().to_vec()).collect();
            let rest = sent.strip_prefix(b"A1 LOGIN ".as_slice()).unwrap();
            let (first, rest) = read_string(rest);
            let (second, rest) = read_string(rest.strip_prefix(b" ".as_slice()).unwrap());
            prop_assert_eq!(rest, b"\r\n");
            prop_assert_eq!((first, second), (name, password));
        }
    }

    /// A string as a server reads it.
    fn read_string(text: &[u8]) -> (Vec<u8>, &[u8]) {
        let (kind, mut rest) = text.split_first().unwrap();
        if *kind == b'{' {
            let end = rest.iter().position(|&b| b == b'}').unwrap();
            let length: usize = std::str::from_utf8(&rest[..end]).unwrap().parse().unwrap();
            let rest = rest[end..].strip_prefix(b"}\r\n".as_slice()).unwrap();
            return (rest[..length].to_vec(), &rest[length..]);
        }
        assert_eq!(*kind, b'"');
        let mut out = Vec::new();
        loop {
            match rest {
                [b'"', rest @ ..] => return (out, rest),
                [b'\\', byte, behind @ ..] | [byte, behind @ ..] => {
                    assert!(!matches!(byte, b'\r' | b'\n'));
                    out.push(*byte);
                    rest = behind;
                }
                [] => panic!("a quoted string without end"),
            }
        }
    }

    #[test]
    fn neither_noise_nor_packet_borders_matter() {
        bench::sturdy(
            play,
            &[
                GREETING,
                "* CAPABILITY IMAP4rev1\r\n* LIST {5}\r\nA1 OK\r\n",
                LOGGED_IN,
            ],
        );
        bench::sturdy(play, &[GREETING, REFUSED]);
        bench::sturdy(
            || play_as("\u{e9}", "\r"),
            &[GREETING, "+\r\n+\r\n", REFUSED],
        );
    }
}
