//! The values that name servers: `virtual`, `real` and `fallback`, as written (`ldirectord.md` 3.3).

use ipvs::{Family, Forward};
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while1};
use nom::combinator::{opt, recognize};
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

use super::value::{digits_value, is_space, leading, number, text};

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
        /// 0: there is no such mark.
        mark: u32,
        family: Family,
        /// Something stands behind the digits: hardly meant as a mark.
        trailing: bool,
    },
}

/// Reads the value of `virtual` or `virtual6`; none if it names nothing. Names are looked up in the section's family, so
/// the grammar is one.
pub(super) fn virtual_address(value: &[u8], family: Family) -> Option<VirtualAddress> {
    let address = alt((host_and_port, bracketed_and_port)).parse(value);
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
        // One that does not fit is as good as none.
        mark: std::str::from_utf8(digits).ok()?.parse().unwrap_or(0),
        family,
        trailing: !leading(after, |byte| !is_space(byte)).is_empty(),
    })
}

/// `[ADDRESS]:PORT`, which only `virtual6` may have.
pub(super) fn is_bracketed(value: &[u8]) -> bool {
    bracketed_and_port(value).is_ok()
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

/// `[ADDRESS]`, the brackets included, as texts show it with them.
fn bracketed(value: &[u8]) -> IResult<&[u8], &[u8]> {
    recognize(delimited(
        tag(b"[".as_slice()),
        take_while1(|byte: u8| byte == b':' || byte.is_ascii_hexdigit()),
        tag(b"]".as_slice()),
    ))
    .parse(value)
}

fn port_word(value: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while1(is_port_byte).parse(value)
}

fn is_port_byte(byte: u8) -> bool {
    matches!(byte, b'-' | b'_') || byte.is_ascii_alphanumeric()
}

/// A `real` or `real6` line as written. What is wrong with it is told in the order in which the legacy finds it: address,
/// port, range, method, and what is left over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RealWords {
    pub(super) first: String,
    /// Last address of a range.
    pub(super) last: Option<String>,
    pub(super) port: Option<String>,
    /// None: no such method.
    pub(super) forward: Option<Forward>,
    pub(super) weight: u32,
    /// Request and receive of its own.
    pub(super) own: Option<(Vec<u8>, Vec<u8>)>,
    pub(super) upper_threshold: u32,
    pub(super) lower_threshold: u32,
    /// What nothing is made of, at the end of the line: an error.
    pub(super) left_over: String,
    /// What stands in front of something that was searched for, and is dropped.
    pub(super) dropped: String,
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

/// Reads the value of `real` or `real6`; none if it has not even an address and a method. Like the legacy it searches for
/// each part: what stands in front of the address is skipped, and so is what stands in front of the weight, the pair and
/// the thresholds.
pub(super) fn real(value: &[u8]) -> Option<RealWords> {
    let (mut rest, (first, last, port, word)) =
        (0..value.len()).find_map(|start| server(value.get(start..)?).ok())?;
    let mut dropped = Vec::new();
    let mut weight = 1;
    if let Some((start, found, after)) = self::weight(rest) {
        dropped.extend_from_slice(rest.get(..start).unwrap_or_default());
        (weight, rest) = (found, after);
    }
    let mut own = None;
    if let Some((start, pair, after)) = own_pair(rest) {
        dropped.extend_from_slice(rest.get(..start).unwrap_or_default());
        (own, rest) = (Some(pair), after);
    }
    let (lower_threshold, rest) = threshold(b'l', rest.to_vec(), &mut dropped);
    let (upper_threshold, rest) = threshold(b'u', rest, &mut dropped);
    let left_over = if rest.iter().any(|byte| !is_space(*byte)) {
        text(&rest)
    } else {
        String::new()
    };
    Some(RealWords {
        first: text(first),
        last: last.map(text),
        port: port.map(text),
        forward: method(word),
        weight,
        own,
        upper_threshold,
        lower_threshold,
        left_over,
        dropped: text(&dropped).trim().to_owned(),
    })
}

type Server<'a> = (&'a [u8], Option<&'a [u8]>, Option<&'a [u8]>, &'a [u8]);

/// `ADDR[->ADDR][:PORT] METHOD`.
fn server(value: &[u8]) -> IResult<&[u8], Server<'_>> {
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
    let address = |value| alt((host, bracketed)).parse(value);
    (
        address,
        opt(preceded(tag(b"->".as_slice()), address)),
        opt(preceded(tag(b":".as_slice()), port_word)),
        preceded(take_while1(is_space), take_while1(|byte| !is_space(byte))),
    )
        .parse(value)
}

