//! The two clocks that a decision may depend on, always handed in from outside.

use std::time::Duration;

/// The present moment, as the shell saw it when the input arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Monotonic time since any fixed moment (`CLOCK_BOOTTIME`, which goes on while the machine is suspended); every time-out is measured with it.
    pub mono: Duration,
    /// Seconds since 1970 (`CLOCK_REALTIME`), only for the `ts` field of messages.
    pub wall: u64,
}
