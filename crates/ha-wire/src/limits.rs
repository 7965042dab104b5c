//! The fixed maxima of the protocol (`wire-protocol.md` 1.1).

/// Receive buffer of every medium, in bytes. An encoded message must be *shorter* than this, since a receiver reads at
/// most one byte less.
pub const MAX_MESSAGE: usize = 262_144;

/// Largest encoded message before compression and after decompression, in bytes.
pub const MAX_UNCOMPRESSED: usize = 2_097_152;

/// Deepest nesting of struct fields. The string form has one control byte per level and sixteen of them; the netstring
/// form has no such limit of its own, and gets this one so that decoding cannot exhaust the stack.
pub const MAX_DEPTH: usize = 16;

/// A packed list must be shorter than this in netstring form, in bytes.
pub const LIST_MAX: usize = 1024;

/// Highest authentication index (`authkeys` knows 0 to 15).
pub const MAX_AUTH_INDEX: u8 = 15;

/// Longest node name in bytes, without the terminating NUL that the legacy counts too.
pub const NODE_NAME_MAX: usize = 99;
