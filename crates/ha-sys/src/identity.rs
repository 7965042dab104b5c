//! The node's identity on disk: its UUID and its generation (`wire-protocol.md` 5.3, 8.2, 8.3).
//!
//! Peers remember the highest generation that they saw of us and treat a lower one as a replay attack, and two nodes
//! with one UUID confuse every peer. So both files are written to a temporary name, synced and renamed: after a power
//! cut either the old or the new content is there, never half of one. And a damaged generation file never leads to a
//! small number.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// How the generation was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GenerationOrigin {
    /// One more than the file said.
    Incremented,
    /// There was no file: `No Previous generation - starting at N`.
    Missing,
    /// The file held no number: `BROKEN previous generation - starting at N`.
    Broken,
}

/// The generation for this start, and where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation {
    /// The number to use.
    pub number: u64,
    /// For the log.
    pub origin: GenerationOrigin,
}

/// Reads `hb_generation`, adds one and writes it back durably. `wall` is the time in seconds since 1970.
///
/// Without a usable previous number it starts at `wall + 1`: the legacy's own first number was taken the same way, so
/// this lies above whatever peers may remember, provided the clock is right. (The legacy starts a *broken* file at 1 and
/// is then refused by its peers.)
///
/// # Errors
/// The file could not be read or written. A daemon must not run then: it would repeat a generation after its next
/// crash.
pub fn next_generation(path: &Path, wall: u64) -> io::Result<Generation> {
    let fresh = wall.saturating_add(1);
    let generation = match read_bounded(path, 64)? {
        None => Generation {
            number: fresh,
            origin: GenerationOrigin::Missing,
        },
        Some(bytes) => match parse_generation(&bytes) {
            Some(previous) => Generation {
                number: previous.saturating_add(1),
                origin: GenerationOrigin::Incremented,
            },
            None => Generation {
                number: fresh,
                origin: GenerationOrigin::Broken,
            },
        },
    };
    replace_durably(path, format!("{:>15}\n", generation.number).as_bytes())?;
    Ok(generation)
}

/// A decimal number with white space around it, small enough that adding to it for centuries cannot overflow the hex
/// field on the wire.
fn parse_generation(bytes: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse()
        .ok()
        .filter(|number| (1..=u64::from(u32::MAX) << 16).contains(number))
}

/// The node's UUID and whether it is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uuid {
    /// Its 16 bytes.
    pub bytes: [u8; 16],
    /// It was made just now: `No uuid found for current node - generating a new uuid.`
    pub generated: bool,
}

/// Reads `hb_uuid`, or makes a random (version 4) one and stores it durably if the file is missing or short.
///
/// # Errors
/// The file could not be read or written, or there is no random source.
pub fn node_uuid(path: &Path) -> io::Result<Uuid> {
    if let Some(bytes) = read_bounded(path, 16)?
        && let Ok(bytes) = <[u8; 16]>::try_from(bytes)
        && bytes != [0; 16]
    {
        return Ok(Uuid {
            bytes,
            generated: false,
        });
    }
    let mut bytes = [0; 16];
    random_bytes(&mut bytes)?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    replace_durably(path, &bytes)?;
    Ok(Uuid {
        bytes,
        generated: true,
    })
}

/// Bytes from the kernel's random source.
///
/// # Errors
/// /dev/urandom is missing.
pub fn random_bytes(bytes: &mut [u8]) -> io::Result<()> {
    File::open("/dev/urandom")?.read_exact(bytes)
}

/// At most `limit` bytes of a file; none if it does not exist.
fn read_bounded(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Replaces a file by way of a temporary one, `fsync` and `rename`, mode 0644.
///
/// # Errors
/// As the system calls; the old content is then still in place.
pub fn replace_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let _ = fs::remove_file(&temporary);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&temporary)?;
    file.set_permissions(fs::Permissions::from_mode(0o644))?;
    file.write_all(content)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&temporary, path)?;
    if let Some(directory) = path.parent() {
        // The rename itself must survive a power cut too; some file systems cannot sync a directory.
        let _ = File::open(directory).and_then(|directory| directory.sync_all());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::testing::ScratchDir;

    #[test]
    fn the_first_generation_is_the_time_plus_one_in_sixteen_bytes() {
        let dir = ScratchDir::new();
        let path = dir.path().join("hb_generation");
        let first = next_generation(&path, 1_700_000_000).unwrap();
        assert_eq!(
            first,
            Generation {
                number: 1_700_000_001,
                origin: GenerationOrigin::Missing
            }
        );
        assert_eq!(fs::read(&path).unwrap(), b"     1700000001\n");
        let second = next_generation(&path, 5).unwrap();
        assert_eq!(
            second,
            Generation {
                number: 1_700_000_002,
                origin: GenerationOrigin::Incremented
            }
        );
        assert_eq!(fs::read(&path).unwrap(), b"     1700000002\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_broken_generation_file_never_leads_to_a_small_number() {
        let dir = ScratchDir::new();
        let path = dir.path().join("hb_generation");
        for content in [
            &b""[..],
            b"garbage\n",
            b"-3\n",
            b"12x\n",
            b"0\n",
            b"\xff\xfe\n",
            b"99999999999999999999999\n",
        ] {
            fs::write(&path, content).unwrap();
            let found = next_generation(&path, 1_700_000_000).unwrap();
            assert_eq!(
                found,
                Generation {
                    number: 1_700_000_001,
                    origin: GenerationOrigin::Broken
                },
                "{content:?}"
            );
        }
    }

    #[test]
    fn an_unreadable_place_is_an_error() {
        let dir = ScratchDir::new();
        assert!(next_generation(&dir.path().join("none/hb_generation"), 1).is_err());
        assert!(node_uuid(&dir.path().join("none/hb_uuid")).is_err());
    }

    #[test]
    fn the_uuid_is_made_once() {
        let dir = ScratchDir::new();
        let path = dir.path().join("hb_uuid");
        let made = node_uuid(&path).unwrap();
        assert!(made.generated);
        assert_eq!(made.bytes[6] >> 4, 4, "version");
        assert_eq!(
            node_uuid(&path).unwrap(),
            Uuid {
                bytes: made.bytes,
                generated: false
            }
        );
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o644
        );
        fs::write(&path, b"short").unwrap();
        assert!(node_uuid(&path).unwrap().generated);
        fs::write(&path, [0; 16]).unwrap();
        assert!(
            node_uuid(&path).unwrap().generated,
            "an all-zero uuid means unknown on the wire"
        );
    }
}
