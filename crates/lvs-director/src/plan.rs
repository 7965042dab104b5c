//! The difference between the table as it shall be and as it is known, as changes with what to say about them
//! (`ldirectord.md` 7.3 to 7.6).
//!
//! Changes are planned per real server, so a verdict costs the same however large the virtual service is.

use std::collections::{BTreeSet, HashSet};

use ha_config::ldirectord::{Ldirectord, Real, VirtualService};
use ipvs::{Change, Destination, DestinationKey, ServiceKey, Table};

use crate::place::Place;
use crate::servers::{RealState, Servers, VirtualState};

/// One change and what to say once the kernel has made it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) change: Change,
    /// The line for the log, the subject of a mail.
    pub(crate) text: String,
    pub(crate) about: About,
}

/// What a change is about, which decides about mail (`ldirectord.md` 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// A virtual service itself: nobody is mailed.
    Service,
    /// A real server came in, or it leaves because we do: nobody needs to be reminded of it.
    In(Place),
    /// A real server went out of service.
    Out(Place),
    /// The fallback, or a server that is not in the configuration, of this virtual service.
    Other(usize),
}

/// How much of a virtual service is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Start and reload: everything, and what is not in the configuration leaves.
    TakeOver,
    /// Everything that is in the configuration.
    Whole,
    /// Only what is missing. What others changed while we run stays until it matters (as with the legacy, which looked at
    /// the table only when a server's state changed), but nobody takes our entries away for good.
    Missing,
}

/// What is needed for planning.
pub(crate) struct Planner<'a> {
    pub(crate) config: &'a Ldirectord,
    pub(crate) servers: &'a Servers,
    pub(crate) table: &'a Table,
}

