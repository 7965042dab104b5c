//! The faults of a run, all chosen beforehand: a list of timed events, each with its own end. Leaving one out leaves
//! the others as they are, which is what shrinking needs.

use std::fmt;
use std::time::Duration;

use ha_cluster::Hold;

use crate::legacy::{LegacyNode, Version};
use crate::random::Random;
use crate::settings::{Settings, name_of};

/// A direction of one medium that carries nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Sender.
    pub from: usize,
    /// Receiver.
    pub to: usize,
    /// Medium.
    pub medium: usize,
}

/// What the network does to every datagram for a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// Per cent lost.
    pub loss: u64,
    /// Per cent that arrive twice.
    pub duplicate: u64,
    /// Per cent with a few bits turned.
    pub corrupt: u64,
    /// Per cent that are late, by anything up to `delay`, and so overtaken by others.
    pub late: u64,
    /// How late at most.
    pub delay: Duration,
}

/// One thing that goes wrong, or that an operator does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The machine loses its power; it comes back after a while, with its disk or a new one.
    PowerCut {
        /// Which.
        host: usize,
        /// When heartbeat starts again.
        back_after: Duration,
        /// `hb_uuid` and `hb_generation` are gone.
        new_disk: bool,
    },
    /// kill -9 of the daemon: what its scripts started goes on running.
    Kill {
        /// Where.
        host: usize,
        /// When heartbeat starts again.
        back_after: Duration,
    },
    /// `heartbeat -k`.
    Stop {
        /// Where.
        host: usize,
        /// When heartbeat starts again, once it has ended.
        back_after: Duration,
    },
    /// `heartbeat -r` with a changed ha.cf.
    Reload {
        /// Where.
        host: usize,
    },
    /// `hb_standby`.
    Standby {
        /// Where.
        host: usize,
        /// What.
        set: Hold,
    },
    /// `hb_takeover`.
    Takeover {
        /// Where.
        host: usize,
        /// What.
        set: Hold,
    },
    /// The process is not scheduled.
    Stall {
        /// Where.
        host: usize,
        /// For how long.
        span: Duration,
    },
    /// The calendar is set.
    ClockStep {
        /// Where.
        host: usize,
        /// By how much.
        seconds: i64,
    },
    /// Scripts take their time.
    SlowScripts {
        /// Where.
        host: usize,
        /// How long each takes.
        time: Duration,
        /// For how long.
        span: Duration,
    },
    /// Starts of a group fail.
    FailingStart {
        /// Where.
        host: usize,
        /// Number of the group.
        group: usize,
        /// For how long.
        span: Duration,
    },
    /// The next stops of a group fail; the eleventh time the machine goes down for it (`resource-protocol.md` 1.7).
    FailingStop {
        /// Where.
        host: usize,
        /// Number of the group.
        group: usize,
        /// How often.
        times: u32,
    },
    /// A network fault.
    Cuts {
        /// What carries nothing.
        cuts: Vec<Cut>,
        /// For how long.
        span: Duration,
    },
    /// The network is bad as a whole.
    Weather {
        /// How bad.
        weather: Weather,
        /// For how long.
        span: Duration,
    },
    /// Somebody without the keys sends datagrams.
    Forge {
        /// To whom.
        host: usize,
        /// How many.
        count: u64,
    },
    /// Somebody sends again what a node sent earlier.
    Replay {
        /// To whom.
        host: usize,
        /// Whose.
        of: usize,
        /// How many.
        count: u64,
    },
    /// Messages for `rc.d` without end, through the FIFO.
    Flood {
        /// Where.
        host: usize,
        /// How many.
        count: u64,
    },
    /// The next resets fail.
    DeviceFails {
        /// Which device.
        device: usize,
        /// How often.
        times: u32,
    },
}

/// A fault and when it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Time since the beginning of the run.
    pub at: Duration,
    /// What.
    pub fault: Fault,
}

/// Everything about a run. The same scenario gives the same run.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// From which it was drawn.
    pub seed: u64,
    /// Number of nodes.
    pub nodes: usize,
    /// Which machines run the model of the legacy, and which version; those that are missing run our core.
    pub legacy: Vec<Option<LegacyNode>>,
    /// What holds throughout.
    pub settings: Settings,
    /// When each node's heartbeat starts first.
    pub starts: Vec<Duration>,
    /// Faults in the order of time, with their numbers in the full list.
    pub events: Vec<(usize, Event)>,
    /// From here on nothing goes wrong any more.
    pub quiet_from: Duration,
}

