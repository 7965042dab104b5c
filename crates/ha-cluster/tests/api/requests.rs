//! Single requests, where the recordings are silent (`client-api.md` 3).

use ha_cluster::{Gone, Input};

use crate::pair::{A, B, PING, Pair, ms, secs, words};

fn answer(
    pair: &mut Pair,
    client: ha_cluster::ClientId,
    pid: u32,
    fields: &[(&str, &str)],
) -> String {
    pair.request(client, pid, "tiny", fields);
    let frames = pair.take(client);
    let texts: Vec<String> = frames
        .iter()
        .map(|frame| words(frame).replace("t=hbapi-resp ", ""))
        .collect();
    texts.join("; ")
}

/// Asks a question, and gives the answer in words.
type Ask = Box<dyn FnMut(&mut Pair, &[(&str, &str)]) -> String>;

fn tiny() -> (Pair, Ask) {
    let mut pair = Pair::new();
    let client = pair.sign_on("tiny", 500);
    let ask = move |pair: &mut Pair, fields: &[(&str, &str)]| answer(pair, client, 500, fields);
    (pair, Box::new(ask))
}

#[test]
fn names_of_nodes_are_found_in_any_case() {
    let (mut pair, mut ask) = tiny();
    assert_eq!(
        ask(&mut pair, &[("reqtype", "nodestatus"), ("node", "NodeB")]),
        "reqtype=nodestatus st=active result=OK"
    );
    for request in ["nodestatus", "nodeweight", "nodesite", "nodetype", "iflist"] {
        for node in [&[("node", "nosuch")][..], &[]] {
            let fields = [&[("reqtype", request)], node].concat();
            assert_eq!(
                ask(&mut pair, &fields),
                format!("reqtype={request} result=badreq info=EINVAL")
            );
        }
    }
}

#[test]
fn links_of_nodes_and_of_ping_nodes() {
    let (mut pair, mut ask) = tiny();
    for (node, link) in [("nodea", "eth0"), ("nodeb", "eth0"), (PING, PING)] {
        assert_eq!(
            ask(&mut pair, &[("reqtype", "iflist"), ("node", node)]),
            format!("reqtype=iflist ifname={link} st=up result=OK")
        );
        assert_eq!(
            ask(
                &mut pair,
                &[("reqtype", "ifstatus"), ("node", node), ("ifname", link)]
            ),
            "reqtype=ifstatus st=up result=OK"
        );
        assert_eq!(
            ask(
                &mut pair,
                &[("reqtype", "ifstatus"), ("node", node), ("ifname", "eth9")]
            ),
            "reqtype=ifstatus result=badreq info=EINVAL"
        );
    }
    pair.silence(B);
    pair.run(secs(8));
    let dead = ask(
        &mut pair,
        &[
            ("reqtype", "ifstatus"),
            ("node", "nodeb"),
            ("ifname", "eth0"),
        ],
    );
    assert!(
        dead.ends_with("reqtype=ifstatus st=dead result=OK"),
        "{dead}"
    );
}

#[test]
fn a_bad_request_is_logged_with_its_fields() {
    let (mut pair, mut ask) = tiny();
    pair.log();
    ask(&mut pair, &[("reqtype", "nodestatus"), ("node", "nosuch")]);
    assert_eq!(
        pair.log(),
        [
            "api_process_request: bad request [nodestatus]",
            "MSG: Dumping message with 6 fields",
            "MSG[0] : [t=hbapi-req]",
            "MSG[1] : [reqtype=nodestatus]",
            "MSG[2] : [dest=nodea]",
            "MSG[3] : [pid=500]",
            "MSG[4] : [from_id=tiny]",
            "MSG[5] : [node=nosuch]",
        ]
    );
}

#[test]
fn signals_that_would_kill_announce_nothing() {
    let (mut pair, mut ask) = tiny();
    for signal in ["9", "19", "32", "-1", "x"] {
        assert_eq!(
            ask(&mut pair, &[("reqtype", "setsignal"), ("signal", signal)]),
            "reqtype=setsignal result=badreq info=EINVAL"
        );
    }
    assert_eq!(
        ask(&mut pair, &[("reqtype", "setsignal")]),
        "reqtype=setsignal result=badreq"
    );
}

#[test]
fn a_signal_announces_every_message() {
    let mut pair = Pair::new();
    let client = pair.sign_on("tiny", 500);
    pair.request(
        client,
        500,
        "tiny",
        &[("reqtype", "setsignal"), ("signal", "10")],
    );
    pair.say(client, &[("t", "tinytest")]);
    assert_eq!(pair.take(client).len(), 2);
    let notices = std::mem::take(&mut pair.heard(client).notices);
    assert_eq!(notices.len(), 2);
    assert!(
        notices
            .iter()
            .all(|n| (n.pid, n.uid, n.signal) == (500, 0, 10))
    );
    pair.request(
        client,
        500,
        "tiny",
        &[("reqtype", "setsignal"), ("signal", "0")],
    );
    pair.say(client, &[("t", "tinytest")]);
    assert!(pair.heard(client).notices.is_empty());
}

