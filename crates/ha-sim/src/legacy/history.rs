//! What was sent and may be asked for again (`wire-protocol.md` 5.7).

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// Messages that are kept.
const KEPT_MAX: usize = 500;

/// What was acknowledged is freed so long after it was sent.
const KEPT_FOR: Duration = Duration::from_millis(2500);

/// One that was sent so recently is not sent again.
const AGAIN_AFTER: Duration = Duration::from_millis(240);

struct Sent {
    seq: u64,
    at: Duration,
    again: Option<Duration>,
    payload: Rc<[u8]>,
}

/// What to do about a request for one number.
pub(super) enum Answer {
    Again(Rc<[u8]>),
    /// The number is gone; with the reason that the refusal gives.
    Refused(&'static str),
    Nothing,
}

#[derive(Default)]
pub(super) struct History {
    sent: VecDeque<Sent>,
    /// The highest number that is not kept any more.
    gone: u64,
    highest: u64,
    /// Everybody alive has acknowledged so much.
    acked: u64,
}

impl History {
    pub(super) fn push(&mut self, seq: u64, now: Duration, payload: Rc<[u8]>) {
        self.highest = self.highest.max(seq);
        self.sent.push_back(Sent {
            seq,
            at: now,
            again: None,
            payload,
        });
        if self.sent.len() > KEPT_MAX
            && let Some(first) = self.sent.pop_front()
        {
            self.gone = self.gone.max(first.seq);
        }
    }

    pub(super) fn highest(&self) -> u64 {
        self.highest
    }

    pub(super) fn acknowledged(&mut self, acked: u64) {
        self.acked = self.acked.max(acked);
    }

    /// Frees what nobody needs any more.
    pub(super) fn sample(&mut self, now: Duration) {
        while let Some(first) = self.sent.front()
            && first.seq <= self.acked
            && first.at + KEPT_FOR <= now
        {
            self.gone = self.gone.max(first.seq);
            self.sent.pop_front();
        }
    }

    /// Somebody asks for a number who has acknowledged everything up to `acked`.
    pub(super) fn ask(&mut self, seq: u64, acked: u64, now: Duration) -> Answer {
        if seq <= acked {
            return Answer::Nothing;
        }
        if seq <= self.gone {
            return Answer::Refused("seqno too low");
        }
        if seq > self.highest {
            return Answer::Nothing;
        }
        // Quirk: the newest slot is never searched (5.7, rule 6).
        let newest = self.sent.len().saturating_sub(1);
        let found = self
            .sent
            .iter_mut()
            .take(newest)
            .find(|sent| sent.seq == seq);
        match found {
            None => Answer::Refused("seqno not found"),
            Some(sent) if sent.again.is_some_and(|at| now < at + AGAIN_AFTER) => Answer::Nothing,
            Some(sent) => {
                sent.again = Some(now);
                Answer::Again(Rc::clone(&sent.payload))
            }
        }
    }
}
