//! From the payload of a route netlink message to our types.
//!
//! Each attribute is parsed by itself, and one that does not parse is left out: a kernel newer than the parser must not
//! make an interface invisible because of an attribute that nobody here looks at.

use std::net::IpAddr;

use netlink_packet_core::{NlaBuffer, NlasIterator, Parseable, ParseableParametrized};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeader, AddressHeaderFlags, AddressScope,
};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkHeader, LinkLayerType};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteLwEnCapType, RouteMessage, RouteType,
};

use crate::address::{Address, Scope};
use crate::arp::Mac;
use crate::default_route::DefaultRoute;
use crate::link::Link;
use crate::route::Route;

const LINK_HEADER_LEN: usize = 16;
const ADDRESS_HEADER_LEN: usize = 8;
const ROUTE_HEADER_LEN: usize = 12;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;

/// An RTM_NEWLINK. `None` when it has no readable name.
pub fn link(payload: &[u8]) -> Option<Link> {
    let header = LinkHeader::parse(payload).ok()?;
    let mut name = None;
    let mut mac = None;
    for attribute in attributes(payload, LINK_HEADER_LEN) {
        // Statistics and the like make up most of the message; only what is needed is parsed.
        if ![IFLA_ADDRESS, IFLA_IFNAME].contains(&attribute.kind()) {
            continue;
        }
        match LinkAttribute::parse_with_param(&attribute, header.interface_family) {
            Ok(LinkAttribute::IfName(text)) => name = Some(text),
            Ok(LinkAttribute::Address(bytes)) => mac = bytes.try_into().ok().map(Mac),
            _ => {}
        }
    }
    Some(Link {
        index: header.index,
        name: name?,
        up: header.flags.contains(LinkFlags::Up),
        loopback: header.flags.contains(LinkFlags::Loopback),
        arp: header.link_layer_type == LinkLayerType::Ether
            && !header.flags.contains(LinkFlags::Noarp),
        mac,
    })
}

/// An RTM_NEWADDR. `None` when it has no address.
pub fn address(payload: &[u8]) -> Option<Address> {
    let header = AddressHeader::parse(payload).ok()?;
    let mut prefix_end = None;
    let mut local = None;
    let mut broadcast = None;
    let mut label = None;
    let mut flags = AddressFlags::from_bits_retain(u32::from(header.flags.bits()));
    for attribute in attributes(payload, ADDRESS_HEADER_LEN) {
        match AddressAttribute::parse(&attribute) {
            Ok(AddressAttribute::Address(ip)) => prefix_end = Some(ip),
            Ok(AddressAttribute::Local(ip)) => local = Some(ip),
            Ok(AddressAttribute::Broadcast(ip)) => broadcast = Some(ip),
            Ok(AddressAttribute::Label(text)) => label = Some(text),
            Ok(AddressAttribute::Flags(wide)) => flags = wide,
            _ => {}
        }
    }
    let has = |flag: AddressHeaderFlags| flags.bits() & u32::from(flag.bits()) != 0;
    let ip = local.or(prefix_end)?;
    Some(Address {
        link: header.index,
        ip,
        prefix_len: header.prefix_len,
        broadcast,
        label,
        scope: match header.scope {
            AddressScope::Universe => Scope::Universe,
            AddressScope::Link => Scope::Link,
            AddressScope::Host => Scope::Host,
            other => Scope::Other(other.into()),
        },
        // The bit means "secondary" for IPv4 and "temporary" for IPv6.
        secondary: matches!(ip, IpAddr::V4(_)) && has(AddressHeaderFlags::Secondary),
        tentative: has(AddressHeaderFlags::Tentative),
        duplicate: has(AddressHeaderFlags::Dadfailed),
    })
}

/// An RTM_NEWROUTE. `None` unless it is an IPv4 unicast route of the main table that leaves through an interface.
pub fn route(payload: &[u8]) -> Option<Route> {
    let header = RouteHeader::parse(payload).ok()?;
    if header.address_family != AddressFamily::Inet || header.kind != RouteType::Unicast {
        return None;
    }
    let mut table = u32::from(header.table);
    let mut destination = [0; 4].into();
    let mut metric = 0;
    let mut link = None;
    let mut gateway = None;
    let mut preferred_source = None;
    for attribute in attributes(payload, ROUTE_HEADER_LEN) {
        match RouteAttribute::parse_with_param(
            &attribute,
            (header.address_family, header.kind, RouteLwEnCapType::None),
        ) {
            Ok(RouteAttribute::Table(number)) => table = number,
            Ok(RouteAttribute::Destination(RouteAddress::Inet(ip))) => destination = ip,
            Ok(RouteAttribute::Priority(number)) => metric = number,
            Ok(RouteAttribute::Oif(index)) => link = Some(index),
            Ok(RouteAttribute::MultiPath(hops)) => {
                link = link.or(hops.first().map(|hop| hop.interface_index))
            }
            Ok(RouteAttribute::Gateway(RouteAddress::Inet(ip))) => gateway = Some(ip),
            Ok(RouteAttribute::PrefSource(RouteAddress::Inet(ip))) => preferred_source = Some(ip),
            _ => {}
        }
    }
    if table != u32::from(RouteHeader::RT_TABLE_MAIN) || header.destination_prefix_length > 32 {
        return None;
    }
    let prefix_len = header.destination_prefix_length;
    Some(Route {
        destination,
        prefix_len,
        metric,
        link: link?,
        gateway,
        preferred_source,
    })
}

