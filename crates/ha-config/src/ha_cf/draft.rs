//! The state of a parse: what has been understood so far, what has been said about it, whether the file is refused.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ha_wire::{CompressionSettings, Encoding};

use crate::diagnostic::{Diagnostic, Severity, Span};
use crate::facts::Facts;
use crate::ha_cf::directive::{DIRECTIVES, Shape};
use crate::ha_cf::model::{
    AutoFailback, AutoJoin, GenerationMethod, HaCf, MEDIA_MAX, Medium, NODES_MAX, Node, NodeKind,
    UuidFrom,
};
use crate::lines::lossy;

/// What a directive is given: one word, or the rest of a line.
#[derive(Clone, Debug)]
pub(crate) struct Given<'a> {
    /// Name of the directive as the table has it.
    pub(crate) directive: &'static str,
    /// The bytes.
    pub(crate) text: &'a [u8],
    /// Where they stand; none for a default.
    pub(crate) span: Option<Span>,
    /// The directive has had a word before this one.
    pub(crate) repeated: bool,
}

impl Given<'_> {
    /// The bytes as text.
    pub(crate) fn string(&self) -> String {
        lossy(self.text)
    }

    /// A diagnostic that points here.
    pub(crate) fn mark(&self, diagnostic: Diagnostic) -> Diagnostic {
        match &self.span {
            Some(span) => diagnostic.at(span.clone()),
            None => diagnostic,
        }
    }

    /// The place of a part of the text.
    pub(crate) fn span_at(&self, column: usize) -> Option<Span> {
        self.span.clone().map(|span| Span { column, ..span })
    }

    /// The column of the first byte; 1 for a default, which stands nowhere.
    pub(crate) fn column(&self) -> usize {
        self.span.as_ref().map_or(1, |span| span.column)
    }
}

/// A directive was refused, and [`Draft`] has been told why. The start will fail, but reading goes on.
#[derive(Debug)]
pub(crate) struct Refused;

/// ha.cf while it is being read.
pub(crate) struct Draft<'f> {
    /// The host.
    pub(crate) facts: &'f dyn Facts,
    /// Path of the file, for messages.
    pub(crate) file: String,
    /// Our node name in lower case.
    pub(crate) local_node: String,
    /// Resources are managed the R1 way: neither `-M` nor `crm`.
    pub(crate) managed: bool,
    /// Values so far.
    pub(crate) ha_cf: HaCf,
    /// Everything said so far.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// An error has been met.
    pub(crate) refused: bool,
    /// Values as written, by directive name, for all recorded directives and those that may be given once.
    given: BTreeMap<&'static str, String>,
    /// Where the last word of a directive stands, for checks that come after the last line.
    places: BTreeMap<&'static str, Span>,
    /// Media types whose port or speed is settled (`config-files.md` 4): the first use of each type does it.
    pub(crate) settled_ports: BTreeMap<&'static str, u16>,
    /// Line speed of all serial media.
    pub(crate) settled_baud: Option<u32>,
}

impl<'f> Draft<'f> {
    /// A draft on which nothing is written yet.
    pub(crate) fn new(
        file: &str,
        local_node: &str,
        managed: bool,
        debug: i32,
        facts: &'f dyn Facts,
    ) -> Self {
        let mut ha_cf = unwritten();
        ha_cf.debug = debug;
        Draft {
            facts,
            file: file.into(),
            local_node: local_node.to_ascii_lowercase(),
            managed,
            ha_cf,
            diagnostics: Vec::new(),
            refused: false,
            given: BTreeMap::new(),
            places: BTreeMap::new(),
            settled_ports: BTreeMap::new(),
            settled_baud: None,
        }
    }

