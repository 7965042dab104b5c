//! Clients that are gone, silent, slow, or talk too much (`client-api.md` 1.3, 1.5).

use ha_cluster::{Gone, Input};
use proptest::prelude::*;

use crate::pair::{A, B, NO_PROCESS, Pair, ms, secs, words};

/// The departure of `tiny` as the other node hears it, for each way to go.
#[test]
fn reasons_to_leave() {
    for (gone, reason) in [
        (Gone::Closed, "EOF"),
        (Gone::Died, "died"),
        (
            Gone::TooSlow {
                queued: 64,
                limit: 64,
            },
            "send failed,farside_pid=500, sendq length=64(max is 64)",
        ),
    ] {
        let mut pair = Pair::new();
        let there = pair.sign_on_at(B, "tiny", 700, 0, 0);
        let client = pair.sign_on("tiny", 500);
        pair.take_at(B, there);
        pair.gone(client, gone);
        assert_eq!(
            pair.take_at(B, there).iter().map(words).collect::<Vec<_>>(),
            [format!(
                "t=hbapi-clstat st=leave from_id=tiny to_id=tiny src=nodea info={reason} client_gen=0"
            )]
        );
        assert!(!pair.heard(client).closed, "there is nothing left to close");
        assert!(pair.core(A).snapshot().clients.is_empty());
    }
}

#[test]
fn a_child_that_ended_is_served_until_its_connection_ends() {
    let mut pair = Pair::new();
    let there = pair.sign_on_at(B, "tiny", 700, 0, 0);
    let client = pair.sign_on("tiny", 500);
    pair.take_at(B, there);
    pair.feed(A, Input::ProcessEnded { pid: 500 });
    pair.request(client, 500, "tiny", &[("reqtype", "numnodes")]);
    assert_eq!(pair.take(client).len(), 1);
    pair.gone(client, Gone::Closed);
    assert_eq!(pair.take_at(B, there)[0].get("info"), Some("died"));
}

#[test]
fn the_audit_finds_the_dead_and_those_who_never_say_who_they_are() {
    let mut pair = Pair::new();
    let there = pair.sign_on_at(B, "tiny", 700, 0, 0);
    let alive = pair.sign_on("alive", 400);
    let client = pair.sign_on("tiny", 500);
    let silent = pair.connect_to(A, 600, 0, 0);
    pair.take_at(B, there);
    pair.run(secs(8));
    pair.take(client);
    // Its process goes, its descriptor lives on in another one.
    fn only_others(pid: u32) -> bool {
        pid != 500 && pid != NO_PROCESS
    }
    pair.log();
    pair.feed(
        A,
        Input::AuditClients {
            exists: only_others,
        },
    );
    assert_eq!(pair.log(), ["api_audit_clients: client 500 died"]);
    assert!(pair.heard(client).closed && !pair.heard(alive).closed);
    assert_eq!(pair.take_at(B, there)[0].get("info"), Some("died-audit"));
    assert!(!pair.heard(silent).closed);
    pair.run(secs(70));
    assert!(pair.heard(silent).closed && !pair.heard(alive).closed);
}

#[test]
fn the_audit_comes_every_nine_seconds_while_there_are_clients() {
    let mut pair = Pair::new();
    pair.run(secs(30));
    assert_eq!(pair.audits(A), 0);
    let client = pair.sign_on("tiny", 500);
    pair.run(secs(28));
    assert_eq!(pair.audits(A), 3);
    pair.gone(client, Gone::Closed);
    pair.run(secs(30));
    assert_eq!(pair.audits(A), 3);
}

#[test]
fn ten_bodies_in_a_row_that_are_none() {
    let mut pair = Pair::new();
    let there = pair.sign_on_at(B, "tiny", 700, 0, 0);
    let client = pair.sign_on("tiny", 500);
    pair.take_at(B, there);
    for _ in 0..9 {
        pair.say_at(A, client, b"garbage\0");
    }
    pair.request(client, 500, "tiny", &[("reqtype", "numnodes")]);
    assert_eq!(pair.take(client).len(), 1, "a good one is forgiving");
    pair.log();
    for _ in 0..10 {
        assert!(!pair.heard(client).closed);
        pair.say_at(A, client, b"");
    }
    assert!(pair.heard(client).closed);
    assert_eq!(pair.log(), ["Removing client pid 500"]);
    assert_eq!(pair.take_at(B, there)[0].get("info"), Some("noinput"));
    pair.say_at(A, client, b"late");
}

/// The legacy counts over all clients.
#[test]
fn nobody_is_removed_for_the_garbage_of_another() {
    let mut pair = Pair::new();
    let innocent = pair.sign_on("innocent", 400);
    let client = pair.sign_on("tiny", 500);
    for _ in 0..9 {
        pair.say_at(A, client, b"garbage\0");
    }
    pair.say_at(A, innocent, b"garbage\0");
    assert!(!pair.heard(innocent).closed && !pair.heard(client).closed);
}

