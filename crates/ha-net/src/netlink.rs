//! Asking and changing the kernel's links, addresses and routes.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST,
    NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NetlinkBuffer, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressScope};
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkFlags, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;

use crate::address::{Address, Family, Scope};
use crate::default_route::DefaultRoute;
use crate::error::NetError;
use crate::kernel_socket::KernelSocket;
use crate::link::Link;
use crate::netlink_decode as decode;
use crate::route::Route;

/// Time allowed for one call, unless [`Netlink::set_patience`] says otherwise. The kernel answers in microseconds; only a
/// kernel that is stuck takes longer, and then the cluster must go on.
const PATIENCE: Duration = Duration::from_millis(250);

/// A dump that changes under our eyes is taken again so many times.
const DUMP_TRIES: u32 = 4;

/// More entries than this are not kept of one dump.
const ENTRIES_MAX: usize = 100_000;

/// A connection to the kernel's route netlink, to be opened once and kept.
///
/// Every call is one question and its answer and lasts at most the patience (250 ms by default): the kernel
/// does the work inside the call, so there is nothing to wait for in the normal case. The socket is non-blocking and
/// close-on-exec.
#[derive(Debug)]
pub struct Netlink {
    socket: KernelSocket,
    sequence: u32,
    patience: Duration,
}

impl Netlink {
    /// Opens the socket.
    pub fn open() -> Result<Netlink, NetError> {
        Ok(Netlink {
            socket: KernelSocket::open("open route netlink", NETLINK_ROUTE)?,
            sequence: 0,
            patience: PATIENCE,
        })
    }

    /// Sets the time allowed for one call.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// All network interfaces.
    pub fn links(&mut self) -> Result<Vec<Link>, NetError> {
        let mut message = LinkMessage::default();
        message
            .attributes
            .push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
        self.dump(
            "list interfaces",
            &RouteNetlinkMessage::GetLink(message),
            decode::link,
        )
    }

    /// The interface of that name; `None` if there is none. Alias names (`eth0:0`) are not interfaces.
    pub fn link_by_name(&mut self, name: &str) -> Result<Option<Link>, NetError> {
        if name.is_empty() || name.len() >= libc::IFNAMSIZ || name.contains('\0') {
            return Ok(None);
        }
        let mut message = LinkMessage::default();
        message
            .attributes
            .push(LinkAttribute::IfName(name.to_owned()));
        self.one_link(message)
    }

