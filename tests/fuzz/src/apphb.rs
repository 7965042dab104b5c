//! What applications say to `apphbd`, and what the monitor makes of it (`client-api.md` 10).

use std::collections::BTreeSet;
use std::time::Duration;

use ha_sys::log::Priority;
use ha_wire::apphb::Request;

use crate::Target;
use crate::seeds::Seed;

/// It is part of a program, which is no library.
#[path = "../../../crates/ha-tools/src/apphb/monitor.rs"]
mod monitor;

use monitor::{Act, Monitor, Peer};

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "apphb_request",
        run: request,
        seeds: bodies,
        words: kinds,
        length_max: 1024,
    },
    Target {
        name: "apphb_monitor",
        run: monitored,
        seeds: days,
        words: steps,
        length_max: 4096,
    },
];

/// Who may connect to the monitor under test: root, the daemon's user and anybody.
const PEERS: [Peer; 3] = [
    Peer { pid: 1, uid: 0 },
    Peer { pid: 2, uid: 103 },
    Peer { pid: 3, uid: 1000 },
];

/// A request that is understood is written and read as the same, and nothing in it makes two lines of one.
fn request(body: &[u8]) {
    let Some(request) = Request::decode(body) else {
        assert!(body.len() < 8, "a body with a type");
        return;
    };
    let again = Request::decode(&request.encode()).expect("our own request");
    match (&request, &again) {
        (
            Request::Register {
                name,
                instance,
                directory,
                pid,
                uid,
            },
            Request::Register {
                name: name2,
                instance: instance2,
                directory: directory2,
                pid: pid2,
                uid: uid2,
            },
        ) => {
            assert_eq!((pid, uid), (pid2, uid2));
            for (text, text2) in [
                (name, name2),
                (instance, instance2),
                (directory, directory2),
            ] {
                // Octets that are no UTF-8 have become longer characters, for which there may be no room any more.
                assert!(text.starts_with(text2.as_str()), "{text:?} {text2:?}");
                assert!(!text.chars().any(char::is_control), "{text:?}");
                assert!(text.len() <= 3 * 256);
            }
            assert!(!name2.is_empty());
        }
        // They are never sent, and have no words of their own.
        (Request::Malformed | Request::Unknown, again) => assert_eq!(*again, Request::Unregister),
        (request, again) => assert_eq!(request, again),
    }
}

/// A day of a monitor. Four bytes are one step: who, how much time has passed, and how long the message is that follows, in
/// units of four bytes; the fourth byte says what happens.
fn monitored(bytes: &[u8]) {
    let mut monitor = Monitor::default();
    let mut connected = BTreeSet::new();
    let mut root_asked = false;
    let mut now = Duration::ZERO;
    let mut rest = bytes;
    while let Some(([who, pause, length, what], behind)) = rest.split_first_chunk() {
        let at = usize::from(*who) % PEERS.len();
        let id = at as u64;
        let peer = PEERS[at];
        now += Duration::from_millis(100 * u64::from(*pause));
        monitor.look(now);
        after_a_look(&mut monitor, now, root_asked);
        let length = (4 * usize::from(*length)).min(behind.len());
        let (body, behind) = behind.split_at(length);
        rest = behind;
        let mut wanted = 0;
        match what % 8 {
            0 if connected.insert(id) => monitor.connected(id, peer),
            1 => {
                monitor.hung_up(id);
                connected.remove(&id);
            }
            _ => {
                let request = Request::decode(body);
                root_asked |= peer.uid == 0 && request == Some(Request::Boot(true));
                let silent = matches!(request, None | Some(Request::Beat));
                wanted = usize::from(connected.contains(&id) && !silent);
                monitor.heard(now, id, body);
            }
        }
        let mut replies = 0;
        for act in monitor.take_acts() {
            match act {
                Act::Reply(to, code) => {
                    assert_eq!(to, id, "an answer goes to whoever asked");
                    assert!(code >= 0);
                    replies += 1;
                }
                Act::Close(of) => {
                    assert_eq!(of, id);
                    connected.remove(&id);
                }
                act => heard(&act, root_asked),
            }
        }
        assert_eq!(replies, wanted, "one answer to each request");
        assert_eq!(monitor.count(), connected.len());
    }
    monitor.look(Duration::MAX);
    after_a_look(&mut monitor, Duration::MAX, root_asked);
}

fn after_a_look(monitor: &mut Monitor, now: Duration, root_asked: bool) {
    assert!(
        monitor.next_deadline().is_none_or(|due| due > now),
        "it spins"
    );
    for act in monitor.take_acts() {
        heard(&act, root_asked);
    }
}

/// Lines of the log are lines, and nobody but root has the machine restarted.
fn heard(act: &Act, root_asked: bool) {
    match act {
        Act::Log(priority, text) => {
            assert!(*priority != Priority::Emerg || root_asked, "{text}");
            assert!(!text.chars().any(char::is_control), "{text:?}");
            assert!(text.len() < 2000, "{} bytes", text.len());
        }
        Act::Reboot => assert!(root_asked),
        Act::Reply(..) | Act::Close(_) => panic!("{act:?} to nothing"),
    }
}

fn registration(name: &str, pid: u32) -> Vec<u8> {
    let request = Request::Register {
        name: name.into(),
        instance: "one".into(),
        directory: "/".into(),
        pid,
        uid: 0,
    };
    request.encode()
}

fn bodies() -> Vec<Seed> {
    vec![
        ("registration".into(), registration("heartbeat", 4711)),
        ("beat".into(), Request::Beat.encode()),
        ("interval".into(), Request::Interval(2000).encode()),
        ("warning".into(), Request::Warning(500).encode()),
        ("boot".into(), Request::Boot(true).encode()),
        ("unregister".into(), Request::Unregister.encode()),
    ]
}

fn kinds() -> Vec<Vec<u8>> {
    ["reg", "hb", "setint", "setwarn", "setboot", "unreg"]
        .iter()
        .map(|kind| format!("{kind:\0<8}").into_bytes())
        .collect()
}

/// One step of a day; what is said is padded to a multiple of four.
fn step(who: u8, pause: u8, what: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len().div_ceil(4);
    let mut bytes = vec![who, pause, u8::try_from(length).unwrap_or(u8::MAX), what];
    bytes.extend(body);
    bytes.resize(4 + 4 * length, 0);
    bytes
}

fn steps() -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = bodies()
        .iter()
        .map(|(_, body)| step(0, 3, 2, body))
        .collect();
    words.push(step(0, 0, 0, b""));
    words.push(step(0, 0, 1, b""));
    words.extend(kinds());
    // Longer words are not put in.
    words.retain(|word| word.len() <= 32);
    words
}

fn days() -> Vec<Seed> {
    let day = |who: u8, pid: u32| {
        [
            step(who, 0, 0, b""),
            step(who, 1, 2, &registration("heartbeat", pid)),
            step(who, 1, 2, &Request::Interval(2000).encode()),
            step(who, 1, 2, &Request::Warning(500).encode()),
            step(who, 1, 2, &Request::Boot(true).encode()),
            step(who, 10, 2, &Request::Beat.encode()),
            step(who, 30, 2, &Request::Beat.encode()),
            step(who, 1, 2, &Request::Unregister.encode()),
        ]
        .concat()
    };
    let gone = [
        step(2, 0, 0, b""),
        step(2, 0, 2, &registration("app", 3)),
        step(2, 9, 1, b""),
    ];
    vec![
        ("root".into(), day(0, 1)),
        ("user".into(), day(1, 2)),
        ("foreign-pid".into(), day(1, 9)),
        ("hangup".into(), gone.concat()),
    ]
}
