//! The first message of a connection: who are you, and may you? (`client-api.md` 2)

use ha_wire::Message;

use crate::Level;
use crate::api::access;
use crate::api::client::{Before, Member};
use crate::api::{ClientId, Credentials, ProcessExists};
use crate::core::Core;
use crate::throttle::{Cause, Refused};

/// Bytes of a client's name that count. The legacy library sends up to 36, the legacy daemon has room for 31 and runs
/// on into the memory behind it with more.
const NAME_MAX: usize = 31;

/// Bytes of the version that are told.
const VERSION_MAX: usize = 63;

/// Who wants to sign on, when nothing speaks against it.
struct Applicant {
    name: String,
    casual: bool,
    pid: u32,
}

/// Why somebody is refused.
struct Refusal {
    kind: Refused,
    /// For the reply.
    info: &'static str,
    /// For the leave message: the legacy finds a client whose process it does not know dead by then.
    leave_info: &'static str,
    /// Empty if the refusal came before the name was stored.
    name: String,
    log: Vec<(Level, String)>,
}

impl Core {
    pub(super) fn sign_on(&mut self, client: ClientId, message: &Message, exists: ProcessExists) {
        let generation = self.api.next_generation;
        self.api.next_generation += 1;
        if message.kind() != Some("hbapi-req") || message.get("reqtype") != Some(b"signon") {
            let text = "api_process_registration_msg: bad message".to_owned();
            self.complain(Cause::ClientMessage, Level::Error, text, message);
            return;
        }
        let Some(peer) = self.api.clients.get(client).map(|found| found.peer) else {
            return;
        };
        match self.examine(peer, message, exists) {
            Ok(applicant) => self.welcome(client, peer, applicant, generation),
            Err(refusal) => self.refuse_client(client, refusal, generation),
        }
    }

    /// The checks of 2.3, in order.
    fn examine(
        &self,
        peer: Credentials,
        message: &Message,
        exists: ProcessExists,
    ) -> Result<Applicant, Refusal> {
        let claimed = message.decimal("pid").unwrap_or(0);
        let pid = u32::try_from(claimed).unwrap_or(0);
        if pid == 0 || !exists(pid) {
            return Err(Refusal {
                kind: Refused::BadPid,
                info: "bad pid",
                leave_info: "died",
                name: String::new(),
                log: vec![(Level::Warn, format!("api_add_client: bad pid [{claimed}]"))],
            });
        }
        let (name, casual) = name_of(message, pid);
        if self.api.clients.named(name.as_bytes()).is_some() {
            return Err(Refusal {
                kind: Refused::Duplicate,
                info: "duplicate add request",
                leave_info: "duplicate add request",
                name: String::new(),
                log: vec![(
                    Level::Warn,
                    format!("duplicate client add request [{name}] [{pid}]"),
                )],
            });
        }
        let refusal = |kind, info, log| Refusal {
            kind,
            info,
            leave_info: info,
            name: name.clone(),
            log,
        };
        let (uid, gid) = (message.decimal("uid"), message.decimal("gid"));
        let (Some(uid), Some(gid)) = (uid, gid) else {
            let told = |field| message.text(field).unwrap_or("(null)").to_owned();
            let read = |number: Option<u64>| number.map_or_else(|| "-1".into(), |n| n.to_string());
            let text = format!(
                "Client user/group id is incorrect [{}] => {} [{}] => {}",
                told("uid"),
                read(uid),
                told("gid"),
                read(gid)
            );
            let log = vec![(Level::Error, text)];
            return Err(refusal(Refused::NoIds, "invalid id info", log));
        };
        if uid != u64::from(peer.uid) || gid != u64::from(peer.gid) {
            let info = "incorrect/false credentials";
            return Err(refusal(Refused::FalseIds, info, Vec::new()));
        }
        let failed = |info| {
            let text = format!("Client [{name}] pid {pid} failed authorization [{info}]");
            (Level::Warn, text)
        };
        let rules = &self.config.api.rules;
        if let Err(info) = access::judge(rules, (!casual).then_some(&*name), peer) {
            return Err(refusal(Refused::Unauthorised, info, vec![failed(info)]));
        }
        if peer.pid != 0 && peer.pid != pid {
            let mismatch = format!("PID mismatch: {pid} vs farside_pid: {}", peer.pid);
            let log = vec![(Level::Info, mismatch), failed("pid mismatch")];
            return Err(refusal(Refused::FalsePid, "pid mismatch", log));
        }
        Ok(Applicant { name, casual, pid })
    }

