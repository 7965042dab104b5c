//! Writes one small file beside the loop: replacing it durably waits for the disk, and the loop must not.
//!
//! Only the newest content counts. What is handed over while an older one is being written waits; what waits is replaced.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::durable::{self, RealDisk};

/// All memory of the process may be locked, so the stack is no larger than needed.
const STACK: usize = 64 * 1024;

/// Keeps one file up to date.
#[derive(Debug)]
pub struct Scribe {
    path: PathBuf,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    desk: Mutex<Desk>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Desk {
    waiting: Option<Vec<u8>>,
    /// A thread is at work.
    working: bool,
    failure: Option<std::io::Error>,
}

impl Scribe {
    /// For this file. Nothing happens before the first [`Scribe::write`].
    pub fn new(path: impl Into<PathBuf>) -> Scribe {
        Scribe {
            path: path.into(),
            shared: Arc::default(),
        }
    }

    /// Hands over new content, and returns at once. The thread that writes it ends when nothing is left to write; with
    /// `SCHED_RESET_ON_FORK` it has ordinary priority.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn write(&self, content: Vec<u8>) -> std::io::Result<()> {
        let mut desk = self.shared.desk();
        desk.waiting = Some(content);
        if desk.working {
            return Ok(());
        }
        let (shared, path) = (Arc::clone(&self.shared), self.path.clone());
        std::thread::Builder::new()
            .name("scribe".into())
            .stack_size(STACK)
            .spawn(move || shared.serve(&path))?;
        desk.working = true;
        Ok(())
    }

    /// Why the last content could not be written; said once.
    pub fn take_failure(&self) -> Option<std::io::Error> {
        self.shared.desk().failure.take()
    }

    /// Waits until everything is written, but no longer than `limit`. False if it was too long. Blocks: to be called after
    /// the loop.
    pub fn finish(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        let mut desk = self.shared.desk();
        while desk.working {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.shared.changed.wait_timeout(desk, left);
            desk = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, path: &Path) {
        let mut desk = self.desk();
        while let Some(content) = desk.waiting.take() {
            drop(desk);
            let end = durable::replace(&RealDisk, path, &content);
            desk = self.desk();
            desk.failure = end.err();
        }
        desk.working = false;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::testing::ScratchDir;

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn the_newest_content_is_what_stays() {
        let dir = ScratchDir::new();
        let path = dir.path().join("list");
        let scribe = Scribe::new(&path);
        assert!(scribe.finish(Duration::ZERO), "nothing to do");
        for number in 0..100 {
            scribe.write(format!("{number}\n").into_bytes()).unwrap();
        }
        assert!(scribe.finish(LONG));
        assert_eq!(std::fs::read(&path).unwrap(), b"99\n");
        assert!(scribe.take_failure().is_none());
    }

    #[test]
    fn a_failure_is_told_once_and_is_not_the_end() {
        let dir = ScratchDir::new();
        let directory = dir.path().join("later");
        let path = directory.join("list");
        let scribe = Scribe::new(&path);
        scribe.write(b"a\n".to_vec()).unwrap();
        assert!(scribe.finish(LONG));
        let failure = scribe.take_failure().unwrap();
        assert_eq!(failure.kind(), std::io::ErrorKind::NotFound);
        assert!(scribe.take_failure().is_none());
        std::fs::create_dir(&directory).unwrap();
        scribe.write(b"b\n".to_vec()).unwrap();
        assert!(scribe.finish(LONG));
        assert_eq!(std::fs::read(&path).unwrap(), b"b\n");
    }
}
