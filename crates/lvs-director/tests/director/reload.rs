//! Reloads: what differs is done, and nothing else (`ldirectord.md` 10).

use lvs_director::Input;

use crate::world::World;
use crate::{QUIESCENT, short};

#[test]
fn an_unchanged_reload_is_empty_and_a_changed_one_touches_what_changed() {
    let mut world = World::start(QUIESCENT);
    world.seconds(2);
    world.commands();
    world.reload(QUIESCENT);
    assert!(world.commands().is_empty());
    let changed = QUIESCENT.replace("46:80 gate 3", "46:80 gate 5");
    world.reload(&changed);
    assert_eq!(short(&world.commands()), ["-e -r B -g -w 5"]);
    let removed = changed.replace("\treal=192.168.6.42:80 gate 2\n", "");
    world.log();
    world.reload(&removed);
    assert_eq!(short(&world.commands()), ["-d -r A"]);
    assert_eq!(
        world.log(),
        ["Purged real server (start): 192.168.6.42:80 (192.168.6.66:80)"]
    );
    world.reload("virtual=1\n\tchecktype=off\n# end\n");
    assert_eq!(
        world.commands(),
        ["-A -f 1 -s wrr", "-D -t 192.168.6.66:80"]
    );
}

#[test]
fn a_reload_never_takes_a_good_server_out_and_counters_go_on() {
    let text = QUIESCENT.replace("\tservice", "\tfailurecount=3\n\tservice");
    let mut world = World::start(&text);
    world.seconds(2);
    world.down("192.168.6.42");
    world.seconds(1);
    world.commands();
    world.log();
    world.reload(&text.replace("gate 3", "gate 4"));
    assert_eq!(short(&world.commands()), ["-e -r B -g -w 4"]);
    world.seconds(2);
    let log = world.log();
    assert!(
        log.contains(
            &"Soft failure real server: 192.168.6.42:80 (tcp:192.168.6.66:80) failure 2/3"
                .to_owned()
        ),
        "{log:?}"
    );
    assert!(
        !log.iter().any(|line| line.ends_with("failure 1/3")),
        "{log:?}"
    );
}

#[test]
fn a_new_server_begins_like_at_a_start_and_one_in_the_table_is_adopted() {
    let mut world = World::start(QUIESCENT);
    world.seconds(2);
    world.commands();
    let text = QUIESCENT.replace(
        "\tfallback",
        "\treal=192.168.6.47:80 gate 4\n\treal=192.168.6.48:80 gate 5\n\tfallback",
    );
    // By hand, as an administrator does who is in a hurry.
    let key = *world.director.config().virtuals[0].key();
    let mut server = world.director.config().virtuals[0].reals[0]
        .destination
        .clone();
    server.key.address = [192, 168, 6, 48].into();
    assert!(
        world
            .kernel
            .apply(&ipvs::Change::AddDestination(key, server))
    );
    world.reload(&text);
    assert_eq!(
        short(&world.commands()),
        [
            "-e -r 192.168.6.48:80 -g -w 5",
            "-a -r 192.168.6.47:80 -g -w 0"
        ]
    );
    world.answer();
    assert_eq!(short(&world.commands()), ["-e -r 192.168.6.47:80 -g -w 4"]);
}

#[test]
fn checks_in_progress_count_if_somebody_still_wants_them() {
    let mut world = World::start(QUIESCENT);
    let begun = world.probes.len();
    world.reload(&QUIESCENT.replace("\treal=192.168.6.46:80 gate 3\n", ""));
    assert_eq!(world.cancelled.len(), 1);
    assert_eq!(world.probes.len(), begun, "the other goes on");
    world.commands();
    world.answer();
    assert_eq!(short(&world.commands()), ["-e -r A -g -w 2", "-d -r F"]);
}

#[test]
fn other_instances_follow_the_difference() {
    let mut world = World::start(&format!("execute=a.cf\nexecute=b.cf\n{QUIESCENT}"));
    world.executed.clear();
    world.reload(&format!("execute=b.cf\nexecute=c.cf\n{QUIESCENT}"));
    assert_eq!(world.executed, ["a.cf stop", "b.cf reload", "c.cf start"]);
}

#[test]
fn a_reload_while_the_kernel_is_asked_waits_for_the_answer() {
    use lvs_director::Action;
    let mut world = World::fresh(QUIESCENT, ipvs::Table::default());
    let now = world.now;
    let other = crate::world::config(&QUIESCENT.replace("gate 2", "gate 7"));
    world.director.handle(now, Input::Reload(other));
    assert_eq!(world.director.poll_action(), Some(Action::ReadTable));
    assert_eq!(world.director.poll_action(), None);
    let table = ipvs::Table::default();
    world.director.handle(now, Input::Table(table));
    world.begin();
    world.seconds(2);
    assert!(
        short(&world.commands()).contains(&"-e -r A -g -w 7".to_owned()),
        "{:?}",
        world.log
    );
}
