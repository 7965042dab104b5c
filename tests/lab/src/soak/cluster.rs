//! The cluster of a soak: any number of nodes on one network, each with a group of its own.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use super::Options;
use crate::{
    Authkeys, HaCf, Host, HostSpec, Implementation, Lab, LabError, Result, TestRsc, seconds,
    wait_until,
};

/// The cluster, and a host that listens to it.
pub(crate) struct Cluster {
    pub(crate) lab: Lab,
    pub(crate) nodes: Vec<Arc<Host>>,
    pub(crate) ear: Arc<Host>,
}

/// The name of a node, by its number from 1.
fn name(number: usize) -> String {
    format!("node{number:02}")
}

/// The address of a node's group.
pub(crate) fn address(number: usize) -> String {
    format!("10.0.0.{}", 100 + number)
}

/// The service of a node's group.
pub(crate) fn instance(number: usize) -> String {
    format!("r{number:02}")
}

impl Cluster {
    /// Makes the hosts; nothing is started.
    pub(crate) fn new(options: &Options) -> Result<Cluster> {
        let lab = Lab::new("soak")?;
        let names: Vec<String> = (1..=options.nodes).map(name).collect();
        let words: Vec<&str> = names.iter().map(String::as_str).collect();
        let file = HaCf::for_tests(&words)
            .timers(options.keepalive, options.deadtime, seconds(6))
            .bcast("eth0")
            .text();
        let groups: Vec<String> = (1..=options.nodes)
            .map(|number| {
                let (name, address, instance) = (name(number), address(number), instance(number));
                format!("{name} {address}/24/eth0 TestRsc::{instance}\n")
            })
            .collect();
        let mut nodes = Vec::new();
        for number in 1..=options.nodes {
            let implementation = if number > options.nodes - options.legacy {
                Implementation::Legacy
            } else {
                Implementation::Ours
            };
            let host = lab.host(
                HostSpec::new(&name(number))
                    .runs(implementation)
                    .without_capture()
                    .nic("eth0", &format!("10.0.0.{number}/24")),
            )?;
            host.write("/etc/ha.d/ha.cf", &file)?;
            host.write("/etc/ha.d/haresources", &groups.concat())?;
            let keys = Authkeys::new("sha1", "the secret");
            host.write_mode("/etc/ha.d/authkeys", keys.text(), 0o600)?;
            TestRsc::install(&host)?;
            nodes.push(host);
        }
        let ear = lab.host(
            HostSpec::new("ear")
                .without_capture()
                .nic("eth0", "10.0.0.90/24"),
        )?;
        Ok(Cluster { lab, nodes, ear })
    }

    /// The address from which a node speaks.
    pub(crate) fn speaks_from(number: usize) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, u8::try_from(number).unwrap_or(u8::MAX))
    }

    /// Starts all daemons and waits until every node sees every other one, and holds its own group and nothing else.
    pub(crate) fn start(&self, limit: Duration) -> Result<()> {
        for host in &self.nodes {
            host.start_heartbeat()?;
        }
        self.until(
            "every node has its own group and sees all others",
            limit,
            || self.each_holds_its_own() && self.all_see("active", &[]),
        )
    }

    pub(crate) fn until(
        &self,
        what: &str,
        limit: Duration,
        condition: impl FnMut() -> bool,
    ) -> Result<()> {
        wait_until(what, limit, condition).map_err(|error| {
            let mut text = format!("{error}\n");
            for number in 1..=self.nodes.len() {
                let holders = self.holders(number);
                text.push_str(&format!("group of {}: {holders:?}\n", name(number)));
            }
            LabError::unexpected(text + &self.lab.dump())
        })
    }

    /// The nodes that have the address and run the service of a node's group, by name. A node that has only one of the
    /// two counts as well, with a remark.
    pub(crate) fn holders(&self, number: usize) -> Vec<String> {
        let (address, instance) = (address(number), instance(number));
        let mut holders = Vec::new();
        for host in &self.nodes {
            match (
                host.has_address(&address),
                TestRsc::is_running(host, &instance),
            ) {
                (true, true) => holders.push(host.name().to_owned()),
                (false, false) => {}
                _ => holders.push(format!("{} (half)", host.name())),
            }
        }
        holders
    }

    pub(crate) fn each_holds_its_own(&self) -> bool {
        (1..=self.nodes.len()).all(|number| self.holders(number) == [name(number)])
    }

    /// Whether every node but those in `gone` (numbers) tells its clients that all nodes are `active`, and those `word`.
    pub(crate) fn all_see(&self, word: &str, gone: &[usize]) -> bool {
        let mut expected = BTreeMap::new();
        for number in 1..=self.nodes.len() {
            let is_gone = gone.contains(&number);
            expected.insert(name(number), if is_gone { word } else { "active" });
        }
        let asked = (1..).zip(&self.nodes);
        asked
            .filter(|(number, _)| !gone.contains(number))
            .all(|(_, host)| view(host) == Some(owned(&expected)))
    }
}

fn owned(view: &BTreeMap<String, &str>) -> BTreeMap<String, String> {
    let pairs = view.iter();
    pairs.map(|(k, v)| (k.clone(), (*v).to_owned())).collect()
}

/// What a node tells its clients of every node.
fn view(host: &Host) -> Option<BTreeMap<String, String>> {
    let script = "for node in $(cl_status listnodes -n); do \
                  echo $node $(cl_status nodestatus $node); done";
    let output = host.run_for(&["sh", "-c", script], seconds(20)).ok()?;
    let lines = output.stdout.lines();
    Some(
        lines
            .filter_map(|line| line.split_once(' '))
            .map(|(node, word)| (node.to_owned(), word.to_owned()))
            .collect(),
    )
}
