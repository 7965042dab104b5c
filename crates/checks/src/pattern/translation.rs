//! Perl's syntax into that of the engines, which differ from Perl, and from each other, in small ways.
//!
//! Both engines are asked about bytes: the linear one directly, the backtracking one about a text that has one character
//! for each byte. Classes are those of ASCII, as in Perl for texts that are bytes.

use std::fmt;

use super::places::{count_groups, nothing_follows, posix_class};

/// Who can run a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    /// Time linear in the text.
    Linear,
    /// Everything else.
    Backtracking,
}

/// What is wrong with a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// In Perl, too.
    Invalid(&'static str),
    /// Only here.
    Unsupported(&'static str),
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Invalid(what) => out.write_str(what),
            Problem::Unsupported(what) => write!(out, "{what} is not supported"),
        }
    }
}

/// The pattern for the simplest engine that can run it.
pub(super) fn translate(pattern: &[u8]) -> Result<(Engine, String), Problem> {
    let groups = count_groups(pattern);
    for engine in [Engine::Linear, Engine::Backtracking] {
        let mut translator = Translator {
            engine,
            rest: pattern,
            out: String::with_capacity(pattern.len() * 2),
            groups_begun: 0,
            groups,
            quantifiable: false,
            open: Vec::new(),
            too_much: false,
        };
        translator.run()?;
        if !translator.too_much {
            return Ok((engine, translator.out));
        }
    }
    Err(Problem::Unsupported("this"))
}

struct Translator<'a> {
    engine: Engine,
    rest: &'a [u8],
    out: String,
    groups_begun: u32,
    groups: u32,
    /// Something stands before that a quantifier may apply to.
    quantifiable: bool,
    /// For each open group, what closes it.
    open: Vec<&'static str>,
    /// The engine cannot run it.
    too_much: bool,
}

const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
const SPACE: &str = r" \t\n\r\x0b\x0c";

/// One member of a bracketed class.
enum Member {
    Byte(u8),
    Set(String),
}

