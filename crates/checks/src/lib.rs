//! Checks of real servers.
//!
//! Every protocol is a [`Conversation`]: a state machine that is told what happened on its connection and answers with
//! what to do next. It knows neither sockets nor clock. Around all of them stands one driver, which owns the sockets,
//! does TLS, keeps the deadline of each check and hands out verdicts.
//!
//! The rules come from the reference document `ldirectord.md`, section 6.
#![forbid(unsafe_code)]

mod checker;
mod conversation;
mod pattern;
mod protocols;
mod verdict;

pub use checker::{Checker, Outcome, Settings};
pub use conversation::{Conversation, Effect, Effects, Event, Host, Target, Transport};
pub use pattern::{Pattern, PatternError};
pub use protocols::{Environment, Seed, conversation};
pub use verdict::Verdict;
