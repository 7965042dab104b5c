//! What to do about a line that is no directive: the mistakes that people make.

use super::table::{DIRECTIVES, Directive, Place, Since};
use super::value::{is_space, is_word, leading};

/// Advice on a line that is unknown outside of sections. `after_section`: there was a section before it.
pub(super) fn on_global(line: &[u8], after_section: bool) -> Option<String> {
    let indented = line.first().is_some_and(|byte| is_space(*byte));
    let place = if indented && after_section {
        Place::Section
    } else {
        Place::Global
    };
    let content = line.trim_ascii_start();
    let known = by_name(content);
    let belongs_to_section = known.is_some_and(|known| known.place == Place::Section);
    match (indented, after_section) {
        (true, true) => Some(
            "an empty line, one of four blanks, or one with less indentation ends a virtual section"
                .to_owned(),
        ),
        (true, false) if !belongs_to_section => {
            Some("a global directive must begin in the first column".to_owned())
        }
        (false, true) if belongs_to_section => {
            Some("lines of a virtual section must begin with a tab or four blanks".to_owned())
        }
        _ if belongs_to_section => {
            Some("this directive belongs into a virtual section, indented".to_owned())
        }
        _ => on_words(content, place),
    }
}

/// Advice on a line that is unknown in a section; without its indentation.
pub(super) fn on_section(content: &[u8]) -> Option<String> {
    let content = content.trim_ascii_start();
    if content.is_empty() {
        return Some("a line of blanks inside a virtual section is an error: remove it".to_owned());
    }
    match by_name(content) {
        Some(known) if known.place == Place::Global => Some(
            "this directive belongs outside of virtual sections, in the first column".to_owned(),
        ),
        _ => on_words(content, Place::Section),
    }
}

/// Advice on how it is written.
fn on_words(content: &[u8], place: Place) -> Option<String> {
    let word = leading(content, is_word);
    let Some(known) = by_name(content) else {
        return similar(word, place).map(|similar| format!("did you mean {}?", similar.name));
    };
    let after = content.get(word.len()..).unwrap_or_default();
    let value = after.trim_ascii_start().strip_prefix(b"=");
    match value.map(<[u8]>::trim_ascii) {
        None => Some(format!("{} needs a \"=\" and a value", known.name)),
        Some(value) if known.value.starts_with('"') => match value {
            b"" | b"\"\"" => Some(format!("{} needs a value in double quotes", known.name)),
            [b'"', rest @ ..] if !rest.contains(&b'"') => Some(
                "the closing quote is missing; in a section # begins a comment, also inside quotes"
                    .to_owned(),
            ),
            _ => Some(format!(
                "the value of {} must be in double quotes",
                known.name
            )),
        },
        _ => None,
    }
}

/// The directive with exactly this name.
fn by_name(content: &[u8]) -> Option<&'static Directive> {
    let word = leading(content, is_word);
    DIRECTIVES
        .iter()
        .find(|directive| directive.name.as_bytes() == word)
}

/// The one directive for this place that differs by case, or by at most two letters.
fn similar(word: &[u8], place: Place) -> Option<&'static Directive> {
    // Longer than any directive: no need to compare.
    if word.len() > 24 {
        return None;
    }
    let word = word.to_ascii_lowercase();
    DIRECTIVES
        .iter()
        .filter(|directive| directive.since != Since::Refused)
        .filter(|directive| directive.place == place || directive.place == Place::Both)
        .map(|directive| (distance(&word, directive.name.as_bytes()), directive))
        .filter(|(distance, directive)| *distance <= 2 && *distance * 3 <= directive.name.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, directive)| directive)
}

/// Levenshtein's distance.
fn distance(one: &[u8], other: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, byte) in one.iter().enumerate() {
        let mut diagonal = at;
        let mut left = at + 1;
        for (cell, wanted) in row.iter_mut().skip(1).zip(other) {
            let replaced = diagonal + usize::from(byte != wanted);
            diagonal = *cell;
            left = replaced.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = at + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance(b"quiescent", b"quiescent"), 0);
        assert_eq!(distance(b"quiecsent", b"quiescent"), 2);
        assert_eq!(distance(b"", b"real"), 4);
        assert_eq!(distance(b"reals", b"real"), 1);
    }

    #[test]
    fn what_is_advised() {
        let global = |line: &str| on_global(line.as_bytes(), false).unwrap_or_default();
        let section = |line: &str| on_section(line.as_bytes()).unwrap_or_default();
        assert_eq!(global("Quiescent=yes"), "did you mean quiescent?");
        assert_eq!(global("chekinterval=5"), "did you mean checkinterval?");
        assert_eq!(
            global("checktimeout 3"),
            "checktimeout needs a \"=\" and a value"
        );
        assert_eq!(
            global("logfile=/x"),
            "the value of logfile must be in double quotes"
        );
        assert_eq!(
            global("real=10.0.0.1 gate"),
            "this directive belongs into a virtual section, indented"
        );
        assert_eq!(
            global("    fork=no"),
            "a global directive must begin in the first column"
        );
        assert_eq!(global("frobnicate=1"), "");
        assert_eq!(
            on_global(b"real=10.0.0.1 gate", true).unwrap(),
            "lines of a virtual section must begin with a tab or four blanks"
        );
        assert!(
            on_global(b"    checktype=off", true)
                .unwrap()
                .contains("ends a virtual section")
        );
        assert_eq!(
            section("receive='x'"),
            "the value of receive must be in double quotes"
        );
        assert!(section("request=\"a").contains("closing quote"));
        assert!(section("fork=no").contains("outside of virtual sections"));
        assert_eq!(section("recieve=\"x\""), "did you mean receive?");
    }
}
