//! What several test programs share: sets of configuration files, the hosts they are read on, and the cases of the
//! reference table.

// Each test program is compiled with all of this and uses its own part.
#![allow(dead_code)]

pub mod cases;

use std::net::Ipv4Addr;

use ha_config::testing::FakeFacts;
use ha_config::{
    ConfigFiles, Diagnostic, FileContent, LoadOptions, Loaded, Origin, Severity, load,
};

/// The files of one run; `None` is a file that is not there.
#[derive(Clone, Debug)]
pub struct Files {
    pub host: String,
    pub ha_cf: Option<Vec<u8>>,
    pub authkeys: Option<Vec<u8>>,
    pub mode: u32,
    pub haresources: Option<Vec<u8>>,
    pub nodeinfo: Option<Vec<u8>>,
}

/// The base of `config-files.md` 13.
const BASE: &str = "\
logfile /var/log/ha-log
keepalive 2
deadtime 10
warntime 5
initdead 20
udpport 694
bcast eth0
auto_failback on
node lvs1.okooo.cn
node lvs2.okooo.cn
";

impl Files {
    pub fn base() -> Self {
        Files {
            host: "lvs1.okooo.cn".into(),
            ha_cf: Some(BASE.into()),
            authkeys: Some(b"auth 1\n1 crc\n".to_vec()),
            mode: 0o600,
            haresources: Some(b"lvs1.okooo.cn 192.168.6.66\n".to_vec()),
            nodeinfo: None,
        }
    }

    /// Appends to ha.cf.
    pub fn add(mut self, text: &str) -> Self {
        let ha_cf = self.ha_cf.get_or_insert_default();
        ha_cf.extend_from_slice(text.as_bytes());
        ha_cf.push(b'\n');
        self
    }

    /// Replaces the lines of ha.cf that begin with this directive.
    pub fn swap(mut self, directive: &str, text: &str) -> Self {
        let old = String::from_utf8(self.ha_cf.take().unwrap()).unwrap();
        let kept: String = old
            .lines()
            .filter(|line| line.split_whitespace().next() != Some(directive))
            .map(|line| format!("{line}\n"))
            .collect();
        self.ha_cf = Some(kept.into());
        if text.is_empty() {
            self
        } else {
            self.add(text)
        }
    }

    pub fn ha_cf(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.ha_cf = Some(text.into());
        self
    }

    pub fn no_ha_cf(mut self) -> Self {
        self.ha_cf = None;
        self
    }

    pub fn authkeys(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.authkeys = Some(text.into());
        self
    }

    pub fn no_authkeys(mut self) -> Self {
        self.authkeys = None;
        self
    }

    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    pub fn haresources(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.haresources = Some(text.into());
        self
    }

    pub fn no_haresources(mut self) -> Self {
        self.haresources = None;
        self
    }

    pub fn nodeinfo(mut self, text: &str) -> Self {
        self.nodeinfo = Some(text.into());
        self
    }

    pub fn host(mut self, name: &str) -> Self {
        self.host = name.into();
        self
    }

    /// Loads the files as our daemon does.
    pub fn load(&self, facts: &FakeFacts) -> Loaded {
        self.load_with(facts, &LoadOptions::default())
    }

    /// Loads the files with options.
    pub fn load_with(&self, facts: &FakeFacts, options: &LoadOptions) -> Loaded {
        let content = |bytes: &Option<Vec<u8>>, mode: u32| match bytes {
            Some(bytes) => FileContent::read(bytes.clone(), mode),
            None => FileContent::missing(),
        };
        let files = ConfigFiles {
            ha_cf: content(&self.ha_cf, 0o644),
            authkeys: content(&self.authkeys, self.mode),
            haresources: content(&self.haresources, 0o644),
            nodeinfo: content(&self.nodeinfo, 0o644),
        };
        let facts = facts.clone().named(&self.host);
        let facts = match &self.haresources {
            Some(_) => facts.path("/etc/ha.d/haresources", ha_config::PathKind::Other),
            None => facts,
        };
        load(&files, options, &facts)
    }
}

