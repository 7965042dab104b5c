//! The node's identity on disk: its UUID and its generation (`wire-protocol.md` 5.3, 8.2, 8.3).
//!
//! Peers remember the highest generation that they saw of us and treat a lower one as a replay attack, and two nodes
//! with one UUID confuse every peer. So every file is replaced as [`crate::durable`] does it, and nothing is used
//! before it will survive a power cut. Both values also stand in a copy, `hb_identity`, which the legacy does not have: a
//! file that was damaged all the same is restored from there.

mod copy;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::durable::{self, Disk};
use copy::Copy;

/// Where the files are.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// `hb_uuid`: 16 bytes.
    pub uuid: &'a Path,
    /// `hb_generation`: a number of 15 columns and a line feed.
    pub generation: &'a Path,
    /// `hb_identity`: the copy of both.
    pub copy: &'a Path,
}

/// What is to be read from files; the rest comes from elsewhere (`uuidfrom nodename`, `hbgenmethod time`).
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The UUID.
    pub uuid: bool,
    /// The generation.
    pub generation: bool,
    /// Seconds since 1970.
    pub wall: u64,
}

/// Who we are in this life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The UUID, if wanted.
    pub uuid: Option<[u8; 16]>,
    /// The generation, if wanted: greater than any that [`establish`] returned before.
    pub generation: Option<u64>,
    /// What there is to say, in order.
    pub remarks: Vec<Remark>,
}

/// A file that cannot be read or written. A daemon must not run then: it would repeat a generation after its next crash,
/// or come back as somebody else.
#[derive(Debug)]
pub struct IdentityError {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub error: io::Error,
}

/// Something for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// There is no UUID, nor can one be recovered; a random one was made.
    UuidMade,
    /// `hb_uuid` has a wrong length, or is all zeros, which means "unknown" on the wire.
    UuidDamaged {
        /// The file.
        path: PathBuf,
        /// Bytes in it, counted up to 17.
        length: usize,
        /// What is done about it.
        remedy: Remedy,
    },
    /// `hb_uuid` holds another UUID than this node had at its last start.
    UuidReplaced(PathBuf),
    /// There was no generation file.
    GenerationMissing(u64),
    /// There was no number in it.
    GenerationBroken(u64),
    /// The number in it was used before.
    GenerationBehind {
        /// The file.
        path: PathBuf,
        /// The number in it.
        found: u64,
        /// The highest one used.
        used: u64,
    },
    /// The copy was damaged. It is written anew at every start.
    CopyDamaged(PathBuf),
    /// The copy could not be written.
    CopyFailed(PathBuf, String),
}

/// Where the UUID of a damaged file comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// From the copy.
    Recovered,
    /// The file is too long: its first 16 bytes, as the legacy reads them.
    Shortened,
    /// There is no copy.
    None,
}

impl Remark {
    /// A person should look at it.
    pub fn is_warning(&self) -> bool {
        !matches!(self, Remark::UuidMade)
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remark::UuidMade => {
                f.write_str("No uuid found for current node - generating a new uuid.")
            }
            Remark::UuidDamaged {
                path,
                length,
                remedy,
            } => {
                write!(f, "{} is damaged (", path.display())?;
                match length {
                    16 => f.write_str("all zeros")?,
                    17.. => f.write_str("more than 16 bytes")?,
                    _ => write!(f, "{length} bytes instead of 16")?,
                }
                f.write_str(match remedy {
                    Remedy::Recovered => "): this node's uuid is restored from the copy",
                    Remedy::Shortened => "): the first 16 are taken, as ever",
                    Remedy::None => ") and there is no copy of it",
                })
            }
            Remark::UuidReplaced(path) => write!(
                f,
                "{} is not the uuid that this node had before: peers will see it change",
                path.display()
            ),
            Remark::GenerationMissing(number) => {
                write!(f, "No Previous generation - starting at {number}")
            }
            Remark::GenerationBroken(number) => {
                write!(f, "BROKEN previous generation - starting at {number}")
            }
            Remark::GenerationBehind { path, found, used } => write!(
                f,
                "{} says {found}, but this node has used {used} already: going on from there",
                path.display()
            ),
            Remark::CopyDamaged(path) => write!(f, "{} is damaged and ignored", path.display()),
            Remark::CopyFailed(path, reason) => {
                write!(f, "Cannot write {}: {reason}", path.display())
            }
        }
    }
}

