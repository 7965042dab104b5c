//! ha.cf as written: which directive stands on a line, and what follows it (`config-files.md` 2).
//!
//! All lexical quirks live here: the `#` that cannot be escaped, the comma that separates words but does not end a
//! directive's name, the long line that becomes two.

use nom::{IResult, Parser, combinator::verify};

use crate::diagnostic::Span;
use crate::lines::{Chunk, Word, chunks, is_delimiter, is_white, skip_white, until, words};

/// One line with a directive on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WrittenLine<'a> {
    /// Physical line, from 1.
    pub(crate) line: usize,
    /// The directive's name, whatever it is.
    pub(crate) name: Word<'a>,
    /// Everything after the name and the delimiters that follow it, up to the comment or the end of the line.
    pub(crate) rest: Word<'a>,
    /// The line goes on beyond the buffer: what follows will be taken for another line.
    pub(crate) split: bool,
}

impl<'a> WrittenLine<'a> {
    /// The words of an option directive.
    pub(crate) fn option_words(&self) -> impl Iterator<Item = Word<'a>> + use<'a> {
        words(self.rest.text, self.rest.column, is_delimiter)
    }

    /// The place of a word of this line.
    pub(crate) fn span_of(&self, file: &str, word: &Word<'_>) -> Span {
        Span {
            file: file.into(),
            line: self.line,
            column: word.column,
        }
    }
}

/// All lines of a file that carry a directive.
pub(crate) fn written_lines(bytes: &[u8]) -> impl Iterator<Item = WrittenLine<'_>> {
    chunks(bytes).filter_map(|chunk| written_line(&chunk))
}

fn written_line<'a>(chunk: &Chunk<'a>) -> Option<WrittenLine<'a>> {
    let (_, (name, rest)) = directive(chunk.text).ok()?;
    Some(WrittenLine {
        line: chunk.line,
        name: Word {
            text: name,
            column: chunk.column_of(name),
        },
        rest: Word {
            text: rest,
            column: chunk.column_of(rest),
        },
        split: chunk.split,
    })
}

/// `white* name white-or-comma* rest`, all of it before the first `#`, CR or LF. Fails on a line without a name.
fn directive(line: &[u8]) -> IResult<&[u8], (&[u8], &[u8])> {
    let (line, _) = skip_white(line)?;
    let (_, line) = until(line, |byte| matches!(byte, b'#' | b'\r' | b'\n'))?;
    let (line, name) =
        verify(|text| until(text, is_white), |name: &[u8]| !name.is_empty()).parse(line)?;
    let (rest, _) = nom::bytes::complete::take_while(is_delimiter).parse(line)?;
    Ok((&[], (name, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> Vec<(usize, String, String)> {
        written_lines(text.as_bytes())
            .map(|line| (line.line, line.name.text(), line.rest.text()))
            .collect()
    }

    #[test]
    fn a_comment_starts_anywhere() {
        assert_eq!(
            seen("keepalive 2#x\n #\n\n#y"),
            [(1, "keepalive".into(), "2".into())]
        );
    }

    #[test]
    fn only_white_space_ends_a_name() {
        assert_eq!(
            seen("keepalive,2\n, keepalive 2"),
            [
                (1, "keepalive,2".into(), String::new()),
                (2, ",".into(), "keepalive 2".into()),
            ]
        );
    }

    #[test]
    fn delimiters_after_the_name_vanish_but_trailing_blanks_stay() {
        assert_eq!(
            seen("\t\x0cnode\t,, a b \r\n"),
            [(1, "node".into(), "a b ".into())]
        );
    }

    #[test]
    fn a_comma_separates_the_words_of_an_option() {
        let line = written_lines(b"bcast eth0,eth1 x").next().unwrap();
        let words: Vec<_> = line
            .option_words()
            .map(|word| (word.text(), word.column))
            .collect();
        assert_eq!(
            words,
            [("eth0".into(), 7), ("eth1".into(), 12), ("x".into(), 17)]
        );
    }
}
