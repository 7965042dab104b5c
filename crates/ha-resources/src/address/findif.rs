//! Which interface, mask and broadcast address belong to an address (`resource-scripts.md` 3).

use std::error::Error;
use std::fmt;
use std::net::Ipv4Addr;

use ha_net::{NetError, route};

use super::Kernel;

/// Longest interface name that the kernel knows.
const NAME_LEN_MAX: usize = 15;

/// What is asked. Empty texts are not given; the caller passes them as `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request<'a> {
    /// The address.
    pub ip: Option<&'a str>,
    /// Its mask, in bits or dotted.
    pub netmask: Option<&'a str>,
    /// Its broadcast address.
    pub broadcast: Option<&'a str>,
    /// The interface, perhaps with a label.
    pub nic: Option<&'a str>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The address, understood.
    pub ip: Ipv4Addr,
    /// The interface, as asked for or as the route says.
    pub nic: String,
    /// Bits of the mask.
    pub prefix_len: u8,
    /// The broadcast address.
    pub broadcast: Ipv4Addr,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum FindIfError {
    /// No address was given.
    NoAddress,
    /// The address is none.
    BadAddress(String),
    /// The mask is none.
    BadNetmask(String),
    /// There is no such interface.
    UnknownInterface(String),
    /// The broadcast address is none.
    BadBroadcast(String),
    /// Nothing leads to the address.
    NoRoute(Ipv4Addr),
    /// Only the default route leads to the address, and it cannot tell the mask.
    DefaultRouteOnly(Ipv4Addr),
    /// There is no loopback interface for an address that begins with 127.
    NoLoopback,
    /// The kernel did not answer.
    Kernel(NetError),
}

impl FindIfError {
    /// Whether the request itself was wrong, so that the command shows how it is used.
    pub fn is_misuse(&self) -> bool {
        match self {
            FindIfError::NoAddress
            | FindIfError::BadAddress(_)
            | FindIfError::BadNetmask(_)
            | FindIfError::UnknownInterface(_)
            | FindIfError::BadBroadcast(_) => true,
            FindIfError::NoRoute(_)
            | FindIfError::DefaultRouteOnly(_)
            | FindIfError::NoLoopback
            | FindIfError::Kernel(_) => false,
        }
    }
}

impl fmt::Display for FindIfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FindIfError::NoAddress => f.write_str("ERROR: IP address parameter is mandatory."),
            FindIfError::BadAddress(ip) => write!(f, "IP address [{ip}] not valid."),
            FindIfError::BadNetmask(mask) => write!(f, "Invalid netmask specification [{mask}]"),
            FindIfError::UnknownInterface(nic) => {
                write!(f, "{nic}: unknown interface: No such device")
            }
            FindIfError::BadBroadcast(ip) => write!(f, "Invalid broadcast address [{ip}]."),
            FindIfError::NoRoute(ip) => write!(f, "No route to {ip}"),
            FindIfError::DefaultRouteOnly(ip) => {
                write!(f, "ERROR: Cannot use default route w/o netmask [{ip}]")
            }
            FindIfError::NoLoopback => f.write_str("No loopback interface found."),
            FindIfError::Kernel(error) => error.fmt(f),
        }
    }
}

impl Error for FindIfError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            FindIfError::Kernel(error) => Some(error),
            _ => None,
        }
    }
}

impl From<NetError> for FindIfError {
    fn from(error: NetError) -> Self {
        FindIfError::Kernel(error)
    }
}

/// Answers the request, in the legacy's order of checks. Remarks that do not stop it go to `remarks`.
pub fn find_interface(
    kernel: &mut dyn Kernel,
    request: &Request<'_>,
    remarks: &mut Vec<String>,
) -> Result<Found, FindIfError> {
    let text = request.ip.ok_or(FindIfError::NoAddress)?;
    let ip: Ipv4Addr = text
        .parse()
        .map_err(|_| FindIfError::BadAddress(text.to_owned()))?;
    let given = match request.netmask {
        Some(mask) => Some(prefix_len(mask, remarks)?),
        None => None,
    };
    let (nic, prefix_len) = match request.nic {
        Some(nic) => (known_nic(kernel, nic, remarks)?, given.unwrap_or(32)),
        None => by_route(kernel, ip, given)?,
    };
    let broadcast = match request.broadcast {
        Some(text) => text
            .parse()
            .map_err(|_| FindIfError::BadBroadcast(text.to_owned()))?,
        None => route::broadcast(ip, prefix_len),
    };
    Ok(Found {
        ip,
        nic,
        prefix_len,
        broadcast,
    })
}