/// Finds out who we are, and makes sure that this will be known at the next start too. `random` fills 16 bytes.
///
/// * A UUID file that is missing leads to a new UUID, as in the legacy: removing it is how one is asked for. One that is
///   damaged is restored from the copy; only without a copy a new UUID is made.
/// * The generation is one more than the highest of file and copy. Without a usable file the time of day counts as well:
///   the legacy's own first number was taken from it, so this lies above whatever peers may remember, provided the clock
///   is right. (The legacy starts a *broken* file at 1 and is then refused by its peers.)
///
/// # Errors
/// A file that is wanted could not be read or written.
pub fn establish<D: Disk>(
    disk: &D,
    places: Places<'_>,
    wanted: Wanted,
    random: impl FnOnce(&mut [u8; 16]) -> io::Result<()>,
) -> Result<Found, IdentityError> {
    let mut found = Found {
        uuid: None,
        generation: None,
        remarks: Vec::new(),
    };
    if !wanted.uuid && !wanted.generation {
        return Ok(found);
    }
    let (copy, copy_damaged) = read_copy(disk, places.copy);
    if copy_damaged {
        found
            .remarks
            .push(Remark::CopyDamaged(places.copy.to_owned()));
    }
    let at = |path: &Path| {
        let path = path.to_owned();
        |error| IdentityError { path, error }
    };
    if wanted.uuid {
        let uuid = node_uuid(disk, places.uuid, copy.uuid, random, &mut found.remarks);
        found.uuid = Some(uuid.map_err(at(places.uuid))?);
    }
    if wanted.generation {
        let used = copy.generation;
        let number = next_generation(
            disk,
            places.generation,
            used,
            wanted.wall,
            &mut found.remarks,
        );
        found.generation = Some(number.map_err(at(places.generation))?);
    }
    let next = Copy {
        uuid: found.uuid.or(copy.uuid),
        generation: found.generation.or(copy.generation),
    };
    if next != copy
        && let Err(error) = durable::replace(disk, places.copy, next.text().as_bytes())
    {
        let reason = crate::errno_text(&error);
        let path = places.copy.to_owned();
        found.remarks.push(Remark::CopyFailed(path, reason));
    }
    Ok(found)
}

/// A copy that cannot be read is none: it is there for the day when the others cannot.
fn read_copy<D: Disk>(disk: &D, path: &Path) -> (Copy, bool) {
    match disk.read(path, copy::LENGTH_MAX) {
        Ok(None) => (Copy::default(), false),
        Ok(Some(bytes)) => match Copy::parse(&bytes) {
            Some(copy) => (copy, false),
            None => (Copy::default(), true),
        },
        Err(_) => (Copy::default(), true),
    }
}

fn node_uuid<D: Disk>(
    disk: &D,
    path: &Path,
    copy: Option<[u8; 16]>,
    random: impl FnOnce(&mut [u8; 16]) -> io::Result<()>,
    remarks: &mut Vec<Remark>,
) -> io::Result<[u8; 16]> {
    let mut made = None;
    if let Some(bytes) = disk.read(path, 17)? {
        let first: Option<[u8; 16]> = bytes.first_chunk().copied().filter(|uuid| *uuid != [0; 16]);
        if let Some(uuid) = first.filter(|_| bytes.len() == 16) {
            if copy.is_some_and(|copy| copy != uuid) {
                remarks.push(Remark::UuidReplaced(path.to_owned()));
            }
            return Ok(uuid);
        }
        made = copy.or(first);
        remarks.push(Remark::UuidDamaged {
            path: path.to_owned(),
            length: bytes.len(),
            remedy: match (copy, first) {
                (Some(_), _) => Remedy::Recovered,
                (None, Some(_)) => Remedy::Shortened,
                (None, None) => Remedy::None,
            },
        });
    }
    let uuid = match made {
        Some(uuid) => uuid,
        None => {
            remarks.push(Remark::UuidMade);
            new_uuid(random)?
        }
    };
    durable::replace(disk, path, &uuid)?;
    Ok(uuid)
}

/// A random one (version 4).
fn new_uuid(random: impl FnOnce(&mut [u8; 16]) -> io::Result<()>) -> io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    random(&mut bytes)?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Ok(bytes)
}

fn next_generation<D: Disk>(
    disk: &D,
    path: &Path,
    used: Option<u64>,
    wall: u64,
    remarks: &mut Vec<Remark>,
) -> io::Result<u64> {
    /// More than any file that we or the legacy write.
    const LENGTH_MAX: usize = 64;
    let used = used.unwrap_or(0);
    let fresh = used.max(wall).saturating_add(1);
    // One byte more shows a file that is longer: what was read of it may be half a number.
    let number = match disk.read(path, LENGTH_MAX as u64 + 1)? {
        None => {
            remarks.push(Remark::GenerationMissing(fresh));
            fresh
        }
        Some(bytes) => match parse_generation(&bytes).filter(|_| bytes.len() <= LENGTH_MAX) {
            Some(found) => {
                if found < used {
                    let path = path.to_owned();
                    remarks.push(Remark::GenerationBehind { path, found, used });
                }
                found.max(used).saturating_add(1)
            }
            None => {
                remarks.push(Remark::GenerationBroken(fresh));
                fresh
            }
        },
    };
    durable::replace(disk, path, format!("{number:>15}\n").as_bytes())?;
    Ok(number)
}

/// A decimal number with white space around it, small enough that adding to it for centuries cannot overflow the hex
/// field on the wire.
fn parse_generation(bytes: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|number| is_plausible(*number))
}

/// A number that a node can have reached.
fn is_plausible(generation: u64) -> bool {
    (1..=u64::from(u32::MAX) << 16).contains(&generation)
}

/// Bytes from the kernel's random source.
///
/// # Errors
/// /dev/urandom is missing.
pub fn random_bytes(bytes: &mut [u8]) -> io::Result<()> {
    File::open("/dev/urandom")?.read_exact(bytes)
}
