//! Waiting for one descriptor until a deadline.

use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Waits until the descriptor can be read, or written if `write` is set; false when the deadline comes first. Without
/// deadline it waits for ever.
pub(crate) fn ready(fd: impl AsFd, write: bool, deadline: Option<Instant>) -> io::Result<bool> {
    let mut flags = PollFlags::POLLIN;
    if write {
        flags |= PollFlags::POLLOUT;
    }
    loop {
        let timeout = match deadline {
            None => PollTimeout::NONE,
            // Rounded up, so that what is left of a millisecond is slept and not turned in circles. A wait too long for
            // the system call is cut, and tried again.
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                let milliseconds = left.as_micros().div_ceil(1000);
                i32::try_from(milliseconds)
                    .ok()
                    .and_then(|count| PollTimeout::try_from(count).ok())
                    .unwrap_or(PollTimeout::MAX)
            }
        };
        match poll(&mut [PollFd::new(fd.as_fd(), flags)], timeout) {
            Ok(0) if deadline.is_none_or(|deadline| Instant::now() < deadline) => {}
            Ok(count) => return Ok(count > 0),
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
