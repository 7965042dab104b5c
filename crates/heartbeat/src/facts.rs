//! The host's answers to the questions of the configuration parser.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use ha_config::{Facts, OsError, PathKind, User};
use ha_sys::{daemon, host, users};

/// This machine, now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Machine;

/// The resolver speaks of its own errors, not of the system's; the parser knows them as `EAGAIN`.
fn resolver_error(error: std::io::Error) -> OsError {
    match error.raw_os_error() {
        Some(errno) => OsError::from_errno(errno),
        None => OsError {
            errno: OsError::EAGAIN,
            text: error.to_string(),
        },
    }
}

impl Facts for Machine {
    fn node_name(&self) -> String {
        host::uname_node()
    }

    fn broadcast_address(&self, interface: &str) -> Result<Ipv4Addr, OsError> {
        Ok(host::broadcast_address(interface)?)
    }

    fn interface_address(&self, interface: &str) -> Result<Ipv4Addr, OsError> {
        Ok(host::interface_address(interface)?)
    }

    fn interface_exists(&self, interface: &str) -> bool {
        host::interface_index(interface).is_ok()
    }

    fn resolve_ipv4(&self, name: &str) -> Result<Ipv4Addr, OsError> {
        host::resolve_ipv4(name).map_err(resolver_error)
    }

    fn resolve_ipv6(&self, name: &str) -> Result<Ipv6Addr, OsError> {
        host::resolve_ipv6(name).map_err(resolver_error)
    }

    fn user(&self, name: &str) -> Option<User> {
        let account = users::Account::by_name(name).ok().flatten()?;
        Some(User {
            uid: account.uid,
            gid: account.gid,
        })
    }

    fn group(&self, name: &str) -> Option<u32> {
        users::group_id(name)
    }

    fn udp_port_of_service(&self, service: &str) -> Option<u16> {
        host::udp_service_port(service)
    }

    fn udp_service_of_port(&self, port: u16) -> Option<String> {
        host::udp_service_name(port)
    }

    fn path_kind(&self, path: &str) -> PathKind {
        match fs::metadata(path) {
            Err(_) => PathKind::Missing,
            Ok(found) if found.is_dir() => PathKind::Directory,
            Ok(found) if found.file_type().is_char_device() => PathKind::CharDevice,
            Ok(_) => PathKind::Other,
        }
    }

    fn is_executable(&self, path: &str) -> bool {
        daemon::may_execute(Path::new(path))
    }

    fn core_dumps_are_kept_apart(&self) -> bool {
        let read =
            |name: &str| fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
        let pattern = read("core_pattern");
        pattern.contains("%p") || pattern.contains("%t") || read("core_uses_pid").trim() == "1"
    }

    fn logd_is_running(&self) -> bool {
        let sockets = ha_sys::log::logd_sockets();
        sockets
            .iter()
            .any(|(path, _)| ha_sys::log::connect_now(path).is_ok())
    }

    fn errno_text(&self, errno: i32) -> String {
        ha_sys::errno_text(&std::io::Error::from_raw_os_error(errno))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_about_this_machine() {
        assert_eq!(Machine.path_kind("/dev/null"), PathKind::CharDevice);
        assert_eq!(Machine.path_kind("/etc"), PathKind::Directory);
        assert_eq!(Machine.path_kind("/nonexistent"), PathKind::Missing);
        assert!(Machine.is_executable("/bin/sh"));
        assert!(Machine.interface_exists("lo"));
        assert_eq!(
            Machine.broadcast_address("nosuchif").unwrap_err().text,
            "No such device"
        );
        assert_eq!(Machine.user("root"), Some(User { uid: 0, gid: 0 }));
        assert_eq!(
            Machine.errno_text(OsError::EAGAIN),
            "Resource temporarily unavailable"
        );
    }
}
