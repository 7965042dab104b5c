//! The machine on which the recorded ha.cf was read.

use std::net::{Ipv4Addr, Ipv6Addr};

use ha_config::{Facts, OsError, PathKind, User};

pub struct RecordedHost;

fn unknown() -> OsError {
    OsError::from_errno(OsError::ENODEV)
}

impl Facts for RecordedHost {
    fn node_name(&self) -> String {
        "nodea".to_owned()
    }

    fn broadcast_address(&self, interface: &str) -> Result<Ipv4Addr, OsError> {
        match interface {
            "eth0" => Ok(Ipv4Addr::new(10, 77, 1, 255)),
            _ => Err(unknown()),
        }
    }

    fn interface_address(&self, interface: &str) -> Result<Ipv4Addr, OsError> {
        match interface {
            "eth0" => Ok(Ipv4Addr::new(10, 77, 1, 1)),
            _ => Err(unknown()),
        }
    }

    fn interface_exists(&self, interface: &str) -> bool {
        interface == "eth0"
    }

    fn resolve_ipv4(&self, host: &str) -> Result<Ipv4Addr, OsError> {
        host.parse().map_err(|_| unknown())
    }

    fn resolve_ipv6(&self, host: &str) -> Result<Ipv6Addr, OsError> {
        host.parse().map_err(|_| unknown())
    }

    fn user(&self, name: &str) -> Option<User> {
        match name {
            "root" => Some(User { uid: 0, gid: 0 }),
            "hacluster" => Some(User { uid: 103, gid: 106 }),
            _ => None,
        }
    }

    fn group(&self, name: &str) -> Option<u32> {
        match name {
            "root" => Some(0),
            "haclient" => Some(106),
            _ => None,
        }
    }

    fn udp_port_of_service(&self, _service: &str) -> Option<u16> {
        Some(694)
    }

    fn udp_service_of_port(&self, _port: u16) -> Option<String> {
        None
    }

    fn path_kind(&self, _path: &str) -> PathKind {
        PathKind::Other
    }

    fn is_executable(&self, _path: &str) -> bool {
        true
    }

    fn core_dumps_are_kept_apart(&self) -> bool {
        true
    }

    fn logd_is_running(&self) -> bool {
        false
    }
}
