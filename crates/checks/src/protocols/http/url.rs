//! URLs as far as checks need them: http and https, escaping, and relative references (RFC 3986).

use std::net::IpAddr;

use crate::Host;

/// Where a page is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// https.
    pub(super) secure: bool,
    /// `USER:PASSWORD`, if there is one.
    pub(super) user_info: Option<Vec<u8>>,
    /// As written; an IPv6 address without its brackets.
    host: String,
    port: u16,
    /// Path and query, escaped; empty if there is none, else it begins with `/` or `?`.
    target: Vec<u8>,
}

/// Longer ones are refused.
const LENGTH_MAX: usize = 8192;

impl Url {
    /// A page of a server that is known by its address.
    pub(super) fn on_server(secure: bool, address: IpAddr, port: u16, request: &[u8]) -> Url {
        let start = request
            .iter()
            .position(|byte| *byte != b'/')
            .unwrap_or(request.len());
        let mut target = b"/".to_vec();
        target.extend(escape(without_fragment(
            request.get(start..).unwrap_or_default(),
        )));
        Url {
            secure,
            user_info: None,
            host: address.to_string(),
            port,
            target,
        }
    }

    /// From a whole URL; none if it is none, or neither http nor https.
    pub(super) fn parse(text: &[u8]) -> Option<Url> {
        if text.len() > LENGTH_MAX {
            return None;
        }
        let (scheme, rest) = split_scheme(text)?;
        let secure = if scheme.eq_ignore_ascii_case(b"https") {
            true
        } else if scheme.eq_ignore_ascii_case(b"http") {
            false
        } else {
            return None;
        };
        Url::after_scheme(secure, rest)
    }

    /// What stands behind `SCHEME:`.
    fn after_scheme(secure: bool, text: &[u8]) -> Option<Url> {
        let rest = without_fragment(text).strip_prefix(b"//")?;
        let end = rest
            .iter()
            .position(|byte| matches!(byte, b'/' | b'?'))
            .unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end)?;
        let (user_info, host_port) = match authority.iter().rposition(|byte| *byte == b'@') {
            Some(at) => (
                Some(unescape(authority.get(..at)?)),
                authority.get(at + 1..)?,
            ),
            None => (None, authority),
        };
        let host_port = std::str::from_utf8(host_port).ok()?;
        let (host, port) = match host_port.strip_prefix('[') {
            Some(bracketed) => bracketed.split_once(']')?,
            None => match host_port.find(':') {
                Some(colon) => host_port.split_at(colon),
                None => (host_port, ""),
            },
        };
        let port = match port.strip_prefix(':').unwrap_or(port) {
            "" => default_port(secure),
            digits => digits.parse().ok().filter(|port| *port != 0)?,
        };
        if host.is_empty() || host.chars().any(|c| c.is_control() || c == ' ') {
            return None;
        }
        Some(Url {
            secure,
            user_info,
            host: host.to_owned(),
            port,
            target: escape(target),
        })
    }

    /// Follows a reference that stands on this page. None if it leads to something that is neither http nor https.
    pub(super) fn join(&self, reference: &[u8]) -> Option<Url> {
        if reference.len() > LENGTH_MAX {
            return None;
        }
        if split_scheme(reference).is_some() {
            return Url::parse(reference);
        }
        if reference.starts_with(b"//") {
            return Url::after_scheme(self.secure, reference);
        }
        let reference = escape(without_fragment(reference));
        let (path, query) = split_query(&self.target);
        let (new_path, new_query) = split_query(&reference);
        let target = if new_path.is_empty() {
            let query = if new_query.is_empty() {
                query
            } else {
                new_query
            };
            [path, query].concat()
        } else if new_path.starts_with(b"/") {
            [without_dots(new_path).as_slice(), new_query].concat()
        } else {
            let directory = match path.iter().rposition(|byte| *byte == b'/') {
                Some(slash) => path.get(..=slash).unwrap_or_default(),
                None => b"/",
            };
            let merged = [directory, new_path].concat();
            [without_dots(&merged).as_slice(), new_query].concat()
        };
        Some(Url {
            target,
            ..self.clone()
        })
    }

    /// For the driver.
    pub(super) fn host(&self) -> Host {
        match self.host.parse() {
            Ok(address) => Host::Address(address),
            Err(_) => Host::Name(self.host.clone()),
        }
    }

    /// The host's name; none if it is known by its address.
    pub(super) fn name(&self) -> Option<&str> {
        self.host.parse::<IpAddr>().is_err().then_some(&self.host)
    }

    /// Its port.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The host as it stands in a URL, without port.
    pub(super) fn bare_host(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        }
    }

    /// The host with its port.
    pub(super) fn host_and_port(&self) -> String {
        format!("{}:{}", self.bare_host(), self.port)
    }

    /// The host, with its port if that is not the usual one.
    pub(super) fn authority(&self) -> String {
        if self.port == default_port(self.secure) {
            self.bare_host()
        } else {
            self.host_and_port()
        }
    }

    /// What is asked of the server itself.
    pub(super) fn origin_form(&self) -> Vec<u8> {
        match self.target.first() {
            Some(b'/') => self.target.clone(),
            _ => [b"/", self.target.as_slice()].concat(),
        }
    }

    /// What is asked of a proxy.
    pub(super) fn absolute_form(&self) -> Vec<u8> {
        let scheme = if self.secure { "https://" } else { "http://" };
        [
            scheme.as_bytes(),
            self.authority().as_bytes(),
            self.target.as_slice(),
        ]
        .concat()
    }
}

fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

/// `SCHEME` and what follows its colon.
fn split_scheme(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = text.iter().position(|byte| *byte == b':')?;
    let scheme = text.get(..colon)?;
    let valid = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    valid.then_some((scheme, text.get(colon + 1..)?))
}

fn without_fragment(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == b'#').next().unwrap_or(text)
}

/// Path, and query with its question mark.
fn split_query(target: &[u8]) -> (&[u8], &[u8]) {
    let end = target
        .iter()
        .position(|byte| *byte == b'?')
        .unwrap_or(target.len());
    target.split_at_checked(end).unwrap_or((target, b""))
}

/// RFC 3986 5.2.4, for a path that begins with a slash.
fn without_dots(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut segments = path.split(|byte| *byte == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"." | b".." => {
                if segment == b".." {
                    kept.pop();
                }
                if last {
                    kept.push(b"");
                }
            }
            _ => kept.push(segment),
        }
    }
    let mut result = Vec::with_capacity(path.len());
    for segment in kept {
        result.push(b'/');
        result.extend_from_slice(segment);
    }
    result
}

/// Escapes what may not stand in a URL. An existing `%XX`, and a lone `%`, is kept.
fn escape(text: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(text.len());
    for byte in text {
        if byte.is_ascii_alphanumeric() || b";/?:@&=+$,[]-_.!~*'()%".contains(byte) {
            result.push(*byte);
        } else {
            result.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    result
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        let escaped = (*byte == b'%')
            .then(|| after.split_first_chunk::<2>())
            .flatten()
            .and_then(|(digits, after)| {
                let digits = std::str::from_utf8(digits).ok()?;
                let value = u8::from_str_radix(digits, 16).ok()?;
                Some((value, after))
            });
        let (value, after) = escaped.unwrap_or((*byte, after));
        result.push(value);
        rest = after;
    }
    result
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn origin(request: &str) -> String {
        let url = Url::on_server(false, Ipv4Addr::LOCALHOST.into(), 80, request.as_bytes());
        String::from_utf8(url.origin_form()).unwrap()
    }

    /// As the legacy's library sent them (6.68).
    #[test]
    fn requests_are_escaped_as_by_the_legacys_library() {
        for (request, sent) in [
            ("/index.html", "/index.html"),
            ("/a b", "/a%20b"),
            ("/%41%zz", "/%41%zz"),
            ("/a|b{c}<d>\"e\"", "/a%7Cb%7Bc%7D%3Cd%3E%22e%22"),
            ("/a#frag", "/a"),
            ("/\u{e9}", "/%C3%A9"),
            ("/a?b c&d=e|f", "/a?b%20c&d=e%7Cf"),
            ("/a\\b^`", "/a%5Cb%5E%60"),
            ("///x//y", "/x//y"),
            ("/", "/"),
        ] {
            assert_eq!(origin(request), sent, "{request}");
        }
    }

    #[test]
    fn references_are_followed_as_by_the_legacys_library() {
        let base = Url::parse(b"http://h:8080/a/x?q").unwrap();
        for (reference, expected) in [
            ("/b", "http://h:8080/b"),
            ("", "http://h:8080/a/x?q"),
            ("/b?x=1#frag", "http://h:8080/b?x=1"),
            ("c/../d e", "http://h:8080/a/d%20e"),
            ("?z", "http://h:8080/a/x?z"),
            ("../../../up", "http://h:8080/up"),
            (".", "http://h:8080/a/"),
            ("//other/y", "http://other/y"),
            ("HTTP://other:81", "http://other:81"),
            ("https://other:443/", "https://other/"),
        ] {
            let joined = base.join(reference.as_bytes()).unwrap();
            let joined = String::from_utf8(joined.absolute_form()).unwrap();
            assert_eq!(joined, expected, "{reference}");
        }
        for reference in [
            "ftp://x/y",
            "mailto:x",
            "http:///x",
            "http://h:0/",
            "http://h:99999/",
        ] {
            assert_eq!(base.join(reference.as_bytes()), None, "{reference}");
        }
    }

    #[test]
    fn addresses_in_brackets_and_user_information() {
        let url = Url::parse(b"https://us%65r:pw@[::1]:8443/x").unwrap();
        assert_eq!(url.host(), Host::Address(Ipv6Addr::LOCALHOST.into()));
        assert_eq!(url.user_info.as_deref(), Some(&b"user:pw"[..]));
        assert_eq!((url.name(), url.port()), (None, 8443));
        assert_eq!(url.authority(), "[::1]:8443");
        assert_eq!(
            Url::parse(b"http://www.x.org").unwrap().name(),
            Some("www.x.org")
        );
        assert_eq!(Url::parse(b"http://www.x.org").unwrap().origin_form(), b"/");
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_server_says_is_a_page_or_none(
            base in "[ -~]{0,20}",
            reference in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60),
            scheme in proptest::sample::select(vec!["", "http:", "https://", "//", "/", "?"]),
        ) {
            let base = Url::parse(format!("http://h/{base}").as_bytes()).unwrap();
            let reference = [scheme.as_bytes(), &reference].concat();
            if let Some(url) = base.join(&reference) {
                let form = url.origin_form();
                proptest::prop_assert!(form.starts_with(b"/"));
                proptest::prop_assert!(form.iter().all(u8::is_ascii_graphic));
                proptest::prop_assert!(!url.authority().contains(char::is_control));
            }
        }
    }
}
