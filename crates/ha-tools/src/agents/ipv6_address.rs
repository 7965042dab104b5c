//! `IPv6addr`: holds an IPv6 address (`resource-scripts.md` 9).
//!
//! The address goes to the interface whose network it belongs to. Start returns when the kernel has made sure that nobody
//! else has it, a second or two; the advertisements, for which the legacy makes start wait another five seconds, are sent
//! by a process in the background.

use std::env;
use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ha_net::pidfile::{self, PidFile};
use ha_net::{Address, ArpSocket, Family, Link, NetError, Netlink, Scope};
use ha_resources::address::{AgentLevel, ocf};

use super::wrapper::{Parameter, Script, Wish, Wrapper};
use crate::context::words;

const SCRIPT: Script = Script {
    name: "IPv6addr",
    arguments: "<ip-address>",
    usage_word: "usage",
    usage_to_stderr: false,
    purpose: "Holds an IPv6 address.",
    parameters: &[Parameter {
        name: "ipv6addr",
        kind: "string",
        required: true,
        meaning: "The address, and perhaps the length of its network's prefix: addr[/plen].",
    }],
};

/// The operation that only tells the neighbours.
const ADVERTISE: &str = "advt";
/// How often they are told, and how long it waits in between.
const ADVERTISEMENTS: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);
/// How long the kernel may take to find out that nobody else has the address.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);
/// Present as long as the kernel knows IPv6.
const LIST: &str = "/proc/net/if_inet6";

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spec {
    address: Ipv6Addr,
    /// Any when `None`.
    prefix_len: Option<u8>,
}

/// The script.
pub(crate) fn main(program: &OsStr, args: &[OsString]) -> i32 {
    let wrapper = Wrapper::new(SCRIPT, program);
    let words = words(args);
    let [spec, operation] = words.as_slice() else {
        return wrapper.wrong_words(&words);
    };
    if operation == ADVERTISE {
        return match Spec::parse(spec) {
            Some(spec) => advertise(&wrapper, spec.address),
            None => ocf::ARGUMENTS,
        };
    }
    let wish = match wrapper.wish(operation) {
        Ok(wish) => wish,
        Err(code) => return code,
    };
    let code = match Spec::parse(spec) {
        None => {
            wrapper.log(AgentLevel::Error, &format!("Invalid IPv6 address [{spec}]"));
            ocf::ARGUMENTS
        }
        Some(_) if !Path::new(LIST).exists() => {
            wrapper.log(AgentLevel::Error, "this kernel has no IPv6");
            ocf::GENERIC
        }
        Some(spec) => act(&wrapper, wish, spec, program).unwrap_or_else(|error| {
            wrapper.log(AgentLevel::Error, &error.to_string());
            ocf::GENERIC
        }),
    };
    wrapper.finish(wish, code)
}

impl Spec {
    /// `addr` or `addr/plen`; a length of 0 is as none.
    fn parse(text: &str) -> Option<Spec> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, length.parse::<u8>().ok()?),
            None => (text, 0),
        };
        (length <= 128).then_some(Spec {
            address: address.parse().ok()?,
            prefix_len: Some(length).filter(|&length| length > 0),
        })
    }

    /// The address whose network this one belongs to.
    fn network<'a>(&self, addresses: &'a [Address]) -> Option<&'a Address> {
        addresses.iter().find(|known| {
            known.scope == Scope::Universe
                && self
                    .prefix_len
                    .is_none_or(|length| length == known.prefix_len)
                && matches!(known.ip, IpAddr::V6(ip) if same_network(ip, self.address, known.prefix_len))
        })
    }
}

fn same_network(one: Ipv6Addr, other: Ipv6Addr, prefix_len: u8) -> bool {
    let differing = u128::from(one) ^ u128::from(other);
    differing
        .checked_shr(128_u32.saturating_sub(u32::from(prefix_len)))
        .unwrap_or(0)
        == 0
}

fn find(addresses: &[Address], ip: Ipv6Addr) -> Option<&Address> {
    addresses.iter().find(|known| known.ip == IpAddr::V6(ip))
}

fn act(wrapper: &Wrapper, wish: Wish, spec: Spec, program: &OsStr) -> Result<i32, NetError> {
    let mut kernel = Netlink::open()?;
    let addresses = kernel.addresses(Family::V6)?;
    let present = find(&addresses, spec.address);
    match wish {
        Wish::Monitor => Ok(match present {
            // A tentative address answers nobody, and a duplicate one belongs to somebody else.
            Some(address) if !address.tentative && !address.duplicate => ocf::SUCCESS,
            _ => ocf::NOT_RUNNING,
        }),
        Wish::Stop => {
            if let Err(error) = pidfile::retire(&pid_path(spec.address)) {
                let text = format!("Could not end the announcer of {}: {error}", spec.address);
                wrapper.log(AgentLevel::Warning, &text);
            }
            if let Some(address) = present {
                kernel.delete_address(address)?;
            }
            Ok(ocf::SUCCESS)
        }
        Wish::Start if present.is_some() => Ok(ocf::SUCCESS),
        Wish::Start => {
            let Some(network) = spec.network(&addresses) else {
                let text = format!("no interface has the network of {}", spec.address);
                wrapper.log(AgentLevel::Error, &text);
                return Ok(ocf::GENERIC);
            };
            let address = Address::new(network.link, spec.address.into(), network.prefix_len);
            kernel.add_address(&address)?;
            if !settled(&mut kernel, spec.address)? {
                let text = format!("{} is not usable: another machine has it", spec.address);
                wrapper.log(AgentLevel::Error, &text);
                kernel.delete_address(&address)?;
                return Ok(ocf::GENERIC);
            }
            if let Err(error) = advertise_in_background(program, spec.address) {
                let text = format!("Could not send neighbour advertisements: {error}");
                wrapper.log(AgentLevel::Error, &text);
            }
            Ok(ocf::SUCCESS)
        }
    }
}

