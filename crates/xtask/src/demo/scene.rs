//! The hosts of the article and what is done to them.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use ha_lab::{Host, HostSpec, Implementation, Lab, LabError, PowerUp, Result};

use super::Options;
use crate::cargo;

/// The address that moves.
pub(super) const VIP: &str = "192.168.6.66";

/// The router, which also has the address that the article's ping_group asks.
const ROUTER: [&str; 2] = ["192.168.6.254/24", "10.10.0.254/24"];

/// One of the two directors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Director {
    /// Preferred by haresources.
    Lvs1,
    /// The other one.
    Lvs2,
}

impl Director {
    /// Both.
    pub(super) const ALL: [Director; 2] = [Director::Lvs1, Director::Lvs2];

    /// Its node name.
    pub(super) fn node(self) -> &'static str {
        match self {
            Director::Lvs1 => "lvs1.okooo.cn",
            Director::Lvs2 => "lvs2.okooo.cn",
        }
    }

    /// Its name for people.
    pub(super) fn short(self) -> &'static str {
        match self {
            Director::Lvs1 => "lvs1",
            Director::Lvs2 => "lvs2",
        }
    }

    fn address(self) -> &'static str {
        match self {
            Director::Lvs1 => "192.168.6.122",
            Director::Lvs2 => "192.168.6.123",
        }
    }

    fn peer(self) -> Director {
        match self {
            Director::Lvs1 => Director::Lvs2,
            Director::Lvs2 => Director::Lvs1,
        }
    }
}

/// Everything on stage. Dropping it ends the hosts.
pub(super) struct Scene {
    // Hosts end before their lab: fields are dropped in this order.
    directors: [Arc<Host>; 2],
    pub(super) client: Arc<Host>,
    _router: Arc<Host>,
    _lab: Lab,
    fast: bool,
}

impl Scene {
    /// Makes the hosts and gives the directors their configuration.
    pub(super) fn build(implementation: Implementation, options: Options) -> Result<Scene> {
        let lab = Lab::new("demo")?;
        let router = lab.host(HostSpec::new("router").nic_on("eth0", "lan", &ROUTER))?;
        let client = lab.host(HostSpec::new("client").nic("eth0", "192.168.6.200/24"))?;
        let director = |which: Director| {
            let address = format!("{}/24", which.address());
            let host = lab.host(
                HostSpec::new(which.node())
                    .runs(implementation)
                    .nic("eth0", &address),
            )?;
            configure(&host, which, options)?;
            connect(&host)?;
            Ok::<_, LabError>(host)
        };
        let directors = [director(Director::Lvs1)?, director(Director::Lvs2)?];
        Ok(Scene {
            directors,
            client,
            _router: router,
            _lab: lab,
            fast: options.fast,
        })
    }

    /// The host of a director.
    pub(super) fn host(&self, which: Director) -> &Host {
        match which {
            Director::Lvs1 => &self.directors[0],
            Director::Lvs2 => &self.directors[1],
        }
    }

    /// The directors that hold the virtual address now; more than one would be a split brain.
    pub(super) fn holders(&self) -> Vec<Director> {
        Director::ALL
            .into_iter()
            .filter(|which| self.host(*which).has_address(VIP))
            .collect()
    }

    /// Starts heartbeat as an operator does.
    pub(super) fn start(&self, which: Director) -> Result<()> {
        self.host(which).start_by_init_script().map(drop)
    }

    /// Cuts the power.
    pub(super) fn crash(&self, which: Director) -> Result<()> {
        self.host(which).power_cut()
    }

    /// Switches it on again; the init script runs as it does at boot.
    pub(super) fn boot(&self, which: Director) -> Result<()> {
        self.host(which).power_up(PowerUp::DiskKept)?;
        connect(self.host(which))?;
        self.start(which)
    }

    /// Hands everything over to the other one.
    pub(super) fn standby(&self, which: Director) -> Result<()> {
        self.host(which).tool("hb_standby", &[]).map(drop)
    }

    /// `heartbeat -k`.
    pub(super) fn stop(&self, which: Director) -> Result<()> {
        self.host(which).stop_heartbeat()
    }

    /// How long a step may take before it counts as failed.
    pub(super) fn patience(&self) -> Duration {
        Duration::from_secs(if self.fast { 30 } else { 60 })
    }

