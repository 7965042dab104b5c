//! Value types of ha.cf (`config-files.md` 3), with the legacy's generosity and its limits.

use nom::branch::alt;
use nom::bytes::complete::{tag_no_case, take_while1};
use nom::character::complete::{digit0, one_of};
use nom::combinator::{opt, recognize, rest, value, verify};
use nom::{IResult, Parser};

/// `true on yes y 1` and `false off no n 0`, in any case.
pub(crate) fn boolean(word: &[u8]) -> Option<bool> {
    let is = |known: &[&str]| {
        known
            .iter()
            .any(|known| known.as_bytes().eq_ignore_ascii_case(word))
    };
    match () {
        () if is(&["true", "on", "yes", "y", "1"]) => Some(true),
        () if is(&["false", "off", "no", "n", "0"]) => Some(false),
        () => None,
    }
}

/// A time in milliseconds: digits and dots, then nothing (seconds), `ms...` or `us...`.
pub(crate) fn time_ms(word: &[u8]) -> Option<u64> {
    let (unit, number) = digits_and_dots(word).ok()?;
    let (_, ms_per_unit) = unit_in_ms(unit).ok()?;
    let ms = (decimal_prefix(number)? * ms_per_unit + 0.5).trunc();
    // The legacy refuses what does not fit its signed 64-bit milliseconds; the limit is a power of two, so it is exact.
    (ms < 9_223_372_036_854_775_808.0).then_some(ms as u64)
}

fn digits_and_dots(word: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while1(|byte: u8| byte.is_ascii_digit() || byte == b'.').parse(word)
}

fn unit_in_ms(unit: &[u8]) -> IResult<&[u8], f64> {
    let milliseconds = value(1.0, (tag_no_case("ms"), rest));
    let microseconds = value(0.001, (tag_no_case("us"), rest));
    let seconds = value(1000.0, verify(rest, |unit: &[u8]| unit.is_empty()));
    alt((milliseconds, microseconds, seconds)).parse(unit)
}

/// The longest prefix that is a decimal number, as C reads a double: `1.0.5` is 1.0, a lone dot is nothing, so zero.
fn decimal_prefix(text: &[u8]) -> Option<f64> {
    let (_, prefix) = decimal(text).ok()?;
    match prefix {
        b"" | b"." => Some(0.0),
        number => std::str::from_utf8(number).ok()?.parse().ok(),
    }
}

fn decimal(text: &[u8]) -> IResult<&[u8], &[u8]> {
    recognize((digit0, opt((one_of("."), digit0)))).parse(text)
}

/// C's `atoi`: an optional sign, digits, and whatever follows; 0 without digits; wraps as glibc does.
pub(crate) fn integer(word: &[u8]) -> i32 {
    integer_prefix(word).map_or(0, |(_, number)| number)
}

/// An integer at the start of `text` and what follows it; fails without a digit.
pub(crate) fn integer_prefix(text: &[u8]) -> IResult<&[u8], i32> {
    let (text, sign) = opt(one_of("+-")).parse(text)?;
    let (text, digits) = take_while1(|byte: u8| byte.is_ascii_digit()).parse(text)?;
    let magnitude = digits.iter().fold(0_i64, |sum, digit| {
        sum.saturating_mul(10)
            .saturating_add(i64::from(digit.wrapping_sub(b'0')))
    });
    let number = if sign == Some('-') {
        magnitude.saturating_neg()
    } else {
        magnitude
    };
    // The legacy narrows without looking: 99999999999 becomes 1215752191.
    Ok((text, number as i32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_ignore_case() {
        for word in ["true", "ON", "Yes", "y", "1"] {
            assert_eq!(boolean(word.as_bytes()), Some(true), "{word}");
        }
        for word in ["False", "off", "NO", "n", "0"] {
            assert_eq!(boolean(word.as_bytes()), Some(false), "{word}");
        }
        for word in ["enable", "maybe", "", "2", "tru"] {
            assert_eq!(boolean(word.as_bytes()), None, "{word}");
        }
    }

    #[test]
    fn times() {
        let cases: &[(&str, Option<u64>)] = &[
            ("2", Some(2000)),
            ("15000ms", Some(15000)),
            ("15000msec", Some(15000)),
            ("15000MS", Some(15000)),
            ("15000000us", Some(15000)),
            ("10.5", Some(10500)),
            ("1.0.5", Some(1000)),
            ("1..5", Some(1000)),
            (".5", Some(500)),
            ("2.ms", Some(2)),
            (".", Some(0)),
            ("499us", Some(0)),
            ("501us", Some(1)),
            ("0", Some(0)),
            ("9007199254740", Some(9_007_199_254_740_000)),
            ("9223372036854776", None),
            ("99999999999999999999", None),
            ("10s", None),
            ("1h", None),
            ("2u", None),
            ("ms", None),
            ("-5", None),
            ("+5", None),
            ("abc", None),
            ("", None),
        ];
        for (word, expected) in cases {
            assert_eq!(time_ms(word.as_bytes()), *expected, "{word}");
        }
    }

    #[test]
    fn integers_are_read_as_c_does() {
        let cases: &[(&str, i32)] = &[
            ("12", 12),
            ("-1", -1),
            ("+7", 7),
            ("9600x", 9600),
            ("abc", 0),
            ("", 0),
            ("99999999999", 1_215_752_191),
            ("99999999999999999999999", -1),
        ];
        for (word, expected) in cases {
            assert_eq!(integer(word.as_bytes()), *expected, "{word}");
        }
    }
}
