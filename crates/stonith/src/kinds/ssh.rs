//! `ssh`: remote login and `reboot -nf` (`stonith.md` 7). It needs the very node that is believed dead to answer, so it is
//! good for tests only.

use std::time::Duration;

use crate::run::{Call, End};
use crate::{Code, Level, Parameters, Request, Say};

/// For the login.
const LOGIN: Duration = Duration::from_secs(60);
/// How often the node is pinged afterwards, and how long to wait in between.
const PINGS: u32 = 15;
const PAUSE: Duration = Duration::from_secs(1);

/// The legacy ignores how the login went: a node that cannot be reached at all answers no ping either, and counts as
/// reset. Here the login has to succeed first.
pub(crate) fn request(
    request: Request,
    node: &str,
    parameters: &Parameters,
    say: &mut Say<'_>,
) -> Code {
    let (word, command) = match request {
        Request::On => {
            say(
                Level::Crit,
                "SSH STONITH device not capable of power-on operation",
            );
            return Code::INVALID;
        }
        Request::Reset => ("reset", "/sbin/reboot -nf"),
        Request::Off => ("poweroff", "/sbin/poweroff -nf"),
    };
    if !parameters.hosts("hostlist").iter().any(|host| host == node) || node.starts_with('-') {
        let text = format!("SSH STONITH device doesn't control host [{node}]");
        say(Level::Crit, &text);
        return Code::BAD_HOST;
    }
    say(
        Level::Info,
        &format!("Initiating ssh-{word} on host: {node}"),
    );
    let remote = format!("echo 'sleep 2; {command}' | SHELL=/bin/sh at now >/dev/null 2>&1");
    let login = Call {
        program: "ssh".into(),
        arguments: vec![
            "-q",
            "-x",
            "-o",
            "BatchMode=yes",
            "-n",
            "-l",
            "root",
            node,
            &remote,
        ],
        environment: Vec::new(),
        input: None,
        limit: LOGIN,
    };
    match login.run().map(|done| done.end) {
        Ok(End::Code(0)) => {}
        Ok(End::Code(rc)) => {
            let text = format!("cannot run a command on host {node} by ssh: rc {rc}");
            say(Level::Crit, &text);
            return Code::RESET_FAILED;
        }
        Ok(End::TimedOut) => {
            let text = format!(
                "no answer from host {node} by ssh within {} s",
                LOGIN.as_secs()
            );
            say(Level::Crit, &text);
            return Code::RESET_FAILED;
        }
        Err(error) => {
            say(Level::Crit, &format!("cannot run ssh: {error}"));
            return Code::OOPS;
        }
    }
    for _ in 0..PINGS {
        std::thread::sleep(PAUSE);
        let ping = Call {
            program: "ping".into(),
            arguments: vec!["-w1", "-c1", node],
            environment: Vec::new(),
            input: None,
            limit: PAUSE * 5,
        };
        // Exactly 1 means "no answer"; everything else may be ping's own trouble.
        if ping.run().is_ok_and(|done| done.end == End::Code(1)) {
            return Code::OK;
        }
    }
    let text = format!("still able to ping {node} after {PINGS} tries, stonith did not work");
    say(Level::Crit, &text);
    Code::RESET_FAILED
}
