//! Groups: what opens them, and references to what they matched.

use super::class::wide;
use super::{Problem, Translator};

impl Translator<'_> {
    pub(super) fn open(&mut self) -> Result<(), Problem> {
        self.quantifiable = false;
        if self.rest.first() == Some(&b'*') {
            if self.rest.get(1).is_some_and(u8::is_ascii_alphabetic) {
                return Err(Problem::Unsupported("(*...)"));
            }
            return Err(Problem::Invalid("a quantifier follows nothing"));
        }
        if !self.skip(b"?") {
            self.open.push(")");
            self.groups_begun += 1;
            self.out.push('(');
            return Ok(());
        }
        if self.skip(b"#") {
            self.until(b')')
                .ok_or(Problem::Invalid("a comment has no end"))?;
            self.quantifiable = !self.out.is_empty() && !self.out.ends_with(['(', '|']);
            return Ok(());
        }
        for (perl, same) in [
            (&b"="[..], "(?="),
            (b"!", "(?!"),
            (b"<=", "(?<="),
            (b"<!", "(?<!"),
            (b">", "(?>"),
        ] {
            if self.skip(perl) {
                self.needs_backtracking();
                // Perl lets quantifiers follow, the engine only behind an ordinary group.
                self.open.push("))");
                self.out.push_str("(?:");
                self.out.push_str(same);
                return Ok(());
            }
        }
        if self.skip(b"P=") {
            let name = name(self.until(b')'))?;
            return self.named_reference(&name);
        }
        for (begin, end) in [(&b"P<"[..], b'>'), (b"<", b'>'), (b"'", b'\'')] {
            if self.skip(begin) {
                let name = name(self.until(end))?;
                self.open.push(")");
                self.groups_begun += 1;
                self.out.push_str(&format!("(?<{name}>"));
                return Ok(());
            }
        }
        match self.rest.first() {
            Some(b'|') => Err(Problem::Unsupported("(?|...)")),
            Some(b'{' | b'?') => Err(Problem::Invalid("code in a pattern")),
            Some(b'R' | b'&' | b'0'..=b'9' | b'+') => Err(Problem::Unsupported("recursion")),
            Some(b'-') if self.rest.get(1).is_some_and(u8::is_ascii_digit) => {
                Err(Problem::Unsupported("recursion"))
            }
            Some(b'P') if self.rest.get(1) == Some(&b'>') => Err(Problem::Unsupported("recursion")),
            Some(b'[') => Err(Problem::Unsupported("(?[...])")),
            Some(b'(') => self.condition(),
            _ => self.flags(),
        }
    }

    /// `(?(1)yes|no)`
    fn condition(&mut self) -> Result<(), Problem> {
        let unsupported = Problem::Unsupported("this kind of condition");
        self.skip(b"(");
        let digits = self.until(b')').ok_or(unsupported.clone())?;
        let number: u32 = std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| digits.parse().ok())
            .ok_or(unsupported)?;
        if number == 0 || number > self.groups {
            return Err(Problem::Unsupported(
                "a condition on a group that is not there",
            ));
        }
        self.needs_backtracking();
        self.open.push(")");
        self.out.push_str(&format!("(?({number})"));
        Ok(())
    }

    /// `(?i-s)` or `(?i-s:`
    fn flags(&mut self) -> Result<(), Problem> {
        let (mut on, mut off) = (String::new(), String::new());
        let mut negative = false;
        if self.skip(b"^") {
            off.push_str("imsx");
        }
        loop {
            let flag = self.next().ok_or(Problem::Invalid("a group has no end"))?;
            match flag {
                b'i' | b'm' | b's' | b'x' => {
                    let flag = char::from(flag);
                    let (to, from) = if negative {
                        (&mut off, &mut on)
                    } else {
                        (&mut on, &mut off)
                    };
                    from.retain(|other| other != flag);
                    if !to.contains(flag) {
                        to.push(flag);
                    }
                }
                // Kinds of classes, and what concerns captures, change nothing that is asked here.
                b'a' | b'd' | b'l' | b'u' | b'p' | b'n' => {}
                b'-' if !negative => negative = true,
                b')' | b':' => {
                    let minus = if off.is_empty() { "" } else { "-" };
                    let group = format!("(?{on}{minus}{off}");
                    if flag == b':' {
                        self.open.push(")");
                        self.out.push_str(&format!("{group}:"));
                    } else {
                        if group.len() > 2 {
                            self.out.push_str(&format!("{group})"));
                        }
                        self.quantifiable = false;
                    }
                    return Ok(());
                }
                _ => return Err(Problem::Invalid("an unknown flag")),
            }
        }
    }

    /// `\1` to `\9` are references; longer numbers only if there are so many groups, else octal.
    pub(super) fn digits(&mut self, first: u8) -> Result<(), Problem> {
        let more = self
            .rest
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .take(3)
            .count();
        let text: String = std::iter::once(first)
            .chain(self.rest.iter().copied().take(more))
            .map(char::from)
            .collect();
        let number: u32 = text.parse().unwrap_or(u32::MAX);
        if more == 0 || number <= self.groups {
            self.rest = self.rest.get(more..).unwrap_or_default();
            return self.reference(number);
        }
        let mut value = u32::from(first - b'0');
        if value > 7 {
            self.literal(first);
            return Ok(());
        }
        for _ in 0..2 {
            let Some(digit @ b'0'..=b'7') = self.rest.first().copied() else {
                break;
            };
            self.next();
            value = value * 8 + u32::from(digit - b'0');
        }
        let text = self.byte(wide(value)?);
        self.out.push_str(&text);
        Ok(())
    }

    fn reference(&mut self, number: u32) -> Result<(), Problem> {
        if number == 0 || number > self.groups {
            return Err(Problem::Invalid("a reference to a group that is not there"));
        }
        self.needs_backtracking();
        // In a group, so that a digit behind it is not taken for a part of it.
        self.out.push_str(&format!("(?:\\{number})"));
        self.quantifiable = true;
        Ok(())
    }

    pub(super) fn named_reference(&mut self, name: &str) -> Result<(), Problem> {
        self.needs_backtracking();
        self.out.push_str(&format!("\\k<{name}>"));
        self.quantifiable = true;
        Ok(())
    }

    /// `\g1`, `\g{1}`, `\g{-1}`, `\g{name}`
    pub(super) fn group_reference(&mut self) -> Result<(), Problem> {
        let text: Vec<u8> = if self.skip(b"{") {
            self.until(b'}')
                .ok_or(Problem::Invalid(r"\g{ without }"))?
                .to_vec()
        } else {
            let length = self
                .rest
                .iter()
                .enumerate()
                .take_while(|(index, byte)| {
                    byte.is_ascii_digit() || (*index == 0 && **byte == b'-')
                })
                .count();
            let (number, rest) = self.rest.split_at_checked(length).unwrap_or_default();
            let number = number.to_vec();
            self.rest = rest;
            number
        };
        let text = String::from_utf8(text).unwrap_or_default();
        match text.parse::<i32>() {
            Ok(number) if number < 0 => {
                let back = number.unsigned_abs();
                let number = (self.groups_begun + 1).saturating_sub(back);
                self.reference(number)
            }
            Ok(number) => self.reference(number.unsigned_abs()),
            Err(_) => {
                let name = name(Some(text.as_bytes()))?;
                self.named_reference(&name)
            }
        }
    }
}

pub(super) fn name(bytes: Option<&[u8]>) -> Result<String, Problem> {
    bytes
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .filter(|name| {
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
        .map(str::to_owned)
        .ok_or(Problem::Invalid("a group name that is none"))
}
