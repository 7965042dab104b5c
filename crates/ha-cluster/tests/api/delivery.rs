//! What clients are told without asking, and what they tell each other (`client-api.md` 3.23, 4).

use ha_cluster::Input;
use ha_wire::Message;

use crate::pair::{A, B, PING, Pair, UUID_B, ms, secs, words};

fn kinds(frames: &[crate::trace::Frame]) -> Vec<String> {
    let word = |frame: &crate::trace::Frame| {
        let state = frame.get("st").unwrap_or_default();
        format!("{} {state}", frame.kind())
    };
    frames.iter().map(word).collect()
}

#[test]
fn a_lost_and_found_ping_node() {
    let mut pair = Pair::new();
    let client = pair.sign_on("tiny", 500);
    pair.ping_lives = false;
    pair.run(secs(7));
    pair.ping_lives = true;
    pair.run(secs(2));
    let frames = pair.take(client);
    assert_eq!(
        kinds(&frames),
        ["status dead", "ifstat dead", "ifstat up", "NS_st ping"]
    );
    let shown: Vec<String> = frames.iter().map(words).collect();
    assert_eq!(shown[0], format!("t=status src={PING} st=dead info=ping"));
    assert_eq!(frames[0].get("seq"), Some("1"));
    assert_eq!(
        shown[1],
        format!("t=ifstat node={PING} ifname={PING} st=dead")
    );
    assert_eq!(shown[3], format!("t=NS_st st=ping info=ping src={PING}"));
    assert!(frames[3].get("auth").is_some());
}

#[test]
fn a_dead_node_is_told_before_its_link() {
    let mut pair = Pair::new();
    let client = pair.sign_on("tiny", 500);
    pair.silence(B);
    pair.run(secs(8));
    let frames = pair.take(client);
    let of_b: Vec<String> = frames
        .iter()
        .filter(|frame| frame.get("src") == Some("nodeb") || frame.get("node") == Some("nodeb"))
        .map(words)
        .collect();
    assert_eq!(of_b[0], "t=status src=nodeb st=dead");
    assert_eq!(
        of_b.last().map(String::as_str),
        Some("t=ifstat node=nodeb ifname=eth0 st=dead")
    );
    assert!(
        frames
            .iter()
            .any(|f| f.kind() == "resource" && f.get("src") == Some("nodea"))
    );
}

/// `init` is news as well: the legacy tells it, and scripts see a returning node from its beginning.
#[test]
fn a_node_that_returns_is_told_from_its_first_word() {
    let mut pair = Pair::new();
    let client = pair.sign_on("tiny", 500);
    pair.silence(B);
    pair.run(secs(8));
    pair.take(client);
    pair.start_anew(B);
    pair.run(secs(12));
    let of_b: Vec<String> = pair
        .take(client)
        .iter()
        .filter(|frame| frame.kind() == "status" && frame.get("src") == Some("nodeb"))
        .filter_map(|frame| frame.get("st").map(str::to_owned))
        .collect();
    assert_eq!(of_b, ["init", "up", "active"]);
}

#[test]
fn a_node_that_stops_says_how() {
    let mut pair = Pair::new();
    let client = pair.sign_on("ipfail2", 500);
    let there = pair.sign_on_at(B, "ipfail2", 700, 0, 0);
    pair.take(client);
    pair.feed(
        B,
        Input::ClientGone {
            client: there,
            gone: ha_cluster::Gone::Closed,
        },
    );
    pair.feed(B, Input::Shutdown);
    pair.run(secs(12));
    let of_b: Vec<String> = pair
        .take(client)
        .iter()
        .filter(|frame| frame.get("src") == Some("nodeb") || frame.get("node") == Some("nodeb"))
        .map(words)
        .collect();
    assert_eq!(
        of_b,
        [
            "t=hbapi-clstat st=leave from_id=ipfail2 to_id=ipfail2 src=nodeb info=EOF client_gen=0",
            "t=resource rsc_hold=none rtype=full isstable=0 info=shutdown src=nodeb",
            "t=shutdone st=dead src=nodeb",
            "t=status src=nodeb st=dead",
            "t=stonith node=nodeb result=unneeded src=nodea",
            "t=ifstat node=nodeb ifname=eth0 st=dead",
        ]
    );
}

