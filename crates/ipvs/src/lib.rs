//! The kernel's table of virtual services (IPVS) as values.
//!
//! | module | responsible for |
//! |---|---|
//! | `service` | virtual services: what identifies one, how it schedules, how long it remembers clients |
//! | `destination` | real servers as the kernel sees them |
//! | `table` | a whole table |
//! | `change` | one change to it, also in the words of `ipvsadm` |
//!
//! No I/O here: the socket that carries these values to the kernel is in `ha-net`. The rules come from the reference
//! document `ipvs-netlink.md` and the kernel's `linux/ip_vs.h`.
#![forbid(unsafe_code)]

mod change;
mod destination;
mod service;
mod table;

pub use change::Change;
pub use destination::{Destination, DestinationKey, Forward};
pub use service::{Family, Netmask, Persistence, Protocol, SchedulerFlags, Service, ServiceKey};
pub use table::{Entry, Table};
