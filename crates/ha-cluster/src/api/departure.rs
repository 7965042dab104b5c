//! The end of a client (`client-api.md` 1.5, 2.4): by its wish, because its process is gone, or because it cannot be
//! served any longer.

use std::time::Duration;

use ha_wire::Message;

use crate::api::{ClientId, ProcessExists};
use crate::core::Core;
use crate::throttle::Cause;
use crate::{Action, Level};

/// How often we look whether the processes behind the connections still exist.
const AUDIT_PERIOD: Duration = Duration::from_secs(9);

/// How long a connection may stay without signing on. The legacy waits for ever; but connections are limited, and
/// somebody who only connects must not be able to use them all up.
const SIGN_ON_WAIT: Duration = Duration::from_secs(60);

/// How the shell lost a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// The other side closed it, or sent what cannot be a frame.
    Closed,
    /// The client does not read: its queue is full.
    TooSlow {
        /// Messages in the queue.
        queued: usize,
        /// How many it may hold.
        limit: usize,
    },
    /// Its process does not exist any more.
    Died,
}

impl Core {
    /// The shell has lost the connection; there is nobody to say goodbye to.
    pub(crate) fn client_gone(&mut self, client: ClientId, gone: Gone) {
        let Some(connection) = self.api.clients.get(client) else {
            return;
        };
        let died = connection.member.as_ref().is_some_and(|member| member.died);
        let pid = connection.pid();
        let reason = match gone {
            Gone::Closed if died => "died".to_owned(),
            Gone::Closed => "EOF".to_owned(),
            Gone::Died => "died".to_owned(),
            Gone::TooSlow { queued, limit } => {
                self.log_limited(Cause::SlowClient, || {
                    let text = format!(
                        "client pid {pid} is cut off: send queue maximum length({limit}) exceeded"
                    );
                    vec![(Level::Error, text)]
                });
                format!("send failed,farside_pid={pid}, sendq length={queued}(max is {limit})")
            }
        };
        self.forget_client(client, &reason, false);
    }

    /// We end the connection. What was sent before still reaches the client.
    pub(super) fn dismiss(&mut self, client: ClientId, reason: &str) {
        self.forget_client(client, reason, true);
    }

    fn forget_client(&mut self, client: ClientId, reason: &str, connected: bool) {
        let Some(connection) = self.api.clients.remove(client) else {
            return;
        };
        let named = connection.member.filter(|member| !member.casual);
        let leave =
            named.map(|member| self.client_state("leave", &member.name, reason, member.generation));
        if connected {
            // The one that leaves gets its own copy, without what only the network needs.
            if let Some(leave) = &leave {
                self.tell_connection(client, leave);
            }
            self.act(Action::CloseClient { client });
        }
        if let Some(leave) = leave {
            self.send(leave);
        }
    }

    /// `hbapi-clstat` (4.2), complete but for what the network adds.
    pub(super) fn client_state(
        &self,
        state: &str,
        name: &str,
        reason: &str,
        generation: u64,
    ) -> Message {
        let mut message = Message::new();
        message.push("t", "hbapi-clstat");
        message.push("st", state);
        message.push("from_id", name);
        message.push("to_id", name);
        message.push("src", &self.config.local);
        message.push("info", reason);
        message.push("client_gen", generation.to_string());
        message
    }

    /// A child of the daemon ended. If it was a client, its last requests are still served; then its connection ends.
    pub(crate) fn process_ended(&mut self, pid: u32) {
        for member in self.api.clients.members_mut() {
            if member.pid == pid {
                member.died = true;
            }
        }
    }

    // ---- Audit ---------------------------------------------------------------------------------------------------

    pub(super) fn plan_client_audit(&mut self) {
        let due = self.now.mono + AUDIT_PERIOD;
        self.api.next_audit.get_or_insert(due);
    }

    pub(crate) fn client_deadline(&self) -> Option<Duration> {
        self.api.next_audit
    }

    pub(crate) fn run_client_timers(&mut self) {
        self.pause_or_resume_clients();
        self.release_held();
        if self.api.next_audit.is_none_or(|due| due > self.now.mono) {
            return;
        }
        self.api.next_audit = None;
        if !self.api.clients.is_empty() {
            self.act(Action::AuditClients);
            self.plan_client_audit();
        }
    }

    /// The answer to [`Action::AuditClients`].
    pub(crate) fn audit_clients(&mut self, exists: ProcessExists) {
        let now = self.now.mono;
        let mut dead = Vec::new();
        let mut silent = Vec::new();
        for (id, connection) in self.api.clients.iter() {
            match &connection.member {
                Some(member) if !exists(member.pid) => dead.push((id, member.pid)),
                Some(_) => {}
                None if now >= connection.accepted + SIGN_ON_WAIT => {
                    silent.push((id, connection.peer.pid));
                }
                None => {}
            }
        }
        for (id, pid) in dead {
            self.info(format!("api_audit_clients: client {pid} died"));
            self.dismiss(id, "died-audit");
        }
        for (id, pid) in silent {
            self.info(format!("Removing client pid {pid}: it has not signed on"));
            self.dismiss(id, "noinput");
        }
    }
}
