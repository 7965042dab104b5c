//! The heartbeat core: who is alive, what was delivered, and who owns which resources.
//!
//! Sans-I/O. [`Core`] never reads a clock, a socket, a file, the host name or a random source: time, randomness and
//! identity are arguments. The shell around it calls [`Core::handle`] with every [`Input`], drains [`Core::poll_action`]
//! until it is empty, sleeps until [`Core::next_deadline`], and repeats. Everything that the core wants done is an
//! [`Action`]; what takes time (scripts, releases, takeovers) is a [`Job`] whose end comes back as
//! [`Input::JobEnded`].
//!
//! The rules are those of `wire-protocol.md` (sections 4 to 9), `resource-protocol.md` and, for local clients,
//! `client-api.md`; where a rule is implemented its section is named.
#![forbid(unsafe_code)]

mod action;
mod admin;
mod api;
mod audit;
mod config;
mod core;
mod crowd;
mod delivery;
mod dispatch;
mod fencing;
mod history;
mod input;
mod job;
mod jobs;
mod membership;
#[cfg(feature = "mutations")]
pub mod mutation;
#[cfg(not(feature = "mutations"))]
mod mutation;
mod node;
mod punctuality;
mod random;
mod recovery;
mod requests;
mod resources;
mod sending;
mod shutdown;
mod snapshot;
mod standby;
mod throttle;
mod time;
mod tracking;

pub use action::{Action, DeletedNode, ExitKind, Level, Notice};
pub use api::{ApiSettings, ClientId, Credentials, Gone, ProcessExists};
pub use config::{
    AutoFailback, AutoJoin, Config, FencingDevice, Held, MediumKind, MediumSpec, NodeKind,
    NodeSpec, RestartState,
};
pub use core::Core;
pub use input::Input;
pub use job::{DeviceResult, FailedGroup, Hold, Job, JobId, JobOutcome, Notification, Report};
pub use snapshot::{
    Counters, NodeSnapshot, QUEUE_BOUNDS, Queues, ResourceSnapshot, Snapshot, View,
};
pub use time::Now;
