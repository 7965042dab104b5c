//! The watchdog device: resets the machine when we stop feeding it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

mod request {
    nix::ioctl_readwrite!(set_timeout, b'W', 6, nix::libc::c_int);
}

/// An open watchdog. Dropping it without [`Watchdog::close`] leaves it armed: a daemon that crashes takes the machine
/// with it, as is meant.
#[derive(Debug)]
pub struct Watchdog {
    device: File,
}

impl Watchdog {
    /// Opens the device, which arms it, and sets its time-out, rounded up to whole seconds (`install-and-cli.md` 8:
    /// deadtime + 10 ms).
    ///
    /// # Errors
    /// The device cannot be opened. One that cannot set its time-out keeps its own and is not an error.
    pub fn open(path: &Path, timeout: Duration) -> io::Result<Watchdog> {
        let device = OpenOptions::new().write(true).open(path)?;
        let mut seconds =
            libc::c_int::try_from(timeout.as_millis().div_ceil(1000)).unwrap_or(libc::c_int::MAX);
        // SAFETY: the request reads and writes one int, which `seconds` is.
        let _ = unsafe { request::set_timeout(device.as_raw_fd(), &mut seconds) };
        Ok(Watchdog { device })
    }

    /// Feeds it once.
    ///
    /// # Errors
    /// The write failed; the machine will be reset when the time-out is over.
    pub fn feed(&mut self) -> io::Result<()> {
        self.device.write_all(b"\0")
    }

    /// Disarms it: the magic character, then close.
    ///
    /// # Errors
    /// The write failed; the watchdog may still be armed.
    pub fn close(mut self) -> io::Result<()> {
        self.device.write_all(b"V")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::testing::ScratchDir;

    #[test]
    fn feeds_and_says_goodbye() {
        let dir = ScratchDir::new();
        let path = dir.path().join("watchdog");
        std::fs::write(&path, "").unwrap();
        let mut watchdog = Watchdog::open(&path, Duration::from_millis(10_010)).unwrap();
        watchdog.feed().unwrap();
        watchdog.feed().unwrap();
        watchdog.close().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"\0\0V");
        assert!(Watchdog::open(&dir.path().join("none"), Duration::from_secs(1)).is_err());
    }
}
