//! What can go wrong in the laboratory.

use std::fmt;
use std::io;
use std::time::Duration;

/// An error of the harness, or a condition that did not come true.
#[derive(Debug)]
pub enum LabError {
    /// The machine cannot do what was asked (not root and no user namespaces, no overlay, the legacy is
    /// not installed ...). A test reports this as a skip, with the text as its reason.
    Unavailable(String),
    /// A system call or file operation failed; the text says which.
    Io(String, io::Error),
    /// A command ended badly; the text holds the command and what it printed.
    Command(String),
    /// A condition did not become true within the time given.
    Timeout(String, Duration),
    /// Something observed is not what it has to be.
    Unexpected(String),
}

impl LabError {
    /// An [`LabError::Unexpected`] from anything printable.
    pub fn unexpected(text: impl Into<String>) -> Self {
        LabError::Unexpected(text.into())
    }
}

impl fmt::Display for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LabError::Unavailable(reason) => write!(f, "not available here: {reason}"),
            LabError::Io(what, error) => write!(f, "{what}: {error}"),
            LabError::Command(text) => write!(f, "{text}"),
            LabError::Timeout(what, time) => {
                write!(f, "not within {:.1} s: {what}", time.as_secs_f64())
            }
            LabError::Unexpected(text) => write!(f, "{text}"),
        }
    }
}

impl std::error::Error for LabError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LabError::Io(_, error) => Some(error),
            _ => None,
        }
    }
}

/// Adds what was being done to an error of the system.
pub(crate) trait Doing<T> {
    /// Turns the error into [`LabError::Io`] with a description, which is only built on failure.
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, LabError>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, LabError> {
        self.map_err(|error| LabError::Io(what(), error.into()))
    }
}
