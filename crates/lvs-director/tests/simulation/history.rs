//! What happens in one simulation, as values: they can be left out one by one, and the rest still makes sense.

use std::fmt;

use ipvs::Refusal;

use crate::random::Random;

/// Real servers are numbered from 1 to this.
pub(crate) const SERVERS: u8 = 6;

/// Virtual services that a configuration may have.
const KINDS: [Kind; 6] = [
    Kind::Web,
    Kind::Secure,
    Kind::Names,
    Kind::Mark,
    Kind::Six,
    Kind::Unchecked,
];

/// What a virtual service is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// tcp 10.0.0.1:80.
    Web,
    /// tcp 10.0.0.2:443, one that remembers its clients.
    Secure,
    /// udp 10.0.0.3:53.
    Names,
    /// Firewall mark 4.
    Mark,
    /// tcp `[2001:db8::5]:80`.
    Six,
    /// tcp 10.0.0.6:80 with `checktype=off`: nobody is ever seen up.
    Unchecked,
}

/// One virtual service of a configuration.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Service {
    pub(crate) kind: Kind,
    quiescent: Option<bool>,
    fallback: bool,
    command: bool,
    method: &'static str,
    scheduler: &'static str,
    check: &'static str,
    failures: u64,
    /// Number, port and weight.
    pub(crate) reals: Vec<(u8, u16, u16)>,
}

/// A configuration.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    quiescent: bool,
    fallback: bool,
    pub(crate) services: Vec<Service>,
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    Down(u8),
    Hang(u8),
    Up(u8),
    Maintain(u8),
    Release(u8),
    Reload(Config),
    /// The kernel's table is emptied by hand.
    Flush,
    /// A virtual service is removed by hand.
    Remove(Kind),
    /// The kernel refuses changes with this in their words.
    Refuse(&'static str, Refusal),
    Accept,
    /// The module is unloaded, table and all, or loaded again.
    Absent(bool),
    /// Killed, and started again with the same file.
    Kill,
    /// The kernel behaves, time passes, and the table is looked at.
    Settle,
}

/// A whole story.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct History {
    pub(crate) config: Config,
    /// How long after the one before, in milliseconds, and what.
    pub(crate) events: Vec<(u64, Event)>,
    /// The world drops a change and says that it was made: to see that it is noticed.
    pub(crate) sabotage: bool,
}

impl History {
    pub(crate) fn from_seed(seed: u64) -> History {
        let mut random = Random::new(seed);
        let config = Config::random(&mut random);
        let count = 5 + random.below(30);
        let mut events: Vec<(u64, Event)> = (0..count)
            .map(|_| (random.below(4000), Event::random(&mut random)))
            .collect();
        events.push((0, Event::Settle));
        History {
            config,
            events,
            sabotage: false,
        }
    }
}

impl Config {
    fn random(random: &mut Random) -> Config {
        let mut services = Vec::new();
        for kind in KINDS {
            if random.chance(55) {
                services.push(Service::random(kind, random));
            }
        }
        // The order of a file is nobody's business.
        if services.len() > 1 && random.chance(50) {
            services.reverse();
        }
        Config {
            quiescent: random.chance(50),
            fallback: random.chance(20),
            services,
        }
    }

    /// As ldirectord.cf.
    pub(crate) fn text(&self) -> String {
        let mut text =
            "checkinterval=1\nchecktimeout=2\nnegotiatetimeout=3\nmaintenancedir=/var/log\n"
                .to_owned();
        if !self.quiescent {
            text.push_str("quiescent=no\n");
        }
        if self.fallback {
            text.push_str("fallback=127.0.0.1:80 gate\n");
        }
        for service in &self.services {
            text.push_str(&service.text());
        }
        text.push_str("# end\n");
        text
    }
}

impl Service {
    fn random(kind: Kind, random: &mut Random) -> Service {
        let check = match kind {
            Kind::Unchecked => "off",
            Kind::Mark => random.pick(&["on", "ping", "connect"]),
            Kind::Names => random.pick(&["on", "ping", "negotiate"]),
            _ => random.pick(&["negotiate", "connect", "3", "external", "on"]),
        };
        let mut reals = Vec::new();
        for number in 1..=SERVERS {
            if random.chance(50) {
                let port = random.pick(&[80, 8080]);
                let weight = random.pick(&[0, 1, 1, 5, 65535]);
                reals.push((number, port, weight));
                // A second line that may mean the same entry of the table.
                if random.chance(10) {
                    reals.push((number, 88, random.pick(&[1, 7])));
                }
            }
        }
        Service {
            kind,
            quiescent: random.pick(&[None, None, Some(true), Some(false)]),
            fallback: random.chance(40),
            command: random.chance(20),
            method: random.pick(&["gate", "masq", "ipip"]),
            scheduler: random.pick(&["wrr", "wlc", "sh"]),
            check,
            failures: 1 + random.below(3),
            reals,
        }
    }

