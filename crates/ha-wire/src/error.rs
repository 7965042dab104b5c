//! Why a packet was refused, or why a message cannot be sent.
//!
//! A [`DecodeError`] names positions in the packet instead of holding copies of it, so refusing a packet costs next to
//! nothing. [`DecodeError::legacy_lines`] gives the log lines that operators know, for a caller that still has the
//! packet at hand.

use std::fmt;

use crate::Encoding;
use crate::dump::printable;
use crate::limits::{MAX_DEPTH, MAX_MESSAGE, MAX_UNCOMPRESSED};

/// Why bytes were refused. Nothing of a refused packet may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The first four bytes are no start marker. To be dropped without any log (`wire-protocol.md` 1.2).
    UnknownFraming,
    /// The packet is longer than any that is allowed.
    TooBig {
        /// Its length in bytes.
        length: usize,
    },
    /// String form: a line without `=` before the end marker, or no end marker.
    LineWithoutEquals {
        /// Where the line begins in the packet, in bytes.
        offset: usize,
    },
    /// A field that cannot be read.
    Field {
        /// Where it begins in the packet, in bytes.
        offset: usize,
        /// What is wrong with it.
        problem: FieldProblem,
    },
    /// Netstring form: something that is no netstring.
    Netstring {
        /// Where it begins in the packet, in bytes.
        offset: usize,
    },
    /// Something follows the end of the message.
    TrailingData {
        /// Where it begins in the packet, in bytes.
        offset: usize,
    },
    /// Structs are nested more than [`MAX_DEPTH`] deep.
    TooDeep,
    /// Netstring form: no trailer that could be read.
    MissingTrailer,
    /// The packet does not come from somebody who has our key.
    Authentication(AuthFailure),
    /// The payload is compressed by a method that does not exist here.
    UnknownCompression {
        /// What the packet calls it, printable and shortened.
        algorithm: String,
    },
    /// The compressed payload is damaged, or larger than [`MAX_UNCOMPRESSED`] when decompressed.
    Decompression,
}

/// What is wrong with one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldProblem {
    /// The type prefix is malformed, or the type does not occur on the wire.
    Type,
    /// The name is empty or otherwise impossible.
    Name,
    /// A text contains a NUL.
    Nul,
    /// The value is no canonical base64.
    Base64,
    /// The list is malformed, or too long.
    List,
    /// The nested message is malformed, or contains the byte that stands for its line ends.
    Struct,
    /// The nesting is too deep.
    Depth,
}

/// Details of a failed authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthFailure {
    /// The form of the packet; the legacy's log lines differ.
    pub encoding: Encoding,
    /// What the packet says who sent it: field `src`, printable and shortened. Not to be believed.
    pub node: Option<String>,
    /// The packet's `INDEX DIGEST`, printable and shortened, if there is any.
    pub token: Option<String>,
    /// What is wrong.
    pub cause: AuthCause,
}

/// What is wrong with a packet's authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthCause {
    /// There is no `INDEX DIGEST`, or it cannot be read.
    BadToken,
    /// No key is loaded under this index.
    UnknownIndex(i64),
    /// The digest is not the one that our key gives.
    WrongDigest,
}

/// Why a message cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// No outbound key is chosen and loaded.
    NoKey,
    /// A field has a name or value that this encoding cannot carry.
    Field {
        /// Its name, printable and shortened.
        name: String,
        /// What is wrong with it.
        problem: FieldProblem,
    },
    /// The encoded message is too long.
    TooBig {
        /// Its length in bytes.
        length: usize,
    },
    /// The compressor failed.
    Compression,
}

impl EncodeError {
    pub(crate) fn field(name: &[u8], problem: FieldProblem) -> Self {
        Self::Field {
            name: printable(name, 64),
            problem,
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownFraming => f.write_str("no start marker"),
            Self::TooBig { length } => write!(f, "packet of {length} bytes is too big"),
            Self::LineWithoutEquals { offset } => {
                write!(f, "line without '=' or without end at byte {offset}")
            }
            Self::Field { offset, problem } => write!(f, "field at byte {offset}: {problem}"),
            Self::Netstring { offset } => write!(f, "malformed netstring at byte {offset}"),
            Self::TrailingData { offset } => write!(f, "data behind the message at byte {offset}"),
            Self::TooDeep => write!(f, "structs nested more than {MAX_DEPTH} deep"),
            Self::MissingTrailer => f.write_str("missing or malformed authentication trailer"),
            Self::Authentication(failure) => failure.fmt(f),
            Self::UnknownCompression { algorithm } => {
                write!(f, "unknown compression method {algorithm}")
            }
            Self::Decompression => write!(
                f,
                "compressed payload is damaged or longer than {MAX_UNCOMPRESSED} bytes"
            ),
        }
    }
}

impl std::error::Error for DecodeError {}

impl fmt::Display for AuthFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.node.as_deref().unwrap_or("?");
        write!(f, "node [{node}] failed authentication: ")?;
        match self.cause {
            AuthCause::BadToken => f.write_str("missing or malformed token"),
            AuthCause::UnknownIndex(index) => write!(f, "no key with index {index}"),
            AuthCause::WrongDigest => f.write_str("wrong digest"),
        }
    }
}

impl fmt::Display for FieldProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Type => "bad type prefix",
            Self::Name => "bad name",
            Self::Nul => "NUL in a text",
            Self::Base64 => "bad base64",
            Self::List => "bad list",
            Self::Struct => "bad nested message",
            Self::Depth => "nested too deep",
        })
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey => f.write_str("no outbound authentication key"),
            Self::Field { name, problem } => write!(f, "field [{name}]: {problem}"),
            Self::TooBig { length } => {
                write!(
                    f,
                    "message of {length} bytes does not fit the limit of {MAX_MESSAGE}"
                )
            }
            Self::Compression => f.write_str("compression failed"),
        }
    }
}

impl std::error::Error for EncodeError {}
