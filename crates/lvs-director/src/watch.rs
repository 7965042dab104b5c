//! When each check runs: without slip, all at once at the beginning, evenly spread later.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Duration;

use ha_config::ldirectord::{CheckPlan, Ldirectord, Probe};
use ipvs::{DestinationKey, ServiceKey};

use crate::CheckId;
use crate::place::Place;

/// Shortest interval; the parser knows whole seconds only.
const INTERVAL_MIN: Duration = Duration::from_millis(1);

/// Longest interval: a year, so that sums of times stay small.
const INTERVAL_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// An interval as it is used.
fn sane(interval: Duration) -> Duration {
    interval.clamp(INTERVAL_MIN, INTERVAL_MAX)
}

/// Everybody who wants a verdict.
pub(crate) type Users = Rc<[Place]>;

/// What is to be done now.
#[derive(Clone, Debug)]
pub(crate) enum Due {
    /// Begin a check.
    Check { id: CheckId, probe: Rc<Probe> },
    /// A check that needs no look: it is good.
    Good(Users),
    /// Nobody wants to know: all are in maintenance.
    Resting(Users),
}

/// One thing to look at again and again, and for whom.
#[derive(Clone, Debug)]
struct Watch {
    look: Look,
    interval: Duration,
    users: Users,
    due: Duration,
    running: Option<CheckId>,
    begun_once: bool,
}

#[derive(Clone, Debug)]
enum Look {
    /// Good without looking; whose it is.
    None(ServiceKey, DestinationKey),
    Probe(Rc<Probe>),
    Combined(Combined),
}

/// `checktype=N` (`ldirectord.md` 6.2): one negotiation, then N connects, and so on; after a failure negotiations until
/// one is good.
#[derive(Clone, Debug)]
struct Combined {
    connects: u32,
    negotiate: Rc<Probe>,
    connect: Rc<Probe>,
    /// Good connects since the last good negotiation; none: negotiate next.
    good: Option<u32>,
    /// The check in progress negotiates.
    negotiating: bool,
}

/// What makes two real servers share a look. The legacy's identity did not have all that matters in it (7.2); here equal
/// probes are shared, and only they.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum LookKey {
    None(ServiceKey, DestinationKey),
    Probe(Rc<Probe>),
    Combined(Rc<Probe>, Rc<Probe>, u32),
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watches {
    all: Vec<Watch>,
    queue: BTreeSet<(Duration, usize)>,
    running: HashMap<CheckId, usize>,
    of_real: HashMap<Place, usize>,
    next_id: u64,
}

impl Watches {
    /// Takes over a configuration. A look that was there before keeps its time, its counter and its check in progress; new
    /// ones are due at once. Checks in progress that nobody wants any more are returned.
    pub(crate) fn rebuild(&mut self, config: &Ldirectord, now: Duration) -> Vec<CheckId> {
        let mut known: HashMap<LookKey, Watch> = std::mem::take(&mut self.all)
            .into_iter()
            .map(|watch| (watch.look.key(), watch))
            .collect();
        self.queue.clear();
        self.running.clear();
        self.of_real.clear();
        let mut positions: HashMap<LookKey, usize> = HashMap::new();
        let mut users: Vec<Vec<Place>> = Vec::new();
        for (service_at, service) in config.virtuals.iter().enumerate() {
            for (real_at, real) in service.reals.iter().enumerate() {
                let place = Place {
                    service: service_at,
                    real: real_at,
                };
                let Some(look) = Look::new(&real.check, *service.key(), real.configured) else {
                    continue;
                };
                let interval = sane(service.check_interval);
                let position = *positions.entry(look.key()).or_insert_with_key(|key| {
                    let watch = match known.remove(key) {
                        Some(old) => Watch { interval, ..old },
                        None => Watch::new(look, interval, now),
                    };
                    self.all.push(watch);
                    users.push(Vec::new());
                    self.all.len() - 1
                });
                if let (Some(watch), Some(users)) =
                    (self.all.get_mut(position), users.get_mut(position))
                {
                    // Of several intervals the shortest counts.
                    watch.interval = watch.interval.min(interval);
                    watch.due = watch.due.min(now + watch.interval);
                    users.push(place);
                }
                self.of_real.insert(place, position);
            }
        }
        for (position, (watch, users)) in self.all.iter_mut().zip(users).enumerate() {
            watch.users = users.into();
            self.queue.insert((watch.due, position));
            if let Some(id) = watch.running {
                self.running.insert(id, position);
            }
        }
        let mut unwanted: Vec<CheckId> = known
            .into_values()
            .filter_map(|watch| watch.running)
            .collect();
        unwanted.sort();
        unwanted
    }