impl Planner<'_> {
    /// Steps for whole virtual services, in the legacy's order (7.4): the services first, then for each the servers that
    /// serve, the strangers and the fallback, then the servers that are out of service. `which` is in file order.
    pub(crate) fn services(&self, which: &[(usize, Extent)]) -> Vec<Step> {
        let mut steps = Vec::new();
        for (at, extent) in which {
            steps.extend(
                self.service(*at)
                    .filter(|step| extent.includes(&step.change)),
            );
        }
        for (at, extent) in which {
            let places = self.places(*at, true);
            steps.extend(
                places
                    .filter_map(|place| self.real(place))
                    .filter(|step| extent.includes(&step.change)),
            );
            if *extent == Extent::TakeOver {
                self.strangers(*at, &mut steps);
            }
            steps.extend(
                self.fallback(*at)
                    .filter(|step| extent.includes(&step.change)),
            );
        }
        for (at, extent) in which {
            let places = self.places(*at, false);
            steps.extend(
                places
                    .filter_map(|place| self.real(place))
                    .filter(|step| extent.includes(&step.change)),
            );
        }
        steps
    }

    /// Steps for real servers whose state has changed and for the fallbacks of their services. A server leaves before its
    /// fallback comes in, as with the legacy; a fallback that may leave does so first.
    pub(crate) fn changed(
        &self,
        reals: &BTreeSet<Place>,
        fallbacks: &BTreeSet<usize>,
    ) -> Vec<Step> {
        let services: BTreeSet<usize> = reals
            .iter()
            .map(|place| place.service)
            .chain(fallbacks.iter().copied())
            .collect();
        let mut steps = Vec::new();
        for at in services {
            let Some((service, _)) = self.virtual_at(at) else {
                continue;
            };
            if self.table.entry(service.key()).is_none() {
                steps.extend(self.services(&[(at, Extent::Whole)]));
                continue;
            }
            let range = Place {
                service: at,
                real: 0,
            }..Place {
                service: at + 1,
                real: 0,
            };
            let fallback = fallbacks.contains(&at).then(|| self.fallback(at)).flatten();
            let (leaving, coming): (Option<Step>, Option<Step>) = match fallback {
                Some(step) if matches!(step.change, Change::DeleteDestination(..)) => {
                    (Some(step), None)
                }
                other => (None, other),
            };
            steps.extend(leaving);
            steps.extend(reals.range(range).filter_map(|place| self.real(*place)));
            steps.extend(coming);
        }
        steps
    }

    /// Real servers that decide about their entry, and serve or do not.
    fn places(&self, at: usize, serving: bool) -> impl Iterator<Item = Place> {
        let found = self.virtual_at(at);
        let reals = found.map_or(&[][..], |(service, _)| &service.reals);
        reals
            .iter()
            .enumerate()
            .filter_map(move |(position, real)| {
                let (_, state) = found?;
                let decisive = state.decisive(position, &real.destination.key) == position;
                let serves = state.reals.get(position)?.serves();
                (decisive && serves == serving).then_some(Place {
                    service: at,
                    real: position,
                })
            })
    }

    /// The virtual service's own entry.
    pub(crate) fn service(&self, at: usize) -> Option<Step> {
        let (service, _) = self.virtual_at(at)?;
        let key = service.key();
        let (change, word) = match self.table.entry(key) {
            None => (Change::AddService(service.service.clone()), "Added"),
            // The legacy said so always; an unchanged reload changes nothing here.
            Some(entry) if entry.service != service.service => {
                (Change::EditService(service.service.clone()), "Changed")
            }
            Some(_) => return None,
        };
        Some(Step {
            change,
            text: format!("{word} virtual server: {key}"),
            about: About::Service,
        })
    }

    /// One real server's entry.
    pub(crate) fn real(&self, place: Place) -> Option<Step> {
        let (service, state) = self.virtual_at(place.service)?;
        let real = service.reals.get(place.real)?;
        let position = state.decisive(place.real, &real.destination.key);
        let real = service.reals.get(position)?;
        let place = Place {
            real: position,
            ..place
        };
        let is_fallback = state.fallback_twin.is_some()
            && service
                .fallback
                .as_ref()
                .is_some_and(|fallback| fallback.destination.key == real.destination.key);
        if is_fallback && state.serving == 0 {
            return None;
        }
        let present = self.table.destination(service.key(), &real.destination.key);
        if state.reals.get(position).is_some_and(RealState::serves) {
            return serving(service, place, real, present);
        }
        if is_fallback && !self.somebody_is_in(place.service) {
            return None;
        }
        out_of_service(service, place, real, present, self.config.readd_quiescent)
    }

    /// The fallback's entry: there while no server is up. It leaves only when one that is up is really in the table.
    pub(crate) fn fallback(&self, at: usize) -> Option<Step> {
        let (service, state) = self.virtual_at(at)?;
        let fallback = service.fallback.as_ref()?;
        let key = *service.key();
        let wanted = &fallback.destination;
        let present = self.table.destination(&key, &wanted.key);
        let name = fallback.configured;
        let (change, text) = match present {
            None if state.serving == 0 => (
                Change::AddDestination(key, wanted.clone()),
                format!(
                    "Added fallback server: {name} ({key}) (Weight set to {})",
                    wanted.weight
                ),
            ),
            Some(present) if state.serving == 0 && !same(present, wanted) => (
                Change::EditDestination(key, wanted.clone()),
                format!(
                    "Restored fallback server: {name} ({key}) (Weight set to {})",
                    wanted.weight
                ),
            ),
            Some(_)
                if state.serving > 0
                    && state.fallback_twin.is_none()
                    && self.somebody_is_in(at) =>
            {
                (
                    Change::DeleteDestination(key, wanted.key),
                    format!(
                        "Deleted fallback server: {} ({key})",
                        removal_name(&wanted.key, &name)
                    ),
                )
            }
            _ => return None,
        };
        Some(Step {
            change,
            text,
            about: About::Other(at),
        })
    }

    /// Whether the table has a server that serves. Only asked while there is a fallback to remove.
    fn somebody_is_in(&self, at: usize) -> bool {
        let Some((service, state)) = self.virtual_at(at) else {
            return false;
        };
        service.reals.iter().zip(&state.reals).any(|(real, state)| {
            let wanted = &real.destination;
            state.serves()
                && self
                    .table
                    .destination(service.key(), &wanted.key)
                    .is_some_and(|present| present.weight > 0 || wanted.weight == 0)
        })
    }

    /// Servers under a configured service that the configuration does not have.
    fn strangers(&self, at: usize, steps: &mut Vec<Step>) {
        let Some((service, _)) = self.virtual_at(at) else {
            return;
        };
        let key = *service.key();
        let Some(entry) = self.table.entry(&key) else {
            return;
        };
        let ours: HashSet<&DestinationKey> = service
            .reals
            .iter()
            .map(|real| &real.destination.key)
            .chain(
                service
                    .fallback
                    .iter()
                    .map(|fallback| &fallback.destination.key),
            )
            .collect();
        for stranger in entry.destinations.keys() {
            if !ours.contains(stranger) {
                steps.push(Step {
                    change: Change::DeleteDestination(key, *stranger),
                    text: format!("Purged real server (start): {stranger} ({key})"),
                    about: About::Other(at),
                });
            }
        }
    }

    /// A virtual service that the configuration no longer has.
    pub(crate) fn retired(&self, key: ServiceKey) -> Option<Step> {
        self.table.entry(&key)?;
        Some(Step {
            change: Change::DeleteService(key),
            text: format!("Purged virtual server (start): {key}"),
            about: About::Service,
        })
    }

    /// What a stop does (7.6). A server that several virtual services share is named under the first only.
    pub(crate) fn stop(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut named: HashSet<&str> = HashSet::new();
        for (at, (service, state)) in self
            .config
            .virtuals
            .iter()
            .zip(&self.servers.virtuals)
            .enumerate()
        {
            let key = *service.key();
            let Some(entry) = self.table.entry(&key) else {
                continue;
            };
            if !service.clean_stop {
                continue;
            }
            let mut gone: HashSet<&DestinationKey> = HashSet::new();
            for (position, (real, state)) in service.reals.iter().zip(&state.reals).enumerate() {
                let present = entry.destinations.contains_key(&real.destination.key);
                if state.serves()
                    && named.insert(&real.identity)
                    && present
                    && gone.insert(&real.destination.key)
                {
                    steps.push(Step {
                        change: Change::DeleteDestination(key, real.destination.key),
                        text: format!("Purged real server (stop): {} ({key})", real.configured),
                        about: About::In(Place {
                            service: at,
                            real: position,
                        }),
                    });
                }
            }
            steps.push(Step {
                change: Change::DeleteService(key),
                text: format!("Purged virtual server (stop): {key}"),
                about: About::Service,
            });
        }
        steps
    }

    fn virtual_at(&self, at: usize) -> Option<(&VirtualService, &VirtualState)> {
        Some((
            self.config.virtuals.get(at)?,
            self.servers.virtuals.get(at)?,
        ))
    }
}

