//! How a line looks in each sink.

use std::borrow::Cow;

use crate::clock::LocalTime;

/// Log priorities with the legacy's names, in mixed case exactly so (`install-and-cli.md` 9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// `EMERG`
    Emerg,
    /// `ALERT`
    Alert,
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

impl Priority {
    /// The word in the line.
    pub fn word(self) -> &'static str {
        match self {
            Priority::Emerg => "EMERG",
            Priority::Alert => "ALERT",
            Priority::Crit => "CRIT",
            Priority::Error => "ERROR",
            Priority::Warn => "WARN",
            Priority::Notice => "notice",
            Priority::Info => "info",
            Priority::Debug => "debug",
        }
    }

    /// The priority with this number; none above 7.
    pub fn from_number(number: u8) -> Option<Priority> {
        const ALL: [Priority; 8] = [
            Priority::Emerg,
            Priority::Alert,
            Priority::Crit,
            Priority::Error,
            Priority::Warn,
            Priority::Notice,
            Priority::Info,
            Priority::Debug,
        ];
        ALL.get(usize::from(number)).copied()
    }

    /// syslog's number, 0 to 7.
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// A syslog facility, by the name used in ha.cf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyslogFacility(u8);

impl SyslogFacility {
    /// `daemon`: what ha_logd uses without configuration.
    pub const DAEMON: SyslogFacility = SyslogFacility(3);

    /// Looks a name up; lower case only. `none` is not a facility.
    pub fn from_name(name: &str) -> Option<SyslogFacility> {
        Some(SyslogFacility(match name {
            "kern" => 0,
            "user" => 1,
            "mail" => 2,
            "daemon" => 3,
            "auth" | "security" => 4,
            "syslog" => 5,
            "lpr" => 6,
            "news" => 7,
            "uucp" => 8,
            "cron" => 9,
            "authpriv" => 10,
            "ftp" => 11,
            _ => {
                let local = name.strip_prefix("local")?;
                let number: u8 = local
                    .parse()
                    .ok()
                    .filter(|number| *number < 8 && local.len() == 1)?;
                16 + number
            }
        }))
    }

    /// The number that stands in the high bits of a syslog priority.
    pub fn number(self) -> u8 {
        self.0
    }
}

/// Who speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A program of ours.
    Program { entity: String, pid: u32 },
    /// A shell script, or we in the place of one. The tag carries its pid already.
    Script { tag: String },
    /// Another process, whose line a logging daemon writes.
    Client {
        entity: String,
        pid: u32,
        with_level: bool,
    },
}

/// One line before it is put into form.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) source: Source,
    pub(super) priority: Priority,
    pub(super) wall: u64,
    pub(super) text: String,
}

impl Record {
    /// The line as it stands in a file, newline included.
    pub(super) fn file_line(&self, syslog_style: bool, node: &str) -> String {
        let time = LocalTime::at(self.wall);
        match &self.source {
            Source::Program { entity, pid } | Source::Client { entity, pid, .. } => {
                let (entity, text) = (self.entity(entity), self.leveled_text());
                if syslog_style {
                    let stamp = time.syslog_stamp('0');
                    format!("{stamp} {node} {entity}: [{pid}]: {text}\n")
                } else {
                    format!("{entity}[{pid}]: {} {text}\n", time.stamp())
                }
            }
            Source::Script { tag } => format!("{tag}:\t{} {}\n", time.stamp(), self.text),
        }
    }

    /// Tag and message as syslog gets them: the pid is not part of the tag but of the message (9.3). With a prefix that is
    /// the tag, and who speaks is part of the message.
    pub(super) fn syslog_parts<'a>(&'a self, prefix: Option<&'a str>) -> (&'a str, String) {
        match (&self.source, prefix) {
            (Source::Program { entity, pid } | Source::Client { entity, pid, .. }, None) => (
                self.entity(entity),
                format!("[{pid}]: {}", self.leveled_text()),
            ),
            (
                Source::Program { entity, pid } | Source::Client { entity, pid, .. },
                Some(prefix),
            ) => (
                prefix,
                format!("{}[{pid}]: {}", self.entity(entity), self.leveled_text()),
            ),
            (Source::Script { tag }, _) => (tag, self.text.clone()),
        }
    }

    /// `LEVEL: text`, or the text alone if the sender of a record wants it so.
    fn leveled_text(&self) -> Cow<'_, str> {
        match &self.source {
            Source::Client {
                with_level: false, ..
            }
            | Source::Script { .. } => Cow::Borrowed(&self.text),
            _ => Cow::Owned(format!("{}: {}", self.priority.word(), self.text)),
        }
    }

    /// Our own entities have at most 31 characters; those of records have what their layout has room for.
    fn entity<'a>(&self, entity: &'a str) -> &'a str {
        match &self.source {
            Source::Client { .. } => entity,
            _ => entity_cut(entity),
        }
    }
}

