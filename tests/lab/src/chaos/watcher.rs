//! Who holds what, looked at from outside every 50 ms: times without a holder and with two of them.
//!
//! Two holders are told apart by what the nodes can know of each other. While they cannot hear each other both serve, and
//! nothing but fencing could help. When they hear each other again they need a moment to find out and to let go. After
//! that there must be one holder.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::hearing::Hearing;
use super::site::{GROUPS, Group, Site, holds};
use crate::Host;

/// How often everybody is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// What the nodes can know of each other while both hold a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Knowledge {
    /// They cannot hear each other.
    CutOff,
    /// They have not heard each other for long.
    Settling,
    /// They have had all the time that they need.
    HearEachOther,
}

impl Knowledge {
    pub(crate) const ALL: [Knowledge; 3] = [
        Knowledge::CutOff,
        Knowledge::Settling,
        Knowledge::HearEachOther,
    ];

    pub(crate) fn words(self) -> &'static str {
        match self {
            Knowledge::CutOff => "cut off from each other",
            Knowledge::Settling => "soon after they could hear each other again",
            Knowledge::HearEachOther => "hearing each other",
        }
    }
}

/// A time with two holders of a group.
#[derive(Clone, Debug)]
pub(crate) struct Double {
    pub(crate) group: usize,
    pub(crate) knowledge: Knowledge,
    /// From the beginning of the run.
    pub(crate) begin: Duration,
    pub(crate) length: Duration,
    /// The episode in which it began.
    pub(crate) episode: usize,
}

/// What was seen in a run.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) doubles: Vec<Double>,
    /// How often everybody was looked at.
    pub(crate) looks: usize,
    /// The longest time between two looks.
    pub(crate) longest_blink: Duration,
}

/// A flag that ends the watch, and the number of the episode that is played.
#[derive(Default)]
pub(crate) struct Stage {
    pub(crate) over: AtomicBool,
    pub(crate) episode: AtomicUsize,
}

/// Looks until the stage says that it is over. `settling` is how long two nodes that hear each other again may both hold a
/// group.
pub(crate) fn watch(
    site: &Site,
    hearing: &Hearing,
    stage: &Stage,
    begun: Instant,
    settling: Duration,
) -> Seen {
    let mut seen = Seen::default();
    let mut open: Vec<Option<Double>> = GROUPS.iter().map(|_| None).collect();
    let mut last = Instant::now();
    while !stage.over.load(Ordering::Relaxed) {
        let now = Instant::now();
        let blink = now - last;
        last = now;
        seen.looks += 1;
        seen.longest_blink = seen.longest_blink.max(blink);
        for (number, (group, open)) in GROUPS.iter().zip(&mut open).enumerate() {
            let knowledge = two_hold(site, group).then(|| knowledge(site, hearing, settling));
            let goes_on = open.as_ref().map(|double| double.knowledge) == knowledge;
            if let Some(double) = open.as_mut() {
                double.length = (now - begun).saturating_sub(double.begin);
            }
            if !goes_on {
                seen.doubles.extend(open.take());
                *open = knowledge.map(|knowledge| Double {
                    group: number,
                    knowledge,
                    begin: now - begun,
                    length: Duration::ZERO,
                    episode: stage.episode.load(Ordering::Relaxed),
                });
            }
        }
        thread::sleep(LOOK.saturating_sub(now.elapsed()));
    }
    seen.doubles.extend(open.into_iter().flatten());
    seen
}

/// Both hold the same part of a group, at one moment: the first node is looked at before and after the second one.
fn two_hold(site: &Site, group: &Group) -> bool {
    let [alpha, beta] = &site.nodes;
    let both = |one: (bool, bool), other: (bool, bool)| (one.0 && other.0, one.1 && other.1);
    let before = both(holds(alpha, group), holds(beta, group));
    if before == (false, false) {
        return false;
    }
    both(before, holds(alpha, group)) != (false, false)
}

fn knowledge(site: &Site, hearing: &Hearing, settling: Duration) -> Knowledge {
    // A daemon that ended by itself hears nobody either.
    let absent = |host: &Arc<Host>| host.heartbeat_pids().is_empty();
    if site.nodes.iter().any(absent) {
        hearing.interrupt();
    }
    match hearing.lasts() {
        None => Knowledge::CutOff,
        Some(lasts) if lasts < settling => Knowledge::Settling,
        Some(_) => Knowledge::HearEachOther,
    }
}
