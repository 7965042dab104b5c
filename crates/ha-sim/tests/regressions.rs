//! Faults of the core that the simulator found, each with the scenario that showed it, shrunk. They are written out, so that
//! they stay what they are when the generator changes. `ha-sim --as-test` writes such a function.
#![cfg_attr(rustfmt, rustfmt_skip)]

mod common;

use ha_cluster::{AutoFailback, Hold};
use ha_sim::plan::{Cut, Event, Fault, Scenario, Weather};
use ha_sim::settings::{Device, Settings};
use ha_sim::run;
use ha_wire::{Encoding, Method};

use common::{group, ms};

/// No rule is broken in this scenario.
#[track_caller]
fn holds(scenario: Scenario) {
    let outcome = run(&scenario, true);
    assert_eq!(outcome.violation, None, "\n{}", outcome.timeline);
}

/// It was reset whenever it had just started.
#[test]
fn a_node_that_starts_slowly_is_not_reset_for_ever() {
    holds(Scenario {
        seed: 65,
        nodes: 2,
        legacy: vec![],
        settings: Settings {
            failback: AutoFailback::On,
            keepalive: ms(1000),
            deadtime: ms(10000),
            initdead: ms(20000),
            media: 2,
            echo: false,
            encoding: Encoding::Netstring,
            method: Method::Md5,
            groups: vec![group(0, "A1"), group(1, "B1"), group(1, "B2")],
            script_time: ms(0),
            devices: vec![Device { time: ms(7679), early: false }],
            boot_time: ms(11593),
            client_time: ms(0),
        },
        starts: vec![ms(20234), ms(3440)],
        events: vec![
            (2, Event { at: ms(38203), fault: Fault::PowerCut { host: 1, back_after: ms(4461), new_disk: false } }),
            (7, Event { at: ms(47536), fault: Fault::PowerCut { host: 1, back_after: ms(13395), new_disk: false } }),
        ],
        quiet_from: ms(50531),
    });
}

/// `done` of a standby was read a minute late, when the giver had long taken everything back.
#[test]
fn a_release_read_after_a_long_stall_is_not_believed() {
    holds(Scenario {
        seed: 248,
        nodes: 2,
        legacy: vec![],
        settings: Settings {
            failback: AutoFailback::Off,
            keepalive: ms(2000),
            deadtime: ms(30000),
            initdead: ms(60000),
            media: 1,
            echo: false,
            encoding: Encoding::String,
            method: Method::Crc,
            groups: vec![group(0, "A1"), group(0, "A2"), group(1, "B1")],
            script_time: ms(400),
            devices: vec![],
            boot_time: ms(8387),
            client_time: ms(0),
        },
        starts: vec![ms(1547), ms(888)],
        events: vec![
            (3, Event { at: ms(119866), fault: Fault::Standby { host: 0, set: Hold::LOCAL } }),
            (5, Event { at: ms(120279), fault: Fault::Stall { host: 1, span: ms(63744) } }),
        ],
        quiet_from: ms(223274),
    });
}

/// While it took the groups it said that it did not have them.
#[test]
fn a_giver_that_restarts_hears_that_the_taker_is_taking() {
    holds(Scenario {
        seed: 307,
        nodes: 2,
        legacy: vec![],
        settings: Settings {
            failback: AutoFailback::On,
            keepalive: ms(2000),
            deadtime: ms(30000),
            initdead: ms(60000),
            media: 2,
            echo: false,
            encoding: Encoding::Netstring,
            method: Method::Crc,
            groups: vec![group(0, "A1"), group(1, "B1"), group(1, "B2")],
            script_time: ms(2000),
            devices: vec![],
            boot_time: ms(27699),
            client_time: ms(0),
        },
        starts: vec![ms(0), ms(207)],
        events: vec![
            (6, Event { at: ms(176268), fault: Fault::Standby { host: 1, set: Hold::LOCAL } }),
            (7, Event { at: ms(179166), fault: Fault::Reload { host: 1 } }),
        ],
        quiet_from: ms(216517),
    });
}

