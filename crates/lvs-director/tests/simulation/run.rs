//! Plays a history, and judges.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use ha_config::ldirectord::{CheckPlan, Ldirectord, VirtualService};
use ipvs::{Destination, DestinationKey, Entry, Family, Forward, Protocol, ServiceKey, Table};

use crate::history::{Event, History, Kind, SERVERS};
use crate::world::{Sight, World, config};

/// More than every time-out, count of failures and period of the directory together.
const SETTLE: u64 = 15;
/// The same after trouble with the kernel: pauses between attempts grow, and the table is looked at now and then.
const SETTLE_AFTER_TROUBLE: u64 = 130;

/// What was wrong, and all that happened until then.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) what: String,
    pub(crate) timeline: Vec<String>,
}

/// Plays a history; the timeline, or what failed.
pub(crate) fn play(history: &History) -> Result<Vec<String>, Failure> {
    let mut timeline = Vec::new();
    // Assertions of the world and of the director are failures like others.
    let played = catch_unwind(AssertUnwindSafe(|| {
        let mut run = Run::new(history, &mut timeline);
        run.play(history)
    }));
    let what = match played {
        Ok(Ok(())) => return Ok(timeline),
        Ok(Err(what)) => what,
        Err(panic) => panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "a panic".to_owned()),
    };
    Err(Failure { what, timeline })
}

struct Run<'a> {
    world: World,
    config: Rc<Ldirectord>,
    text: String,
    timeline: &'a mut Vec<String>,
    /// The kernel gave trouble since things were settled last.
    troubled: bool,
    /// The virtual service of somebody else is still there.
    stranger: bool,
    sabotage: bool,
}

impl Run<'_> {
    fn new<'a>(history: &History, timeline: &'a mut Vec<String>) -> Run<'a> {
        let text = history.config.text();
        timeline.push(format!("      0.000  started with:\n{text}"));
        let mut kernel = Table::default();
        kernel.services.insert(stranger(), stranger_entry());
        let mut run = Run {
            world: World::over(&text, kernel),
            config: config(&text),
            text,
            timeline,
            troubled: false,
            stranger: true,
            sabotage: history.sabotage,
        };
        run.note();
        run
    }

    fn play(&mut self, history: &History) -> Result<(), String> {
        for (pause, event) in &history.events {
            self.pass(Duration::from_millis(*pause));
            self.say(&format!("== {event}"));
            self.happen(event)?;
            self.note();
        }
        Ok(())
    }

    fn happen(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::Down(server) => self.see(*server, Some(Sight::Down("refused".into()))),
            Event::Hang(server) => self.see(*server, Some(Sight::Hangs)),
            Event::Up(server) => self.see(*server, None),
            Event::Maintain(server) => {
                self.world.maintenance.extend(files(*server));
            }
            Event::Release(server) => {
                for file in files(*server) {
                    self.world.maintenance.remove(&file);
                }
            }
            Event::Reload(config) => self.reload(&config.text()),
            Event::Flush => {
                self.world.kernel = Table::default();
                self.stranger = false;
                self.troubled = true;
            }
            Event::Remove(kind) => {
                self.world.kernel.services.remove(&key(*kind));
                self.troubled = true;
            }
            Event::Refuse(part, refusal) => {
                self.world.refuses = Some(((*part).to_owned(), refusal.clone()));
                self.troubled = true;
            }
            Event::Accept => self.world.refuses = None,
            Event::Absent(absent) => self.unload(*absent),
            Event::Kill => self.kill(),
            Event::Settle => self.settle()?,
        }
        Ok(())
    }

    fn see(&mut self, server: u8, sight: Option<Sight>) {
        for address in addresses(server) {
            match &sight {
                Some(sight) => self.world.sights.insert(address, sight.clone()),
                None => self.world.sights.remove(&address),
            };
        }
    }

    fn reload(&mut self, text: &str) {
        self.text = text.to_owned();
        self.config = config(text);
        self.world.reload(text);
    }

    fn unload(&mut self, absent: bool) {
        self.world.absent = absent;
        self.troubled = true;
        if absent {
            self.world.kernel = Table::default();
            self.stranger = false;
        }
    }

    /// kill -9, and a start with the same file: nothing is known any more but the table.
    fn kill(&mut self) {
        self.note();
        let old = std::mem::replace(&mut self.world, World::fresh(&self.text, Table::default()));
        self.world.kernel = old.kernel;
        self.world.sights = old.sights;
        self.world.maintenance = old.maintenance;
        self.world.refuses = old.refuses;
        self.world.absent = old.absent;
        self.world.now = old.now;
        self.world.begin();
    }

    fn settle(&mut self) -> Result<(), String> {
        self.world.refuses = None;
        self.world.absent = false;
        let seconds = if self.troubled {
            SETTLE_AFTER_TROUBLE
        } else {
            SETTLE
        };
        self.pass(Duration::from_secs(seconds));
        self.troubled = false;
        if self.sabotage
            && let Some(first) = self.config.virtuals.first()
        {
            self.world.kernel.services.remove(first.key());
        }
        self.judge()?;
        self.say("== a reload of the same file");
        self.world.commands();
        let text = self.text.clone();
        self.reload(&text);
        self.pass(Duration::from_secs(3));
        let commands = self.world.commands();
        if commands.is_empty() {
            Ok(())
        } else {
            Err(format!("an unchanged reload did {commands:?}"))
        }
    }

    fn judge(&self) -> Result<(), String> {
        for service in &self.config.virtuals {
            let key = service.key();
            let Some(found) = self.world.kernel.entry(key) else {
                return Err(format!("{key} is missing from the table"));
            };
            if found.service != service.service {
                return Err(format!(
                    "{:?} instead of {:?}",
                    found.service, service.service
                ));
            }
            let wanted = self.wanted(service);
            if found.destinations != wanted {
                return Err(format!(
                    "{key}: the table has\n{:#?}\ninstead of\n{wanted:#?}",
                    found.destinations
                ));
            }
        }
        let theirs = self.world.kernel.entry(&stranger());
        if self.stranger && theirs != Some(&stranger_entry()) {
            return Err(format!("the service of somebody else became {theirs:?}"));
        }
        Ok(())
    }

    /// What the kernel shall have for a virtual service.
    fn wanted(&self, service: &VirtualService) -> BTreeMap<DestinationKey, Destination> {
        let mut wanted = BTreeMap::new();
        let mut decided = BTreeMap::new();
        let mut anybody = false;
        for real in &service.reals {
            let address = real.configured.address.to_string();
            let well = match real.check {
                CheckPlan::AlwaysUp => true,
                CheckPlan::Off => false,
                _ => !self.world.sights.contains_key(&address),
            };
            let file = match real.configured.address {
                IpAddr::V4(_) => address,
                IpAddr::V6(_) => format!("[{address}]"),
            };
            let serves = well && !self.world.maintenance.contains(&file);
            anybody |= serves;
            let key = real.destination.key;
            // Of several lines for one entry the last one that serves decides, else the last one.
            if !serves && decided.get(&key) == Some(&true) {
                continue;
            }
            decided.insert(key, serves);
            let mut destination = real.destination.clone();
            if !serves {
                destination.weight = 0;
            }
            if serves || service.quiescent {
                wanted.insert(key, destination);
            } else {
                wanted.remove(&key);
            }
        }
        if let Some(fallback) = service.fallback.as_ref().filter(|_| !anybody) {
            wanted.insert(fallback.destination.key, fallback.destination.clone());
        }
        wanted
    }

    /// Time passes in steps, so that everything in the timeline has its second.
    fn pass(&mut self, time: Duration) {
        let end = self.world.now + time;
        while self.world.now < end {
            let step = (end - self.world.now).min(Duration::from_secs(1));
            self.world.pass(step);
            self.note();
        }
    }

    fn say(&mut self, text: &str) {
        let line = format!("{:>11.3}  {text}", self.world.now.as_secs_f64());
        self.timeline.push(line);
    }

    /// What was done and logged since the last look. Commands stay for whoever counts them.
    fn note(&mut self) {
        let batches = std::mem::take(&mut self.world.batches);
        if !batches.is_empty() {
            let total = self.world.commands.len();
            let new = total.saturating_sub(batches.iter().sum());
            let commands = self.world.commands[new..].to_vec();
            for command in commands {
                self.say(&format!("   ipvsadm {command}"));
            }
        }
        for line in self.world.log() {
            self.say(&format!("   {line}"));
        }
    }
}

