//! Faults of the core that a legacy partner showed, each with the scenario that showed it, shrunk, and written out as in
//! `regressions.rs`. The partner is the model of `ha_sim::legacy`; nothing of what it does is excused here.
#![cfg_attr(rustfmt, rustfmt_skip)]

mod common;

use ha_cluster::{AutoFailback, Hold};
use ha_sim::legacy::{LegacyNode, Version};
use ha_sim::plan::{Cut, Event, Fault, Scenario, Weather};
use ha_sim::settings::{Device, Settings};
use ha_sim::run;
use ha_wire::{Encoding, Method};

use common::{group, ms};

/// No rule is broken in this scenario, and no quirk of the partner keeps it from settling.
#[track_caller]
fn settles(scenario: Scenario) {
    let outcome = run(&scenario, true);
    assert_eq!((outcome.violation, outcome.excused), (None, None), "\n{}", outcome.timeline);
}

/// Both executed themselves anew at once. The legacy waited for a word on what we hold, and we for its answer to a
/// question that it does not answer twice.
#[test]
fn a_legacy_node_that_waits_for_a_first_word_is_told() {
    settles(Scenario {
        seed: 1207,
        nodes: 2,
        legacy: vec![Some(LegacyNode { version: Version::V2_1, lag: ms(0) }), None],
        settings: Settings {
            failback: AutoFailback::Off,
            keepalive: ms(2000),
            deadtime: ms(30000),
            initdead: ms(60000),
            media: 1,
            echo: false,
            encoding: Encoding::String,
            method: Method::Md5,
            groups: vec![group(0, "A1"), group(1, "B1")],
            script_time: ms(0),
            devices: vec![],
            boot_time: ms(32974),
            client_time: ms(3000),
        },
        starts: vec![ms(828), ms(1804)],
        events: vec![
            (0, Event { at: ms(78204), fault: Fault::Reload { host: 0 } }),
            (1, Event { at: ms(78212), fault: Fault::Reload { host: 1 } }),
        ],
        quiet_from: ms(105093),
    });
}

/// We held the groups of the legacy, restarted faster than it could notice, and took our own again; its own stayed down.
#[test]
fn groups_that_nobody_owns_are_offered_to_a_legacy_node() {
    settles(Scenario {
        seed: 193,
        nodes: 2,
        legacy: vec![None, Some(LegacyNode { version: Version::V2_1, lag: ms(0) })],
        settings: Settings {
            failback: AutoFailback::On,
            keepalive: ms(2000),
            deadtime: ms(30000),
            initdead: ms(60000),
            media: 1,
            echo: false,
            encoding: Encoding::String,
            method: Method::Crc,
            groups: vec![group(0, "A1"), group(1, "B1")],
            script_time: ms(50),
            devices: vec![Device { time: ms(2687), early: false }, Device { time: ms(1580), early: true }],
            boot_time: ms(24679),
            client_time: ms(0),
        },
        starts: vec![ms(38906), ms(1408)],
        events: vec![
            (1, Event { at: ms(88263), fault: Fault::Standby { host: 1, set: Hold::LOCAL } }),
            (3, Event { at: ms(135002), fault: Fault::PowerCut { host: 0, back_after: ms(261), new_disk: false } }),
        ],
        quiet_from: ms(174475),
    });
}

/// It asked for an old word again, which then was the last that it heard of us.
#[test]
fn a_legacy_node_is_told_again_what_an_old_word_has_undone() {
    settles(Scenario {
        seed: 1422,
        nodes: 2,
        legacy: vec![None, Some(LegacyNode { version: Version::V3_0, lag: ms(0) })],
        settings: Settings {
            failback: AutoFailback::On,
            keepalive: ms(500),
            deadtime: ms(3000),
            initdead: ms(12000),
            media: 2,
            echo: false,
            encoding: Encoding::String,
            method: Method::Sha1,
            groups: vec![group(0, "A1"), group(1, "B1"), group(1, "B2")],
            script_time: ms(400),
            devices: vec![],
            boot_time: ms(5281),
            client_time: ms(0),
        },
        starts: vec![ms(169), ms(875)],
        events: vec![
            (5, Event { at: ms(4829), fault: Fault::PowerCut { host: 1, back_after: ms(1511), new_disk: false } }),
            (8, Event { at: ms(13119), fault: Fault::Weather { weather: Weather { loss: 40, duplicate: 20, corrupt: 0, late: 0, delay: ms(3000) }, span: ms(7139) } }),
        ],
        quiet_from: ms(19851),
    });
}

