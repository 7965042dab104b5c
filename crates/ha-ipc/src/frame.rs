//! Frames: eight octets of head, then the body (`client-api.md` 1.2).
//!
//! ```text
//!  0        4        8
//!  +--------+--------+----------------- - -
//!  | length | 0xabcd | body, `length` octets
//!  +--------+--------+----------------- - -
//!     i32      u32      in the byte order of the machine
//! ```
//!
//! Bytes arrive in pieces of any size. A head that no correct peer sends is an error from which there is no way back,
//! since nobody knows where the next frame begins: the connection has to be closed. (Release 2.1 aborted the daemon when
//! the magic number was wrong.)

use std::fmt;

/// The second word of every head.
pub const MAGIC: u32 = 0x0000_abcd;

/// Octets of a head.
pub const HEAD_LEN: usize = 8;

/// Largest body in octets.
pub const MAX_BODY: usize = 256 * 1024;

/// What a reader holds at most, in octets: one frame of the largest size.
pub const BUFFER_MAX: usize = HEAD_LEN + MAX_BODY;

/// A reader gives memory beyond this back when it is empty, so that one huge frame does not bind it for ever.
const KEPT_CAPACITY: usize = 16 * 1024;

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Length of the body in octets, at most [`MAX_BODY`].
    length: usize,
}

impl Head {
    /// The head for a body of `length` octets.
    ///
    /// # Errors
    /// The body is larger than [`MAX_BODY`].
    pub fn for_body(length: usize) -> Result<Head, FrameError> {
        if length > MAX_BODY {
            let length = i64::try_from(length).unwrap_or(i64::MAX);
            return Err(FrameError::Length { length });
        }
        Ok(Head { length })
    }

    /// Reads a head.
    ///
    /// # Errors
    /// The magic number or the length is not what it may be; the magic number is looked at first.
    pub fn parse(octets: [u8; HEAD_LEN]) -> Result<Head, FrameError> {
        let [a, b, c, d, e, f, g, h] = octets;
        let magic = u32::from_ne_bytes([e, f, g, h]);
        if magic != MAGIC {
            return Err(FrameError::Magic { found: magic });
        }
        let length = i32::from_ne_bytes([a, b, c, d]);
        match usize::try_from(length) {
            Ok(length) if length <= MAX_BODY => Ok(Head { length }),
            _ => Err(FrameError::Length {
                length: length.into(),
            }),
        }
    }

    /// Length of the body in octets.
    pub fn body_len(self) -> usize {
        self.length
    }

    /// The head as it is sent.
    pub fn octets(self) -> [u8; HEAD_LEN] {
        // A head cannot be made with a length that does not fit.
        let length = i32::try_from(self.length).unwrap_or(i32::MAX);
        let [a, b, c, d] = length.to_ne_bytes();
        let [e, f, g, h] = MAGIC.to_ne_bytes();
        [a, b, c, d, e, f, g, h]
    }
}

/// Why a stream of frames cannot be read any further, or a body not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The second word of a head is not [`MAGIC`].
    Magic {
        /// What it is.
        found: u32,
    },
    /// A body's length is negative or larger than [`MAX_BODY`].
    Length {
        /// What it is, in octets.
        length: i64,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic { found } => write!(
                f,
                "magic number in head does not match. magic={found:x}, expected value={MAGIC:x}"
            ),
            Self::Length { length } => write!(f, "msg length is corrupted({length})"),
        }
    }
}

impl std::error::Error for FrameError {}

/// Cuts a stream of bytes into bodies. Never holds more than [`BUFFER_MAX`] octets.
#[derive(Clone, Debug, Default)]
pub struct FrameReader {
    /// What has arrived and was not taken yet, from `taken` on.
    pending: Vec<u8>,
    /// Octets at the beginning of `pending` that belong to bodies given out already.
    taken: usize,
}

impl FrameReader {
    /// A reader at the beginning of a stream.
    pub fn new() -> FrameReader {
        FrameReader::default()
    }

    /// How many octets [`FrameReader::feed`] would take.
    pub fn room(&self) -> usize {
        BUFFER_MAX.saturating_sub(self.held())
    }

