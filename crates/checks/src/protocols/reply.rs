//! Replies of three digits, as ftp and smtp have them.
//!
//! ```text
//! 220 one line
//! 220-first of several
//! anything (smtp repeats the code, ftp need not)
//! 220 the last one
//! ```

use super::lines::{Lines, TooLong};

/// One whole reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// 0 to 999.
    pub(super) code: u16,
    /// Its last line, code included.
    pub(super) line: Vec<u8>,
}

impl Reply {
    /// 2xx.
    pub(super) fn is_good(&self) -> bool {
        self.code / 100 == 2
    }
}

/// What is wrong with a stream of replies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BadReply {
    /// Too long a line, or too many.
    TooLong,
    /// No reply: this line stands where one should begin.
    NoReply(Vec<u8>),
}

impl From<TooLong> for BadReply {
    fn from(_: TooLong) -> Self {
        BadReply::TooLong
    }
}

/// Puts replies together.
#[derive(Debug, Default)]
pub(super) struct Replies {
    lines: Lines,
    /// The code of a reply of several lines whose last line has not come yet.
    open: Option<u16>,
}

impl Replies {
    /// Adds bytes from the peer.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.lines.feed(bytes);
    }

    /// The next whole reply.
    pub(super) fn next(&mut self) -> Result<Option<Reply>, BadReply> {
        while let Some(line) = self.lines.next()? {
            let head = head(&line);
            match (self.open, head) {
                (None, Some((code, true))) => self.open = Some(code),
                (None, Some((code, false))) => return Ok(Some(Reply { code, line })),
                (None, None) => return Err(BadReply::NoReply(line)),
                (Some(open), Some((code, false))) if code == open => {
                    self.open = None;
                    return Ok(Some(Reply { code, line }));
                }
                (Some(_), _) => {}
            }
        }
        Ok(None)
    }
}

/// The code of a line, and whether more lines follow.
fn head(line: &[u8]) -> Option<(u16, bool)> {
    let (digits, rest) = line.split_at_checked(3)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let code = digits
        .iter()
        .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    match rest.first() {
        Some(b'-') => Some((code, true)),
        Some(b' ') | None => Some((code, false)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replies(text: &str) -> Result<Vec<u16>, BadReply> {
        let mut replies = Replies::default();
        replies.feed(text.as_bytes());
        let mut codes = Vec::new();
        while let Some(reply) = replies.next()? {
            codes.push(reply.code);
        }
        Ok(codes)
    }

    #[test]
    fn of_one_line_and_of_several() {
        assert_eq!(
            replies("220 hello\r\n250-a\r\n250-b\r\n250 c\r\n221\n"),
            Ok(vec![220, 250, 221])
        );
        // RFC 959 4.2: between the first and the last line anything may stand.
        assert_eq!(
            replies("230-Welcome\n 230 is not the end\n331 nor this\n230-nor this\n230 Done\n"),
            Ok(vec![230])
        );
    }

    #[test]
    fn no_reply() {
        for line in ["", "22", "abc", "22x hello", "2200 hello", "220_"] {
            let expected = Err(BadReply::NoReply(line.as_bytes().to_vec()));
            assert_eq!(replies(&format!("{line}\n220 hello\n")), expected);
        }
    }
}