/// It asked once, and whoever was asked crashed and came back at once.
#[test]
fn an_unanswered_question_for_a_group_is_asked_again() {
    holds(Scenario {
        seed: 339,
        nodes: 2,
        legacy: vec![],
        settings: Settings {
            failback: AutoFailback::Legacy,
            keepalive: ms(2000),
            deadtime: ms(30000),
            initdead: ms(60000),
            media: 2,
            echo: false,
            encoding: Encoding::String,
            method: Method::Sha1,
            groups: vec![group(0, "A1"), group(1, "B1"), group(1, "B2")],
            script_time: ms(400),
            devices: vec![],
            boot_time: ms(30950),
            client_time: ms(3000),
        },
        starts: vec![ms(736), ms(80682)],
        events: vec![
            (0, Event { at: ms(81173), fault: Fault::PowerCut { host: 0, back_after: ms(15193), new_disk: false } }),
        ],
        quiet_from: ms(174030),
    });
}

/// Its ten seconds were over before it had read that the other holds everything.
#[test]
fn a_first_acquisition_after_a_stall_waits_until_it_has_listened() {
    holds(Scenario {
        seed: 518,
        nodes: 2,
        legacy: vec![],
        settings: Settings {
            failback: AutoFailback::Off,
            keepalive: ms(1000),
            deadtime: ms(10000),
            initdead: ms(20000),
            media: 2,
            echo: true,
            encoding: Encoding::String,
            method: Method::Md5,
            groups: vec![group(0, "A1"), group(0, "A2"), group(1, "B1")],
            script_time: ms(50),
            devices: vec![],
            boot_time: ms(34613),
            client_time: ms(0),
        },
        starts: vec![ms(902), ms(1603)],
        events: vec![
            (0, Event { at: ms(7088), fault: Fault::Stall { host: 0, span: ms(12559) } }),
        ],
        quiet_from: ms(24915),
    });
}

/// The answer that completed comm-up overtook the status that would have shown it alive.
#[test]
fn a_node_that_answers_at_comm_up_is_not_dead() {
    holds(Scenario {
        seed: 1955,
        nodes: 2,
        legacy: vec![],
        settings: Settings {
            failback: AutoFailback::Legacy,
            keepalive: ms(2000),
            deadtime: ms(30000),
            initdead: ms(60000),
            media: 1,
            echo: false,
            encoding: Encoding::String,
            method: Method::Crc,
            groups: vec![group(0, "A1"), group(1, "B1")],
            script_time: ms(2000),
            devices: vec![],
            boot_time: ms(16965),
            client_time: ms(300),
        },
        starts: vec![ms(0), ms(915)],
        events: vec![
            (0, Event { at: ms(74512), fault: Fault::Weather { weather: Weather { loss: 0, duplicate: 0, corrupt: 0, late: 10, delay: ms(3000) }, span: ms(20149) } }),
            (4, Event { at: ms(78746), fault: Fault::Cuts { cuts: vec![Cut { from: 0, to: 1, medium: 0 }, Cut { from: 1, to: 0, medium: 0 }], span: ms(88168) } }),
            (5, Event { at: ms(79339), fault: Fault::PowerCut { host: 1, back_after: ms(860), new_disk: false } }),
        ],
        quiet_from: ms(127266),
    });
}

/// With legacy failback nobody noticed that both held everything.
#[test]
fn executed_anew_during_a_partition_it_does_not_keep_the_others_groups() {
    holds(Scenario {
        seed: 1741,
        nodes: 2,
        legacy: vec![],
        settings: Settings {
            failback: AutoFailback::Legacy,
            keepalive: ms(1000),
            deadtime: ms(10000),
            initdead: ms(20000),
            media: 2,
            echo: false,
            encoding: Encoding::Netstring,
            method: Method::Crc,
            groups: vec![group(0, "A1"), group(1, "B1")],
            script_time: ms(400),
            devices: vec![],
            boot_time: ms(8221),
            client_time: ms(0),
        },
        starts: vec![ms(3096), ms(0)],
        events: vec![
            (0, Event { at: ms(34577), fault: Fault::Cuts { cuts: vec![Cut { from: 0, to: 1, medium: 0 }, Cut { from: 1, to: 0, medium: 0 }, Cut { from: 0, to: 1, medium: 1 }, Cut { from: 1, to: 0, medium: 1 }], span: ms(24971) } }),
            (6, Event { at: ms(52842), fault: Fault::Reload { host: 0 } }),
        ],
        quiet_from: ms(54095),
    });
}

