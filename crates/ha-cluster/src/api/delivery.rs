//! What clients get to see of the cluster's messages, and how a message leaves for a client (`client-api.md` 1.5, 4).

use std::collections::VecDeque;
use std::rc::Rc;

use ha_wire::Message;

use crate::action::{Action, Notice};
use crate::api::client::Member;
use crate::api::{Class, ClientId};
use crate::core::Core;

/// Own messages that the slowest node has not acknowledged, above which clients have to wait.
const UNACKNOWLEDGED_MAX: u64 = 250;

/// Departures and arrivals that wait at most; more are delivered out of turn.
const HELD_MAX: usize = 256;

/// Messages about clients of a node from which something is missing: node and message, oldest first.
pub(super) type Held = VecDeque<(String, Message)>;

impl Core {
    /// Shows a message to those clients that it is for and that want its class.
    pub(crate) fn show(&mut self, class: Class, message: &Message) {
        if self.api.clients.wanted() & class.bit() == 0 {
            return;
        }
        let receivers: Vec<(ClientId, Option<Notice>)> = match message.get("to_id") {
            Some(name) => self.api.clients.named(name).into_iter().collect(),
            None => self.api.clients.members().collect::<Vec<_>>(),
        }
        .into_iter()
        .filter(|(_, member)| member.mask & class.bit() != 0 && !is_too_old(member, message))
        .map(|(id, member)| (id, notice_of(member)))
        .collect();
        if receivers.is_empty() {
            return;
        }
        let Some(body) = self.client_body(message) else {
            return;
        };
        for (client, notice) in receivers {
            let body = Rc::clone(&body);
            self.act(Action::ToClient {
                client,
                body,
                notice,
            });
        }
    }

    /// A delivered message, after it was dealt with. The daemon's own affairs are not shown; a status is shown where it
    /// is known whether it says something new.
    pub(crate) fn show_delivered(&mut self, source: &str, kind: &str, message: &Message) {
        let class = match kind {
            "status" | "NS_st" | "reqnodes" | "repnodes" | "addnode" | "delnode" | "setweight"
            | "setsite" | "query-cstatus" => return,
            "NS_rexmit" | "NS_ackmsg" => Class::Protocol,
            "hbapi-clstat" if self.is_held(source) => {
                let entry = (source.to_owned(), message.clone());
                self.api.held.push_back(entry);
                return;
            }
            _ => Class::Kept,
        };
        self.show(class, message);
    }

    /// What is missing may be a message of the very client that leaves.
    fn is_held(&self, source: &str) -> bool {
        self.api.held.len() < HELD_MAX && self.owes_messages(source)
    }

    fn owes_messages(&self, source: &str) -> bool {
        self.find(source)
            .is_some_and(|node| node.tracking.highest_despite_gap().is_some())
    }

    /// Delivers what waited for a gap that is closed, or given up.
    pub(super) fn release_held(&mut self) {
        if self.api.held.is_empty() {
            return;
        }
        for (source, message) in std::mem::take(&mut self.api.held) {
            if self.owes_messages(&source) {
                self.api.held.push_back((source, message));
            } else {
                self.show(Class::Kept, &message);
            }
        }
    }

    /// A message made up here, for clients only.
    pub(crate) fn show_fields(&mut self, fields: &[(String, String)]) {
        if self.api.clients.wanted() & Class::Kept.bit() == 0 {
            return;
        }
        let mut message = Message::new();
        for (name, value) in fields {
            message.push(name, value);
        }
        self.show(Class::Kept, &message);
    }

    /// One message to one client.
    pub(super) fn tell_client(&mut self, client: ClientId, message: &Message) {
        if self.api.clients.contains(client) {
            self.tell_connection(client, message);
        }
    }

    /// The same, also when the client has just been removed.
    pub(super) fn tell_connection(&mut self, client: ClientId, message: &Message) {
        let notice = self.api.clients.member(client).and_then(notice_of);
        if let Some(body) = self.client_body(message) {
            self.act(Action::ToClient {
                client,
                body,
                notice,
            });
        }
    }

    fn client_body(&mut self, message: &Message) -> Option<Rc<[u8]>> {
        let mut body = Vec::with_capacity(512);
        match ha_wire::encode_client(message, self.config.encoding, &mut body) {
            Ok(()) => Some(Rc::from(body)),
            Err(error) => {
                self.error(format!("cannot send a message to a client: {error}"));
                None
            }
        }
    }

    /// Cluster-wide flow control: while the others lag behind, nobody here may add to it (1.5).
    pub(super) fn pause_or_resume_clients(&mut self) {
        let others = self.peers().any(|node| node.status.live());
        let behind = self.last_sent().saturating_sub(self.overall_acknowledged());
        let paused = self.flow_control && others && behind > UNACKNOWLEDGED_MAX;
        if paused == self.api.paused {
            return;
        }
        self.api.paused = paused;
        let word = if paused { "paused" } else { "resumed" };
        self.debug(format!("all clients are now {word}"));
        let clients: Vec<ClientId> = self.api.clients.members().map(|(id, _)| id).collect();
        for client in clients {
            self.act(Action::PauseClient { client, paused });
        }
    }
}

/// Whether the message was sent before the client came: its node owed it to us at that time (4.1).
fn is_too_old(member: &Member, message: &Message) -> bool {
    if member.before.is_empty() {
        return false;
    }
    let (Some(source), Some(seq)) = (message.text("src"), message.hex("seq")) else {
        return false;
    };
    let generation = message.hex("hg").unwrap_or(0);
    member.before.iter().any(|before| {
        before.node.eq_ignore_ascii_case(source)
            && before.generation == generation
            && seq < before.seq
    })
}

fn notice_of(member: &Member) -> Option<Notice> {
    (member.signal != 0).then_some(Notice {
        pid: member.pid,
        uid: member.uid,
        signal: member.signal,
    })
}
