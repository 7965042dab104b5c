//! Default routes as the kernel lists them, kept whole so that one property can be changed and nothing else lost.

use std::net::Ipv4Addr;

use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage,
};

/// An IPv4 route of the main table to everywhere, with every attribute that it has: gateway, interface, metric, origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultRoute {
    pub(crate) message: RouteMessage,
}

impl DefaultRoute {
    /// The route in a message; `None` when it leads elsewhere or is of another table.
    pub(crate) fn of(message: RouteMessage) -> Option<DefaultRoute> {
        let table = message
            .attributes
            .iter()
            .find_map(|attribute| match attribute {
                RouteAttribute::Table(number) => Some(*number),
                _ => None,
            });
        let table = table.unwrap_or(u32::from(message.header.table));
        let is_default = message.header.destination_prefix_length == 0
            && table == u32::from(RouteHeader::RT_TABLE_MAIN);
        is_default.then_some(DefaultRoute { message })
    }

    /// The address from which packets leave on this route, if the route says so (`src` of `ip route`).
    pub fn preferred_source(&self) -> Option<Ipv4Addr> {
        self.message
            .attributes
            .iter()
            .find_map(|attribute| match attribute {
                RouteAttribute::PrefSource(RouteAddress::Inet(ip)) => Some(*ip),
                _ => None,
            })
    }

    /// The same route with another preferred source, or none.
    pub(crate) fn with_preferred_source(&self, source: Option<Ipv4Addr>) -> RouteMessage {
        let mut message = self.message.clone();
        message.attributes.retain(|attribute| {
            !matches!(
                attribute,
                RouteAttribute::PrefSource(_) | RouteAttribute::CacheInfo(_)
            )
        });
        // What the kernel reports about the interface's state is nothing to ask it for.
        message.header.flags &= RouteFlags::Onlink;
        message
            .attributes
            .extend(source.map(|source| RouteAttribute::PrefSource(RouteAddress::Inet(source))));
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(attributes: Vec<RouteAttribute>) -> RouteMessage {
        let mut message = RouteMessage::default();
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.flags = RouteFlags::Onlink | RouteFlags::Linkdown;
        message.attributes = attributes;
        message
    }

    #[test]
    fn only_the_source_changes() {
        let source = RouteAttribute::PrefSource(RouteAddress::Inet([10, 0, 0, 1].into()));
        let rest = vec![RouteAttribute::Oif(3), RouteAttribute::Priority(9)];
        let route = DefaultRoute::of(message([rest.clone(), vec![source.clone()]].concat()))
            .expect("a default route");
        assert_eq!(route.preferred_source(), Some([10, 0, 0, 1].into()));
        let without = route.with_preferred_source(None);
        assert_eq!(without.attributes, rest);
        assert_eq!(without.header.flags, RouteFlags::Onlink);
        let again = DefaultRoute::of(without).expect("a default route");
        assert_eq!(again.preferred_source(), None);
        let with = again.with_preferred_source(Some([10, 0, 0, 1].into()));
        assert_eq!(with.attributes, [rest, vec![source]].concat());
    }

    #[test]
    fn other_tables_and_destinations_are_no_default_routes() {
        assert_eq!(
            DefaultRoute::of(message(vec![RouteAttribute::Table(1000)])),
            None
        );
        let mut elsewhere = message(Vec::new());
        elsewhere.header.destination_prefix_length = 1;
        assert_eq!(DefaultRoute::of(elsewhere), None);
    }
}
