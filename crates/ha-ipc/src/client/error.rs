//! What can go wrong for a client, and the words in which the legacy says so.

use std::fmt;
use std::io;
use std::path::PathBuf;

use ha_wire::EncodeError;

use crate::channel::{ReceiveError, SendError};

/// Why something that a client wanted did not happen.
#[derive(Debug)]
pub enum ClientError {
    /// Nobody answers at the socket: heartbeat does not run, its communication is not up yet, or we may not reach it.
    Connect {
        /// Where the socket was looked for.
        socket: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// No client can have this name: it is empty, longer than 31 octets, has a line end in it, or begins with a digit (the daemon might
    /// take it for the process id of a casual client).
    Name(String),
    /// The daemon does not want us. Release 2.1 does not say why.
    Refused {
        /// Why.
        reason: Option<String>,
    },
    /// The daemon could not do what a request asks for.
    Rejected {
        /// Its `reqtype`.
        request: &'static str,
        /// Why: `EINVAL` for a node, link or value that it does not know, or other short words.
        reason: Option<String>,
    },
    /// There was no answer in time.
    NoAnswer {
        /// The `reqtype` of the request, or `send` if the daemon did not even take a message.
        request: &'static str,
    },
    /// An answer lacks a field, or has something unreadable in it.
    BadAnswer {
        /// The `reqtype` of the request.
        request: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A casual client may only ask, not send messages to the cluster.
    Casual,
    /// A message to the cluster has no type, or that of a request.
    Type,
    /// A message cannot be written down.
    Encode(EncodeError),
    /// More messages arrived while an answer was waited for than we keep.
    Backlog,
    /// Sending failed.
    Send(SendError),
    /// Receiving failed, or the daemon closed the connection.
    Receive(ReceiveError),
    /// The system refused something else.
    System(io::Error),
}

impl ClientError {
    /// The text that legacy tools print behind `REASON: `, in the words of release 2.1 where there are any.
    pub fn legacy_reason(&self) -> String {
        match self {
            // The two blanks are the legacy's.
            Self::Connect { .. } => {
                "hb_api_signon: Can't initiate connection  to heartbeat".to_owned()
            }
            Self::Refused { reason } | Self::Rejected { reason, .. } => {
                reason.clone().unwrap_or_default()
            }
            Self::NoAnswer { .. } => "No timely response.".to_owned(),
            other => other.to_string(),
        }
    }

    /// Whether the connection is of no more use.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Rejected { .. }
            | Self::NoAnswer { .. }
            | Self::BadAnswer { .. }
            | Self::Casual
            | Self::Type
            | Self::Encode(_)
            | Self::Name(_) => false,
            Self::Connect { .. }
            | Self::Refused { .. }
            | Self::Backlog
            | Self::Send(_)
            | Self::Receive(_)
            | Self::System(_) => true,
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { socket, error } => {
                write!(f, "cannot connect to {}: {error}", socket.display())
            }
            Self::Name(name) => write!(f, "[{name}] cannot be a client's name"),
            Self::Refused { reason } => match reason {
                Some(reason) => write!(f, "sign-on refused: {reason}"),
                None => f.write_str("sign-on refused"),
            },
            Self::Rejected { request, reason } => match reason {
                Some(reason) => write!(f, "{request} rejected: {reason}"),
                None => write!(f, "{request} rejected"),
            },
            Self::NoAnswer { request } => write!(f, "no timely answer to {request}"),
            Self::BadAnswer { request, field } => {
                write!(f, "answer to {request} has no proper {field}")
            }
            Self::Casual => f.write_str("a casual client cannot send messages to the cluster"),
            Self::Type => f.write_str("a message to the cluster needs a type of its own"),
            Self::Encode(error) => write!(f, "message cannot be sent: {error}"),
            Self::Backlog => f.write_str("too many messages arrived before an answer"),
            Self::Send(error) => error.fmt(f),
            Self::Receive(error) => error.fmt(f),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect { error, .. } | Self::System(error) => Some(error),
            Self::Encode(error) => Some(error),
            Self::Send(error) => Some(error),
            Self::Receive(error) => Some(error),
            _ => None,
        }
    }
}

impl From<SendError> for ClientError {
    fn from(error: SendError) -> ClientError {
        ClientError::Send(error)
    }
}

impl From<ReceiveError> for ClientError {
    fn from(error: ReceiveError) -> ClientError {
        ClientError::Receive(error)
    }
}

impl From<EncodeError> for ClientError {
    fn from(error: EncodeError) -> ClientError {
        ClientError::Encode(error)
    }
}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> ClientError {
        ClientError::System(error)
    }
}
