//! What the parser has to know about the host, asked through a trait so that it does no I/O itself.
//!
//! The legacy acts on ha.cf while it reads it: it asks the kernel for broadcast addresses, the resolver for names and the
//! user database for accounts. [`Facts`] is exactly that list of questions.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A system error: its number and the C library's text for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OsError {
    /// `errno`.
    pub errno: i32,
    /// For example `No such device`.
    pub text: String,
}

impl OsError {
    /// No such file or directory.
    pub const ENOENT: i32 = 2;
    /// Operation not permitted.
    pub const EPERM: i32 = 1;
    /// Permission denied.
    pub const EACCES: i32 = 13;
    /// Invalid argument.
    pub const EINVAL: i32 = 22;
    /// No such device.
    pub const ENODEV: i32 = 19;
    /// Resource temporarily unavailable, the legacy's usual (and misleading) reason for an unknown host.
    pub const EAGAIN: i32 = 11;
    /// Cannot assign requested address.
    pub const EADDRNOTAVAIL: i32 = 99;

    /// The error `errno` with the system's own text.
    pub fn from_errno(errno: i32) -> Self {
        let text = std::io::Error::from_raw_os_error(errno).to_string();
        // The standard library appends the number; the legacy's texts do not carry it.
        let text = match text.rfind(" (os error ") {
            Some(end) => text
                .chars()
                .take(text.get(..end).map_or(0, |head| head.chars().count()))
                .collect(),
            None => text,
        };
        OsError { errno, text }
    }

    /// True if an interface exists and has no address.
    pub fn is_missing_address(&self) -> bool {
        self.errno == Self::EADDRNOTAVAIL
    }

    /// True for the two errors that turn the configuration exit code 6 into 4 (`config-files.md` 1).
    pub fn is_permission(&self) -> bool {
        matches!(self.errno, Self::EPERM | Self::EACCES)
    }
}

impl From<std::io::Error> for OsError {
    fn from(error: std::io::Error) -> Self {
        OsError::from_errno(error.raw_os_error().unwrap_or(0))
    }
}

impl fmt::Display for OsError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl std::error::Error for OsError {}

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKind {
    /// Nothing there.
    Missing,
    /// A character device.
    CharDevice,
    /// A directory.
    Directory,
    /// Anything else.
    Other,
}

/// An account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// Numeric user id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
}

/// The host, as far as a configuration depends on it. Object safe; every answer is one look, nothing is cached here.
pub trait Facts {
    /// `uname -n`, as the kernel has it.
    fn node_name(&self) -> String;

    /// The IPv4 broadcast address of an interface.
    ///
    /// # Errors
    /// `ENODEV` without such an interface, `EADDRNOTAVAIL` without an IPv4 address on it (`config-files.md` 6, bcast).
    fn broadcast_address(&self, interface: &str) -> Result<Ipv4Addr, OsError>;

    /// The first IPv4 address of an interface.
    ///
    /// # Errors
    /// As [`Facts::broadcast_address`].
    fn interface_address(&self, interface: &str) -> Result<Ipv4Addr, OsError>;

    /// Whether an interface of this name exists.
    fn interface_exists(&self, interface: &str) -> bool;

    /// First IPv4 address of a host name or of an address text.
    ///
    /// # Errors
    /// Whatever errno the resolver leaves behind; usually `EAGAIN`.
    fn resolve_ipv4(&self, host: &str) -> Result<Ipv4Addr, OsError>;

    /// First IPv6 address of a host name or of an address text.
    ///
    /// # Errors
    /// As [`Facts::resolve_ipv4`].
    fn resolve_ipv6(&self, host: &str) -> Result<Ipv6Addr, OsError>;

    /// The account of this name.
    fn user(&self, name: &str) -> Option<User>;

    /// The group of this name.
    fn group(&self, name: &str) -> Option<u32>;

    /// The UDP port of a service in /etc/services.
    fn udp_port_of_service(&self, service: &str) -> Option<u16>;

    /// The service in /etc/services that owns a UDP port.
    fn udp_service_of_port(&self, port: u16) -> Option<String>;

    /// What `path` names, following links.
    fn path_kind(&self, path: &str) -> PathKind;

    /// Whether `path` passes `access(path, X_OK)`; a directory does.
    fn is_executable(&self, path: &str) -> bool;

    /// Whether core dumps of several processes stay apart: `%p` or `%t` in core_pattern, or core_uses_pid is 1.
    fn core_dumps_are_kept_apart(&self) -> bool;

    /// Whether ha_logd answers.
    fn logd_is_running(&self) -> bool;

    /// The system's text for an errno.
    fn errno_text(&self, errno: i32) -> String {
        OsError::from_errno(errno).text
    }
}
