//! The two web servers behind the directors.

use std::sync::{Arc, Mutex};

use ha_lab::{Host, HostSpec, Lab, Result, WebServer};

/// One of them, as the article has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct RealServer {
    /// Its name, the last word of its page.
    pub(super) name: &'static str,
    pub(super) address: &'static str,
    /// Its weight in ldirectord.cf.
    pub(super) weight: u32,
}

/// Both.
pub(super) const REAL_SERVERS: [RealServer; 2] = [
    RealServer {
        name: "real1",
        address: "192.168.6.42",
        weight: 2,
    },
    RealServer {
        name: "real2",
        address: "192.168.6.46",
        weight: 3,
    },
];

/// What ldirectord looks for in the page.
const EXPECTED: &str = "woshirongqi";

/// The hosts, and the web servers that run.
pub(super) struct RealServers {
    // Web servers end before their hosts: fields are dropped in this order.
    running: Mutex<Vec<(&'static str, WebServer)>>,
    hosts: Vec<(RealServer, Arc<Host>)>,
}

impl RealServers {
    /// Makes the hosts and starts their web servers.
    pub(super) fn build(lab: &Lab, vip: &str) -> Result<RealServers> {
        let mut hosts = Vec::new();
        for server in REAL_SERVERS {
            let address = format!("{}/24", server.address);
            let host = lab.host(HostSpec::new(server.name).nic("eth0", &address))?;
            // Direct routing: they accept what is for the virtual address, and never tell anybody that they have it.
            host.sh(&format!(
                "sysctl -q -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
                 ip addr add {vip}/32 dev lo"
            ))?;
            hosts.push((server, host));
        }
        let servers = RealServers {
            running: Mutex::default(),
            hosts,
        };
        for server in REAL_SERVERS {
            servers.start(server.name)?;
        }
        Ok(servers)
    }

    /// Starts a web server.
    pub(super) fn start(&self, name: &str) -> Result<()> {
        for (server, host) in self.hosts.iter().filter(|(server, _)| server.name == name) {
            let web = host.serve_web(&format!("{EXPECTED} {}", server.name))?;
            self.running
                .lock()
                .expect("no panic while held")
                .push((server.name, web));
        }
        Ok(())
    }

    /// Kills it: its port is closed.
    pub(super) fn stop(&self, name: &str) {
        self.running
            .lock()
            .expect("no panic while held")
            .retain(|(running, _)| *running != name);
    }
}
