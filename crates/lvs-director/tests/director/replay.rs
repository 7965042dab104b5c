//! The recordings of the legacy, played against the core (`ldirectord.md` 14).
//!
//! What is compared for each phase of a recording (something is done, then things happen): the commands, the log and the
//! table at its end. The legacy set servers to weight 0 at start in the order of a hash, so neighbours of one kind may
//! stand in any order. Where both versions were recorded, 2.1.3 counts; where only 4.12 was, its start (a server is
//! briefly live before its first check) is compared by its table alone.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use ha_config::ldirectord::{Negotiate, ProbeKind};
use ipvs::{Change, Table};
use lvs_director::Input;

use crate::recording::{Recording, command, counted_line, in_any_order, log_line};
use crate::world::{Sight, World, host};

const DIRECTORY: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/lab/tests/ldirectord/scenarios"
);

/// Nothing is waited for longer than this.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    /// Commands, log, table.
    All,
    /// From the second phase on.
    AfterStart,
}

/// One recording: file, version, how, and what we do otherwise on purpose.
struct Case {
    file: &'static str,
    version: &'static str,
    compare: Compare,
    /// Phase and line of the recording that are not expected of us.
    without: &'static [(usize, &'static str)],
    /// Phase and line that we have beyond the recording.
    with: &'static [(usize, &'static str)],
}

const fn case(file: &'static str) -> Case {
    Case {
        file,
        version: "2.1.3",
        compare: Compare::All,
        without: &[],
        with: &[],
    }
}

const fn later(file: &'static str) -> Case {
    Case {
        file,
        version: "4.12.0",
        compare: Compare::AfterStart,
        without: &[],
        with: &[],
    }
}

const CASES: &[Case] = &[
    case("01-two-up-start-stop"),
    case("02-quiescent-yes-down-up"),
    case("03-quiescent-no-down-up"),
    case("04-all-down-fallback-q-yes"),
    case("05-all-down-fallback-q-no"),
    later("06-all-down-no-fallback"),
    case("08-hang-timeout"),
    later("09-connect"),
    case("10-off"),
    case("11-on"),
    later("12-ping"),
    case("13-external"),
    case("14-combined-3"),
    case("15-fwmark"),
    Case {
        // 12, item 1: the legacy never brought 192.168.6.46:15080 in, said that it did, and purged it at each reload.
        without: &[
            (0, "-a -t 192.168.6.66:80 -r 192.168.6.46:15080 -g -w 0"),
            (0, "-a -t 192.168.6.66:80 -r 192.168.6.46:15080 -g -w 3"),
            (
                0,
                "Added real server: 192.168.6.46:15080 (192.168.6.66:80) (Weight set to 3)",
            ),
            (4, "-a -t 192.168.6.66:80 -r 192.168.6.46:15080 -g -w 3"),
            (
                4,
                "Added real server: 192.168.6.46:15080 (192.168.6.66:80) (Weight set to 3)",
            ),
            (5, "-E -t 192.168.6.66:80 -s wrr"),
            (5, "Changed virtual server: 192.168.6.66:80"),
            (5, "-d -t 192.168.6.66:80 -r 192.168.6.46:80"),
            (
                5,
                "Purged real server (start): 192.168.6.46:80 (192.168.6.66:80)",
            ),
            (5, "-a -t 192.168.6.66:80 -r 192.168.6.46:15080 -g -w 0"),
            (
                5,
                "Quiescent real server: 192.168.6.46:15080 (192.168.6.66:80) (Weight set to 0)",
            ),
            (5, "-a -t 192.168.6.66:80 -r 192.168.6.46:15080 -g -w 3"),
            (
                5,
                "Added real server: 192.168.6.46:15080 (192.168.6.66:80) (Weight set to 3)",
            ),
            (6, "-d -t 192.168.6.66:80 -r 192.168.6.46:15080"),
        ],
        with: &[
            (0, "-a -t 192.168.6.66:80 -r 192.168.6.46:80 -g -w 0"),
            (0, "-e -t 192.168.6.66:80 -r 192.168.6.46:80 -g -w 3"),
            (
                0,
                "Restored real server: 192.168.6.46:15080 (192.168.6.66:80) (Weight set to 3)",
            ),
            (2, "-e -t 192.168.6.66:80 -r 192.168.6.46:80 -g -w 0"),
            (
                2,
                "Quiescent real server: 192.168.6.46:80 mapped from 192.168.6.46:15080 (192.168.6.66:80) (Weight set to 0)",
            ),
            (4, "-e -t 192.168.6.66:80 -r 192.168.6.46:80 -g -w 3"),
            (
                4,
                "Restored real server: 192.168.6.46:15080 (192.168.6.66:80) (Weight set to 3)",
            ),
            (6, "-d -t 192.168.6.66:80 -r 192.168.6.46:80"),
        ],
        ..case("16-masq-portmap")
    },
    later("17-persistent-netmask"),
    case("18-reload-hup"),
    case("19-autoreload-yes"),
    case("20-autoreload-no"),
    case("21-stale-table"),
    case("22-start-all-down"),
    case("23-start-all-down-q-no"),
    case("26-same-real-two-virtuals"),
    case("27-range"),
    // In 2.1 the deleted fallback was repeated for ever (9); 4.12 shows the right mails.
    later("28-email"),
    later("29-fallbackcommand"),
    later("30-failurecount"),
    later("31-maintenancedir"),
    Case {
        without: &[
            // An unchanged virtual service is not said to be changed.
            (3, "-E -t 192.168.6.66:80 -s wrr"),
            (3, "Changed virtual server: 192.168.6.66:80"),
            // 4.12 lets a server in that is down, and then checks it.
            (3, "-e -t 192.168.6.66:80 -r 192.168.6.42:80 -g -w 2"),
            (3, "-e -t 192.168.6.66:80 -r 192.168.6.42:80 -g -w 0"),
            (
                3,
                "Restored real server: 192.168.6.42:80 (192.168.6.66:80) (Weight set to 2)",
            ),
            (
                3,
                "Quiescent real server: 192.168.6.42:80 (192.168.6.66:80) (Weight set to 0)",
            ),
        ],
        ..later("32-cleanstop-no")
    },
    later("33-ipv6"),
    Case {
        // Somebody removed the server by hand. The legacy read the table before each change; we find out by the change.
        with: &[
            (2, "-e -t 192.168.6.66:80 -r 192.168.6.42:80 -g -w 2"),
            (
                2,
                "ipvs: -e -t 192.168.6.66:80 -r 192.168.6.42:80 -g -w 2 failed: No such destination",
            ),
        ],
        ..later("34-readdquiescent-yes")
    },
    later("35-udp-ops-schedflags"),
    case("37-seed-indented"),
];

