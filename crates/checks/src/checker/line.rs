//! One connection: its socket, TLS above it, and what waits to be sent.

use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use ha_sys::{Interest, Poller, errno_text};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrIn, SockaddrIn6, SockaddrLike,
    SockaddrStorage, connect, getpeername, getsockname, getsockopt, recv, send, setsockopt,
    shutdown, socket, sockopt,
};
use rustls::ClientConnection;

use super::tls;

/// How many bytes one [`Step::Data`] of a stream may bring.
const CHUNK: usize = 16 * 1024;

/// How long a server may take to close a connection after its check is over.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// A connection that a check uses, or has used.
#[derive(Debug)]
pub(crate) struct Line {
    fd: OwnedFd,
    peer: SocketAddr,
    datagrams: bool,
    stage: Stage,
    tls: Option<Box<ClientConnection>>,
    /// TLS that begins once everything is sent.
    upgrade: Option<Box<ClientConnection>>,
    /// TLS was begun later, so its start is told as such.
    upgraded: bool,
    out: Vec<u8>,
    sent: usize,
    finish: bool,
    /// Something was sent, so the server has reason to answer or to close.
    talked: bool,
    /// A datagram could not be sent.
    broken: Option<Errno>,
    interest: Interest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connecting,
    Handshaking,
    Open,
    Ended,
}

/// What one look at a connection brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing (more) for now.
    Idle,
    /// It is made; our end.
    Connected(SocketAddr),
    /// TLS is begun on it.
    TlsStarted,
    /// So many bytes lie in the scratch buffer.
    Data(usize),
    /// The peer has closed it.
    Closed,
    /// It could not be made, or broke.
    Failed {
        /// The system's or TLS's text.
        text: String,
        /// What an operator should know about it.
        remark: Option<&'static str>,
    },
}

/// Why a connection could not even be tried.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// For want of something on this machine.
    Local(String),
    /// Because of where it should go to.
    Failed(String),
}

impl Refusal {
    pub(crate) fn from_errno(errno: Errno) -> Refusal {
        let text = errno_text(&errno.into());
        match errno {
            // EAGAIN of connect(2): no free port.
            Errno::EMFILE
            | Errno::ENFILE
            | Errno::ENOBUFS
            | Errno::ENOMEM
            | Errno::EADDRNOTAVAIL
            | Errno::EAGAIN => Refusal::Local(text),
            _ => Refusal::Failed(text),
        }
    }

    pub(crate) fn from_error(error: &io::Error) -> Refusal {
        match error.raw_os_error() {
            Some(code) => Refusal::from_errno(Errno::from_raw(code)),
            None => Refusal::Failed(error.to_string()),
        }
    }
}

impl Line {
    /// Begins to connect.
    pub(crate) fn open(
        peer: SocketAddr,
        datagrams: bool,
        tls: Option<Box<ClientConnection>>,
    ) -> Result<Line, Refusal> {
        Line::try_open(peer, datagrams, tls).map_err(Refusal::from_errno)
    }

