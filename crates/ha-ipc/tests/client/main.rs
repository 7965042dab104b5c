//! The client library, at daemons that a test plays.

mod conversations;
mod misbehaviour;
mod recording;
