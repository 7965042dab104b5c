//! `ipfail`, which many an ha.cf names in a `respawn` line.
//!
//! It would compare the ping nodes that both sides reach and move resources to the better connected one. For that it
//! needs the daemon's local client API, which this version does not have; so it says so and asks not to be started
//! again.

use std::ffi::{OsStr, OsString};

use crate::context::Context;

/// The exit code that tells the daemon not to start a client again.
const DO_NOT_RESPAWN: i32 = 100;

pub(crate) fn main(program: &OsStr, _args: &[OsString]) -> i32 {
    let log = Context::new(program).log();
    log.log(
        "ipfail",
        "ERROR: this version has no local client API yet: ipfail cannot compare ping nodes",
    );
    log.log(
        "ipfail",
        "WARN: resources will not be moved when ping nodes become unreachable",
    );
    DO_NOT_RESPAWN
}
