//! A resource script that remembers everything and misbehaves on request.
//!
//! State of instance `x` is the file `/run/TestRsc.x` (lost at a power cut, like a process). Every call is
//! a line in `/var/log/TestRsc`: time in nanoseconds since 1970, instance, action, exit code.

use std::time::Duration;

use crate::{Host, Result};

/// Where the script is installed on both kinds of host.
const PATH: &str = "/etc/ha.d/resource.d/TestRsc";

const SCRIPT: &str = r#"#!/bin/sh
# A resource for tests: TestRsc INSTANCE [ARGUMENT...] start|stop|status
# /etc/TestRsc/INSTANCE.ACTION, if there, is sourced first: it may set "rc", sleep, print or exit.
instance=$1
for action; do :; done
state=/run/TestRsc.$instance
note() { echo "$(date +%s%N) $instance $action $1" >>/var/log/TestRsc; }
rc=0
note begin
[ -r "/etc/TestRsc/$instance.$action" ] && . "/etc/TestRsc/$instance.$action"
case "$action" in
start) [ "$rc" = 0 ] && : >"$state" ;;
stop) [ "$rc" = 0 ] && rm -f "$state" ;;
status) if [ -e "$state" ]; then echo running; else echo stopped; rc=3; fi ;;
*) rc=2 ;;
esac
note "$rc"
exit $rc
"#;

/// Handling of the `TestRsc` resource on a host.
pub struct TestRsc;

/// One finished or begun call of the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestRscCall {
    /// Wall-clock time since 1970.
    pub time: Duration,
    /// The instance, the script's first argument.
    pub instance: String,
    /// `start`, `stop` or `status`.
    pub action: String,
    /// The exit code; `None` for the line written when the call began.
    pub code: Option<i32>,
}

/// What an instance does wrong on one host until it is told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misbehaviour {
    /// `start` fails with this code.
    StartFails(i32),
    /// `stop` fails with this code and the resource stays as it is.
    StopFails(i32),
    /// `stop` does its work and then fails with this code.
    StopLies(i32),
    /// `start` takes this long.
    SlowStart(Duration),
    /// `stop` takes this long.
    SlowStop(Duration),
    /// `status` prints this instead of `running` or `stopped` (and exits 0).
    StatusSays(&'static str),
}

impl TestRsc {
    /// Installs the script.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn install(host: &Host) -> Result<()> {
        host.write_mode(PATH, SCRIPT, 0o755)?;
        host.sh("mkdir -p /etc/TestRsc").map(drop)
    }

    /// Whether an instance runs on a host (as its state file says; no process is started).
    pub fn is_running(host: &Host, instance: &str) -> bool {
        host.exists(&format!("/run/TestRsc.{instance}"))
    }

    /// Makes an instance misbehave from now on.
    ///
    /// # Errors
    /// When the control file cannot be written.
    pub fn misbehave(host: &Host, instance: &str, how: Misbehaviour) -> Result<()> {
        let (action, script) = match how {
            Misbehaviour::StartFails(code) => ("start", format!("rc={code}\n")),
            Misbehaviour::StopFails(code) => ("stop", format!("rc={code}\n")),
            Misbehaviour::StopLies(code) => ("stop", format!("rm -f \"$state\"; rc={code}\n")),
            Misbehaviour::SlowStart(time) => ("start", format!("sleep {}\n", time.as_secs_f64())),
            Misbehaviour::SlowStop(time) => ("stop", format!("sleep {}\n", time.as_secs_f64())),
            Misbehaviour::StatusSays(text) => {
                ("status", format!("echo '{text}'; note 0; exit 0\n"))
            }
        };
        host.write(&format!("/etc/TestRsc/{instance}.{action}"), &script)
    }

    /// Makes an instance behave again.
    ///
    /// # Errors
    /// When the control files cannot be removed.
    pub fn behave(host: &Host, instance: &str) -> Result<()> {
        host.sh(&format!("rm -f /etc/TestRsc/{instance}.*"))
            .map(drop)
    }

    /// All calls on a host so far, oldest first.
    pub fn calls(host: &Host) -> Vec<TestRscCall> {
        host.log_file("TestRsc")
            .lines()
            .filter_map(parse_call)
            .collect()
    }
}

fn parse_call(line: &str) -> Option<TestRscCall> {
    let mut words = line.split(' ');
    Some(TestRscCall {
        time: Duration::from_nanos(words.next()?.parse().ok()?),
        instance: words.next()?.to_owned(),
        action: words.next()?.to_owned(),
        code: words.next()?.parse().ok(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_parsed() {
        let call = parse_call("1795470762123456789 a start 3").unwrap();
        assert_eq!(
            (call.instance.as_str(), call.action.as_str(), call.code),
            ("a", "start", Some(3))
        );
        assert_eq!(parse_call("17 a start begin").unwrap().code, None);
        assert_eq!(parse_call("garbage"), None);
    }
}