/// One or two digits from 1 to 32, or a dotted mask. A dotted mask is measured down to its lowest one bit and need not
/// be contiguous.
fn prefix_len(mask: &str, remarks: &mut Vec<String>) -> Result<u8, FindIfError> {
    let bad = || FindIfError::BadNetmask(mask.to_owned());
    if mask.contains('.') {
        let bits = mask.parse::<Ipv4Addr>().map_or(0, u32::from);
        let length = u8::try_from(32 - bits.trailing_zeros()).unwrap_or(0);
        // The legacy's measure of "no bits at all" is -1.
        let shown = if length == 0 { -1 } else { i32::from(length) };
        remarks.push(format!("Converted dotted-quad netmask to CIDR as: {shown}"));
        return if length == 0 { Err(bad()) } else { Ok(length) };
    }
    if !(1..=2).contains(&mask.len()) || !mask.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    match mask.parse() {
        Ok(length @ 1..=32) => Ok(length),
        _ => Err(bad()),
    }
}

fn known_nic(
    kernel: &mut dyn Kernel,
    nic: &str,
    remarks: &mut Vec<String>,
) -> Result<String, FindIfError> {
    let base = nic.split(':').next().unwrap_or(nic);
    if kernel.link_by_name(base)?.is_none() {
        return Err(FindIfError::UnknownInterface(
            nic.chars().take(NAME_LEN_MAX).collect(),
        ));
    }
    if nic.contains(':') {
        remarks.push(format!("{nic}: warning: name may be invalid"));
    }
    Ok(nic.to_owned())
}

fn by_route(
    kernel: &mut dyn Kernel,
    ip: Ipv4Addr,
    given: Option<u8>,
) -> Result<(String, u8), FindIfError> {
    let routes = kernel.routes()?;
    let route = route::select(&routes, ip).ok_or(FindIfError::NoRoute(ip))?;
    let prefix_len = match given {
        Some(length) => length,
        None if route.prefix_len > 0 => route.prefix_len,
        // The legacy compares the text: an address in 127.0.0.0/8, whose route is in no table that it reads.
        None if ip.is_loopback() => return loopback(kernel),
        None => return Err(FindIfError::DefaultRouteOnly(ip)),
    };
    let link = kernel.link_by_index(route.link)?;
    Ok((link.ok_or(FindIfError::NoRoute(ip))?.name, prefix_len))
}

fn loopback(kernel: &mut dyn Kernel) -> Result<(String, u8), FindIfError> {
    let links = kernel.links()?;
    let link = links.into_iter().find(|link| link.loopback);
    Ok((link.ok_or(FindIfError::NoLoopback)?.name, 8))
}

#[cfg(test)]
mod tests {
    use super::super::testing::FakeKernel;
    use super::*;

    fn ask(kernel: &mut FakeKernel, ip: &str, mask: &str, nic: &str, broadcast: &str) -> String {
        fn given(text: &str) -> Option<&str> {
            Some(text).filter(|text| !text.is_empty())
        }
        let request = Request {
            ip: given(ip),
            netmask: given(mask),
            broadcast: given(broadcast),
            nic: given(nic),
        };
        let mut remarks = Vec::new();
        let answer = match find_interface(kernel, &request, &mut remarks) {
            Ok(found) => format!("{} {} {}", found.nic, found.prefix_len, found.broadcast),
            Err(error) => error.to_string(),
        };
        remarks.push(answer);
        remarks.join("; ")
    }