/// White space and digits, searched outside of quotes: where they begin, their value, and what follows.
fn weight(rest: &[u8]) -> Option<(usize, u32, &[u8])> {
    let mut quoted = false;
    for (at, byte) in rest.iter().enumerate() {
        quoted ^= *byte == b'"';
        if quoted || !is_space(*byte) {
            continue;
        }
        let after = rest.get(at + 1..)?;
        let digits = leading(after, |byte| byte.is_ascii_digit());
        if !digits.is_empty() {
            return Some((at, digits_value(digits), after.get(digits.len()..)?));
        }
    }
    None
}

type Pair = (Vec<u8>, Vec<u8>);

/// White space, `"REQUEST"`, a comma or white space, `"RECEIVE"`: where it begins, the pair, and what follows.
fn own_pair(rest: &[u8]) -> Option<(usize, Pair, &[u8])> {
    // Every try looks at the rest of the line, so one that begins inside a run of white space would only repeat.
    (0..rest.len()).find_map(|start| {
        let here = rest.get(start..)?;
        let blanks = leading(here, is_space).len();
        let repeats = start > 0 && rest.get(start - 1).is_some_and(|byte| is_space(*byte));
        if blanks == 0 || repeats {
            return None;
        }
        let (pair, after) = pair(here.get(blanks..)?)?;
        Some((start, pair, after))
    })
}

/// Both strings go as far as they can, as the legacy is greedy.
fn pair(rest: &[u8]) -> Option<(Pair, &[u8])> {
    let inner = rest.strip_prefix(b"\"")?;
    let end = inner.iter().rposition(|byte| *byte == b'"')?;
    let (body, after) = (inner.get(..end)?, inner.get(end + 1..)?);
    let (request, receive) = (0..body.len()).rev().find_map(|at| {
        // body[at] would be the quote that opens RECEIVE.
        let receive = body.get(at..)?.strip_prefix(b"\"")?;
        let before = body.get(..at)?;
        let blanks = before
            .iter()
            .rev()
            .take_while(|byte| is_space(**byte))
            .count();
        let before = before.get(..before.len() - blanks)?;
        let request = match before.strip_suffix(b",") {
            Some(before) => before.strip_suffix(b"\"")?,
            None if blanks > 0 => before.strip_suffix(b"\"")?,
            None => return None,
        };
        Some((request, receive))
    })?;
    Some(((request.to_vec(), receive.to_vec()), after))
}

/// ` l:N` or ` u:N` anywhere, so that both orders are understood; what stands behind it.
fn threshold(letter: u8, rest: Vec<u8>, dropped: &mut Vec<u8>) -> (u32, Vec<u8>) {
    let found = rest.windows(4).position(|window| {
        matches!(window, [blank, word, b':', digit]
            if is_space(*blank) && *word == letter && digit.is_ascii_digit())
    });
    let Some(at) = found else {
        return (0, rest);
    };
    let (before, here) = rest.split_at(at);
    let digits = leading(here.get(3..).unwrap_or_default(), |byte| {
        byte.is_ascii_digit()
    });
    let value = digits_value(digits);
    let mut left = here.get(3 + digits.len()..).unwrap_or_default().to_vec();
    // The other threshold may stand in front of this one; anything else there is dropped.
    let other = before
        .windows(3)
        .position(|window| matches!(window, [blank, b'l' | b'u', b':'] if is_space(*blank)));
    match other {
        Some(other) => {
            let (junk, kept) = before.split_at(other);
            dropped.extend_from_slice(junk);
            left = [kept, &left].concat();
        }
        None => dropped.extend_from_slice(before),
    }
    (value, left)
}

