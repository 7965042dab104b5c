//! Network faults, made on the bridge so that the hosts notice nothing but the effect.
//!
//! A cut is a loss of carrier. Everything else is packets dropped by rules in the bridge's forward hook;
//! the whole rule set is written anew at each change, so faults can be combined and undone in any order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::lab::{Inner, require_tool};
use crate::{Host, Lab, Result, exec};

/// Which part of the traffic of a link gets lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// This percentage of all packets, both ways.
    Percent(u8),
    /// All that the host sends.
    Outgoing,
    /// All that is sent to the host.
    Incoming,
    /// Everything, both ways, while the carrier stays.
    Everything,
    /// This percentage of the heartbeat packets (UDP port 694) only, both ways.
    HeartbeatPercent(u8),
}

/// The faults now in force.
#[derive(Default)]
pub(crate) struct Faults {
    /// By bridge port.
    loss: BTreeMap<String, Loss>,
    /// Pairs of ports that do not hear each other.
    apart: BTreeSet<(String, String)>,
    cut: BTreeSet<String>,
}

impl Lab {
    /// Pulls the plug of one network card of a host (or of all): the carrier is lost.
    ///
    /// # Errors
    /// When the bridge cannot be changed.
    pub fn cut(&self, host: &Host, nic: Option<&str>) -> Result<()> {
        self.change(|faults| faults.cut.extend(host.ports(nic)))
    }

    /// Loses part of the traffic of one network card of a host (or of all).
    ///
    /// # Errors
    /// When nft is missing ([`crate::LabError::Unavailable`]) or fails.
    pub fn lose(&self, host: &Host, nic: Option<&str>, loss: Loss) -> Result<()> {
        self.change(|faults| {
            faults
                .loss
                .extend(host.ports(nic).into_iter().map(|port| (port, loss)))
        })
    }

    /// Parts two hosts: neither hears the other, while both still hear everybody else.
    ///
    /// # Errors
    /// As [`Lab::lose`].
    pub fn part(&self, one: &Host, other: &Host) -> Result<()> {
        let (ones, others) = (one.ports(None), other.ports(None));
        self.change(|faults| {
            for port in &ones {
                for far in &others {
                    faults.apart.insert((port.clone(), far.clone()));
                    faults.apart.insert((far.clone(), port.clone()));
                }
            }
        })
    }

    /// Undoes the cut and the loss of one network card of a host (or of all).
    ///
    /// # Errors
    /// When the bridge cannot be changed.
    pub fn restore(&self, host: &Host, nic: Option<&str>) -> Result<()> {
        let ports = host.ports(nic);
        self.change(|faults| {
            faults.loss.retain(|port, _| !ports.contains(port));
            faults.cut.retain(|port| !ports.contains(port));
        })
    }

    /// Undoes [`Lab::part`].
    ///
    /// # Errors
    /// When the bridge cannot be changed.
    pub fn join(&self, one: &Host, other: &Host) -> Result<()> {
        let (ones, others) = (one.ports(None), other.ports(None));
        let between = |from: &String, to: &String| ones.contains(from) && others.contains(to);
        self.change(|faults| {
            faults
                .apart
                .retain(|(from, to)| !between(from, to) && !between(to, from));
        })
    }

    /// Undoes every fault of the network.
    ///
    /// # Errors
    /// When the bridge cannot be changed.
    pub fn heal(&self) -> Result<()> {
        self.change(|faults| *faults = Faults::default())
    }

    fn change(&self, edit: impl FnOnce(&mut Faults)) -> Result<()> {
        let inner = self.inner();
        {
            let mut faults = inner.faults.lock().expect("no panic while held");
            let before = faults.cut.clone();
            edit(&mut faults);
            let mut lines = String::new();
            for port in faults.cut.difference(&before) {
                let _ = writeln!(lines, "link set {port} down");
            }
            for port in before.difference(&faults.cut) {
                let _ = writeln!(lines, "link set {port} up");
            }
            if !lines.is_empty() {
                // A port whose host is off does not exist: one missing name must not stop the others.
                for line in lines.lines() {
                    let _ = inner.ip(line);
                }
            }
        }
        inner.apply_rules()
    }
}

impl Inner {
    /// Puts the faults on the ports of a host that has just been switched on.
    pub(crate) fn reapply_faults(&self) -> Result<()> {
        let faults = self.faults.lock().expect("no panic while held");
        for port in &faults.cut {
            let _ = self.ip(&format!("link set {port} down\n"));
        }
        Ok(())
    }

    fn apply_rules(&self) -> Result<()> {
        let rules = rules(&self.faults.lock().expect("no panic while held"));
        require_tool("nft")?;
        let mut command = self.command("sh");
        command.args(["-c", "printf %s \"$1\" | nft -f -", "sh", &rules]);
        exec::run_ok(command).map(drop)
    }
}

/// Removes a host's faults when it is gone for good.
pub(crate) fn forget(host: &Host) {
    let ports = host.ports(None);
    let mut faults = host.lab().faults.lock().expect("no panic while held");
    faults.loss.retain(|port, _| !ports.contains(port));
    faults
        .apart
        .retain(|(from, to)| !ports.contains(from) && !ports.contains(to));
    faults.cut.retain(|port| !ports.contains(port));
}

/// The nft script for a set of faults.
fn rules(faults: &Faults) -> String {
    let mut text = String::from(
        "table bridge lab\ndelete table bridge lab\ntable bridge lab {\n chain faults {\n  \
         type filter hook forward priority 0; policy accept;\n",
    );
    for (port, loss) in &faults.loss {
        let (from, to) = (format!("iifname \"{port}\""), format!("oifname \"{port}\""));
        let both = |text: &mut String, what: &str| {
            let _ = writeln!(text, "  {from} {what}drop\n  {to} {what}drop");
        };
        match loss {
            Loss::Percent(percent) => {
                both(&mut text, &format!("numgen random mod 100 < {percent} "))
            }
            Loss::HeartbeatPercent(percent) => {
                both(
                    &mut text,
                    &format!("udp dport 694 numgen random mod 100 < {percent} "),
                );
            }
            Loss::Everything => both(&mut text, ""),
            Loss::Outgoing => {
                let _ = writeln!(text, "  {from} drop");
            }
            Loss::Incoming => {
                let _ = writeln!(text, "  {to} drop");
            }
        }
    }
    for (from, to) in &faults.apart {
        let _ = writeln!(text, "  iifname \"{from}\" oifname \"{to}\" drop");
    }
    text.push_str(" }\n}\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_name_both_directions() {
        let mut faults = Faults::default();
        assert!(!rules(&faults).contains(" drop"));
        faults.loss.insert("h1p0".into(), Loss::Outgoing);
        faults.apart.insert(("h1p0".into(), "h2p0".into()));
        let text = rules(&faults);
        assert!(text.contains("  iifname \"h1p0\" drop\n"), "{text}");
        assert!(!text.contains("  oifname \"h1p0\" drop\n"), "{text}");
        assert!(
            text.contains("  iifname \"h1p0\" oifname \"h2p0\" drop\n"),
            "{text}"
        );
        faults
            .loss
            .insert("h1p0".into(), Loss::HeartbeatPercent(20));
        let text = rules(&faults);
        assert!(
            text.contains("oifname \"h1p0\" udp dport 694 numgen random mod 100 < 20 drop"),
            "{text}"
        );
    }
}
