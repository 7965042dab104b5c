//! One run from beginning to end.

use std::rc::Rc;
use std::time::Duration;

use crate::checks::{Bench, Violation, settled};
use crate::plan::Scenario;
use crate::timeline::Timeline;
use crate::world::{CLOCK_START, Happening, World};

/// How often it is looked at whether everything has settled.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What became of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The first rule that was broken.
    pub violation: Option<Violation>,
    /// What kept the run from settling is a quirk of the legacy peer: its name, and what is not settled.
    pub excused: Option<Violation>,
    /// Simulated time.
    pub time: Duration,
    /// How long after the last fault everything had settled.
    pub settled_after: Option<Duration>,
    /// The story, if it was asked for.
    pub timeline: String,
}

/// Runs a scenario. With `tell` its story is kept.
pub fn run(scenario: &Scenario, tell: bool) -> Outcome {
    let scenario = Rc::new(scenario.clone());
    let mut bench = Bench::new(&scenario);
    let mut world = World::new(Rc::clone(&scenario), Timeline::new(tell));
    let (violation, excused, settled_after) = match play(&mut world, &mut bench) {
        Ok(End::Settled(after)) => (None, None, Some(after)),
        Ok(End::Excused(quirk)) => (None, Some(quirk), None),
        Err(violation) => (Some(violation), None, None),
    };
    if let Some(violation) = &violation {
        world.tell(usize::MAX, || {
            format!("!!! {}: {}", violation.rule, violation.text)
        });
    }
    Outcome {
        violation,
        excused,
        time: world.now - CLOCK_START,
        settled_after,
        timeline: world.timeline.into_text(),
    }
}

/// How a run ends in which no rule is broken.
enum End {
    /// Everything had settled, so long after the last fault.
    Settled(Duration),
    /// It has not, for which a quirk of a legacy node is to blame.
    Excused(Violation),
}

/// Until everything has settled, or a rule is broken.
fn play(world: &mut World, bench: &mut Bench) -> Result<End, Violation> {
    let settings = world.scenario.settings.clone();
    let quiet = CLOCK_START + world.scenario.quiet_from;
    let end = quiet + settled::bound(&settings) + settled::lasting(&settings);
    let mut settled_since: Option<Duration> = None;
    while let Some(step) = world.step(end) {
        let happening = step.map_err(|text| Violation {
            rule: "time goes on",
            text,
        })?;
        let look = matches!(happening, Some(Happening::Look | Happening::Quiet));
        if let Some(happening) = happening {
            world.happen(happening);
        }
        for seen in std::mem::take(&mut world.seen) {
            bench.see(world, &seen)?;
        }
        if !look || !world.quiet {
            continue;
        }
        match settled::look(world) {
            None => {
                let since = *settled_since.get_or_insert(world.now);
                if world.now - since >= settled::lasting(&settings) {
                    return Ok(End::Settled(since - quiet));
                }
            }
            Some(_) if world.now <= quiet + settled::bound(&settings) => settled_since = None,
            Some(unsettled) => {
                let rule = match unsettled.ownership {
                    true => "one owner in the end",
                    false => "nothing waits for ever",
                };
                let after = (world.now - quiet).as_secs();
                if let Some(quirk) = unsettled.quirk {
                    return Ok(End::Excused(Violation {
                        rule: quirk,
                        text: unsettled.text,
                    }));
                }
                return Err(Violation {
                    rule,
                    text: format!("{after} s after the last fault: {}", unsettled.text),
                });
            }
        }
        world.queue.plan(world.now + LOOK_AGAIN, Happening::Look);
    }
    Err(Violation {
        rule: "nothing waits for ever",
        text: "it settled, but did not stay so".to_owned(),
    })
}
