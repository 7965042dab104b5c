//! What the command line changes: `-M`, `-d`, `-r`, `-R`; and exit codes.

mod support;

use ha_config::{
    ConfigFiles, FileContent, HEARTBEAT_VERSION, LoadOptions, NodeKind, OsError, defaults_table,
    load, parse_ha_cf,
};
use support::{Files, laboratory};

fn unreadable(errno: i32) -> ConfigFiles {
    ConfigFiles {
        ha_cf: FileContent::Unreadable(OsError::from_errno(errno)),
        authkeys: FileContent::missing(),
        haresources: FileContent::missing(),
        nodeinfo: FileContent::missing(),
    }
}

#[test]
fn a_file_that_may_not_be_read_is_a_matter_of_permission() {
    let reload = LoadOptions {
        restart_or_reload: true,
        ..LoadOptions::default()
    };
    for (errno, options, exit) in [
        (OsError::EACCES, LoadOptions::default(), 4),
        (OsError::EPERM, reload, 4),
        (OsError::ENOENT, LoadOptions::default(), 6),
        (OsError::ENOENT, reload, 1),
    ] {
        let loaded = load(&unreadable(errno), &options, &laboratory());
        assert_eq!(loaded.exit_code, exit, "errno {errno}");
        assert!(loaded.config.is_none());
    }
}

#[test]
fn an_unmanaged_cluster_needs_no_haresources() {
    let unmanaged = LoadOptions {
        managed: false,
        ..LoadOptions::default()
    };
    let files = Files::base()
        .no_haresources()
        .swap("auto_failback", "autojoin any")
        .swap("node", "node other");
    let loaded = files.load_with(&laboratory(), &unmanaged);
    assert_eq!(loaded.exit_code, 0, "{:#?}", loaded.diagnostics);
    let config = loaded.config.unwrap();
    assert!(
        config
            .ha_cf
            .nodes
            .iter()
            .any(|node| node.name == "lvs1.okooo.cn" && node.kind == NodeKind::Normal)
    );
    assert!(config.haresources.groups.is_empty());
    assert!(
        loaded
            .diagnostics
            .iter()
            .all(|said| said.code != "auto-failback-legacy")
    );
}

#[test]
fn only_a_start_is_announced() {
    let text = format!("Configuration validated. Starting heartbeat {HEARTBEAT_VERSION}");
    let announced = |restart_or_reload| {
        let options = LoadOptions {
            restart_or_reload,
            ..LoadOptions::default()
        };
        let loaded = Files::base().load_with(&laboratory(), &options);
        loaded.diagnostics.iter().any(|said| said.message == text)
    };
    assert!(announced(false));
    assert!(!announced(true));
}

#[test]
fn the_debug_level_of_the_command_line_holds_unless_the_file_has_one() {
    let options = LoadOptions {
        debug_from_options: 2,
        ..LoadOptions::default()
    };
    let level = |files: Files| {
        let config = files.load_with(&laboratory(), &options).config.unwrap();
        (
            config.ha_cf.debug,
            config.ha_cf.parameter("debug").unwrap().to_owned(),
        )
    };
    assert_eq!(level(Files::base()), (2, "2".into()));
    assert_eq!(level(Files::base().add("debug 1")), (1, "1".into()));
}

#[test]
fn ha_cf_alone_can_be_judged() {
    let ha_cf = Files::base().ha_cf.unwrap();
    assert!(parse_ha_cf(&ha_cf, "ha.cf", &laboratory()).value.is_some());
    let refused = parse_ha_cf(b"node x", "ha.cf", &laboratory());
    assert!(refused.value.is_none());
    assert!(
        refused
            .diagnostics
            .iter()
            .any(|said| said.message == "No heartbeat media defined")
    );
}

#[test]
fn the_port_of_a_medium_is_settled_by_its_first_line() {
    let ports = |text: &str| -> Vec<u16> {
        let files = Files::base().swap("udpport", "").swap("bcast", text);
        let config = files
            .load(&laboratory().service("ha-cluster", 700))
            .config
            .unwrap();
        let port = |medium: &ha_config::Medium| match medium {
            ha_config::Medium::Bcast { port, .. } | ha_config::Medium::Ucast { port, .. } => *port,
            other => panic!("{other:?}"),
        };
        config.ha_cf.media.iter().map(port).collect()
    };
    assert_eq!(
        ports("bcast lo\nudpport 5000\nucast eth0 10.0.0.1\nbcast eth0"),
        [700, 5000, 700]
    );
    assert_eq!(ports("udpport 70000\nbcast lo"), [4464]);
}

#[test]
fn a_multicast_interface_may_get_its_address_later() {
    let files = Files::base().swap("bcast", "mcast eth8 225.0.0.1 694 1 0");
    let loaded = files.load(&laboratory());
    let media = &loaded.config.as_ref().unwrap().ha_cf.media;
    assert!(
        matches!(
            media[..],
            [ha_config::Medium::Mcast {
                interface_address: None,
                ..
            }]
        ),
        "{media:?}"
    );
    let mut said = loaded.diagnostics.iter();
    assert!(
        said.any(|diagnostic| diagnostic.code == "interface-missing"),
        "{:?}",
        loaded.diagnostics
    );
}

#[test]
fn a_node_that_was_pinged_first_is_a_node() {
    let loaded = Files::base()
        .swap(
            "node",
            "ping_group lvs1.okooo.cn 10.0.0.1\nnode lvs1.okooo.cn lvs2.okooo.cn",
        )
        .load(&laboratory());
    let config = loaded.config.unwrap();
    assert!(
        config
            .ha_cf
            .nodes
            .iter()
            .all(|node| node.kind == NodeKind::Normal)
    );
    assert_eq!(config.ha_cf.media.len(), 1);
}

#[test]
fn the_defaults_table() {
    insta::assert_snapshot!("defaults_table", defaults_table());
}
