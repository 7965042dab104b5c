//! What the parser has to know about the machine, asked through a trait so that it does no I/O itself.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipvs::{Family, Protocol};

use super::taken::remark;
use super::{address, services};
use crate::diagnostic::Diagnostic;
use crate::facts::OsError;

/// The machine, as far as an ldirectord.cf depends on it. Looking up names may take long: a daemon that is running asks
/// beside its loop.
pub trait Host {
    /// First IPv4 address of a host name.
    fn resolve_ipv4(&self, name: &str) -> Option<Ipv4Addr>;

    /// First IPv6 address of a host name.
    fn resolve_ipv6(&self, name: &str) -> Option<Ipv6Addr>;

    /// Port of a service name; without a protocol the first entry of that name counts.
    fn port_of_service(&self, name: &str, protocol: Option<Protocol>) -> Option<u16>;

    /// `HOSTNAME` of the environment, else `uname -n` (`ldirectord.md` 2).
    fn name(&self) -> String;

    /// Whether a file can be opened for appending (and is made if missing, as the legacy does).
    ///
    /// # Errors
    /// Why not.
    fn can_append(&self, path: &str) -> Result<(), OsError>;

    /// Whether a directory of this name exists.
    fn is_directory(&self, path: &str) -> bool;

    /// Whether a `receive` is a regular expression that the checks can use. The engines are theirs, not the parser's.
    ///
    /// # Errors
    /// What it is instead, to stand behind `receive "..." is `.
    fn can_match(&self, receive: &[u8]) -> Result<(), String>;
}

/// An address as text, with or without brackets, or a name.
pub(super) fn look_up(
    name: &str,
    family: Family,
    host: &dyn Host,
    remarks: &mut Vec<Diagnostic>,
) -> Option<IpAddr> {
    if family == Family::V6 {
        let bare = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        let name = bare.unwrap_or(name);
        let address = name.parse().ok();
        return address.or_else(|| host.resolve_ipv6(name)).map(IpAddr::V6);
    }
    if let Ok(address) = name.parse::<Ipv4Addr>() {
        return Some(IpAddr::V4(address));
    }
    let Some(address) = address::old_fashioned_ipv4(name) else {
        return host.resolve_ipv4(name).map(IpAddr::V4);
    };
    // The legacy makes 0.0.0.80 of a lone 80; nobody means that.
    if address.octets().first() == Some(&0) {
        return None;
    }
    let message = format!("\"{name}\" counts as {address}");
    remarks.push(remark("old-fashioned-address", message));
    Some(IpAddr::V4(address))
}

/// A made-up machine for tests: a few names, the usual services, one directory, and one bad pattern.
#[derive(Clone, Debug)]
pub struct FakeHost {
    /// Host names and their addresses.
    pub names: BTreeMap<String, Ipv4Addr>,
    /// Host names and their IPv6 addresses.
    pub names6: BTreeMap<String, Ipv6Addr>,
    /// As /etc/services.
    pub services: String,
    /// Paths below this one can be appended to, and it is a directory.
    pub writable: String,
    /// Regular expressions that are none.
    pub bad_patterns: Vec<String>,
}

impl Default for FakeHost {
    fn default() -> Self {
        FakeHost {
            names: [("localhost".to_owned(), Ipv4Addr::LOCALHOST)].into(),
            names6: [("localhost".to_owned(), Ipv6Addr::LOCALHOST)].into(),
            services:
                "domain 53/tcp\ndomain 53/udp\nhttp 80/tcp www\nhttps 443/tcp\nmysql 3306/tcp\n"
                    .to_owned(),
            writable: "/var/log".to_owned(),
            bad_patterns: vec!["a(".to_owned()],
        }
    }
}

impl Host for FakeHost {
    fn resolve_ipv4(&self, name: &str) -> Option<Ipv4Addr> {
        self.names.get(name).copied()
    }

    fn resolve_ipv6(&self, name: &str) -> Option<Ipv6Addr> {
        self.names6.get(name).copied()
    }

    fn port_of_service(&self, name: &str, protocol: Option<Protocol>) -> Option<u16> {
        services::port(self.services.as_bytes(), name, protocol)
    }

    fn name(&self) -> String {
        "director".to_owned()
    }

    fn can_append(&self, path: &str) -> Result<(), OsError> {
        if path.starts_with(&format!("{}/", self.writable)) {
            Ok(())
        } else {
            Err(OsError::from_errno(OsError::ENOENT))
        }
    }

    fn is_directory(&self, path: &str) -> bool {
        path == self.writable
    }

    fn can_match(&self, receive: &[u8]) -> Result<(), String> {
        if self
            .bad_patterns
            .iter()
            .any(|bad| bad.as_bytes() == receive)
        {
            Err("not a valid regular expression: unmatched (".to_owned())
        } else {
            Ok(())
        }
    }
}
