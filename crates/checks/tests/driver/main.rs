//! The driver against servers on loopback that behave, misbehave, or do nothing.

mod bench;
mod http;
mod odd_jobs;
mod programs;
mod side;
mod structure;
mod tls;
