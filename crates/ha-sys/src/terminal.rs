//! Writing to the terminal. Unlike `println!`, these do not mind when nobody reads: a program at the head of a closed pipe
//! shall end with its own exit code.

use std::io::{self, Write};

/// To standard output, as is and at once.
pub fn print(text: &str) {
    let mut stdout = io::stdout();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}

/// To standard error, as is.
pub fn error(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
