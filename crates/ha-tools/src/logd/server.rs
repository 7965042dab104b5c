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
use ha_sys::{Interest, Poller, Ready, clock, errno_text};
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
    ready: Vec<Ready>,
    signals: SignalSource,
    listeners: Vec<UnixListener>,
    listening: bool,
    clients: BTreeMap<u64, Client>,
    next: u64,
    /// What the queue had no room for. While there is something nobody is read from.
    waiting: Option<LogRecord>,
    /// How often that was so.
    pauses: u64,
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
            ready: Vec::new(),
            signals,
            listeners: sockets.0,
            listening: false,
            clients: BTreeMap::new(),
            next: FIRST_CLIENT,
            waiting: None,
            pauses: 0,
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
        while !self.turn(log, None)? {}
        self.drain(log)
    }

    /// Waits for something to happen, no longer than until the deadline, and deals with it. True when it is the end.
    fn turn(&mut self, log: &Logger, deadline: Option<Duration>) -> io::Result<bool> {
        let retry = self.waiting.as_ref().map(|_| clock::monotonic() + RETRY);
        let mut ready = std::mem::take(&mut self.ready);
        self.poller
            .wait([retry, deadline].into_iter().flatten().min(), &mut ready)?;
        let mut stop = false;
        for event in &ready {
            match event.token {
                SIGNALS => stop |= self.signals_say_stop(log)?,
                token if token < FIRST_CLIENT => self.accept(log, token)?,
                token => self.serve(log, token)?,
            }
        }
        self.ready = ready;
        self.resume(log)?;
        Ok(stop)
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

    fn pause(&mut self) -> io::Result<()> {
        self.pauses += 1;
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
        if self.pauses > 0 {
            let times = self.pauses;
            let text = format!("reading was paused {times} times because the queue was full");
            log.log(Priority::Info, text);
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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::PathBuf;

    use ha_ipc::frame::{Head, MAX_BODY};
    use ha_sys::log::Sinks;
    use ha_wire::logd::{FACILITY_USER, Layout};

    use super::*;

    /// A server at a socket of its own, that writes into a file.
    struct Scene {
        directory: PathBuf,
        server: Server,
        log: Logger,
    }

    impl Scene {
        fn new(name: &str, queue: usize) -> Scene {
            let directory =
                std::env::temp_dir().join(format!("ha-logd-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&directory);
            std::fs::create_dir_all(&directory).unwrap();
            let listener = bind(&directory.join("socket")).unwrap();
            let sinks = Sinks {
                logfile: Some(directory.join("log")),
                ..Sinks::default()
            };
            let mut log = Logger::new("logd", sinks);
            log.run_in_background_with(queue).unwrap();
            Scene {
                server: Server::new(Sockets(vec![listener])).unwrap(),
                directory,
                log,
            }
        }

        fn connect(&self) -> UnixStream {
            connect_now(&self.directory.join("socket")).unwrap()
        }

        fn written(&self) -> String {
            std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
        }

        /// Serves until the file holds what it shall.
        fn until(&mut self, what: &str, condition: impl Fn(&Scene) -> bool) {
            let end = clock::monotonic() + Duration::from_secs(30);
            while !condition(self) {
                let now = clock::monotonic();
                assert!(now < end, "{what}: {}", self.written());
                self.server.turn(&self.log, Some(now + RETRY)).unwrap();
            }
        }

        fn until_written(&mut self, text: &str) {
            self.until(text, |scene| scene.written().contains(text));
        }
    }

    impl Drop for Scene {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }

    fn frame(layout: Layout, text: &str) -> Vec<u8> {
        let record = LogRecord {
            facility: FACILITY_USER,
            priority: Priority::Warn.number(),
            with_level: true,
            pid: 7,
            entity: "client".into(),
            seconds: 0,
            text: text.into(),
        };
        framed(&record.encode(layout))
    }

    fn framed(body: &[u8]) -> Vec<u8> {
        let mut octets = Head::for_body(body.len()).unwrap().octets().to_vec();
        octets.extend_from_slice(body);
        octets
    }

    #[test]
    fn records_of_both_layouts_in_pieces_of_any_size() {
        let mut scene = Scene::new("pieces", 64);
        let mut client = scene.connect();
        for octet in frame(Layout::Classic, "as in 2.1") {
            client.write_all(&[octet]).unwrap();
            let now = clock::monotonic();
            scene.server.turn(&scene.log, Some(now)).unwrap();
        }
        let both = [frame(Layout::Glue, "one"), frame(Layout::Classic, "two")];
        client.write_all(&both.concat()).unwrap();
        scene.until_written("WARN: two\n");
        let texts: Vec<String> = scene
            .written()
            .lines()
            .map(|line| line.split_once("WARN: ").unwrap().1.to_owned())
            .collect();
        assert_eq!(texts, ["as in 2.1", "one", "two"]);
        assert!(scene.written().starts_with("client[7]: "));
    }

    #[test]
    fn rubbish_ends_one_connection_and_harms_nobody() {
        let mut scene = Scene::new("rubbish", 64);
        let mut good = scene.connect();
        let mut web = scene.connect();
        web.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        scene.until_written("magic number in head does not match");
        let mut odd = scene.connect();
        odd.write_all(&framed(b"no record")).unwrap();
        odd.write_all(&framed(b"no record either")).unwrap();
        odd.write_all(&frame(Layout::Glue, "a record after all"))
            .unwrap();
        scene.until_written("a record after all");
        assert_eq!(scene.written().matches("what cannot be read").count(), 1);
        good.write_all(&frame(Layout::Classic, "still there"))
            .unwrap();
        scene.until_written("still there");
        let mut octet = [0];
        assert_eq!(web.read(&mut octet).unwrap(), 0);
    }

    /// Whoever announces a huge frame does not make us keep it.
    #[test]
    fn a_frame_larger_than_any_record_ends_the_connection() {
        let mut scene = Scene::new("large", 64);
        let client = scene.connect();
        client.set_nonblocking(true).unwrap();
        let large = framed(&vec![b'x'; MAX_BODY]);
        let mut sent = 0;
        for piece in large.chunks(4096) {
            match (&client).write(piece) {
                Ok(count) => sent += count,
                Err(_) => break,
            }
            let soon = clock::monotonic() + RETRY;
            scene.server.turn(&scene.log, Some(soon)).unwrap();
        }
        scene.until_written("more than a record may have");
        assert!(scene.server.clients.is_empty());
        assert!(sent < 2 * PARTIAL_MAX, "{sent} octets were taken");
    }

    #[test]
    fn while_the_queue_is_full_nobody_is_read_and_nothing_is_lost() {
        const EACH: usize = 500;
        let mut scene = Scene::new("full", 1);
        let clients: Vec<_> = (0..4)
            .map(|number| {
                let mut stream = scene.connect();
                std::thread::spawn(move || {
                    for line in 0..EACH {
                        let text = format!("{number} says {line}");
                        stream.write_all(&frame(Layout::Glue, &text)).unwrap();
                    }
                })
            })
            .collect();
        let last = |number: usize| format!("WARN: {number} says {}\n", EACH - 1);
        scene.until("all that was said", |scene| {
            let written = scene.written();
            (0..4).all(|number| written.contains(&last(number)))
        });
        assert!(scene.server.pauses > 0);
        for client in clients {
            client.join().unwrap();
        }
        let written = scene.written();
        for number in 0..4 {
            let mark = format!("WARN: {number} says ");
            let lines: Vec<usize> = written
                .lines()
                .filter_map(|line| line.split_once(&mark)?.1.parse().ok())
                .collect();
            assert!(
                lines.iter().copied().eq(0..EACH),
                "{number}: {}",
                lines.len()
            );
        }
    }

    #[test]
    fn at_the_end_everything_sent_before_is_written() {
        let mut scene = Scene::new("drain", 8);
        let mut early = scene.connect();
        early.write_all(&frame(Layout::Classic, "hello")).unwrap();
        scene.until_written("hello");
        for line in 0..100 {
            let text = format!("early {line}");
            early.write_all(&frame(Layout::Classic, &text)).unwrap();
        }
        // Nobody has accepted this one yet.
        let mut late = scene.connect();
        late.write_all(&frame(Layout::Glue, "late")).unwrap();
        scene.server.drain(&scene.log).unwrap();
        scene.log.flush(Duration::from_secs(20));
        let written = scene.written();
        assert_eq!(written.matches("WARN: early ").count(), 100);
        assert!(written.contains("WARN: late\n"), "{written}");
    }

    #[test]
    fn a_place_where_somebody_answers_is_left_to_him() {
        let scene = Scene::new("taken", 8);
        let taken = bind(&scene.directory.join("socket")).unwrap_err();
        assert_eq!(taken, "another logging daemon answers there");
        // The file of a daemon that is gone is no obstacle.
        drop(bind(&scene.directory.join("old")).unwrap());
        assert!(bind(&scene.directory.join("old")).is_ok());
    }
}
