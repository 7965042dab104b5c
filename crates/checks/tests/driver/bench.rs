//! The loop around the driver, and servers that follow a script.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use checks::{Checker, Environment, Outcome, Settings, Verdict};
use ha_config::ldirectord::{
    HttpMethod, Negotiate, Password, Probe, ProbeKind, ServiceCheck, TlsVerify,
};
use ha_sys::child::End;
use ha_sys::clock::monotonic;
use ha_sys::{Poller, Ready};

/// No test takes longer, unless something is wrong.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Runs checks to their outcomes.
pub(crate) struct Loop {
    pub(crate) poller: Poller,
    pub(crate) checker: Checker,
    pub(crate) outcomes: HashMap<u64, Outcome>,
    ready: Vec<Ready>,
}

impl Loop {
    pub(crate) fn new() -> Loop {
        Loop::with(Settings {
            environment: Environment::default(),
            ..Settings::default()
        })
    }

    pub(crate) fn with(settings: Settings) -> Loop {
        Loop {
            poller: Poller::new().unwrap(),
            checker: Checker::new(settings),
            outcomes: HashMap::new(),
            ready: Vec::new(),
        }
    }

    pub(crate) fn start(&mut self, id: u64, probe: &Probe) {
        self.checker.start(monotonic(), id, probe, &self.poller);
        self.collect();
    }

    /// One turn of the loop, at the latest until `until`.
    pub(crate) fn turn(&mut self, until: Duration) {
        let deadline = self
            .checker
            .next_deadline()
            .map_or(until, |at| at.min(until));
        self.poller.wait(Some(deadline), &mut self.ready).unwrap();
        for ready in std::mem::take(&mut self.ready) {
            assert!(Checker::owns(ready.token));
            self.checker.ready(monotonic(), ready, &self.poller);
        }
        self.checker.timer(monotonic(), &self.poller);
        self.collect();
    }

    pub(crate) fn collect(&mut self) {
        while let Some((id, outcome)) = self.checker.poll_outcome() {
            assert!(self.outcomes.insert(id, outcome).is_none(), "{id} twice");
        }
    }

    pub(crate) fn run_until(&mut self, mut done: impl FnMut(&mut Loop) -> bool) {
        let end = monotonic() + PATIENCE;
        while !done(self) {
            assert!(monotonic() < end, "{:?} {:?}", self.checker, self.outcomes);
            self.turn((monotonic() + Duration::from_millis(5)).min(end));
        }
    }

    /// One check from start to end.
    pub(crate) fn check(&mut self, probe: &Probe) -> Verdict {
        self.outcomes.remove(&0);
        self.start(0, probe);
        self.run_until(|it| it.outcomes.contains_key(&0));
        match self.outcomes.remove(&0) {
            Some(Outcome::Verdict(verdict)) => verdict,
            other => panic!("{other:?}"),
        }
    }

    /// As the program does it after SIGCHLD, but only for this pid: tests share a process.
    pub(crate) fn child_ended(&mut self, pid: u32, end: End) -> bool {
        let own = self
            .checker
            .child_ended(monotonic(), pid, end, &self.poller);
        self.collect();
        own
    }
}

pub(crate) fn check(probe: &Probe) -> Verdict {
    Loop::new().check(probe)
}

pub(crate) fn probe(address: SocketAddr, kind: ProbeKind) -> Probe {
    Probe {
        address: address.ip(),
        port: address.port(),
        timeout: PATIENCE / 2,
        kind,
    }
}

pub(crate) fn negotiate(service: ServiceCheck, receive: &str) -> Negotiate {
    Negotiate {
        service,
        transport: ipvs::Protocol::Tcp,
        request: b"/index.html".to_vec(),
        own_request: false,
        receive: receive.as_bytes().to_vec(),
        http_method: HttpMethod::Get,
        virtual_host: None,
        login: Vec::new(),
        password: Password::default(),
        database: Vec::new(),
        secret: Password::default(),
        tls: TlsVerify::No,
    }
}

pub(crate) fn http(address: SocketAddr, receive: &str) -> Probe {
    let negotiate = negotiate(ServiceCheck::Http, receive);
    probe(address, ProbeKind::Negotiate(Box::new(negotiate)))
}

/// The same with another limit.
pub(crate) fn within(probe: Probe, timeout: Duration) -> Probe {
    Probe { timeout, ..probe }
}

/// A server on a port of its own; each connection is one thread that runs the script.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    /// What each connection was sent, as far as the script has read.
    pub(crate) heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Server {
    pub(crate) fn new(script: impl Fn(&mut TcpStream, &[u8]) + Send + Sync + 'static) -> Server {
        Server::at(Ipv4Addr::LOCALHOST.into(), script)
    }

    pub(crate) fn at(
        address: IpAddr,
        script: impl Fn(&mut TcpStream, &[u8]) + Send + Sync + 'static,
    ) -> Server {
        Server::raw(address, move |stream, heard| {
            let request = head_of(stream);
            heard.lock().unwrap().push(request.clone());
            script(stream, &request);
        })
    }

    /// The script reads by itself.
    pub(crate) fn raw(
        address: IpAddr,
        script: impl Fn(&mut TcpStream, &Mutex<Vec<Vec<u8>>>) + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(script);
        let (stopped, hearing) = (stop.clone(), heard.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(mut stream) = stream else { continue };
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let (script, hearing) = (script.clone(), hearing.clone());
                std::thread::spawn(move || script(&mut stream, &hearing));
            }
        });
        Server {
            address,
            stop,
            heard,
        }
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        heard
            .iter()
            .map(|request| String::from_utf8_lossy(request).into_owned())
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

/// Reads up to the empty line.
fn head_of(stream: &mut TcpStream) -> Vec<u8> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => request.push(byte[0]),
            _ => break,
        }
    }
    request
}

/// A server that answers each request with this and closes.
pub(crate) fn answering(answer: impl Into<Vec<u8>>) -> Server {
    let answer = answer.into();
    Server::new(move |stream, _| {
        let _ = stream.write_all(&answer);
    })
}

pub(crate) fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A port on which nobody listens: it was ours a moment ago, and is held by nobody's connections.
pub(crate) fn closed_port() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// Closes with a reset.
pub(crate) fn reset(stream: &TcpStream) {
    let linger = nix::libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    nix::sys::socket::setsockopt(stream, nix::sys::socket::sockopt::Linger, &linger).unwrap();
}

/// Waits until the peer is gone.
pub(crate) fn hang(stream: &mut TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}
