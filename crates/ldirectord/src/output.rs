//! Standard output and error, which may be closed or a pipe that nobody reads any more: no reason to fail.

use std::io::{self, Write};

/// Prints on standard output.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Prints on standard error.
pub(crate) fn error(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
