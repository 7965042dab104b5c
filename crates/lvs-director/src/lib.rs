//! ldirectord's core: which check runs when, who is in service, and what the kernel's table shall be.
//!
//! [`Director`] has no sockets, files, processes, clock or random source. It is told what happened ([`Input`]) and when,
//! and answers with what to do ([`Action`]). The shell around it applies changes to the kernel, runs the checks, writes
//! the log.
//!
//! The rule behind everything: the table of a configured virtual service is a function of the configuration, of the state
//! of its real servers and of who is in maintenance. After each input the difference between that and the table as it is
//! known is worked off, so that it does not matter how the table came to differ.
//!
//! | module | responsible for |
//! |---|---|
//! | `director` | the state, and what each input does to it |
//! | `reconcile` | the difference between wanted and known table, as changes with their log lines |
//! | `watch` | schedule of the checks |
//! | `servers` | state of virtual services and real servers |
//! | `alert` | mail |
//! | `monitor` | lines of the monitor file |
//! | `input`, `action`, `snapshot` | values at the border |
//!
//! The rules come from the reference document `ldirectord.md`, sections 7 to 10.
#![forbid(unsafe_code)]

mod action;
mod alert;
mod director;
mod input;
mod monitor;
mod reconcile;
mod servers;
mod snapshot;
mod watch;

pub use action::{Action, CheckId, Execute, Mail};
pub use director::{Director, Options};
pub use input::{Input, Refused};
pub use snapshot::{RealSnapshot, Snapshot, VirtualSnapshot};
