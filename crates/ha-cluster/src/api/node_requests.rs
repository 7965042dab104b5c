//! Requests about nodes and their links (`client-api.md` 3.3 to 3.10, 3.14, 3.15).

use ha_wire::Message;

use crate::Level;
use crate::api::ClientId;
use crate::api::request::{EINVAL, Outcome, reply_to};
use crate::core::Core;
use crate::node::{Link, Node};
use crate::throttle::Cause;

/// What is said when a UUID request names nobody.
const NO_NAME: Outcome = Outcome::Bad(Some("no query node name found"));

impl Core {
    /// One reply for each node in configuration order. `nodetype` and `st` only since 3.0.6: an older client does not
    /// look at them, a newer one need not ask for each.
    pub(super) fn list_nodes(&mut self, client: ClientId) -> Outcome {
        let replies = self.nodes.iter().map(|node| {
            let mut reply = reply_to(b"nodelist");
            reply.push("node", &node.name);
            reply.push("nodetype", type_of(node));
            reply.push("st", node.status.word());
            reply
        });
        let replies = replies.collect();
        self.reply_list(client, replies);
        Outcome::Silent
    }

    /// One reply for each link of a node.
    pub(super) fn list_links(&mut self, client: ClientId, request: &Message) -> Outcome {
        let Some(node) = self.node_asked_for(request) else {
            return EINVAL;
        };
        let replies: Vec<Message> = node
            .links
            .iter()
            .map(|link| {
                let mut reply = reply_to(b"iflist");
                reply.push("ifname", &link.name);
                reply.push("st", state_of(link));
                reply
            })
            .collect();
        if replies.is_empty() {
            // The legacy says so of a ping node; what it does for others is undefined.
            return Outcome::Bad(Some("UhOh"));
        }
        self.reply_list(client, replies);
        Outcome::Silent
    }

    fn reply_list(&mut self, client: ClientId, mut replies: Vec<Message>) {
        let count = replies.len();
        for (i, reply) in replies.iter_mut().enumerate() {
            let last = i + 1 == count;
            reply.push("result", if last { "OK" } else { "ok/more" });
        }
        for reply in &replies {
            self.tell_client(client, reply);
        }
    }

    pub(super) fn node_status(&self, request: &Message, reply: &mut Message) -> Outcome {
        self.node_field(request, |node| reply.push("st", node.status.word()))
    }

    pub(super) fn node_weight(&self, request: &Message, reply: &mut Message) -> Outcome {
        self.node_field(request, |node| {
            reply.push("weight", node.weight.to_string());
        })
    }

    pub(super) fn node_site(&self, request: &Message, reply: &mut Message) -> Outcome {
        self.node_field(request, |node| reply.push("site", &node.site))
    }

    pub(super) fn node_type(&self, request: &Message, reply: &mut Message) -> Outcome {
        self.node_field(request, |node| reply.push("nodetype", type_of(node)))
    }

    pub(super) fn count_nodes(&self, reply: &mut Message) -> Outcome {
        let count = self.nodes.iter().filter(|node| !node.is_ping()).count();
        reply.push("numnodes", count.to_string());
        Outcome::Done
    }

    pub(super) fn link_status(&self, request: &Message, reply: &mut Message) -> Outcome {
        let link = self.node_asked_for(request).and_then(|node| {
            let name = request.text("ifname")?;
            node.links.iter().find(|link| link.name == name)
        });
        match link {
            Some(link) => {
                reply.push("st", state_of(link));
                Outcome::Done
            }
            None => EINVAL,
        }
    }

    pub(super) fn uuid_of_node(&self, request: &Message, reply: &mut Message) -> Outcome {
        let Some(name) = request.text("queryname") else {
            return NO_NAME;
        };
        let uuid = match self.find(name) {
            Some(node) if self.is_us(&node.name) => Some(self.config.uuid),
            Some(node) => node.uuid,
            None => None,
        };
        if let Some(uuid) = uuid {
            reply.push_binary("queryuuid", &uuid);
        }
        Outcome::Done
    }

    pub(super) fn node_of_uuid(&mut self, request: &Message, reply: &mut Message) -> Outcome {
        let uuid = request.binary("queryuuid");
        let Some(uuid) = uuid.and_then(|uuid| <[u8; 16]>::try_from(uuid).ok()) else {
            return NO_NAME;
        };
        match self.name_of_uuid(uuid) {
            Some(name) => reply.push("queryname", name),
            None => self.log_limited(Cause::ClientRequest, || {
                let text = "api_get_nodename: nodename not found in map table";
                vec![(Level::Error, text.to_owned())]
            }),
        }
        Outcome::Done
    }

    pub(super) fn name_of_uuid(&self, uuid: [u8; 16]) -> Option<&str> {
        if uuid == self.config.uuid {
            return Some(&self.config.local);
        }
        let known = self.nodes.iter().find(|node| node.uuid == Some(uuid));
        known.map(|node| node.name.as_str())
    }

    /// The node that the request names; upper and lower case are the same.
    pub(super) fn node_asked_for(&self, request: &Message) -> Option<&Node> {
        self.find(request.text("node")?)
    }

    fn node_field(&self, request: &Message, put: impl FnOnce(&Node)) -> Outcome {
        match self.node_asked_for(request) {
            Some(node) => {
                put(node);
                Outcome::Done
            }
            None => EINVAL,
        }
    }
}

fn type_of(node: &Node) -> &'static str {
    if node.is_ping() { "ping" } else { "normal" }
}

fn state_of(link: &Link) -> &'static str {
    if link.up { "up" } else { "dead" }
}
