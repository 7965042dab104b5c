//! What an agent answers.

use ha_net::Announcement;

/// Return codes of OCF agents.
pub mod ocf {
    /// Done, or: it runs.
    pub const SUCCESS: i32 = 0;
    /// It failed.
    pub const GENERIC: i32 = 1;
    /// The arguments are wrong.
    pub const ARGUMENTS: i32 = 2;
    /// Nothing that does it is installed.
    pub const INSTALLED: i32 = 5;
    /// Only root may.
    pub const PERMISSION: i32 = 4;
    /// The configuration is wrong.
    pub const CONFIGURED: i32 = 6;
    /// It does not run.
    pub const NOT_RUNNING: i32 = 7;
    /// What `ifconfig` ends with when the kernel refuses.
    pub(crate) const IFCONFIG: i32 = 255;
}

/// The whole answer of one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentResult {
    /// The script's exit code: 0 is success, 7 "not running", else an error.
    pub code: i32,
    /// The lines on standard output, the closing one included (`INFO:  Success`).
    pub stdout: Vec<String>,
    /// The lines that helper programs of the legacy leave on standard error.
    pub stderr: Vec<String>,
    /// The lines for the log, in order, the closing one included.
    pub log: Vec<AgentLine>,
    /// Set when the address was added: what the neighbours must be told from now on.
    pub announce: Option<Announcement>,
}

impl AgentResult {
    /// Standard output as one text, for [`crate::judge_status`].
    pub fn output(&self) -> String {
        self.stdout
            .iter()
            .flat_map(|line| [line.as_str(), "\n"])
            .collect()
    }
}

/// One line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentLine {
    /// How grave.
    pub level: AgentLevel,
    /// The text with the word in front, as operators grep for it: `INFO: eval ifconfig ...`.
    pub text: String,
}

/// How grave a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentLevel {
    /// `ERROR`
    Error,
    /// `WARNING`
    Warning,
    /// `INFO`
    Info,
    /// `DEBUG`: to the debug log only.
    Debug,
}

impl AgentLevel {
    fn word(self) -> &'static str {
        match self {
            AgentLevel::Error => "ERROR",
            AgentLevel::Warning => "WARNING",
            AgentLevel::Info => "INFO",
            AgentLevel::Debug => "DEBUG",
        }
    }
}

/// The kind of operation, which decides the word for success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `start`, `stop`.
    Change,
    /// `status`, `monitor`.
    Question,
}

/// The line with which every stock script ends, for standard output and the log alike, and the script's exit code, from
/// its agent's return code (`resource-scripts.md` 1.3). An unset variable of the legacy leaves the second blank.
pub fn closing_line(kind: Kind, code: i32) -> (AgentLine, i32) {
    let (level, text) = match (code, kind) {
        (0, Kind::Question) => (AgentLevel::Info, "Running OK".to_owned()),
        (0, Kind::Change) => (AgentLevel::Info, "Success".to_owned()),
        (1, _) => (AgentLevel::Error, "Generic error".to_owned()),
        (2, _) => (AgentLevel::Error, "Illegal argument".to_owned()),
        (3, _) => (AgentLevel::Error, "Function unimplemented".to_owned()),
        (4, _) => (
            AgentLevel::Error,
            "User had insufficient privilege".to_owned(),
        ),
        (5, _) => (AgentLevel::Error, "Program is not installed".to_owned()),
        (6, _) => (AgentLevel::Error, "Program is not configured".to_owned()),
        (7, _) => (AgentLevel::Info, "Resource is stopped".to_owned()),
        (other, _) => (AgentLevel::Error, format!("Unknown error: {other}")),
    };
    let text = format!("{}:  {text}", level.word());
    let exit = if (0..=7).contains(&code) { code } else { 1 };
    (AgentLine { level, text }, exit)
}

/// An answer in the making.
#[derive(Debug, Default)]
pub(crate) struct Report {
    stdout: Vec<String>,
    stderr: Vec<String>,
    log: Vec<AgentLine>,
    pub(crate) announce: Option<Announcement>,
}

impl Report {
    pub(crate) fn log(&mut self, level: AgentLevel, text: impl AsRef<str>) {
        let text = format!("{}: {}", level.word(), text.as_ref());
        self.log.push(AgentLine { level, text });
    }

    pub(crate) fn error(&mut self, text: impl AsRef<str>) {
        self.log(AgentLevel::Error, text);
    }

    pub(crate) fn warning(&mut self, text: impl AsRef<str>) {
        self.log(AgentLevel::Warning, text);
    }

    pub(crate) fn info(&mut self, text: impl AsRef<str>) {
        self.log(AgentLevel::Info, text);
    }

    pub(crate) fn debug(&mut self, text: impl AsRef<str>) {
        self.log(AgentLevel::Debug, text);
    }

    pub(crate) fn print(&mut self, line: impl Into<String>) {
        self.stdout.push(line.into());
    }

    pub(crate) fn complain(&mut self, line: impl Into<String>) {
        self.stderr.push(line.into());
    }

    /// Adds the closing line, which goes to standard output and to the log ([`closing_line`]).
    pub(crate) fn finish(mut self, kind: Kind, code: i32) -> AgentResult {
        let (line, code) = closing_line(kind, code);
        let level = line.level;
        let line = line.text;
        self.stdout.push(line.clone());
        self.log.push(AgentLine { level, text: line });
        AgentResult {
            code,
            stdout: self.stdout,
            stderr: self.stderr,
            log: self.log,
            announce: self.announce,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_and_exit_codes() {
        for (code, kind, line, exit) in [
            (0, Kind::Question, "INFO:  Running OK", 0),
            (0, Kind::Change, "INFO:  Success", 0),
            (1, Kind::Change, "ERROR:  Generic error", 1),
            (2, Kind::Change, "ERROR:  Illegal argument", 2),
            (3, Kind::Change, "ERROR:  Function unimplemented", 3),
            (
                4,
                Kind::Change,
                "ERROR:  User had insufficient privilege",
                4,
            ),
            (5, Kind::Change, "ERROR:  Program is not installed", 5),
            (6, Kind::Change, "ERROR:  Program is not configured", 6),
            (7, Kind::Question, "INFO:  Resource is stopped", 7),
            (255, Kind::Change, "ERROR:  Unknown error: 255", 1),
            (8, Kind::Question, "ERROR:  Unknown error: 8", 1),
            (-1, Kind::Change, "ERROR:  Unknown error: -1", 1),
        ] {
            let result = Report::default().finish(kind, code);
            assert_eq!(
                (result.code, result.stdout.as_slice()),
                (exit, &[line.to_owned()][..])
            );
            assert_eq!(result.log.last().map(|line| line.text.as_str()), Some(line));
            assert_eq!(result.output(), format!("{line}\n"));
        }
    }
}
