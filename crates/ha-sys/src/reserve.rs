//! A few descriptors held back for the time when a process gets no further one.
//!
//! Resource scripts must be started and stopped just then: who cannot stop what the other node has taken over leads to
//! two holders. So the daemon keeps some descriptors open for nothing, and gives them up for the moment in which a child
//! is started, if that fails for want of descriptors (`EMFILE` of `open(2)`).

use std::fs::File;
use std::io;
use std::sync::{Mutex, PoisonError};

/// How many a child takes while it is started: three standard streams, the pipe by which it tells that it could not be
/// executed, the pipe for its output, and one to spare.
const RESERVED: usize = 8;

/// `None` in programs that keep no reserve.
static RESERVE: Mutex<Option<Vec<File>>> = Mutex::new(None);

/// Holds descriptors back from now on, as many as can be had.
pub fn keep() {
    let mut reserve = RESERVE.lock().unwrap_or_else(PoisonError::into_inner);
    fill(reserve.get_or_insert_default());
}

/// Does something that needs descriptors; once more with those of the reserve if there were none.
pub(crate) fn spend<T>(attempt: impl Fn() -> io::Result<T>) -> io::Result<T> {
    let mut reserve = RESERVE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(held) = reserve.as_mut() else {
        return attempt();
    };
    // What was given up last time may be free by now.
    fill(held);
    let first = attempt();
    if held.is_empty() || !first.as_ref().is_err_and(is_want_of_descriptors) {
        return first;
    }
    held.clear();
    let second = attempt();
    fill(held);
    second
}

fn is_want_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

fn fill(held: &mut Vec<File>) {
    while held.len() < RESERVED {
        match File::open("/dev/null") {
            Ok(file) => held.push(file),
            Err(_) => return,
        }
    }
}
