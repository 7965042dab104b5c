//! Who may not sign on, and what is said to it, to the log and to the cluster (`client-api.md` 2.3).

use crate::pair::{A, B, NO_PROCESS, Pair, ha_cf_of, words};
use crate::trace::Frame;

/// Signs on with these words of the sign-on, from a process with pid 500, user 0 and group 0.
fn sign_on(pair: &mut Pair, fields: &[(&str, &str)]) -> Vec<Frame> {
    let client = pair.connect_to(A, 500, 0, 0);
    let mut all = vec![("t", "hbapi-req"), ("reqtype", "signon"), ("dest", "nodea")];
    all.extend(fields);
    pair.say(client, &all);
    let frames = pair.take(client);
    let refused = frames
        .iter()
        .any(|frame| frame.get("result") == Some("badreq"));
    assert_eq!(pair.heard(client).closed, refused, "{frames:?}");
    frames
}

fn refused(
    pair: &mut Pair,
    fields: &[(&str, &str)],
    info: &str,
    leave: (&str, &str),
    log: &[&str],
) {
    pair.log();
    pair.sent(A);
    let frames = sign_on(pair, fields);
    let [reply, farewell] = &frames[..] else {
        panic!("{frames:?}")
    };
    assert_eq!(
        words(reply),
        format!(
            "t=hbapi-resp reqtype=signon info={info} result=badreq deadtime=1388 keepalive=1f4 node=nodea \
             hbversion=2.1.3 pacemaker=false logfacility=128"
        )
    );
    let (name, reason) = leave;
    let start = format!(
        "t=hbapi-clstat st=leave from_id={name} to_id={name} src=nodea info={reason} client_gen="
    );
    assert!(words(farewell).starts_with(&start), "{farewell:?}");
    assert_eq!(pair.log(), log);
    assert!(
        pair.sent(A).is_empty(),
        "a stranger's departure is nobody else's business"
    );
}

const NAME: (&str, &str) = ("from_id", "tiny");
const PID: (&str, &str) = ("pid", "500");
const UID: (&str, &str) = ("uid", "0");
const GID: (&str, &str) = ("gid", "0");

#[test]
fn the_process_does_not_exist() {
    let mut pair = Pair::new();
    for (pid, told) in [
        (NO_PROCESS.to_string(), NO_PROCESS),
        ("0".into(), 0),
        ("-1".into(), 0),
    ] {
        refused(
            &mut pair,
            &[("pid", &pid), NAME, UID, GID],
            "bad pid",
            ("", "died"),
            &[
                &format!("api_add_client: bad pid [{told}]"),
                "api_process_registration_msg: cannot add client()",
            ],
        );
        // The next one within ten seconds would not be logged.
        pair.run(crate::pair::secs(11));
    }
}

#[test]
fn the_name_is_taken() {
    let mut pair = Pair::new();
    pair.sign_on("tiny", 400);
    refused(
        &mut pair,
        &[PID, NAME, UID, GID],
        "duplicate add request",
        ("", "duplicate add request"),
        &[
            "duplicate client add request [tiny] [500]",
            "api_process_registration_msg: cannot add client()",
        ],
    );
}

#[test]
fn it_does_not_say_who_it_is() {
    let mut pair = Pair::new();
    refused(
        &mut pair,
        &[PID, NAME, UID, ("gid", "wheel")],
        "invalid id info",
        ("tiny", "invalid id info"),
        &[
            "Client user/group id is incorrect [0] => 0 [wheel] => -1",
            "api_process_registration_msg: cannot add client(tiny)",
        ],
    );
}

#[test]
fn it_says_that_it_is_somebody_else() {
    let mut pair = Pair::new();
    let reason = "incorrect/false credentials";
    let log = ["api_process_registration_msg: cannot add client(tiny)"];
    refused(
        &mut pair,
        &[PID, NAME, ("uid", "103"), GID],
        reason,
        ("tiny", reason),
        &log,
    );
    pair.run(crate::pair::secs(11));
    refused(
        &mut pair,
        &[PID, NAME, UID, ("gid", "106")],
        reason,
        ("tiny", reason),
        &log,
    );
}

#[test]
fn the_name_is_not_for_it() {
    let mut pair = Pair::new();
    let reason = "client failed authorization";
    refused(
        &mut pair,
        &[PID, ("from_id", "ccm"), UID, GID],
        reason,
        ("ccm", reason),
        &[
            "Client [ccm] pid 500 failed authorization [client failed authorization]",
            "api_process_registration_msg: cannot add client(ccm)",
        ],
    );
}

#[test]
fn nobody_may_use_the_name() {
    let text =
        b"logfacility local0\nbcast eth0\nping 10.77.1.254\nauto_failback off\nnode nodea nodeb\n\
keepalive 500ms\ndeadtime 5\nwarntime 2\ninitdead 6\n";
    let mut pair = Pair::with(&ha_cf_of(text));
    let reason = "no default client auth";
    refused(
        &mut pair,
        &[PID, NAME, UID, GID],
        reason,
        ("tiny", reason),
        &[
            "Client [tiny] pid 500 failed authorization [no default client auth]",
            "api_process_registration_msg: cannot add client(tiny)",
        ],
    );
}

