//! A file, line by line: global part, virtual sections, and what is checked at their ends (`ldirectord.md` 3.1, 3.2).

use std::collections::BTreeSet;
use std::time::Duration;

use ipvs::{Family, ServiceKey};

use super::address::{self, VirtualAddress};
use super::advice;
use super::draft::{Globals, Section};
use super::global;
use super::host::Host;
use super::model::{Ldirectord, LogTarget, VirtualService};
use super::probe::{CheckPlan, ProbeKind, ServiceCheck};
use super::receive::{self, Judge};
use super::resolve;
use super::section;
use super::taken::Taken;
use super::value::{assignment, first_word, is_space, leading, text};
use crate::diagnostic::{Diagnostic, Parsed, Severity, Span};

/// Where the legacy logs when nothing is said.
const DEFAULT_LOG: &str = "/var/log/ldirectord.log";

/// Spaces that make a line part of a section.
const INDENTATION: usize = 4;

/// A file that was read, perhaps only up to an error.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What it says, and what there is to say about it.
    pub parsed: Parsed<Ldirectord>,
    /// Where it wants to log, as far as it was read: the legacy, too, changes its log while it reads (`ldirectord.md` 10).
    pub log: LogTarget,
}

/// Reads a file, see [`read`].
pub fn parse(bytes: &[u8], file: &str, host: &dyn Host) -> Parsed<Ldirectord> {
    read(bytes, file, host).parsed
}

/// Reads a file. `file` is its name for messages. The first error ends the reading, as in the legacy; warnings before it
/// are kept. Errors that the legacy meets only while it runs (in `receive`) come after all that it finds while it reads.
pub fn read(bytes: &[u8], file: &str, host: &dyn Host) -> Reading {
    let mut reader = Reader {
        file,
        lines: bytes.split_inclusive(|byte| *byte == b'\n').collect(),
        host,
        globals: Globals::default(),
        sections: Vec::new(),
        keys: BTreeSet::new(),
        diagnostics: Vec::new(),
    };
    let outcome = reader.read();
    let log = log_target(reader.globals.log_file.as_deref());
    let value = outcome.and_then(|()| reader.finish()).ok();
    Reading {
        parsed: Parsed {
            value,
            diagnostics: reader.diagnostics,
        },
        log,
    }
}

fn log_target(log_file: Option<&str>) -> LogTarget {
    let log = log_file.unwrap_or(DEFAULT_LOG).to_owned();
    if log.starts_with('/') {
        LogTarget::File(log)
    } else {
        LogTarget::Syslog(log)
    }
}

/// How the legacy prints a diagnostic (`ldirectord.md` 8): `Error [PID] reading file FILE at line N: TEXT`.
pub fn legacy_text(diagnostic: &Diagnostic, pid: u32) -> String {
    let word = if diagnostic.severity <= Severity::Error {
        "Error"
    } else {
        "Warning"
    };
    let mut text = match &diagnostic.span {
        Some(span) => format!(
            "{word} [{pid}] reading file {} at line {}: {}",
            span.file, span.line, diagnostic.message
        ),
        None => format!("{word} [{pid}]: {}", diagnostic.message),
    };
    if let Some(advice) = &diagnostic.advice {
        // A text of the legacy stays alone on its line.
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str("  (");
        text.push_str(advice);
        text.push(')');
    }
    text
}

/// The error is in the diagnostics already.
struct Refused;

struct Reader<'a> {
    file: &'a str,
    /// With their newlines.
    lines: Vec<&'a [u8]>,
    host: &'a dyn Host,
    globals: Globals,
    sections: Vec<Complete>,
    keys: BTreeSet<ServiceKey>,
    diagnostics: Vec<Diagnostic>,
}

