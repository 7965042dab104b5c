//! Where a client that the daemon starts writes its log: where the daemon says, in its environment (`client-api.md` 6).

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use ha_sys::log::{LogdSink, Logger, Sinks, SyslogFacility, logd_sockets};

/// `conn_logd_time` unless ha.cf says otherwise (`client-api.md` 3.21).
const RETRY_DEFAULT: Duration = Duration::from_secs(60);

/// The log of the program with this name.
pub(crate) fn logger(entity: &str) -> Logger {
    let variable = |name: &str| env::var(name).ok();
    Logger::new(entity, sinks(variable))
}

/// What the variables say. Without any destination among them somebody started the program by hand, and reads standard
/// error.
fn sinks(variable: impl Fn(&str) -> Option<String>) -> Sinks {
    let text = |name: &str| variable(name).filter(|value| !value.is_empty());
    let logd = is_true(text("HA_use_logd")).then(|| LogdSink {
        sockets: logd_sockets(),
        retry_after: text("HA_conn_logd_time")
            .and_then(|value| duration(&value))
            .unwrap_or(RETRY_DEFAULT),
    });
    let mut sinks = Sinks {
        logfile: text("HA_logfile").map(PathBuf::from),
        debugfile: text("HA_debugfile").map(PathBuf::from),
        facility: text("HA_logfacility").and_then(|name| SyslogFacility::from_name(&name)),
        syslog_style: is_true(text("HA_syslogmsgfmt")),
        node: text("HA_CURHOST").unwrap_or_else(ha_sys::host::uname_node),
        logd,
        ..Sinks::default()
    };
    sinks.stderr = sinks.logfile.is_none()
        && sinks.debugfile.is_none()
        && sinks.facility.is_none()
        && sinks.logd.is_none();
    sinks
}

/// The values come as they stand in ha.cf.
fn is_true(value: Option<String>) -> bool {
    let words = ["true", "on", "yes", "y", "1"];
    value.is_some_and(|value| words.iter().any(|word| value.eq_ignore_ascii_case(word)))
}

/// A number of seconds, or with a unit of its own.
fn duration(value: &str) -> Option<Duration> {
    let digits = value.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 = digits.trim().parse().ok()?;
    match value[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "s" | "sec" => Some(Duration::from_secs(number)),
        "ms" | "msec" => Some(Duration::from_millis(number)),
        "us" | "usec" => Some(Duration::from_micros(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Sinks {
        sinks(|name| {
            let found = variables.iter().find(|(known, _)| *known == name)?;
            Some(found.1.to_owned())
        })
    }

    #[test]
    fn the_daemon_says_where_its_clients_write() {
        let all = of(&[
            ("HA_logfile", "/var/log/ha-log"),
            ("HA_debugfile", "/var/log/ha-debug"),
            ("HA_logfacility", "local0"),
            ("HA_syslogmsgfmt", "True"),
            ("HA_CURHOST", "alpha"),
            ("HA_use_logd", "yes"),
            ("HA_conn_logd_time", "3s"),
        ]);
        assert_eq!(all.logfile, Some("/var/log/ha-log".into()));
        assert_eq!(all.debugfile, Some("/var/log/ha-debug".into()));
        assert_eq!(all.facility, SyslogFacility::from_name("local0"));
        assert!(all.syslog_style && !all.stderr);
        assert_eq!(all.node, "alpha");
        assert_eq!(all.logd.unwrap().retry_after, Duration::from_secs(3));
    }

    #[test]
    fn by_hand_everything_goes_to_the_terminal() {
        assert!(of(&[]).stderr);
        assert!(of(&[("HA_logfacility", "none"), ("HA_use_logd", "no")]).stderr);
        assert!(!of(&[("HA_debugfile", "/d")]).stderr);
    }

    #[test]
    fn a_time_without_a_unit_is_in_seconds() {
        assert_eq!(duration("60"), Some(Duration::from_secs(60)));
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("soon"), None);
        assert_eq!(duration("1h"), None);
        assert_eq!(duration(""), None);
    }
}
