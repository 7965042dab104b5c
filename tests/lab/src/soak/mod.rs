//! A soak: some nodes, some or none of them of the legacy, for minutes or days, on a busy machine if so wished.
//!
//! Nobody may be declared dead, every group stays with its node, every node tells its clients the truth about all others,
//! and what the daemons use in the end is what they used in the beginning. So that something could leak at all, clients
//! ask every node all the time, and of two nodes one gives everything to the other every minute. In the end one node of
//! three or more of ours dies for once: all see it, one of them takes its group, and gives it back.
//!
//! | module | responsible for |
//! |---|---|
//! | `cluster` | the nodes, what they hold and what they tell |
//! | `complaints` | what their logs say that they should not |
//! | `report` | figures and verdict |

mod cluster;
mod complaints;
mod report;

use std::thread;
use std::time::{Duration, Instant};

use crate::{LabError, PowerUp, Result, Spinner, Vitals, millis, seconds};

use cluster::Cluster;
use complaints::Ear;
use report::Measured;

pub use report::Report;

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Options {
    /// For how long, after all have started.
    pub length: Duration,
    /// All nodes: 2 to 60.
    pub nodes: usize,
    /// How many of them, the last ones, run the legacy.
    pub legacy: usize,
    /// Whether something else keeps all processors busy.
    pub busy: bool,
    /// `keepalive`.
    pub keepalive: Duration,
    /// `deadtime`.
    pub deadtime: Duration,
}

impl Options {
    /// Nodes of ours at keepalive 100 ms and deadtime 1 s, on a machine at rest.
    pub fn new(nodes: usize, length: Duration) -> Self {
        Options {
            length,
            nodes,
            legacy: 0,
            busy: false,
            keepalive: millis(100),
            deadtime: seconds(1),
        }
    }
}

/// How many times the daemons are looked at.
const SAMPLES: u32 = 20;

/// Of a shorter run nobody wants to hear how it goes.
const WORTH_TELLING: Duration = seconds(120);

/// How often the nodes' clients ask, and of two nodes one hands over.
const ACTIVITY: Duration = seconds(60);

/// The heartbeat port, to listen to.
const PORT: u16 = 694;

/// Children must be gone by then when the daemons are looked at.
const QUIET_LIMIT: Duration = seconds(20);

/// Makes the cluster, lets it run, and reports. `tell` hears how it goes.
///
/// # Errors
/// [`LabError::Unavailable`] when this machine cannot do it; when the cluster does not even start, or the laboratory fails.
/// What a run finds is no error here.
pub fn run(options: &Options, mut tell: impl FnMut(&str)) -> Result<Report> {
    if !(2..=60).contains(&options.nodes) || options.legacy > options.nodes {
        return Err(LabError::unexpected("2 to 60 nodes"));
    }
    let cluster = Cluster::new(options)?;
    cluster.start(seconds(120))?;
    tell(&format!("{} nodes are up", options.nodes));
    let mut ears: Vec<Ear> = cluster.nodes.iter().map(|_| Ear::default()).collect();
    for (ear, host) in ears.iter_mut().zip(&cluster.nodes) {
        ear.skip(host);
    }
    let spinner = options.busy.then(Spinner::start).transpose()?;
    let listener = cluster.ear.listen(PORT)?;
    let begun = Instant::now();
    let mut run = Run {
        cluster: &cluster,
        measured: Measured {
            lasted: Duration::ZERO,
            processors: spinner.as_ref().map_or(0, Spinner::processors),
            samples: Vec::new(),
            complaints: Vec::new(),
            intervals: Default::default(),
            misplaced: Vec::new(),
            hand_overs: 0,
        },
        ears,
        begun,
    };
    run.sample();
    let mut next_sample = options.length / SAMPLES;
    let mut next_activity = ACTIVITY.min(options.length / 4);
    while begun.elapsed() < options.length {
        run.listen();
        if begun.elapsed() >= next_activity {
            run.activity()?;
            next_activity += ACTIVITY;
        }
        if begun.elapsed() >= next_sample {
            run.sample();
            next_sample += options.length / SAMPLES;
            if options.length >= WORTH_TELLING {
                tell(&run.progress());
            }
        }
        thread::sleep(millis(200));
    }
    run.activity()?;
    run.sample();
    run.listen();
    run.measured.lasted = begun.elapsed();
    run.measured.intervals = listener.finish();
    // What follows may last as long as it likes.
    drop(spinner);
    if options.legacy == 0 && options.nodes > 2 {
        run.one_dies()?;
    }
    Ok(run.measured.report(options, &cluster))
}

