//! Files of the repository as seeds: captured packets, recorded conversations, configuration files found in the world.

use std::fs;
use std::path::{Path, PathBuf};

/// An input to start from, with a name for messages.
pub type Seed = (String, Vec<u8>);

/// A path in the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// All files of a folder that end so, in the order of their names; none if there is no such folder.
pub(crate) fn folder(folder: &Path, end: &str) -> Vec<Seed> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut seeds: Vec<Seed> = files
        .filter(|entry| entry.path().is_file())
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry))
        .filter(|(name, _)| name.ends_with(end))
        .map(|(name, entry)| {
            let bytes = fs::read(entry.path()).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, bytes)
        })
        .collect();
    seeds.sort();
    seeds
}

/// The files of a folder of the repository.
///
/// # Panics
/// There are none: seeds that have moved away must not be missed silently.
pub(crate) fn files(path: &str, end: &str) -> Vec<Seed> {
    let seeds = folder(&repository(path), end);
    assert!(!seeds.is_empty(), "no files *{end} in {path}");
    seeds
}

/// One file of the repository.
pub(crate) fn file(path: &str) -> Seed {
    let bytes = fs::read(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    (path.replace('/', "-"), bytes)
}

/// Texts as seeds, numbered.
pub(crate) fn texts(texts: &[&[u8]]) -> Vec<Seed> {
    let numbered = texts.iter().enumerate();
    numbered
        .map(|(number, text)| (format!("text-{number:02}"), text.to_vec()))
        .collect()
}

/// Words separated by white space.
pub(crate) fn words(text: &str) -> Vec<Vec<u8>> {
    text.split_whitespace().map(|word| word.into()).collect()
}

/// No words.
pub(crate) fn no_words() -> Vec<Vec<u8>> {
    Vec::new()
}
