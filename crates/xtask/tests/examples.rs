//! Every example and every sample is read with the daemon's own parsers.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use ha_config::testing::FakeFacts;
use ha_config::{AutoFailback, Config, ConfigFiles, FileContent, LoadOptions, Severity, load};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Reads a directory as if it were /etc/ha.d of this host. Returns the configuration, and everything above a remark
/// that was said.
fn read(directory: &str, facts: &FakeFacts) -> (Config, Vec<String>) {
    let file = |name: &str, mode| match fs::read(workspace().join(directory).join(name)) {
        Ok(bytes) => FileContent::read(bytes, mode),
        Err(error) => panic!("{directory}/{name}: {error}"),
    };
    let files = ConfigFiles {
        ha_cf: file("ha.cf", 0o100_644),
        authkeys: file("authkeys", 0o100_600),
        haresources: file("haresources", 0o100_644),
        nodeinfo: FileContent::missing(),
    };
    let loaded = load(&files, &LoadOptions::default(), facts);
    let said: Vec<String> = loaded
        .diagnostics
        .iter()
        .filter(|diagnostic| {
            matches!(
                diagnostic.severity,
                Severity::Crit | Severity::Error | Severity::Warn
            )
        })
        .map(|diagnostic| diagnostic.message.clone())
        .collect();
    let config = loaded
        .config
        .unwrap_or_else(|| panic!("{directory} is refused: {said:#?}"));
    (config, said)
}

/// A host with two cards.
fn host(name: &str) -> FakeFacts {
    FakeFacts::lvs1().named(name).interface(
        "eth1",
        Ipv4Addr::new(10, 0, 0, 1),
        Ipv4Addr::new(10, 0, 0, 255),
    )
}

/// The standing remark of the legacy on any log file.
const STANDING: &str = "Logging daemon is disabled --enabling logging daemon is recommended";

#[test]
fn lvs_dr_article() {
    for node in ["lvs1.okooo.cn", "lvs2.okooo.cn"] {
        let (config, said) = read("ha.d-examples/lvs-dr-article", &host(node));
        assert_eq!(said, [STANDING]);
        let ha_cf = &config.ha_cf;
        assert_eq!(
            (
                ha_cf.keepalive.as_secs(),
                ha_cf.deadtime.as_secs(),
                ha_cf.initdead.as_secs()
            ),
            (2, 10, 11)
        );
        assert_eq!(ha_cf.warntime.as_secs(), 10);
        assert_eq!(ha_cf.auto_failback, AutoFailback::On);
        assert_eq!((ha_cf.media.len(), ha_cf.udpport), (3, 694));
        assert_eq!(ha_cf.respawn[0].command, "/usr/lib64/heartbeat/ipfail");
        let group = &config.haresources.groups[0];
        assert_eq!(
            (group.node.as_str(), group.key()),
            ("lvs1.okooo.cn", "192.168.6.66/32/eth0:0")
        );
        let ldirectord = &group.resources[1];
        assert_eq!(
            (ldirectord.script_name(), ldirectord.arguments()),
            ("ldirectord", vec!["ldirectord.cf"])
        );
    }
}

#[test]
fn two_node_vip() {
    for node in ["alpha", "beta"] {
        let (config, said) = read("ha.d-examples/two-node-vip", &host(node));
        assert_eq!(said, [STANDING]);
        assert_eq!(config.haresources.all_keys(), ["192.0.2.10/24/eth0"]);
        assert_eq!(config.ha_cf.media.len(), 3);
    }
}

#[test]
fn the_installed_samples() {
    let (config, said) = read("compat/doc", &host("alpha.example.com"));
    assert_eq!(said, [STANDING]);
    assert_eq!(config.ha_cf.auto_failback, AutoFailback::On);
    assert!(
        config.haresources.groups.is_empty(),
        "every group of the sample is commented out"
    );
}

/// What the samples show in comments must be right too: here it is, uncommented.
#[test]
fn the_commented_lines_of_the_sample_haresources() {
    let text = fs::read_to_string(workspace().join("compat/doc/haresources")).unwrap();
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .filter(|line| line.contains(".example.com "));
    let groups =
        ha_config::haresources::parse(lines.collect::<Vec<_>>().join("\n").as_bytes()).groups;
    assert_eq!(groups.len(), 5);
    assert!(groups.iter().all(|group| group.resources[0].is_address()));
}

/// The sample ldirectord.cf as it is installed, and with its examples uncommented.
#[test]
fn the_sample_ldirectord_cf() {
    let text = fs::read_to_string(workspace().join("compat/doc/ldirectord.cf")).unwrap();
    let parse = |text: &str| {
        let host = ha_config::ldirectord::FakeHost::default();
        let parsed = ha_config::ldirectord::parse(text.as_bytes(), "ldirectord.cf", &host);
        assert!(parsed.diagnostics.is_empty(), "{:#?}", parsed.diagnostics);
        parsed.value.expect("a configuration")
    };
    assert_eq!(parse(&text).virtuals.len(), 1);
    let uncommented: String = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with("    ") || !rest.starts_with([' ', '#']) => rest,
            _ => line,
        })
        // Written in the sample, but not there on the machine of this test.
        .filter(|line| !line.starts_with("maintenancedir"))
        .flat_map(|line| [line, "\n"])
        .collect();
    assert_eq!(parse(&uncommented).virtuals.len(), 9);
}

/// The examples of the manual: every indented block of ha.cf(5), authkeys(5).
#[test]
fn the_examples_in_the_manual() {
    let block = |page: &str| -> String {
        let text = fs::read_to_string(workspace().join("compat/man").join(page)).unwrap();
        let lines = text
            .lines()
            .skip_while(|line| !line.starts_with(".Bd -literal"))
            .skip(1);
        lines
            .take_while(|line| *line != ".Ed")
            .map(|line| line.to_owned() + "\n")
            .collect()
    };
    let ha_cf = ha_config::parse_ha_cf(
        block("ha.cf.5").as_bytes(),
        "ha.cf",
        &host("alpha.example.com"),
    );
    assert!(ha_cf.value.is_some(), "{:#?}", ha_cf.diagnostics);
    let keys = ha_config::parse_authkeys(block("authkeys.5").as_bytes(), 0o100_600, "authkeys");
    assert!(keys.value.is_some(), "{:#?}", keys.diagnostics);
}

#[test]
fn every_example_is_tested_here() {
    let directories = fs::read_dir(workspace().join("ha.d-examples"))
        .unwrap()
        .map(|entry| entry.unwrap());
    let mut names: Vec<String> = directories
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["lvs-dr-article", "two-node-vip"],
        "write a test for the new one"
    );
}
