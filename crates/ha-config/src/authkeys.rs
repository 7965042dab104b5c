//! authkeys: which keys sign and verify packets (`config-files.md` 10).
//!
//! Keys go straight into [`Secret`](ha_wire::Secret)s. A line that makes no sense is quoted as the legacy does, but only
//! up to its second word: the legacy writes a mistyped key in full into a log that everybody may read.

use std::collections::BTreeSet;

use ha_wire::{Key, KeyRing, Method};
use nom::bytes::complete::{tag, take_while1};
use nom::combinator::opt;
use nom::{IResult, Parser};

use crate::diagnostic::{Diagnostic, Parsed, Severity, Span};
use crate::ha_cf::integer_prefix;
use crate::lines::{Chunk, chunks, lossy, skip_white};

/// The bits of the file's mode that must not be set: readable by group or others.
const FORBIDDEN_MODE: u32 = 0o044;

/// Reads the keys. `mode` is the file's mode as fstat(2) tells it; only the permission bits matter.
pub fn parse_authkeys(bytes: &[u8], mode: u32, file: &str) -> Parsed<KeyRing> {
    let mut reading = Reading {
        file,
        ring: KeyRing::new(),
        auth: None,
        found: false,
        broken: BTreeSet::new(),
        methods_seen: BTreeSet::new(),
        diagnostics: Vec::new(),
        refused: false,
    };
    if mode & FORBIDDEN_MODE != 0 {
        let message = format!("Bad permissions on keyfile [{file}], 600 recommended.");
        let advice = format!("chmod 600 {file}");
        reading
            .refuse(Diagnostic::legacy(Severity::Error, "authkeys-mode", message).advise(advice));
    } else {
        for chunk in chunks(bytes) {
            reading.read_line(&chunk);
        }
        reading.conclude();
    }
    Parsed {
        value: (!reading.refused).then_some(reading.ring),
        diagnostics: reading.diagnostics,
    }
}

/// A line was refused, and why has been said.
struct Refused;

struct Reading<'a> {
    file: &'a str,
    ring: KeyRing,
    /// N of the last `auth N`; a negative one counts as none.
    auth: Option<i32>,
    /// A key line has followed its `auth` line.
    found: bool,
    /// Numbers of keys whose lines were refused.
    broken: BTreeSet<i32>,
    /// Methods that the legacy would have loaded by now; their number is part of a message.
    methods_seen: BTreeSet<&'static str>,
    diagnostics: Vec<Diagnostic>,
    refused: bool,
}

