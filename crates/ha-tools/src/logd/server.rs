//! The loop of the logging daemon: accepts, reads, hands over.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use ha_ipc::frame::{BUFFER_MAX, FrameReader};
use ha_ipc::listener::Listener;
use ha_sys::log::{GLUE_LOGD_SOCKET, LOGD_SOCKET, Logger, Priority, connect_now};
use ha_sys::peer::peer_credentials;
use ha_sys::signals::{Signal, SignalSource};
use ha_sys::{Interest, Poller, clock, errno_text};
use ha_wire::logd::LogRecord;

/// Connections at a time. Whoever comes then waits until another one goes.
const CLIENTS_MAX: usize = 500;

/// How much is asked of the kernel at once.
const CHUNK: usize = 8 * 1024;

/// How often one client is read from before it is another one's turn.
const CHUNKS_PER_TURN: usize = 8;

/// Octets of a record that has not arrived completely. Longer ones are no records, whatever the frame says.
const PARTIAL_MAX: usize = 64 * 1024;

/// After how long a full queue is tried again.
const RETRY: Duration = Duration::from_millis(10);

/// How long what was sent before the end may take to be read.
const DRAIN: Duration = Duration::from_secs(5);

const SIGNALS: u64 = 0;
const FIRST_LISTENER: u64 = 1;
const FIRST_CLIENT: u64 = 16;

/// The sockets that clients find.
pub(super) struct Sockets(Vec<UnixListener>);

impl Sockets {
    /// Makes the sockets of release 2.1 and of cluster-glue, so that clients of both find us; records say themselves
    /// which they are. A place where another daemon answers is left to it. `warn` is told what could not be made.
    ///
    /// # Errors
    /// None could be made; the last reason.
    pub(super) fn bind(warn: &mut dyn FnMut(String)) -> Result<Sockets, String> {
        let mut listeners = Vec::new();
        let mut reasons = Vec::new();
        for path in [LOGD_SOCKET, GLUE_LOGD_SOCKET] {
            match bind(Path::new(path)) {
                Ok(listener) => listeners.push(listener),
                Err(reason) => reasons.push(format!("Cannot serve {path}: {reason}")),
            }
        }
        if listeners.is_empty() {
            return Err(reasons.join("; "));
        }
        reasons.into_iter().for_each(warn);
        Ok(Sockets(listeners))
    }
}

fn bind(path: &Path) -> Result<UnixListener, String> {
    if connect_now(path).is_ok() {
        return Err("another logging daemon answers there".to_owned());
    }
    let bound = Listener::bind(path).and_then(|listener| listener.as_fd().try_clone_to_owned());
    bound
        .map(UnixListener::from)
        .map_err(|error| errno_text(&error))
}

/// One connection.
struct Client {
    stream: UnixStream,
    reader: FrameReader,
    /// For complaints; 0 if the kernel does not say.
    pid: u32,
    /// That it sends what is no record was said.
    reproached: bool,
}

/// How a turn of reading a client ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Nothing more has arrived.
    Empty,
    /// There may be more.
    More,
    /// The queue is full.
    Full,
    /// It is gone.
    Gone,
}

/// The daemon at work.
pub(super) struct Server {
    poller: Poller,
    signals: SignalSource,
    listeners: Vec<UnixListener>,
    listening: bool,
    clients: BTreeMap<u64, Client>,
    next: u64,
    /// What the queue had no room for. While there is something nobody is read from.
    waiting: Option<LogRecord>,
}

impl Server {
    /// Blocks the signals that it handles, for this thread and those started later.
    ///
    /// # Errors
    /// The kernel refused a descriptor.
    pub(super) fn new(sockets: Sockets) -> io::Result<Server> {
        let signals = SignalSource::new(&[
            Signal::SIGTERM,
            Signal::SIGINT,
            Signal::SIGHUP,
            Signal::SIGUSR1,
            Signal::SIGUSR2,
        ])?;
        let mut server = Server {
            poller: Poller::new()?,
            signals,
            listeners: sockets.0,
            listening: false,
            clients: BTreeMap::new(),
            next: FIRST_CLIENT,
            waiting: None,
        };
        server
            .poller
            .add(&server.signals, SIGNALS, Interest::Read)?;
        server.listen(true)?;
        Ok(server)
    }

