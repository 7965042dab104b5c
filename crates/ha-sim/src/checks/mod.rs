//! The judges: each looks at everything that happens and says when a rule is broken.
//!
//! | rule | module |
//! |---|---|
//! | a node is declared dead after its dead time of silence on all media, not before and not much later | [`silence`] |
//! | a group is taken from a node that holds it only after that node was declared dead, was reset, or let go of it; a release ends before the acquisition begins | [`taking`] |
//! | two nodes do not hold one group for longer than it takes to notice | [`overlap`] |
//! | what is not signed, or is of a former life, changes nothing | [`untrusted`] |
//! | a restarted node is never taken for its former self | [`lives`] |
//! | every queue stays below its bound | [`bounds`] |
//! | what a legacy partner does to these is no fault of ours | [`excused`] |
//! | when nothing goes wrong any more, each group has one owner and nothing waits | [`settled`] |

mod bounds;
pub(crate) mod excused;
mod lives;
mod overlap;
pub(crate) mod settled;
mod silence;
mod taking;
mod untrusted;

use crate::plan::Scenario;
use crate::seen::Seen;
use crate::world::World;

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The short name of the rule.
    pub rule: &'static str,
    /// What happened.
    pub text: String,
}

/// A judge that looks at everything.
pub(crate) trait Judge {
    /// The short name of its rule.
    fn rule(&self) -> &'static str;

    /// Looks at one thing that happened.
    ///
    /// # Errors
    /// The rule is broken; the text says how.
    fn see(&mut self, world: &World, seen: &Seen) -> Result<(), String>;
}

/// All judges.
pub(crate) struct Bench {
    silence: silence::Silence,
    taking: taking::Taking,
    others: Vec<Box<dyn Judge>>,
}

impl Bench {
    pub(crate) fn new(scenario: &Scenario) -> Bench {
        Bench {
            silence: silence::Silence::new(scenario),
            taking: taking::Taking::new(scenario),
            others: vec![
                Box::new(overlap::Overlap::new(scenario)),
                Box::new(untrusted::Untrusted),
                Box::new(lives::Lives::new(scenario)),
                Box::new(bounds::Bounds),
            ],
        }
    }

    /// Judges one thing.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub(crate) fn see(&mut self, world: &World, seen: &Seen) -> Result<(), Violation> {
        let broken = |rule| move |text| Violation { rule, text };
        self.silence
            .see(world, seen)
            .map_err(broken(silence::RULE))?;
        // Whether a node was rightly declared dead is one judge's business, what follows from it another's.
        self.taking
            .see(world, seen, self.silence.deaths())
            .map_err(broken(taking::RULE))?;
        for judge in &mut self.others {
            judge.see(world, seen).map_err(broken(judge.rule()))?;
        }
        Ok(())
    }
}

/// A table with a place for each pair of nodes.
#[derive(Clone)]
pub(crate) struct Pairs<T> {
    nodes: usize,
    values: Vec<T>,
}

impl<T: Clone> Pairs<T> {
    pub(crate) fn new(nodes: usize, value: T) -> Pairs<T> {
        Pairs {
            nodes,
            values: vec![value; nodes * nodes],
        }
    }

    /// What `of` is to `by`.
    pub(crate) fn get(&self, by: usize, of: usize) -> &T {
        &self.values[by * self.nodes + of]
    }

    pub(crate) fn get_mut(&mut self, by: usize, of: usize) -> &mut T {
        &mut self.values[by * self.nodes + of]
    }
}
