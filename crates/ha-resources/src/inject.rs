//! Messages for the daemon, through its FIFO (`resource-protocol.md` 7.1).

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// The daemon reads lines of at most this many bytes.
pub const LINE_MAX: usize = 511;

/// A write of at most this size to a FIFO is never torn apart by other writers (`PIPE_BUF` on Linux).
pub const MESSAGE_MAX: usize = 4096;

/// Why a message did not reach the daemon.
#[derive(Debug)]
pub enum InjectError {
    /// A name or value that the form cannot carry: with a line break, or too long.
    BadField {
        /// The field's name.
        name: String,
    },
    /// The whole message is longer than [`MESSAGE_MAX`].
    TooLong,
    /// Nobody reads: the FIFO is absent or has no reader.
    NotRunning,
    /// Something that is not a FIFO stands in its place.
    NotFifo,
    /// The system refused.
    Io(io::Error),
}

impl fmt::Display for InjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InjectError::BadField { name } => {
                write!(f, "{name}: value too long or with a line break")
            }
            InjectError::TooLong => write!(f, "message longer than {MESSAGE_MAX} bytes"),
            InjectError::NotRunning => f.write_str("heartbeat is not running"),
            InjectError::NotFifo => f.write_str("not a FIFO"),
            InjectError::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for InjectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            InjectError::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// The bytes of a message: `>>>`, one `name=value` per line, `<<<`.
///
/// # Errors
/// [`InjectError::BadField`] or [`InjectError::TooLong`].
pub fn frame(fields: &[(&str, &str)]) -> Result<Vec<u8>, InjectError> {
    let mut text = String::from(">>>\n");
    for (name, value) in fields {
        let unfit = |part: &str| part.contains(['\n', '\r', '\0']);
        if unfit(name) || unfit(value) || name.is_empty() || name.len() + 1 + value.len() > LINE_MAX
        {
            return Err(InjectError::BadField {
                name: (*name).to_owned(),
            });
        }
        text.push_str(name);
        text.push('=');
        text.push_str(value);
        text.push('\n');
    }
    text.push_str("<<<\n");
    if text.len() > MESSAGE_MAX {
        Err(InjectError::TooLong)
    } else {
        Ok(text.into_bytes())
    }
}

/// Writes one message in one piece.
///
/// The legacy's tools wait for ever when the daemon is down, and make a plain file where there is no FIFO. This
/// function does neither: it fails.
///
/// # Errors
/// See [`InjectError`]. After an error nothing has been written.
pub fn inject(fifo: &Path, fields: &[(&str, &str)]) -> Result<(), InjectError> {
    let message = frame(fields)?;
    // Look before opening: opening a device or a plain file could already do harm.
    match fs::metadata(fifo) {
        Ok(metadata) if !metadata.file_type().is_fifo() => return Err(InjectError::NotFifo),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(InjectError::NotRunning);
        }
        Err(error) => return Err(InjectError::Io(error)),
        Ok(_) => {}
    }
    let opened = OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(fifo);
    let mut file = opened.map_err(|error| match error.raw_os_error() {
        Some(libc::ENXIO) => InjectError::NotRunning,
        _ => InjectError::Io(error),
    })?;
    // Up to `MESSAGE_MAX` bytes go in whole or not at all, even when the pipe is nearly full.
    file.write_all(&message).map_err(InjectError::Io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_that_of_the_trace() {
        let bytes = frame(&[
            ("t", "resource"),
            ("rsc_hold", "foreign"),
            ("info", "mach_down"),
        ])
        .unwrap();
        assert_eq!(
            bytes,
            b">>>\nt=resource\nrsc_hold=foreign\ninfo=mach_down\n<<<\n"
        );
    }

    #[test]
    fn what_would_break_the_form_is_refused() {
        assert!(
            matches!(frame(&[("t", "a\n<<<\n>>>\nt=b")]), Err(InjectError::BadField { name }) if name == "t")
        );
        assert!(matches!(
            frame(&[("a\nb", "c")]),
            Err(InjectError::BadField { .. })
        ));
        assert!(matches!(
            frame(&[("n", &"x".repeat(510))]),
            Err(InjectError::BadField { .. })
        ));
        assert!(frame(&[("n", &"x".repeat(509))]).is_ok());
        let long = "x".repeat(500);
        assert!(matches!(
            frame(&[("n", long.as_str()); 9]),
            Err(InjectError::TooLong)
        ));
    }

    #[test]
    fn nothing_is_created_and_nothing_else_is_written_to() {
        let root = std::env::temp_dir().join(format!("ha-resources-inject-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        let missing = root.join("missing");
        assert!(matches!(
            inject(&missing, &[("t", "x")]),
            Err(InjectError::NotRunning)
        ));
        assert!(!missing.exists());
        let plain = root.join("plain");
        fs::write(&plain, "").unwrap();
        assert!(matches!(
            inject(&plain, &[("t", "x")]),
            Err(InjectError::NotFifo)
        ));
        assert_eq!(fs::read(&plain).unwrap(), b"");
        fs::remove_dir_all(&root).unwrap();
    }
}
