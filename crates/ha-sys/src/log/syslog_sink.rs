//! The syslog sink.
//!
//! The `syslog` crate connects and sends; the line's form is the legacy's. It does not reconnect by itself, so after an
//! error the connection is made anew, once per line at most.

use std::io::Write;

use syslog::{LogFormat, LoggerBackend, Severity};

use super::format::{Priority, Record, Source, SyslogFacility};
use crate::clock::{LocalTime, wall};

/// A connection to the local syslog daemon, made when first needed.
#[derive(Default)]
pub struct SyslogSink {
    connection: Option<syslog::Logger<LoggerBackend, LegacyFormat>>,
}

impl std::fmt::Debug for SyslogSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SyslogSink")
            .field("connected", &self.connection.is_some())
            .finish()
    }
}

/// What one line needs beyond its text.
struct Line<'a> {
    facility: SyslogFacility,
    /// The tag that replaces the speaker's.
    prefix: Option<&'a str>,
    record: &'a Record,
}

/// `<priority>Mon dd hh:mm:ss tag: message`, as `syslog(3)` writes it.
#[derive(Clone)]
struct LegacyFormat;

impl<'a> LogFormat<&Line<'a>> for LegacyFormat {
    fn format<W: Write>(
        &self,
        w: &mut W,
        severity: Severity,
        line: &Line<'a>,
    ) -> syslog::Result<()> {
        let (tag, message) = line.record.syslog_parts(line.prefix);
        let priority = u32::from(line.facility.number()) * 8 + severity as u32;
        let stamp = LocalTime::at(line.record.wall).syslog_stamp(' ');
        // One write is one datagram.
        let text = format!("<{priority}>{stamp} {tag}: {message}");
        w.write_all(text.as_bytes()).map_err(syslog::Error::Write)
    }
}

impl SyslogSink {
    /// Sends `tag: text` with priority `info`, for programs that have their own idea of a line. May wait for the syslog
    /// daemon if that is slow. A syslog daemon that is away loses the line.
    pub fn info(&mut self, facility: SyslogFacility, tag: &str, text: &str) {
        let record = Record {
            source: Source::Script {
                tag: tag.to_owned(),
            },
            priority: Priority::Info,
            wall: wall(),
            text: text.to_owned(),
        };
        self.send(facility, None, &record);
    }

    /// Sends one line; a syslog daemon that is away loses it.
    pub(super) fn send(&mut self, facility: SyslogFacility, prefix: Option<&str>, record: &Record) {
        for _ in 0..2 {
            if self.connection.is_none() {
                self.connection = syslog::unix(LegacyFormat).ok();
            }
            let Some(connection) = &mut self.connection else {
                return;
            };
            let line = Line {
                facility,
                prefix,
                record,
            };
            let sent = match record.priority {
                Priority::Emerg => connection.emerg(&line),
                Priority::Alert => connection.alert(&line),
                Priority::Crit => connection.crit(&line),
                Priority::Error => connection.err(&line),
                Priority::Warn => connection.warning(&line),
                Priority::Notice => connection.notice(&line),
                Priority::Info => connection.info(&line),
                Priority::Debug => connection.debug(&line),
            };
            if sent.is_ok() && connection.backend.flush().is_ok() {
                return;
            }
            self.connection = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::Source;
    use super::*;

    #[test]
    fn the_line_is_what_the_c_library_would_send() {
        let record = Record {
            source: Source::Program {
                entity: "heartbeat".into(),
                pid: 1234,
            },
            priority: Priority::Warn,
            wall: 0,
            text: "node b: is dead".into(),
        };
        let line = Line {
            facility: SyslogFacility::from_name("local0").unwrap(),
            prefix: None,
            record: &record,
        };
        let mut out = Vec::new();
        LegacyFormat
            .format(&mut out, Severity::LOG_WARNING, &line)
            .unwrap();
        let stamp = LocalTime::at(0).syslog_stamp(' ');
        assert_eq!(
            String::from_utf8(out).unwrap(),
            format!("<132>{stamp} heartbeat: [1234]: WARN: node b: is dead")
        );
    }
}
