//! Where things are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// `HA_NOARCHBIN`: the programs that are the same on every architecture.
pub const SHARE_DIRECTORY: &str = "/usr/share/heartbeat";

/// Where distributions put the programs of `HA_BIN`, the preferred one first (`resource-scripts.md` 1.2).
pub const LIBRARY_DIRECTORIES: [&str; 3] = [
    "/usr/lib64/heartbeat",
    "/usr/libexec/heartbeat",
    "/usr/lib/heartbeat",
];

/// The files and directories that resource management uses. In production they are fixed; the variables that the
/// legacy's `shellfuncs` honours can move them, which is how tests work on a tree of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// `/etc/ha.d` (`HA_DIR`).
    pub config: PathBuf,
    /// `/etc/ha.d/haresources`.
    pub haresources: PathBuf,
    /// `/etc/ha.d/rc.d` (`HA_RCDIR`): message handlers.
    pub handlers: PathBuf,
    /// `/etc/ha.d/resource.d` (`HA_RESOURCEDIR`): searched first for resource scripts.
    pub resources: PathBuf,
    /// `/etc/init.d`: searched second.
    pub init: PathBuf,
    /// `/var/lib/heartbeat/fifo` (`HA_FIFO`).
    pub fifo: PathBuf,
    /// `/var/run/heartbeat/rsctmp` (`HA_RSCTMP`).
    pub scratch: PathBuf,
    /// `/var/run/heartbeat.pid`.
    pub pidfile: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        Paths::from_environment(|_| None)
    }
}

impl Paths {
    /// The paths that a program with this environment uses. An empty variable counts as absent.
    pub fn from_environment(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let path = |name: &str| {
            variable(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let config = path("HA_DIR").unwrap_or_else(|| PathBuf::from("/etc/ha.d"));
        Paths {
            haresources: config.join("haresources"),
            handlers: path("HA_RCDIR").unwrap_or_else(|| config.join("rc.d")),
            resources: path("HA_RESOURCEDIR").unwrap_or_else(|| config.join("resource.d")),
            init: PathBuf::from("/etc/init.d"),
            fifo: path("HA_FIFO").unwrap_or_else(|| PathBuf::from("/var/lib/heartbeat/fifo")),
            scratch: path("HA_RSCTMP")
                .unwrap_or_else(|| PathBuf::from("/var/run/heartbeat/rsctmp")),
            pidfile: PathBuf::from("/var/run/heartbeat.pid"),
            config,
        }
    }

    /// `HA_BIN` on this machine: the first of [`LIBRARY_DIRECTORIES`] that `exists` says yes to, else the first at all.
    pub fn library(exists: impl Fn(&Path) -> bool) -> &'static Path {
        let found = LIBRARY_DIRECTORIES
            .iter()
            .map(Path::new)
            .find(|directory| exists(directory));
        found.unwrap_or(Path::new(LIBRARY_DIRECTORIES[0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn production_paths_are_the_legacy_ones() {
        let paths = Paths::default();
        assert_eq!(paths.haresources, Path::new("/etc/ha.d/haresources"));
        assert_eq!(paths.handlers, Path::new("/etc/ha.d/rc.d"));
        assert_eq!(paths.resources, Path::new("/etc/ha.d/resource.d"));
        assert_eq!(paths.fifo, Path::new("/var/lib/heartbeat/fifo"));
        assert_eq!(paths.scratch, Path::new("/var/run/heartbeat/rsctmp"));
    }

    #[test]
    fn ha_dir_moves_what_lies_below_it_unless_named_itself() {
        let paths = Paths::from_environment(|name| match name {
            "HA_DIR" => Some("/t".into()),
            "HA_RESOURCEDIR" => Some("/r".into()),
            "HA_FIFO" => Some("".into()),
            _ => None,
        });
        assert_eq!(paths.haresources, Path::new("/t/haresources"));
        assert_eq!(paths.handlers, Path::new("/t/rc.d"));
        assert_eq!(paths.resources, Path::new("/r"));
        assert_eq!(paths.fifo, Path::new("/var/lib/heartbeat/fifo"));
    }

    #[test]
    fn the_library_directory_is_the_one_that_exists() {
        assert_eq!(
            Paths::library(|path| path.ends_with("libexec/heartbeat")),
            Path::new("/usr/libexec/heartbeat")
        );
        assert_eq!(Paths::library(|_| false), Path::new("/usr/lib64/heartbeat"));
    }
}
