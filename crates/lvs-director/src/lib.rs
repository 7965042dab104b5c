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
//! The rules are those of the reference document `ldirectord.md`, sections 7 to 10 and 12; where a rule is implemented
//! its section is named.
#![forbid(unsafe_code)]

mod action;
mod director;
mod input;
mod snapshot;

pub use action::{Action, CheckId, Command, Execute, Mail};
pub use director::{Director, Options};
pub use input::{FileStamp, Input};
pub use snapshot::{RealSnapshot, Snapshot, VirtualSnapshot};
