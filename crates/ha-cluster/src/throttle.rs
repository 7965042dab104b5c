//! Rate limits for log lines: a repeated condition is logged when it begins, then at a slow beat with a count.

use std::collections::HashMap;
use std::time::Duration;

/// A repeated condition is logged at most this often.
const BEAT: Duration = Duration::from_secs(10);

/// The conditions that somebody on the network, or a local client, can repeat at will.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Cause {
    /// A datagram did not decode or verify.
    BadPacket,
    /// A sender that is not configured.
    UnknownNode,
    /// Mandatory fields missing or garbled.
    BadFields,
    /// A lower generation than recorded.
    Replay,
    /// Somebody sends under our own name.
    OwnName,
    /// A node's UUID is another one.
    Uuid,
    /// A retransmission that cannot be done.
    Rexmit,
    /// Resource messages that do not fit the state.
    Resource,
    /// The history fills up.
    History,
    /// This process did not run.
    Stall,
    /// The calendar was set.
    ClockStep,
    /// The notification queue is full.
    Queue,
    /// A client sent what is no message, or not the one that is due.
    ClientMessage,
    /// A client's request is wrong.
    ClientRequest,
    /// A client does not read.
    SlowClient,
    /// A client speaks for another one.
    Impersonation,
    /// Somebody may not sign on; each reason by itself.
    SignOn(Refused),
}

/// Why a client is refused (`client-api.md` 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Refused {
    /// There is no such process.
    BadPid,
    /// The name is taken.
    Duplicate,
    /// It does not say who it is.
    NoIds,
    /// It is somebody else.
    FalseIds,
    /// It may not use the name.
    Unauthorised,
    /// It speaks for another process.
    FalsePid,
}

#[derive(Debug, Default)]
pub(crate) struct Throttle {
    causes: HashMap<Cause, (Duration, u64)>,
}

impl Throttle {
    /// `Some(n)`: log it now; `n` earlier occurrences were kept silent.
    pub(crate) fn allow(&mut self, cause: Cause, now: Duration) -> Option<u64> {
        match self.causes.get_mut(&cause) {
            Some((logged, silent)) if now.saturating_sub(*logged) < BEAT => {
                *silent = silent.saturating_add(1);
                None
            }
            Some((logged, silent)) => {
                *logged = now;
                Some(std::mem::take(silent))
            }
            None => {
                self.causes.insert(cause, (now, 0));
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_it_keeps_silent() {
        let mut throttle = Throttle::default();
        assert_eq!(throttle.allow(Cause::Replay, Duration::ZERO), Some(0));
        for ms in 1..=5 {
            assert_eq!(
                throttle.allow(Cause::Replay, Duration::from_millis(ms)),
                None
            );
        }
        assert_eq!(
            throttle.allow(Cause::BadPacket, Duration::from_millis(6)),
            Some(0)
        );
        assert_eq!(
            throttle.allow(Cause::Replay, Duration::from_secs(10)),
            Some(5)
        );
    }
}
