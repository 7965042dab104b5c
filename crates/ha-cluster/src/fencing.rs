//! Fencing: a node that died is reset before anybody touches what it held (`stonith.md` 9, `resource-protocol.md` 5).
//!
//! Nothing of a dead node is taken over before a device has said that it reset it, and it is asked again for ever. Where
//! the legacy is careless we are not: a node that comes back is not reset by an attempt that has not begun, and a reset
//! that succeeds after its node was heard again proves nothing about what is heard no more.
//!
//! Devices are asked in jobs; these are not counted among the jobs that move groups.

use std::time::Duration;

use ha_wire::Message;

use crate::core::Core;
use crate::mutation::{Mutation, broken};
use crate::{Action, DeviceResult, Job, JobId, JobOutcome};

/// Between two rounds of attempts.
const RETRY: Duration = Duration::from_secs(5);

/// After a reset of which we do not know whether it came before or after the last that was heard of its node, the node may
/// be starting: before it is reset again it gets this time, and twice as much each time that this happens again.
const BOOT_WAIT: Duration = Duration::from_secs(5);

/// So many times at most.
const BOOT_WAITS_MAX: u32 = 7;

/// What happened so long ago has nothing to do with the present.
const FORGOTTEN: Duration = Duration::from_secs(1800);

/// Between the end of one look at the devices and the next look.
const CHECK_AGAIN: Duration = Duration::from_secs(3600);

/// Who is being reset, and the looks at the devices themselves.
#[derive(Debug, Default)]
pub(crate) struct Fencing {
    resets: Vec<Reset>,
    /// A node has just died, and it is not decided yet whether it must be reset.
    deciding: bool,
    /// Jobs that ask a device for its status, with its position in the configuration.
    checks: Vec<(JobId, usize)>,
    next_check: Option<Duration>,
    doubts: Vec<Doubt>,
}

/// A node was heard during its reset.
#[derive(Debug)]
struct Doubt {
    node: String,
    /// How often in a row.
    times: u32,
    last: Duration,
}

/// The reset of one node.
#[derive(Debug)]
struct Reset {
    node: String,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// A device is at it. `heard`: a packet of the node has come since it began.
    Running {
        id: JobId,
        device: usize,
        heard: bool,
    },
    /// No device did it; the next round.
    Waiting { until: Duration },
}

impl Fencing {
    /// When the next attempt or look is due.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let retries = self.resets.iter().filter_map(|reset| match reset.stage {
            Stage::Waiting { until } => Some(until),
            Stage::Running { .. } => None,
        });
        retries.chain(self.next_check).min()
    }

    /// A node may still hold resources, and is being reset for that.
    pub(crate) fn pending(&self) -> bool {
        self.deciding || !self.resets.is_empty()
    }

    /// Names of the nodes that are being reset.
    pub(crate) fn nodes(&self) -> Vec<String> {
        self.resets.iter().map(|reset| reset.node.clone()).collect()
    }
}

impl Core {
    /// Fencing is configured.
    pub(crate) fn can_fence(&self) -> bool {
        !self.config.fencing.is_empty()
    }

    /// Between a node's death and what follows from it nobody may take anything, for communication may come up in between.
    pub(crate) fn fencing_is_decided(&mut self, decided: bool) {
        self.fencing.deciding = !decided && self.can_fence();
    }

    /// A node died that may hold resources: they are ours once it is reset, or at once where nobody can reset it.
    pub(crate) fn take_over_safely(&mut self, name: &str) {
        if !self.can_fence() || broken(Mutation::TakeoverBeforeReset) {
            self.send_stonith_result(name, "n_stnth");
            self.warn("No STONITH device configured.");
            self.warn("Shared disks are not protected.");
            self.take_over_from(name);
            return;
        }
        if self.reset_of(name).is_some() {
            // It was heard in between, so that the attempt under way says nothing of this death; its end is waited for.
            return;
        }
        let until = self.now.mono + self.boot_wait(name);
        self.fencing.resets.push(Reset {
            node: name.to_owned(),
            stage: Stage::Waiting { until },
        });
        if until <= self.now.mono {
            self.attempt(name, 0);
        } else {
            let seconds = (until - self.now.mono).as_secs();
            self.info(format!(
                "node {name} was reset a while ago and may be starting: it is reset again in {seconds} s unless it is heard"
            ));
        }
    }

    /// How long to wait for a node that we had reset, lest it be reset for ever while it starts.
    fn boot_wait(&mut self, name: &str) -> Duration {
        let now = self.now.mono;
        let doubts = &mut self.fencing.doubts;
        doubts.retain(|doubt| now < doubt.last + FORGOTTEN);
        let doubt = doubts
            .iter()
            .find(|doubt| doubt.node.eq_ignore_ascii_case(name));
        doubt.map_or(Duration::ZERO, |doubt| {
            BOOT_WAIT * (1 << (doubt.times - 1).min(BOOT_WAITS_MAX))
        })
    }