    /// A named client gets to see its own arrival first, and the reply after it (2.2).
    fn welcome(&mut self, client: ClientId, peer: Credentials, new: Applicant, generation: u64) {
        let Applicant { name, casual, pid } = new;
        let mut member = Member::new(name, casual, pid, peer.uid, generation);
        member.before = self.nodes_in_debt();
        self.debug(format!("client {} (pid {pid}) signs on", member.name));
        let join = (!casual).then(|| self.client_state("join", &member.name, "signon", generation));
        if let Some(connection) = self.api.clients.get_mut(client) {
            connection.member = Some(member);
        }
        self.api.clients.masks_changed();
        if let Some(join) = join {
            self.send(join);
        }
        let reply = self.sign_on_reply("OK", None);
        self.tell_client(client, &reply);
        if self.api.paused {
            self.act(crate::Action::PauseClient {
                client,
                paused: true,
            });
        }
    }

    /// The refused one is told and hung up on. The legacy also tells the whole cluster that a client of that name has
    /// left, so that a stranger that calls itself `ccm` makes every real `ccm` believe its partner gone.
    fn refuse_client(&mut self, client: ClientId, refusal: Refusal, generation: u64) {
        let Refusal {
            kind,
            info,
            leave_info,
            name,
            mut log,
        } = refusal;
        log.push((
            Level::Error,
            format!("api_process_registration_msg: cannot add client({name})"),
        ));
        self.log_limited(Cause::SignOn(kind), || log);
        let reply = self.sign_on_reply("badreq", Some(info));
        self.tell_client(client, &reply);
        let leave = self.client_state("leave", &name, leave_info, generation);
        self.tell_client(client, &leave);
        self.dismiss(client, leave_info);
    }

    fn sign_on_reply(&self, result: &str, info: Option<&str>) -> Message {
        let api = &self.config.api;
        let mut reply = Message::new();
        reply.push("t", "hbapi-resp");
        reply.push("reqtype", "signon");
        if let Some(info) = info {
            reply.push("info", info);
        }
        reply.push("result", result);
        let hex = |time: std::time::Duration| format!("{:x}", time.as_millis());
        reply.push("deadtime", hex(self.config.deadtime));
        reply.push("keepalive", hex(self.config.keepalive));
        reply.push("node", &self.config.local);
        // These two only since 3.0.6. An older client does not look at them, a newer one need not ask.
        reply.push("hbversion", cut(&api.version, VERSION_MAX));
        reply.push("pacemaker", "false");
        let facility = api.facility.map_or(-1, i32::from);
        reply.push("logfacility", facility.to_string());
        reply
    }

    /// Nodes of which messages are missing: what comes of them late was sent before the client was there (4.1).
    fn nodes_in_debt(&self) -> Vec<Before> {
        self.peers()
            .filter_map(|node| {
                Some(Before {
                    node: node.name.clone(),
                    generation: node.generation,
                    seq: node.tracking.highest_despite_gap()?,
                })
            })
            .collect()
    }
}

/// The client's name, and whether it is a casual client: one that gives its pid instead (2.1).
fn name_of(message: &Message, pid: u32) -> (String, bool) {
    let given = message.get("from_id").unwrap_or_default();
    let casual = given.is_empty() || message.decimal("from_id") == Some(u64::from(pid));
    if casual {
        return (pid.to_string(), true);
    }
    // Forms that could not be written down again are not kept.
    let name = String::from_utf8_lossy(given);
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    (cut(&name, NAME_MAX).to_owned(), false)
}

/// At most `length` bytes, without cutting a character in two.
fn cut(text: &str, length: usize) -> &str {
    let end = (0..=text.len().min(length))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> (String, bool) {
        let mut message = Message::new();
        message.push("from_id", name);
        name_of(&message, 42)
    }

    #[test]
    fn who_gives_its_pid_is_casual() {
        assert_eq!(named("42"), ("42".into(), true));
        assert_eq!(named("42nd"), ("42".into(), true));
        assert_eq!(named(""), ("42".into(), true));
        assert_eq!(name_of(&Message::new(), 42), ("42".into(), true));
        assert_eq!(named("43"), ("43".into(), false));
        assert_eq!(named("ipfail"), ("ipfail".into(), false));
    }

    #[test]
    fn a_name_ends_after_31_bytes() {
        assert_eq!(named(&"n".repeat(31)).0.len(), 31);
        assert_eq!(named(&"n".repeat(40)).0.len(), 31);
        assert_eq!(named(&format!("{}\u{e9}", "n".repeat(30))).0.len(), 30);
    }
}
