//! ha.cf: from bytes to [`HaCf`] in two steps, each in the legacy's order (`config-files.md` 4).
//!
//! *As written* (`written`): lines, names and words with their places, all lexical quirks. *As meant*: each directive of
//! the table in `directive` acts on a `Draft` the moment it is met (`options`, `media`, `clients`, `stonith`); defaults
//! and cross-checks follow at the end (`checks`).

mod checks;
mod clients;
pub(crate) mod directive;
mod draft;
mod media;
pub(crate) mod model;
mod options;
mod stonith;
pub(crate) mod value;
pub(crate) mod written;

pub(crate) use value::integer_prefix;

use crate::diagnostic::{Diagnostic, Parsed, Severity, Span};
use crate::facts::Facts;
use directive::{Directive, Shape};
use draft::{Draft, Given};
use model::{HaCf, NODES_MAX};
use written::{WrittenLine, written_lines};

/// Reads and judges ha.cf alone, for a host that is called `facts.node_name()` and manages resources.
///
/// This is what a checking tool wants. A daemon uses [`crate::load`], which puts authkeys between reading and judging.
pub fn parse_ha_cf(bytes: &[u8], file: &str, facts: &dyn Facts) -> Parsed<HaCf> {
    let local_node = facts.node_name();
    let mut reading = Reading::new(file, &local_node, true, 0, facts);
    reading.read(bytes);
    reading.judge();
    reading.finish()
}

/// The nodes that ha.cf names, in lower case, each once and in its order; ping nodes are none. Nothing else in the file is
/// looked at, so a file that a daemon refuses has nodes too.
pub fn node_names(bytes: &[u8]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for line in written_lines(bytes).filter(|line| line.name.text() == "node") {
        for word in line.option_words() {
            let name = word.text().to_lowercase();
            if names.len() < NODES_MAX && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

/// ha.cf on its way from bytes to a value.
pub(crate) struct Reading<'f> {
    draft: Draft<'f>,
}

impl<'f> Reading<'f> {
    /// Nothing read yet. `debug` is the number of `-d` options.
    pub(crate) fn new(
        file: &str,
        local_node: &str,
        managed: bool,
        debug: i32,
        facts: &'f dyn Facts,
    ) -> Self {
        Reading {
            draft: Draft::new(file, local_node, managed, debug, facts),
        }
    }

    /// Steps 2 and 3: all lines, then the default authorisations. False when the file is refused.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> bool {
        for line in written_lines(bytes) {
            read_line(&mut self.draft, &line);
        }
        clients::add_default_authorisations(&mut self.draft);
        !self.draft.refused
    }

    /// Steps 6 and 7: defaults and checks, for a file that was read without error. False when it is refused.
    pub(crate) fn judge(&mut self) -> bool {
        if !self.draft.refused {
            self.draft.apply_defaults();
            checks::check(&mut self.draft);
        }
        !self.draft.refused
    }

    /// Everything said since the last time.
    pub(crate) fn take_diagnostics(&mut self) -> Vec<Diagnostic> {
        std::mem::take(&mut self.draft.diagnostics)
    }

    /// The value, unless the file was refused.
    pub(crate) fn finish(self) -> Parsed<HaCf> {
        let refused = self.draft.refused;
        let (ha_cf, diagnostics) = self.draft.finish();
        Parsed {
            value: (!refused).then_some(ha_cf),
            diagnostics,
        }
    }
}

fn read_line(draft: &mut Draft<'_>, line: &WrittenLine<'_>) {
    let name = line.name.text();
    let span = line.span_of(&draft.file, &line.name);
    let Some(directive) = directive_of(draft, &name, &span) else {
        illegal_directive(draft, line, &name, span);
        return;
    };
    match directive.shape {
        Shape::Words(_) => {
            let mut words = line.option_words().peekable();
            if words.peek().is_none() {
                no_value(draft, directive, span);
            }
            for word in words {
                let span = line.span_of(&draft.file, &word);
                apply(draft, directive, word.text, span);
            }
        }
        Shape::Line(_) => {
            let span = line.span_of(&draft.file, &line.rest);
            apply(draft, directive, line.rest.text, span);
        }
    }
}

/// Resolves the two names that stand for another.
fn directive_of(draft: &mut Draft<'_>, name: &str, span: &Span) -> Option<&'static Directive> {
    let name = match name {
        "udp" => {
            let message = "WARNING: directive 'udp' replaced by 'bcast'";
            draft.say(Diagnostic::legacy(Severity::Warn, "udp-is-bcast", message).at(span.clone()));
            "bcast"
        }
        // The name that 3.0.6 gave to crm.
        "pacemaker" => "crm",
        name => name,
    };
    directive::find(name)
}

fn apply(draft: &mut Draft<'_>, directive: &'static Directive, text: &[u8], span: Span) {
    let repeated = draft.recorded(directive.name).is_some();
    let given = Given {
        directive: directive.name,
        text,
        span: Some(span),
        repeated,
    };
    draft.record(directive.name, given.string());
    if let Some(span) = &given.span {
        draft.note_place(directive.name, span.clone());
    }
    let (Shape::Words(handler) | Shape::Line(handler)) = directive.shape;
    // A refusal has been said and noted; the legacy goes on so as to report every mistake in one run.
    let _ = handler(draft, &given);
}

/// The legacy ignores such a line in silence (`config-files.md` 2), and an earlier value, or the default, counts.
fn no_value(draft: &mut Draft<'_>, directive: &Directive, span: Span) {
    let message = format!("{} without a value is ignored", directive.name);
    let mut said = Diagnostic::ours(Severity::Warn, "no-value", message);
    if let Some(default) = directive.default
        && draft.recorded(directive.name).is_none()
    {
        said = said.advise(format!("its default is {default}"));
    }
    draft.say(said.at(span));
}

fn illegal_directive(draft: &mut Draft<'_>, line: &WrittenLine<'_>, name: &str, span: Span) {
    let message = format!("Illegal directive [{name}] in {}", draft.file);
    let mut diagnostic = Diagnostic::legacy(Severity::Error, "illegal-directive", message);
    if line.name.column > crate::lines::LINE_MAX || line.split {
        let advice = format!(
            "the line is longer than {} bytes and was cut in two there",
            crate::lines::LINE_MAX
        );
        diagnostic = diagnostic.advise(advice);
    } else if name.starts_with('\u{feff}') {
        diagnostic =
            diagnostic.advise("the file begins with a byte order mark; save it without one");
    } else if let Some(known) = directive::nearest(name) {
        diagnostic = diagnostic.advise(format!(
            "did you mean \"{known}\", followed by a blank and a value?"
        ));
    }
    draft.refuse(diagnostic.at(span));
}

#[cfg(test)]
mod tests {
    use super::node_names;

    #[test]
    fn nodes_are_found_in_any_file() {
        let file = b"node lvs1 LVS2 # comment\n\tnode lvs3,lvs1\n#node no\nNode no\nnonsense here\nping gate\nnode\n";
        assert_eq!(node_names(file), ["lvs1", "lvs2", "lvs3"]);
        assert_eq!(node_names(b"\xff\0node"), [""; 0]);
        let many: String = (0..5000).map(|n| format!("node n{n}\n")).collect();
        assert_eq!(node_names(many.as_bytes()).len(), 100);
    }
}
