//! The daemon gets no further descriptor: what is open stays open, and nothing new can be opened.

use std::fmt::Write as _;
use std::sync::Arc;

use super::{CLIENTS_GAVE_UP, Deafens, Kind, Known, Target, only_one};
use crate::{Host, Result};

/// Where the limit that was in force is noted. Lost with the processes at a boot.
const NOTE: &str = "/run/nofile";

pub(super) const KIND: Kind = Kind {
    name: "no descriptors",
    weight: 7,
    lasts: (3_000, 20_000),
    target: Target::Limits,
    deafens: Deafens::Never,
    variant: only_one,
    begin: |_, host, _| exhaust(host),
    end: |_, host, _| restore(host),
    known: &[
        &[Known {
            text: "Too many open files",
            reason: "there are",
        }],
        CLIENTS_GAVE_UP,
    ],
};

fn exhaust(host: &Arc<Host>) -> Result<()> {
    let mut script = String::from("set -e\n");
    for pid in host.heartbeat_pids() {
        let _ = writeln!(
            script,
            "prlimit -p {pid} --nofile --noheadings -o SOFT >{NOTE}
             prlimit -p {pid} --nofile=$(ls /proc/{pid}/fd | wc -l):"
        );
    }
    host.sh(&script).map(drop)
}

/// Not only of the processes of before: who was executed anew has inherited the limit.
fn restore(host: &Arc<Host>) -> Result<()> {
    let mut script = format!("[ -e {NOTE} ] || exit 0\n");
    for pid in host.heartbeat_pids() {
        let _ = writeln!(script, "prlimit -p {pid} --nofile=$(cat {NOTE}): || :");
    }
    host.sh(&script).map(drop)
}
