//! What one word means to each option directive (`config-files.md` 5).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

use ha_wire::{Compression, Encoding};

use crate::diagnostic::{Diagnostic, Severity};
use crate::facts::OsError;
use crate::ha_cf::draft::{Draft, Given, Refused};
use crate::ha_cf::model::{AutoFailback, AutoJoin, Facility, GenerationMethod, NodeKind, UuidFrom};
use crate::ha_cf::value::{boolean, integer, time_ms};
use crate::paths;

type Outcome = Result<(), Refused>;

/// Longest path or cluster name that the legacy keeps.
const STRING_MAX: usize = 4095;

pub(crate) fn cluster(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft.ha_cf.cluster = crate::lines::lossy(cut(given.text));
    Ok(())
}

pub(crate) fn node(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft
        .add_node(given, &given.string(), NodeKind::Normal)
        .map(|_| ())
}

pub(crate) fn hopfudge(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    match u8::try_from(integer(given.text)) {
        Ok(hops) => draft.ha_cf.hopfudge = hops.into(),
        Err(_) => return Err(draft.refuse_value(given, "a number from 0 to 255")),
    }
    Ok(())
}

pub(crate) fn keepalive(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft.ha_cf.keepalive = positive_time(draft, given)?;
    Ok(())
}

pub(crate) fn deadtime(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft.ha_cf.deadtime = time(draft, given)?;
    Ok(())
}

pub(crate) fn deadping(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft.ha_cf.deadping = time(draft, given)?;
    Ok(())
}

pub(crate) fn initdead(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft.ha_cf.initdead = time(draft, given)?;
    Ok(())
}

pub(crate) fn warntime(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    match time_ms(given.text) {
        Some(ms) if ms > 0 => draft.ha_cf.warntime = Duration::from_millis(ms),
        _ => {
            let message = format!("Warn time [{}] is invalid.", given.string());
            let diagnostic = Diagnostic::stderr(Severity::Error, "bad-warntime", message);
            return Err(
                draft.refuse(given.mark(diagnostic.advise(format!("expected {POSITIVE_TIME}"))))
            );
        }
    }
    Ok(())
}

pub(crate) fn watchdog(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    if given.repeated {
        return Err(refuse_second(
            draft,
            given,
            "heartbeat: Watchdog device multiply specified.",
        ));
    }
    draft.ha_cf.watchdog = Some(path(given));
    Ok(())
}

pub(crate) fn baud(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    if given.repeated {
        return Err(refuse_second(
            draft,
            given,
            "heartbeat: Baudrate multiply specified.",
        ));
    }
    match BAUD_RATES
        .iter()
        .find(|rate| i64::from(**rate) == i64::from(integer(given.text)))
    {
        Some(rate) => draft.ha_cf.baud = *rate,
        None => {
            let message = format!(
                "heartbeat: invalid baudrate [{}] specified.",
                given.string()
            );
            let rates: Vec<String> = BAUD_RATES.iter().map(u32::to_string).collect();
            let diagnostic = Diagnostic::stderr(Severity::Error, "bad-baud", message)
                .advise(format!("expected one of {}", rates.join(" ")));
            return Err(draft.refuse(given.mark(diagnostic)));
        }
    }
    Ok(())
}

/// Line speeds that the legacy knows.
const BAUD_RATES: &[u32] = &[9600, 19200, 38400, 57600, 115_200, 230_400, 460_800];

pub(crate) fn udpport(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    let number = integer(given.text);
    if number <= 0 {
        let message = format!("heartbeat: invalid port [{}] specified.", given.string());
        let diagnostic = Diagnostic::stderr(Severity::Error, "bad-udpport", message)
            .advise("expected a number from 1 to 65535; names of services are not understood");
        return Err(draft.refuse(given.mark(diagnostic)));
    }
    // The socket layer takes the lower 16 bits, and so do we, but not without a word.
    let port = (number & 0xffff) as u16;
    if i32::from(port) != number {
        let message = format!(
            "udpport [{}] is no port number, port {port} will be used",
            given.string()
        );
        draft.say(given.mark(Diagnostic::ours(
            Severity::Warn,
            "udpport-truncated",
            message,
        )));
    }
    if let Some(owner) = draft
        .facts
        .udp_service_of_port(port)
        .filter(|owner| owner != UDP_SERVICE)
    {
        let message = format!(
            "heartbeat: udp port {} reserved for service \"{owner}\".",
            given.string()
        );
        draft.say(given.mark(Diagnostic::legacy(
            Severity::Warn,
            "udpport-reserved",
            message,
        )));
    }
    if draft.settled_ports.values().any(|settled| *settled != port) {
        let message = "udpport has no effect on the media above it";
        let diagnostic = Diagnostic::ours(Severity::Warn, "udpport-too-late", message);
        draft.say(
            given.mark(diagnostic.advise("write udpport before the first bcast or ucast line")),
        );
    }
    draft.ha_cf.udpport = port;
    Ok(())
}

