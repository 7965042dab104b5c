//! `IPaddr2`: an address with the label that the administrator chose, or none (`resource-scripts.md` 6), as R1 calls it,
//! that is with `lvs_support` on: a copy of the address on the loopback interface is hidden while the address is
//! served.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use ha_net::{Address, Announcement, Link, NetError, Plan};

use super::findif::{Found, Request, find_interface};
use super::ipaddr::{generic, scope_of};
use super::removal::delete_alone;
use super::report::{AgentResult, Kind, Report, ocf};
use super::site::AnnounceArguments;
use super::{AddressSpec, Kernel, Site};

/// The one loopback device on which addresses are hidden.
const LOOPBACK: &str = "lo";

/// The agent for one address.
#[derive(Clone, Copy, Debug)]
pub struct IpAddr2<'a> {
    spec: &'a AddressSpec,
    site: &'a Site,
}

/// Where the address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Served {
    /// On any interface but a loopback one, or on the loopback one that was asked for.
    Yes,
    /// Only on another loopback interface, where a director's real server keeps it.
    OnLoopback,
    No,
}

impl<'a> IpAddr2<'a> {
    /// The agent for the address that `spec` describes.
    pub fn new(spec: &'a AddressSpec, site: &'a Site) -> Self {
        IpAddr2 { spec, site }
    }

    /// Adds the address and switches its interface on, unless any interface has the address already.
    pub fn start(&self, kernel: &mut dyn Kernel) -> AgentResult {
        self.change(kernel, Self::try_start)
    }

    /// Removes the address from its interface, and switches the interface off if no IPv4 address is left on it. That the
    /// address is not there is a success; that it is on another interface is a failure.
    pub fn stop(&self, kernel: &mut dyn Kernel) -> AgentResult {
        self.change(kernel, Self::try_stop)
    }

    /// Has any interface the address, loopback ones excepted?
    pub fn status(&self, kernel: &mut dyn Kernel) -> AgentResult {
        let mut report = Report::default();
        let code = match self.find(kernel, &mut report) {
            Err(code) => code,
            Ok(found) => match served(kernel, &found) {
                Ok(Served::Yes) => ocf::SUCCESS,
                Ok(Served::OnLoopback | Served::No) => ocf::NOT_RUNNING,
                Err(error) => generic(&mut report, &error),
            },
        };
        report.finish(Kind::Question, code)
    }

    fn change(
        &self,
        kernel: &mut dyn Kernel,
        operation: fn(&Self, &mut dyn Kernel, &mut Report, &Found) -> Result<(), i32>,
    ) -> AgentResult {
        let mut report = Report::default();
        let found = self.find(kernel, &mut report);
        let result = found.and_then(|found| match self.site.privileged {
            true => operation(self, kernel, &mut report, &found),
            false => Err(ocf::PERMISSION),
        });
        report.finish(Kind::Change, result.err().unwrap_or(ocf::SUCCESS))
    }