#[test]
fn masks_have_to_show_something_and_only_root_looks_behind_the_scene() {
    let mut pair = Pair::new();
    let root = pair.sign_on("tiny", 500);
    for mask in [
        &[("reqtype", "setfilter"), ("fmask", "0")][..],
        &[("reqtype", "setfilter")],
    ] {
        assert_eq!(
            answer(&mut pair, root, 500, mask),
            "reqtype=setfilter result=badreq info=EINVAL"
        );
    }
    let other = pair.sign_on_at(A, "ipfail", 501, 103, 106);
    pair.take(other);
    for (mask, outcome) in [("f", "badreq info=EPERM"), ("1", "OK")] {
        pair.request(
            other,
            501,
            "ipfail",
            &[("reqtype", "setfilter"), ("fmask", mask)],
        );
        assert_eq!(
            words(&pair.take(other)[0]),
            format!("t=hbapi-resp reqtype=setfilter result={outcome}")
        );
    }
}

#[test]
fn the_debug_level_is_the_one_in_force() {
    let (mut pair, mut ask) = tiny();
    let question = [("reqtype", "getparm"), ("pname", "debug")];
    assert_eq!(
        ask(&mut pair, &question),
        "reqtype=getparm pvalue=0 result=OK"
    );
    pair.feed(A, Input::DebugLevel(2));
    assert_eq!(
        ask(&mut pair, &question),
        "reqtype=getparm pvalue=2 result=OK"
    );
}

/// `client-api.md` 3.21
#[test]
fn parameters_that_are_not_in_the_file() {
    let (mut pair, mut ask) = tiny();
    for (name, value) in [
        ("hbversion", Some("2.1.3")),
        ("cluster", Some("linux-ha")),
        ("hopfudge", Some("1")),
        ("deadping", Some("5000ms")),
        ("conn_logd_time", Some("60")),
        ("log_badpack", Some("true")),
        ("syslogmsgfmt", Some("false")),
        ("coredumps", Some("true")),
        ("autojoin", Some("none")),
        ("uuidfrom", Some("file")),
        ("compression", Some("zlib")),
        ("compression_threshold", Some("2")),
        ("traditional_compression", Some("no")),
        ("max_rexmit_delay", Some("250")),
        ("record_config_changes", Some("on")),
        ("record_pengine_inputs", Some("on")),
        ("enable_config_writes", Some("on")),
        ("memreserve", Some("6500")),
        ("msgfmt", Some("classic")),
        ("crm", Some("false")),
        ("pacemaker", None),
        ("quorum_server", None),
        ("watchdog", None),
        ("coreroot", None),
        ("node", None),
        ("apiauth", None),
    ] {
        let expected = match value {
            Some(value) => format!("reqtype=getparm pvalue={value} result=OK"),
            None => "reqtype=getparm result=OK".to_owned(),
        };
        assert_eq!(
            ask(&mut pair, &[("reqtype", "getparm"), ("pname", name)]),
            expected,
            "{name}"
        );
    }
}

#[test]
fn while_resources_move_the_answer_is_transition() {
    let (mut pair, mut ask) = tiny();
    pair.silence(B);
    let question = [("reqtype", "getrsc")];
    assert_eq!(
        ask(&mut pair, &question),
        "reqtype=getrsc rsc_hold=local result=OK"
    );
    let mut seen = Vec::new();
    for _ in 0..100 {
        pair.run(ms(100));
        let reply = ask(&mut pair, &question);
        let held = reply
            .rsplit("rsc_hold=")
            .next()
            .unwrap_or_default()
            .to_owned();
        if seen.last() != Some(&held) {
            seen.push(held);
        }
    }
    assert_eq!(
        seen.last().map(String::as_str),
        Some("all result=OK"),
        "{seen:?}"
    );
}

#[test]
fn queue_lengths_are_set_without_an_answer() {
    let mut pair = Pair::new();
    let client = pair.sign_on("tiny", 500);
    pair.log();
    assert_eq!(
        answer(
            &mut pair,
            client,
            500,
            &[("reqtype", "set_sendqlen"), ("sendqlen", "200")]
        ),
        ""
    );
    assert_eq!(pair.heard(client).queue, Some(200));
    assert_eq!(
        pair.log(),
        ["the send queue length from heartbeat to client tiny is set to 200"]
    );
    for bad in ["0", "x", "-5"] {
        assert_eq!(
            answer(
                &mut pair,
                client,
                500,
                &[("reqtype", "set_sendqlen"), ("sendqlen", bad)]
            ),
            ""
        );
        assert_eq!(pair.heard(client).queue, Some(200));
    }
}

