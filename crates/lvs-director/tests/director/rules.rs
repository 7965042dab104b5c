//! The rules of `ldirectord.md` 7 to 10, each by what it does; commands and texts as recorded with 2.1.3 unless said.

use ipvs::Table;
use lvs_director::Input;

use crate::world::World;
use crate::{QUIESCENT, short};

fn removing() -> String {
    format!("quiescent=no\n{QUIESCENT}")
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
    world.down("192.168.6.42");
    world.seconds(2);
    assert_eq!(short(&world.commands()), ["-e -r A -g -w 0"]);
    world.down("192.168.6.46");
    world.seconds(2);
    assert_eq!(
        short(&world.commands()),
        ["-e -r B -g -w 0", "-a -r F -g -w 1"]
    );
    world.up("192.168.6.46");
    world.seconds(2);
    assert_eq!(short(&world.commands()), ["-e -r B -g -w 3", "-d -r F"]);
    world.log();
    world.stop();
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
    world.down("192.168.6.42");
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
    world.stop();
    assert_eq!(world.kernel.services.len(), 1);
}

#[test]
fn a_direct_routing_server_with_another_port_serves_under_the_services_port() {
    // The legacy left it at weight 0 for ever (12, item 1).
    let mut world = World::start(&QUIESCENT.replace("42:80 gate 2", "42:15080 gate 2"));
    world.seconds(2);
    world.down("192.168.6.42");
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
    world.down("192.168.6.42");
    world.seconds(2);
    world.sights.clear();
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
    world.down("192.168.6.42");
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
        .map(|(_, probe)| World::is_connect(probe))
        .collect();
    assert_eq!(kinds, [false, true, true, true, false]);
}

#[test]
fn the_fallback_command_hears_of_changes_only() {
    let mut world =
        World::start(&QUIESCENT.replace("\tservice", "\tfallbackcommand=/x\n\tservice"));
    world.seconds(3);
    world.down("192.168.6.42");
    world.down("192.168.6.46");
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
        short(&on.commands()),
        [
            "-A -s wrr",
            "-a -r F -g -w 1",
            "-a -r A -g -w 0",
            "-a -r B -g -w 0",
            "-e -r A -g -w 2",
            "-d -r F",
            "-e -r B -g -w 3"
        ],
        "as recorded in 11"
    );
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
}

#[test]
fn a_server_of_two_virtual_services_is_judged_once_and_purged_under_the_first() {
    // 26: one check drives both, and the stop names the server only under the first service.
    let second = QUIESCENT
        .replace("66:80", "67:80")
        .replace("checkinterval=1\n", "");
    let mut world = World::start(&format!("{QUIESCENT}{second}"));
    world.handle(Input::Timer);
    world.answer();
    assert_eq!(world.probes.len(), 2);
    world.log();
    world.down("192.168.6.42");
    world.seconds(1);
    assert_eq!(
        world.log(),
        [
            "Quiescent real server: 192.168.6.42:80 (192.168.6.66:80) (Weight set to 0)",
            "Quiescent real server: 192.168.6.42:80 (192.168.6.67:80) (Weight set to 0)",
        ]
    );
    world.stop();
    assert_eq!(
        world.log(),
        [
            "Purged real server (stop): 192.168.6.46:80 (192.168.6.66:80)",
            "Purged virtual server (stop): 192.168.6.66:80",
            "Purged virtual server (stop): 192.168.6.67:80",
            "Linux Director Daemon terminated on signal: TERM",
        ]
    );
}

#[test]
fn a_verdict_that_changes_nothing_does_nothing() {
    let mut world = World::start(QUIESCENT);
    world.seconds(2);
    world.down("192.168.6.46");
    world.seconds(2);
    world.commands();
    world.log();
    world.seconds(20);
    assert_eq!(world.commands(), [""; 0]);
    assert_eq!(world.log(), [""; 0]);
}

#[test]
fn a_server_in_service_stays_until_its_first_bad_check() {
    let mut first = World::start(QUIESCENT);
    first.seconds(2);
    let mut second = World::over(QUIESCENT, first.kernel);
    assert_eq!(second.commands(), [""; 0]);
    second.down("192.168.6.42");
    second.seconds(1);
    assert_eq!(short(&second.commands()), ["-e -r A -g -w 0"]);
}

#[test]
fn a_server_at_weight_0_is_not_adopted() {
    let mut first = World::start(QUIESCENT);
    let mut second = World::over(QUIESCENT, first.kernel.clone());
    assert_eq!(second.commands(), [""; 0]);
    second.seconds(1);
    assert_eq!(
        short(&second.commands()),
        ["-e -r A -g -w 2", "-d -r F", "-e -r B -g -w 3"]
    );
    first.stop();
}

#[test]
fn without_readdquiescent_an_absent_server_stays_absent_until_it_is_good() {
    let mut world = World::start(&format!("readdquiescent=no\n{QUIESCENT}"));
    assert_eq!(short(&world.commands()), ["-A -s wrr", "-a -r F -g -w 1"]);
    world.down("192.168.6.46");
    world.seconds(2);
    assert_eq!(short(&world.commands()), ["-a -r A -g -w 2", "-d -r F"]);
    world.up("192.168.6.46");
    world.seconds(2);
    world.down("192.168.6.46");
    world.seconds(2);
    assert_eq!(
        short(&world.commands()),
        ["-a -r B -g -w 3", "-e -r B -g -w 0"]
    );
}

