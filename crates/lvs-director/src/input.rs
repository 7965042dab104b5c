//! What the shell tells the core.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::rc::Rc;

use ha_config::ldirectord::Ldirectord;
use ipvs::{Refusal, Table};

use crate::CheckId;

/// One thing that happened outside of the core.
#[derive(Debug)]
pub enum Input<'a> {
    /// It begins: the first input.
    Start,
    /// The kernel's table, read on [`crate::Action::ReadTable`].
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
        /// What an operator should know beyond that; logged when it changes.
        remark: Option<&'a str>,
    },
    /// A check could not be made for want of something on this machine: nothing is known about the server, and its state
    /// stays.
    CheckImpossible {
        /// Which.
        id: CheckId,
        /// Why, in the system's words.
        text: &'a str,
    },
    /// SIGHUP.
    Hangup,
    /// What the configuration file looks like; none: it cannot be opened.
    FileLooked(Option<FileStamp>),
    /// The new configuration.
    Reload {
        /// Its meaning.
        config: Rc<Ldirectord>,
        /// What the file looked like when it was read; none: the next look tells.
        stamp: Option<FileStamp>,
    },
    /// The new configuration is not usable, which has been logged. Nothing changes.
    ReloadFailed {
        /// What the file looked like when it was read; none: the next look tells.
        stamp: Option<FileStamp>,
    },
    /// File names in the directory of [`crate::Action::LookAtMaintenance`]; none when it cannot be read.
    Maintenance(BTreeSet<String>),
    /// Host name of an address, answering [`crate::Action::LookUpName`]; none: it has none.
    ReverseName {
        /// The address.
        address: IpAddr,
        /// Its name, in full.
        name: Option<&'a str>,
    },
    /// Switches of the kernel's IPVS; none: unknown. To be told after the start and whenever convenient.
    Switches {
        /// `net.ipv4.vs.expire_quiescent_template`
        expire_quiescent_template: Option<bool>,
        /// `net.ipv4.vs.expire_nodest_conn`
        expire_nodest_conn: Option<bool>,
    },
    /// A signal that ends the daemon, by its name without `SIG`.
    Stop {
        /// Such as `TERM`.
        signal: &'a str,
    },
}

/// By what a change of the configuration file is noticed (`ldirectord.md` 10): it changed when both differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    /// Time of last modification, in nanoseconds since the epoch.
    pub modified_ns: i128,
    /// Digest of what is in it. While `modified_ns` is the same as last time it is not looked at and need not be computed
    /// anew.
    pub digest: [u8; 16],
}