    /// `resource-scripts.md` 3.2, row by row, and what Debian's findif answered in the same network.
    #[test]
    fn every_check_and_its_message() {
        for (ip, mask, nic, broadcast, expected) in [
            ("", "", "", "", "ERROR: IP address parameter is mandatory."),
            ("abc", "99", "", "", "IP address [abc] not valid."),
            (
                "192.168.006.066",
                "24",
                "",
                "",
                "IP address [192.168.006.066] not valid.",
            ),
            (
                "300.1.1.1",
                "24",
                "eth0",
                "",
                "IP address [300.1.1.1] not valid.",
            ),
            (
                "192.168.6.66",
                "255.0.255.0",
                "",
                "",
                "Converted dotted-quad netmask to CIDR as: 24; eth0 24 192.168.6.255",
            ),
            (
                "192.168.6.66",
                "128.0.0.0",
                "",
                "",
                "Converted dotted-quad netmask to CIDR as: 1; eth0 1 255.255.255.255",
            ),
            (
                "192.168.6.66",
                "0.0.0.0",
                "",
                "",
                "Converted dotted-quad netmask to CIDR as: -1; Invalid netmask specification [0.0.0.0]",
            ),
            (
                "192.168.6.66",
                "255.x",
                "",
                "",
                "Converted dotted-quad netmask to CIDR as: -1; Invalid netmask specification [255.x]",
            ),
            ("192.168.6.66", "08", "", "", "eth0 8 192.255.255.255"),
            (
                "192.168.6.66",
                "2x",
                "",
                "",
                "Invalid netmask specification [2x]",
            ),
            (
                "192.168.6.66",
                "33",
                "",
                "",
                "Invalid netmask specification [33]",
            ),
            (
                "192.168.6.66",
                "0",
                "eth0",
                "",
                "Invalid netmask specification [0]",
            ),
            (
                "192.168.6.66",
                "024",
                "",
                "",
                "Invalid netmask specification [024]",
            ),
            (
                "192.168.6.66",
                "+8",
                "",
                "",
                "Invalid netmask specification [+8]",
            ),
            (
                "192.168.6.66",
                "eth0",
                "",
                "",
                "Invalid netmask specification [eth0]",
            ),
            (
                "192.168.6.66",
                "24",
                "eth9",
                "",
                "eth9: unknown interface: No such device",
            ),
            (
                "192.168.6.66",
                "24",
                "eth9",
                "junk",
                "eth9: unknown interface: No such device",
            ),
            (
                "192.168.6.66",
                "24",
                "averyveryverylongname",
                "",
                "averyveryverylo: unknown interface: No such device",
            ),
            (
                "192.168.6.66",
                "24",
                "eth0:0",
                "",
                "eth0:0: warning: name may be invalid; eth0:0 24 192.168.6.255",
            ),
            ("192.168.6.66", "", "eth0", "", "eth0 32 192.168.6.66"),
            (
                "172.16.5.5",
                "",
                "",
                "",
                "ERROR: Cannot use default route w/o netmask [172.16.5.5]",
            ),
            (
                "172.16.5.5",
                "",
                "",
                "junk",
                "ERROR: Cannot use default route w/o netmask [172.16.5.5]",
            ),
            ("127.0.0.5", "", "", "", "lo 8 127.255.255.255"),
            (
                "192.168.6.66",
                "24",
                "eth0",
                "junk",
                "Invalid broadcast address [junk].",
            ),
            (
                "192.168.6.66",
                "24",
                "",
                "192.168.006.1",
                "Invalid broadcast address [192.168.006.1].",
            ),
            (
                "192.168.6.66",
                "24",
                "",
                "192.168.6.254",
                "eth0 24 192.168.6.254",
            ),
            ("10.9.3.3", "32", "", "", "eth1 32 10.9.3.3"),
            ("10.9.3.3", "31", "", "", "eth1 31 10.9.3.3"),
            ("10.9.3.3", "", "", "", "eth1 16 10.9.255.255"),
            ("172.16.5.5", "24", "", "", "eth0 24 172.16.5.255"),
        ] {
            let answer = ask(
                &mut FakeKernel::reference_network(),
                ip,
                mask,
                nic,
                broadcast,
            );
            assert_eq!(
                answer, expected,
                "ip={ip} mask={mask} nic={nic} broadcast={broadcast}"
            );
        }
    }

    #[test]
    fn without_a_default_route() {
        let mut kernel = FakeKernel::reference_network();
        kernel.routes.retain(|route| route.prefix_len > 0);
        assert_eq!(
            ask(&mut kernel, "172.16.5.5", "24", "", ""),
            "No route to 172.16.5.5"
        );
    }

    #[test]
    fn without_a_loopback_interface() {
        let mut kernel = FakeKernel::reference_network();
        kernel.links.retain(|link| !link.loopback);
        assert_eq!(
            ask(&mut kernel, "127.0.0.5", "", "", ""),
            "No loopback interface found."
        );
    }
}
