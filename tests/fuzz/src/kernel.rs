//! What the kernel says over netlink, and ARP frames, which anybody on the link may send.

use ha_net::{ArpFrame, FRAME_LEN, netlink_decode};
use ipvs::wire::{self, Batch, Body, Request};
use ipvs::{
    Change, Destination, DestinationKey, Family, Forward, Netmask, Persistence, Protocol, Service,
    ServiceKey,
};

use crate::Target;
use crate::seeds::{self, Seed};

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "netlink_route",
        run: route,
        seeds: route_messages,
        words: attributes,
        length_max: 1024,
    },
    Target {
        name: "netlink_ipvs",
        run: virtual_services,
        seeds: ipvs_messages,
        words: attributes,
        length_max: 1024,
    },
    Target {
        name: "arp_frame",
        run: arp,
        seeds: arp_frames,
        words: seeds::no_words,
        length_max: 256,
    },
];

/// The payload of a message of rtnetlink. Whatever is found is not longer than what it was found in.
fn route(payload: &[u8]) {
    if let Some(link) = netlink_decode::link(payload) {
        // A name that is no UTF-8 is not longer than three bytes for each of its own.
        assert!(link.name.len() <= 3 * payload.len());
        let _ = link.can_announce();
    }
    if let Some(address) = netlink_decode::address(payload) {
        let label = address.label.unwrap_or_default();
        assert!(label.len() <= 3 * payload.len());
    }
    if let Some(route) = netlink_decode::route(payload) {
        assert!(route.prefix_len <= 32);
        assert_eq!(
            ha_net::route::select(&[route], route.destination),
            Some(&route),
            "a route leads to its own network"
        );
    }
    let _ = netlink_decode::default_route(payload);
}

/// A datagram of the IPVS family. A service or real server that is read is asked for in the same words.
fn virtual_services(datagram: &[u8]) {
    let mut count = 0;
    for message in wire::messages(datagram) {
        count += 1;
        let Ok(message) = message else { continue };
        if let Body::Part(attributes) = message.body {
            part(attributes);
        }
    }
    assert!(count <= datagram.len().div_ceil(16) + 1, "{count} messages");
    let mut batch = Batch::new(1, 3);
    let _ = batch.take(datagram);
    assert_eq!(batch.results().count(), 3);
}

fn part(attributes: &[u8]) {
    let _ = (wire::family_id(attributes), wire::info(attributes));
    if let Ok(Some(service)) = wire::service(attributes) {
        let change = Change::AddService(service.clone());
        if change.check().is_ok() {
            let written = written(&change);
            assert_eq!(wire::service(attributes_of(&written)), Ok(Some(service)));
        }
    }
    for family in [Family::V4, Family::V6] {
        let Ok((server, _)) = wire::destination(attributes, family) else {
            continue;
        };
        let key = ServiceKey::Mark { mark: 1, family };
        let change = Change::AddDestination(key, server.clone());
        if change.check().is_ok() {
            let written = written(&change);
            let again = wire::destination(attributes_of(&written), family);
            assert_eq!(again.map(|(server, _)| server), Ok(server));
        }
    }
}

fn written(change: &Change) -> Vec<u8> {
    let mut bytes = Vec::new();
    Request::Change(change).encode(29, 1, true, &mut bytes);
    assert!(bytes.len() <= wire::REQUEST_LEN_MAX);
    bytes
}

fn attributes_of(message: &[u8]) -> &[u8] {
    let first = wire::messages(message).next().and_then(Result::ok);
    match first.expect("our own request").body {
        Body::Part(attributes) => attributes,
        other => panic!("{other:?}"),
    }
}

/// A frame that is understood is the one that we would send.
fn arp(bytes: &[u8]) {
    if let Some(frame) = ArpFrame::decode(bytes) {
        assert_eq!(frame.encode(), bytes[..FRAME_LEN]);
    }
}

