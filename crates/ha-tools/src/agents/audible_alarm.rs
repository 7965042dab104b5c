//! `AudibleAlarm`: rings the console's bell while resources are not where they belong (`resource-scripts.md` 10.3).

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use ha_resources::address::{AgentLevel, ocf};
use ha_sys::signals::Signal;
use ha_sys::{clock, process};

use super::wrapper::{Parameter, Script, Wish, Wrapper};
use crate::context::words;
use crate::output;

const SCRIPT: Script = Script {
    name: "AudibleAlarm",
    arguments: "[node1 node2 ... ]",
    usage_word: "Usage",
    usage_to_stderr: false,
    purpose: "Rings the bell of the console while the resources are on the wrong node.",
    parameters: &[Parameter {
        name: "nodelist",
        kind: "string",
        required: false,
        meaning: "The nodes that are at home here: they do not ring.",
    }],
};

const PID_FILE: &str = "/var/run/heartbeat-bell";
/// The call that rings, and by which a recorded process is known for one of ours.
const RING: &str = "--ring";
const CONSOLE: &str = "/dev/console";
const PAUSE: Duration = Duration::from_secs(1);
/// How long a new process may take to be seen, and how often it is looked for.
const STARTING: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(2);

/// The script.
pub(crate) fn main(program: &OsStr, args: &[OsString]) -> i32 {
    let wrapper = Wrapper::new(SCRIPT, program);
    let words = words(args);
    if words == [RING] {
        ring();
    }
    let Some((operation, nodes)) = words.split_last() else {
        return wrapper.usage();
    };
    let wish = match wrapper.wish(operation) {
        Ok(wish) => wish,
        Err(code) => return code,
    };
    let done = match wish {
        Wish::Start => start(program, nodes),
        Wish::Stop => silence().map(|()| ocf::SUCCESS),
        Wish::Monitor => Ok(match ringing() {
            Some(_) => {
                output::print("running\n");
                ocf::SUCCESS
            }
            None => {
                output::print("stopped\n");
                ocf::NOT_RUNNING
            }
        }),
    };
    let code = done.unwrap_or_else(|error| {
        wrapper.log(AgentLevel::Error, &format!("{PID_FILE}: {error}"));
        ocf::GENERIC
    });
    wrapper.finish(wish, code)
}

fn start(program: &OsStr, nodes: &[String]) -> io::Result<i32> {
    if is_at_home(nodes, &ha_sys::host::uname_node()) {
        return Ok(ocf::SUCCESS);
    }
    silence()?;
    let mut child = Command::new(env::current_exe()?)
        .arg0(Path::new(program).with_file_name(SCRIPT.name))
        .arg(RING)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(PID_FILE)?;
    writeln!(file, "{}", child.id())?;
    // The kernel lets us go on before it shows the child's words, by which a status or a stop that comes at once knows it.
    let patience = clock::monotonic() + STARTING;
    while ringing().is_none() {
        if child.try_wait()?.is_some() || clock::monotonic() >= patience {
            return Err(io::Error::other("the alarm does not ring"));
        }
        thread::sleep(LOOK);
    }
    Ok(ocf::SUCCESS)
}

/// The legacy compares the whole list, so that with two nodes in it the alarm rings everywhere.
fn is_at_home(nodes: &[String], own: &str) -> bool {
    nodes
        .iter()
        .flat_map(|word| word.split_whitespace())
        .any(|node| node.eq_ignore_ascii_case(own))
}

/// Ends the recorded process, if it is one that rings; numbers come back after a boot.
fn silence() -> io::Result<()> {
    if let Some(pid) = ringing() {
        process::signal_process(pid, Signal::SIGTERM)?;
    }
    match fs::remove_file(PID_FILE) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The process that rings.
fn ringing() -> Option<u32> {
    let pid: u32 = fs::read_to_string(PID_FILE).ok()?.trim().parse().ok()?;
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words = line.split(|&byte| byte == 0);
    let program = words.next().unwrap_or_default();
    let is_ours =
        program.ends_with(SCRIPT.name.as_bytes()) && words.next() == Some(RING.as_bytes());
    is_ours.then_some(pid)
}

/// Until somebody ends it.
fn ring() -> ! {
    loop {
        thread::sleep(PAUSE);
        // A console that cannot be opened at the moment may be there in a second.
        if let Ok(mut console) = OpenOptions::new().write(true).open(CONSOLE) {
            let _ = console.write_all(b"\x07");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_at_home() {
        let nodes = |words: &[&str]| {
            words
                .iter()
                .map(|&word| word.to_owned())
                .collect::<Vec<_>>()
        };
        assert!(is_at_home(&nodes(&["alpha", "beta"]), "beta"));
        assert!(is_at_home(&nodes(&["alpha beta"]), "BETA"));
        assert!(!is_at_home(&nodes(&["alpha"]), "beta"));
        assert!(!is_at_home(&[], "beta"));
    }
}
