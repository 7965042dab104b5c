//! The table of `config-files.md` 13, row by row, and more rows of the same kind that were tried on the legacy.

mod files;
mod lines;
mod media;
mod options;

use super::Files;

/// One row.
pub struct Case {
    /// The row.
    pub name: String,
    /// The files.
    pub files: Files,
    /// Our exit code.
    pub exit: i32,
    /// The legacy's exit code where it differs (it crashes).
    pub legacy_exit: i32,
    /// What is said besides the standing messages; the closing lines are understood.
    pub says: Vec<String>,
    /// Codes of diagnostics of ours that must be there.
    pub ours: &'static [&'static str],
    /// Why the texts of 3.0.6 differ, if they do.
    pub texts_differ: Option<&'static str>,
}

impl Case {
    fn legacy_crashes(mut self) -> Self {
        self.legacy_exit = 139;
        self.texts_differ = Some("the legacy crashes");
        self
    }

    fn ours(mut self, codes: &'static [&'static str]) -> Self {
        self.ours = codes;
        self
    }

    fn texts_differ(mut self, reason: &'static str) -> Self {
        self.texts_differ = Some(reason);
        self
    }
}

/// Stands for the line that closes every refusal of ha.cf.
const HNS: &str = "ERROR Heartbeat not started: configuration error.";
/// Stands for the line that closes every refusal of authkeys.
const ACE: &str = "ERROR Authentication configuration error.";

fn case(name: &str, files: Files, exit: i32, says: &[&str]) -> Case {
    let mut says: Vec<String> = says.iter().map(|text| (*text).into()).collect();
    if exit == 6 {
        says.push("ERROR Configuration error, heartbeat not started.".into());
    }
    Case {
        name: name.into(),
        files,
        exit,
        legacy_exit: exit,
        says,
        ours: &[],
        texts_differ: None,
    }
}

/// A line that is accepted without a word.
fn accepted(line: &str) -> Case {
    case(line, Files::base().add(line), 0, &[])
}

/// A line that is accepted with these words.
fn accepted_saying(line: &str, says: &[&str]) -> Case {
    case(line, Files::base().add(line), 0, says)
}

/// A line that is refused while ha.cf is read, with these words and the closing line.
fn refused(line: &str, says: &[&str]) -> Case {
    let says: Vec<&str> = says.iter().copied().chain([HNS]).collect();
    case(line, Files::base().add(line), 6, &says)
}

/// A line that the legacy refuses in silence.
fn refused_silently(line: &str) -> Case {
    refused(line, &[]).ours(&["bad-value"])
}

/// Keys that are refused with these words.
fn keys_refused(name: &str, text: &str, says: &[&str]) -> Case {
    let says: Vec<&str> = says.iter().copied().chain([ACE]).collect();
    case(name, Files::base().authkeys(text), 6, &says)
}

fn keys_accepted(name: &str, text: &str) -> Case {
    case(name, Files::base().authkeys(text), 0, &[])
}

/// All rows.
pub fn all() -> Vec<Case> {
    let groups = [
        files::files(),
        files::permissions(),
        files::keys(),
        files::haresources(),
        lines::directives(),
        lines::times(),
        lines::nodes(),
        lines::lexical(),
        media::bcast_and_ucast(),
        media::mcast(),
        media::serial_and_ports(),
        media::pings(),
        media::media_of_306(),
        options::failback(),
        options::logging(),
        options::clients(),
        options::fencing(),
        options::scalars(),
    ];
    groups.into_iter().flatten().collect()
}

const LEGACY_FAILBACK: [&str; 3] = [
    "WARN Deprecated 'legacy' auto_failback option selected.",
    "WARN Please convert to 'auto_failback on'.",
    "WARN See documentation for conversion details.",
];
const USE_LOGD: [&str; 4] = [
    "info No log entry found in ha.cf -- use logd",
    "WARN Initializing connection to logging daemon failed. Logging daemon may not be running",
    "info Enabling logging daemon ",
    "info logfile and debug file are those specified in logd config file (default /etc/logd.cf)",
];
const NOT_A_NODE: [&str; 3] = [
    "ERROR Current node [lvs1.okooo.cn] not in configuration!",
    "info By default, cluster nodes are named by `uname -n` and must be declared with a 'node' directive in the ha.cf file.",
    "info See also: http://linux-ha.org/ha.cf/NodeDirective",
];
