//! A model of the legacy peer: the master process of heartbeat 2.1.4 or 3.0.6 and the scripts that it runs, for two nodes
//! that share groups of haresources.
//!
//! It is written from `wire-protocol.md`, `resource-protocol.md` and the recorded traces alone, and shares nothing with
//! `ha-cluster` but the codec: what it does was not decided by the code that is to be tested against it. Quirks and defects
//! of the original are kept, each with its section, because a partner of ours has to live with them. What the model says and
//! runs is compared with recordings of the real one in `tests/legacy_model.rs`.
//!
//! The model is pure: inputs and time come in, actions go out. `children` runs the scripts on a simulated machine.
//!
//! | module | responsible for | source |
//! |---|---|---|
//! | [`hold`] | the flags local and foreign, and their words | `resource-protocol.md` 2.2 |
//! | [`peer`] | what is known of a node: status, generation, numbers, links | `wire-protocol.md` 5.1, 6.1 |
//! | [`tracking`] | which message is believed, requests for missing ones, acknowledgements | `wire-protocol.md` 5.2 to 5.6, 5.8 |
//! | [`history`] | what was sent, and may be asked for again | `wire-protocol.md` 5.7 |
//! | [`sending`] | automatic fields, loopback, the FIFO | `wire-protocol.md` 4.1; `resource-protocol.md` 2.4 |
//! | [`membership`] | statuses, communication up, death, healed partitions | `wire-protocol.md` 6 |
//! | [`resources`] | `starting`, `resource`, `shutdone`, acquiring, takeover, failback | `resource-protocol.md` 2.4 to 2.6 |
//! | [`standby`] | `ask_resources` | `resource-protocol.md` 2.4.4, 2.4.6 |
//! | [`recovery`] | what follows from a death; fencing | `resource-protocol.md` 2.9, 5 |
//! | [`shutdown`] | giving everything up, the end of the process, executing itself anew | `resource-protocol.md` 2.7, 3.5, 3.8, 3.9 |
//! | [`notify`] | the queue in front of `rc.d` | `resource-protocol.md` 2.5 |
//! | [`unasked`] | what it takes in legacy mode without anybody knowing | `resource-protocol.md` 2.10 |
//! | [`machine`] | a process of the model on a machine | |
//! | [`children`] | the child processes and their scripts on a machine | `resource-protocol.md` 1, 2.4.5 to 2.4.7, 2.5 |
//!
//! Left out, because two nodes with haresources do not need it: ping nodes, clients and `ipfail`, `addnode` and `delnode`,
//! the table of UUIDs (`wire-protocol.md` 8.4), compression, serial lines, the emergency shutdown after an hour.

mod children;
mod history;
mod hold;
mod machine;
mod membership;
mod notify;
mod peer;
mod recovery;
mod resources;
mod sending;
mod shutdown;
mod standby;
mod tracking;
mod unasked;

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use ha_wire::{KeyRing, Message};

use crate::random::Random;

pub(crate) use children::Child;
use history::History;
pub(crate) use hold::Held;
pub(crate) use machine::SCRIPT_LEAST;
use peer::{Peer, Word};
use resources::Resources;
use shutdown::Ending;
use standby::Standby;
pub(crate) use unasked::Unasked;

/// Nodes are looked at, and communication is, so often (`wire-protocol.md` 6.3, 6.5, 6.6).
const TICK: Duration = Duration::from_millis(250);

/// What arrives at the very start may wait for so many times the usual.
const FIRST_LOOK: u32 = 2;

/// Which of the two the model is; they differ in `wire-protocol.md` 14.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 2.1.3 and 2.1.4.
    V2_1,
    /// 3.0.6 with cluster-glue 1.0.12.
    V3_0,
}

/// A machine on which the model runs instead of our core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegacyNode {
    /// Which one.
    pub version: Version,
    /// How long the master process lets what its readers hand to it wait at most; in the recordings anything up to half a
    /// second.
    pub lag: Duration,
}

