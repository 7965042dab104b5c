//! A TCP connection and nothing else (`ldirectord.md` 6.3, connect).

use std::net::IpAddr;

use crate::{Conversation, Effects, Event, Host, Target, Transport, Verdict};

/// The check.
#[derive(Debug)]
pub(crate) struct Connect {
    target: Target,
}

impl Connect {
    /// # Errors
    /// No port is known.
    pub(crate) fn new(address: IpAddr, port: u16) -> Result<Connect, Verdict> {
        if port == 0 {
            return Err(Verdict::down("No port to connect to"));
        }
        Ok(Connect {
            target: Target {
                address: Host::Address(address),
                port,
                transport: Transport::Tcp,
            },
        })
    }
}

impl Conversation for Connect {
    fn target(&self) -> Target {
        self.target.clone()
    }

    fn handle(&mut self, event: Event<'_>, effects: &mut Effects) {
        match event {
            Event::Connected { .. } => effects.done(Verdict::up("-")),
            Event::Failed(text) => effects.done(Verdict::down(text)),
            _ => {}
        }
    }
}
