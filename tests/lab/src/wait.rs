//! Waiting for a condition with a deadline: the only way in which tests wait.

use std::thread;
use std::time::{Duration, Instant};

use crate::{LabError, Result};

/// How often a condition is looked at. Conditions are cheap (a file, or a question to a host's init).
const POLL_INTERVAL: Duration = Duration::from_millis(40);

/// Waits until `condition` holds, looking every 40 ms, at most for `limit`.
///
/// # Errors
/// [`LabError::Timeout`] naming `what` when the time is over.
pub fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + limit;
    loop {
        if condition() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(LabError::Timeout(what.to_owned(), limit));
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// Short for [`Duration::from_secs`].
pub const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Short for [`Duration::from_millis`].
pub const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}
