//! `receive`: a Perl regular expression over bytes (`ldirectord.md` 6.5).
//!
//! Nearly all of them are for an engine whose time is linear in the text, whatever the pattern. Look-around,
//! back-references and possessive quantifiers, which nobody seems to use, are for one that goes back and tries again, but
//! only so often.

mod places;
mod translation;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use self::translation::{Engine, translate};

/// Longer ones are refused.
const LENGTH_MAX: usize = 16 * 1024;

/// Most memory for one compiled pattern, in bytes.
const SIZE_MAX: usize = 2 << 20;

/// Steps back after which a text counts as not matching.
const BACKTRACK_MAX: usize = 200_000;

/// So many compiled patterns are remembered.
const REMEMBERED_MAX: usize = 16 * 1024;

/// A compiled `receive`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pattern(Arc<Compiled>);

#[derive(Debug)]
enum Compiled {
    Linear(regex::bytes::Regex),
    Backtracking(fancy_regex::Regex),
}

/// A `receive` that cannot be used; why. Displayed, it goes on after `receive "..." is `.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// It is no regular expression in Perl either.
    Invalid(String),
    /// Perl may take it, the engines here do not, or it is too large for them.
    Unsupported(String),
}

thread_local! {
    static REMEMBERED: RefCell<HashMap<Vec<u8>, Result<Pattern, PatternError>>> = RefCell::default();
}

impl Pattern {
    /// Compiles. The same text is compiled once and remembered, since every check of a server asks again.
    ///
    /// # Errors
    /// See [`PatternError`].
    pub fn compile(receive: &[u8]) -> Result<Pattern, PatternError> {
        REMEMBERED.with_borrow_mut(|remembered| {
            if let Some(known) = remembered.get(receive) {
                return known.clone();
            }
            if remembered.len() >= REMEMBERED_MAX {
                remembered.clear();
            }
            let compiled = compile(receive).map(|compiled| Pattern(Arc::new(compiled)));
            remembered.insert(receive.to_vec(), compiled.clone());
            compiled
        })
    }

    /// As [`Pattern::compile`], to know whether it can be done: nothing is remembered, for whoever reads a file asks once
    /// and may be another thread than the checks.
    ///
    /// # Errors
    /// See [`PatternError`].
    pub fn try_out(receive: &[u8]) -> Result<(), PatternError> {
        compile(receive).map(|_| ())
    }

    /// Whether it matches anywhere in the text.
    pub fn matches(&self, text: &[u8]) -> bool {
        match &*self.0 {
            Compiled::Linear(regex) => regex.is_match(text),
            Compiled::Backtracking(regex) => {
                let text: String = text.iter().copied().map(char::from).collect();
                regex.is_match(&text).unwrap_or(false)
            }
        }
    }
}

fn compile(receive: &[u8]) -> Result<Compiled, PatternError> {
    if receive.len() > LENGTH_MAX {
        let text = format!("more than {LENGTH_MAX} bytes");
        return Err(PatternError::Unsupported(text));
    }
    let (engine, text) = translate(receive)?;
    match engine {
        Engine::Linear => regex::bytes::RegexBuilder::new(&text)
            .unicode(false)
            .size_limit(SIZE_MAX)
            .dfa_size_limit(SIZE_MAX)
            .nest_limit(100)
            .build()
            .map(Compiled::Linear)
            .map_err(refused),
        Engine::Backtracking => fancy_regex::RegexBuilder::new(&text)
            .backtrack_limit(BACKTRACK_MAX)
            .delegate_size_limit(SIZE_MAX)
            .delegate_dfa_size_limit(SIZE_MAX)
            .build()
            .map(Compiled::Backtracking)
            .map_err(refused),
    }
}

/// The translation found nothing wrong, so the engine cannot do it. It points with an arrow on lines of its own, for which
/// a log line has no room.
fn refused(error: impl fmt::Display) -> PatternError {
    let text = error.to_string();
    PatternError::Unsupported(text.lines().last().unwrap_or_default().trim().to_owned())
}

impl fmt::Display for PatternError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PatternError::Invalid(why) => write!(out, "not a valid regular expression: {why}"),
            PatternError::Unsupported(why) => {
                write!(out, "not usable here as a regular expression: {why}")
            }
        }
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests;
