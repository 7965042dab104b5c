//! The one place that writes: takes batches of records and spreads them over the sinks.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};

use super::format::{Priority, Record, Source, SyslogFacility};
use super::logd::LogdConnection;
use super::syslog_sink::SyslogSink;
use super::{Sinks, files};

/// How many records are written with one opening of a file.
const BATCH_MAX: usize = 256;

/// What the writing thread is told.
pub(super) enum Order {
    /// Write this.
    Line(Record),
    /// Send lines elsewhere from now on.
    Sinks(Box<Sinks>),
    /// Say when everything before is written.
    Flush(SyncSender<()>),
}

/// All sinks of one program.
#[derive(Debug)]
pub(super) struct Writer {
    /// Who complains when a sink does not work.
    entity: String,
    sinks: Sinks,
    syslog: SyslogSink,
    logd: LogdConnection,
    dropped: Arc<AtomicU64>,
    /// Lines of the last batch that the log file did not take.
    refused: u64,
}

impl Writer {
    pub(super) fn new(entity: &str, sinks: Sinks, dropped: Arc<AtomicU64>) -> Writer {
        Writer {
            entity: entity.to_owned(),
            sinks,
            syslog: SyslogSink::default(),
            logd: LogdConnection::default(),
            dropped,
            refused: 0,
        }
    }

    pub(super) fn set_sinks(&mut self, sinks: Sinks) {
        self.sinks = sinks;
    }

    /// Runs until the queue's other end is gone.
    pub(super) fn serve(&mut self, orders: &Receiver<Order>) {
        let mut batch = Vec::new();
        while let Ok(first) = orders.recv() {
            let mut next = Some(first);
            while let Some(order) = next.take() {
                match order {
                    Order::Line(record) => batch.push(record),
                    Order::Sinks(sinks) => {
                        self.write_batch(&mut batch);
                        self.sinks = *sinks;
                    }
                    Order::Flush(done) => {
                        self.write_batch(&mut batch);
                        let _ = done.send(());
                    }
                }
                if batch.len() < BATCH_MAX {
                    next = orders.try_recv().ok();
                }
            }
            self.write_batch(&mut batch);
        }
    }

    fn write_batch(&mut self, batch: &mut Vec<Record>) {
        if batch.is_empty() {
            return;
        }
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0
            && let Some(last) = batch.last()
        {
            let text = format!("cl_log: {dropped} messages were dropped");
            batch.push(Record {
                priority: Priority::Warn,
                text,
                source: last.source.clone(),
                wall: last.wall,
            });
        }
        self.write(batch);
        if self.refused > 0 {
            // Told with the first line that finds room again. The line about earlier ones is not one of them.
            let told = u64::from(dropped > 0);
            self.dropped
                .fetch_add(dropped + self.refused - told, Ordering::Relaxed);
        }
        batch.clear();
    }

    /// Writes records now.
    pub(super) fn write(&mut self, records: &[Record]) {
        self.refused = 0;
        if records.is_empty() {
            return;
        }
        if self.sinks.stderr {
            let text: String = records.iter().map(|record| self.line(record)).collect();
            // A closed terminal is no reason to fail.
            let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
        }
        let direct: Vec<&Record> = match &self.sinks.logd {
            None => records.iter().collect(),
            Some(sink) => records
                .iter()
                .filter(|record| !self.logd.send(sink, record))
                .collect(),
        };
        self.write_directly(&direct);
    }

    fn write_directly(&mut self, records: &[&Record]) {
        if records.is_empty() {
            return;
        }
        // With ha_logd away and no sink of our own, lines go where an unconfigured ha_logd would have put them: better
        // than nowhere.
        let homeless = self.sinks.logd.is_some()
            && self.sinks.logfile.is_none()
            && self.sinks.debugfile.is_none()
            && self.sinks.facility.is_none();
        let facility = if homeless {
            Some(SyslogFacility::DAEMON)
        } else {
            self.sinks.facility
        };
        if let Some(facility) = facility {
            for record in records {
                self.syslog
                    .send(facility, self.sinks.syslog_prefix.as_deref(), record);
            }
        }
        if let Some(path) = self.sinks.logfile.clone() {
            let loud = records
                .iter()
                .filter(|record| record.priority != Priority::Debug);
            let text: String = loud.map(|record| self.line(record)).collect();
            if !self.append(&path, &text) {
                self.refused = text.lines().count() as u64;
            }
        }
        if let Some(path) = self.debug_path() {
            let text: String = records.iter().map(|record| self.line(record)).collect();
            self.append(&path, &text);
        }
    }

    /// The debug file, unless it is the log file itself.
    fn debug_path(&self) -> Option<PathBuf> {
        self.sinks
            .debugfile
            .clone()
            .filter(|path| self.sinks.logfile.as_ref() != Some(path))
    }

    fn line(&self, record: &Record) -> String {
        record.file_line(self.sinks.syslog_style, &self.sinks.node)
    }

    /// Whether the file has taken the text.
    fn append(&mut self, path: &Path, text: &str) -> bool {
        if text.is_empty() || files::is_off(path) {
            return true;
        }
        if let Err(error) =
            files::append_with_mode(path, text, self.sinks.mode.unwrap_or(files::MODE))
        {
            let complaint = Record {
                source: Source::Program {
                    entity: self.entity.clone(),
                    pid: std::process::id(),
                },
                priority: Priority::Error,
                wall: crate::clock::wall(),
                text: format!(
                    "Cannot append to {}: {}",
                    path.display(),
                    crate::errno_text(&error)
                ),
            };
            self.syslog.send(
                self.sinks.facility.unwrap_or(SyslogFacility::DAEMON),
                self.sinks.syslog_prefix.as_deref(),
                &complaint,
            );
            return false;
        }
        true
    }
}