/// A section whose end has come.
struct Complete {
    section: Section,
    key: ServiceKey,
    reals: Vec<resolve::Found>,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), Refused> {
        let mut open: Option<Section> = None;
        let count = self.lines.len();
        for number in 1..=count {
            let Some(line) = self.lines.get(number - 1).copied() else {
                break;
            };
            if let Some(section) = &mut open {
                match self.section_line(line, number, section)? {
                    Belongs::Here => continue,
                    Belongs::Elsewhere => {
                        if let Some(section) = open.take() {
                            self.close(section, number)?;
                        }
                    }
                }
            }
            open = self.global_line(line, number, number == count)?;
        }
        match open {
            Some(section) => self.close(section, count),
            None => Ok(()),
        }
    }

    /// A line of the global part; the section that it opens, if it does.
    fn global_line(
        &mut self,
        line: &[u8],
        number: usize,
        is_last: bool,
    ) -> Result<Option<Section>, Refused> {
        let content = line.strip_suffix(b"\n").unwrap_or(line);
        let first = content.iter().find(|byte| !is_space(**byte));
        if matches!(first, None | Some(b'#')) {
            return Ok(None);
        }
        for (keyword, family) in [("virtual", Family::V4), ("virtual6", Family::V6)] {
            let Some(value) = assignment(keyword, content) else {
                continue;
            };
            return self.open(value, family, number, is_last).map(Some);
        }
        match global::global(content, &mut self.globals, self.host) {
            Taken::Yes(remarks) => self.note_all(remarks, number),
            Taken::Refused(diagnostic) => return Err(self.refuse(diagnostic, number)),
            Taken::Unknown => {
                // The legacy prints the line with its newline, and a blank behind it.
                let message = format!("Unknown command {} ", text(line));
                let diagnostic = Diagnostic::legacy(Severity::Error, "unknown-directive", message);
                let advice = advice::on_global(content, !self.sections.is_empty());
                return Err(self.refuse_line(diagnostic, advice, number));
            }
        }
        Ok(None)
    }

    fn open(
        &mut self,
        value: &[u8],
        family: Family,
        number: usize,
        is_last: bool,
    ) -> Result<Section, Refused> {
        let refuse = |message: &str| Diagnostic::legacy(Severity::Error, "virtual", message);
        let bracketed_v4 = family == Family::V4 && address::is_bracketed(value);
        let address = address::virtual_address(value, family).filter(|_| !bracketed_v4);
        let Some(address) = address else {
            let message = if bracketed_v4 {
                "cannot specify an IPv6 address here. please use \"virtual6\" instead."
            } else {
                "invalid address for virtual server"
            };
            return Err(self.refuse(refuse(message), number));
        };
        if is_last {
            // The legacy reads such a line twice (`ldirectord.md` 3.2), and judges the address in between.
            let section = Section::new(number, address);
            let judged = resolve::key(&section, self.host, &mut Vec::new());
            let diagnostic = match judged {
                Err(refusal) => *refusal.diagnostic,
                Ok(_) => refuse("duplicate virtual server")
                    .advise("a virtual= that is the last line of the file has no real servers"),
            };
            return Err(self.refuse(diagnostic, number));
        }
        if let VirtualAddress::Mark { mark, trailing, .. } = &address {
            let remark = match (mark, trailing) {
                (0, _) => Some(format!(
                    "there is no firewall mark {}: this virtual service is left out",
                    text(first_word(value))
                )),
                (mark, true) => Some(format!(
                    "\"{}\" has no port and counts as firewall mark {mark}",
                    text(value).trim()
                )),
                _ => None,
            };
            if let Some(remark) = remark {
                self.note(
                    Diagnostic::ours(Severity::Warn, "firewall-mark", remark),
                    number,
                );
            }
        }
        Ok(Section::new(number, address))
    }

    fn section_line(
        &mut self,
        line: &[u8],
        number: usize,
        section: &mut Section,
    ) -> Result<Belongs, Refused> {
        let first = line.iter().find(|byte| !is_space(**byte));
        if first == Some(&b'#') {
            return Ok(Belongs::Here);
        }
        let Some(content) = indented(line) else {
            return Ok(Belongs::Elsewhere);
        };
        match section::in_section(&content, number, section, self.host) {
            Taken::Yes(remarks) => {
                self.note_all(remarks, number);
                Ok(Belongs::Here)
            }
            Taken::Refused(diagnostic) => Err(self.refuse(diagnostic, number)),
            Taken::Unknown => {
                let message = format!("Unknown command \"{}\"", text(line));
                let diagnostic = Diagnostic::legacy(Severity::Error, "unknown-directive", message);
                let advice = advice::on_section(&content);
                Err(self.refuse_line(diagnostic, advice, number))
            }
        }
    }

    /// What the legacy checks at the end of a section, in its order. `number` is the last line that was read.
    fn close(&mut self, mut section: Section, number: usize) -> Result<(), Refused> {
        let mut remarks = Vec::new();
        let outcome = resolve::own_fallback(&mut section, self.host, &mut remarks)
            .and_then(|()| resolve::key(&section, self.host, &mut remarks))
            .and_then(|key| Ok((key, resolve::reals(&section, self.host, &mut remarks)?)));
        for (line, remark) in remarks {
            self.note(remark, line);
        }
        let (key, reals) = match outcome {
            Ok(outcome) => outcome,
            Err(refusal) => {
                let line = refusal.line.unwrap_or(number);
                return Err(self.refuse(*refusal.diagnostic, line));
            }
        };
        let Some(key) = key else {
            return Ok(());
        };
        if !self.keys.insert(key) {
            let diagnostic = Diagnostic::legacy(
                Severity::Error,
                "duplicate-virtual",
                "duplicate virtual server",
            )
            .advise(format!("the one of line {} is {key}, too", section.line));
            // The legacy names the line where the section ended: the first one that is not part of it, if there is one.
            self.note_at(diagnostic, number, 1);
            return Err(Refused);
        }
        self.sections.push(Complete {
            section,
            key,
            reals,
        });
        Ok(())
    }

    /// Applies globals and defaults, now that all of them are known.
    fn finish(&mut self) -> Result<Ldirectord, Refused> {
        let mut virtuals = Vec::new();
        let mut judge = Judge::new(self.host);
        let mut refused = false;
        for complete in std::mem::take(&mut self.sections) {
            let mut remarks = Vec::new();
            let written = receive::written(&complete.section, &complete.reals);
            let virtual_service = resolve::virtual_service(
                &complete.section,
                complete.key,
                complete.reals,
                &self.globals,
                self.host,
                &mut remarks,
            );
            judge.judge(written, &complete.section, &virtual_service, &mut remarks);
            for (line, remark) in remarks {
                refused |= remark.severity <= Severity::Error;
                self.note(remark, line);
            }
            self.remark_on(&complete.section, &virtual_service);
            virtuals.push(virtual_service);
        }
        if refused {
            return Err(Refused);
        }
        let globals = std::mem::take(&mut self.globals);
        let seconds = globals.shared.check_interval_s.unwrap_or(10);
        Ok(Ldirectord {
            virtuals,
            check_interval: Duration::from_secs(seconds.into()),
            auto_reload: globals.auto_reload,
            callback: globals.callback,
            log: log_target(globals.log_file.as_deref()),
            execute: globals.execute,
            supervised: globals.supervised,
            fork: globals.fork,
            readd_quiescent: globals.readd_quiescent.unwrap_or(true),
            maintenance_dir: globals.maintenance_dir,
            email_from: globals.email_from,
        })
    }

    /// What is legal but hardly meant.
    fn remark_on(&mut self, section: &Section, service: &VirtualService) {
        if let Some(line) = section.check_interval_line
            && !self.globals.fork
        {
            let message = format!(
                "checkinterval in virtual service {} ignored when fork=no",
                service.id()
            );
            let remark = Diagnostic::legacy(Severity::Warn, "checkinterval-ignored", message);
            // This text of the legacy carries no line, so the advice does.
            self.diagnostics
                .push(remark.advise(format!("it stands on line {line}")));
        }
        let asks = |wanted: &[ServiceCheck]| {
            service.reals.iter().any(|real| match &real.check {
                CheckPlan::Every(probe) | CheckPlan::Combined { negotiate: probe, .. } => {
                    matches!(&probe.kind, ProbeKind::Negotiate(negotiate) if wanted.contains(&negotiate.service))
                }
                _ => false,
            })
        };
        if let Some(line) = section.empty_host_line
            && asks(&[ServiceCheck::Http, ServiceCheck::Https])
        {
            let remark = Diagnostic::ours(
                Severity::Warn,
                "empty-virtualhost",
                "an empty virtualhost sends an empty Host header, which strict servers refuse with 400",
            );
            self.note(remark, line);
        }
        if asks(&[ServiceCheck::Oracle]) {
            let remark = Diagnostic::ours(
                Severity::Warn,
                "oracle",
                "service=oracle cannot be checked by itself, its servers count as down: use checktype=external",
            );
            self.note(remark, section.line);
        }
    }

    fn note_all(&mut self, remarks: Vec<Diagnostic>, line: usize) {
        for remark in remarks {
            self.note(remark, line);
        }
    }

    /// Says something about the value on a line.
    fn note(&mut self, diagnostic: Diagnostic, line: usize) {
        let column = self.text_of(line).map_or(1, value_column);
        self.note_at(diagnostic, line, column);
    }

    fn note_at(&mut self, diagnostic: Diagnostic, line: usize, column: usize) {
        let span = Span {
            file: self.file.to_owned(),
            line,
            column,
        };
        self.diagnostics.push(diagnostic.at(span));
    }

    /// Refuses for the value on a line.
    fn refuse(&mut self, diagnostic: Diagnostic, line: usize) -> Refused {
        let ends_in_return = self
            .text_of(line)
            .is_some_and(|text| text.ends_with(b"\r\n") || text.ends_with(b"\r"));
        let diagnostic = if ends_in_return && diagnostic.advice.is_none() {
            diagnostic.advise(CARRIAGE_RETURN)
        } else {
            diagnostic
        };
        self.note(diagnostic, line);
        Refused
    }

    /// Refuses a line as a whole.
    fn refuse_line(
        &mut self,
        mut diagnostic: Diagnostic,
        advice: Option<String>,
        line: usize,
    ) -> Refused {
        let text = self.text_of(line).unwrap_or_default();
        let ends_in_return = text.trim_ascii_end().len() + 1 < text.len() && text.contains(&b'\r');
        diagnostic.advice = advice.or(ends_in_return.then(|| CARRIAGE_RETURN.to_owned()));
        let column = 1 + leading(text, is_space).len();
        self.note_at(diagnostic, line, column.min(text.len().max(1)));
        Refused
    }

    fn text_of(&self, line: usize) -> Option<&[u8]> {
        self.lines.get(line.checked_sub(1)?).copied()
    }
}

