//! The interface between a protocol and the driver: events in, effects out.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ha_config::ldirectord::TlsVerify;

use crate::Verdict;

/// One check in progress, as a state machine. The driver opens the first connection to [`Conversation::target`], then
/// reports what happens. A conversation that never ends is ended by the driver at the probe's deadline, which is a
/// failed check.
pub trait Conversation {
    /// Where the first connection goes.
    fn target(&self) -> Target;

    /// Takes note of an event and says what to do. After [`Effect::Done`] nothing more is reported.
    fn handle(&mut self, event: Event<'_>, effects: &mut Effects);
}

/// Where to connect, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The peer.
    pub address: Host,
    /// Its port.
    pub port: u16,
    /// What to speak below the protocol.
    pub transport: Transport,
}

/// A host by address, or by a name that the driver has to look up (beside the loop; only redirects need it).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An address.
    Address(IpAddr),
    /// A name.
    Name(String),
}

/// What carries a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A connection.
    Tcp,
    /// TLS over a connection.
    Tls {
        /// Name for SNI and verification; none: no SNI.
        server_name: Option<String>,
        /// What to make of the certificate.
        verify: TlsVerify,
    },
    /// Datagrams; one [`Event::Data`] for each.
    Udp,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The main connection is made (and its TLS handshake done).
    Connected {
        /// Our end.
        local: SocketAddr,
    },
    /// Bytes from the main connection, at most 16 KiB at a time.
    Data(&'a [u8]),
    /// [`Effect::StartTls`] is done: the main connection is inside TLS from here on.
    TlsStarted,
    /// The time of [`Effect::Wake`] has come.
    Woken,
    /// The peer closed the main connection in an orderly way (for TLS also without the closing alert).
    Closed,
    /// The main connection could not be made, or broke, or its TLS failed. The text is the system's or TLS's.
    Failed(&'a str),
    /// [`Effect::SideListen`] is done: the peer may connect to this address.
    SideListening(SocketAddr),
    /// The side connection is made.
    SideConnected,
    /// Bytes from the side connection.
    SideData(&'a [u8]),
    /// The side connection has ended (orderly or not), or could not be made.
    SideClosed,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send on the main connection.
    Send(Vec<u8>),
    /// Begin TLS as its client on the main connection, which is plain TCP so far, once everything before is sent;
    /// [`Event::TlsStarted`] follows. The protocol sees to it that nothing of what came before belongs to TLS.
    StartTls {
        /// As in [`Transport::Tls`].
        server_name: Option<String>,
        /// As in [`Transport::Tls`].
        verify: TlsVerify,
    },
    /// Report [`Event::Woken`] after this time, 0 for as soon as others had their turn. One at a time: a new one takes
    /// the place of the old. It does not outlive a [`Effect::Reconnect`].
    Wake(Duration),
    /// Send nothing more on the main connection (`shutdown(2)` of the sending side).
    FinishSending,
    /// Give up the main connection and make another one; [`Event::Connected`] follows.
    Reconnect(Target),
    /// Listen for one connection on our end's address (ftp's PORT).
    SideListen,
    /// Connect to the peer's address at this port (ftp's PASV).
    SideConnect(u16),
    /// The check is over.
    Done(Verdict),
}

/// Effects in order.
#[derive(Debug, Default)]
pub struct Effects(Vec<Effect>);

impl Effects {
    /// None.
    pub fn new() -> Effects {
        Effects::default()
    }

    /// Adds one.
    pub fn push(&mut self, effect: Effect) {
        self.0.push(effect);
    }

    /// Sends bytes on the main connection.
    pub fn send(&mut self, bytes: impl Into<Vec<u8>>) {
        self.push(Effect::Send(bytes.into()));
    }

    /// Ends the check.
    pub fn done(&mut self, verdict: Verdict) {
        self.push(Effect::Done(verdict));
    }

    /// Takes all of them out.
    pub fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.0)
    }
}
