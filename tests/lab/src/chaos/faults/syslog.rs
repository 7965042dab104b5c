//! The syslog of a node stops reading, or is gone. A legacy daemon waits for one that does not read.

use super::{CLIENTS_GAVE_UP, Deafens, Kind, REUNION, Target, pick};
use crate::chaos::site;

const WAYS: [(&str, &str); 2] = [("STOP", "stopped"), ("KILL", "gone")];

pub(super) const KIND: Kind = Kind {
    name: "syslog",
    weight: 7,
    lasts: (3_000, 20_000),
    target: Target::Syslog,
    deafens: Deafens::Legacy,
    variant: |choice| Some(pick(WAYS, choice).1.to_owned()),
    begin: |_, host, choice| {
        let signal = pick(WAYS, choice).0;
        host.sh(&format!("kill -{signal} $(cat {})", site::SYSLOG_PID))
            .map(drop)
    },
    end: |_, host, _| site::start_syslog(host),
    known: &[REUNION, CLIENTS_GAVE_UP],
};