struct Run<'a> {
    cluster: &'a Cluster,
    measured: Measured,
    ears: Vec<Ear>,
    begun: Instant,
}

impl Run<'_> {
    fn listen(&mut self) {
        for (ear, host) in self.ears.iter_mut().zip(&self.cluster.nodes) {
            self.measured.complaints.extend(ear.hear(host));
        }
    }

    /// Looks at all daemons, when none of them has anything to do.
    fn sample(&mut self) {
        let quiet = |vitals: &Vitals| vitals.others == 0;
        let deadline = Instant::now() + QUIET_LIMIT;
        let sample = self.cluster.nodes.iter().map(|host| {
            loop {
                let vitals = host.vitals();
                if quiet(&vitals) || Instant::now() >= deadline {
                    return vitals;
                }
                thread::sleep(millis(50));
            }
        });
        self.measured.samples.push(sample.collect());
    }

    fn progress(&self) -> String {
        let resident = |sample: &Vec<Vitals>| -> u64 {
            let all: u64 = sample.iter().map(|vitals| vitals.resident_kib).sum();
            all / (sample.len() as u64).max(1)
        };
        let deaths = self.measured.complaints.len();
        format!(
            "{:>6.0} s  {} KiB resident on average, {deaths} complaints",
            self.begun.elapsed().as_secs_f64(),
            self.measured.samples.last().map_or(0, resident),
        )
    }

    /// Every node's clients ask for all nodes; everything is where it should be; of two nodes one hands over.
    fn activity(&mut self) -> Result<()> {
        let at = format!("at {:.0} s", self.begun.elapsed().as_secs_f64());
        if !self.cluster.all_see("active", &[]) {
            let wrong = "a node does not see all others active";
            self.measured.misplaced.push(format!("{at}: {wrong}"));
        }
        if self.cluster.nodes.len() > 2 {
            if !self.cluster.each_holds_its_own() {
                let wrong = "a group is not with its node alone";
                self.measured.misplaced.push(format!("{at}: {wrong}"));
            }
            return Ok(());
        }
        let one_holder = |cluster: &Cluster| {
            (1..=2).all(|number| {
                let holders = cluster.holders(number);
                holders.len() == 1 && !holders[0].ends_with("(half)")
            })
        };
        if !one_holder(self.cluster) {
            let wrong = "a group has not one holder";
            self.measured.misplaced.push(format!("{at}: {wrong}"));
        }
        let giver = &self.cluster.nodes[self.measured.hand_overs % 2];
        giver.tool("hb_standby", &["all"])?;
        self.measured.hand_overs += 1;
        Ok(())
    }

    /// The first node dies and comes back.
    fn one_dies(&mut self) -> Result<()> {
        let cluster = self.cluster;
        let (dead, heir) = (&cluster.nodes[0], &cluster.nodes[1]);
        dead.power_cut()?;
        cluster.until("all see the death of one", seconds(30), || {
            cluster.all_see("dead", &[1])
        })?;
        cluster.until("one has its group", seconds(30), || {
            cluster.holders(1) == [heir.name()]
        })?;
        dead.power_up(PowerUp::DiskKept)?;
        dead.start_heartbeat()?;
        cluster.until("all are back, each with its own group", seconds(90), || {
            cluster.each_holds_its_own() && cluster.all_see("active", &[])
        })
    }
}