/// The link was cut while we asked for a standby, and the request came when it was over (`resource-protocol.md` 3.7). The legacy
/// answered, waited for our groups for an hour, and meanwhile for no other request.
#[test]
fn a_legacy_node_that_answered_too_late_does_not_wait_for_an_hour() {
    let cuts = vec![Cut { from: 0, to: 1, medium: 0 }, Cut { from: 1, to: 0, medium: 0 }];
    settles(Scenario {
        seed: 1,
        nodes: 2,
        legacy: vec![None, Some(LegacyNode { version: Version::V3_0, lag: ms(0) })],
        settings: Settings {
            failback: AutoFailback::Off,
            keepalive: ms(1000),
            deadtime: ms(30000),
            initdead: ms(30000),
            media: 1,
            echo: false,
            encoding: Encoding::String,
            method: Method::Crc,
            groups: vec![group(0, "A1"), group(1, "B1")],
            script_time: ms(50),
            devices: vec![],
            boot_time: ms(10000),
            client_time: ms(0),
        },
        starts: vec![ms(0), ms(10)],
        events: vec![
            (0, Event { at: ms(26000), fault: Fault::Cuts { cuts, span: ms(14000) } }),
            (1, Event { at: ms(26050), fault: Fault::Standby { host: 0, set: Hold::ALL } }),
        ],
        quiet_from: ms(45000),
    });
}

/// The legacy node was executed anew and holds nothing, we had taken over from it and not yet acquired for the first time.
/// It waited for our word, and we, who asked nobody because a takeover had called everything stable, for its.
#[test]
fn a_legacy_node_that_says_nothing_after_a_takeover_is_asked() {
    settles(Scenario {
        seed: 14416,
        nodes: 2,
        legacy: vec![None, Some(LegacyNode { version: Version::V2_1, lag: ms(0) })],
        settings: Settings {
            failback: AutoFailback::On,
            keepalive: ms(500),
            deadtime: ms(3000),
            initdead: ms(12000),
            media: 1,
            echo: false,
            encoding: Encoding::String,
            method: Method::Crc,
            groups: vec![group(0, "A1"), group(1, "B1"), group(1, "B2")],
            script_time: ms(2000),
            devices: vec![],
            boot_time: ms(14783),
            client_time: ms(0),
        },
        starts: vec![ms(1750), ms(1150)],
        events: vec![
            (0, Event { at: ms(2112), fault: Fault::FailingStart { host: 1, group: 0, span: ms(1079) } }),
            (1, Event { at: ms(5448), fault: Fault::Reload { host: 1 } }),
            (2, Event { at: ms(5690), fault: Fault::Cuts { cuts: vec![Cut { from: 1, to: 0, medium: 0 }, Cut { from: 0, to: 1, medium: 0 }], span: ms(1398) } }),
            (3, Event { at: ms(6072), fault: Fault::Kill { host: 1, back_after: ms(4863) } }),
            (4, Event { at: ms(9344), fault: Fault::Kill { host: 1, back_after: ms(112) } }),
            (5, Event { at: ms(12540), fault: Fault::Standby { host: 0, set: Hold::ALL } }),
            (6, Event { at: ms(12667), fault: Fault::PowerCut { host: 0, back_after: ms(235), new_disk: false } }),
            (7, Event { at: ms(12799), fault: Fault::Stop { host: 0, back_after: ms(1084) } }),
            (8, Event { at: ms(16446), fault: Fault::Replay { host: 1, of: 0, count: 3 } }),
            (9, Event { at: ms(16774), fault: Fault::Cuts { cuts: vec![Cut { from: 0, to: 1, medium: 0 }, Cut { from: 1, to: 0, medium: 0 }], span: ms(5035) } }),
            (10, Event { at: ms(17015), fault: Fault::Reload { host: 1 } }),
        ],
        quiet_from: ms(22811),
    });
}