#[test]
fn recordings() {
    let mut failures = Vec::new();
    for case in CASES {
        let path = Path::new(DIRECTORY).join(format!("{}.txt", case.file));
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let recording = Recording::parse(&text, case.version);
        if let Err(difference) = Player::new(&recording).play(case, &recording) {
            failures.push(format!("{}: {difference}", case.file));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

struct Player {
    world: Option<World>,
    kernel: Table,
    config: String,
    /// What the real servers do.
    servers: BTreeMap<String, String>,
    receive: String,
}

impl Player {
    fn new(recording: &Recording) -> Player {
        let mut kernel = Table::default();
        for command in &recording.before {
            if let Some(command) = command.strip_prefix("ipvsadm ") {
                by_hand(&mut kernel, command);
            }
        }
        Player {
            world: None,
            kernel,
            config: recording.config.clone(),
            servers: recording.servers.iter().cloned().collect(),
            receive: String::new(),
        }
    }

    fn play(&mut self, case: &Case, recording: &Recording) -> Result<(), String> {
        let end = recording.phases.len();
        for (number, phase) in recording.phases.iter().enumerate() {
            let length = recording
                .phases
                .get(number + 1)
                .map_or(Duration::from_secs(3), |next| next.at - phase.at);
            for (kind, text) in &phase.stimuli {
                self.stimulus(kind, text, recording);
            }
            let canonical = if case.file == "30-failurecount" {
                counted_line
            } else {
                log_line
            };
            let start = number == 0 && case.compare == Compare::AfterStart;
            let wanted = |lines: &[String], canonical: fn(&str) -> Option<String>| {
                let mut lines: Vec<String> =
                    lines.iter().filter_map(|line| canonical(line)).collect();
                lines.retain(|line| !case.without.contains(&(number, line.as_str())));
                in_any_order(lines)
            };
            let commands = wanted(&phase.commands, command);
            let log = wanted(&phase.log, canonical);
            self.run(if start { usize::MAX } else { log.len() }, length);
            let (found_commands, found_log) = self.seen(case, number, canonical);
            let about = format!("phase {number} of {end}, {:?}", phase.stimuli);
            if !start {
                equal(&about, "commands", &commands, &found_commands)?;
                equal(&about, "log", &log, &found_log)?;
            }
            if let Some(table) = &phase.table {
                let lines = table.iter().filter(|line| line.starts_with('-'));
                let mut table: Vec<String> = lines.filter_map(|line| command(line)).collect();
                table.sort();
                let mut found: Vec<String> = self.table();
                found.sort();
                // The legacy's own defect shows in its tables, too.
                if case.file != "16-masq-portmap" {
                    equal(&about, "table", &table, &found)?;
                }
            }
        }
        Ok(())
    }

    fn table(&self) -> Vec<String> {
        let table = self
            .world
            .as_ref()
            .map_or(&self.kernel, |world| &world.kernel);
        let mut lines = Vec::new();
        for (key, entry) in &table.services {
            lines.push(Change::AddService(entry.service.clone()).to_string());
            for server in entry.destinations.values() {
                let mut server = server.clone();
                // `ipvsadm -S` does not print them.
                server.upper_threshold = 0;
                server.lower_threshold = 0;
                lines.push(Change::AddDestination(*key, server).to_string());
            }
        }
        lines.iter().filter_map(|line| command(line)).collect()
    }

    fn stimulus(&mut self, kind: &str, text: &str, recording: &Recording) {
        match kind {
            "server" => {
                let (server, state) = text.split_once(" -> ").expect("server -> state");
                self.servers.insert(server.into(), state.into());
                self.show_servers();
            }
            "file" => {
                // The recorder's second configuration of 19 was that of 18 with autoreload and callback.
                let second = if recording.config.contains("autoreload=yes") {
                    format!(
                        "callback=\"/etc/ha.d/cb\"\n{}",
                        recording.second.replace("autoreload=no", "autoreload=yes")
                    )
                } else {
                    recording.second.clone()
                };
                let text = match text {
                    text if text.contains("first") => recording.config.clone(),
                    text if text.contains("third") => format!("{second}bogus=1\n"),
                    _ => second,
                };
                self.config = text;
                // The shell looks at the file; a bad one changes nothing.
                if recording.config.contains("autoreload=yes") {
                    self.reload();
                }
            }
            _ => self.command(text),
        }
    }

    fn command(&mut self, text: &str) {
        if text.ends_with(" start") {
            let kernel = std::mem::take(&mut self.kernel);
            let parsed = ha_config::ldirectord::parse(self.config.as_bytes(), "t.cf", &host());
            let config = parsed
                .value
                .unwrap_or_else(|| panic!("{:?}", parsed.diagnostics));
            self.receive = config
                .virtuals
                .iter()
                .flat_map(|service| &service.reals)
                .find_map(|real| receive(&real.check))
                .unwrap_or_default();
            let mut world = World::with(config.into(), kernel);
            world.now = Duration::from_secs(100);
            self.world = Some(world);
            self.show_servers();
            if let Some(world) = &mut self.world {
                world.begin();
            }
        } else if text.ends_with(" stop") {
            if let Some(mut world) = self.world.take() {
                world.stop();
                assert!(world.ended);
                self.kernel = world.kernel.clone();
                self.world = Some(world);
            }
        } else if text.ends_with(" reload") || text.contains("kill -HUP") {
            self.reload();
        } else if let Some(words) = text.strip_prefix("ipvsadm ") {
            if let Some(world) = &mut self.world {
                by_hand(&mut world.kernel, words);
            }
        } else if let (Some(name), Some(world)) =
            (text.strip_prefix("touch /etc/ha.d/maint/"), &mut self.world)
        {
            world.maintenance.insert(name.to_owned());
        } else if let (Some(name), Some(world)) =
            (text.strip_prefix("rm /etc/ha.d/maint/"), &mut self.world)
        {
            world.maintenance.remove(name);
        }
        // The scripts of 13 fail while there is such a file.
        if let Some((command, address)) = text.split_once(" /run/test/fail.") {
            let state = if command == "touch" { "down" } else { "ok" };
            self.servers.insert(address.to_owned(), state.to_owned());
            self.show_servers();
        }
        if let Some((_, address)) = text.split_once(" ip addr ")
            && let Some(address) = address.get(4..).and_then(|text| text.split('/').next())
        {
            let state = if text.contains(" del ") { "down" } else { "ok" };
            self.servers.insert(address.to_owned(), state.to_owned());
            self.show_servers();
        }
    }

    fn reload(&mut self) {
        let parsed = ha_config::ldirectord::parse(self.config.as_bytes(), "t.cf", &host());
        if let (Some(config), Some(world)) = (parsed.value, &mut self.world) {
            world.handle(Input::Reload(config.into()));
        }
    }

    /// Tells the world what the checks will see.
    fn show_servers(&mut self) {
        let Some(world) = &mut self.world else { return };
        world.sights.clear();
        let config = world.director.config().clone();
        for real in config.virtuals.iter().flat_map(|service| &service.reals) {
            let address = real.configured.address.to_string();
            for (server, state) in &self.servers {
                // IPv6 addresses are recorded without brackets.
                if server == &address || server.rsplit_once(':').is_some_and(|(a, _)| a == address)
                {
                    world
                        .sights
                        .insert(server.clone(), sight(state, &self.receive));
                }
            }
            let known = world
                .sights
                .keys()
                .any(|server| server.starts_with(&address));
            if !known && needs_listener(&real.check) {
                world.down(&address);
            }
        }
    }

    /// Time passes until the log has as many lines as it shall have, and as long as was recorded, so that more would show.
    fn run(&mut self, lines: usize, length: Duration) {
        let Some(world) = &mut self.world else { return };
        let begin = world.now;
        world.answer();
        let enough = |world: &World| {
            let count = world
                .log
                .iter()
                .filter(|line| counted_line(line).is_some())
                .count();
            count >= lines
        };
        while !enough(world) && world.now < begin + PATIENCE.min(length.max(Duration::from_secs(4)))
        {
            let until = world.now + Duration::from_millis(100);
            world.pass(until - world.now);
        }
        // Short phases end in the middle of a count; what comes next must not be seen yet.
        if length >= Duration::from_secs(3) && !world.log.iter().any(|line| line.contains("Soft")) {
            let end = begin + length.max(Duration::from_millis(1));
            if let Some(rest) = end.checked_sub(world.now) {
                world.pass(rest);
            }
        }
    }

    fn seen(
        &mut self,
        case: &Case,
        phase: usize,
        canonical: fn(&str) -> Option<String>,
    ) -> (Vec<String>, Vec<String>) {
        let Some(world) = &mut self.world else {
            return (Vec::new(), Vec::new());
        };
        let keep = |line: &String| !case.with.contains(&(phase, line.as_str()));
        let commands = world.commands();
        let commands = commands
            .iter()
            .filter_map(|line| command(line))
            .filter(keep);
        let commands = in_any_order(commands.collect());
        let log = world.log();
        let log = log.iter().filter_map(|line| canonical(line)).filter(keep);
        (commands, in_any_order(log.collect()))
    }
}

/// Whether a check fails where nothing listens: neither a ping nor a script does.
fn needs_listener(plan: &ha_config::ldirectord::CheckPlan) -> bool {
    match plan {
        ha_config::ldirectord::CheckPlan::Every(probe) => {
            !matches!(probe.kind, ProbeKind::Ping { .. } | ProbeKind::External(_))
        }
        _ => true,
    }
}

fn receive(plan: &ha_config::ldirectord::CheckPlan) -> Option<String> {
    use ha_config::ldirectord::CheckPlan;
    let probe = match plan {
        CheckPlan::Every(probe)
        | CheckPlan::Combined {
            negotiate: probe, ..
        } => probe,
        CheckPlan::AlwaysUp | CheckPlan::Off => return None,
    };
    match &probe.kind {
        ProbeKind::Negotiate(talk) => {
            let Negotiate { receive, .. } = &**talk;
            Some(String::from_utf8_lossy(receive).into_owned())
        }
        _ => None,
    }
}

fn sight(state: &str, receive: &str) -> Sight {
    match state.split_once(' ').unwrap_or((state, "")) {
        ("ok", body) if body.contains(receive) => Sight::Up("200 OK".into()),
        ("ok", body) => Sight::Down(body.into()),
        ("hang", _) => Sight::Hangs,
        // A connect check is content with any listener.
        ("status", _) if receive.is_empty() => Sight::Up("-".into()),
        _ => Sight::Down("Connection failed".into()),
    }
}

/// What the test did with ipvsadm.
fn by_hand(table: &mut Table, words: &str) {
    use ipvs::{Destination, DestinationKey, Forward, Protocol, Service, ServiceKey};
    let words: Vec<&str> = words.split_whitespace().collect();
    let after = |option: &str| {
        let at = words.iter().position(|word| *word == option)?;
        words.get(at + 1).copied()
    };
    let split = |text: &str| {
        let (address, port) = text.split_once(':').expect("address:port");
        (
            address.parse().expect("an address"),
            port.parse().expect("a port"),
        )
    };
    let (address, port) = split(after("-t").expect("-t"));
    let key = ServiceKey::Address {
        protocol: Protocol::Tcp,
        address,
        port,
    };
    let server = after("-r").map(|text| {
        let (address, port) = split(text);
        DestinationKey { address, port }
    });
    let change = match (words[0], server) {
        ("-A", _) => Change::AddService(Service::new(key, after("-s").expect("-s"))),
        ("-a", Some(server)) => Change::AddDestination(
            key,
            Destination {
                key: server,
                forward: Forward::Gate,
                weight: after("-w").expect("-w").parse().expect("a number"),
                upper_threshold: 0,
                lower_threshold: 0,
            },
        ),
        ("-d", Some(server)) => Change::DeleteDestination(key, server),
        other => panic!("{other:?}"),
    };
    assert!(table.apply(&change), "{change}");
}

fn equal(about: &str, what: &str, wanted: &[String], found: &[String]) -> Result<(), String> {
    if wanted == found {
        return Ok(());
    }
    Err(format!(
        "{about}: {what}\n  recorded:\n    {}\n  here:\n    {}",
        wanted.join("\n    "),
        found.join("\n    ")
    ))
}
