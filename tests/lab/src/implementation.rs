//! Which heartbeat a host runs, and where its pieces are.

use std::path::{Path, PathBuf};

use crate::{LabError, Result};

/// The heartbeat under test on one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Implementation {
    /// This project's programs, from the tree that `cargo xtask install --destdir` made.
    Ours,
    /// The distribution's packages as installed on this machine (Debian 12: heartbeat 3.0.6).
    Legacy,
}

/// Paths of the legacy packages that must not shine through on a host of ours, so that a forgotten
/// dependency shows. A trailing `*` stands for any rest of the last component.
pub(crate) const LEGACY_PATHS: &[&str] = &[
    "/etc/ha.d",
    "/etc/init.d/heartbeat",
    "/etc/init.d/ldirectord",
    "/etc/logrotate.d/heartbeat",
    "/etc/logrotate.d/ldirectord",
    "/usr/bin/cl_respawn",
    "/usr/bin/cl_status",
    "/usr/lib/heartbeat",
    "/usr/lib64/heartbeat",
    "/usr/lib/ocf",
    "/usr/lib/pils",
    "/usr/lib/stonith",
    "/usr/lib/systemd/system/heartbeat.service",
    "/usr/lib/systemd/system/ldirectord.service",
    "/usr/lib/tmpfiles.d/heartbeat.conf",
    "/usr/lib/x86_64-linux-gnu/libapphb*",
    "/usr/lib/x86_64-linux-gnu/libccmclient*",
    "/usr/lib/x86_64-linux-gnu/libclm*",
    "/usr/lib/x86_64-linux-gnu/libhbclient*",
    "/usr/lib/x86_64-linux-gnu/liblrm*",
    "/usr/lib/x86_64-linux-gnu/libpils*",
    "/usr/lib/x86_64-linux-gnu/libplumb*",
    "/usr/lib/x86_64-linux-gnu/libstonith*",
    "/usr/lib/x86_64-linux-gnu/heartbeat",
    "/usr/libexec/heartbeat",
    "/usr/sbin/ha_logd",
    "/usr/sbin/ha_logger",
    "/usr/sbin/hb_report",
    "/usr/sbin/ldirectord",
    "/usr/sbin/meatclient",
    "/usr/sbin/stonith",
    "/usr/share/heartbeat",
];

/// Names the tree of our installation when it is not in the place of [`Implementation::stage`].
const STAGE_VARIABLE: &str = "HA_LAB_STAGE";

/// Where packages of the legacy put the daemon: Debian, the RPMs of 64 and of 32 bits.
const LEGACY_DAEMONS: &[&str] = &[
    "/usr/libexec/heartbeat/heartbeat",
    "/usr/lib64/heartbeat/heartbeat",
    "/usr/lib/heartbeat/heartbeat",
];

impl Implementation {
    /// Whether this implementation can be run on this machine.
    ///
    /// # Errors
    /// [`LabError::Unavailable`] with the reason.
    pub fn check_available(self) -> Result<()> {
        match self {
            Implementation::Ours if self.stage().is_none() => Err(LabError::Unavailable(format!(
                "our installed tree: run `cargo xtask install --destdir {}`, or set {STAGE_VARIABLE}",
                default_stage().display()
            ))),
            Implementation::Legacy if legacy_daemon().is_none() => Err(LabError::Unavailable(
                "the legacy: no heartbeat package is installed".into(),
            )),
            _ => Ok(()),
        }
    }

    /// The tree of our installation (`$HA_LAB_STAGE`, else `target/stage` of this workspace).
    pub fn stage(self) -> Option<PathBuf> {
        if self == Implementation::Legacy {
            return None;
        }
        let tree = std::env::var_os(STAGE_VARIABLE).map_or_else(default_stage, PathBuf::from);
        [
            "usr/lib64/heartbeat/heartbeat",
            "usr/lib/heartbeat/heartbeat",
        ]
        .iter()
        .any(|daemon| tree.join(daemon).exists())
        .then_some(tree)
    }

    /// The daemon's path inside a host.
    pub fn daemon(self) -> &'static str {
        match self {
            Implementation::Ours => "/usr/lib64/heartbeat/heartbeat",
            Implementation::Legacy => legacy_daemon().unwrap_or(LEGACY_DAEMONS[0]),
        }
    }

    /// The directory of `hb_standby` and the other scripts inside a host.
    pub fn share(self) -> &'static str {
        "/usr/share/heartbeat"
    }

    /// The word for it in test names: `ours` or `legacy`.
    pub fn word(self) -> &'static str {
        match self {
            Implementation::Ours => "ours",
            Implementation::Legacy => "legacy",
        }
    }
}

fn legacy_daemon() -> Option<&'static str> {
    LEGACY_DAEMONS
        .iter()
        .copied()
        .find(|path| Path::new(path).exists())
}

/// Where the test runner installs our tree: `target/stage`.
fn default_stage() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/stage")
}
