//! ICMP echo for any number of checks over one socket for each address family (`ldirectord.md` 6.3, ping).

use std::net::IpAddr;
use std::time::Duration;

use ha_sys::media::EchoSocket;
use ha_sys::{Interest, Poller, errno_text};

use super::line::Refusal;
use super::slots::{Part, Slots};

/// How many data bytes a request carries, as the legacy's.
const PAYLOAD: usize = 64;

/// A check by ping.
#[derive(Debug)]
pub(crate) struct Ping {
    /// Who is asked.
    pub(crate) address: IpAddr,
    /// How many requests may still be sent.
    pub(crate) attempts_left: u32,
    /// How long each is waited for.
    pub(crate) timeout: Duration,
}

/// The sockets, opened when first needed.
#[derive(Debug)]
pub(crate) struct Pinger {
    v4: Option<EchoSocket>,
    v6: Option<EchoSocket>,
    /// Tells our replies from those to everybody else on this machine.
    key: [u8; 16],
    sequence: u16,
}

impl Pinger {
    /// `key` must be random.
    pub(crate) fn new(key: [u8; 16]) -> Pinger {
        Pinger {
            v4: None,
            v6: None,
            key,
            sequence: 0,
        }
    }

    /// Sends one request. `token` comes back with the reply.
    pub(crate) fn send(&mut self, to: IpAddr, token: u64, poller: &Poller) -> Result<(), Refusal> {
        let mut payload = [0; PAYLOAD];
        let parts = self.key.into_iter().chain(token.to_be_bytes());
        for (to, from) in payload.iter_mut().zip(parts) {
            *to = from;
        }
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        let socket = self.socket(to, poller)?;
        socket
            .send(to, sequence, &payload)
            .map_err(|error| Refusal::from_error(&error))
    }

    /// The next reply to one of ours: its token and who sent it.
    pub(crate) fn reply(&self, part: Part, scratch: &mut [u8]) -> Option<(u64, IpAddr)> {
        let socket = match part {
            Part::Echo4 => self.v4.as_ref()?,
            _ => self.v6.as_ref()?,
        };
        loop {
            let reply = socket.receive(scratch).ok()??;
            let Some((key, rest)) = reply.payload.split_first_chunk::<16>() else {
                continue;
            };
            let Some((token, _)) = rest.split_first_chunk::<8>() else {
                continue;
            };
            if *key == self.key && reply.payload.len() == PAYLOAD {
                return Some((u64::from_be_bytes(*token), reply.from));
            }
        }
    }

    fn socket(&mut self, to: IpAddr, poller: &Poller) -> Result<&EchoSocket, Refusal> {
        let (place, part, open): (_, _, fn() -> std::io::Result<EchoSocket>) = match to {
            IpAddr::V4(_) => (&mut self.v4, Part::Echo4, EchoSocket::open_v4),
            IpAddr::V6(_) => (&mut self.v6, Part::Echo6, EchoSocket::open_v6),
        };
        if place.is_none() {
            // Not being allowed to is our own affair, too.
            let local = |error| Refusal::Local(format!("ping: {}", errno_text(&error)));
            let socket = open().map_err(local)?;
            poller
                .add(&socket, Slots::common_token(part), Interest::Read)
                .map_err(local)?;
            *place = Some(socket);
        }
        place
            .as_ref()
            .ok_or_else(|| Refusal::Local("ping: no socket".to_owned()))
    }
}