impl Reading<'_> {
    fn read_line(&mut self, chunk: &Chunk<'_>) {
        let text = match skip_white(chunk.text) {
            Ok((text, _)) => text,
            Err(_) => return,
        };
        let span = Span {
            file: self.file.into(),
            line: chunk.line,
            column: chunk.column_of(text),
        };
        match text.first() {
            None | Some(b'#') => {}
            Some(b'a') => match auth_line(text) {
                Ok((_, index)) => self.auth = (index >= 0).then_some(index),
                Err(_) => {
                    let message = format!("Invalid auth line [{}] in {}", quoted(text), self.file);
                    let advice = "expected: auth and the number of a key, such as: auth 1";
                    self.refuse(error("bad-auth-line", message).at(span).advise(advice));
                }
            },
            Some(_) => match key_line(text) {
                Ok((_, line)) => {
                    if self.key(&line, span).is_err() {
                        self.broken.insert(line.index);
                    }
                }
                Err(_) => {
                    self.broken
                        .extend(integer_prefix(text).map(|(_, index)| index));
                    let message = format!("Auth line [{}] is invalid.", quoted(text));
                    let advice = "expected: number, method and key, such as: 1 sha1 some-secret";
                    self.refuse(error("bad-key-line", message).at(span).advise(advice));
                }
            },
        }
    }

    /// Takes in a line of a key; says why if it is no good.
    fn key(&mut self, line: &KeyLine<'_>, span: Span) -> Result<(), Refused> {
        let index = match u8::try_from(line.index) {
            Ok(index) if index <= ha_wire::MAX_AUTH_INDEX => index,
            _ => {
                let message = format!("Invalid authnum [{}] in {}", line.index, self.file);
                let advice = format!("keys are numbered 0 to {}", ha_wire::MAX_AUTH_INDEX);
                self.refuse(error("bad-authnum", message).at(span).advise(advice));
                return Err(Refused);
            }
        };
        let name = lossy(line.method);
        let Ok(method) = name.parse::<Method>() else {
            self.unknown_method(&name, span);
            return Err(Refused);
        };
        self.methods_seen.insert(method.name());
        let secret = match (method, line.key) {
            (Method::Crc, None) => &b""[..],
            (Method::Crc, Some(_)) => {
                // The legacy says this at info level and refuses nevertheless.
                let message = format!("Auth method [{name}] doesn't use a key");
                self.refuse(Diagnostic::legacy(Severity::Info, "needless-key", message).at(span));
                return Err(Refused);
            }
            (Method::Md5 | Method::Sha1, Some(key)) => key,
            (Method::Md5 | Method::Sha1, None) => {
                self.refuse(
                    error(
                        "missing-key",
                        format!("Auth method [{name}] requires a key"),
                    )
                    .at(span)
                    .advise(format!("write a secret word after {name}")),
                );
                return Err(Refused);
            }
        };
        self.ring.insert(index, Key::new(method, secret));
        if self.auth == Some(line.index) {
            self.ring.set_outbound(index);
            self.found = true;
        }
        Ok(())
    }

    fn unknown_method(&mut self, name: &str, span: Span) {
        let loaded = self.methods_seen.len();
        for message in [
            format!("LoadPlugin on {name} returned 5: No such plugin/interface/interface type"),
            format!("Lookup extended#2 returned FALSE for {name}"),
            format!("Table size: {loaded}"),
        ] {
            self.diagnostics.push(error("bad-authtype", message));
        }
        let advice = "the methods are crc, md5 and sha1, in lower case";
        self.refuse(
            error("bad-authtype", format!("Invalid authtype [{name}]"))
                .at(span)
                .advise(advice),
        );
    }

    /// The signing key must have come after its `auth` line; an `auth` line after that without its key changes nothing.
    fn conclude(&mut self) {
        match self.auth {
            None => self.refuse(error(
                "no-auth",
                format!("Missing auth directive in keyfile [{}]", self.file),
            )),
            Some(_) if self.found => self.tell_of_crc(),
            Some(index) => {
                let message = format!("Auth Key [{index}] not found in keyfile [{}]", self.file);
                let loaded = u8::try_from(index).is_ok_and(|index| self.ring.get(index).is_some());
                let advice = if self.broken.contains(&index) {
                    format!("the line of key {index} is refused, see above")
                } else if loaded {
                    format!("the line of key {index} must stand below \"auth {index}\"")
                } else {
                    format!("there is no line of key {index}")
                };
                self.refuse(error("auth-key-missing", message).advise(advice));
            }
        }
    }

    /// A packet names the key that it is signed with, and each loaded key is believed (`wire-protocol.md` 3.4). With `crc`
    /// among them the secrets of the others protect nothing.
    fn tell_of_crc(&mut self) {
        let signs = self.ring.outbound_key().map(|(_, key)| key.method);
        let crc = (0..=ha_wire::MAX_AUTH_INDEX).find(|index| {
            let key = self.ring.get(*index);
            key.is_some_and(|key| key.method == Method::Crc)
        });
        if let Some(index) = crc.filter(|_| signs != Some(Method::Crc)) {
            let message = format!(
                "Key {index} in {} is crc: whoever can send packets is believed, whatever the other keys are",
                self.file
            );
            let advice = format!("remove key {index} once no node signs with it any more");
            let told = Diagnostic::ours(Severity::Warn, "crc-beside-secrets", message);
            self.diagnostics.push(told.advise(advice));
        }
    }

    fn refuse(&mut self, diagnostic: Diagnostic) {
        self.refused = true;
        self.diagnostics.push(diagnostic);
    }
}

fn error(code: &'static str, message: String) -> Diagnostic {
    Diagnostic::legacy(Severity::Error, code, message)
}

/// `auth`, white space that may be missing, a number; the rest of the line does not matter.
fn auth_line(text: &[u8]) -> IResult<&[u8], i32> {
    let (text, _) = tag(&b"auth"[..]).parse(text)?;
    let (text, _) = opt(take_while1(is_space)).parse(text)?;
    integer_prefix(text)
}

struct KeyLine<'a> {
    index: i32,
    method: &'a [u8],
    key: Option<&'a [u8]>,
}

