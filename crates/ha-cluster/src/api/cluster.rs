//! Messages that a client sends to its like on all nodes, or on one (`client-api.md` 3.23).

use ha_wire::Message;

use crate::Level;
use crate::api::ClientId;
use crate::core::Core;
use crate::throttle::Cause;

/// Octets of a client's message that still fit a datagram together with what is added to it. A longer one would use up
/// a sequence number that nobody could ever get.
const LENGTH_MAX: usize = 65_507 - 1024;

impl Core {
    /// Everything that is no request is for the cluster. It reaches clients of the sender's own name only.
    pub(super) fn message_from_client(
        &mut self,
        client: ClientId,
        mut message: Message,
        length: usize,
    ) {
        let Some(member) = self.api.clients.member(client) else {
            return;
        };
        if member.casual {
            let text = "api_process_request: general message from casual client!".to_owned();
            self.complain(Cause::ClientRequest, Level::Error, text, &message);
            self.dismiss(client, "badclient");
            return;
        }
        if length > LENGTH_MAX && !self.config.compression.traditional {
            self.log_limited(Cause::ClientRequest, || {
                let text = format!("a client's message of {length} bytes is too long to be sent");
                vec![(Level::Error, text)]
            });
            return;
        }
        message.set("from_id", &member.name);
        message.set("to_id", &member.name);
        message.set("client_gen", member.generation.to_string());
        if !self.name_destination(&mut message) {
            let text = "message from a client to an unknown uuid is not sent".to_owned();
            self.complain(Cause::ClientRequest, Level::Error, text, &message);
            return;
        }
        self.inject(message);
    }

    /// A destination may be given as a UUID alone (`wire-protocol.md` 4.1). False if nobody has it.
    fn name_destination(&self, message: &mut Message) -> bool {
        if message.contains("dest") {
            return true;
        }
        let Some(uuid) = message.binary("destuuid") else {
            return true;
        };
        let name = <[u8; 16]>::try_from(uuid)
            .ok()
            .and_then(|uuid| self.name_of_uuid(uuid));
        match name {
            Some(name) => {
                message.push("dest", name);
                true
            }
            None => false,
        }
    }
}
