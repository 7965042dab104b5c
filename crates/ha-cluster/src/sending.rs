//! How a message of ours leaves: completed, signed, put on all media, kept for whoever may miss it, and processed here
//! (`wire-protocol.md` 4.1, 5.7, 7.5).

use std::rc::Rc;

use ha_wire::Message;

use crate::api::Class;
use crate::core::Core;
use crate::history::Sent;
use crate::{Action, MediumKind};

impl Core {
    /// Sends a message of ours: completes it, puts it on all media, and then processes it here as if it had been
    /// received. The legacy processes first, so that what this causes overtakes it on the wire; a receiver copes with
    /// both orders (`wire-protocol.md` 0.8), and ours costs no retransmission.
    pub(crate) fn send(&mut self, mut message: Message) {
        if self.shutdown.over() {
            return;
        }
        let Some(kind) = message.kind().map(str::to_owned) else {
            self.error("send_cluster_msg: message without a type is not sent".to_owned());
            return;
        };
        let sequenced = !kind.starts_with("NS_");
        let seq = if sequenced {
            let seq = self.next_seq;
            self.next_seq += 1;
            Some(seq)
        } else {
            None
        };
        self.complete(&mut message, seq);
        if let Some(auth) = self.transmit(&message, &kind, seq) {
            // Scripts and clients get to see it, as they do with messages of others.
            message.push("auth", auth);
        }
        if sequenced {
            self.process_own(&message);
        } else {
            self.show(Class::Protocol, &message);
        }
    }

    /// Adds the automatic fields of `wire-protocol.md` 4.1 in their order.
    fn complete(&self, message: &mut Message, seq: Option<u64>) {
        if let Some(uuid) = self.uuid_of_destination(message) {
            message.set_binary("destuuid", &uuid);
        }
        let stamp = |message: &mut Message, name: &str, value: String| {
            if seq.is_some() || !message.contains(name) {
                message.set(name, value);
            }
        };
        stamp(message, "src", self.config.local.clone());
        message.set_binary("srcuuid", &self.config.uuid);
        if let Some(seq) = seq {
            stamp(message, "seq", format!("{seq:x}"));
        }
        stamp(message, "hg", format!("{:x}", self.config.generation));
        // A time of 0 means "no time", and such a message is refused: a clock that stands before 1970 must not kill us.
        stamp(message, "ts", format!("{:x}", self.now.wall.max(1)));
        if seq.is_some() {
            stamp(message, "ld", self.load.clone());
        }
        let hops = u64::from(self.config.hopfudge) + self.nodes.len() as u64;
        stamp(message, "ttl", hops.to_string());
    }

    fn uuid_of_destination(&self, message: &Message) -> Option<[u8; 16]> {
        let node = self.find(message.text("dest")?)?;
        if node.name == self.config.local {
            return Some(self.config.uuid);
        }
        // All-zero when it is not known yet (4.1).
        Some(node.uuid.unwrap_or([0; 16]))
    }

    /// Puts a message on all media and keeps it. Returns its signature, if the form that is sent has it as a field.
    fn transmit(&mut self, message: &Message, kind: &str, seq: Option<u64>) -> Option<String> {
        let mut datagram = Vec::with_capacity(512);
        if let Err(error) = ha_wire::encode_datagram(
            message,
            self.config.encoding,
            &self.config.keys,
            &self.config.compression,
            &mut datagram,
        ) {
            self.error(format!("cannot send a message of type {kind}: {error}"));
            return None;
        }
        let auth = signature_of(&datagram);
        let mut serial = None;
        if self.has_serial {
            let mut bytes = Vec::with_capacity(512);
            if ha_wire::encode_serial(message, &self.config.keys, &mut bytes).is_ok() {
                serial = Some(Rc::from(bytes));
            }
        }
        let sent = Sent {
            datagram: Rc::from(datagram),
            serial,
            word: matches!(kind, "resource" | "starting"),
        };
        self.put_on_media(&sent);
        if kind == "status" {
            self.send_pings(message);
        }
        if let Some(seq) = seq {
            self.history.record(seq, sent, self.now.mono);
        }
        auth
    }

    pub(crate) fn put_on_media(&mut self, sent: &Sent) {
        self.counters.sent += 1;
        for (medium, spec) in self.config.media.iter().enumerate() {
            let payload = match spec.kind {
                MediumKind::Datagram => Some(&sent.datagram),
                MediumKind::Serial => sent.serial.as_ref(),
                MediumKind::Ping | MediumKind::PingGroup => None,
            };
            if let Some(payload) = payload {
                self.actions.push_back(Action::Transmit {
                    medium,
                    payload: Rc::clone(payload),
                });
            }
        }
    }

    /// Every status of ours goes to the ping nodes as the status that they shall have (`wire-protocol.md` 7.5).
    fn send_pings(&mut self, status: &Message) {
        let Some(ts) = status.text("ts") else { return };
        for (medium, spec) in self.config.media.iter().enumerate() {
            let info = match spec.kind {
                MediumKind::Ping => "ping",
                MediumKind::PingGroup => "ping_group",
                MediumKind::Datagram | MediumKind::Serial => continue,
            };
            let mut message = Message::new();
            message.push("t", "NS_st");
            message.push("st", "ping");
            message.push("info", info);
            message.push("src", &spec.name);
            message.push("ts", ts);
            let mut payload = Vec::with_capacity(256);
            let keys = &self.config.keys;
            if ha_wire::encode_datagram(
                &message,
                self.config.encoding,
                keys,
                &self.config.compression,
                &mut payload,
            )
            .is_ok()
            {
                self.actions.push_back(Action::Transmit {
                    medium,
                    payload: Rc::from(payload),
                });
            }
        }
    }
}

/// The `auth` field of an encoded message: the last one of the string form, where the encoder puts it.
fn signature_of(datagram: &[u8]) -> Option<String> {
    let fields = datagram.strip_suffix(b"\n<<<\n\0")?;
    let last = fields.rsplit(|byte| *byte == b'\n').next()?;
    let auth = last.strip_prefix(b"auth=")?;
    Some(String::from_utf8_lossy(auth).into_owned())
}