const CARRIAGE_RETURN: &str =
    "the line ends in a carriage return: convert the file to Unix line ends";

/// Column of what stands behind the first `=`; of the first word if there is none.
fn value_column(line: &[u8]) -> usize {
    let after_equals = line.iter().position(|byte| *byte == b'=');
    let start = after_equals.map_or(0, |equals| equals + 1);
    let rest = line.get(start..).unwrap_or_default();
    let blanks = leading(rest, is_space).len();
    // An empty value is missing where it should begin.
    let blanks = if blanks == rest.len() { 0 } else { blanks };
    start + blanks + 1
}

/// Whether a line is part of the open section.
enum Belongs {
    Here,
    Elsewhere,
}

/// A line of a section without comment and indentation; none if it does not belong there.
fn indented(line: &[u8]) -> Option<Vec<u8>> {
    let end = line.iter().position(|byte| *byte == b'#');
    let uncommented = match end {
        Some(end) => line.get(..end)?,
        None => line.strip_suffix(b"\n").unwrap_or(line),
    };
    let mut expanded = Vec::with_capacity(uncommented.len() + INDENTATION);
    for byte in uncommented {
        if *byte == b'\t' {
            expanded.extend_from_slice(b"    ");
        } else {
            expanded.push(*byte);
        }
    }
    let content = expanded.strip_prefix(b"    ")?;
    if content.is_empty() {
        return None;
    }
    let skipped = content.iter().take_while(|byte| **byte == b' ').count();
    Some(content.get(skipped..)?.to_vec())
}
