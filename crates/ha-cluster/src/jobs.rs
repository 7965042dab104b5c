//! Jobs that are out, the queue of messages for `rc.d`, and what follows when one ends (`resource-protocol.md` 2.4.5,
//! 2.4.6, 2.5).

use std::collections::VecDeque;
use std::time::Duration;

use ha_wire::{Message, Value};

use crate::core::Core;
use crate::mutation::{Mutation, broken};
use crate::requests::ASKED_FIELD;
use crate::resources::Standby;
use crate::throttle::Cause;
use crate::{Action, Hold, Job, JobId, JobOutcome, Level, Notification, Report};

/// Messages waiting for `rc.d` at most. At the bound new ones are dropped and counted: a flood of messages must not
/// push out the takeover that is already waiting.
pub(crate) const QUEUE_MAX: usize = 1024;

/// Places of the queue for messages that start or stop groups.
const RESERVED: usize = 128;

/// A job that has run for this long holds up nobody else's message: a script that hangs in one group must not keep the
/// other groups from being started. (The legacy waits for ever.)
const SLOW: Duration = Duration::from_secs(30);

/// A job and what we need to remember of it.
#[derive(Debug)]
enum Running {
    AcquireLocal {
        dont_ask: bool,
        nice: bool,
    },
    /// In the giver's view, as the wire wants it.
    Release {
        kind: Hold,
    },
    /// In our own view.
    Acquire {
        set: Hold,
    },
    GiveUpAll,
    ReleaseStale,
    /// Both nodes held it.
    Yield {
        set: Hold,
    },
    /// Groups of one owner, in a cluster of more than two nodes.
    ReleaseOf {
        owner: String,
    },
    AcquireOf {
        owner: String,
    },
    Notify(Notification),
    /// Over; only its last words are still being said.
    Ended,
}

/// A job that is out.
#[derive(Debug)]
struct Out {
    id: JobId,
    job: Running,
    started: Duration,
}

/// The legacy's count of resource children and its notification queue.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    next_id: u64,
    running: Vec<Out>,
    /// Acquisitions that wait for a release of the same groups to end.
    waiting: Vec<(Job, Running)>,
    queue: VecDeque<Notification>,
}

impl Jobs {
    /// No resource work is going on.
    pub(crate) fn idle(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }

    /// Groups are being taken or given, or will be by what waits in the queue. (What a killed predecessor left behind is
    /// not counted: acquisitions wait for its release by themselves.)
    pub(crate) fn moving(&self) -> bool {
        let moves = |job: &Running| match job {
            Running::AcquireLocal { .. }
            | Running::Release { .. }
            | Running::Acquire { .. }
            | Running::ReleaseOf { .. }
            | Running::AcquireOf { .. }
            | Running::GiveUpAll => true,
            Running::Notify(notification) => moves_groups(notification),
            Running::ReleaseStale | Running::Yield { .. } | Running::Ended => false,
        };
        self.running.iter().any(|out| moves(&out.job))
            || self.waiting.iter().any(|(_, job)| moves(job))
            || self.queue.iter().any(moves_groups)
    }

    /// Something is being released for a standby.
    pub(crate) fn giving(&self) -> bool {
        let release = |out: &Out| matches!(out.job, Running::Release { .. });
        self.running.iter().any(release)
    }

    /// What is being acquired because the other node gave it away.
    pub(crate) fn acquiring(&self) -> Hold {
        let running = self.running.iter().map(|out| &out.job);
        let waiting = self.waiting.iter().map(|(_, job)| job);
        running
            .chain(waiting)
            .fold(Hold::NONE, |sum, job| match job {
                Running::Acquire { set } => sum.with(*set),
                _ => sum,
            })
    }

    /// Groups of `owner` are being started here, or will be. `local` is our own name.
    pub(crate) fn acquires(&self, owner: &str, local: &str) -> bool {
        let notified = |notification: &Notification| match notification.kind.as_str() {
            "status" if is_death(notification) => notification.field("src") == Some(owner),
            "ip-request-resp" => owner == local && notification.field("dest") == Some(local),
            _ => false,
        };
        let acquires = |job: &Running| match job {
            Running::AcquireLocal { .. } => owner == local,
            Running::AcquireOf { owner: whose } => whose == owner,
            Running::Notify(notification) => notified(notification),
            _ => false,
        };
        self.running.iter().any(|out| acquires(&out.job))
            || self.waiting.iter().any(|(_, job)| acquires(job))
            || self.queue.iter().any(notified)
    }

