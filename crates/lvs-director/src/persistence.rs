//! Clients that persistence pins to a real server which has failed.
//!
//! What becomes of them is the kernel's business, and the administrator's: two switches decide, and they are not ours to
//! set. We say which ones leave clients in the lurch.
//!
//! * With `quiescent` a server that fails keeps its entry with weight 0. A client whose template points there is sent
//!   there again at every new connection, for as long as it keeps trying, unless `expire_quiescent_template` is set.
//! * Without `quiescent` the entry leaves, and new connections are scheduled anew whatever the switches say. Packets of
//!   connections that are open are dropped without a word until the client gives up, unless `expire_nodest_conn` is set.
//!
//! Nothing in between helps (seen with Linux 6.1): to delete the entry and add it with weight 0 at once revives the
//! template, so the client is back at the dead server. Only an entry that stays away frees it, which is `quiescent=no`.

use ha_config::ldirectord::Ldirectord;
use ipvs::ServiceKey;

use crate::director::Director;

/// So many services are named in a warning.
const NAMED_MAX: usize = 5;

/// The kernel's switches, as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Switches {
    pub(crate) expire_quiescent_template: Option<bool>,
    pub(crate) expire_nodest_conn: Option<bool>,
}

/// What was warned of last, so that it is said once per change.
#[derive(Clone, Debug, Default)]
pub(crate) struct Warnings {
    quiescent: Vec<ServiceKey>,
    removed: Vec<ServiceKey>,
}

impl Warnings {
    /// What is to be said now.
    pub(crate) fn news(&mut self, config: &Ldirectord, switches: Switches) -> Vec<String> {
        let affected = |quiescent: bool, switch: Option<bool>| -> Vec<ServiceKey> {
            if switch != Some(false) {
                return Vec::new();
            }
            config
                .virtuals
                .iter()
                .filter(|service| {
                    service.service.persistence.is_some() && service.quiescent == quiescent
                })
                .map(|service| *service.key())
                .collect()
        };
        let mut news = Vec::new();
        let quiescent = affected(true, switches.expire_quiescent_template);
        if quiescent != self.quiescent && !quiescent.is_empty() {
            news.push(format!(
                "Warning: persistent clients of {} stay with a real server that has failed; to have them scheduled anew: sysctl -w net.ipv4.vs.expire_quiescent_template=1",
                names(&quiescent)
            ));
        }
        self.quiescent = quiescent;
        let removed = affected(false, switches.expire_nodest_conn);
        if removed != self.removed && !removed.is_empty() {
            news.push(format!(
                "Warning: open connections of {} to a real server that has failed hang until the client gives up; to end them at once: sysctl -w net.ipv4.vs.expire_nodest_conn=1",
                names(&removed)
            ));
        }
        self.removed = removed;
        news
    }
}

impl Director {
    pub(crate) fn warn_of_pinned_clients(&mut self) {
        for text in self.warnings.news(&self.config, self.switches) {
            self.log(text);
        }
    }
}

fn names(keys: &[ServiceKey]) -> String {
    let mut names: Vec<String> = keys
        .iter()
        .take(NAMED_MAX)
        .map(ServiceKey::to_string)
        .collect();
    if let Some(more @ 1..) = keys.len().checked_sub(NAMED_MAX) {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}
