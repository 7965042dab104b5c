//! From the configuration's and the core's words to log lines.

use ha_cluster::Level;
use ha_config::{HaCf, Severity};
use ha_sys::log::{LogdSink, Priority, Sinks, SyslogFacility};

/// The sinks that a configuration asks for (`config-files.md` 5.3).
pub(crate) fn sinks(ha_cf: &HaCf, node: &str) -> Sinks {
    let to = ha_cf.log_destinations();
    Sinks {
        logfile: to.logfile,
        debugfile: to.debugfile,
        facility: to
            .facility
            .and_then(|facility| SyslogFacility::from_name(facility.name())),
        syslog_style: ha_cf.syslogmsgfmt,
        node: node.to_owned(),
        stderr: false,
        logd: to.logd.then(|| LogdSink {
            sockets: ha_sys::log::logd_sockets(),
            retry_after: ha_cf.conn_logd_time,
        }),
        mode: None,
        syslog_prefix: None,
    }
}

/// The core's level.
pub(crate) fn priority_of_level(level: Level) -> Priority {
    match level {
        Level::Crit => Priority::Crit,
        Level::Error => Priority::Error,
        Level::Warn => Priority::Warn,
        Level::Notice => Priority::Notice,
        Level::Info => Priority::Info,
        Level::Debug => Priority::Debug,
    }
}

/// A diagnostic's level.
pub(crate) fn priority_of_severity(severity: Severity) -> Priority {
    match severity {
        Severity::Crit => Priority::Crit,
        Severity::Error => Priority::Error,
        Severity::Warn => Priority::Warn,
        Severity::Notice => Priority::Notice,
        Severity::Info => Priority::Info,
        Severity::Debug => Priority::Debug,
    }
}