    /// A takeover that still waits in the queue is not wanted any more.
    pub(crate) fn forget_takeover(&mut self, owner: &str) {
        let wanted =
            |queued: &Notification| !is_death(queued) || queued.field("src") != Some(owner);
        self.queue.retain(wanted);
    }

    /// A number for a job that is not counted here.
    pub(crate) fn take_id(&mut self) -> JobId {
        self.next_id += 1;
        JobId(self.next_id)
    }

    /// What a node asked for in a life that is over is not given any more: its answer would reach another life, which
    /// may have to wait behind others for what it asks itself.
    pub(crate) fn forget_requests_of(&mut self, node: &str) {
        let asks = |notification: &Notification| {
            notification.kind == "ip-request"
                && notification
                    .field("src")
                    .is_some_and(|source| source.eq_ignore_ascii_case(node))
        };
        self.queue.retain(|notification| !asks(notification));
    }

    /// Messages that wait for `rc.d`.
    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn count(&self) -> usize {
        self.running.len() + self.waiting.len()
    }
}

impl Core {
    fn start_job(&mut self, job: Job, running: Running) {
        let acquires = matches!(
            running,
            Running::Acquire { .. } | Running::AcquireLocal { .. }
        );
        let releases = |out: &Out| {
            matches!(
                out.job,
                Running::Release { .. } | Running::ReleaseStale | Running::Yield { .. }
            )
        };
        if acquires && self.jobs.running.iter().any(releases) {
            self.jobs.waiting.push((job, running));
            return;
        }
        let id = self.jobs.take_id();
        self.jobs.running.push(Out {
            id,
            job: running,
            started: self.now.mono,
        });
        self.act(Action::StartJob { id, job });
    }

    pub(crate) fn start_acquire_local(&mut self, dont_ask: bool) {
        let nice = self.nice();
        self.start_job(
            Job::AcquireLocal { dont_ask, nice },
            Running::AcquireLocal { dont_ask, nice },
        );
    }

    pub(crate) fn start_release(&mut self, kind: Hold) {
        self.info(format!("give up {kind} HA resources (standby)."));
        self.start_job(Job::Release { set: kind }, Running::Release { kind });
    }

    /// `kind` is the giver's view.
    pub(crate) fn start_acquire(&mut self, kind: Hold) {
        let set = kind.mirror();
        self.info(format!("acquire {set} HA resources (standby)."));
        self.start_job(Job::Acquire { set }, Running::Acquire { set });
    }

    pub(crate) fn start_give_up_all(&mut self) {
        self.info("Giving up all HA resources.");
        self.start_job(Job::GiveUpAll, Running::GiveUpAll);
        if broken(Mutation::ShutdoneBeforeRelease) {
            self.native_ended(Running::GiveUpAll, Report::default());
        }
    }

    /// Lets go of what both nodes hold.
    pub(crate) fn start_yield(&mut self, set: Hold) {
        self.start_job(Job::Release { set }, Running::Yield { set });
    }

    pub(crate) fn start_release_stale(&mut self, set: Hold) {
        self.start_job(Job::ReleaseStale { set }, Running::ReleaseStale);
    }

    pub(crate) fn start_release_of(&mut self, owner: &str) {
        let owner = owner.to_owned();
        let job = Job::ReleaseGroupsOf {
            owner: owner.clone(),
        };
        self.start_job(job, Running::ReleaseOf { owner });
    }

    pub(crate) fn start_acquire_of(&mut self, owner: &str) {
        let owner = owner.to_owned();
        let job = Job::AcquireGroupsOf {
            owner: owner.clone(),
        };
        self.start_job(job, Running::AcquireOf { owner });
    }

    pub(crate) fn start_release_stale_of(&mut self, owners: Vec<String>) {
        self.start_job(Job::ReleaseStaleOf { owners }, Running::ReleaseStale);
    }

    pub(crate) fn queue_notification(&mut self, notification: Notification) {
        let room = match moves_groups(&notification) {
            true => QUEUE_MAX,
            false => QUEUE_MAX - RESERVED,
        };
        if self.jobs.queue.len() >= room && !broken(Mutation::QueueUnbounded) {
            let kind = notification.kind.clone();
            self.log_limited(Cause::Queue, || {
                vec![(
                    Level::Error,
                    format!("{QUEUE_MAX} messages wait for rc.d: one of type {kind} is dropped"),
                )]
            });
            return;
        }
        self.jobs.queue.push_back(notification);
        self.start_next_notification();
    }

