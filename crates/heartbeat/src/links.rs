//! The media of the configuration: opening them with patience, opening them anew when what they stand on has changed,
//! reading, sending, and complaining at a bearable rate.

use std::io;
use std::time::Duration;

use ha_net::NetworkMonitor;
use ha_sys::log::Priority;
use ha_sys::media::{Footing, Medium, MediumSetup, Outcome, RECEIVE_MAX};
use ha_sys::{Interest, clock, errno_text};

use crate::shell::{Due, Shell, Token};

/// After this many failures in a row nothing more is said about them (`wire-protocol.md` 7.6).
const FAILURES_SHOWN: u32 = 10;

/// Pause between two attempts to open a medium whose device vanished. An interface's return is told by the kernel at
/// once; this is for serial lines, and for a kernel that tells nothing.
const REOPEN_PAUSE: Duration = Duration::from_secs(1);

/// How often a serial line that takes nothing is complained about (`wire-protocol.md` 7.4).
const TIMEOUT_BEAT: Duration = Duration::from_secs(3600);

/// A medium could not be opened: the daemon cannot do its work and ends.
#[derive(Debug)]
pub(crate) struct CannotOpen {
    /// `serial /dev/ttyS0`
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
    /// What the medium stands on since it was opened.
    footing: Footing,
    attempt: u32,
    /// It was open before, or may be opened once its interface is there: failing to open it does not end the daemon.
    proven: bool,
    /// It has been said that it is not there; nothing more is said until it is.
    missed: bool,
    /// An attempt to open it is due at some time.
    attempt_due: bool,
    failures_in_row: u32,
    /// When a write time-out was last complained about.
    timeout_told: Option<Duration>,
    waits_to_write: bool,
}

/// All media, by position.
pub(crate) struct Links {
    links: Vec<Link>,
    monitor: Option<NetworkMonitor>,
    /// It has been said that nothing can be sent.
    silent: bool,
    buffer: Vec<u8>,
}

impl Links {
    pub(crate) fn new(setups: Vec<MediumSetup>) -> Links {
        let link = |setup| Link {
            setup,
            medium: None,
            footing: Footing::Absent,
            attempt: 0,
            proven: false,
            missed: false,
            attempt_due: false,
            failures_in_row: 0,
            timeout_told: None,
            waits_to_write: false,
        };
        Links {
            links: setups.into_iter().map(link).collect(),
            monitor: None,
            silent: false,
            buffer: vec![0; RECEIVE_MAX],
        }
    }

    /// Begins with every medium.
    ///
    /// # Errors
    /// One of them can never be opened.
    pub(crate) fn open_all(&mut self, shell: &mut Shell) -> Result<(), CannotOpen> {
        self.watch_network(shell);
        (0..self.links.len()).try_for_each(|index| self.open(shell, index))
    }

    /// Before the first medium is opened, so that nothing that happens later is missed.
    fn watch_network(&mut self, shell: &Shell) {
        let opened = NetworkMonitor::open().map_err(|error| error.to_string());
        let watched = opened.and_then(|monitor| {
            let token = Token::Network.number();
            match shell.poller.add(&monitor, token, Interest::Read) {
                Ok(()) => Ok(monitor),
                Err(error) => Err(errno_text(&error)),
            }
        });
        match watched {
            Ok(monitor) => self.monitor = Some(monitor),
            Err(text) => shell.warn(format!("Cannot watch the network interfaces: {text}")),
        }
    }

    /// Every medium has been open at least once, or waits for its interface.
    pub(crate) fn all_proven(&self) -> bool {
        self.links.iter().all(|link| link.proven)
    }

    /// Interfaces or addresses have changed: what stands on them is opened anew, or waits until they return.
    pub(crate) fn network_changed(&mut self, shell: &mut Shell) {
        if self.monitor.as_ref().is_none_or(|monitor| !monitor.drain()) {
            return;
        }
        for index in 0..self.links.len() {
            if let Some(link) = self.links.get_mut(index) {
                let now = link.setup.footing();
                if link.medium.is_some() && link.footing.is_lost(now) {
                    link.close(shell);
                    if now == Footing::Absent {
                        link.miss(shell);
                    }
                }
                if link.medium.is_some()
                    || matches!(now, Footing::Absent | Footing::Unknown | Footing::Free)
                {
                    continue;
                }
            }
            self.reopen(shell, index);
        }
    }

    /// A medium that was proven: whatever goes wrong is said, and tried again later.
    fn reopen(&mut self, shell: &mut Shell, index: usize) {
        if self.links.get(index).is_some_and(|link| link.proven) {
            let _ = self.open(shell, index);
        }
    }

    /// The time for an attempt to open a medium has come.
    ///
    /// # Errors
    /// As [`Links::open`].
    pub(crate) fn open_due(&mut self, shell: &mut Shell, index: usize) -> Result<(), CannotOpen> {
        if let Some(link) = self.links.get_mut(index) {
            link.attempt_due = false;
        }
        self.open(shell, index)
    }

