//! What becomes of a line, and how that is said.

use super::value::yes_no;
use crate::diagnostic::{Diagnostic, Severity};

/// What became of a line.
pub(super) enum Taken {
    /// A directive, understood; perhaps there is something to say about it.
    Yes(Vec<Diagnostic>),
    /// No directive that may stand here.
    Unknown,
    /// A directive with a value that is refused.
    Refused(Diagnostic),
}

/// A value, or why it is refused.
pub(super) type Result<T> = std::result::Result<T, Diagnostic>;

/// An error in the words of the legacy.
pub(super) fn refuse(code: &'static str, message: impl Into<String>) -> Diagnostic {
    Diagnostic::legacy(Severity::Error, code, message)
}

/// A warning in the words of the legacy.
pub(super) fn warn(code: &'static str, message: impl Into<String>) -> Diagnostic {
    Diagnostic::legacy(Severity::Warn, code, message)
}

/// A warning of ours.
pub(super) fn remark(code: &'static str, message: impl Into<String>) -> Diagnostic {
    Diagnostic::ours(Severity::Warn, code, message)
}

impl From<Result<()>> for Taken {
    fn from(result: Result<()>) -> Taken {
        match result {
            Ok(()) => Taken::Yes(Vec::new()),
            Err(diagnostic) => Taken::Refused(diagnostic),
        }
    }
}

/// Exactly `yes` or `no`.
pub(super) fn yes_or_no(keyword: &str, value: &[u8]) -> Result<bool> {
    yes_no(value).ok_or_else(|| refuse("yes-or-no", format!("{keyword} must be 'yes' or 'no'")))
}
