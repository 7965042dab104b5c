//! ldirectord: the shell around `lvs-director`.
//!
//! | module | responsible for |
//! |---|---|
//! | `options`, `command` | the command line, and what each command does |
//! | `startup` | from a valid configuration to a running loop, and from its end to the end of the process |
//! | `daemon` | the loop: read, feed the core, drain its actions, sleep |
//! | `config_file`, `machine` | reading ldirectord.cf; what the parser asks of the machine |
//! | `worker`, `files` | what may block, in threads beside the loop |
//! | `host_names` | names of real servers, for those in maintenance |
//! | `children` | fallback commands, callbacks, other instances, local mail |
//! | `mail`, `mailer`, `smtp` | mail |
//! | `log`, `debug`, `remarks`, `snapshot` | what is told to the operator |
//! | `pid_file`, `places` | small things |
#![forbid(unsafe_code)]

mod children;
mod command;
mod config_file;
mod daemon;
mod debug;
mod files;
mod host_names;
mod log;
mod machine;
mod mail;
mod mailer;
mod options;
mod pid_file;
mod places;
mod remarks;
#[cfg(test)]
mod scratch;
pub mod smtp;
mod snapshot;
mod startup;
mod worker;

use std::process::ExitCode;

use ha_sys::terminal;
use options::{Options, UsageError};
use places::Places;

/// The command line makes no sense.
const EXIT_USAGE: u8 = 255;

/// The manual page cannot be shown.
const EXIT_NO_HELP: u8 = 127;

/// As the legacy calls itself; it is part of heartbeat 2.1.4.
const VERSION: &str = "Linux Director v1.186-ha-2.1.4";

/// What follows it with `-v`.
const VERSION_REST: &str = "\
1999-2006 Jacob Rief, Horms and others
<http://www.vergenet.net/linux/ldirectord/>

This is a new implementation that takes the place of theirs.
It comes without any warranty.
";

/// The whole program.
pub fn main() -> ExitCode {
    ha_sys::daemon::close_inherited_descriptors();
    ha_sys::process::use_one_heap();
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_else(|| "ldirectord".into());
    match Options::parse(arguments) {
        Ok(Options::Version) => {
            terminal::print(&format!("{VERSION}\n{VERSION_REST}"));
            ExitCode::SUCCESS
        }
        Ok(Options::Help) => help(),
        Ok(Options::Call(call)) => {
            command::run(&call, &program.to_string_lossy(), &Places::default())
        }
        Err(UsageError { complaint }) => {
            if let Some(complaint) = complaint {
                terminal::error(&format!("{complaint}\n"));
            }
            terminal::print(options::USAGE);
            ExitCode::from(EXIT_USAGE)
        }
    }
}

/// The manual page, without a pager; without one, at least the usage text.
fn help() -> ExitCode {
    let shown = std::process::Command::new("man")
        .args(["-P", "cat", "8", "ldirectord"])
        .stderr(std::process::Stdio::null())
        .status();
    if shown.is_ok_and(|status| status.success()) {
        return ExitCode::SUCCESS;
    }
    terminal::print(options::USAGE);
    ExitCode::from(EXIT_NO_HELP)
}