impl Extent {
    fn includes(self, change: &Change) -> bool {
        match self {
            Extent::TakeOver | Extent::Whole => true,
            Extent::Missing => {
                matches!(change, Change::AddService(_) | Change::AddDestination(..))
            }
        }
    }
}

fn serving(
    service: &VirtualService,
    place: Place,
    real: &Real,
    present: Option<&Destination>,
) -> Option<Step> {
    let key = *service.key();
    let wanted = &real.destination;
    let (change, word) = match present {
        None => (Change::AddDestination(key, wanted.clone()), "Added"),
        Some(present) if !same(present, wanted) => {
            (Change::EditDestination(key, wanted.clone()), "Restored")
        }
        Some(_) => return None,
    };
    Some(Step {
        change,
        text: format!(
            "{word} real server: {} ({key}) (Weight set to {})",
            real.configured, wanted.weight
        ),
        about: About::In(place),
    })
}

fn out_of_service(
    service: &VirtualService,
    place: Place,
    real: &Real,
    present: Option<&Destination>,
    readd_quiescent: bool,
) -> Option<Step> {
    let key = *service.key();
    let removed = removal_name(&real.destination.key, &real.configured);
    if !service.quiescent {
        present?;
        return Some(Step {
            change: Change::DeleteDestination(key, real.destination.key),
            text: format!("Deleted real server: {removed} ({key})"),
            about: About::Out(place),
        });
    }
    let wanted = Destination {
        weight: 0,
        ..real.destination.clone()
    };
    let (change, name) = match present {
        Some(present) if same(present, &wanted) => return None,
        Some(_) => (Change::EditDestination(key, wanted), removed),
        None if readd_quiescent => (
            Change::AddDestination(key, wanted),
            real.configured.to_string(),
        ),
        None => return None,
    };
    Some(Step {
        change,
        text: format!("Quiescent real server: {name} ({key}) (Weight set to 0)"),
        about: About::Out(place),
    })
}

/// How removals name a server whose port is another one in the kernel (7.3).
fn removal_name(effective: &DestinationKey, configured: &DestinationKey) -> String {
    if effective == configured {
        configured.to_string()
    } else {
        format!("{effective} mapped from {configured}")
    }
}

/// Kernels up to 2.6.36 show a server with an address of their own as `Local`, whatever was asked for.
fn same(present: &Destination, wanted: &Destination) -> bool {
    let forward = present.forward == wanted.forward || present.forward == ipvs::Forward::Local;
    forward
        && present.weight == wanted.weight
        && present.upper_threshold == wanted.upper_threshold
        && present.lower_threshold == wanted.lower_threshold
}
