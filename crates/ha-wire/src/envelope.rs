//! How a packet was wrapped: what the message itself does not tell.
//!
//! With message, envelope and keys a packet can be made again, byte for byte. This is for tools and tests; the daemon
//! has no need to.

use crate::Encoding;
use crate::compression::Compression;
use crate::decode::decode;
use crate::encode::{Signer, put_signed_string, write_wrapped};
use crate::error::{DecodeError, EncodeError};
use crate::key::KeyRing;
use crate::message::Message;
use crate::netstring;
use crate::string_form;

/// How a packet was wrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The encoding.
    pub encoding: Encoding,
    /// The index in the `auth` field, if there is one. In string form it authenticates the packet; in netstring form
    /// (3.0.6 only) it is a left-over that nobody checks.
    pub auth_field: Option<u8>,
    /// The index in the trailer of the netstring form.
    pub trailer: Option<u8>,
    /// Whether a NUL followed the string form.
    pub nul: bool,
    /// The inner packet, if this one was compressed.
    pub compressed: Option<Box<CompressedEnvelope>>,
}

/// How a compressed packet was wrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompressedEnvelope {
    /// The method.
    pub algorithm: Compression,
    /// The compressed bytes. Compressors of the same method may give different bytes, all of them good.
    pub payload: Vec<u8>,
    /// How the packet inside was wrapped.
    pub inner: Envelope,
}

/// Decodes and verifies a packet like [`crate::decode_datagram`], and tells how it was wrapped.
///
/// # Errors
///
/// As [`crate::decode_datagram`].
pub fn decode_full(packet: &[u8], keys: &KeyRing) -> Result<(Message, Envelope), DecodeError> {
    let mut message = Message::new();
    let envelope = decode(packet, Some(keys), &mut message)?;
    Ok((message, envelope))
}

/// Makes a packet again. All digests are computed anew; a compressed payload is used again if it still holds the
/// message, and compressed anew otherwise.
///
/// # Errors
///
/// When a key is not loaded, or the message cannot be encoded.
pub fn reencode(
    message: &Message,
    envelope: &Envelope,
    keys: &KeyRing,
) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::new();
    match &envelope.compressed {
        None => put_body(message, envelope, keys, &mut out)?,
        Some(compressed) => {
            let plain = reencode(message, &compressed.inner, keys)?;
            let algorithm = compressed.algorithm;
            if algorithm.decompress(&compressed.payload).as_ref() == Some(&plain) {
                write_wrapped(&compressed.payload, algorithm, &mut out)?;
            } else {
                let payload = algorithm
                    .compress(&plain)
                    .map_err(|_| EncodeError::Compression)?;
                write_wrapped(&payload, algorithm, &mut out)?;
            }
        }
    }
    if let Some(index) = envelope.trailer {
        Signer::with_index(keys, index)?.append_trailer(&mut out);
    }
    if envelope.nul {
        out.push(0);
    }
    Ok(out)
}

/// Appends the packet without trailer and NUL.
fn put_body(
    message: &Message,
    envelope: &Envelope,
    keys: &KeyRing,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let signer = envelope
        .auth_field
        .map(|index| Signer::with_index(keys, index))
        .transpose()?;
    match (envelope.encoding, signer) {
        (Encoding::String, Some(signer)) => put_signed_string(message, signer, out),
        (Encoding::String, None) => string_form::write(message, None, out),
        (Encoding::Netstring, None) => netstring::write(message, out),
        (Encoding::Netstring, Some(signer)) => {
            let mut signed = message.clone();
            signed.set("auth", signer.sign_string(message)?.as_bytes());
            netstring::write(&signed, out)
        }
    }
}
