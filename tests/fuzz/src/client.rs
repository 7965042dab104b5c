//! The client library at a daemon that says anything (`client-api.md` 2 and 3).
//!
//! An input is what the daemon sends, body by body; its last byte is the size of the pieces in which the frames arrive.
//! What is asked is what the next answer answers, so that an answer of any kind is read as such. Nothing is waited for:
//! all has been said, and the daemon is gone behind it.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use ha_ipc::client::{Client, ClientError, SignOn};
use ha_ipc::frame::Head;
use ha_wire::{Encoding, Message, decode_plain, encode_plain};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use crate::Target;
use crate::seeds::{self, Seed};

pub(crate) const TARGETS: &[Target] = &[Target {
    name: "client_answers",
    run: answers,
    seeds: conversations,
    words,
    length_max: 4096,
}];

/// Stands between two bodies; no message has it unless it is damaged.
pub(crate) const BETWEEN: u8 = 0xff;

/// More bodies are not sent: the kernel has room for so many small pieces.
const BODIES_MAX: usize = 96;

/// Pieces of one conversation, for the same reason.
const PIECES_MAX: usize = 128;

/// The largest piece, which is what the library reads at once.
const PIECE_MAX: usize = 8000;

/// What a program made of a conversation.
#[derive(Debug, PartialEq)]
struct Heard {
    /// Results of the requests, the sign-on first.
    results: Vec<String>,
    /// Messages that were handed out.
    delivered: Vec<Message>,
}

/// Whatever the pieces, a program hears the same: no answer as a message, no message twice or made up, none lost that has no order, and those
/// that have one in their order.
fn answers(bytes: &[u8]) {
    let Some((size, bytes)) = bytes.split_last() else {
        return;
    };
    let bodies: Vec<&[u8]> = bytes
        .split(|byte| *byte == BETWEEN)
        .take(BODIES_MAX)
        .collect();
    let whole = converse(&bodies, PIECE_MAX);
    assert_eq!(whole, converse(&bodies, usize::from(*size).max(1)));
    let sent: Vec<Message> = bodies
        .iter()
        .filter_map(|body| decode_plain(body).ok())
        .collect();
    nothing_is_made_up(&sent, &whole.delivered);
    if whole.results.len() > 1 {
        let unordered = |message: &&Message| !is_answer(message) && !has_order(message);
        assert!(
            sent.iter()
                .filter(unordered)
                .eq(whole.delivered.iter().filter(unordered)),
            "what has no order is handed out as it came"
        );
    }
    order_is_kept(&whole.delivered);
}

/// A whole conversation: sign-on, the requests that are answered in it, and all messages.
fn converse(bodies: &[&[u8]], piece: usize) -> Heard {
    let mut stream = Vec::new();
    for body in bodies {
        stream.extend(Head::for_body(body.len()).expect("a short body").octets());
        stream.extend(*body);
    }
    let piece = piece.max(stream.len().div_ceil(PIECES_MAX));
    // Records instead of a stream: each is read as it was written, which makes pieces without a second thread.
    let (ours, daemon) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .expect("a pair of sockets");
    let mut daemon = UnixStream::from(daemon);
    for piece in stream.chunks(piece) {
        daemon.write_all(piece).expect("room for a piece");
    }
    daemon.shutdown(Shutdown::Write).expect("its end");

    let mut heard = Heard {
        results: Vec::new(),
        delivered: Vec::new(),
    };
    let sign_on = SignOn::named("ipfail").timeout(Duration::from_secs(60));
    let mut client = match sign_on.over(UnixStream::from(ours)) {
        Ok(client) => client,
        Err(error) => {
            heard.results.push(told(&error));
            return heard;
        }
    };
    heard.results.push(format!("{:?}", client.session()));
    assert_eq!(client.node(), client.session().node);
    let mut last = None;
    for message in bodies.iter().filter_map(|body| decode_plain(body).ok()) {
        let request = match message.kind() {
            Some("respond-cstatus") => "clientstatus",
            Some("hbapi-resp") => message.text("reqtype").unwrap_or_default(),
            _ => continue,
        }
        .to_owned();
        // All parts of a list answer one request.
        if last.as_ref() != Some(&request)
            && let Some(result) = ask(&mut client, &request)
        {
            heard.results.push(result);
        }
        last = Some(request);
    }
    loop {
        match client.try_receive() {
            Ok(message) => heard.delivered.extend(message),
            Err(error) => {
                assert!(error.is_fatal());
                heard.results.push(told(&error));
                return heard;
            }
        }
    }
}

