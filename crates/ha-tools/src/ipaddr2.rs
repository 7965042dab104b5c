//! `IPaddr2`: as `IPaddr`, with the administrator's label or none (`resource-scripts.md` 6).

use std::ffi::{OsStr, OsString};

use ha_resources::NativeAgent;
use ha_resources::address::AnnounceArguments;

use crate::ipaddr::Face;

/// `IPaddr2`.
pub fn main(program: &OsStr, args: &[OsString]) -> i32 {
    let face = Face {
        name: "IPaddr2",
        agent: NativeAgent::IpAddr2,
        argument: "ip-address[/netmaskbits[/interface[:label][/broadcast]]]",
        announce: AnnounceArguments::IPADDR2,
    };
    face.run(program, args)
}
