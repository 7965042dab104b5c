//! The log lines of scripts and command-line tools: `ha_log` and `ha_debug` of the legacy's `shellfuncs`
//! (`resource-scripts.md` 1.4, `install-and-cli.md` 9.4).

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ha_sys::clock::{self, LocalTime};
use ha_sys::log::SyslogFacility;

use crate::environment::DATE_FORMAT;
use crate::{LogLine, Severity};

/// Where lines go, from the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSettings {
    /// `HA_LOGD=yes`: hand lines to `ha_logger`; only if that fails, go on with the rest.
    pub logd: bool,
    /// `HA_LOGFACILITY`: to syslog.
    pub facility: Option<String>,
    /// `HA_LOGFILE`: append; without it, standard error.
    pub logfile: Option<PathBuf>,
    /// `HA_DEBUGLOG`: append as well; default `/dev/null`, that is nowhere.
    pub debuglog: Option<PathBuf>,
    /// `HA_DATEFMT`.
    pub date_format: String,
    /// `HA_DEBUG` or `HA_debug` is a positive number: write debug lines.
    pub debugging: bool,
}

impl LogSettings {
    /// Reads the variables. Empty ones count as absent.
    pub fn from_environment(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let text = |name: &str| {
            let value = variable(name)?.to_string_lossy().into_owned();
            Some(value).filter(|value| !value.is_empty())
        };
        let positive = |name: &str| {
            text(name)
                .and_then(|value| value.parse::<u32>().ok())
                .is_some_and(|level| level > 0)
        };
        LogSettings {
            logd: text("HA_LOGD").as_deref() == Some("yes"),
            facility: text("HA_LOGFACILITY").filter(|facility| facility != "none"),
            logfile: text("HA_LOGFILE").map(PathBuf::from),
            debuglog: text("HA_DEBUGLOG")
                .filter(|path| path != "/dev/null")
                .map(PathBuf::from),
            date_format: text("HA_DATEFMT").unwrap_or_else(|| DATE_FORMAT.to_owned()),
            debugging: positive("HA_DEBUG") || positive("HA_debug"),
        }
    }
}

/// Writes lines as a script does. Every line opens its file anew, so that log rotation needs no signal. A sink that
/// fails is passed over: there is nowhere to complain to.
#[derive(Clone, Debug)]
pub struct ScriptLog {
    settings: LogSettings,
    pid: u32,
    to_stderr: bool,
}

impl ScriptLog {
    /// A log for this process.
    pub fn new(settings: LogSettings) -> Self {
        ScriptLog {
            settings,
            pid: std::process::id(),
            to_stderr: true,
        }
    }

    /// The same log for a program whose standard error is redirected to the debug log, as `ResourceManager` does for
    /// sub-commands that act: what would have gone to standard error goes there instead.
    pub fn without_stderr(mut self) -> Self {
        self.to_stderr = false;
        self
    }

    /// The settings.
    pub fn settings(&self) -> &LogSettings {
        &self.settings
    }

    /// Writes a line with the tag `<program>[<pid>]`.
    pub fn write(&self, line: &LogLine) {
        match line.severity {
            Severity::Debug if !self.settings.debugging => {}
            Severity::Debug => self.debug(line.program, &line.to_string()),
            _ => self.log(line.program, &line.to_string()),
        }
    }

    /// `ha_log`: the text is free and normally begins with a severity of its own.
    pub fn log(&self, program: &str, text: &str) {
        let tag = self.tag(program);
        if self.settings.logd && logger(&["-t", &tag, text]) {
            return;
        }
        if let Some(facility) = &self.settings.facility {
            // Without a syslog daemon there is nobody to tell.
            let _ = to_syslog(facility, syslog_level(text), &tag, text);
        }
        let date = self.date();
        let line = format!("{tag}:\t{date}{text}\n");
        match (&self.settings.logfile, &self.settings.debuglog) {
            (Some(file), _) => append(file, &line),
            (None, _) if self.to_stderr => {
                drop(io::stderr().write_all(format!("{date}{text}\n").as_bytes()))
            }
            (None, Some(debuglog)) => append(debuglog, &format!("{date}{text}\n")),
            (None, None) => {}
        }
        if let Some(debuglog) = &self.settings.debuglog
            && self.settings.logfile.as_ref() != Some(debuglog)
        {
            append(debuglog, &line);
        }
    }

