//! The client library: what a program needs to talk to a heartbeat daemon.
//!
//! A program signs on, as a named client or as a casual one. A casual client may only ask:
//!
//! ```no_run
//! use ha_ipc::client::SignOn;
//!
//! # fn main() -> Result<(), ha_ipc::client::ClientError> {
//! let mut client = SignOn::casual().connect()?;
//! for node in client.nodes()? {
//!     println!("{} is {}", node.name, client.node_status(&node.name)?);
//! }
//! client.sign_off()
//! # }
//! ```
//!
//! A named one may also send messages, which reach the clients of the same name on all nodes, itself included:
//!
//! ```no_run
//! use std::time::Duration;
//! use ha_ipc::client::SignOn;
//! use ha_wire::Message;
//!
//! # fn main() -> Result<(), ha_ipc::client::ClientError> {
//! let mut client = SignOn::named("ping").connect()?;
//! let mut message = Message::new();
//! message.push("t", "ping");
//! client.send(&message)?;
//! while let Some(message) = client.receive(Some(Duration::from_secs(2)))? {
//!     println!("{:?} from {:?}", message.kind(), message.text("src"));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! In a loop of its own making, a program waits for the client's descriptor, for what [`Client::interest`] says, and
//! then takes messages with [`Client::try_receive`] until there are none. It does the same after each request, since
//! messages that arrive before an answer are kept and the descriptor does not tell of them again:
//!
//! ```no_run
//! use ha_ipc::client::SignOn;
//! use ha_sys::Poller;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut client = SignOn::named("ipfail").connect()?;
//! let mut poller = Poller::new()?;
//! poller.add(&client, 1, client.interest())?;
//! let mut ready = Vec::new();
//! loop {
//!     while let Some(message) = client.try_receive()? {
//!         println!("{message:?}");
//!     }
//!     poller.modify(&client, 1, client.interest())?;
//!     poller.wait(None, &mut ready)?;
//! }
//! # }
//! ```
//!
//! An answer is known by its `reqtype`, so one that comes too late for its request is dropped and not taken for the
//! answer to the next (`client-api.md` 1.5 tells how the legacy library gets out of step).

mod answer;
mod error;
mod order;
mod requests;

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ha_sys::Interest;
use ha_wire::{Encoding, Message, decode_plain, encode_client};
use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, UnixAddr, setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

pub use answer::{ClientStatus, LinkEntry, NodeEntry, Session};
pub use error::ClientError;

use crate::channel::{Channel, SendError};
use crate::{REGISTER_SOCKET, wait};
use order::Order;

/// Longest name of a client, in octets: what every daemon has room for (`client-api.md` 2.1).
pub const NAME_MAX: usize = 31;

/// How long an answer is waited for unless somebody says otherwise. A daemon that waits for a slow node pauses its
/// clients, so this is generous.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// How many messages are kept while an answer is waited for.
const ARRIVED_MAX: usize = 10_000;

/// Class bits of messages, for [`Client::set_filter`] (`client-api.md` 3.1).
pub mod filter {
    /// Ordinary messages. What a new client gets.
    pub const KEEPIT: u32 = 0x01;
    /// Heartbeats that bring nothing new.
    pub const NOCHANGE: u32 = 0x02;
    /// Packets that were dropped.
    pub const DROPIT: u32 = 0x04;
    /// Packets that came twice.
    pub const DUPLICATE: u32 = 0x08;
    /// Requests of clients.
    pub const APICALL: u32 = 0x10;
    /// Requests for retransmission.
    pub const PROTOCOL: u32 = 0x20;
}

/// How to sign on.
#[derive(Clone, Debug)]
pub struct SignOn {
    name: Option<String>,
    socket: PathBuf,
    timeout: Duration,
}

impl SignOn {
    /// As a casual client, which has no name and may only ask.
    pub fn casual() -> SignOn {
        SignOn {
            name: None,
            socket: PathBuf::from(REGISTER_SOCKET),
            timeout: TIMEOUT_DEFAULT,
        }
    }

    /// As a client of this name, which is unique on the node and has a rule (`apiauth`) in ha.cf.
    pub fn named(name: &str) -> SignOn {
        SignOn {
            name: Some(name.to_owned()),
            ..SignOn::casual()
        }
    }

    /// At a socket other than [`REGISTER_SOCKET`].
    pub fn socket(mut self, path: &Path) -> SignOn {
        self.socket = path.to_owned();
        self
    }

    /// With another time-out than [`TIMEOUT_DEFAULT`], for this and for all requests.
    pub fn timeout(mut self, timeout: Duration) -> SignOn {
        self.timeout = timeout;
        self
    }

    /// Connects and signs on.
    ///
    /// # Errors
    /// [`ClientError::Name`], [`ClientError::Connect`], [`ClientError::Refused`], [`ClientError::NoAnswer`],
    /// [`ClientError::BadAnswer`], or what goes wrong on the way.
    pub fn connect(&self) -> Result<Client, ClientError> {
        self.check_name()?;
        let unreachable = |error| ClientError::Connect {
            socket: self.socket.clone(),
            error,
        };
        let stream = open(&self.socket, self.timeout).map_err(unreachable)?;
        self.begin(Channel::new(stream).map_err(unreachable)?)
    }

