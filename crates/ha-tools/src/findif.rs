//! `findif [-C]`: which interface, mask and broadcast address belong to an address (`resource-scripts.md` 3). The
//! question comes by environment.

use std::env;
use std::ffi::{OsStr, OsString};

use ha_net::{Netlink, route};
use ha_resources::address::{Found, Request, find_interface};

use crate::output;

/// The program. Exit code 0, or 1 for every failure, as in 2.1.
pub fn main(program: &OsStr, args: &[OsString]) -> i32 {
    let bits = match args {
        [] => false,
        [option] if option == "-C" => true,
        _ => {
            output::error(&usage(program));
            return 1;
        }
    };
    let variable = |name: &str| {
        let value = env::var_os(format!("OCF_RESKEY_{name}"))?;
        Some(value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
    };
    let ip = variable("ip");
    let netmask = variable("cidr_netmask").or_else(|| variable("netmask"));
    let broadcast = variable("broadcast");
    let nic = variable("nic");
    let request = Request {
        ip: ip.as_deref(),
        netmask: netmask.as_deref(),
        broadcast: broadcast.as_deref(),
        nic: nic.as_deref(),
    };
    let mut remarks = Vec::new();
    let answer = Netlink::open()
        .map_err(Into::into)
        .and_then(|mut kernel| find_interface(&mut kernel, &request, &mut remarks));
    for remark in remarks {
        output::error(&format!("{remark}\n"));
    }
    match answer {
        Ok(found) => {
            output::print(&line(&found, bits));
            0
        }
        Err(error) => {
            output::error(&format!("{error}\n"));
            if error.is_misuse() {
                output::error(&usage(program));
            }
            1
        }
    }
}

/// The answer, as scripts split it at the tabs.
fn line(found: &Found, bits: bool) -> String {
    let mask = match bits {
        true => found.prefix_len.to_string(),
        false => route::dotted_mask(found.prefix_len).to_string(),
    };
    format!(
        "{}\tnetmask {mask}\tbroadcast {}\n",
        found.nic, found.broadcast
    )
}

fn usage(program: &OsStr) -> String {
    let program = program.display();
    format!(
        "\n{program} version {version}\n\n\
         Usage: {program} [-C]\n\
         Options:\n    \
             -C: show the netmask as a number of bits (default: dotted)\n\
         Environment variables:\n\
         OCF_RESKEY_ip\t\t the address (required)\n\
         OCF_RESKEY_cidr_netmask\t its netmask, in bits or dotted\n\
         OCF_RESKEY_broadcast\t its broadcast address\n\
         OCF_RESKEY_nic\t\t the interface it shall be on\n",
        version = env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_in_both_forms() {
        let found = Found {
            ip: [10, 0, 0, 1].into(),
            nic: "eth0:0".to_owned(),
            prefix_len: 20,
            broadcast: [10, 0, 15, 255].into(),
        };
        assert_eq!(
            line(&found, true),
            "eth0:0\tnetmask 20\tbroadcast 10.0.15.255\n"
        );
        assert_eq!(
            line(&found, false),
            "eth0:0\tnetmask 255.255.240.0\tbroadcast 10.0.15.255\n"
        );
    }
}
