//! The rules of `ldirectord.md` 7 to 10, each by what it does; commands and texts as recorded with 2.1.3 unless said.

use std::collections::{BTreeMap, BTreeSet};

use ha_config::ldirectord::ProbeKind;
use ipvs::{Change, Table};
use lvs_director::Input;

use crate::world::{World, config};

const QUIESCENT: &str = "checkinterval=1\nvirtual=192.168.6.66:80\n\treal=192.168.6.42:80 gate 2\n\treal=192.168.6.46:80 gate 3\n\tfallback=127.0.0.1:80 gate\n\tservice=http\n\tchecktype=negotiate\n# end\n";

fn removing() -> String {
    format!("quiescent=no\n{QUIESCENT}")
}

/// Short forms of the commands for the service of [`QUIESCENT`].
fn short(commands: &[String]) -> Vec<String> {
    commands
        .iter()
        .map(|command| {
            command
                .replace(" -t 192.168.6.66:80", "")
                .replace("192.168.6.42:80", "A")
                .replace("192.168.6.46:80", "B")
                .replace("127.0.0.1:80", "F")
        })
        .collect()
}

#[test]
fn quiescent_servers_start_at_weight_0_and_come_in_with_their_first_good_check() {
    let mut world = World::start(QUIESCENT);
    assert_eq!(
        short(&world.commands()),
        [
            "-A -s wrr",
            "-a -r F -g -w 1",
            "-a -r A -g -w 0",
            "-a -r B -g -w 0"
        ]
    );
    world.handle(Input::Timer);
    world.answer();
    assert_eq!(
        short(&world.commands()),
        ["-e -r A -g -w 2", "-d -r F", "-e -r B -g -w 3"]
    );
    assert_eq!(
        world.log(),
        [
            "Added virtual server: 192.168.6.66:80",
            "Added fallback server: 127.0.0.1:80 (192.168.6.66:80) (Weight set to 1)",
            "Quiescent real server: 192.168.6.42:80 (192.168.6.66:80) (Weight set to 0)",
            "Quiescent real server: 192.168.6.46:80 (192.168.6.66:80) (Weight set to 0)",
            "Restored real server: 192.168.6.42:80 (192.168.6.66:80) (Weight set to 2)",
            "Deleted fallback server: 127.0.0.1:80 (192.168.6.66:80)",
            "Restored real server: 192.168.6.46:80 (192.168.6.66:80) (Weight set to 3)",
        ]
    );
}

#[test]
fn all_servers_fail_and_one_returns() {
    let mut world = World::start(QUIESCENT);
    world.seconds(2);
    world.commands();
    world.down.insert("192.168.6.42".into());
    world.seconds(2);
    assert_eq!(short(&world.commands()), ["-e -r A -g -w 0"]);
    world.down.insert("192.168.6.46".into());
    world.seconds(2);
    assert_eq!(
        short(&world.commands()),
        ["-e -r B -g -w 0", "-a -r F -g -w 1"]
    );
    world.down.remove("192.168.6.46");
    world.seconds(2);
    assert_eq!(short(&world.commands()), ["-e -r B -g -w 3", "-d -r F"]);
    world.log();
    world.handle(Input::Stop("TERM"));
    assert_eq!(short(&world.commands()), ["-d -r B", "-D"]);
    assert_eq!(
        world.log(),
        [
            "Purged real server (stop): 192.168.6.46:80 (192.168.6.66:80)",
            "Purged virtual server (stop): 192.168.6.66:80",
            "Linux Director Daemon terminated on signal: TERM",
        ]
    );
    assert!(world.ended);
    assert_eq!(world.kernel, Table::default());
}

