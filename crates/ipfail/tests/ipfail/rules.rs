//! One rule each of `resource-protocol.md` 6.

use std::time::Duration;

use ipfail::{Action, Answer, Input, Ipfail, Question};

use crate::desk::{Desk, KEEPALIVE, message};

const GIVE_UP_ALL: &str = "t=ask_resources rsc_hold=all src=alpha info=me";
const GIVE_UP_FOREIGN: &str = "t=ask_resources rsc_hold=foreign src=alpha info=me";
const ABORT: &str = "t=abort_giveup src=alpha dest=beta";
const ONE_MORE_TIME: &str = "t=num_ping_nodes src=alpha num_ping=0 dest=beta";
const A_MOMENT: Duration = Duration::from_millis(1);

fn count(theirs: u32) -> String {
    format!("t=num_ping_nodes src=beta num_ping={theirs} dest=alpha from_id=ipfail to_id=ipfail")
}

#[test]
fn who_sees_more_says_so() {
    let mut desk = Desk::new("on");
    desk.hears(&count(0));
    assert_eq!(desk.take_sent(), ["t=you_are_dead dest=beta"]);
    assert_eq!(
        desk.log,
        [
            "debug: Got asked for num_ping.",
            "debug: Found ping node gate!",
            "info: Telling other node that we have more visible ping nodes.",
            "debug: Sending you_are_dead.",
            "debug: Message [you_are_dead] sent.",
        ]
    );
    assert_eq!(desk.core.next_deadline(), None);
}

#[test]
fn who_sees_less_gives_everything_up_after_two_keepalives_and_a_second_answer() {
    let mut desk = Desk::new("on");
    desk.sees_the_ping_node(false);
    desk.hears(&count(1));
    assert_eq!(
        desk.take_info(),
        [
            "info: Giving up because we have less visible ping nodes.",
            "info: Delayed giveup in 1 seconds."
        ]
    );
    desk.waits(2 * KEEPALIVE - A_MOMENT);
    assert_eq!(desk.take_sent(), [""; 0]);
    desk.waits(A_MOMENT);
    assert_eq!(desk.take_sent(), [ONE_MORE_TIME]);
    desk.hears("t=you_are_dead dest=alpha");
    assert_eq!(desk.take_sent(), [GIVE_UP_ALL]);
    assert_eq!(
        desk.log,
        [
            "info: Asking other side for ping node count.",
            "debug: Message [num_ping] sent.",
            "info: Giving up because we were told that we have less ping nodes.",
            "info: giveup() called (timeout worked)",
            "debug: Message [ask_resources] sent.",
            "debug: giveup timeout has been destroyed.",
        ]
    );
    desk.waits(Duration::from_secs(3600));
    assert_eq!(desk.take_sent(), [""; 0], "once is enough");
}

/// A side that does not answer any more gets the groups too, or nobody does.
#[test]
fn who_is_told_gives_everything_up_even_if_nobody_answers_the_second_time() {
    let mut desk = Desk::new("off");
    desk.sees_the_ping_node(false);
    desk.hears("t=you_are_dead dest=alpha");
    assert_eq!(
        desk.take_info(),
        [
            "info: Giving up because we were told that we have less ping nodes.",
            "info: Delayed giveup in 1 seconds."
        ]
    );
    desk.waits(4 * KEEPALIVE - A_MOMENT);
    assert_eq!(desk.take_sent(), [ONE_MORE_TIME]);
    desk.waits(A_MOMENT);
    assert_eq!(desk.take_sent(), [GIVE_UP_ALL]);
}

/// Both lost it, but the other side was slow to notice: it says so when it is told the second time.
#[test]
fn the_second_answer_may_be_that_nothing_is_to_be_done() {
    for answer in ["t=abort_giveup src=beta dest=alpha", &count(0)] {
        let mut desk = Desk::new("on");
        desk.sees_the_ping_node(false);
        desk.hears("t=you_are_dead dest=alpha");
        desk.waits(3 * KEEPALIVE);
        assert_eq!(desk.take_sent(), [ONE_MORE_TIME]);
        desk.hears(answer);
        assert_eq!(
            desk.log.last().map(String::as_str),
            Some("info: Aborted delayed giveup (3)")
        );
        desk.take_sent();
        desk.waits(Duration::from_secs(3600));
        assert_eq!(desk.take_sent(), [""; 0]);
    }
}

