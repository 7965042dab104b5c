//! A human being resets the node and says so with `meatclient` (`stonith.md` 6). Who waits for that waits for ever: there
//! is no other way to know.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::{Code, Level, Places, Say};

/// Length of what `meatclient` writes.
pub(crate) const RECORD: usize = 256;

/// Waits until somebody has reset the node.
pub(crate) fn request(node: &str, places: &Places, say: &mut Say<'_>) -> Code {
    let Some(path) = places.meatware(node) else {
        say(Level::Crit, &format!("[{node}] cannot be a node's name"));
        return Code::BAD_HOST;
    };
    let _ = fs::remove_file(&path);
    if let Err(error) = mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR) {
        let text = format!("cannot create FIFO {}: {error}", path.display());
        say(Level::Crit, &text);
        return Code::OOPS;
    }
    say(
        Level::Crit,
        &format!("OPERATOR INTERVENTION REQUIRED to reset {node}."),
    );
    say(
        Level::Crit,
        &format!("Run \"meatclient -c {node}\" AFTER power-cycling the machine."),
    );
    if is_confirmed(&answer(&path), node) {
        say(Level::Info, &format!("node Meatware-reset: {node}"));
        let _ = fs::remove_file(&path);
        return Code::OK;
    }
    let text = format!("Format error - failed to Meatware-reset node {node}");
    say(Level::Crit, &text);
    Code::RESET_FAILED
}

/// What is written into the FIFO, as far as a record goes; empty if it cannot be read.
fn answer(path: &Path) -> Vec<u8> {
    let mut text = Vec::new();
    if let Ok(file) = File::open(path) {
        let _ = file.take(RECORD as u64).read_to_end(&mut text);
    }
    text
}

/// `meatware reply <node>`, ended by NUL. The legacy compares the beginning of the node's name only; a confirmation for
/// one node must not be taken for another's, so here it is the whole.
fn is_confirmed(record: &[u8], node: &str) -> bool {
    let end = record.iter().position(|octet| *octet == 0);
    let text = String::from_utf8_lossy(record.get(..end.unwrap_or(record.len())).unwrap_or(record));
    let words: Vec<&str> = text.split_whitespace().collect();
    matches!(words.as_slice(), ["meatware", "reply", named] if named.eq_ignore_ascii_case(node))
}

/// The record of a confirmation; none if the name does not fit.
pub(crate) fn confirmation(node: &str) -> Option<[u8; RECORD]> {
    let text = format!("meatware reply {node}");
    let mut record = [0; RECORD];
    // One octet is left for the NUL.
    if text.len() >= RECORD {
        return None;
    }
    record
        .get_mut(..text.len())?
        .copy_from_slice(text.as_bytes());
    Some(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_name_is_a_confirmation() {
        let record = confirmation("node1").unwrap();
        assert_eq!(record.len(), RECORD);
        assert!(is_confirmed(&record, "node1") && is_confirmed(&record, "NODE1"));
        for other in ["node", "node10", ""] {
            assert!(!is_confirmed(&record, other), "{other}");
        }
        for record in [&b""[..], b"meatware reply", b"reply meatware node1", b"\0"] {
            assert!(!is_confirmed(record, "node1"));
        }
        assert_eq!(confirmation(&"x".repeat(250)), None);
    }
}
