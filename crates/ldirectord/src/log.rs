//! Log lines (`ldirectord.md` 8), and lines for monitor files.
//!
//! Until [`Log::run_in_background`] lines are written where they arise, which is what a command on a terminal wants.
//! From then on a line costs the loop an entry in a bounded queue, and a thread does the writing: neither a full or dead
//! disk nor a paused terminal holds up a check. When the queue is full, lines are dropped and counted.
//!
//! Files are opened anew for each batch of lines, so rotating them needs no signal.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ha_config::ldirectord::LogTarget;
use ha_sys::clock::{self, LocalTime};
use ha_sys::log::{SyslogFacility, SyslogSink, append};

/// Where lines go unless the configuration says otherwise.
pub(crate) const DEFAULT_FILE: &str = "/var/log/ldirectord.log";

/// So many bytes may wait to be written.
const WAITING_MAX: usize = 4 << 20;

/// What an entry of the queue costs beyond its text, roughly.
const ENTRY_COST: usize = 64;

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Appended to a file.
    File(PathBuf),
    /// To syslog.
    Syslog(SyslogFacility),
    /// `supervised`: to standard output, without instance and pid.
    Supervised,
    /// `-d`: to standard error, doubled.
    Debug,
}

/// What the configuration names. A facility that syslog does not have is taken for its `daemon`.
pub(crate) fn target_of(configured: &LogTarget) -> Target {
    match configured {
        LogTarget::File(path) => Target::File(path.into()),
        LogTarget::Syslog(name) => {
            Target::Syslog(SyslogFacility::from_name(name).unwrap_or(SyslogFacility::DAEMON))
        }
    }
}

/// The front of the log. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Log {
    shared: Arc<Shared>,
}

struct Shared {
    instance: String,
    state: Mutex<State>,
    /// There is work, or it is done.
    changed: Condvar,
}

struct State {
    /// In the background: written by the thread; else by whoever adds a line.
    background: bool,
    debug: bool,
    waiting: VecDeque<Entry>,
    bytes: usize,
    dropped: u64,
    /// Entries ever queued, and ever written.
    queued: u64,
    written: u64,
    writer: Option<Writer>,
}

enum Entry {
    Line { wall: u64, text: String },
    Debug { text: String },
    Append { path: PathBuf, text: String },
    Target(Target),
}

impl Entry {
    fn cost(&self) -> usize {
        ENTRY_COST
            + match self {
                Entry::Line { text, .. } | Entry::Debug { text } => text.len(),
                Entry::Append { path, text } => text.len() + path.as_os_str().len(),
                Entry::Target(_) => 0,
            }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Log({})", self.shared.instance)
    }
}

impl Log {
    /// A log that writes at once.
    pub(crate) fn new(instance: &str, target: Target) -> Log {
        let state = State {
            background: false,
            debug: target == Target::Debug,
            waiting: VecDeque::new(),
            bytes: 0,
            dropped: 0,
            queued: 0,
            written: 0,
            writer: Some(Writer::new(instance, target)),
        };
        Log {
            shared: Arc::new(Shared {
                instance: instance.to_owned(),
                state: Mutex::new(state),
                changed: Condvar::new(),
            }),
        }
    }

    /// Hands the writing over to a thread. After the last fork.
    ///
    /// # Errors
    /// No thread could be made; the log goes on writing at once.
    pub(crate) fn run_in_background(&self) -> io::Result<()> {
        let Some(mut writer) = self.lock().writer.take() else {
            return Ok(());
        };
        writer.pid = std::process::id();
        let target = writer.target.clone();
        let shared = Arc::clone(&self.shared);
        let started = std::thread::Builder::new()
            .name("log".into())
            .stack_size(128 * 1024)
            .spawn(move || shared.serve(writer));
        let mut state = self.lock();
        match started {
            Ok(_) => state.background = true,
            Err(_) => state.writer = Some(Writer::new(&self.shared.instance, target)),
        }
        started.map(|_| ())
    }

    /// A line. Control characters in it (it may quote what a server said) become `?`, so that one line stays one line.
    pub(crate) fn line(&self, text: impl Into<String>) {
        let text: String = text.into();
        let clean = if text.chars().any(char::is_control) {
            text.chars()
                .map(|c| if c.is_control() { '?' } else { c })
                .collect()
        } else {
            text
        };
        self.as_it_is(clean);
    }

