//! The kernel's table of virtual services (IPVS) as values.
//!
//! | module | responsible for |
//! |---|---|
//! | `service` | virtual services: what identifies one, how it schedules, how long it remembers clients |
//! | `destination` | real servers as the kernel sees them |
//! | `table` | a whole table |
//! | `change` | one change to it, also in the words of `ipvsadm` |
//! | `check` | what must not be sent to the kernel |
//! | `refusal` | why a change did not happen, also in the words of `ipvsadm` |
//! | `save` | a table as `ipvsadm -S -n` prints it |
//! | [`wire`] | requests to the kernel and its answers as bytes |
//!
//! No I/O here: the socket that carries these values to the kernel is in `ha-net`. The rules come from the reference
//! document `ipvs-netlink.md` and the kernel's `linux/ip_vs.h`.
#![forbid(unsafe_code)]

mod change;
mod check;
mod destination;
mod refusal;
mod save;
mod service;
mod table;
pub mod wire;

pub use change::Change;
pub use check::{Invalid, SCHEDULER_LEN_MAX, TIMEOUT_MAX_S, WEIGHT_MAX};
pub use destination::{Connections, Destination, DestinationKey, Forward};
pub use refusal::Refusal;
pub use service::{Family, Netmask, Persistence, Protocol, SchedulerFlags, Service, ServiceKey};
pub use table::{Entry, Table};
