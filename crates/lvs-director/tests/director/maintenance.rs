//! `maintenancedir` (`ldirectord.md` 4.5).

use crate::world::World;
use crate::{QUIESCENT, short};

fn text() -> String {
    format!("maintenancedir=/var/log\n{QUIESCENT}")
}

#[test]
fn a_named_server_is_out_until_a_good_check_after_the_file_is_gone() {
    let mut world = World::start(&text());
    world.seconds(3);
    world.commands();
    world.maintenance.insert("192.168.6.42:80".into());
    world.seconds(1);
    assert_eq!(short(&world.commands()), ["-e -r A -g -w 0"]);
    world.probes.clear();
    world.seconds(3);
    assert_eq!(world.commands(), [""; 0]);
    assert!(
        world
            .probes
            .iter()
            .all(|(_, probe)| probe.address == std::net::IpAddr::from([192, 168, 6, 46])),
        "it is not checked"
    );
    world.maintenance.clear();
    world.down("192.168.6.42");
    world.seconds(3);
    assert_eq!(world.commands(), [""; 0]);
    world.up("192.168.6.42");
    world.seconds(1);
    assert_eq!(short(&world.commands()), ["-e -r A -g -w 2"]);
}

#[test]
fn failurecount_does_not_keep_it_in() {
    let mut world = World::start(&text().replace("\tservice", "\tfailurecount=9\n\tservice"));
    world.seconds(3);
    world.commands();
    world.maintenance.insert("192.168.6.42".into());
    world.seconds(1);
    assert_eq!(short(&world.commands()), ["-e -r A -g -w 0"]);
    assert!(!world.log().iter().any(|line| line.contains("Soft failure")));
}

#[test]
fn a_server_in_maintenance_at_the_start_does_not_come_in() {
    let mut world = World::fresh(&text(), ipvs::Table::default());
    world.maintenance.insert("192.168.6.42".into());
    world.begin();
    world.seconds(3);
    assert!(
        !short(&world.commands()).contains(&"-e -r A -g -w 2".to_owned()),
        "{:?}",
        world.log
    );
}

#[test]
fn a_server_may_be_named_by_its_host_name() {
    let mut world = World::start(&text());
    world.maintenance.insert("web1".into());
    world.seconds(3);
    world.commands();
    world
        .names
        .insert([192, 168, 6, 42].into(), "web1.example.org".into());
    world.seconds(1);
    assert_eq!(short(&world.commands()), ["-e -r A -g -w 0"]);
}

#[test]
fn without_the_directory_a_reload_lets_everybody_back() {
    let mut world = World::start(&text());
    world.maintenance.insert("192.168.6.42".into());
    world.seconds(3);
    world.commands();
    world.reload(QUIESCENT);
    world.seconds(1);
    assert_eq!(short(&world.commands()), ["-e -r A -g -w 2"]);
}

#[test]
fn monitor_files_say_so() {
    let mut world =
        World::start(&text().replace("\tservice", "\tmonitorfile=/var/log/mon.log\n\tservice"));
    world.maintenance.insert("192.168.6.42".into());
    world.seconds(2);
    world.monitored.clear();
    world.seconds(1);
    assert!(
        world.monitored.contains(
            &"/var/log/mon.log: negotiate http tcp 192.168.6.42 80 2 gate / [down] Server in maintenance"
                .to_owned()
        ),
        "{:?}",
        world.monitored
    );
}

#[test]
fn a_server_that_is_never_checked_comes_back_by_itself() {
    // It serves because it was in the table; no check would ever bring it back.
    let off = text().replace("checktype=negotiate", "checktype=off");
    let mut first = World::start(QUIESCENT);
    first.seconds(2);
    let mut world = World::over(&off, first.kernel);
    world.maintenance.insert("192.168.6.42".into());
    world.seconds(2);
    assert_eq!(short(&world.commands()), ["-e -r A -g -w 0"]);
    world.maintenance.clear();
    world.seconds(2);
    assert_eq!(short(&world.commands()), ["-e -r A -g -w 2"]);
}
