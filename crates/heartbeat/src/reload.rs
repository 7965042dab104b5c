//! SIGHUP (`install-and-cli.md` 7.2): modification times decide what to do, and a check beside the loop whether it is
//! safe.
//!
//! The legacy trusts whoever sends the signal: a broken ha.cf makes its re-exec fail and the node is gone, a broken
//! authkeys makes it exit. Here the files are read and judged in a thread first (names in ha.cf may need a name server,
//! so the loop cannot do it), and a broken one changes nothing.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, channel};

use ha_config::{Diagnostic, FileContent, LoadOptions, parse_authkeys, paths};
use ha_wire::KeyRing;

use crate::files::{self, Stamps};

/// What a check beside the loop has found.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// ha.cf changed and everything validates: start anew without releasing resources.
    Restart,
    /// authkeys changed and validates.
    NewKeys {
        keys: Box<KeyRing>,
        /// To be remembered as seen.
        stamps: Stamps,
    },
    /// Something does not validate; go on as before.
    Refused(Vec<Diagnostic>),
}

/// What SIGHUP asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Configuration,
    Keys,
    Nothing,
}

/// Compares modification times; any difference counts, also an older one.
pub(crate) fn change(known: &Stamps, now: &Stamps) -> Change {
    if known.ha_cf != now.ha_cf {
        Change::Configuration
    } else if known.authkeys != now.authkeys {
        Change::Keys
    } else {
        Change::Nothing
    }
}

/// A check that is under way.
#[derive(Debug)]
pub(crate) struct Check {
    /// Readable when the verdict is there.
    wake: UnixStream,
    verdict: Receiver<Verdict>,
}

impl Check {
    /// Starts checking. The thread has ordinary priority even when ours is real-time.
    ///
    /// # Errors
    /// No thread or socket pair could be made.
    pub(crate) fn start(change: Change, stamps: Stamps, managed: bool) -> io::Result<Check> {
        let (wake, mut done) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let (sender, verdict) = channel();
        std::thread::Builder::new()
            .name("reload".into())
            .stack_size(512 * 1024)
            .spawn(move || {
                let verdict = match change {
                    Change::Keys => check_keys(stamps),
                    Change::Configuration | Change::Nothing => check_configuration(managed),
                };
                // The daemon may have ended meanwhile.
                let _ = sender.send(verdict);
                let _ = done.write_all(b"!");
            })?;
        Ok(Check { wake, verdict })
    }

    /// The verdict, if it is there.
    pub(crate) fn finished(&mut self) -> Option<Verdict> {
        let mut byte = [0];
        match self.wake.read(&mut byte) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            // The end without a byte means that the check itself failed; then nothing is changed.
            _ => Some(
                self.verdict
                    .try_recv()
                    .unwrap_or(Verdict::Refused(Vec::new())),
            ),
        }
    }
}

impl AsFd for Check {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

fn check_configuration(managed: bool) -> Verdict {
    let options = LoadOptions {
        managed,
        debug_from_options: 0,
        restart_or_reload: true,
    };
    let mut loaded = files::load_all(&options);
    let diagnostics = &mut loaded.diagnostics;
    match &loaded.config {
        Some(config) if crate::startup::fencing_devices(config, diagnostics).is_some() => {
            Verdict::Restart
        }
        Some(_) | None => Verdict::Refused(loaded.diagnostics),
    }
}

fn check_keys(stamps: Stamps) -> Verdict {
    let mut content = files::content(paths::AUTHKEYS);
    let parsed = match &content {
        FileContent::Read { bytes, mode } => parse_authkeys(bytes, *mode, paths::AUTHKEYS),
        FileContent::Unreadable(error) => {
            let text = format!("Cannot open keyfile [{}]: {error}", paths::AUTHKEYS);
            return Verdict::Refused(vec![Diagnostic::ours(
                ha_config::Severity::Error,
                "authkeys-unreadable",
                text,
            )]);
        }
    };
    content.wipe();
    match parsed.value {
        Some(keys) => Verdict::NewKeys {
            keys: Box::new(keys),
            stamps,
        },
        None => Verdict::Refused(parsed.diagnostics),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn ha_cf_comes_before_authkeys_and_any_difference_counts() {
        let time = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        let known = Stamps {
            ha_cf: time(5),
            authkeys: time(5),
        };
        let with = |ha_cf, authkeys| change(&known, &Stamps { ha_cf, authkeys });
        assert_eq!(with(time(5), time(5)), Change::Nothing);
        assert_eq!(with(time(5), time(4)), Change::Keys);
        assert_eq!(with(time(4), time(6)), Change::Configuration);
        assert_eq!(with(None, time(5)), Change::Configuration);
    }
}
