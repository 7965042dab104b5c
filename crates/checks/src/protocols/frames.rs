//! Messages that begin with their length, out of a stream: what ldap, the databases and dns over TCP are made of.
//!
//! Of a long message only the beginning is kept, the rest is passed over as it comes; a row of a table may be large, and
//! nobody looks at it.

/// What the first bytes of a message say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Length of the header itself.
    pub(super) length: usize,
    /// Bytes that follow it.
    pub(super) body: usize,
}

/// Reads a header; none while it is not whole.
pub(super) type ReadHeader = fn(&[u8]) -> Result<Option<Header>, BadFrame>;

/// What is wrong with a stream of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadFrame {
    /// No message begins like this.
    Malformed,
    /// More than any sane server sends.
    TooLong,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    kept: Vec<u8>,
    header: Header,
}

impl Frame {
    /// The header as it came.
    pub(super) fn header(&self) -> &[u8] {
        self.kept.get(..self.header.length).unwrap_or_default()
    }

    /// What is kept of the body: all of it, or [`Frames::KEPT_MAX`] with the header.
    pub(super) fn body(&self) -> &[u8] {
        self.kept.get(self.header.length..).unwrap_or_default()
    }

    /// The length of the body as it was sent.
    pub(super) fn body_length(&self) -> usize {
        self.header.body
    }

    /// Nothing of it was passed over.
    pub(super) fn is_whole(&self) -> bool {
        self.body().len() == self.header.body
    }
}

/// Splits a stream into messages. All bounds are on the stream, not on how it happens to be cut into packets, so the same
/// bytes always give the same answer.
#[derive(Debug)]
pub(super) struct Frames {
    read_header: ReadHeader,
    buffer: Vec<u8>,
    /// Bytes at the beginning of the buffer that have been taken.
    taken: usize,
    /// A message of which all is here that is kept, and how much is still to be passed over.
    passing: Option<(Frame, usize)>,
    /// Bytes of all messages that have begun.
    total: usize,
    /// Their number.
    count: usize,
}

impl Frames {
    /// So much is kept of one message, with its header. Enough for any dns message over TCP.
    pub(super) const KEPT_MAX: usize = 68 * 1024;
    /// All messages of one conversation together.
    pub(super) const TOTAL_MAX: usize = 64 * 1024 * 1024;
    /// So many messages in one conversation: more than there are rows in what is waited for of a result.
    pub(super) const COUNT_MAX: usize = 65_536;

    /// A stream of which nothing has come yet.
    pub(super) fn new(read_header: ReadHeader) -> Frames {
        Frames {
            read_header,
            buffer: Vec::new(),
            taken: 0,
            passing: None,
            total: 0,
            count: 0,
        }
    }

    /// Adds bytes from the peer. Call [`Frames::next`] until it gives nothing more before adding others: that bounds what
    /// is kept to one message and one piece.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        let passed = match &mut self.passing {
            Some((_, left)) => {
                let passed = bytes.len().min(*left);
                *left -= passed;
                passed
            }
            None => 0,
        };
        self.buffer
            .extend_from_slice(bytes.get(passed..).unwrap_or_default());
    }

    /// The next message, once all of it has come.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, BadFrame> {
        if self.passing.is_none() {
            self.begin()?;
        }
        Ok(match self.passing.take() {
            Some((frame, 0)) => Some(frame),
            unfinished => {
                self.passing = unfinished;
                None
            }
        })
    }

    /// Bytes of all messages that have begun.
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// There is nothing beyond the messages that were given out.
    pub(super) fn is_empty(&self) -> bool {
        self.passing.is_none() && self.rest().is_empty()
    }

    fn begin(&mut self) -> Result<(), BadFrame> {
        let Some(header) = (self.read_header)(self.rest())? else {
            return Ok(());
        };
        let whole = header.length.saturating_add(header.body);
        let total = self.total.saturating_add(whole);
        if total > Frames::TOTAL_MAX || self.count >= Frames::COUNT_MAX {
            return Err(BadFrame::TooLong);
        }
        let keep = whole.min(Frames::KEPT_MAX);
        let Some((kept, behind)) = self.rest().split_at_checked(keep) else {
            return Ok(());
        };
        let kept = kept.to_vec();
        let passed = behind.len().min(whole - keep);
        self.total = total;
        self.count += 1;
        self.taken += keep + passed;
        self.passing = Some((Frame { kept, header }, whole - keep - passed));
        Ok(())
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.taken..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocols::bench::pieces;

    /// Three bytes, length first.
    fn three(bytes: &[u8]) -> Result<Option<Header>, BadFrame> {
        let [a, b, c, ..] = *bytes else {
            return Ok(None);
        };
        if a == 0xff {
            return Err(BadFrame::Malformed);
        }
        let body = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        Ok(Some(Header { length: 3, body }))
    }

    fn message(length: usize, fill: u8) -> Vec<u8> {
        let mut message = (length as u32).to_be_bytes()[1..].to_vec();
        message.resize(3 + length, fill);
        message
    }

    #[test]
    fn a_long_message_is_passed_over() {
        let mut frames = Frames::new(three);
        let stream = [message(1_000_000, 1), message(2, 2), message(0, 0)].concat();
        let mut seen = Vec::new();
        for piece in pieces(&stream, &[]) {
            frames.feed(piece);
            while let Some(frame) = frames.next().unwrap() {
                seen.push((frame.body_length(), frame.body().len(), frame.is_whole()));
            }
            assert!(frames.buffer.len() <= Frames::KEPT_MAX + 16 * 1024);
        }
        assert_eq!(
            seen,
            [
                (1_000_000, Frames::KEPT_MAX - 3, false),
                (2, 2, true),
                (0, 0, true)
            ]
        );
        assert!(frames.is_empty());
    }

    #[test]
    fn messages_without_end() {
        let mut frames = Frames::new(three);
        let large = message(0xfe_0000, 0);
        for _ in 0..5 {
            for piece in pieces(&large, &[]) {
                frames.feed(piece);
                if let Err(end) = frames.next() {
                    assert_eq!(end, BadFrame::TooLong);
                    return;
                }
            }
        }
        panic!("more than {} bytes were taken", Frames::TOTAL_MAX);
    }

    #[test]
    fn small_messages_without_end() {
        let mut frames = Frames::new(three);
        for number in 0.. {
            frames.feed(&message(0, 0));
            match frames.next() {
                Ok(frame) => assert!(frame.is_some()),
                Err(end) => {
                    assert_eq!((end, number), (BadFrame::TooLong, Frames::COUNT_MAX));
                    return;
                }
            }
        }
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(
            lengths in proptest::collection::vec(prop_oneof![0_usize..9, 65_000_usize..80_000], 0..5),
            rest in proptest::collection::vec(any::<u8>(), 0..9),
            cuts in proptest::collection::vec(any::<usize>(), 0..9),
        ) {
            let mut stream: Vec<u8> = lengths.iter().flat_map(|&length| message(length, 7)).collect();
            stream.extend(rest);
            let read = |cuts: &[usize]| {
                let mut frames = Frames::new(three);
                let mut seen = Vec::new();
                for piece in pieces(&stream, cuts) {
                    frames.feed(piece);
                    loop {
                        match frames.next() {
                            Ok(Some(frame)) => seen.push(Ok(frame)),
                            Ok(None) => break,
                            Err(bad) => {
                                seen.push(Err(bad));
                                return seen;
                            }
                        }
                    }
                }
                seen
            };
            let seen = read(&cuts);
            prop_assert!(seen.len() >= lengths.len());
            prop_assert_eq!(seen, read(&[]));
        }
    }
}
