//! One machine: a daemon with its core, a disk, scripts and what they have started, a calendar, and an operator.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use ha_cluster::{Core, JobId, JobOutcome, Report};

use crate::legacy;
use crate::packet::Packet;
use crate::plan::Scenario;

/// Datagrams that the kernel keeps for a process that does not read.
pub(crate) const SOCKET_BUFFER: usize = 256;

/// Datagrams of a node that a listener has kept, to be sent again.
pub(crate) const CAPTURED_MAX: usize = 64;

/// What the scripts of a group would say, and what they are doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    Stopped,
    Starting,
    Running,
    Stopping,
}

/// A group on one machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupState {
    pub(crate) activity: Activity,
    /// A daemon that was killed left it behind; no daemon of this machine answers for it.
    pub(crate) left_behind: bool,
    /// Its last start here failed.
    pub(crate) start_failed: bool,
}

impl GroupState {
    pub(crate) const STOPPED: GroupState = GroupState {
        activity: Activity::Stopped,
        left_behind: false,
        start_failed: false,
    };

    /// Its address may answer.
    pub(crate) fn is_active(self) -> bool {
        self.activity != Activity::Stopped
    }
}

/// What a script is called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Start,
    Stop,
}

/// A script that runs. It outlives a killed daemon.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) id: u64,
    pub(crate) group: usize,
    pub(crate) verb: Verb,
    /// How often this stop has failed before.
    pub(crate) attempts: u32,
}

/// What a job does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Report it if it does not run; what runs is ours then, unless another node is asked for it.
    Query {
        group: usize,
        ask: bool,
    },
    Start(usize),
    Stop(usize),
    StopIfRunning(usize),
}

impl Step {
    pub(crate) fn group(self) -> usize {
        match self {
            Step::Query { group, .. }
            | Step::Start(group)
            | Step::Stop(group)
            | Step::StopIfRunning(group) => group,
        }
    }
}

/// A job of the core, or the part of one that goes on beside a script that hangs.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) id: u64,
    pub(crate) job: JobId,
    /// When the core asked for it.
    pub(crate) asked: Duration,
    /// Groups that nobody else may touch meanwhile.
    pub(crate) groups: Vec<usize>,
    pub(crate) steps: VecDeque<Step>,
    pub(crate) active: bool,
    pub(crate) child: Option<u64>,
    pub(crate) report: Report,
    /// There is nobody in `rc.d` for it.
    pub(crate) nobody: bool,
}

/// What decides in a heartbeat process.
pub(crate) enum Mind {
    Ours(Box<Core>),
    Legacy(Box<legacy::Model>),
}

/// A heartbeat process.
pub(crate) struct Daemon {
    pub(crate) mind: Mind,
    pub(crate) generation: u64,
    /// The core's deadline after its last step.
    pub(crate) wake: Option<Duration>,
    pub(crate) runs: Vec<Run>,
    pub(crate) next_run: u64,
    pub(crate) ended: Vec<(JobId, JobOutcome)>,
    pub(crate) clients: bool,
    /// Who sent it and its number: what this process was handed of nodes that are listened to.
    pub(crate) handed: BTreeSet<(usize, u64, u64)>,
}

/// What waits for a machine that is not scheduled.
pub(crate) enum Waiting {
    Datagram {
        medium: usize,
        packet: Rc<Packet>,
        damaged: Option<Vec<u8>>,
    },
    ScriptEnds(u64),
    Device {
        job: JobId,
        result: ha_cluster::DeviceResult,
    },
    ClientsGone,
    Legacy(legacy::Input),
}