#[test]
fn the_fallback_leaves_only_when_a_server_is_really_in() {
    let mut world = World::start(QUIESCENT);
    world.refuses = Some((
        "-e -t 192.168.6.66:80 -r 192.168.6.42".into(),
        ipvs::Refusal::Errno(12),
    ));
    world.down("192.168.6.46");
    world.seconds(5);
    let fallback = |world: &World| {
        world
            .kernel
            .services
            .values()
            .flat_map(|entry| entry.destinations.keys())
            .any(|key| key.address.is_loopback())
    };
    assert!(fallback(&world), "{:?}", world.log);
    world.refuses = None;
    world.seconds(60);
    assert!(!fallback(&world), "{:?}", world.log);
}

#[test]
fn a_fallback_that_is_a_real_server_too_has_one_entry() {
    let text = QUIESCENT.replace("fallback=127.0.0.1:80", "fallback=192.168.6.46:80");
    let mut world = World::start(&text);
    assert_eq!(
        short(&world.commands()),
        ["-A -s wrr", "-a -r B -g -w 1", "-a -r A -g -w 0"]
    );
    world.down("192.168.6.46");
    world.seconds(2);
    assert_eq!(
        short(&world.commands()),
        ["-e -r A -g -w 2", "-e -r B -g -w 0"]
    );
    world.down("192.168.6.42");
    world.seconds(2);
    assert_eq!(
        short(&world.commands()),
        ["-e -r A -g -w 0", "-e -r B -g -w 1"]
    );
    world.up("192.168.6.46");
    world.seconds(2);
    assert_eq!(short(&world.commands()), ["-e -r B -g -w 3"]);
}

#[test]
fn two_lines_for_one_entry_do_not_fight() {
    // Direct routing cannot change ports, so both mean 192.168.6.42:80.
    let text = QUIESCENT.replace("46:80 gate 3", "42:8080 gate 3");
    let mut world = World::start(&text);
    world.seconds(3);
    assert_eq!(
        short(&world.commands()),
        [
            "-A -s wrr",
            "-a -r F -g -w 1",
            "-a -r A -g -w 0",
            "-e -r A -g -w 2",
            "-d -r F",
            "-e -r A -g -w 3"
        ]
    );
    world.down("192.168.6.42:8080");
    world.seconds(2);
    assert_eq!(short(&world.commands()), ["-e -r A -g -w 2"]);
    world.down("192.168.6.42");
    world.seconds(2);
    assert_eq!(
        short(&world.commands()),
        ["-e -r A -g -w 0", "-a -r F -g -w 1"]
    );
}

#[test]
fn monitor_files_get_a_line_for_each_check() {
    let text = QUIESCENT.replace(
        "\tservice=http",
        "\tmonitorfile=/var/log/mon.log\n\tservice=http",
    );
    let mut world = World::start(&text);
    world.down("192.168.6.46");
    world.handle(Input::Timer);
    world.answer();
    assert_eq!(
        world.monitored,
        [
            "/var/log/mon.log: negotiate http tcp 192.168.6.42 80 2 gate / [up] 200 OK",
            "/var/log/mon.log: negotiate http tcp 192.168.6.46 80 3 gate / [down] Connection failed",
        ]
    );
}

#[test]
fn a_stop_ends_checks_at_once_and_other_instances_first() {
    let mut world = World::start(&format!("execute=\"other.cf\"\n{QUIESCENT}"));
    assert_eq!(world.executed, ["\"other.cf\" start"]);
    world.stop();
    assert_eq!(world.cancelled.len(), 2);
    assert_eq!(world.executed, ["\"other.cf\" start", "\"other.cf\" stop"]);
    assert!(world.ended);
    assert_eq!(world.director.next_deadline(), None);
    world.stop();
}

#[test]
fn a_stop_before_anything_is_known_just_ends() {
    let mut world = World::fresh(QUIESCENT, Table::default());
    world.stop();
    assert!(world.ended);
    assert_eq!(world.commands(), [""; 0]);
}

#[test]
fn a_snapshot_shows_state_and_table() {
    let mut world = World::start(QUIESCENT);
    world.down("192.168.6.46");
    world.seconds(2);
    let snapshot = world.director.snapshot();
    assert!(!snapshot.unsettled);
    assert_eq!(snapshot.checks_running, 0);
    let [service] = &snapshot.virtuals[..] else {
        panic!("{snapshot:?}");
    };
    assert_eq!(
        (service.id.as_str(), service.fallback_active),
        ("tcp:192.168.6.66:80", false)
    );
    let seen: Vec<_> = service
        .reals
        .iter()
        .map(|real| (real.name.as_str(), real.up, real.text.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            ("192.168.6.42:80", true, "200 OK"),
            ("192.168.6.46:80", false, "Connection failed"),
        ]
    );
    assert!(service.reals.iter().all(|real| real.next_check.is_some()));
}
