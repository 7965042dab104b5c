//! The pair under chaos: two nodes, a client, a group for each node; and how a node is put right.

use std::sync::Arc;

use super::plan::NODES;
use crate::{
    Authkeys, HaCf, Host, HostSpec, Implementation, Lab, LabError, Result, TestRsc, seconds,
    wait_until,
};

/// What a node owns: an address and a service.
pub(crate) struct Group {
    pub(crate) address: &'static str,
    /// The instance of the test resource.
    pub(crate) instance: &'static str,
}

/// Alpha's group and beta's.
pub(crate) const GROUPS: [Group; 2] = [
    Group {
        address: "10.0.0.100",
        instance: "a",
    },
    Group {
        address: "10.0.0.101",
        instance: "b",
    },
];

/// What is added to the calendar of a host's daemons, in seconds. Nothing while there is no file.
pub(crate) const CALENDAR: &str = "/etc/calendar-offset";

/// Where a host has the library that adds it.
const CALENDAR_LIBRARY: &str = "/usr/local/lib/calendar.so";

/// Where the number of a host's syslog is.
pub(crate) const SYSLOG_PID: &str = "/run/syslog.pid";

/// Room on each of the two disks of a node. The logs of an hour fit.
const DISK_MIB: u32 = 64;

/// The pair, and what its hosts are connected with.
pub(crate) struct Site {
    pub(crate) lab: Lab,
    pub(crate) nodes: [Arc<Host>; 2],
    pub(crate) client: Arc<Host>,
    /// The library that gives a process a calendar of its own, if it was built.
    calendar: Option<Vec<u8>>,
}

impl Site {
    /// Makes the hosts and configures them; nothing is started.
    pub(crate) fn new(pair: [Implementation; 2], failback: &str) -> Result<Site> {
        let calendar = calendar();
        for implementation in pair {
            implementation.check_available()?;
        }
        let lab = Lab::new("chaos")?;
        let node = |number: usize| {
            lab.host(
                HostSpec::new(NODES[number])
                    .runs(pair[number])
                    .disks(DISK_MIB)
                    .nic("eth0", &format!("10.0.0.{}/24", number + 1)),
            )
        };
        let nodes = [node(0)?, node(1)?];
        let client = lab.host(HostSpec::new("client").nic("eth0", "10.0.0.9/24"))?;
        let site = Site {
            lab,
            nodes,
            client,
            calendar,
        };
        let file = HaCf::for_tests(&NODES)
            .auto_failback(failback)
            .bcast("eth0")
            .text()
            .replace("logfacility none", "logfacility daemon");
        let groups: Vec<String> = NODES
            .iter()
            .zip(&GROUPS)
            .map(|(node, group)| {
                let (address, instance) = (group.address, group.instance);
                format!("{node} {address}/24/eth0 TestRsc::{instance}\n")
            })
            .collect();
        for host in &site.nodes {
            host.write("/etc/ha.d/ha.cf", &file)?;
            host.write("/etc/ha.d/haresources", &groups.concat())?;
            let keys = Authkeys::new("sha1", "the secret");
            host.write_mode("/etc/ha.d/authkeys", keys.text(), 0o600)?;
            if let Some(library) = &site.calendar {
                host.write_octets(CALENDAR_LIBRARY, library, 0o755)?;
            }
            TestRsc::install(host)?;
        }
        Ok(site)
    }

    /// Whether calendars can jump here.
    pub(crate) fn has_calendars(&self) -> bool {
        self.calendar.is_some()
    }

    pub(crate) fn other(&self, host: &Arc<Host>) -> &Arc<Host> {
        let [alpha, beta] = &self.nodes;
        if Arc::ptr_eq(host, alpha) {
            beta
        } else {
            alpha
        }
    }

    /// Starts the daemon of a host that is up, and what runs beside it: a syslog, and a local client that asks all the time.
    pub(crate) fn start(&self, host: &Arc<Host>) -> Result<()> {
        start_syslog(host)?;
        let daemon = host.daemon()?;
        let environment = match self.calendar {
            Some(_) => format!("LD_PRELOAD={CALENDAR_LIBRARY} "),
            None => String::new(),
        };
        host.sh(&format!("{environment}exec {daemon}"))?;
        host.sh(&format!(
            "[ -e /run/asking ] && exit 0
             : >/run/asking
             while :; do
                 timeout 20 cl_status listnodes
                 timeout 20 cl_status nodestatus {}
                 timeout 20 cl_status rscstatus
                 sleep 0.5
             done >/dev/null 2>&1 &",
            self.other(host).name()
        ))
        .map(drop)
    }

    /// Boots a host that is off and starts a daemon where none runs. Whether there was anything to do.
    pub(crate) fn ensure_running(&self, host: &Arc<Host>) -> Result<bool> {
        let boots = !host.is_up();
        if boots {
            // Its cards are perhaps still plugged in, if it has gone down by itself.
            host.power_cut()?;
            host.power_up(crate::PowerUp::DiskKept)?;
        }
        let starts = host.heartbeat_pids().is_empty();
        if starts {
            self.start(host)?;
        }
        Ok(boots || starts)
    }

    /// Each group is whole on one node and nowhere else, and each daemon says that the other node is active.
    pub(crate) fn serves(&self) -> bool {
        let one_holder = GROUPS.iter().all(|group| {
            let holds = self.nodes.each_ref().map(|host| holds(host, group));
            matches!(
                holds,
                [(true, true), (false, false)] | [(false, false), (true, true)]
            )
        });
        one_holder && self.nodes.iter().all(|host| self.sees_the_other(host))
    }

    fn sees_the_other(&self, host: &Arc<Host>) -> bool {
        let words = ["cl_status", "nodestatus", self.other(host).name()];
        host.run_for(&words, seconds(5))
            .is_ok_and(|output| output.stdout.trim() == "active")
    }
}

/// Whether a node has the group's address, and whether it runs the service.
pub(crate) fn holds(host: &Host, group: &Group) -> (bool, bool) {
    (
        host.has_address(group.address),
        TestRsc::is_running(host, group.instance),
    )
}

/// Starts the host's syslog, or wakes it if it was stopped.
pub(crate) fn start_syslog(host: &Arc<Host>) -> Result<()> {
    host.sh(&format!(
        "if [ -e {SYSLOG_PID} ] && kill -CONT $(cat {SYSLOG_PID}) 2>/dev/null; then exit 0; fi
         rm -f /dev/log
         socat -u UNIX-RECV:/dev/log,mode=666 OPEN:/dev/null >/dev/null 2>&1 &
         echo $! >{SYSLOG_PID}"
    ))?;
    wait_until("syslog listens", seconds(10), || host.exists("/dev/log"))
}

/// Sends a signal to every process of a host's daemon.
pub(crate) fn signal(host: &Arc<Host>, signal: &str) -> Result<()> {
    let pids: Vec<String> = host.heartbeat_pids().iter().map(u32::to_string).collect();
    if pids.is_empty() {
        return Err(LabError::unexpected(format!(
            "no daemon runs on {}",
            host.name()
        )));
    }
    host.sh(&format!("kill -{signal} {}", pids.join(" ")))
        .map(drop)
}

/// The library of `tests/calendar`, which lies beside the directory of this program when both were built optimised.
fn calendar() -> Option<Vec<u8>> {
    let program = std::env::current_exe().ok()?;
    let built = program.ancestors().nth(2)?;
    std::fs::read(built.join("libha_lab_calendar.so")).ok()
}