#[test]
fn nobody_asks_in_the_name_of_another() {
    let mut pair = Pair::new();
    let older = pair.sign_on("older", 400);
    let newer = pair.sign_on("newer", 500);
    pair.log();
    for (client, pid, name, text) in [
        (older, 500, "newer", "Client mismatch! (impersonation?)"),
        (newer, 400, "older", "Client mismatch! (impersonation?)"),
        (
            newer,
            7,
            "nobody",
            "api_process_request: msg from non-client",
        ),
    ] {
        pair.run(secs(11));
        pair.log();
        pair.request(client, pid, name, &[("reqtype", "numnodes")]);
        assert!(pair.take(client).is_empty());
        assert_eq!(pair.log().first().map(String::as_str), Some(text));
    }
    pair.run(secs(11));
    pair.log();
    pair.say(newer, &[("t", "hbapi-req"), ("reqtype", "numnodes")]);
    assert!(pair.take(newer).is_empty());
    assert_eq!(pair.log().len(), 4);
    // Half of it is enough, as long as nobody newer is meant.
    pair.request(newer, 500, "older", &[("reqtype", "numnodes")]);
    pair.request(newer, 1, "newer", &[("reqtype", "numnodes")]);
    assert_eq!(pair.take(newer).len(), 2);
}

#[test]
fn a_client_of_another_node_is_asked_for_there() {
    let mut pair = Pair::new();
    let casual = pair.sign_on("500", 500);
    pair.sign_on_at(B, "tiny", 700, 0, 0);
    for (name, state) in [("tiny", "online"), ("nosuch", "offline")] {
        pair.request(
            casual,
            500,
            "500",
            &[("reqtype", "clientstatus"), ("node", "nodeb"), ("cn", name)],
        );
        let frames = pair.take(casual);
        assert_eq!(
            frames.iter().map(words).collect::<Vec<_>>(),
            [format!(
                "t=respond-cstatus dest=nodea result=OK cn={name} to_id=500 cs={state} src=nodeb"
            )]
        );
    }
    pair.silence(B);
    pair.run(secs(8));
    pair.take(casual);
    pair.request(
        casual,
        500,
        "500",
        &[
            ("reqtype", "clientstatus"),
            ("node", "nodeb"),
            ("cn", "tiny"),
        ],
    );
    assert_eq!(
        pair.take(casual).iter().map(words).collect::<Vec<_>>(),
        ["t=hbapi-resp reqtype=clientstatus subt=respond-cstatus cs=offline result=OK"]
    );
}

#[test]
fn everybody_answers_a_question_to_all() {
    let mut pair = Pair::new();
    let client = pair.sign_on("tiny", 500);
    pair.sent(A);
    pair.say(
        client,
        &[("t", "query-cstatus"), ("cn", "tiny"), ("from_id", "tiny")],
    );
    let mut answers: Vec<String> = pair.take(client).iter().map(words).collect();
    answers.sort();
    assert_eq!(
        answers,
        [
            "t=respond-cstatus dest=nodea result=OK cn=tiny to_id=tiny cs=offline src=nodeb",
            "t=respond-cstatus dest=nodea result=OK cn=tiny to_id=tiny cs=online src=nodea",
        ]
    );
}

#[test]
fn uuids_and_names() {
    let (mut pair, mut ask) = tiny();
    for (node, uuid) in [
        ("nodea", "(1)queryuuid=0G14h1SXQLur6rvTqvFqHQ== "),
        ("NODEB", "(1)queryuuid=r3/2Wg7oTXWJD/U7w+FvJg== "),
        (PING, ""),
    ] {
        assert_eq!(
            ask(&mut pair, &[("reqtype", "getuuid"), ("queryname", node)]),
            format!("reqtype=getuuid {uuid}result=OK")
        );
    }
    assert_eq!(
        ask(
            &mut pair,
            &[
                ("reqtype", "getnodename"),
                ("(1)queryuuid", "0G14h1SXQLur6rvTqvFqHQ==")
            ]
        ),
        "reqtype=getnodename queryname=nodea result=OK"
    );
    pair.log();
    assert_eq!(
        ask(
            &mut pair,
            &[
                ("reqtype", "getnodename"),
                ("(1)queryuuid", "AAAAAAAAAAAAAAAAAAAAAA==")
            ]
        ),
        "reqtype=getnodename result=OK"
    );
    assert_eq!(
        pair.log(),
        ["api_get_nodename: nodename not found in map table"]
    );
}

#[test]
fn casual_clients_come_and_go_in_silence() {
    let mut pair = Pair::new();
    pair.sent(A);
    let client = pair.sign_on("500", 500);
    pair.request(client, 500, "500", &[("reqtype", "signoff")]);
    assert!(pair.take(client).is_empty());
    assert!(pair.heard(client).closed);
    assert!(pair.sent(A).is_empty());
    // A connection that is closed already says no more.
    pair.gone(client, Gone::Closed);
    assert!(pair.sent(A).is_empty());
}
