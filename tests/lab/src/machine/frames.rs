//! What the host and the guest say to each other over a serial line of the guest: lines of text.
//!
//! ```text
//! NUMBER KIND WORD WORD ...\n
//! ```
//!
//! `NUMBER` is the job that it is about (0: the guest itself). Words are percent-encoded, so that any bytes may stand
//! in them and nothing that a terminal does to control characters can change them.

use std::fmt::Write as _;

use crate::{LabError, Result};

/// One line of the conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The job, 0 for the guest itself.
    pub(crate) job: u64,
    /// `ready`, `run`, `kill`, `out`, `err`, `end`.
    pub(crate) kind: String,
    /// What goes with it.
    pub(crate) words: Vec<Vec<u8>>,
}

impl Frame {
    pub(crate) fn new(job: u64, kind: &str, words: &[&[u8]]) -> Self {
        Frame {
            job,
            kind: kind.to_owned(),
            words: words.iter().map(|word| word.to_vec()).collect(),
        }
    }

    /// The line, with its end.
    pub(crate) fn encode(&self) -> String {
        let mut line = format!("{} {}", self.job, self.kind);
        for word in &self.words {
            line.push(' ');
            for &byte in word {
                if byte.is_ascii_graphic() && byte != b'%' {
                    line.push(char::from(byte));
                } else {
                    let _ = write!(line, "%{byte:02x}");
                }
            }
        }
        line.push('\n');
        line
    }

    /// The frame of a line.
    pub(crate) fn decode(line: &str) -> Result<Self> {
        let bad = || LabError::unexpected(format!("not a line of the guest's protocol: {line:?}"));
        let mut parts = line.trim_end().split(' ');
        let job = parts
            .next()
            .and_then(|job| job.parse().ok())
            .ok_or_else(bad)?;
        let kind = parts.next().ok_or_else(bad)?.to_owned();
        let words = parts
            .map(decode_word)
            .collect::<Option<_>>()
            .ok_or_else(bad)?;
        Ok(Frame { job, kind, words })
    }

    /// A word as text; empty when there is none.
    pub(crate) fn text(&self, index: usize) -> String {
        self.words
            .get(index)
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .unwrap_or_default()
    }
}

fn decode_word(word: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let code = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(code, 16).ok()?);
        rest = &rest[2..];
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_come_through() {
        let all: Vec<u8> = (0..=255).collect();
        let frame = Frame::new(7, "out", &[b"", &all, b"a %41 b\r\n"]);
        assert_eq!(Frame::decode(&frame.encode()).unwrap(), frame);
    }

    #[test]
    fn what_is_not_a_frame_is_refused() {
        for line in [
            "",
            "x",
            "1",
            "[    1.2] kernel text",
            "1 out %4",
            "1 out %zz",
        ] {
            assert!(Frame::decode(line).is_err(), "{line:?}");
        }
    }
}
