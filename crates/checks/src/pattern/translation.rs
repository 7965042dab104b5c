//! Perl's syntax into that of the engines, which differ from Perl, and from each other, in small ways.
//!
//! Both engines are asked about bytes: the linear one directly, the backtracking one about a text that has one character
//! for each byte. Classes are those of ASCII, as in Perl for texts that are bytes.

mod class;
mod group;

use self::class::{Member, WORD};
use self::group::name;
use super::PatternError;
use super::places::{count_groups, nothing_follows};

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

impl From<Problem> for PatternError {
    fn from(problem: Problem) -> PatternError {
        match problem {
            Problem::Invalid(what) => PatternError::Invalid(what.to_owned()),
            Problem::Unsupported(what) => {
                PatternError::Unsupported(format!("{what} is not supported"))
            }
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
            // A byte in old Perls, an error in new ones.
            b'C' => return Err(Problem::Unsupported(r"\C")),
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
}

/// `N}`, `N,}`, `N,M}` or `,M}` as a quantifier, and what follows. As in Perl since 5.34 blanks may stand beside the numbers.
fn counted(text: &[u8]) -> Option<(String, &[u8])> {
    let end = text.iter().position(|byte| *byte == b'}')?;
    let inner = std::str::from_utf8(text.get(..end)?).ok()?;
    let rest = text.get(end + 1..)?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let blanks = [' ', '\t'];
    let inner = inner.trim_matches(blanks);
    let counts = inner.split_once(',').map(|(low, high)| {
        (
            low.trim_end_matches(blanks),
            high.trim_start_matches(blanks),
        )
    });
    let quantifier = match counts {
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
