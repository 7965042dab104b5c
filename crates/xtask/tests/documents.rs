//! What documents promise, as far as a program can see.

use std::fs;
use std::path::{Path, PathBuf};

/// Every directive that heartbeat 2.1.4 knows (`config-files.md` 5 to 7).
const DIRECTIVES: &[&str] = &[
    "apiauth",
    "auto_failback",
    "autojoin",
    "baud",
    "bcast",
    "cluster",
    "compression",
    "compression_threshold",
    "conn_logd_time",
    "coredumps",
    "coreroot",
    "crm",
    "deadping",
    "deadtime",
    "debug",
    "debugfile",
    "enable_config_writes",
    "env",
    "failfast",
    "hbgenmethod",
    "hopfudge",
    "initdead",
    "keepalive",
    "log_badpack",
    "logfacility",
    "logfile",
    "max_rexmit_delay",
    "mcast",
    "memreserve",
    "msgfmt",
    "nice_failback",
    "node",
    "ping",
    "ping_group",
    "quorum_server",
    "realtime",
    "record_config_changes",
    "record_pengine_inputs",
    "respawn",
    "rtprio",
    "serial",
    "stonith",
    "stonith_host",
    "syslogmsgfmt",
    "traditional_compression",
    "ucast",
    "udp",
    "udpport",
    "use_apphbd",
    "use_logd",
    "uuidfrom",
    "warntime",
    "watchdog",
];

/// Stock resource scripts of 2.1.4 (`install-and-cli.md` 1.1).
const RESOURCES: &[&str] = &[
    "apache",
    "AudibleAlarm",
    "db2",
    "Delay",
    "Filesystem",
    "hto-mapfuncs",
    "ICP",
    "ids",
    "IPaddr",
    "IPaddr2",
    "IPsrcaddr",
    "IPv6addr",
    "LinuxSCSI",
    "LVM",
    "LVSSyncDaemonSwap",
    "MailTo",
    "OCF",
    "portblock",
    "Raid1",
    "SendArp",
    "ServeRAID",
    "WAS",
    "WinPopup",
    "Xinetd",
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(name: &str) -> String {
    let path = workspace().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether the text has the word, not just as a part of another.
fn has_word(text: &str, word: &str) -> bool {
    let part_of_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(part_of_word) && !text[at + word.len()..].starts_with(part_of_word)
    })
}

#[test]
fn the_manual_knows_every_directive() {
    let manual = read("compat/man/ha.cf.5");
    let items: String = manual
        .lines()
        .filter(|line| line.contains(".Ic ") || line.starts_with(".It Ic "))
        .collect::<Vec<_>>()
        .join("\n");
    for directive in DIRECTIVES {
        assert!(
            has_word(&items, directive),
            "ha.cf(5) does not mention {directive}"
        );
    }
}

#[test]
fn the_compatibility_page_says_where_every_directive_stands() {
    let page = read("docs/compatibility.md");
    let table = page
        .split("## Directives of ha.cf")
        .nth(1)
        .expect("a section on directives");
    for directive in DIRECTIVES {
        assert!(
            has_word(table, directive),
            "docs/compatibility.md does not say where {directive} stands"
        );
    }
}

#[test]
fn a_stock_resource_script_is_installed_or_said_to_be_missing() {
    let page = read("docs/compatibility.md");
    let missing = page
        .split("## Deliberate differences")
        .next()
        .expect("a beginning");
    let tree = xtask::install::tree::tree(xtask::install::LibDir::Lib64);
    for resource in RESOURCES {
        let path = format!("/etc/ha.d/resource.d/{resource}");
        let installed = tree.iter().any(|entry| entry.path == path);
        assert!(
            installed || has_word(missing, resource),
            "{resource} is neither installed nor listed as missing"
        );
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    for name in [
        "README.md",
        "CHANGELOG.md",
        "docs/architecture.md",
        "docs/compatibility.md",
        "docs/operating.md",
        "ha.d-examples/README.md",
    ] {
        let text = read(name);
        let path = workspace().join(name);
        let directory = path.parent().expect("a directory");
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            if target.contains("://") || target.starts_with('#') {
                continue;
            }
            let file = target.split('#').next().unwrap_or(target);
            assert!(directory.join(file).exists(), "{name} links to {target}");
        }
    }
}

#[test]
fn every_manual_page_has_its_parts() {
    for entry in fs::read_dir(workspace().join("compat/man")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        if text.starts_with(".so ") {
            continue;
        }
        for part in [
            ".Dd ",
            ".Dt ",
            ".Sh NAME",
            ".Nd ",
            ".Sh SYNOPSIS",
            ".Sh DESCRIPTION",
            ".Sh SEE ALSO",
        ] {
            assert!(text.contains(part), "{} lacks {part}", path.display());
        }
    }
}