/// It said that it was stable while it still released.
#[test]
fn what_is_still_being_released_is_not_free_for_a_node_that_restarts() {
    holds(Scenario {
        seed: 2861,
        nodes: 2,
        legacy: vec![],
        settings: Settings {
            failback: AutoFailback::On,
            keepalive: ms(500),
            deadtime: ms(3000),
            initdead: ms(12000),
            media: 1,
            echo: false,
            encoding: Encoding::String,
            method: Method::Md5,
            groups: vec![group(0, "A1"), group(1, "B1"), group(1, "B2")],
            script_time: ms(2000),
            devices: vec![],
            boot_time: ms(18325),
            client_time: ms(0),
        },
        starts: vec![ms(0), ms(0)],
        events: vec![
            (0, Event { at: ms(33742), fault: Fault::PowerCut { host: 0, back_after: ms(11989), new_disk: false } }),
            (2, Event { at: ms(36821), fault: Fault::Standby { host: 1, set: Hold::LOCAL } }),
            (3, Event { at: ms(38107), fault: Fault::PowerCut { host: 0, back_after: ms(6618), new_disk: false } }),
            (7, Event { at: ms(45723), fault: Fault::Reload { host: 0 } }),
        ],
        quiet_from: ms(50392),
    });
}

/// Executed anew before it had looked, it never looked.
#[test]
fn a_reload_right_after_a_kill_still_releases_what_was_left_behind() {
    holds(Scenario {
        seed: 3027,
        nodes: 2,
        legacy: vec![],
        settings: Settings {
            failback: AutoFailback::Off,
            keepalive: ms(1000),
            deadtime: ms(10000),
            initdead: ms(20000),
            media: 1,
            echo: false,
            encoding: Encoding::String,
            method: Method::Crc,
            groups: vec![group(0, "A1"), group(1, "B1")],
            script_time: ms(2000),
            devices: vec![],
            boot_time: ms(28544),
            client_time: ms(0),
        },
        starts: vec![ms(0), ms(22685)],
        events: vec![
            (0, Event { at: ms(32345), fault: Fault::Cuts { cuts: vec![Cut { from: 1, to: 0, medium: 0 }, Cut { from: 0, to: 1, medium: 0 }], span: ms(20756) } }),
            (5, Event { at: ms(43824), fault: Fault::Kill { host: 1, back_after: ms(10128) } }),
            (6, Event { at: ms(46331), fault: Fault::PowerCut { host: 0, back_after: ms(2332), new_disk: false } }),
            (8, Event { at: ms(55014), fault: Fault::Reload { host: 1 } }),
        ],
        quiet_from: ms(66620),
    });
}

