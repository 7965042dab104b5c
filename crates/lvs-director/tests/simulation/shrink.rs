//! Makes a history that fails as short as possible.

use crate::history::{Event, History};
use crate::run::{Failure, play};

/// So many histories are tried at most.
const ATTEMPTS_MAX: usize = 3000;

/// Leaves out events in ever smaller pieces, then virtual services, real servers and pauses, as long as it still fails.
/// How it fails may change on the way.
pub(crate) fn shrink(history: History, failure: Failure) -> (History, Failure) {
    let mut best = (history, failure);
    let mut attempts = 0;
    loop {
        let before = best.0.clone();
        events(&mut best, &mut attempts);
        configurations(&mut best, &mut attempts);
        pauses(&mut best, &mut attempts);
        if best.0 == before || attempts >= ATTEMPTS_MAX {
            return best;
        }
    }
}

/// Takes the other history if it fails, too.
fn attempt(best: &mut (History, Failure), other: History, attempts: &mut usize) -> bool {
    *attempts += 1;
    if *attempts > ATTEMPTS_MAX {
        return false;
    }
    match play(&other) {
        Ok(_) => false,
        Err(failure) => {
            *best = (other, failure);
            true
        }
    }
}

fn events(best: &mut (History, Failure), attempts: &mut usize) {
    let mut size = best.0.events.len();
    while size > 0 {
        let mut at = 0;
        while at < best.0.events.len() {
            let mut other = best.0.clone();
            let end = (at + size).min(other.events.len());
            other.events.drain(at..end);
            if !attempt(best, other, attempts) {
                at += size;
            }
        }
        size /= 2;
    }
}

/// The first configuration and those of reloads.
fn configurations(best: &mut (History, Failure), attempts: &mut usize) {
    for which in 0..=best.0.events.len() {
        let mut service = 0;
        while let Some(config) = config_of(&mut best.0, which)
            && service < config.services.len()
        {
            let mut other = best.0.clone();
            if let Some(config) = config_of(&mut other, which) {
                config.services.remove(service);
            }
            if attempt(best, other, attempts) {
                continue;
            }
            reals(best, which, service, attempts);
            service += 1;
        }
    }
}

fn reals(best: &mut (History, Failure), which: usize, service: usize, attempts: &mut usize) {
    let mut real = 0;
    while let Some(config) = config_of(&mut best.0, which)
        && real < config.services[service].reals.len()
    {
        let mut other = best.0.clone();
        if let Some(config) = config_of(&mut other, which) {
            config.services[service].reals.remove(real);
        }
        if !attempt(best, other, attempts) {
            real += 1;
        }
    }
}

/// The first configuration is number 0, that of a reload has the number of its event and one.
fn config_of(history: &mut History, which: usize) -> Option<&mut crate::history::Config> {
    if which == 0 {
        return Some(&mut history.config);
    }
    match history.events.get_mut(which - 1) {
        Some((_, Event::Reload(config))) => Some(config),
        _ => None,
    }
}

fn pauses(best: &mut (History, Failure), attempts: &mut usize) {
    for at in 0..best.0.events.len() {
        if best.0.events[at].0 > 0 {
            let mut other = best.0.clone();
            other.events[at].0 = 0;
            attempt(best, other, attempts);
        }
    }
}
