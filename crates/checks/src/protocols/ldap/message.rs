//! LDAP messages as bytes (RFC 4511), in the part of BER that LDAP uses: tags of one byte, definite lengths.
//!
//! ```text
//! LDAPMessage  30 length { messageID 02, operation }
//! BindRequest  60 { version 02, name 04, simple 80 }
//! SearchRequest 63 { base 04, scope 0a, deref 0a, size limit 02, time limit 02, types only 01, filter, attributes 30 }
//! LDAPResult   { code 0a, matched name 04, text 04, ... }
//! ```

use crate::protocols::frames::{BadFrame, Header};

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const ENUMERATED: u8 = 0x0a;
const SEQUENCE: u8 = 0x30;

const BIND_REQUEST: u8 = 0x60;
const BIND_RESPONSE: u8 = 0x61;
const UNBIND_REQUEST: u8 = 0x42;
const SEARCH_REQUEST: u8 = 0x63;
const SEARCH_ENTRY: u8 = 0x64;
const SEARCH_DONE: u8 = 0x65;
const SEARCH_REFERENCE: u8 = 0x73;
const EXTENDED_RESPONSE: u8 = 0x78;
const INTERMEDIATE_RESPONSE: u8 = 0x79;
/// In a bind request: the password.
const SIMPLE: u8 = 0x80;
/// A filter: the attribute is there.
const PRESENT: u8 = 0x87;

/// What the server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Response {
    Bind(Outcome),
    /// An entry by its name; its attributes are not looked at.
    Entry(Vec<u8>),
    Done(Outcome),
    Reference,
    Intermediate,
    /// An extended response, which nobody asked for.
    Notice(Outcome),
}

/// An LDAPResult.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// 0: success.
    pub(super) code: u32,
    /// What the server says about it.
    pub(super) words: Vec<u8>,
}

/// A bind; anonymous with both empty.
pub(super) fn bind(id: u8, name: &[u8], password: &[u8]) -> Vec<u8> {
    let content = [
        element(INTEGER, &[3]),
        element(OCTETS, name),
        element(SIMPLE, password),
    ];
    message(id, BIND_REQUEST, &content.concat())
}

/// A search for the entry of this name.
pub(super) fn search(id: u8, base: &[u8]) -> Vec<u8> {
    const BASE_OBJECT: u8 = 0;
    const DEREF_ALWAYS: u8 = 3;
    let content = [
        element(OCTETS, base),
        element(ENUMERATED, &[BASE_OBJECT]),
        element(ENUMERATED, &[DEREF_ALWAYS]),
        element(INTEGER, &[0]),
        element(INTEGER, &[0]),
        element(BOOLEAN, &[0]),
        element(PRESENT, b"objectClass"),
        element(SEQUENCE, &[]),
    ];
    message(id, SEARCH_REQUEST, &content.concat())
}

/// The end of the conversation.
pub(super) fn unbind(id: u8) -> Vec<u8> {
    message(id, UNBIND_REQUEST, &[])
}

fn message(id: u8, operation: u8, content: &[u8]) -> Vec<u8> {
    let content = [element(INTEGER, &[id]), element(operation, content)];
    element(SEQUENCE, &content.concat())
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len().to_be_bytes();
    match content.len() {
        short @ 0..=0x7f => out.push(short as u8),
        _ => {
            let length: Vec<u8> = length.into_iter().skip_while(|&byte| byte == 0).collect();
            out.push(0x80 | length.len() as u8);
            out.extend(length);
        }
    }
    out.extend(content);
    out
}

/// Where a message ends.
pub(super) fn read_header(bytes: &[u8]) -> Result<Option<Header>, BadFrame> {
    match bytes.first() {
        None => Ok(None),
        Some(&SEQUENCE) => header(bytes),
        Some(_) => Err(BadFrame::Malformed),
    }
}

/// Tag and length; none if not all of them are here.
fn header(bytes: &[u8]) -> Result<Option<Header>, BadFrame> {
    let Some(&first) = bytes.get(1) else {
        return Ok(None);
    };
    if first < 0x80 {
        let body = usize::from(first);
        return Ok(Some(Header { length: 2, body }));
    }
    // 80 is an indefinite length, which LDAP forbids; more than four bytes are no length of ours.
    let count = usize::from(first & 0x7f);
    if !(1..=4).contains(&count) {
        return Err(BadFrame::Malformed);
    }
    Ok(bytes.get(2..2 + count).map(|length| Header {
        length: 2 + count,
        body: length
            .iter()
            .fold(0, |body, &byte| body << 8 | usize::from(byte)),
    }))
}

