//! Writing ha.cf and authkeys for the lab.

use std::fmt::Write as _;
use std::time::Duration;

/// An ha.cf under construction.
#[derive(Clone, Debug)]
pub struct HaCf {
    nodes: Vec<String>,
    keepalive: Duration,
    deadtime: Duration,
    initdead: Duration,
    auto_failback: String,
    lines: Vec<String>,
}

impl HaCf {
    /// Short timers (keepalive 300 ms, deadtime 2.5 s, initdead 4 s), logs in files, auto_failback on; no
    /// medium yet.
    pub fn for_tests(nodes: &[&str]) -> Self {
        HaCf {
            nodes: nodes.iter().map(|&node| node.to_owned()).collect(),
            keepalive: Duration::from_millis(300),
            deadtime: Duration::from_millis(2500),
            initdead: Duration::from_secs(4),
            auto_failback: "on".into(),
            lines: Vec::new(),
        }
    }

    /// Sets the timers; warntime is left at its default.
    #[must_use]
    pub fn timers(mut self, keepalive: Duration, deadtime: Duration, initdead: Duration) -> Self {
        (self.keepalive, self.deadtime, self.initdead) = (keepalive, deadtime, initdead);
        self
    }

    /// `on`, `off` or `legacy`.
    #[must_use]
    pub fn auto_failback(mut self, word: &str) -> Self {
        self.auto_failback = word.into();
        self
    }

    /// A broadcast medium.
    #[must_use]
    pub fn bcast(self, nic: &str) -> Self {
        self.line(&format!("bcast {nic}"))
    }

    /// A unicast medium to one address.
    #[must_use]
    pub fn ucast(self, nic: &str, address: &str) -> Self {
        self.line(&format!("ucast {nic} {address}"))
    }

    /// A multicast medium with the customary group.
    #[must_use]
    pub fn mcast(self, nic: &str) -> Self {
        self.line(&format!("mcast {nic} 225.0.0.1 694 1 0"))
    }

    /// Any other line.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.into());
        self
    }

    /// The dead time set.
    pub fn deadtime(&self) -> Duration {
        self.deadtime
    }

    /// The file.
    pub fn text(&self) -> String {
        let mut text = String::from(
            "logfile /var/log/ha-log\ndebugfile /var/log/ha-debug\nlogfacility none\n",
        );
        for (directive, time) in [
            ("keepalive", self.keepalive),
            ("deadtime", self.deadtime),
            ("initdead", self.initdead),
        ] {
            let _ = writeln!(text, "{directive} {}ms", time.as_millis());
        }
        let _ = writeln!(text, "auto_failback {}", self.auto_failback);
        for line in &self.lines {
            let _ = writeln!(text, "{line}");
        }
        for node in &self.nodes {
            let _ = writeln!(text, "node {node}");
        }
        text
    }
}

/// The content of authkeys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authkeys(String);

impl Authkeys {
    /// One key with index 1: method `crc` (which has no key), `md5` or `sha1`.
    pub fn new(method: &str, key: &str) -> Self {
        Authkeys::with_index(1, method, key)
    }

    /// One key with another index.
    pub fn with_index(index: u32, method: &str, key: &str) -> Self {
        let key = if method == "crc" { "" } else { key };
        Authkeys(format!("auth {index}\n{index} {method} {key}\n"))
    }

    /// The file; it must be written with mode 0600.
    pub fn text(&self) -> &str {
        &self.0
    }
}
