//! What we send.

use std::net::IpAddr;

use netlink_packet_core::{
    Emitable, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NlaBuffer,
};
use netlink_packet_generic::ctrl::nlas::GenlCtrlAttrs;
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};
use netlink_packet_generic::{GenlFamily, GenlHeader};

use super::numbers::{
    AF_INET, AF_INET6, FAMILY_NAME, GENERIC_LEN, HEADER_LEN, IPPROTO_SCTP, IPPROTO_TCP,
    IPPROTO_UDP, VERSION, command, dest, flag, forward, service, top,
};
use crate::{
    Change, Destination, DestinationKey, Family, Forward, Netmask, Protocol, Service, ServiceKey,
};

/// No request that [`Change::check`] lets pass is longer: two headers, a service (104 bytes at most), a real server
/// (84 at most).
pub const REQUEST_LEN_MAX: usize = 256;

/// A question or a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// The number of the family, which every other request needs; asks the controller of generic netlink.
    Family,
    /// Version and size of the connection table.
    Info,
    /// All services.
    Services,
    /// The real servers of one service; none if there is no such service.
    Destinations(&'a ServiceKey),
    /// A change, that [`Change::check`] lets pass.
    Change(&'a Change),
}

impl Request<'_> {
    /// Appends the message, a multiple of 4 bytes long.
    ///
    /// `family` is the answer to [`Request::Family`], where it does not matter. With `acknowledge` the kernel says also
    /// that it has done the request; it says in any case that it refused it.
    pub fn encode(&self, family: u16, sequence: u32, acknowledge: bool, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + HEADER_LEN + GENERIC_LEN, 0);
        let (message_type, generic) = match self {
            Request::Family => {
                let question = GenlCtrl {
                    cmd: GenlCtrlCmd::GetFamily,
                    nlas: vec![GenlCtrlAttrs::FamilyName(FAMILY_NAME.into())],
                };
                let at = out.len();
                out.resize(at + question.buffer_len(), 0);
                question.emit(&mut out[at..]);
                let generic = GenlHeader {
                    cmd: question.command(),
                    version: VERSION,
                };
                (question.family_id(), generic)
            }
            _ => {
                let cmd = self.attributes(out);
                let version = VERSION;
                (family, GenlHeader { cmd, version })
            }
        };
        let mut header = NetlinkHeader::default();
        // Far below the limit, see REQUEST_LEN_MAX.
        header.length = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
        header.message_type = message_type;
        header.flags = NLM_F_REQUEST
            | match self {
                Request::Services | Request::Destinations(_) => NLM_F_DUMP,
                _ if acknowledge => NLM_F_ACK,
                _ => 0,
            };
        header.sequence_number = sequence;
        header.emit(&mut out[start..start + HEADER_LEN]);
        generic.emit(&mut out[start + HEADER_LEN..start + HEADER_LEN + GENERIC_LEN]);
    }

    /// Appends the attributes and tells the command.
    fn attributes(&self, out: &mut Vec<u8>) -> u8 {
        match self {
            Request::Family | Request::Info => command::GET_INFO,
            Request::Services => command::GET_SERVICE,
            Request::Destinations(key) => {
                put_key(out, key);
                command::GET_DEST
            }
            Request::Change(Change::AddService(service)) => {
                put_service(out, service);
                command::NEW_SERVICE
            }
            Request::Change(Change::EditService(service)) => {
                put_service(out, service);
                command::SET_SERVICE
            }
            Request::Change(Change::DeleteService(key)) => {
                put_key(out, key);
                command::DEL_SERVICE
            }
            Request::Change(Change::AddDestination(key, server)) => {
                put_destination(out, key, server);
                command::NEW_DEST
            }
            Request::Change(Change::EditDestination(key, server)) => {
                put_destination(out, key, server);
                command::SET_DEST
            }
            Request::Change(Change::DeleteDestination(key, server)) => {
                put_key(out, key);
                nest(out, top::DEST, |out| put_destination_key(out, key, server));
                command::DEL_DEST
            }
        }
    }
}

fn put_key(out: &mut Vec<u8>, key: &ServiceKey) {
    nest(out, top::SERVICE, |out| put_key_attributes(out, key));
}