/// The service whose port is used without a `udpport` line.
pub(crate) const UDP_SERVICE: &str = "ha-cluster";
/// The port when the service is not known either.
pub(crate) const UDP_PORT: u16 = 694;

pub(crate) fn logfacility(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    match Facility::from_name(&given.string()) {
        Some(facility) => draft.ha_cf.logfacility = Some(facility),
        None => {
            let message = format!("Log facility({}) not valid", given.string());
            return Err(draft.refuse_legacy(given, "bad-logfacility", message));
        }
    }
    Ok(())
}

pub(crate) fn logfile(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft.ha_cf.logfile = Some(path(given));
    Ok(())
}

pub(crate) fn debugfile(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft.ha_cf.debugfile = Some(path(given));
    Ok(())
}

/// The obsolete forerunner of auto_failback (`config-files.md` 5.4). Its value hardly matters.
pub(crate) fn nice_failback(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    const CODE: &str = "nice-failback-obsolete";
    let word = given.string();
    let message = "nice_failback flag is obsolete.. Use auto_failback {on, off, legacy} instead.";
    draft.say(given.mark(Diagnostic::legacy(Severity::Error, CODE, message)));
    let understood = boolean(given.text).is_some();
    if understood && draft.ha_cf.auto_failback.nice() {
        let message = format!("'nice_failback {word}' has been changed to 'auto_failback off'");
        draft.say_legacy(Severity::Error, CODE, message);
        draft.ha_cf.auto_failback = AutoFailback::Off;
    } else if understood {
        let message =
            format!("nice_failback {word} has been strictly interpreted as 'auto_failback legacy'");
        draft.say_legacy(Severity::Error, CODE, message);
        draft.say_legacy(
            Severity::Error,
            CODE,
            "Consider converting to 'auto_failback on'.",
        );
        draft.say_legacy(
            Severity::Error,
            CODE,
            "When you do, then you can use ipfail, and hb_standby",
        );
    }
    draft.say_legacy(Severity::Error, CODE, "See documentation for details.");
    if understood {
        Ok(())
    } else {
        Err(draft.refuse_value(given, BOOLEAN))
    }
}

pub(crate) fn auto_failback(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft.ha_cf.auto_failback = match boolean(given.text) {
        Some(true) => AutoFailback::On,
        Some(false) => AutoFailback::Off,
        None if given.text.eq_ignore_ascii_case(b"legacy") => AutoFailback::Legacy,
        None => return Err(draft.refuse_value(given, "on, off or legacy")),
    };
    Ok(())
}

pub(crate) fn rtprio(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    match integer(given.text) {
        priority @ 1..=99 => draft.ha_cf.rtprio = priority,
        _ => {
            let message = format!("Illegal realtime priority [{}]", given.string());
            return Err(draft.refuse_legacy(given, "bad-rtprio", message));
        }
    }
    Ok(())
}

pub(crate) fn hbgenmethod(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft.ha_cf.hb_generation_method = match given.text {
        b"file" => GenerationMethod::File,
        b"time" => GenerationMethod::Time,
        _ => {
            let message = format!("Illegal hb generation method [{}]", given.string());
            return Err(draft.refuse_legacy(given, "bad-hbgenmethod", message));
        }
    };
    Ok(())
}

pub(crate) fn realtime(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft.ha_cf.realtime = switch(draft, given)?;
    Ok(())
}

pub(crate) fn debug(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    match integer(given.text) {
        level @ 0..=255 => draft.ha_cf.debug = level,
        _ => return Err(draft.refuse_value(given, "a number from 0 to 255")),
    }
    Ok(())
}

pub(crate) fn msgfmt(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft.ha_cf.msgfmt = match given.text {
        b"classic" => Encoding::String,
        b"netstring" => Encoding::Netstring,
        _ => return Err(draft.refuse_value(given, "classic or netstring")),
    };
    Ok(())
}

pub(crate) fn use_logd(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft.ha_cf.use_logd = switch(draft, given)?;
    if draft.ha_cf.use_logd {
        draft.say_legacy(Severity::Info, "logd-enabled", "Enabling logging daemon ");
        warn_of_missing_logd(draft);
        draft.say_legacy(Severity::Info, "logd-enabled", LOGD_HAS_ITS_OWN_FILES);
    } else {
        draft.say(given.mark(Diagnostic::legacy(
            Severity::Warn,
            "logd-disabled",
            LOGD_IS_DISABLED,
        )));
    }
    Ok(())
}

/// Said for every `use_logd no` and once more by the checks.
pub(crate) const LOGD_IS_DISABLED: &str =
    "Logging daemon is disabled --enabling logging daemon is recommended";
