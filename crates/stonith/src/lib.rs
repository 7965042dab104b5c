//! Fencing: resetting a node that is believed dead, so that nothing of it can still write to shared data
//! (`stonith.md`).
//!
//! A [`Device`] is a type ([`Kind`]) with [`Parameters`]. Types are scripts (`external/*`, with the legacy's contract,
//! and `fence_*`, the agents of today's distributions), a human being (`meatware`), and the legacy's small ones (`ssh`,
//! `suicide`, `null`). Operations take as long as they take: they belong into a process of their own. The heartbeat
//! daemon starts this program under the name `stonith-device` for each of them and talks to it as [`task`] says.
//!
//! Parameters may be secrets. They are never on a command line of ours, never printed by `Debug`, and what a script
//! prints is masked before it is logged.
#![forbid(unsafe_code)]

mod catalogue;
mod cli;
mod code;
mod device;
mod kinds;
mod markup;
pub mod metadata;
mod parameters;
mod places;
mod run;
mod say;
pub mod task;

pub use catalogue::{Kind, UnknownKind, list};
pub use cli::main;
pub use code::Code;
pub use device::{Device, Refusal, Request, Source};
pub use parameters::Parameters;
pub use places::Places;
pub use say::{Level, Say};
