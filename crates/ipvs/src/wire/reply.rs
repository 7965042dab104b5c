//! What comes back: messages, and the values in them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{
    NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN, NetlinkBuffer,
    NlasIterator,
};
use netlink_packet_generic::GenlHeader;
use netlink_packet_generic::constants::CTRL_ATTR_FAMILY_ID;

use super::numbers::{
    AF_INET, AF_INET6, GENERIC_LEN, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP, dest, flag, forward,
    info as info_attribute, service as service_attribute, top,
};
use crate::{
    Connections, Destination, DestinationKey, Family, Forward, Netmask, Persistence, Protocol,
    SchedulerFlags, Service, ServiceKey,
};

/// The bytes do not hold what they must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "answer not understood")
    }
}

impl std::error::Error for Malformed {}

/// One message of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Number of the request that it answers.
    pub sequence: u32,
    /// The list that it belongs to changed while it was being sent.
    pub interrupted: bool,
    /// What it says.
    pub body: Body<'a>,
}

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// The request is answered completely: 0 for success, else the errno as a positive number.
    End(i32),
    /// Messages were lost.
    Overrun,
    /// Part of an answer: its attributes.
    Part(&'a [u8]),
    /// Nothing that concerns us.
    Other,
}

/// The messages of a datagram. A message whose length is a lie ends it with [`Malformed`].
pub fn messages(datagram: &[u8]) -> impl Iterator<Item = Result<Message<'_>, Malformed>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Ok(message) = NetlinkBuffer::new_checked(rest) else {
            rest = &[];
            return Some(Err(Malformed));
        };
        let length = usize::try_from(message.length()).unwrap_or(usize::MAX);
        rest = length
            .checked_next_multiple_of(4)
            .and_then(|next| rest.get(next..))
            .unwrap_or_default();
        let body = match body(&message) {
            Ok(body) => body,
            Err(malformed) => return Some(Err(malformed)),
        };
        Some(Ok(Message {
            sequence: message.sequence_number(),
            interrupted: message.flags() & NLM_F_DUMP_INTR != 0,
            body,
        }))
    })
}

fn body<'a>(message: &NetlinkBuffer<&'a [u8]>) -> Result<Body<'a>, Malformed> {
    let payload = message.payload();
    match message.message_type() {
        NLMSG_NOOP => Ok(Body::Other),
        NLMSG_OVERRUN => Ok(Body::Overrun),
        // Old kernels end a list without a code.
        NLMSG_DONE if payload.is_empty() => Ok(Body::End(0)),
        NLMSG_DONE | NLMSG_ERROR => {
            let code = payload.first_chunk().ok_or(Malformed)?;
            Ok(Body::End(i32::from_ne_bytes(*code).saturating_neg()))
        }
        _ => {
            GenlHeader::parse(payload).map_err(|_| Malformed)?;
            Ok(Body::Part(payload.get(GENERIC_LEN..).ok_or(Malformed)?))
        }
    }
}

/// The number of the family, from the answer to [`Request::Family`](super::Request::Family).
pub fn family_id(attributes: &[u8]) -> Result<u16, Malformed> {
    let mut id = None;
    for (kind, value) in each(attributes) {
        if kind == CTRL_ATTR_FAMILY_ID {
            id = Some(u16_ne(value)?);
        }
    }
    id.ok_or(Malformed)
}

/// What the kernel says about its IPVS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// Major, minor and patch, such as 1.2.1.
    pub version: (u8, u8, u8),
    /// Slots of the connection table.
    pub table_size: u32,
}

/// The answer to [`Request::Info`](super::Request::Info).
pub fn info(attributes: &[u8]) -> Result<Info, Malformed> {
    let mut version = None;
    let mut table_size = None;
    for (kind, value) in each(attributes) {
        match kind {
            info_attribute::VERSION => version = Some(u32_ne(value)?),
            info_attribute::TABLE_SIZE => table_size = Some(u32_ne(value)?),
            _ => {}
        }
    }
    let [_, major, minor, patch] = version.ok_or(Malformed)?.to_be_bytes();
    Ok(Info {
        version: (major, minor, patch),
        table_size: table_size.ok_or(Malformed)?,
    })
}

