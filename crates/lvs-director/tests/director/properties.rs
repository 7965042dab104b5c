//! Whatever happens, the table ends as a function of the configuration, of who is up and of who is in maintenance.

use ipvs::{Family, Refusal, ServiceKey, Table};
use proptest::prelude::*;

use crate::world::{Sight, World, config};

/// Services 10.0.0.1 to 3, each with some of the servers 192.168.6.1 to 5.
#[derive(Clone, Debug)]
struct Wanted {
    quiescent: bool,
    fallback: bool,
    masq: bool,
    failures: u8,
    scheduler: bool,
    reals: u8,
}

fn file(services: &[Wanted]) -> String {
    let mut text = "checkinterval=1\nmaintenancedir=/var/log\n".to_owned();
    for (number, wanted) in services.iter().enumerate() {
        text.push_str(&format!("virtual=10.0.0.{}:80\n", number + 1));
        for real in 1..=5u8 {
            if wanted.reals & (1 << real) != 0 {
                let method = if wanted.masq { "masq" } else { "gate" };
                // Under a direct routing service the port is the service's.
                text.push_str(&format!("\treal=192.168.6.{real}:8080 {method} {real}\n"));
            }
        }
        if !wanted.quiescent {
            text.push_str("\tquiescent=no\n");
        }
        if wanted.fallback {
            text.push_str("\tfallback=127.0.0.1:80\n");
        }
        let scheduler = if wanted.scheduler { "wlc" } else { "wrr" };
        text.push_str(&format!(
            "\tscheduler={scheduler}\n\tfailurecount={}\n\tservice=http\n",
            wanted.failures
        ));
    }
    text.push_str("# end\n");
    text
}

