//! `suicide`: this node resets itself (`stonith.md` 7). A cluster never asks for that: it resets others.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::{Code, Level, Request, Say};

/// `own` is `uname -n`. The legacy compares it as it is with the request in lower case, so that a name with capitals never
/// matches.
pub(crate) fn request(request: Request, node: &str, own: &str, say: &mut Say<'_>) -> Code {
    let (word, command) = match request {
        Request::On => {
            say(
                Level::Crit,
                "Suicide STONITH device not capable of power-on operation",
            );
            return Code::INVALID;
        }
        Request::Reset => ("reset", "sleep 2; exec /sbin/reboot -nf"),
        Request::Off => ("poweroff", "sleep 2; exec /sbin/poweroff -nf"),
    };
    if !own.eq_ignore_ascii_case(node) {
        say(Level::Crit, &format!("{own} doesn't control host [{node}]"));
        return Code::RESET_FAILED;
    }
    say(
        Level::Info,
        &format!("Initiating suicide-{word} on host {own}"),
    );
    // Two seconds, so that whoever asked hears of it; no atd, which nobody has any more.
    let started = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    match started {
        Ok(_) => Code::OK,
        Err(error) => {
            say(Level::Crit, &format!("cannot run /bin/sh: {error}"));
            Code::RESET_FAILED
        }
    }
}
