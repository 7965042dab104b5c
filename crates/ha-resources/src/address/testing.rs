//! A kernel made of lists, for the tests of the agents.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use ha_net::{Address, Link, Mac, NetError, Route, Scope, Trouble, route};

use super::report::AgentResult;
use super::{Kernel, Site};

/// Lists of links, addresses and routes with the kernel's rules for changing them.
#[derive(Debug, Default)]
pub(crate) struct FakeKernel {
    pub(crate) links: Vec<Link>,
    pub(crate) addresses: Vec<Address>,
    pub(crate) routes: Vec<Route>,
    pub(crate) announcers: BTreeMap<PathBuf, i32>,
    /// Errno with which every addition fails.
    pub(crate) refuse_add: Option<i32>,
    /// Errno with which every deletion fails.
    pub(crate) refuse_delete: Option<i32>,
    pub(crate) promote_secondaries: bool,
}

impl FakeKernel {
    /// The network of the reference: eth0 192.168.6.122/24, eth1 10.9.0.1/16, a default route listed first.
    pub(crate) fn reference_network() -> FakeKernel {
        let link = |index: u32, name: &str, loopback: bool| Link {
            index,
            name: name.to_owned(),
            up: true,
            loopback,
            arp: !loopback,
            mac: Some(Mac([2, 0, 0, 0, 0, u8::try_from(index).unwrap()])),
        };
        let route = |destination: [u8; 4], prefix_len, link| Route {
            destination: destination.into(),
            prefix_len,
            metric: 0,
            link,
            gateway: None,
            preferred_source: None,
        };
        let mut kernel = FakeKernel {
            links: vec![
                link(1, "lo", true),
                link(2, "eth0", false),
                link(3, "eth1", false),
            ],
            routes: vec![
                route([0; 4], 0, 2),
                route([10, 9, 0, 0], 16, 3),
                route([192, 168, 6, 0], 24, 2),
            ],
            ..FakeKernel::default()
        };
        kernel.put(1, [127, 0, 0, 1], 8, "lo");
        kernel.put(2, [192, 168, 6, 122], 24, "eth0");
        kernel.put(3, [10, 9, 0, 1], 16, "eth1");
        kernel
    }

    /// Adds an address as an administrator would.
    pub(crate) fn put(&mut self, link: u32, ip: [u8; 4], prefix_len: u8, label: &str) {
        let ip = Ipv4Addr::from(ip);
        let mut address = Address::new(link, ip.into(), prefix_len);
        address.label = Some(label.to_owned());
        address.broadcast = Some(route::broadcast(ip, prefix_len));
        self.add_address(&address).expect("added");
    }

    pub(crate) fn link_mut(&mut self, name: &str) -> &mut Link {
        self.links
            .iter_mut()
            .find(|link| link.name == name)
            .expect("a link")
    }

    /// What the agents added, as `ip address` shows it: all but the three base addresses.
    pub(crate) fn shown(&self) -> Vec<String> {
        let base = ["127.0.0.1", "192.168.6.122", "10.9.0.1"];
        let mut shown = Vec::new();
        for address in &self.addresses {
            if base.contains(&address.ip.to_string().as_str()) && !address.secondary {
                continue;
            }
            let mut line = format!("{}/{}", address.ip, address.prefix_len);
            if let Some(broadcast) = address.broadcast {
                line += &format!(" brd {broadcast}");
            }
            if address.scope == Scope::Host {
                line += " scope host";
            }
            line += &format!(" {}", address.label.as_deref().unwrap_or("-"));
            shown.push(line);
        }
        shown
    }
}

fn refused(doing: &'static str, errno: i32) -> NetError {
    NetError {
        doing,
        trouble: Trouble::System(io::Error::from_raw_os_error(errno)),
    }
}

fn v4(address: &Address) -> Ipv4Addr {
    match address.ip {
        std::net::IpAddr::V4(ip) => ip,
        std::net::IpAddr::V6(_) => panic!("only IPv4 here"),
    }
}

fn same_subnet(one: &Address, other: &Address) -> bool {
    one.link == other.link
        && one.prefix_len == other.prefix_len
        && route::same_network(v4(one), v4(other), one.prefix_len)
}

impl Kernel for FakeKernel {
    fn links(&mut self) -> Result<Vec<Link>, NetError> {
        Ok(self.links.clone())
    }

