//! logd.cf: where the logging daemon writes (`install-and-cli.md` 10).
//!
//! The lines are those of ha.cf, with two differences: names of directives are compared without regard to case, and only
//! the first word after the name counts. A line that makes no sense is told, the rest is read all the same, and the file
//! is refused.

use crate::diagnostic::{Diagnostic, Parsed, Severity, Span};
use crate::ha_cf::model::Facility;
use crate::ha_cf::value::{boolean, integer};
use crate::ha_cf::written::{WrittenLine, written_lines};
use crate::lines::Word;

/// What the daemon calls itself.
const ENTITY: &str = "logd";

/// Longest name that a record has room for, in octets (`client-api.md` 9).
const ENTITY_MAX: usize = 63;

/// Records that may wait on either side of the legacy's two processes.
const QUEUE: u32 = 128;

/// The most records that may wait on a side, whatever the file says.
const QUEUE_MAX: u32 = 16 * 1024;

/// The logging daemon's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogdCf {
    /// `debugfile`: everything.
    pub debugfile: Option<String>,
    /// `logfile`: everything but debug lines.
    pub logfile: Option<String>,
    /// `logfacility`: the facility at syslog; none for `none`.
    pub facility: Option<Facility>,
    /// `entity`: the daemon's name in its own lines.
    pub entity: String,
    /// `useapphbd`; accepted without effect.
    pub use_apphbd: bool,
    /// `sendqlen`: records that may wait, at most 16384.
    pub send_queue: u32,
    /// `recvqlen`: the same on the other side; they add up, since ours has one side only.
    pub receive_queue: u32,
    /// `logmode`: permission bits of files that are made.
    pub mode: u32,
    /// `syslogmsgfmt`: files in the style of syslog.
    pub syslog_style: bool,
    /// `syslogprefix` (cluster-glue): a name in front of every line at syslog.
    pub syslog_prefix: Option<String>,
}

impl Default for LogdCf {
    /// What holds without a file: everything to syslog's `daemon`.
    fn default() -> Self {
        LogdCf {
            debugfile: None,
            logfile: None,
            facility: Facility::from_name("daemon"),
            entity: ENTITY.into(),
            use_apphbd: false,
            send_queue: QUEUE,
            receive_queue: QUEUE,
            mode: 0o644,
            syslog_style: false,
            syslog_prefix: None,
        }
    }
}

/// Reads logd.cf. `file` is its name, for the texts.
pub fn parse_logd_cf(bytes: &[u8], file: &str) -> Parsed<LogdCf> {
    let mut reading = Reading {
        file: file.to_owned(),
        meant: LogdCf::default(),
        diagnostics: Vec::new(),
        refused: false,
    };
    for line in written_lines(bytes) {
        reading.read_line(&line);
    }
    Parsed {
        value: (!reading.refused).then_some(reading.meant),
        diagnostics: reading.diagnostics,
    }
}

/// Takes the first word after a directive's name; empty if there is none.
type Handler = fn(&mut Reading, &Value<'_>);

/// The directives, in lower case.
const DIRECTIVES: &[(&str, Handler)] = &[
    ("debugfile", |reading, value| {
        reading.meant.debugfile = reading.file_name("debug file", value);
    }),
    ("logfile", |reading, value| {
        reading.meant.logfile = reading.file_name("log file", value);
    }),
    ("logfacility", Reading::facility),
    ("entity", Reading::entity),
    ("useapphbd", Reading::use_apphbd),
    ("sendqlen", |reading, value| {
        if let Some(length) = reading.queue("send", value) {
            reading.meant.send_queue = length;
        }
    }),
    ("recvqlen", |reading, value| {
        if let Some(length) = reading.queue("recv", value) {
            reading.meant.receive_queue = length;
        }
    }),
    ("logmode", Reading::mode),
    ("syslogmsgfmt", Reading::syslog_style),
    ("syslogprefix", Reading::syslog_prefix),
];

/// A directive's value and its place.
struct Value<'a> {
    word: Word<'a>,
    span: Span,
}

struct Reading {
    file: String,
    meant: LogdCf,
    diagnostics: Vec<Diagnostic>,
    refused: bool,
}

