//! The requests, one function each (`client-api.md` 2 and 3).

use std::time::{Duration, Instant};

use ha_wire::Message;

use super::answer::{ClientStatus, LinkEntry, NodeEntry, Session, owned};
use super::error::ClientError;
use super::{Client, REQUEST, RESPONSE};

/// What an answer's `result` says.
enum Outcome {
    Done,
    More,
}

impl Client {
    /// All nodes, ping nodes included, in the order of ha.cf. (The legacy library hands them out in reverse, and so does
    /// cl_status.)
    ///
    /// # Errors
    /// [`ClientError::Rejected`], [`ClientError::NoAnswer`], [`ClientError::BadAnswer`], or the connection's; this is so
    /// for every request.
    pub fn nodes(&mut self) -> Result<Vec<NodeEntry>, ClientError> {
        self.ask_list("nodelist", &[], "node", |reply, name| NodeEntry {
            name,
            kind: owned(reply, "nodetype"),
            status: owned(reply, "st"),
        })
    }

    /// A node's status: `init`, `up`, `active` or `dead`, for a ping node `ping` or `dead`.
    ///
    /// # Errors
    /// As [`Client::nodes`]; `EINVAL` if there is no such node. Names are compared without regard to case. The same goes
    /// for every request about a node.
    pub fn node_status(&mut self, node: &str) -> Result<String, ClientError> {
        self.ask_text("nodestatus", &[("node", node)], "st")
    }

    /// A node's weight, for programs that distribute something; 100 unless it was set.
    ///
    /// # Errors
    /// As [`Client::node_status`].
    pub fn node_weight(&mut self, node: &str) -> Result<i64, ClientError> {
        let text = self.ask_text("nodeweight", &[("node", node)], "weight")?;
        text.trim().parse().map_err(|_| ClientError::BadAnswer {
            request: "nodeweight",
            field: "weight",
        })
    }

    /// A node's site; empty unless it was set.
    ///
    /// # Errors
    /// As [`Client::node_status`].
    pub fn node_site(&mut self, node: &str) -> Result<String, ClientError> {
        self.ask_text("nodesite", &[("node", node)], "site")
    }

    /// A node's type: `normal`, `ping` or `unknown`.
    ///
    /// # Errors
    /// As [`Client::node_status`].
    pub fn node_type(&mut self, node: &str) -> Result<String, ClientError> {
        self.ask_text("nodetype", &[("node", node)], "nodetype")
    }

    /// How many nodes there are, ping nodes not counted.
    ///
    /// # Errors
    /// As [`Client::nodes`].
    pub fn number_of_nodes(&mut self) -> Result<u32, ClientError> {
        let reply = self.ask("numnodes", &[])?;
        reply
            .decimal("numnodes")
            .and_then(|number| u32::try_from(number).ok())
            .ok_or(ClientError::BadAnswer {
                request: "numnodes",
                field: "numnodes",
            })
    }

    /// A node's heartbeat links in the order of ha.cf; a ping node has one, which bears its name.
    ///
    /// # Errors
    /// As [`Client::node_status`].
    pub fn links(&mut self, node: &str) -> Result<Vec<LinkEntry>, ClientError> {
        self.ask_list("iflist", &[("node", node)], "ifname", |reply, name| {
            LinkEntry {
                name,
                status: owned(reply, "st"),
            }
        })
    }

    /// The status of one heartbeat link: `up` or `dead`.
    ///
    /// # Errors
    /// As [`Client::node_status`]; `EINVAL` also if there is no such link.
    pub fn link_status(&mut self, node: &str, link: &str) -> Result<String, ClientError> {
        self.ask_text("ifstatus", &[("node", node), ("ifname", link)], "st")
    }

