//! What the processes of a heartbeat use, read from `/proc` of the host without starting a process.

use std::fs;
use std::path::PathBuf;

use crate::Host;

/// What the heartbeat of one host uses at a moment, its processes added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Processes of the daemon.
    pub processes: usize,
    /// All other processes of the host but its init: children, scripts, clients.
    pub others: usize,
    /// Open descriptors.
    pub descriptors: usize,
    /// Resident memory, in KiB. Pages that several processes share are counted for each.
    pub resident_kib: u64,
}

impl Host {
    /// What its heartbeat uses now; zeros where none runs.
    pub fn vitals(&self) -> Vitals {
        let daemons = self.heartbeat_pids();
        // An enterer of the namespaces may pass by; the init is number 1.
        let all = self.processes();
        let mut vitals = Vitals {
            processes: daemons.len(),
            others: all
                .iter()
                .filter(|process| process.pid != 1 && !daemons.contains(&process.pid))
                .count(),
            ..Vitals::default()
        };
        let Ok(init) = self.pid() else {
            return vitals;
        };
        for daemon in daemons {
            let place = PathBuf::from(format!("/proc/{init}/root/proc/{daemon}"));
            vitals.descriptors += fs::read_dir(place.join("fd")).map_or(0, Iterator::count);
            let status = fs::read_to_string(place.join("status")).unwrap_or_default();
            vitals.resident_kib += resident(&status);
        }
        vitals
    }
}

/// `VmRSS` of a `status` file.
fn resident(status: &str) -> u64 {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap_or_default();
    let number = line.split_whitespace().next();
    number.and_then(|word| word.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_found_among_the_lines() {
        let status = "Name:\theartbeat\nVmHWM:\t    3000 kB\nVmRSS:\t    2868 kB\nThreads:\t2\n";
        assert_eq!(resident(status), 2868);
        assert_eq!(resident("Name:\tkthreadd\n"), 0);
    }
}
