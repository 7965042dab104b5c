//! Work that takes time: what the legacy forks a child or runs a script for.

use std::fmt;

/// Number of a job, unique within the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub u64);

/// Which of the two halves of haresources: "local" are the lines with our node's name, "foreign" all others
/// (`resource-protocol.md` 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Hold {
    /// Our own lines.
    pub local: bool,
    /// All other lines.
    pub foreign: bool,
}

impl Hold {
    /// Neither.
    pub const NONE: Hold = Hold {
        local: false,
        foreign: false,
    };
    /// Our own lines only.
    pub const LOCAL: Hold = Hold {
        local: true,
        foreign: false,
    };
    /// All other lines only.
    pub const FOREIGN: Hold = Hold {
        local: false,
        foreign: true,
    };
    /// Every line.
    pub const ALL: Hold = Hold {
        local: true,
        foreign: true,
    };

    /// The wire word: `none`, `local`, `foreign`, `all`.
    pub fn word(self) -> &'static str {
        match (self.local, self.foreign) {
            (false, false) => "none",
            (true, false) => "local",
            (false, true) => "foreign",
            (true, true) => "all",
        }
    }

    /// Reads the wire word; case matters.
    pub fn from_word(word: &str) -> Option<Hold> {
        Some(match word {
            "none" => Hold::NONE,
            "local" => Hold::LOCAL,
            "foreign" => Hold::FOREIGN,
            "all" => Hold::ALL,
            _ => return None,
        })
    }

    /// The same set seen from the other node.
    pub fn mirror(self) -> Hold {
        Hold {
            local: self.foreign,
            foreign: self.local,
        }
    }

    /// Union.
    pub fn with(self, other: Hold) -> Hold {
        Hold {
            local: self.local || other.local,
            foreign: self.foreign || other.foreign,
        }
    }

    /// Difference.
    pub fn without(self, other: Hold) -> Hold {
        Hold {
            local: self.local && !other.local,
            foreign: self.foreign && !other.foreign,
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One piece of work. The shell runs it natively unless an administrator's own `rc.d` script stands in its place.
#[derive(Clone, Debug)]
pub enum Job {
    /// `req_our_resources` (2.4.5): for each of our own groups (key = first resource word), is its key resource
    /// running? Report the keys that are not. Nothing is started here.
    AcquireLocal {
        /// The child's name in the log is `req_our_resources`, or `req_our_resources(ask)` when false.
        dont_ask: bool,
        /// Coordinated mode.
        nice: bool,
    },
    /// Release every group of the set, each right to left, in the order of the file (2.4.6 ME).
    Release {
        /// In our own view. Query: local = `ourkeys`, foreign = `otherkeys`, all = `allkeys`.
        set: Hold,
    },
    /// Acquire every group of the set, in the order of the file (2.4.6 OTHER).
    Acquire {
        /// In our own view (already mirrored from the giver's).
        set: Hold,
    },
    /// Release every group of the file, held or not (2.7).
    GiveUpAll,
    /// Release every group of the set whose key resource runs, although another node holds it: a predecessor of this
    /// process was killed and left it behind. No legacy counterpart.
    ReleaseStale {
        /// In our own view.
        set: Hold,
    },
    /// Like [`Job::Release`], of the lines of one node.
    ReleaseGroupsOf {
        /// The node, the first word of these lines.
        owner: String,
    },
    /// Like [`Job::Acquire`], of the lines of one node.
    AcquireGroupsOf {
        /// The node, the first word of these lines.
        owner: String,
    },
    /// Like [`Job::ReleaseStale`], of the lines of these nodes.
    ReleaseStaleOf {
        /// The nodes, first words of these lines.
        owners: Vec<String>,
    },
    /// A message for the scripts in `rc.d` (2.5), one at a time. Stock handlers run natively:
    /// `status` with `st=dead` takes every group of the dead node `src` (mach_down) unless `info` is `ping` or it is
    /// ourselves; `ip-request-resp` for us with `ok=OK` takes the group `ipaddr`; `ip-request` from another node
    /// releases the group `ipaddr` if its key resource runs; `hb_takeover` is answered by the core.
    Notify(Notification),
    /// Reset a node. As many of these as there are nodes may be out, beside everything else.
    Reset {
        /// Position of the device in [`crate::Config::fencing`].
        device: usize,
        /// The node.
        node: String,
    },
    /// Find out whether a fencing device can be reached.
    CheckDevice {
        /// Its position in [`crate::Config::fencing`].
        device: usize,
    },
}

/// A message as scripts see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The message type in lower case: the file name looked for in `rc.d`.
    pub kind: String,
    /// Every string field, in order: `HA_<name>=<value>` in the script's environment.
    pub fields: Vec<(String, String)>,
    /// Our own status at this moment, for `HA_OSTATUS`.
    pub own_status: &'static str,
    /// `HA_NICEFAILBACK=yes`.
    pub nice: bool,
}

impl Notification {
    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }
}

/// How a job ended.
#[derive(Clone, Debug)]
pub enum JobOutcome {
    /// It ran natively; the core sends the messages that the legacy's script would have injected.
    Native(Report),
    /// An administrator's script did it and injected what it had to say itself.
    Script {
        /// Exit code, or 128 + signal.
        code: i32,
    },
    /// There is nobody to run it: no file of that name in `rc.d`, and it is not one of the four stock messages, which
    /// run natively even when their file is missing.
    NoHandler,
    /// A fencing device did what it was asked for, or did not.
    Device(DeviceResult),
}

/// What became of [`Job::Reset`] or [`Job::CheckDevice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceResult {
    /// Done.
    Done,
    /// The device does not control that node.
    BadHost,
    /// Anything else.
    Failed,
}

/// What a native job found and did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// [`Job::AcquireLocal`]: keys of all our groups, in the order of the file.
    pub keys: Vec<String>,
    /// [`Job::AcquireLocal`]: keys of our groups whose key resource does not run, in the order of the file.
    pub wanted: Vec<String>,
    /// [`Job::Notify`] of `ip-request`: we did hold the group.
    pub owned: bool,
    /// Groups whose start failed; they have been stopped again, whole.
    pub failed: Vec<FailedGroup>,
}

/// A group that could not be started here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedGroup {
    /// Its key.
    pub key: String,
    /// It is one of our own lines.
    pub ours: bool,
}
