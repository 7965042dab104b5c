//! What a run has to say.

/// Output and exit code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// What goes to standard output.
    pub(crate) stdout: String,
    /// What goes to standard error.
    pub(crate) troubles: Vec<Trouble>,
    /// The exit code.
    pub(crate) code: u8,
}

/// One line on standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// In the form of a log line, and in syslog too.
    Logged(String),
    /// As it is.
    Printed(String),
}

/// All is well.
pub(crate) const OK: u8 = 0;
/// The answer is no, or there is none.
pub(crate) const NORMAL_FAILURE: u8 = 1;
/// The call makes no sense, or names a node that does not exist.
pub(crate) const BAD_PARAMETER: u8 = 11;
/// The daemon could not say.
pub(crate) const UNKNOWN_ERROR: u8 = 13;

impl Report {
    /// One line, or several, and the exit code.
    pub(crate) fn say(text: impl Into<String>, code: u8) -> Report {
        Report {
            stdout: text.into(),
            troubles: Vec::new(),
            code,
        }
    }

    /// Lines in the form of a log.
    pub(crate) fn logged<const N: usize>(lines: [String; N], code: u8) -> Report {
        Report {
            stdout: String::new(),
            troubles: lines.into_iter().map(Trouble::Logged).collect(),
            code,
        }
    }

    /// One line as it is.
    pub(crate) fn printed(text: &str, code: u8) -> Report {
        Report {
            stdout: String::new(),
            troubles: vec![Trouble::Printed(text.to_owned())],
            code,
        }
    }

    /// A log line, and why.
    pub(crate) fn failed(text: &str, reason: &str, code: u8) -> Report {
        Report::logged([text.to_owned(), format!("REASON: {reason}")], code)
    }
}