    /// Serves until a signal says that it is enough, and then reads what was sent before.
    ///
    /// # Errors
    /// The loop itself failed.
    pub(super) fn run(&mut self, log: &Logger) -> io::Result<()> {
        let mut ready = Vec::new();
        loop {
            let deadline = self.waiting.as_ref().map(|_| clock::monotonic() + RETRY);
            self.poller.wait(deadline, &mut ready)?;
            for event in &ready {
                match event.token {
                    SIGNALS => {
                        if self.signals_say_stop(log)? {
                            return self.drain(log);
                        }
                    }
                    token if token < FIRST_CLIENT => self.accept(log, token)?,
                    token => self.serve(log, token)?,
                }
            }
            self.resume(log)?;
        }
    }

    fn signals_say_stop(&self, log: &Logger) -> io::Result<bool> {
        while let Some(signal) = self.signals.read()? {
            match signal {
                Signal::SIGTERM | Signal::SIGINT => {
                    let text = format!("logd_term_action: received {}", signal.as_str());
                    log.log(Priority::Debug, text);
                    return Ok(true);
                }
                // Files are opened anew for every batch in any case; scripts look for the text.
                Signal::SIGHUP => {
                    log.log(Priority::Info, "SIGHUP received, re-opened log files");
                }
                _ => {}
            }
        }
        Ok(false)
    }