    /// When the first is due.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.queue.first().map(|(due, _)| *due)
    }

    /// The next thing to do now, if any. `rests` tells which real servers are not to be checked.
    pub(crate) fn due(&mut self, now: Duration, rests: impl Fn(Place) -> bool) -> Option<Due> {
        let count = self.all.len();
        loop {
            let (due, position) = *self.queue.first()?;
            if due > now {
                return None;
            }
            self.queue.pop_first();
            let watch = self.all.get_mut(position)?;
            watch.due = watch.next_due(now, position, count);
            self.queue.insert((watch.due, position));
            if watch.users.iter().all(|place| rests(*place)) {
                return Some(Due::Resting(Rc::clone(&watch.users)));
            }
            // A check that takes longer than its interval misses a beat; it is not begun twice.
            if watch.running.is_some() {
                continue;
            }
            watch.begun_once = true;
            let Some(probe) = watch.look.choose() else {
                return Some(Due::Good(Rc::clone(&watch.users)));
            };
            let id = CheckId(self.next_id);
            self.next_id += 1;
            watch.running = Some(id);
            self.running.insert(id, position);
            return Some(Due::Check { id, probe });
        }
    }

    /// Has the look at a real server made at once.
    pub(crate) fn hasten(&mut self, place: Place, now: Duration) {
        let Some((position, watch)) = self
            .of_real
            .get(&place)
            .and_then(|position| Some((*position, self.all.get_mut(*position)?)))
        else {
            return;
        };
        if watch.due > now {
            self.queue.remove(&(watch.due, position));
            watch.due = now;
            self.queue.insert((watch.due, position));
        }
    }

    /// Takes note of a verdict (none: the check could not be made); who wanted it. None if nobody does.
    pub(crate) fn ended(&mut self, id: CheckId, up: Option<bool>) -> Option<Users> {
        let position = self.running.remove(&id)?;
        let watch = self.all.get_mut(position)?;
        watch.running = None;
        if let (Look::Combined(combined), Some(up)) = (&mut watch.look, up) {
            combined.count(up);
        }
        Some(Rc::clone(&watch.users))
    }

    /// All checks in progress, which are forgotten; nothing is due any more.
    pub(crate) fn give_up(&mut self) -> Vec<CheckId> {
        self.queue.clear();
        let mut ids: Vec<CheckId> = self.running.drain().map(|(id, _)| id).collect();
        ids.sort();
        ids
    }

    pub(crate) fn running_count(&self) -> usize {
        self.running.len()
    }

    /// When a real server is checked next.
    pub(crate) fn due_of(&self, place: Place) -> Option<Duration> {
        self.all
            .get(*self.of_real.get(&place)?)
            .map(|watch| watch.due)
    }
}

impl Watch {
    fn new(look: Look, interval: Duration, now: Duration) -> Watch {
        Watch {
            look,
            interval,
            users: Rc::new([]),
            due: now,
            running: None,
            begun_once: false,
        }
    }

    /// One interval after the last time, whatever it is now. Only the second check comes earlier, each watch's at another
    /// part of the interval, so that thousands do not all begin at the same moment for ever.
    fn next_due(&self, now: Duration, position: usize, count: usize) -> Duration {
        if !self.begun_once {
            let share = (position as f64 + 1.0) / count.max(1) as f64;
            return now
                + self
                    .interval
                    .mul_f64(share.clamp(0.0, 1.0))
                    .max(INTERVAL_MIN);
        }
        let behind = now.saturating_sub(self.due);
        let missed = behind.as_nanos() / self.interval.as_nanos().max(1);
        let missed = u32::try_from(missed).unwrap_or(u32::MAX);
        self.due + self.interval.saturating_mul(missed.saturating_add(1))
    }
}

impl Look {
    /// None for `checktype=off`.
    fn new(plan: &CheckPlan, service: ServiceKey, real: DestinationKey) -> Option<Look> {
        match plan {
            CheckPlan::Off => None,
            CheckPlan::AlwaysUp => Some(Look::None(service, real)),
            CheckPlan::Every(probe) => Some(Look::Probe(Rc::new(probe.clone()))),
            CheckPlan::Combined {
                connects,
                negotiate,
                connect,
            } => Some(Look::Combined(Combined {
                connects: *connects,
                negotiate: Rc::new(negotiate.clone()),
                connect: Rc::new(connect.clone()),
                good: None,
                negotiating: false,
            })),
        }
    }

    fn key(&self) -> LookKey {
        match self {
            Look::None(service, real) => LookKey::None(*service, *real),
            Look::Probe(probe) => LookKey::Probe(Rc::clone(probe)),
            Look::Combined(combined) => LookKey::Combined(
                Rc::clone(&combined.negotiate),
                Rc::clone(&combined.connect),
                combined.connects,
            ),
        }
    }

    fn choose(&mut self) -> Option<Rc<Probe>> {
        match self {
            Look::None(..) => None,
            Look::Probe(probe) => Some(Rc::clone(probe)),
            Look::Combined(combined) => Some(combined.choose()),
        }
    }
}

impl Combined {
    fn choose(&mut self) -> Rc<Probe> {
        self.negotiating = self.good.is_none_or(|good| good >= self.connects);
        Rc::clone(if self.negotiating {
            &self.negotiate
        } else {
            &self.connect
        })
    }

    fn count(&mut self, up: bool) {
        self.good = match (self.negotiating, up) {
            (true, true) => Some(0),
            // It stays due.
            (true, false) => self.good,
            (false, true) => self.good.map(|good| good.saturating_add(1)),
            (false, false) => None,
        };
    }
}
