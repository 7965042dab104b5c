//! Replacing small files so that a power cut leaves the old content or the new one, never a mixture and never nothing.
//!
//! The system calls go through [`Disk`], so that tests can cut the power after each of them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What keeps files: the machine's file systems, or a model of one that loses what was not synced.
pub trait Disk {
    /// A file that is being written.
    type File;

    /// At most `limit` bytes of a file; none if it does not exist.
    ///
    /// # Errors
    /// It cannot be read.
    fn read(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>>;

    /// Makes a file that must not exist yet, mode 0644 whatever the umask.
    ///
    /// # Errors
    /// As the system calls.
    fn create(&self, path: &Path) -> io::Result<Self::File>;

    /// Appends to it.
    ///
    /// # Errors
    /// As the system call; some of it may be written.
    fn write(&self, file: &mut Self::File, content: &[u8]) -> io::Result<()>;

    /// Returns when its content will survive a power cut.
    ///
    /// # Errors
    /// As the system call; the content may be lost.
    fn sync(&self, file: &Self::File) -> io::Result<()>;

    /// Gives a file another name, in the place of whatever has it.
    ///
    /// # Errors
    /// As the system call.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file. That there is none is no error.
    ///
    /// # Errors
    /// As the system call.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Returns when the names in a directory will survive a power cut, where the file system can do that.
    ///
    /// # Errors
    /// As the system calls.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;
}

/// Replaces a file by way of `PATH.tmp`, which is synced before it takes the name; then the directory is synced. When this
/// returns without an error the new content survives a power cut.
///
/// # Errors
/// As the system calls. The file then has its old content or the new one.
pub fn replace<D: Disk>(disk: &D, path: &Path, content: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    // What a predecessor was writing when it was stopped.
    disk.remove(&temporary)?;
    let mut file = disk.create(&temporary)?;
    disk.write(&mut file, content)?;
    disk.sync(&file)?;
    drop(file);
    disk.rename(&temporary, path)?;
    match path.parent() {
        Some(directory) => disk.sync_directory(directory),
        None => Ok(()),
    }
}

/// The machine's own file systems.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    type File = File;

    fn read(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(path)?;
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
        Ok(file)
    }

    fn write(&self, file: &mut File, content: &[u8]) -> io::Result<()> {
        file.write_all(content)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        match File::open(directory)?.sync_all() {
            // Some file systems cannot, and have nothing to sync either.
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::EINVAL | libc::ENOTSUP | libc::ENOSYS)
                ) =>
            {
                Ok(())
            }
            end => end,
        }
    }
}

#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::testing::ScratchDir;

    #[test]
    fn the_new_content_takes_the_place_of_the_old_and_of_what_was_left_over() {
        let dir = ScratchDir::new();
        let path = dir.path().join("file");
        fs::write(&path, "old").unwrap();
        fs::write(dir.path().join("file.tmp"), "left over").unwrap();
        replace(&RealDisk, &path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
    }

    /// A link in the place of the temporary file is removed, not followed.
    #[test]
    fn a_link_is_not_followed() {
        let dir = ScratchDir::new();
        let (path, victim) = (dir.path().join("file"), dir.path().join("victim"));
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, dir.path().join("file.tmp")).unwrap();
        replace(&RealDisk, &path, b"new").unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
    }
}
