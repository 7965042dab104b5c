//! Is a client signed on, here or on another node? (`client-api.md` 3.20)

use ha_wire::Message;

use crate::Level;
use crate::api::ClientId;
use crate::api::request::{EINVAL, Outcome};
use crate::core::Core;
use crate::node::Status;
use crate::throttle::Cause;

impl Core {
    /// About a client of ours, or of a node that is not there, we answer by ourselves. Otherwise that node is asked, and
    /// its answer goes to the client as it comes.
    pub(super) fn client_status(
        &mut self,
        client: ClientId,
        request: &Message,
        reply: &mut Message,
    ) -> Outcome {
        let Some(name) = request.get("cn").map(<[u8]>::to_vec) else {
            return EINVAL;
        };
        let Some(node) = self.node_asked_for(request) else {
            return EINVAL;
        };
        let there = node.status == Status::Active;
        let node = node.name.clone();
        let online = if self.is_us(&node) {
            self.is_signed_on(&name)
        } else if there {
            self.ask_node(client, node, &name);
            return Outcome::Silent;
        } else {
            false
        };
        reply.push("subt", "respond-cstatus");
        reply.push("cs", word(online));
        Outcome::Done
    }

    fn ask_node(&mut self, client: ClientId, node: String, name: &[u8]) {
        let Some(asking) = self.api.clients.member(client) else {
            return;
        };
        let mut query = Message::new();
        query.push("t", "query-cstatus");
        query.push("dest", node);
        query.push("cn", name);
        query.push("from_id", &asking.name);
        self.send(query);
    }

    /// A node wants to know about a client of ours; when a client has asked everybody, that node may be our own.
    pub(crate) fn answer_client_query(&mut self, source: &str, query: &Message) {
        let (Some(name), Some(asking)) = (query.get("cn"), query.get("from_id")) else {
            let text = "query-cstatus without cn or from_id".to_owned();
            self.complain(Cause::ClientRequest, Level::Error, text, query);
            return;
        };
        let mut answer = Message::new();
        answer.push("t", "respond-cstatus");
        answer.push("dest", source.to_ascii_lowercase());
        answer.push("result", "OK");
        answer.push("cn", name);
        answer.push("to_id", asking);
        answer.push("cs", word(self.is_signed_on(name)));
        self.send(answer);
    }

    fn is_signed_on(&self, name: &[u8]) -> bool {
        self.api.clients.named(name).is_some()
    }
}

fn word(online: bool) -> &'static str {
    if online { "online" } else { "offline" }
}
