//! What the kernel would take and should not, or would refuse without saying why.

use std::fmt;

use crate::{Change, Destination, Family, Forward, Netmask, Service, ServiceKey};

/// Longest name of a scheduler in bytes: the kernel's 16 less the NUL.
pub const SCHEDULER_LEN_MAX: usize = 15;

/// Longest persistence in seconds, 31 days, as `ipvsadm` has it; more would overflow the kernel's clock ticks.
pub const TIMEOUT_MAX_S: u32 = 31 * 24 * 60 * 60;

/// Largest weight: the kernel reads the number as a signed one.
pub const WEIGHT_MAX: u32 = i32::MAX.cast_unsigned();

/// Why a change is not sent to the kernel at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// The name of the scheduler is empty, longer than [`SCHEDULER_LEN_MAX`] or holds a NUL.
    Scheduler(String),
    /// Mark 0: the kernel takes it for "no mark" and makes a service of address 0.0.0.0 (`ipvs-netlink.md` 2).
    MarkZero,
    /// Port 0 without persistence; the kernel takes it and nothing ever matches as intended.
    PortZero,
    /// Persistence of 0 seconds or of more than [`TIMEOUT_MAX_S`].
    Timeout(u32),
    /// The mask that keeps clients apart is of the other family, or a prefix length outside of 1 to 128.
    Netmask(Netmask),
    /// More than [`WEIGHT_MAX`].
    Weight(u32),
    /// The lower threshold is above the upper one.
    Thresholds {
        /// Lower threshold.
        lower: u32,
        /// Upper threshold.
        upper: u32,
    },
    /// Service and real server are of different families; only a tunnel bridges that.
    Families,
}

impl fmt::Display for Invalid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Invalid::Scheduler(name) => write!(
                out,
                "invalid scheduler name `{}': 1 to {SCHEDULER_LEN_MAX} bytes",
                name.escape_debug()
            ),
            Invalid::MarkZero => write!(out, "firewall mark 0 is no mark"),
            Invalid::PortZero => {
                write!(out, "Zero port specified for non-persistent service")
            }
            Invalid::Timeout(seconds) => write!(
                out,
                "invalid timeout value `{seconds}' specified: 1 to {TIMEOUT_MAX_S} seconds"
            ),
            Invalid::Netmask(mask) => write!(out, "invalid netmask `{mask}' for this service"),
            Invalid::Weight(weight) => {
                write!(
                    out,
                    "invalid weight `{weight}' specified: at most {WEIGHT_MAX}"
                )
            }
            Invalid::Thresholds { lower, upper } => {
                write!(
                    out,
                    "lower threshold {lower} is above upper threshold {upper}"
                )
            }
            Invalid::Families => write!(
                out,
                "service and real server are of different address families, which only a tunnel can bridge"
            ),
        }
    }
}

impl std::error::Error for Invalid {}

impl Change {
    /// Whether it can be sent. The kernel itself checks little (`ipvs-netlink.md` 2): `ipvsadm` is what refuses.
    pub fn check(&self) -> Result<(), Invalid> {
        if matches!(self.service(), ServiceKey::Mark { mark: 0, .. }) {
            return Err(Invalid::MarkZero);
        }
        match self {
            Change::AddService(service) | Change::EditService(service) => check_service(service),
            Change::AddDestination(key, server) | Change::EditDestination(key, server) => {
                check_destination(key, server)
            }
            Change::DeleteService(_) | Change::DeleteDestination(..) => Ok(()),
        }
    }
}

fn check_service(service: &Service) -> Result<(), Invalid> {
    let name = &service.scheduler;
    if name.is_empty() || name.len() > SCHEDULER_LEN_MAX || name.contains('\0') {
        return Err(Invalid::Scheduler(name.clone()));
    }
    let Some(persistence) = &service.persistence else {
        return match service.key.port() {
            Some(0) => Err(Invalid::PortZero),
            _ => Ok(()),
        };
    };
    if !(1..=TIMEOUT_MAX_S).contains(&persistence.timeout_s) {
        return Err(Invalid::Timeout(persistence.timeout_s));
    }
    match (service.key.family(), persistence.netmask) {
        (Family::V4, Netmask::V4(_)) | (Family::V6, Netmask::V6(1..=128)) => Ok(()),
        (_, netmask) => Err(Invalid::Netmask(netmask)),
    }
}

