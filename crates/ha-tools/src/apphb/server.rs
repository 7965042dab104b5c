//! The loop of the monitor: reads, feeds, does what the core says.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use ha_ipc::channel::{Channel, ReceiveError};
use ha_ipc::listener::Listener;
use ha_resources::reboot;
use ha_sys::log::{Logger, Priority};
use ha_sys::signals::{Signal, SignalSource};
use ha_sys::watchdog::Watchdog;
use ha_sys::{Interest, Poller, Ready, clock, errno_text};

use super::monitor::{Act, Monitor, Peer};

/// Connections at a time; whoever comes then waits.
const CLIENTS_MAX: usize = 250;

/// Messages of one client before it is another one's turn.
const PER_TURN: usize = 32;

/// How long the last words before a restart of the machine may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

const SIGNALS: u64 = 0;
const LISTENER: u64 = 1;
const FIRST_CLIENT: u64 = 2;

/// The watchdog of the machine, and when it is to be fed.
pub(super) struct Feeding {
    pub(super) device: Watchdog,
    pub(super) interval: Duration,
    pub(super) next: Duration,
}

pub(super) struct Server {
    poller: Poller,
    signals: SignalSource,
    listener: Listener,
    listening: bool,
    channels: BTreeMap<u64, Channel>,
    next: u64,
    monitor: Monitor,
    watchdog: Option<Feeding>,
}

impl Server {
    /// # Errors
    /// The kernel refused something.
    pub(super) fn new(listener: Listener) -> io::Result<Server> {
        let signals = SignalSource::new(&[Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP])?;
        let poller = Poller::new()?;
        poller.add(&signals, SIGNALS, Interest::Read)?;
        poller.add(&listener, LISTENER, Interest::Read)?;
        Ok(Server {
            poller,
            signals,
            listener,
            listening: true,
            channels: BTreeMap::new(),
            next: FIRST_CLIENT,
            monitor: Monitor::default(),
            watchdog: None,
        })
    }

    pub(super) fn feed(&mut self, watchdog: Feeding) {
        self.watchdog = Some(watchdog);
    }

    /// Runs until a signal says that it is enough.
    ///
    /// # Errors
    /// The loop itself failed.
    pub(super) fn run(&mut self, log: &Logger) -> io::Result<()> {
        let mut ready = Vec::new();
        while !self.turn(log, None, &mut ready)? {}
        if let Some(feeding) = self.watchdog.take()
            && let Err(error) = feeding.device.close()
        {
            let reason = errno_text(&error);
            log.log(
                Priority::Error,
                format!("Cannot stop the watchdog: {reason}"),
            );
        }
        Ok(())
    }

    /// Waits for something to happen and deals with it. True when it is the end.
    fn turn(
        &mut self,
        log: &Logger,
        limit: Option<Duration>,
        ready: &mut Vec<Ready>,
    ) -> io::Result<bool> {
        let feeding = self.watchdog.as_ref().map(|feeding| feeding.next);
        let deadlines = [self.monitor.next_deadline(), feeding, limit];
        self.poller
            .wait(deadlines.into_iter().flatten().min(), ready)?;
        let mut stop = false;
        for event in ready.iter() {
            match event.token {
                SIGNALS => {
                    while let Some(signal) = self.signals.read()? {
                        stop |= signal != Signal::SIGHUP;
                    }
                }
                LISTENER => self.accept(log)?,
                id => self.read(log, *event, id)?,
            }
        }
        // After the messages: what arrived while we were late counts.
        let now = clock::monotonic();
        self.monitor.look(now);
        self.act(log)?;
        if let Some(feeding) = self.watchdog.as_mut().filter(|feeding| feeding.next <= now) {
            feeding.next = now + feeding.interval;
            if let Err(error) = feeding.device.feed() {
                let reason = errno_text(&error);
                log.log(
                    Priority::Error,
                    format!("Cannot write to the watchdog: {reason}"),
                );
            }
        }
        Ok(stop)
    }

    fn accept(&mut self, log: &Logger) -> io::Result<()> {
        while self.monitor.count() < CLIENTS_MAX {
            let channel = match self.listener.accept() {
                Ok(Some(channel)) => channel,
                Ok(None) => return Ok(()),
                Err(error) => {
                    let reason = errno_text(&error);
                    log.log(Priority::Error, format!("Cannot accept: {reason}"));
                    break;
                }
            };
            let id = self.next;
            self.next += 1;
            self.poller.add(&channel, id, Interest::Read)?;
            let peer = channel.peer();
            let peer = Peer {
                pid: peer.pid,
                uid: peer.uid,
            };
            self.monitor.connected(id, peer);
            self.channels.insert(id, channel);
        }
        self.listen(false)
    }

    fn read(&mut self, log: &Logger, event: Ready, id: u64) -> io::Result<()> {
        let Some(channel) = self.channels.get_mut(&id) else {
            return Ok(());
        };
        let mut gone = event.writable && channel.flush().is_err();
        for _ in 0..PER_TURN {
            match channel.receive() {
                Ok(Some(body)) => self.monitor.heard(clock::monotonic(), id, body),
                Ok(None) => break,
                Err(error) => {
                    if let ReceiveError::Frame(error) = error {
                        let pid = channel.peer().pid;
                        log.log(Priority::Error, format!("{error}, farside pid={pid}"));
                    }
                    gone = true;
                    break;
                }
            }
        }
        if gone {
            self.monitor.hung_up(id);
            self.close(id)?;
        }
        self.act(log)
    }

    fn act(&mut self, log: &Logger) -> io::Result<()> {
        for act in self.monitor.take_acts() {
            match act {
                Act::Log(priority, text) => log.log(priority, text),
                Act::Reply(id, code) => {
                    let Some(channel) = self.channels.get_mut(&id) else {
                        continue;
                    };
                    if channel.send(&code.to_ne_bytes()).is_ok() {
                        self.poller.modify(&*channel, id, channel.interest())?;
                    } else {
                        self.monitor.hung_up(id);
                        self.close(id)?;
                    }
                }
                Act::Close(id) => self.close(id)?,
                Act::Reboot => {
                    log.flush(LAST_WORDS);
                    if !reboot::force() {
                        log.log(Priority::Crit, reboot::UNABLE);
                    }
                }
            }
        }
        Ok(())
    }

    fn close(&mut self, id: u64) -> io::Result<()> {
        self.channels.remove(&id);
        self.listen(true)
    }

    fn listen(&mut self, on: bool) -> io::Result<()> {
        if self.listening != on {
            self.listening = on;
            match on {
                true => self.poller.add(&self.listener, LISTENER, Interest::Read)?,
                false => self.poller.remove(&self.listener)?,
            }
        }
        Ok(())
    }
}

/// Makes the socket, unless another monitor answers there.
pub(super) fn bind(path: &Path) -> io::Result<Listener> {
    if ha_sys::log::connect_now(path).is_ok() {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    Listener::bind(path)
}
