//! Tasks: sequences of script runs over resource groups.
//!
//! A [`Task`] decides and never does. Its owner asks for the [`Task::next`] step, carries it out, and reports the end of
//! each [`Step::Run`] with [`Task::ended`]. How a group is taken, given up or asked about is `resource-protocol.md` 1.5
//! to 1.7; the state machine for it is in `machine`.

mod machine;
mod step;
#[cfg(test)]
mod tests;

pub use machine::Task;
pub use step::{Action, Invocation, Outcome, RunResult, Step, StopRetries};
