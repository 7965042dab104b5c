//! Log sinks: file, debug file, syslog and ha_logd, in the legacy's line formats (`install-and-cli.md` 9).
//!
//! A [`Logger`] starts out writing in the caller's thread, which is what a program wants while it still has a terminal.
//! A daemon then calls [`Logger::run_in_background`]: from there on a line costs the caller one bounded queue entry, and
//! a thread of ordinary priority does the writing. When the queue is full the line is dropped and counted; nothing ever
//! waits for a disk or for syslog.

mod files;
mod format;
mod logd;
mod syslog_sink;
mod writer;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use files::append;
pub use format::{Priority, SyslogFacility};
use format::{Record, Source};
use ha_wire::logd::{Layout, LogRecord};
pub use logd::connect_now;
pub use syslog_sink::SyslogSink;
use writer::{Order, Writer};

/// Lines that may wait for the writing thread.
const QUEUE_MAX: usize = 1024;

/// A longer text is cut (`install-and-cli.md` 9.2).
const TEXT_MAX: usize = 5119;

/// Where lines go.
#[derive(Clone, Debug, Default)]
pub struct Sinks {
    /// `logfile`: everything but debug lines.
    pub logfile: Option<PathBuf>,
    /// `debugfile`: everything.
    pub debugfile: Option<PathBuf>,
    /// `logfacility`: everything, to syslog.
    pub facility: Option<SyslogFacility>,
    /// `syslogmsgfmt yes`: files in the style of syslog.
    pub syslog_style: bool,
    /// Node name, for that style.
    pub node: String,
    /// Also to standard error, until the daemon has detached.
    pub stderr: bool,
    /// `use_logd yes`.
    pub logd: Option<LogdSink>,
    /// Permission bits of files that are made, less the umask; 0644 if nothing is said.
    pub mode: Option<u32>,
    /// A tag for syslog in the place of the speaker's name, which then stands in the message.
    pub syslog_prefix: Option<String>,
}

/// How to reach ha_logd.
#[derive(Clone, Debug)]
pub struct LogdSink {
    /// Its sockets, and the layout of the records that are sent there. The first one that answers is used.
    pub sockets: Vec<(PathBuf, Layout)>,
    /// `conn_logd_time`: pause before another attempt to connect.
    pub retry_after: Duration,
}

/// Where logging daemons listen, and what they understand: that of release 2.1, and that of cluster-glue. Ours serves
/// both.
pub fn logd_sockets() -> Vec<(PathBuf, Layout)> {
    vec![
        (LOGD_SOCKET.into(), Layout::Classic),
        (GLUE_LOGD_SOCKET.into(), Layout::Glue),
    ]
}

/// The socket of the logging daemon of release 2.1 (`client-api.md` 1.1).
pub const LOGD_SOCKET: &str = "/var/lib/log_daemon";

/// The socket of cluster-glue's.
pub const GLUE_LOGD_SOCKET: &str = "/var/lib/heartbeat/log_daemon";

/// The front of the sinks.
#[derive(Debug)]
pub struct Logger {
    entity: String,
    pid: u32,
    sinks: Sinks,
    back: Back,
}

#[derive(Debug)]
enum Back {
    Here(Box<Mutex<Writer>>),
    Thread {
        queue: SyncSender<Order>,
        dropped: Arc<AtomicU64>,
    },
}

impl Logger {
    /// A logger that writes in the caller's thread. `entity` is the program's name in every line.
    pub fn new(entity: &str, sinks: Sinks) -> Logger {
        let writer = Writer::new(entity, sinks.clone(), Arc::default());
        Logger {
            entity: entity.to_owned(),
            pid: std::process::id(),
            sinks,
            back: Back::Here(Box::new(Mutex::new(writer))),
        }
    }

    /// Where lines go at present.
    pub fn sinks(&self) -> &Sinks {
        &self.sinks
    }

    /// Sends lines elsewhere from now on.
    pub fn set_sinks(&mut self, sinks: Sinks) {
        self.sinks = sinks.clone();
        self.pid = std::process::id();
        match &self.back {
            Back::Here(writer) => {
                if let Ok(mut writer) = writer.lock() {
                    writer.set_sinks(sinks);
                }
            }
            Back::Thread { queue, .. } => {
                let _ = queue.try_send(Order::Sinks(Box::new(sinks)));
            }
        }
    }

    /// Hands the writing over to a thread. To be called after the last fork and before the caller takes real-time
    /// priority, so that the thread has ordinary priority.
    ///
    /// # Errors
    /// No thread could be started; the logger keeps writing in the caller's.
    pub fn run_in_background(&mut self) -> std::io::Result<()> {
        self.run_in_background_with(QUEUE_MAX)
    }