    fn doubt(&mut self, name: &str) {
        let now = self.now.mono;
        let doubts = &mut self.fencing.doubts;
        match doubts
            .iter_mut()
            .find(|doubt| doubt.node.eq_ignore_ascii_case(name))
        {
            Some(doubt) => {
                doubt.times = doubt.times.saturating_add(1);
                doubt.last = now;
            }
            None => doubts.push(Doubt {
                node: name.to_owned(),
                times: 1,
                last: now,
            }),
        }
    }

    /// The node was declared dead, and nothing of it has been taken over since.
    pub(crate) fn is_being_reset(&self, name: &str) -> bool {
        let same = |reset: &Reset| reset.node.eq_ignore_ascii_case(name);
        self.fencing.resets.iter().any(same)
    }

    /// The node was heard, but has not said yet what it holds, or only that it holds nothing yet. The legacy takes that for
    /// "nothing"; who can reset it does not need to guess.
    pub(crate) fn holdings_unknown(&self, name: &str) -> bool {
        // Who said that it lets go has not let go yet.
        let told = self
            .find(name)
            .is_some_and(|node| node.told_holdings && !node.letting_go);
        self.can_fence() && self.nice() && !told
    }

    pub(crate) fn holdings_told(&mut self, name: &str, settled: bool) {
        if let Some(node) = self.find_mut(name) {
            node.told_holdings = settled;
        }
    }

    fn reset_of(&mut self, name: &str) -> Option<&mut Reset> {
        let same = |reset: &&mut Reset| reset.node.eq_ignore_ascii_case(name);
        self.fencing.resets.iter_mut().find(same)
    }

    fn forget_reset(&mut self, name: &str) {
        self.fencing
            .resets
            .retain(|reset| !reset.node.eq_ignore_ascii_case(name));
    }

    /// Has a device reset the node, unless that is not wanted any more.
    fn attempt(&mut self, name: &str, device: usize) {
        let reason = match self.find(name).map(|node| node.is_dead()) {
            _ if self.shutdown.in_progress() => Some("this node is shutting down"),
            Some(true) => None,
            Some(false) => Some("it is alive again"),
            None => Some("it is no longer a node of this cluster"),
        };
        if let Some(reason) = reason {
            self.forget_reset(name);
            self.warn(format!("STONITH of {name} dropped: {reason}."));
            self.fencing_over();
            return;
        }
        let id = self.jobs.take_id();
        let Some(reset) = self.reset_of(name) else {
            return;
        };
        reset.stage = Stage::Running {
            id,
            device,
            heard: false,
        };
        self.info(format!(
            "Resetting node {name} with [{}]",
            self.device_name(device)
        ));
        let node = name.to_owned();
        self.act(Action::StartJob {
            id,
            job: Job::Reset { device, node },
        });
    }

    fn device_name(&self, device: usize) -> String {
        let known = self.config.fencing.get(device);
        known.map_or_else(String::new, |device| device.id.clone())
    }

    /// A packet of the node was accepted.
    pub(crate) fn fencing_heard(&mut self, name: &str) {
        if let Some(Reset {
            stage: Stage::Running { heard, .. },
            ..
        }) = self.reset_of(name)
        {
            *heard = true;
        }
    }

    /// A node says itself that it holds nothing any more.
    pub(crate) fn fencing_excused(&mut self, name: &str) {
        if let Some(Reset {
            stage: Stage::Waiting { .. },
            ..
        }) = self.reset_of(name)
        {
            self.forget_reset(name);
            self.warn(format!(
                "STONITH of {name} dropped: it gave up its resources."
            ));
        }
    }

    /// The end of a job that is ours; false if it is somebody else's.
    pub(crate) fn device_job_ended(&mut self, id: JobId, outcome: &JobOutcome) -> bool {
        let result = match outcome {
            JobOutcome::Device(_) if broken(Mutation::FailedResetCounts) => DeviceResult::Done,
            JobOutcome::Device(result) => *result,
            _ => DeviceResult::Failed,
        };
        let check = self.fencing.checks.iter().find(|(check, _)| *check == id);
        if let Some((_, device)) = check.copied() {
            self.fencing.checks.retain(|(check, _)| *check != id);
            self.check_ended(device, result);
            return true;
        }
        let ended = self
            .fencing
            .resets
            .iter()
            .find_map(|reset| match reset.stage {
                Stage::Running {
                    id: running,
                    device,
                    heard,
                } if running == id => Some((reset.node.clone(), device, heard)),
                _ => None,
            });
        let Some((name, device, heard)) = ended else {
            return false;
        };
        self.reset_ended(&name, device, heard, result);
        self.fencing_over();
        true
    }

