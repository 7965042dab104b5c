//! What an operation says while it runs.

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Somebody has to act.
    Crit,
    /// Something failed.
    Error,
    /// Something is odd.
    Warn,
    /// Ordinary.
    Info,
}

impl Level {
    /// The word in front of a line: `CRIT`, `ERROR`, `WARN`, `info`.
    pub fn word(self) -> &'static str {
        match self {
            Level::Crit => "CRIT",
            Level::Error => "ERROR",
            Level::Warn => "WARN",
            Level::Info => "info",
        }
    }

    /// Reads that word.
    pub fn from_word(word: &str) -> Option<Level> {
        [Level::Crit, Level::Error, Level::Warn, Level::Info]
            .into_iter()
            .find(|level| level.word() == word)
    }
}

/// Where lines go, at once: a human being may be waiting for them.
pub type Say<'a> = dyn FnMut(Level, &str) + 'a;