fn check_destination(key: &ServiceKey, server: &Destination) -> Result<(), Invalid> {
    if server.weight > WEIGHT_MAX {
        return Err(Invalid::Weight(server.weight));
    }
    if server.lower_threshold > server.upper_threshold {
        return Err(Invalid::Thresholds {
            lower: server.lower_threshold,
            upper: server.upper_threshold,
        });
    }
    if server.key.family() != key.family() && server.forward != Forward::Ipip {
        return Err(Invalid::Families);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DestinationKey, Persistence, Protocol};

    fn web() -> ServiceKey {
        ServiceKey::Address {
            protocol: Protocol::Tcp,
            address: [192, 168, 6, 66].into(),
            port: 80,
        }
    }

    fn server() -> Destination {
        Destination {
            key: DestinationKey {
                address: [192, 168, 6, 42].into(),
                port: 80,
            },
            forward: Forward::Gate,
            weight: 2,
            upper_threshold: 0,
            lower_threshold: 0,
        }
    }

    fn service(scheduler: &str) -> Result<(), Invalid> {
        Change::AddService(Service::new(web(), scheduler)).check()
    }

    #[test]
    fn the_name_of_a_scheduler_has_a_length() {
        assert_eq!(service("wrr"), Ok(()));
        assert_eq!(service("123456789012345"), Ok(()));
        for name in ["", "1234567890123456", "w\0r"] {
            assert_eq!(service(name), Err(Invalid::Scheduler(name.into())));
        }
    }

    #[test]
    fn mark_0_is_refused_in_every_change() {
        let key = ServiceKey::Mark {
            mark: 0,
            family: Family::V4,
        };
        for change in [
            Change::AddService(Service::new(key, "rr")),
            Change::DeleteService(key),
            Change::AddDestination(key, server()),
            Change::DeleteDestination(key, server().key),
        ] {
            assert_eq!(change.check(), Err(Invalid::MarkZero), "{change:?}");
        }
    }

    #[test]
    fn port_0_needs_persistence_and_persistence_needs_a_time_and_its_familys_mask() {
        let key = ServiceKey::Address {
            protocol: Protocol::Tcp,
            address: [192, 168, 6, 66].into(),
            port: 0,
        };
        let mut service = Service::new(key, "rr");
        assert_eq!(
            Change::AddService(service.clone()).check(),
            Err(Invalid::PortZero)
        );
        for (timeout_s, netmask, wanted) in [
            (1, Netmask::full(Family::V4), Ok(())),
            (0, Netmask::full(Family::V4), Err(Invalid::Timeout(0))),
            (
                TIMEOUT_MAX_S + 1,
                Netmask::full(Family::V4),
                Err(Invalid::Timeout(TIMEOUT_MAX_S + 1)),
            ),
            (5, Netmask::V6(64), Err(Invalid::Netmask(Netmask::V6(64)))),
        ] {
            service.persistence = Some(Persistence { timeout_s, netmask });
            assert_eq!(Change::EditService(service.clone()).check(), wanted);
        }
    }

    #[test]
    fn servers_are_checked() {
        let check = |server: Destination| Change::AddDestination(web(), server).check();
        assert_eq!(check(server()), Ok(()));
        let weight = WEIGHT_MAX + 1;
        assert_eq!(
            check(Destination { weight, ..server() }),
            Err(Invalid::Weight(weight))
        );
        assert_eq!(
            check(Destination {
                lower_threshold: 1,
                ..server()
            }),
            Err(Invalid::Thresholds { lower: 1, upper: 0 })
        );
        let mut other = server();
        other.key.address = "fd00::2a".parse().expect("an address");
        assert_eq!(check(other.clone()), Err(Invalid::Families));
        other.forward = Forward::Ipip;
        assert_eq!(check(other), Ok(()));
    }
}