/// The wait before a first acquisition ended during the release.
#[test]
fn a_first_acquisition_waits_for_the_end_of_a_shutdown() {
    holds(Scenario {
        seed: 3666,
        nodes: 2,
        legacy: vec![],
        settings: Settings {
            failback: AutoFailback::Off,
            keepalive: ms(500),
            deadtime: ms(3000),
            initdead: ms(12000),
            media: 2,
            echo: false,
            encoding: Encoding::String,
            method: Method::Crc,
            groups: vec![group(0, "A1"), group(1, "B1"), group(1, "B2")],
            script_time: ms(2000),
            devices: vec![Device { time: ms(6999), early: true }, Device { time: ms(7974), early: true }],
            boot_time: ms(8034),
            client_time: ms(300),
        },
        starts: vec![ms(0), ms(13756)],
        events: vec![
            (1, Event { at: ms(15301), fault: Fault::Weather { weather: Weather { loss: 0, duplicate: 20, corrupt: 0, late: 10, delay: ms(3000) }, span: ms(953) } }),
            (2, Event { at: ms(15930), fault: Fault::Cuts { cuts: vec![Cut { from: 0, to: 1, medium: 0 }, Cut { from: 1, to: 0, medium: 0 }, Cut { from: 0, to: 1, medium: 1 }, Cut { from: 1, to: 0, medium: 1 }], span: ms(344) } }),
            (3, Event { at: ms(16065), fault: Fault::Stop { host: 0, back_after: ms(365) } }),
        ],
        quiet_from: ms(20629),
    });
}

/// `starting` overtook the word on what its sender holds, which then counted as old.
#[test]
fn a_question_does_not_make_an_older_answer_old() {
    holds(Scenario {
        seed: 3935,
        nodes: 2,
        legacy: vec![],
        settings: Settings {
            failback: AutoFailback::Off,
            keepalive: ms(1000),
            deadtime: ms(10000),
            initdead: ms(20000),
            media: 1,
            echo: true,
            encoding: Encoding::String,
            method: Method::Md5,
            groups: vec![group(0, "A1"), group(1, "B1"), group(1, "B2")],
            script_time: ms(50),
            devices: vec![Device { time: ms(2885), early: true }],
            boot_time: ms(21075),
            client_time: ms(0),
        },
        starts: vec![ms(1878), ms(106)],
        events: vec![
            (0, Event { at: ms(37746), fault: Fault::Standby { host: 0, set: Hold::ALL } }),
            (1, Event { at: ms(37957), fault: Fault::Kill { host: 0, back_after: ms(13823) } }),
            (2, Event { at: ms(39628), fault: Fault::Flood { host: 1, count: 1500 } }),
            (3, Event { at: ms(43108), fault: Fault::Cuts { cuts: vec![Cut { from: 1, to: 0, medium: 0 }, Cut { from: 0, to: 1, medium: 0 }], span: ms(25099) } }),
            (4, Event { at: ms(43173), fault: Fault::Reload { host: 1 } }),
        ],
        quiet_from: ms(55587),
    });
}

/// The group ran, and its node had been executed anew as one that does not have it.
#[test]
fn a_reload_waits_for_the_end_of_a_standby() {
    holds(Scenario {
        seed: 6119,
        nodes: 2,
        legacy: vec![],
        settings: Settings {
            failback: AutoFailback::On,
            keepalive: ms(1000),
            deadtime: ms(10000),
            initdead: ms(20000),
            media: 1,
            echo: false,
            encoding: Encoding::Netstring,
            method: Method::Crc,
            groups: vec![group(0, "A1"), group(1, "B1"), group(1, "B2")],
            script_time: ms(2000),
            devices: vec![],
            boot_time: ms(19501),
            client_time: ms(3000),
        },
        starts: vec![ms(0), ms(253)],
        events: vec![
            (0, Event { at: ms(39186), fault: Fault::Standby { host: 0, set: Hold::LOCAL } }),
            (1, Event { at: ms(39851), fault: Fault::Reload { host: 1 } }),
        ],
        quiet_from: ms(43555),
    });
}

/// Asked by a node that starts, it said none, though it was only letting go.
#[test]
fn a_node_that_shuts_down_tells_a_starting_one_so() {
    holds(Scenario {
        seed: 6331,
        nodes: 2,
        legacy: vec![],
        settings: Settings {
            failback: AutoFailback::On,
            keepalive: ms(2000),
            deadtime: ms(30000),
            initdead: ms(60000),
            media: 1,
            echo: false,
            encoding: Encoding::String,
            method: Method::Crc,
            groups: vec![group(0, "A1"), group(0, "A2"), group(1, "B1"), group(1, "B2")],
            script_time: ms(50),
            devices: vec![],
            boot_time: ms(19923),
            client_time: ms(3000),
        },
        starts: vec![ms(85398), ms(1907)],
        events: vec![
            (0, Event { at: ms(77952), fault: Fault::SlowScripts { host: 1, time: ms(36645), span: ms(3197) } }),
            (1, Event { at: ms(77993), fault: Fault::Stop { host: 1, back_after: ms(13463) } }),
        ],
        quiet_from: ms(172949),
    });
}