    /// Whether a client of this name is signed on at a node. Another node is asked through the cluster, so this has a
    /// time-out of its own.
    ///
    /// # Errors
    /// As [`Client::node_status`]; [`ClientError::NoAnswer`] also if the node does not answer.
    pub fn client_status(
        &mut self,
        node: &str,
        client: &str,
        timeout: Duration,
    ) -> Result<ClientStatus, ClientError> {
        const NAME: &str = "clientstatus";
        let deadline = Instant::now().checked_add(timeout);
        let request = self.request_with(NAME, &[("node", node), ("cn", client)]);
        self.transmit(&request, deadline)?;
        // The other node's message is the answer, as it is.
        let from_node = |message: &Message| {
            message.kind() == Some("respond-cstatus")
                && message.get("cn") == Some(client.as_bytes())
                && message
                    .get("src")
                    .is_some_and(|source| source.eq_ignore_ascii_case(node.as_bytes()))
        };
        let reply = self.await_reply(NAME, deadline, from_node)?;
        self.outcome(NAME, &reply)?;
        reply
            .text("cs")
            .and_then(ClientStatus::from_word)
            .ok_or(ClientError::BadAnswer {
                request: NAME,
                field: "cs",
            })
    }

    /// A parameter of the daemon, as it is written in ha.cf or by default; `None` if it is not set or there is none of
    /// that name. `client-api.md` 3.21 lists them.
    ///
    /// # Errors
    /// As [`Client::nodes`].
    pub fn parameter(&mut self, name: &str) -> Result<Option<String>, ClientError> {
        let reply = self.ask("getparm", &[("pname", name)])?;
        Ok(owned(&reply, "pvalue"))
    }

    /// Which resources this node holds: `none`, `local`, `foreign` or `all`; `transition` while that is about to change.
    ///
    /// # Errors
    /// As [`Client::nodes`]; rejected if heartbeat does not manage the resources.
    pub fn resources(&mut self) -> Result<String, ClientError> {
        self.ask_text("getrsc", &[], "rsc_hold")
    }

    /// A node's id; `None` if the daemon does not know it.
    ///
    /// # Errors
    /// As [`Client::nodes`].
    pub fn node_uuid(&mut self, node: &str) -> Result<Option<[u8; 16]>, ClientError> {
        let reply = self.ask("getuuid", &[("queryname", node)])?;
        reply
            .binary("queryuuid")
            .map(|uuid| {
                uuid.try_into().map_err(|_| ClientError::BadAnswer {
                    request: "getuuid",
                    field: "queryuuid",
                })
            })
            .transpose()
    }

    /// The name of the node with this id; `None` if the daemon does not know it.
    ///
    /// # Errors
    /// As [`Client::nodes`].
    pub fn node_name(&mut self, uuid: &[u8; 16]) -> Result<Option<String>, ClientError> {
        let mut request = self.request("getnodename");
        request.push_binary("queryuuid", uuid);
        let reply = self.exchange("getnodename", &request)?;
        Ok(owned(&reply, "queryname"))
    }

    /// Chooses which classes of messages we get: the sum of [`super::filter`] bits.
    ///
    /// # Errors
    /// As [`Client::nodes`]; `EINVAL` for no class at all, `EPERM` for more than ordinary messages unless we are root or
    /// the daemon's user.
    pub fn set_filter(&mut self, mask: u32) -> Result<(), ClientError> {
        let mask = format!("{mask:x}");
        self.ask("setfilter", &[("fmask", &mask)]).map(drop)
    }

    /// Chooses the signal that the daemon sends us with each message; 0 for none.
    ///
    /// # Errors
    /// As [`Client::nodes`]; `EINVAL` for a signal that cannot be caught or does not exist.
    pub fn set_signal(&mut self, signal: i32) -> Result<(), ClientError> {
        let signal = signal.to_string();
        self.ask("setsignal", &[("signal", &signal)]).map(drop)
    }

    /// Chooses how many messages the daemon keeps for us before it cuts us off. There is no answer, so whether it agrees
    /// is not known.
    ///
    /// # Errors
    /// The connection's.
    pub fn set_send_queue_length(&mut self, messages: u32) -> Result<(), ClientError> {
        let messages = messages.to_string();
        let request = self.request_with("set_sendqlen", &[("sendqlen", &messages)]);
        self.transmit(&request, self.deadline())
    }

