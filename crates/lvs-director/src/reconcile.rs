//! The difference between the table as it shall be and as it is known, as changes with their log lines
//! (`ldirectord.md` 7.3 to 7.6).

use ha_config::ldirectord::{Fallback, Real, VirtualService};
use ipvs::{Change, Destination, Entry, Table};

use crate::servers::{RealState, VirtualState};

/// A change on its way to the kernel.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) change: Change,
    /// What to log once the kernel has accepted it.
    pub(crate) text: String,
    /// Position of the virtual service, if it is one of the configuration.
    pub(crate) service: Option<usize>,
    pub(crate) about: About,
}

/// What a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// The virtual service itself: nobody is mailed.
    Service,
    /// A real server came in or left for good; a repetition ends.
    In(Option<usize>),
    /// A real server (its position) went out of service; a repetition begins.
    Out(usize),
    /// The fallback.
    Fallback,
}

/// Whether strangers under a configured service are removed, and in which order things are said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// Start or reload.
    Takeover,
    /// Anything else.
    Running,
}

/// The virtual service's own entry.
pub(crate) fn service(at: usize, service: &VirtualService, table: &Table) -> Option<Pending> {
    let key = service.key();
    let (change, word) = match table.entry(key) {
        None => (Change::AddService(service.service.clone()), "Added"),
        Some(entry) if entry.service != service.service => {
            (Change::EditService(service.service.clone()), "Changed")
        }
        Some(_) => return None,
    };
    Some(Pending {
        change,
        text: format!("{word} virtual server: {key}"),
        service: Some(at),
        about: About::Service,
    })
}

/// The real servers and the fallback of one virtual service.
pub(crate) fn servers(
    at: usize,
    service: &VirtualService,
    state: &VirtualState,
    readd_quiescent: bool,
    table: &Table,
    occasion: Occasion,
) -> Vec<Pending> {
    let known = table.entry(service.key());
    let mut coming = Vec::new();
    let mut leaving = Vec::new();
    for (position, (real, real_state)) in service.reals.iter().zip(&state.reals).enumerate() {
        let present = known.and_then(|entry| entry.destinations.get(&real.destination.key));
        let context = Context { at, service };
        let pending = if real_state.serves() {
            context.serving(real, present)
        } else {
            context.out_of_service(position, real, present, readd_quiescent)
        };
        if real_state.serves() {
            coming.extend(pending);
        } else {
            leaving.extend(pending);
        }
    }
    let fallback = service
        .fallback
        .as_ref()
        .and_then(|fallback| self::fallback(at, service, fallback, state, known));
    let strangers = match occasion {
        Occasion::Takeover => strangers(at, service, known),
        Occasion::Running => Vec::new(),
    };
    // A server comes in before its fallback leaves, and leaves before its fallback comes in; at a start the fallback is
    // there before the servers that nobody has checked yet.
    match occasion {
        Occasion::Takeover => [coming, strangers, fallback.into_iter().collect(), leaving].concat(),
        Occasion::Running => [coming, leaving, fallback.into_iter().collect()].concat(),
    }
}

struct Context<'a> {
    at: usize,
    service: &'a VirtualService,
}

impl Context<'_> {
    fn pending(&self, change: Change, text: String, about: About) -> Pending {
        Pending {
            change,
            text,
            service: Some(self.at),
            about,
        }
    }

    fn serving(&self, real: &Real, present: Option<&Destination>) -> Option<Pending> {
        let key = *self.service.key();
        let wanted = real.destination.clone();
        let weight = wanted.weight;
        let (change, word) = match present {
            None => (Change::AddDestination(key, wanted), "Added"),
            Some(present) if !same(present, &wanted) => {
                (Change::EditDestination(key, wanted), "Restored")
            }
            Some(_) => return None,
        };
        let text = format!(
            "{word} real server: {} ({key}) (Weight set to {weight})",
            real.configured
        );
        Some(self.pending(change, text, About::In(None)))
    }

    fn out_of_service(
        &self,
        position: usize,
        real: &Real,
        present: Option<&Destination>,
        readd_quiescent: bool,
    ) -> Option<Pending> {
        let key = *self.service.key();
        let name = removal_name(real);
        if !self.service.quiescent {
            present?;
            let change = Change::DeleteDestination(key, real.destination.key);
            let text = format!("Deleted real server: {name} ({key})");
            return Some(self.pending(change, text, About::Out(position)));
        }
        let wanted = Destination {
            weight: 0,
            ..real.destination.clone()
        };
        let change = match present {
            Some(present) if same(present, &wanted) => return None,
            Some(_) => Change::EditDestination(key, wanted),
            None if readd_quiescent => Change::AddDestination(key, wanted),
            None => return None,
        };
        let text = format!("Quiescent real server: {name} ({key}) (Weight set to 0)");
        Some(self.pending(change, text, About::Out(position)))
    }
}

