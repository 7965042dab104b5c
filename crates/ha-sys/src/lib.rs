//! System calls behind safe functions: everything that the programs ask of the kernel, except addresses and ARP
//! (`ha-net`).
//!
//! The crate decides nothing about the cluster. It opens media, reads the FIFO, starts children, writes log lines,
//! keeps the pid file and the identity files, and offers one event loop ([`Poller`]) to drive all of it. Nothing here
//! blocks for long, except what its documentation says so of and what is meant to be called before the loop starts.
//! Descriptors are close-on-exec from birth, so that no child ever inherits one by accident.

pub mod child;
pub mod clock;
pub mod daemon;
pub mod durable;
mod errno;
pub mod fifo;
pub mod host;
pub mod identity;
pub mod lateness;
pub mod loadavg;
pub mod lock;
pub mod log;
pub mod media;
pub mod peer;
pub mod pidfile;
mod poller;
pub mod process;
pub mod realtime;
pub mod reserve;
pub mod scribe;
pub mod signals;
pub mod terminal;
pub mod users;
pub mod watchdog;

pub use errno::errno_text;
pub use poller::{Interest, Poller, Ready};