    /// The same with a queue of another length.
    ///
    /// # Errors
    /// As [`Logger::run_in_background`].
    pub fn run_in_background_with(&mut self, queue_length: usize) -> std::io::Result<()> {
        self.pid = std::process::id();
        let (queue, orders) = sync_channel(queue_length.max(1));
        let dropped = Arc::new(AtomicU64::new(0));
        let mut writer = Writer::new(&self.entity, self.sinks.clone(), Arc::clone(&dropped));
        // All memory of the process may be locked, so the stack is no larger than a few lines of text need.
        std::thread::Builder::new()
            .name("log".into())
            .stack_size(128 * 1024)
            .spawn(move || writer.serve(&orders))?;
        self.back = Back::Thread { queue, dropped };
        Ok(())
    }

    /// Writes `entity[pid]: date level: text`.
    pub fn log(&self, priority: Priority, text: impl Into<String>) {
        self.put(
            Source::Program {
                entity: self.entity.clone(),
                pid: self.pid,
            },
            priority,
            text.into(),
        );
    }

    /// Writes a line as a script's `ha_log` would (9.4): `tag[pid]:<TAB>date text`, the text carrying its own level.
    pub fn script_line(&self, tag: &str, text: impl Into<String>) {
        let text = text.into();
        let priority = format::script_priority(&text);
        self.put(
            Source::Script {
                tag: format!("{tag}[{}]", self.pid),
            },
            priority,
            text,
        );
    }

    /// The same for the debug file (and syslog) only, as `ha_debug` would.
    pub fn script_debug(&self, tag: &str, text: impl Into<String>) {
        let tag = format!("{tag}[{}]", self.pid);
        self.put(Source::Script { tag }, Priority::Debug, text.into());
    }

    /// Writes what another process has to say. Never waits; false if the queue is full, and the record shall be offered
    /// again. Its facility does not matter.
    pub fn forward(&self, record: &LogRecord) -> bool {
        let record = Record {
            source: Source::Client {
                entity: one_line(record.entity.clone()),
                pid: record.pid,
                with_level: record.with_level,
            },
            // A record that was decoded has one of syslog's.
            priority: Priority::from_number(record.priority).unwrap_or(Priority::Debug),
            wall: record.seconds,
            text: one_line(record.text.clone()),
        };
        match &self.back {
            Back::Here(writer) => {
                if let Ok(mut writer) = writer.lock() {
                    writer.write(&[record]);
                }
                true
            }
            Back::Thread { queue, .. } => queue.try_send(Order::Line(record)).is_ok(),
        }
    }

