//! The process that keeps a user-mode kernel: pid 1 of the namespace in which the kernel's own processes live.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio, exit};
use std::thread;

use nix::sched::unshare;

use crate::error::Doing;
use crate::helper::{MARKER, Options};
use crate::machine::PROGRAM;
use crate::namespaces::{
    control_socket, die_with_parent, enter_user_namespace, inner_namespaces, run_inner, say,
};
use crate::rootfs::{make_private, mount_fs};
use crate::{LabError, Result};

/// The outer process: makes the namespaces, then waits for the inner one.
pub(crate) fn kernel_outer(options: &Options) -> Result<()> {
    let control = control_socket()?;
    if !enter_user_namespace(options, &control)? {
        return Ok(());
    }
    if let Err(error) = unshare(inner_namespaces()) {
        return say(
            &control,
            &format!("unavailable cannot make namespaces: {error}"),
        );
    }
    run_inner("kernel-init", options, &control)
}

/// The inner process: starts the kernel and ends with it, or when the harness does.
pub(crate) fn kernel_init(options: &Options) -> Result<()> {
    die_with_parent()?;
    let mut control = control_socket()?;
    let mut kernel = match start(options) {
        Ok(child) => child,
        Err(error) => return say(&control, &format!("unavailable {error}")),
    };
    say(&control, "ready")?;
    thread::spawn(move || {
        let _ = kernel.wait();
        // With pid 1 everything in the namespace ends.
        exit(0)
    });
    let mut nothing = [0; 64];
    while matches!(control.read(&mut nothing), Ok(n) if n > 0) {}
    Ok(())
}

fn start(options: &Options) -> Result<std::process::Child> {
    make_private()?;
    // The kernel looks itself up in /proc: it must be the one of this process namespace.
    mount_fs("proc", Path::new("/proc"), "proc", "")?;
    // For the kernel's memory, its own files, and a name for its init that has no blanks.
    let dir = Path::new(options.get("dir")?);
    mount_fs("tmpfs", dir, "tmpfs", "mode=755")?;
    let exe = std::env::current_exe().doing(|| "path of this program".into())?;
    let init = dir.join("init");
    symlink(&exe, &init).doing(|| format!("link {}", init.display()))?;
    let duplicate = |fd: std::os::fd::BorrowedFd<'_>| -> Result<Stdio> {
        let fd: OwnedFd = fd.try_clone_to_owned().doing(|| "dup".into())?;
        Ok(Stdio::from(fd))
    };
    let mut command = Command::new(PROGRAM);
    command
        .arg(format!("mem={}M", options.get("memory")?))
        .args(["rootfstype=hostfs", "ro", "quiet"])
        .arg(format!("init={}", init.display()))
        // The console is only heard; the first serial line is the channel to the harness.
        .args(["con=null", "con0=null,fd:1", "con1=null"])
        .args(["ssl=null", "ssl0=fd:0"])
        .arg("umid=kernel")
        .arg(format!("uml_dir={}/", dir.display()))
        .args(["--", MARKER, "guest-init"])
        .args(options.as_arguments())
        .env("TMPDIR", dir)
        .env("PATH", search_path())
        .stdin(duplicate(std::io::stdout().as_fd())?)
        .stdout(duplicate(std::io::stderr().as_fd())?)
        .stderr(duplicate(std::io::stderr().as_fd())?);
    command
        .spawn()
        .map_err(|error| LabError::Io(PROGRAM.into(), error))
}

/// The user's search path and the system directories that users often lack.
fn search_path() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{path}:/usr/sbin:/usr/bin:/sbin:/bin")
}
