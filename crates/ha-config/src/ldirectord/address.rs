//! The values that name servers: `virtual`, `real` and `fallback`, as written (`ldirectord.md` 3.3).

use ipvs::{Family, Forward};
use nom::branch::alt;
use nom::bytes::complete::{is_not, tag, take_while, take_while1};
use nom::combinator::{opt, recognize};
use nom::sequence::{delimited, preceded, terminated};
use nom::{IResult, Parser};

use super::value::{digits_value, first_word, is_blank, is_space, leading, number, text};

/// What a `virtual` line names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum VirtualAddress {
    /// Host and port, not looked up yet.
    Address {
        host: String,
        port: String,
        family: Family,
    },
    /// A firewall mark.
    Mark {
        mark: u32,
        family: Family,
        /// Something stands behind the digits: hardly meant as a mark.
        trailing: bool,
    },
}

/// Reads the value of `virtual` or `virtual6`; none if it names nothing.
pub(super) fn virtual_address(value: &[u8], family: Family) -> Option<VirtualAddress> {
    let address = match family {
        Family::V4 => host_and_port(value),
        Family::V6 => bracketed_and_port(value),
    };
    if let Ok((_, (host, port))) = address {
        return Some(VirtualAddress::Address {
            host: text(host),
            port: text(port),
            family,
        });
    }
    let digits = leading(value, |byte| byte.is_ascii_digit());
    if digits.is_empty() {
        return None;
    }
    let after = value.get(digits.len()..).unwrap_or_default();
    Some(VirtualAddress::Mark {
        mark: digits_value(digits),
        family,
        trailing: !leading(after, |byte| !is_space(byte)).is_empty(),
    })
}

fn host_and_port(value: &[u8]) -> IResult<&[u8], (&[u8], &[u8])> {
    let host = take_while1(|byte: u8| {
        matches!(byte, b'.' | b'_' | b'+' | b'-') || byte.is_ascii_alphanumeric()
    });
    (host, preceded(tag(b":".as_slice()), port_word)).parse(value)
}

fn bracketed_and_port(value: &[u8]) -> IResult<&[u8], (&[u8], &[u8])> {
    (bracketed, preceded(tag(b":".as_slice()), port_word)).parse(value)
}

fn bracketed(value: &[u8]) -> IResult<&[u8], &[u8]> {
    delimited(
        tag(b"[".as_slice()),
        take_while1(|byte: u8| byte == b':' || byte == b'.' || byte.is_ascii_hexdigit()),
        tag(b"]".as_slice()),
    )
    .parse(value)
}

fn port_word(value: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while1(|byte: u8| matches!(byte, b'-' | b'_') || byte.is_ascii_alphanumeric()).parse(value)
}

/// A `real` or `real6` line as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RealWords {
    pub(super) first: String,
    /// Last address of a range.
    pub(super) last: Option<String>,
    pub(super) port: Option<String>,
    pub(super) forward: Forward,
    pub(super) weight: u32,
    /// Request and receive of its own.
    pub(super) own: Option<(Vec<u8>, Vec<u8>)>,
    pub(super) upper_threshold: u32,
    pub(super) lower_threshold: u32,
}

/// Why a `real` line is refused; [`RealError::text`] is the legacy's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RealError {
    Format,
    Method,
    Around(String),
}

impl RealError {
    pub(super) fn text(&self) -> String {
        match self {
            RealError::Format => "invalid address for real server (wrong format)".to_owned(),
            RealError::Method => METHOD_TEXT.to_owned(),
            RealError::Around(rest) => format!("Invalid real server line, around \"{rest}\""),
        }
    }
}

/// The legacy's text for a forwarding method that is none.
pub(super) const METHOD_TEXT: &str = "forward method must be gate, masq or ipip";

fn method(word: &[u8]) -> Option<Forward> {
    match word {
        b"gate" => Some(Forward::Gate),
        b"masq" => Some(Forward::Masq),
        b"ipip" => Some(Forward::Ipip),
        _ => None,
    }
}