/// Payloads as the kernel of an ordinary machine sends them: header, then attributes.
fn route_messages() -> Vec<Seed> {
    let link = [
        &[0, 0, 1, 0, 2, 0, 0, 0, 0x43, 0x10, 1, 0, 0, 0, 0, 0][..],
        &attribute(3, b"eth0\0"),
        &attribute(4, &1500_u32.to_ne_bytes()),
        &attribute(1, &[2, 0, 0, 0, 0, 1]),
    ];
    let address = [
        &[2, 24, 0x80, 0, 2, 0, 0, 0][..],
        &attribute(1, &[10, 0, 0, 9]),
        &attribute(2, &[10, 0, 0, 1]),
        &attribute(4, &[10, 0, 0, 255]),
        &attribute(3, b"eth0:0\0"),
        &attribute(8, &0x80_u32.to_ne_bytes()),
    ];
    let address6 = [
        &[10, 64, 0x40, 0, 2, 0, 0, 0][..],
        &attribute(1, &[0xfe; 16]),
        &attribute(6, &[0xff; 16]),
    ];
    let route = [
        &[2, 24, 0, 0, 254, 2, 0, 1, 0, 0, 0, 0][..],
        &attribute(15, &254_u32.to_ne_bytes()),
        &attribute(1, &[10, 0, 0, 0]),
        &attribute(4, &2_u32.to_ne_bytes()),
        &attribute(6, &100_u32.to_ne_bytes()),
        &attribute(5, &[10, 0, 0, 254]),
        &attribute(7, &[10, 0, 0, 1]),
    ];
    let hops = [
        &[2, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0][..],
        &attribute(9, &[16, 0, 0, 0, 2, 0, 0, 0, 8, 0, 5, 0, 10, 0, 0, 254]),
    ];
    vec![
        ("link".to_owned(), link.concat()),
        ("address".to_owned(), address.concat()),
        ("address6".to_owned(), address6.concat()),
        ("route".to_owned(), route.concat()),
        ("hops".to_owned(), hops.concat()),
    ]
}

/// One attribute, padded to a multiple of four.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn attributes() -> Vec<Vec<u8>> {
    (1..17)
        .map(|kind| attribute(kind, &1_u32.to_ne_bytes()))
        .collect()
}

/// Changes look like the parts of lists: the same attributes in the same nesting.
fn ipvs_messages() -> Vec<Seed> {
    let web = ServiceKey::Address {
        protocol: Protocol::Tcp,
        address: [192, 168, 6, 66].into(),
        port: 80,
    };
    let mark = ServiceKey::Mark {
        mark: 7,
        family: Family::V6,
    };
    let mut persistent = Service::new(mark, "sh");
    persistent.persistence = Some(Persistence {
        timeout_s: 300,
        netmask: Netmask::V6(64),
    });
    persistent.one_packet = true;
    let server = Destination {
        key: DestinationKey {
            address: [192, 168, 6, 42].into(),
            port: 80,
        },
        forward: Forward::Gate,
        weight: 2,
        upper_threshold: 10,
        lower_threshold: 5,
    };
    let mut found: Vec<Seed> = [
        Change::AddService(Service::new(web, "wrr")),
        Change::AddService(persistent),
        Change::DeleteService(web),
        Change::AddDestination(web, server),
    ]
    .iter()
    .enumerate()
    .map(|(number, change)| (format!("change-{number}"), written(change)))
    .collect();
    // An acknowledgement, an error, and the end of a list.
    for (name, kind, code) in [("ack", 2_u16, 0_i32), ("error", 2, -3), ("done", 3, 0)] {
        let mut bytes = Vec::new();
        bytes.extend(36_u32.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([2, 0]);
        bytes.extend(1_u32.to_ne_bytes());
        bytes.extend(0_u32.to_ne_bytes());
        bytes.extend(code.to_ne_bytes());
        bytes.resize(36, 0);
        found.push((name.to_owned(), bytes));
    }
    found
}

fn arp_frames() -> Vec<Seed> {
    let ethernet = b"\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x01\x08\x06";
    let body = b"\0\x01\x08\0\x06\x04\0\x01\x02\0\0\0\0\x01\x0a\0\0\x01\0\0\0\0\0\0\x0a\0\0\x01";
    let frame = [&ethernet[..], body].concat();
    let padded = [&frame[..], &[0; 18]].concat();
    vec![
        ("announcement".to_owned(), frame),
        ("padded".to_owned(), padded),
    ]
}
