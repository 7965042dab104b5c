//! Odd ldirectord.cf files: each row of `ldirectord/odd-config.tsv` was measured with the legacy (2.1.3 and 4.12.0).
//!
//! A row passes when our exit code and text are those of 2.1, or those of 4.12 where only that knows what the row is about.
//! What differs on purpose stands in [`DIFFERENCES`] with its reason.

use std::fs;

use ha_config::ldirectord::{FakeHost, legacy_text, parse};
use ipvs::Change;

/// What is not as either legacy has it: row, what we say instead, why.
pub(crate) const DIFFERENCES: &[(&str, &str, &str)] = &[
    (
        "virtual fwmark 0",
        "accepted",
        "the kernel takes mark 0 for no mark; the service is left out with a warning",
    ),
    (
        "persistent=0",
        "accepted: `-A -t 192.168.6.66:80 -s wrr` identity `off:tcp:192.168.6.42:80:::1:gate:\\/:`",
        "ipvsadm refused it, and with it the whole service; here it is not persistent, with a warning",
    ),
    (
        "fallback port 0",
        "accepted: `-A -t 192.168.6.66:80 -s wrr` then `-a -t 192.168.6.66:80 -r 127.0.0.1:80 -g -w 1` identity `off:tcp:192.168.6.42:80:::1:gate:\\/:`",
        "direct routing cannot change ports: the kernel's entry has the virtual service's",
    ),
];

struct Row {
    name: String,
    file: Vec<u8>,
    old: (String, String),
    new: (String, String),
}

fn rows() -> Vec<Row> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/ldirectord/odd-config.tsv"
    );
    let text = fs::read_to_string(path).expect("the table is in the repository");
    text.lines()
        .filter(|line| !line.starts_with("# name"))
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            let cell = |at: usize| cells.get(at).copied().unwrap_or_default().to_owned();
            Row {
                name: cell(0),
                file: unescape(&cell(1)),
                old: (cell(2), cell(3)),
                new: (cell(4), cell(5)),
            }
        })
        .collect()
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let plain = if character != '\\' {
            character
        } else {
            match characters.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('r') => '\r',
                Some(other) => other,
                None => '\\',
            }
        };
        bytes.extend(plain.to_string().bytes());
    }
    bytes
}

/// Exit code and reaction in the words of the table.
fn ours(file: &[u8]) -> (String, String) {
    let host = FakeHost::default();
    let parsed = parse(file, "FILE", &host);
    let Some(config) = parsed.value else {
        let error = parsed.diagnostics.last().expect("a refusal has a reason");
        let text = legacy_text(
            &ha_config::Diagnostic {
                advice: None,
                ..error.clone()
            },
            1,
        );
        let text = text.replace("Error [1] reading file FILE at ", "");
        return ("2".into(), text.trim_end().replace('\n', "\\n"));
    };
    let mut text = "accepted".to_owned();
    if let Some(service) = config.virtuals.first() {
        text.push_str(&format!(
            ": `{}`",
            Change::AddService(service.service.clone())
        ));
        if let Some(fallback) = &service.fallback {
            let change = Change::AddDestination(*service.key(), fallback.destination.clone());
            text.push_str(&format!(" then `{change}`"));
        }
        let mut identities: Vec<String> = service
            .reals
            .iter()
            .map(|real| format!("`{}`", real.identity))
            .collect();
        identities.sort();
        if !identities.is_empty() {
            text.push_str(&format!(" identity {}", identities.join(" ")));
        }
    }
    ("0".into(), text)
}

/// The table gives for an accepted file what is unusual about it, which is part of what we give.
fn agrees(ours: &(String, String), theirs: &(String, String)) -> bool {
    if ours.0 != theirs.0 {
        return false;
    }
    if ours.0 == "2" {
        return ours.1 == theirs.1.trim_end() || theirs.1.contains(&format!("(2.1.4: {})", ours.1));
    }
    // Warnings stand in front, and `accepted` alone says nothing more.
    let Some((_, details)) = theirs.1.split_once("accepted") else {
        return false;
    };
    details
        .split('`')
        .skip(1)
        .step_by(2)
        .all(|part| ours.1.contains(&format!("`{part}`")))
}

#[test]
fn every_odd_file_is_taken_or_refused_as_by_the_legacy() {
    let rows = rows();
    assert_eq!(rows.len(), 163);
    let mut failures = Vec::new();
    for row in &rows {
        let ours = ours(&row.file);
        let differs = DIFFERENCES.iter().find(|(name, _, _)| *name == row.name);
        let good = match differs {
            Some((_, wanted, _)) => ours.1 == *wanted,
            None => agrees(&ours, &row.old) || agrees(&ours, &row.new),
        };
        if !good {
            failures.push(format!(
                "{}\n  file  {:?}\n  2.1   {:?}\n  4.12  {:?}\n  ours  {ours:?}",
                row.name,
                String::from_utf8_lossy(&row.file),
                row.old,
                row.new,
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn rows_that_differ_on_purpose_exist() {
    let rows = rows();
    for (name, _, _) in DIFFERENCES {
        assert!(rows.iter().any(|row| row.name == *name), "{name}");
    }
}
