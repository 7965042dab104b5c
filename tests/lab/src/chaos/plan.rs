//! What happens when and to whom: a sequence of episodes that depends on nothing but the seed.
//!
//! An episode is one fault, or a few that overlap or follow so closely that the second one hits what is still busy with the
//! first. After it everything is put right, and the next one begins when the cluster serves again.

use std::fmt;
use std::time::Duration;

use super::dice::Dice;
use super::faults::{self, Kind, Target};

/// The names of the two nodes, by number.
pub(crate) const NODES: [&str; 2] = ["alpha", "beta"];

/// Later faults of an episode begin within this time, in milliseconds.
const SPREAD: (u64, u64) = (0, 12_000);

/// The pause after the cluster serves again, in milliseconds.
const PAUSE: (u64, u64) = (500, 4_000);

/// One fault of an episode.
#[derive(Clone, Copy)]
pub(crate) struct Planned {
    /// When it begins, from the beginning of the episode.
    pub(crate) at: Duration,
    /// How long it lasts.
    pub(crate) lasts: Duration,
    pub(crate) kind: &'static Kind,
    /// Whom it hits: 0 or 1.
    pub(crate) node: usize,
    /// Which variant of the kind; any number.
    pub(crate) choice: u64,
}

/// Faults that come together, and the pause after them.
#[derive(Clone)]
pub(crate) struct Episode {
    pub(crate) faults: Vec<Planned>,
    pub(crate) pause: Duration,
}

/// The plan of a seed. It has no end.
pub(crate) struct Plan {
    dice: Dice,
    /// Kinds that are planned as any other, and then left out.
    impossible: Vec<&'static str>,
}

impl Plan {
    /// The plan without the kinds of fault, by name, that this machine cannot make. The others stay as they are.
    pub(crate) fn new(seed: u64, impossible: &[&'static str]) -> Self {
        Plan {
            dice: Dice::new(seed),
            impossible: impossible.to_vec(),
        }
    }

    fn kind(&mut self) -> Option<&'static Kind> {
        let all = faults::ALL.iter().map(|kind| kind.weight).sum();
        let mut throw = self.dice.below(all);
        for kind in faults::ALL {
            match throw.checked_sub(kind.weight) {
                Some(rest) => throw = rest,
                None => return Some(kind),
            }
        }
        None
    }

    fn fault(&mut self, first: bool) -> Option<Planned> {
        let kind = self.kind()?;
        let at = if first { 0 } else { self.dice.within(SPREAD) };
        Some(Planned {
            at: Duration::from_millis(at),
            lasts: Duration::from_millis(self.dice.within(kind.lasts)),
            kind,
            node: usize::from(self.dice.below(2) == 1),
            choice: self.dice.below(1 << 32),
        })
    }
}

impl Iterator for Plan {
    type Item = Episode;

    fn next(&mut self) -> Option<Episode> {
        let wanted = match self.dice.below(10) {
            0..6 => 1,
            6..9 => 2,
            _ => 3,
        };
        let mut faults: Vec<Planned> = Vec::new();
        for number in 0..wanted {
            let fault = self.fault(number == 0)?;
            // What is dead cannot die, and two faults of one thing would undo each other.
            if !faults.iter().any(|other| other.collides(&fault)) {
                faults.push(fault);
            }
        }
        faults.retain(|fault| !self.impossible.contains(&fault.kind.name));
        let pause = Duration::from_millis(self.dice.within(PAUSE));
        Some(Episode { faults, pause })
    }
}

impl Planned {
    fn collides(&self, other: &Planned) -> bool {
        self.kind.target == other.kind.target
            && (self.node == other.node || self.kind.target == Target::Pair)
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind.name)?;
        if self.kind.target != Target::Pair {
            write!(f, " of {}", NODES[self.node])?;
        }
        if let Some(variant) = (self.kind.variant)(self.choice) {
            write!(f, " ({variant})")?;
        }
        if !self.lasts.is_zero() {
            write!(f, " for {:.1} s", self.lasts.as_secs_f64())?;
        }
        if !self.at.is_zero() {
            write!(f, " after {:.1} s", self.at.as_secs_f64())?;
        }
        Ok(())
    }
}

impl fmt::Display for Episode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.faults.iter().enumerate() {
            let comma = if number == 0 { "" } else { "; " };
            write!(f, "{comma}{fault}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(seed: u64, count: usize) -> Vec<String> {
        let plan = Plan::new(seed, &[]);
        plan.take(count)
            .map(|episode| format!("{episode} {:?}", episode.pause))
            .collect()
    }

    #[test]
    fn a_seed_is_a_plan() {
        assert_eq!(told(7, 50), told(7, 50));
        assert_ne!(told(7, 50), told(8, 50));
    }

    #[test]
    fn what_cannot_be_done_changes_nothing_else() {
        let without = Plan::new(3, &[faults::CLOCK_STEP]).take(200);
        for (all, some) in Plan::new(3, &[]).zip(without) {
            let possible = |fault: &&Planned| fault.kind.name != faults::CLOCK_STEP;
            let expected = all.faults.iter().filter(possible).map(Planned::to_string);
            let left = some.faults.iter().map(Planned::to_string);
            assert!(expected.eq(left), "{all} became {some}");
        }
    }

    #[test]
    fn every_kind_comes_up_and_none_collides() {
        let episodes: Vec<Episode> = Plan::new(1, &[]).take(500).collect();
        for kind in faults::ALL {
            let comes = |episode: &Episode| episode.faults.iter().any(|f| f.kind.name == kind.name);
            assert!(episodes.iter().any(comes), "{}", kind.name);
        }
        for episode in &episodes {
            for (number, fault) in episode.faults.iter().enumerate() {
                let others = episode.faults.iter().skip(number + 1);
                assert!(others.into_iter().all(|other| !fault.collides(other)));
            }
        }
    }
}
