//! Why a command could not do its work.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// Why a command could not do its work.
#[derive(Debug)]
pub enum Failure {
    /// The arguments make no sense; the text says which.
    Usage(String),
    /// A file or directory could not be read, written or made.
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program could not be started.
    Start {
        /// Which.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A program said that it failed.
    Program {
        /// Which.
        program: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// The laboratory failed.
    Lab(ha_lab::LabError),
}

impl Failure {
    /// For `map_err`: an I/O error together with the path it is about.
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Failure {
        let path = path.to_owned();
        move |source| Failure::File { path, source }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text) => f.write_str(text),
            Failure::File { path, source } => write!(f, "{}: {source}", path.display()),
            Failure::Start { program, source } => write!(f, "cannot start {program}: {source}"),
            Failure::Program { program, status } => write!(f, "{program} failed: {status}"),
            Failure::Lab(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Failure::File { source, .. } | Failure::Start { source, .. } => Some(source),
            Failure::Lab(error) => Some(error),
            Failure::Usage(_) | Failure::Program { .. } => None,
        }
    }
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Failure {
        Failure::Usage(error.to_string())
    }
}

impl From<ha_lab::LabError> for Failure {
    fn from(error: ha_lab::LabError) -> Failure {
        Failure::Lab(error)
    }
}
