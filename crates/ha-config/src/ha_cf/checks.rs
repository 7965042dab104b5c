//! What the legacy judges once the whole file is read: computed defaults and cross-checks (`config-files.md` 8).

use std::time::Duration;

use crate::diagnostic::{Diagnostic, Severity};
use crate::ha_cf::draft::Draft;
use crate::ha_cf::media::udpport_now;
use crate::ha_cf::model::{AutoFailback, AutoJoin, Facility, HaCf, Medium, Node, NodeKind};
use crate::ha_cf::options::{LOGD_HAS_ITS_OWN_FILES, LOGD_IS_DISABLED, warn_of_missing_logd};

/// Runs the checks in the legacy's order. All of them run; each error refuses the configuration.
pub(crate) fn check(draft: &mut Draft<'_>) {
    if draft.ha_cf.media.is_empty() {
        refuse(draft, "no-media", "No heartbeat media defined");
    }
    if draft.recorded("warntime").is_none() {
        draft.ha_cf.warntime = milliseconds(ms(draft.ha_cf.deadtime) / 2);
        record_ms(draft, "warntime", draft.ha_cf.warntime);
    }
    if draft.ha_cf.nodes.is_empty() && draft.ha_cf.autojoin != AutoJoin::Any {
        refuse(draft, "no-nodes", "no nodes defined");
    }
    check_local_node(draft);
    check_links(draft);
    check_times(draft);
    if draft.recorded("udpport").is_none() {
        draft.ha_cf.udpport = udpport_now(draft);
        draft.record("udpport", draft.ha_cf.udpport.to_string());
    }
    if draft.recorded("debug").is_none() {
        draft.record("debug", draft.ha_cf.debug.to_string());
    }
    if draft.managed && draft.ha_cf.auto_failback == AutoFailback::Legacy {
        for text in [
            "Deprecated 'legacy' auto_failback option selected.",
            "Please convert to 'auto_failback on'.",
            "See documentation for conversion details.",
        ] {
            draft.say_legacy(Severity::Warn, "auto-failback-legacy", text);
        }
    }
    check_logging(draft);
    if draft.managed && draft.ha_cf.autojoin != AutoJoin::None {
        // The blanks are the legacy's.
        refuse(
            draft,
            "autojoin",
            "R1 style resource management conflicts with  autojoin set",
        );
        refuse(
            draft,
            "autojoin",
            "You need either unset autojoin or enable crm",
        );
    }
}

fn check_local_node(draft: &mut Draft<'_>) {
    if draft.ha_cf.has_node(&draft.local_node) {
        return;
    }
    if draft.ha_cf.autojoin == AutoJoin::Any {
        let message = format!(
            "Current node [{}] added to configuration.",
            draft.local_node
        );
        draft.say_legacy(Severity::Notice, "local-node-added", message);
        let name = draft.local_node.clone();
        draft.ha_cf.nodes.push(Node {
            name,
            kind: NodeKind::Normal,
        });
        return;
    }
    let message = format!("Current node [{}] not in configuration!", draft.local_node);
    let known: Vec<&str> = draft
        .ha_cf
        .nodes
        .iter()
        .map(|node| node.name.as_str())
        .take(NODES_SHOWN)
        .collect();
    let mut diagnostic = Diagnostic::legacy(Severity::Error, "local-node-missing", message);
    if !known.is_empty() {
        diagnostic = diagnostic.advise(format!(
            "the nodes declared in {} begin with: {}",
            draft.file,
            known.join(" ")
        ));
    }
    draft.refuse(diagnostic);
    for text in [
        "By default, cluster nodes are named by `uname -n` and must be declared with a 'node' directive in the ha.cf file.",
        "See also: http://linux-ha.org/ha.cf/NodeDirective",
    ] {
        draft.say_legacy(Severity::Info, "local-node-missing", text);
    }
}

/// The legacy starts in silence with a ping node as its only medium (`config-files.md` 6), and so do we, with a word: such
/// a node hears no other and holds everything.
fn check_links(draft: &mut Draft<'_>) {
    let reaches_nodes = |medium: &Medium| {
        !matches!(
            medium,
            Medium::Ping { .. } | Medium::Ping6 { .. } | Medium::PingGroup { .. }
        )
    };
    let is_other = |node: &Node| node.kind == NodeKind::Normal && node.name != draft.local_node;
    let HaCf { media, nodes, .. } = &draft.ha_cf;
    if media.is_empty() || media.iter().any(reaches_nodes) || !nodes.iter().any(is_other) {
        return;
    }
    let message = format!(
        "No medium in {} leads to another node: each node will believe that the others are dead, and take everything",
        draft.file
    );
    let advice = "ping and ping_group reach no nodes; add bcast, ucast, mcast or serial";
    draft.say(Diagnostic::ours(Severity::Warn, "no-link-to-nodes", message).advise(advice));
}

/// How many node names an advice lists.
const NODES_SHOWN: usize = 8;