    /// Signs on over a stream that leads to a daemon already: one that was inherited, or one end of a pair. The path of
    /// [`SignOn::socket`] does not matter then.
    ///
    /// # Errors
    /// As [`SignOn::connect`]; [`ClientError::System`] if the stream is not connected.
    pub fn over(&self, stream: UnixStream) -> Result<Client, ClientError> {
        self.check_name()?;
        self.begin(Channel::new(stream)?)
    }

    fn check_name(&self) -> Result<(), ClientError> {
        let proper = |name: &String| {
            (1..=NAME_MAX).contains(&name.len())
                && !name.starts_with(|first: char| first.is_ascii_digit())
                && !name.contains(['\n', '\r', '\0'])
        };
        match &self.name {
            Some(name) if !proper(name) => Err(ClientError::Name(name.clone())),
            _ => Ok(()),
        }
    }

    fn begin(&self, channel: Channel) -> Result<Client, ClientError> {
        let mut client = Client {
            channel,
            pid: std::process::id(),
            name: self.name.clone(),
            timeout: self.timeout,
            session: Session {
                node: ha_sys::host::uname_node().to_lowercase(),
                deadtime: Duration::ZERO,
                keepalive: Duration::ZERO,
                version: None,
                pacemaker: None,
                log_facility: None,
            },
            arrived: VecDeque::new(),
            order: Order::default(),
            sent_to_all: 0,
            sent_to_node: BTreeMap::new(),
            scratch: Vec::new(),
        };
        client.session = client.sign_on()?;
        Ok(client)
    }
}

/// Connects within the time. A unix socket whose queue of new clients is full lets others wait, for ever unless told
/// otherwise.
fn open(path: &Path, timeout: Duration) -> std::io::Result<UnixStream> {
    let fd: OwnedFd = socket::socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    let milliseconds = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX / 1000);
    let limit = TimeVal::milliseconds(milliseconds.clamp(1, 86_400_000));
    setsockopt(&fd, sockopt::SendTimeout, &limit)?;
    let address = UnixAddr::new(path)?;
    let deadline = Instant::now().checked_add(timeout);
    loop {
        return match socket::connect(fd.as_raw_fd(), &address) {
            Ok(()) => Ok(UnixStream::from(fd)),
            Err(Errno::EINTR) if deadline.is_none_or(|deadline| Instant::now() < deadline) => {
                continue;
            }
            Err(error) => Err(error.into()),
        };
    }
}

/// A signed-on client. Dropping it closes the connection, which its peers see as a leave for the reason `EOF`;
/// [`Client::sign_off`] is the polite way.
#[derive(Debug)]
pub struct Client {
    channel: Channel,
    pid: u32,
    /// `None` for a casual client.
    name: Option<String>,
    timeout: Duration,
    session: Session,
    /// Messages that may be delivered, in order.
    arrived: VecDeque<Message>,
    order: Order,
    /// Ordered messages sent to all nodes.
    sent_to_all: u64,
    /// Ordered messages sent to each node.
    sent_to_node: BTreeMap<String, u64>,
    /// Memory for encoding.
    scratch: Vec<u8>,
}

impl Client {
    /// What the daemon told at sign-on.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The local node.
    pub fn node(&self) -> &str {
        &self.session.node
    }

    /// Changes how long requests wait for their answers.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// What to wait for on the descriptor.
    pub fn interest(&self) -> Interest {
        self.channel.interest()
    }

    /// Sends a message to the clients of our name on all nodes, ourselves included. It needs a type (`t`) that is not
    /// that of a request. Who sent it and whence is added by the daemon.
    ///
    /// Waits only if the daemon has left 64 messages unread.
    ///
    /// # Errors
    /// [`ClientError::Casual`], [`ClientError::Type`], [`ClientError::Encode`], or the connection's.
    pub fn send(&mut self, message: &Message) -> Result<(), ClientError> {
        if self.name.is_none() {
            return Err(ClientError::Casual);
        }
        match message.kind() {
            None | Some("" | REQUEST) => Err(ClientError::Type),
            Some(_) => self.transmit(message, self.deadline()),
        }
    }

