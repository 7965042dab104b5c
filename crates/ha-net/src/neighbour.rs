//! Unsolicited neighbour advertisements, IPv6's way to tell the neighbours where an address lives now, as bytes. Pure.

use std::net::Ipv6Addr;

use crate::arp::Mac;

/// Length of an advertisement: Ethernet, IPv6 and ICMPv6 headers, and the one option.
pub const ADVERTISEMENT_LEN: usize = 14 + 40 + 24 + 8;

const ETHERTYPE_IPV6: u16 = 0x86dd;
const NEXT_HEADER_ICMPV6: u8 = 58;
/// Receivers drop what came through a router, which would have lowered this.
const HOP_LIMIT: u8 = 255;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// "Replace what you know", and nothing else: not a router, not asked for.
const OVERRIDE: u32 = 0x2000_0000;
const TARGET_LINK_ADDRESS: [u8; 2] = [2, 1];
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// Where frames for [`ALL_NODES`] go.
pub const ALL_NODES_MAC: Mac = Mac([0x33, 0x33, 0, 0, 0, 1]);

/// The frame that says "`address` is at `mac`" (`resource-scripts.md` 9).
///
/// ```text
/// 33:33:00:00:00:01 | mac | 86dd                                Ethernet
/// 60000000 | length 32 | 58 | 255 | address | ff02::1           IPv6
/// 136 | 0 | checksum | 20000000 | address | 2 | 1 | mac         ICMPv6
/// ```
pub fn advertisement(mac: Mac, address: Ipv6Addr) -> [u8; ADVERTISEMENT_LEN] {
    let mut body = Vec::with_capacity(32);
    body.extend([NEIGHBOUR_ADVERTISEMENT, 0, 0, 0]);
    body.extend(OVERRIDE.to_be_bytes());
    body.extend(address.octets());
    body.extend(TARGET_LINK_ADDRESS);
    body.extend(mac.0);
    let sum = checksum(address, ALL_NODES, &body).to_be_bytes();

    let mut frame = Vec::with_capacity(ADVERTISEMENT_LEN);
    frame.extend(ALL_NODES_MAC.0);
    frame.extend(mac.0);
    frame.extend(ETHERTYPE_IPV6.to_be_bytes());
    frame.extend([0x60, 0, 0, 0, 0, 32, NEXT_HEADER_ICMPV6, HOP_LIMIT]);
    frame.extend(address.octets());
    frame.extend(ALL_NODES.octets());
    frame.extend(body.iter().take(2));
    frame.extend(sum);
    frame.extend(body.iter().skip(4));
    let mut bytes = [0; ADVERTISEMENT_LEN];
    for (to, from) in bytes.iter_mut().zip(frame) {
        *to = from;
    }
    bytes
}

/// The Internet checksum over the pseudo header and the body, whose own checksum is zero.
fn checksum(source: Ipv6Addr, target: Ipv6Addr, body: &[u8]) -> u16 {
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
    let words = |octets: &[u8]| -> u32 {
        octets
            .chunks(2)
            .map(|pair| match pair {
                [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
                [high] => u32::from(*high) << 8,
                _ => 0,
            })
            .sum()
    };
    let mut sum = words(&source.octets())
        + words(&target.octets())
        + words(body)
        + u32::from(length)
        + u32::from(NEXT_HEADER_ICMPV6);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_byte_for_byte() {
        let address: Ipv6Addr = "fd00:6::66".parse().expect("an address");
        let frame = advertisement(Mac([2, 0, 0, 0, 0, 0x0a]), address);
        let vip = [0xfd, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x66];
        let all_nodes = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        let mut expected = vec![0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0x0a, 0x86, 0xdd];
        expected.extend([0x60, 0, 0, 0, 0, 32, 58, 255]);
        expected.extend(vip);
        expected.extend(all_nodes);
        expected.extend([136, 0]);
        expected.extend(frame.iter().skip(56).take(2));
        expected.extend([0x20, 0, 0, 0]);
        expected.extend(vip);
        expected.extend([2, 1, 2, 0, 0, 0, 0, 0x0a]);
        assert_eq!(frame.to_vec(), expected);
        // With its checksum in place the sum over everything is zero.
        let body: Vec<u8> = frame.iter().copied().skip(54).collect();
        assert_eq!(checksum(address, ALL_NODES, &body), 0);
    }
}