impl Reading {
    fn read_line(&mut self, line: &WrittenLine<'_>) {
        let known = DIRECTIVES
            .iter()
            .find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(line.name.text));
        let Some((_, handler)) = known else {
            let message = format!("Illegal directive [{}] in {}", line.name.text(), self.file);
            let names: Vec<&str> = DIRECTIVES.iter().map(|(name, _)| *name).collect();
            self.refuse(
                Diagnostic::stderr(Severity::Error, "illegal-directive", message)
                    .at(line.span_of(&self.file, &line.name))
                    .advise(format!("the directives are {}", names.join(", "))),
            );
            return;
        };
        let nothing = Word {
            text: &[],
            column: line.rest.column,
        };
        let mut words = line.option_words();
        let word = words.next().unwrap_or(nothing);
        let span = line.span_of(&self.file, &word);
        handler(self, &Value { word, span });
        if let Some(more) = words.next() {
            let message = format!("only the first word counts, \"{}\" is ignored", more.text());
            let said = Diagnostic::ours(Severity::Warn, "more-than-one-value", message);
            self.diagnostics
                .push(said.at(line.span_of(&self.file, &more)));
        }
    }

    fn file_name(&mut self, what: &str, value: &Value<'_>) -> Option<String> {
        let name = value.word.text();
        self.inform(format!("setting {what} to {name}"));
        if name.is_empty() {
            let message = format!("no name is given, so there is no {what}");
            let said = Diagnostic::ours(Severity::Warn, "no-file-name", message);
            self.diagnostics.push(said.at(value.span.clone()));
            return None;
        }
        Some(name)
    }

    fn facility(&mut self, value: &Value<'_>) {
        let name = value.word.text();
        match Facility::from_name(&name) {
            Some(facility) => {
                self.inform(format!("setting log facility to {name}"));
                self.meant.facility = facility.code().map(|_| facility);
            }
            None => self.refuse_ours(
                "bad-logfacility",
                format!("\"{name}\" is no syslog facility"),
                "write none, or a name such as daemon or local0, in lower case",
                value,
            ),
        }
    }

    fn entity(&mut self, value: &Value<'_>) {
        let name = value.word.text();
        let kept = name.get(..name.floor_char_boundary(ENTITY_MAX));
        match kept {
            Some(kept) if kept.len() < name.len() => {
                let text = format!("setting entity to {kept} (truncated from {name})");
                let said = Diagnostic::legacy(Severity::Warn, "long-entity", text);
                self.diagnostics.push(said.at(value.span.clone()));
                self.meant.entity = kept.into();
            }
            _ => {
                self.inform(format!("setting entity to {name}"));
                self.meant.entity = name;
            }
        }
    }

    fn use_apphbd(&mut self, value: &Value<'_>) {
        match value.word.text {
            b"yes" => self.meant.use_apphbd = true,
            b"no" => self.meant.use_apphbd = false,
            _ => self.refuse_ours(
                "bad-useapphbd",
                format!("\"{}\" is neither yes nor no", value.word.text()),
                "write yes or no, in lower case",
                value,
            ),
        }
    }

    /// The legacy reads with `atoi`: what is no number is 0.
    fn queue(&mut self, side: &str, value: &Value<'_>) -> Option<u32> {
        let Ok(length) = u32::try_from(integer(value.word.text)) else {
            let message = format!("negative {side} queue length");
            let said = Diagnostic::legacy(Severity::Error, "negative-queue", message);
            self.refuse(said.at(value.span.clone()));
            return None;
        };
        self.inform(format!("setting {side} queue length to {length}"));
        if length > QUEUE_MAX {
            let message = format!("a queue of {length} records is cut to {QUEUE_MAX}");
            let said = Diagnostic::ours(Severity::Warn, "long-queue", message);
            self.diagnostics.push(said.at(value.span.clone()));
        }
        Some(length.min(QUEUE_MAX))
    }

    fn mode(&mut self, value: &Value<'_>) {
        let text = value.word.text();
        let octal = u32::from_str_radix(&text, 8).ok();
        let Some(mode) = octal.filter(|mode| *mode <= 0o7777 && !text.starts_with('+')) else {
            let said = Diagnostic::legacy(
                Severity::Error,
                "bad-logmode",
                format!("Invalid log mode [{text}]"),
            );
            self.refuse(
                said.at(value.span.clone())
                    .advise("write an octal number, such as 0640"),
            );
            return;
        };
        if !text.starts_with('0') {
            let message = format!("Log mode [{text}] assumed to be octal");
            let said = Diagnostic::legacy(Severity::Warn, "logmode-octal", message);
            self.diagnostics.push(said.at(value.span.clone()));
        }
        // Whatever the file says, a log file is never a program.
        self.meant.mode = mode & 0o666;
    }

    fn syslog_style(&mut self, value: &Value<'_>) {
        match boolean(value.word.text) {
            Some(on) => self.meant.syslog_style = on,
            None => self.refuse_ours(
                "bad-syslogmsgfmt",
                format!("\"{}\" is neither true nor false", value.word.text()),
                "write yes or no",
                value,
            ),
        }
    }

    fn syslog_prefix(&mut self, value: &Value<'_>) {
        let prefix = value.word.text();
        self.inform(format!("setting syslogprefix to {prefix}"));
        self.meant.syslog_prefix = Some(prefix).filter(|prefix| !prefix.is_empty());
    }

    fn inform(&mut self, message: String) {
        self.diagnostics
            .push(Diagnostic::legacy(Severity::Info, "setting", message));
    }

    fn refuse(&mut self, diagnostic: Diagnostic) {
        self.refused = true;
        self.diagnostics.push(diagnostic);
    }

    /// The legacy refuses without a word.
    fn refuse_ours(
        &mut self,
        code: &'static str,
        message: String,
        advice: &str,
        value: &Value<'_>,
    ) {
        let said = Diagnostic::ours(Severity::Error, code, message);
        self.refuse(said.at(value.span.clone()).advise(advice));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Parsed<LogdCf> {
        parse_logd_cf(text.as_bytes(), "/etc/logd.cf")
    }

    fn said(text: &str) -> Vec<String> {
        let parsed = parse(text);
        parsed.diagnostics.iter().map(ToString::to_string).collect()
    }

    /// Each line was given to the daemon of cluster-glue 1.0.12, which started or ended with 6.
    #[test]
    fn what_the_legacy_accepts_and_refuses() {
        for good in [
            "",
            "LOGFACILITY local3",
            "logfacility none",
            "logfile",
            "logfile /var/log/a b",
            "logfile /var/log/a # comment",
            "logfile /dev/null",
            "logfile relative",
            "logmode 640",
            "logmode 00001777",
            "syslogmsgfmt NO",
            "syslogmsgfmt 0",
            "sendqlen 0",
            "sendqlen x",
            "syslogprefix foo",
            "entity foo bar",
            "entity a,b",
            "entity #x",
            "\r\n  logfacility local3\r\n",
            "   #y z\n",
        ] {
            assert!(parse(good).value.is_some(), "{good}");
        }
        for bad in [
            "bogus x",
            "logfacility local99",
            "logfacility DAEMON",
            "logfacility",
            "logfile,/var/log/a",
            "logfile=/var/log/a",
            "logmode 0999",
            "logmode x",
            "logmode",
            "syslogmsgfmt maybe",
            "sendqlen -1",
            "recvqlen -1",
            "x#y z",
            ",",
            // Only in 2.1, which compares the value with its case.
            "useapphbd YES",
            "useapphbd",
        ] {
            let parsed = parse(bad);
            assert!(parsed.value.is_none(), "{bad}");
            let reason =
                |said: &Diagnostic| said.severity == Severity::Error && said.span.is_some();
            assert!(parsed.diagnostics.iter().any(reason), "{bad}");
        }
    }

    #[test]
    fn the_last_value_counts_and_everything_has_its_place() {
        let text = "logfile /a\nLogFile /b\ndebugfile,/c\tx\nentity e,f\nlogmode 0660\nlogfacility local1\n\
                    syslogmsgfmt on\nsyslogprefix p\nsendqlen 7\nrecvqlen 9\nuseapphbd yes\n";
        assert!(parse(text).value.is_none(), "a comma is part of a name");
        let meant = parse(&text.replace("debugfile,", "debugfile "))
            .value
            .unwrap();
        let expected = LogdCf {
            debugfile: Some("/c".into()),
            logfile: Some("/b".into()),
            facility: Facility::from_name("local1"),
            entity: "e".into(),
            use_apphbd: true,
            send_queue: 7,
            receive_queue: 9,
            mode: 0o660,
            syslog_style: true,
            syslog_prefix: Some("p".into()),
        };
        assert_eq!(meant, expected);
    }

    #[test]
    fn nothing_written_means_syslog_only() {
        let meant = parse("# nothing\n").value.unwrap();
        assert_eq!(meant, LogdCf::default());
        assert_eq!(meant.facility.unwrap().name(), "daemon");
        assert_eq!(parse("logfacility none").value.unwrap().facility, None);
    }

    #[test]
    fn reading_goes_on_after_a_mistake() {
        assert_eq!(
            said("entity foo\nbogus 1\n bogus2 2\nlogmode 640\nlogmode 9\n"),
            [
                "info setting entity to foo",
                "ERROR /etc/logd.cf:2:1: Illegal directive [bogus] in /etc/logd.cf (the directives are debugfile, logfile, \
                 logfacility, entity, useapphbd, sendqlen, recvqlen, logmode, syslogmsgfmt, syslogprefix)",
                "ERROR /etc/logd.cf:3:2: Illegal directive [bogus2] in /etc/logd.cf (the directives are debugfile, logfile, \
                 logfacility, entity, useapphbd, sendqlen, recvqlen, logmode, syslogmsgfmt, syslogprefix)",
                "WARN /etc/logd.cf:4:9: Log mode [640] assumed to be octal",
                "ERROR /etc/logd.cf:5:9: Invalid log mode [9] (write an octal number, such as 0640)",
            ]
        );
    }

    #[test]
    fn names_are_cut_where_a_record_has_no_more_room() {
        let meant = parse(&format!("entity {}", "é".repeat(40))).value.unwrap();
        assert_eq!(meant.entity, "é".repeat(31));
    }
}