fn put_service(out: &mut Vec<u8>, service: &Service) {
    nest(out, top::SERVICE, |out| {
        put_key_attributes(out, &service.key);
        let mut name = service.scheduler.clone().into_bytes();
        name.push(0);
        put(out, service::SCHED_NAME, &name);
        // All bits in the mask: the kernel keeps those outside of it.
        let flags = [flags(service).to_ne_bytes(), u32::MAX.to_ne_bytes()];
        put(out, service::FLAGS, flags.as_flattened());
        let family = service.key.family();
        let (timeout_s, netmask) = match &service.persistence {
            Some(persistence) => (persistence.timeout_s, persistence.netmask),
            None => (0, Netmask::full(family)),
        };
        put(out, service::TIMEOUT, &timeout_s.to_ne_bytes());
        let netmask = match netmask {
            Netmask::V4(mask) => mask.octets(),
            Netmask::V6(length) => u32::from(length).to_ne_bytes(),
        };
        put(out, service::NETMASK, &netmask);
    });
}

fn put_destination(out: &mut Vec<u8>, key: &ServiceKey, server: &Destination) {
    put_key(out, key);
    nest(out, top::DEST, |out| {
        put_destination_key(out, key, &server.key);
        let method = match server.forward {
            Forward::Masq => forward::MASQ,
            Forward::Local => forward::LOCAL,
            Forward::Ipip => forward::TUNNEL,
            Forward::Gate => forward::DIRECT,
        };
        put(out, dest::FWD_METHOD, &method.to_ne_bytes());
        put(out, dest::WEIGHT, &server.weight.to_ne_bytes());
        put(out, dest::U_THRESH, &server.upper_threshold.to_ne_bytes());
        put(out, dest::L_THRESH, &server.lower_threshold.to_ne_bytes());
    });
}

fn put_key_attributes(out: &mut Vec<u8>, key: &ServiceKey) {
    put(out, service::AF, &family_number(key.family()).to_ne_bytes());
    match key {
        ServiceKey::Address {
            protocol,
            address,
            port,
        } => {
            let protocol = match protocol {
                Protocol::Tcp => IPPROTO_TCP,
                Protocol::Udp => IPPROTO_UDP,
                Protocol::Sctp => IPPROTO_SCTP,
            };
            put(out, service::PROTOCOL, &protocol.to_ne_bytes());
            put(out, service::ADDR, &address_bytes(*address));
            put(out, service::PORT, &port.to_be_bytes());
        }
        ServiceKey::Mark { mark, .. } => put(out, service::FWMARK, &mark.to_ne_bytes()),
    }
}

fn put_destination_key(out: &mut Vec<u8>, key: &ServiceKey, server: &DestinationKey) {
    put(out, dest::ADDR, &address_bytes(server.address));
    put(out, dest::PORT, &server.port.to_be_bytes());
    // Kernels before 3.18 do not know the attribute, and without it the service's family counts.
    if server.family() != key.family() {
        let family = family_number(server.family());
        put(out, dest::ADDR_FAMILY, &family.to_ne_bytes());
    }
}

fn flags(service: &Service) -> u32 {
    [
        (service.persistence.is_some(), flag::PERSISTENT),
        (service.one_packet, flag::ONE_PACKET),
        (service.scheduler_flags.first, flag::SCHEDULER_1),
        (service.scheduler_flags.second, flag::SCHEDULER_2),
        (service.scheduler_flags.third, flag::SCHEDULER_3),
    ]
    .into_iter()
    .filter_map(|(set, flag)| set.then_some(flag))
    .sum()
}

fn family_number(family: Family) -> u16 {
    match family {
        Family::V4 => AF_INET,
        Family::V6 => AF_INET6,
    }
}

/// 16 bytes in network order; an IPv4 address fills the first four.
fn address_bytes(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&address.octets());
            bytes
        }
        IpAddr::V6(address) => address.octets(),
    }
}

/// Appends an attribute.
fn put(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let start = open(out, kind);
    out.extend_from_slice(value);
    close(out, start);
}

/// Appends an attribute that holds attributes.
fn nest(out: &mut Vec<u8>, kind: u16, body: impl FnOnce(&mut Vec<u8>)) {
    let start = open(out, kind);
    NlaBuffer::new(&mut out[start..]).set_nested_flag();
    body(out);
    close(out, start);
}

fn open(out: &mut Vec<u8>, kind: u16) -> usize {
    let start = out.len();
    out.resize(start + netlink_packet_core::NLA_HEADER_SIZE, 0);
    NlaBuffer::new(&mut out[start..]).set_kind(kind);
    start
}

fn close(out: &mut Vec<u8>, start: usize) {
    // Values are addresses, numbers and names of at most 16 bytes.
    let length = u16::try_from(out.len() - start).unwrap_or(u16::MAX);
    NlaBuffer::new(&mut out[start..]).set_length(length);
    out.resize(out.len().next_multiple_of(4), 0);
}
