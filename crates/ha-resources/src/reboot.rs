//! The last resort: a resource that cannot be stopped must not run on two nodes (`resource-protocol.md` 1.7).

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

/// What is tried, in order, to reset the machine.
pub const REBOOT_COMMANDS: [(&str, &[&str]); 2] =
    [("/sbin/reboot", &["-nf"]), ("/sbin/init", &["6"])];

/// Logged as CRIT when nothing of that works.
pub const UNABLE: &str = "Unable to force reboot.";

/// Kills the daemon that the pid file names, without a farewell to its peers: they shall notice by deadtime. True if
/// there was one. The legacy kills every process called `heartbeat`, `ipfail` or `ccm` on the machine; clients of ours
/// end with their daemon.
pub fn kill_daemon(pidfile: &Path) -> bool {
    let Some(pid) = fs::read_to_string(pidfile)
        .ok()
        .and_then(|text| text.trim().parse::<i32>().ok())
    else {
        return false;
    };
    // A stale file may name a process that is somebody else's by now.
    let is_daemon =
        fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|program| names_daemon(&program));
    pid > 1 && is_daemon && signal::kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok()
}

/// Whether an executable is the daemon's, replaced on disk or not.
fn names_daemon(program: &Path) -> bool {
    let name = program
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    name.strip_suffix(" (deleted)").unwrap_or(&name) == "heartbeat"
}

/// Runs the first of [`REBOOT_COMMANDS`] that succeeds. True if one did; the machine may then still take a moment.
///
/// Blocks until the command has ended. The daemon must be dead before.
pub fn force() -> bool {
    REBOOT_COMMANDS.iter().any(|(program, arguments)| {
        let mut command = Command::new(program);
        command.args(*arguments).stdin(Stdio::null());
        Path::new(program).exists() && command.status().is_ok_and(|status| status.success())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_daemon_is_killed() {
        assert!(names_daemon(Path::new("/usr/lib64/heartbeat/heartbeat")));
        assert!(names_daemon(Path::new(
            "/usr/lib64/heartbeat/heartbeat (deleted)"
        )));
        assert!(!names_daemon(Path::new("/usr/bin/heartbeat2")));

        let pidfile =
            std::env::temp_dir().join(format!("ha-resources-reboot-{}", std::process::id()));
        for text in [
            format!("{:>10}\n", std::process::id()),
            "1\n".into(),
            "-1\n".into(),
            "x".into(),
        ] {
            fs::write(&pidfile, text).unwrap();
            assert!(!kill_daemon(&pidfile));
        }
        fs::remove_file(&pidfile).unwrap();
        assert!(!kill_daemon(&pidfile));
    }
}
