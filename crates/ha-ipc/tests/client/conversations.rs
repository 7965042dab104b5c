//! The client library in the conversations that were recorded with real daemons: it asks in the same words, and
//! understands the same answers.

use std::time::Duration;

use crate::recording::{Place, Recording};
use ha_ipc::client::{Client, ClientError, ClientStatus, LinkEntry, NodeEntry, SignOn};
use ha_wire::Message;

const UUID_OF_NODEB: [u8; 16] = [
    0xaf, 0x7f, 0xf6, 0x5a, 0x0e, 0xe8, 0x4d, 0x75, 0x89, 0x0f, 0xf5, 0x3b, 0xc3, 0xe1, 0x6f, 0x26,
];

fn owned(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn hello(text: &str) -> Message {
    let mut message = Message::new();
    message.push("t", "tinytest");
    message.push("hello", text);
    message
}

fn rejected<T: std::fmt::Debug>(result: Result<T, ClientError>) -> Option<String> {
    match result {
        Err(ClientError::Rejected { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

/// Everything that a named client can ask, at both daemons.
#[test]
fn a_named_client_asks_everything() {
    for (name, is_306) in [
        ("own_named_all_requests.txt", true),
        ("213/own_named_all_requests.txt", false),
    ] {
        let place = Place::new();
        let recording = Recording::read(name);
        let recorded = recording.requests();
        let server = recording.serve(&place.socket());
        let mut client = SignOn::named("tiny")
            .socket(&place.socket())
            .timeout(Duration::from_secs(10))
            .connect()
            .unwrap();
        let session = client.session();
        assert_eq!(session.node, "nodea");
        assert_eq!(session.deadtime, Duration::from_millis(5000));
        assert_eq!(session.keepalive, Duration::from_millis(500));
        assert_eq!(session.log_facility, Some(128));
        let told = session
            .version
            .as_deref()
            .is_some_and(|version| version.starts_with("3.0.6"));
        assert_eq!(told, is_306);
        assert_eq!(session.pacemaker, is_306.then(|| "false".to_owned()));
        everything(&mut client);
        client.sign_off().unwrap();

        let sent = server.join().unwrap();
        for request in &sent {
            assert!(recorded.contains(request), "{name}: {request:?}");
        }
    }
}

fn everything(client: &mut Client) {
    // The news of our own sign-on came before its answer, and was kept.
    let join = client.try_receive().unwrap().unwrap();
    assert_eq!(join.kind(), Some("hbapi-clstat"));
    assert_eq!(join.text("st"), Some("join"));
    assert!(client.try_receive().unwrap().is_none());

    assert_eq!(client.number_of_nodes().unwrap(), 2);
    client.set_filter(1).unwrap();
    client.set_signal(0).unwrap();
    assert_eq!(rejected(client.set_signal(9)), owned("EINVAL"));
    assert_eq!(client.node_uuid("nodeb").unwrap(), Some(UUID_OF_NODEB));
    assert_eq!(client.node_uuid("nosuch").unwrap(), None);
    assert_eq!(client.node_name(&UUID_OF_NODEB).unwrap(), owned("nodeb"));
    assert_eq!(client.node_name(&[0; 16]).unwrap(), None);
    assert_eq!(client.node_status("nodea").unwrap(), "active");
    assert_eq!(client.node_weight("nodeb").unwrap(), 100);
    assert_eq!(client.node_site("nodeb").unwrap(), "");
    assert_eq!(client.node_type("10.77.1.254").unwrap(), "ping");
    assert_eq!(rejected(client.node_type("nosuch")), owned("EINVAL"));
    let links = client.links("nodea").unwrap();
    assert_eq!(links.len(), 1);
    assert_eq!(links[0].name, "eth0");
    assert_eq!(client.link_status("nodea", "eth0").unwrap(), "up");
    assert_eq!(
        client.link_status("10.77.1.254", "10.77.1.254").unwrap(),
        "up"
    );
    assert_eq!(client.parameter("keepalive").unwrap(), owned("500ms"));
    assert_eq!(client.parameter("crm").unwrap(), owned("false"));
    assert_eq!(client.parameter("nosuch").unwrap(), None);
    assert_eq!(client.resources().unwrap(), "local");
    let second = Duration::from_secs(5);
    let status = client.client_status("nodea", "tiny", second).unwrap();
    assert_eq!(status, ClientStatus::Online);
    let status = client.client_status("nodeb", "ipfail", second).unwrap();
    assert_eq!(status, ClientStatus::Online);
    let refused = client.client_status("nosuch", "ipfail", second);
    assert_eq!(rejected(refused), owned("EINVAL"));
    client.set_send_queue_length(200).unwrap();

    client.send(&hello("world")).unwrap();
    let back = client.receive(Some(second)).unwrap().unwrap();
    assert_eq!(back.text("hello"), Some("world"));
    assert_eq!(back.text("src"), Some("nodea"));
    client.send_to_node("nodea", &hello("world2")).unwrap();
    let back = client.receive(Some(second)).unwrap().unwrap();
    assert_eq!(back.text("hello"), Some("world2"));
    client.send_to_node("nodeb", &hello("world3")).unwrap();
    assert!(client.receive(Some(Duration::ZERO)).unwrap().is_none());
}

#[test]
fn a_casual_client_lists_the_nodes() {
    for (name, is_306) in [
        ("own_casual_nodelist.txt", true),
        ("213/own_casual_nodelist.txt", false),
    ] {
        let place = Place::new();
        let recording = Recording::read(name);
        let recorded = recording.requests();
        let server = recording.serve(&place.socket());
        let mut client = SignOn::casual().socket(&place.socket()).connect().unwrap();
        let told = |text: &str| is_306.then(|| text.to_owned());
        let node = |name: &str, kind: &str, status: &str| NodeEntry {
            name: name.to_owned(),
            kind: told(kind),
            status: told(status),
        };
        assert_eq!(
            client.nodes().unwrap(),
            [
                node("10.77.1.254", "ping", "ping"),
                node("nodea", "normal", "active"),
                node("nodeb", "normal", "active"),
            ]
        );
        assert!(matches!(
            client.send(&hello("world")),
            Err(ClientError::Casual)
        ));
        client.sign_off().unwrap();
        assert_eq!(server.join().unwrap(), recorded, "{name}");
    }
}

#[test]
fn the_reason_of_a_refusal_is_told_where_there_is_one() {
    let place = Place::new();
    let server = Recording::read("api_test_unauthorised.txt").serve(&place.socket());
    let error = SignOn::named("ping")
        .socket(&place.socket())
        .connect()
        .unwrap_err();
    assert_eq!(error.legacy_reason(), "client failed authorization");
    assert!(matches!(error, ClientError::Refused { .. }));
    server.join().unwrap();
}

#[test]
fn links_come_in_the_order_of_the_file() {
    let place = Place::new();
    let server = Recording::read("cl_status_listhblinks_peer.txt").serve(&place.socket());
    let mut client = SignOn::casual().socket(&place.socket()).connect().unwrap();
    let link = LinkEntry {
        name: "eth0".to_owned(),
        status: owned("up"),
    };
    assert_eq!(client.links("nodeb").unwrap(), [link]);
    drop(client);
    server.join().unwrap();
}

#[test]
fn nobody_is_at_the_socket() {
    let place = Place::new();
    let error = SignOn::casual()
        .socket(&place.socket())
        .connect()
        .unwrap_err();
    assert!(matches!(error, ClientError::Connect { .. }));
    assert_eq!(
        error.legacy_reason(),
        "hb_api_signon: Can't initiate connection  to heartbeat"
    );
}

#[test]
fn names_that_no_client_can_have() {
    for name in ["", "123", "1st", "a\nb", "a-name-of-thirty-two-octets-1234"] {
        let error = SignOn::named(name).connect().unwrap_err();
        assert!(matches!(error, ClientError::Name(_)), "{name}: {error}");
    }
}
