//! ldirectord.cf files found in public: ours against the installed legacy, and no bytes at all can make ours panic.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use ha_config::ldirectord::{FakeHost, Host, legacy_text, parse};
use ha_config::{Diagnostic, OsError};
use proptest::prelude::*;

const LEGACY: &str = "/usr/sbin/ldirectord";

fn corpus() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/ldirectord.cf");
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .expect("the corpus is in the repository")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "cf"))
        .collect();
    files.sort();
    assert_eq!(files.len(), 18);
    files
}

/// This machine as the legacy sees it, without its resolver: no name resolves in a test.
struct Machine;

impl Host for Machine {
    fn resolve_ipv4(&self, name: &str) -> Option<std::net::Ipv4Addr> {
        (name == "localhost").then_some(std::net::Ipv4Addr::LOCALHOST)
    }

    fn resolve_ipv6(&self, name: &str) -> Option<std::net::Ipv6Addr> {
        (name == "localhost").then_some(std::net::Ipv6Addr::LOCALHOST)
    }

    fn port_of_service(&self, name: &str, protocol: Option<ipvs::Protocol>) -> Option<u16> {
        let file = fs::read("/etc/services").ok()?;
        ha_config::ldirectord::services::port(&file, name, protocol)
    }

    fn name(&self) -> String {
        "director".into()
    }

    fn can_append(&self, path: &str) -> Result<(), OsError> {
        match fs::OpenOptions::new().append(true).open(path) {
            Ok(_) => Ok(()),
            // The legacy would make it; a test does not.
            Err(_) if Path::new(path).parent().is_some_and(Path::is_dir) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn is_directory(&self, path: &str) -> bool {
        Path::new(path).is_dir()
    }
}

/// What ours says of a file, as the legacy would print it; none if it is accepted.
fn ours(bytes: &[u8], name: &str) -> Option<String> {
    let parsed = parse(bytes, name, &Machine);
    if parsed.value.is_some() {
        return None;
    }
    let error = parsed.diagnostics.last().expect("a reason");
    let plain = Diagnostic {
        advice: None,
        ..error.clone()
    };
    Some(legacy_text(&plain, 1).trim_end().to_owned())
}

/// What the legacy says; none if it accepts. `status` only parses.
fn legacy(path: &Path) -> Option<String> {
    let output = Command::new(LEGACY)
        .arg(path)
        .arg("status")
        .output()
        .expect("the legacy runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code() == Some(2)).then(|| {
        let start = text.find("Error [").unwrap_or(0);
        let text = text.get(start..).unwrap_or_default();
        let pid: String = text
            .chars()
            .skip("Error [".len())
            .take_while(char::is_ascii_digit)
            .collect();
        text.replace(&format!("Error [{pid}]"), "Error [1]")
            .trim_end()
            .to_owned()
    })
}

#[test]
fn the_corpus_is_taken_and_refused_as_by_the_legacy() {
    if !Path::new(LEGACY).exists() || !Path::new("/sbin/ipvsadm").exists() {
        println!("skipped: the legacy ldirectord is not installed");
        return;
    }
    let mut differences = Vec::new();
    for path in corpus() {
        let bytes = fs::read(&path).expect("a file");
        let (ours, theirs) = (ours(&bytes, &path.to_string_lossy()), legacy(&path));
        if ours != theirs {
            differences.push(format!(
                "{}\n  legacy {theirs:?}\n  ours   {ours:?}",
                path.display()
            ));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// All lines of the corpus.
static LINES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    corpus()
        .iter()
        .filter_map(|path| fs::read(path).ok())
        .flat_map(|file| {
            file.split(|byte| *byte == b'\n')
                .map(<[u8]>::to_vec)
                .collect::<Vec<_>>()
        })
        .collect()
});

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&bytes, "x", &FakeHost::default());
    }

    #[test]
    fn no_mixture_of_real_lines_makes_it_panic(seed in proptest::collection::vec((0usize..600, 0usize..40), 1..30)) {
        let lines = &*LINES;
        let mut file = Vec::new();
        for (line, cut) in seed {
            let line = &lines[line % lines.len()];
            file.extend_from_slice(line.get(..line.len().saturating_sub(cut / 8)).unwrap_or_default());
            file.push(b'\n');
        }
        let parsed = parse(&file, "x", &FakeHost::default());
        let lines = file.iter().filter(|byte| **byte == b'\n').count();
        let reason = parsed.diagnostics.last().and_then(|last| last.span.clone());
        let right = parsed.value.is_some() || reason.is_some_and(|span| (1..=lines).contains(&span.line));
        prop_assert!(right, "no place in the file");
    }
}
