//! `config-files.md` 13: what is said of each malformed input, and how the program ends.

mod support;

use ha_config::Diagnostic;
use support::{cases, has_a_reason, laboratory, legacy_messages};

#[test]
fn every_row_of_the_reference_table() {
    let facts = laboratory();
    let mut failures = Vec::new();
    for case in cases::all() {
        let loaded = case.files.load(&facts);
        let said = legacy_messages(&loaded);
        let codes: Vec<&str> = loaded.diagnostics.iter().map(|said| said.code).collect();
        let mut wrong = Vec::new();
        if loaded.exit_code != case.exit {
            wrong.push(format!(
                "exit code {} instead of {}",
                loaded.exit_code, case.exit
            ));
        }
        if loaded.config.is_some() != (case.exit == 0) {
            wrong.push(format!("a configuration with exit code {}", case.exit));
        }
        if said != case.says {
            wrong.push(format!("said {said:#?}\ninstead of {:#?}", case.says));
        }
        if let Some(code) = case.ours.iter().find(|code| !codes.contains(code)) {
            wrong.push(format!("{code} is missing among {codes:?}"));
        }
        if !has_a_reason(&loaded) {
            wrong.push("refused without a reason".into());
        }
        if !wrong.is_empty() {
            failures.push(format!("== {} ==\n{}", case.name, wrong.join("\n")));
        }
    }
    assert!(
        failures.is_empty(),
        "{} rows fail\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// The name of a rule is a word of ours and helps nobody.
#[test]
fn no_refusal_ends_in_the_name_of_a_rule() {
    let facts = laboratory();
    let mut bare = std::collections::BTreeSet::new();
    for case in cases::all() {
        let loaded = case.files.load(&facts);
        bare.extend(loaded.diagnostics.iter().filter_map(|said| {
            let last = said.lines().pop()?;
            last.ends_with(&format!(": {}", said.code))
                .then(|| format!("{:?}", said.lines()))
        }));
    }
    assert!(bare.is_empty(), "{bare:#?}");
}

#[test]
fn what_the_legacy_refuses_in_silence_is_placed() {
    let facts = laboratory();
    let placed = |text: &str| {
        let loaded = support::Files::base().add(text).load(&facts);
        loaded
            .diagnostics
            .iter()
            .find_map(|said| said.span.is_some().then(|| Diagnostic::lines(said)))
    };
    assert_eq!(
        placed("deadtime 15000 ms"),
        Some(vec![
            "/etc/ha.d/ha.cf:11:16: bad value [ms] for deadtime (expected a time such as 2, 1.5 or 500ms)".into()
        ])
    );
    assert_eq!(
        placed("\n  Keepalive 2"),
        Some(vec![
            "Illegal directive [Keepalive] in /etc/ha.d/ha.cf".into(),
            "/etc/ha.d/ha.cf:12:3: did you mean \"keepalive\", followed by a blank and a value?"
                .into(),
        ])
    );
    let crm = placed("crm respawn").unwrap();
    assert!(
        crm[0].starts_with("/etc/ha.d/ha.cf:11:5: crm respawn asks for release 2"),
        "{crm:?}"
    );
}

/// The texts of ours among what is said of a file that is accepted.
fn ours(files: &support::Files) -> Vec<String> {
    let loaded = files.load(&laboratory());
    assert_eq!(loaded.exit_code, 0);
    let ours = loaded
        .diagnostics
        .iter()
        .filter(|said| said.origin == ha_config::Origin::Ours);
    ours.flat_map(Diagnostic::lines).collect()
}

/// With only a ping node in ha.cf both nodes took everything, and nothing was said.
#[test]
fn a_file_without_a_link_to_other_nodes_is_told() {
    use support::Files;
    let told = vec![
        "No medium in /etc/ha.d/ha.cf leads to another node: each node will believe that the others are dead, and \
         take everything (ping and ping_group reach no nodes; add bcast, ucast, mcast or serial)"
            .to_owned(),
    ];
    for media in ["ping 192.168.6.1", "ping_group g 192.168.6.1"] {
        assert_eq!(ours(&Files::base().swap("bcast", media)), told, "{media}");
        assert_eq!(ours(&Files::base().add(media)), [""; 0], "{media}");
    }
    let alone = Files::base()
        .swap("bcast", "ping 192.168.6.1")
        .swap("node", "node lvs1.okooo.cn");
    assert_eq!(ours(&alone), [""; 0], "a cluster of one");
}

/// `deadtime` alone was 30 seconds, silently.
#[test]
fn a_directive_without_a_value_is_told() {
    use support::Files;
    assert_eq!(
        ours(
            &Files::base()
                .swap("initdead", "")
                .swap("deadtime", "deadtime # 10")
        ),
        ["/etc/ha.d/ha.cf:9:1: deadtime without a value is ignored (its default is 30000ms)",]
    );
    assert_eq!(
        ours(&Files::base().add("deadtime\nlogfacility")),
        [
            "/etc/ha.d/ha.cf:11:1: deadtime without a value is ignored",
            "/etc/ha.d/ha.cf:12:1: logfacility without a value is ignored",
        ]
    );
}

/// Checks that compare two times told neither file nor line.
#[test]
fn times_that_do_not_fit_are_placed() {
    use support::Files;
    let said = |files: Files| -> Vec<String> {
        let loaded = files.load(&laboratory());
        assert_eq!(loaded.exit_code, 6);
        let lines = loaded.diagnostics.iter().flat_map(Diagnostic::lines);
        lines
            .skip_while(|line| !line.contains("ead time"))
            .take(2)
            .collect()
    };
    assert_eq!(
        said(Files::base().add("deadtime 3")),
        [
            "Dead time [3000] is too small compared to keeplive [2000]",
            "/etc/ha.d/ha.cf:11:10: deadtime must be more than twice keepalive",
        ]
    );
    assert_eq!(
        said(Files::base().swap("deadtime", "keepalive 20")),
        [
            "Dead time [30000] is too small compared to keeplive [20000]",
            "/etc/ha.d/ha.cf:10:11: deadtime must be more than twice keepalive",
        ]
    );
    assert_eq!(
        said(Files::base().add("deadtime 30")),
        [
            "Initial dead time [20000] is smaller than deadtime [30000]",
            "/etc/ha.d/ha.cf:5:10: initdead must not be less than deadtime",
        ]
    );
    assert_eq!(
        said(Files::base().add("deadping 4")),
        [
            "Ping dead time [4000] is too small compared to keeplive [2000]",
            "/etc/ha.d/ha.cf:11:10: deadping must be more than twice keepalive",
        ]
    );
}
