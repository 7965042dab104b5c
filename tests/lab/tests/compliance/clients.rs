//! The daemon as its local clients see it: what `client-api.md` promises them, the same words from either daemon.
//!
//! Two kinds of client look: Debian's own programs as they are, and a bare one that sends and reads single messages.

mod api_test;
mod events;
mod messages;
mod refusals;
mod requests;
mod respawn;
mod status;
mod words;

use ha_lab::{Host, LabError, Output, Result};

use crate::pair::Pair;
use crate::runner::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "clients_cl_status",
        modes: &["on"],
        run: status::every_sub_command,
    },
    Scenario {
        name: "clients_requests",
        modes: &["off"],
        run: requests::dialogues,
    },
    Scenario {
        name: "clients_events",
        modes: &["on"],
        run: events::peer_and_ping_node,
    },
    Scenario {
        name: "clients_respawn",
        modes: &["on"],
        run: respawn::managed_clients,
    },
    Scenario {
        name: "clients_failfast",
        modes: &["on"],
        run: respawn::vital_client,
    },
];

/// The host that answers pings.
const PING_NODE: &str = "10.0.0.9";

/// Where Debian's programs are put on a host that has other ones in their places.
const DEBIAN: &str = "/opt/debian";

/// Debian's programs, with whether they belong to the group haclient when they run (`client-api.md` 1.1).
const PROGRAMS: &[(&str, bool)] = &[
    ("/usr/bin/cl_status", true),
    ("/usr/libexec/heartbeat/api_test", true),
    ("/usr/libexec/heartbeat/ipfail", false),
];

/// Lets the configuration say what these scenarios need, and brings Debian's programs to both nodes.
fn prepare(pair: &Pair, more: &[&str]) -> Result<()> {
    for host in pair.nodes() {
        install_programs(host)?;
        let mut file = pair
            .ha_cf(host)
            .line(&format!("ping {PING_NODE}"))
            .line("apiauth default uid=root");
        for line in more {
            file = file.line(line);
        }
        host.write("/etc/ha.d/ha.cf", &file.text())?;
    }
    Ok(())
}

fn install_programs(host: &Host) -> Result<()> {
    for &(path, of_group) in PROGRAMS {
        let octets = std::fs::read(path)
            .map_err(|error| LabError::Unavailable(format!("Debian's {path}: {error}")))?;
        let target = debian(path);
        host.write_octets(&target, &octets, 0o555)?;
        if of_group {
            host.sh(&format!("chgrp haclient {target} && chmod 2555 {target}"))?;
        }
    }
    Ok(())
}

/// The place of Debian's program on every host.
fn debian(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    format!("{DEBIAN}/{name}")
}

/// Collects what differs, so that a report has all of it.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn compare(&mut self, what: &str, expected: &[impl AsRef<str>], seen: &[impl AsRef<str>]) {
        let same = expected.len() == seen.len()
            && expected
                .iter()
                .zip(seen)
                .all(|(expected, seen)| matches(expected.as_ref(), seen.as_ref()));
        if same {
            return;
        }
        let mut text = format!("{what}\n");
        for line in expected {
            text.push_str(&format!("    - {}\n", line.as_ref()));
        }
        for line in seen {
            text.push_str(&format!("    + {}\n", line.as_ref()));
        }
        self.0.push(text);
    }

    fn finish(self) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(LabError::unexpected(format!(
            "differs (- expected, + seen):\n{}",
            self.0.concat()
        )))
    }
}

/// Whether a line is the expected one; each `%` stands for any text. A line that is the same is the same whatever it holds.
fn matches(expected: &str, seen: &str) -> bool {
    if expected == seen {
        return true;
    }
    let mut parts = expected.split('%');
    let Some(mut rest) = parts.next().and_then(|first| seen.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else {
            return false;
        };
        rest = after;
    }
    rest.ends_with(last)
}

/// What a command printed, line by line, with its code: `exit 0`, `out: ...`, `err: ...`.
fn transcript(output: &Output) -> Vec<String> {
    let lines = |label: &str, text: &str| {
        let of = |line: &str| format!("{label}: {line}");
        text.split_terminator('\n').map(of).collect::<Vec<_>>()
    };
    let mut all = lines("out", &output.stdout);
    all.extend(lines("err", &output.stderr));
    all.push(format!("exit {}", output.code()));
    all
}

/// Both nodes run and each has its group.
fn started(pair: &Pair, more: &[&str]) -> Result<()> {
    prepare(pair, more)?;
    pair.settle()
}
