//! What the loop wants to know of files: whether the configuration has changed and what it says, and which real servers
//! are in maintenance. Asked of a [`Worker`], since a file system or a name server may be slow.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use crate::config_file::{ConfigFile, Loaded, Look, Stamp};
use crate::worker::Worker;

/// More files in `maintenancedir` are not looked at.
const FILES_MAX: usize = 100_000;

/// A question about files.
#[derive(Debug)]
pub(crate) enum Question {
    /// Has the configuration changed; who is in maintenance?
    Look {
        known: Option<Stamp>,
        maintenance: Option<String>,
    },
    /// What does the configuration say?
    Load,
}

/// Its answer.
#[derive(Debug)]
pub(crate) enum Answer {
    Looked {
        look: Look,
        /// None without a directory that can be read.
        maintenance: Option<BTreeSet<String>>,
    },
    Loaded(Box<Loaded>),
}

/// Starts the thread that answers.
///
/// # Errors
/// No thread could be made.
pub(crate) fn start(file: ConfigFile) -> std::io::Result<Worker<Question, Answer>> {
    Worker::start("files", move |question| match question {
        Question::Look { known, maintenance } => Answer::Looked {
            look: file.look(known),
            maintenance: maintenance.and_then(|path| list(Path::new(&path))),
        },
        Question::Load => Answer::Loaded(Box::new(file.load())),
    })
}

/// Names of the files in a directory.
pub(crate) fn list(directory: &Path) -> Option<BTreeSet<String>> {
    let entries = fs::read_dir(directory).ok()?;
    let names = entries
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().into_string().ok());
    Some(names.take(FILES_MAX).collect())
}

/// The thread that looks up names of addresses; an address without a name has none.
pub(crate) type Names = Worker<BTreeSet<IpAddr>, BTreeMap<IpAddr, Option<String>>>;

/// Starts it.
///
/// # Errors
/// No thread could be made.
pub(crate) fn start_names() -> std::io::Result<Names> {
    Worker::start("names", |addresses: BTreeSet<IpAddr>| {
        let named = |address| (address, ha_sys::host::name_of(address));
        addresses.into_iter().map(named).collect()
    })
}

/// Whether a file in `maintenancedir` may be called after a host name: then the names of real servers matter.
pub(crate) fn is_name(file: &str) -> bool {
    let host = match file.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => file.split(':').next().unwrap_or(file),
    };
    host.parse::<IpAddr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn names_and_addresses_are_told_apart() {
        for address in [
            "192.0.2.1",
            "192.0.2.1:80",
            "[2001:db8::1]",
            "[2001:db8::1]:80",
        ] {
            assert!(!is_name(address), "{address}");
        }
        for name in ["www", "www.example.org:80", "10", ""] {
            assert!(is_name(name), "{name}");
        }
    }

    #[test]
    fn a_directory_is_listed_and_a_missing_one_is_none() {
        let dir = Scratch::new();
        assert_eq!(list(&dir.path("none")), None);
        fs::write(dir.path("192.0.2.1:80"), "").unwrap();
        assert_eq!(
            list(&dir.path("")).unwrap().into_iter().collect::<Vec<_>>(),
            ["192.0.2.1:80"]
        );
    }
}
