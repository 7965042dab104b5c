//! Clusters simulated from a seed: real cores of `ha-cluster`, a virtual clock, machines that crash, stall and have their
//! calendars set, scripts that are slow or fail, a network that loses, delays, repeats, damages and parts, operators with
//! bad timing, and judges that look at every step.
//!
//! The same seed gives the same run, on every machine. All faults of a run are chosen before it begins
//! ([`Scenario`]), so that a run can be repeated with some of them left out.
//!
//! | module | responsible for |
//! |---|---|
//! | [`plan`], [`settings`] | what a seed means: timers, mode, keys, groups, and the list of faults |
//! | [`random`] | the only source of chance |
//! | `queue` | the virtual clock |
//! | `network`, `packet` | datagrams on their way |
//! | `host`, `scripts` | machines, and the scripts that a core has run |
//! | `world`, `trouble` | handing inputs to cores and doing what they ask for; faults |
//! | `checks` | the judges |
//! | [`legacy`] | the model of the legacy peer |
//! | [`recording`] | what that says and runs, to be compared with the real one |
//! | [`run`](mod@run), `timeline` | one run, and its story |
//! | [`shrink`](mod@shrink) | a shorter run that breaks the same rule |
//! | [`as_test`](mod@as_test) | a scenario as the text of a test |
//! | [`cli`] | the command |
#![forbid(unsafe_code)]

pub mod as_test;
mod checks;
pub mod cli;
mod host;
pub mod legacy;
mod network;
mod packet;
pub mod plan;
mod queue;
pub mod random;
pub mod recording;
pub mod run;
mod scripts;
mod seen;
pub mod settings;
pub mod shrink;
mod timeline;
mod trouble;
mod world;

pub use as_test::as_test;
pub use checks::Violation;
pub use plan::Scenario;
pub use run::{Outcome, run};
pub use shrink::shrink;
