//! Kinds of values (`ldirectord.md` 3.3), each as the legacy's patterns see it.

use nom::bytes::complete::{is_not, tag, take_till, take_while, take_while1};
use nom::combinator::{opt, rest};
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

/// What the legacy's `\s` takes within a line.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c)
}

/// `keyword = value`: the value, which begins at its first byte that is not white space.
pub(super) fn assignment<'a>(keyword: &str, line: &'a [u8]) -> Option<&'a [u8]> {
    fn parse<'a>(keyword: &str, line: &'a [u8]) -> IResult<&'a [u8], &'a [u8]> {
        let (line, _) = tag(keyword.as_bytes()).parse(line)?;
        let (line, _) = take_while(is_space).parse(line)?;
        let (line, _) = tag(b"=".as_slice()).parse(line)?;
        preceded(take_while(is_space), rest).parse(line)
    }
    parse(keyword, line).ok().map(|(_, value)| value)
}

/// The first run of digits anywhere in the value; a number beyond 32 bits counts as the largest.
pub(super) fn number(value: &[u8]) -> Option<u32> {
    fn parse(value: &[u8]) -> IResult<&[u8], &[u8]> {
        preceded(
            take_till(|byte: u8| byte.is_ascii_digit()),
            take_while1(|byte: u8| byte.is_ascii_digit()),
        )
        .parse(value)
    }
    let (_, digits) = parse(value).ok()?;
    Some(digits_value(digits))
}

/// The value of decimal digits; the largest number if it does not fit.
pub(super) fn digits_value(digits: &[u8]) -> u32 {
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(u32::MAX)
}

/// Exactly `yes` or `no`.
pub(super) fn yes_no(value: &[u8]) -> Option<bool> {
    match value {
        b"yes" => Some(true),
        b"no" => Some(false),
        _ => None,
    }
}

/// What stands between the first byte, a quote, and the last quote of the line. None if it is not quoted at all.
pub(super) fn quoted(value: &[u8]) -> Option<&[u8]> {
    let inner = value.strip_prefix(b"\"")?;
    let end = inner.iter().rposition(|byte| *byte == b'"')?;
    inner.get(..end)
}

/// The value without one pair of quotes around it, if it has one.
pub(super) fn unquoted(value: &[u8]) -> &[u8] {
    let inner = value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""));
    inner.unwrap_or(value)
}

/// The text between the quotes, if the value begins with one and has another; else the whole value.
pub(super) fn maybe_quoted(value: &[u8]) -> &[u8] {
    quoted(value).unwrap_or(value)
}

/// Optional quotes; ends at the next one; may be empty.
pub(super) fn loosely_quoted(value: &[u8]) -> &[u8] {
    fn parse(value: &[u8]) -> IResult<&[u8], Option<&[u8]>> {
        delimited(
            opt(tag(b"\"".as_slice())),
            opt(is_not(b"\"".as_slice())),
            rest,
        )
        .parse(value)
    }
    parse(value)
        .ok()
        .and_then(|(_, text)| text)
        .unwrap_or_default()
}

/// The first run of bytes of a kind at the beginning of the value.
pub(super) fn leading(value: &[u8], kind: impl Fn(u8) -> bool) -> &[u8] {
    let end = value.iter().position(|byte| !kind(*byte));
    value.get(..end.unwrap_or(value.len())).unwrap_or_default()
}

/// The first run of bytes of a kind anywhere in the value.
pub(super) fn first_run(value: &[u8], kind: impl Fn(u8) -> bool) -> &[u8] {
    let start = value.iter().position(|byte| kind(*byte));
    leading(
        start
            .and_then(|start| value.get(start..))
            .unwrap_or_default(),
        kind,
    )
}

/// What the legacy's `\w` takes.
pub(super) fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}

/// The first word.
pub(super) fn first_word(value: &[u8]) -> &[u8] {
    leading(value, |byte| !is_space(byte))
}

/// Bytes as text; what is no UTF-8 becomes replacement characters.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_legacy_sees_them() {
        assert_eq!(assignment("a", b"a \t= x "), Some(b"x ".as_slice()));
        assert_eq!(assignment("a", b"ab=x"), None);
        assert_eq!(number(b"=3x"), Some(3));
        assert_eq!(number(b"-1"), Some(1));
        assert_eq!(number(b"99999999999"), Some(u32::MAX));
        assert_eq!(number(b""), None);
        assert_eq!(quoted(b"\"a\"b\" # x"), Some(b"a\"b".as_slice()));
        assert_eq!(quoted(b"x"), None);
        assert_eq!(quoted(b"\""), None);
        assert_eq!(loosely_quoted(b"\"www\" x"), b"www");
        assert_eq!(loosely_quoted(b"www x"), b"www x");
        assert_eq!(loosely_quoted(b"\"\""), b"");
        assert_eq!(loosely_quoted(b""), b"");
        assert_eq!(first_run(b"-http-x", is_word), b"http");
        assert_eq!(first_run(b"RR", |byte| byte.is_ascii_lowercase()), b"");
        assert_eq!(maybe_quoted(b"\"a\" b"), b"a");
        assert_eq!(maybe_quoted(b"a \"b\""), b"a \"b\"");
        assert_eq!(unquoted(b"\"a b\""), b"a b");
        assert_eq!(unquoted(b"\""), b"\"");
    }
}
