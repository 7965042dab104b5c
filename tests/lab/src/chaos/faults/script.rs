//! Memory is short, and the kernel takes a script of a node: SIGKILL, which is all that a script sees of it.
//!
//! The scripts of all groups are hit at the node when they start, or when they stop, and the operator asks for a hand-over
//! so that they are run. A stop that fails for good ends in a reboot of the machine, as it should.

use std::sync::Arc;

use super::{Deafens, Kind, Known, Target, pick};
use crate::chaos::site::{GROUPS, Site};
use crate::{Host, Result};

const ACTIONS: [&str; 2] = ["start", "stop"];

pub(super) const KIND: Kind = Kind {
    name: "script killed",
    weight: 7,
    lasts: (2_000, 15_000),
    target: Target::Resources,
    deafens: Deafens::Never,
    variant: |choice| Some(pick(ACTIONS, choice).to_owned()),
    begin,
    end: |_, host, _| host.sh("rm -f /etc/TestRsc/*").map(drop),
    known: &[&[
        Known {
            text: "Return code 137 from",
            reason: "128 and the number of the signal",
        },
        Known {
            text: "Giving up resources due to failure of",
            reason: "what cannot be started here goes to the other node",
        },
        Known {
            text: "Resource STOP failure. Reboot required!",
            reason: "nothing else releases what cannot be stopped",
        },
        Known {
            text: "Killing heartbeat",
            reason: "so that the other node takes over at once",
        },
    ]],
};

fn begin(site: &Site, host: &Arc<Host>, choice: u64) -> Result<()> {
    let action = pick(ACTIONS, choice);
    for group in &GROUPS {
        let path = format!("/etc/TestRsc/{}.{action}", group.instance);
        host.write(&path, "kill -9 $$\n")?;
    }
    let giver = if action == "start" {
        site.other(host)
    } else {
        host
    };
    giver.tool("hb_standby", &["all"]).map(drop)
}
