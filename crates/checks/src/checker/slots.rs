//! Places for checks in progress: numbers that are used again, tokens that go stale with them, and their deadlines.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Checker;

/// What a token of the poller stands for, within its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The main connection.
    Main,
    /// The side connection, listening or connected.
    Side,
    /// Answers of the resolver's threads; belongs to no slot.
    Lookup,
    /// The IPv4 echo socket; belongs to no slot.
    Echo4,
    /// The IPv6 echo socket; belongs to no slot.
    Echo6,
}

/// Slots are found by position; the generation tells their tenants apart.
///
/// ```text
///  63    62 .. 60   59 ..... 32    31 ..... 0
///  ours    part     generation       slot
/// ```
#[derive(Debug, Default)]
pub(crate) struct Slots {
    generations: Vec<u32>,
    due: Vec<Option<Duration>>,
    free: Vec<u32>,
    deadlines: BTreeSet<(Duration, u32)>,
}

const GENERATION_MASK: u32 = (1 << 28) - 1;

impl Slots {
    /// A free slot.
    pub(crate) fn take(&mut self) -> u32 {
        if let Some(slot) = self.free.pop() {
            return slot;
        }
        let slot = self.generations.len() as u32;
        self.generations.push(0);
        self.due.push(None);
        slot
    }

    /// Gives a slot back. Its tokens are stale from here on.
    pub(crate) fn release(&mut self, slot: u32) {
        self.arm(slot, None);
        self.renew(slot);
        self.free.push(slot);
    }

    /// Makes the tokens given out so far stale, without giving the slot back.
    pub(crate) fn renew(&mut self, slot: u32) {
        if let Some(generation) = self.generations.get_mut(slot as usize) {
            *generation = generation.wrapping_add(1) & GENERATION_MASK;
        }
    }

    /// The token for a part of a slot.
    pub(crate) fn token(&self, slot: u32, part: Part) -> u64 {
        let generation = self.generations.get(slot as usize).copied().unwrap_or(0);
        compose(part, generation, slot)
    }

    /// The token for a part that belongs to no slot.
    pub(crate) fn common_token(part: Part) -> u64 {
        compose(part, 0, 0)
    }

    /// What a token stands for; none if it is stale.
    pub(crate) fn resolve(&self, token: u64) -> Option<(u32, Part)> {
        let part = match (token >> 60) & 7 {
            0 => Part::Main,
            1 => Part::Side,
            2 => return Some((0, Part::Lookup)),
            3 => return Some((0, Part::Echo4)),
            4 => return Some((0, Part::Echo6)),
            _ => return None,
        };
        let slot = token as u32;
        let generation = (token >> 32) as u32 & GENERATION_MASK;
        let current = self.generations.get(slot as usize)?;
        (*current == generation && Checker::owns(token)).then_some((slot, part))
    }

    /// Sets or clears the deadline of a slot.
    pub(crate) fn arm(&mut self, slot: u32, at: Option<Duration>) {
        let Some(due) = self.due.get_mut(slot as usize) else {
            return;
        };
        if *due == at {
            return;
        }
        if let Some(old) = due.take() {
            self.deadlines.remove(&(old, slot));
        }
        if let Some(at) = at {
            self.deadlines.insert((at, slot));
        }
        *due = at;
    }

    /// The earliest deadline.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// All slots whose deadline has come; it is cleared.
    pub(crate) fn expired(&mut self, now: Duration, expired: &mut Vec<u32>) {
        while let Some(&(at, slot)) = self.deadlines.first() {
            if at > now {
                return;
            }
            self.arm(slot, None);
            expired.push(slot);
        }
    }
}

fn compose(part: Part, generation: u32, slot: u32) -> u64 {
    let part = match part {
        Part::Main => 0,
        Part::Side => 1,
        Part::Lookup => 2,
        Part::Echo4 => 3,
        Part::Echo6 => 4,
    };
    Checker::TOKEN_BIT | part << 60 | u64::from(generation) << 32 | u64::from(slot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_stale_with_their_tenant() {
        let mut slots = Slots::default();
        let first = slots.take();
        let token = slots.token(first, Part::Side);
        assert!(Checker::owns(token));
        assert_eq!(slots.resolve(token), Some((first, Part::Side)));
        slots.release(first);
        assert_eq!(slots.resolve(token), None);
        assert_eq!(slots.take(), first);
        assert_eq!(slots.resolve(token), None);
        assert_ne!(slots.token(first, Part::Side), token);
        assert_eq!(slots.resolve(u64::MAX), None);
        assert!(!Checker::owns(u64::MAX));
    }

    #[test]
    fn deadlines_come_in_order_and_once() {
        let mut slots = Slots::default();
        let (a, b, c) = (slots.take(), slots.take(), slots.take());
        let at = Duration::from_secs;
        slots.arm(a, Some(at(3)));
        slots.arm(b, Some(at(1)));
        slots.arm(c, Some(at(2)));
        slots.arm(c, Some(at(5)));
        assert_eq!(slots.next_deadline(), Some(at(1)));
        let mut expired = Vec::new();
        slots.expired(at(3), &mut expired);
        assert_eq!(expired, [b, a]);
        slots.release(c);
        assert_eq!(slots.next_deadline(), None);
    }
}