/// The lost one was the word that both waited for.
#[test]
fn packets_lost_for_good_do_not_leave_a_standby_half_done() {
    holds(Scenario {
        seed: 11540,
        nodes: 2,
        legacy: vec![],
        settings: Settings {
            failback: AutoFailback::Off,
            keepalive: ms(2000),
            deadtime: ms(30000),
            initdead: ms(60000),
            media: 2,
            echo: false,
            encoding: Encoding::String,
            method: Method::Md5,
            groups: vec![group(0, "A1"), group(0, "A2"), group(1, "B1"), group(1, "B2")],
            script_time: ms(2000),
            devices: vec![],
            boot_time: ms(25683),
            client_time: ms(300),
        },
        starts: vec![ms(0), ms(78338)],
        events: vec![
            (8, Event { at: ms(123907), fault: Fault::Takeover { host: 0, set: Hold::LOCAL } }),
            (10, Event { at: ms(125704), fault: Fault::Cuts { cuts: vec![Cut { from: 1, to: 0, medium: 0 }, Cut { from: 0, to: 1, medium: 0 }, Cut { from: 1, to: 0, medium: 1 }, Cut { from: 0, to: 1, medium: 1 }], span: ms(11432) } }),
            (11, Event { at: ms(126086), fault: Fault::Flood { host: 1, count: 1500 } }),
        ],
        quiet_from: ms(151905),
    });
}

/// It had said that it gives up, and stalled while it did.
#[test]
fn a_node_that_dies_while_it_releases_is_reset() {
    holds(Scenario {
        seed: 6584,
        nodes: 2,
        legacy: vec![],
        settings: Settings {
            failback: AutoFailback::Off,
            keepalive: ms(1000),
            deadtime: ms(10000),
            initdead: ms(20000),
            media: 2,
            echo: false,
            encoding: Encoding::String,
            method: Method::Crc,
            groups: vec![group(0, "A1"), group(1, "B1")],
            script_time: ms(2000),
            devices: vec![Device { time: ms(7500), early: true }],
            boot_time: ms(18029),
            client_time: ms(0),
        },
        starts: vec![ms(0), ms(4440)],
        events: vec![
            (0, Event { at: ms(34872), fault: Fault::Stop { host: 1, back_after: ms(20385) } }),
            (1, Event { at: ms(34990), fault: Fault::Stall { host: 1, span: ms(24568) } }),
        ],
        quiet_from: ms(62829),
    });
}

/// The other had been back for long.
#[test]
fn a_farewell_read_after_a_long_stall_takes_nothing_over() {
    holds(Scenario {
        seed: 10513,
        nodes: 2,
        legacy: vec![],
        settings: Settings {
            failback: AutoFailback::On,
            keepalive: ms(1000),
            deadtime: ms(10000),
            initdead: ms(20000),
            media: 1,
            echo: false,
            encoding: Encoding::String,
            method: Method::Sha1,
            groups: vec![group(0, "A1"), group(1, "B1"), group(1, "B2")],
            script_time: ms(50),
            devices: vec![],
            boot_time: ms(9623),
            client_time: ms(0),
        },
        starts: vec![ms(2551), ms(0)],
        events: vec![
            (0, Event { at: ms(35940), fault: Fault::Stall { host: 1, span: ms(27315) } }),
            (1, Event { at: ms(35953), fault: Fault::Stop { host: 0, back_after: ms(1086) } }),
        ],
        quiet_from: ms(71283),
    });
}