/// An RTM_NEWROUTE with everything in it. `None` unless it is a default route of the main table. An attribute that does not
/// parse is lost.
pub fn default_route(payload: &[u8]) -> Option<DefaultRoute> {
    let header = RouteHeader::parse(payload).ok()?;
    if header.address_family != AddressFamily::Inet {
        return None;
    }
    let attributes = attributes(payload, ROUTE_HEADER_LEN).filter_map(|attribute| {
        RouteAttribute::parse_with_param(
            &attribute,
            (header.address_family, header.kind, RouteLwEnCapType::None),
        )
        .ok()
    });
    let mut message = RouteMessage::default();
    message.attributes = attributes.collect();
    message.header = header;
    DefaultRoute::of(message)
}

/// The attributes behind a header of that length; ends at the first one that is cut off.
fn attributes(payload: &[u8], header_len: usize) -> impl Iterator<Item = NlaBuffer<&[u8]>> {
    NlasIterator::new(payload.get(header_len..).unwrap_or_default()).map_while(Result::ok)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use netlink_packet_core::Emitable;
    use netlink_packet_route::address::AddressMessage;
    use netlink_packet_route::link::LinkMessage;
    use proptest::prelude::*;

    use super::*;

    fn bytes(message: &impl Emitable) -> Vec<u8> {
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        bytes
    }

    #[test]
    fn reads_an_interface_and_skips_what_it_does_not_know() {
        let mut message = LinkMessage::default();
        message.header.index = 7;
        message.header.link_layer_type = LinkLayerType::Ether;
        message.header.flags = LinkFlags::Up | LinkFlags::Broadcast;
        message.attributes = vec![
            LinkAttribute::IfName("eth0".into()),
            LinkAttribute::Mtu(1500),
            LinkAttribute::Address(vec![2, 0, 0, 0, 0, 1]),
        ];
        let mut payload = bytes(&message);
        // An MTU of one byte: a broken attribute must not hide the interface.
        payload.extend([5, 0, 4, 0, 9, 0, 0, 0]);
        let link = link(&payload).expect("a link");
        assert_eq!(
            (
                link.index,
                link.name.as_str(),
                link.up,
                link.arp,
                link.loopback
            ),
            (7, "eth0", true, true, false)
        );
        assert_eq!(link.mac, Some(Mac([2, 0, 0, 0, 0, 1])));
        assert!(link.can_announce());
    }

    #[test]
    fn reads_an_alias_address() {
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.prefix_len = 24;
        message.header.index = 3;
        message.header.flags = AddressHeaderFlags::Secondary;
        message.attributes = vec![
            AddressAttribute::Address([10, 0, 0, 9].into()),
            AddressAttribute::Local([10, 0, 0, 1].into()),
            AddressAttribute::Broadcast([10, 0, 0, 255].into()),
            AddressAttribute::Label("eth0:0".into()),
        ];
        let address = address(&bytes(&message)).expect("an address");
        assert_eq!(
            address.ip,
            IpAddr::from([10, 0, 0, 1]),
            "the local end, not the peer"
        );
        assert_eq!(address.label.as_deref(), Some("eth0:0"));
        assert_eq!(address.broadcast, Some(Ipv4Addr::new(10, 0, 0, 255)));
        assert!(address.secondary);
    }

    #[test]
    fn keeps_only_unicast_routes_of_the_main_table() {
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet;
        message.header.kind = RouteType::Unicast;
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.destination_prefix_length = 24;
        message.attributes = vec![
            RouteAttribute::Destination(RouteAddress::Inet([10, 0, 0, 0].into())),
            RouteAttribute::Oif(4),
            RouteAttribute::Priority(100),
        ];
        let found = route(&bytes(&message)).expect("a route");
        assert_eq!(
            (found.destination, found.prefix_len),
            ([10, 0, 0, 0].into(), 24)
        );
        assert_eq!((found.link, found.metric), (4, 100));
        message.attributes.push(RouteAttribute::Table(1000));
        assert_eq!(route(&bytes(&message)), None, "another table");
        message.attributes.pop();
        message.header.kind = RouteType::BlackHole;
        assert_eq!(route(&bytes(&message)), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (link(&payload), address(&payload), route(&payload));
        }
    }
}
