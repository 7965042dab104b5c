//! When each check runs: without slip, all at once at the beginning, evenly spread later.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use ha_config::ldirectord::{CheckPlan, Ldirectord, Probe};

use crate::CheckId;

/// The counter of a combined check begins so high that the first check negotiates (`ldirectord.md` 6.2).
const NEGOTIATE_NEXT: u32 = 999_999;

/// One probe (or the two of a combined check) and everybody who wants its verdict.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    /// The probe, or the negotiating one of a combined check.
    probe: Probe,
    /// N and the connecting probe of a combined check.
    combined: Option<(u32, Probe)>,
    pub(crate) interval: Duration,
    /// Positions of virtual services and of real servers in them.
    pub(crate) users: Vec<(usize, usize)>,
    pub(crate) due: Duration,
    pub(crate) running: Option<CheckId>,
    good_connects: u32,
    /// The check in progress negotiates.
    negotiating: bool,
    begun_once: bool,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watches {
    all: Vec<Watch>,
    queue: BTreeSet<(Duration, usize)>,
    running: HashMap<CheckId, usize>,
    of_real: HashMap<(usize, usize), usize>,
    next_id: u64,
}

type Key = (Probe, Option<u32>);

impl Watches {
    /// Takes over a configuration. A probe that was there before keeps its time and its check in progress; new ones are due
    /// at once. Checks in progress that nobody wants any more are returned.
    pub(crate) fn rebuild(&mut self, config: &Ldirectord, now: Duration) -> Vec<CheckId> {
        let old = std::mem::take(&mut self.all);
        let mut known: HashMap<Key, Watch> =
            old.into_iter().map(|watch| (watch.key(), watch)).collect();
        self.queue.clear();
        self.of_real.clear();
        let mut index: HashMap<Key, usize> = HashMap::new();
        for (v, service) in config.virtuals.iter().enumerate() {
            for (r, real) in service.reals.iter().enumerate() {
                let (probe, combined) = match &real.check {
                    CheckPlan::AlwaysUp | CheckPlan::Off => continue,
                    CheckPlan::Every(probe) => (probe, None),
                    CheckPlan::Combined {
                        connects,
                        negotiate,
                        connect,
                    } => (negotiate, Some((*connects, connect.clone()))),
                };
                let key = (
                    probe.clone(),
                    combined.as_ref().map(|(connects, _)| *connects),
                );
                let position = *index.entry(key.clone()).or_insert_with(|| {
                    let watch = match known.remove(&key) {
                        Some(watch) => Watch {
                            users: Vec::new(),
                            interval: service.check_interval,
                            ..watch
                        },
                        None => Watch {
                            probe: probe.clone(),
                            combined,
                            interval: service.check_interval,
                            users: Vec::new(),
                            due: now,
                            running: None,
                            good_connects: NEGOTIATE_NEXT,
                            negotiating: false,
                            begun_once: false,
                        },
                    };
                    self.all.push(watch);
                    self.all.len() - 1
                });
                if let Some(watch) = self.all.get_mut(position) {
                    watch.interval = watch.interval.min(service.check_interval);
                    watch.due = watch.due.min(now + watch.interval);
                    watch.users.push((v, r));
                }
                self.of_real.insert((v, r), position);
            }
        }
        self.running.clear();
        for (position, watch) in self.all.iter().enumerate() {
            self.queue.insert((watch.due, position));
            if let Some(id) = watch.running {
                self.running.insert(id, position);
            }
        }
        known
            .into_values()
            .filter_map(|watch| watch.running)
            .collect()
    }

    /// When the first is due.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.queue.first().map(|(due, _)| *due)
    }

    /// The next check to begin now. `skip` tells which real servers are not to be checked.
    pub(crate) fn begin_due(
        &mut self,
        now: Duration,
        skip: impl Fn(usize, usize) -> bool,
    ) -> Option<(CheckId, Probe)> {
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
            let nobody = watch.users.iter().all(|(v, r)| skip(*v, *r));
            // A check that takes longer than its interval misses a beat; it is not begun twice.
            if watch.running.is_some() || nobody {
                continue;
            }
            let id = CheckId(self.next_id);
            self.next_id += 1;
            watch.running = Some(id);
            watch.begun_once = true;
            self.running.insert(id, position);
            return Some((id, watch.choose()));
        }
    }

    /// Takes note of a verdict; who wanted it. None if nobody does.
    pub(crate) fn ended(&mut self, id: CheckId, up: Option<bool>) -> Option<Vec<(usize, usize)>> {
        let position = self.running.remove(&id)?;
        let watch = self.all.get_mut(position)?;
        watch.running = None;
        if let Some(up) = up {
            watch.count(up);
        }
        Some(watch.users.clone())
    }

    /// All checks in progress, which are forgotten.
    pub(crate) fn cancel_all(&mut self) -> Vec<CheckId> {
        self.queue.clear();
        let mut ids: Vec<CheckId> = self.running.drain().map(|(id, _)| id).collect();
        ids.sort();
        ids
    }

    pub(crate) fn running_count(&self) -> usize {
        self.running.len()
    }

    /// When a real server is checked next.
    pub(crate) fn due_of(&self, v: usize, r: usize) -> Option<Duration> {
        self.all
            .get(*self.of_real.get(&(v, r))?)
            .map(|watch| watch.due)
    }
}

impl Watch {
    fn key(&self) -> Key {
        (
            self.probe.clone(),
            self.combined.as_ref().map(|(connects, _)| *connects),
        )
    }

    /// One interval after the last time, whatever it is now. The second check comes earlier, each probe's at another part
    /// of the interval, so that thousands do not all begin at the same moment for ever.
    fn next_due(&self, now: Duration, position: usize, count: usize) -> Duration {
        let interval = self.interval.max(Duration::from_millis(1));
        if !self.begun_once {
            let share = (position as f64 + 1.0) / (count.max(1) as f64);
            return now + interval.mul_f64(share.clamp(0.0, 1.0));
        }
        let behind = now.saturating_sub(self.due);
        let missed = behind.as_nanos() / interval.as_nanos();
        let missed = u32::try_from(missed).unwrap_or(u32::MAX);
        self.due + interval.saturating_mul(missed.saturating_add(1))
    }

    fn choose(&mut self) -> Probe {
        match &self.combined {
            Some((connects, connect)) if self.good_connects < *connects => {
                self.negotiating = false;
                connect.clone()
            }
            _ => {
                self.negotiating = true;
                self.probe.clone()
            }
        }
    }

    fn count(&mut self, up: bool) {
        self.good_connects = match (self.negotiating, up) {
            (true, true) => 0,
            (true, false) => self.good_connects,
            (false, true) => self.good_connects.saturating_add(1),
            (false, false) => NEGOTIATE_NEXT,
        };
    }
}
