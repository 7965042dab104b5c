//! Resource groups: in which order scripts run, where they are found, how their answers are judged, and when a stop is
//! tried again.
//!
//! The deciding half ([`Task`], [`judge_status`], [`script_in`], [`environment`]) does nothing by itself: a task hands out
//! one [`Step`] after the other and is told how each script ended, so that the daemon can run it from its event loop, a
//! command-line tool from a plain loop ([`Runner`]), and a test without any script at all. The doing half is what the
//! command-line tools share: [`ScriptLog`], [`Runner`], [`inject`], [`reboot`].
//!
//! The rules are those of `resource-protocol.md` 1 and 4 and `resource-scripts.md` 1; where a rule is implemented its
//! section is named.
#![forbid(unsafe_code)]

pub mod address;
pub mod environment;
pub mod inject;
mod line;
mod lookup;
mod paths;
pub mod reboot;
mod runner;
mod script_log;
mod status;
mod task;

pub use ha_config::haresources::{Group, HaResources, ResourceWord};
pub use line::{LogLine, Severity};
pub use lookup::{FileFacts, Installed, Lookup, NativeAgent, Script, TOOLS_PROGRAM, script_in};
pub use paths::{LIBRARY_DIRECTORIES, Paths, SHARE_DIRECTORY};
pub use runner::{Output, RunContext, Runner};
pub use script_log::{LogSettings, ScriptLog};
pub use status::judge_status;
pub use task::{Action, Invocation, Outcome, RunResult, Step, StopRetries, Task};