    /// A text that may have several lines by the rules, such as a diagnostic.
    pub(crate) fn as_it_is(&self, text: impl Into<String>) {
        self.put(Entry::Line {
            wall: clock::wall(),
            text: text.into(),
        });
    }

    /// A line for `-d` only, with its level in front.
    pub(crate) fn debug(&self, level: u8, text: impl fmt::Display) {
        if self.debugging() {
            self.put(Entry::Debug {
                text: format!("DEBUG{level}: {text}\n"),
            });
        }
    }

    /// Whether `-d` was given.
    pub(crate) fn debugging(&self) -> bool {
        self.lock().debug
    }

    /// Appends a line to a file of its own (monitor files).
    pub(crate) fn append(&self, path: &Path, line: String) {
        self.put(Entry::Append {
            path: path.to_owned(),
            text: line,
        });
    }

    /// Sends lines elsewhere from now on. Debug output and supervised output stay what they are.
    pub(crate) fn retarget(&self, target: Target) {
        self.put(Entry::Target(target));
    }

    /// Waits until everything is written, but no longer than `patience`.
    pub(crate) fn flush(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let mut state = self.lock();
        let goal = state.queued;
        while state.background && state.written < goal {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = match self.shared.changed.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(_) => return,
            };
        }
    }

    fn put(&self, entry: Entry) {
        let mut state = self.lock();
        if !state.background {
            if let Some(writer) = &mut state.writer {
                writer.write([entry]);
            }
            return;
        }
        let cost = entry.cost();
        if state.bytes + cost > WAITING_MAX && !matches!(entry, Entry::Target(_)) {
            state.dropped += 1;
            return;
        }
        state.bytes += cost;
        state.queued += 1;
        state.waiting.push_back(entry);
        drop(state);
        self.shared.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut writer: Writer) {
        let mut state = self.lock();
        loop {
            while state.waiting.is_empty() && state.dropped == 0 {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            let mut batch = std::mem::take(&mut state.waiting);
            let count = batch.len() as u64;
            let dropped = std::mem::take(&mut state.dropped);
            let bytes = state.bytes;
            drop(state);
            if dropped > 0 {
                batch.push_back(Entry::Line {
                    wall: clock::wall(),
                    text: format!("{dropped} log lines were dropped: writing is too slow"),
                });
            }
            writer.write(batch);
            state = self.lock();
            // Only now: what is being written still takes memory.
            state.bytes = state.bytes.saturating_sub(bytes);
            state.written += count;
            self.changed.notify_all();
        }
    }
}

/// Whoever writes.
struct Writer {
    instance: String,
    pid: u32,
    target: Target,
    syslog: SyslogSink,
}

impl Writer {
    fn new(instance: &str, target: Target) -> Writer {
        Writer {
            instance: instance.to_owned(),
            pid: std::process::id(),
            target,
            syslog: SyslogSink::default(),
        }
    }

    fn write(&mut self, entries: impl IntoIterator<Item = Entry>) {
        let mut lines = String::new();
        let mut appended: Vec<(PathBuf, String)> = Vec::new();
        for entry in entries {
            match entry {
                Entry::Line { wall, text } => {
                    if let Target::Syslog(facility) = self.target {
                        let tag = format!("ldirectord[{}]", self.pid);
                        self.syslog.info(facility, &tag, &text);
                    } else {
                        lines.push_str(&self.form(wall, &text));
                    }
                }
                Entry::Debug { text } => lines.push_str(&text),
                Entry::Append { path, text } => {
                    match appended.iter_mut().find(|(known, _)| *known == path) {
                        Some((_, texts)) => texts.push_str(&text),
                        None => appended.push((path, text)),
                    }
                }
                Entry::Target(target) => {
                    self.write_lines(&std::mem::take(&mut lines));
                    if matches!(self.target, Target::File(_) | Target::Syslog(_)) {
                        self.target = target;
                    }
                }
            }
        }
        self.write_lines(&lines);
        for (path, text) in appended {
            // There is nowhere to complain for each line; the configuration made sure that it could be opened.
            let _ = append(&path, &text);
        }
    }