/// How removals name a server whose port is not the one in the kernel (`ldirectord.md` 7.3).
fn removal_name(real: &Real) -> String {
    if real.configured == real.destination.key {
        real.configured.to_string()
    } else {
        format!("{} mapped from {}", real.destination.key, real.configured)
    }
}

/// Kernels up to 2.6.36 show their own addresses as `Local`, whatever was asked for.
fn same(present: &Destination, wanted: &Destination) -> bool {
    let method = present.forward == wanted.forward || present.forward == ipvs::Forward::Local;
    method
        && present.weight == wanted.weight
        && present.upper_threshold == wanted.upper_threshold
        && present.lower_threshold == wanted.lower_threshold
}

fn is_real(service: &VirtualService, destination: &Destination) -> bool {
    service
        .reals
        .iter()
        .any(|real| real.destination.key == destination.key)
}

fn fallback(
    at: usize,
    service: &VirtualService,
    fallback: &Fallback,
    state: &VirtualState,
    known: Option<&Entry>,
) -> Option<Pending> {
    // A fallback that is one of the real servers has its place by what its check says.
    if is_real(service, &fallback.destination) {
        return None;
    }
    let key = *service.key();
    let wanted = fallback.destination.clone();
    let present = known.and_then(|entry| entry.destinations.get(&wanted.key));
    let name = fallback.configured;
    let (change, text) = match (state.any_up(), present) {
        (false, None) => (
            Change::AddDestination(key, wanted),
            format!("Added fallback server: {name} ({key}) (Weight set to 1)"),
        ),
        (false, Some(present)) if !same(present, &wanted) => (
            Change::EditDestination(key, wanted),
            format!("Restored fallback server: {name} ({key}) (Weight set to 1)"),
        ),
        (true, Some(_)) => (
            Change::DeleteDestination(key, wanted.key),
            format!("Deleted fallback server: {name} ({key})"),
        ),
        _ => return None,
    };
    Some(Pending {
        change,
        text,
        service: Some(at),
        about: About::Fallback,
    })
}

/// Servers under a configured service that the configuration does not have.
fn strangers(at: usize, service: &VirtualService, known: Option<&Entry>) -> Vec<Pending> {
    let key = *service.key();
    known
        .into_iter()
        .flat_map(|entry| entry.destinations.values())
        .filter(|destination| {
            let fallback = service
                .fallback
                .as_ref()
                .is_some_and(|fallback| fallback.destination.key == destination.key);
            !fallback && !is_real(service, destination)
        })
        .map(|destination| Pending {
            change: Change::DeleteDestination(key, destination.key),
            text: format!("Purged real server (start): {} ({key})", destination.key),
            service: Some(at),
            about: About::In(None),
        })
        .collect()
}

/// What a stop does to one virtual service.
pub(crate) fn stop(
    at: usize,
    service: &VirtualService,
    reals: &[RealState],
    table: &Table,
) -> Vec<Pending> {
    let key = *service.key();
    let Some(entry) = table.entry(&key) else {
        return Vec::new();
    };
    let mut changes: Vec<Pending> = service
        .reals
        .iter()
        .zip(reals)
        .filter(|(real, state)| {
            state.serves() && entry.destinations.contains_key(&real.destination.key)
        })
        .map(|(real, _)| Pending {
            change: Change::DeleteDestination(key, real.destination.key),
            text: format!("Purged real server (stop): {} ({key})", real.configured),
            service: Some(at),
            about: About::In(None),
        })
        .collect();
    changes.push(Pending {
        change: Change::DeleteService(key),
        text: format!("Purged virtual server (stop): {key}"),
        service: Some(at),
        about: About::Service,
    });
    changes
}
