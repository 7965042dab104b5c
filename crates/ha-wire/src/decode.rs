//! From the bytes of a packet to a message, believing nothing before its digest is verified.
//!
//! A packet is read in three steps: its outline (markers, lines or lengths), which builds nothing; its digest, over the
//! bytes as they are; and only then its fields.
//!
//! Everything that a legacy node sends is accepted. What no node sends but legacy receivers let pass is refused, so that
//! no byte of a packet can be changed unnoticed: data behind the end marker or the trailer, more than one blank or other
//! white space before a digest, words behind it, leading zeros in lengths. Refused too are two kinds of properly signed
//! packets that crash a 3.0.6 master: a netstring field of type 7, and a netstring text with a NUL in it. Unlike there,
//! a carriage return in a string-form value is a byte like any other.

use crate::Encoding;
use crate::compression::Compression;
use crate::digest::Digester;
use crate::dump::printable;
use crate::encode::{COMPRESSED_PAYLOAD, COMPRESSION_ALGORITHM};
use crate::envelope::{CompressedEnvelope, Envelope};
use crate::error::{AuthCause, AuthFailure, DecodeError};
use crate::key::{Key, KeyRing};
use crate::limits::{MAX_MESSAGE, MAX_UNCOMPRESSED, NODE_NAME_MAX};
use crate::message::Message;
use crate::netstring;
use crate::sink::Sink;
use crate::string_form::Outline;

/// Decodes and verifies a packet from a medium, in whichever encoding it is. A compressed packet gives the message
/// inside (`wire-protocol.md` 2.4).
///
/// # Errors
///
/// When the packet is malformed, or not signed with one of `keys`.
pub fn decode_datagram(packet: &[u8], keys: &KeyRing) -> Result<Message, DecodeError> {
    let mut message = Message::new();
    decode_datagram_into(packet, keys, &mut message)?;
    Ok(message)
}

/// Like [`decode_datagram`], into a message whose memory is used again. What it held before is gone; after an error it is
/// empty.
///
/// # Errors
///
/// As [`decode_datagram`].
pub fn decode_datagram_into(
    packet: &[u8],
    keys: &KeyRing,
    message: &mut Message,
) -> Result<(), DecodeError> {
    decode(packet, Some(keys), message).map(|_| ())
}

/// Decodes bytes that need no authentication: from the FIFO or a local client. A digest that is there is not checked.
///
/// # Errors
///
/// When the bytes are malformed.
pub fn decode_plain(packet: &[u8]) -> Result<Message, DecodeError> {
    let mut message = Message::new();
    decode_plain_into(packet, &mut message)?;
    Ok(message)
}

/// Like [`decode_plain`], into a message whose memory is used again. After an error it is empty.
///
/// # Errors
///
/// As [`decode_plain`].
pub fn decode_plain_into(packet: &[u8], message: &mut Message) -> Result<(), DecodeError> {
    decode(packet, None, message).map(|_| ())
}

/// Decodes, and verifies if there are keys to verify with.
pub(crate) fn decode(
    packet: &[u8],
    keys: Option<&KeyRing>,
    message: &mut Message,
) -> Result<Envelope, DecodeError> {
    message.clear();
    let result = if packet.len() >= MAX_MESSAGE {
        Err(DecodeError::TooBig {
            length: packet.len(),
        })
    } else {
        decode_one(packet, keys, message).and_then(|outer| unwrap_compressed(outer, message))
    };
    if result.is_err() {
        message.clear();
    }
    result
}

/// Decodes one layer.
fn decode_one(
    packet: &[u8],
    keys: Option<&KeyRing>,
    message: &mut Message,
) -> Result<Envelope, DecodeError> {
    if packet.starts_with(netstring::START) {
        decode_netstring(packet, keys, message)
    } else {
        decode_string(packet, keys, message)
    }
}

fn decode_string(
    packet: &[u8],
    keys: Option<&KeyRing>,
    message: &mut Message,
) -> Result<Envelope, DecodeError> {
    let outline = Outline::new(packet)?;
    if let Some(keys) = keys {
        verify_string(&outline, keys)
            .map_err(|cause| failure(Encoding::String, cause, outline.sender(), outline.auth()))?;
    }
    outline.parse(message)?;
    Ok(Envelope {
        encoding: Encoding::String,
        auth_field: outline.auth().and_then(index_of),
        trailer: None,
        nul: outline.nul,
        compressed: None,
    })
}