/// A machine.
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) daemon: Option<Daemon>,
    /// When the legacy began to release everything.
    pub(crate) releases_since: Option<Duration>,
    /// Number of the planned start that counts; another one was overtaken by something else.
    pub(crate) start_number: u64,
    /// A start is planned.
    pub(crate) will_start: bool,
    /// How long after its orderly end heartbeat is started again.
    pub(crate) back_after: Option<Duration>,
    pub(crate) generation_on_disk: Option<u64>,
    pub(crate) uuid: [u8; 16],
    pub(crate) wall_offset: i64,
    /// The same when a new disk was put in last: a later one finds the calendar no earlier.
    pub(crate) wall_offset_of_disk: i64,
    pub(crate) groups: Vec<GroupState>,
    pub(crate) processes: Vec<Process>,
    pub(crate) next_process: u64,
    /// Child processes of the legacy's master.
    pub(crate) children: Vec<legacy::Child>,
    pub(crate) next_child: u64,
    /// A shell that has written one piece of its message into the legacy's FIFO, and whether another one came between.
    pub(crate) fifo: Option<(u64, bool)>,
    /// Messages that were lost there since the daemon was last started from the command line.
    pub(crate) lost_in_fifo: u32,
    /// When a device reset it last.
    pub(crate) reset_at: Option<Duration>,
    /// When communication of our own daemon came up.
    pub(crate) comm_up_at: Option<Duration>,
    /// When each numbered word about resources of this process was sent first.
    pub(crate) first_sent: BTreeMap<u64, Duration>,
    /// By group: the legacy has asked for it in legacy mode, and was not answered.
    pub(crate) asked: Vec<bool>,
    /// By group: two children of the legacy have started or stopped it beside one another.
    pub(crate) raced: Vec<bool>,
    /// By group: the legacy holds it in legacy mode and has asked nobody.
    pub(crate) unasked: Vec<Option<legacy::Unasked>>,
    /// The legacy daemon executed itself anew in the midst of taking or giving something.
    pub(crate) cut_short: bool,
    pub(crate) stalled_until: Option<Duration>,
    /// The beginning of the present stall.
    pub(crate) stalled_from: Duration,
    /// The end of the last stall.
    pub(crate) stalled_before: Duration,
    pub(crate) waiting: Vec<Waiting>,
    /// Script times of the faults in force.
    pub(crate) slow: Vec<Duration>,
    /// By group: faults in force that make its start fail.
    pub(crate) failing_starts: Vec<u32>,
    /// By group: stops that will fail.
    pub(crate) failing_stops: Vec<u32>,
    /// What a listener has kept of it; empty unless something will be sent again.
    pub(crate) captured: VecDeque<Rc<Packet>>,
    pub(crate) capture: bool,
}

impl Host {
    pub(crate) fn new(number: usize, name: String, groups: usize) -> Host {
        Host {
            name,
            daemon: None,
            releases_since: None,
            start_number: 0,
            will_start: false,
            back_after: None,
            generation_on_disk: Some(1000),
            uuid: [u8::try_from(number + 1).unwrap_or(u8::MAX); 16],
            wall_offset: 0,
            wall_offset_of_disk: 0,
            groups: vec![GroupState::STOPPED; groups],
            processes: Vec::new(),
            next_process: 0,
            children: Vec::new(),
            next_child: 0,
            fifo: None,
            lost_in_fifo: 0,
            reset_at: None,
            comm_up_at: None,
            first_sent: BTreeMap::new(),
            asked: vec![false; groups],
            raced: vec![false; groups],
            unasked: vec![None; groups],
            cut_short: false,
            stalled_until: None,
            stalled_from: Duration::ZERO,
            stalled_before: Duration::ZERO,
            waiting: Vec::new(),
            slow: Vec::new(),
            failing_starts: vec![0; groups],
            failing_stops: vec![0; groups],
            captured: VecDeque::new(),
            capture: false,
        }
    }

    /// The daemon's core, if it runs and is one of ours.
    pub(crate) fn core(&self) -> Option<&Core> {
        match &self.daemon.as_ref()?.mind {
            Mind::Ours(core) => Some(core),
            Mind::Legacy(_) => None,
        }
    }

    /// The model of a legacy daemon, if it runs.
    pub(crate) fn model(&self) -> Option<&legacy::Model> {
        self.daemon.as_ref()?.model()
    }

    /// It does not run for so long that it must not believe what waits for it.
    pub(crate) fn is_long_stalled(&self, scenario: &Scenario) -> bool {
        let settings = &scenario.settings;
        let limit = settings.deadtime / 2 + settings.keepalive * 2;
        self.stalled_until
            .is_some_and(|until| until > self.stalled_from + limit)
    }

    /// A listener takes a copy.
    pub(crate) fn keep_copy(&mut self, packet: &Rc<Packet>) {
        if !self.capture || (packet.status.is_some() && packet.seq.is_some_and(|seq| seq % 4 != 0))
        {
            return;
        }
        if self.captured.len() >= CAPTURED_MAX {
            // Some of the oldest stay, so that there is something of former lives.
            self.captured.remove(CAPTURED_MAX / 4);
        }
        self.captured.push_back(Rc::clone(packet));
    }
}
