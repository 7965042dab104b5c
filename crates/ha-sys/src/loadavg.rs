//! `/proc/loadavg`, kept open.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Reads the load average again and again from one descriptor, so that a status message costs one system call for it.
#[derive(Debug)]
pub struct LoadAverage {
    file: File,
    line: [u8; 80],
}

impl LoadAverage {
    /// Opens the file.
    pub fn open() -> io::Result<LoadAverage> {
        Ok(LoadAverage {
            file: File::open("/proc/loadavg")?,
            line: [0; 80],
        })
    }

    /// The first line now, such as `0.39 0.46 0.24 1/126 21`; none if it cannot be read.
    pub fn read(&mut self) -> Option<&str> {
        let length = self.file.read_at(&mut self.line, 0).ok()?;
        let line = self
            .line
            .get(..length)?
            .split(|byte| *byte == b'\n')
            .next()?;
        std::str::from_utf8(line)
            .ok()
            .filter(|line| !line.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn can_be_read_repeatedly() {
        let mut load = LoadAverage::open().unwrap();
        for _ in 0..2 {
            assert_eq!(load.read().unwrap().split(' ').count(), 5);
        }
    }
}
