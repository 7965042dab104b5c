//! The ha_logd sink (`client-api.md` 1.2 and 9): records as `ha_wire::logd` lays them out, each in a frame.

use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use ha_wire::logd::{CLASSIC_TEXT_MAX, FACILITY_USER, Layout, LogRecord};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

use super::LogdSink;
use super::format::{Record, Source};
use crate::clock::monotonic;

/// The second word of every frame; the first is the length of the body.
const MAGIC: u32 = 0xabcd;

/// How long a daemon that reads slowly may hold up the thread that writes.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);

/// A lazily made connection.
#[derive(Debug, Default)]
pub(super) struct LogdConnection {
    stream: Option<(UnixStream, Layout)>,
    next_attempt: Duration,
}

impl LogdConnection {
    /// Sends one record. False: ha_logd does not take it, the caller should write it elsewhere.
    pub(super) fn send(&mut self, sink: &LogdSink, record: &Record) -> bool {
        if self.stream.is_none() && monotonic() >= self.next_attempt {
            self.stream = reach(sink);
        }
        if let Some((stream, layout)) = &mut self.stream
            && stream.write_all(&framed(record, *layout)).is_ok()
        {
            return true;
        }
        if self.stream.take().is_some() || monotonic() >= self.next_attempt {
            self.next_attempt = monotonic() + sink.retry_after;
        }
        false
    }
}

/// The first daemon that answers.
fn reach(sink: &LogdSink) -> Option<(UnixStream, Layout)> {
    sink.sockets.iter().find_map(|(path, layout)| {
        let stream = connect_now(path).ok()?;
        stream.set_write_timeout(Some(WRITE_TIMEOUT)).ok()?;
        Some((stream, *layout))
    })
}

/// Connects at once or not at all: a daemon that is stopped has a queue of its own that may be full, and waiting for it
/// would be for ever.
///
/// # Errors
/// As `connect(2)`.
pub fn connect_now(path: &Path) -> io::Result<UnixStream> {
    let fd = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        None,
    )?;
    connect(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    let stream = UnixStream::from(fd);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

fn framed(record: &Record, layout: Layout) -> Vec<u8> {
    let (entity, pid, with_level) = match &record.source {
        Source::Program { entity, pid } => (entity, *pid, true),
        Source::Script { tag } => (tag, std::process::id(), false),
        Source::Client {
            entity,
            pid,
            with_level,
        } => (entity, *pid, *with_level),
    };
    let end = record.text.floor_char_boundary(CLASSIC_TEXT_MAX);
    let body = LogRecord {
        facility: FACILITY_USER,
        priority: record.priority.number(),
        with_level,
        pid,
        entity: entity.clone(),
        seconds: record.wall,
        text: record.text.get(..end).unwrap_or_default().to_owned(),
    }
    .encode(layout);
    let mut frame = Vec::with_capacity(8 + body.len());
    frame.extend_from_slice(&(body.len() as u32).to_ne_bytes());
    frame.extend_from_slice(&MAGIC.to_ne_bytes());
    frame.extend_from_slice(&body);
    frame
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixListener;

    use super::super::format::Priority;
    use super::*;
    use crate::process::testing::ScratchDir;

    fn record(text: &str) -> Record {
        Record {
            source: Source::Program {
                entity: "heartbeat".into(),
                pid: 77,
            },
            priority: Priority::Info,
            wall: 1_700_000_000,
            text: text.into(),
        }
    }

    #[test]
    fn the_record_has_the_layout_of_2_1() {
        let frame = framed(&record("hello"), Layout::Classic);
        let number = |at: usize| u32::from_ne_bytes(frame[at..at + 4].try_into().unwrap());
        let long = size_of::<libc::c_ulong>();
        assert_eq!(number(0) as usize, 56 + long + 6);
        assert_eq!(number(4), 0xabcd);
        assert_eq!([8, 12, 16, 20, 24, 28].map(number), [2, 8, 6, 6, 1, 77]);
        assert_eq!(&frame[32..42], b"heartbeat\0");
        assert_eq!(&frame[64 + long..], b"hello\0");
        assert_eq!(
            framed(&record(&"x".repeat(1000)), Layout::Classic).len(),
            64 + long + 512
        );
    }

    #[test]
    fn an_absent_daemon_is_tried_again_only_after_the_pause() {
        let dir = ScratchDir::new();
        let sink = LogdSink {
            sockets: vec![(dir.path().join("log_daemon"), Layout::Classic)],
            retry_after: Duration::from_secs(3600),
        };
        let mut connection = LogdConnection::default();
        assert!(!connection.send(&sink, &record("lost")));
        let listener = UnixListener::bind(&sink.sockets[0].0).unwrap();
        assert!(!connection.send(&sink, &record("too early")));
        connection.next_attempt = Duration::ZERO;
        assert!(connection.send(&sink, &record("heard")));
        let mut head = [0; 8];
        listener.accept().unwrap().0.read_exact(&mut head).unwrap();
        assert_eq!(head[4..], 0xabcdu32.to_ne_bytes());
    }

    /// cluster-glue's daemon listens elsewhere and wants another layout.
    #[test]
    fn the_second_socket_is_used_when_nobody_answers_at_the_first() {
        let dir = ScratchDir::new();
        let (absent, glue) = (dir.path().join("absent"), dir.path().join("log_daemon"));
        let listener = UnixListener::bind(&glue).unwrap();
        let sink = LogdSink {
            sockets: vec![(absent, Layout::Classic), (glue, Layout::Glue)],
            retry_after: Duration::ZERO,
        };
        assert!(LogdConnection::default().send(&sink, &record("heard")));
        let mut octets = Vec::new();
        let mut stream = listener.accept().unwrap().0;
        stream.read_to_end(&mut octets).unwrap();
        let (received, layout) = LogRecord::decode(&octets[8..]).unwrap();
        assert_eq!((received.text.as_str(), layout), ("heard", Layout::Glue));
    }

    #[test]
    fn a_daemon_whose_queue_is_full_is_not_waited_for() {
        let dir = ScratchDir::new();
        let path = dir.path().join("log_daemon");
        let _stopped = UnixListener::bind(&path).unwrap();
        let mut held = Vec::new();
        let error = loop {
            match connect_now(&path) {
                Ok(stream) => held.push(stream),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{}", held.len());
    }
}
