//! Diagnostics are data: severity, code, text, place and advice.
//!
//! The legacy reports a configuration mistake with a text that operators and scripts search for, or with no text at all.
//! A [`Diagnostic`] keeps the legacy's text untouched in [`Diagnostic::message`]; where it stands in the file and what to
//! do about it are separate fields, so that a log, a terminal or a checking tool can show as much as it likes.

use std::fmt;

/// How bad a diagnostic is; the names are the legacy's log levels (`install-and-cli.md` 9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// `CRIT`
    Crit,
    /// `ERROR`
    Error,
    /// `WARN`
    Warn,
    /// `notice`
    Notice,
    /// `info`
    Info,
    /// `debug`
    Debug,
}

impl Severity {
    /// The word that the legacy writes in front of a message of this level.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Crit => "CRIT",
            Severity::Error => "ERROR",
            Severity::Warn => "WARN",
            Severity::Notice => "notice",
            Severity::Info => "info",
            Severity::Debug => "debug",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.word())
    }
}

/// A place in a configuration file. Lines and columns count from 1, columns in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The file as named to the parser, for example `/etc/ha.d/ha.cf`.
    pub file: String,
    /// Physical line.
    pub line: usize,
    /// Byte column of the offending word.
    pub column: usize,
}

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Whose words a diagnostic speaks, and so how it is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A text of the legacy, to be logged unchanged.
    Legacy,
    /// A text that the legacy prints on standard error without logging it and without a newline (`config-files.md` 4).
    LegacyStderr,
    /// Ours: the legacy refuses or accepts the same thing in silence.
    Ours,
}

/// One thing to tell the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A short stable name of the rule, such as `deadtime-too-small`.
    pub code: &'static str,
    /// The text; the legacy's exact one where [`Diagnostic::origin`] says so.
    pub message: String,
    /// Where the reason stands, when it stands in a file.
    pub span: Option<Span>,
    /// What to do about it.
    pub advice: Option<String>,
    /// Whose words these are.
    pub origin: Origin,
}

impl Diagnostic {
    /// A text of the legacy at `severity`.
    pub fn legacy(severity: Severity, code: &'static str, message: impl Into<String>) -> Self {
        Diagnostic {
            severity,
            code,
            message: message.into(),
            span: None,
            advice: None,
            origin: Origin::Legacy,
        }
    }

    /// A text of ours at `severity`.
    pub fn ours(severity: Severity, code: &'static str, message: impl Into<String>) -> Self {
        Diagnostic {
            origin: Origin::Ours,
            ..Diagnostic::legacy(severity, code, message)
        }
    }

    /// A text that the legacy prints on standard error only.
    pub fn stderr(severity: Severity, code: &'static str, message: impl Into<String>) -> Self {
        Diagnostic {
            origin: Origin::LegacyStderr,
            ..Diagnostic::legacy(severity, code, message)
        }
    }

    /// The same diagnostic with a place.
    pub fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// The same diagnostic with advice.
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// The texts to log for this diagnostic, one log line each.
    ///
    /// A legacy text comes first and alone, so that whatever searches for it finds it. Where it stands and our advice
    /// follow on a line of their own, `/etc/ha.d/ha.cf:12:9: advice`; an error without advice gives that of its rule. A text of ours is one line that begins with its place.
    pub fn lines(&self) -> Vec<String> {
        let place = self
            .span
            .as_ref()
            .map(|span| format!("{span}: "))
            .unwrap_or_default();
        if self.origin == Origin::Ours {
            return vec![match &self.advice {
                Some(advice) => format!("{place}{} ({advice})", self.message),
                None => format!("{place}{}", self.message),
            }];
        }
        let mut lines = vec![self.message.clone()];
        match &self.advice {
            Some(advice) => lines.push(format!("{place}{advice}")),
            None if self.span.is_some() && self.severity <= Severity::Error => {
                lines.push(format!("{place}{}", advice_of_rule(self.code)));
            }
            None => {}
        }
        lines
    }
}

/// What helps with every mistake of a kind.
fn advice_of_rule(code: &str) -> &'static str {
    match code {
        "illegal-directive" => "ha.cf(5) lists all directives",
        "bad-autojoin" => "expected none, other or any",
        "bad-compression" => "expected zlib or bz2",
        "bad-coreroot" => "expected a directory that is there",
        "bad-hbgenmethod" => "expected file or time",
        "bad-logfacility" => {
            "expected a facility of syslog in small letters, such as local0, or none"
        }
        "bad-max-rexmit-delay" => "expected a number of milliseconds above zero",
        "bad-rtprio" => "expected 1 to 99",
        "bad-uuidfrom" => "expected file or nodename",
        "bad-boolean" | "bad-traditional-compression" => {
            "expected true on yes y 1, or false off no n 0"
        }
        "bad-compression-threshold" => "expected a number of KiB above zero",
        "bad-env" => "expected NAME=VALUE",
        "medium-field" | "medium-incomplete" | "ucast-incomplete" | "medium-interface"
        | "mcast-interface" => "ha.cf(5) tells what this medium takes",
        "nice-failback-obsolete" => "auto_failback takes its place",
        "too-many-media" => "not more than 64",
        "stonith-incomplete" => "ha.cf(5) shows a complete line",
        "stonith-type" => "there is no such type; \"stonith -L\" lists them",
        _ => "this is the line",
    }
}

impl fmt::Display for Diagnostic {
    /// One line for terminals and tests: `ERROR place: message (advice)`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ", self.severity)?;
        if let Some(span) = &self.span {
            write!(out, "{span}: ")?;
        }
        out.write_str(&self.message)?;
        match &self.advice {
            Some(advice) => write!(out, " ({advice})"),
            None => Ok(()),
        }
    }
}

/// What a parser makes of one file: a value when the file is acceptable, and everything there is to say either way.
#[derive(Clone, Debug)]
pub struct Parsed<T> {
    /// The value, or none when the file is refused.
    pub value: Option<T>,
    /// In the order in which the legacy would have spoken.
    pub diagnostics: Vec<Diagnostic>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_legacy_text_stands_alone_on_its_line() {
        let span = Span {
            file: "ha.cf".into(),
            line: 12,
            column: 9,
        };
        let said = Diagnostic::legacy(
            Severity::Error,
            "bad-rtprio",
            "Illegal realtime priority [0]",
        )
        .at(span.clone());
        assert_eq!(
            said.lines(),
            [
                "Illegal realtime priority [0]",
                "ha.cf:12:9: expected 1 to 99"
            ]
        );
        let advised = said.advise("expected 1 to 98");
        assert_eq!(
            advised.lines(),
            [
                "Illegal realtime priority [0]",
                "ha.cf:12:9: expected 1 to 98"
            ]
        );
        assert_eq!(
            advised.to_string(),
            "ERROR ha.cf:12:9: Illegal realtime priority [0] (expected 1 to 98)"
        );
        let warning = Diagnostic::legacy(
            Severity::Warn,
            "logd-disabled",
            "Logging daemon is disabled",
        )
        .at(span.clone());
        assert_eq!(warning.lines(), ["Logging daemon is disabled"]);
        let ours = Diagnostic::ours(Severity::Error, "bad-value", "bad value [x]").at(span);
        assert_eq!(ours.lines(), ["ha.cf:12:9: bad value [x]"]);
    }
}