fn told(error: &ClientError) -> String {
    assert!(!error.to_string().is_empty());
    let _ = error.legacy_reason();
    format!("{error:?}")
}

/// Puts a request; what comes of it, as text. None if there is no such request.
fn ask(client: &mut Client, request: &str) -> Option<String> {
    fn text<T: std::fmt::Debug>(result: Result<T, ClientError>) -> String {
        match result {
            Ok(value) => format!("{value:?}"),
            Err(error) => told(&error),
        }
    }
    Some(match request {
        "nodelist" => text(client.nodes()),
        "iflist" => text(client.links("beta")),
        "nodestatus" => text(client.node_status("beta")),
        "nodeweight" => text(client.node_weight("beta")),
        "nodesite" => text(client.node_site("beta")),
        "nodetype" => text(client.node_type("beta")),
        "numnodes" => text(client.number_of_nodes()),
        "ifstatus" => text(client.link_status("beta", "eth0")),
        "clientstatus" => text(client.client_status("beta", "ipfail", Duration::from_secs(60))),
        "getparm" => text(client.parameter("deadtime")),
        "getrsc" => text(client.resources()),
        "getuuid" => text(client.node_uuid("beta")),
        "getnodename" => text(client.node_name(&[7; 16])),
        "setfilter" => text(client.set_filter(1)),
        "setsignal" => text(client.set_signal(0)),
        _ => return None,
    })
}

fn is_answer(message: &Message) -> bool {
    matches!(message.kind(), Some("hbapi-resp" | "respond-cstatus"))
}

/// Whether it waits for others: it has a number, or is the news that somebody has left.
fn has_order(message: &Message) -> bool {
    let leaves = message
        .kind()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("hbapi-clstat"));
    message.contains("src") && (message.hex("oseq").is_some() || leaves)
}

fn nothing_is_made_up(sent: &[Message], delivered: &[Message]) {
    let mut left: Vec<&Message> = sent.iter().collect();
    for message in delivered {
        assert_ne!(message.kind(), Some("hbapi-resp"), "an answer");
        let at = left.iter().position(|one| *one == message);
        left.swap_remove(at.unwrap_or_else(|| panic!("nobody sent {message:?}")));
    }
}

/// What one instance of a client numbered is handed out in the order of the numbers, and never after a later instance's.
fn order_is_kept(delivered: &[Message]) {
    type Instance = (u64, u64);
    type Lanes = [Option<u64>; 2];
    let mut sources: BTreeMap<&[u8], (Instance, Lanes)> = BTreeMap::new();
    for message in delivered {
        let Some(node) = message.get("src") else {
            continue;
        };
        let dead = message
            .kind()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("status"))
            && message.text("st") == Some("dead");
        if dead {
            sources.remove(node);
            continue;
        }
        let leaves = message
            .kind()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("hbapi-clstat"))
            && message.text("st") == Some("leave");
        let Some(number) = message.hex("oseq").filter(|_| !leaves) else {
            continue;
        };
        let field = |name| message.hex(name).unwrap_or(0);
        let instance = (field("hg"), field("client_gen"));
        let (current, lanes) = sources.entry(node).or_insert((instance, [None; 2]));
        assert!(instance >= *current, "an earlier instance: {message:?}");
        if instance > *current {
            (*current, *lanes) = (instance, [None; 2]);
        }
        let to_us = message.contains("dest") || message.contains("destuuid");
        let [to_all_last, to_us_last] = lanes;
        let last = if to_us { to_us_last } else { to_all_last };
        // Behind the largest number there is none.
        assert!(
            last.is_none_or(|last| number > last || last == u64::MAX),
            "out of order: {message:?}"
        );
        *last = Some(number);
    }
}

/// Bodies one behind the other, and the size of the pieces.
fn input(bodies: &[Vec<u8>], size: u8) -> Vec<u8> {
    let mut bytes = bodies.join(&BETWEEN);
    bytes.push(size);
    bytes
}

fn body(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut message = Message::new();
    for (name, value) in fields {
        message.push(name, value);
    }
    let mut body = Vec::new();
    encode_plain(&message, Encoding::String, &mut body).expect("a plain message");
    body
}

