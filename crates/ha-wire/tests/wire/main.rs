//! The wire format seen from outside: captured packets, authentication, properties.

mod authentication;
mod captured;
mod common;
mod properties;
