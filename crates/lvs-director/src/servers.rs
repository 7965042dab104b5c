//! What is remembered of virtual services and their real servers (`ldirectord.md` 7.3).

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use ha_config::ldirectord::{Ldirectord, VirtualService};
use ipvs::{DestinationKey, ServiceKey};

use crate::place::Place;

/// What a check saw is kept up to this length, in bytes; a body that does not match may be long, and there may be
/// thousands of servers.
const TEXT_MAX: usize = 160;

/// What is remembered of a virtual service.
#[derive(Clone, Debug, Default)]
pub(crate) struct VirtualState {
    pub(crate) reals: Vec<RealState>,
    /// How many of them serve.
    pub(crate) serving: usize,
    /// What the fallback command was told last: `start` is true.
    pub(crate) command: Option<bool>,
    /// Real lines that mean the same entry of the kernel's table (two gate servers whose ports differ, or a line given
    /// twice), for the entries that have more than one.
    pub(crate) shared: HashMap<DestinationKey, Vec<usize>>,
    /// A real server that is the fallback as well.
    pub(crate) fallback_twin: Option<usize>,
}

impl VirtualState {
    fn new(service: &VirtualService) -> VirtualState {
        let mut positions: HashMap<DestinationKey, Vec<usize>> = HashMap::new();
        for (position, real) in service.reals.iter().enumerate() {
            positions
                .entry(real.destination.key)
                .or_default()
                .push(position);
        }
        let twin = service
            .fallback
            .as_ref()
            .and_then(|fallback| positions.get(&fallback.destination.key)?.last().copied());
        positions.retain(|_, positions| positions.len() > 1);
        VirtualState {
            reals: vec![RealState::default(); service.reals.len()],
            serving: 0,
            command: None,
            shared: positions,
            fallback_twin: twin,
        }
    }

    /// Which of the real lines that mean the same entry decides about it: the last one that serves, else the last one.
    pub(crate) fn decisive(&self, position: usize, key: &DestinationKey) -> usize {
        let Some(sharers) = self.shared.get(key) else {
            return position;
        };
        let serves = |position: &&usize| self.reals.get(**position).is_some_and(RealState::serves);
        sharers
            .iter()
            .rfind(serves)
            .or(sharers.last())
            .copied()
            .unwrap_or(position)
    }
}

/// What is remembered of a real server of a virtual service.
#[derive(Clone, Debug, Default)]
pub(crate) struct RealState {
    /// Known to work. Nothing known yet counts as not working (7.4).
    pub(crate) up: bool,
    /// There is a file for it in `maintenancedir`.
    pub(crate) maintenance: bool,
    /// Its state is not just what a new server begins with.
    pub(crate) judged: bool,
    /// Bad checks in a row while it is up.
    pub(crate) failures: u32,
    /// Since when it is in or out of service.
    pub(crate) since: Duration,
    /// What the last check saw.
    pub(crate) text: String,
    /// When the last mail about its being down was sent; none: nothing is repeated.
    pub(crate) mailed: Option<Duration>,
}

impl RealState {
    /// In service: works, and nobody has taken it out.
    pub(crate) fn serves(&self) -> bool {
        self.up && !self.maintenance
    }

    /// Notes what a check saw.
    pub(crate) fn set_text(&mut self, text: &str) {
        let end = text.floor_char_boundary(TEXT_MAX);
        let text = text.get(..end).unwrap_or_default();
        if self.text != text {
            text.clone_into(&mut self.text);
        }
    }
}

/// State of everything in a configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Servers {
    pub(crate) virtuals: Vec<VirtualState>,
}

impl Servers {
    /// Nothing is known yet.
    pub(crate) fn new(config: &Ldirectord) -> Servers {
        Servers {
            virtuals: config.virtuals.iter().map(VirtualState::new).collect(),
        }
    }

    /// Takes over what is known of servers that stay: a reload never takes a server out or in, and counters go on
    /// (`ldirectord.md` 10, deliberately better: the legacy forgot). A server is the same when its service, address and
    /// port are.
    pub(crate) fn inherit(&mut self, config: &Ldirectord, old: Servers, old_config: &Ldirectord) {
        let mut known: HashMap<(ServiceKey, DestinationKey), VecDeque<RealState>> = HashMap::new();
        let mut commands = HashMap::new();
        for (service, state) in old_config.virtuals.iter().zip(old.virtuals) {
            if let Some(command) = &service.fallback_command {
                commands.insert((*service.key(), command), state.command);
            }
            for (real, state) in service.reals.iter().zip(state.reals) {
                known
                    .entry((*service.key(), real.configured))
                    .or_default()
                    .push_back(state);
            }
        }
        for (service, state) in config.virtuals.iter().zip(&mut self.virtuals) {
            if let Some(command) = &service.fallback_command {
                state.command = commands.get(&(*service.key(), command)).copied().flatten();
            }
            for (real, state) in service.reals.iter().zip(&mut state.reals) {
                let old = known
                    .get_mut(&(*service.key(), real.configured))
                    .and_then(VecDeque::pop_front);
                if let Some(old) = old {
                    *state = RealState {
                        judged: true,
                        ..old
                    };
                }
            }
        }
        self.count();
    }

    /// Counts who serves.
    pub(crate) fn count(&mut self) {
        for state in &mut self.virtuals {
            state.serving = state.reals.iter().filter(|real| real.serves()).count();
        }
    }

    pub(crate) fn real(&self, place: Place) -> Option<&RealState> {
        self.virtuals.get(place.service)?.reals.get(place.real)
    }

    pub(crate) fn real_mut(&mut self, place: Place) -> Option<&mut RealState> {
        self.virtuals
            .get_mut(place.service)?
            .reals
            .get_mut(place.real)
    }

    /// Changes a real server's state; true if it thereby came into or went out of service.
    pub(crate) fn change(
        &mut self,
        now: Duration,
        place: Place,
        change: impl FnOnce(&mut RealState),
    ) -> bool {
        let Some(service) = self.virtuals.get_mut(place.service) else {
            return false;
        };
        let Some(real) = service.reals.get_mut(place.real) else {
            return false;
        };
        let served = real.serves();
        change(real);
        if served == real.serves() {
            return false;
        }
        real.since = now;
        if served {
            service.serving = service.serving.saturating_sub(1);
        } else {
            service.serving += 1;
        }
        true
    }
}