    /// Signs on; done once, before anything else.
    pub(super) fn sign_on(&mut self) -> Result<Session, ClientError> {
        let uid = nix::unistd::geteuid().to_string();
        let gid = nix::unistd::getegid().to_string();
        let reply = match self.ask("signon", &[("uid", &uid), ("gid", &gid)]) {
            Err(ClientError::Rejected { reason, .. }) => {
                return Err(ClientError::Refused { reason });
            }
            reply => reply?,
        };
        Session::from_reply(&reply)
    }

    /// What every request begins with (`client-api.md` 2.1).
    pub(super) fn request(&self, name: &'static str) -> Message {
        let pid = self.pid.to_string();
        let mut request = Message::new();
        request.push("t", REQUEST);
        request.push("reqtype", name);
        request.push("dest", &self.session.node);
        request.push("pid", &pid);
        request.push("from_id", self.name.as_deref().unwrap_or(&pid));
        request
    }

    fn request_with(&self, name: &'static str, fields: &[(&str, &str)]) -> Message {
        let mut request = self.request(name);
        for (field, value) in fields {
            request.push(field, value);
        }
        request
    }

    /// One request with one answer.
    fn ask(&mut self, name: &'static str, fields: &[(&str, &str)]) -> Result<Message, ClientError> {
        let request = self.request_with(name, fields);
        self.exchange(name, &request)
    }

    /// One request whose answer is one field.
    fn ask_text(
        &mut self,
        name: &'static str,
        fields: &[(&str, &str)],
        field: &'static str,
    ) -> Result<String, ClientError> {
        let reply = self.ask(name, fields)?;
        owned(&reply, field).ok_or(ClientError::BadAnswer {
            request: name,
            field,
        })
    }

    fn exchange(&mut self, name: &'static str, request: &Message) -> Result<Message, ClientError> {
        let deadline = self.deadline();
        self.transmit(request, deadline)?;
        let reply = self.await_reply(name, deadline, |_| false)?;
        self.outcome(name, &reply)?;
        Ok(reply)
    }

    /// One request with an answer for each element of a list, of which `key` is the name.
    fn ask_list<T>(
        &mut self,
        name: &'static str,
        fields: &[(&str, &str)],
        key: &'static str,
        element: impl Fn(&Message, String) -> T,
    ) -> Result<Vec<T>, ClientError> {
        /// More than any cluster has of anything.
        const ELEMENTS_MAX: usize = 10_000;
        let deadline = self.deadline();
        let request = self.request_with(name, fields);
        self.transmit(&request, deadline)?;
        let mut list = Vec::new();
        while list.len() < ELEMENTS_MAX {
            let reply = self.await_reply(name, deadline, |_| false)?;
            let outcome = self.outcome(name, &reply)?;
            let text = owned(&reply, key).ok_or(ClientError::BadAnswer {
                request: name,
                field: key,
            })?;
            list.push(element(&reply, text));
            if let Outcome::Done = outcome {
                return Ok(list);
            }
        }
        Err(ClientError::Backlog)
    }

    /// Waits for the answer to a request: the next response to one of its name, or what `also` takes for one. Other messages are kept
    /// for later.
    fn await_reply(
        &mut self,
        name: &'static str,
        deadline: Option<Instant>,
        also: impl Fn(&Message) -> bool,
    ) -> Result<Message, ClientError> {
        loop {
            while let Some(message) = self.take()? {
                let answers = message.kind() == Some(RESPONSE)
                    && message.get("reqtype") == Some(name.as_bytes());
                if answers || also(&message) {
                    return Ok(message);
                }
                self.keep(message)?;
            }
            if !self.wait(deadline)? {
                return Err(ClientError::NoAnswer { request: name });
            }
            self.channel.flush()?;
        }
    }

    fn outcome(&self, name: &'static str, reply: &Message) -> Result<Outcome, ClientError> {
        match reply.get("result") {
            Some(b"OK") => Ok(Outcome::Done),
            Some(b"ok/more") => Ok(Outcome::More),
            Some(b"badreq" | b"fail") => Err(ClientError::Rejected {
                request: name,
                reason: owned(reply, "info"),
            }),
            _ => Err(ClientError::BadAnswer {
                request: name,
                field: "result",
            }),
        }
    }
}
