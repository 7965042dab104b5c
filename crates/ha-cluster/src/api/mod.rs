//! What local programs may ask of the daemon, and what they are told without asking (`client-api.md`).
//!
//! The shell owns the sockets. It says that a connection was accepted and by whom, hands over the body of each frame,
//! and says when a connection is gone; it is told what to send, whom to hang up on, and whom not to read from for a
//! while. Everything in between is here: who may sign on under which name, what each request is answered, and which of
//! the cluster's messages a client gets to see.
//!
//! | module | responsible for |
//! |---|---|
//! | [`client`] | the table of connections, and looking one up |
//! | [`class`] | message classes, and the masks that choose among them |
//! | [`access`] | `apiauth` |
//! | [`sign_on`] | the first message of a connection |
//! | [`request`] | requests and the frame of their replies |
//! | [`node_requests`] | those that ask about nodes and links |
//! | [`client_status`] | who is signed on here and elsewhere |
//! | [`cluster`] | messages from a client to the cluster |
//! | [`delivery`] | messages of the cluster to clients |
//! | [`departure`] | the end of a client, by its wish or by ours |
//! | [`settings`] | what must be known of ha.cf |

mod access;
mod class;
mod client;
mod client_status;
mod cluster;
mod delivery;
mod departure;
mod node_requests;
mod request;
mod settings;
mod sign_on;

use std::time::Duration;

use ha_wire::Message;

pub(crate) use class::Class;
pub use client::{ClientId, Credentials, ProcessExists};
pub use departure::Gone;
pub use settings::ApiSettings;

use crate::Level;
use crate::core::Core;
use crate::throttle::Cause;
use client::Table;
use delivery::Held;

/// Bodies in a row that are no messages, after which a client is removed (`client-api.md` 1.3). The legacy counts over
/// all clients together, so that one can have another removed; here each counts for itself.
const BAD_BODIES_MAX: u32 = 10;

/// The state of the client API.
#[derive(Debug, Default)]
pub(crate) struct Api {
    clients: Table,
    /// One more with every first message (2.3).
    next_generation: u64,
    /// Nobody is read from until the other nodes have caught up (1.5).
    paused: bool,
    next_audit: Option<Duration>,
    /// Departures and arrivals elsewhere that wait for what was lost before them (4.1).
    held: Held,
}

impl Api {
    /// Names or process ids of everybody who is signed on.
    pub(crate) fn names(&self) -> Vec<String> {
        self.clients
            .members()
            .map(|(_, member)| member.name.clone())
            .collect()
    }
}

impl Core {
    pub(crate) fn client_accepted(&mut self, client: ClientId, peer: Credentials) {
        let now = self.now.mono;
        self.api.clients.insert(client, peer, now);
        self.plan_client_audit();
    }

    /// One frame from a client. Any bytes.
    pub(crate) fn client_message(&mut self, client: ClientId, body: &[u8], exists: ProcessExists) {
        if !self.api.clients.contains(client) {
            return;
        }
        let message = match ha_wire::decode_plain(body) {
            Ok(message) if !message.is_empty() => message,
            Ok(_) => return self.bad_body(client, "it is empty".to_owned()),
            Err(error) => return self.bad_body(client, error.to_string()),
        };
        let Some(connection) = self.api.clients.get_mut(client) else {
            return;
        };
        connection.bad_bodies = 0;
        if connection.member.is_none() {
            self.sign_on(client, &message, exists);
        } else if message.kind() == Some("hbapi-req") {
            self.client_request(client, &message);
        } else {
            self.message_from_client(client, message, body.len());
        }
    }

    fn bad_body(&mut self, client: ClientId, error: String) {
        let Some(connection) = self.api.clients.get_mut(client) else {
            return;
        };
        connection.bad_bodies += 1;
        let (pid, too_many) = (connection.pid(), connection.bad_bodies >= BAD_BODIES_MAX);
        self.log_limited(Cause::ClientMessage, || {
            vec![(Level::Info, format!("No message from pid {pid}: {error}"))]
        });
        if too_many {
            self.info(format!("Removing client pid {pid}"));
            self.dismiss(client, "noinput");
        }
    }

    /// A complaint about what a client sent, with the dump that the legacy adds.
    fn complain(&mut self, cause: Cause, level: Level, text: String, message: &Message) {
        self.log_limited(cause, || {
            let dump = message.dump();
            let mut lines = vec![(level, text)];
            lines.extend(dump.into_iter().map(|line| (level, line)));
            lines
        });
    }
}
