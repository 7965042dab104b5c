//! IPv4 routes, and which of them leads to an address. Pure.

use std::net::Ipv4Addr;

/// One unicast route of the main table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Destination network.
    pub destination: Ipv4Addr,
    /// Bits of its mask; 0 is the default route.
    pub prefix_len: u8,
    /// Priority: the lower the better.
    pub metric: u32,
    /// [`crate::Link::index`] of the interface it leaves through (the first one of a multipath route).
    pub link: u32,
    /// The router, unless the network is connected directly.
    pub gateway: Option<Ipv4Addr>,
    /// `src`: the source address that connections get by default.
    pub preferred_source: Option<Ipv4Addr>,
}

impl Route {
    /// Whether the route covers the address.
    pub fn covers(&self, ip: Ipv4Addr) -> bool {
        let mask = mask(self.prefix_len);
        u32::from(ip) & mask == u32::from(self.destination) & mask
    }
}

/// The route to `ip`: longest prefix first, then lowest metric, then first listed.
///
/// `resource-scripts.md` 3.3: the legacy compares metrics only, which gives this result with the route listing of the
/// kernels it was written for, and the default route's interface with the listing of all kernels since 2.6.39.
pub fn select(routes: &[Route], ip: Ipv4Addr) -> Option<&Route> {
    // `min_by_key` returns the first of equals, so the order of the list is the last criterion.
    routes
        .iter()
        .filter(|route| route.covers(ip))
        .min_by_key(|route| (u8::MAX - route.prefix_len, route.metric))
}

/// The network mask of so many bits, as a number. More than 32 bits count as 32.
pub fn mask(prefix_len: u8) -> u32 {
    u32::MAX
        .checked_shl(32 - u32::from(prefix_len.min(32)))
        .unwrap_or(0)
}

/// The mask in dotted form.
pub fn dotted_mask(prefix_len: u8) -> Ipv4Addr {
    mask(prefix_len).into()
}

/// The directed broadcast address of the address's network; for /32 the address itself.
pub fn broadcast(ip: Ipv4Addr, prefix_len: u8) -> Ipv4Addr {
    (u32::from(ip) | !mask(prefix_len)).into()
}

/// Whether two addresses lie in the same network of so many bits.
pub fn same_network(one: Ipv4Addr, other: Ipv4Addr, prefix_len: u8) -> bool {
    (u32::from(one) ^ u32::from(other)) & mask(prefix_len) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(destination: [u8; 4], prefix_len: u8, metric: u32, link: u32) -> Route {
        Route {
            destination: destination.into(),
            prefix_len,
            metric,
            link,
            gateway: None,
            preferred_source: None,
        }
    }

    #[test]
    fn the_connected_network_beats_a_default_route_listed_first() {
        let routes = [route([0; 4], 0, 0, 2), route([192, 168, 6, 0], 24, 100, 3)];
        assert_eq!(select(&routes, [192, 168, 6, 66].into()), Some(&routes[1]));
        assert_eq!(select(&routes, [172, 16, 5, 5].into()), Some(&routes[0]));
    }

    #[test]
    fn among_equal_prefixes_the_lower_metric_and_then_the_first_wins() {
        let routes = [
            route([10, 0, 0, 0], 8, 9, 2),
            route([10, 0, 0, 0], 8, 3, 3),
            route([10, 0, 0, 0], 8, 3, 4),
        ];
        assert_eq!(select(&routes, [10, 1, 2, 3].into()), Some(&routes[1]));
    }

    #[test]
    fn no_route_covers_a_foreign_address() {
        assert_eq!(
            select(&[route([10, 0, 0, 0], 8, 0, 2)], [11, 0, 0, 1].into()),
            None
        );
        assert_eq!(select(&[], [11, 0, 0, 1].into()), None);
    }

    #[test]
    fn masks_and_broadcasts() {
        let ip = Ipv4Addr::new(192, 168, 6, 66);
        assert_eq!(dotted_mask(0), Ipv4Addr::UNSPECIFIED);
        assert_eq!(dotted_mask(25), Ipv4Addr::new(255, 255, 255, 128));
        assert_eq!(dotted_mask(32), Ipv4Addr::BROADCAST);
        assert_eq!(dotted_mask(200), Ipv4Addr::BROADCAST);
        assert_eq!(broadcast(ip, 24), Ipv4Addr::new(192, 168, 6, 255));
        assert_eq!(broadcast(ip, 32), ip);
        assert_eq!(broadcast(ip, 0), Ipv4Addr::BROADCAST);
        assert!(same_network(ip, Ipv4Addr::new(192, 168, 6, 1), 24));
        assert!(!same_network(ip, Ipv4Addr::new(192, 168, 7, 66), 24));
        assert!(same_network(ip, Ipv4Addr::new(1, 1, 1, 1), 0));
    }
}