    /// Takes bytes that have arrived, as many as there is room for, and says how many. Whoever takes out all the bodies
    /// that [`FrameReader::body`] has to give before feeding more will always find room for at least one octet.
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        self.compact();
        let count = bytes.len().min(self.room());
        self.pending
            .extend_from_slice(bytes.get(..count).unwrap_or_default());
        count
    }

    /// The next complete body, if there is one. It is gone with the next call.
    ///
    /// # Errors
    /// The stream is broken; every later call says the same.
    pub fn body(&mut self) -> Result<Option<&[u8]>, FrameError> {
        let Some(end) = self.complete()? else {
            return Ok(None);
        };
        let start = self.taken + HEAD_LEN;
        self.taken = end;
        Ok(self.pending.get(start..end))
    }

    /// Whether [`FrameReader::body`] has something to say without more being fed: a body or an error.
    pub fn is_ready(&self) -> bool {
        !matches!(self.complete(), Ok(None))
    }

    /// Whether the stream may end here, namely between two frames.
    pub fn is_at_boundary(&self) -> bool {
        self.held() == 0
    }

    /// Where the next frame ends within `pending`, if it is there completely.
    fn complete(&self) -> Result<Option<usize>, FrameError> {
        let unread = self.pending.get(self.taken..).unwrap_or_default();
        let Some(head) = unread.first_chunk::<HEAD_LEN>() else {
            return Ok(None);
        };
        let length = HEAD_LEN + Head::parse(*head)?.body_len();
        Ok((unread.len() >= length).then_some(self.taken + length))
    }

    /// Octets that have arrived and were not given out yet.
    pub fn held(&self) -> usize {
        self.pending.len().saturating_sub(self.taken)
    }

    /// Moves what is left to the front.
    fn compact(&mut self) {
        if self.held() == 0 {
            self.pending.clear();
            self.pending.shrink_to(KEPT_CAPACITY);
        } else if self.taken > 0 {
            self.pending.drain(..self.taken);
        }
        self.taken = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(body: &[u8]) -> Vec<u8> {
        let mut bytes = Head::for_body(body.len()).unwrap().octets().to_vec();
        bytes.extend_from_slice(body);
        bytes
    }

    /// `client-api.md` 1.2, and the head of the recorded sign-on.
    #[cfg(target_endian = "little")]
    #[test]
    fn the_head_of_a_recorded_sign_on() {
        let octets = [0x51, 0, 0, 0, 0xcd, 0xab, 0, 0];
        assert_eq!(Head::for_body(81).unwrap().octets(), octets);
        assert_eq!(Head::parse(octets).unwrap().body_len(), 81);
    }

    #[test]
    fn a_wrong_magic_number_is_an_error_for_ever() {
        let mut reader = FrameReader::new();
        reader.feed(&frame(b"first"));
        reader.feed(b"GET / HTTP/1.0\r\n\r\n");
        assert_eq!(reader.body(), Ok(Some(&b"first"[..])));
        let error = reader.body().unwrap_err();
        assert!(matches!(error, FrameError::Magic { .. }));
        reader.feed(&frame(b"second"));
        assert_eq!(reader.body(), Err(error));
        assert!(reader.is_ready());
    }

    #[test]
    fn lengths_that_no_peer_may_send() {
        for length in [-1, i32::MIN, i32::MAX, MAX_BODY as i32 + 1] {
            let mut octets = Head::for_body(0).unwrap().octets();
            octets[..4].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(
                Head::parse(octets),
                Err(FrameError::Length {
                    length: length.into()
                })
            );
        }
        assert!(Head::for_body(MAX_BODY).is_ok());
        assert!(Head::for_body(MAX_BODY + 1).is_err());
    }

    #[test]
    fn the_buffer_is_bounded_and_the_largest_frame_fits() {
        let mut reader = FrameReader::new();
        let largest = frame(&vec![b'x'; MAX_BODY]);
        assert_eq!(reader.feed(&largest), largest.len());
        assert_eq!(reader.feed(b"more"), 0);
        assert_eq!(reader.body().unwrap().map(<[u8]>::len), Some(MAX_BODY));
        assert_eq!(reader.feed(&frame(b"small")), HEAD_LEN + 5);
        assert_eq!(reader.body(), Ok(Some(&b"small"[..])));
        assert!(reader.is_at_boundary());
        reader.feed(b"");
        assert!(reader.pending.capacity() <= KEPT_CAPACITY);
    }

    #[test]
    fn an_empty_body_is_legal() {
        let mut reader = FrameReader::new();
        reader.feed(&frame(b""));
        assert_eq!(reader.body(), Ok(Some(&b""[..])));
        assert_eq!(reader.body(), Ok(None));
    }
}