#[derive(Clone, Debug)]
enum Step {
    Down(u8),
    Hang(u8),
    Up(u8),
    Maintain(u8),
    Release(u8),
    Pass(u16),
    Reload(Vec<Wanted>),
    Flush,
    /// A service is taken away by hand.
    Remove(u8),
    Refuse(&'static str, Refusal),
    Accept,
    Absent(bool),
    Restart,
}

fn services() -> impl Strategy<Value = Vec<Wanted>> {
    let one = (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        1u8..3,
        any::<bool>(),
        any::<u8>(),
    );
    let one = one.prop_map(
        |(quiescent, fallback, masq, failures, scheduler, reals)| Wanted {
            quiescent,
            fallback,
            masq,
            failures,
            scheduler,
            reals,
        },
    );
    proptest::collection::vec(one, 0..4)
}

fn step() -> impl Strategy<Value = Step> {
    let refusal = prop_oneof![
        Just(Refusal::Errno(105)),
        Just(Refusal::Errno(2)),
        Just(Refusal::Errno(3)),
        Just(Refusal::Errno(17)),
        Just(Refusal::Unknown),
    ];
    let part = prop_oneof![
        Just("-w"),
        Just("-A"),
        Just("-d"),
        Just("-D"),
        Just("wlc"),
        Just("")
    ];
    prop_oneof![
        3 => (1u8..6).prop_map(Step::Down),
        1 => (1u8..6).prop_map(Step::Hang),
        3 => (1u8..6).prop_map(Step::Up),
        1 => (1u8..6).prop_map(Step::Maintain),
        1 => (1u8..6).prop_map(Step::Release),
        4 => (0u16..4000).prop_map(Step::Pass),
        2 => services().prop_map(Step::Reload),
        1 => Just(Step::Flush),
        1 => (1u8..4).prop_map(Step::Remove),
        2 => (part, refusal).prop_map(|(part, refusal)| Step::Refuse(part, refusal)),
        2 => Just(Step::Accept),
        1 => any::<bool>().prop_map(Step::Absent),
        1 => Just(Step::Restart),
    ]
}

/// What the table has to be when all is settled.
fn wanted(text: &str, world: &World) -> Vec<String> {
    let mut lines = Vec::new();
    for service in &config(text).virtuals {
        let key = service.key();
        lines.push(format!("{key} {}", service.service.scheduler));
        let mut serving = false;
        for real in &service.reals {
            let address = real.configured.address.to_string();
            let up = !world.sights.contains_key(&address) && !world.maintenance.contains(&address);
            serving |= up;
            let server = &real.destination;
            match (up, service.quiescent) {
                (true, _) => lines.push(format!("{key} {} {}", server.key, server.weight)),
                (false, true) => lines.push(format!("{key} {} 0", server.key)),
                (false, false) => {}
            }
        }
        if let Some(fallback) = service.fallback.as_ref().filter(|_| !serving) {
            lines.push(format!("{key} {} 1", fallback.destination.key));
        }
    }
    lines.sort();
    lines
}

fn found(table: &Table) -> Vec<String> {
    let mut lines = Vec::new();
    for (key, entry) in &table.services {
        lines.push(format!("{key} {}", entry.service.scheduler));
        for destination in entry.destinations.values() {
            lines.push(format!("{key} {} {}", destination.key, destination.weight));
        }
    }
    lines.sort();
    lines
}

fn restart(old: World, text: &str) -> World {
    let mut world = World::fresh(text, old.kernel);
    world.sights = old.sights;
    world.maintenance = old.maintenance;
    world.refuses = old.refuses;
    world.absent = old.absent;
    world.now = old.now;
    world.begin();
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_table_is_a_function_of_configuration_and_verdicts(
        first in services(),
        steps in proptest::collection::vec(step(), 0..30),
    ) {
        let mut text = file(&first);
        let mut world = World::start(&text);
        for step in steps {
            let address = |real: u8| format!("192.168.6.{real}");
            match step {
                Step::Down(real) => world.down(&address(real)),
                Step::Hang(real) => { world.sights.insert(address(real), Sight::Hangs); }
                Step::Up(real) => world.up(&address(real)),
                Step::Maintain(real) => { world.maintenance.insert(address(real)); }
                Step::Release(real) => { world.maintenance.remove(&address(real)); }
                Step::Pass(milliseconds) => {
                    world.pass(std::time::Duration::from_millis(milliseconds.into()));
                }
                Step::Reload(services) => {
                    text = file(&services);
                    world.reload(&text);
                }
                Step::Flush => world.kernel = Table::default(),
                Step::Remove(service) => {
                    let name = format!("10.0.0.{service}:80");
                    world.kernel.services.retain(|key, _| key.to_string() != name);
                }
                Step::Refuse(part, refusal) => world.refuses = Some((part.into(), refusal)),
                Step::Accept => world.refuses = None,
                Step::Absent(absent) => {
                    world.absent = absent;
                    // A module that is unloaded takes its table along.
                    if absent {
                        world.kernel = Table::default();
                    }
                }
                // Killed and started again with the same file.
                Step::Restart => world = restart(world, &text),
            }
        }
        world.refuses = None;
        world.absent = false;
        let reads = world.reads;
        world.seconds(130);
        prop_assert!(world.reads - reads <= 12, "{} looks at the table", world.reads - reads);
        let configured: Vec<ServiceKey> = config(&text)
            .virtuals
            .iter()
            .map(|service| *service.key())
            .collect();
        // Services of a file that was replaced while the daemon was dead or the kernel had no IPVS are strangers.
        let mut table = world.kernel.clone();
        table.services.retain(|key, _| configured.contains(key));
        prop_assert_eq!(found(&table), wanted(&text, &world), "{}\n{:#?}", text, world.log);

        world.commands();
        world.batches.clear();
        world.reload(&text);
        prop_assert!(world.commands().is_empty(), "an unchanged reload is empty");
        world.seconds(100);
        prop_assert!(world.commands().is_empty(), "and all is quiet");

        world.stop();
        prop_assert!(world.ended);
        prop_assert!(
            !configured.iter().any(|key| world.kernel.services.contains_key(key))
        );
    }
}

#[test]
fn a_mark_is_a_service_too() {
    let mut world = World::start("virtual=7\n\treal=192.168.6.1 gate\n\tchecktype=on\n# end\n");
    world.seconds(1);
    let key = ServiceKey::Mark {
        mark: 7,
        family: Family::V4,
    };
    assert!(
        world
            .kernel
            .entry(&key)
            .is_some_and(|entry| entry.destinations.len() == 1)
    );
}
