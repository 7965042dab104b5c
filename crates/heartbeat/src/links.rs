//! The media of the configuration: opening them with patience, reading, sending, and complaining at a bearable rate.

use std::io;
use std::time::Duration;

use ha_sys::media::{Medium, MediumSetup, Outcome, RECEIVE_MAX};
use ha_sys::{Interest, clock, errno_text};

use crate::shell::{Due, Shell, Token};

/// After this many failures in a row nothing more is said about them (`wire-protocol.md` 7.6).
const FAILURES_SHOWN: u32 = 10;

/// Pause before a medium whose device vanished is opened anew.
const REOPEN_PAUSE: Duration = Duration::from_secs(10);

/// A medium could not be opened: the daemon cannot do its work and ends.
#[derive(Debug)]
pub(crate) struct CannotOpen {
    /// `ucast eth9`
    pub(crate) medium: String,
}

impl std::fmt::Display for CannotOpen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "make_io_childpair: cannot open {}", self.medium)
    }
}

impl std::error::Error for CannotOpen {}

struct Link {
    setup: MediumSetup,
    medium: Option<Box<dyn Medium>>,
    attempt: u32,
    /// It was open before, so failing to open it again does not end the daemon.
    proven: bool,
    failures_in_row: u32,
    waits_to_write: bool,
}

/// All media, by position.
pub(crate) struct Links {
    links: Vec<Link>,
    buffer: Vec<u8>,
}

impl Links {
    pub(crate) fn new(setups: Vec<MediumSetup>) -> Links {
        let link = |setup| Link {
            setup,
            medium: None,
            attempt: 0,
            proven: false,
            failures_in_row: 0,
            waits_to_write: false,
        };
        Links {
            links: setups.into_iter().map(link).collect(),
            buffer: vec![0; RECEIVE_MAX],
        }
    }

    /// Begins with every medium.
    ///
    /// # Errors
    /// One of them can never be opened.
    pub(crate) fn open_all(&mut self, shell: &mut Shell) -> Result<(), CannotOpen> {
        (0..self.links.len()).try_for_each(|index| self.open(shell, index))
    }

    /// Every medium has been open at least once.
    pub(crate) fn all_proven(&self) -> bool {
        self.links.iter().all(|link| link.proven)
    }

    /// Tries once to open a medium, and sees to the next attempt.
    ///
    /// # Errors
    /// It can never be opened, and never was.
    pub(crate) fn open(&mut self, shell: &mut Shell, index: usize) -> Result<(), CannotOpen> {
        let Some(link) = self
            .links
            .get_mut(index)
            .filter(|link| link.medium.is_none())
        else {
            return Ok(());
        };
        link.attempt = link.attempt.saturating_add(1);
        let opening = link.setup.open(link.attempt);
        for (priority, text) in opening.said {
            shell.logger.log(priority, text);
        }
        let medium = match opening.outcome {
            Outcome::Open(medium) => medium,
            Outcome::Retry(pause) => {
                shell.after(pause, Due::OpenMedium(index));
                return Ok(());
            }
            Outcome::Failed if link.proven => {
                shell.after(REOPEN_PAUSE, Due::OpenMedium(index));
                return Ok(());
            }
            Outcome::Failed => {
                return Err(CannotOpen {
                    medium: link.label(),
                });
            }
        };
        let token = Token::Medium(index as u32).number();
        if let Err(error) = shell.poller.add(medium.descriptor(), token, Interest::Read) {
            shell.error(format!("{}: {}", link.label(), errno_text(&error)));
            return Err(CannotOpen {
                medium: link.label(),
            });
        }
        if link.proven {
            shell.info("Communications restart succeeded.");
        }
        link.medium = Some(medium);
        link.attempt = 0;
        link.proven = true;
        link.waits_to_write = false;
        Ok(())
    }

    /// Reads once from a medium.
    pub(crate) fn receive(
        &mut self,
        shell: &mut Shell,
        index: usize,
        deliver: &mut dyn FnMut(&[u8]),
    ) {
        let Some(link) = self.links.get_mut(index) else {
            return;
        };
        let Some(medium) = &mut link.medium else {
            return;
        };
        if let Err(error) = medium.receive(&mut self.buffer, deliver) {
            link.failed(shell, index, "read", &error);
        }
    }

    /// Sends one message over a medium.
    pub(crate) fn transmit(&mut self, shell: &mut Shell, index: usize, payload: &[u8]) {
        let Some(link) = self.links.get_mut(index) else {
            return;
        };
        let Some(medium) = &mut link.medium else {
            return;
        };
        match medium.transmit(payload) {
            Ok(()) => link.failures_in_row = 0,
            Err(error) => link.failed(shell, index, "write", &error),
        }
        link.watch_writability(shell, index);
    }

    /// A medium has room again.
    pub(crate) fn flush(&mut self, shell: &mut Shell, index: usize) {
        let Some(link) = self.links.get_mut(index) else {
            return;
        };
        if let Some(medium) = &mut link.medium
            && let Err(error) = medium.flush()
        {
            link.failed(shell, index, "write", &error);
        }
        link.watch_writability(shell, index);
    }
}

impl Link {
    fn label(&self) -> String {
        format!("{} {}", self.setup.kind(), self.setup.name())
    }

    fn watch_writability(&mut self, shell: &Shell, index: usize) {
        let Some(medium) = &self.medium else { return };
        let wanted = medium.wants_to_write();
        if wanted != self.waits_to_write {
            let interest = if wanted {
                Interest::ReadWrite
            } else {
                Interest::Read
            };
            if shell
                .poller
                .modify(
                    medium.descriptor(),
                    Token::Medium(index as u32).number(),
                    interest,
                )
                .is_ok()
            {
                self.waits_to_write = wanted;
            }
        }
    }

    fn failed(&mut self, shell: &mut Shell, index: usize, doing: &str, error: &io::Error) {
        self.failures_in_row = self.failures_in_row.saturating_add(1);
        let (label, text) = (self.label(), errno_text(error));
        if self.failures_in_row <= FAILURES_SHOWN {
            if error.kind() == io::ErrorKind::TimedOut {
                let device = self.setup.name();
                shell.warn(format!(
                    "TTY write timeout on [{device}] (no connection or bad cable? [see documentation])"
                ));
            } else {
                let ping = matches!(
                    self.setup,
                    MediumSetup::Ping { .. } | MediumSetup::PingGroup { .. }
                );
                let what = if ping { "packet" } else { "message" };
                shell.error(format!("glib: Error sending {what}: {text}"));
                shell.error(format!("write_child: {doing} failure on {label}.: {text}"));
            }
        }
        if self.failures_in_row == FAILURES_SHOWN {
            shell.warn("Temporarily Suppressing write error messages");
            shell.warn(format!("Is a cable unplugged on {label}?"));
        }
        if device_is_gone(error) {
            shell.error(format!(
                "{label}: device is gone. Restarting communications."
            ));
            if let Some(medium) = self.medium.take() {
                let _ = shell.poller.remove(medium.descriptor());
            }
            shell
                .timers
                .set(clock::monotonic() + REOPEN_PAUSE, Due::OpenMedium(index));
        }
    }
}

/// A socket bound to an interface that was removed never works again, even when one of the same name appears; the same
/// goes for a terminal that was hung up.
fn device_is_gone(error: &io::Error) -> bool {
    // ENODEV, ENXIO and EIO, which have no kind of their own.
    const GONE: [i32; 3] = [19, 6, 5];
    error.kind() == io::ErrorKind::UnexpectedEof
        || error
            .raw_os_error()
            .is_some_and(|code| GONE.contains(&code))
}
