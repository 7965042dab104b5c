//! Messages of PostgreSQL's protocol 3.0 as bytes.
//!
//! ```text
//! startup: length(4) 00 03 00 00 then name\0 value\0 ... \0
//! others:  kind(1) length(4, with itself) body
//! R: authentication: method(4) ...       E, N: error, notice: (field(1) text\0) ... \0
//! T: description of rows   D: row   C: command complete   Z: ready
//! ```

use crate::protocols::frames::{BadFrame, Header};
use crate::protocols::sql::{take, take_text};

/// Asks whether the server speaks TLS; it answers with one byte, `S` or `N`.
pub(super) const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// The end of a conversation.
pub(super) const TERMINATE: [u8; 5] = [b'X', 0, 0, 0, 4];

/// How the server wants to know who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Authentication {
    Ok,
    ClearPassword,
    Md5([u8; 4]),
    /// A choice of mechanisms.
    Sasl(Vec<Vec<u8>>),
    SaslContinue(Vec<u8>),
    SaslFinal(Vec<u8>),
    /// Kerberos and others that are not spoken, by number.
    Other(u32),
}

impl Authentication {
    /// Takes an `R` apart.
    pub(super) fn read(body: &[u8]) -> Option<Authentication> {
        let mut rest = body;
        Some(match u32::from_be_bytes(take(&mut rest)?) {
            0 => Authentication::Ok,
            3 => Authentication::ClearPassword,
            5 => Authentication::Md5(take(&mut rest)?),
            10 => {
                let mut mechanisms = Vec::new();
                while let Some(name) = take_text(&mut rest).filter(|name| !name.is_empty()) {
                    mechanisms.push(name.to_vec());
                }
                Authentication::Sasl(mechanisms)
            }
            11 => Authentication::SaslContinue(rest.to_vec()),
            12 => Authentication::SaslFinal(rest.to_vec()),
            other => Authentication::Other(other),
        })
    }
}

/// A server's no.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Refusal {
    /// SQLSTATE.
    pub(super) code: Vec<u8>,
    pub(super) words: Vec<u8>,
}

impl Refusal {
    /// Takes an `E` apart, as far as it is well formed.
    pub(super) fn read(body: &[u8]) -> Refusal {
        let mut refusal = Refusal::default();
        let mut rest = body;
        while let Some([field]) = take(&mut rest) {
            let Some(text) = take_text(&mut rest) else {
                break;
            };
            match field {
                b'C' => refusal.code = text.to_vec(),
                b'M' => refusal.words = text.to_vec(),
                _ => {}
            }
        }
        refusal
    }
}

/// The first message. An empty database is the one that is called like the user.
pub(super) fn startup(user: &[u8], database: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 3, 0, 0];
    let mut parameter = |name: &[u8], value: &[u8]| {
        for text in [name, value] {
            body.extend(text);
            body.push(0);
        }
    };
    parameter(b"user", user);
    if !database.is_empty() {
        parameter(b"database", database);
    }
    body.push(0);
    counted(&[], &body)
}

/// A password, or what stands for it.
pub(super) fn password(password: &[u8]) -> Vec<u8> {
    counted(b"p", &[password, &[0]].concat())
}

/// The first message of a SASL mechanism.
pub(super) fn sasl_first(mechanism: &[u8], message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(0).to_be_bytes();
    counted(b"p", &[mechanism, &[0], &length, message].concat())
}

/// Another one.
pub(super) fn sasl_next(message: &[u8]) -> Vec<u8> {
    counted(b"p", message)
}

/// A statement.
pub(super) fn query(statement: &[u8]) -> Vec<u8> {
    counted(b"Q", &[statement, &[0]].concat())
}

fn counted(kind: &[u8], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap_or(0).to_be_bytes();
    [kind, &length, body].concat()
}

/// Where a message ends.
pub(super) fn read_header(bytes: &[u8]) -> Result<Option<Header>, BadFrame> {
    let kind_is_none = bytes
        .first()
        .is_some_and(|kind| !kind.is_ascii_alphabetic());
    if kind_is_none {
        return Err(BadFrame::Malformed);
    }
    let Some(&[_, a, b, c, d]) = bytes.first_chunk() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes([a, b, c, d]);
    let body = length.checked_sub(4).ok_or(BadFrame::Malformed)?;
    let body = usize::try_from(body).map_err(|_| BadFrame::TooLong)?;
    Ok(Some(Header { length: 5, body }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requests() {
        assert_eq!(
            startup(b"joe", b"shop"),
            b"\0\0\0\x20\0\x03\0\0user\0joe\0database\0shop\0\0"
        );
        assert_eq!(startup(b"joe", b""), b"\0\0\0\x12\0\x03\0\0user\0joe\0\0");
        assert_eq!(query(b"SELECT 1"), b"Q\0\0\0\x0dSELECT 1\0");
        assert_eq!(sasl_first(b"S", b"n,,"), b"p\0\0\0\x0dS\0\0\0\0\x03n,,");
    }

    #[test]
    fn headers() {
        assert_eq!(
            read_header(b"Z\0\0\0\x05I"),
            Ok(Some(Header { length: 5, body: 1 }))
        );
        assert_eq!(read_header(b"Z\0\0\0"), Ok(None));
        assert_eq!(read_header(b"Z\0\0\0\x03"), Err(BadFrame::Malformed));
        assert_eq!(read_header(b"\x15\x03"), Err(BadFrame::Malformed));
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), 0..13_u8], 0..60)) {
            let _ = (Authentication::read(&bytes), Refusal::read(&bytes), read_header(&bytes));
        }
    }
}