#[test]
fn it_speaks_for_another_process() {
    let mut pair = Pair::new();
    refused(
        &mut pair,
        &[("pid", "1"), NAME, UID, GID],
        "pid mismatch",
        ("tiny", "pid mismatch"),
        &[
            "PID mismatch: 1 vs farside_pid: 500",
            "Client [tiny] pid 1 failed authorization [pid mismatch]",
            "api_process_registration_msg: cannot add client(tiny)",
        ],
    );
}

#[test]
fn a_process_that_the_kernel_cannot_name_is_believed() {
    let mut pair = Pair::new();
    let client = pair.connect_to(A, 0, 0, 0);
    let fields = [
        ("t", "hbapi-req"),
        ("reqtype", "signon"),
        PID,
        NAME,
        UID,
        GID,
    ];
    pair.say(client, &fields);
    assert_eq!(
        pair.take(client).last().and_then(|f| f.get("result")),
        Some("OK")
    );
}

/// 2.1 turns root away when its group is not haclient.
#[test]
fn root_without_a_group_may_ask() {
    let mut pair = Pair::new();
    let frames = sign_on(&mut pair, &[PID, ("from_id", "500"), UID, GID]);
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].get("result"), Some("OK"));
}

#[test]
fn the_group_haclient_may_ask_and_others_may_not() {
    let mut pair = Pair::new();
    for (uid, gid, result) in [(1000, 106, "OK"), (1000, 1000, "badreq"), (0, 5, "OK")] {
        let client = pair.sign_on_at(A, "600", 600, uid, gid);
        let frames = pair.take(client);
        assert_eq!(frames[0].get("result"), Some(result), "{uid}:{gid}");
        pair.gone(client, ha_cluster::Gone::Closed);
    }
}

/// The legacy runs on into the memory behind the name.
#[test]
fn a_long_name_is_cut() {
    let mut pair = Pair::new();
    let name = "n".repeat(40);
    let client = pair.sign_on_at(A, &name, 500, 0, 0);
    let frames = pair.take(client);
    let cut = "n".repeat(31);
    assert_eq!(frames[0].get("from_id"), Some(&*cut));
    assert_eq!(pair.core(A).snapshot().clients, [&*cut]);
    // It goes on calling itself by the long name, and is known by its pid.
    pair.request(client, 500, &name, &[("reqtype", "numnodes")]);
    assert_eq!(pair.take(client)[0].get("numnodes"), Some("2"));
    let duplicate = pair.sign_on_at(A, &format!("{cut}x"), 501, 0, 0);
    assert_eq!(
        pair.take(duplicate)[0].get("info"),
        Some("duplicate add request")
    );
}

#[test]
fn what_is_no_sign_on_counts_but_is_not_answered() {
    let mut pair = Pair::new();
    let client = pair.connect_to(A, 500, 0, 0);
    pair.log();
    for fields in [
        &[("t", "hbapi-req"), ("reqtype", "nodelist"), PID][..],
        &[("t", "tinytest")][..],
    ] {
        pair.say(client, fields);
    }
    assert!(pair.take(client).is_empty());
    assert!(!pair.heard(client).closed);
    assert_eq!(
        pair.log()[..2],
        [
            "api_process_registration_msg: bad message",
            "MSG: Dumping message with 3 fields"
        ]
    );
    let fields = [
        ("t", "hbapi-req"),
        ("reqtype", "signon"),
        PID,
        NAME,
        UID,
        GID,
    ];
    pair.say(client, &fields);
    let frames = pair.take(client);
    assert_eq!(frames[0].get("client_gen"), Some("2"));
    assert_eq!(frames[1].get("result"), Some("OK"));
}

#[test]
fn each_refusal_has_a_generation_of_its_own() {
    let mut pair = Pair::new();
    for expected in ["0", "1"] {
        let frames = sign_on(&mut pair, &[("pid", "1"), NAME, UID, GID]);
        assert_eq!(frames[1].get("client_gen"), Some(expected));
    }
    let frames = sign_on(&mut pair, &[PID, NAME, UID, GID]);
    assert_eq!(frames[0].get("client_gen"), Some("2"));
}

#[test]
fn the_other_node_hears_of_arrivals_and_departures_of_its_own_kind_only() {
    let mut pair = Pair::new();
    let there = pair.sign_on_at(B, "tiny", 700, 0, 0);
    let other = pair.sign_on_at(B, "other", 701, 0, 0);
    pair.take_at(B, there);
    pair.take_at(B, other);
    let client = pair.sign_on("tiny", 500);
    pair.request(client, 500, "tiny", &[("reqtype", "signoff")]);
    let heard: Vec<String> = pair.take_at(B, there).iter().map(words).collect();
    assert_eq!(
        heard,
        [
            "t=hbapi-clstat st=join from_id=tiny to_id=tiny src=nodea info=signon client_gen=0",
            "t=hbapi-clstat st=leave from_id=tiny to_id=tiny src=nodea info=signoff client_gen=0",
        ]
    );
    assert!(pair.take_at(B, other).is_empty());
}