/// Dead times against keepalive, and the dead times that the file leaves open.
fn check_times(draft: &mut Draft<'_>) {
    let keepalive = ms(draft.ha_cf.keepalive);
    let deadtime = ms(draft.ha_cf.deadtime);
    let too_small = |limit: u64| limit <= keepalive.saturating_mul(2);
    if too_small(deadtime) {
        let message =
            format!("Dead time [{deadtime}] is too small compared to keeplive [{keepalive}]");
        // Without a deadtime in the file it is keepalive that is too long for the default.
        let place = ["deadtime", "keepalive"];
        let advice = "deadtime must be more than twice keepalive";
        refuse_time(draft, "deadtime-too-small", message, &place, advice);
    }
    if draft.recorded("initdead").is_none() {
        draft.ha_cf.initdead = milliseconds(match deadtime {
            _ if deadtime > 10_000 => deadtime,
            _ if deadtime < 6_000 => 12_000,
            _ => deadtime.saturating_mul(2),
        });
        record_ms(draft, "initdead", draft.ha_cf.initdead);
    }
    let initdead = ms(draft.ha_cf.initdead);
    if initdead < deadtime {
        let message =
            format!("Initial dead time [{initdead}] is smaller than deadtime [{deadtime}]");
        let advice = "initdead must not be less than deadtime";
        refuse_time(draft, "initdead-too-small", message, &["initdead"], advice);
    } else if initdead < 10_000 {
        let message = format!("Initial dead time [{initdead} ms] may be too small!");
        draft.say_legacy(Severity::Warn, "initdead-short", message);
        for text in [
            "Initial dead time accounts for slow network startup time",
            "It should be >= deadtime and >= 10 seconds",
        ] {
            draft.say_legacy(Severity::Info, "initdead-short", text);
        }
    }
    let computed = draft.recorded("deadping").is_none();
    if computed {
        draft.ha_cf.deadping = draft.ha_cf.deadtime;
        record_ms(draft, "deadping", draft.ha_cf.deadping);
    }
    let deadping = ms(draft.ha_cf.deadping);
    // A computed one is deadtime, which has had its own verdict.
    if !computed && too_small(deadping) {
        let message =
            format!("Ping dead time [{deadping}] is too small compared to keeplive [{keepalive}]");
        let advice = "deadping must be more than twice keepalive";
        refuse_time(draft, "deadping-too-small", message, &["deadping"], advice);
    }
    note_useless_warntime(draft);
}

/// The legacy accepts it in silence. It is harmless, so it is only mentioned.
fn note_useless_warntime(draft: &mut Draft<'_>) {
    let (warntime, deadtime) = (ms(draft.ha_cf.warntime), ms(draft.ha_cf.deadtime));
    if warntime >= deadtime {
        let message = format!(
            "warntime [{warntime}] is not below deadtime [{deadtime}]: no late heartbeat can be reported"
        );
        draft.say(Diagnostic::ours(
            Severity::Info,
            "warntime-useless",
            message,
        ));
    }
}

/// Where messages will go (`config-files.md` 5.3).
fn check_logging(draft: &mut Draft<'_>) {
    let facility = draft
        .ha_cf
        .logfacility
        .as_ref()
        .is_some_and(Facility::is_used);
    let mut null_devices = Vec::new();
    let files = draft.ha_cf.logfile.is_some() || draft.ha_cf.debugfile.is_some();
    if facility {
        // Scripts log to the null device rather than to nowhere.
        for (directive, file) in [
            ("logfile", &mut draft.ha_cf.logfile),
            ("debugfile", &mut draft.ha_cf.debugfile),
        ] {
            if file.is_none() {
                *file = Some("/dev/null".into());
                null_devices.push(directive);
            }
        }
    }
    for directive in null_devices {
        draft.record(directive, "/dev/null");
    }
    if files || facility {
        if draft.ha_cf.use_logd {
            let facility = if facility { "/logfacility" } else { "" };
            let message = format!(
                "logd is enabled but logfile/debugfile{facility} is still configured in ha.cf"
            );
            draft.say_legacy(Severity::Warn, "logd-and-files", message);
        } else {
            draft.say_legacy(Severity::Warn, "logd-disabled", LOGD_IS_DISABLED);
        }
        return;
    }
    if draft.recorded("use_logd").is_none() {
        draft.say_legacy(
            Severity::Info,
            "logd-enabled",
            "No log entry found in ha.cf -- use logd",
        );
        warn_of_missing_logd(draft);
        draft.say_legacy(Severity::Info, "logd-enabled", "Enabling logging daemon ");
        draft.say_legacy(Severity::Info, "logd-enabled", LOGD_HAS_ITS_OWN_FILES);
        draft.ha_cf.use_logd = true;
        draft.record("use_logd", "yes");
    } else if !draft.ha_cf.use_logd {
        refuse(
            draft,
            "no-log",
            "No log entry found in ha.cf and use_logd is set to off",
        );
    }
}

fn refuse(draft: &mut Draft<'_>, code: &'static str, message: impl Into<String>) {
    draft.refuse(Diagnostic::legacy(Severity::Error, code, message));
}

/// Refuses a time where the first of `directives` stands that the file has.
fn refuse_time(
    draft: &mut Draft<'_>,
    code: &'static str,
    message: String,
    directives: &[&str],
    advice: &str,
) {
    let place = directives
        .iter()
        .find_map(|name| draft.place(name))
        .cloned();
    let said = Diagnostic::legacy(Severity::Error, code, message).advise(advice);
    draft.refuse(match place {
        Some(place) => said.at(place),
        None => said,
    });
}

fn record_ms(draft: &mut Draft<'_>, directive: &'static str, time: Duration) {
    draft.record(directive, format!("{}ms", ms(time)));
}

/// All times of ha.cf are read as whole milliseconds that fit 64 bits.
fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn milliseconds(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