/// What a process is started with.
pub(crate) struct Settings {
    pub(crate) version: Version,
    pub(crate) lag: Duration,
    /// Names in the order of ha.cf.
    pub(crate) nodes: Vec<String>,
    /// Our place among them.
    pub(crate) local: usize,
    pub(crate) uuid: [u8; 16],
    pub(crate) generation: u64,
    pub(crate) media: usize,
    pub(crate) keepalive: Duration,
    pub(crate) deadtime: Duration,
    pub(crate) initdead: Duration,
    /// `auto_failback on` or `off`: the coordinated mode (`resource-protocol.md` 2.1).
    pub(crate) nice: bool,
    /// `auto_failback on`.
    pub(crate) auto: bool,
    /// `msgfmt netstring`.
    pub(crate) netstring: bool,
    pub(crate) keys: KeyRing,
    /// There is a fencing device.
    pub(crate) fenced: bool,
    /// `-R`, and the word of `-C`.
    pub(crate) restart: Option<Option<Held>>,
    pub(crate) seed: u64,
}

/// Something that the model is told.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    Timer,
    Datagram {
        medium: usize,
        payload: Rc<[u8]>,
    },
    /// A message in the FIFO.
    Fifo(Message),
    /// A child that counts has ended.
    ChildEnded,
    /// A reset has ended, and how.
    ResetEnded {
        node: usize,
        done: bool,
    },
    /// SIGTERM.
    Terminate,
    /// SIGHUP with a changed ha.cf.
    Reload,
    /// The respawn clients are gone.
    ClientsGone,
}

impl Input {
    /// What our core would be told; none for what the legacy has no ear for.
    pub(crate) fn from_ours(input: ha_cluster::Input<'_>) -> Option<Input> {
        use ha_cluster::Input as Ours;
        Some(match input {
            Ours::Timer => Input::Timer,
            Ours::Datagram { medium, payload } => Input::Datagram {
                medium,
                payload: payload.into(),
            },
            Ours::Inject { message } => Input::Fifo(message),
            Ours::Shutdown => Input::Terminate,
            Ours::QuickRestart => Input::Reload,
            Ours::ClientsGone => Input::ClientsGone,
            _ => return None,
        })
    }
}

/// What a child process is to do; its scripts are the business of [`children`].
#[derive(Clone, Debug)]
pub(crate) enum Program {
    /// `req_our_resources` (`resource-protocol.md` 2.4.5).
    Acquire { dont_ask: bool },
    /// The giver's half of a standby, and what it says at the end (2.4.6).
    Give { set: Held, done: Message },
    /// The taker's half.
    Take { set: Held, done: Message },
    /// Everything is released (2.7).
    GiveUpAll,
    /// `harc` for a message (2.5).
    Harc(Message),
}

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Shutdown,
    /// Silent for a while, then started anew (`wire-protocol.md` 6.7).
    Restart {
        pause: Duration,
    },
    /// `-R`, with the word of `-C` in coordinated mode (`resource-protocol.md` 3.9).
    Quick {
        held: Option<Held>,
    },
}

/// What the model wants done.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Transmit {
        medium: usize,
        payload: Rc<[u8]>,
    },
    /// A message was put on the media, for whoever records them. Unnumbered ones are left out.
    Said(Message),
    Run(Program),
    Reset {
        node: usize,
    },
    StopClients,
    /// What the log would say.
    Log(String),
    Exit(Exit),
}

/// The state of the master process.
pub(crate) struct Model {
    settings: Settings,
    now: Duration,
    wall: u64,
    /// The calendar when nodes were looked at last.
    wall_looked: u64,
    began: Duration,
    random: Random,
    out: VecDeque<Action>,
    /// What waits until the master gets to it.
    inbox: VecDeque<Input>,
    inbox_due: Option<Duration>,

    // The own node.
    status: Word,
    seq: u64,
    history: History,
    next_status: Duration,
    next_tick: Duration,
    /// Added to the dead time that is announced, and until when.
    raised: Option<(Duration, Duration)>,

    // The others, and ourselves, in the order of ha.cf.
    peers: Vec<Peer>,
    comm_up: bool,
    /// When `reqnodes` is sent again.
    next_reqnodes: Option<Duration>,

    // Resources.
    rsc: Resources,
    children: usize,
    queue: VecDeque<Message>,
    /// By node: a reset that failed is tried again.
    resets: Vec<Option<Duration>>,
    /// Why the last node that died was buried, if it was none of the usual reasons.
    buried: Option<Unasked>,
    /// By node: how often it was declared dead.
    burials: Vec<u32>,
    /// It has ignored a message of its own children, because communication was not up.
    deaf: bool,
    /// It has called itself stable in the midst of giving something away.
    boasts: bool,
    /// The number of the other's newest word about resources, and of the one that was believed last.
    words: (u64, u64),
    ending: Ending,
}

