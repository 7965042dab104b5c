//! A client whose daemon is late, silent, gone or mad.

use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::recording::Place;
use ha_ipc::channel::{Channel, ReceiveError};
use ha_ipc::client::{Client, ClientError, SignOn};
use ha_wire::{Encoding, Message, decode_plain, encode_client};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);
/// As long as a test cares to wait for nothing.
const SHORT: Duration = Duration::from_millis(50);

/// The daemon's end of a connection, for a thread that may wait.
struct Daemon {
    stream: UnixStream,
    channel: Channel,
}

impl Daemon {
    fn send(&mut self, fields: &[(&str, &str)]) {
        let mut message = Message::new();
        for (name, value) in fields {
            message.push(name, value);
        }
        let mut body = Vec::new();
        encode_client(&message, Encoding::String, &mut body).unwrap();
        self.channel.send(&body).unwrap();
    }

    /// The next message; `None` when the client is gone.
    fn receive(&mut self) -> Option<Message> {
        self.stream.set_nonblocking(false).unwrap();
        loop {
            match self.channel.receive() {
                Ok(Some(body)) => return Some(decode_plain(body).unwrap()),
                Ok(None) => {}
                Err(ReceiveError::Closed) => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn expect(&mut self, request: &str) {
        let message = self.receive().expect("a request");
        assert_eq!(message.text("reqtype"), Some(request));
    }
}

/// Signs a client on at a daemon that then does what it likes.
fn client_of(
    name: &str,
    then: impl FnOnce(&mut Daemon) + Send + 'static,
) -> (Client, JoinHandle<()>, Place) {
    let place = Place::new();
    let listener = UnixListener::bind(place.socket()).unwrap();
    let daemon = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let channel = Channel::new(stream.try_clone().unwrap()).unwrap();
        let mut daemon = Daemon { stream, channel };
        daemon.expect("signon");
        daemon.send(&[
            ("t", "hbapi-resp"),
            ("reqtype", "signon"),
            ("result", "OK"),
            ("deadtime", "1388"),
            ("keepalive", "1f4"),
            ("node", "nodea"),
        ]);
        then(&mut daemon);
    });
    let client = SignOn::named(name)
        .socket(&place.socket())
        .timeout(LONG)
        .connect()
        .unwrap();
    (client, daemon, place)
}

/// `client-api.md` 1.5: with the legacy library every later answer would be taken for the one before.
#[test]
fn a_late_answer_is_not_taken_for_the_next() {
    let (mut client, daemon, _place) = client_of("late", |daemon| {
        daemon.expect("nodestatus");
        daemon.expect("getrsc");
        let answer = |name| [("t", "hbapi-resp"), ("reqtype", name), ("result", "OK")];
        let mut status = answer("nodestatus").to_vec();
        status.push(("st", "active"));
        daemon.send(&status);
        let mut held = answer("getrsc").to_vec();
        held.push(("rsc_hold", "local"));
        daemon.send(&held);
        assert!(daemon.receive().is_none());
    });
    client.set_timeout(SHORT);
    assert!(matches!(
        client.node_status("nodea"),
        Err(ClientError::NoAnswer { .. })
    ));
    client.set_timeout(LONG);
    assert_eq!(client.resources().unwrap(), "local");
    assert!(client.try_receive().unwrap().is_none());
    drop(client);
    daemon.join().unwrap();
}

/// The same for the status of a client, whose answer comes from another node.
#[test]
fn the_late_answer_of_another_node_is_not_taken_for_the_next() {
    let (mut client, daemon, _place) = client_of("late", |daemon| {
        let mut respond = |node, status| {
            daemon.send(&[
                ("t", "respond-cstatus"),
                ("result", "OK"),
                ("cn", "ipfail"),
                ("cs", status),
                ("src", node),
            ]);
        };
        respond("nodeb", "offline");
        respond("NodeC", "online");
        daemon.expect("clientstatus");
        assert!(daemon.receive().is_none());
    });
    let status = client.client_status("nodec", "ipfail", LONG).unwrap();
    assert_eq!(status.word(), "online");
    // It is a message like any other.
    let late = client.receive(Some(LONG)).unwrap().unwrap();
    assert_eq!(late.text("cs"), Some("offline"));
    drop(client);
    daemon.join().unwrap();
}

#[test]
fn messages_that_come_before_the_end_are_delivered() {
    let (mut client, daemon, _place) = client_of("left", |daemon| {
        daemon.send(&[("t", "status"), ("st", "dead"), ("src", "nodeb")]);
        daemon.send(&[("t", "ifstat"), ("node", "nodeb")]);
    });
    daemon.join().unwrap();
    let kind = |message: Option<Message>| message.unwrap().kind().unwrap().to_owned();
    assert_eq!(kind(client.receive(Some(LONG)).unwrap()), "status");
    assert_eq!(kind(client.try_receive().unwrap()), "ifstat");
    let error = client.receive(None).unwrap_err();
    assert!(matches!(error, ClientError::Receive(ReceiveError::Closed)));
    assert!(error.is_fatal());
    assert!(client.node_status("nodea").is_err());
}

#[test]
fn a_mad_daemon_is_an_error() {
    let (mut client, daemon, _place) = client_of("mad", |daemon| {
        // No message, but a frame: passed over.
        daemon.channel.send(b"rubbish").unwrap();
        daemon.send(&[("t", "first")]);
        daemon.stream.write_all(b"no frame at all").unwrap();
    });
    let message = client.receive(Some(LONG)).unwrap().unwrap();
    assert_eq!(message.kind(), Some("first"));
    let error = client.receive(Some(LONG)).unwrap_err();
    assert!(matches!(
        error,
        ClientError::Receive(ReceiveError::Frame(_))
    ));
    daemon.join().unwrap();
}

#[test]
fn a_daemon_that_does_not_read_is_not_waited_for_without_end() {
    let (stop, stopped) = std::sync::mpsc::channel();
    let (mut client, daemon, _place) = client_of("patient", move |_| {
        stopped.recv().unwrap();
    });
    client.set_timeout(SHORT);
    let mut message = Message::new();
    message.push("t", "big");
    message.push("text", [b'x'; 60_000]);
    let error = loop {
        if let Err(error) = client.send(&message) {
            break error;
        }
    };
    assert!(matches!(error, ClientError::NoAnswer { .. }), "{error}");
    stop.send(()).unwrap();
    daemon.join().unwrap();
}

#[test]
fn a_daemon_that_does_not_accept_is_not_waited_for_without_end() {
    let place = Place::new();
    let _listener = UnixListener::bind(place.socket()).unwrap();
    let error = SignOn::casual()
        .socket(&place.socket())
        .timeout(SHORT)
        .connect()
        .unwrap_err();
    assert!(matches!(error, ClientError::NoAnswer { request: "signon" }));
}

/// `client-api.md` 3.23: numbers in hexadecimal from 1, to all and to each node apart.
#[test]
fn ordered_messages_are_numbered() {
    let (mut client, daemon, _place) = client_of("order", |daemon| {
        let mut seen = Vec::new();
        while let Some(message) = daemon.receive() {
            let node = message.text("dest").unwrap_or("all").to_owned();
            seen.push((node, message.text("oseq").unwrap_or("-").to_owned()));
        }
        let numbers = |wanted: &str| -> Vec<&str> {
            seen.iter()
                .filter(|(node, _)| node == wanted)
                .map(|(_, number)| number.as_str())
                .collect()
        };
        assert_eq!(
            numbers("all"),
            ["1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b", "-"]
        );
        assert_eq!(numbers("nodea"), ["1", "2"]);
        assert_eq!(numbers("nodeb"), ["1"]);
    });
    let mut message = Message::new();
    message.push("t", "x");
    for _ in 0..11 {
        client.send_ordered(&message).unwrap();
    }
    client.send(&message).unwrap();
    client.send_ordered_to_node("nodea", &message).unwrap();
    client.send_ordered_to_node("nodeb", &message).unwrap();
    client.send_ordered_to_node("nodea", &message).unwrap();
    drop(client);
    daemon.join().unwrap();
}

#[test]
fn a_message_needs_a_type_of_its_own() {
    let (mut client, daemon, _place) = client_of("type", |daemon| {
        assert!(daemon.receive().is_none());
    });
    let mut message = Message::new();
    assert!(matches!(client.send(&message), Err(ClientError::Type)));
    message.push("t", "hbapi-req");
    assert!(matches!(client.send(&message), Err(ClientError::Type)));
    drop(client);
    daemon.join().unwrap();
}

#[test]
fn messages_are_received_in_their_order() {
    let (mut client, daemon, _place) = client_of("order", |daemon| {
        for number in ["1", "3", "2"] {
            daemon.send(&[
                ("t", "x"),
                ("oseq", number),
                ("client_gen", "7"),
                ("src", "nodeb"),
                ("hg", "6b04b4cc"),
            ]);
        }
    });
    for number in ["1", "2", "3"] {
        let message = client.receive(Some(LONG)).unwrap().unwrap();
        assert_eq!(message.text("oseq"), Some(number));
    }
    daemon.join().unwrap();
}