impl Scenario {
    /// The scenario of a seed.
    pub fn draw(nodes: usize, seed: u64) -> Scenario {
        let mut random = Random::new(seed, 1);
        let settings = Settings::draw(nodes, &mut random);
        let patience = millis(settings.initdead);
        let starts = (0..nodes)
            .map(|_| match random.below(3) {
                0 => Duration::ZERO,
                1 => Duration::from_millis(random.below(3000)),
                _ => Duration::from_millis(random.below(patience * 3 / 2)),
            })
            .collect();
        let mut events = Vec::new();
        // Some begin while the cluster starts, most when it has settled.
        let mut at = match random.below(4) {
            0 => random.below(15_000),
            _ => patience + 12_000 + random.below(10_000),
        };
        for number in 0..1 + random.index(14) {
            let fault = draw_fault(nodes, &settings, &mut random);
            let event = Event {
                at: Duration::from_millis(at),
                fault,
            };
            events.push((number, event));
            at += match random.below(10) {
                0..4 => random.below(500),
                4..8 => random.below(4000),
                _ => random.below(millis(settings.deadtime) * 2),
            };
        }
        let quiet_from = Duration::from_millis(at + random.below(millis(settings.deadtime) * 2));
        Scenario {
            seed,
            nodes,
            legacy: Vec::new(),
            settings,
            starts,
            events,
            quiet_from,
        }
    }

    /// The scenario of a seed with one of two nodes a legacy one.
    pub fn draw_mixed(seed: u64) -> Scenario {
        let mut scenario = Scenario::draw(2, seed);
        let mut random = Random::new(seed, 5);
        let side = random.index(2);
        let version = random.choose(&[Version::V2_1, Version::V3_0]);
        // Whoever has so short a dead time has made sure that his nodes are quick.
        let most = scenario.settings.deadtime.min(Duration::from_secs(4)) / 8;
        let lag = random.choose(&[Duration::ZERO, most]);
        scenario.legacy = vec![None; 2];
        scenario.legacy[side] = Some(LegacyNode { version, lag });
        scenario
    }

    /// The same with only some of its events.
    pub fn keep(&self, numbers: &[usize]) -> Scenario {
        let mut scenario = self.clone();
        scenario
            .events
            .retain(|(number, _)| numbers.contains(number));
        scenario
    }