#[test]
fn without_quiescent_servers_are_added_and_deleted() {
    let mut world = World::start(&removing());
    assert_eq!(short(&world.commands()), ["-A -s wrr", "-a -r F -g -w 1"]);
    world.seconds(2);
    assert_eq!(
        short(&world.commands()),
        ["-a -r A -g -w 2", "-d -r F", "-a -r B -g -w 3"]
    );
    world.down.insert("192.168.6.42".into());
    world.seconds(2);
    assert_eq!(short(&world.commands()), ["-d -r A"]);
    assert!(
        world
            .log()
            .contains(&"Deleted real server: 192.168.6.42:80 (192.168.6.66:80)".to_owned())
    );
}

#[test]
fn a_table_left_by_a_predecessor_is_adopted() {
    let mut first = World::start(QUIESCENT);
    first.seconds(2);
    let mut second = World::over(QUIESCENT, first.kernel);
    second.seconds(3);
    assert!(second.commands().is_empty(), "{:?}", second.log());
}

#[test]
fn strangers_under_a_configured_service_go_and_other_services_stay() {
    let mut other = World::start(
        "virtual=192.168.6.66:80\n\treal=192.168.6.99:80 gate\n\tchecktype=on\n\nvirtual=192.168.6.67:80\n\treal=192.168.6.99:80 gate\n\tchecktype=on\n# end\n",
    );
    other.seconds(1);
    let mut world = World::over(QUIESCENT, other.kernel);
    assert!(short(&world.commands()).contains(&"-d -r 192.168.6.99:80".to_owned()));
    assert!(
        world
            .log()
            .contains(&"Purged real server (start): 192.168.6.99:80 (192.168.6.66:80)".to_owned())
    );
    world.handle(Input::Stop("TERM"));
    assert_eq!(world.kernel.services.len(), 1);
}

#[test]
fn an_unchanged_reload_is_empty_and_a_changed_one_touches_what_changed() {
    let mut world = World::start(QUIESCENT);
    world.seconds(2);
    world.commands();
    world.handle(Input::Reload(config(QUIESCENT)));
    assert!(world.commands().is_empty());
    let changed = QUIESCENT.replace("46:80 gate 3", "46:80 gate 5");
    world.handle(Input::Reload(config(&changed)));
    assert_eq!(short(&world.commands()), ["-e -r B -g -w 5"]);
    let removed = changed.replace("\treal=192.168.6.42:80 gate 2\n", "");
    world.log();
    world.handle(Input::Reload(config(&removed)));
    assert_eq!(short(&world.commands()), ["-d -r A"]);
    assert_eq!(
        world.log(),
        ["Purged real server (start): 192.168.6.42:80 (192.168.6.66:80)"]
    );
    world.handle(Input::Reload(config("virtual=1\n\tchecktype=off\n# end\n")));
    assert_eq!(
        world.commands(),
        ["-A -f 1 -s wrr", "-D -t 192.168.6.66:80"]
    );
}

#[test]
fn a_direct_routing_server_with_another_port_serves_under_the_services_port() {
    // The legacy left it at weight 0 for ever (12, item 1).
    let mut world = World::start(&QUIESCENT.replace("42:80 gate 2", "42:15080 gate 2"));
    world.seconds(2);
    world.down.insert("192.168.6.42".into());
    world.seconds(2);
    let commands = short(&world.commands());
    assert!(
        commands.contains(&"-e -r A -g -w 2".to_owned()),
        "{commands:?}"
    );
    let log = world.log();
    assert!(log.contains(
        &"Restored real server: 192.168.6.42:15080 (192.168.6.66:80) (Weight set to 2)".to_owned()
    ));
    assert!(log.contains(&"Quiescent real server: 192.168.6.42:80 mapped from 192.168.6.42:15080 (192.168.6.66:80) (Weight set to 0)".to_owned()), "{log:?}");
}

