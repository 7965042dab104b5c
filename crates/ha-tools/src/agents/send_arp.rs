//! `SendArp`: announces an address that something else holds (`resource-scripts.md` 7).
//!
//! In 2.1 `status` always says that it runs, so resource management never starts it. Here, as in later versions, a note
//! remembers whether it was started.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};

use ha_net::pidfile;
use ha_resources::Paths;
use ha_resources::address::{AgentLevel, ocf};

use super::pseudo::Note;
use super::wrapper::{Parameter, Script, Wish, Wrapper};
use crate::context::words;
use crate::send_arp;

const SCRIPT: Script = Script {
    name: "SendArp",
    arguments: "ip-address/interface",
    usage_word: "usage",
    usage_to_stderr: false,
    purpose: "Tells the neighbours that an address is here.",
    parameters: &[
        Parameter {
            name: "ip",
            kind: "string",
            required: true,
            meaning: "The address.",
        },
        Parameter {
            name: "nic",
            kind: "string",
            required: true,
            meaning: "The interface on which it is announced.",
        },
    ],
};

/// What an administrator may set in `/etc/ha.d/conf/arp_config`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plan {
    interval_ms: String,
    repeat: String,
    background: bool,
    netmask: String,
}

/// The script.
pub(crate) fn main(program: &OsStr, args: &[OsString]) -> i32 {
    let wrapper = Wrapper::new(SCRIPT, program);
    let words = words(args);
    let [spec, operation] = words.as_slice() else {
        return wrapper.wrong_words(&words);
    };
    let wish = match wrapper.wish(operation) {
        Ok(wish) => wish,
        Err(code) => return code,
    };
    let (ip, nic) = split(spec);
    if ip.is_empty() || nic.is_empty() {
        wrapper.log(AgentLevel::Error, "an address and an interface are needed");
        return wrapper.finish(wish, ocf::ARGUMENTS);
    }
    let note = Note::new(&format!("SendArp_SendArp_{ip}"));
    let code = match wish {
        Wish::Start => start(&wrapper, &note, ip, nic),
        Wish::Stop => stop(&wrapper, &note, ip, nic),
        Wish::Monitor if note.exists() => ocf::SUCCESS,
        Wish::Monitor => ocf::NOT_RUNNING,
    };
    wrapper.finish(wish, code)
}

/// Without a slash the interface is the address itself, and nothing will be sent.
fn split(spec: &str) -> (&str, &str) {
    spec.split_once('/').unwrap_or((spec, spec))
}

fn start(wrapper: &Wrapper, note: &Note, ip: &str, nic: &str) -> i32 {
    let pidfile = send_arp::default_pidfile(ip);
    if note.exists() || pidfile.exists() {
        // Somebody announces it already: a script for the address itself, perhaps.
        return made(wrapper, note);
    }
    let plan = plan(nic);
    let arguments = [
        "-i",
        &plan.interval_ms,
        "-r",
        &plan.repeat,
        "-p",
        &pidfile.to_string_lossy(),
        nic,
        ip,
        "auto",
        ip,
        &plan.netmask,
    ]
    .map(str::to_owned);
    wrapper.log(
        AgentLevel::Info,
        &format!("send_arp {}", arguments.join(" ")),
    );
    let sent = match plan.background {
        true => send_arp::spawn(&pidfile, &arguments).is_ok(),
        false => send_arp::command(&arguments)
            .status()
            .is_ok_and(|status| status.success()),
    };
    if !sent {
        wrapper.log(AgentLevel::Error, "Could not send gratuitous arps");
    }
    // As ever: whether anything could be sent does not decide.
    made(wrapper, note)
}

fn made(wrapper: &Wrapper, note: &Note) -> i32 {
    match note.make() {
        Ok(()) => ocf::SUCCESS,
        Err(error) => {
            wrapper.log(
                AgentLevel::Error,
                &format!("cannot keep the state: {error}"),
            );
            ocf::GENERIC
        }
    }
}

fn stop(wrapper: &Wrapper, note: &Note, ip: &str, nic: &str) -> i32 {
    let was_started = note.exists();
    let retired =
        pidfile::retire(&send_arp::default_pidfile(ip)).and_then(|pid| note.remove().map(|()| pid));
    match retired {
        Ok(pid) => {
            if pid.is_some() {
                let text = format!("killed previously running send_arp for {ip}");
                wrapper.log(AgentLevel::Info, &text);
            }
            if pid.is_some() || was_started {
                wrapper.log(
                    AgentLevel::Info,
                    &format!("SendArp for {ip}/{nic} released"),
                );
            }
            ocf::SUCCESS
        }
        Err(error) => {
            let text = format!("Could not end the announcer of {ip}: {error}");
            wrapper.log(AgentLevel::Warning, &text);
            ocf::GENERIC
        }
    }
}

/// The defaults, and what `arp_config` and `arp_config:<interface>` say otherwise. They are shell files, so a shell reads
/// them.
fn plan(nic: &str) -> Plan {
    let mut plan = Plan {
        interval_ms: "200".to_owned(),
        repeat: "5".to_owned(),
        background: true,
        netmask: "ffffffffffff".to_owned(),
    };
    let directory = Paths::from_environment(|name| env::var_os(name))
        .config
        .join("conf");
    for name in ["arp_config".to_owned(), format!("arp_config:{nic}")] {
        let file = directory.join(name.replace('/', "_"));
        if file.is_file() {
            read(&file, &mut plan);
        }
    }
    plan
}

fn read(file: &Path, plan: &mut Plan) {
    const QUESTION: &str = ". \"$1\" >/dev/null; printf '%s\\n' \"$ARP_INTERVAL_MS\" \"$ARP_REPEAT\" \
         \"$ARP_BACKGROUND\" \"$ARP_NETMASK\"";
    let output = Command::new("sh")
        .args(["-c", QUESTION, "sh"])
        .arg(file)
        .env("ARP_INTERVAL_MS", &plan.interval_ms)
        .env("ARP_REPEAT", &plan.repeat)
        .env("ARP_BACKGROUND", if plan.background { "yes" } else { "no" })
        .env("ARP_NETMASK", &plan.netmask)
        .stdin(Stdio::null())
        .output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    if let [interval_ms, repeat, background, netmask] = lines.as_slice() {
        *plan = Plan {
            interval_ms: (*interval_ms).to_owned(),
            repeat: (*repeat).to_owned(),
            background: *background == "yes",
            netmask: (*netmask).to_owned(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_and_interface() {
        assert_eq!(split("10.0.0.1/eth0"), ("10.0.0.1", "eth0"));
        assert_eq!(split("10.0.0.1/eth0/x"), ("10.0.0.1", "eth0/x"));
        assert_eq!(split("10.0.0.1"), ("10.0.0.1", "10.0.0.1"));
        assert_eq!(split("/eth0"), ("", "eth0"));
        assert_eq!(split("10.0.0.1/"), ("10.0.0.1", ""));
    }

    #[test]
    fn the_configuration_is_a_shell_file() {
        let file = env::temp_dir().join(format!("ha-arp-config-{}", std::process::id()));
        std::fs::write(&file, "ARP_REPEAT=$((2+1))\nARP_BACKGROUND=no\n").expect("a file");
        let mut plan = plan("no such interface");
        read(&file, &mut plan);
        std::fs::remove_file(&file).expect("removed");
        assert_eq!(
            (
                plan.interval_ms.as_str(),
                plan.repeat.as_str(),
                plan.background
            ),
            ("200", "3", false)
        );
    }
}