    /// The head of the queue is started only when nothing else runs (2.5), or nothing but what hangs.
    fn start_next_notification(&mut self) {
        let now = self.now.mono;
        let held_up = !self.jobs.waiting.is_empty()
            || self.jobs.running.iter().any(|out| now < out.started + SLOW);
        if held_up {
            return;
        }
        let mut queue = self.jobs.queue.iter();
        let next = queue.position(|queued| !self.must_wait(queued));
        if let Some(notification) = next.and_then(|next| self.jobs.queue.remove(next)) {
            self.start_job(
                Job::Notify(notification.clone()),
                Running::Notify(notification),
            );
        }
    }

    /// With more than two nodes: groups are not started while another node, that has to let go of them, still holds them;
    /// and if this node did not run for a while, it has to hear first whether that is so.
    fn must_wait(&self, queued: &Notification) -> bool {
        if !moves_groups(queued) || !self.in_crowd() {
            return false;
        }
        let owner = match is_death(queued) {
            true => queued.field("src"),
            false => queued.field("dest"),
        };
        // While we give up everything nothing is started any more.
        self.shutdown.in_progress()
            || self.has_to_listen()
            || owner.is_some_and(|owner| self.rival(owner).is_some())
    }

    /// When the head of the queue stops waiting for a job that hangs, or for news.
    pub(crate) fn jobs_deadline(&self) -> Option<Duration> {
        if self.jobs.queue.is_empty() || !self.jobs.waiting.is_empty() {
            return None;
        }
        let slow = self.jobs.running.iter().map(|out| out.started + SLOW);
        let listens = self.in_crowd() && self.has_to_listen();
        let news = listens.then_some(self.punctuality.judge_from);
        // What is due already has been tried: it waits for something else.
        slow.chain(news).max().filter(|due| *due > self.now.mono)
    }

    pub(crate) fn run_job_timers(&mut self) {
        if !self.jobs.queue.is_empty() {
            self.start_next_notification();
        }
    }

    pub(crate) fn job_ended(&mut self, id: JobId, outcome: JobOutcome) {
        if self.device_job_ended(id, &outcome) {
            return;
        }
        let Some(index) = self.jobs.running.iter().position(|out| out.id == id) else {
            self.error(format!("job {} ended but was not running", id.0));
            return;
        };
        // What a job says as its last word is said while it still counts as running, as the legacy's children do.
        let running = std::mem::replace(&mut self.jobs.running[index].job, Running::Ended);
        let was_release = matches!(running, Running::Release { .. });
        match (running, outcome) {
            (Running::Notify(notification), outcome) => {
                self.notification_ended(&notification, outcome)
            }
            (running, JobOutcome::Native(report)) => self.native_ended(running, report),
            (
                running,
                JobOutcome::Script { .. } | JobOutcome::NoHandler | JobOutcome::Device(_),
            ) => self.native_ended(running, Report::default()),
        }
        self.jobs.running.retain(|out| out.id != id);
        if was_release && self.rsc.standby == Standby::Not && !self.shutdown.in_progress() {
            // The standby came to nothing meanwhile: now it is free to be taken.
            self.send_state();
        }
        for (job, running) in std::mem::take(&mut self.jobs.waiting) {
            self.start_job(job, running);
        }
        self.start_next_notification();
        self.crowd_changed();
        self.audit();
        self.retry_shutdown();
    }

    fn native_ended(&mut self, running: Running, report: Report) {
        match running {
            Running::AcquireLocal { dont_ask, nice } => {
                self.acquire_local_ended(dont_ask, nice, &report)
            }
            Running::Release { kind } => {
                self.info(format!("{kind} HA resource release completed (standby)."));
                if self.rsc.standby == Standby::Me {
                    self.send_standby(kind, "done");
                }
            }
            Running::Acquire { set } => {
                self.info(format!(
                    "{set} HA resource acquisition completed (standby)."
                ));
                self.groups_failed(report.failed);
                if self.rsc.standby == Standby::Done {
                    self.send_standby(self.rsc.standby_kind, "done");
                } else {
                    // The giver died or restarted meanwhile. What was started runs here, so we must say so; if the
                    // giver took it up again, the audit settles who keeps it.
                    self.rsc.ihold = self.rsc.ihold.with(set);
                    self.send_state();
                }
            }
            Running::GiveUpAll => {
                self.info("All HA resources relinquished.");
                let mut message = Message::new();
                message.push("t", "shutdone");
                message.push("st", "dead");
                self.send(message);
            }
            Running::Yield { set } => {
                self.rsc.ihold = self.rsc.ihold.without(set);
                self.send_state();
            }
            Running::ReleaseOf { owner } => self.crowd_released(&owner),
            Running::AcquireOf { owner } => self.crowd_acquired(&owner, report.failed),
            Running::ReleaseStale | Running::Notify(_) | Running::Ended => {}
        }
    }