    /// Says something.
    pub(crate) fn say(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Says something of the legacy's without a place.
    pub(crate) fn say_legacy(
        &mut self,
        severity: Severity,
        code: &'static str,
        message: impl Into<String>,
    ) {
        self.say(Diagnostic::legacy(severity, code, message));
    }

    /// Says why the file is refused.
    pub(crate) fn refuse(&mut self, diagnostic: Diagnostic) -> Refused {
        self.refused = true;
        self.say(diagnostic);
        Refused
    }

    /// Refuses with a text of the legacy.
    pub(crate) fn refuse_legacy(
        &mut self,
        given: &Given<'_>,
        code: &'static str,
        message: String,
    ) -> Refused {
        self.refuse(given.mark(Diagnostic::legacy(Severity::Error, code, message)))
    }

    /// The same with a word on the cure.
    pub(crate) fn refuse_with_advice(
        &mut self,
        given: &Given<'_>,
        code: &'static str,
        message: String,
        advice: &str,
    ) -> Refused {
        self.refuse(given.mark(Diagnostic::legacy(Severity::Error, code, message).advise(advice)))
    }

    /// Refuses what the legacy refuses in silence; `expected` says what would have been right.
    pub(crate) fn refuse_value(&mut self, given: &Given<'_>, expected: &str) -> Refused {
        let message = format!("bad value [{}] for {}", given.string(), given.directive);
        let diagnostic = Diagnostic::ours(Severity::Error, "bad-value", message)
            .advise(format!("expected {expected}"));
        self.refuse(given.mark(diagnostic))
    }

    /// Remembers a value as written.
    pub(crate) fn record(&mut self, directive: &'static str, value: impl Into<String>) {
        self.given.insert(directive, value.into());
    }

    /// Remembers where the last word of a directive stands.
    pub(crate) fn note_place(&mut self, directive: &'static str, span: Span) {
        self.places.insert(directive, span);
    }

    /// Where the last word of a directive stands; none if the file does not have it.
    pub(crate) fn place(&self, directive: &str) -> Option<&Span> {
        self.places.get(directive)
    }

    /// The value as written, or as computed, if there is one yet.
    pub(crate) fn recorded(&self, directive: &str) -> Option<&str> {
        self.given.get(directive).map(String::as_str)
    }

    /// Applies the fixed default of every directive that the file did not give, in table order.
    pub(crate) fn apply_defaults(&mut self) {
        for directive in DIRECTIVES {
            let (Some(default), Shape::Words(handler)) = (directive.default, directive.shape)
            else {
                continue;
            };
            if self.recorded(directive.name).is_some() {
                continue;
            }
            let given = Given {
                directive: directive.name,
                text: default.as_bytes(),
                span: None,
                repeated: false,
            };
            let accepted = handler(self, &given);
            assert!(
                accepted.is_ok(),
                "the default of {} is refused by its own handler",
                directive.name
            );
            self.record(directive.name, default);
        }
    }

    /// Adds a node, or says why not. `Ok(false)`: it was there already.
    pub(crate) fn add_node(
        &mut self,
        given: &Given<'_>,
        name: &str,
        kind: NodeKind,
    ) -> Result<bool, Refused> {
        let name = node_name(name);
        if let Some(known) = self.ha_cf.nodes.iter_mut().find(|node| node.name == name) {
            let was = known.kind;
            if kind == NodeKind::Normal {
                known.kind = kind;
            }
            self.duplicate_node(given, &name, was, kind);
            return Ok(false);
        }
        if self.ha_cf.nodes.len() >= NODES_MAX {
            let message = format!("too many nodes: [{name}] would be number {}", NODES_MAX + 1);
            let diagnostic = Diagnostic::ours(Severity::Error, "too-many-nodes", message).advise(
                format!("at most {NODES_MAX} nodes, ping nodes and ping groups together"),
            );
            return Err(self.refuse(given.mark(diagnostic)));
        }
        self.ha_cf.nodes.push(Node { name, kind });
        Ok(true)
    }

    /// The legacy keeps a second entry that never hears anything and so delays every start until initdead.
    fn duplicate_node(&mut self, given: &Given<'_>, name: &str, was: NodeKind, kind: NodeKind) {
        if was != NodeKind::Normal && kind == NodeKind::Normal {
            self.ha_cf
                .media
                .retain(|medium| !is_ping_medium_of(medium, name));
        }
        let message = format!("node [{name}] is declared more than once");
        let advice = "only the first declaration counts, and a node is never also a ping node";
        self.say(
            given.mark(Diagnostic::ours(Severity::Warn, "duplicate-node", message).advise(advice)),
        );
    }

    /// Refuses a medium beyond the limit. Asked before anything is looked up for it, as the legacy does.
    pub(crate) fn room_for_medium(&mut self, given: &Given<'_>) -> Result<(), Refused> {
        if self.ha_cf.media.len() < MEDIA_MAX {
            return Ok(());
        }
        let refused = self.refuse_legacy(
            given,
            "too-many-media",
            format!("Too many media specified (> {MEDIA_MAX})"),
        );
        let offender = format!("Offending command: {} {}", given.directive, given.string());
        self.say_legacy(Severity::Info, "too-many-media", offender);
        Err(refused)
    }

    /// The value as meant, with the parameters in table order.
    pub(crate) fn finish(mut self) -> (HaCf, Vec<Diagnostic>) {
        self.ha_cf.parameters = DIRECTIVES
            .iter()
            .filter(|directive| directive.recorded)
            .filter_map(|directive| {
                Some((directive.name.into(), self.recorded(directive.name)?.into()))
            })
            .collect();
        (self.ha_cf, self.diagnostics)
    }
}

/// A node name as the legacy stores it: lower case, at most 99 bytes (`config-files.md` 3).
pub(crate) fn node_name(written: &str) -> String {
    let mut name = written.to_ascii_lowercase();
    let mut end = name.len().min(NODE_NAME_MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.truncate(end);
    name
}

/// Bytes of a node name that count.
const NODE_NAME_MAX: usize = 99;

fn is_ping_medium_of(medium: &Medium, node: &str) -> bool {
    let is_ping = matches!(
        medium,
        Medium::Ping { .. } | Medium::Ping6 { .. } | Medium::PingGroup { .. }
    );
    is_ping && node_name(medium.link_name()) == node
}

/// Nothing is configured. Everything with a fixed default in the table is overwritten by it before anybody looks.
fn unwritten() -> HaCf {
    HaCf {
        cluster: String::new(),
        nodes: Vec::new(),
        media: Vec::new(),
        keepalive: Duration::ZERO,
        deadtime: Duration::ZERO,
        deadping: Duration::ZERO,
        warntime: Duration::ZERO,
        initdead: Duration::ZERO,
        auto_failback: AutoFailback::Legacy,
        hopfudge: 0,
        max_rexmit_delay: Duration::ZERO,
        msgfmt: Encoding::String,
        compression: CompressionSettings::default(),
        log_badpack: true,
        realtime: true,
        rtprio: 1,
        debug: 0,
        logfile: None,
        debugfile: None,
        logfacility: None,
        use_logd: false,
        conn_logd_time: Duration::ZERO,
        syslogmsgfmt: false,
        hb_generation_method: GenerationMethod::File,
        uuid_from: UuidFrom::File,
        autojoin: AutoJoin::None,
        watchdog: None,
        coredumps: true,
        coreroot: PathBuf::from("/var/lib/heartbeat/cores"),
        memreserve_kib: 0,
        use_apphbd: false,
        udpport: 0,
        baud: 0,
        respawn: Vec::new(),
        apiauth: Vec::new(),
        stonith: Vec::new(),
        env: Vec::new(),
        parameters: Vec::new(),
    }
}