    fn reset_ended(&mut self, name: &str, device: usize, heard: bool, result: DeviceResult) {
        let word = match result {
            DeviceResult::Done => {
                self.info(format!("node {name} now reset."));
                "OK"
            }
            DeviceResult::BadHost => {
                let id = self.device_name(device);
                self.error(format!("Device {id} cannot reset host {name}."));
                "badhost"
            }
            DeviceResult::Failed => {
                self.error(format!("Host {name} not reset!"));
                "bad"
            }
        };
        self.send_stonith_result(name, word);
        let dead = self.find(name).is_some_and(|node| node.is_dead());
        match result {
            DeviceResult::Done if dead && !heard => self.node_is_reset(name),
            DeviceResult::Done if dead => {
                // It was heard and died again: reset before or after that, who knows.
                self.warn(format!(
                    "node {name} was heard during its reset: it is reset once more."
                ));
                self.doubt(name);
                let until = self.now.mono + self.boot_wait(name);
                if let Some(reset) = self.reset_of(name) {
                    reset.stage = Stage::Waiting { until };
                }
            }
            DeviceResult::Done => {
                // Reset before or after that? If it is down it will be declared dead, and reset once more.
                self.warn(format!(
                    "node {name} was heard during its reset: nothing of it is taken over."
                ));
                self.forget_reset(name);
                self.doubt(name);
            }
            DeviceResult::BadHost | DeviceResult::Failed
                if device + 1 < self.config.fencing.len() =>
            {
                self.attempt(name, device + 1);
            }
            DeviceResult::BadHost | DeviceResult::Failed => {
                // Both blanks are the legacy's.
                self.error(format!("STONITH of {name} failed.  Retrying..."));
                self.wait(name);
            }
        }
    }

    fn wait(&mut self, name: &str) {
        let until = self.now.mono + RETRY;
        if let Some(reset) = self.reset_of(name) {
            reset.stage = Stage::Waiting { until };
        }
    }

    fn node_is_reset(&mut self, name: &str) {
        self.forget_reset(name);
        self.fencing
            .doubts
            .retain(|doubt| !doubt.node.eq_ignore_ascii_case(name));
        self.take_over_from(name);
    }

    /// What waited for a reset goes on, now that there is none under way or one less.
    fn fencing_over(&mut self) {
        self.acquire_when_peers_are_known();
        self.audit();
        self.retry_shutdown();
    }

    fn send_stonith_result(&mut self, node: &str, result: &str) {
        let mut message = Message::new();
        message.push("t", "stonith");
        message.push("node", node);
        message.push("result", result);
        self.send(message);
    }

    /// The dead node gave up its resources before.
    pub(crate) fn fencing_unneeded(&mut self, name: &str) {
        self.info(format!("Dead node {name} gave up resources."));
        self.send_stonith_result(name, "unneeded");
    }

    // ---- The devices themselves ----------------------------------------------------------------------------------

    /// Asks every device whether it can be reached. At comm-up, and once an hour: whoever finds out at a node's death
    /// that the device is unplugged finds out too late.
    pub(crate) fn check_devices(&mut self) {
        self.fencing.next_check = None;
        for device in 0..self.config.fencing.len() {
            let id = self.jobs.take_id();
            self.fencing.checks.push((id, device));
            self.info(format!(
                "Checking status of STONITH device [{}]",
                self.device_name(device)
            ));
            self.act(Action::StartJob {
                id,
                job: Job::CheckDevice { device },
            });
        }
    }

    fn check_ended(&mut self, device: usize, result: DeviceResult) {
        let id = self.device_name(device);
        match result {
            DeviceResult::Done => {}
            DeviceResult::BadHost => {
                let local = self.config.local.clone();
                self.error(format!("Device {id} cannot reset host {local}."));
            }
            DeviceResult::Failed => {
                self.error(format!("STONITH device {id} not operational!"));
            }
        }
        if result != DeviceResult::Done {
            self.error("STONITH status operation failed.");
            self.info("This may mean that the STONITH device has failed!");
        }
        if self.fencing.checks.is_empty() {
            self.fencing.next_check = Some(self.now.mono + CHECK_AGAIN);
        }
    }

    pub(crate) fn run_fencing_timers(&mut self) {
        let now = self.now.mono;
        let due = |reset: &Reset| match reset.stage {
            Stage::Waiting { until } => until <= now,
            Stage::Running { .. } => false,
        };
        let waiting: Vec<String> = self
            .fencing
            .resets
            .iter()
            .filter(|reset| due(reset))
            .map(|reset| reset.node.clone())
            .collect();
        for name in waiting {
            self.attempt(&name, 0);
        }
        if self.fencing.next_check.is_some_and(|at| at <= now) {
            self.check_devices();
        }
    }
}