/// Reads the value of `real` or `real6`. Junk in front of the address is skipped, as the legacy searches for it.
pub(super) fn real(value: &[u8], family: Family) -> Result<RealWords, RealError> {
    let (rest, (first, last, port, word)) = (0..value.len())
        .find_map(|start| server(value.get(start..)?, family).ok())
        .ok_or(RealError::Format)?;
    let forward = method(word).ok_or(RealError::Method)?;
    let (weight, rest) = match weight(rest) {
        Some((weight, after)) => (weight, after),
        None => (1, rest),
    };
    let (own, rest) = match own_pair(rest) {
        Some((own, after)) => (Some(own), after),
        None => (None, rest),
    };
    let (lower_threshold, rest) = threshold(b'l', rest);
    let (upper_threshold, rest) = threshold(b'u', &rest);
    if rest.iter().any(|byte| !is_space(*byte)) {
        return Err(RealError::Around(text(&rest)));
    }
    Ok(RealWords {
        first: text(first),
        last: last.map(text),
        port: port.map(text),
        forward,
        weight,
        own,
        upper_threshold,
        lower_threshold,
    })
}

type Server<'a> = (&'a [u8], Option<&'a [u8]>, Option<&'a [u8]>, &'a [u8]);

/// `ADDR[->ADDR][:PORT] METHOD`.
fn server(value: &[u8], family: Family) -> IResult<&[u8], Server<'_>> {
    fn host(value: &[u8]) -> IResult<&[u8], &[u8]> {
        // A hyphen that begins an arrow is not part of the name.
        let end = value.iter().enumerate().position(|(at, byte)| match byte {
            b'-' => value.get(at + 1) == Some(&b'>'),
            b'.' => false,
            _ => !byte.is_ascii_alphanumeric(),
        });
        let (host, rest) = value.split_at(end.unwrap_or(value.len()));
        if host.is_empty() {
            return Err(nom::Err::Error(nom::error::Error::new(
                value,
                nom::error::ErrorKind::AlphaNumeric,
            )));
        }
        Ok((rest, host))
    }
    let address = |value| match family {
        Family::V4 => host(value),
        Family::V6 => bracketed(value),
    };
    (
        address,
        opt(preceded(tag(b"->".as_slice()), address)),
        opt(preceded(tag(b":".as_slice()), port_word)),
        preceded(take_while1(is_space), take_while1(|byte| !is_space(byte))),
    )
        .parse(value)
}

/// White space and digits, searched outside of quotes; what stood before them is dropped, as the legacy does.
fn weight(rest: &[u8]) -> Option<(u32, &[u8])> {
    let mut quoted = false;
    for (at, byte) in rest.iter().enumerate() {
        quoted ^= *byte == b'"';
        if quoted || !is_space(*byte) {
            continue;
        }
        let after = rest.get(at + 1..)?;
        let digits = leading(after, |byte| byte.is_ascii_digit());
        if !digits.is_empty() {
            return Some((digits_value(digits), after.get(digits.len()..)?));
        }
    }
    None
}

type Pair = (Vec<u8>, Vec<u8>);

/// `"REQUEST"`, commas or white space, `"RECEIVE"`. The separator is the last possible one, as the legacy is greedy.
fn own_pair(rest: &[u8]) -> Option<(Pair, &[u8])> {
    let start = leading(rest, is_space).len();
    let inner = rest.get(start..)?.strip_prefix(b"\"")?;
    let end = inner.iter().rposition(|byte| *byte == b'"')?;
    let (body, after) = (inner.get(..end)?, inner.get(end + 1..)?);
    let (request, receive) = (0..body.len()).rev().find_map(|at| {
        // body[at] would be the quote that opens RECEIVE.
        let receive = body.get(at..)?.strip_prefix(b"\"")?;
        let before = body.get(..at)?;
        let separators = before
            .iter()
            .rev()
            .take_while(|byte| **byte == b',' || is_space(**byte))
            .count();
        let request = before
            .get(..before.len() - separators)?
            .strip_suffix(b"\"")?;
        (separators > 0).then_some((request, receive))
    })?;
    Some(((request.to_vec(), receive.to_vec()), after))
}

/// ` l:N` or ` u:N` anywhere; the rest without it.
fn threshold(letter: u8, rest: &[u8]) -> (u32, Vec<u8>) {
    let found = rest.windows(3).enumerate().find(
        |(_, window)| matches!(window, [blank, word, b':'] if is_space(*blank) && *word == letter),
    );
    let Some((at, _)) = found else {
        return (0, rest.to_vec());
    };
    let digits = leading(rest.get(at + 3..).unwrap_or_default(), |byte| {
        byte.is_ascii_digit()
    });
    if digits.is_empty() {
        return (0, rest.to_vec());
    }
    let mut without = rest.get(..at).unwrap_or_default().to_vec();
    without.extend_from_slice(rest.get(at + 3 + digits.len()..).unwrap_or_default());
    (digits_value(digits), without)
}