    /// The interface with that index; `None` if there is none.
    pub fn link_by_index(&mut self, index: u32) -> Result<Option<Link>, NetError> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        self.one_link(message)
    }

    fn one_link(&mut self, mut message: LinkMessage) -> Result<Option<Link>, NetError> {
        message
            .attributes
            .push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
        let mut found = None;
        let result = self.transact(
            "look up an interface",
            NLM_F_ACK,
            &RouteNetlinkMessage::GetLink(message),
            |payload| {
                found = decode::link(payload);
            },
        );
        match result {
            Ok(_) => Ok(found),
            Err(error) if matches!(error.errno(), Some(libc::ENODEV | libc::ENXIO)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All addresses of one family, in the kernel's order.
    pub fn addresses(&mut self, family: Family) -> Result<Vec<Address>, NetError> {
        let mut message = AddressMessage::default();
        message.header.family = match family {
            Family::V4 => AddressFamily::Inet,
            Family::V6 => AddressFamily::Inet6,
        };
        let addresses = self.dump(
            "list addresses",
            &RouteNetlinkMessage::GetAddress(message),
            decode::address,
        )?;
        // With no IPv6 in the kernel the question for it is answered with all families.
        Ok(addresses
            .into_iter()
            .filter(|address| address.ip.is_ipv6() == (family == Family::V6))
            .collect())
    }

    /// The IPv4 unicast routes of the main table, in the kernel's order.
    pub fn routes(&mut self) -> Result<Vec<Route>, NetError> {
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet;
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        self.dump(
            "list routes",
            &RouteNetlinkMessage::GetRoute(message),
            decode::route,
        )
    }

    /// Adds an address. Fails with `EEXIST` if the interface has it already.
    pub fn add_address(&mut self, address: &Address) -> Result<(), NetError> {
        let message = RouteNetlinkMessage::NewAddress(address_message(address));
        self.transact(
            "add an address",
            NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
            &message,
            |_| {},
        )
        .map(drop)
    }

    /// Deletes an address. Interface, address, prefix length and, if given, label must match; else `EADDRNOTAVAIL`.
    pub fn delete_address(&mut self, address: &Address) -> Result<(), NetError> {
        let message = RouteNetlinkMessage::DelAddress(address_message(address));
        self.transact("delete an address", NLM_F_ACK, &message, |_| {})
            .map(drop)
    }

    /// Switches an interface on or off.
    pub fn set_link_up(&mut self, index: u32, up: bool) -> Result<(), NetError> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.flags = if up {
            LinkFlags::Up
        } else {
            LinkFlags::empty()
        };
        message.header.change_mask = LinkFlags::Up;
        let message = RouteNetlinkMessage::SetLink(message);
        self.transact("switch an interface", NLM_F_ACK, &message, |_| {})
            .map(drop)
    }

    /// Deletes the main table's host route to an address (through one interface, if given). Fails with `ESRCH` when
    /// there is none.
    pub fn delete_host_route(&mut self, ip: Ipv4Addr, link: Option<u32>) -> Result<(), NetError> {
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet;
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.destination_prefix_length = 32;
        message.header.scope = RouteScope::NoWhere;
        message
            .attributes
            .push(RouteAttribute::Destination(RouteAddress::Inet(ip)));
        message.attributes.extend(link.map(RouteAttribute::Oif));
        self.transact(
            "delete a host route",
            NLM_F_ACK,
            &RouteNetlinkMessage::DelRoute(message),
            |_| {},
        )
        .map(drop)
    }

    /// Sets or removes the preferred source address of an existing route (`ip route change ... src`). The
    /// route is named by destination, metric, interface and router. Fails with `EINVAL` if the source is not local.
    pub fn change_preferred_source(
        &mut self,
        route: &Route,
        source: Option<Ipv4Addr>,
    ) -> Result<(), NetError> {
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet;
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.kind = RouteType::Unicast;
        message.header.protocol = RouteProtocol::Boot;
        message.header.scope = if route.gateway.is_some() {
            RouteScope::Universe
        } else {
            RouteScope::Link
        };
        message.header.destination_prefix_length = route.prefix_len;
        if route.prefix_len > 0 {
            message
                .attributes
                .push(RouteAttribute::Destination(RouteAddress::Inet(
                    route.destination,
                )));
        }
        message.attributes.push(RouteAttribute::Oif(route.link));
        if route.metric > 0 {
            message
                .attributes
                .push(RouteAttribute::Priority(route.metric));
        }
        let gateway = route
            .gateway
            .map(|ip| RouteAttribute::Gateway(RouteAddress::Inet(ip)));
        let source = source.map(|ip| RouteAttribute::PrefSource(RouteAddress::Inet(ip)));
        message.attributes.extend(gateway.into_iter().chain(source));
        let message = RouteNetlinkMessage::NewRoute(message);
        self.transact(
            "change a route",
            NLM_F_ACK | NLM_F_REPLACE,
            &message,
            |_| {},
        )
        .map(drop)
    }

    /// Asks for a list and decodes its entries; entries that `decode` rejects are left out.
    /// The IPv4 routes of the main table that lead everywhere, of any kind, in the kernel's order.
    pub fn default_routes(&mut self) -> Result<Vec<DefaultRoute>, NetError> {
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet;
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        self.dump(
            "list routes",
            &RouteNetlinkMessage::GetRoute(message),
            decode::default_route,
        )
    }

    /// Changes the preferred source of a default route, and nothing else of it. Fails with `EINVAL` when the machine does
    /// not have the address, and with `ENOENT` when the route is gone.
    pub fn set_preferred_source(
        &mut self,
        route: &DefaultRoute,
        source: Option<Ipv4Addr>,
    ) -> Result<(), NetError> {
        let message = RouteNetlinkMessage::NewRoute(route.with_preferred_source(source));
        self.transact(
            "change a route",
            NLM_F_ACK | NLM_F_REPLACE,
            &message,
            |_| {},
        )
        .map(drop)
    }

    fn dump<T>(
        &mut self,
        doing: &'static str,
        question: &RouteNetlinkMessage,
        decode: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Vec<T>, NetError> {
        for _ in 0..DUMP_TRIES {
            let mut entries = Vec::new();
            let consistent = self.transact(doing, NLM_F_DUMP, question, |payload| {
                if entries.len() < ENTRIES_MAX {
                    entries.extend(decode(payload));
                }
            })?;
            if consistent {
                return Ok(entries);
            }
        }
        Err(NetError::refused(doing, libc::EAGAIN))
    }

    /// Sends one request and hands every entry of the answer to `each`. True unless the kernel says that the list
    /// changed while it was being sent.
    fn transact(
        &mut self,
        doing: &'static str,
        flags: u16,
        request: &RouteNetlinkMessage,
        mut each: impl FnMut(&[u8]),
    ) -> Result<bool, NetError> {
        let deadline = Instant::now() + self.patience;
        self.send(doing, flags, request)?;
        let mut consistent = true;
        loop {
            let mut rest = self.socket.receive(doing, deadline)?;
            while !rest.is_empty() {
                let message =
                    NetlinkBuffer::new_checked(rest).map_err(|_| NetError::malformed(doing))?;
                let next = usize::try_from(message.length())
                    .unwrap_or(usize::MAX)
                    .next_multiple_of(4);
                rest = rest.get(next..).unwrap_or_default();
                if message.sequence_number() != self.sequence {
                    // Late answer to a question that was given up.
                    continue;
                }
                consistent &= message.flags() & NLM_F_DUMP_INTR == 0;
                match message.message_type() {
                    NLMSG_NOOP => {}
                    NLMSG_DONE | NLMSG_ERROR => {
                        return match result_code(message.payload()) {
                            None => Err(NetError::malformed(doing)),
                            Some(0) => Ok(consistent),
                            Some(code) => Err(NetError::refused(doing, code.saturating_neg())),
                        };
                    }
                    _ => each(message.payload()),
                }
            }
        }
    }

    fn send(
        &mut self,
        doing: &'static str,
        flags: u16,
        request: &RouteNetlinkMessage,
    ) -> Result<(), NetError> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request.clone()));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(doing, &bytes)
    }
}