    /// What `req_our_resources` and `req_resource` say (2.4.5).
    fn acquire_local_ended(&mut self, dont_ask: bool, nice: bool, report: &Report) {
        if report.keys.is_empty() {
            let command = format!(
                "/usr/share/heartbeat/ResourceManager listkeys {}",
                self.config.local
            );
            self.info(format!("No local resources [{command}] to acquire."));
        } else {
            self.info("Local Resource acquisition completed.");
        }
        if nice || dont_ask {
            self.nobody_is_asked();
            for key in &report.wanted {
                let mut message = Message::new();
                message.push("t", "ip-request-resp");
                message.push("dest", &self.config.local);
                message.push("ipaddr", key);
                message.push("weown", "yes");
                message.push("ok", "OK");
                self.send(message);
            }
        } else {
            // Of a group that runs here already the legacy does not ask; but what runs may have been left behind by a
            // killed predecessor, and the other node holds it too.
            for key in &report.keys {
                self.ask_for_group(key);
            }
        }
        if nice && !self.shutdown.in_progress() {
            self.send_resource(true, Some("req_our_resources()"));
        }
        if report.wanted.is_empty() {
            self.local_work_done("req_our_resources");
        }
    }

    fn notification_ended(&mut self, notification: &Notification, outcome: JobOutcome) {
        let dead = is_death(notification);
        match notification.kind.as_str() {
            "ip-request-resp" => self.local_work_done("ip-request-resp"),
            "status" if dead => self.foreign_work_done("status"),
            _ => {}
        }
        // A script of the administrator's injects what it has to say itself.
        let JobOutcome::Native(report) = outcome else {
            return;
        };
        let source = notification.field("src").unwrap_or_default().to_owned();
        if self.in_crowd() {
            return self.crowd_notification_ended(notification, &source, report);
        }
        let mut message = Message::new();
        match notification.kind.as_str() {
            "status" if dead && notification.nice => {
                message.push("t", "resource");
                message.push("rsc_hold", "foreign");
                message.push("info", "mach_down");
            }
            "ip-request" if !self.is_us(&source) => {
                message.push("t", "ip-request-resp");
                message.push("dest", &source);
                message.push("ipaddr", notification.field("ipaddr").unwrap_or_default());
                message.push("weown", if report.owned { "yes" } else { "no" });
                message.push("ok", "OK");
                // Which life of the other's has asked; nobody but ours looks at it.
                if let Some(generation) = notification.field("hg") {
                    message.push(ASKED_FIELD, generation);
                }
            }
            "hb_takeover" if !self.is_us(&source) => {
                let wanted = match notification.field("rsc_hold") {
                    Some("local") => Hold::FOREIGN,
                    Some("foreign") => Hold::LOCAL,
                    _ => Hold::ALL,
                };
                self.info(format!("Going standby [{wanted}]."));
                self.operator_asked();
                self.send_standby(wanted, "me");
            }
            _ => {}
        }
        if !message.is_empty() {
            self.send(message);
        }
        self.groups_failed(report.failed);
    }
}

impl Core {
    /// The same where more than two nodes have told each other what they hold.
    fn crowd_notification_ended(
        &mut self,
        notification: &Notification,
        source: &str,
        report: Report,
    ) {
        let local = self.config.local.clone();
        match notification.kind.as_str() {
            "status" if is_death(notification) => {
                self.crowd_mach_down_ended();
                self.crowd_groups_failed(source, report.failed);
            }
            "ip-request-resp" => self.crowd_groups_failed(&local, report.failed),
            "hb_takeover" if !self.is_us(source) => {
                self.operator_asked();
                self.crowd_takeover(source, notification.field("rsc_hold"));
            }
            _ => {}
        }
    }
}

/// One of the messages whose stock handler starts or stops groups.
fn moves_groups(notification: &Notification) -> bool {
    match notification.kind.as_str() {
        "status" => is_death(notification),
        "ip-request" | "ip-request-resp" => true,
        _ => false,
    }
}

/// The internal status of a dead node that had resources.
fn is_death(notification: &Notification) -> bool {
    notification.kind == "status"
        && notification.field("st") == Some("dead")
        && !notification
            .field("info")
            .is_some_and(|info| info.contains("ping"))
}

/// The string fields of a message, as scripts get them.
pub(crate) fn text_fields(message: &Message) -> Vec<(String, String)> {
    message
        .fields()
        .filter_map(|field| match field.value {
            Value::Text(value) => Some((
                String::from_utf8_lossy(field.name).into_owned(),
                String::from_utf8_lossy(value).into_owned(),
            )),
            _ => None,
        })
        .collect()
}
