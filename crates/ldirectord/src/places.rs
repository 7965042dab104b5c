//! Where things are on this machine.

use std::path::PathBuf;

use ha_sys::daemon;

/// Paths; tests put others in their place.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// Where a configuration is looked for before it is taken as it is (`ldirectord.md` 1.1).
    pub(crate) configurations: Vec<PathBuf>,
    /// For pid files.
    pub(crate) run: PathBuf,
    /// The log until the configuration has been read.
    pub(crate) log: PathBuf,
    /// The first of these that can be executed takes mail.
    pub(crate) sendmail: Vec<PathBuf>,
    /// The first of these that can be executed loads kernel modules.
    pub(crate) modprobe: Vec<PathBuf>,
}

impl Default for Places {
    fn default() -> Self {
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect();
        Places {
            configurations: paths(&["/etc/ha.d", "/etc/ha.d/conf"]),
            run: "/var/run".into(),
            log: crate::log::DEFAULT_FILE.into(),
            sendmail: paths(&["/usr/sbin/sendmail", "/usr/lib/sendmail"]),
            modprobe: paths(&["/sbin/modprobe", "/usr/sbin/modprobe"]),
        }
    }
}

impl Places {
    /// What loads kernel modules, if there is such a program.
    pub(crate) fn modprobe(&self) -> Option<&PathBuf> {
        first_executable(&self.modprobe)
    }

    /// The pid file of an instance.
    pub(crate) fn pid_file(&self, instance: &str) -> PathBuf {
        self.run.join(format!("ldirectord.{instance}.pid"))
    }
}

/// The first program that can be executed.
pub(crate) fn first_executable(candidates: &[PathBuf]) -> Option<&PathBuf> {
    candidates
        .iter()
        .find(|path| daemon::is_executable_file(path))
}
