//! What is asked at the start, and the ways to end there.

use ipfail::{Input, Question, exit};

use crate::desk::{Desk, KEEPALIVE};

#[test]
fn the_questions_of_the_start_have_the_legacys_order() {
    let mut desk = Desk::unstarted("alpha", "beta");
    desk.run();
    assert_eq!(
        desk.asked,
        [
            Question::Resources,
            Question::Parameter("auto_failback"),
            Question::Parameter("coreroot"),
            Question::Filter(1),
            Question::Nodes,
            Question::Signal(0),
        ]
    );
    assert_eq!(
        desk.log,
        [
            "debug: [We are alpha]",
            "debug: auto_failback -> 1 (on)",
            "debug: Setting message filter mode",
            "debug: Starting node walk",
            "debug: Cluster node: beta: status: active",
            "debug: [They are beta]",
            "debug: Cluster node: alpha: status: active",
            "debug: Cluster node: gate: status: ping",
            "debug: Setting message signal",
            "debug: Waiting for messages...",
        ]
    );
    assert_eq!((desk.sent.len(), desk.code), (0, None));
}

/// The list of a 2.1 daemon has names only.
#[test]
fn what_the_list_does_not_say_is_asked_for() {
    let mut desk = Desk::unstarted("alpha", "beta");
    desk.full_list = false;
    desk.run();
    let of = |name: &str| {
        [
            Question::NodeStatus(name.to_owned()),
            Question::NodeKind(name.to_owned()),
        ]
    };
    assert_eq!(
        desk.asked[5..11],
        [of("beta"), of("alpha"), of("gate")].concat()
    );
    desk.clear();
    desk.hears("t=hbapi-clstat st=join from_id=ipfail src=beta");
    assert_eq!(desk.asked.len(), 4, "the list and a status each");
    assert_eq!(
        desk.sent,
        ["t=num_ping_nodes src=alpha num_ping=1 dest=beta"]
    );
}

#[test]
fn auto_failback_is_read_as_it_stands_in_ha_cf() {
    for (word, said) in [
        ("off", Some("debug: auto_failback -> 0 (off)")),
        ("Yes", Some("debug: auto_failback -> 1 (Yes)")),
        ("0", Some("debug: auto_failback -> 0 (0)")),
        ("legacy", None),
        ("LEGACY", None),
        ("perhaps", None),
    ] {
        let mut desk = Desk::unstarted("alpha", "beta");
        desk.auto_failback = Some(word);
        desk.run();
        assert_eq!(desk.code.is_none(), said.is_some(), "{word}");
        assert!(
            said.is_none_or(|line| desk.log.iter().any(|l| l == line)),
            "{word}"
        );
    }
}

#[test]
fn each_refusal_has_its_exit_code() {
    let code = |change: fn(&mut Desk)| {
        let mut desk = Desk::unstarted("alpha", "beta");
        change(&mut desk);
        desk.run();
        (desk.code, desk.take_info())
    };
    let lines = |line: &str| vec![line.to_owned()];
    assert_eq!(
        code(|desk| desk.resources = None),
        (Some(exit::REST), lines("ERROR: No managed resources"))
    );
    assert_eq!(
        code(|desk| desk.auto_failback = Some("legacy")),
        (
            Some(exit::REST),
            lines("ERROR: auto_failback set to incompatible legacy option.")
        )
    );
    assert_eq!(code(|desk| desk.auto_failback = None).0, Some(exit::REST));
    let refusing = |refuses: fn(&Question) -> bool| {
        let mut desk = Desk::unstarted("alpha", "beta");
        desk.refuses = refuses;
        desk.run();
        desk.code
    };
    assert_eq!(refusing(|q| matches!(q, Question::Filter(_))), Some(8));
    assert_eq!(refusing(|q| *q == Question::Nodes), Some(9));
    assert_eq!(refusing(|q| matches!(q, Question::Signal(_))), Some(13));
    assert_eq!(
        refusing(|q| *q == Question::Parameter("coreroot")),
        None,
        "nothing follows from coreroot"
    );
    let mut desk = Desk::new("on");
    desk.refuses = |question| *question == Question::Nodes;
    desk.hears("t=status src=gate st=dead");
    assert_eq!(desk.code, Some(16));
}

#[test]
fn a_node_without_a_name_cannot_work() {
    let mut desk = Desk::unstarted("alpha", "beta");
    desk.core = ipfail::Ipfail::new("", KEEPALIVE);
    desk.run();
    assert_eq!((desk.code, desk.asked.len()), (Some(exit::NODE_NAME), 0));
}

#[test]
fn the_end_comes_once() {
    let mut desk = Desk::new("on");
    desk.hears("t=you_are_dead dest=alpha");
    desk.core.handle(desk.now, Input::Stop);
    desk.core.handle(desk.now, Input::Lost);
    desk.run();
    assert_eq!(desk.code, Some(exit::STOPPED));
    assert_eq!(desk.core.next_deadline(), None);
    desk.hears("t=you_are_dead dest=alpha");

    let mut desk = Desk::new("on");
    desk.core.handle(desk.now, Input::Lost);
    desk.run();
    assert_eq!(desk.code, Some(exit::LOST));
}
