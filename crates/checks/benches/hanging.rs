//! How late checks start beside a server that hangs, and what a check costs.
//!
//! `cargo bench -p checks` prints a table. All real servers are addresses of loopback behind one port, served by one
//! thread whose processor time is not counted.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use checks::{Checker, Outcome, Settings};
use ha_config::ldirectord::{
    HttpMethod, Negotiate, Password, Probe, ProbeKind, ServiceCheck, TlsVerify,
};
use ha_sys::clock::monotonic;
use ha_sys::{Interest, Poller, Ready};
use nix::time::{ClockId, clock_gettime};

fn main() {
    // Called by `cargo test --benches` as well, which only wants to know that it runs.
    let quick = !std::env::args().any(|argument| argument == "--bench");
    let limit = ha_sys::process::raise_descriptor_limit(65_536).unwrap();
    let server = serve();
    let scale = |count: u64| if quick { count / 100 } else { count };

    println!("start of 500 http checks, each planned for the same moment");
    println!(
        "{:>24} {:>12} {:>12} {:>12}",
        "", "last start", "last verdict", "up"
    );
    for hanging in [0, 1, 50] {
        let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let silent = silent.local_addr().unwrap();
        let mut run = Run::new();
        let count = scale(500);
        let planned = monotonic();
        for id in 0..count {
            let address = if id < hanging {
                silent
            } else {
                real(server, id)
            };
            run.start(id, &http(address));
        }
        let last_start = monotonic() - planned;
        run.until(count.saturating_sub(hanging));
        println!(
            "{:>24} {:>12.2?} {:>12.2?} {:>12}",
            format!("{hanging} of them hang"),
            last_start,
            monotonic() - planned,
            run.up
        );
        drop(run);
    }

    println!();
    println!("processor time of the checking thread for each check");
    println!(
        "{:>24} {:>12} {:>12} {:>12}",
        "", "http", "connect", "at once"
    );
    for count in [1_000, 10_000] {
        let count = scale(count);
        let mut cells = Vec::new();
        let mut most = 0;
        for probe in [http as fn(SocketAddr) -> Probe, connect] {
            // Servers need descriptors of this process too, so no more than this at once.
            let at_once = (limit / 3).min(count) as usize;
            let mut run = Run::new();
            // The first round opens what is opened once.
            for round in 0..4 {
                let before = processor_time();
                for id in 0..count {
                    while run.checker.running() >= at_once {
                        run.turn();
                    }
                    run.start(round * count + id, &probe(real(server, id)));
                }
                most = most.max(run.checker.running());
                run.until((round + 1) * count);
                if round > 0 {
                    cells.push((processor_time() - before) / count as u32);
                }
            }
            assert_eq!(run.up, 4 * count, "{:?}", run.last);
        }
        let best = |cells: &[Duration]| cells.iter().min().copied().unwrap_or_default();
        println!(
            "{:>24} {:>12.2?} {:>12.2?} {:>12}",
            format!("{count} servers"),
            best(&cells[..3]),
            best(&cells[3..]),
            most
        );
    }
}

struct Run {
    poller: Poller,
    checker: Checker,
    ready: Vec<Ready>,
    done: u64,
    up: u64,
    last: Option<Outcome>,
}

impl Run {
    fn new() -> Run {
        Run {
            poller: Poller::new().unwrap(),
            checker: Checker::new(Settings::default()),
            ready: Vec::new(),
            done: 0,
            up: 0,
            last: None,
        }
    }

    fn start(&mut self, id: u64, probe: &Probe) {
        self.checker.start(monotonic(), id, probe, &self.poller);
        self.collect();
    }

    fn turn(&mut self) {
        let deadline = self.checker.next_deadline();
        self.poller.wait(deadline, &mut self.ready).unwrap();
        let now = monotonic();
        for ready in self.ready.drain(..) {
            self.checker.ready(now, ready, &self.poller);
        }
        self.checker.timer(now, &self.poller);
        self.collect();
    }

    fn collect(&mut self) {
        while let Some((_, outcome)) = self.checker.poll_outcome() {
            self.done += 1;
            match outcome {
                Outcome::Verdict(verdict) if verdict.up => self.up += 1,
                other => self.last = Some(other),
            }
        }
    }

    fn until(&mut self, done: u64) {
        while self.done < done {
            self.turn();
        }
    }
}

fn real(server: SocketAddr, number: u64) -> SocketAddr {
    let first = u32::from(Ipv4Addr::new(127, 1, 0, 1));
    let address = Ipv4Addr::from(first + number as u32);
    SocketAddr::new(IpAddr::V4(address), server.port())
}

fn connect(address: SocketAddr) -> Probe {
    Probe {
        address: address.ip(),
        port: address.port(),
        timeout: Duration::from_secs(30),
        kind: ProbeKind::Connect,
    }
}

fn http(address: SocketAddr) -> Probe {
    Probe {
        kind: ProbeKind::Negotiate(Box::new(Negotiate {
            service: ServiceCheck::Http,
            transport: ipvs::Protocol::Tcp,
            request: b"/index.html".to_vec(),
            own_request: false,
            receive: b"Test Page".to_vec(),
            http_method: HttpMethod::Get,
            virtual_host: None,
            login: Vec::new(),
            password: Password::default(),
            database: Vec::new(),
            secret: Password::default(),
            tls: TlsVerify::No,
        })),
        ..connect(address)
    }
}

fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .unwrap()
        .into()
}

/// One thread that answers every request with a small page and closes.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    // The standard library asks for a queue of 128 connections only.
    let backlog = nix::sys::socket::Backlog::new(4096).unwrap();
    nix::sys::socket::listen(&listener, backlog).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut poller = Poller::new().unwrap();
        poller.add(&listener, 0, Interest::Read).unwrap();
        let mut streams: Vec<Option<TcpStream>> = Vec::new();
        let mut free = Vec::new();
        let mut ready = Vec::new();
        let page = b"<html><body><h1>Test Page</h1></body></html>\n";
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            page.len()
        );
        let answer = [head.as_bytes(), page].concat();
        loop {
            poller.wait(None, &mut ready).unwrap();
            for ready in ready.drain(..) {
                if ready.token == 0 {
                    while let Ok((stream, _)) = listener.accept() {
                        stream.set_nonblocking(true).unwrap();
                        let slot = free.pop().unwrap_or_else(|| {
                            streams.push(None);
                            streams.len() - 1
                        });
                        poller
                            .add(&stream, slot as u64 + 1, Interest::Read)
                            .unwrap();
                        streams[slot] = Some(stream);
                    }
                    continue;
                }
                let slot = ready.token as usize - 1;
                let Some(stream) = &mut streams[slot] else {
                    continue;
                };
                match stream.read(&mut [0; 2048]) {
                    Ok(length) if length > 0 => {
                        let _ = stream.write_all(&answer);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                    _ => {}
                }
                streams[slot] = None;
                free.push(slot);
            }
        }
    });
    address
}