    /// Takes all who wait, up to the limit.
    fn accept(&mut self, log: &Logger, token: u64) -> io::Result<()> {
        loop {
            if self.clients.len() >= CLIENTS_MAX {
                return self.listen(false);
            }
            let index = usize::try_from(token.saturating_sub(FIRST_LISTENER)).unwrap_or(usize::MAX);
            let Some(listener) = self.listeners.get(index) else {
                return Ok(());
            };
            match listener.accept() {
                Ok((stream, _)) => self.add(log, stream)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
                    ) => {}
                Err(error) => {
                    // Out of descriptors: whoever waits stays, and would be reported again and again.
                    let reason = errno_text(&error);
                    log.log(Priority::Error, format!("Cannot accept: {reason}"));
                    return self.listen(false);
                }
            }
        }
    }

    fn add(&mut self, log: &Logger, stream: UnixStream) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        let token = self.next;
        self.next += 1;
        if self.waiting.is_none()
            && let Err(error) = self.poller.add(&stream, token, Interest::Read)
        {
            let reason = errno_text(&error);
            log.log(
                Priority::Error,
                format!("Cannot wait for a client: {reason}"),
            );
            return Ok(());
        }
        let client = Client {
            pid: peer_credentials(&stream).map_or(0, |peer| peer.pid),
            stream,
            reader: FrameReader::new(),
            reproached: false,
        };
        self.clients.insert(token, client);
        Ok(())
    }

    fn serve(&mut self, log: &Logger, token: u64) -> io::Result<()> {
        // Events of the same wait as the one that filled the queue.
        if self.waiting.is_some() {
            return Ok(());
        }
        match self.read(log, token) {
            Turn::Empty | Turn::More => Ok(()),
            Turn::Full => self.pause(),
            Turn::Gone => self.remove(token),
        }
    }

    /// Reads one client for one turn, and hands over what it says.
    fn read(&mut self, log: &Logger, token: u64) -> Turn {
        let Some(client) = self.clients.get_mut(&token) else {
            return Turn::Empty;
        };
        for _ in 0..CHUNKS_PER_TURN {
            loop {
                match client.next_record(log) {
                    Ok(Some(record)) if log.forward(&record) => {}
                    Ok(Some(record)) => {
                        self.waiting = Some(record);
                        return Turn::Full;
                    }
                    Ok(None) => break,
                    Err(()) => return Turn::Gone,
                }
            }
            let mut chunk = [0; CHUNK];
            match client.stream.read(&mut chunk) {
                Ok(0) => return Turn::Gone,
                Ok(count) => {
                    client.reader.feed(chunk.get(..count).unwrap_or_default());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Turn::Empty,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Turn::Gone,
            }
        }
        Turn::More
    }

    fn pause(&self) -> io::Result<()> {
        self.clients
            .values()
            .try_for_each(|client| self.poller.remove(&client.stream))
    }

    /// Goes on reading when the queue takes what it had no room for.
    fn resume(&mut self, log: &Logger) -> io::Result<()> {
        if self.waiting.is_none() || !self.hand_over(log) {
            return Ok(());
        }
        for (token, client) in &self.clients {
            self.poller.add(&client.stream, *token, Interest::Read)?;
        }
        // What has been read already is announced by nobody.
        let tokens: Vec<u64> = self.clients.keys().copied().collect();
        tokens
            .into_iter()
            .try_for_each(|token| self.serve(log, token))
    }

    /// False if the queue still has no room.
    fn hand_over(&mut self, log: &Logger) -> bool {
        if self
            .waiting
            .as_ref()
            .is_some_and(|record| log.forward(record))
        {
            self.waiting = None;
        }
        self.waiting.is_none()
    }

    fn remove(&mut self, token: u64) -> io::Result<()> {
        // Closing takes it out of the poller.
        self.clients.remove(&token);
        self.listen(true)
    }

    fn listen(&mut self, on: bool) -> io::Result<()> {
        if self.listening == on {
            return Ok(());
        }
        self.listening = on;
        for (token, listener) in (FIRST_LISTENER..).zip(&self.listeners) {
            match on {
                true => self.poller.add(listener, token, Interest::Read)?,
                false => self.poller.remove(listener)?,
            }
        }
        Ok(())
    }

    /// Reads what has been sent, for a while. The loop is over: here it does not matter that a full queue holds us up.
    fn drain(&mut self, log: &Logger) -> io::Result<()> {
        let deadline = clock::monotonic() + DRAIN;
        for token in (FIRST_LISTENER..).take(self.listeners.len()) {
            self.accept(log, token)?;
        }
        let mut tokens: Vec<u64> = self.clients.keys().copied().collect();
        while clock::monotonic() < deadline && !(tokens.is_empty() && self.waiting.is_none()) {
            if !self.hand_over(log) {
                std::thread::sleep(RETRY);
                continue;
            }
            tokens.retain(|token| match self.waiting {
                Some(_) => true,
                None => matches!(self.read(log, *token), Turn::More | Turn::Full),
            });
        }
        Ok(())
    }
}

impl Client {
    /// The next record that has arrived completely.
    ///
    /// # Errors
    /// What arrives are no frames, or frames too large for a record: nobody knows where the next one begins.
    fn next_record(&mut self, log: &Logger) -> Result<Option<LogRecord>, ()> {
        loop {
            let body = match self.reader.body() {
                Ok(Some(body)) => body,
                Ok(None) => break,
                Err(error) => {
                    let pid = self.pid;
                    log.log(
                        Priority::Error,
                        format!("{error}: disconnecting the other side, farside pid={pid}"),
                    );
                    return Err(());
                }
            };
            match LogRecord::decode(body) {
                Ok((record, _)) => return Ok(Some(record)),
                Err(error) if !self.reproached => {
                    self.reproached = true;
                    let pid = self.pid;
                    log.log(
                        Priority::Warn,
                        format!("pid {pid} sends what cannot be read: {error}"),
                    );
                }
                Err(_) => {}
            }
        }
        if BUFFER_MAX.saturating_sub(self.reader.room()) > PARTIAL_MAX {
            let pid = self.pid;
            log.log(
                Priority::Error,
                format!("pid {pid} sends more than a record may have: disconnecting it"),
            );
            return Err(());
        }
        Ok(None)
    }
}
