//! What the kernel refuses, and what others do to the table.

use std::time::Duration;

use ipvs::{Change, Refusal, Table};

use crate::world::World;
use crate::{QUIESCENT, short};

const ENOENT: Refusal = Refusal::Errno(2);
const ENOBUFS: Refusal = Refusal::Errno(105);

fn scheduler_missing() -> Option<(String, Refusal)> {
    Some(("-s wlc".into(), ENOENT))
}

fn two_services() -> String {
    let second = QUIESCENT
        .replace("66:80", "67:80")
        .replace("checkinterval=1\n", "")
        .replace("\tservice", "\tscheduler=wlc\n\tservice");
    format!("{QUIESCENT}{second}")
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
fn a_service_that_the_kernel_refuses_does_not_stop_the_others() {
    let mut world = World::fresh(&two_services(), Table::default());
    world.refuses = scheduler_missing();
    world.begin();
    world.seconds(100);
    let log = world.log();
    let failed: Vec<&String> = log
        .iter()
        .filter(|line| line.starts_with("ipvs:"))
        .collect();
    assert_eq!(
        failed,
        [
            "ipvs: -A -t 192.168.6.67:80 -s wlc failed: Scheduler or persistence engine not found",
            "ipvs: 3 more changes of 192.168.6.67:80 failed",
        ],
        "said once"
    );
    assert_eq!(
        log.iter()
            .filter(|line| line.contains("67:80) (Weight"))
            .count(),
        0,
        "only what was done is said: {log:?}"
    );
    let tries: Vec<usize> = world
        .commands()
        .iter()
        .enumerate()
        .filter(|(_, command)| command.starts_with("-A -t 192.168.6.67"))
        .map(|(at, _)| at)
        .collect();
    assert!(
        (5..=9).contains(&tries.len()),
        "with growing pauses: {tries:?}"
    );
    assert_eq!(world.kernel.services.len(), 1);
    let [entry] = &world.kernel.services.values().collect::<Vec<_>>()[..] else {
        panic!("one service");
    };
    assert_eq!(entry.destinations.len(), 2);
    // The module is there at last.
    world.refuses = None;
    world.seconds(31);
    assert_eq!(world.kernel.services.len(), 2);
    assert!(
        world
            .log()
            .contains(&"Added virtual server: 192.168.6.67:80".to_owned())
    );
}

#[test]
fn a_lasting_refusal_is_repeated_slowly_with_a_count() {
    let mut world = World::fresh(&two_services(), Table::default());
    world.refuses = scheduler_missing();
    world.begin();
    world.seconds(700);
    let log = world.log();
    let failed: Vec<&String> = log
        .iter()
        .filter(|line| line.starts_with("ipvs: -A"))
        .collect();
    assert_eq!(failed.len(), 3, "{failed:?}");
    assert!(failed[1].ends_with("more times)"), "{failed:?}");
}

#[test]
fn verdicts_do_not_hurry_a_refused_service() {
    let mut world = World::fresh(&two_services(), Table::default());
    world.refuses = scheduler_missing();
    world.begin();
    world.seconds(20);
    world.commands();
    for _ in 0..5 {
        world.down("192.168.6.42");
        world.seconds(1);
        world.up("192.168.6.42");
        world.seconds(1);
    }
    let hurried = world
        .commands()
        .iter()
        .filter(|command| command.contains("67:80"))
        .count();
    assert!(hurried <= 4, "one try at most: {hurried}");
}

#[test]
fn a_table_flushed_just_before_a_verdict_is_noticed_at_once() {
    let mut world = World::start(QUIESCENT);
    world.seconds(2);
    world.log();
    world.commands();
    world.kernel = Table::default();
    world.down("192.168.6.42");
    world.seconds(1);
    assert_eq!(
        short(&world.commands()),
        [
            "-e -r A -g -w 0",
            "-A -s wrr",
            "-a -r B -g -w 3",
            "-a -r A -g -w 0"
        ]
    );
    assert_eq!(
        world.log().first().map(String::as_str),
        Some("ipvs: -e -t 192.168.6.66:80 -r 192.168.6.42:80 -g -w 0 failed: Service not defined")
    );
}

#[test]
fn a_destination_that_is_there_already_is_edited_instead() {
    let mut world = World::start(&format!("quiescent=no\n{QUIESCENT}"));
    world.down("192.168.6.42");
    world.seconds(2);
    world.commands();
    let service = &world.director.config().virtuals[0];
    let mut server = service.reals[0].destination.clone();
    server.weight = 9;
    let change = Change::AddDestination(*service.key(), server);
    assert!(world.kernel.apply(&change));
    world.up("192.168.6.42");
    world.seconds(1);
    assert_eq!(
        short(&world.commands()),
        ["-a -r A -g -w 2", "-e -r A -g -w 2"]
    );
}

#[test]
fn a_lost_answer_leads_to_another_look() {
    let mut world = World::start(QUIESCENT);
    world.seconds(2);
    world.refuses = Some(("-w 0".into(), Refusal::Unknown));
    world.down("192.168.6.42");
    world.seconds(1);
    world.refuses = None;
    world.seconds(3);
    let log = world.log();
    assert!(
        log.contains(
            &"Quiescent real server: 192.168.6.42:80 (192.168.6.66:80) (Weight set to 0)"
                .to_owned()
        ),
        "{log:?}"
    );
}

#[test]
fn no_buffer_space_is_tried_again_after_a_pause() {
    let mut world = World::start(QUIESCENT);
    world.seconds(2);
    world.commands();
    world.refuses = Some(("-w 0".into(), ENOBUFS));
    world.down("192.168.6.42");
    world.pass(Duration::from_millis(1900));
    assert!(world.commands().len() <= 2);
    world.refuses = None;
    world.seconds(3);
    assert_eq!(short(&world.commands()), ["-e -r A -g -w 0"]);
}

#[test]
fn a_kernel_that_loses_ipvs_gets_it_all_back() {
    let mut world = World::start(QUIESCENT);
    world.seconds(2);
    let good = world.kernel.clone();
    world.log();
    world.absent = true;
    world.kernel = Table::default();
    world.down("192.168.6.42");
    world.seconds(20);
    let log = world.log();
    assert_eq!(
        log.iter().filter(|line| line.starts_with("ipvs:")).count(),
        2,
        "the change and the table: {log:?}"
    );
    assert!(world.director.snapshot().unsettled);
    world.up("192.168.6.42");
    world.seconds(2);
    world.absent = false;
    world.seconds(31);
    assert_eq!(world.kernel, good);
    assert!(
        world
            .log()
            .contains(&"Added virtual server: 192.168.6.66:80".to_owned())
    );
}

#[test]
fn without_ipvs_at_the_start_checks_run_and_the_table_is_filled_when_it_comes() {
    let mut world = World::fresh(QUIESCENT, Table::default());
    world.absent = true;
    world.begin();
    world.seconds(10);
    assert!(!world.probes.is_empty());
    assert_eq!(world.log(), ["ipvs: the table cannot be read: no IPVS"]);
    world.absent = false;
    world.seconds(31);
    assert_eq!(
        short(&world.commands()),
        ["-A -s wrr", "-a -r A -g -w 2", "-a -r B -g -w 3"]
    );
    world.absent = true;
    world.seconds(40);
    world.stop();
    assert!(world.ended);
}

#[test]
fn what_others_change_while_we_run_stays_until_it_matters() {
    let mut world = World::start(QUIESCENT);
    world.seconds(2);
    world.commands();
    let service = &world.director.config().virtuals[0];
    let key = *service.key();
    let mut drained = service.reals[0].destination.clone();
    drained.weight = 0;
    let mut guest = service.reals[0].destination.clone();
    guest.key.address = [192, 168, 6, 99].into();
    assert!(world.kernel.apply(&Change::EditDestination(key, drained)));
    assert!(world.kernel.apply(&Change::AddDestination(key, guest)));
    world.seconds(100);
    assert_eq!(world.commands(), [""; 0]);
    assert!(world.reads >= 4, "it did look");
    // At a reload strangers leave and our servers are as configured.
    world.reload(QUIESCENT);
    assert_eq!(
        short(&world.commands()),
        ["-e -r A -g -w 2", "-d -r 192.168.6.99:80"]
    );
}

#[test]
fn a_server_removed_by_hand_comes_back() {
    let mut world = World::start(QUIESCENT);
    world.seconds(2);
    world.commands();
    world.log();
    let service = &world.director.config().virtuals[0];
    let gone = Change::DeleteDestination(*service.key(), service.reals[1].destination.key);
    assert!(world.kernel.apply(&gone));
    world.seconds(31);
    assert_eq!(short(&world.commands()), ["-a -r B -g -w 3"]);
    assert_eq!(
        world.log(),
        ["Added real server: 192.168.6.46:80 (192.168.6.66:80) (Weight set to 3)"]
    );
}

#[test]
fn a_virtual_service_that_left_the_file_is_removed_also_when_the_kernel_refuses_at_first() {
    let mut world = World::start(&two_services());
    world.seconds(2);
    world.refuses = Some(("-D".into(), ENOBUFS));
    world.reload(QUIESCENT);
    assert_eq!(world.kernel.services.len(), 2);
    world.refuses = None;
    world.seconds(5);
    assert_eq!(world.kernel.services.len(), 1);
    assert!(
        world
            .log()
            .contains(&"Purged virtual server (start): 192.168.6.67:80".to_owned())
    );
}

#[test]
fn all_that_one_input_causes_is_one_batch() {
    let mut world = World::start(QUIESCENT);
    assert_eq!(world.batches, [4]);
    world.seconds(2);
    world.batches.clear();
    world.down("192.168.6.42");
    world.down("192.168.6.46");
    world.seconds(2);
    assert_eq!(world.batches, [1, 2]);
    world.batches.clear();
    world.stop();
    assert_eq!(world.batches, [1]);
}

/// Found by the simulation: the checks behind that of a server "on its way into the table" stayed due, and the loop turned
/// without a pause until each had its turn.
#[test]
fn a_service_with_a_fallback_that_is_refused_leaves_no_check_due() {
    let mut world = World::start("checkinterval=1\n# end\n");
    world.refuses = Some((String::new(), Refusal::Errno(1)));
    let service = |number: u8, kind: &str| {
        format!(
            "virtual=10.0.0.{number}:80\n\treal=192.168.6.{number}:80 gate\n\tfallback=127.0.0.1:80\n\tchecktype={kind}\n"
        )
    };
    world.reload(&format!(
        "checkinterval=1\n{}{}{}# end\n",
        service(1, "on"),
        service(2, "on"),
        service(3, "connect")
    ));
    assert!(
        world
            .director
            .next_deadline()
            .is_some_and(|due| due > world.now)
    );
    // Each step asserts the same.
    world.seconds(5);
    world.refuses = None;
    world.seconds(40);
    assert_eq!(world.kernel.services.len(), 3);
}
