//! Which handler a delivered message goes to (`resource-protocol.md` 2.4, 2.5).

use ha_wire::Message;

use crate::Notification;
use crate::api::Class;
use crate::core::Core;
use crate::jobs::text_fields;

impl Core {
    /// A sequenced message of our own, right after it went out: processed like a received one.
    pub(crate) fn process_own(&mut self, message: &Message) {
        let local = self.config.local.clone();
        self.own_mut().heard = true;
        let for_us = message.text("dest").is_none_or(|dest| self.is_us(dest));
        match message.kind().map(str::to_owned) {
            Some(kind) if for_us => self.dispatch(&local, &kind, message),
            _ => self.show(Class::Dropped, message),
        }
        self.try_comm_up();
    }

    /// From the FIFO or a local client: becomes a message of ours.
    pub(crate) fn inject(&mut self, mut message: Message) {
        // What only the core may say of itself is not taken from others.
        for field in ["seq", "hg", "ts", "ttl", "auth", "srcuuid", "destuuid"] {
            message.remove(field);
        }
        if message.kind().is_none() {
            self.error("process_clustermsg: missing type in a local message");
            return;
        }
        if message.kind() == Some("ask_resources") {
            self.operator_asked();
        }
        self.send(message);
    }

    /// A new message from a configured node (or from ourselves) that is for us.
    pub(crate) fn dispatch(&mut self, source: &str, kind: &str, message: &Message) {
        self.handle_message(source, kind, message);
        self.show_delivered(source, kind, message);
    }

    fn handle_message(&mut self, source: &str, kind: &str, message: &Message) {
        let ours = self.is_us(source);
        match kind {
            "status" => self.process_status(source, message),
            "NS_st" => {
                if self.find(source).is_some_and(|node| node.is_ping()) {
                    self.process_status(source, message);
                }
            }
            "NS_ackmsg" => self.receive_ack(source, message),
            "NS_rexmit" => self.receive_rexmit(source, message),
            "reqnodes" => self.answer_reqnodes(source),
            "repnodes" if !ours => self.receive_repnodes(message),
            "repnodes" => {}
            "addnode" => self.receive_addnode(message),
            "delnode" => self.receive_delnode(message),
            "setweight" | "setsite" => self.receive_node_property(message),
            "shutdone" => self.receive_shutdone(source, message),
            "query-cstatus" => self.answer_client_query(source, message),
            "respond-cstatus" | "hbapi-clstat" => {}
            _ if !self.comm_up && !self.crowd_listens_to(kind) => {}
            "starting" if ours => {}
            "starting" => {
                self.introduced(source);
                self.receive_starting(source, message);
            }
            "resource" => {
                self.introduced(source);
                self.receive_resource(source, message);
            }
            "ask_resources" => self.receive_ask_resources(source, message),
            "ip-request" if ours => self.request_asked(message),
            "ip-request" => {
                self.introduced(source);
                self.for_scripts(kind, message);
            }
            "ip-request-resp" if self.shutdown.in_progress() => {}
            "ip-request-resp" if !self.request_answered(source, message) => {}
            "stonith" => {
                if !ours {
                    self.crowd_heard_of_reset(message);
                }
                self.for_scripts(kind, message);
            }
            _ => self.for_scripts(kind, message),
        }
    }

    /// Everything the daemon has no handler for goes to `rc.d`.
    fn for_scripts(&mut self, kind: &str, message: &Message) {
        // The name becomes a file name: one short word without a slash.
        let plain = kind.len() < 32
            && !kind.starts_with('.')
            && kind.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
        if !plain || kind.starts_with("NS_") {
            return;
        }
        let notification = Notification {
            kind: kind.to_ascii_lowercase(),
            fields: text_fields(message),
            own_status: self.own_status_word(),
            nice: self.nice(),
        };
        self.queue_notification(notification);
    }
}