/// The lines are those of the legacy on a node that lost its ping node and found it again (its own log, one name
/// changed), but for the two of the second question.
#[test]
fn the_log_of_a_loss_and_a_return_reads_as_before() {
    let mut desk = Desk::new("on");
    desk.sees_the_ping_node(false);
    desk.hears("t=status seq=1 ts=1 src=gate st=dead info=ping");
    desk.hears("t=ifstat node=gate ifname=gate st=dead");
    desk.hears("t=you_are_dead dest=alpha");
    desk.waits(2 * KEEPALIVE);
    desk.hears("t=you_are_dead dest=alpha");
    desk.hears("t=ifstat node=gate ifname=gate st=up");
    desk.sees_the_ping_node(true);
    desk.hears("t=status seq=1 ts=1 src=gate st=dead info=ping");
    desk.hears("t=NS_st st=ping info=ping src=gate");
    desk.hears("t=abort_giveup src=beta dest=alpha");
    assert_eq!(
        desk.take_sent(),
        [
            "t=num_ping_nodes src=alpha num_ping=0 dest=beta",
            ONE_MORE_TIME,
            GIVE_UP_ALL,
            "t=num_ping_nodes src=alpha num_ping=1 dest=beta",
        ]
    );
    assert_eq!(
        desk.take_info(),
        [
            "info: Status update: Node gate now has status dead",
            "info: NS: We are dead. :<",
            "info: Link Status update: Link gate/gate now has status dead",
            "info: We are dead. :<",
            "info: Asking other side for ping node count.",
            "info: Giving up because we were told that we have less ping nodes.",
            "info: Delayed giveup in 1 seconds.",
            "info: Asking other side for ping node count.",
            "info: Giving up because we were told that we have less ping nodes.",
            "info: giveup() called (timeout worked)",
            "info: Link Status update: Link gate/gate now has status up",
            "info: Status update: Node gate now has status dead",
            "info: NS: We are still alive!",
            "info: Status update: Node gate now has status ping",
            "info: A ping node just came up.",
            "info: Asking other side for ping node count.",
            "info: No giveup timer to abort.",
        ]
    );
}

#[test]
fn one_lost_link_of_several_is_told_before_it_is_said() {
    let mut desk = Desk::new("on");
    desk.hears("t=ifstat node=beta ifname=eth0 st=dead");
    assert_eq!(
        desk.log,
        [
            "info: Link Status update: Link beta/eth0 now has status dead",
            "debug: Found ping node gate!",
            "info: Asking other side for ping node count.",
            "debug: Message [num_ping] sent.",
            "info: Checking remote count of ping nodes.",
        ]
    );
}

#[test]
fn with_auto_failback_what_is_foreign_goes_home_when_both_see_as_much() {
    let mut desk = Desk::new("on");
    desk.resources = Some("all");
    desk.hears(&count(1));
    assert_eq!(desk.take_sent(), [ABORT]);
    assert_eq!(
        desk.take_info(),
        [
            "info: Ping node count is balanced.",
            "info: Giving up foreign resources (auto_failback).",
            "info: Delayed giveup in 1 seconds.",
        ]
    );
    desk.waits(2 * KEEPALIVE);
    assert_eq!(desk.take_sent(), [GIVE_UP_FOREIGN]);
}

#[test]
fn without_auto_failback_everything_stays() {
    let mut desk = Desk::new("off");
    desk.hears(&count(1));
    assert_eq!(desk.take_sent(), [ABORT]);
    assert_eq!(desk.core.next_deadline(), None);
    assert!(!desk.asked.contains(&Question::Resources));
}