#[test]
fn failures_are_counted_and_forgiven() {
    let mut world = World::start(&QUIESCENT.replace("\tservice", "\tfailurecount=3\n\tservice"));
    world.seconds(2);
    world.commands();
    world.log();
    world.down.insert("192.168.6.42".into());
    world.seconds(2);
    world.down.clear();
    world.seconds(1);
    let log = world.log();
    assert_eq!(
        log.first().map(String::as_str),
        Some("Soft failure real server: 192.168.6.42:80 (tcp:192.168.6.66:80) failure 1/3")
    );
    assert_eq!(
        log.last().map(String::as_str),
        Some("Resetting soft failure count: 192.168.6.42:80 (tcp:192.168.6.66:80)")
    );
    assert!(world.commands().is_empty());
    world.down.insert("192.168.6.42".into());
    world.seconds(4);
    assert_eq!(short(&world.commands()), ["-e -r A -g -w 0"]);
}

#[test]
fn a_combined_check_negotiates_once_and_then_connects() {
    let text = QUIESCENT
        .replace("checktype=negotiate", "checktype=3")
        .replace("\treal=192.168.6.46:80 gate 3\n", "");
    let mut world = World::start(&text);
    world.seconds(5);
    let kinds: Vec<bool> = world
        .probes
        .iter()
        .take(5)
        .map(|(_, probe)| probe.kind == ProbeKind::Connect)
        .collect();
    assert_eq!(kinds, [false, true, true, true, false]);
}

#[test]
fn one_check_serves_all_services_that_ask_the_same() {
    let text = format!(
        "{QUIESCENT}{}",
        QUIESCENT
            .replace("66:80", "67:80")
            .replace("checkinterval=1\n", "")
    );
    let mut world = World::start(&text);
    world.handle(Input::Timer);
    assert_eq!(world.probes.len(), 2);
}

