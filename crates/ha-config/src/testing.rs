//! A made-up host for tests, of this crate and of others.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::facts::{Facts, OsError, PathKind, User};

/// A host built from statements. [`FakeFacts::new`] is an empty one, [`FakeFacts::lvs1`] the one of `config-files.md`
/// sections 13 and 14.
#[derive(Clone, Debug, Default)]
pub struct FakeFacts {
    node_name: String,
    interfaces: BTreeMap<String, Option<(Ipv4Addr, Ipv4Addr)>>,
    hosts: BTreeMap<String, IpAddr>,
    users: BTreeMap<String, User>,
    groups: BTreeMap<String, u32>,
    services: BTreeMap<String, u16>,
    executables: BTreeSet<String>,
    paths: BTreeMap<String, PathKind>,
    core_dumps_are_kept_apart: bool,
    logd_is_running: bool,
}

impl FakeFacts {
    /// A host with a name and nothing else.
    pub fn new(node_name: &str) -> Self {
        FakeFacts {
            node_name: node_name.into(),
            ..FakeFacts::default()
        }
    }

    /// The host on which the reference tables were taken: eth0 is 192.168.6.122/24, the package's accounts exist, core
    /// dumps are kept apart and ha_logd does not run.
    pub fn lvs1() -> Self {
        FakeFacts::new("lvs1.okooo.cn")
            .interface("lo", Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 255, 255, 255))
            .interface(
                "eth0",
                Ipv4Addr::new(192, 168, 6, 122),
                Ipv4Addr::new(192, 168, 6, 255),
            )
            .user("root", 0, 0)
            .user("hacluster", 189, 189)
            .group("root", 0)
            .group("haclient", 189)
            .service("ntp", 123)
            .service("syslog", 514)
            .executable("/usr/lib64/heartbeat/ipfail")
            .executable("/bin/true")
            .path("/dev/null", PathKind::CharDevice)
            .path("/dev/ttyS0", PathKind::CharDevice)
            .path("/etc/passwd", PathKind::Other)
            .path("/tmp", PathKind::Directory)
            .keeps_core_dumps_apart(true)
    }

    /// Renames the host.
    pub fn named(mut self, node_name: &str) -> Self {
        self.node_name = node_name.into();
        self
    }

    /// Adds an interface with an address and a broadcast address.
    pub fn interface(mut self, name: &str, address: Ipv4Addr, broadcast: Ipv4Addr) -> Self {
        self.interfaces
            .insert(name.into(), Some((address, broadcast)));
        self
    }

    /// Adds an interface without an IPv4 address.
    pub fn bare_interface(mut self, name: &str) -> Self {
        self.interfaces.insert(name.into(), None);
        self
    }

    /// Adds a host name.
    pub fn host(mut self, name: &str, address: impl Into<IpAddr>) -> Self {
        self.hosts.insert(name.into(), address.into());
        self
    }

    /// Adds an account.
    pub fn user(mut self, name: &str, uid: u32, gid: u32) -> Self {
        self.users.insert(name.into(), User { uid, gid });
        self
    }

    /// Adds a group.
    pub fn group(mut self, name: &str, gid: u32) -> Self {
        self.groups.insert(name.into(), gid);
        self
    }

    /// Adds a UDP service.
    pub fn service(mut self, name: &str, port: u16) -> Self {
        self.services.insert(name.into(), port);
        self
    }

    /// Adds an executable file.
    pub fn executable(mut self, path: &str) -> Self {
        self.executables.insert(path.into());
        self.path(path, PathKind::Other)
    }

    /// Adds a path. Directories count as executable, as access(2) has it.
    pub fn path(mut self, path: &str, kind: PathKind) -> Self {
        self.paths.insert(path.into(), kind);
        self
    }

    /// Says whether core_pattern or core_uses_pid keep core dumps apart.
    pub fn keeps_core_dumps_apart(mut self, apart: bool) -> Self {
        self.core_dumps_are_kept_apart = apart;
        self
    }

    /// Says whether ha_logd answers.
    pub fn logd(mut self, running: bool) -> Self {
        self.logd_is_running = running;
        self
    }

    fn interface_pair(&self, interface: &str) -> Result<(Ipv4Addr, Ipv4Addr), OsError> {
        match self.interfaces.get(interface) {
            Some(Some(pair)) => Ok(*pair),
            Some(None) => Err(OsError::from_errno(OsError::EADDRNOTAVAIL)),
            // An alias that does not exist is asked of the kernel as an address of its parent.
            None => Err(OsError::from_errno(match interface.split_once(':') {
                Some((parent, _)) if self.interfaces.contains_key(parent) => OsError::EADDRNOTAVAIL,
                _ => OsError::ENODEV,
            })),
        }
    }
}

impl Facts for FakeFacts {
    fn node_name(&self) -> String {
        self.node_name.clone()
    }

    fn broadcast_address(&self, interface: &str) -> Result<Ipv4Addr, OsError> {
        self.interface_pair(interface)
            .map(|(_, broadcast)| broadcast)
    }

    fn interface_address(&self, interface: &str) -> Result<Ipv4Addr, OsError> {
        self.interface_pair(interface).map(|(address, _)| address)
    }

    fn interface_exists(&self, interface: &str) -> bool {
        self.interfaces.contains_key(interface)
    }

    fn resolve_ipv4(&self, host: &str) -> Result<Ipv4Addr, OsError> {
        if let Ok(address) = host.parse() {
            return Ok(address);
        }
        match self.hosts.get(host) {
            Some(IpAddr::V4(address)) => Ok(*address),
            _ => Err(OsError::from_errno(OsError::EAGAIN)),
        }
    }

    fn resolve_ipv6(&self, host: &str) -> Result<Ipv6Addr, OsError> {
        if let Ok(address) = host.parse() {
            return Ok(address);
        }
        match self.hosts.get(host) {
            Some(IpAddr::V6(address)) => Ok(*address),
            _ => Err(OsError::from_errno(OsError::EAGAIN)),
        }
    }

    fn user(&self, name: &str) -> Option<User> {
        self.users.get(name).copied()
    }

    fn group(&self, name: &str) -> Option<u32> {
        self.groups.get(name).copied()
    }

    fn udp_port_of_service(&self, service: &str) -> Option<u16> {
        self.services.get(service).copied()
    }

    fn udp_service_of_port(&self, port: u16) -> Option<String> {
        self.services
            .iter()
            .find(|(_, owned)| **owned == port)
            .map(|(name, _)| name.clone())
    }

    fn path_kind(&self, path: &str) -> PathKind {
        self.paths.get(path).copied().unwrap_or(PathKind::Missing)
    }

    fn is_executable(&self, path: &str) -> bool {
        self.executables.contains(path) || self.path_kind(path) == PathKind::Directory
    }

    fn core_dumps_are_kept_apart(&self) -> bool {
        self.core_dumps_are_kept_apart
    }

    fn logd_is_running(&self) -> bool {
        self.logd_is_running
    }
}
