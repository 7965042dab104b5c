//! Signals as something to read.
//!
//! The signals that the loop handles are blocked and arrive through a descriptor. Children start with an empty mask and
//! default actions, because [`crate::child`] starts them so.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::SigSet;
pub use nix::sys::signal::Signal;
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// A descriptor that becomes readable when one of its signals is pending.
#[derive(Debug)]
pub struct SignalSource {
    fd: SignalFd,
}

impl SignalSource {
    /// Blocks `signals` for the calling thread (threads started later inherit that) and opens the descriptor.
    pub fn new(signals: &[Signal]) -> io::Result<SignalSource> {
        let mask: SigSet = signals.iter().copied().collect();
        mask.thread_block()?;
        Ok(SignalSource {
            fd: SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?,
        })
    }

    /// The next pending signal; none when there is nothing more to read.
    pub fn read(&self) -> io::Result<Option<Signal>> {
        let info = match self.fd.read_signal() {
            Ok(info) => info,
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(info
            .and_then(|info| i32::try_from(info.ssi_signo).ok())
            .and_then(|number| Signal::try_from(number).ok()))
    }
}

impl AsFd for SignalSource {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
