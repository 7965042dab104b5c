//! `IPaddr`: an address as an alias of an interface (`resource-scripts.md` 5), as R1 calls it, that is with
//! `lvs_support` off.

use std::net::Ipv4Addr;

use ha_net::{Address, Announcement, Link, NetError, Plan, Scope, route};

use super::findif::{Found, Request, find_interface};
use super::removal::delete_alone;
use super::report::{AgentResult, Kind, Report, ocf};
use super::{AddressSpec, Kernel, Site, alias};

/// Longest label that the kernel takes.
const LABEL_LEN_MAX: usize = 15;

/// The agent for one address.
#[derive(Clone, Copy, Debug)]
pub struct IpAddr<'a> {
    spec: &'a AddressSpec,
    site: &'a Site,
}

impl<'a> IpAddr<'a> {
    /// The agent for the address that `spec` describes.
    pub fn new(spec: &'a AddressSpec, site: &'a Site) -> Self {
        IpAddr { spec, site }
    }

    /// Adds the address under the first free alias of its interface, unless it is there already.
    pub fn start(&self, kernel: &mut dyn Kernel) -> AgentResult {
        let mut report = Report::default();
        let code = match self.try_start(kernel, &mut report) {
            Ok(()) => ocf::SUCCESS,
            Err(code) => code,
        };
        report.finish(Kind::Change, code)
    }

    /// Removes the first alias with the address, on whatever interface it is. That there is none is a success.
    pub fn stop(&self, kernel: &mut dyn Kernel) -> AgentResult {
        let mut report = Report::default();
        // Up to 2.1 the script says so; tools that read its output may have seen nothing else.
        report.print("In IP Stop");
        let code = match self.try_stop(kernel, &mut report) {
            Ok(()) => ocf::SUCCESS,
            Err(code) => code,
        };
        report.finish(Kind::Change, code)
    }

    /// Is the address there as an alias, and on the right interface?
    pub fn status(&self, kernel: &mut dyn Kernel) -> AgentResult {
        let mut report = Report::default();
        let code = self.state(kernel, &mut report);
        report.finish(Kind::Question, code)
    }

    /// The return code of `monitor` (5.2).
    fn state(&self, kernel: &mut dyn Kernel, report: &mut Report) -> i32 {
        let addresses = match kernel.addresses() {
            Ok(addresses) => addresses,
            Err(error) => return generic(report, &error),
        };
        let Some(found) = self.alias_of(&addresses).and_then(alias::label) else {
            return ocf::NOT_RUNNING;
        };
        match self.spec.base_nic() {
            Some(nic) if Some(nic) != found.split(':').next() => {
                report.error(format!(
                    "{} is running an interface ({found}) instead of the configured one ({nic})",
                    self.spec.ip
                ));
                ocf::GENERIC
            }
            _ => ocf::SUCCESS,
        }
    }

