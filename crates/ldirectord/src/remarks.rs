//! What checks say beyond up and down: logged when it changes, not at each check.

use std::collections::HashMap;
use std::time::Duration;

use ha_config::ldirectord::{Probe, ProbeKind};

/// Checks that cannot be made are logged at most so often.
const IMPOSSIBLE_EVERY: Duration = Duration::from_secs(60);

/// The last remark on each probe.
#[derive(Debug, Default)]
pub(crate) struct Remarks {
    known: HashMap<Probe, String>,
    next_impossible: Duration,
    unsaid: u64,
}

impl Remarks {
    /// A check ended with this remark, or without one; the line to be logged, if it is news.
    pub(crate) fn heard(&mut self, probe: &Probe, remark: Option<&str>) -> Option<String> {
        let Some(remark) = remark else {
            // Nearly always there is nothing, and then nothing is hashed.
            if !self.known.is_empty() {
                self.known.remove(probe);
            }
            return None;
        };
        if self.known.get(probe).is_some_and(|known| known == remark) {
            return None;
        }
        self.known.insert(probe.clone(), remark.to_owned());
        Some(format!("Check of {}: {remark}", name(probe)))
    }

    /// A check could not be made for want of something on this machine.
    pub(crate) fn impossible(
        &mut self,
        now: Duration,
        probe: Option<&Probe>,
        why: &str,
    ) -> Option<String> {
        self.unsaid += 1;
        if now < self.next_impossible {
            return None;
        }
        self.next_impossible = now + IMPOSSIBLE_EVERY;
        let of = probe.map(|probe| format!(" of {}", name(probe)));
        Some(format!(
            "Check{} could not be made, its server stays as it is: {why} ({} such checks since the last such line)",
            of.unwrap_or_default(),
            std::mem::take(&mut self.unsaid)
        ))
    }

    /// Everything is news again.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
    }
}

/// `http 192.0.2.2:80`
fn name(probe: &Probe) -> String {
    let word = match &probe.kind {
        ProbeKind::Connect => "connect",
        ProbeKind::Ping { .. } => return format!("ping {}", probe.address),
        ProbeKind::External(_) => "external",
        ProbeKind::Negotiate(negotiate) => negotiate.service.word(),
    };
    format!(
        "{word} {}",
        std::net::SocketAddr::new(probe.address, probe.port)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(port: u16) -> Probe {
        Probe {
            address: [192, 0, 2, 2].into(),
            port,
            timeout: Duration::from_secs(1),
            kind: ProbeKind::Connect,
        }
    }

    #[test]
    fn only_news_are_told() {
        let mut remarks = Remarks::default();
        let told = Some("Check of connect 192.0.2.2:80: old TLS".to_owned());
        assert_eq!(remarks.heard(&probe(80), None), None);
        assert_eq!(remarks.heard(&probe(80), Some("old TLS")), told);
        assert_eq!(remarks.heard(&probe(80), Some("old TLS")), None);
        assert!(remarks.heard(&probe(81), Some("old TLS")).is_some());
        assert_eq!(remarks.heard(&probe(80), None), None);
        assert_eq!(remarks.heard(&probe(80), Some("old TLS")), told, "again");
    }

    #[test]
    fn impossible_checks_are_counted_between_lines() {
        let mut remarks = Remarks::default();
        let second = Duration::from_secs;
        let first = remarks
            .impossible(second(1), Some(&probe(80)), "no ports")
            .unwrap();
        assert!(first.contains("no ports (1 such"), "{first}");
        assert_eq!(remarks.impossible(second(2), None, "no ports"), None);
        let later = remarks.impossible(second(61), None, "no ports").unwrap();
        assert!(
            later.starts_with("Check could") && later.contains("(2 such"),
            "{later}"
        );
    }
}
