//! The hosts of the article and what is done to them.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use ha_lab::{Host, HostSpec, Implementation, Lab, LabError, PowerUp, Result, millis, wait_until};

use super::Options;
use super::audience::Client;
use super::real_servers::{REAL_SERVERS, RealServers};
use super::story::FILES;
use super::watch::Goal;
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

/// How often a client asks a director itself, and how often it fetches a page from a real server.
const PROBE_INTERVAL: Duration = millis(5);
const PAGE_INTERVAL: Duration = millis(100);
/// How long a client waits for a page.
const PAGE_PATIENCE: Duration = Duration::from_secs(1);

/// With direct routing a client has to sit in front of the directors like any other; these are its addresses.
const FIRST_CLIENTS: [&str; 3] = ["client1", "client2", "client3"];
const MORE_CLIENTS: [&str; 3] = ["client4", "client5", "client6"];

/// Everything on stage. Dropping it ends the hosts.
pub(super) struct Scene {
    // Hosts end before their lab: fields are dropped in this order.
    directors: [Arc<Host>; 2],
    clients: Vec<(&'static str, Arc<Host>)>,
    real_servers: Option<RealServers>,
    _router: Arc<Host>,
    _lab: Lab,
    options: Options,
}

impl Scene {
    /// Makes the hosts and gives the directors their configuration.
    pub(super) fn build(implementation: Implementation, options: Options) -> Result<Scene> {
        let lab = Lab::new("demo")?;
        let router = lab.host(HostSpec::new("router").nic_on("eth0", "lan", &ROUTER))?;
        let (real_servers, names) = if options.no_lvs {
            (None, vec!["client"])
        } else {
            let names = [FIRST_CLIENTS, MORE_CLIENTS].concat();
            (Some(RealServers::build(&lab, VIP)?), names)
        };
        let client = |(number, name): (usize, &'static str)| {
            let address = format!("192.168.6.{}/24", 200 + number);
            Ok::<_, LabError>((name, lab.host(HostSpec::new(name).nic("eth0", &address))?))
        };
        let clients = names.into_iter().enumerate().map(client);
        let clients = clients.collect::<Result<Vec<_>>>()?;
        let director = |which: Director| {
            let address = format!("{}/24", which.address());
            let host = lab.host(
                HostSpec::new(which.node())
                    .runs(implementation)
                    .nic("eth0", &address),
            )?;
            configure(&host, which, options)?;
            bring_up(&host, options)?;
            Ok::<_, LabError>(host)
        };
        let directors = [director(Director::Lvs1)?, director(Director::Lvs2)?];
        Ok(Scene {
            directors,
            clients,
            real_servers,
            _router: router,
            _lab: lab,
            options,
        })
    }

    /// Whether there is anything behind the directors.
    pub(super) fn has_real_servers(&self) -> bool {
        self.real_servers.is_some()
    }

    /// What it takes for the clients to be served by this director.
    pub(super) fn goal(&self, holder: Director) -> Goal {
        let servers = if self.has_real_servers() {
            REAL_SERVERS.map(|server| server.name).to_vec()
        } else {
            vec![holder.short()]
        };
        Goal {
            holder,
            servers,
            all_of_them: false,
        }
    }

    /// How often a client asks.
    pub(super) fn interval(&self) -> Duration {
        if self.has_real_servers() {
            PAGE_INTERVAL
        } else {
            PROBE_INTERVAL
        }
    }

    /// The clients that ask from the beginning.
    pub(super) fn first_clients(&self) -> Result<Vec<Client>> {
        self.start_clients(&MORE_CLIENTS, false)
    }

    /// The clients that come later.
    pub(super) fn more_clients(&self) -> Result<Vec<Client>> {
        self.start_clients(&MORE_CLIENTS, true)
    }

    /// Starts the clients that are in this list, or those that are not.
    fn start_clients(&self, list: &[&str], listed: bool) -> Result<Vec<Client>> {
        let chosen = self
            .clients
            .iter()
            .filter(|(name, _)| list.contains(name) == listed);
        let start = |(name, host): &(&str, Arc<Host>)| {
            if self.has_real_servers() {
                let browser = host.browse(VIP, PAGE_INTERVAL, PAGE_PATIENCE)?;
                Ok(Client::new(name, Box::new(browser)))
            } else {
                let probe = host.probe(VIP, PROBE_INTERVAL)?;
                Ok(Client::new(name, Box::new(probe)))
            }
        };
        chosen.map(start).collect()
    }

    /// Kills the web server of a real server.
    pub(super) fn stop_web(&self, name: &str) {
        if let Some(real_servers) = &self.real_servers {
            real_servers.stop(name);
        }
    }

    /// Starts it again.
    pub(super) fn start_web(&self, name: &str) -> Result<()> {
        let start = |real_servers: &RealServers| real_servers.start(name);
        self.real_servers.as_ref().map_or(Ok(()), start)
    }

    /// Waits until a director sends clients to every real server again.
    pub(super) fn until_all_have_weight(&self, which: Director) -> Result<()> {
        wait_until("every real server in the table", self.patience(), || {
            let table = self.host(which).sh("ipvsadm -Sn");
            table.is_ok_and(|table| {
                REAL_SERVERS.iter().all(|server| {
                    let wanted = format!("-r {}:80 -g -w {}", server.address, server.weight);
                    table.stdout.contains(&wanted)
                })
            })
        })
    }

    /// The kernel's table on a director, as an administrator looks at it.
    pub(super) fn ipvs_table(&self, which: Director) -> Result<String> {
        Ok(self.host(which).sh("ipvsadm -Ln")?.stdout)
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
        bring_up(self.host(which), self.options)?;
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
        Duration::from_secs(if self.options.fast { 30 } else { 60 })
    }

    /// How long the pair is left alone after a start: a node that has just started announces two seconds more of dead
    /// time for its first five.
    pub(super) fn settling(&self) -> Duration {
        Duration::from_secs(if self.options.fast { 2 } else { 7 })
    }

    /// The logs of both directors, for a person who has to find out what went wrong.
    pub(super) fn logs(&self) -> String {
        Director::ALL
            .map(|which| {
                let logs = FILES.map(|file| self.host(which).log_file(file));
                format!("---- {} ----\n{}", which.node(), logs.concat())
            })
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
    }
    host.write("/etc/ha.d/haresources", &haresources)
}

/// What the system does at every boot: the route out, over which ping_group is reached; and the one line of sysctl that
/// a director with `persistent` and `quiescent` needs, so that nobody stays with a dead real server (`ldirectord` says it).
fn bring_up(host: &Host, options: Options) -> Result<()> {
    host.sh("ip route add default via 192.168.6.254")?;
    if !options.no_lvs {
        host.sh("sysctl -q -w net.ipv4.vs.expire_quiescent_template=1")?;
    }
    Ok(())
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
        let ldirectord_cf = example("conf/ldirectord.cf").unwrap();
        for server in REAL_SERVERS {
            let line = format!("real={}:80 gate {}\n", server.address, server.weight);
            assert!(ldirectord_cf.contains(&line), "{line}");
        }
    }
}