    /// Waits until everything queued before is written, but no longer than `patience`. For the moments before the
    /// process ends or replaces its image.
    pub fn flush(&self, patience: Duration) {
        if let Back::Thread { queue, .. } = &self.back {
            let (done, finished) = sync_channel(1);
            let deadline = crate::clock::monotonic() + patience;
            let mut order = Order::Flush(done);
            // The queue may be full at this moment; the writer is emptying it.
            loop {
                match queue.try_send(order) {
                    Ok(()) => break,
                    Err(TrySendError::Full(back)) if crate::clock::monotonic() < deadline => {
                        order = back
                    }
                    Err(_) => return,
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            let _ = finished.recv_timeout(deadline.saturating_sub(crate::clock::monotonic()));
        }
    }

    fn put(&self, source: Source, priority: Priority, text: String) {
        let record = Record {
            source,
            priority,
            wall: crate::clock::wall(),
            text: one_line(text),
        };
        match &self.back {
            Back::Here(writer) => {
                if let Ok(mut writer) = writer.lock() {
                    writer.write(&[record]);
                }
            }
            Back::Thread { queue, dropped } => {
                if queue.try_send(Order::Line(record)).is_err() {
                    dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

/// A text fit for one line of any sink. Names and texts of peers and clients may contain anything; a line feed in them
/// must not begin a line that looks like one of ours, nor an escape sequence reach the terminal of whoever reads the log.
/// Control characters but the tab become `\xNN`, as in the dump of a message; a line feed at the end just goes.
fn one_line(mut text: String) -> String {
    text.truncate(text.trim_end_matches(['\n', '\r']).len());
    let harmless = |c: char| c == '\t' || !c.is_control();
    if !text.chars().all(harmless) {
        let mut clean = String::with_capacity(text.len() + 16);
        for c in text.chars() {
            if harmless(c) {
                clean.push(c);
            } else {
                let _ = write!(clean, "\\x{:02x}", u32::from(c));
            }
        }
        text = clean;
    }
    cut(&mut text);
    text
}

/// Cuts at a character border at or before the limit.
fn cut(text: &mut String) {
    if text.len() > TEXT_MAX {
        let mut end = TEXT_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::testing::ScratchDir;

    fn read(path: &std::path::Path) -> String {
        std::fs::read_to_string(path).unwrap_or_default()
    }

    #[test]
    fn debug_lines_go_to_the_debug_file_only_and_rotation_needs_no_signal() {
        let dir = ScratchDir::new();
        let (log, debug) = (dir.path().join("ha-log"), dir.path().join("ha-debug"));
        let sinks = Sinks {
            logfile: Some(log.clone()),
            debugfile: Some(debug.clone()),
            ..Sinks::default()
        };
        let mut logger = Logger::new("heartbeat", sinks);
        logger.run_in_background().unwrap();
        logger.log(Priority::Info, "one");
        logger.log(Priority::Debug, "two");
        logger.flush(Duration::from_secs(20));
        assert_eq!(read(&log).lines().count(), 1);
        assert_eq!(read(&debug).lines().count(), 2);
        assert!(read(&log).starts_with(&format!("heartbeat[{}]: 20", std::process::id())));
        assert!(read(&log).ends_with(" info: one\n"));
        std::fs::rename(&log, dir.path().join("ha-log.1")).unwrap();
        logger.script_line("harc", "info: Running /etc/ha.d/rc.d/status status");
        logger.flush(Duration::from_secs(20));
        let line = read(&log);
        assert!(
            line.starts_with(&format!("harc[{}]:\t20", std::process::id())),
            "{line}"
        );
        assert!(
            line.ends_with(" info: Running /etc/ha.d/rc.d/status status\n"),
            "{line}"
        );
    }

    #[test]
    fn a_full_queue_drops_counts_and_never_waits() {
        let dir = ScratchDir::new();
        // An ha_logd that accepts and never reads blocks the writer for a second at a time.
        let socket = dir.path().join("log_daemon");
        let _deaf = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let log = dir.path().join("ha-log");
        let logd = LogdSink {
            sockets: vec![(socket, Layout::Classic)],
            retry_after: Duration::from_secs(3600),
        };
        let sinks = Sinks {
            logfile: Some(log.clone()),
            logd: Some(logd),
            ..Sinks::default()
        };
        let mut logger = Logger::new("heartbeat", sinks);
        logger.run_in_background().unwrap();
        for number in 0..QUEUE_MAX * 3 {
            logger.log(Priority::Info, format!("line {number} {}", "x".repeat(400)));
        }
        let Back::Thread { dropped, .. } = &logger.back else {
            unreachable!()
        };
        let lost = dropped.load(Ordering::Relaxed);
        logger.flush(Duration::from_secs(20));
        logger.log(Priority::Info, "after");
        logger.flush(Duration::from_secs(20));
        assert!(read(&log).ends_with(" info: after\n"));
        assert_eq!(
            lost > 0,
            read(&log).contains("messages were dropped"),
            "{lost}: {}",
            read(&log)
        );
    }

    /// A full disk or a want of descriptors: lines were lost without a word.
    #[test]
    fn what_the_file_did_not_take_is_counted() {
        let dir = ScratchDir::new();
        let log = dir.path().join("later/ha-log");
        let sinks = Sinks {
            logfile: Some(log.clone()),
            ..Sinks::default()
        };
        let mut logger = Logger::new("heartbeat", sinks);
        logger.run_in_background().unwrap();
        for batch in 0..3 {
            logger.log(Priority::Info, format!("lost {batch}"));
            logger.flush(Duration::from_secs(20));
        }
        std::fs::create_dir(dir.path().join("later")).unwrap();
        logger.log(Priority::Info, "kept");
        logger.flush(Duration::from_secs(20));
        let text = read(&log);
        assert!(text.contains(" info: kept\n"), "{text}");
        assert!(text.contains("cl_log: 3 messages were dropped"), "{text}");
        logger.log(Priority::Info, "kept, too");
        logger.flush(Duration::from_secs(20));
        assert_eq!(read(&log).matches("were dropped").count(), 1);
    }

    /// Whoever may name a node, a client or an application chooses part of a line.
    #[test]
    fn nobody_forges_a_line_of_the_log() {
        let dir = ScratchDir::new();
        let log = dir.path().join("ha-log");
        let sinks = Sinks {
            logfile: Some(log.clone()),
            ..Sinks::default()
        };
        let logger = Logger::new("heartbeat", sinks);
        let forged = "x\nheartbeat[1]: 2026/01/01_00:00:00 EMERG: all is lost\x1b[2J\r\u{85}";
        logger.log(Priority::Info, format!("Status of {forged}"));
        logger.script_line("harc", forged);
        logger.forward(&LogRecord {
            facility: ha_wire::logd::FACILITY_USER,
            priority: 6,
            with_level: false,
            pid: 1,
            entity: forged.to_owned(),
            seconds: 0,
            text: format!("{forged}\n"),
        });
        let written = read(&log);
        assert_eq!(written.lines().count(), 3, "{written}");
        assert!(
            !written
                .chars()
                .any(|c| c.is_control() && c != '\n' && c != '\t'),
            "{written:?}"
        );
        assert!(written.contains("\\x0aheartbeat[1]: "), "{written}");
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let mut text = "é".repeat(4000);
        cut(&mut text);
        assert_eq!(text.len(), 5118);
    }
}