/// Entities have at most 31 characters.
fn entity_cut(entity: &str) -> &str {
    entity.get(..31).unwrap_or(entity)
}

/// The syslog priority that the scripts' `ha_log` chooses by looking at the text (9.4). Lower-case `info:` is a notice.
pub(super) fn script_priority(text: &str) -> Priority {
    if text.contains("ERROR") {
        Priority::Error
    } else if text.contains("WARN") {
        Priority::Warn
    } else if text.contains("INFO") {
        Priority::Info
    } else {
        Priority::Notice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(source: Source) -> Record {
        Record {
            source,
            priority: Priority::Info,
            wall: 0,
            text: "Heartbeat shutdown in progress. (98)".into(),
        }
    }

    #[test]
    fn program_lines_have_both_legacy_forms() {
        let record = record(Source::Program {
            entity: "heartbeat".into(),
            pid: 98,
        });
        let stamp = LocalTime::at(0).stamp();
        assert_eq!(
            record.file_line(false, "n"),
            format!("heartbeat[98]: {stamp} info: Heartbeat shutdown in progress. (98)\n")
        );
        let stamp = LocalTime::at(0).syslog_stamp('0');
        assert_eq!(
            record.file_line(true, "lvs1.okooo.cn"),
            format!(
                "{stamp} lvs1.okooo.cn heartbeat: [98]: info: Heartbeat shutdown in progress. (98)\n"
            )
        );
        assert_eq!(
            record.syslog_parts(None),
            (
                "heartbeat",
                "[98]: info: Heartbeat shutdown in progress. (98)".to_owned()
            )
        );
    }

    #[test]
    fn script_lines_have_a_tab_and_no_level() {
        let mut record = record(Source::Script {
            tag: "harc[86]".into(),
        });
        record.text = "info: Running /etc/ha.d/rc.d/status status".into();
        let stamp = LocalTime::at(0).stamp();
        assert_eq!(
            record.file_line(true, "n"),
            format!("harc[86]:\t{stamp} info: Running /etc/ha.d/rc.d/status status\n")
        );
        assert_eq!(script_priority(&record.text), Priority::Notice);
        assert_eq!(
            script_priority("ERROR: Return code 1 from /x"),
            Priority::Error
        );
    }

    #[test]
    fn the_line_of_a_client_has_a_level_only_if_it_wants_one() {
        let client = |with_level| {
            record(Source::Client {
                entity: "a name of more than thirty-one octets".into(),
                pid: 7,
                with_level,
            })
        };
        let stamp = LocalTime::at(0).stamp();
        assert_eq!(
            client(false).file_line(false, "n"),
            format!(
                "a name of more than thirty-one octets[7]: {stamp} Heartbeat shutdown in progress. (98)\n"
            )
        );
        let stamp = LocalTime::at(0).syslog_stamp('0');
        assert_eq!(
            client(true).file_line(true, "n"),
            format!(
                "{stamp} n a name of more than thirty-one octets: [7]: info: Heartbeat shutdown in progress. (98)\n"
            )
        );
        assert_eq!(
            client(true).syslog_parts(Some("ha")),
            (
                "ha",
                "a name of more than thirty-one octets[7]: info: Heartbeat shutdown in progress. (98)"
                    .to_owned()
            )
        );
    }

    #[test]
    fn words_and_facilities() {
        let words: Vec<_> = [
            Priority::Emerg,
            Priority::Crit,
            Priority::Error,
            Priority::Warn,
            Priority::Notice,
            Priority::Debug,
        ]
        .map(|priority| (priority.word(), priority.number()))
        .to_vec();
        assert_eq!(
            words,
            [
                ("EMERG", 0),
                ("CRIT", 2),
                ("ERROR", 3),
                ("WARN", 4),
                ("notice", 5),
                ("debug", 7)
            ]
        );
        assert_eq!(
            SyslogFacility::from_name("local0").map(SyslogFacility::number),
            Some(16)
        );
        assert_eq!(
            SyslogFacility::from_name("local7").map(SyslogFacility::number),
            Some(23)
        );
        for bad in ["LOCAL0", "local8", "local", "local07", "none", ""] {
            assert_eq!(SyslogFacility::from_name(bad), None, "{bad}");
        }
    }
}
