//! What the legacy model says and runs, in the form of the recorded traces of the real one, to be compared with them.

use std::rc::Rc;
use std::time::Duration;

use ha_wire::{Message, Value};

use crate::plan::Scenario;
use crate::timeline::Timeline;
use crate::world::{CLOCK_START, World};

/// What a line is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A numbered message, its fields in order, without binary ones.
    Said(Vec<(String, String)>),
    /// A script, by the last part of its name, and its arguments.
    Ran(String),
}

/// A line of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Time since the beginning of the run.
    pub at: Duration,
    /// The machine.
    pub host: usize,
    /// What it said or ran.
    pub what: What,
}

/// Plays a scenario until a time, without judges, and returns what its legacy nodes said and ran, and the story.
pub fn record(scenario: &Scenario, until: Duration) -> (Vec<Line>, String) {
    let mut world = World::new(Rc::new(scenario.clone()), Timeline::new(true));
    world.recording = Some(Vec::new());
    while let Some(Ok(happening)) = world.step(CLOCK_START + until) {
        if let Some(happening) = happening {
            world.happen(happening);
        }
        world.seen.clear();
    }
    let lines = world.recording.take().unwrap_or_default();
    (lines, world.timeline.into_text())
}

impl World {
    pub(crate) fn record_said(&mut self, host: usize, message: &Message) {
        let at = self.now - CLOCK_START;
        let Some(lines) = &mut self.recording else {
            return;
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let fields = message.fields().filter_map(|field| match field.value {
            Value::Text(value) => Some((text(field.name), text(value))),
            _ => None,
        });
        let what = What::Said(fields.collect());
        lines.push(Line { at, host, what });
    }

    pub(crate) fn record_exec(&mut self, host: usize, what: &str) {
        self.tell(host, || format!("$ {what}"));
        let at = self.now - CLOCK_START;
        if let Some(lines) = &mut self.recording {
            let what = What::Ran(what.to_owned());
            lines.push(Line { at, host, what });
        }
    }
}
