//! A crowd of clients that are stalled, speak rubbish, want what is not for them, and flood: the cluster must not notice.

use std::time::Duration;

use ha_lab::{Host, LabError, Result, seconds, wait_until};

use crate::pair::Pair;
use crate::runner::Scenario;

pub const SCENARIOS: &[Scenario] = &[Scenario {
    name: "crowd_of_clients",
    modes: &["on"],
    run: crowd_of_clients,
}];

/// Clients that misbehave.
const CROWD: usize = 500;

/// What the daemon may have used at most, in KiB. Three quarters of it are what half-sent frames may bind, twice.
const MEMORY_MAX_KIB: u64 = 96 * 1024;

/// Lines that the crowd causes.
const CAUSED: &[&str] = &[
    "failed authorization",
    "bad pid [",
    "cannot add client(",
    "is cut off",
    "impersonation",
    "MSG",
    "clients already",
    "api_process_request",
];

fn crowd_of_clients(pair: &Pair) -> Result<()> {
    let alpha = &pair.alpha;
    if !alpha.is_ours() {
        let why = "the legacy ends when it sees what this crowd sends";
        return Err(LabError::Unavailable(why.into()));
    }
    for host in pair.nodes() {
        let file = pair.ha_cf(host).line("apiauth default uid=root");
        host.write("/etc/ha.d/ha.cf", &file.text())?;
    }
    pair.settle()?;
    let before = descriptors(alpha)?;
    let mut crowd = alpha.crowd()?;
    crowd.connect(CROWD)?;
    crowd.misbehave()?;
    // Stalled are those who said nothing, who never finish, who never look, and who are about to flood.
    wait_until(
        "the daemon hangs up on those it cannot serve",
        seconds(20),
        || crowd.open().is_ok_and(|open| open <= CROWD * 4 / 10),
    )?;
    answers(alpha)?;
    let undamaged = crowd.flood()?;
    if undamaged > 0 {
        return Err(LabError::unexpected(format!(
            "{undamaged} clients that never read were not cut off"
        )));
    }
    answers(alpha)?;
    // More than there is room for: the last ones are turned away, and the daemon keeps its descriptors for itself.
    crowd.connect(1000)?;
    let mut open = usize::MAX;
    wait_until("the last ones are turned away", seconds(20), || {
        open = crowd.open().unwrap_or(usize::MAX);
        open <= 600
    })?;
    pair.stays("nobody notices", Duration::from_secs(2), || {
        pair.is_at("alpha", "beta")
    })?;
    crowd.leave()?;
    wait_until("all descriptors are back", seconds(20), || {
        descriptors(alpha).is_ok_and(|now| now <= before)
    })?;
    answers(alpha)?;
    let peak = peak_memory(alpha)?;
    if peak > MEMORY_MAX_KIB {
        return Err(LabError::unexpected(format!(
            "the daemon has used {peak} KiB"
        )));
    }
    for host in pair.nodes() {
        for sign in [
            "Late heartbeat",
            "woke up too late",
            "did not run for",
            "is dead",
        ] {
            if let Some(line) = host.log().lines().find(|line| line.contains(sign)) {
                return Err(LabError::unexpected(format!("{}: {line}", host.name())));
            }
        }
    }
    pair.check("alpha", "beta", CAUSED)
}

fn answers(host: &Host) -> Result<()> {
    let output = host.run(&["/usr/bin/cl_status", "hbstatus"])?;
    if output.code() != 0 {
        return Err(LabError::unexpected(format!("cl_status: {output:?}")));
    }
    Ok(())
}

fn daemon(host: &Host) -> Result<String> {
    let pids = host.heartbeat_pids();
    match pids.first() {
        Some(pid) => Ok(format!("/proc/{pid}")),
        None => Err(LabError::unexpected("no daemon runs")),
    }
}

fn descriptors(host: &Host) -> Result<usize> {
    let output = host.run(&["ls", &format!("{}/fd", daemon(host)?)])?;
    Ok(output.stdout.lines().count())
}

/// `VmHWM`, in KiB.
fn peak_memory(host: &Host) -> Result<u64> {
    let output = host.run(&["cat", &format!("{}/status", daemon(host)?)])?;
    let line = output
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.trim().split(' ').next()?.parse().ok())
        .ok_or_else(|| LabError::unexpected(format!("no VmHWM in {}", output.stdout)))
}
