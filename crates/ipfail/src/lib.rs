//! The core of `ipfail`: which of two nodes sees more ping nodes, and who therefore gives its groups away
//! (`resource-protocol.md` 6, `client-api.md` 8).
//!
//! Nothing here has a socket or a clock. The shell (in `ha-tools`) is a client of the daemon: it puts the core's
//! questions to it, hands over what the daemon says, and tells the time.
//!
//! ```text
//!            Input                                     Action
//!   messages of the daemon  ──>  ┌──────────┐  ──>  a question to the daemon, one at a time
//!   answers to questions    ──>  │  Ipfail  │  ──>  a message to the cluster
//!   the deadline has come   ──>  │          │  ──>  a line for the log
//!   asked to stop           ──>  └──────────┘  ──>  the exit code
//! ```
//!
//! A peer may run the legacy's ipfail; both understand each other, because the messages are the same.
#![forbid(unsafe_code)]

mod action;
mod core;
mod event;
mod input;
mod outgoing;
mod setup;

pub use action::{Action, Level, Question};
pub use core::Ipfail;
pub use input::{Answer, Input, NodeEntry};

/// The name under which ipfail signs on; the daemon hands a client only what comes from clients of the same name.
pub const CLIENT_NAME: &str = "ipfail";

/// How ipfail ends (`resource-protocol.md` 6). Steps that cannot fail here have no code.
pub mod exit {
    /// It was told to stop.
    pub const STOPPED: i32 = 0;
    /// The daemon refused the sign-on, or is not there.
    pub const SIGNON: i32 = 1;
    /// The message filter was refused.
    pub const FILTER: i32 = 8;
    /// The list of nodes was refused at the start.
    pub const NODE_WALK: i32 = 9;
    /// The message signal was refused.
    pub const SIGNAL: i32 = 13;
    /// The daemon could not be told that we leave.
    pub const SIGNOFF: i32 = 14;
    /// The list of nodes was refused later.
    pub const PING_WALK: i32 = 16;
    /// The sign-on was answered without saying who we are.
    pub const NODE_NAME: i32 = 19;
    /// The connection broke while at work. This code and the next are ours: the legacy's ipfail stays, connected to
    /// nobody.
    pub const LOST: i32 = 20;
    /// The system refused what nobody can do without.
    pub const SYSTEM: i32 = 21;
    /// There is nothing to do in this configuration: the daemon does not start a client again that ends so.
    pub const REST: i32 = 100;
}