    /// The numbers of its events.
    pub fn numbers(&self) -> Vec<usize> {
        self.events.iter().map(|(number, _)| *number).collect()
    }
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A span that may be shorter or longer than the dead time.
fn span(settings: &Settings, random: &mut Random) -> Duration {
    let deadtime = millis(settings.deadtime);
    Duration::from_millis(match random.below(3) {
        0 => 1 + random.below(deadtime / 2),
        1 => deadtime / 2 + random.below(deadtime),
        _ => deadtime + random.below(deadtime * 2),
    })
}

fn draw_fault(nodes: usize, settings: &Settings, random: &mut Random) -> Fault {
    let host = random.index(nodes);
    let other = (host + 1 + random.index(nodes - 1)) % nodes;
    let group = random.index(settings.groups.len());
    let set = random.choose(&[Hold::ALL, Hold::LOCAL, Hold::FOREIGN]);
    let back_after = Duration::from_millis(match random.below(3) {
        0 => 100 + random.below(1000),
        1 => random.below(millis(settings.deadtime) + 5000),
        _ => random.below(millis(settings.deadtime) * 3 + 5000),
    });
    match random.below(100) {
        0..8 => {
            let new_disk = random.percent(20);
            // A new disk is not put in within a second.
            let work = Duration::from_secs(if new_disk { 30 } else { 0 });
            Fault::PowerCut {
                host,
                back_after: back_after + work,
                new_disk,
            }
        }
        8..14 => Fault::Kill { host, back_after },
        14..22 => Fault::Stop { host, back_after },
        22..26 => Fault::Reload { host },
        26..36 => Fault::Standby { host, set },
        36..41 => Fault::Takeover { host, set },
        41..47 => Fault::Stall {
            host,
            span: span(settings, random),
        },
        47..50 => Fault::ClockStep {
            host,
            seconds: random.choose(&[-86_400, -3600, -40, -2, 2, 40, 3600, 86_400, 400_000_000]),
        },
        50..55 => Fault::SlowScripts {
            host,
            time: Duration::from_millis(match random.below(8) {
                0 => 31_000 + random.below(10_000),
                _ => 500 + random.below(5000),
            }),
            span: span(settings, random),
        },
        55..58 => Fault::FailingStart {
            host,
            group,
            span: span(settings, random),
        },
        58..60 => Fault::FailingStop {
            host,
            group,
            times: random.choose(&[1, 2, 5, 11]),
        },
        60..76 => Fault::Cuts {
            cuts: draw_cuts(nodes, settings.media, host, other, random),
            span: span(settings, random),
        },
        76..86 => Fault::Weather {
            weather: Weather {
                loss: random.choose(&[0, 5, 20, 40]),
                duplicate: random.choose(&[0, 0, 20]),
                corrupt: random.choose(&[0, 0, 10]),
                late: random.choose(&[0, 10, 50]),
                delay: Duration::from_millis(random.choose(&[5, 200, 3000])),
            },
            span: span(settings, random),
        },
        86..90 => Fault::Forge {
            host,
            count: 1 + random.below(20),
        },
        90..95 => Fault::Replay {
            host,
            of: other,
            count: 1 + random.below(30),
        },
        95..97 => Fault::Flood {
            host,
            count: random.choose(&[10, 100, 1500]),
        },
        _ if settings.devices.is_empty() => Fault::Standby { host, set },
        _ => Fault::DeviceFails {
            device: random.index(settings.devices.len()),
            times: 1 + u32::try_from(random.below(4)).unwrap_or(0),
        },
    }
}

/// One medium or all, one way or both, one pair or a node from all others.
fn draw_cuts(
    nodes: usize,
    media: usize,
    host: usize,
    other: usize,
    random: &mut Random,
) -> Vec<Cut> {
    let one_medium = random.percent(20).then(|| random.index(media));
    let both_ways = random.percent(65);
    let isolated = random.percent(60);
    let mut cuts = Vec::new();
    for medium in 0..media {
        if one_medium.is_some_and(|only| only != medium) {
            continue;
        }
        for peer in (0..nodes).filter(|&peer| peer != host && (isolated || peer == other)) {
            cuts.push(Cut {
                from: host,
                to: peer,
                medium,
            });
            if both_ways {
                cuts.push(Cut {
                    from: peer,
                    to: host,
                    medium,
                });
            }
        }
    }
    cuts
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: &Duration| format!("{} ms", time.as_millis());
        match self {
            Fault::PowerCut {
                host,
                back_after,
                new_disk,
            } => write!(
                f,
                "power cut at {}, back after {}{}",
                name_of(*host),
                ms(back_after),
                if *new_disk { " with a new disk" } else { "" }
            ),
            Fault::Kill { host, back_after } => write!(
                f,
                "kill -9 at {}, started again after {}",
                name_of(*host),
                ms(back_after)
            ),
            Fault::Stop { host, back_after } => write!(
                f,
                "heartbeat -k at {}, started {} after its end",
                name_of(*host),
                ms(back_after)
            ),
            Fault::Reload { host } => write!(f, "heartbeat -r at {}", name_of(*host)),
            Fault::Standby { host, set } => write!(f, "hb_standby {set} at {}", name_of(*host)),
            Fault::Takeover { host, set } => write!(f, "hb_takeover {set} at {}", name_of(*host)),
            Fault::Stall { host, span } => {
                write!(f, "{} is not scheduled for {}", name_of(*host), ms(span))
            }
            Fault::ClockStep { host, seconds } => {
                write!(f, "calendar of {} set by {seconds} s", name_of(*host))
            }
            Fault::SlowScripts { host, time, span } => write!(
                f,
                "scripts of {} take {} for {}",
                name_of(*host),
                ms(time),
                ms(span)
            ),
            Fault::FailingStart { host, group, span } => write!(
                f,
                "starts of group {group} fail at {} for {}",
                name_of(*host),
                ms(span)
            ),
            Fault::FailingStop { host, group, times } => write!(
                f,
                "the next {times} stops of group {group} fail at {}",
                name_of(*host)
            ),
            Fault::Cuts { cuts, span } => {
                f.write_str("cut")?;
                for cut in cuts {
                    let (from, to) = (name_of(cut.from), name_of(cut.to));
                    write!(f, " {from}->{to}/eth{}", cut.medium)?;
                }
                write!(f, " for {}", ms(span))
            }
            Fault::Weather { weather, span } => write!(
                f,
                "{} % lost, {} % twice, {} % damaged, {} % late by up to {} for {}",
                weather.loss,
                weather.duplicate,
                weather.corrupt,
                weather.late,
                ms(&weather.delay),
                ms(span)
            ),
            Fault::Forge { host, count } => {
                write!(f, "{count} forged datagrams to {}", name_of(*host))
            }
            Fault::Replay { host, of, count } => write!(
                f,
                "{count} old datagrams of {} to {}",
                name_of(*of),
                name_of(*host)
            ),
            Fault::Flood { host, count } => {
                write!(f, "{count} messages through the FIFO of {}", name_of(*host))
            }
            Fault::DeviceFails { device, times } => {
                write!(f, "the next {times} resets by device {device} fail")
            }
        }
    }
}
