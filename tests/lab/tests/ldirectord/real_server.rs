//! Real servers that do what a scenario says, in the network namespace of the real servers.
//!
//! `ok TEXT` answers 200 with that body, `status CODE|REASON|BODY` another status (a 3xx sends BODY as the new place),
//! `hang` accepts and never answers, `down` has its port closed.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use ha_lab::{LabError, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns};

/// One request as a server received it: the server's address, and the bytes.
pub type Received = (SocketAddr, Vec<u8>);

/// All real servers of a scenario.
pub struct RealServers {
    namespace: String,
    servers: HashMap<SocketAddr, UnixStream>,
    received: Arc<Mutex<Vec<Received>>>,
}

impl RealServers {
    /// Servers in the network namespace whose file is `namespace`.
    pub fn new(namespace: &str) -> Self {
        RealServers {
            namespace: namespace.to_owned(),
            servers: HashMap::new(),
            received: Arc::default(),
        }
    }

    /// From now on the server at `address` does `state`. Returns when that holds.
    pub fn set(&mut self, address: &str, state: &str) -> Result<()> {
        let address = parse_address(address)?;
        if !self.servers.contains_key(&address) {
            let (ours, theirs) = UnixStream::pair().map_err(io("socketpair"))?;
            let namespace = File::open(&self.namespace).map_err(io(&self.namespace))?;
            let received = Arc::clone(&self.received);
            thread::spawn(move || {
                // Only this thread moves; the sockets that it makes stay where they were made.
                if setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET).is_ok() {
                    serve(address, theirs, &received);
                }
            });
            self.servers.insert(address, ours);
        }
        let Some(mut server) = self.servers.get(&address) else {
            return Err(LabError::unexpected("the server just made is not there"));
        };
        server
            .write_all(format!("{state}\n").as_bytes())
            .map_err(io("telling a real server"))?;
        let mut done = [0];
        server.read_exact(&mut done).map_err(|error| {
            LabError::unexpected(format!(
                "the real server {address} cannot do {state}: {error}"
            ))
        })
    }

    /// What the servers received so far.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().expect("no panic while held").clone()
    }
}

/// `192.168.6.42:80`, or an IPv6 address without brackets: the last colon counts.
pub fn parse_address(text: &str) -> Result<SocketAddr> {
    text.rsplit_once(':')
        .and_then(|(address, port)| {
            let address = address.trim_matches(['[', ']']).parse().ok()?;
            Some(SocketAddr::new(address, port.parse().ok()?))
        })
        .ok_or_else(|| LabError::unexpected(format!("not an address: {text}")))
}

fn io(what: &str) -> impl FnOnce(std::io::Error) -> LabError {
    let what = what.to_owned();
    move |error| LabError::Io(what, error)
}

/// One server: waits for connections and for its next state.
fn serve(address: SocketAddr, control: UnixStream, received: &Arc<Mutex<Vec<Received>>>) {
    let mut states = BufReader::new(&control);
    let mut listener: Option<TcpListener> = None;
    let mut state = String::new();
    loop {
        let (said, called) = {
            let mut fds = vec![PollFd::new(control.as_fd(), PollFlags::POLLIN)];
            fds.extend(
                listener
                    .as_ref()
                    .map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN)),
            );
            if poll(&mut fds, PollTimeout::NONE).is_err() {
                continue;
            }
            let ready = |index: usize| fds.get(index).and_then(|fd| fd.any()).unwrap_or_default();
            (ready(0), ready(1))
        };
        if said {
            let mut line = String::new();
            if states.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            state = line.trim_end().to_owned();
            if state == "down" {
                listener = None;
            } else if listener.is_none() {
                listener = TcpListener::bind(address).ok();
            }
            // An answer only when it is as it was asked for: without one the scenario fails.
            if (state == "down" || listener.is_some()) && (&control).write_all(b".").is_err() {
                return;
            }
        } else if called && let Some(Ok((stream, _))) = listener.as_ref().map(TcpListener::accept) {
            let (state, received) = (state.clone(), Arc::clone(received));
            thread::spawn(move || {
                let request = answer(stream, &state);
                received
                    .lock()
                    .expect("no panic while held")
                    .push((address, request));
            });
        }
    }
}

/// Serves one connection; the result is what came in.
fn answer(mut stream: TcpStream, state: &str) -> Vec<u8> {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.windows(4).any(|window| window == b"\r\n\r\n") && request.len() < 65_536 {
        match stream.read(&mut buffer) {
            Ok(length) if length > 0 => request.extend_from_slice(&buffer[..length]),
            _ => return request,
        }
    }
    let (status, body) = if state == "hang" {
        // Until the caller gives up.
        while matches!(stream.read(&mut buffer), Ok(length) if length > 0) {}
        return request;
    } else if let Some(text) = state.strip_prefix("ok ") {
        ("200 OK".to_owned(), text)
    } else {
        let mut parts = state
            .strip_prefix("status ")
            .unwrap_or_default()
            .splitn(3, '|');
        let mut part = || parts.next().unwrap_or_default();
        (format!("{} {}", part(), part()), part())
    };
    let place = if status.starts_with('3') {
        format!("Location: {body}\r\n")
    } else {
        String::new()
    };
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\n{place}Content-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    request
}
