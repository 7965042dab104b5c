//! Our own address agents, run in-process, and what follows from holding an address: announcing it for a few seconds,
//! and answering those who claim it too.
//!
//! An agent's work is a handful of questions to the kernel that it answers at once, so it is done inside the loop; an
//! address is then taken within a millisecond of the decision instead of after some hundred processes.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ha_net::{Announcement, ArpSocket, Family, Link, NetError, Netlink, Plan, RivalWatch};
use ha_resources::address::{AddressSpec, AgentLevel, AgentResult, Site, run_invocation};
use ha_resources::{Action, Invocation, NativeAgent, RunResult};
use ha_sys::{Interest, clock};

use crate::shell::{Shell, Token};

/// A claim of a rival is logged at most so often per address.
const RIVALS_SHOWN_EVERY: Duration = Duration::from_secs(60);

/// How many foreign frames are read at one wake-up.
const FRAMES_MAX: usize = 32;

/// The agents and what they leave behind.
#[derive(Debug)]
pub(crate) struct NativeAgents {
    site: Site,
    /// Without one, agents run as programs.
    netlink: Option<Netlink>,
    /// Without one, nothing is announced by us.
    arp: Option<ArpSocket>,
    announcements: Vec<Announcement>,
    rivals: RivalWatch,
    shown: BTreeMap<Ipv4Addr, Duration>,
}

impl NativeAgents {
    /// Opens what the agents need.
    pub(crate) fn new(site: Site) -> NativeAgents {
        NativeAgents {
            site,
            netlink: Netlink::open().ok(),
            arp: ArpSocket::open().ok(),
            announcements: Vec::new(),
            rivals: RivalWatch::new(),
            shown: BTreeMap::new(),
        }
    }

    /// Has the loop listen to rivals.
    ///
    /// # Errors
    /// The poller refused.
    pub(crate) fn watch(&mut self, shell: &Shell) -> std::io::Result<()> {
        match &self.arp {
            Some(arp) => shell.poller.add(arp, Token::Arp.number(), Interest::Read),
            None => Ok(()),
        }
    }

    /// Runs an agent; none if it must be run as a program.
    pub(crate) fn run(
        &mut self,
        shell: &Shell,
        agent: NativeAgent,
        invocation: &Invocation,
    ) -> Option<RunResult> {
        let netlink = self.netlink.as_mut().filter(|_| self.arp.is_some())?;
        let result = run_invocation(invocation, &self.site, netlink)?;
        let name = match agent {
            NativeAgent::IpAddr => "IPaddr",
            NativeAgent::IpAddr2 => "IPaddr2",
        };
        log(shell, name, &result);
        let address = invocation
            .arguments
            .first()
            .and_then(|argument| address_of(argument));
        match (invocation.action, address) {
            (Action::Start, _) => {
                if let Some(announcement) = &result.announce {
                    self.hold(shell, announcement.clone());
                }
            }
            (Action::Stop, Some(address)) => self.release(shell, address),
            // It runs already, perhaps since before we were started.
            (Action::Status, Some(address)) if result.code == 0 => self.adopt(shell, address),
            _ => {}
        }
        Some(RunResult {
            code: result.code,
            stdout: result.output().into_bytes(),
        })
    }

    /// Announces every address that we hold, once more.
    pub(crate) fn announce_all(&mut self, shell: &Shell) {
        for address in self.rivals.addresses() {
            if let Some(announcement) = self.describe(shell, address) {
                self.announce(announcement);
            }
        }
        self.run_due(shell, clock::monotonic());
    }

    /// When the next announcement is due.
    pub(crate) fn next_deadline(&mut self) -> Option<Duration> {
        let now = clock::monotonic();
        self.announcements
            .iter_mut()
            .filter_map(|announcement| announcement.next_deadline(now))
            .min()
    }

    /// Sends the announcements that are due, and forgets those that are complete.
    pub(crate) fn run_due(&mut self, shell: &Shell, now: Duration) {
        let Some(arp) = &self.arp else { return };
        self.announcements.retain_mut(|announcement| {
            let link = announcement.link;
            for frame in announcement.due(now) {
                // A frame that finds no room is no loss: others follow.
                if let Err(error) = arp.send(link, &frame)
                    && !is_passing(&error)
                {
                    shell.warn(format!(
                        "Announcing {} on {}: {error}",
                        announcement.address, announcement.interface
                    ));
                    return false;
                }
            }
            announcement.next_deadline(now).is_some()
        });
    }

    /// Somebody else's announcement was heard.
    pub(crate) fn hear(&mut self, shell: &Shell) {
        let now = clock::monotonic();
        for _ in 0..FRAMES_MAX {
            let Some(arp) = &self.arp else { return };
            let heard = match arp.receive() {
                Ok(Some(heard)) => heard,
                // An interface that went down is reported once; the next call goes on.
                Ok(None) | Err(_) => break,
            };
            let Some(rival) = self.rivals.heard(now, heard.link, &heard.frame) else {
                continue;
            };
            let due = self
                .shown
                .get(&rival.address)
                .is_none_or(|shown| now >= *shown + RIVALS_SHOWN_EVERY);
            if due {
                self.shown.insert(rival.address, now);
                shell.warn(rival_text(&rival.mac, rival.address, &rival.interface));
            }
            self.announce(rival.answer);
        }
        self.run_due(shell, now);
    }

