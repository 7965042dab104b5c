//! Why a change did not happen.

use crate::{Change, Invalid};

/// `ENOENT`, the same on every architecture of Linux, as are the others here.
pub(crate) const ENOENT: i32 = 2;
const ESRCH: i32 = 3;
const EEXIST: i32 = 17;

/// Why a change did not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It was not sent.
    Invalid(Invalid),
    /// The kernel refused with this errno, a positive number.
    Errno(i32),
    /// The kernel has no IPVS (any more).
    NoIpvs,
    /// It was sent, and its answer was lost: the kernel may have done it or not. Read the table again.
    Unknown,
}

impl Change {
    /// `ipvsadm`'s words for an errno that it knows with this kind of change (`ipvs-netlink.md` 2).
    pub fn errno_text(&self, errno: i32) -> Option<&'static str> {
        use Change as C;
        match (self, errno) {
            (C::AddService(_), EEXIST) => Some("Service already exists"),
            (C::AddDestination(..), EEXIST) => Some("Destination already exists"),
            (C::EditService(_) | C::DeleteService(_), ESRCH) => Some("No such service"),
            (C::AddDestination(..) | C::EditDestination(..) | C::DeleteDestination(..), ESRCH) => {
                Some("Service not defined")
            }
            (C::AddService(_) | C::EditService(_), ENOENT) => {
                Some("Scheduler or persistence engine not found")
            }
            (C::EditDestination(..) | C::DeleteDestination(..), ENOENT) => {
                Some("No such destination")
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Destination, DestinationKey, Family, Forward, Service, ServiceKey};

    /// The table of `ipvs-netlink.md` 2, row by row.
    #[test]
    fn says_what_ipvsadm_says() {
        let key = ServiceKey::Mark {
            mark: 1,
            family: Family::V4,
        };
        let server = Destination {
            key: DestinationKey {
                address: [10, 0, 0, 1].into(),
                port: 0,
            },
            forward: Forward::Gate,
            weight: 1,
            upper_threshold: 0,
            lower_threshold: 0,
        };
        let add = Change::AddService(Service::new(key, "wrr"));
        let edit = Change::EditService(Service::new(key, "wrr"));
        let delete = Change::DeleteService(key);
        let add_server = Change::AddDestination(key, server.clone());
        let edit_server = Change::EditDestination(key, server.clone());
        let delete_server = Change::DeleteDestination(key, server.key);
        for (change, errno, text) in [
            (&add, EEXIST, Some("Service already exists")),
            (&add_server, EEXIST, Some("Destination already exists")),
            (&edit, ESRCH, Some("No such service")),
            (&delete, ESRCH, Some("No such service")),
            (&add_server, ESRCH, Some("Service not defined")),
            (&edit_server, ESRCH, Some("Service not defined")),
            (&delete_server, ESRCH, Some("Service not defined")),
            (
                &add,
                ENOENT,
                Some("Scheduler or persistence engine not found"),
            ),
            (
                &edit,
                ENOENT,
                Some("Scheduler or persistence engine not found"),
            ),
            (&edit_server, ENOENT, Some("No such destination")),
            (&delete_server, ENOENT, Some("No such destination")),
            (&add, 22, None),
            (&delete, ENOENT, None),
        ] {
            assert_eq!(change.errno_text(errno), text, "{change} {errno}");
        }
    }
}
