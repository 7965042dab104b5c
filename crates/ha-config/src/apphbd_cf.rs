//! apphbd.cf: how the monitor of application heartbeats works.
//!
//! No reference describes the file beyond its name; directives, values and texts are those of heartbeat 3.0.6's apphbd as it
//! answers. The lines are those of ha.cf, names are case sensitive, and only the first word after a name counts.

use std::time::Duration;

use crate::diagnostic::{Diagnostic, Parsed, Severity, Span};
use crate::ha_cf::value::boolean;
use crate::ha_cf::written::written_lines;

/// What holds for everything that the file does not say.
const DEBUG_LEVEL: u32 = 3;
const WATCHDOG_INTERVAL: Duration = Duration::from_millis(1000);

/// The monitor's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApphbdCf {
    /// `debug_level`; checked, and without effect: the monitor has nothing to say for debugging.
    pub debug_level: u32,
    /// `logfile`: everything but debug lines.
    pub logfile: Option<String>,
    /// `debugfile`: everything.
    pub debugfile: Option<String>,
    /// `watchdog_device`: fed as long as the monitor lives.
    pub watchdog_device: Option<String>,
    /// `watchdog_interval_ms`: how often.
    pub watchdog_interval: Duration,
    /// `realtime`: real-time priority.
    pub realtime: bool,
}

impl Default for ApphbdCf {
    fn default() -> Self {
        ApphbdCf {
            debug_level: DEBUG_LEVEL,
            logfile: None,
            debugfile: None,
            watchdog_device: None,
            watchdog_interval: WATCHDOG_INTERVAL,
            realtime: true,
        }
    }
}

/// Reads apphbd.cf. `file` is its name, for the texts. Plugins of the legacy cannot be loaded: a line that asks for one
/// refuses the file, as the legacy does when a plugin is not there.
pub fn parse_apphbd_cf(bytes: &[u8], file: &str) -> Parsed<ApphbdCf> {
    let mut meant = ApphbdCf::default();
    let mut diagnostics = Vec::new();
    for line in written_lines(bytes) {
        let word = line.option_words().next();
        let value = word.map(|word| word.text()).unwrap_or_default();
        let name = line.name.text();
        let text = || Some(value.clone()).filter(|value| !value.is_empty());
        let number = value.parse::<u32>();
        let refused = match (name.as_str(), number) {
            ("debug_level", Ok(level)) => {
                meant.debug_level = level;
                None
            }
            ("watchdog_interval_ms", Ok(interval)) if interval > 0 => {
                meant.watchdog_interval = Duration::from_millis(interval.into());
                None
            }
            ("debug_level" | "watchdog_interval_ms", _) => {
                Some(format!("invalid {name} [{value}] specified"))
            }
            ("logfile", _) => {
                meant.logfile = text();
                None
            }
            ("debugfile", _) => {
                meant.debugfile = text();
                None
            }
            ("watchdog_device", _) => {
                meant.watchdog_device = text();
                None
            }
            ("realtime", _) => match boolean(value.as_bytes()) {
                Some(on) => {
                    meant.realtime = on;
                    None
                }
                None => Some(format!("invalid realtime [{value}] specified")),
            },
            ("notify_plugin", _) => Some(format!("cannot load plugin {value}")),
            _ => Some(format!("Illegal directive [{name}] in {file}")),
        };
        if let Some(message) = refused {
            let span = Span {
                file: file.to_owned(),
                line: line.line,
                column: line.name.column,
            };
            let said = Diagnostic::legacy(Severity::Error, "bad-apphbd-line", message);
            diagnostics.push(said.at(span));
        }
    }
    Parsed {
        value: diagnostics.is_empty().then_some(meant),
        diagnostics,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<String> {
        let parsed = parse_apphbd_cf(text.as_bytes(), "apphbd.cf");
        assert_eq!(parsed.value.is_none(), !parsed.diagnostics.is_empty());
        parsed
            .diagnostics
            .into_iter()
            .map(|said| said.message)
            .collect()
    }

    /// Each line was given to 3.0.6's apphbd.
    #[test]
    fn what_the_legacy_accepts_and_refuses() {
        for good in [
            "",
            "logfile",
            "debug_level 1 2",
            "watchdog_device /nonexistent",
            "realtime no",
        ] {
            assert!(said(good).is_empty(), "{good}");
        }
        for (bad, text) in [
            ("bogus x", "Illegal directive [bogus] in apphbd.cf"),
            (
                "DEBUG_LEVEL 1",
                "Illegal directive [DEBUG_LEVEL] in apphbd.cf",
            ),
            ("debug_level x", "invalid debug_level [x] specified"),
            (
                "watchdog_interval_ms x",
                "invalid watchdog_interval_ms [x] specified",
            ),
            ("notify_plugin recmgr", "cannot load plugin recmgr"),
            ("realtime maybe", "invalid realtime [maybe] specified"),
        ] {
            assert_eq!(said(bad), [text]);
        }
    }

    #[test]
    fn values_and_defaults() {
        let text = "debug_level 0\nlogfile /l\ndebugfile /d\nwatchdog_device /w\n\
                    watchdog_interval_ms 500 # fast\nrealtime no\n";
        let meant = parse_apphbd_cf(text.as_bytes(), "f").value.unwrap();
        let expected = ApphbdCf {
            debug_level: 0,
            logfile: Some("/l".into()),
            debugfile: Some("/d".into()),
            watchdog_device: Some("/w".into()),
            watchdog_interval: Duration::from_millis(500),
            realtime: false,
        };
        assert_eq!(meant, expected);
    }
}
