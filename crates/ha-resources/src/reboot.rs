//! The last resort: a resource that cannot be stopped must not run on two nodes.

use std::path::Path;
use std::process::{Command, Stdio};

/// What is tried, in order, to reset the machine (`resource-protocol.md` 1.7).
pub const REBOOT_COMMANDS: [(&str, &[&str]); 2] =
    [("/sbin/reboot", &["-nf"]), ("/sbin/init", &["6"])];

/// Logged when nothing of that works.
pub const UNABLE: &str = "Unable to force reboot.";

/// Runs the first of [`REBOOT_COMMANDS`] that succeeds. True if one did; the machine may then still take a moment.
///
/// Blocks until the command has ended. The daemon must be dead before, without a farewell to its peers, which are to
/// notice by deadtime.
pub fn force() -> bool {
    REBOOT_COMMANDS.iter().any(|(program, arguments)| {
        let mut command = Command::new(program);
        command.args(*arguments).stdin(Stdio::null());
        Path::new(program).exists() && command.status().is_ok_and(|status| status.success())
    })
}
