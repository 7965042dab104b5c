//! Talking to a daemon that runs: `-s`, `-k`, `-r` (`install-and-cli.md` 6). No more than signals and the pid file.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use ha_sys::host;
use ha_sys::log::Priority;
use ha_sys::pidfile::{self, PidFile};
use ha_sys::process;
use ha_sys::signals::Signal;
use ha_sys::terminal;

use crate::places;

/// How often `-k` looks whether the daemon is gone.
const POLL: Duration = Duration::from_millis(100);

/// `-s`. `program` is the last part of `argv[0]`.
pub(crate) fn status(program: &str) -> ExitCode {
    match pidfile::inspect(Path::new(places::PID_FILE)) {
        PidFile::Running { pid } => {
            let host = host::uname_node().to_ascii_lowercase();
            terminal::print(&format!(
                "{program} OK [pid {pid} et al] is running on {host} [{}]...\n",
                local_node()
            ));
            ExitCode::SUCCESS
        }
        PidFile::Stale { .. } => {
            terminal::print(&format!("{program} is stopped. No process\n"));
            ExitCode::from(1)
        }
        PidFile::Absent => {
            terminal::print(&format!("{program} is stopped. No process\n"));
            ExitCode::from(3)
        }
    }
}

/// The node name: nodeinfo, else `uname -n`.
fn local_node() -> String {
    let written = std::fs::read(ha_config::paths::NODEINFO).ok();
    let written = written.and_then(|bytes| ha_config::parse_nodeinfo(&bytes));
    written.unwrap_or_else(|| host::uname_node().to_ascii_lowercase())
}

/// `-k`: SIGTERM, and wait until it is gone, however long the release of resources takes.
pub(crate) fn kill() -> ExitCode {
    let path = Path::new(places::PID_FILE);
    let PidFile::Running { pid } = pidfile::inspect(path) else {
        terminal::error("INFO: Heartbeat already stopped.\n");
        return ExitCode::SUCCESS;
    };
    if let Err(error) = process::signal_process(pid, Signal::SIGTERM) {
        terminal::error(&format!(
            "ERROR: Could not kill pid {pid} : {}\n",
            ha_sys::errno_text(&error)
        ));
        let denied = error.kind() == std::io::ErrorKind::PermissionDenied;
        return ExitCode::from(if denied { 4 } else { 1 });
    }
    while pidfile::inspect(path) == (PidFile::Running { pid }) {
        std::thread::sleep(POLL);
    }
    ExitCode::SUCCESS
}

/// The second half of `-r`, once the files have been judged: tells the running daemon, or does not.
pub(crate) fn signal_reload(logger: &ha_sys::log::Logger, pid: u32, valid: bool) -> ExitCode {
    if !valid {
        logger.log(
            Priority::Info,
            format!("Config errors: Heartbeat pid {pid} NOT restarted"),
        );
        return ExitCode::from(1);
    }
    logger.log(
        Priority::Info,
        format!("Signalling heartbeat pid {pid} to reread config files"),
    );
    match process::signal_process(pid, Signal::SIGHUP) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let reason = ha_sys::errno_text(&error);
            logger.log(
                Priority::Error,
                format!("Unable to send SIGHUP to pid {pid}: {reason}"),
            );
            ExitCode::from(1)
        }
    }
}
