//! Lines out of a stream, with bounds: what most of the older protocols are made of.

/// Splits a stream into lines. A line ends at LF; a CR before it belongs to the end, not to the line.
///
/// Both bounds are on the stream, not on how it happens to be cut into packets, so the same bytes always give the same
/// answer.
#[derive(Debug, Default)]
pub(super) struct Lines {
    buffer: Vec<u8>,
    /// Bytes at the beginning of the buffer that have been taken.
    taken: usize,
    /// Bytes behind us since the beginning.
    total: usize,
}

/// The peer sends more than any sane server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Lines {
    /// The longest line, without its end. The protocols themselves allow 512 to 8192 bytes.
    pub(super) const LINE_MAX: usize = 64 * 1024;
    /// All lines of one conversation together.
    pub(super) const TOTAL_MAX: usize = 1024 * 1024;

    /// Adds bytes from the peer. Call [`Lines::next`] until it gives nothing more before adding others: that bounds what
    /// is kept to one line and one piece.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole line, without its end.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        Ok(self.next_raw()?.map(|mut line| {
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            line
        }))
    }

    /// The next whole line as it came, with its end.
    pub(super) fn next_raw(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        let rest = self.buffer.get(self.taken..).unwrap_or_default();
        let length = match rest.iter().position(|&byte| byte == b'\n') {
            Some(end) if end <= Self::LINE_MAX => end + 1,
            None if rest.len() <= Self::LINE_MAX => return Ok(None),
            _ => return Err(TooLong),
        };
        let line = rest.get(..length).unwrap_or_default().to_vec();
        self.advance(length)?;
        Ok(Some(line))
    }

    /// Passes over at most so many bytes that are no lines, such as an imap literal; says how many there were.
    pub(super) fn skip(&mut self, at_most: usize) -> Result<usize, TooLong> {
        let length = at_most.min(self.buffer.len() - self.taken);
        self.advance(length)?;
        Ok(length)
    }

    /// What came after the last line end.
    pub(super) fn rest(&self) -> &[u8] {
        self.buffer.get(self.taken..).unwrap_or_default()
    }

    fn advance(&mut self, length: usize) -> Result<(), TooLong> {
        self.taken += length;
        self.total += length;
        if self.total > Self::TOTAL_MAX {
            return Err(TooLong);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_line_ends() {
        let mut lines = Lines::default();
        lines.feed(b"one\r\ntwo\nth");
        assert_eq!(lines.next(), Ok(Some(b"one".to_vec())));
        assert_eq!(lines.next(), Ok(Some(b"two".to_vec())));
        assert_eq!(lines.next(), Ok(None));
        lines.feed(b"ree\r");
        assert_eq!(lines.next(), Ok(None));
        assert_eq!(lines.rest(), b"three\r");
        lines.feed(b"\n\n");
        assert_eq!(lines.next(), Ok(Some(b"three".to_vec())));
        assert_eq!(lines.next(), Ok(Some(Vec::new())));
        assert_eq!(lines.rest(), b"");
    }

    #[test]
    fn a_line_that_never_ends() {
        let mut lines = Lines::default();
        for _ in 0..Lines::LINE_MAX {
            lines.feed(b"x");
        }
        assert_eq!(lines.next(), Ok(None));
        lines.feed(b"x");
        assert_eq!(lines.next(), Err(TooLong));
        // It is as long when its end is there.
        lines.feed(b"\n");
        assert_eq!(lines.next(), Err(TooLong));
    }

    #[test]
    fn lines_that_never_end() {
        let mut lines = Lines::default();
        let mut count = 0_usize;
        let end = loop {
            lines.feed(b"0123456789abcde\n");
            match lines.next() {
                Ok(Some(_)) => count += 1,
                end => break end,
            }
        };
        assert_eq!(end, Err(TooLong));
        assert_eq!(count, Lines::TOTAL_MAX / 16);
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(
            text in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200),
            cuts in proptest::collection::vec(0_usize..200, 0..8),
        ) {
            let mut lines = Lines::default();
            let mut out = Vec::new();
            for piece in crate::protocols::bench::pieces(&text, &cuts) {
                lines.feed(piece);
                while let Some(line) = lines.next_raw().unwrap() {
                    prop_assert_eq!(line.iter().position(|&b| b == b'\n'), Some(line.len() - 1));
                    out.extend(line);
                }
            }
            out.extend_from_slice(lines.rest());
            prop_assert_eq!(out, text);
        }
    }
}