    /// `ha_debug`: to the debug log only.
    pub fn debug(&self, program: &str, text: &str) {
        let tag = self.tag(program);
        if self.settings.logd && logger(&["-t", &tag, "-D", "ha-debug", text]) {
            return;
        }
        if let Some(facility) = &self.settings.facility {
            let _ = to_syslog(facility, SyslogLevel::Debug, &tag, text);
        }
        if let Some(debuglog) = &self.settings.debuglog {
            append(debuglog, &format!("{tag}:\t{}{text}\n", self.date()));
        }
    }

    /// Appends a bare line to the debug log.
    pub fn append_to_debuglog(&self, text: &str) {
        if let Some(debuglog) = &self.settings.debuglog {
            append(debuglog, &format!("{text}\n"));
        }
    }

    fn tag(&self, program: &str) -> String {
        format!("{program}[{}]", self.pid)
    }

    fn date(&self) -> String {
        format_date(&self.settings.date_format, &LocalTime::at(clock::wall()))
    }
}

/// Priority of a script's line in syslog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SyslogLevel {
    /// `err`
    Error = 3,
    /// `warning`
    Warning = 4,
    /// `notice`
    Notice = 5,
    /// `info`
    Info = 6,
    /// `debug`
    Debug = 7,
}

/// A script's line has no level; the words in it decide. Lower-case `info: ` and even `CRIT: ` are a notice.
pub fn syslog_level(text: &str) -> SyslogLevel {
    if text.contains("ERROR") {
        SyslogLevel::Error
    } else if text.contains("WARN") {
        SyslogLevel::Warning
    } else if text.contains("INFO") || text == "info" {
        SyslogLevel::Info
    } else {
        SyslogLevel::Notice
    }
}

/// One datagram to the machine's syslog, as `logger -t TAG -p FACILITY.LEVEL` sends it. Never waits.
fn to_syslog(facility: &str, level: SyslogLevel, tag: &str, text: &str) -> io::Result<()> {
    let facility =
        SyslogFacility::from_name(&facility.to_lowercase()).ok_or(io::ErrorKind::InvalidInput)?;
    let priority = u32::from(facility.number()) * 8 + u32::from(level as u8);
    let stamp = LocalTime::at(clock::wall()).syslog_stamp(' ');
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect("/dev/log")?;
    socket
        .send(format!("<{priority}>{stamp} {tag}: {text}").as_bytes())
        .map(drop)
}

