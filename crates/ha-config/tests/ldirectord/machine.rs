//! The machine of the laboratory in which the legacy is run, as our parser asks about it.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use ha_config::OsError;
use ha_config::ldirectord::{Host, services};

/// `Is a directory`.
const EISDIR: i32 = 21;

/// Knows `localhost` and /etc/services; no other name resolves there, as the laboratory has no network.
pub(crate) struct Machine;

impl Host for Machine {
    fn resolve_ipv4(&self, name: &str) -> Option<Ipv4Addr> {
        (name == "localhost").then_some(Ipv4Addr::LOCALHOST)
    }

    fn resolve_ipv6(&self, name: &str) -> Option<Ipv6Addr> {
        (name == "localhost").then_some(Ipv6Addr::LOCALHOST)
    }

    fn port_of_service(&self, name: &str, protocol: Option<ipvs::Protocol>) -> Option<u16> {
        let file = fs::read("/etc/services").ok()?;
        services::port(&file, name, protocol)
    }

    fn name(&self) -> String {
        "director".into()
    }

    fn can_append(&self, path: &str) -> Result<(), OsError> {
        // The legacy makes the file; a test does not.
        match Path::new(path).parent() {
            _ if Path::new(path).is_dir() => Err(OsError::from_errno(EISDIR)),
            Some(directory) if directory.as_os_str().is_empty() || directory.is_dir() => Ok(()),
            _ => Err(OsError::from_errno(OsError::ENOENT)),
        }
    }

    fn is_directory(&self, path: &str) -> bool {
        Path::new(path).is_dir()
    }

    fn can_match(&self, _: &[u8]) -> Result<(), String> {
        // The legacy does not look before a server answers, and none answers there.
        Ok(())
    }
}
