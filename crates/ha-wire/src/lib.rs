//! The heartbeat wire format: messages, their two encodings, digests and compression.
//!
//! This crate turns bytes that came from a heartbeat medium, the command FIFO or a local client into a
//! [`Message`], and back. It holds no socket, no clock and no state between calls; who may send what and what a
//! message means is decided by the cluster core.
//!
//! | Module | Responsible for |
//! |---|---|
//! | `message` | the ordered list of fields, and looking things up in it |
//! | `string_form`, `netstring` | the two encodings, field by field |
//! | `key`, `digest` | keys, the key ring, and the three digests |
//! | `encode`, `decode`, `envelope` | whole packets: framing, authentication, compression |
//! | `error` | why a packet was refused, with the log lines that operators know |
//! | `dump` | the field dump of those log lines |
//! | [`icmp`] | the echo requests and replies that carry messages to and from ping nodes |
//! | [`apphb`] | what applications and `apphbd` say to each other |
//! | [`logd`] | the record that the logging daemon is handed |
//! | [`stream`] | finding messages in a stream of bytes (serial line, FIFO) |
//!
//! The rules come from the reference document `wire-protocol.md`; comments cite its sections.
#![forbid(unsafe_code)]

pub mod apphb;
mod base64;
mod compression;
mod decode;
mod digest;
mod dump;
mod encode;
mod envelope;
mod error;
pub mod icmp;
mod key;
mod legacy_log;
mod limits;
pub mod logd;
mod message;
mod netstring;
mod number;
mod sink;
pub mod stream;
mod string_form;

pub use compression::{Compression, CompressionSettings};
pub use decode::{decode_datagram, decode_datagram_into, decode_plain, decode_plain_into};
pub use encode::{encode_client, encode_datagram, encode_plain, encode_serial};
pub use envelope::{CompressedEnvelope, Envelope, decode_full, reencode};
pub use error::{AuthCause, AuthFailure, DecodeError, EncodeError, FieldProblem};
pub use key::{Key, KeyRing, Method, Secret, wipe};
pub use legacy_log::Severity;
pub use limits::{
    LIST_MAX, MAX_AUTH_INDEX, MAX_DEPTH, MAX_MESSAGE, MAX_UNCOMPRESSED, NODE_NAME_MAX,
};
pub use message::{Field, List, Message, Value};

/// The two ways of writing a message down (`wire-protocol.md` 2). A receiver tells them apart by the first four bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// `>>>` LF, one `name=value` line per field, `<<<` LF. What release 2.1 sends unless told otherwise.
    #[default]
    String,
    /// `###` LF, one length-prefixed entry per field, `%%%` LF and a trailer with the digest.
    Netstring,
}