fn signed_on() -> Vec<u8> {
    body(&[
        ("t", "hbapi-resp"),
        ("reqtype", "signon"),
        ("result", "OK"),
        ("deadtime", "1388"),
        ("keepalive", "1f4"),
        ("node", "alpha"),
        ("logfacility", "128"),
    ])
}

/// Recorded conversations, and one in which order matters.
fn conversations() -> Vec<Seed> {
    let mut found = Vec::new();
    for folder in ["", "/213"] {
        let folder = format!("crates/ha-cluster/tests/api/vectors{folder}");
        for (name, text) in seeds::files(&folder, ".txt") {
            let said = recorded(&String::from_utf8_lossy(&text));
            let bytes = input(&said, 11);
            if !said.is_empty() && bytes.len() <= 4096 {
                found.push((name, bytes));
            }
        }
    }
    let numbered = |number: &str, instance: &str| {
        body(&[
            ("t", "x"),
            ("oseq", number),
            ("client_gen", instance),
            ("hg", "5"),
            ("src", "beta"),
        ])
    };
    let leave = body(&[
        ("t", "hbapi-clstat"),
        ("st", "leave"),
        ("client_gen", "1"),
        ("hg", "5"),
        ("src", "beta"),
        ("from_id", "ipfail"),
    ]);
    let dead = body(&[("t", "status"), ("st", "dead"), ("src", "beta")]);
    let ordered = [
        signed_on(),
        numbered("1", "1"),
        numbered("3", "1"),
        numbered("1", "2"),
        leave,
        numbered("2", "1"),
        body(&[
            ("t", "y"),
            ("oseq", "1"),
            ("dest", "alpha"),
            ("hg", "5"),
            ("src", "beta"),
        ]),
        dead,
        numbered("1", "1"),
    ];
    let uuid = [
        signed_on(),
        body(&[
            ("t", "hbapi-resp"),
            ("reqtype", "getnodename"),
            ("result", "OK"),
            ("queryname", "beta"),
        ]),
        body(&[
            ("t", "respond-cstatus"),
            ("src", "beta"),
            ("cn", "ipfail"),
            ("cs", "online"),
            ("result", "OK"),
        ]),
        body(&[
            ("t", "hbapi-resp"),
            ("reqtype", "nodeweight"),
            ("result", "OK"),
            ("weight", "100"),
        ]),
    ];
    found.push(("ordered".to_owned(), input(&ordered, 5)));
    found.push(("names".to_owned(), input(&uuid, 200)));
    found
}

/// The messages that the daemon of a recording sent: `[2] S>C`, then a field a line.
fn recorded(text: &str) -> Vec<Vec<u8>> {
    let mut said: Vec<Vec<u8>> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line.strip_prefix("  ") {
            Some(field) if inside => {
                if let Some(body) = said.last_mut() {
                    body.extend(field.as_bytes());
                    body.push(b'\n');
                }
            }
            Some(_) => {}
            None => {
                inside = line.ends_with("S>C");
                if inside {
                    said.push(b">>>\n".to_vec());
                }
            }
        }
    }
    for body in &mut said {
        body.extend(b"<<<\n");
    }
    said
}

fn words() -> Vec<Vec<u8>> {
    let mut words = seeds::words(
        "t=hbapi-resp t=status t=hbapi-clstat t=respond-cstatus st=dead st=leave st=join src=beta src=alpha result=OK \
         result=ok/more result=badreq result=fail reqtype=signon reqtype=nodelist reqtype=iflist reqtype=nodestatus \
         reqtype=nodeweight reqtype=nodesite reqtype=nodetype reqtype=numnodes reqtype=ifstatus reqtype=clientstatus \
         reqtype=getparm reqtype=getrsc reqtype=getuuid reqtype=getnodename reqtype=setfilter reqtype=setsignal node=beta \
         ifname=eth0 st=up weight=100 site= numnodes=2 cs=online cn=ipfail pvalue= rsc_hold=all queryname= (1)queryuuid= \
         oseq=1 oseq=2 oseq=3 oseq=1f5 oseq=ffffffffffffffff client_gen=1 client_gen=2 hg=5 hg=6 dest=alpha destuuid= \
         info=EINVAL deadtime=1388 keepalive=1f4",
    );
    words.extend([b"<<<\n".to_vec(), b">>>\n".to_vec(), b"\n".to_vec()]);
    words.push(vec![BETWEEN]);
    words
}
