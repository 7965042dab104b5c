//! ldirectord's core: which check runs when, who is in service, and what the kernel's table shall be.
//!
//! Sans-I/O. [`Director`] has no sockets, files, processes, clock or random source: what happened ([`Input`]) and when is
//! told to it, and it answers with what to do ([`Action`]). The shell around it calls [`Director::handle`], drains
//! [`Director::poll_action`] until it is empty, sleeps until [`Director::next_deadline`] at most, and repeats.
//!
//! The idea behind it: the table of a configured virtual service is a function of the configuration, of the state of its
//! real servers and of who is in maintenance. What differs from the table as it was last read is worked off in batches;
//! after a refusal the table is read again. So it does not matter how it came to differ.
//!
//! | module | responsible for |
//! |---|---|
//! | `director` | the state, and the four calls |
//! | `takeover` | start, reload, stop |
//! | `watch`, `verdicts` | when each check runs, and what follows from its verdict |
//! | `servers` | what is remembered of virtual services and real servers |
//! | `plan` | the difference between wanted and known table, as changes with their log lines |
//! | `programming`, `kernel` | the conversation with the kernel: batches, refusals, pauses, audits |
//! | `maintenance` | who is taken out by hand |
//! | `alert`, `monitor`, `persistence`, `throttle` | mail, monitor files, warnings, and not saying things twice |
//! | `input`, `action`, `snapshot` | values at the border |
//!
//! The rules are those of the reference document `ldirectord.md`, sections 7 to 10 and 12; where a rule is implemented
//! its section is named.
#![forbid(unsafe_code)]

mod action;
mod alert;
mod director;
mod input;
mod kernel;
mod maintenance;
mod monitor;
mod persistence;
mod place;
mod plan;
mod programming;
mod servers;
mod snapshot;
mod takeover;
mod throttle;
mod verdicts;
mod watch;

pub use action::{Action, CheckId, Execute, Mail};
pub use director::{Director, Options};
pub use input::Input;
pub use kernel::refusal_text;
pub use snapshot::{RealSnapshot, Snapshot, VirtualSnapshot};
