//! The ha_logd sink (`client-api.md` 1.2 and 9).
//!
//! ```text
//! head:  body length (4) | magic 0x0000abcd (4)
//! body:  type 2 (4) | facility (4) | priority (4) | text length with NUL (4) | print the level word (4) | pid (4)
//!        | entity, NUL padded (32) | seconds since 1970 (native long) | text | NUL
//! ```
//! All integers in host byte order.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::LogdSink;
use super::format::{Record, Source};
use crate::clock::monotonic;

const MAGIC: u32 = 0xabcd;

/// What heartbeat's library calls `LOG_USER`; ha_logd uses its own facility anyway.
const FACILITY_USER: i32 = 8;

/// The library of 2.1 cuts texts here.
const TEXT_MAX: usize = 511;

/// A lazily made connection.
#[derive(Debug, Default)]
pub(super) struct LogdConnection {
    stream: Option<UnixStream>,
    next_attempt: Duration,
}

impl LogdConnection {
    /// Sends one record. False: ha_logd does not take it, the caller should write it elsewhere.
    pub(super) fn send(&mut self, sink: &LogdSink, record: &Record) -> bool {
        if self.stream.is_none() && monotonic() >= self.next_attempt {
            self.stream = connect(sink).ok();
        }
        if let Some(stream) = &mut self.stream
            && stream.write_all(&encode(record)).is_ok()
        {
            return true;
        }
        if self.stream.take().is_some() || monotonic() >= self.next_attempt {
            self.next_attempt = monotonic() + sink.retry_after;
        }
        false
    }
}

fn connect(sink: &LogdSink) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(&sink.socket)?;
    stream.set_write_timeout(Some(Duration::from_secs(1)))?;
    Ok(stream)
}

fn encode(record: &Record) -> Vec<u8> {
    let (entity, pid, with_level) = match &record.source {
        Source::Program { entity, pid } => (entity.as_str(), *pid, 1i32),
        Source::Script { tag } => (tag.as_str(), std::process::id(), 0),
    };
    let mut end = record.text.len().min(TEXT_MAX);
    while !record.text.is_char_boundary(end) {
        end -= 1;
    }
    let text = record.text.get(..end).unwrap_or_default();
    let mut body = Vec::with_capacity(64 + text.len() + 1);
    for number in [
        2,
        FACILITY_USER,
        i32::from(record.priority.number()),
        text.len() as i32 + 1,
        with_level,
        pid as i32,
    ] {
        body.extend_from_slice(&number.to_ne_bytes());
    }
    let mut name = [0; 32];
    // The last octet stays NUL.
    for (slot, byte) in name.iter_mut().take(31).zip(entity.bytes()) {
        *slot = byte;
    }
    body.extend_from_slice(&name);
    body.extend_from_slice(&(record.wall as libc::c_ulong).to_ne_bytes());
    body.extend_from_slice(text.as_bytes());
    body.push(0);
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
        let frame = encode(&record("hello"));
        let number = |at: usize| u32::from_ne_bytes(frame[at..at + 4].try_into().unwrap());
        let long = size_of::<libc::c_ulong>();
        assert_eq!(number(0) as usize, 56 + long + 6);
        assert_eq!(number(4), 0xabcd);
        assert_eq!([8, 12, 16, 20, 24, 28].map(number), [2, 8, 6, 6, 1, 77]);
        assert_eq!(&frame[32..42], b"heartbeat\0");
        assert_eq!(&frame[64 + long..], b"hello\0");
        assert_eq!(encode(&record(&"x".repeat(1000))).len(), 64 + long + 512);
    }

    #[test]
    fn an_absent_daemon_is_tried_again_only_after_the_pause() {
        let dir = ScratchDir::new();
        let sink = LogdSink {
            socket: dir.path().join("log_daemon"),
            retry_after: Duration::from_secs(3600),
        };
        let mut connection = LogdConnection::default();
        assert!(!connection.send(&sink, &record("lost")));
        let listener = UnixListener::bind(&sink.socket).unwrap();
        assert!(!connection.send(&sink, &record("too early")));
        connection.next_attempt = Duration::ZERO;
        assert!(connection.send(&sink, &record("heard")));
        let mut head = [0; 8];
        listener.accept().unwrap().0.read_exact(&mut head).unwrap();
        assert_eq!(head[4..], 0xabcdu32.to_ne_bytes());
    }
}
