//! Fuzz targets: every decoder and parser that reads bytes of a network, a socket, a file or the kernel.
//!
//! A [`Target`] is a plain function over bytes, with seeds to start from and words to put in. It fails by panicking, and
//! each asserts more than that nothing panics: what is accepted survives being written and read again, sizes stay within
//! bounds, places lie within the file, and how a stream was cut into pieces makes no difference.
//!
//! Two drivers run them. The tests of this package run every target over its seeds and over all inputs that once made one
//! fail (`findings/`), as part of the ordinary tests. `cargo xtask fuzz` links the same functions with libFuzzer, which
//! makes up new inputs from what it sees being covered.
//!
//! | module | targets |
//! |---|---|
//! | `wire` | messages in both forms, compressed, signed, in a stream; ICMP echo |
//! | `records` | frames of the client API, records of the logging daemon, tasks of fencing |
//! | `config` | the configuration files |
//! | `kernel` | answers over netlink, ARP frames |
//! | `checks` | what servers answer to each check, and patterns |
//! | `cluster` | the heartbeat core behind the decoder: signed messages, clients, the FIFO |
//! | `client` | what the daemon answers to the client library |
//! | `ipfail` | messages of the other ipfail, ping nodes and the daemon |
//! | `apphb` | what applications say to `apphbd` |
//! | `fencing` | metadata of fence agents, parameters of devices |
//! | `scripts` | messages as variables of scripts |
//! | `state` | who the node is, pid files |
//! | `smtp` | what a mail host answers |
//! | `seeds` | files of the repository as seeds |
#![forbid(unsafe_code)]

mod apphb;
mod checks;
mod client;
mod cluster;
mod config;
mod fencing;
mod ipfail;
mod kernel;
mod records;
mod scripts;
mod seeds;
mod smtp;
mod state;
mod wire;

use std::path::{Path, PathBuf};

pub use seeds::Seed;

/// One fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, also that of its directories of seeds and findings.
    pub name: &'static str,
    /// Takes one input; panics where something is wrong.
    pub run: fn(&[u8]),
    /// Inputs that get deep into the code.
    pub seeds: fn() -> Vec<Seed>,
    /// What inputs are likely to contain; libFuzzer puts it in.
    pub words: fn() -> Vec<Vec<u8>>,
    /// Longer inputs, in bytes, are not tried: they would only be slower.
    pub length_max: usize,
}

/// All targets.
pub const TARGETS: &[&[Target]] = &[
    wire::TARGETS,
    records::TARGETS,
    config::TARGETS,
    kernel::TARGETS,
    checks::TARGETS,
    cluster::TARGETS,
    client::TARGETS,
    ipfail::TARGETS,
    apphb::TARGETS,
    fencing::TARGETS,
    scripts::TARGETS,
    state::TARGETS,
    smtp::TARGETS,
];

/// The targets, one after the other.
pub fn targets() -> impl Iterator<Item = &'static Target> {
    TARGETS.iter().copied().flatten()
}

/// The target of that name.
pub fn find(name: &str) -> Option<&'static Target> {
    targets().find(|target| target.name == name)
}

/// Inputs that once made a target fail, by name of the file.
pub fn findings(target: &Target) -> Vec<Seed> {
    seeds::folder(&findings_folder(target), "")
}

/// Where a target's findings are kept.
pub fn findings_folder(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("findings")
        .join(target.name)
}
