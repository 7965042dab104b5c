//! A helper process on a host that writes one line for each thing it sees, and what has been seen.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::error::Doing;
use crate::helper::MARKER;
use crate::{Host, LabError, Result};

/// A running helper and its records. Dropping it ends it.
pub(crate) struct Recorder<T> {
    process: Child,
    stdin: Option<ChildStdin>,
    records: Arc<Mutex<Vec<T>>>,
    reader: Option<JoinHandle<()>>,
    started: Instant,
}

impl<T: Send + 'static> Recorder<T> {
    /// Starts the helper of this role in the network of `host`. Lines that `parse` does not understand are skipped.
    pub(crate) fn start(
        host: &Host,
        role: &str,
        options: &[String],
        parse: fn(&str) -> Option<T>,
    ) -> Result<Self> {
        let exe = std::env::current_exe().doing(|| "path of this program".into())?;
        let mut command = host.lab().nsenter(host.pid()?, &["-n"]);
        let mut process = command
            .arg(exe)
            .args([MARKER, role])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .doing(|| format!("starting a {role}"))?;
        let stdout = process
            .stdout
            .take()
            .ok_or_else(|| LabError::unexpected("no pipe"))?;
        let records = Arc::new(Mutex::new(Vec::new()));
        let collected = Arc::clone(&records);
        let reader = thread::spawn(move || {
            for line in BufReader::new(stdout)
                .lines()
                .map_while(std::io::Result::ok)
            {
                if let Some(record) = parse(&line) {
                    collected.lock().expect("no panic while held").push(record);
                }
            }
        });
        Ok(Recorder {
            stdin: process.stdin.take(),
            process,
            records,
            reader: Some(reader),
            started: Instant::now(),
        })
    }

    /// The time since its start.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Looks at what has been recorded so far.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&[T]) -> R) -> R {
        look(&self.records.lock().expect("no panic while held"))
    }
}

impl<T> Recorder<T> {
    /// Ends the helper and waits for its last lines.
    pub(crate) fn end(&mut self) {
        // It ends when its standard input does, perhaps after a last look.
        self.stdin = None;
        let _ = self.process.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl<T> Drop for Recorder<T> {
    fn drop(&mut self) {
        self.end();
    }
}

/// For the helper's side: waits until the harness wants it to end.
pub(crate) fn wait_for_the_end() {
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
