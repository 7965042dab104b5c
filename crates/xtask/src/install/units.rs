//! What systemd would do with what is installed.
//!
//! We bring no unit of heartbeat: systemd makes one from `/etc/init.d/heartbeat`, which starts with the machine where the
//! links of `chkconfig` or `update-rc.d` say so. A unit of the same name goes before it.

use std::fs;
use std::path::Path;

use super::place::below;

/// Where units lie that go before those that are made from init scripts (`systemd.unit(5)`).
const PLACES: &[&str] = &[
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Notes on what stands in the way of our init script, on the machine whose root directory this is, and on what systemd has
/// to be told.
pub(super) fn notes(root: &Path) -> Vec<String> {
    let mut notes = Vec::new();
    let mut seen = Vec::new();
    for place in PLACES {
        let unit = format!("{place}/heartbeat.service");
        let path = below(root, &unit);
        if fs::read_link(&path).is_ok_and(|target| target == Path::new("/dev/null")) {
            notes.push(format!(
                "{unit} masks heartbeat, for /etc/init.d/heartbeat too: systemctl unmask heartbeat"
            ));
            continue;
        }
        // /lib is a link to /usr/lib on most machines.
        let Ok(real) = fs::canonicalize(&path) else {
            continue;
        };
        if !seen.contains(&real) {
            notes.push(format!(
                "systemd takes {unit} before /etc/init.d/heartbeat: if another package brought it, remove that package"
            ));
            seen.push(real);
        }
    }
    if below(root, "/run/systemd/system").is_dir() {
        notes.push("systemd sees a new init script after: systemctl daemon-reload".into());
    }
    notes
}