impl Translator<'_> {
    fn run(&mut self) -> Result<(), Problem> {
        while let Some(byte) = self.next() {
            match byte {
                b'\\' => self.escape()?,
                b'[' => {
                    self.class()?;
                    self.quantifiable = true;
                }
                b'(' => self.open()?,
                b')' => {
                    let close = self.open.pop().ok_or(Problem::Invalid("unmatched )"))?;
                    self.out.push_str(close);
                    self.quantifiable = true;
                }
                b'|' => {
                    self.out.push('|');
                    self.quantifiable = false;
                }
                b'$' => self.end_of_text(true),
                b'^' => {
                    self.out.push('^');
                    self.quantifiable = true;
                }
                b'.' => {
                    self.out.push('.');
                    self.quantifiable = true;
                }
                b'*' => self.quantifier("*")?,
                b'+' => self.quantifier("+")?,
                b'?' => self.quantifier("?")?,
                b'{' => match counted(self.rest) {
                    Some((text, rest)) if self.quantifiable => {
                        self.rest = rest;
                        self.quantifier(&text)?;
                    }
                    _ => self.literal(b'{'),
                },
                _ => self.literal(byte),
            }
        }
        if !self.open.is_empty() {
            return Err(Problem::Invalid("unmatched ("));
        }
        Ok(())
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn skip(&mut self, prefix: &[u8]) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Up to a byte, which is skipped too.
    fn until(&mut self, end: u8) -> Option<&[u8]> {
        let at = self.rest.iter().position(|byte| *byte == end)?;
        let (text, rest) = self.rest.split_at_checked(at)?;
        self.rest = rest.get(1..)?;
        Some(text)
    }

    fn literal(&mut self, byte: u8) {
        let text = match byte {
            // Blanks mean nothing after `(?x)`, so they stay what they are.
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => char::from(byte).to_string(),
            _ => self.byte(byte),
        };
        self.out.push_str(&text);
        self.quantifiable = true;
    }

    /// A byte that stands for itself wherever it stands.
    fn byte(&self, byte: u8) -> String {
        match (byte, self.engine) {
            (b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z', _) => char::from(byte).to_string(),
            (0x80.., Engine::Backtracking) => char::from(byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        }
    }

    fn needs_backtracking(&mut self) {
        self.too_much |= self.engine == Engine::Linear;
    }

    fn quantifier(&mut self, text: &str) -> Result<(), Problem> {
        if !self.quantifiable {
            return Err(Problem::Invalid("a quantifier follows nothing"));
        }
        if runs_backwards(text) {
            return Err(Problem::Unsupported("a count that runs backwards"));
        }
        self.out.push_str(text);
        if self.skip(b"?") {
            self.out.push('?');
        } else if self.skip(b"+") {
            self.needs_backtracking();
            self.out.push('+');
        }
        let nested = match self.rest.first() {
            Some(b'*' | b'+' | b'?') => true,
            Some(b'{') => self.rest.get(1..).and_then(counted).is_some(),
            _ => false,
        };
        if nested {
            return Err(Problem::Invalid("nested quantifiers"));
        }
        Ok(())
    }

    /// `$` and `\Z`: also before a line end that is the last character. The linear engine cannot look ahead, so it takes
    /// that line end, which is as good if nothing comes after.
    fn end_of_text(&mut self, many_lines: bool) {
        let here = if many_lines { "$" } else { r"\z" };
        match self.engine {
            Engine::Linear => {
                if !nothing_follows(self.rest) {
                    self.too_much = true;
                }
                self.out.push_str(&format!(r"(?:{here}|\n\z)"));
            }
            Engine::Backtracking => self.out.push_str(&format!(r"(?:{here}|(?=\n\z))")),
        }
        self.quantifiable = true;
    }

    fn open(&mut self) -> Result<(), Problem> {
        self.quantifiable = false;
        if self.rest.first() == Some(&b'*') {
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

    fn escape(&mut self) -> Result<(), Problem> {
        let letter = self.next().ok_or(Problem::Invalid("trailing \\"))?;
        self.quantifiable = true;
        match letter {
            b'A' => self.out.push_str(r"\A"),
            b'z' => self.out.push_str(r"\z"),
            b'Z' => self.end_of_text(false),
            b'b' | b'B' if self.rest.first() == Some(&b'{') => {
                return Err(Problem::Unsupported(r"\b{}"));
            }
            b'b' | b'B' => self.boundary(letter == b'b'),
            // Where a match starts is of no interest here.
            b'K' => self.out.push_str("(?:)"),
            b'G' => self.out.push_str(r"\A"),
            b'R' => self
                .out
                .push_str(&format!(r"(?:\r\n|[\n\x0b\x0c\r{}])", self.byte(0x85))),
            b'1'..=b'9' => return self.digits(letter),
            b'g' => return self.group_reference(),
            b'k' => {
                let name = if self.skip(b"<") {
                    name(self.until(b'>'))?
                } else if self.skip(b"{") {
                    name(self.until(b'}'))?
                } else if self.skip(b"'") {
                    name(self.until(b'\''))?
                } else {
                    return Err(Problem::Invalid(r"\k without a name"));
                };
                return self.named_reference(&name);
            }
            b'X' => return Err(Problem::Unsupported(r"\X")),
            _ => match self.member(letter, false)? {
                Member::Byte(byte) => {
                    let text = self.byte(byte);
                    self.out.push_str(&text);
                }
                Member::Set(set) => self.out.push_str(&set),
            },
        }
        Ok(())
    }

    fn boundary(&mut self, wanted: bool) {
        let text = match (self.engine, wanted) {
            (Engine::Linear, true) => r"\b".to_owned(),
            (Engine::Linear, false) => r"\B".to_owned(),
            (Engine::Backtracking, true) => {
                format!("(?:(?<![{WORD}])(?=[{WORD}])|(?<=[{WORD}])(?![{WORD}]))")
            }
            (Engine::Backtracking, false) => {
                format!("(?:(?<![{WORD}])(?![{WORD}])|(?<=[{WORD}])(?=[{WORD}]))")
            }
        };
        self.out.push_str(&text);
    }

    /// `\1` to `\9` are references; longer numbers only if there are so many groups, else octal.
    fn digits(&mut self, first: u8) -> Result<(), Problem> {
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

    fn named_reference(&mut self, name: &str) -> Result<(), Problem> {
        self.needs_backtracking();
        self.out.push_str(&format!("\\k<{name}>"));
        self.quantifiable = true;
        Ok(())
    }

    /// `\g1`, `\g{1}`, `\g{-1}`, `\g{name}`
    fn group_reference(&mut self) -> Result<(), Problem> {
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

    /// What an escape stands for that may also stand in brackets.
    fn member(&mut self, letter: u8, in_brackets: bool) -> Result<Member, Problem> {
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

    fn class(&mut self) -> Result<(), Problem> {
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

fn wide(value: u32) -> Result<u8, Problem> {
    u8::try_from(value).map_err(|_| Problem::Unsupported("a character beyond one byte"))
}

fn name(bytes: Option<&[u8]>) -> Result<String, Problem> {
    bytes
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .filter(|name| {
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
        .map(str::to_owned)
        .ok_or(Problem::Invalid("a group name that is none"))
}

/// `N}`, `N,}`, `N,M}` or `,M}` as a quantifier, and what follows.
fn counted(text: &[u8]) -> Option<(String, &[u8])> {
    let end = text.iter().position(|byte| *byte == b'}')?;
    let inner = std::str::from_utf8(text.get(..end)?).ok()?;
    let rest = text.get(end + 1..)?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let quantifier = match inner.split_once(',') {
        None if digits(inner) => format!("{{{inner}}}"),
        Some((low, "")) if digits(low) => format!("{{{low},}}"),
        Some(("", high)) if digits(high) => format!("{{0,{high}}}"),
        Some((low, high)) if digits(low) && digits(high) => format!("{{{low},{high}}}"),
        _ => return None,
    };
    Some((quantifier, rest))
}

fn runs_backwards(quantifier: &str) -> bool {
    let counts = quantifier.trim_matches(['{', '}']).split_once(',');
    counts.is_some_and(
        |(low, high)| match (low.parse::<u32>(), high.parse::<u32>()) {
            (Ok(low), Ok(high)) => low > high,
            _ => false,
        },
    )
}
