//! What local programs send: frames of the client API, records of the logging daemon, tasks of fencing.

use ha_ipc::frame::{FrameError, FrameReader, Head};
use ha_wire::logd::LogRecord;
use stonith::task::{Answer, Task};

use crate::Target;
use crate::seeds::{self, Seed};

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "ipc_frames",
        run: frames,
        seeds: framed,
        words: heads,
        length_max: 8192,
    },
    Target {
        name: "logd_record",
        run: log_record,
        seeds: log_records,
        words: seeds::no_words,
        length_max: 1024,
    },
    Target {
        name: "stonith_task",
        run: task,
        seeds: tasks,
        words: task_words,
        length_max: 2048,
    },
];

/// A stream of frames; the last byte is the size of the pieces it arrives in. Bodies with their heads are the stream.
fn frames(bytes: &[u8]) {
    let Some((size, bytes)) = bytes.split_last() else {
        return;
    };
    let whole = cut(bytes, bytes.len().max(1));
    assert_eq!(whole, cut(bytes, usize::from(*size).max(1)));
    let mut again = Vec::new();
    for body in &whole.0 {
        let head = Head::for_body(body.len()).expect("a body that was accepted");
        again.extend(head.octets());
        again.extend(body);
    }
    assert!(bytes.starts_with(&again), "nothing is lost or made up");
}

/// The bodies of a stream that arrives in such pieces, and how it broke.
fn cut(bytes: &[u8], size: usize) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let mut reader = FrameReader::new();
    let mut bodies = Vec::new();
    for mut piece in bytes.chunks(size) {
        while !piece.is_empty() {
            let taken = reader.feed(piece);
            assert!(taken > 0, "there is room once all bodies are taken out");
            piece = &piece[taken..];
            loop {
                match reader.body() {
                    Ok(Some(body)) => bodies.push(body.to_vec()),
                    Ok(None) => break,
                    Err(error) => return (bodies, Some(error)),
                }
            }
        }
    }
    (bodies, None)
}

/// Frames as a client sends them.
fn framed() -> Vec<Seed> {
    let bodies = crate::cluster::client_bodies();
    let mut all = Vec::new();
    for body in &bodies {
        all.extend(Head::for_body(body.len()).expect("a short body").octets());
        all.extend(body);
    }
    // From its last byte a target takes the size of pieces.
    let one = Head::for_body(5).expect("a short body").octets();
    vec![
        ("session".to_owned(), [&all, &[7][..]].concat()),
        ("one".to_owned(), [&one, &b"hello\x03"[..]].concat()),
        ("cut-off".to_owned(), [&one, &b"he\x01"[..]].concat()),
    ]
}

fn heads() -> Vec<Vec<u8>> {
    [0, 1, 100]
        .into_iter()
        .filter_map(|length| Head::for_body(length).ok())
        .map(|head| head.octets().to_vec())
        .collect()
}

/// A record that is understood is written and read as the same.
fn log_record(bytes: &[u8]) {
    if let Ok((record, layout)) = LogRecord::decode(bytes) {
        let written = record.encode(layout);
        let (again, as_layout) = LogRecord::decode(&written).expect("our own record");
        assert_eq!(as_layout, layout);
        // Octets that are no UTF-8 have become longer characters, for which there may be no room any more.
        assert!(record.entity.starts_with(&again.entity), "{record:?}");
        assert!(record.text.starts_with(&again.text), "{record:?}");
        let numbers = |record: &LogRecord| (record.facility, record.priority, record.pid);
        assert_eq!(numbers(&record), numbers(&again));
    } else {
        let refused = LogRecord::decode(bytes).map(|_| ());
        assert!(
            !refused
                .expect_err("refused as before")
                .to_string()
                .is_empty()
        );
    }
}

fn log_records() -> Vec<Seed> {
    use ha_wire::logd::{FACILITY_USER, Layout};

    let record = LogRecord {
        facility: FACILITY_USER,
        priority: 6,
        with_level: true,
        pid: 4711,
        entity: "heartbeat".to_owned(),
        seconds: 1_700_000_000,
        text: "Link alpha:eth0 up.".to_owned(),
    };
    vec![
        ("classic".to_owned(), record.encode(Layout::Classic)),
        ("glue".to_owned(), record.encode(Layout::Glue)),
    ]
}

/// What the daemon and `stonith-device` say to each other.
fn task(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(task) = Task::from_text(&text) {
        // Once written, it stays as it is.
        let written = task.to_text();
        let again = Task::from_text(&written).expect("our own task");
        assert!(again.to_text() == written && again.source == task.source);
    }
    for line in text.lines() {
        if let Some(answer) = Answer::from_text(line) {
            let written = answer.to_text();
            assert!(!written.contains('\n'));
            assert_eq!(
                Answer::from_text(&written).map(|it| it.to_text()),
                Some(written)
            );
        }
    }
}

fn tasks() -> Vec<Seed> {
    seeds::texts(&[
        b"task reset\nnode beta\ntype external/ssh\nsource text\n\nbeta",
        b"task check\ntype meatware\nsource file\n\nhostlist=alpha beta\n",
        b"task status\ntype fence_ipmilan\nsource text\n\nip=1 username=2",
        b"level CRIT external_reset_req: rc 1\nid ssh STONITH device\nunknown external/ssh\nbad hostlist\nend 5\n",
    ])
}

fn task_words() -> Vec<Vec<u8>> {
    let mut words = seeds::words(
        "task reset check status node type source text file level id unknown bad end CRIT info",
    );
    words.push(b"\n\n".to_vec());
    words
}