/// It was not active yet, and so was not asked.
#[test]
fn a_node_that_is_executed_anew_is_asked_for_groups() {
    holds(Scenario {
        seed: 11505,
        nodes: 2,
        legacy: vec![],
        settings: Settings {
            failback: AutoFailback::Legacy,
            keepalive: ms(1000),
            deadtime: ms(10000),
            initdead: ms(20000),
            media: 2,
            echo: true,
            encoding: Encoding::Netstring,
            method: Method::Sha1,
            groups: vec![group(0, "A1"), group(0, "A2"), group(1, "B1"), group(1, "B2")],
            script_time: ms(50),
            devices: vec![],
            boot_time: ms(18671),
            client_time: ms(0),
        },
        starts: vec![ms(25090), ms(13851)],
        events: vec![
            (2, Event { at: ms(33240), fault: Fault::Cuts { cuts: vec![Cut { from: 1, to: 0, medium: 0 }, Cut { from: 1, to: 0, medium: 1 }], span: ms(10503) } }),
            (5, Event { at: ms(34330), fault: Fault::Stop { host: 0, back_after: ms(1007) } }),
            (6, Event { at: ms(34964), fault: Fault::Reload { host: 1 } }),
        ],
        quiet_from: ms(44131),
    });
}

/// A reload was pending, and what the other holds was forgotten before it was decided whether to reset it.
#[test]
fn a_node_that_dies_during_a_reload_is_reset() {
    holds(Scenario {
        seed: 22390,
        nodes: 2,
        legacy: vec![],
        settings: Settings {
            failback: AutoFailback::On,
            keepalive: ms(200),
            deadtime: ms(1000),
            initdead: ms(10000),
            media: 2,
            echo: false,
            encoding: Encoding::String,
            method: Method::Crc,
            groups: vec![group(0, "A1"), group(0, "A2"), group(1, "B1"), group(1, "B2")],
            script_time: ms(2000),
            devices: vec![Device { time: ms(7155), early: true }],
            boot_time: ms(18735),
            client_time: ms(3000),
        },
        starts: vec![ms(0), ms(0)],
        events: vec![
            (2, Event { at: ms(11226), fault: Fault::Reload { host: 1 } }),
            (4, Event { at: ms(11452), fault: Fault::Cuts { cuts: vec![Cut { from: 0, to: 1, medium: 0 }, Cut { from: 1, to: 0, medium: 0 }, Cut { from: 0, to: 1, medium: 1 }, Cut { from: 1, to: 0, medium: 1 }], span: ms(988) } }),
        ],
        quiet_from: ms(24144),
    });
}

/// The request of one life was answered to the next.
#[test]
fn an_answer_to_a_former_life_is_not_heeded() {
    holds(Scenario {
        seed: 35791,
        nodes: 2,
        legacy: vec![],
        settings: Settings {
            failback: AutoFailback::Legacy,
            keepalive: ms(1000),
            deadtime: ms(10000),
            initdead: ms(20000),
            media: 1,
            echo: false,
            encoding: Encoding::String,
            method: Method::Crc,
            groups: vec![group(0, "A1"), group(0, "A2"), group(1, "B1"), group(1, "B2")],
            script_time: ms(50),
            devices: vec![Device { time: ms(1502), early: false }, Device { time: ms(1289), early: true }],
            boot_time: ms(24876),
            client_time: ms(0),
        },
        starts: vec![ms(11232), ms(1004)],
        events: vec![
            (1, Event { at: ms(41305), fault: Fault::SlowScripts { host: 1, time: ms(5358), span: ms(4045) } }),
            (4, Event { at: ms(42536), fault: Fault::SlowScripts { host: 1, time: ms(3963), span: ms(15282) } }),
            (5, Event { at: ms(43408), fault: Fault::Stop { host: 0, back_after: ms(154) } }),
            (6, Event { at: ms(43835), fault: Fault::FailingStop { host: 0, group: 0, times: 11 } }),
            (9, Event { at: ms(47307), fault: Fault::Stop { host: 0, back_after: ms(455) } }),
        ],
        quiet_from: ms(63290),
    });
}

