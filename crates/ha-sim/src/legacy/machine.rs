//! The model on a simulated machine: started, fed, and what it asks for done.

use std::rc::Rc;
use std::time::Duration;

use ha_cluster::{DeviceResult, ExitKind, Hold, JobId, RestartState};
use ha_wire::Encoding;

use super::{Action, Exit, Held, Input, LegacyNode, Model, Settings};
use crate::host::{Daemon, Mind, Waiting};
use crate::seen::Seen;
use crate::world::World;

impl From<Hold> for Held {
    fn from(hold: Hold) -> Held {
        Held {
            local: hold.local,
            foreign: hold.foreign,
        }
    }
}

impl From<Held> for Hold {
    fn from(held: Held) -> Hold {
        Hold {
            local: held.local,
            foreign: held.foreign,
        }
    }
}

impl World {
    /// What runs on this machine instead of our core, if anything.
    pub(crate) fn legacy(&self, host: usize) -> Option<LegacyNode> {
        self.scenario.legacy.get(host).copied().flatten()
    }

    /// A process of the model, not yet begun.
    pub(crate) fn legacy_model(
        &self,
        host: usize,
        node: LegacyNode,
        generation: u64,
        restart: Option<RestartState>,
    ) -> Model {
        let settings = &self.scenario.settings;
        let stamp = self.stamp(host);
        let settings = Settings {
            version: node.version,
            lag: node.lag,
            nodes: self.hosts.iter().map(|host| host.name.clone()).collect(),
            local: host,
            uuid: self.hosts[host].uuid,
            generation,
            media: settings.media,
            keepalive: settings.keepalive,
            deadtime: settings.deadtime,
            initdead: settings.initdead,
            nice: settings.nice(),
            auto: settings.failback == ha_cluster::AutoFailback::On,
            netstring: settings.encoding == Encoding::Netstring,
            keys: self.keys.clone(),
            fenced: !settings.devices.is_empty(),
            restart: restart.map(|state| state.held.map(Held::from)),
            seed: self.scenario.seed ^ generation.wrapping_mul(0x9e37_79b9) ^ (host as u64) << 56,
        };
        Model::new(settings, stamp.mono, stamp.wall)
    }

    pub(crate) fn start_legacy(&mut self, host: usize) {
        if let Some(model) = self.model_mut(host) {
            model.start();
        }
        self.drain_legacy(host);
    }

    fn model_mut(&mut self, host: usize) -> Option<&mut Model> {
        match &mut self.hosts[host].daemon.as_mut()?.mind {
            Mind::Legacy(model) => Some(model),
            Mind::Ours(_) => None,
        }
    }

    /// Something that its process finds when it is scheduled.
    pub(crate) fn tell_legacy(&mut self, host: usize, input: Input) {
        let machine = &mut self.hosts[host];
        if machine.model().is_none() {
            return;
        }
        match machine.stalled_until {
            Some(_) => machine.waiting.push(Waiting::Legacy(input)),
            None => self.feed_legacy(host, input),
        }
    }

    pub(crate) fn feed_legacy(&mut self, host: usize, input: Input) {
        let stamp = self.stamp(host);
        if let Some(model) = self.model_mut(host) {
            model.handle(stamp.mono, stamp.wall, input);
        }
        self.drain_legacy(host);
    }

    fn drain_legacy(&mut self, host: usize) {
        while let Some(action) = self.model_mut(host).and_then(Model::poll) {
            match action {
                Action::Transmit { medium, payload } => self.transmit(host, medium, payload),
                Action::Said(message) => self.record_said(host, &message),
                Action::Run(program) => self.start_child(host, program),
                Action::Reset { node } => self.reset_for_legacy(host, node),
                Action::StopClients => self.stop_clients(host),
                Action::Log(text) => self.tell(host, || text),
                Action::Exit(exit) => self.exit_legacy(host, exit),
            }
        }
        if let Some(daemon) = &mut self.hosts[host].daemon
            && let Mind::Legacy(model) = &daemon.mind
        {
            daemon.wake = Some(model.next_deadline());
        }
        self.seen.push(Seen::Stepped { host });
    }

    fn exit_legacy(&mut self, host: usize, exit: Exit) {
        if let (Exit::Quick { .. }, Some(model)) = (exit, self.hosts[host].model()) {
            self.hosts[host].cut_short |= model.is_busy() || !model.is_comm_up();
        }
        // Whatever of its children still runs is ended (`resource-protocol.md` 4.3).
        self.hosts[host].children.clear();
        self.hosts[host].fifo = None;
        self.exit(
            host,
            match exit {
                Exit::Shutdown => ExitKind::Shutdown,
                Exit::Restart { pause } => ExitKind::Restart { pause },
                Exit::Quick { held } => ExitKind::QuickRestart {
                    held: held.map(Hold::from),
                    owners: Vec::new(),
                },
            },
        );
    }

    /// The last device of ha.cf is the one (`resource-protocol.md` 5). The number of the job is that of the node.
    fn reset_for_legacy(&mut self, host: usize, node: usize) {
        let Some(device) = self.scenario.settings.devices.len().checked_sub(1) else {
            return;
        };
        let name = self.hosts[node].name.clone();
        self.start_reset(host, JobId(node as u64), device, &name);
    }

    pub(crate) fn legacy_reset_ended(&mut self, host: usize, job: JobId, result: DeviceResult) {
        let node = usize::try_from(job.0).unwrap_or(0);
        let done = result == DeviceResult::Done;
        self.feed_legacy(host, Input::ResetEnded { node, done });
    }

    pub(crate) fn legacy_datagram(&mut self, host: usize, medium: usize, payload: &[u8]) {
        let payload: Rc<[u8]> = payload.into();
        self.feed_legacy(host, Input::Datagram { medium, payload });
    }
}

/// How long any script takes at least: no script of a shell is done at once.
pub(crate) const SCRIPT_LEAST: Duration = Duration::from_millis(20);

impl Daemon {
    /// The model, if it is one.
    pub(crate) fn model(&self) -> Option<&Model> {
        match &self.mind {
            Mind::Legacy(model) => Some(model),
            Mind::Ours(_) => None,
        }
    }
}
