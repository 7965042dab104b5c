//! Alias labels (`eth0:0`): order, and the numbers in use.
//!
//! The state files are those of the legacy (`resource-scripts.md` 5.4), so that its scripts and we never choose the
//! same number: an empty file named as the interface, and one hard link to it named as each alias in use.

use std::cmp::Ordering;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ha_net::Address;

/// Numbers go from 0 to this one.
const NUMBER_MAX: usize = 511;

/// The alias label of an address, if it has one.
pub(crate) fn label(address: &Address) -> Option<&str> {
    address.label.as_deref().filter(|label| label.contains(':'))
}

/// Names in the order in which `ifconfig` lists them: digits count as numbers.
pub(crate) fn natural_order(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    loop {
        let (Some(&a), Some(&b)) = (one.first(), other.first()) else {
            return one.len().cmp(&other.len());
        };
        let order = if a.is_ascii_digit() && b.is_ascii_digit() {
            let (x, y) = (number(&mut one), number(&mut other));
            x.len().cmp(&y.len()).then_with(|| x.cmp(y))
        } else {
            one = one.get(1..).unwrap_or_default();
            other = other.get(1..).unwrap_or_default();
            a.cmp(&b)
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Takes the digits at the front, without leading zeros.
fn number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    let zeros = digits.iter().take_while(|&&byte| byte == b'0').count();
    digits.get(zeros..).unwrap_or_default()
}

/// The lock files of aliases.
#[derive(Debug)]
pub(crate) struct Locks {
    directory: PathBuf,
}

impl Locks {
    /// Opens the directory, which is made when missing.
    pub(crate) fn open(directory: PathBuf) -> io::Result<Locks> {
        fs::create_dir_all(&directory)?;
        Ok(Locks { directory })
    }

    /// Takes the first free alias of an interface, searching upward from the number of those taken. `None` when all are
    /// in use. `listed` tells whether the kernel has an alias of that name.
    pub(crate) fn take(
        &self,
        nic: &str,
        listed: impl Fn(&str) -> bool,
    ) -> io::Result<Option<String>> {
        let base = self.directory.join(nic);
        OpenOptions::new()
            .append(true)
            .create(true)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&base)?;
        let count = self.count(nic)?;
        let first = match self.path(&format!("{nic}:{count}")).exists() {
            true => 0,
            false => count,
        };
        for number in first..=NUMBER_MAX {
            let name = format!("{nic}:{number}");
            if listed(&name) {
                continue;
            }
            match fs::hard_link(&base, self.path(&name)) {
                Ok(()) => return Ok(Some(name)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn count(&self, nic: &str) -> io::Result<usize> {
        let prefix = format!("{nic}:");
        let mut count = 0;
        for entry in fs::read_dir(&self.directory)? {
            count += usize::from(entry?.file_name().to_string_lossy().starts_with(&prefix));
        }
        Ok(count)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// Gives a number back. That there is no lock is no error.
pub(crate) fn release(directory: &Path, name: &str) {
    // A label from the kernel is free text: it must not lead out of the directory.
    if !name.contains('/') {
        let _ = fs::remove_file(directory.join(name));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Scratch;
    use super::*;

    #[test]
    fn names_are_ordered_as_ifconfig_does() {
        let mut names = [
            "lo:0", "eth10:1", "eth1:10", "eth1:9", "eth1:web", "eth1", "eth02:0", "eth1:9a",
        ];
        names.sort_by(|one, other| natural_order(one, other));
        assert_eq!(
            names,
            [
                "eth1", "eth1:9", "eth1:9a", "eth1:10", "eth1:web", "eth02:0", "eth10:1", "lo:0"
            ]
        );
        assert_eq!(natural_order("eth0:0", "eth0:00"), Ordering::Equal);
        assert_eq!(natural_order("", "a"), Ordering::Less);
    }

    fn take(locks: &Locks, listed: &[&str]) -> Option<String> {
        locks
            .take("eth0", |name| listed.contains(&name))
            .expect("files")
    }

    #[test]
    fn three_starts_take_three_numbers_and_a_freed_one_is_taken_again() {
        let scratch = Scratch::new();
        let locks = Locks::open(scratch.path().join("IPaddr")).expect("a directory");
        for expected in ["eth0:0", "eth0:1", "eth0:2"] {
            assert_eq!(take(&locks, &[]).as_deref(), Some(expected));
        }
        release(&locks.directory, "eth0:1");
        assert_eq!(take(&locks, &[]).as_deref(), Some("eth0:1"));
    }

    #[test]
    fn an_alias_without_a_lock_is_skipped() {
        let scratch = Scratch::new();
        let locks = Locks::open(scratch.path().join("IPaddr")).expect("a directory");
        assert_eq!(take(&locks, &["eth0:0"]).as_deref(), Some("eth0:1"));
    }

    #[test]
    fn a_lock_without_an_alias_is_skipped() {
        let scratch = Scratch::new();
        let locks = Locks::open(scratch.path().join("IPaddr")).expect("a directory");
        fs::write(scratch.path().join("IPaddr/eth0:0"), "").expect("a file");
        assert_eq!(take(&locks, &[]).as_deref(), Some("eth0:1"));
    }

    #[test]
    fn other_interfaces_do_not_count_and_511_is_the_last_number() {
        let scratch = Scratch::new();
        let locks = Locks::open(scratch.path().join("IPaddr")).expect("a directory");
        fs::write(scratch.path().join("IPaddr/eth1:0"), "").expect("a file");
        assert_eq!(take(&locks, &[]).as_deref(), Some("eth0:0"));
        assert_eq!(
            locks
                .take("eth0", |name| name != "eth0:511")
                .expect("files")
                .as_deref(),
            Some("eth0:511")
        );
        assert_eq!(locks.take("eth0", |_| true).expect("files"), None);
    }

    #[test]
    fn the_locks_are_hard_links_to_one_empty_file() {
        use std::os::unix::fs::MetadataExt;
        let scratch = Scratch::new();
        let directory = scratch.path().join("IPaddr");
        let locks = Locks::open(directory.clone()).expect("a directory");
        take(&locks, &[]);
        let inode = |name: &str| fs::metadata(directory.join(name)).expect("a file").ino();
        assert_eq!(inode("eth0"), inode("eth0:0"));
    }
}