#[test]
fn a_casual_client_sees_what_is_for_all() {
    let mut pair = Pair::new();
    let casual = pair.sign_on("500", 500);
    let named = pair.sign_on("tiny", 501);
    let mut message = Message::new();
    message.push("t", "fifotest");
    pair.feed(
        A,
        Input::Inject {
            message: message.clone(),
        },
    );
    for (to, casual_sees, named_sees) in [("tiny", 0, 1), ("other", 0, 0), ("500", 1, 0)] {
        pair.take(casual);
        pair.take(named);
        let mut message = message.clone();
        message.push("to_id", to);
        pair.feed(A, Input::Inject { message });
        assert_eq!(pair.take(casual).len(), casual_sees, "{to}");
        assert_eq!(pair.take(named).len(), named_sees, "{to}");
    }
}

#[test]
fn clients_reach_their_own_kind_only() {
    let mut pair = Pair::new();
    let here = pair.sign_on("tiny", 500);
    let there = pair.sign_on_at(B, "tiny", 700, 0, 0);
    let stranger = pair.sign_on_at(B, "other", 701, 0, 0);
    pair.take(here);
    pair.take_at(B, there);
    pair.take_at(B, stranger);
    // To everybody; whom it pretends to be and to mean does not count.
    pair.say(
        here,
        &[
            ("t", "tinytest"),
            ("to_id", "other"),
            ("from_id", "ipfail"),
            ("client_gen", "9"),
        ],
    );
    let text = "t=tinytest to_id=tiny from_id=tiny client_gen=0 src=nodea";
    assert_eq!(
        pair.take(here).iter().map(words).collect::<Vec<_>>(),
        [text]
    );
    assert_eq!(
        pair.take_at(B, there).iter().map(words).collect::<Vec<_>>(),
        [text]
    );
    assert!(pair.take_at(B, stranger).is_empty());
    // To one node; the sender does not hear it unless that is its own.
    pair.say(here, &[("t", "tinytest"), ("dest", "nodeb")]);
    assert!(pair.take(here).is_empty());
    let heard = pair.take_at(B, there);
    assert_eq!(
        words(&heard[0]),
        "t=tinytest dest=nodeb from_id=tiny to_id=tiny client_gen=0 src=nodea"
    );
    assert_eq!(
        heard[0].get("(1)destuuid"),
        Some("r3/2Wg7oTXWJD/U7w+FvJg==")
    );
    pair.say(here, &[("t", "tinytest"), ("dest", "nodea")]);
    assert_eq!(
        (pair.take(here).len(), pair.take_at(B, there).len()),
        (1, 0)
    );
}

