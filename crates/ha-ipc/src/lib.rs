//! The local client API of heartbeat: how processes of the same machine talk to the daemon (`client-api.md`).
//!
//! ```text
//!   daemon                                                   client
//!   Listener ---- accept ----> Channel  == unix stream ==  Client (a Channel of its own)
//!                              frames in, frames out       requests, answers, messages, order
//! ```
//!
//! | Module | Responsible for |
//! |---|---|
//! | [`frame`] | cutting a stream of bytes into bodies, and putting bodies into frames |
//! | [`channel`] | one connection that never blocks: a bounded buffer in, a bounded queue out, and who the peer is |
//! | [`listener`] | the socket that clients find |
//! | [`client`] | the client library: signing on, every request, messages to and from the cluster |
//!
//! What a request means and who may make it is decided by the cluster core; this crate only carries it. The client does
//! not know the daemon: it speaks to any that serves the protocol.
#![forbid(unsafe_code)]

pub mod channel;
pub mod client;
pub mod frame;
pub mod listener;
mod wait;

/// Where clients find the daemon (`client-api.md` 1.1).
pub const REGISTER_SOCKET: &str = "/var/run/heartbeat/register";
