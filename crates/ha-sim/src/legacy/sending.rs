//! What the node says: automatic fields, loopback, signature (`wire-protocol.md` 2.3, 4.1; `resource-protocol.md` 2.4).

use std::rc::Rc;

use ha_wire::{Encoding, Envelope, Message, reencode};

use super::{Action, Model, Version};

impl Model {
    /// Sends a message of ours or of the FIFO.
    ///
    /// Loopback rule: it is processed here first, as if received, and only then put on the media. What this processing
    /// sends has a higher number, and goes out before it.
    pub(super) fn send(&mut self, mut message: Message) {
        let unnumbered = message.kind().is_some_and(|kind| kind.starts_with("NS_"));
        if let Some(dest) = message.text("dest").and_then(|dest| self.place(dest)) {
            let uuid = self.peers[dest].uuid;
            message.set_binary("destuuid", &uuid);
        }
        let own = self.own_name().to_owned();
        message.set("src", own);
        message.set_binary("srcuuid", &self.settings.uuid);
        let mut seq = 0;
        if !unnumbered {
            self.seq += 1;
            seq = self.seq;
            message.set("seq", format!("{seq:x}"));
        }
        message.set("hg", format!("{:x}", self.settings.generation));
        message.set("ts", format!("{:x}", self.wall));
        if !unnumbered {
            message.set("ld", "0.00 0.00 0.00 1/100 1000");
        }
        let ttl = 1 + self.peers.len();
        message.set("ttl", ttl.to_string());
        self.process(&message, None);
        self.transmit(message, seq);
    }

    fn transmit(&mut self, message: Message, seq: u64) {
        // 2.1 sends the string form; 3.0.6 the netstring form with the other's signature inside, unless it is told to
        // send netstring (2.3).
        let (encoding, inside) = match (self.settings.netstring, self.settings.version) {
            (true, _) => (Encoding::Netstring, false),
            (false, Version::V2_1) => (Encoding::String, true),
            (false, Version::V3_0) => (Encoding::Netstring, true),
        };
        let envelope = Envelope {
            encoding,
            auth_field: inside.then_some(1),
            trailer: (encoding == Encoding::Netstring).then_some(1),
            nul: encoding == Encoding::String,
            compressed: None,
        };
        // A message that cannot be encoded is logged and lost.
        let Ok(bytes) = reencode(&message, &envelope, &self.settings.keys) else {
            return;
        };
        let payload: Rc<[u8]> = bytes.into();
        if seq > 0 {
            self.history.push(seq, self.now, Rc::clone(&payload));
            self.out.push_back(Action::Said(message));
        }
        for medium in 0..self.settings.media {
            let payload = Rc::clone(&payload);
            self.out.push_back(Action::Transmit { medium, payload });
        }
    }
}
