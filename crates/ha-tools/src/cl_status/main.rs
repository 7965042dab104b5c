//! `cl_status`: what the daemon of this machine knows, for people and scripts (`client-api.md` 7, `install-and-cli.md` 11).
//!
//! It is installed with the group `haclient`, which lets everybody ask. A program that has more rights than its caller
//! shall contain nothing else, so it is one of its own and not a name of `ha-tools`; and it looks at nothing that the
//! caller may set but its arguments.
#![forbid(unsafe_code)]

mod arguments;
mod command;
#[cfg(test)]
mod replay;
mod report;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use ha_sys::log::{Logger, Priority, Sinks, SyslogFacility};

use report::{Report, Trouble};

/// Its name in log lines, whatever it is called by.
const NAME: &str = "cl_status";

/// For how long a run may last. Nobody who watches shall hang because heartbeat does.
const ALARM: Duration = Duration::from_secs(5);

/// The exit code when that is over. Nothing is printed then.
const EXIT_ALARM: i32 = 12;

fn main() -> ExitCode {
    start_alarm();
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let report = command::run(&words, Path::new(ha_ipc::REGISTER_SOCKET));
    show(&report);
    ExitCode::from(report.code)
}

/// Whatever the program waits for then, for an answer or for its own terminal, it ends.
fn start_alarm() {
    std::thread::spawn(|| {
        std::thread::sleep(ALARM);
        std::process::exit(EXIT_ALARM);
    });
}

/// Prints. Nobody who reads is no trouble: the exit code is what counts then.
fn show(report: &Report) {
    let mut stdout = std::io::stdout();
    let _ = stdout
        .write_all(report.stdout.as_bytes())
        .and_then(|()| stdout.flush());
    if report.troubles.is_empty() {
        return;
    }
    let logger = Logger::new(
        NAME,
        Sinks {
            facility: SyslogFacility::from_name("user"),
            stderr: true,
            ..Sinks::default()
        },
    );
    for trouble in &report.troubles {
        match trouble {
            Trouble::Logged(text) => logger.log(Priority::Error, text.clone()),
            Trouble::Printed(text) => {
                let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
            }
        }
    }
}
