//! The lowest layer of every grammar here: physical lines as the legacy's 5120-byte buffer sees them, and words.

use nom::bytes::complete::{take_till, take_while, take_while1};
use nom::{IResult, Offset, Parser};

/// What fits into the legacy's line buffer besides the final NUL. A longer line becomes several (`config-files.md` 2).
pub(crate) const LINE_MAX: usize = 5119;

/// White space of the legacy's grammars: space, tab, newline, carriage return, form feed.
pub(crate) fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c)
}

/// What separates the words of an option directive: white space or a comma.
pub(crate) fn is_delimiter(byte: u8) -> bool {
    is_white(byte) || byte == b','
}

/// One buffer full of a physical line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk<'a> {
    /// The bytes, newline included when it fits, ending before the first NUL.
    pub(crate) text: &'a [u8],
    /// Physical line, from 1.
    pub(crate) line: usize,
    /// Column of the first byte, from 1; more than 1 when a long line was split.
    pub(crate) column: usize,
    /// The buffer ended before the newline, so that the line goes on in the next chunk.
    pub(crate) split: bool,
}

impl<'a> Chunk<'a> {
    /// Column of `part`, which must be a slice of this chunk.
    pub(crate) fn column_of(&self, part: &[u8]) -> usize {
        self.column + self.text.offset(part)
    }
}

/// Cuts a file into what a reader with the legacy's buffer gets to see, one piece after the other.
pub(crate) fn chunks(bytes: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    let mut remaining = bytes;
    let (mut line, mut column) = (1, 1);
    std::iter::from_fn(move || {
        if remaining.is_empty() {
            return None;
        }
        let window = remaining.get(..LINE_MAX).unwrap_or(remaining);
        let newline = window.iter().position(|byte| *byte == b'\n');
        let length = newline.map_or(window.len(), |position| position + 1);
        let (whole, rest) = remaining.split_at(length);
        let visible = whole.iter().position(|byte| *byte == 0).unwrap_or(length);
        let chunk = Chunk {
            text: whole.get(..visible).unwrap_or(whole),
            line,
            column,
            split: newline.is_none() && !rest.is_empty(),
        };
        remaining = rest;
        (line, column) = if newline.is_some() {
            (line + 1, 1)
        } else {
            (line, column + length)
        };
        Some(chunk)
    })
}

/// A word with its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word<'a> {
    /// Its bytes.
    pub(crate) text: &'a [u8],
    /// Column of its first byte, from 1.
    pub(crate) column: usize,
}

impl<'a> Word<'a> {
    /// The word as text; bytes that are no UTF-8 become replacement characters.
    pub(crate) fn text(&self) -> String {
        lossy(self.text)
    }
}

/// Bytes as text; what is no UTF-8 becomes replacement characters.
pub(crate) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The words of `text`, whose first byte stands in `column`.
pub(crate) fn words<'a>(
    text: &'a [u8],
    column: usize,
    separates: impl Fn(u8) -> bool + Copy,
) -> impl Iterator<Item = Word<'a>> {
    let mut remaining = text;
    std::iter::from_fn(move || {
        let (rest, word) = next_word(remaining, separates).ok()?;
        remaining = rest;
        Some(Word {
            text: word,
            column: column + text.offset(word),
        })
    })
}

/// Skips separators and takes one word; an error at the end of the text.
fn next_word(text: &[u8], separates: impl Fn(u8) -> bool + Copy) -> IResult<&[u8], &[u8]> {
    let (text, _) = take_while(separates).parse(text)?;
    take_while1(|byte| !separates(byte)).parse(text)
}

/// Skips leading white space.
pub(crate) fn skip_white(text: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while(is_white).parse(text)
}

/// Everything before the first byte that `ends` accepts.
pub(crate) fn until(text: &[u8], ends: impl Fn(u8) -> bool) -> IResult<&[u8], &[u8]> {
    take_till(ends).parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_split_where_the_buffer_ends() {
        let text = [vec![b'x'; LINE_MAX], b"yz\nsecond\n".to_vec()].concat();
        let seen: Vec<_> = chunks(&text)
            .map(|chunk| (chunk.text.len(), chunk.line, chunk.column, chunk.split))
            .collect();
        assert_eq!(
            seen,
            [
                (LINE_MAX, 1, 1, true),
                (3, 1, LINE_MAX + 1, false),
                (7, 2, 1, false)
            ]
        );
    }

    #[test]
    fn a_line_ends_at_a_nul() {
        let seen: Vec<_> = chunks(b"one\0two\nthree").map(|chunk| chunk.text).collect();
        assert_eq!(seen, [b"one".as_slice(), b"three".as_slice()]);
    }

    #[test]
    fn words_know_their_columns() {
        let seen: Vec<_> = words(b"  a,,bc\td ", 10, is_delimiter)
            .map(|word| (word.text(), word.column))
            .collect();
        assert_eq!(
            seen,
            [("a".into(), 12), ("bc".into(), 15), ("d".into(), 18)]
        );
    }
}
