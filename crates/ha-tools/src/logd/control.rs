//! `ha_logd -s` and `ha_logd -k`: the pid file and signals, no more.

use std::path::Path;
use std::time::Duration;

use ha_sys::log::{Logger, Priority, Sinks};
use ha_sys::pidfile::{self, PidFile};
use ha_sys::process;
use ha_sys::signals::Signal;
use ha_sys::{clock, errno_text};

use crate::output;

/// How often `-k` looks whether the daemon is gone.
const POLL: Duration = Duration::from_millis(50);

/// How long a daemon may take to write what it has taken. Ours takes [`super::LAST_WORDS`] at most.
const PATIENCE: Duration = Duration::from_secs(30);

/// `-s`: 0 it runs, 1 it has ended and left its pid file, 3 there is none.
pub(super) fn status(pid_file: &Path) -> i32 {
    match pidfile::inspect(pid_file) {
        PidFile::Running { pid } => {
            output::print(&format!("logging daemon is running [pid = {pid}].\n"));
            0
        }
        PidFile::Stale { .. } => {
            let file = pid_file.display();
            output::print(&format!("logging daemon is stopped: {file} exists.\n"));
            1
        }
        PidFile::Absent => {
            output::print("logging daemon is stopped.\n");
            3
        }
    }
}

/// `-k`: tells it to end, and waits until it has.
pub(super) fn stop(pid_file: &Path, log: &Logger, verbose: bool) -> i32 {
    let say = |priority, text: String| {
        let terminal = Sinks {
            stderr: true,
            ..Sinks::default()
        };
        Logger::new(super::ENTITY, terminal).log(priority, text.clone());
        if verbose || priority != Priority::Debug {
            log.log(priority, text);
        }
    };
    let PidFile::Running { pid } = pidfile::inspect(pid_file) else {
        output::error("ha_logd already stopped.\n");
        say(Priority::Info, "ha_logd already stopped.".into());
        return 0;
    };
    say(Priority::Debug, format!("Stopping ha_logd with pid {pid}"));
    if let Err(error) = process::signal_process(pid, Signal::SIGTERM) {
        let reason = errno_text(&error);
        say(Priority::Error, format!("Cannot kill pid {pid}: {reason}"));
        return 1;
    }
    say(Priority::Info, format!("Waiting for pid={pid} to exit"));
    let deadline = clock::monotonic() + PATIENCE;
    let mut forced = false;
    while pidfile::inspect(pid_file) == (PidFile::Running { pid }) {
        if !forced && clock::monotonic() > deadline {
            forced = true;
            say(
                Priority::Warn,
                format!("Pid {pid} does not exit, killing it"),
            );
            // It may have ended at this moment.
            let _ = process::signal_process(pid, Signal::SIGKILL);
        }
        std::thread::sleep(POLL);
    }
    say(Priority::Info, format!("Pid {pid} exited"));
    0
}