    /// Sends a message to the client of our name on one node. Whether there is one is not told.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub fn send_to_node(&mut self, node: &str, message: &Message) -> Result<(), ClientError> {
        let mut message = message.clone();
        message.set("dest", node);
        self.send(&message)
    }

    /// Sends a message to the client of our name on the node with this id.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub fn send_to_uuid(&mut self, uuid: &[u8; 16], message: &Message) -> Result<(), ClientError> {
        let mut message = message.clone();
        message.set_binary("destuuid", uuid);
        self.send(&message)
    }

    /// Like [`Client::send`]; receivers get all messages sent so in the order in which they were sent.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub fn send_ordered(&mut self, message: &Message) -> Result<(), ClientError> {
        let number = self.sent_to_all.saturating_add(1);
        let mut message = message.clone();
        message.set("oseq", format!("{number:x}"));
        self.send(&message)?;
        self.sent_to_all = number;
        Ok(())
    }

    /// Like [`Client::send_to_node`], in order. Messages to different nodes, and those to all, have no order among each
    /// other.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub fn send_ordered_to_node(
        &mut self,
        node: &str,
        message: &Message,
    ) -> Result<(), ClientError> {
        let count = self.sent_to_node.get(node).copied().unwrap_or(0);
        let number = count.saturating_add(1);
        let mut message = message.clone();
        message.set("oseq", format!("{number:x}"));
        self.send_to_node(node, &message)?;
        self.sent_to_node.insert(node.to_owned(), number);
        Ok(())
    }

    /// The next message; `None` if there is none before the time is over. Without a time it waits for ever.
    ///
    /// # Errors
    /// The connection's; [`ClientError::Receive`] when the daemon ends. Messages that came before are given out first.
    pub fn receive(&mut self, timeout: Option<Duration>) -> Result<Option<Message>, ClientError> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            if let Some(message) = self.try_receive()? {
                return Ok(Some(message));
            }
            if !self.wait(deadline)? {
                return Ok(None);
            }
        }
    }

    /// The next message, without waiting. When it answers `None`, the descriptor tells when to ask again. Sends what waits
    /// to be sent, as far as the daemon takes it.
    ///
    /// # Errors
    /// As [`Client::receive`].
    pub fn try_receive(&mut self) -> Result<Option<Message>, ClientError> {
        // Whoever is gone may have left messages; the end is noticed behind them.
        let flushed = self.channel.flush();
        loop {
            if let Some(message) = self.arrived.pop_front() {
                return Ok(Some(message));
            }
            match self.take()? {
                Some(message) => self.deliver(message),
                None => break,
            }
        }
        flushed?;
        Ok(None)
    }

    /// Signs off and closes the connection. Nothing is waited for, except that the daemon takes the message.
    ///
    /// # Errors
    /// The connection's; it is closed all the same.
    pub fn sign_off(mut self) -> Result<(), ClientError> {
        let deadline = self.deadline();
        let request = self.request("signoff");
        self.transmit(&request, deadline)?;
        while self.channel.queued() > 0 {
            if !self.wait(deadline)? {
                return Err(ClientError::NoAnswer { request: "signoff" });
            }
            // What still arrives would keep us from waiting.
            while self.take()?.is_some() {}
            self.channel.flush()?;
        }
        Ok(())
    }

    /// One message as it arrived, late answers included. What cannot be read is left out.
    fn take(&mut self) -> Result<Option<Message>, ClientError> {
        while let Some(body) = self.channel.receive()? {
            if let Ok(message) = decode_plain(body) {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// Puts a message where [`Client::receive`] finds it. An answer that nobody waits for is late, and dropped.
    fn deliver(&mut self, message: Message) {
        if message.kind() != Some(RESPONSE) {
            self.order.accept(message, &mut self.arrived);
        }
    }

    /// Waits until the descriptor can be used; false when the time is over.
    fn wait(&self, deadline: Option<Instant>) -> Result<bool, ClientError> {
        let writes = self.channel.queued() > 0;
        Ok(wait::ready(&self.channel, writes, deadline)?)
    }

    fn deadline(&self) -> Option<Instant> {
        Instant::now().checked_add(self.timeout)
    }

    /// Sends a message of any kind. Waits while the queue is full.
    fn transmit(
        &mut self,
        message: &Message,
        deadline: Option<Instant>,
    ) -> Result<(), ClientError> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let result = encode_client(message, Encoding::String, &mut scratch)
            .map_err(ClientError::from)
            .and_then(|()| self.transmit_body(&scratch, deadline));
        self.scratch = scratch;
        result
    }

    fn transmit_body(&mut self, body: &[u8], deadline: Option<Instant>) -> Result<(), ClientError> {
        loop {
            match self.channel.send(body) {
                Err(SendError::Overflow { .. }) => {}
                result => return Ok(result?),
            }
            if !self.wait(deadline)? {
                return Err(ClientError::NoAnswer { request: "send" });
            }
            // A daemon that does not read until we do must not be waited for.
            while let Some(message) = self.take()? {
                self.keep(message)?;
            }
        }
    }

    /// Like [`Client::deliver`], as long as there is room.
    fn keep(&mut self, message: Message) -> Result<(), ClientError> {
        if self.arrived.len() >= ARRIVED_MAX {
            return Err(ClientError::Backlog);
        }
        self.deliver(message);
        Ok(())
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

impl AsRawFd for Client {
    fn as_raw_fd(&self) -> RawFd {
        self.channel.as_raw_fd()
    }
}

/// Type of all requests.
const REQUEST: &str = "hbapi-req";
/// Type of their answers.
const RESPONSE: &str = "hbapi-resp";
