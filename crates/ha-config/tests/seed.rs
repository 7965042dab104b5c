//! The configuration of the article that the product was asked for from, line by line (`config-files.md` 14).

mod support;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use ha_config::testing::FakeFacts;
use ha_config::{AutoFailback, Medium, Node, NodeKind, OsError};
use ha_wire::Method;
use support::{Files, legacy_messages};

/// ha.cf as printed.
const HA_CF: &str = include_str!("data/article.ha.cf");
const AUTHKEYS: &str = "auth 1\n1 crc\n#2 sha1 okooo\n#3 md5 Hello!\n";
const HARESOURCES: &str = "lvs1.okooo.cn 192.168.6.66/32/eth0:0 ldirectord\n";

fn seed() -> Files {
    Files::base()
        .ha_cf(HA_CF)
        .authkeys(AUTHKEYS)
        .haresources(HARESOURCES)
}

#[test]
fn it_starts_on_either_node() {
    for host in ["lvs1.okooo.cn", "lvs2.okooo.cn"] {
        let loaded = seed().host(host).load(&FakeFacts::lvs1());
        assert_eq!(loaded.exit_code, 0, "{:#?}", loaded.diagnostics);
        assert_eq!(legacy_messages(&loaded), Vec::<String>::new());
    }
}

#[test]
fn every_line_means_what_the_reference_says() {
    let loaded = seed().load(&FakeFacts::lvs1());
    let config = loaded.config.unwrap();
    let ha_cf = &config.ha_cf;
    assert_eq!(ha_cf.logfile, Some(PathBuf::from("/var/log/ha-log")));
    assert_eq!(ha_cf.debugfile, None);
    assert_eq!(ha_cf.keepalive, Duration::from_secs(2));
    assert_eq!(ha_cf.deadtime, Duration::from_secs(10));
    assert_eq!(ha_cf.warntime, Duration::from_secs(10));
    assert_eq!(ha_cf.initdead, Duration::from_secs(11));
    assert_eq!(ha_cf.deadping, Duration::from_secs(10));
    assert_eq!(ha_cf.auto_failback, AutoFailback::On);
    let node = |name: &str, kind| Node {
        name: name.into(),
        kind,
    };
    assert_eq!(
        ha_cf.nodes,
        [
            node("lvs1.okooo.cn", NodeKind::Normal),
            node("lvs2.okooo.cn", NodeKind::Normal),
            node("group1", NodeKind::PingGroup),
        ]
    );
    assert_eq!(
        ha_cf.media,
        [
            Medium::Bcast {
                interface: "eth0".into(),
                broadcast: Ipv4Addr::new(192, 168, 6, 255),
                port: 694
            },
            Medium::Ucast {
                interface: "eth0".into(),
                peer_text: "192.168.6.123".into(),
                peer: Ipv4Addr::new(192, 168, 6, 123),
                port: 694,
            },
            Medium::PingGroup {
                name: "group1".into(),
                addresses: vec![Ipv4Addr::new(10, 10, 0, 254), Ipv4Addr::new(192, 168, 8, 0)],
            },
        ]
    );
    let names: Vec<&str> = ha_cf.media.iter().map(Medium::link_name).collect();
    assert_eq!(names, ["eth0", "eth0", "group1"]);
    assert_eq!(ha_cf.respawn.len(), 1);
    assert_eq!((ha_cf.respawn[0].uid, ha_cf.respawn[0].gid), (0, 0));
    assert_eq!(ha_cf.respawn[0].command, "/usr/lib64/heartbeat/ipfail");
    let ipfail = ha_cf.api_auth("ipfail").unwrap();
    assert_eq!((&ipfail.uids[..], &ipfail.gids[..]), (&[0][..], &[0][..]));
    assert!(ipfail.authorises(0, 5) && ipfail.authorises(7, 0) && !ipfail.authorises(7, 7));
    let anon = ha_cf.api_auth("anon").unwrap();
    assert!(anon.authorises(1000, 189) && !anon.authorises(0, 0));
    assert_eq!(ha_cf.api_auth("stranger"), None);
    assert_eq!(
        config
            .keys
            .outbound_key()
            .map(|(index, key)| (index, key.method)),
        Some((1, Method::Crc))
    );
    let group = &config.haresources.groups[0];
    assert_eq!(group.key(), "192.168.6.66/32/eth0:0");
    assert_eq!(group.resources[0].script_name(), "IPaddr");
    assert_eq!(group.resources[0].arguments(), ["192.168.6.66/32/eth0:0"]);
    assert_eq!(group.resources[1].script_name(), "ldirectord");
    assert!(group.resources[1].arguments().is_empty());
}

#[test]
fn parameters_are_recorded_as_written_or_as_computed() {
    let config = seed().load(&FakeFacts::lvs1()).config.unwrap();
    for (name, expected) in [
        ("deadtime", "10"),
        ("initdead", "11"),
        ("deadping", "10000ms"),
        ("udpport", "694"),
    ] {
        assert_eq!(config.ha_cf.parameter(name), Some(expected), "{name}");
    }
    // The set that the reference saw for a plain file.
    let parameters: Vec<&str> = config
        .ha_cf
        .parameters
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        parameters,
        [
            "cluster",
            "hopfudge",
            "keepalive",
            "deadtime",
            "deadping",
            "initdead",
            "warntime",
            "baud",
            "udpport",
            "logfile",
            "auto_failback",
            "hbgenmethod",
            "realtime",
            "debug",
            "msgfmt",
            "conn_logd_time",
            "log_badpack",
            "syslogmsgfmt",
            "coredumps",
            "crm",
            "autojoin",
            "uuidfrom",
            "compression",
            "compression_threshold",
            "traditional_compression",
            "max_rexmit_delay",
            "record_config_changes",
            "record_pengine_inputs",
            "enable_config_writes",
            "memreserve",
        ]
    );
}

#[test]
fn taken_literally_its_misspelt_names_are_refused() {
    let refusal = |files: Files, text: &str| {
        let loaded = files.load(&FakeFacts::lvs1());
        assert_eq!(loaded.exit_code, 6);
        assert_eq!(
            loaded
                .diagnostics
                .iter()
                .filter(|said| said.message == text)
                .count(),
            1,
            "{text}"
        );
    };
    refusal(
        seed().no_authkeys(),
        "Cannot open keyfile [/etc/ha.d/authkeys].  Stop.",
    );
    refusal(
        seed().no_haresources(),
        "Cannot open resources file [/etc/ha.d/haresources]",
    );
    refusal(
        seed().mode(0o644),
        "Bad permissions on keyfile [/etc/ha.d/authkeys], 600 recommended.",
    );
    refusal(
        seed().host("lvs1"),
        "Current node [lvs1] not in configuration!",
    );
}

#[test]
fn a_host_without_its_ipfail_refuses_it() {
    let loaded = seed().load(
        &FakeFacts::new("lvs1.okooo.cn")
            .interface(
                "eth0",
                Ipv4Addr::new(192, 168, 6, 122),
                Ipv4Addr::new(192, 168, 6, 255),
            )
            .user("root", 0, 0)
            .group("root", 0),
    );
    assert_eq!(loaded.exit_code, 6);
    let texts = legacy_messages(&loaded);
    assert_eq!(
        texts[0],
        "ERROR Client child command [/usr/lib64/heartbeat/ipfail] is not executable"
    );
    // Nor has it the package's accounts, which is complained about without being the reason.
    assert!(texts.contains(&"ERROR Invalid user id name [hacluster]".into()));
    assert_eq!(OsError::from_errno(OsError::ENODEV).text, "No such device");
}