#[test]
fn nothing_goes_home_while_resources_move() {
    let mut desk = Desk::new("on");
    desk.resources = Some("transition");
    desk.hears(&count(1));
    assert_eq!(desk.take_info(), ["info: Ping node count is balanced."]);
    desk.clear();
    desk.waits(Duration::from_secs(3600));
    assert_eq!(desk.take_info(), [""; 0]);
    assert_eq!(desk.take_sent(), [""; 0]);
}

/// A ping node that came back during a standby: the groups stayed on the wrong node until the next event.
#[test]
fn what_is_foreign_goes_home_when_resources_have_come_to_rest() {
    let mut desk = Desk::new("on");
    desk.resources = Some("transition");
    desk.hears(&count(1));
    desk.waits(Duration::from_secs(7));
    desk.clear();
    desk.resources = Some("all");
    desk.waits(2 * KEEPALIVE);
    assert_eq!(
        desk.take_info(),
        [
            "info: Giving up foreign resources (auto_failback).",
            "info: Delayed giveup in 1 seconds.",
        ]
    );
    desk.waits(2 * KEEPALIVE);
    assert_eq!(desk.take_sent(), [GIVE_UP_FOREIGN]);
    desk.waits(Duration::from_secs(3600));
    assert_eq!(desk.take_sent(), [""; 0], "once is enough");
}

/// Meanwhile a ping node went away again, or the other side says that we see less.
#[test]
fn nothing_goes_home_when_the_balance_was_lost_before_resources_came_to_rest() {
    for event in [
        count(2),
        count(0),
        "t=you_are_dead dest=alpha".to_owned(),
        "t=ifstat node=gate ifname=gate st=dead".to_owned(),
    ] {
        let mut desk = Desk::new("on");
        desk.resources = Some("transition");
        desk.hears(&count(1));
        desk.hears(&event);
        desk.resources = Some("all");
        desk.waits(Duration::from_secs(3600));
        let sent = desk.take_sent();
        assert!(
            !sent.iter().any(|words| words == GIVE_UP_FOREIGN),
            "{event}: {sent:?}"
        );
    }
}

/// An answer that comes after everything was given up is no reason to give it up again: with a daemon that answers
/// slowly the standbys went on, one after the other, until the ping node came back in the middle of one.
#[test]
fn a_late_answer_to_the_second_question_begins_no_other_standby() {
    let mut desk = Desk::new("on");
    desk.sees_the_ping_node(false);
    desk.hears("t=you_are_dead dest=alpha");
    desk.waits(4 * KEEPALIVE);
    assert_eq!(desk.take_sent(), [ONE_MORE_TIME, GIVE_UP_ALL]);
    desk.hears("t=you_are_dead dest=alpha");
    desk.waits(Duration::from_secs(3600));
    assert_eq!(desk.take_sent(), [""; 0]);
    // A second one is news, and so is one that answers another question.
    desk.hears("t=you_are_dead dest=alpha");
    desk.waits(4 * KEEPALIVE);
    assert_eq!(desk.take_sent(), [ONE_MORE_TIME, GIVE_UP_ALL]);
    desk.hears("t=hbapi-clstat st=join from_id=ipfail src=beta");
    desk.take_sent();
    desk.hears("t=you_are_dead dest=alpha");
    desk.waits(4 * KEEPALIVE);
    assert_eq!(desk.take_sent(), [ONE_MORE_TIME, GIVE_UP_ALL]);
}

/// A daemon that manages no resources refuses to say what it holds; the legacy takes that for "nothing moves".
#[test]
fn a_refused_question_counts_as_at_rest() {
    let mut desk = Desk::new("on");
    desk.resources = None;
    desk.hears("t=you_are_dead dest=alpha");
    desk.waits(4 * KEEPALIVE);
    assert_eq!(desk.take_sent().last().unwrap(), GIVE_UP_ALL);
}