/// Both addresses of a server.
fn addresses(server: u8) -> [String; 2] {
    assert!((1..=SERVERS).contains(&server));
    [
        format!("192.168.6.{server}"),
        format!("2001:db8::1:{server}"),
    ]
}

/// What the files are called that take it into maintenance (`ldirectord.md` 4.5).
fn files(server: u8) -> [String; 2] {
    let [four, six] = addresses(server);
    [four, format!("[{six}]")]
}

fn key(kind: Kind) -> ServiceKey {
    let address = |protocol, number: u8, port| ServiceKey::Address {
        protocol,
        address: [10, 0, 0, number].into(),
        port,
    };
    match kind {
        Kind::Web => address(Protocol::Tcp, 1, 80),
        Kind::Secure => address(Protocol::Tcp, 2, 443),
        Kind::Names => address(Protocol::Udp, 3, 53),
        Kind::Mark => ServiceKey::Mark {
            mark: 4,
            family: Family::V4,
        },
        Kind::Six => ServiceKey::Address {
            protocol: Protocol::Tcp,
            address: [0x2001, 0xdb8, 0, 0, 0, 0, 0, 5].into(),
            port: 80,
        },
        Kind::Unchecked => address(Protocol::Tcp, 6, 80),
    }
}

/// A virtual service that is none of ours.
fn stranger() -> ServiceKey {
    ServiceKey::Address {
        protocol: Protocol::Tcp,
        address: [10, 9, 9, 9].into(),
        port: 80,
    }
}

fn stranger_entry() -> Entry {
    let destination = Destination {
        key: DestinationKey {
            address: [192, 168, 6, 1].into(),
            port: 80,
        },
        forward: Forward::Masq,
        weight: 3,
        upper_threshold: 0,
        lower_threshold: 0,
    };
    Entry {
        service: ipvs::Service::new(stranger(), "rr"),
        destinations: [(destination.key, destination)].into(),
    }
}