    fn hold(&mut self, shell: &Shell, announcement: Announcement) {
        let Announcement {
            interface,
            link,
            device,
            address,
            ..
        } = &announcement;
        self.rivals.hold(interface, *link, *device, *address);
        self.listen(shell);
        self.announce(announcement);
        self.run_due(shell, clock::monotonic());
    }

    /// Watches an address that is on an interface already.
    fn adopt(&mut self, shell: &Shell, address: Ipv4Addr) {
        if self.rivals.addresses().contains(&address) {
            return;
        }
        if let Some(found) = self.describe(shell, address) {
            self.rivals
                .hold(&found.interface, found.link, found.device, address);
            self.listen(shell);
        }
    }

    fn release(&mut self, shell: &Shell, address: Ipv4Addr) {
        self.announcements
            .retain(|announcement| announcement.address != address);
        self.rivals.release(address);
        self.shown.remove(&address);
        self.listen(shell);
    }

    /// One announcement per address and link: a new one replaces the old.
    fn announce(&mut self, announcement: Announcement) {
        self.announcements
            .retain(|old| (old.address, old.link) != (announcement.address, announcement.link));
        self.announcements.push(announcement);
    }

    /// Tells the kernel which claims we want to hear of, and the watch which hardware is ours.
    fn listen(&mut self, shell: &Shell) {
        if let Some(Ok(links)) = self.netlink.as_mut().map(Netlink::links) {
            self.rivals
                .set_own(links.iter().filter_map(|link| link.mac).collect());
        }
        if let Some(arp) = &mut self.arp
            && let Err(error) = arp.watch(&self.rivals.addresses())
        {
            shell.warn(format!("Rival announcements will not be heard: {error}"));
        }
    }

    /// The announcement of an address that is on an interface of ours.
    fn describe(&mut self, shell: &Shell, address: Ipv4Addr) -> Option<Announcement> {
        match describe(self.netlink.as_mut()?, address) {
            Ok(found) => found,
            Err(error) => {
                shell.warn(format!("Cannot find the interface of {address}: {error}"));
                None
            }
        }
    }
}

fn describe(netlink: &mut Netlink, address: Ipv4Addr) -> Result<Option<Announcement>, NetError> {
    let addresses = netlink.addresses(Family::V4)?;
    let Some(index) = addresses
        .iter()
        .find(|held| held.ip == IpAddr::V4(address))
        .map(|held| held.link)
    else {
        return Ok(None);
    };
    let link = netlink.link_by_index(index)?.filter(Link::can_announce);
    Ok(link.and_then(|link| {
        let mac = link.mac?;
        Some(Announcement::new(
            &link.name,
            link.index,
            mac,
            address,
            Plan::Takeover,
        ))
    }))
}

/// The address in an agent's argument.
fn address_of(argument: &str) -> Option<Ipv4Addr> {
    AddressSpec::parse(argument.as_bytes()).ip.parse().ok()
}

fn log(shell: &Shell, name: &str, result: &AgentResult) {
    for line in &result.log {
        match line.level {
            AgentLevel::Debug if shell.debug <= 0 => {}
            AgentLevel::Debug => shell.logger.script_debug(name, line.text.clone()),
            AgentLevel::Error | AgentLevel::Warning | AgentLevel::Info => {
                shell.logger.script_line(name, line.text.clone());
            }
        }
    }
    // The legacy's reason goes to standard error, and so to nobody. What follows the first line is usage.
    if let Some(reason) = result.stderr.first().filter(|_| result.code != 0) {
        shell.logger.script_line(name, format!("WARNING: {reason}"));
    }
}

/// `ENOBUFS` and `EAGAIN`: the interface's queue is full at this moment. `ENETDOWN`: it is down, and may come back.
fn is_passing(error: &NetError) -> bool {
    matches!(error.errno(), Some(105 | 11 | 100))
}

/// The most frequent reason is not a stranger: both nodes believe that the group is theirs.
fn rival_text(mac: &impl Display, address: Ipv4Addr, interface: &str) -> String {
    format!(
        "{mac} claims our address {address} on {interface}: announcing it again. Is haresources the same on all nodes?"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With `lvs1 X` here and `lvs2 X` there both nodes hold X, and this line is the only trace of it.
    #[test]
    fn different_haresources_on_the_nodes_are_hinted_at() {
        assert_eq!(
            rival_text(&"02:00:00:00:00:02", Ipv4Addr::new(192, 168, 6, 66), "eth0"),
            "02:00:00:00:00:02 claims our address 192.168.6.66 on eth0: announcing it again. \
             Is haresources the same on all nodes?"
        );
    }
}