impl Model {
    /// A process that begins.
    pub(crate) fn new(settings: Settings, now: Duration, wall: u64) -> Model {
        let mut random = Random::new(settings.seed, 11);
        let mut peer = |_: &String| {
            let trigger = random.below(10);
            Peer::new(now, settings.deadtime, settings.media, trigger)
        };
        let peers: Vec<Peer> = settings.nodes.iter().map(&mut peer).collect();
        let resets = vec![None; peers.len()];
        let rsc = Resources::new(&settings);
        Model {
            now,
            wall,
            wall_looked: wall,
            began: now,
            random,
            out: VecDeque::new(),
            inbox: VecDeque::new(),
            inbox_due: None,
            status: Word::Init,
            seq: 0,
            history: History::default(),
            next_status: now + settings.keepalive,
            next_tick: now + TICK,
            raised: None,
            peers,
            comm_up: false,
            next_reqnodes: None,
            rsc,
            children: 0,
            queue: VecDeque::new(),
            resets,
            buried: None,
            burials: vec![0; settings.nodes.len()],
            deaf: false,
            boasts: false,
            words: (0, 0),
            ending: Ending::default(),
            settings,
        }
    }

    /// Something happens, at this time and by this calendar.
    pub(crate) fn handle(&mut self, now: Duration, wall: u64, input: Input) {
        self.now = now;
        self.wall = wall;
        match input {
            Input::Timer => {
                if self.inbox_due.is_some_and(|due| due <= now) {
                    self.read_inbox();
                }
                self.timers();
            }
            input => {
                if self.inbox.is_empty() {
                    // Late in part of the cases (all recordings: what is sent at one moment is answered now or half a second later).
                    let late = !self.settings.lag.is_zero() && self.random.percent(40);
                    let micros = u64::try_from(self.settings.lag.as_micros()).unwrap_or(0);
                    let lag =
                        Duration::from_micros(if late { self.random.below(micros) } else { 0 });
                    // At first it often looks at nothing for a second (all recordings of a start).
                    let first_look = self.began + self.settings.lag * FIRST_LOOK;
                    let idle = if late { now.max(first_look) } else { now };
                    self.inbox_due = Some(idle + lag);
                }
                // Whoever was not scheduled for long finds time and input at once, and takes either first.
                let overdue = now > self.next_tick + TICK * 4;
                if overdue && self.random.percent(50) {
                    self.timers();
                }
                self.inbox.push_back(input);
                if self.inbox_due.is_some_and(|due| due <= now) {
                    self.read_inbox();
                }
            }
        }
    }

    fn read_inbox(&mut self) {
        self.inbox_due = None;
        while let Some(input) = self.inbox.pop_front() {
            match input {
                Input::Timer => {}
                Input::Datagram { medium, payload } => self.receive(medium, &payload),
                Input::Fifo(message) => self.send(message),
                Input::ChildEnded => self.child_ended(),
                Input::ResetEnded { node, done } => self.reset_ended(node, done),
                Input::Terminate => self.give_up_all(false),
                Input::Reload => self.reload(),
                Input::ClientsGone => self.clients_gone(),
            }
            self.begin_shutdown();
        }
    }

    /// What is due by now.
    fn timers(&mut self) {
        if self.next_status <= self.now {
            // The period does not slip, but what was missed is not made up for.
            while self.next_status <= self.now {
                self.next_status += self.settings.keepalive;
            }
            self.send_status();
        }
        self.lower_dead_time();
        if self.next_tick <= self.now {
            let starved = self.now > self.next_tick + TICK * 4;
            self.next_tick = self.now + TICK;
            self.look_at_nodes(starved);
            self.check_communication();
            self.check_takeover_timer();
            self.history.sample(self.now);
        }
        if self.next_reqnodes.is_some_and(|at| at <= self.now) {
            self.ask_for_nodes();
        }
        self.ask_for_missing();
        self.retry_failback();
        self.retry_resets();
        self.ending_timers();
        self.begin_shutdown();
    }

