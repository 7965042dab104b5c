//! Did this process run when it should have, and does the calendar keep still?
//!
//! All time-outs are measured on the monotonic clock, so a step of the calendar, of any size, changes nothing; it is
//! only said. But a process that was stopped, or a machine that was suspended or overloaded, has not listened: whoever was
//! silent meanwhile, as far as we know, is not judged before we have listened again.

use std::time::Duration;

use crate::core::Core;
use crate::mutation::{Mutation, broken};
use crate::throttle::Cause;
use crate::{Level, Now};

/// A timer that comes too late by a quarter of deadtime, within these bounds, means that this process did not run.
const STALL_BOUNDS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// On a machine that is always late nobody would ever be judged. After so many postponements in a row, with all packets
/// read in between, silence is silence.
const POSTPONEMENTS_MAX: u32 = 10;

/// The calendar counts whole seconds here, and is set a little at a time by any clock daemon.
const CLOCK_STEP_MIN: i128 = 2;

/// What this node knows of its own lateness.
#[derive(Debug)]
pub(crate) struct Punctuality {
    /// Nobody is declared dead before this moment: we have to listen first.
    pub(crate) judge_from: Duration,
    /// Stalls in a row, none of which was followed by enough listening.
    postponements: u32,
}

impl Punctuality {
    pub(crate) fn new(now: Duration) -> Punctuality {
        Punctuality {
            judge_from: now,
            postponements: 0,
        }
    }
}

impl Core {
    /// Nobody is declared dead before we have listened for a while.
    pub(crate) fn listen_first(&mut self) {
        let judge_from = self.now.mono + self.listening_time();
        self.punctuality.judge_from = self.punctuality.judge_from.max(judge_from);
    }

    fn listening_time(&self) -> Duration {
        (self.config.keepalive * 2).min(self.config.deadtime)
    }

    /// Compares the moment of this call with the deadline that we had asked for.
    pub(crate) fn notice_stall(&mut self, now: Now) {
        let Some(deadline) = self.next_deadline() else {
            return;
        };
        let late = now.mono.saturating_sub(deadline);
        let (least, most) = STALL_BOUNDS;
        if late <= (self.config.deadtime / 4).clamp(least, most) || broken(Mutation::StallsJudge) {
            if now.mono >= self.punctuality.judge_from {
                self.punctuality.postponements = 0;
            }
            return;
        }
        self.counters.stalls += 1;
        if late + self.config.keepalive > self.config.deadtime / 2 {
            self.what_was_said_is_old(now.mono + self.listening_time());
        }
        if self.punctuality.postponements >= POSTPONEMENTS_MAX {
            return;
        }
        self.punctuality.postponements += 1;
        let listen = self.listening_time();
        self.punctuality.judge_from = now.mono + listen;
        self.now.mono = now.mono;
        let silent = now.mono.saturating_sub(deadline) + self.config.keepalive;
        let deadtime = self.config.deadtime;
        let (late, listen) = (late.as_millis(), listen.as_millis());
        self.log_limited(Cause::Stall, || {
            let mut text = format!("This node did not run for {late} ms");
            if silent > deadtime {
                text += &format!(", and its dead time is {} ms: the others have declared it dead and may hold what it holds", deadtime.as_millis());
            }
            text += &format!("; it judges its peers after {listen} ms of listening");
            vec![(Level::Warn, text)]
        });
    }

    /// Compares how far the calendar and the monotonic clock have moved since the last call.
    pub(crate) fn notice_clock_step(&mut self, now: Now) {
        let seconds = |wall: u64| i128::from(wall);
        let passed = seconds(now.mono.as_secs()) - seconds(self.now.mono.as_secs());
        let step = seconds(now.wall) - seconds(self.now.wall) - passed;
        if step.abs() < CLOCK_STEP_MIN {
            return;
        }
        // The first text is the legacy's.
        let text = match step {
            ..0 => "Clock jumped backwards. Compensating.".to_owned(),
            _ => format!("Clock jumped forwards by {step} s, which no time-out depends on."),
        };
        self.log_limited(Cause::ClockStep, || vec![(Level::Info, text)]);
    }
}