    /// How long the pair is left alone after a start: a node that has just started announces two seconds more of dead
    /// time for its first five.
    pub(super) fn settling(&self) -> Duration {
        Duration::from_secs(if self.fast { 2 } else { 7 })
    }

    /// The logs of both directors, for a person who has to find out what went wrong.
    pub(super) fn logs(&self) -> String {
        Director::ALL
            .map(|which| format!("---- {} ----\n{}", which.node(), self.host(which).log()))
            .concat()
    }
}

/// What an administrator does once: the files of the example in /etc/ha.d.
fn configure(host: &Host, which: Director, options: Options) -> Result<()> {
    let mut ha_cf = example("ha.cf")?;
    // The nodes' files differ only here, says the article.
    ha_cf = ha_cf.replace(
        &format!("ucast eth0 {}", Director::Lvs2.address()),
        &format!("ucast eth0 {}", which.peer().address()),
    );
    if options.fast {
        ha_cf = with_fast_timers(&ha_cf);
    }
    host.write("/etc/ha.d/ha.cf", &ha_cf)?;
    host.write_mode("/etc/ha.d/authkeys", &example("authkeys")?, 0o600)?;
    let mut haresources = example("haresources")?;
    if options.no_lvs {
        haresources = haresources.replace(" ldirectord::ldirectord.cf", "");
    } else {
        host.sh("mkdir -p /etc/ha.d/conf")?;
        host.write(
            "/etc/ha.d/conf/ldirectord.cf",
            &example("conf/ldirectord.cf")?,
        )?;
        host.write_mode("/etc/ha.d/resource.d/ldirectord", LDIRECTORD, 0o755)?;
    }
    host.write("/etc/ha.d/haresources", &haresources)
}

/// What the system does at every boot: the route out, over which ping_group is reached.
fn connect(host: &Host) -> Result<()> {
    host.sh("ip route add default via 192.168.6.254").map(drop)
}

/// The article's ha.cf with timers that show more in less time. A dead time below a second needs no courage on a bridge
/// in one machine.
fn with_fast_timers(ha_cf: &str) -> String {
    let fast = |line: &str| match line.split_whitespace().next() {
        Some("keepalive") => "keepalive 100ms".to_owned(),
        Some("deadtime") => "deadtime 500ms".to_owned(),
        Some("warntime") => "warntime 300ms".to_owned(),
        Some("initdead") => "initdead 2".to_owned(),
        _ => line.to_owned(),
    };
    ha_cf.lines().map(|line| fast(line) + "\n").collect()
}

fn example(name: &str) -> Result<String> {
    let path = cargo::workspace()
        .join("ha.d-examples/lvs-dr-article")
        .join(name);
    fs::read_to_string(&path).map_err(|error| LabError::Io(path.display().to_string(), error))
}

/// Stands in for ldirectord: finds its configuration as the real one does, and notes whether it was started.
const LDIRECTORD: &str = r#"#!/bin/sh
state=/var/run/ldirectord.demo
case "$2" in
start)
    [ -f "/etc/ha.d/conf/$1" ] || { echo "Config file $1 not found"; exit 1; }
    : >"$state"
    ;;
stop)
    rm -f "$state"
    ;;
status)
    if [ -f "$state" ]; then echo "ldirectord is running"; else echo "ldirectord is stopped"; exit 3; fi
    ;;
*)
    exit 1
    ;;
esac
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_timers_pass_the_daemons_checks_and_change_nothing_else() {
        let article = example("ha.cf").unwrap();
        let fast = with_fast_timers(&article);
        let changed: Vec<(&str, &str)> = article
            .lines()
            .zip(fast.lines())
            .filter(|(a, b)| a != b)
            .collect();
        assert_eq!(
            changed,
            [
                ("keepalive 2", "keepalive 100ms"),
                ("deadtime 10", "deadtime 500ms"),
                ("warntime 10", "warntime 300ms"),
                ("initdead 11", "initdead 2"),
            ]
        );
        assert_eq!(article.lines().count(), fast.lines().count());
    }

    #[test]
    fn the_example_names_what_the_scene_has() {
        let ha_cf = example("ha.cf").unwrap();
        assert!(ha_cf.contains(&format!("ucast eth0 {}", Director::Lvs2.address())));
        for which in Director::ALL {
            assert!(ha_cf.contains(&format!("node {}\n", which.node())));
        }
        assert!(example("haresources").unwrap().contains(VIP));
    }
}