/// The interfaces of the laboratory host and their addresses; `eth8` has none.
pub const INTERFACES: &[(&str, [u8; 3])] = &[
    ("eth0", [192, 168, 6]),
    ("eth1", [10, 1, 1]),
    ("eth2", [10, 1, 2]),
    ("em1", [10, 1, 3]),
    ("em2", [10, 1, 4]),
    ("bge0", [10, 1, 5]),
    ("bond0", [10, 1, 6]),
    ("bond1", [10, 1, 7]),
    ("ens33", [10, 1, 8]),
];

/// Programs that exist on the laboratory host.
pub const PROGRAMS: &[&str] = &[
    "/usr/lib64/heartbeat/ipfail",
    "/usr/lib64/heartbeat/dopd",
    "/usr/lib/heartbeat/ipfail",
];

/// The laboratory host: that of the reference, with every interface and program that the corpus names and that a
/// machine of its kind would have.
pub fn laboratory() -> FakeFacts {
    let mut facts = FakeFacts::lvs1().bare_interface("eth8");
    for (name, [a, b, c]) in INTERFACES {
        facts = facts.interface(
            name,
            Ipv4Addr::new(*a, *b, *c, 122),
            Ipv4Addr::new(*a, *b, *c, 255),
        );
    }
    for program in PROGRAMS {
        facts = facts.executable(program);
    }
    facts
}

/// A message of the legacy's as `LEVEL text`; what it prints on standard error only has the level `STDERR`.
pub fn legacy_message(diagnostic: &Diagnostic) -> Option<String> {
    match diagnostic.origin {
        Origin::Legacy => Some(format!("{} {}", diagnostic.severity, diagnostic.message)),
        Origin::LegacyStderr => Some(format!("STDERR {}", diagnostic.message)),
        Origin::Ours => None,
    }
}

/// Messages that accompany every start and say nothing about a case.
pub fn is_standing(message: &str) -> bool {
    [
        "info Version 2 support: false",
        "debug ",
        "WARN Logging daemon is disabled --enabling logging daemon is recommended",
        "WARN Core dumps could be lost if multiple dumps occur.",
        "WARN Consider setting ",
        "info ****",
        "info Configuration validated. Starting heartbeat ",
    ]
    .iter()
    .any(|standing| message.starts_with(standing))
}

/// What the legacy would have said of a load, without the standing messages.
pub fn legacy_messages(loaded: &Loaded) -> Vec<String> {
    loaded
        .diagnostics
        .iter()
        .filter_map(legacy_message)
        .filter(|message| !is_standing(message))
        .collect()
}

/// Every refusal must name its reason: an error with a text of its own, not only the two closing lines.
pub fn has_a_reason(loaded: &Loaded) -> bool {
    let closing = [
        "Heartbeat not started: configuration error.",
        "Configuration error, heartbeat not started.",
        "Authentication configuration error.",
    ];
    loaded.config.is_some()
        || loaded.diagnostics.iter().any(|said| {
            (said.severity <= Severity::Error || said.code == "needless-key")
                && !closing.contains(&said.message.as_str())
        })
}

/// The files of one folder of the corpus, by name.
pub fn corpus(kind: &str) -> Vec<(String, Vec<u8>)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(kind);
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "cf"))
        .map(|path| {
            (
                path.file_name().unwrap().to_str().unwrap().into(),
                std::fs::read(&path).unwrap(),
            )
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no corpus of {kind}");
    files
}

/// A file of the corpus among valid others, on the first host that it names.
pub fn corpus_case(kind: &str, bytes: &[u8]) -> Files {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let logical = || {
        text.lines()
            .map(|line| line.split('#').next().unwrap_or_default())
    };
    match kind {
        "ha.cf" => {
            let node = logical().find_map(|line| {
                let mut words = line.split_whitespace();
                (words.next() == Some("node")).then(|| words.next().unwrap_or_default().to_owned())
            });
            let node = node.unwrap_or_else(|| "lvs1.okooo.cn".into());
            Files::base()
                .haresources(format!("{node} 192.168.6.66\n"))
                .ha_cf(bytes)
                .host(&node)
        }
        "authkeys" => Files::base().authkeys(bytes),
        "haresources" => {
            let nodes: Vec<&str> = logical()
                .filter_map(|line| line.split_whitespace().next())
                .collect();
            Files::base()
                .add(&format!("node {}", nodes.join(" ")))
                .haresources(bytes)
        }
        other => panic!("no corpus of {other}"),
    }
}
