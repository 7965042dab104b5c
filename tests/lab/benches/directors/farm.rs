//! Real servers: any number of addresses with a port 80 each, served by one thread, which costs next to nothing beside
//! the director that is measured.

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ha_lab::{LabError, Result};
use ha_sys::{Interest, Poller};
use nix::sched::{CloneFlags, setns};

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

/// The token of the commands; servers have their numbers, and connections those behind them.
const COMMANDS: u64 = u64::MAX - 1;

/// Servers that run. The first one accepts connections and never answers.
pub struct Farm {
    commands: UnixStream,
    checks: Arc<AtomicU64>,
}

impl Farm {
    /// Starts them in a network namespace. Every address must be local there.
    pub fn start(namespace: &str, addresses: Vec<Ipv4Addr>) -> Result<Farm> {
        let doing = |what: &'static str| move |error| LabError::Io(what.into(), error);
        let place = File::open(namespace).map_err(doing("the servers' namespace"))?;
        let (commands, theirs) = UnixStream::pair().map_err(doing("socketpair"))?;
        let checks = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&checks);
        std::thread::spawn(move || {
            // Only this thread moves; the sockets that it makes stay where they were made.
            let moved = setns(place.as_fd(), CloneFlags::CLONE_NEWNET);
            if let Err(error) = moved
                .map_err(std::io::Error::from)
                .and_then(|()| serve(&addresses, theirs, &counted))
            {
                eprintln!("the real servers: {error}");
            }
        });
        let mut farm = Farm { commands, checks };
        farm.wait()?;
        Ok(farm)
    }

    /// Closes the port of a server, or opens it again. Returns when that holds.
    pub fn set(&mut self, server: u32, up: bool) -> Result<()> {
        let mut command = server.to_be_bytes().to_vec();
        command.push(u8::from(up));
        self.commands
            .write_all(&command)
            .map_err(|error| LabError::Io("telling a real server".into(), error))?;
        self.wait()
    }

    /// Connections that were made so far.
    pub fn checks(&self) -> u64 {
        self.checks.load(Ordering::Relaxed)
    }

    fn wait(&mut self) -> Result<()> {
        self.commands
            .read_exact(&mut [0])
            .map_err(|error| LabError::Io("the real servers".into(), error))
    }
}

struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    hangs: bool,
}

fn serve(
    addresses: &[Ipv4Addr],
    mut commands: UnixStream,
    checks: &AtomicU64,
) -> std::io::Result<()> {
    let mut poller = Poller::new()?;
    let mut servers: HashMap<u64, TcpListener> = HashMap::new();
    let open = |poller: &Poller, server: u64| -> std::io::Result<TcpListener> {
        let address = usize::try_from(server)
            .ok()
            .and_then(|at| addresses.get(at));
        let address = address.ok_or(ErrorKind::NotFound)?;
        let listener = TcpListener::bind((*address, 80))?;
        listener.set_nonblocking(true)?;
        poller.add(&listener, server, Interest::Read)?;
        Ok(listener)
    };
    for server in 0..addresses.len() as u64 {
        servers.insert(server, open(&poller, server)?);
    }
    poller.add(&commands, COMMANDS, Interest::Read)?;
    commands.write_all(b".")?;
    let mut connections: HashMap<u64, Connection> = HashMap::new();
    let mut next = addresses.len() as u64;
    let mut ready = Vec::new();
    loop {
        poller.wait(None, &mut ready)?;
        for event in &ready {
            if event.token == COMMANDS {
                let mut command = [0; 5];
                if commands.read_exact(&mut command).is_err() {
                    return Ok(());
                }
                let [a, b, c, d, up] = command;
                let server = u64::from(u32::from_be_bytes([a, b, c, d]));
                if up == 1 {
                    servers.insert(server, open(&poller, server)?);
                } else {
                    servers.remove(&server);
                }
                commands.write_all(b".")?;
            } else if let Some(listener) = servers.get(&event.token) {
                let Ok((stream, _)) = listener.accept() else {
                    continue;
                };
                checks.fetch_add(1, Ordering::Relaxed);
                stream.set_nonblocking(true)?;
                poller.add(&stream, next, Interest::Read)?;
                let connection = Connection {
                    stream,
                    request: Vec::new(),
                    hangs: event.token == 0,
                };
                connections.insert(next, connection);
                next += 1;
            } else if let Some(connection) = connections.get_mut(&event.token)
                && is_over(connection)
            {
                connections.remove(&event.token);
            }
        }
    }
}

/// Reads on, and answers a request that is complete. True when nothing is left to do.
fn is_over(connection: &mut Connection) -> bool {
    let mut buffer = [0; 2048];
    match connection.stream.read(&mut buffer) {
        Ok(0) => return true,
        Ok(length) => connection
            .request
            .extend_from_slice(buffer.get(..length).unwrap_or_default()),
        Err(error) => return error.kind() != ErrorKind::WouldBlock,
    }
    if connection.hangs || !connection.request.ends_with(b"\r\n\r\n") {
        return false;
    }
    let _ = connection.stream.write_all(ANSWER);
    true
}
