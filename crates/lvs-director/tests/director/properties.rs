//! Whatever happens, the table ends as a function of the configuration and of who is up.

use std::collections::BTreeSet;

use ipvs::{Family, ServiceKey, Table};
use lvs_director::Input;
use proptest::prelude::*;

use crate::world::{World, config};

/// Services 10.0.0.1 to 3, each with some of the servers 192.168.6.1 to 5.
fn file(services: &[(bool, bool, u8)]) -> String {
    let mut text = "checkinterval=1\n".to_owned();
    for (number, (quiescent, fallback, reals)) in services.iter().enumerate() {
        text.push_str(&format!("virtual=10.0.0.{}:80\n", number + 1));
        for real in 1..=5u8 {
            if reals & (1 << real) != 0 {
                text.push_str(&format!("\treal=192.168.6.{real}:80 gate {real}\n"));
            }
        }
        if !quiescent {
            text.push_str("\tquiescent=no\n");
        }
        if *fallback {
            text.push_str("\tfallback=127.0.0.1:80\n");
        }
        text.push_str("\tservice=http\n");
    }
    text.push_str("# end\n");
    text
}

#[derive(Clone, Debug)]
enum Step {
    Down(u8),
    Up(u8),
    Pass(u8),
    Reload(Vec<(bool, bool, u8)>),
    Flush,
    Refuse,
    Accept,
}

fn services() -> impl Strategy<Value = Vec<(bool, bool, u8)>> {
    proptest::collection::vec(any::<(bool, bool, u8)>(), 1..4)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1u8..6).prop_map(Step::Down),
        (1u8..6).prop_map(Step::Up),
        (0u8..4).prop_map(Step::Pass),
        services().prop_map(Step::Reload),
        Just(Step::Flush),
        Just(Step::Refuse),
        Just(Step::Accept),
    ]
}

/// What the table has to be when all is settled.
fn wanted(text: &str, down: &BTreeSet<String>) -> Vec<String> {
    let mut lines = Vec::new();
    for service in &config(text).virtuals {
        lines.push(format!("{}", service.key()));
        let mut serving = false;
        for real in &service.reals {
            let up = !down.contains(&real.configured.address.to_string());
            serving |= up;
            match (up, service.quiescent) {
                (true, _) => lines.push(format!(
                    "{} {} {}",
                    service.key(),
                    real.configured,
                    real.destination.weight
                )),
                (false, true) => lines.push(format!("{} {} 0", service.key(), real.configured)),
                (false, false) => {}
            }
        }
        if let Some(fallback) = service.fallback.as_ref().filter(|_| !serving) {
            lines.push(format!("{} {} 1", service.key(), fallback.configured));
        }
    }
    lines.sort();
    lines
}

fn found(table: &Table) -> Vec<String> {
    let mut lines = Vec::new();
    for (key, entry) in &table.services {
        lines.push(format!("{key}"));
        for destination in entry.destinations.values() {
            lines.push(format!("{key} {} {}", destination.key, destination.weight));
        }
    }
    lines.sort();
    lines
}

proptest! {
    #[test]
    fn the_table_is_a_function_of_configuration_and_verdicts(
        first in services(),
        steps in proptest::collection::vec(step(), 0..25),
    ) {
        let mut text = file(&first);
        let mut world = World::start(&text);
        for step in steps {
            match step {
                Step::Down(real) => { world.down.insert(format!("192.168.6.{real}")); }
                Step::Up(real) => { world.down.remove(&format!("192.168.6.{real}")); }
                Step::Pass(seconds) => world.seconds(seconds.into()),
                Step::Reload(services) => {
                    text = file(&services);
                    world.handle(Input::Reload(config(&text)));
                }
                Step::Flush => world.kernel = Table::default(),
                Step::Refuse => world.refuses = Some("-w".into()),
                Step::Accept => world.refuses = None,
            }
        }
        world.refuses = None;
        world.seconds(70);
        prop_assert_eq!(found(&world.kernel), wanted(&text, &world.down));
        world.commands();
        world.handle(Input::Reload(config(&text)));
        prop_assert!(world.commands().is_empty(), "an unchanged reload is empty");
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