    fn text(&self) -> String {
        let six = self.kind == Kind::Six;
        let mut text = match self.kind {
            Kind::Web => "virtual=10.0.0.1:80\n\tservice=http\n",
            Kind::Secure => {
                "virtual=10.0.0.2:443\n\tservice=https\n\tpersistent=300\n\tnetmask=255.255.255.0\n"
            }
            Kind::Names => {
                "virtual=10.0.0.3:53\n\tprotocol=udp\n\tservice=dns\n\trequest=\"www\"\n\tops=yes\n"
            }
            Kind::Mark => "virtual=4\n\tprotocol=fwm\n\tservice=http\n\tcheckport=80\n",
            Kind::Six => "virtual6=[2001:db8::5]:80\n\tservice=http\n",
            Kind::Unchecked => "virtual=10.0.0.6:80\n\tservice=http\n",
        }
        .to_owned();
        for (number, port, weight) in &self.reals {
            let method = self.method;
            let line = match self.kind {
                Kind::Six => format!("real6=[2001:db8::1:{number}]:{port}"),
                Kind::Mark => format!("real=192.168.6.{number}"),
                _ => format!("real=192.168.6.{number}:{port}"),
            };
            text.push_str(&format!("\t{line} {method} {weight}\n"));
        }
        if let Some(quiescent) = self.quiescent {
            let word = if quiescent { "yes" } else { "no" };
            text.push_str(&format!("\tquiescent={word}\n"));
        }
        match (self.fallback, six) {
            (true, false) => text.push_str("\tfallback=127.0.0.1:80 gate\n"),
            (true, true) => text.push_str("\tfallback6=[::1]:80 gate\n"),
            _ => {}
        }
        if self.command {
            text.push_str("\tfallbackcommand=/bin/false\n");
        }
        if self.check == "external" {
            text.push_str("\tcheckcommand=/bin/check\n");
        }
        text.push_str(&format!(
            "\tscheduler={}\n\tchecktype={}\n\tfailurecount={}\n",
            self.scheduler, self.check, self.failures
        ));
        text
    }
}

impl Event {
    fn random(random: &mut Random) -> Event {
        let server = 1 + random.below(u64::from(SERVERS)) as u8;
        match random.below(100) {
            0..20 => Event::Down(server),
            20..27 => Event::Hang(server),
            27..47 => Event::Up(server),
            47..53 => Event::Maintain(server),
            53..59 => Event::Release(server),
            59..69 => Event::Reload(Config::random(random)),
            69..72 => Event::Flush,
            72..76 => Event::Remove(random.pick(&KINDS)),
            76..83 => {
                let part =
                    random.pick(&["-A", "-E", "-D", "-a", "-e", "-d", "-w 0", "wlc", "fwm", ""]);
                // No memory, no such thing, no such service, it is there already, not permitted.
                let refusal = match random.pick(&[12, 2, 3, 17, 1, 0]) {
                    0 => Refusal::Unknown,
                    errno => Refusal::Errno(errno),
                };
                Event::Refuse(part, refusal)
            }
            83..88 => Event::Accept,
            88..90 => Event::Absent(true),
            90..92 => Event::Absent(false),
            92..95 => Event::Kill,
            _ => Event::Settle,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Down(server) => write!(out, "server {server} goes down"),
            Event::Hang(server) => write!(out, "server {server} hangs"),
            Event::Up(server) => write!(out, "server {server} comes up"),
            Event::Maintain(server) => write!(out, "server {server} is in maintenance"),
            Event::Release(server) => write!(out, "server {server} is in maintenance no longer"),
            Event::Reload(config) => write!(out, "reload of:\n{}", config.text()),
            Event::Flush => write!(out, "the table is flushed"),
            Event::Remove(kind) => write!(out, "the service {kind:?} is removed by hand"),
            Event::Refuse(part, refusal) => write!(out, "the kernel refuses '{part}': {refusal:?}"),
            Event::Accept => write!(out, "the kernel accepts everything again"),
            Event::Absent(true) => write!(out, "IPVS is unloaded"),
            Event::Absent(false) => write!(out, "IPVS is loaded"),
            Event::Kill => write!(out, "killed and started again"),
            Event::Settle => write!(out, "things settle"),
        }
    }
}

impl fmt::Display for History {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "configuration:\n{}", self.config.text())?;
        writeln!(out, "events:")?;
        for (pause, event) in &self.events {
            writeln!(out, "  after {pause} ms: {event}")?;
        }
        Ok(())
    }
}
