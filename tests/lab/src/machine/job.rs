//! A job of the guest: a program of the test, alone in namespaces of its own.

use std::process::{Command, exit};

use nix::sched::unshare;
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::Pid;

use crate::error::Doing;
use crate::helper::{MARKER, Options};
use crate::namespaces::{die_with_parent, inner_namespaces};
use crate::rootfs::{make_private, mount_fs};
use crate::{LabError, Result};

/// A function that a [`crate::UserModeKernel`] can run in the guest.
///
/// It runs as root, in a process of its own, in fresh namespaces for network, mounts, processes, IPC and host name.
/// Its standard output and standard error reach the harness; an error is printed to standard error and makes exit
/// code 1. Everything that it leaves behind is killed when it returns.
#[derive(Clone, Copy)]
pub struct GuestProgram {
    /// What [`crate::UserModeKernel::start_job`] calls it.
    pub name: &'static str,
    /// What it does; the argument holds the words given to `start_job`.
    pub run: fn(&[String]) -> Result<()>,
}

/// The process that the guest's server starts: makes the namespaces.
pub(crate) fn job_outer(options: &Options) -> Result<()> {
    die_with_parent()?;
    unshare(inner_namespaces()).doing(|| "making a job's namespaces".into())?;
    let mut inner = again("job-init", options)?;
    let status = inner.wait().doing(|| "waiting".into())?;
    exit(status.code().unwrap_or(137))
}

/// Pid 1 of the job: reaps until the job has ended; with it ends everything that the job started.
pub(crate) fn job_init(options: &Options) -> Result<()> {
    die_with_parent()?;
    make_private()?;
    mount_fs("proc", std::path::Path::new("/proc"), "proc", "")?;
    let main = again("job-main", options)?;
    let main = Pid::from_raw(i32::try_from(main.id()).unwrap_or(-1));
    loop {
        match wait() {
            Ok(WaitStatus::Exited(pid, code)) if pid == main => exit(code),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == main => exit(128 + signal as i32),
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => {
                return Err(LabError::unexpected(format!("waiting for a job: {error}")));
            }
        }
    }
}

/// The job itself.
pub(crate) fn job_main(options: &Options, programs: &[GuestProgram]) -> Result<()> {
    let words: Vec<String> = (0..)
        .map_while(|index| options.given(&format!("word{index}")).map(str::to_owned))
        .collect();
    let name = words.first().map_or("", String::as_str);
    let program = programs
        .iter()
        .find(|program| program.name == name)
        .ok_or_else(|| LabError::unexpected(format!("no guest program is called {name:?}")))?;
    (program.run)(words.get(1..).unwrap_or_default())
}

fn again(role: &str, options: &Options) -> Result<std::process::Child> {
    Command::new("/proc/self/exe")
        .arg(MARKER)
        .arg(role)
        .args(options.as_arguments())
        .spawn()
        .doing(|| format!("starting {role}"))
}
