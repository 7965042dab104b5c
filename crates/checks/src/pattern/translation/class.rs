//! Bracketed classes, and escapes that stand for a byte or a class, in brackets or without.

use super::{Problem, Translator};
use crate::pattern::places::posix_class;

const DIGIT: &str = "0-9";
pub(super) const WORD: &str = "0-9A-Za-z_";
const SPACE: &str = r" \t\n\r\x0b\x0c";

/// One member of a bracketed class.
pub(super) enum Member {
    Byte(u8),
    Set(String),
}

impl Translator<'_> {
    /// What an escape stands for that may also stand in brackets.
    pub(super) fn member(&mut self, letter: u8, in_brackets: bool) -> Result<Member, Problem> {
        let set = |negative: bool, inner: &str| {
            let not = if negative { "^" } else { "" };
            Member::Set(format!("[{not}{inner}]"))
        };
        let horizontal = format!(r" \t{}", self.byte(0xa0));
        let vertical = format!(r"\n\x0b\x0c\r{}", self.byte(0x85));
        Ok(match letter {
            b'd' | b'D' => set(letter == b'D', DIGIT),
            b'w' | b'W' => set(letter == b'W', WORD),
            b's' | b'S' => set(letter == b'S', SPACE),
            b'h' | b'H' => set(letter == b'H', &horizontal),
            b'v' | b'V' => set(letter == b'V', &vertical),
            b'N' if self.rest.first() == Some(&b'{') => {
                return Err(Problem::Unsupported(r"\N{}"));
            }
            b'N' if in_brackets => return Err(Problem::Invalid(r"\N in brackets")),
            b'N' => set(true, r"\n"),
            b'p' | b'P' => return Err(Problem::Unsupported(r"\p")),
            b'n' => Member::Byte(b'\n'),
            b'r' => Member::Byte(b'\r'),
            b't' => Member::Byte(b'\t'),
            b'f' => Member::Byte(0x0c),
            b'a' => Member::Byte(7),
            b'e' => Member::Byte(0x1b),
            b'b' if in_brackets => Member::Byte(8),
            b'c' => {
                let key = self.next().ok_or(Problem::Invalid(r"\c without a key"))?;
                if !(b' '..=b'~').contains(&key) {
                    return Err(Problem::Invalid(r"\c without a key"));
                }
                Member::Byte(key.to_ascii_uppercase() ^ 64)
            }
            b'x' if self.skip(b"{") => {
                let digits = self
                    .until(b'}')
                    .ok_or(Problem::Invalid(r"\x{ without }"))?
                    .trim_ascii();
                Member::Byte(wide(number(digits, 16))?)
            }
            b'x' => {
                let length = self
                    .rest
                    .iter()
                    .take(2)
                    .take_while(|byte| byte.is_ascii_hexdigit())
                    .count();
                let (digits, rest) = self.rest.split_at_checked(length).unwrap_or_default();
                let value = number(digits, 16);
                self.rest = rest;
                Member::Byte(wide(value)?)
            }
            b'o' => {
                if !self.skip(b"{") {
                    return Err(Problem::Invalid(r"\o without {"));
                }
                let digits = self
                    .until(b'}')
                    .ok_or(Problem::Invalid(r"\o{ without }"))?
                    .trim_ascii();
                Member::Byte(wide(number(digits, 8))?)
            }
            b'0'..=b'7' => {
                let length = self
                    .rest
                    .iter()
                    .take(2)
                    .take_while(|byte| (b'0'..=b'7').contains(byte))
                    .count();
                let (digits, rest) = self.rest.split_at_checked(length).unwrap_or_default();
                let value = number(digits, 8);
                let shift = 3 * length as u32;
                self.rest = rest;
                Member::Byte(wide(u32::from(letter - b'0') << shift | value)?)
            }
            // A backslash before anything else changes nothing, also before letters that mean nothing.
            _ => Member::Byte(letter),
        })
    }

    pub(super) fn class(&mut self) -> Result<(), Problem> {
        let mut out = String::from("[");
        if self.skip(b"^") {
            out.push('^');
        }
        let mut first = true;
        while let Some(member) = self.class_member(first)? {
            first = false;
            // A hyphen makes a range only between two bytes, and is itself anywhere else.
            let is_range = self.rest.first() == Some(&b'-')
                && self.rest.get(1).is_some_and(|after| *after != b']');
            match member {
                Member::Byte(low) if is_range => {
                    self.next();
                    match self.class_member(false)? {
                        Some(Member::Byte(high)) if low <= high => {
                            out.push_str(&format!("{}-{}", self.byte(low), self.byte(high)));
                        }
                        Some(Member::Byte(_)) => {
                            return Err(Problem::Invalid("a range that runs backwards"));
                        }
                        Some(Member::Set(set)) => {
                            out.push_str(&format!("{}{}{set}", self.byte(low), self.byte(b'-')));
                        }
                        None => return Err(Problem::Invalid("unmatched [")),
                    }
                }
                Member::Byte(byte) => out.push_str(&self.byte(byte)),
                Member::Set(set) => {
                    out.push_str(&set);
                    if is_range {
                        self.next();
                        out.push_str(&self.byte(b'-'));
                    }
                }
            }
        }
        out.push(']');
        self.out.push_str(&out);
        Ok(())
    }

    /// The next member; none at the closing bracket.
    fn class_member(&mut self, first: bool) -> Result<Option<Member>, Problem> {
        let byte = self.next().ok_or(Problem::Invalid("unmatched ["))?;
        match byte {
            b']' if !first => Ok(None),
            b'[' => match posix_class(self.rest)? {
                Some((text, rest)) => {
                    self.rest = rest;
                    Ok(Some(Member::Set(text)))
                }
                None => Ok(Some(Member::Byte(b'['))),
            },
            b'\\' => {
                let letter = self.next().ok_or(Problem::Invalid("unmatched ["))?;
                self.member(letter, true).map(Some)
            }
            _ => Ok(Some(Member::Byte(byte))),
        }
    }
}

/// The value of digits; what is none ends it.
fn number(digits: &[u8], radix: u32) -> u32 {
    digits
        .iter()
        .map_while(|digit| char::from(*digit).to_digit(radix))
        .fold(0, |value, digit| {
            value.saturating_mul(radix).saturating_add(digit)
        })
}

pub(super) fn wide(value: u32) -> Result<u8, Problem> {
    u8::try_from(value).map_err(|_| Problem::Unsupported("a character beyond one byte"))
}
