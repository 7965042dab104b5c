//! ldirectord.cf files found in public: ours against the installed legacy, and no bytes at all can make ours panic.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use ha_config::ldirectord::{FakeHost, parse};
use proptest::prelude::*;

use crate::legacy;

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

#[test]
fn the_corpus_is_taken_and_refused_as_by_the_legacy() {
    if !legacy::available() {
        return;
    }
    let files: Vec<Vec<u8>> = corpus()
        .iter()
        .map(|path| fs::read(path).expect("a file"))
        .collect();
    let differences = legacy::differences("corpus", &files);
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