#[test]
fn a_ping_node_that_comes_back_within_the_delay_changes_nothing() {
    for by_message in [true, false] {
        let mut desk = Desk::new("on");
        desk.sees_the_ping_node(false);
        desk.hears(&count(1));
        desk.waits(2 * KEEPALIVE - A_MOMENT);
        desk.sees_the_ping_node(true);
        desk.clear();
        if by_message {
            desk.hears("t=abort_giveup src=beta dest=alpha");
            assert_eq!(desk.take_info(), ["info: Aborted delayed giveup (3)"]);
        } else {
            desk.hears(&count(1));
            assert_eq!(
                desk.take_info(),
                [
                    "info: Ping node count is balanced.",
                    "info: Aborted delayed giveup (3)"
                ]
            );
            assert_eq!(desk.take_sent(), [ABORT]);
        }
        desk.waits(Duration::from_secs(3600));
        assert_eq!(desk.take_sent(), [""; 0]);
    }
}

#[test]
fn a_new_reason_begins_a_new_delay() {
    let mut desk = Desk::new("on");
    desk.hears(&count(1));
    desk.waits(KEEPALIVE);
    desk.clear();
    desk.hears("t=you_are_dead dest=alpha");
    desk.waits(KEEPALIVE + A_MOMENT);
    assert_eq!(desk.take_sent(), [""; 0], "the foreign set is not given up");
    desk.waits(KEEPALIVE);
    assert_eq!(desk.take_sent().len(), 1, "the second question");
    desk.hears("t=you_are_dead dest=alpha");
    assert_eq!(desk.take_sent(), [GIVE_UP_ALL]);
    desk.hears("t=you_are_dead dest=alpha");
    desk.hears("t=abort_giveup src=beta dest=alpha");
    assert_eq!(desk.log.last().unwrap(), "info: Aborted delayed giveup (5)");
}

#[test]
fn a_standby_that_came_at_a_bad_time_is_tried_again() {
    let mut desk = Desk::new("on");
    desk.sees_the_ping_node(false);
    desk.hears(&count(1));
    desk.resources = Some("transition");
    desk.waits(4 * KEEPALIVE);
    assert_eq!(desk.take_sent(), [ONE_MORE_TIME]);
    desk.hears("t=resource rsc_hold=all rtype=full isstable=0 src=beta");
    desk.hears("t=resource rsc_hold=all rtype=full isstable=1 src=alpha");
    desk.hears("t=resource rsc_hold=all rtype=full isstable=1 info=req_our_resources() src=beta");
    desk.waits(Duration::from_secs(60));
    assert_eq!(
        desk.take_sent(),
        [""; 0],
        "the other side is not stable yet"
    );
    desk.hears("t=resource rsc_hold=all rtype=full isstable=1 src=beta");
    desk.hears("t=resource rsc_hold=all rtype=full isstable=1 src=beta");
    desk.waits(Duration::from_secs(10) - A_MOMENT);
    assert_eq!(desk.take_sent(), [""; 0]);
    desk.waits(A_MOMENT);
    assert_eq!(
        desk.take_sent(),
        ["t=num_ping_nodes src=alpha num_ping=0 dest=beta"]
    );
    // The answer begins it all again.
    desk.resources = Some("all");
    desk.hears("t=you_are_dead dest=alpha");
    desk.waits(4 * KEEPALIVE);
    assert_eq!(desk.take_sent(), [ONE_MORE_TIME, GIVE_UP_ALL]);
}

/// The legacy is deaf for these ten seconds.
#[test]
fn while_it_waits_for_the_other_side_to_settle_it_listens() {
    let mut desk = Desk::new("off");
    desk.hears("t=you_are_dead dest=alpha");
    desk.resources = Some("transition");
    desk.waits(4 * KEEPALIVE);
    desk.take_sent();
    desk.hears("t=resource rsc_hold=all rtype=full isstable=1 src=beta");
    desk.waits(Duration::from_secs(5));
    desk.hears(&count(0));
    assert_eq!(desk.take_sent(), ["t=you_are_dead dest=beta"]);
}