/// The result at the front of an error or done message: 0, or a negative errno. A done message may be empty.
fn result_code(payload: &[u8]) -> Option<i32> {
    match payload.first_chunk() {
        Some(code) => Some(i32::from_ne_bytes(*code)),
        None if payload.is_empty() => Some(0),
        None => None,
    }
}

fn address_message(address: &Address) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = match address.ip {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.prefix_len = address.prefix_len;
    message.header.index = address.link;
    message.header.scope = match address.scope {
        Scope::Universe => AddressScope::Universe,
        Scope::Link => AddressScope::Link,
        Scope::Host => AddressScope::Host,
        Scope::Other(number) => AddressScope::from(number),
    };
    message.attributes.push(AddressAttribute::Local(address.ip));
    message
        .attributes
        .push(AddressAttribute::Address(address.ip));
    message
        .attributes
        .extend(address.broadcast.map(AddressAttribute::Broadcast));
    message
        .attributes
        .extend(address.label.clone().map(AddressAttribute::Label));
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The loopback interface is in every namespace, so these need no privileges and change nothing.
    #[test]
    fn finds_the_loopback_interface_by_name_index_and_listing() {
        let mut netlink = Netlink::open().expect("route netlink");
        let by_name = netlink
            .link_by_name("lo")
            .expect("an answer")
            .expect("lo exists");
        assert!(by_name.loopback);
        assert!(!by_name.can_announce());
        let by_index = netlink
            .link_by_index(by_name.index)
            .expect("an answer")
            .expect("lo exists");
        assert_eq!(by_index, by_name);
        assert!(netlink.links().expect("a list").contains(&by_name));
    }

    #[test]
    fn what_does_not_exist_is_not_found() {
        let mut netlink = Netlink::open().expect("route netlink");
        assert_eq!(
            netlink.link_by_name("no-such-link").expect("an answer"),
            None
        );
        assert_eq!(netlink.link_by_name("lo:0").expect("an answer"), None);
        assert_eq!(
            netlink
                .link_by_name("a-name-that-is-too-long")
                .expect("an answer"),
            None
        );
        assert_eq!(netlink.link_by_name("").expect("an answer"), None);
        assert_eq!(
            netlink.link_by_index(i32::MAX as u32).expect("an answer"),
            None
        );
    }

    #[test]
    fn a_refusal_carries_the_errno_and_the_socket_stays_usable() {
        let mut netlink = Netlink::open().expect("route netlink");
        let nowhere = Address::new(i32::MAX as u32, [10, 0, 0, 1].into(), 24);
        let error = netlink
            .delete_address(&nowhere)
            .expect_err("no such interface");
        assert!(
            matches!(error.errno(), Some(libc::ENODEV | libc::EPERM)),
            "{error}"
        );
        assert!(
            error.to_string().starts_with("cannot delete an address: "),
            "{error}"
        );
        netlink.addresses(Family::V4).expect("a list");
        netlink.routes().expect("a list");
    }

    #[test]
    fn result_codes() {
        assert_eq!(result_code(&[]), Some(0));
        assert_eq!(result_code(&(-17i32).to_ne_bytes()), Some(-17));
        assert_eq!(result_code(&[1, 2]), None);
    }
}