/// A number, a method that may follow at once, and perhaps a key; the rest of the line does not matter.
fn key_line(text: &[u8]) -> IResult<&[u8], KeyLine<'_>> {
    let (text, index) = integer_prefix(text)?;
    let (text, method) = scanned_word(text)?;
    let (text, key) = opt(scanned_word).parse(text)?;
    Ok((text, KeyLine { index, method, key }))
}

/// A word as scanf reads it.
fn scanned_word(text: &[u8]) -> IResult<&[u8], &[u8]> {
    let (text, _) = opt(take_while1(is_space)).parse(text)?;
    take_while1(|byte| !is_space(byte)).parse(text)
}

/// C's isspace, which knows a vertical tab that the other grammars do not.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | 0x09..=0x0d)
}

/// The line as the legacy quotes it, newline included, without anything beyond its second word.
fn quoted(text: &[u8]) -> String {
    let two_words: IResult<&[u8], _> = (scanned_word, opt(scanned_word)).parse(text);
    match two_words {
        Ok((rest, _)) if rest.iter().any(|byte| !is_space(*byte)) => {
            let shown = text.len().saturating_sub(rest.len());
            format!("{} ...", lossy(text.get(..shown).unwrap_or_default()))
        }
        _ => lossy(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(parsed: &Parsed<KeyRing>) -> Vec<String> {
        let lines = parsed.diagnostics.iter().flat_map(Diagnostic::lines);
        lines.collect()
    }

    #[test]
    fn a_key_that_landed_in_the_wrong_place_is_not_quoted() {
        let parsed = parse_authkeys(b"auth 1\n1 crc\nsha1 1 hush-hush\n", 0o600, "authkeys");
        assert!(parsed.value.is_none());
        let texts = lines_of(&parsed);
        assert!(texts.iter().all(|text| !text.contains("hush")), "{texts:?}");
        assert_eq!(
            parsed.diagnostics[0].message,
            "Auth line [sha1 1 ...] is invalid."
        );
        assert_eq!(
            parsed.diagnostics[0].span.as_ref().map(|span| span.line),
            Some(3)
        );
    }

    /// The line did stand below, and was refused for another reason.
    #[test]
    fn a_refused_key_is_not_said_to_stand_in_the_wrong_place() {
        let last = |text: &[u8]| {
            let parsed = parse_authkeys(text, 0o600, "authkeys");
            assert!(parsed.value.is_none());
            let texts = lines_of(&parsed);
            assert_eq!(
                texts[texts.len() - 2],
                "Auth Key [1] not found in keyfile [authkeys]"
            );
            texts.last().cloned().unwrap_or_default()
        };
        for broken in ["1 sha256 foo", "1 sha1", "1 crc foo", "1"] {
            assert_eq!(
                last(format!("auth 1\n{broken}\n").as_bytes()),
                "the line of key 1 is refused, see above",
                "{broken}"
            );
        }
        assert_eq!(
            last(b"1 sha1 foo\nauth 1\n"),
            "the line of key 1 must stand below \"auth 1\""
        );
        assert_eq!(last(b"auth 1\n2 sha1 foo\n"), "there is no line of key 1");
    }

    #[test]
    fn crc_beside_a_secret_is_told() {
        let codes = |text: &[u8]| -> Vec<&str> {
            let parsed = parse_authkeys(text, 0o600, "authkeys");
            assert!(parsed.value.is_some());
            parsed.diagnostics.iter().map(|said| said.code).collect()
        };
        assert_eq!(
            codes(b"auth 1\n1 sha1 hush\n2 crc\n"),
            ["crc-beside-secrets"]
        );
        assert!(codes(b"auth 1\n1 sha1 hush\n2 md5 hush2\n").is_empty());
        assert!(codes(b"auth 2\n1 sha1 hush\n2 crc\n").is_empty(), "chosen");
    }

    #[test]
    fn the_last_auth_line_with_a_key_below_it_signs() {
        let parsed = parse_authkeys(
            b"auth 1\n1 sha1 a\nauth 2\n2 md5 b\nauth 3\n",
            0o600,
            "authkeys",
        );
        assert_eq!(
            parsed.value.unwrap().outbound_key(),
            Some((2, &Key::new(Method::Md5, "b")))
        );
    }
}