    /// When it wants to be woken.
    pub(crate) fn next_deadline(&self) -> Duration {
        let mut next = self.next_status.min(self.next_tick);
        let others = [
            self.inbox_due,
            self.raised.map(|(_, until)| until),
            self.next_reqnodes,
            self.rsc.retry_failback,
            self.ending.next(),
        ];
        let missing = self.peers.iter().filter_map(|peer| peer.next_request());
        let resets = self.resets.iter().copied().flatten();
        for at in others.into_iter().flatten().chain(missing).chain(resets) {
            next = next.min(at);
        }
        next
    }

    pub(crate) fn poll(&mut self) -> Option<Action> {
        self.out.pop_front()
    }

    fn log(&mut self, text: impl Into<String>) {
        self.out.push_back(Action::Log(text.into()));
    }

    fn own_name(&self) -> &str {
        &self.settings.nodes[self.settings.local]
    }

    /// The place of a node of ha.cf.
    fn place(&self, name: &str) -> Option<usize> {
        self.settings.nodes.iter().position(|known| known == name)
    }

    // ---- What the judges may see --------------------------------------------------------------------------------

    pub(crate) fn is_comm_up(&self) -> bool {
        self.comm_up
    }

    /// What it says that it holds. A child that speaks for it reads this, too (`resource-protocol.md` 2.2).
    pub(crate) fn held(&self) -> Held {
        self.rsc.held
    }

    /// It is letting go of something, which it does not claim any more.
    pub(crate) fn is_releasing(&self) -> bool {
        self.rsc.standby == Standby::Me || self.ending.is_releasing()
    }

    /// It has answered a request for a standby, or given away what it had, and waits for the other's word, for an hour.
    pub(crate) fn waits_an_hour(&self) -> bool {
        // In ME any word of the other's gives it an hour, too.
        let long = |at: Duration| self.rsc.standby != Standby::Me || at > self.now + TICK * 80;
        let waits = self.rsc.standby != Standby::Not && self.children == 0;
        waits && self.rsc.standby_deadline.is_some_and(long)
    }

    /// What it believed last of the other was overtaken by something newer, which it had believed before.
    pub(crate) fn is_misled(&self) -> bool {
        self.words.1 < self.words.0
    }

    /// It has ignored a message of its own children, because communication was not up.
    pub(crate) fn was_deaf(&self) -> bool {
        self.deaf
    }

    /// It has called itself stable in the midst of what it is giving away.
    pub(crate) fn boasts(&self) -> bool {
        self.boasts && self.rsc.standby == Standby::Me
    }

    /// It releases everything, and answers `starting` as one that has just started.
    pub(crate) fn shuts_down(&self) -> bool {
        self.ending.is_releasing()
    }

    /// It waits for the last word of `mach_down`.
    pub(crate) fn takes_over(&self) -> bool {
        self.rsc.takeover_in_progress && self.children == 0 && self.queue.is_empty()
    }

    /// Its shutdown waits for a node that has died meanwhile.
    pub(crate) fn hangs(&self) -> bool {
        self.ending.hangs && self.ending.is_wanted()
    }

    /// How often it has declared the node dead.
    pub(crate) fn burials(&self, node: usize) -> u32 {
        self.burials[node]
    }

    /// Why the last node that died was buried, if it was none of the usual reasons.
    pub(crate) fn buried(&self) -> Option<Unasked> {
        self.buried
    }

    /// Children run, or wait for others to end.
    pub(crate) fn is_busy(&self) -> bool {
        self.children > 0 || !self.queue.is_empty()
    }

    /// Nothing is under way and nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.is_stable() && self.children == 0 && self.queue.is_empty() && !self.ending.is_wanted()
    }

    /// It takes the node for active.
    pub(crate) fn sees_active(&self, node: usize) -> bool {
        self.peers[node].status == Word::Active
    }

    /// Its state in one line.
    pub(crate) fn state(&self) -> String {
        format!(
            "state {} holds {} other {} other stable {} standby {:?} {} children {} queued, takeover {}, deadline {:?}, {}",
            self.rsc.state,
            self.rsc.held,
            self.rsc.other_held,
            self.rsc.other_stable,
            self.rsc.standby,
            self.children,
            self.queue.len(),
            self.rsc.takeover_in_progress,
            self.rsc
                .standby_deadline
                .map(|at| at.saturating_sub(self.now).as_secs() / 1000),
            if self.ending.is_wanted() {
                "ending"
            } else {
                "staying"
            },
        )
    }
}