/// A `fallback` or `fallback6` as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FallbackWords {
    pub(super) host: String,
    pub(super) port: Option<String>,
    pub(super) forward: Forward,
}

/// Reads the value of `fallback` or `fallback6`; `Err(None)`: no address, `Err(Some)`: the method is none.
pub(super) fn fallback(value: &[u8], family: Family) -> Result<FallbackWords, Option<()>> {
    fn name(value: &[u8]) -> IResult<&[u8], &[u8]> {
        is_not(b": \t\r\n".as_slice()).parse(value)
    }
    let host = |value| match family {
        Family::V4 => name(value),
        Family::V6 => alt((bracketed, recognize(name))).parse(value),
    };
    let port = opt(preceded(
        tag(b":".as_slice()),
        take_while(|byte| !is_space(byte)),
    ));
    let (rest, (host, port)) = terminated((host, port), take_while(is_blank))
        .parse(value)
        .map_err(|_| None)?;
    let forward = match first_word(rest) {
        b"" => Forward::Gate,
        word => method(word).ok_or(Some(()))?,
    };
    Ok(FallbackWords {
        host: text(host),
        port: port.filter(|port| !port.is_empty()).map(text),
        forward,
    })
}

/// A port as a number 0 to 65535; none if the word is not all digits or too large.
pub(super) fn port_number(word: &str) -> Option<u16> {
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    (digits && !word.is_empty())
        .then(|| number(word.as_bytes()))?
        .and_then(|number| u16::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<RealWords, RealError> {
        real(value.as_bytes(), Family::V4)
    }

    #[test]
    fn real_lines() {
        let plain = read("192.168.6.42:80 gate 2").unwrap();
        assert_eq!(
            (plain.first.as_str(), plain.port.as_deref(), plain.weight),
            ("192.168.6.42", Some("80"), 2)
        );
        let range = read("192.168.6.8->192.168.6.11:80 masq").unwrap();
        assert_eq!(range.last.as_deref(), Some("192.168.6.11"));
        let own = read("a-b:80 gate 2 \"x\", \"y\"").unwrap();
        assert_eq!(own.own, Some((b"x".to_vec(), b"y".to_vec())));
        assert_eq!(own.first, "a-b");
        let late = read("a:80 gate \"x\",\"y\" 2").unwrap();
        assert_eq!((late.weight, late.own), (2, None));
        let limits = read("a:80 gate 1 u:9 l:5").unwrap();
        assert_eq!((limits.upper_threshold, limits.lower_threshold), (9, 5));
        for (line, error) in [
            ("a:80", RealError::Format),
            ("\"a:80\" gate", RealError::Format),
            ("a :80 gate", RealError::Method),
            ("a:80 gate2", RealError::Method),
            ("a:80 gate -1", RealError::Around(" -1".into())),
            ("a:80 gate 1 xyz", RealError::Around(" xyz".into())),
            (
                "a:80 gate 2 \"x\"\"y\"",
                RealError::Around(" \"x\"\"y\"".into()),
            ),
            ("a:80 gate 2 \"x\"", RealError::Around(" \"x\"".into())),
        ] {
            assert_eq!(read(line).err(), Some(error), "{line}");
        }
    }

    #[test]
    fn virtual_lines() {
        let v4 = |value: &str| virtual_address(value.as_bytes(), Family::V4);
        assert!(matches!(
            v4("192.168.6.66:http hello"),
            Some(VirtualAddress::Address { port, .. }) if port == "http"
        ));
        assert!(matches!(
            v4("192.168.6.66"),
            Some(VirtualAddress::Mark {
                mark: 192,
                trailing: true,
                ..
            })
        ));
        assert_eq!(v4(""), None);
        assert_eq!(v4("[::1]:80"), None);
        assert!(matches!(
            virtual_address(b"[::1]:80", Family::V6),
            Some(VirtualAddress::Address { .. })
        ));
    }
}