    /// Tries once to open a medium, and sees to the next attempt.
    ///
    /// # Errors
    /// It can never be opened, and never was.
    fn open(&mut self, shell: &mut Shell, index: usize) -> Result<(), CannotOpen> {
        let Some(link) = self
            .links
            .get_mut(index)
            .filter(|link| link.medium.is_none())
        else {
            return Ok(());
        };
        link.attempt = link.attempt.saturating_add(1);
        // Looked at first: what changes between the two is told by the monitor.
        let footing = link.setup.footing();
        let opening = link.setup.open(link.attempt);
        let opened = matches!(opening.outcome, Outcome::Open(_));
        if opened || !link.missed {
            for (priority, text) in opening.said {
                shell.logger.log(priority, text);
            }
        }
        let medium = match opening.outcome {
            Outcome::Open(medium) => medium,
            Outcome::Retry(pause) => {
                link.try_later(shell, index, pause);
                return Ok(());
            }
            Outcome::Absent => {
                link.proven = true;
                link.miss(shell);
                link.try_later(shell, index, REOPEN_PAUSE);
                return Ok(());
            }
            Outcome::Failed if link.proven => {
                link.missed = true;
                link.try_later(shell, index, REOPEN_PAUSE);
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
        link.footing = footing;
        link.attempt = 0;
        link.proven = true;
        link.missed = false;
        link.failures_in_row = 0;
        link.waits_to_write = false;
        self.silent = false;
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
            link.read_failed(shell, index, &error);
        }
    }

    /// Sends one message over a medium.
    pub(crate) fn transmit(&mut self, shell: &mut Shell, index: usize, payload: &[u8]) {
        let Some(link) = self.links.get_mut(index) else {
            return;
        };
        let Some(medium) = &mut link.medium else {
            self.say_if_silent(shell);
            return;
        };
        match medium.transmit(payload) {
            Ok(()) => link.failures_in_row = 0,
            Err(error) => link.write_failed(shell, index, payload.len(), &error),
        }
        link.watch_writability(shell, index);
    }

    /// None of the media that reach other nodes is open: said once until one is.
    fn say_if_silent(&mut self, shell: &Shell) {
        let speaks = |link: &Link| link.medium.is_some() && !link.is_ping();
        if !self.silent && !self.links.iter().any(speaks) {
            self.silent = true;
            let text = "send_to_all_media: No working comm channels to write to.";
            shell.logger.log(Priority::Crit, text);
        }
    }

    /// A medium has room again.
    pub(crate) fn flush(&mut self, shell: &mut Shell, index: usize) {
        let Some(link) = self.links.get_mut(index) else {
            return;
        };
        if let Some(medium) = &mut link.medium
            && let Err(error) = medium.flush()
        {
            link.write_failed(shell, index, 0, &error);
        }
        link.watch_writability(shell, index);
    }
}

impl Link {
    fn label(&self) -> String {
        format!("{} {}", self.setup.kind(), self.setup.name())
    }

    fn is_ping(&self) -> bool {
        matches!(
            self.setup,
            MediumSetup::Ping { .. } | MediumSetup::PingGroup { .. } | MediumSetup::Ping6 { .. }
        )
    }

    fn close(&mut self, shell: &Shell) {
        if let Some(medium) = self.medium.take() {
            let _ = shell.poller.remove(medium.descriptor());
        }
    }

    /// Says once that the medium is not there.
    fn miss(&mut self, shell: &Shell) {
        if !self.missed {
            self.missed = true;
            let label = self.label();
            shell.warn(format!("{label}: not there now. Waiting for it to appear."));
        }
    }

    fn try_later(&mut self, shell: &mut Shell, index: usize, pause: Duration) {
        if !self.attempt_due {
            self.attempt_due = true;
            shell.after(pause, Due::OpenMedium(index));
        }
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

    fn read_failed(&mut self, shell: &mut Shell, index: usize, error: &io::Error) {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            // The text of a line that was hung up; 2.1 says it at this level.
            let device = self.setup.name();
            let text = format!("glib: EOF in ttygets [{device}]: the line was hung up");
            shell.logger.log(Priority::Crit, text);
            return self.give_up(shell, index);
        }
        self.failures_in_row = self.failures_in_row.saturating_add(1);
        if self.failures_in_row <= FAILURES_SHOWN {
            let (label, text) = (self.label(), errno_text(error));
            shell.error(format!("read_child: read failure on {label}.: {text}"));
        }
        self.after_failure(shell, index, error);
    }

    fn write_failed(&mut self, shell: &mut Shell, index: usize, length: usize, error: &io::Error) {
        if error.kind() == io::ErrorKind::TimedOut {
            return self.tell_timeout(shell);
        }
        self.failures_in_row = self.failures_in_row.saturating_add(1);
        if self.failures_in_row <= FAILURES_SHOWN {
            let (label, text) = (self.label(), errno_text(error));
            shell.error(self.setup.write_failure(length, error));
            shell.error(format!("write_child: write failure on {label}.: {text}"));
        }
        self.after_failure(shell, index, error);
    }

    fn tell_timeout(&mut self, shell: &Shell) {
        let now = clock::monotonic();
        if self
            .timeout_told
            .is_none_or(|told| now >= told + TIMEOUT_BEAT)
        {
            self.timeout_told = Some(now);
            let device = self.setup.name();
            shell.warn(format!(
                "TTY write timeout on [{device}] (no connection or bad cable? [see documentation])"
            ));
        }
    }

    fn after_failure(&mut self, shell: &mut Shell, index: usize, error: &io::Error) {
        if self.failures_in_row == FAILURES_SHOWN {
            let label = self.label();
            shell.warn("Temporarily Suppressing write error messages");
            shell.warn(format!("Is a cable unplugged on {label}?"));
        }
        if device_is_gone(error) {
            self.give_up(shell, index);
        }
    }

    /// The device is gone. Another one of that name may come.
    fn give_up(&mut self, shell: &mut Shell, index: usize) {
        self.close(shell);
        self.miss(shell);
        self.try_later(shell, index, REOPEN_PAUSE);
    }
}

/// A socket bound to an interface that was removed never works again, even when one of the same name appears; the same
/// goes for a terminal that was hung up.
fn device_is_gone(error: &io::Error) -> bool {
    // ENODEV, ENXIO and EIO, which have no kind of their own.
    const GONE: [i32; 3] = [19, 6, 5];
    error
        .raw_os_error()
        .is_some_and(|code| GONE.contains(&code))
}
