//! The file sink: opened anew for every batch, so that rotation needs no signal.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Permission bits of a log file unless somebody says otherwise.
pub(super) const MODE: u32 = 0o644;

/// Appends text to a log file, making it with mode 0644 (less the umask) if it is missing.
///
/// # Errors
/// As `open(2)` and `write(2)`.
pub fn append(path: &Path, text: &str) -> io::Result<()> {
    append_with_mode(path, text, MODE)
}

/// The same with another mode.
pub(super) fn append_with_mode(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    // Non-blocking matters only if an administrator names something that is not a file.
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(mode)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?
        .write_all(text.as_bytes())
}

/// `/dev/null` as a path means "off" (`config-files.md` 5.3).
pub(super) fn is_off(path: &Path) -> bool {
    path == Path::new("/dev/null")
}
