//! Requests of signed-on clients and their replies (`client-api.md` 3).
//!
//! Each request has one reply, at once and in order: there is no number by which a client could tell replies apart. Only
//! the question about a client of another node is answered by that node.

use ha_wire::Message;

use crate::api::class::{ALL_CLASSES, DEBUG_CLASSES};
use crate::api::{Class, ClientId};
use crate::core::Core;
use crate::throttle::Cause;
use crate::{Action, Level};

/// Signals above are no ordinary ones.
const SIGNAL_MAX: u64 = 31;
/// SIGKILL and SIGSTOP announce nothing.
const DEADLY_SIGNALS: [u64; 2] = [9, 19];

/// What becomes of a request, apart from the fields that it adds to the reply.
pub(super) enum Outcome {
    /// `result=OK`.
    Done,
    /// `result=badreq`, with the reason if there is one.
    Bad(Option<&'static str>),
    /// It was answered already, or is not answered at all.
    Silent,
}

/// Missing or unknown.
pub(super) const EINVAL: Outcome = Outcome::Bad(Some("EINVAL"));

impl Core {
    pub(super) fn client_request(&mut self, client: ClientId, request: &Message) {
        self.show(Class::Request, request);
        if !self.is_from(client, request) {
            return;
        }
        let Some(kind) = request.get("reqtype") else {
            return;
        };
        let mut reply = reply_to(kind);
        let outcome = match kind {
            b"setfilter" => self.set_filter(client, request),
            b"setsignal" => self.set_signal(client, request),
            b"nodelist" => self.list_nodes(client),
            b"nodestatus" => self.node_status(request, &mut reply),
            b"nodeweight" => self.node_weight(request, &mut reply),
            b"nodesite" => self.node_site(request, &mut reply),
            b"nodetype" => self.node_type(request, &mut reply),
            b"numnodes" => self.count_nodes(&mut reply),
            b"iflist" => self.list_links(client, request),
            b"ifstatus" => self.link_status(request, &mut reply),
            b"clientstatus" => self.client_status(client, request, &mut reply),
            b"getparm" => self.parameter(request, &mut reply),
            b"getrsc" => self.resources_held(&mut reply),
            b"getuuid" => self.uuid_of_node(request, &mut reply),
            b"getnodename" => self.node_of_uuid(request, &mut reply),
            b"signoff" => {
                self.dismiss(client, "signoff");
                Outcome::Silent
            }
            b"set_sendqlen" => self.set_queue_length(client, request),
            _ => {
                self.log_limited(Cause::ClientRequest, || {
                    vec![(Level::Error, "Unknown API request".to_owned())]
                });
                Outcome::Bad(None)
            }
        };
        match outcome {
            Outcome::Silent => return,
            Outcome::Done => reply.push("result", "OK"),
            Outcome::Bad(info) => {
                reply = reply_to(kind);
                reply.push("result", "badreq");
                if let Some(info) = info {
                    reply.push("info", info);
                }
                let kind = String::from_utf8_lossy(kind);
                let text = format!("api_process_request: bad request [{kind}]");
                self.complain(Cause::ClientRequest, Level::Error, text, request);
            }
        }
        self.tell_client(client, &reply);
    }

    /// Whether the request names the client that its connection belongs to. (With the right pid and a wrong name, or
    /// the reverse, it usually does; the legacy is no stricter.)
    fn is_from(&mut self, client: ClientId, request: &Message) -> bool {
        let (pid, name) = (request.get("pid"), request.get("from_id"));
        if !request.contains("reqtype") || (pid.is_none() && name.is_none()) {
            let text = "api_process_request: message without request or sender".to_owned();
            self.complain(Cause::ClientRequest, Level::Error, text, request);
            return false;
        }
        let pid = request.decimal("pid");
        let found = self.api.clients.newest(|member| {
            pid == Some(u64::from(member.pid)) || name == Some(member.name.as_bytes())
        });
        let text = match found {
            Some((id, _)) if id == client => return true,
            Some(_) => "Client mismatch! (impersonation?)",
            None => "api_process_request: msg from non-client",
        };
        self.complain(Cause::Impersonation, Level::Error, text.to_owned(), request);
        false
    }

    fn set_filter(&mut self, client: ClientId, request: &Message) -> Outcome {
        let mask = request.hex("fmask").unwrap_or(0) & u64::from(ALL_CLASSES);
        let Ok(mask @ 1..) = u32::try_from(mask) else {
            return EINVAL;
        };
        let Some(member) = self.api.clients.member_mut(client) else {
            return Outcome::Silent;
        };
        if mask & DEBUG_CLASSES != 0 && member.uid != 0 {
            return Outcome::Bad(Some("EPERM"));
        }
        member.mask = mask;
        self.api.clients.masks_changed();
        Outcome::Done
    }

    fn set_signal(&mut self, client: ClientId, request: &Message) -> Outcome {
        if !request.contains("signal") {
            return Outcome::Bad(None);
        }
        let signal = match request.decimal("signal") {
            Some(signal @ 0..=SIGNAL_MAX) if !DEADLY_SIGNALS.contains(&signal) => signal,
            _ => return EINVAL,
        };
        if let Some(member) = self.api.clients.member_mut(client) {
            member.signal = i32::try_from(signal).unwrap_or(0);
        }
        Outcome::Done
    }

    /// The only request besides sign-off that is not answered.
    fn set_queue_length(&mut self, client: ClientId, request: &Message) -> Outcome {
        let length = request
            .decimal("sendqlen")
            .and_then(|length| usize::try_from(length).ok());
        let Some(length @ 1..) = length else {
            let text = "api_set_sendqlen: invalid send queue length".to_owned();
            self.complain(Cause::ClientRequest, Level::Error, text, request);
            return Outcome::Silent;
        };
        let name = match self.api.clients.member(client) {
            Some(member) => member.name.clone(),
            None => return Outcome::Silent,
        };
        self.act(Action::ClientQueue { client, length });
        self.info(format!(
            "the send queue length from heartbeat to client {name} is set to {length}"
        ));
        Outcome::Silent
    }

    fn parameter(&self, request: &Message, reply: &mut Message) -> Outcome {
        let Some(name) = request.text("pname") else {
            return EINVAL;
        };
        // Unset and unknown look the same: fine, but no value.
        let value = match name {
            "hbversion" => Some(self.config.api.version.as_str()),
            _ => self.config.api.parameter(name),
        };
        if let Some(value) = value {
            reply.push("pvalue", value);
        }
        Outcome::Done
    }

    /// 3.22
    fn resources_held(&self, reply: &mut Message) -> Outcome {
        let held = if self.config.managed && !self.stable() {
            "transition"
        } else {
            self.rsc.ihold.word()
        };
        reply.push("rsc_hold", held);
        Outcome::Done
    }
}

/// The beginning of every reply.
pub(super) fn reply_to(kind: &[u8]) -> Message {
    let mut reply = Message::new();
    reply.push("t", "hbapi-resp");
    reply.push("reqtype", kind);
    reply
}