/// Said when ha_logd is switched on.
pub(crate) const LOGD_HAS_ITS_OWN_FILES: &str =
    "logfile and debug file are those specified in logd config file (default /etc/logd.cf)";

/// The warning that the legacy gives when ha_logd does not answer.
pub(crate) fn warn_of_missing_logd(draft: &mut Draft<'_>) {
    if !draft.facts.logd_is_running() {
        let message =
            "Initializing connection to logging daemon failed. Logging daemon may not be running";
        draft.say_legacy(Severity::Warn, "logd-missing", message);
    }
}

pub(crate) fn conn_logd_time(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft.ha_cf.conn_logd_time = positive_time(draft, given)?;
    Ok(())
}

pub(crate) fn use_apphbd(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft.ha_cf.use_apphbd = switch(draft, given)?;
    Ok(())
}

pub(crate) fn log_badpack(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft.ha_cf.log_badpack = switch(draft, given)?;
    Ok(())
}

pub(crate) fn syslogmsgfmt(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft.ha_cf.syslogmsgfmt = switch(draft, given)?;
    Ok(())
}

pub(crate) fn coredumps(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft.ha_cf.coredumps = switch(draft, given)?;
    if draft.ha_cf.coredumps && !draft.facts.core_dumps_are_kept_apart() {
        for text in [
            "Core dumps could be lost if multiple dumps occur.",
            "Consider setting non-default value in /proc/sys/kernel/core_pattern (or equivalent) for maximum supportability",
            "Consider setting /proc/sys/kernel/core_uses_pid (or equivalent) to 1 for maximum supportability",
        ] {
            draft.say_legacy(Severity::Warn, "core-dumps-overwritten", text);
        }
    }
    Ok(())
}

pub(crate) fn coreroot(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    if !given.text.starts_with(b"/") {
        let word = given.string();
        let reason = draft.facts.errno_text(OsError::ENOENT);
        let first = format!("Invalid dir in cl_set_corerootdir() [{word}]: {reason}");
        let refused = draft.refuse_legacy(given, "bad-coreroot", first);
        let reason = draft.facts.errno_text(OsError::EINVAL);
        draft.say_legacy(
            Severity::Error,
            "bad-coreroot",
            format!("Invalid core directory [{word}]: {reason}"),
        );
        return Err(refused);
    }
    draft.ha_cf.coreroot = path(given);
    Ok(())
}

/// Release 2 resource management is not here (design rule: refuse it, naming the line).
pub(crate) fn crm(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    let word = given.string();
    draft.say_legacy(Severity::Info, "crm", format!("Version 2 support: {word}"));
    let enabled = match boolean(given.text) {
        Some(enabled) => enabled,
        None => {
            let modes = ["manual", "minimal", "respawn", "valgrind"];
            if !modes.iter().any(|mode| word.eq_ignore_ascii_case(mode)) {
                return Err(draft.refuse_value(
                    given,
                    "off; this program manages resources by haresources only",
                ));
            }
            true
        }
    };
    if !enabled {
        return Ok(());
    }
    if draft.facts.path_kind(paths::HARESOURCES) != crate::facts::PathKind::Missing {
        draft.say_legacy(
            Severity::Warn,
            "crm",
            format!("File {} exists.", paths::HARESOURCES),
        );
        draft.say_legacy(
            Severity::Warn,
            "crm",
            "This file is not used because crm is enabled",
        );
    }
    let message = format!(
        "crm {word} asks for release 2 resource management, which this program does not provide"
    );
    let diagnostic = Diagnostic::ours(Severity::Error, "crm-unsupported", message)
        .advise("write \"crm no\" or remove the line; resources are then managed by haresources");
    Err(draft.refuse(given.mark(diagnostic)))
}

pub(crate) fn autojoin(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    let word = given.string();
    draft.ha_cf.autojoin = match word.to_ascii_lowercase().as_str() {
        "none" => AutoJoin::None,
        "other" => AutoJoin::Other,
        "any" => AutoJoin::Any,
        _ => {
            return Err(draft.refuse_legacy(
                given,
                "bad-autojoin",
                format!("Invalid autojoin directive [{word}]"),
            ));
        }
    };
    Ok(())
}

pub(crate) fn uuidfrom(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft.ha_cf.uuid_from = match given.text {
        b"file" => UuidFrom::File,
        b"nodename" => UuidFrom::NodeName,
        _ => {
            let message = format!("Invalid uuidfrom directive [{}]", given.string());
            return Err(draft.refuse_legacy(given, "bad-uuidfrom", message));
        }
    };
    Ok(())
}

pub(crate) fn compression(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    match Compression::from_name(given.text) {
        Some(algorithm) => draft.ha_cf.compression.algorithm = algorithm,
        None => {
            let message = format!("Compression module({}) not found", given.string());
            return Err(draft.refuse_legacy(given, "bad-compression", message));
        }
    }
    Ok(())
}