/// A service, from one part of the answer to [`Request::Services`](super::Request::Services). `None` for one of a
/// protocol that has no name here: the kernel takes any number, and nobody can have asked for it by `ipvsadm`.
pub fn service(attributes: &[u8]) -> Result<Option<Service>, Malformed> {
    let mut family = None;
    let mut protocol = None;
    let mut address = None;
    let mut port = None;
    let mut mark = None;
    let mut scheduler = None;
    let mut flags = None;
    let mut timeout_s = None;
    let mut netmask = None;
    for (kind, value) in each(nested(attributes, top::SERVICE)?) {
        match kind {
            service_attribute::AF => family = Some(family_of(value)?),
            service_attribute::PROTOCOL => protocol = Some(u16_ne(value)?),
            service_attribute::ADDR => address = Some(value),
            service_attribute::PORT => port = Some(u16_be(value)?),
            service_attribute::FWMARK => mark = Some(u32_ne(value)?),
            service_attribute::SCHED_NAME => scheduler = Some(text(value)),
            service_attribute::FLAGS => flags = Some(u32_ne(value)?),
            service_attribute::TIMEOUT => timeout_s = Some(u32_ne(value)?),
            service_attribute::NETMASK => {
                netmask = Some(*value.first_chunk::<4>().ok_or(Malformed)?);
            }
            _ => {}
        }
    }
    let family = family.ok_or(Malformed)?;
    let key = match mark {
        Some(mark) => ServiceKey::Mark { mark, family },
        None => {
            let protocol = match protocol.ok_or(Malformed)? {
                IPPROTO_TCP => Protocol::Tcp,
                IPPROTO_UDP => Protocol::Udp,
                IPPROTO_SCTP => Protocol::Sctp,
                _ => return Ok(None),
            };
            ServiceKey::Address {
                protocol,
                address: address_of(address.ok_or(Malformed)?, family)?,
                port: port.ok_or(Malformed)?,
            }
        }
    };
    let flags = flags.ok_or(Malformed)?;
    let has = |flag: u32| flags & flag != 0;
    let netmask = netmask.ok_or(Malformed)?;
    let netmask = match family {
        Family::V4 => Netmask::V4(Ipv4Addr::from(netmask)),
        Family::V6 => {
            let length = u32::from_ne_bytes(netmask);
            Netmask::V6(u8::try_from(length).map_err(|_| Malformed)?)
        }
    };
    let timeout_s = timeout_s.ok_or(Malformed)?;
    Ok(Some(Service {
        key,
        scheduler: scheduler.ok_or(Malformed)?,
        scheduler_flags: SchedulerFlags {
            first: has(flag::SCHEDULER_1),
            second: has(flag::SCHEDULER_2),
            third: has(flag::SCHEDULER_3),
        },
        one_packet: has(flag::ONE_PACKET),
        // A time without the flag is stored and has no effect.
        persistence: has(flag::PERSISTENT).then_some(Persistence { timeout_s, netmask }),
    }))
}

/// A real server, from one part of the answer to [`Request::Destinations`](super::Request::Destinations) about a
/// service of that family.
pub fn destination(
    attributes: &[u8],
    family: Family,
) -> Result<(Destination, Connections), Malformed> {
    let mut own_family = family;
    let mut address = None;
    let mut port = None;
    let mut method = None;
    let mut weight = None;
    let mut upper_threshold = 0;
    let mut lower_threshold = 0;
    let mut connections = Connections::default();
    for (kind, value) in each(nested(attributes, top::DEST)?) {
        match kind {
            dest::ADDR_FAMILY => own_family = family_of(value)?,
            dest::ADDR => address = Some(value),
            dest::PORT => port = Some(u16_be(value)?),
            dest::FWD_METHOD => method = Some(u32_ne(value)?),
            dest::WEIGHT => weight = Some(u32_ne(value)?),
            dest::U_THRESH => upper_threshold = u32_ne(value)?,
            dest::L_THRESH => lower_threshold = u32_ne(value)?,
            dest::ACTIVE_CONNS => connections.active = u32_ne(value)?,
            dest::INACT_CONNS => connections.inactive = u32_ne(value)?,
            dest::PERSIST_CONNS => connections.persistent = u32_ne(value)?,
            _ => {}
        }
    }
    let forward = match method.ok_or(Malformed)? & forward::MASK {
        forward::MASQ => Forward::Masq,
        forward::TUNNEL => Forward::Ipip,
        forward::DIRECT => Forward::Gate,
        // The kernel also stores methods that have no name. Like "local" they differ from everything that is ever
        // wanted, so the next plan puts them right.
        _ => Forward::Local,
    };
    let destination = Destination {
        key: DestinationKey {
            address: address_of(address.ok_or(Malformed)?, own_family)?,
            port: port.ok_or(Malformed)?,
        },
        forward,
        weight: weight.ok_or(Malformed)?,
        upper_threshold,
        lower_threshold,
    };
    Ok((destination, connections))
}

/// Number, without flags, and value of each attribute; ends at the first one that is cut off.
fn each(attributes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    NlasIterator::new(attributes)
        .map_while(Result::ok)
        .filter_map(|attribute| {
            let kind = attribute.kind();
            let value = attribute
                .into_inner()
                .get(netlink_packet_core::NLA_HEADER_SIZE..usize::from(attribute.length()))?;
            Some((kind, value))
        })
}

fn nested(attributes: &[u8], wanted: u16) -> Result<&[u8], Malformed> {
    each(attributes)
        .find_map(|(kind, value)| (kind == wanted).then_some(value))
        .ok_or(Malformed)
}

fn family_of(value: &[u8]) -> Result<Family, Malformed> {
    match u16_ne(value)? {
        AF_INET => Ok(Family::V4),
        AF_INET6 => Ok(Family::V6),
        _ => Err(Malformed),
    }
}

fn address_of(value: &[u8], family: Family) -> Result<IpAddr, Malformed> {
    match family {
        Family::V4 => {
            let octets: [u8; 4] = *value.first_chunk().ok_or(Malformed)?;
            Ok(Ipv4Addr::from(octets).into())
        }
        Family::V6 => {
            let octets: [u8; 16] = *value.first_chunk().ok_or(Malformed)?;
            Ok(Ipv6Addr::from(octets).into())
        }
    }
}

fn u16_ne(value: &[u8]) -> Result<u16, Malformed> {
    value
        .first_chunk()
        .map(|bytes| u16::from_ne_bytes(*bytes))
        .ok_or(Malformed)
}

fn u16_be(value: &[u8]) -> Result<u16, Malformed> {
    value
        .first_chunk()
        .map(|bytes| u16::from_be_bytes(*bytes))
        .ok_or(Malformed)
}

fn u32_ne(value: &[u8]) -> Result<u32, Malformed> {
    value
        .first_chunk()
        .map(|bytes| u32::from_ne_bytes(*bytes))
        .ok_or(Malformed)
}

/// Up to the NUL.
fn text(value: &[u8]) -> String {
    let end = value
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned()
}
