//! The outer helper processes: they enter new namespaces and start the pid 1 inside.
//!
//! A process that unshares its pid namespace does not enter it itself, only its children do; hence two
//! processes each for a lab and for a host. The outer one does nothing more than wait.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

use crate::Result;
use crate::error::Doing;
use crate::helper::{MARKER, Options};

/// The outer process of a lab: its inner one lives in the bridge's network namespace and in a mount
/// namespace with the tmpfs that holds the hosts' disks.
pub(crate) fn lab_outer(options: &Options) -> Result<()> {
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
    run_inner("lab-init", options, &control)
}

/// Enters a user namespace if the options ask for one and waits until the harness has mapped its ids. `false` when it
/// cannot be had; the harness knows then.
pub(crate) fn enter_user_namespace(options: &Options, control: &UnixStream) -> Result<bool> {
    if options.find("rootless").is_none() {
        return Ok(true);
    }
    if let Err(error) = unshare(CloneFlags::CLONE_NEWUSER) {
        say(
            control,
            &format!("unavailable not root, and no user namespace: {error}"),
        )?;
        return Ok(false);
    }
    say(control, "user")?;
    let mut line = String::new();
    BufReader::new(control)
        .read_line(&mut line)
        .doing(|| "waiting for the id maps".into())?;
    Ok(true)
}

/// The outer process of a host: joins the lab's mount namespace (and user namespace), then makes its own.
pub(crate) fn host_outer(options: &Options) -> Result<()> {
    let control = control_socket()?;
    let lab = options.get("lab")?;
    let open = |kind: &str| {
        let path = format!("/proc/{lab}/ns/{kind}");
        File::open(&path).doing(|| path)
    };
    let (user, mnt) = (open("user")?, open("mnt")?);
    if options.find("rootless").is_some() {
        setns(user.as_fd(), CloneFlags::CLONE_NEWUSER)
            .doing(|| "entering the lab's user namespace".into())?;
    }
    setns(mnt.as_fd(), CloneFlags::CLONE_NEWNS)
        .doing(|| "entering the lab's mount namespace".into())?;
    unshare(inner_namespaces()).doing(|| "making the host's namespaces".into())?;
    run_inner("host-init", options, &control)
}

/// The namespaces that make a machine.
pub(crate) fn inner_namespaces() -> CloneFlags {
    CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWPID
}

/// Starts the process that lives in the new namespaces, tells its pid, and waits for its end.
pub(crate) fn run_inner(role: &str, options: &Options, control: &UnixStream) -> Result<()> {
    let stdin = control
        .as_fd()
        .try_clone_to_owned()
        .doing(|| "dup".into())?;
    let mut inner = Command::new("/proc/self/exe")
        .arg(MARKER)
        .arg(role)
        .args(options.as_arguments())
        .stdin(Stdio::from(stdin))
        .spawn()
        .doing(|| format!("starting {role}"))?;
    say(control, &format!("pid {}", inner.id()))?;
    inner.wait().doing(|| "waiting".into())?;
    Ok(())
}

/// The socket to the harness, which is standard input; also asks the kernel to end us with our parent.
pub(crate) fn control_socket() -> Result<UnixStream> {
    let stdin: OwnedFd = std::io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .doing(|| "dup".into())?;
    Ok(UnixStream::from(stdin))
}

/// Ends this process when its parent does. Only for an inner process: its parent has one thread, whereas
/// the harness may start hosts from threads that end before the host does.
pub(crate) fn die_with_parent() -> Result<()> {
    set_pdeathsig(Signal::SIGKILL).doing(|| "parent death signal".into())
}

/// Writes one line to the harness.
pub(crate) fn say(mut control: &UnixStream, line: &str) -> Result<()> {
    // One write per line: two processes speak on this socket, and half a line of one must not end up in the other's.
    let line = line.replace('\n', " | ") + "\n";
    control
        .write_all(line.as_bytes())
        .doing(|| "writing to the harness".into())
}