#[test]
fn checks_do_not_slip_and_a_slow_one_is_not_begun_twice() {
    let mut world = World::start(&QUIESCENT.replace("\treal=192.168.6.46:80 gate 3\n", ""));
    world.seconds(10);
    let times: Vec<u64> = world.probes.iter().map(|(at, _)| at.as_secs()).collect();
    assert_eq!(times, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    world.handle(Input::Timer);
    let before = world.probes.len();
    for _ in 0..5 {
        world.now += std::time::Duration::from_secs(1);
        world.handle(Input::Timer);
    }
    assert_eq!(world.probes.len(), before + 1);
}

#[test]
fn what_somebody_flushed_by_hand_comes_back() {
    let mut world = World::start(QUIESCENT);
    world.seconds(2);
    let good = world.kernel.clone();
    world.kernel = Table::default();
    world.seconds(31);
    assert_eq!(world.kernel, good);
    assert!(
        world
            .log()
            .contains(&"Added virtual server: 192.168.6.66:80".to_owned())
    );
}

#[test]
fn a_refusal_is_said_once_per_try_and_the_table_converges() {
    let mut world = World::start("# nothing\n");
    world.refuses = Some("-s wrr".into());
    world.handle(Input::Reload(config(QUIESCENT)));
    let log = world.log();
    assert_eq!(
        log,
        ["ipvs: -A -t 192.168.6.66:80 -s wrr failed: refused"],
        "what follows from it is not said"
    );
    world.seconds(60);
    let tries = world
        .commands()
        .iter()
        .filter(|c| c.starts_with("-A"))
        .count();
    assert!((4..=70).contains(&tries), "{tries}");
    world.refuses = None;
    world.seconds(60);
    assert_eq!(
        world
            .kernel
            .services
            .values()
            .next()
            .map(|entry| entry.destinations.len()),
        Some(2)
    );
}

#[test]
fn a_server_in_maintenance_is_out_until_a_good_check() {
    let mut world = World::start(QUIESCENT);
    world.seconds(2);
    world.commands();
    let files: BTreeSet<String> = ["192.168.6.42:80".to_owned()].into();
    world.handle(Input::Maintenance {
        files,
        names: BTreeMap::new(),
    });
    assert_eq!(short(&world.commands()), ["-e -r A -g -w 0"]);
    world.seconds(3);
    assert!(world.commands().is_empty());
    world.handle(Input::Maintenance {
        files: BTreeSet::new(),
        names: BTreeMap::new(),
    });
    world.seconds(2);
    assert_eq!(short(&world.commands()), ["-e -r A -g -w 2"]);
}

#[test]
fn the_fallback_command_hears_of_changes_only() {
    let mut world =
        World::start(&QUIESCENT.replace("\tservice", "\tfallbackcommand=/x\n\tservice"));
    world.seconds(3);
    world.down = ["192.168.6.42".to_owned(), "192.168.6.46".to_owned()].into();
    world.seconds(4);
    assert_eq!(
        world.ran,
        [
            "/x start 192.168.6.66:80 tcp",
            "/x stop 192.168.6.66:80 tcp",
            "/x start 192.168.6.66:80 tcp",
        ]
    );
}

#[test]
fn mails_follow_the_states_and_repeat() {
    let text = format!("emailalert=a@b\nemailalertstatus=running\nemailalertfreq=5\n{QUIESCENT}");
    let mut world = World::start(&text);
    assert!(world.mails.is_empty(), "starting is not asked for");
    world.seconds(2);
    world.mails.clear();
    world.down.insert("192.168.6.42".into());
    world.seconds(14);
    let subjects: Vec<&str> = world
        .mails
        .iter()
        .map(|mail| mail.subject.as_str())
        .collect();
    assert_eq!(
        subjects,
        [
            "Quiescent real server: 192.168.6.42:80 (192.168.6.66:80) (Weight set to 0)",
            "Inaccessible real server: 192.168.6.42:80 (192.168.6.66:80)",
            "Inaccessible real server: 192.168.6.42:80 (192.168.6.66:80)",
        ]
    );
    world.down.clear();
    world.seconds(2);
    world.mails.clear();
    world.seconds(12);
    assert!(world.mails.is_empty());
}

#[test]
fn cleanstop_no_leaves_the_table() {
    let mut world = World::start(&format!("cleanstop=no\n{QUIESCENT}"));
    world.seconds(2);
    let left = world.kernel.clone();
    world.handle(Input::Stop("INT"));
    assert_eq!(world.kernel, left);
    assert!(world.ended);
}

#[test]
fn checktype_off_keeps_the_fallback_and_on_needs_no_look() {
    let mut off = World::start(&QUIESCENT.replace("checktype=negotiate", "checktype=off"));
    off.seconds(5);
    assert!(off.probes.is_empty());
    assert!(short(&off.commands()).contains(&"-a -r F -g -w 1".to_owned()));
    let mut on = World::start(&QUIESCENT.replace("checktype=negotiate", "checktype=on"));
    on.seconds(5);
    assert!(on.probes.is_empty());
    assert_eq!(
        short(&on.commands()).last().map(String::as_str),
        Some("-d -r F")
    );
}

#[test]
fn bound_clients_of_a_dead_server_are_warned_of_with_the_line_to_set() {
    let mut world = World::start(&QUIESCENT.replace("\tservice", "\tpersistent=5\n\tservice"));
    world.handle(Input::ExpireQuiescentTemplate(Some(false)));
    let log = world.log();
    assert!(
        log.iter()
            .any(|line| line.contains("sysctl -w net.ipv4.vs.expire_quiescent_template=1")),
        "{log:?}"
    );
    world.handle(Input::ExpireQuiescentTemplate(Some(false)));
    assert!(world.log().is_empty());
}

#[test]
fn ten_services_change_in_one_batch() {
    let text: String = (1..=10)
        .map(|n| format!("virtual=10.0.0.{n}:80\n\treal=192.168.6.42:80 gate\n\tchecktype=off\n"))
        .collect();
    let world = World::start(&format!("{text}# end\n"));
    assert_eq!(world.commands.len(), 20);
    let services: Vec<&String> = world
        .commands
        .iter()
        .take_while(|command| command.starts_with("-A"))
        .collect();
    assert_eq!(services.len(), 10);
    let _: Option<Change> = None;
}
