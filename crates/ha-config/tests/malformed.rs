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
