//! Where things are.

use std::path::{Path, PathBuf};

/// Directories; tests have their own.
#[derive(Clone, Debug)]
pub struct Places {
    /// Scripts of type `external`; the first directory that has a name counts.
    pub external: Vec<PathBuf>,
    /// Fence agents; likewise.
    pub agents: Vec<PathBuf>,
    /// FIFOs of `meatware`.
    pub run: PathBuf,
}

impl Default for Places {
    fn default() -> Places {
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect();
        Places {
            external: paths(&[
                "/usr/lib64/stonith/plugins/external",
                "/usr/lib/stonith/plugins/external",
            ]),
            agents: paths(&["/usr/sbin", "/sbin"]),
            run: PathBuf::from("/var/run"),
        }
    }
}

impl Places {
    /// The script of a name. A name that leads elsewhere is none.
    pub(crate) fn external_script(&self, name: &str) -> Option<PathBuf> {
        find(&self.external, name)
    }

    /// The fence agent of a name without `fence_`.
    pub(crate) fn agent(&self, name: &str) -> Option<PathBuf> {
        find(&self.agents, &format!("fence_{name}"))
    }

    /// The FIFO through which `meatclient` answers for a node; none if the name cannot be part of a file name.
    pub(crate) fn meatware(&self, node: &str) -> Option<PathBuf> {
        let plain = !node.is_empty() && node.len() < 200 && !node.contains(['/', '\0']);
        plain.then(|| self.run.join(format!("meatware.{node}")))
    }
}

fn find(directories: &[PathBuf], name: &str) -> Option<PathBuf> {
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
        return None;
    }
    directories
        .iter()
        .map(|directory| directory.join(name))
        .find(|path| is_file(path))
}

fn is_file(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|about| about.is_file())
}
