//! The files' fixed places; no option changes them (`config-files.md` 1).

/// The directory that holds all of them.
pub const HA_D: &str = "/etc/ha.d";
/// The main file.
pub const HA_CF: &str = "/etc/ha.d/ha.cf";
/// The keys.
pub const AUTHKEYS: &str = "/etc/ha.d/authkeys";
/// The resource groups.
pub const HARESOURCES: &str = "/etc/ha.d/haresources";
/// An optional node name that replaces `uname -n`.
pub const NODEINFO: &str = "/etc/ha.d/nodeinfo";
/// Optional switches that break communication on purpose.
pub const TEST_OPTIONS: &str = "/etc/ha.d/OnlyForTesting";