/// A `fallback` or `fallback6` as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FallbackWords {
    /// With its brackets, if it has some. Empty: nothing is written at all, which means this machine.
    pub(super) host: String,
    pub(super) port: Option<String>,
    pub(super) forward: Forward,
}

/// Reads the value of `fallback` or `fallback6`: the last two words are the address and the method, a single one is the
/// address. None: the method is none.
pub(super) fn fallback(value: &[u8]) -> Option<FallbackWords> {
    let mut words = value
        .split(|byte| is_space(*byte))
        .rev()
        .filter(|word| !word.is_empty());
    let (address, forward) = match (words.next(), words.next()) {
        (Some(word), Some(address)) => (address, method(word)?),
        (Some(address), None) => (address, Forward::Gate),
        _ => (b"".as_slice(), Forward::Gate),
    };
    let colon = address.iter().rposition(|byte| *byte == b':');
    let split = colon.and_then(|colon| Some((address.get(..colon)?, address.get(colon + 1..)?)));
    let (host, port) = match split {
        Some((host, port)) if !port.is_empty() && port.iter().all(|byte| is_port_byte(*byte)) => {
            (host, Some(text(port)))
        }
        // A colon without a port behind it stays part of the name, which then does not resolve.
        Some((host, b"")) if host.ends_with(b"]") => (host, None),
        _ => (address, None),
    };
    Some(FallbackWords {
        host: text(host),
        port,
        forward,
    })
}

