//! From a message to the bytes of a packet.

use std::io::Write;

use crate::Encoding;
use crate::compression::{Compression, CompressionSettings};
use crate::digest::{DigestText, Digester};
use crate::error::EncodeError;
use crate::key::{Key, KeyRing};
use crate::limits::{MAX_MESSAGE, MAX_UNCOMPRESSED};
use crate::message::{Message, Value};
use crate::netstring;
use crate::sink::Sink;
use crate::string_form;

/// Binary field of a compressed packet.
pub(crate) const COMPRESSED_PAYLOAD: &str = "_compressed_payload";
/// Text field of a compressed packet: `zlib` or `bz2`.
pub(crate) const COMPRESSION_ALGORITHM: &str = "_compression_algorithm";

/// Encodes a message for UDP or ICMP, signed with the outbound key. `out` is cleared first, and empty after an error.
///
/// The string form gets the `auth` field (`wire-protocol.md` 3.2) and the final NUL; the netstring form gets the
/// trailer (3.3) and no `auth` field. A message with a struct or compressed field always goes out as netstring (2.1).
/// With traditional compression, a message longer than the threshold is wrapped (2.4).
///
/// # Errors
///
/// When no outbound key is loaded, when a field cannot be carried, or when the result is not shorter than
/// [`MAX_MESSAGE`]. UDP's own limit of 65507 bytes is the medium's to report.
pub fn encode_datagram(
    message: &Message,
    encoding: Encoding,
    keys: &KeyRing,
    compression: &CompressionSettings,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    or_nothing(out, |out| {
        let signer = Signer::outbound(keys)?;
        match effective(message, encoding) {
            Encoding::String => put_string_datagram(message, signer, out)?,
            Encoding::Netstring => netstring::write(message, out)?,
        }
        if compression.traditional && out.len() > compression.threshold {
            if out.len() > MAX_UNCOMPRESSED {
                return Err(EncodeError::TooBig { length: out.len() });
            }
            let algorithm = compression.algorithm;
            let payload = algorithm
                .compress(out)
                .map_err(|_| EncodeError::Compression)?;
            write_wrapped(&payload, algorithm, out)?;
            signer.append_trailer(out);
        } else if out.starts_with(netstring::START) {
            signer.append_trailer(out);
        }
        check_length(out)
    })
}

/// Encodes a message for a serial line: always the string form with `auth` field, without NUL, never compressed
/// (`wire-protocol.md` 2.3, 7.4). `out` is cleared first, and empty after an error.
///
/// # Errors
///
/// As [`encode_datagram`].
pub fn encode_serial(
    message: &Message,
    keys: &KeyRing,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    or_nothing(out, |out| {
        put_signed_string(message, Signer::outbound(keys)?, out)?;
        check_length(out)
    })
}

/// Encodes a message without authentication, as the FIFO carries it: the string form without NUL, or the netstring
/// form without trailer. An `auth` field that the message has stays as it is. `out` is cleared first, and empty after
/// an error.
///
/// Local clients want [`encode_client`].
///
/// # Errors
///
/// As [`encode_datagram`], except for the key.
pub fn encode_plain(
    message: &Message,
    encoding: Encoding,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    or_nothing(out, |out| {
        match effective(message, encoding) {
            Encoding::String => string_form::write(message, None, out)?,
            Encoding::Netstring => netstring::write(message, out)?,
        }
        check_length(out)
    })
}

/// Encodes a message for a local client: like [`encode_plain`], but the string form ends with a NUL
/// (`client-api.md` 1.3).
///
/// # Errors
///
/// As [`encode_plain`].
pub fn encode_client(
    message: &Message,
    encoding: Encoding,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    encode_plain(message, encoding, out)?;
    if out.starts_with(string_form::START) {
        out.push(0);
    }
    Ok(())
}

/// Who signs: an index and its key.
#[derive(Clone, Copy)]
pub(crate) struct Signer<'a> {
    index: u8,
    key: &'a Key,
}

impl<'a> Signer<'a> {
    pub(crate) fn outbound(keys: &'a KeyRing) -> Result<Self, EncodeError> {
        let (index, key) = keys.outbound_key().ok_or(EncodeError::NoKey)?;
        Ok(Self { index, key })
    }

    pub(crate) fn with_index(keys: &'a KeyRing, index: u8) -> Result<Self, EncodeError> {
        let key = keys.get(index).ok_or(EncodeError::NoKey)?;
        Ok(Self { index, key })
    }

    /// The value of the `auth` field for this message.
    pub(crate) fn sign_string(&self, message: &Message) -> Result<Token, EncodeError> {
        let mut digester = Digester::new(self.key);
        string_form::put_digest_input(message, &mut digester)?;
        Ok(Token::new(self.index, digester.finish()))
    }

    /// Signs everything that is in `out`, from `###` through `%%%`.
    pub(crate) fn append_trailer(&self, out: &mut Vec<u8>) {
        let mut digester = Digester::new(self.key);
        digester.put(out);
        let token = Token::new(self.index, digester.finish());
        netstring::put_netstring(out, &[token.as_bytes()]);
    }
}

/// `INDEX DIGEST`.
pub(crate) struct Token {
    text: [u8; 44],
    len: usize,
}

impl Token {
    fn new(index: u8, digest: DigestText) -> Self {
        let mut text = [0; 44];
        let mut rest = &mut text[..];
        // Three digits, a blank and forty digits fit exactly.
        let written = write!(rest, "{index} ").and_then(|()| rest.write_all(digest.as_bytes()));
        debug_assert!(written.is_ok());
        let len = 44 - rest.len();
        Self { text, len }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text[..self.len]
    }
}

/// Appends the string form with `auth` field, without NUL.
pub(crate) fn put_signed_string(
    message: &Message,
    signer: Signer<'_>,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let token = signer.sign_string(message)?;
    string_form::write(message, Some(token.as_bytes()), out)
}

fn put_string_datagram(
    message: &Message,
    signer: Signer<'_>,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    put_signed_string(message, signer, out)?;
    out.push(0);
    Ok(())
}

/// Replaces `out` by the two-field message that carries a compressed payload, without trailer.
pub(crate) fn write_wrapped(
    payload: &[u8],
    algorithm: Compression,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let mut outer = Message::new();
    outer.push_binary(COMPRESSED_PAYLOAD, payload);
    outer.push(COMPRESSION_ALGORITHM, algorithm.name());
    out.clear();
    netstring::write(&outer, out)
}

/// A message with a struct or compressed field on its top level never goes out in string form.
fn effective(message: &Message, encoding: Encoding) -> Encoding {
    let nested = |value| matches!(value, Value::Struct(_) | Value::Compressed(_));
    if message.fields().any(|field| nested(field.value)) {
        Encoding::Netstring
    } else {
        encoding
    }
}

fn check_length(out: &[u8]) -> Result<(), EncodeError> {
    if out.len() >= MAX_MESSAGE {
        return Err(EncodeError::TooBig { length: out.len() });
    }
    Ok(())
}

fn or_nothing(
    out: &mut Vec<u8>,
    encode: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    out.clear();
    let result = encode(out);
    if result.is_err() {
        out.clear();
    }
    result
}