fn decode_netstring(
    packet: &[u8],
    keys: Option<&KeyRing>,
    message: &mut Message,
) -> Result<Envelope, DecodeError> {
    let (body, behind) = packet.split_at(netstring::body_end(packet)?);
    let trailer = match netstring::peel(behind) {
        Some((token, [])) => Some(token),
        Some(_) => return Err(DecodeError::TrailingData { offset: body.len() }),
        None => None,
    };
    match (keys, trailer) {
        (Some(_), None) => return Err(DecodeError::MissingTrailer),
        (Some(keys), Some(token)) => verify_netstring(body, token, keys).map_err(|cause| {
            failure(
                Encoding::Netstring,
                cause,
                netstring::sender(body),
                Some(token),
            )
        })?,
        // Without authentication there is nothing behind the body, except perhaps the NUL that ends a C string.
        (None, None) if behind.iter().any(|&byte| byte != 0) => {
            return Err(DecodeError::TrailingData { offset: body.len() });
        }
        (None, _) => {}
    }
    netstring::parse(body, message)?;
    Ok(Envelope {
        encoding: Encoding::Netstring,
        auth_field: message.get("auth").and_then(index_of),
        trailer: trailer.and_then(index_of),
        nul: false,
        compressed: None,
    })
}

/// Replaces a message that carries a compressed one by what it carries. The inside was covered by the digest of the
/// outside and is not verified again; a compressed message inside a compressed one stays as it is.
fn unwrap_compressed(outer: Envelope, message: &mut Message) -> Result<Envelope, DecodeError> {
    let Some(payload) = message.binary(COMPRESSED_PAYLOAD) else {
        return Ok(outer);
    };
    let name = message.get(COMPRESSION_ALGORITHM).unwrap_or_default();
    let algorithm =
        Compression::from_name(name).ok_or_else(|| DecodeError::UnknownCompression {
            algorithm: printable(name, 64),
        })?;
    let plain = algorithm
        .decompress(payload)
        .ok_or(DecodeError::Decompression)?;
    debug_assert!(plain.len() <= MAX_UNCOMPRESSED);
    let payload = payload.to_vec();
    message.clear();
    let inner = decode_one(&plain, None, message)?;
    let compressed = Some(Box::new(CompressedEnvelope {
        algorithm,
        payload,
        inner,
    }));
    Ok(Envelope {
        compressed,
        ..outer
    })
}

/// String form: the key of the packet's index, with its own method (`wire-protocol.md` 3.4).
fn verify_string(outline: &Outline<'_>, keys: &KeyRing) -> Result<(), AuthCause> {
    let (index, theirs) = outline
        .auth()
        .and_then(split_token)
        .ok_or(AuthCause::BadToken)?;
    let key = key_of(index, keys)?;
    let mut digester = Digester::new(key);
    outline.put_digest_input(&mut digester);
    if digester.finish().matches(theirs) {
        Ok(())
    } else {
        Err(AuthCause::WrongDigest)
    }
}

/// Netstring form: the method of the packet's index. As to the key, legacy receivers wrongly take their own outbound key
/// whatever the index says, so their senders must be understood when they do the same; the key that the index names is
/// the right one. Either is accepted (`wire-protocol.md` 3.4).
fn verify_netstring(body: &[u8], token: &[u8], keys: &KeyRing) -> Result<(), AuthCause> {
    let (index, theirs) = split_token(token).ok_or(AuthCause::BadToken)?;
    let own = key_of(index, keys)?;
    let outbound = keys
        .outbound_key()
        .map(|(_, key)| key)
        .filter(|&key| key != own);
    for key in [Some(own), outbound].into_iter().flatten() {
        let mut digester = Digester::with_method(own.method, key);
        digester.put(body);
        if digester.finish().matches(theirs) {
            return Ok(());
        }
    }
    Err(AuthCause::WrongDigest)
}

fn key_of(index: i64, keys: &KeyRing) -> Result<&Key, AuthCause> {
    u8::try_from(index)
        .ok()
        .and_then(|index| keys.get(index))
        .ok_or(AuthCause::UnknownIndex(index))
}

/// Splits `INDEX DIGEST`: a decimal number, one blank, one word.
fn split_token(token: &[u8]) -> Option<(i64, &[u8])> {
    let blank = token.iter().position(|&byte| byte == b' ')?;
    let (index, digest) = (&token[..blank], &token[blank + 1..]);
    let plausible = !digest.is_empty() && digest.iter().all(u8::is_ascii_alphanumeric);
    if !plausible || index.starts_with(b"+") {
        return None;
    }
    Some((std::str::from_utf8(index).ok()?.parse().ok()?, digest))
}

fn index_of(token: &[u8]) -> Option<u8> {
    u8::try_from(split_token(token)?.0).ok()
}

fn failure(
    encoding: Encoding,
    cause: AuthCause,
    node: Option<&[u8]>,
    token: Option<&[u8]>,
) -> DecodeError {
    DecodeError::Authentication(AuthFailure {
        encoding,
        node: node.map(|name| printable(name, NODE_NAME_MAX)),
        token: token.map(|token| printable(token, 128)),
        cause,
    })
}