/// Runs `ha_logger`; true if it took the line.
fn logger(arguments: &[&str]) -> bool {
    let mut command = Command::new("ha_logger");
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn append(path: &Path, line: &str) {
    if let Ok(mut file) = OpenOptions::new().append(true).create(true).open(path) {
        // One write per line: other programs append to the same file.
        let _ = file.write_all(line.as_bytes());
    }
}

/// `date +FORMAT` for the conversions that make sense in a log; others stay as written.
fn format_date(format: &str, time: &LocalTime) -> String {
    let clock = format!("{:02}:{:02}:{:02}", time.hour, time.minute, time.second);
    let mut text = String::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('Y') => text.push_str(&format!("{:04}", time.year)),
            Some('y') => text.push_str(&format!("{:02}", time.year.rem_euclid(100))),
            Some('m') => text.push_str(&format!("{:02}", time.month)),
            Some('d') => text.push_str(&format!("{:02}", time.day)),
            Some('e') => text.push_str(&format!("{:2}", time.day)),
            Some('b' | 'h') => text.extend(time.syslog_stamp('0').chars().take(3)),
            Some('H') => text.push_str(&format!("{:02}", time.hour)),
            Some('M') => text.push_str(&format!("{:02}", time.minute)),
            Some('S') => text.push_str(&format!("{:02}", time.second)),
            Some('T') => text.push_str(&clock),
            Some('R') => text.push_str(&format!("{:02}:{:02}", time.hour, time.minute)),
            Some('F') => text.push_str(&format!(
                "{:04}-{:02}-{:02}",
                time.year, time.month, time.day
            )),
            Some('D') => text.push_str(&format!(
                "{:02}/{:02}/{:02}",
                time.month,
                time.day,
                time.year.rem_euclid(100)
            )),
            Some('t') => text.push('\t'),
            Some('n') => text.push('\n'),
            Some('%') => text.push('%'),
            Some(other) => text.extend(['%', other]),
            None => text.push('%'),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: LocalTime = LocalTime {
        year: 2026,
        month: 11,
        day: 3,
        hour: 22,
        minute: 9,
        second: 7,
    };

    #[test]
    fn dates_follow_the_format() {
        assert_eq!(format_date("%Y/%m/%d_%T ", &TIME), "2026/11/03_22:09:07 ");
        assert_eq!(format_date("%b %d %T ", &TIME), "Nov 03 22:09:07 ");
        assert_eq!(
            format_date("%F%t%R %e%%%q%", &TIME),
            "2026-11-03\t22:09  3%%q%"
        );
    }

    #[test]
    fn words_decide_the_syslog_level() {
        assert_eq!(syslog_level("ERROR: Return code 1"), SyslogLevel::Error);
        assert_eq!(syslog_level("WARN: it (x) MUST"), SyslogLevel::Warning);
        assert_eq!(syslog_level("INFO:  Running OK"), SyslogLevel::Info);
        assert_eq!(syslog_level("info: Running x"), SyslogLevel::Notice);
        assert_eq!(syslog_level("CRIT: Giving up"), SyslogLevel::Notice);
    }

    #[test]
    fn settings_come_from_the_environment() {
        let settings = LogSettings::from_environment(|name| match name {
            "HA_LOGD" => Some("no".into()),
            "HA_LOGFILE" => Some("/l".into()),
            "HA_DEBUGLOG" => Some("/dev/null".into()),
            "HA_debug" => Some("1".into()),
            _ => None,
        });
        let expected = LogSettings {
            logfile: Some("/l".into()),
            date_format: "%Y/%m/%d_%T ".into(),
            debugging: true,
            ..LogSettings::default()
        };
        assert_eq!(settings, expected);
    }

    #[test]
    fn a_line_goes_to_both_files_with_its_tag() {
        let root = std::env::temp_dir().join(format!("ha-resources-log-{}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        let (logfile, debuglog) = (root.join("log"), root.join("debug"));
        let log = ScriptLog::new(LogSettings {
            logfile: Some(logfile.clone()),
            debuglog: Some(debuglog.clone()),
            date_format: "DATE ".into(),
            ..LogSettings::default()
        });
        log.write(&LogLine::new("harc", Severity::Info, "Running x"));
        log.write(&LogLine::new(
            "harc",
            Severity::Debug,
            "not while debugging is off",
        ));
        log.debug("harc", "debug: always");
        let tag = format!("harc[{}]", std::process::id());
        assert_eq!(
            std::fs::read_to_string(&logfile).unwrap(),
            format!("{tag}:\tDATE info: Running x\n")
        );
        let debug = std::fs::read_to_string(&debuglog).unwrap();
        assert_eq!(
            debug,
            format!("{tag}:\tDATE info: Running x\n{tag}:\tDATE debug: always\n")
        );
        std::fs::remove_dir_all(&root).unwrap();
    }
}
