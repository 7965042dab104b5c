//! What the shell tells the core.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;

use ha_config::ldirectord::Ldirectord;
use ipvs::Table;

use crate::CheckId;

/// Why the kernel did not make a change, in words (`ipvs-netlink.md` 2).
pub type Refused = String;

/// One thing that happened outside the core.
#[derive(Debug)]
pub enum Input<'a> {
    /// The kernel's table, read back on [`crate::Action::ReadTable`].
    Table(Table),
    /// The table could not be read.
    TableUnreadable(&'a str),
    /// [`crate::Director::next_deadline`] has come (calling it early or late is harmless).
    Timer,
    /// A check came to its end.
    CheckEnded {
        /// Which.
        id: CheckId,
        /// Whether the service works.
        up: bool,
        /// What was seen, for the monitor file.
        text: &'a str,
    },
    /// A check could not be made for want of something on this machine (descriptors, ports): nothing is known.
    CheckImpossible {
        /// Which.
        id: CheckId,
    },
    /// What became of the changes of the last [`crate::Action::Program`], in their order.
    Programmed(Vec<Result<(), Refused>>),
    /// A new configuration; the table as it is now is asked for next.
    Reload(Rc<Ldirectord>),
    /// The files in `maintenancedir`, and the names of real servers as far as they are known.
    Maintenance {
        /// File names.
        files: BTreeSet<String>,
        /// Reverse look-ups.
        names: BTreeMap<IpAddr, String>,
    },
    /// The kernel's `net.ipv4.vs.expire_quiescent_template`, when it can be read.
    ExpireQuiescentTemplate(Option<bool>),
    /// A signal that ends the daemon, by its name without `SIG`.
    Stop(&'a str),
}