/// Waits until the kernel has made sure that nobody else has the address; false if somebody has, or it does not get sure.
fn settled(kernel: &mut Netlink, ip: Ipv6Addr) -> Result<bool, NetError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let addresses = kernel.addresses(Family::V6)?;
        match find(&addresses, ip) {
            None => return Ok(false),
            Some(address) if address.duplicate => return Ok(false),
            Some(address) if !address.tentative => return Ok(true),
            Some(_) if Instant::now() >= deadline => return Ok(false),
            Some(_) => thread::sleep(LOOK),
        }
    }
}

/// As the legacy names it; whoever comes next ends the process in it.
fn pid_path(ip: Ipv6Addr) -> PathBuf {
    PathBuf::from(format!("/var/run/IPv6addr-{ip}"))
}

fn advertise_in_background(program: &OsStr, ip: Ipv6Addr) -> std::io::Result<()> {
    let child = Command::new(env::current_exe()?)
        // The name by which the announcer is recognised in the process list.
        .arg0(Path::new(program).with_file_name("IPv6addr"))
        .args([&ip.to_string(), ADVERTISE])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    PidFile::claim_for(&pid_path(ip), child.id())
        .map(drop)
        .map_err(std::io::Error::other)
}

/// Tells the neighbours where the address is. Whoever did so before ends; a stop of the address ends us.
fn advertise(wrapper: &Wrapper, ip: Ipv6Addr) -> i32 {
    let sent = PidFile::claim(&pid_path(ip))
        .map_err(|error| error.to_string())
        .and_then(|claim| {
            let sent = send_advertisements(ip);
            claim.file.release().map_err(|error| error.to_string())?;
            sent
        });
    match sent {
        Ok(()) => ocf::SUCCESS,
        Err(text) => {
            wrapper.log(AgentLevel::Error, &text);
            ocf::GENERIC
        }
    }
}

fn send_advertisements(ip: Ipv6Addr) -> Result<(), String> {
    let link = link_of(ip)?;
    let mac = link
        .mac
        .ok_or(format!("{} has no hardware address", link.name))?;
    let socket = ArpSocket::open().map_err(|error| error.to_string())?;
    for round in 0..ADVERTISEMENTS {
        if round > 0 {
            thread::sleep(PAUSE);
        }
        socket
            .advertise(link.index, mac, ip)
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn link_of(ip: Ipv6Addr) -> Result<Link, String> {
    let mut kernel = Netlink::open().map_err(|error| error.to_string())?;
    let addresses = kernel
        .addresses(Family::V6)
        .map_err(|error| error.to_string())?;
    let address = find(&addresses, ip).ok_or(format!("{ip} is not on this machine"))?;
    kernel
        .link_by_index(address.link)
        .map_err(|error| error.to_string())?
        .ok_or(format!("the interface of {ip} is gone"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_lengths() {
        let spec = |text| Spec::parse(text);
        let address: Ipv6Addr = "fd00:6::66".parse().expect("an address");
        for (text, prefix_len) in [
            ("fd00:6::66", None),
            ("fd00:6::66/0", None),
            ("fd00:6::66/64", Some(64)),
            ("fd00:6::66/128", Some(128)),
        ] {
            assert_eq!(
                spec(text),
                Some(Spec {
                    address,
                    prefix_len
                })
            );
        }
        for bad in [
            "",
            "xx",
            "10.0.0.1",
            "fd00:6::66/129",
            "fd00:6::66/",
            "fd00:6::66/-1",
        ] {
            assert_eq!(spec(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_network_decides_where_it_goes() {
        let known = |link, text: &str, prefix_len, scope| {
            let ip: Ipv6Addr = text.parse().expect("an address");
            let mut address = Address::new(link, ip.into(), prefix_len);
            address.scope = scope;
            address
        };
        let list = [
            known(1, "::1", 128, Scope::Host),
            known(2, "fe80::1", 64, Scope::Link),
            known(2, "fd00:6::1", 64, Scope::Universe),
            known(3, "fd00:6::2", 48, Scope::Universe),
        ];
        let link = |text| {
            let spec = Spec::parse(text).expect("valid");
            spec.network(&list).map(|address| address.link)
        };
        assert_eq!(link("fd00:6::66"), Some(2));
        assert_eq!(link("fd00:6::66/64"), Some(2));
        assert_eq!(link("fd00:6::66/48"), Some(3));
        assert_eq!(link("fd00:6:0:1::66"), Some(3));
        assert_eq!(link("fd00:6::66/56"), None);
        assert_eq!(link("fe80::66"), None);
        assert_eq!(link("2001:db8::1"), None);
    }
}
