//! What the shell tells the core.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;

use ha_config::ldirectord::Ldirectord;
use ipvs::{Refusal, Table};

use crate::CheckId;

/// One thing that happened outside of the core.
#[derive(Debug)]
pub enum Input<'a> {
    /// The kernel's table, read on [`crate::Action::ReadTable`]. The first one starts everything.
    Table(Table),
    /// The table could not be read (no IPVS in the kernel, no permission): why.
    TableUnreadable(&'a str),
    /// What became of the changes of the last [`crate::Action::Program`], in their order.
    Programmed(Vec<Result<(), Refusal>>),
    /// [`crate::Director::next_deadline`] has come (calling it early or late does no harm).
    Timer,
    /// A check came to its end.
    CheckEnded {
        /// Which.
        id: CheckId,
        /// Whether the service works.
        up: bool,
        /// What was seen, for the monitor file; `-` or empty when there is nothing to say.
        text: &'a str,
    },
    /// A check could not be made for want of something on this machine: nothing is known about the server, and its state
    /// stays. Why is for the shell to log.
    CheckImpossible {
        /// Which.
        id: CheckId,
    },
    /// A new configuration. What both have keeps its state; the kernel's table is read next. (A file that is not usable
    /// changes nothing, so the core need not hear of it.)
    Reload(Rc<Ldirectord>),
    /// File names in `maintenancedir`, and host names of real servers as far as they are known. To be told before the first
    /// [`Input::Table`], then once per interval. Without a directory in the configuration it is ignored.
    Maintenance {
        /// File names.
        files: BTreeSet<String>,
        /// Host names in full, by address. Only needed when a file may be a host name.
        names: BTreeMap<IpAddr, String>,
    },
    /// The kernel's `net.ipv4.vs.expire_quiescent_template`; none: unknown. To be told after the start and whenever
    /// convenient.
    ExpireQuiescentTemplate(Option<bool>),
    /// The kernel's `net.ipv4.vs.expire_nodest_conn`, likewise.
    ExpireNodestConn(Option<bool>),
    /// A signal that ends the daemon, by its name without `SIG`, such as `TERM`.
    Stop(&'a str),
}
