//! Lines for the log, as the legacy's scripts write them.

use std::fmt;

/// One line, with the program whose name the legacy's log shows in front of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// `ResourceManager`, `mach_down`, `harc`, ...
    pub program: &'static str,
    /// Decides the word in front of the text.
    pub severity: Severity,
    /// The text, without that word.
    pub text: String,
}

impl LogLine {
    /// A line.
    pub fn new(program: &'static str, severity: Severity, text: impl Into<String>) -> Self {
        LogLine {
            program,
            severity,
            text: text.into(),
        }
    }

    /// The line that `harc` writes before it runs a handler (`resource-protocol.md` 4.1). For the daemon, which runs
    /// the stock handlers itself.
    pub fn harc(handler: &str, kind: &str) -> Self {
        LogLine::new("harc", Severity::Info, format!("Running {handler} {kind}"))
    }

    /// The line of the handler `ip-request-resp` (`resource-protocol.md` 2.4.5).
    pub fn received_response(key: &str, ok: &str, we_own: &str) -> Self {
        LogLine::new(
            "ip-request-resp",
            Severity::Plain,
            format!("received ip-request-resp {key} {ok} {we_own}"),
        )
    }
}

/// The line's text as scripts write it: `info: Running ...`, `CRIT: Giving up ...`.
impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.severity.prefix(), self.text)
    }
}

/// How grave a line is. Scripts have no levels; they begin the text with a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// `CRITICAL: `, used by the idle check alone.
    Critical,
    /// `CRIT: `
    Crit,
    /// `ERROR: `
    Error,
    /// `WARN: `
    Warn,
    /// `info: `
    Info,
    /// No word at all.
    Plain,
    /// `debug: `; written only when debugging is on, and only to the debug log.
    Debug,
}

impl Severity {
    /// The word with its colon and blank.
    pub fn prefix(self) -> &'static str {
        match self {
            Severity::Critical => "CRITICAL: ",
            Severity::Crit => "CRIT: ",
            Severity::Error => "ERROR: ",
            Severity::Warn => "WARN: ",
            Severity::Info => "info: ",
            Severity::Plain => "",
            Severity::Debug => "debug: ",
        }
    }
}