#[test]
fn a_node_can_be_meant_by_its_uuid() {
    let mut pair = Pair::new();
    let here = pair.sign_on("tiny", 500);
    let there = pair.sign_on_at(B, "tiny", 700, 0, 0);
    pair.take(here);
    pair.take_at(B, there);
    pair.say(
        here,
        &[
            ("t", "tinytest"),
            ("(1)destuuid", "r3/2Wg7oTXWJD/U7w+FvJg=="),
        ],
    );
    assert!(pair.take(here).is_empty());
    let heard = pair.take_at(B, there);
    assert_eq!(heard[0].get("dest"), Some("nodeb"));
    assert_eq!(heard[0].message().binary("destuuid"), Some(&UUID_B[..]));
    pair.sent(A);
    pair.say(
        here,
        &[
            ("t", "tinytest"),
            ("(1)destuuid", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ],
    );
    assert!(pair.sent(A).is_empty(), "nobody is meant");
}

#[test]
fn a_casual_client_may_not_speak_to_the_cluster() {
    let mut pair = Pair::new();
    let client = pair.sign_on("500", 500);
    pair.log();
    pair.sent(A);
    pair.say(client, &[("t", "tinytest")]);
    assert!(pair.heard(client).closed);
    assert!(pair.take(client).is_empty() && pair.sent(A).is_empty());
    assert_eq!(
        pair.log().first().map(String::as_str),
        Some("api_process_request: general message from casual client!")
    );
}

#[test]
fn a_client_asks_for_a_standby() {
    let mut pair = Pair::new();
    let client = pair.sign_on_at(A, "ipfail", 500, 103, 106);
    pair.take(client);
    pair.say(
        client,
        &[
            ("t", "ask_resources"),
            ("rsc_hold", "all"),
            ("src", "nodea"),
            ("info", "me"),
        ],
    );
    pair.run(secs(5));
    assert_eq!(pair.core(A).snapshot().resources.held.word(), "none");
    assert_eq!(pair.core(B).snapshot().resources.held.word(), "all");
}

/// Masks, one class after the other.
#[test]
fn each_mask_shows_its_class() {
    let mut pair = Pair::new();
    let client = pair.sign_on("tiny", 500);
    let see = |pair: &mut Pair, mask: &str| {
        pair.request(
            client,
            500,
            "tiny",
            &[("reqtype", "setfilter"), ("fmask", mask)],
        );
        pair.take(client);
        pair.run(ms(4900));
        pair.request(client, 500, "tiny", &[("reqtype", "numnodes")]);
        let mut seen: Vec<String> = pair
            .take(client)
            .iter()
            .map(|frame| format!("{} {}", frame.kind(), frame.get("src").unwrap_or("-")))
            .collect();
        seen.sort();
        seen.dedup();
        seen
    };
    let reply = "hbapi-resp -";
    assert_eq!(see(&mut pair, "1"), [reply]);
    assert_eq!(
        see(&mut pair, "2"),
        [
            &format!("NS_st {PING}"),
            reply,
            "status nodea",
            "status nodeb"
        ]
    );
    assert_eq!(
        see(&mut pair, "8"),
        ["NS_ackmsg nodea", reply, "status nodea"]
    );
    assert_eq!(see(&mut pair, "10"), ["hbapi-req -", reply]);
    assert_eq!(
        see(&mut pair, "20"),
        ["NS_ackmsg nodea", "NS_ackmsg nodeb", reply]
    );
}

#[test]
fn a_deleted_node_is_told_to_clients() {
    let mut pair = Pair::new();
    let client = pair.sign_on("ccm2", 500);
    pair.silence(B);
    pair.run(secs(10));
    pair.take(client);
    let mut message = Message::new();
    message.push("t", "delnode");
    message.push("nodelist", "nodeb");
    pair.feed(A, Input::Inject { message });
    assert_eq!(
        pair.take(client).iter().map(words).collect::<Vec<_>>(),
        ["t=delnode node=nodeb"]
    );
}

/// 4.1: what was lost before a client came is not for it, and who left is told only when what it said is there.
#[test]
fn messages_that_were_lost() {
    let mut pair = Pair::new();
    let before = pair.sign_on("tiny", 500);
    let there = pair.sign_on_at(B, "tiny", 700, 0, 0);
    pair.take(before);
    let say = |pair: &mut Pair, text: &str| {
        let body = format!(">>>\nt=tinytest\nsaid={text}\n<<<\n\0");
        pair.say_at(B, there, body.as_bytes());
    };
    pair.lost = Some((B, A));
    say(&mut pair, "lost");
    pair.lost = None;
    say(&mut pair, "heard");
    pair.feed(
        B,
        Input::ClientGone {
            client: there,
            gone: ha_cluster::Gone::Closed,
        },
    );
    let after = pair.sign_on("500", 501);
    let shown: Vec<String> = pair.take(before).iter().map(words).collect();
    assert_eq!(
        shown,
        ["t=tinytest said=heard from_id=tiny to_id=tiny client_gen=0 src=nodeb"]
    );
    pair.run(secs(1));
    let shown: Vec<String> = pair.take(before).iter().map(words).collect();
    assert_eq!(
        shown,
        [
            "t=tinytest said=lost from_id=tiny to_id=tiny client_gen=0 src=nodeb",
            "t=hbapi-clstat st=leave from_id=tiny to_id=tiny src=nodeb info=EOF client_gen=0",
        ]
    );
    assert!(pair.take(after).is_empty());
}

#[test]
fn a_newcomer_is_spared_what_was_lost_before() {
    let mut pair = Pair::new();
    let before = pair.sign_on("old", 500);
    let inject = |pair: &mut Pair, text: &str| {
        let mut message = Message::new();
        message.push("t", "fifotest");
        message.push("said", text);
        pair.feed(B, Input::Inject { message });
    };
    pair.lost = Some((B, A));
    inject(&mut pair, "lost");
    pair.lost = None;
    inject(&mut pair, "heard");
    let after = pair.sign_on("new", 501);
    pair.run(secs(1));
    inject(&mut pair, "later");
    let said = |frames: Vec<crate::trace::Frame>| -> Vec<String> {
        let said = frames.iter().filter_map(|frame| frame.get("said"));
        said.map(str::to_owned).collect()
    };
    assert_eq!(said(pair.take(before)), ["heard", "lost", "later"]);
    assert_eq!(said(pair.take(after)), ["later"]);
}