    /// The first alias, in natural order, that holds our address (5.1). An address without an alias label is not seen:
    /// it was not put there by an agent, and taking it away could take the machine off the network.
    fn alias_of<'b>(&self, addresses: &'b [Address]) -> Option<&'b Address> {
        let ip: Ipv4Addr = self.spec.ip.parse().ok()?;
        addresses
            .iter()
            .filter(|address| address.ip == ip)
            .filter_map(|address| Some((alias::label(address)?, address)))
            .min_by(|(one, _), (other, _)| alias::natural_order(one, other))
            .map(|(_, address)| address)
    }

    fn try_start(&self, kernel: &mut dyn Kernel, report: &mut Report) -> Result<(), i32> {
        let locks = alias::Locks::open(self.site.state_directory()).map_err(|error| {
            let directory = self.site.state_directory();
            report.error(format!("Cannot use {}: {error}", directory.display()));
            ocf::GENERIC
        })?;
        if !looks_like_address(&self.spec.ip) {
            report.error(format!(
                "Parameter OCF_RESKEY_ip [{}] not an IP address",
                self.spec.ip
            ));
            return Err(ocf::CONFIGURED);
        }
        let found = self.find(kernel, report)?;
        if self.state(kernel, report) == ocf::SUCCESS {
            return Ok(());
        }
        let link = match kernel.link_by_name(&found.nic) {
            Ok(Some(link)) => link,
            Ok(None) => return Err(ocf::GENERIC),
            Err(error) => return Err(generic(report, &error)),
        };
        if !link.up {
            // The legacy's `ifconfig` adds the alias, and then the kernel deletes it again: same end, no trace (5.3).
            report.warning(format!("{} is down, {} not added", found.nic, found.ip));
            return Err(ocf::NOT_RUNNING);
        }
        self.add(kernel, report, &locks, &link, &found)?;
        if link.can_announce()
            && let Some(mac) = link.mac
        {
            // An announcer that a script left behind speaks for an earlier state of affairs.
            let _ = kernel.retire_announcer(&self.site.announcer_pidfile(found.ip));
            let announce = Announcement::new(&link.name, link.index, mac, found.ip, Plan::Takeover);
            report.announce = Some(announce);
        }
        match self.state(kernel, report) {
            ocf::SUCCESS => Ok(()),
            code => {
                report.announce = None;
                Err(code)
            }
        }
    }

    /// Interface, mask and broadcast address, with the remarks of the legacy's agent.
    fn find(&self, kernel: &mut dyn Kernel, report: &mut Report) -> Result<Found, i32> {
        let request = Request {
            ip: Some(&self.spec.ip),
            netmask: self.spec.mask.as_deref(),
            broadcast: self.spec.broadcast.as_deref(),
            nic: self.spec.base_nic(),
        };
        let mut remarks = Vec::new();
        let answer = find_interface(kernel, &request, &mut remarks);
        for remark in remarks {
            report.complain(remark);
        }
        let found = answer.map_err(|error| {
            report.complain(error.to_string());
            report.error(format!("{} failed [rc=1].", self.site.findif()));
            ocf::GENERIC
        })?;
        let ip = found.ip;
        if request.nic.is_none() {
            report.info(format!("Using calculated nic for {ip}: {}", found.nic));
        }
        let mask = route::dotted_mask(found.prefix_len).to_string();
        if request.netmask != Some(mask.as_str()) {
            report.info(format!("Using calculated netmask for {ip}: {mask}"));
        }
        if request.broadcast.is_none() {
            report.debug(format!(
                "Using calculated broadcast for {ip}: {}",
                found.broadcast
            ));
        }
        Ok(found)
    }

    fn add(
        &self,
        kernel: &mut dyn Kernel,
        report: &mut Report,
        locks: &alias::Locks,
        link: &Link,
        found: &Found,
    ) -> Result<(), i32> {
        let addresses = kernel
            .addresses()
            .map_err(|error| generic(report, &error))?;
        let listed = |name: &str| {
            addresses
                .iter()
                .any(|address| alias::label(address) == Some(name))
        };
        let name = match locks.take(&found.nic, listed) {
            Ok(Some(name)) => name,
            Ok(None) => {
                report.error(format!("No free alias of {} for {}", found.nic, found.ip));
                return Err(ocf::GENERIC);
            }
            Err(error) => {
                report.error(format!("Cannot lock an alias of {}: {error}", found.nic));
                return Err(ocf::GENERIC);
            }
        };
        let command = format!(
            "eval ifconfig {name} {} netmask {} broadcast {}",
            found.ip,
            route::dotted_mask(found.prefix_len),
            found.broadcast
        );
        report.info(&command);
        let mut address = Address::new(link.index, found.ip.into(), found.prefix_len);
        address.broadcast = Some(found.broadcast);
        address.scope = scope_of(found.ip);
        address.label = Some(name.clone());
        let added = match name.len() > LABEL_LEN_MAX {
            // The kernel would cut the label off or refuse it, depending on its age.
            true => Err("the alias name is too long".to_owned()),
            false => kernel
                .add_address(&address)
                .map_err(|error| error.to_string()),
        };
        added.map_err(|error| {
            report.complain(error);
            report.print(format!("ERROR: {command} failed (rc={})", ocf::IFCONFIG));
            report.error(format!(
                "Could not add {} to {}: {}",
                found.ip,
                found.nic,
                ocf::IFCONFIG
            ));
            // The legacy leaves the lock behind; after 512 failures it can start nothing on this interface.
            alias::release(&self.site.state_directory(), &name);
            ocf::IFCONFIG
        })
    }

    fn try_stop(&self, kernel: &mut dyn Kernel, report: &mut Report) -> Result<(), i32> {
        // A text that is no address has neither alias nor announcer, and must not become part of a path.
        let Ok(ip) = self.spec.ip.parse::<Ipv4Addr>() else {
            return Ok(());
        };
        let pidfile = self.site.announcer_pidfile(ip);
        if let Err(error) = kernel.retire_announcer(&pidfile) {
            report.warning(format!(
                "Could not end the announcer of {}: {error}",
                pidfile.display()
            ));
        }
        let addresses = kernel
            .addresses()
            .map_err(|error| generic(report, &error))?;
        let Some(address) = self.alias_of(&addresses) else {
            return Ok(());
        };
        let name = alias::label(address).unwrap_or_default();
        // Left by some applications; there normally is none.
        let _ = kernel.delete_host_route(ip, None);
        report.info(format!("ifconfig {name} down"));
        let deleted = delete_alone(kernel, address, &addresses, report);
        alias::release(&self.site.state_directory(), name);
        deleted.map_err(|error| {
            report.complain(error.to_string());
            report.warning(format!("IP Address {ip} NOT released"));
            ocf::IFCONFIG
        })
    }
}

/// The kernel gives addresses of 127.0.0.0/8 this scope when `ifconfig` adds them, and so does `ip`.
pub(crate) fn scope_of(ip: Ipv4Addr) -> Scope {
    if ip.is_loopback() {
        Scope::Host
    } else {
        Scope::Universe
    }
}

pub(crate) fn generic(report: &mut Report, error: &NetError) -> i32 {
    report.error(error.to_string());
    ocf::GENERIC
}

/// The agent's own test, the glob `[0-9]*.[0-9]*.[0-9]*.*[0-9]`: a text that fails it has exit code 6, one that only
/// fails to be an address has 1.
fn looks_like_address(text: &str) -> bool {
    // A star takes as little as possible, which finds a match whenever there is one; only the last piece is bound to
    // the end.
    let begins_with_digit = |text: &str| text.starts_with(|first: char| first.is_ascii_digit());
    let mut rest = text;
    if !begins_with_digit(rest) {
        return false;
    }
    for _ in 0..2 {
        rest = match find_dot_digit(rest) {
            Some(rest) => rest,
            None => return false,
        };
    }
    match rest.split_once('.') {
        Some((_, tail)) => tail.ends_with(|last: char| last.is_ascii_digit()),
        None => false,
    }
}

/// What follows the first dot that a digit follows, and that digit.
fn find_dot_digit(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let at = bytes.windows(2).position(|pair| {
        pair.first() == Some(&b'.') && pair.last().is_some_and(u8::is_ascii_digit)
    })?;
    text.get(at + 2..)
}

#[cfg(test)]
#[path = "ipaddr_tests.rs"]
mod tests;
