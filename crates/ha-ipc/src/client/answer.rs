//! What the daemon's answers say.

use std::fmt;
use std::time::Duration;

use ha_wire::Message;

use super::error::ClientError;

/// What the daemon tells at sign-on (`client-api.md` 2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The local node, as the daemon calls it.
    pub node: String,
    /// Silence after which a node is dead.
    pub deadtime: Duration,
    /// Time between two heartbeats.
    pub keepalive: Duration,
    /// The daemon's version; release 2.1 does not tell it here.
    pub version: Option<String>,
    /// The parameter `pacemaker`; release 2.1 does not know it.
    pub pacemaker: Option<String>,
    /// The daemon's syslog facility code (`local0` = 128), if it has one.
    pub log_facility: Option<i32>,
}

impl Session {
    pub(super) fn from_reply(reply: &Message) -> Result<Session, ClientError> {
        let missing = |field| ClientError::BadAnswer {
            request: "signon",
            field,
        };
        let duration = |field| {
            let milliseconds = reply.hex(field).ok_or(missing(field))?;
            Ok::<_, ClientError>(Duration::from_millis(milliseconds))
        };
        Ok(Session {
            deadtime: duration("deadtime")?,
            keepalive: duration("keepalive")?,
            node: owned(reply, "node").ok_or(missing("node"))?,
            version: owned(reply, "hbversion"),
            pacemaker: owned(reply, "pacemaker"),
            log_facility: reply
                .text("logfacility")
                .and_then(|text| text.trim().parse().ok())
                .filter(|&code: &i32| code >= 0),
        })
    }
}

/// One node of the list (`client-api.md` 3.18).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEntry {
    /// Its name.
    pub name: String,
    /// `normal`, `ping` or `unknown`; release 2.1 has to be asked for it.
    pub kind: Option<String>,
    /// As [`super::Client::node_status`]; release 2.1 has to be asked for it.
    pub status: Option<String>,
}

/// One heartbeat link of a node (`client-api.md` 3.19).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkEntry {
    /// Its name: an interface, a serial device, or the ping node's own name.
    pub name: String,
    /// `up` or `dead`; release 2.1 has to be asked for it.
    pub status: Option<String>,
}

/// Whether a client is signed on at a node (`client-api.md` 3.20).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientStatus {
    /// It is.
    Online,
    /// It is not, or the node is not active.
    Offline,
    /// It has just signed on. No daemon is known to answer so.
    Join,
    /// It has just signed off. No daemon is known to answer so.
    Leave,
}

impl ClientStatus {
    pub(super) fn from_word(word: &str) -> Option<ClientStatus> {
        [Self::Online, Self::Offline, Self::Join, Self::Leave]
            .into_iter()
            .find(|status| status.word() == word)
    }

    /// The word of the protocol.
    pub fn word(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Join => "join",
            Self::Leave => "leave",
        }
    }
}

impl fmt::Display for ClientStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A text field as a string; what is no UTF-8 in it is replaced.
pub(super) fn owned(message: &Message, field: &str) -> Option<String> {
    message
        .get(field)
        .map(|value| String::from_utf8_lossy(value).into_owned())
}
