//! `receive`: one that is no regular expression is found when the file is read. The legacy finds it when a server first
//! answers, and dies of it (`ldirectord.md` 6.5, 12 number 6).
//!
//! Only what a check uses is an error. A file with a wrong one in a section that pings works with the legacy for years,
//! and goes on working: there it is a warning.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::Section;
use super::host::Host;
use super::model::VirtualService;
use super::probe::{CheckPlan, Negotiate, ProbeKind};
use super::resolve::{Found, Remarks};
use super::value::text;
use crate::diagnostic::{Diagnostic, Severity};

/// Every `receive` of a section by its line: its own, and those of its `real` lines.
pub(super) fn written(section: &Section, reals: &[Found]) -> BTreeMap<usize, Vec<u8>> {
    let own = reals
        .iter()
        .filter_map(|found| Some((found.line, found.words.own.as_ref()?.1.clone())));
    let mut all: BTreeMap<usize, Vec<u8>> = own.collect();
    all.insert(section.receive_line, section.receive.clone());
    all.retain(|_, receive| !receive.is_empty());
    all
}

/// Asks the machine about patterns, about each once.
pub(super) struct Judge<'a> {
    host: &'a dyn Host,
    known: BTreeMap<Vec<u8>, Result<(), String>>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(host: &'a dyn Host) -> Self {
        Judge {
            host,
            known: BTreeMap::new(),
        }
    }

    /// Says what is wrong with `written`, by line: an error where a check of the service uses it, else a warning.
    pub(super) fn judge(
        &mut self,
        written: BTreeMap<usize, Vec<u8>>,
        section: &Section,
        service: &VirtualService,
        remarks: &mut Remarks,
    ) {
        let used: BTreeSet<usize> = service
            .reals
            .iter()
            .filter_map(|real| {
                let negotiate = negotiate(&real.check)?;
                let line = match negotiate.own_request {
                    true => real.line,
                    false => section.receive_line,
                };
                negotiate.service.matches_receive().then_some(line)
            })
            .collect();
        for (line, receive) in written {
            let shown = text(&receive);
            let host = self.host;
            let verdict = self
                .known
                .entry(receive)
                .or_insert_with_key(|receive| host.can_match(receive));
            let Err(problem) = verdict else {
                continue;
            };
            let message = format!("receive \"{shown}\" is {problem}");
            let said = if used.contains(&line) {
                Diagnostic::ours(Severity::Error, "receive", message)
            } else {
                Diagnostic::ours(Severity::Warn, "receive", message).advise("no check here uses it")
            };
            remarks.push((line, said));
        }
    }
}

fn negotiate(check: &CheckPlan) -> Option<&Negotiate> {
    let (CheckPlan::Every(probe)
    | CheckPlan::Combined {
        negotiate: probe, ..
    }) = check
    else {
        return None;
    };
    match &probe.kind {
        ProbeKind::Negotiate(negotiate) => Some(negotiate),
        ProbeKind::Connect | ProbeKind::Ping { .. } | ProbeKind::External(_) => None,
    }
}