/// An IPv4 address in one of the old ways that are no four decimal numbers: `10.1`, `0x7f.1`, `192.168.006.042` (octal).
/// Resolvers read it so, and hence the legacy.
pub(super) fn old_fashioned_ipv4(word: &str) -> Option<std::net::Ipv4Addr> {
    fn part(word: &str) -> Option<u32> {
        let hexadecimal = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
        let (digits, radix) = match (hexadecimal, word.strip_prefix('0')) {
            (Some(digits), _) => (digits, 16),
            (None, Some(digits)) if !digits.is_empty() => (digits, 8),
            _ => (word, 10),
        };
        let clean = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        clean.then(|| u32::from_str_radix(digits, radix).ok())?
    }
    let parts: Vec<&str> = word.split('.').collect();
    let (last, bytes) = parts.split_last()?;
    if bytes.len() > 3 {
        return None;
    }
    let mut address = 0_u32;
    for (at, byte) in bytes.iter().enumerate() {
        let byte = part(byte).filter(|byte| *byte < 256)?;
        address |= byte << (24 - 8 * at);
    }
    let last = part(last)?;
    let room = u64::from(u32::MAX) >> (8 * bytes.len());
    (u64::from(last) <= room).then(|| std::net::Ipv4Addr::from(address | last))
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

    fn read(value: &str) -> RealWords {
        real(value.as_bytes()).unwrap_or_else(|| panic!("{value}"))
    }

    #[test]
    fn real_lines() {
        let plain = read("192.168.6.42:80 gate 2");
        assert_eq!(
            (plain.first.as_str(), plain.port.as_deref(), plain.weight),
            ("192.168.6.42", Some("80"), 2)
        );
        let range = read("192.168.6.8->192.168.6.11:80 masq");
        assert_eq!(range.last.as_deref(), Some("192.168.6.11"));
        assert_eq!(read("[::1]:80 gate").first, "[::1]");
        assert_eq!(read("a-b:80 gate").first, "a-b");
        assert_eq!(read("a:80 gate2").forward, None);
        assert_eq!(read("a :80 gate").forward, None);
        for line in ["a:80", "\"a:80\" gate", "a:80: gate"] {
            assert_eq!(real(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn the_pair_of_a_real_line() {
        let own = |request: &str, receive: &str| {
            Some((request.as_bytes().to_vec(), receive.as_bytes().to_vec()))
        };
        assert_eq!(read("a:80 gate 2 \"x\", \"y\"").own, own("x", "y"));
        assert_eq!(read("a:80 gate \"x\" \"y\"").own, own("x", "y"));
        assert_eq!(
            read("a:80 gate \"a b\", \"c 3 d\"").own,
            own("a b", "c 3 d")
        );
        assert_eq!(read("a:80 gate \"x\"y\",\"\"").own, own("x\"y", ""));
        let greedy = read("a:80 gate \"a\",\"b\" \"c\",\"d\"");
        assert_eq!(greedy.own, own("a\",\"b\" \"c", "d"));
        let junk = read("a:80 gate x \"a\",\"b\"");
        assert_eq!((junk.own, junk.dropped.as_str()), (own("a", "b"), "x"));
        let late = read("a:80 gate \"x\",\"y\" 2");
        assert_eq!((late.weight, late.own), (2, None));
        assert_eq!(late.dropped, "\"x\",\"y\"");
    }

    #[test]
    fn the_thresholds_of_a_real_line() {
        for line in [
            "a:80 gate 1 u:9 l:5",
            "a:80 gate l:5 u:9",
            "a:80 gate x u:9 l:5",
        ] {
            let limits = read(line);
            assert_eq!(
                (limits.upper_threshold, limits.lower_threshold),
                (9, 5),
                "{line}"
            );
            assert_eq!(limits.left_over, "", "{line}");
        }
        assert_eq!(read("a:80 gate x u:9 l:5").dropped, "x");
    }

    #[test]
    fn what_is_left_over_of_a_real_line() {
        for (line, left) in [
            ("a:80 gate -1", " -1"),
            ("a:80 gate 1 xyz", " xyz"),
            ("a:80 gate 2 \"x\"\"y\"", " \"x\"\"y\""),
            ("a:80 gate 2 \"x\"", " \"x\""),
            ("a:80 gate 2 \"a\" , \"b\"", " \"a\" , \"b\""),
            ("a:80 gate 2\"a\",\"b\"", "\"a\",\"b\""),
            ("a:80 gate 2  ", ""),
        ] {
            assert_eq!(read(line).left_over, left, "{line}");
        }
    }

    #[test]
    fn fallbacks() {
        let read = |value: &str| {
            fallback(value.as_bytes()).map(|words| (words.host, words.port, words.forward))
        };
        let words = |host: &str, port: Option<&str>, forward| {
            Some((host.to_owned(), port.map(str::to_owned), forward))
        };
        assert_eq!(read("a:80 masq "), words("a", Some("80"), Forward::Masq));
        assert_eq!(read("a"), words("a", None, Forward::Gate));
        assert_eq!(read("a:"), words("a:", None, Forward::Gate));
        assert_eq!(read("[::1]:"), words("[::1]", None, Forward::Gate));
        assert_eq!(
            read("fe80::1:80"),
            words("fe80::1", Some("80"), Forward::Gate)
        );
        assert_eq!(read("a:80 gate gate"), words("gate", None, Forward::Gate));
        assert_eq!(read(""), words("", None, Forward::Gate));
        assert_eq!(read("a:80 gate x"), None);
    }

    #[test]
    fn addresses_in_old_ways() {
        let read = |word: &str| old_fashioned_ipv4(word).map(|address| address.to_string());
        assert_eq!(read("10.1").as_deref(), Some("10.0.0.1"));
        assert_eq!(read("0x7f.1").as_deref(), Some("127.0.0.1"));
        assert_eq!(read("192.168.006.042").as_deref(), Some("192.168.6.34"));
        assert_eq!(read("80").as_deref(), Some("0.0.0.80"));
        for word in [
            "300.1.1.1",
            "1.2.3.4.5",
            "a",
            "",
            "1.",
            "08",
            "4294967296",
            "1.16777216",
        ] {
            assert_eq!(read(word), None, "{word}");
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
        assert!(is_bracketed(b"[::1]:80") && !is_bracketed(b"[::1]"));
        assert!(matches!(
            v4("99999999999"),
            Some(VirtualAddress::Mark { mark: 0, .. })
        ));
        assert!(matches!(
            virtual_address(b"[::1]:80", Family::V6),
            Some(VirtualAddress::Address { .. })
        ));
    }
}