pub(crate) fn compression_threshold(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    match usize::try_from(integer(given.text)) {
        Ok(kib) if kib > 0 => draft.ha_cf.compression.threshold = kib.saturating_mul(1024),
        _ => {
            let word = given.string();
            let message = format!("set_compression_threshold: compress_threshhold({word}) invalid");
            return Err(draft.refuse_legacy(given, "bad-compression-threshold", message));
        }
    }
    Ok(())
}

pub(crate) fn traditional_compression(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    match boolean(given.text) {
        Some(traditional) => draft.ha_cf.compression.traditional = traditional,
        None => {
            let message = format!(
                "set_traditional_compression:Invalid directive value {}",
                given.string()
            );
            return Err(draft.refuse_legacy(given, "bad-traditional-compression", message));
        }
    }
    // Seen of 3.0.6, which asks only whether a module is loaded by now: the default comes later and is not complained of.
    if draft.ha_cf.compression.traditional && draft.recorded("compression").is_some() {
        let message =
            "Traditional compression selected. Realtime behavior will likely be impacted(!)";
        draft.say(given.mark(Diagnostic::legacy(
            Severity::Warn,
            "traditional-compression",
            message,
        )));
        let see = "See http://linux-ha.org/wiki/Ha.cf#traditional_compression_-_controls_compression_mode for more information.";
        draft.say_legacy(Severity::Info, "traditional-compression", see);
    }
    Ok(())
}

pub(crate) fn env(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    let word = given.string();
    let (name, value) = word.split_once('=').unwrap_or((&word, ""));
    if name.is_empty() {
        return Err(draft.refuse_legacy(
            given,
            "bad-env",
            format!("set_env: invalid nvpair({word})"),
        ));
    }
    let pair = (name.to_owned(), value.to_owned());
    draft.ha_cf.env.push(pair);
    Ok(())
}

pub(crate) fn max_rexmit_delay(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    match u64::try_from(integer(given.text)) {
        Ok(ms) if ms > 0 => draft.ha_cf.max_rexmit_delay = Duration::from_millis(ms),
        _ => {
            let message = format!("Invalid max_rexmit_delay time({})", given.string());
            return Err(draft.refuse_legacy(given, "bad-max-rexmit-delay", message));
        }
    }
    Ok(())
}

/// Directives that only release 2 acts on; they are checked and recorded, nothing else.
pub(crate) fn crm_boolean(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    if boolean(given.text).is_none() {
        let message = format!(
            "ha_config_check_boolean:Invalid directive value {}",
            given.string()
        );
        return Err(draft.refuse_legacy(given, "bad-boolean", message));
    }
    Ok(())
}

pub(crate) fn memreserve(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    match u32::try_from(integer(given.text)) {
        Ok(kib) if kib > 0 => draft.ha_cf.memreserve_kib = kib,
        _ => return Err(draft.refuse_value(given, "a number of KiB above 0")),
    }
    Ok(())
}

/// Only recorded. The legacy also overwrites the cluster's name with it, which nothing in R1 mode looks at.
pub(crate) fn quorum_server(_draft: &mut Draft<'_>, _given: &Given<'_>) -> Outcome {
    Ok(())
}

const BOOLEAN: &str = "true on yes y 1, or false off no n 0";
const TIME: &str = "a time such as 2, 1.5 or 500ms";
const POSITIVE_TIME: &str = "a time above zero such as 2, 1.5 or 500ms";

fn switch(draft: &mut Draft<'_>, given: &Given<'_>) -> Result<bool, Refused> {
    boolean(given.text).ok_or_else(|| draft.refuse_value(given, BOOLEAN))
}

fn time(draft: &mut Draft<'_>, given: &Given<'_>) -> Result<Duration, Refused> {
    match time_ms(given.text) {
        Some(ms) => Ok(Duration::from_millis(ms)),
        None => Err(draft.refuse_value(given, TIME)),
    }
}

fn positive_time(draft: &mut Draft<'_>, given: &Given<'_>) -> Result<Duration, Refused> {
    match time_ms(given.text) {
        Some(ms) if ms > 0 => Ok(Duration::from_millis(ms)),
        _ => Err(draft.refuse_value(given, POSITIVE_TIME)),
    }
}

fn refuse_second(draft: &mut Draft<'_>, given: &Given<'_>, message: &str) -> Refused {
    let diagnostic = Diagnostic::stderr(Severity::Error, "given-twice", message).advise(format!(
        "{} may be given once, with one word",
        given.directive
    ));
    draft.refuse(given.mark(diagnostic))
}

fn path(given: &Given<'_>) -> PathBuf {
    OsString::from_vec(cut(given.text).to_vec()).into()
}

fn cut(text: &[u8]) -> &[u8] {
    text.get(..STRING_MAX).unwrap_or(text)
}