    /// Every operation begins with this, and fails with 2 if it fails.
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
        answer.map_err(|error| {
            report.complain(error.to_string());
            report.error(format!("[{} -C] failed", self.site.findif()));
            ocf::ARGUMENTS
        })
    }

    fn try_start(
        &self,
        kernel: &mut dyn Kernel,
        report: &mut Report,
        found: &Found,
    ) -> Result<(), i32> {
        let Found {
            ip,
            nic,
            prefix_len,
            broadcast,
        } = found;
        match served(kernel, found).map_err(|error| generic(report, &error))? {
            Served::Yes => return Ok(()),
            Served::OnLoopback => self.hide(kernel, report, *ip)?,
            Served::No => {}
        }
        let mut link = link_named(kernel, report, nic)?;
        let mut address = Address::new(link.index, (*ip).into(), *prefix_len);
        address.broadcast = Some(*broadcast);
        address.scope = scope_of(*ip);
        // Without a choice of the administrator's the label is the interface's name, as `ip` does it.
        address.label = Some(self.spec.label().unwrap_or(nic).to_owned());
        let label = match self.spec.label() {
            Some(label) => format!(" label {label}"),
            None => String::new(),
        };
        report.info(format!(
            "ip -f inet addr add {ip}/{prefix_len} brd {broadcast} dev {nic}{label}"
        ));
        kernel
            .add_address(&address)
            .map_err(|error| failed(report, &error))?;
        switch(kernel, report, &mut link, true)?;
        if link.loopback {
            return Ok(());
        }
        let pidfile = self.site.announcer_pidfile(*ip);
        let arguments = AnnounceArguments::IPADDR2
            .words(&pidfile, nic, *ip)
            .join(" ");
        report.info(format!(
            "{} {arguments}",
            self.site.library.join("send_arp").display()
        ));
        if let (true, Some(mac)) = (link.can_announce(), link.mac) {
            let _ = kernel.retire_announcer(&pidfile);
            report.announce = Some(Announcement::new(nic, link.index, mac, *ip, Plan::Takeover));
        }
        Ok(())
    }

    fn try_stop(
        &self,
        kernel: &mut dyn Kernel,
        report: &mut Report,
        found: &Found,
    ) -> Result<(), i32> {
        let Found {
            ip,
            nic,
            prefix_len,
            ..
        } = found;
        match kernel.retire_announcer(&self.site.announcer_pidfile(*ip)) {
            Ok(Some(_)) => report.info(format!("killed previously running send_arp for {ip}")),
            Ok(None) => {}
            Err(error) => report.warning(format!("Could not end the announcer of {ip}: {error}")),
        }
        if served(kernel, found).map_err(|error| generic(report, &error))? == Served::Yes {
            let mut link = link_named(kernel, report, nic)?;
            report.info(format!(
                "ip -f inet addr delete {ip}/{prefix_len} dev {nic}"
            ));
            let before = kernel
                .addresses()
                .map_err(|error| generic(report, &error))?;
            // What is really there is needed to know whether others depend on it; if nothing is, the kernel shall
            // say so.
            let address = before
                .iter()
                .find(|address| {
                    (address.link, address.ip, address.prefix_len)
                        == (link.index, (*ip).into(), *prefix_len)
                })
                .cloned()
                .unwrap_or_else(|| Address::new(link.index, (*ip).into(), *prefix_len));
            delete_alone(kernel, &address, &before, report)
                .map_err(|error| failed(report, &error))?;
            let left = kernel
                .addresses()
                .map_err(|error| generic(report, &error))?;
            // Never the loopback interface, which the legacy would switch off as well: the machine needs it.
            if !link.loopback && !left.iter().any(|address| address.link == link.index) {
                switch(kernel, report, &mut link, false)?;
            }
        }
        // The legacy does this only when the address was served. A start that failed halfway has hidden it too.
        self.restore(kernel, report, *ip)
    }

    /// Takes the address off the loopback interface and remembers that. Only a /32 can be hidden.
    fn hide(&self, kernel: &mut dyn Kernel, report: &mut Report, ip: Ipv4Addr) -> Result<(), i32> {
        let file = self.hidden_file(ip);
        let remembered = fs::create_dir_all(self.site.state_directory())
            .and_then(|()| fs::write(&file, format!("{ip} 32 255.255.255.255 {LOOPBACK}\n")));
        if let Err(error) = remembered {
            report.error(format!("Cannot write {}: {error}", file.display()));
            return Err(ocf::GENERIC);
        }
        let link = link_named(kernel, report, LOOPBACK)?;
        report.info(format!("ip -f inet addr delete {ip}/32 dev {LOOPBACK}"));
        let address = Address::new(link.index, ip.into(), 32);
        kernel.delete_address(&address).map_err(|error| {
            // Nothing was hidden, so nothing must be restored.
            let _ = fs::remove_file(&file);
            failed(report, &error)
        })?;
        report.info(format!("ip route delete {ip} dev {LOOPBACK}"));
        let _ = kernel.delete_host_route(ip, Some(link.index));
        Ok(())
    }

    /// Puts a hidden address back on the loopback interface. Its label is lost.
    fn restore(
        &self,
        kernel: &mut dyn Kernel,
        report: &mut Report,
        ip: Ipv4Addr,
    ) -> Result<(), i32> {
        let file = self.hidden_file(ip);
        if !file.exists() {
            return Ok(());
        }
        let mut link = link_named(kernel, report, LOOPBACK)?;
        let mut address = Address::new(link.index, ip.into(), 32);
        address.broadcast = Some(Ipv4Addr::BROADCAST);
        report.info(format!(
            "ip -f inet addr add {ip}/32 brd 255.255.255.255 dev {LOOPBACK}"
        ));
        match kernel.add_address(&address) {
            Err(error) if error.errno() != Some(libc::EEXIST) => {
                return Err(failed(report, &error));
            }
            _ => {}
        }
        switch(kernel, report, &mut link, true)?;
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                report.error(format!("Cannot remove {}: {error}", file.display()));
                Err(ocf::GENERIC)
            }
            _ => Ok(()),
        }
    }

    fn hidden_file(&self, ip: Ipv4Addr) -> PathBuf {
        self.site.state_directory().join(ip.to_string())
    }
}

/// Where the address is, whatever its label. IPsec's virtual interfaces do not count. A loopback interface counts if it
/// is the one that the address belongs on: the legacy starts such an address, but then neither sees nor stops it.
fn served(kernel: &mut dyn Kernel, found: &Found) -> Result<Served, NetError> {
    let mut served = Served::No;
    for address in kernel.addresses()? {
        if address.ip != found.ip {
            continue;
        }
        match kernel.link_by_index(address.link)? {
            Some(link) if link.loopback && link.name != found.nic => served = Served::OnLoopback,
            Some(link) if !is_ipsec(&link.name) => return Ok(Served::Yes),
            _ => {}
        }
    }
    Ok(served)
}

/// `ipsec0`, `ipsec1`, ...
fn is_ipsec(name: &str) -> bool {
    name.strip_prefix("ipsec")
        .is_some_and(|number| number.starts_with(|first: char| first.is_ascii_digit()))
}

fn link_named(kernel: &mut dyn Kernel, report: &mut Report, name: &str) -> Result<Link, i32> {
    match kernel.link_by_name(name) {
        Ok(Some(link)) => Ok(link),
        Ok(None) => {
            report.error(format!("Cannot find device \"{name}\""));
            Err(ocf::GENERIC)
        }
        Err(error) => Err(generic(report, &error)),
    }
}

fn switch(
    kernel: &mut dyn Kernel,
    report: &mut Report,
    link: &mut Link,
    up: bool,
) -> Result<(), i32> {
    let word = if up { "up" } else { "down" };
    report.info(format!("ip link set {} {word}", link.name));
    if link.up != up {
        kernel
            .set_link_up(link.index, up)
            .map_err(|error| failed(report, &error))?;
        link.up = up;
    }
    Ok(())
}

fn failed(report: &mut Report, error: &NetError) -> i32 {
    report.complain(error.to_string());
    ocf::GENERIC
}

#[cfg(test)]
#[path = "ipaddr2_tests.rs"]
mod tests;