    fn link_by_name(&mut self, name: &str) -> Result<Option<Link>, NetError> {
        Ok(self.links.iter().find(|link| link.name == name).cloned())
    }

    fn link_by_index(&mut self, index: u32) -> Result<Option<Link>, NetError> {
        Ok(self.links.iter().find(|link| link.index == index).cloned())
    }

    fn addresses(&mut self) -> Result<Vec<Address>, NetError> {
        Ok(self.addresses.clone())
    }

    fn routes(&mut self) -> Result<Vec<Route>, NetError> {
        Ok(self.routes.clone())
    }

    fn add_address(&mut self, address: &Address) -> Result<(), NetError> {
        const DOING: &str = "add an address";
        if let Some(errno) = self.refuse_add {
            return Err(refused(DOING, errno));
        }
        if !self.links.iter().any(|link| link.index == address.link) {
            return Err(refused(DOING, libc::ENODEV));
        }
        assert!(address.label.as_ref().is_none_or(|label| label.len() <= 15));
        let mut address = address.clone();
        if address.label.is_none() {
            let link = self.links.iter().find(|link| link.index == address.link);
            address.label = link.map(|link| link.name.clone());
        }
        let mut neighbours = self
            .addresses
            .iter()
            .filter(|other| same_subnet(other, &address));
        if neighbours.clone().any(|other| other.ip == address.ip) {
            return Err(refused(DOING, libc::EEXIST));
        }
        address.secondary = neighbours.next().is_some();
        self.addresses.push(address);
        Ok(())
    }

    fn delete_address(&mut self, address: &Address) -> Result<(), NetError> {
        const DOING: &str = "delete an address";
        if let Some(errno) = self.refuse_delete {
            return Err(refused(DOING, errno));
        }
        let position = self.addresses.iter().position(|other| {
            (other.link, other.ip, other.prefix_len)
                == (address.link, address.ip, address.prefix_len)
                && (address.label.is_none() || address.label == other.label)
        });
        let Some(position) = position else {
            return Err(refused(DOING, libc::EADDRNOTAVAIL));
        };
        let gone = self.addresses.remove(position);
        if !gone.secondary {
            match self.promote_secondaries {
                false => self.addresses.retain(|other| !same_subnet(other, &gone)),
                true => {
                    let heir = self
                        .addresses
                        .iter_mut()
                        .find(|other| same_subnet(other, &gone));
                    heir.into_iter().for_each(|heir| heir.secondary = false);
                }
            }
        }
        Ok(())
    }

    fn set_link_up(&mut self, index: u32, up: bool) -> Result<(), NetError> {
        let link = self.links.iter_mut().find(|link| link.index == index);
        link.ok_or(refused("switch an interface", libc::ENODEV))?.up = up;
        Ok(())
    }

    fn delete_host_route(&mut self, ip: Ipv4Addr, _: Option<u32>) -> Result<(), NetError> {
        let before = self.routes.len();
        self.routes
            .retain(|route| (route.destination, route.prefix_len) != (ip, 32));
        match self.routes.len() < before {
            true => Ok(()),
            false => Err(refused("delete a host route", libc::ESRCH)),
        }
    }

    fn retire_announcer(&mut self, pidfile: &Path) -> io::Result<Option<i32>> {
        Ok(self.announcers.remove(pidfile))
    }
}

/// A directory for state files, removed at the end.
#[derive(Debug)]
pub(crate) struct Scratch {
    site: Site,
}

impl Scratch {
    pub(crate) fn new() -> Scratch {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("ha-resources-address-{}-{number}", std::process::id());
        let scratch = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&scratch).expect("a directory");
        let library = PathBuf::from("/usr/lib64/heartbeat");
        let site = Site {
            scratch,
            library,
            privileged: true,
        };
        Scratch { site }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.site.scratch
    }

    pub(crate) fn site(&self) -> &Site {
        &self.site
    }

    pub(crate) fn site_mut(&mut self) -> &mut Site {
        &mut self.site
    }

    /// Names of the files in the state directory, sorted.
    pub(crate) fn state_files(&self) -> Vec<String> {
        let listing = std::fs::read_dir(self.site.state_directory());
        let mut names: Vec<String> = listing
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.site.scratch);
    }
}

/// The log lines of an answer but the closing one, debug lines included.
pub(crate) fn logged(result: &AgentResult) -> Vec<&str> {
    let all = result.log.iter().map(|line| line.text.as_str());
    all.take(result.log.len().saturating_sub(1)).collect()
}