    fn form(&self, wall: u64, text: &str) -> String {
        let time = LocalTime::at(wall).ctime();
        match self.target {
            Target::File(_) | Target::Syslog(_) => {
                format!("[{time}|{}|{}] {text}\n", self.instance, self.pid)
            }
            Target::Supervised => format!("[{time}] {text}\n"),
            Target::Debug => format!("DEBUG2: {text}\n{text}\n"),
        }
    }

    fn write_lines(&self, lines: &str) {
        if lines.is_empty() {
            return;
        }
        match &self.target {
            Target::File(path) => {
                if append(path, lines).is_err() {
                    ha_sys::terminal::error(lines);
                }
            }
            Target::Supervised => ha_sys::terminal::print(lines),
            Target::Debug | Target::Syslog(_) => ha_sys::terminal::error(lines),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn lines(path: &Path) -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_line_has_time_instance_and_pid_and_survives_rotation() {
        let dir = Scratch::new();
        let path = dir.path("l.log");
        let log = Log::new("www.cf", Target::File(path.clone()));
        log.line("one\ntwo");
        log.run_in_background().unwrap();
        std::fs::rename(&path, dir.path("l.log.1")).unwrap();
        log.as_it_is("Unknown command x=1\n ");
        log.flush(Duration::from_secs(20));
        let old = lines(&dir.path("l.log.1"));
        let end = format!("|www.cf|{}] one?two", std::process::id());
        assert!(old[0].ends_with(&end), "{old:?}");
        // [Mon Nov 23 21:58:26 2026|
        assert_eq!(old[0].find('|'), Some(25), "{old:?}");
        assert_eq!(lines(&path)[1], " ");
    }

    #[test]
    fn each_target_has_its_form() {
        let form = |target| Writer::new("i", target).form(0, "text");
        let time = LocalTime::at(0).ctime();
        assert_eq!(form(Target::Supervised), format!("[{time}] text\n"));
        assert_eq!(form(Target::Debug), "DEBUG2: text\ntext\n");
    }

    #[test]
    fn a_target_can_change_but_debug_output_stays() {
        let dir = Scratch::new();
        let (one, two) = (dir.path("one"), dir.path("two"));
        let log = Log::new("i", Target::File(one.clone()));
        log.line("a");
        log.retarget(Target::File(two.clone()));
        log.line("b");
        assert_eq!((lines(&one).len(), lines(&two).len()), (1, 1));
        let log = Log::new("i", Target::Debug);
        log.retarget(Target::File(one.clone()));
        log.line("a line on standard error, as it should be");
        assert_eq!(lines(&one).len(), 1);
        assert!(log.debugging());
    }

    #[test]
    fn a_full_queue_drops_and_says_so_later() {
        let dir = Scratch::new();
        let path = dir.path("l.log");
        let log = Log::new("i", Target::File(path.clone()));
        // As if the thread were stuck in a write.
        let writer = log.lock().writer.take().unwrap();
        log.lock().background = true;
        let long = "x".repeat(1000);
        for _ in 0..WAITING_MAX / 1000 {
            log.line(long.clone());
        }
        let dropped = log.lock().dropped;
        assert!(dropped > 0);
        let shared = Arc::clone(&log.shared);
        std::thread::spawn(move || shared.serve(writer));
        log.flush(Duration::from_secs(20));
        let last = format!("{dropped} log lines were dropped: writing is too slow");
        assert!(lines(&path).last().unwrap().ends_with(&last));
    }

    #[test]
    fn monitor_lines_go_to_their_own_files() {
        let dir = Scratch::new();
        let log = Log::new("i", Target::File(dir.path("log")));
        log.run_in_background().unwrap();
        for text in ["1\n", "2\n"] {
            log.append(&dir.path("m1"), text.to_owned());
            log.append(&dir.path("m2"), text.to_owned());
        }
        log.flush(Duration::from_secs(20));
        for name in ["m1", "m2"] {
            assert_eq!(lines(&dir.path(name)), ["1", "2"]);
        }
        assert!(lines(&dir.path("log")).is_empty());
    }
}