    fn try_open(
        peer: SocketAddr,
        datagrams: bool,
        tls: Option<Box<ClientConnection>>,
    ) -> Result<Line, Errno> {
        let family = match peer {
            SocketAddr::V4(_) => AddressFamily::Inet,
            SocketAddr::V6(_) => AddressFamily::Inet6,
        };
        let kind = if datagrams {
            SockType::Datagram
        } else {
            SockType::Stream
        };
        let fd = socket(
            family,
            kind,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            None,
        )?;
        if !datagrams {
            // Several small messages one after the other are the rule here.
            setsockopt(&fd, sockopt::TcpNoDelay, &true)?;
        }
        let connected = match peer {
            SocketAddr::V4(address) => connect(fd.as_raw_fd(), &SockaddrIn::from(address)),
            SocketAddr::V6(address) => connect(fd.as_raw_fd(), &SockaddrIn6::from(address)),
        };
        match connected {
            Ok(()) | Err(Errno::EINPROGRESS | Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
        Ok(Line::new(fd, peer, datagrams, tls))
    }

    /// Takes over a connection that the peer has made.
    pub(crate) fn accepted(fd: OwnedFd, peer: SocketAddr) -> Line {
        Line {
            stage: Stage::Open,
            interest: Interest::Read,
            ..Line::new(fd, peer, false, None)
        }
    }

    fn new(
        fd: OwnedFd,
        peer: SocketAddr,
        datagrams: bool,
        tls: Option<Box<ClientConnection>>,
    ) -> Line {
        Line {
            fd,
            peer,
            datagrams,
            stage: Stage::Connecting,
            tls,
            upgrade: None,
            upgraded: false,
            out: Vec::new(),
            sent: 0,
            finish: false,
            talked: false,
            broken: None,
            interest: Interest::Write,
        }
    }

    /// Puts it into the poller.
    pub(crate) fn register(&mut self, poller: &Poller, token: u64) -> io::Result<()> {
        self.interest = self.wanted();
        poller.add(&self.fd, token, self.interest)
    }

    /// Puts it under another token.
    pub(crate) fn register_again(&mut self, poller: &Poller, token: u64) -> io::Result<()> {
        self.interest = self.wanted();
        poller.modify(&self.fd, token, self.interest)
    }

    /// Waits for what it needs now.
    pub(crate) fn update(&mut self, poller: &Poller, token: u64) {
        if self.stage == Stage::Ended {
            let _ = poller.remove(&self.fd);
        } else if self.interest != self.wanted() {
            let _ = self.register_again(poller, token);
        }
    }

    fn wanted(&self) -> Interest {
        match self.stage {
            Stage::Connecting => Interest::Write,
            _ if self.sent < self.out.len() => Interest::ReadWrite,
            _ => Interest::Read,
        }
    }

    /// Where it leads.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Still to be connected.
    pub(crate) fn is_connecting(&self) -> bool {
        self.stage == Stage::Connecting
    }

    /// Sends as soon as possible. Datagrams that the system does not take at once are lost, as datagrams may be.
    pub(crate) fn send(&mut self, bytes: Vec<u8>) {
        if self.stage == Stage::Ended {
            return;
        }
        self.talked = true;
        if self.datagrams {
            match send(self.fd.as_raw_fd(), &bytes, MsgFlags::MSG_NOSIGNAL) {
                Ok(_) | Err(Errno::EAGAIN | Errno::ENOBUFS) => {}
                Err(errno) => self.broken = Some(errno),
            }
            return;
        }
        match &mut self.tls {
            // Writing to a session in memory fails only after its end.
            Some(session) if self.stage == Stage::Open => {
                let _ = io::Write::write_all(&mut session.writer(), &bytes);
            }
            _ if self.out.is_empty() => self.out = bytes,
            _ => self.out.extend_from_slice(&bytes),
        }
        self.flush();
    }

    /// Begins TLS once everything is sent.
    pub(crate) fn start_tls(&mut self, session: Box<ClientConnection>) {
        self.upgrade = Some(session);
        self.flush();
    }

    /// Sends nothing more after what is waiting.
    pub(crate) fn finish_sending(&mut self) {
        self.finish = true;
        if let Some(session) = &mut self.tls {
            session.send_close_notify();
        }
        self.flush();
    }

    /// Our end of it.
    pub(crate) fn local(&self) -> Option<SocketAddr> {
        let address: SockaddrStorage = getsockname(self.fd.as_raw_fd()).ok()?;
        match address.family()? {
            AddressFamily::Inet => {
                let address = address.as_sockaddr_in()?;
                Some(SocketAddr::new(IpAddr::V4(address.ip()), address.port()))
            }
            AddressFamily::Inet6 => {
                let address = address.as_sockaddr_in6()?;
                Some(SocketAddr::new(IpAddr::V6(address.ip()), address.port()))
            }
            _ => None,
        }
    }

    fn has_peer(&self) -> bool {
        getpeername::<SockaddrStorage>(self.fd.as_raw_fd()).is_ok()
    }

    /// Listens on our end's address for somebody to connect.
    pub(crate) fn listen_beside(&self) -> io::Result<TcpListener> {
        let local = self
            .local()
            .ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
        let listener = TcpListener::bind((local.ip(), 0))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    /// One look at it. `readable` and `writable` say what the poller found and are cleared once that is used up; to be
    /// called until it is idle or over.
    pub(crate) fn step(
        &mut self,
        readable: &mut bool,
        writable: &mut bool,
        scratch: &mut [u8],
    ) -> Step {
        if let Some(errno) = self.broken.take() {
            return self.fail(errno_text(&errno.into()), None);
        }
        match self.stage {
            Stage::Ended => return Step::Idle,
            Stage::Connecting => {
                if !*writable {
                    return Step::Idle;
                }
                match getsockopt(&self.fd, sockopt::SocketError) {
                    // Meant for an earlier socket under the same token: this one is still without a peer.
                    Ok(0) if !self.has_peer() => return Step::Idle,
                    Ok(0) => {}
                    Ok(code) => {
                        return self.fail(errno_text(&io::Error::from_raw_os_error(code)), None);
                    }
                    Err(errno) => return self.fail(errno_text(&errno.into()), None),
                }
                // It has only just been made: nothing can be there to read without another report.
                *readable = false;
                if self.tls.is_none() {
                    return self.opened();
                }
                self.stage = Stage::Handshaking;
                self.talked = true;
                self.flush();
            }
            Stage::Handshaking | Stage::Open => {
                if *writable {
                    self.flush();
                }
            }
        }
        *writable = false;
        if self.tls.is_some() {
            return self.step_tls(readable, scratch);
        }
        if !*readable {
            return Step::Idle;
        }
        let room = if self.datagrams { scratch.len() } else { CHUNK };
        let buffer = scratch.get_mut(..room).unwrap_or_default();
        loop {
            return match recv(self.fd.as_raw_fd(), buffer, MsgFlags::empty()) {
                Ok(0) if !self.datagrams => self.close(),
                Ok(length) => Step::Data(length),
                Err(Errno::EINTR) => continue,
                Err(Errno::EAGAIN) => {
                    *readable = false;
                    Step::Idle
                }
                Err(errno) => self.fail(errno_text(&errno.into()), None),
            };
        }
    }

    fn step_tls(&mut self, readable: &mut bool, scratch: &mut [u8]) -> Step {
        let buffer = scratch.get_mut(..CHUNK).unwrap_or_default();
        loop {
            let Some(session) = &mut self.tls else {
                return Step::Idle;
            };
            if self.stage == Stage::Handshaking && !session.is_handshaking() {
                return self.opened();
            }
            if self.stage == Stage::Open {
                match session.reader().read(buffer) {
                    Ok(0) => return self.close(),
                    Ok(length) => return Step::Data(length),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    // Closed without the closing alert, which many servers spare.
                    Err(_) => return self.close(),
                }
            }
            if !*readable {
                return Step::Idle;
            }
            match session.read_tls(&mut Raw(&self.fd)) {
                Ok(0) if self.stage == Stage::Handshaking => {
                    return self.fail(tls::CLOSED_IN_HANDSHAKE.to_owned(), None);
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    *readable = false;
                    return Step::Idle;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return self.fail(errno_text(&error), None),
            }
            let processed = session.process_new_packets().map(|_| ());
            self.flush();
            if let Err(error) = processed {
                return self.fail(tls::error_text(&error), tls::error_remark(&error));
            }
        }
    }

    fn opened(&mut self) -> Step {
        self.stage = Stage::Open;
        self.flush();
        if self.upgraded {
            return Step::TlsStarted;
        }
        match self.local() {
            Some(local) => Step::Connected(local),
            None => self.fail(errno_text(&Errno::ENOTCONN.into()), None),
        }
    }

    fn close(&mut self) -> Step {
        self.stage = Stage::Ended;
        Step::Closed
    }

    fn fail(&mut self, text: String, remark: Option<&'static str>) -> Step {
        self.stage = Stage::Ended;
        Step::Failed { text, remark }
    }

    /// Sends what is waiting. An error is not told here: what the peer said before it closed may still be there to read,
    /// and reading brings the error too.
    fn flush(&mut self) {
        if self.stage == Stage::Connecting {
            return;
        }
        if let Some(session) = &mut self.tls {
            while session.wants_write() {
                if session.write_tls(&mut self.out).is_err() {
                    break;
                }
            }
        }
        while let Some(rest) = self.out.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match send(self.fd.as_raw_fd(), rest, MsgFlags::MSG_NOSIGNAL) {
                Ok(length) => self.sent += length,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return,
                Err(_) => self.sent = self.out.len(),
            }
        }
        self.out.clear();
        self.sent = 0;
        if let Some(session) = self.upgrade.take() {
            self.tls = Some(session);
            self.upgraded = true;
            self.stage = Stage::Handshaking;
            return self.flush();
        }
        if self.finish {
            self.finish = false;
            let _ = shutdown(self.fd.as_raw_fd(), nix::sys::socket::Shutdown::Write);
        }
    }

    /// The check is over: says goodbye where that is due, and gives the connection back if it has to be kept for a moment.
    ///
    /// Who closes first keeps the port busy for a minute, and ten thousand checks a second would use up all ports and much
    /// memory. So a server that was asked for something gets the time to close first, which most do at once. A connection
    /// on which nothing was said is reset, which is how other balancers end such checks too.
    pub(crate) fn retire(mut self, scratch: &mut [u8]) -> Option<Line> {
        if self.datagrams || matches!(self.stage, Stage::Ended | Stage::Connecting) {
            return None;
        }
        if !self.talked {
            self.abandon();
            return None;
        }
        if let Some(session) = &mut self.tls {
            session.send_close_notify();
        }
        self.flush();
        self.drained(scratch)
    }

    /// Throws away what comes after the end of the check; gives the connection back while it is still open.
    pub(crate) fn drained(mut self, scratch: &mut [u8]) -> Option<Line> {
        self.flush();
        for _ in 0..4 {
            match recv(self.fd.as_raw_fd(), scratch, MsgFlags::empty()) {
                Ok(0) => return None,
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break,
                Err(_) => return None,
            }
        }
        Some(self)
    }

    /// Ends it at once, with a reset, so that nothing of it stays in the system.
    pub(crate) fn abandon(self) {
        if !self.datagrams {
            // `close` waits for no time, that is, it resets.
            let no_time = nix::libc::linger {
                l_onoff: 1,
                l_linger: 0,
            };
            let _ = setsockopt(&self.fd, sockopt::Linger, &no_time);
        }
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Reads from the socket for TLS.
struct Raw<'a>(&'a OwnedFd);

impl Read for Raw<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(recv(self.0.as_raw_fd(), buffer, MsgFlags::empty())?)
    }
}
