//! Where the daemon's files are (`install-and-cli.md` 3). None of them can be moved by an option.

use std::path::{Path, PathBuf};

/// The pid file.
pub(crate) const PID_FILE: &str = "/var/run/heartbeat.pid";
/// Sockets and the scripts' scratch directory.
pub(crate) const RUN_DIRECTORY: &str = "/var/run/heartbeat";
/// Where `apphbd` listens.
pub(crate) const APPHBD: &str = "/var/run/heartbeat/apphb.comm";
/// Wiped at each start.
pub(crate) const SCRATCH_DIRECTORY: &str = "/var/run/heartbeat/rsctmp";
/// Identity and FIFO.
pub(crate) const STATE_DIRECTORY: &str = "/var/lib/heartbeat";
/// Through which scripts send messages.
pub(crate) const FIFO: &str = "/var/lib/heartbeat/fifo";
/// Our generation.
pub(crate) const GENERATION: &str = "/var/lib/heartbeat/hb_generation";
/// Our UUID.
pub(crate) const UUID: &str = "/var/lib/heartbeat/hb_uuid";
/// Both once more, in case a file is damaged.
pub(crate) const IDENTITY_COPY: &str = "/var/lib/heartbeat/hb_identity";

/// Nodes that were deleted, one a line.
pub(crate) const DELETED_NODES: &str = "/var/lib/heartbeat/delhostcache";

/// The directory that we were started from is the directory of all programs: `/usr/lib64/heartbeat` on one machine,
/// `/usr/lib/heartbeat` on another.
pub(crate) fn library() -> PathBuf {
    let executable = ha_sys::process::own_executable().unwrap_or_default();
    let directory = executable.parent().unwrap_or(Path::new("")).to_path_buf();
    if directory.as_os_str().is_empty() {
        PathBuf::from("/usr/lib64/heartbeat")
    } else {
        directory
    }
}
