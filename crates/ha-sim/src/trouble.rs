//! Faults as they begin and end, power, and fencing devices.

use std::rc::Rc;
use std::time::Duration;

use ha_cluster::{DeviceResult, Hold, Input, JobId};
use ha_wire::{CompressionSettings, Encoding, Message, encode_datagram};

use crate::host::{GroupState, Waiting};
use crate::packet::Packet;
use crate::plan::{Event, Fault};
use crate::seen::Seen;
use crate::world::{CLOCK_START, Happening, START_AGAIN, World};

impl World {
    /// One thing from the queue.
    pub(crate) fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrive {
                to,
                medium,
                packet,
                damaged,
            } => self.arrive(to, medium, packet, damaged),
            Happening::Replay { to, medium, packet } => self.hear_again(to, medium, packet),
            Happening::Forgery { to, medium, bytes } => {
                if self.runs(to) {
                    self.feed_untrusted(to, medium, &bytes, "a forged datagram");
                }
            }
            // The legacy's scripts are run by its children, which go on when it does not.
            Happening::ScriptEnds { host, process } if self.legacy(host).is_some() => {
                self.script_ends(host, process, true);
            }
            Happening::ChildSteps { host, child } => self.child_steps(host, child),
            Happening::ScriptEnds { host, process } => match self.hosts[host].stalled_until {
                // The script has ended; the daemon hears of it later. Its effect is there now.
                Some(_) if self.hosts[host].daemon.is_some() => {
                    self.hosts[host].waiting.push(Waiting::ScriptEnds(process));
                }
                _ => self.script_ends(host, process, true),
            },
            Happening::ScriptIsSlow { host, process } => {
                if self.hosts[host].stalled_until.is_none() && self.legacy(host).is_none() {
                    self.script_is_slow(host, process);
                }
            }
            Happening::DeviceEnds {
                host,
                generation,
                job,
                reset,
                result,
            } => self.device_ends(host, generation, job, reset, result),
            Happening::ClientsGone { host, generation } => {
                let machine = &mut self.hosts[host];
                let same = |daemon: &crate::host::Daemon| daemon.generation == generation;
                if !machine.daemon.as_ref().is_some_and(same) {
                    return;
                }
                match machine.stalled_until {
                    Some(_) => machine.waiting.push(Waiting::ClientsGone),
                    None => self.feed(host, Input::ClientsGone),
                }
            }
            Happening::LegacyTold { host, input } => self.tell_legacy(host, input),
            Happening::Start {
                host,
                number,
                restart,
            } => {
                if self.hosts[host].start_number == number {
                    self.start(host, restart);
                }
            }
            Happening::Wake { host } => self.wake(host),
            Happening::Begin(place) => self.begin(place),
            Happening::End(place) => self.end(place),
            Happening::Quiet => self.be_quiet(),
            Happening::Look => {}
        }
    }

    fn event(&self, place: usize) -> Event {
        self.scenario.events[place].1.clone()
    }

    /// A fault ends after its span, but not later than all of them.
    fn plan_end(&mut self, place: usize, span: Duration) {
        let quiet = CLOCK_START + self.scenario.quiet_from;
        self.queue
            .plan((self.now + span).min(quiet), Happening::End(place));
    }

    fn begin(&mut self, place: usize) {
        let fault = self.event(place).fault;
        self.calm_since = self.now;
        self.tell(usize::MAX, || format!("### {fault}"));
        match fault {
            Fault::PowerCut {
                host,
                back_after,
                new_disk,
            } => {
                if new_disk {
                    let machine = &mut self.hosts[host];
                    machine.generation_on_disk = None;
                    machine.uuid[15] = machine.uuid[15].wrapping_add(1);
                }
                self.power_cut(host, back_after);
            }
            Fault::Kill { host, back_after } => self.kill(host, back_after),
            Fault::Stop { host, back_after } => {
                if self.runs(host) {
                    self.hosts[host].back_after = Some(back_after);
                    self.feed(host, Input::Shutdown);
                }
            }
            Fault::Reload { host } => {
                if self.runs(host) {
                    self.feed(host, Input::QuickRestart);
                }
            }
            Fault::Standby { host, set } => {
                self.inject(
                    host,
                    "ask_resources",
                    &[("rsc_hold", set.word()), ("info", "me")],
                );
            }
            Fault::Takeover { host, set } => {
                self.inject(host, "hb_takeover", &[("rsc_hold", set.word())]);
            }
            Fault::Stall { host, span } => self.stall(host, span),
            Fault::ClockStep { host, seconds } => self.hosts[host].wall_offset += seconds,
            Fault::SlowScripts { host, time, span } => {
                self.hosts[host].slow.push(time);
                self.plan_end(place, span);
            }
            Fault::FailingStart { host, group, span } => {
                self.hosts[host].failing_starts[group] += 1;
                self.plan_end(place, span);
            }
            Fault::FailingStop { host, group, times } => {
                self.hosts[host].failing_stops[group] += times;
            }
            Fault::Cuts { cuts, span } => {
                self.network.cut(&cuts);
                self.plan_end(place, span);
            }
            Fault::Weather { weather, span } => {
                self.network.worsen(weather);
                self.plan_end(place, span);
            }
            Fault::Forge { host, count } => self.forge(host, count),
            Fault::Replay { host, of, count } => self.replay(host, of, count),
            Fault::Flood { host, count } => {
                for _ in 0..count {
                    self.inject(host, "message-of-somebody", &[("text", "much ado")]);
                }
            }
            Fault::DeviceFails { device, times } => {
                self.device_failures[device] = self.device_failures[device].saturating_add(times);
            }
        }
    }

    fn end(&mut self, place: usize) {
        let fault = self.event(place).fault;
        self.calm_since = self.now;
        self.tell(usize::MAX, || format!("### over: {fault}"));
        match fault {
            Fault::SlowScripts { host, time, .. } => {
                let slow = &mut self.hosts[host].slow;
                if let Some(index) = slow.iter().position(|known| *known == time) {
                    slow.remove(index);
                }
            }
            Fault::FailingStart { host, group, .. } => self.hosts[host].failing_starts[group] -= 1,
            Fault::Cuts { cuts, .. } => self.network.mend(&cuts),
            Fault::Weather { weather, .. } => self.network.improve(weather),
            _ => {}
        }
    }

    /// Nothing goes wrong any more, and every machine is switched on.
    fn be_quiet(&mut self) {
        self.tell(usize::MAX, || "### nothing goes wrong any more".to_owned());
        self.quiet = true;
        self.calm_since = self.now;
        self.device_failures.fill(0);
        for host in 0..self.hosts.len() {
            let machine = &mut self.hosts[host];
            machine.failing_stops.fill(0);
            machine.back_after = machine.back_after.map(|after| after.min(START_AGAIN));
            if machine.daemon.is_none() {
                // What is planned counts, unless somebody would have to wait for it.
                let restarts = machine.will_start;
                if !restarts {
                    self.plan_start(host, Duration::ZERO, None);
                }
            }
        }
    }

    /// Its daemon runs and can be spoken to.
    fn runs(&self, host: usize) -> bool {
        self.hosts[host].daemon.is_some() && self.hosts[host].stalled_until.is_none()
    }

    fn inject(&mut self, host: usize, kind: &str, fields: &[(&str, &str)]) {
        if !self.runs(host) {
            return;
        }
        let mut message = Message::new();
        message.push("t", kind);
        for (name, value) in fields {
            message.push(name, value);
        }
        let tool = matches!(kind, "ask_resources" | "hb_takeover");
        if tool && self.legacy(host).is_some() {
            return self.call_tool(host, message);
        }
        self.feed(host, Input::Inject { message });
    }

    // ---- Machines ------------------------------------------------------------------------------------------------

    /// Nothing stays but the disk.
    pub(crate) fn power_cut(&mut self, host: usize, back_after: Duration) {
        self.tell(host, || "=== power cut".to_owned());
        let machine = &mut self.hosts[host];
        machine.daemon = None;
        machine.processes.clear();
        machine.children.clear();
        machine.fifo = None;
        machine.waiting.clear();
        machine.stalled_until = None;
        machine.groups.fill(GroupState::STOPPED);
        machine.unasked.fill(None);
        machine.raced.fill(false);
        machine.back_after = None;
        self.seen.push(Seen::Crashed { host });
        self.plan_start(host, back_after, None);
    }

    /// kill -9: scripts go on, and what they started stays.
    fn kill(&mut self, host: usize, back_after: Duration) {
        let machine = &mut self.hosts[host];
        if machine.daemon.take().is_none() {
            return;
        }
        machine.stalled_until = None;
        machine.back_after = None;
        for group in &mut machine.groups {
            group.left_behind = group.is_active();
        }
        for waiting in std::mem::take(&mut machine.waiting) {
            if let Waiting::ScriptEnds(process) = waiting {
                self.script_ends(host, process, true);
            }
        }
        self.tell(host, || "=== killed".to_owned());
        self.seen.push(Seen::Killed { host });
        self.plan_start(host, back_after, None);
    }

    fn stall(&mut self, host: usize, span: Duration) {
        let quiet = CLOCK_START + self.scenario.quiet_from;
        let until = (self.now + span).min(quiet);
        let machine = &mut self.hosts[host];
        if machine.daemon.is_none() || machine.stalled_until.is_some() {
            return;
        }
        machine.stalled_until = Some(until);
        machine.stalled_from = self.now;
        self.queue.plan(until, Happening::Wake { host });
    }

    /// Scheduled again: first what has arrived, as the loop does, then time.
    fn wake(&mut self, host: usize) {
        let machine = &mut self.hosts[host];
        if machine.stalled_until.is_none_or(|until| until > self.now) {
            return;
        }
        machine.stalled_until = None;
        machine.stalled_before = self.now;
        self.calm_since = self.now;
        let waiting = std::mem::take(&mut self.hosts[host].waiting);
        self.tell(host, || {
            format!("=== runs again, {} inputs wait", waiting.len())
        });
        for input in waiting {
            let generation = match &self.hosts[host].daemon {
                Some(daemon) => daemon.generation,
                None => return,
            };
            let happening = match input {
                Waiting::Legacy(input) => {
                    self.queue
                        .plan(self.now, Happening::LegacyTold { host, input });
                    continue;
                }
                Waiting::Datagram {
                    medium,
                    packet,
                    damaged,
                } => Happening::Arrive {
                    to: host,
                    medium,
                    packet,
                    damaged,
                },
                Waiting::ScriptEnds(process) => Happening::ScriptEnds { host, process },
                Waiting::Device { job, result } => Happening::DeviceEnds {
                    host,
                    generation,
                    job,
                    reset: None,
                    result,
                },
                Waiting::ClientsGone => Happening::ClientsGone { host, generation },
            };
            // Before its timers, which come after what is queued for the same moment.
            self.queue.plan(self.now, happening);
        }
    }

    // ---- Strangers -----------------------------------------------------------------------------------------------

    /// Datagrams of somebody without the keys: rubbish, torn messages, and messages that would do harm if believed.
    fn forge(&mut self, host: usize, count: u64) {
        let settings = self.scenario.settings.clone();
        let strangers = settings.strangers_keys();
        for _ in 0..count {
            if !self.runs(host) {
                return;
            }
            let medium = self.random.index(settings.media);
            let victim = self.random.index(self.hosts.len());
            let bytes = match self.random.below(4) {
                0 => (0..self.random.below(400))
                    .map(|_| u8::try_from(self.random.below(256)).unwrap_or(0))
                    .collect(),
                choice => {
                    let mut message = Message::new();
                    let kind = self.random.choose(&[
                        "status",
                        "shutdone",
                        "resource",
                        "ask_resources",
                        "starting",
                        "ip-request",
                        "NS_rexmit",
                    ]);
                    message.push("t", kind);
                    message.push("st", self.random.choose(&["dead", "active", "init"]));
                    message.push("rsc_hold", self.random.choose(&["none", "all", "local"]));
                    message.push("info", self.random.choose(&["me", "done", "shutdown"]));
                    message.push("isstable", "1");
                    message.push("rtype", "full");
                    message.push("src", self.hosts[victim].name.as_str());
                    message.push("seq", format!("{:x}", 1 + self.random.below(100_000)));
                    message.push("hg", format!("{:x}", 900 + self.random.below(1000)));
                    message.push("ts", format!("{:x}", 1 + self.random.below(2_000_000_000)));
                    let encoding = self.random.choose(&[Encoding::String, Encoding::Netstring]);
                    let mut bytes = Vec::new();
                    let settings = CompressionSettings::default();
                    if encode_datagram(&message, encoding, &strangers, &settings, &mut bytes)
                        .is_err()
                    {
                        continue;
                    }
                    if choice == 1 {
                        bytes.truncate(self.random.index(bytes.len()));
                    }
                    bytes
                }
            };
            let forgery = Happening::Forgery {
                to: host,
                medium,
                bytes,
            };
            self.queue.plan(self.now, forgery);
        }
    }

    /// What was heard of a node earlier is sent again. Of a former life nothing may count; the present one's may refresh a
    /// link, or fill a gap.
    fn replay(&mut self, host: usize, of: usize, count: u64) {
        let media = self.scenario.settings.media;
        for _ in 0..count {
            let captured = self.hosts[of].captured.len();
            if captured == 0 {
                return;
            }
            let packet = Rc::clone(&self.hosts[of].captured[self.random.index(captured)]);
            let replay = Happening::Replay {
                to: host,
                medium: self.random.index(media),
                packet,
            };
            self.queue.plan(self.now, replay);
        }
    }

    fn hear_again(&mut self, to: usize, medium: usize, packet: Rc<Packet>) {
        // What bears no number bears no proof of its age either (`wire-protocol.md` 5.2, rule 1).
        let Some(seq) = packet.seq.filter(|_| self.runs(to)) else {
            return;
        };
        let view = self.hosts[to]
            .core()
            .and_then(|core| core.view_of(&self.hosts[packet.from].name));
        if view.is_some_and(|view| packet.generation < view.generation) {
            let what = "a replayed datagram of a former life";
            return self.feed_untrusted(to, medium, &packet.bytes, what);
        }
        // Signatures carry no proof of freshness: what this process was never handed is as good as new to it.
        let number = (packet.from, packet.generation, seq);
        let handed = |daemon: &crate::host::Daemon| daemon.handed.contains(&number);
        if !self.hosts[to].daemon.as_ref().is_some_and(handed) {
            return;
        }
        self.seen.push(Seen::Delivered {
            to,
            packet: Rc::clone(&packet),
        });
        let payload = &packet.bytes;
        self.feed(to, Input::Datagram { medium, payload });
    }

    // ---- Fencing devices -----------------------------------------------------------------------------------------

    pub(crate) fn start_reset(&mut self, host: usize, id: JobId, device: usize, node: &str) {
        let Some(model) = self.scenario.settings.devices.get(device).cloned() else {
            return;
        };
        let target = self.hosts.iter().position(|host| host.name == node);
        let failures = &mut self.device_failures[device];
        if *failures > 0 {
            *failures -= 1;
            return self.device_answers(host, id, None, DeviceResult::Failed, model.time);
        }
        let Some(target) = target else {
            return self.device_answers(host, id, None, DeviceResult::BadHost, model.time);
        };
        if model.early {
            self.reset(target);
            self.device_answers(host, id, None, DeviceResult::Done, model.time);
        } else {
            self.device_answers(host, id, Some(target), DeviceResult::Done, model.time);
        }
    }

    pub(crate) fn device_answers(
        &mut self,
        host: usize,
        job: JobId,
        reset: Option<usize>,
        result: DeviceResult,
        time: Duration,
    ) {
        let Some(daemon) = &self.hosts[host].daemon else {
            return;
        };
        let generation = daemon.generation;
        let ends = Happening::DeviceEnds {
            host,
            generation,
            job,
            reset,
            result,
        };
        self.queue.plan(self.now + time, ends);
    }

    fn device_ends(
        &mut self,
        host: usize,
        generation: u64,
        job: JobId,
        reset: Option<usize>,
        result: DeviceResult,
    ) {
        if let Some(target) = reset {
            self.reset(target);
        }
        let machine = &mut self.hosts[host];
        let same = |daemon: &crate::host::Daemon| daemon.generation == generation;
        if !machine.daemon.as_ref().is_some_and(same) {
            return;
        }
        match machine.stalled_until {
            Some(_) => machine.waiting.push(Waiting::Device { job, result }),
            None => self.device_told(host, job, result),
        }
    }

    fn device_told(&mut self, host: usize, id: JobId, result: DeviceResult) {
        if self.legacy(host).is_some() {
            return self.legacy_reset_ended(host, id, result);
        }
        let outcome = ha_cluster::JobOutcome::Device(result);
        self.feed(host, Input::JobEnded { id, outcome });
    }

    fn reset(&mut self, target: usize) {
        self.tell(target, || "=== reset by a device".to_owned());
        self.calm_since = self.now;
        self.hosts[target].reset_at = Some(self.now);
        let boot = self.scenario.settings.boot_time;
        self.power_cut(target, boot);
    }

    /// The halves of haresources that a node's daemon says it holds.
    pub(crate) fn held(&self, host: usize) -> Hold {
        let machine = &self.hosts[host];
        match machine.model() {
            Some(model) => Hold::from(model.held()),
            None => machine
                .core()
                .map_or(Hold::NONE, |core| core.resources().held),
        }
    }
}