#[test]
fn alone_there_is_nobody_to_tell() {
    let mut desk = Desk::unstarted("alpha", "beta");
    desk.nodes.pop();
    desk.run();
    desk.hears("t=status src=gate st=dead");
    desk.hears("t=ifstat node=gate ifname=gate st=dead");
    desk.hears("t=NS_st src=gate st=ping");
    assert_eq!((desk.take_sent(), desk.code), (vec![], None));
}

/// What comes in while a question is open is judged afterwards, in its order.
#[test]
fn messages_wait_for_an_open_question() {
    let mut core = Ipfail::new("alpha", KEEPALIVE);
    let now = Duration::ZERO;
    core.handle(now, Input::Message(&message("t=you_are_dead dest=alpha")));
    assert_eq!(core.poll_action(), Some(Action::Ask(Question::Resources)));
    assert_eq!(core.poll_action(), None);
    assert_eq!(core.next_deadline(), None);
    for answer in [
        Answer::Value(Some("local".into())),
        Answer::Value(Some("on".into())),
        Answer::Value(None),
        Answer::Value(None),
        Answer::Nodes(Vec::new()),
    ] {
        core.handle(now, Input::Answer(answer));
        assert!(!core.giveup_is_pending());
    }
    core.handle(now, Input::Answer(Answer::Value(None)));
    assert!(core.giveup_is_pending());
    assert_eq!(core.next_deadline(), Some(2 * KEEPALIVE));
}

#[test]
fn a_daemon_that_does_not_answer_costs_no_memory() {
    let mut core = Ipfail::new("alpha", KEEPALIVE);
    let news = message("t=status src=gate st=dead");
    for _ in 0..100_000 {
        core.handle(Duration::ZERO, Input::Message(&news));
    }
    let actions = std::iter::from_fn(|| core.poll_action()).count();
    assert_eq!(actions, 2, "the first question, and one warning");
}

/// Whatever the daemon says and answers, in whatever order.
#[test]
fn nonsense_does_no_harm() {
    let words = [
        "t=status",
        "t=NS_st",
        "t=ifstat",
        "t=resource",
        "t=num_ping_nodes",
        "t=you_are_dead",
        "t=abort_giveup",
        "t=hbapi-clstat",
        "st=dead",
        "st=ping",
        "st=",
        "src=beta",
        "src=alpha",
        "num_ping=0",
        "num_ping=7",
        "num_ping=x",
        "isstable=1",
        "isstable=0",
        "info=",
        "ifname=e",
        "node=gate",
        "from_id=ipfail",
        "st=join",
    ];
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let mut core = Ipfail::new("alpha", KEEPALIVE);
    let mut now = Duration::ZERO;
    for _ in 0..50_000 {
        now += Duration::from_millis(u64::try_from(random(700)).unwrap());
        match random(6) {
            0 => core.handle(now, Input::Due),
            1 => core.handle(now, Input::Answer(Answer::Value(Some("transition".into())))),
            2 => core.handle(now, Input::Answer(Answer::Value(Some("off".into())))),
            3 => {
                let nodes = (0..random(4)).map(|_| ipfail::NodeEntry {
                    name: ["alpha", "beta", "gate", ""][random(4)].into(),
                    kind: [None, Some("normal".into()), Some("ping".into())][random(3)].clone(),
                    status: [None, Some("ping".into()), Some("dead".into())][random(3)].clone(),
                });
                core.handle(now, Input::Answer(Answer::Nodes(nodes.collect())));
            }
            _ => {
                let text: Vec<&str> = (0..=random(6))
                    .map(|_| words[random(words.len())])
                    .collect();
                core.handle(now, Input::Message(&message(&text.join(" "))));
            }
        }
        if random(3) == 0 {
            while let Some(action) = core.poll_action() {
                if matches!(action, Action::Exit(_)) {
                    core = Ipfail::new("alpha", KEEPALIVE);
                }
            }
        }
    }
}