/// The message in the body of a frame: its id and what it is. Of one that is not whole only its beginning is there. None
/// if it is not well formed, or nothing that a server may send.
pub(super) fn read(body: &[u8], whole: bool) -> Option<(u32, Response)> {
    let mut outer = Reader { rest: body, whole };
    let id = number(outer.element(INTEGER)?)?;
    let (tag, mut inner) = outer.open()?;
    let response = match tag {
        BIND_RESPONSE => Response::Bind(inner.outcome()?),
        SEARCH_ENTRY => Response::Entry(inner.element(OCTETS)?.to_vec()),
        SEARCH_DONE => Response::Done(inner.outcome()?),
        SEARCH_REFERENCE => Response::Reference,
        EXTENDED_RESPONSE => Response::Notice(inner.outcome()?),
        INTERMEDIATE_RESPONSE => Response::Intermediate,
        _ => return None,
    };
    Some((id, response))
}

struct Reader<'a> {
    rest: &'a [u8],
    whole: bool,
}

impl<'a> Reader<'a> {
    /// The content of the next element, which must be of this kind and whole.
    fn element(&mut self, tag: u8) -> Option<&'a [u8]> {
        let header = header(self.rest).ok()??;
        if self.rest.first() != Some(&tag) {
            return None;
        }
        let (content, rest) = self
            .rest
            .get(header.length..)?
            .split_at_checked(header.body)?;
        self.rest = rest;
        Some(content)
    }

    /// Goes into the next element; it may break off where the message does.
    fn open(self) -> Option<(u8, Reader<'a>)> {
        let header = header(self.rest).ok()??;
        let tag = *self.rest.first()?;
        let content = self.rest.get(header.length..)?;
        let rest = match content.get(..header.body) {
            Some(content) => content,
            None if !self.whole => content,
            None => return None,
        };
        let whole = self.whole;
        Some((tag, Reader { rest, whole }))
    }

    fn outcome(&mut self) -> Option<Outcome> {
        let code = number(self.element(ENUMERATED)?)?;
        self.element(OCTETS)?;
        let words = self.element(OCTETS)?.to_vec();
        Some(Outcome { code, words })
    }
}

/// A number that is not negative.
fn number(content: &[u8]) -> Option<u32> {
    if content.is_empty() || content.len() > 4 || content.first()? & 0x80 != 0 {
        return None;
    }
    Some(
        content
            .iter()
            .fold(0, |number, &byte| number << 8 | u32::from(byte)),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536, 16_777_216] {
            let element = element(SEQUENCE, &vec![0; length]);
            let header = read_header(&element).unwrap().unwrap();
            assert_eq!(
                (header.length + header.body, header.body),
                (element.len(), length)
            );
            for cut in 0..header.length {
                assert_eq!(read_header(&element[..cut]), Ok(None));
            }
        }
    }

    #[test]
    fn what_is_no_message() {
        for bytes in [
            &b"\x31\x00"[..],
            b"SSH-2.0",
            b"\x30\x80",
            b"\x30\x85\0\0\0\0\0",
            b"\x30\xff",
        ] {
            assert_eq!(read_header(bytes), Err(BadFrame::Malformed), "{bytes:?}");
        }
        for body in [
            &b""[..],
            b"\x02\x01\x01",                                       // no operation
            b"\x02\0\x65\x07\x0a\x01\0\x04\0\x04\0",               // an empty number
            b"\x02\x01\xff\x65\x07\x0a\x01\0\x04\0\x04\0",         // a negative one
            b"\x02\x05\0\0\0\0\x01\x65\x07\x0a\x01\0\x04\0\x04\0", // a large one
            b"\x02\x01\x01\x65\x08\x0a\x01\0\x04\0\x04\0",         // longer than it is
            b"\x02\x01\x01\x65\x05\x0a\x01\0\x04\0",               // without words
            b"\x02\x01\x01\x63\x07\x0a\x01\0\x04\0\x04\0",         // a request
        ] {
            assert_eq!(read(body, true), None, "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes(
            head in proptest::sample::select(vec![&b""[..], b"\x02\x01\x02\x64", b"\x02\x01\x01\x61"]),
            bytes in proptest::collection::vec(prop_oneof![any::<u8>(), 0..8_u8, Just(0x84)], 0..40),
            whole: bool,
        ) {
            let body = [head, bytes.as_slice()].concat();
            let _ = read(&body, whole);
            let _ = read_header(&bytes);
        }
    }
}