/// 1.5: more than 250 messages that the other node has not acknowledged.
#[test]
fn clients_wait_while_the_other_node_lags_behind() {
    let mut pair = Pair::new();
    let client = pair.sign_on("tiny", 500);
    pair.run(ms(100));
    pair.lost = Some((B, A));
    let mut sent = 0;
    while !pair.heard(client).paused {
        pair.say(client, &[("t", "tinytest")]);
        sent += 1;
        assert!(sent < 300);
    }
    assert!(sent > 200, "{sent}");
    // Who comes now may sign on, and has to wait as well.
    let newcomer = pair.sign_on("newcomer", 501);
    assert!(pair.heard(newcomer).paused);
    pair.lost = None;
    // Acknowledgements are not repeated; the next one is due with the tenth message.
    pair.run(secs(7));
    assert!(!pair.heard(client).paused && !pair.heard(newcomer).paused);
}

#[test]
fn nobody_waits_for_a_node_that_is_dead() {
    let mut pair = Pair::new();
    pair.silence(B);
    pair.run(secs(8));
    let client = pair.sign_on("tiny", 500);
    for _ in 0..1000 {
        pair.say(client, &[("t", "tinytest")]);
    }
    assert!(!pair.heard(client).paused);
}

/// It would use up a number that the other node could ask for again and again.
#[test]
fn a_message_that_no_datagram_can_carry_is_not_sent() {
    let mut pair = Pair::new();
    let client = pair.sign_on("tiny", 500);
    pair.log();
    pair.sent(A);
    for (length, sent) in [(64_000, 1), (66_000, 0), (250_000, 0)] {
        pair.say(client, &[("t", "tinytest"), ("text", &"x".repeat(length))]);
        assert_eq!(pair.sent(A).len(), sent, "{length}");
        assert_eq!(pair.take(client).len(), sent, "{length}");
    }
    assert_eq!(
        pair.log(),
        ["a client's message of 66026 bytes is too long to be sent"]
    );
}

#[test]
fn any_bytes_at_any_time() {
    let mut pair = Pair::new();
    let stranger = pair.connect_to(A, 600, 0, 0);
    let client = pair.sign_on("tiny", 500);
    let bodies: [&[u8]; 9] = [
        b"",
        b"\0",
        b">>>\n<<<\n\0",
        b">>>\nt=\n<<<\n\0",
        b">>>\nx=y\n<<<\n\0",
        b">>>\nt=hbapi-req\n<<<\n\0",
        b">>>\nt=hbapi-req\nreqtype=\xff\nfrom_id=tiny\n<<<\n\0",
        b">>>\nt=query-cstatus\n<<<\n\0",
        b">>>\n(1)t=AAAA\n<<<\n\0",
    ];
    for body in bodies {
        pair.say_at(A, stranger, body);
        pair.say_at(A, client, body);
    }
    pair.request(client, 500, "tiny", &[("reqtype", "numnodes")]);
    let frames = pair.take(client);
    assert_eq!(
        frames.last().and_then(|frame| frame.get("numnodes")),
        Some("2")
    );
    assert!(pair.take(stranger).is_empty());
}

/// A field that means something, or nothing.
fn any_field() -> impl Strategy<Value = String> {
    const NAMES: &[&str] = &[
        "t",
        "reqtype",
        "pid",
        "from_id",
        "to_id",
        "dest",
        "uid",
        "gid",
        "node",
        "cn",
        "pname",
        "fmask",
        "signal",
        "ifname",
        "(1)queryuuid",
        "(1)destuuid",
        "queryname",
        "sendqlen",
        "client_gen",
        "seq",
        "hg",
        "src",
        "st",
        "info",
    ];
    const VALUES: &[&str] = &[
        "hbapi-req",
        "signon",
        "signoff",
        "tiny",
        "500",
        "0",
        "-1",
        "nodea",
        "nodeb",
        "status",
        "resource",
        "starting",
        "ask_resources",
        "query-cstatus",
        "respond-cstatus",
        "hbapi-clstat",
        "NS_ackmsg",
        "NS_rexmit",
        "addnode",
        "reqnodes",
        "clientstatus",
        "nodelist",
        "iflist",
        "getuuid",
        "getnodename",
        "setfilter",
        "setsignal",
        "set_sendqlen",
        "3f",
        "AAAAAAAAAAAAAAAAAAAAAA==",
        "ffffffffffffffffffff",
        "",
    ];
    let value = prop_oneof![
        4 => prop::sample::select(VALUES).prop_map(str::to_owned),
        1 => "[ -~]{0,40}",
    ];
    (prop::sample::select(NAMES), value).prop_map(|(name, value)| format!("{name}={value}\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever clients say, the daemon lives, and whoever asks properly is answered.
    #[test]
    fn whatever_clients_say(messages in prop::collection::vec(
        (0..3usize, prop::collection::vec(any_field(), 0..8)), 1..60,
    )) {
        let mut pair = Pair::new();
        let honest = pair.sign_on("honest", 400);
        let clients = [
            pair.sign_on("tiny", 500),
            pair.sign_on("501", 501),
            pair.connect_to(A, 502, 0, 0),
        ];
        for (who, fields) in messages {
            let body = format!(">>>\n{}<<<\n\0", fields.concat());
            if !pair.heard(clients[who]).closed {
                pair.say_at(A, clients[who], body.as_bytes());
            }
            pair.run(ms(20));
        }
        pair.take(honest);
        pair.request(honest, 400, "honest", &[("reqtype", "getparm"), ("pname", "keepalive")]);
        let frames = pair.take(honest);
        let answer = frames.iter().find(|frame| frame.kind() == "hbapi-resp");
        prop_assert_eq!(answer.and_then(|frame| frame.get("pvalue")), Some("500ms"));
    }
}
