//! Finding one's way in a pattern ahead of the translation: past escapes and bracketed classes, to the ends of groups.

use super::translation::Problem;

/// `:alpha:]` and the like, after the inner bracket.
pub(super) fn posix_class(text: &[u8]) -> Result<Option<(String, &[u8])>, Problem> {
    let Some(kind @ (b':' | b'.' | b'=')) = text.first().copied() else {
        return Ok(None);
    };
    let close = [kind, b']'];
    let Some(end) = text
        .get(1..)
        .and_then(|inner| inner.windows(2).position(|window| window == close))
    else {
        return Ok(None);
    };
    let inner = text.get(1..=end).unwrap_or_default();
    let rest = text.get(end + 3..).unwrap_or_default();
    let name = inner.strip_prefix(b"^").unwrap_or(inner);
    if !name.iter().all(u8::is_ascii_alphabetic) {
        return Ok(None);
    }
    const NAMES: [&[u8]; 14] = [
        b"alnum", b"alpha", b"ascii", b"blank", b"cntrl", b"digit", b"graph", b"lower", b"print",
        b"punct", b"space", b"upper", b"word", b"xdigit",
    ];
    if kind != b':' || !NAMES.contains(&name) {
        return Err(Problem::Invalid("an unknown class in brackets"));
    }
    let inner: String = inner.iter().copied().map(char::from).collect();
    Ok(Some((format!("[:{inner}:]"), rest)))
}

/// Whether a match is complete at this place of the pattern: only the ends of groups come, or other branches.
pub(super) fn nothing_follows(mut rest: &[u8]) -> bool {
    loop {
        match rest.first() {
            None => return true,
            Some(b')') => rest = rest.get(1..).unwrap_or_default(),
            Some(b'|') => match end_of_group(rest) {
                Some(after) => rest = after,
                None => return true,
            },
            Some(_) => return false,
        }
    }
}

/// What follows the group that this place is in; none if it is in no group.
fn end_of_group(text: &[u8]) -> Option<&[u8]> {
    let mut depth = 0_u32;
    let mut places = Places { rest: text };
    while let Some((byte, rest)) = places.next_special() {
        match byte {
            b'(' => depth += 1,
            b')' if depth == 0 => return Some(rest),
            b')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// How many groups capture.
pub(super) fn count_groups(pattern: &[u8]) -> u32 {
    let mut count = 0;
    let mut places = Places { rest: pattern };
    while let Some((byte, rest)) = places.next_special() {
        let named = rest.starts_with(b"?P<")
            || rest.starts_with(b"?'")
            || (rest.starts_with(b"?<") && !rest.starts_with(b"?<=") && !rest.starts_with(b"?<!"));
        if byte == b'(' && (named || !rest.starts_with(b"?")) {
            count += 1;
        }
        if byte == b'(' && rest.starts_with(b"?(") {
            places.rest = rest.get(2..).unwrap_or_default();
        }
    }
    count
}

/// Walks over a pattern, past escapes and bracketed classes.
struct Places<'a> {
    rest: &'a [u8],
}

impl<'a> Places<'a> {
    /// The next byte that is neither, and what follows it.
    fn next_special(&mut self) -> Option<(u8, &'a [u8])> {
        loop {
            let (first, rest) = self.rest.split_first()?;
            self.rest = rest;
            match first {
                b'\\' => self.rest = rest.get(1..).unwrap_or_default(),
                b'[' => self.skip_class(),
                _ => return Some((*first, rest)),
            }
        }
    }

    fn skip_class(&mut self) {
        let rest = self.rest.strip_prefix(b"^").unwrap_or(self.rest);
        self.rest = rest.strip_prefix(b"]").unwrap_or(rest);
        while let Some((first, rest)) = self.rest.split_first() {
            self.rest = rest;
            match first {
                b']' => return,
                b'\\' => self.rest = rest.get(1..).unwrap_or_default(),
                b'[' => {
                    if let Ok(Some((_, after))) = posix_class(rest) {
                        self.rest = after;
                    }
                }
                _ => {}
            }
        }
    }
}
