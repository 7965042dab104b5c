//! Requests and answers as bytes: the worked example of `ipvs-netlink.md` 3, identity over encode and decode, and
//! answers that lie about their lengths.

use std::net::IpAddr;

use ipvs::wire::{self, Batch, Body, REQUEST_LEN_MAX, Request};
use ipvs::{
    Change, Connections, Destination, DestinationKey, Family, Forward, Netmask, Persistence,
    Protocol, SCHEDULER_LEN_MAX, SchedulerFlags, Service, ServiceKey,
};
use proptest::prelude::*;

const FAMILY: u16 = 0x1d;

fn encoded(request: Request<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    request.encode(FAMILY, 7, true, &mut bytes);
    bytes
}

/// The single message of a datagram, as its attributes.
fn part(datagram: &[u8]) -> &[u8] {
    let mut messages = wire::messages(datagram);
    let message = messages.next().expect("a message").expect("well formed");
    assert!(messages.next().is_none());
    assert_eq!(message.sequence, 7);
    match message.body {
        Body::Part(attributes) => attributes,
        other => panic!("{other:?}"),
    }
}

fn web() -> ServiceKey {
    ServiceKey::Address {
        protocol: Protocol::Tcp,
        address: [192, 168, 6, 66].into(),
        port: 80,
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter_map(|byte| char::from(byte).to_digit(16))
        .map(|digit| u8::try_from(digit).expect("a digit"))
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

#[test]
#[cfg(target_endian = "little")]
fn the_worked_example() {
    let server = Destination {
        key: DestinationKey {
            address: [192, 168, 6, 42].into(),
            port: 80,
        },
        forward: Forward::Gate,
        weight: 2,
        upper_threshold: 0,
        lower_threshold: 0,
    };
    let change = Change::AddDestination(web(), server);
    let wanted = hex("
        84000000 1d00 0500 07000000 00000000
        05 01 00 00
        3000 0180 | 0600 0100 0200 0000 | 0600 0200 0600 0000 | 1400 0300 c0a80642 000000000000000000000000 | 0600 0400 0050 0000
        4000 0280 | 1400 0100 c0a8062a 000000000000000000000000 | 0600 0200 0050 0000 | 0800 0300 03000000 | 0800 0400 02000000 | 0800 0500 00000000 | 0800 0600 00000000
    ");
    assert_eq!(encoded(Request::Change(&change)), wanted);
}

#[test]
#[cfg(target_endian = "little")]
fn questions() {
    // Type 16, command 3, the name with its NUL.
    assert_eq!(
        encoded(Request::Family),
        hex("20000000 1000 0500 07000000 00000000  03 01 0000  0900 0200 49505653 00 000000")
    );
    assert_eq!(
        encoded(Request::Info),
        hex("14000000 1d00 0500 07000000 00000000  0f 01 0000")
    );
    assert_eq!(
        encoded(Request::Services),
        hex("14000000 1d00 0103 07000000 00000000  04 01 0000")
    );
    let key = ServiceKey::Mark {
        mark: 2,
        family: Family::V6,
    };
    assert_eq!(
        encoded(Request::Destinations(&key)),
        hex(
            "28000000 1d00 0103 07000000 00000000  08 01 0000 1400 0180 0600 0100 0a00 0000 0800 0500 02000000"
        )
    );
}

/// What a 6.1 kernel answers to the dump of services (`ipvs-netlink.md` 2): no nested flag, HASHED set, statistics.
#[test]
#[cfg(target_endian = "little")]
fn a_service_as_the_kernel_lists_it() {
    let attributes = hex("
        6000 0100 0600 0100 0200 0000  0600 0200 0600 0000  1400 0300 c0a80642 000000000000000000000000
        0600 0400 0050 0000  0800 0600 77727200  0c00 0700 02000000 ffffffff  0800 0800 00000000
        0800 0900 ffffffff  0c00 0a00 0800 0100 00000000
    ");
    assert_eq!(
        wire::service(&attributes),
        Ok(Some(Service::new(web(), "wrr")))
    );
}

#[test]
#[cfg(target_endian = "little")]
fn answers_of_the_controller_and_about_the_version() {
    let family = hex("0900 0200 49505653 00000000 0600 0100 1d00 0000 0800 0300 01000000");
    assert_eq!(wire::family_id(&family), Ok(0x1d));
    assert!(wire::family_id(&family[..12]).is_err());
    let info = wire::info(&hex("0800 0100 01020100 0800 0200 00100000")).expect("an answer");
    assert_eq!((info.version, info.table_size), ((1, 2, 1), 4096));
}

/// A destination's own family, a method without a name, connections.
#[test]
#[cfg(target_endian = "little")]
fn a_real_server_as_the_kernel_lists_it() {
    let attributes = hex("
        5000 0200 1400 0100 fd000006 00000000 00000000 0000002a  0600 0200 0050 0000  0800 0300 05000000
        0800 0400 02000000  0800 0700 03000000  0800 0800 04000000 0800 0900 05000000 0600 0b00 0a00 0000
    ");
    let (server, connections) = wire::destination(&attributes, Family::V4).expect("a server");
    assert_eq!(
        server.key.address,
        "fd00:6::2a".parse::<IpAddr>().expect("an address")
    );
    assert_eq!(server.forward, Forward::Local);
    assert_eq!(
        connections,
        Connections {
            active: 3,
            inactive: 4,
            persistent: 5
        }
    );
}

#[test]
fn lists_end_with_a_code_or_without() {
    let done = |payload: &[u8]| {
        let length = u32::try_from(16 + payload.len()).expect("short");
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(3u16.to_ne_bytes());
        bytes.extend(0x12u16.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend(payload);
        bytes
    };
    let read = |bytes: Vec<u8>| {
        let message = wire::messages(&bytes).next().expect("a message");
        message.map(|message| {
            assert!(message.interrupted);
            matches!(message.body, Body::End(0))
        })
    };
    assert_eq!(read(done(&[])), Ok(true));
    assert_eq!(read(done(&0i32.to_ne_bytes())), Ok(true));
    assert_eq!(read(done(&(-12i32).to_ne_bytes())), Ok(false));
    assert!(read(done(&[0, 0])).is_err());
}

fn address(family: Family) -> BoxedStrategy<IpAddr> {
    match family {
        Family::V4 => any::<[u8; 4]>().prop_map(IpAddr::from).boxed(),
        Family::V6 => any::<[u8; 16]>().prop_map(IpAddr::from).boxed(),
    }
}

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::V4), Just(Family::V6)]
}

fn key() -> impl Strategy<Value = ServiceKey> {
    let protocol = prop_oneof![
        Just(Protocol::Tcp),
        Just(Protocol::Udp),
        Just(Protocol::Sctp)
    ];
    let by_address = (protocol, family().prop_flat_map(address), any::<u16>()).prop_map(
        |(protocol, address, port)| ServiceKey::Address {
            protocol,
            address,
            port,
        },
    );
    let by_mark =
        (1..=u32::MAX, family()).prop_map(|(mark, family)| ServiceKey::Mark { mark, family });
    prop_oneof![by_address, by_mark]
}

fn service() -> impl Strategy<Value = Service> {
    let persistence = (any::<u32>(), any::<[u8; 4]>(), 1..=128u8);
    let flags = any::<[bool; 4]>();
    let name = proptest::string::string_regex("[a-z]{1,15}").expect("a pattern");
    (key(), name, flags, proptest::option::of(persistence)).prop_map(
        |(key, scheduler, [first, second, third, one_packet], persistence)| Service {
            key,
            scheduler,
            scheduler_flags: SchedulerFlags {
                first,
                second,
                third,
            },
            one_packet,
            persistence: persistence.map(|(timeout_s, mask, length)| Persistence {
                timeout_s,
                netmask: match key.family() {
                    Family::V4 => Netmask::V4(mask.into()),
                    Family::V6 => Netmask::V6(length),
                },
            }),
        },
    )
}

fn destination() -> impl Strategy<Value = Destination> {
    let forward = prop_oneof![
        Just(Forward::Gate),
        Just(Forward::Masq),
        Just(Forward::Ipip),
        Just(Forward::Local)
    ];
    (
        family().prop_flat_map(address),
        any::<u16>(),
        forward,
        any::<[u32; 3]>(),
    )
        .prop_map(
            |(address, port, forward, [weight, upper_threshold, lower_threshold])| Destination {
                key: DestinationKey { address, port },
                forward,
                weight,
                upper_threshold,
                lower_threshold,
            },
        )
}

/// Attributes as bytes that are at least shaped like attributes, so that the readers get far.
fn attributes() -> impl Strategy<Value = Vec<u8>> {
    let attribute = (
        0..16u16,
        proptest::collection::vec(any::<u8>(), 0..20),
        any::<i8>(),
    )
        .prop_map(|(kind, value, lie)| {
            let length = 4 + i32::try_from(value.len()).expect("short") + i32::from(lie / 64);
            let mut bytes = u16::try_from(length.max(0))
                .expect("short")
                .to_ne_bytes()
                .to_vec();
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        });
    proptest::collection::vec(attribute, 0..16).prop_map(|all| {
        let inner = all.concat();
        let length = u16::try_from(4 + inner.len()).expect("short");
        let mut bytes = Vec::new();
        for kind in [1u16, 2] {
            bytes.extend(length.to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(&inner);
        }
        bytes
    })
}

fn read_everything(attributes: &[u8]) {
    let _ = wire::family_id(attributes);
    let _ = wire::info(attributes);
    let _ = wire::service(attributes);
    for family in [Family::V4, Family::V6] {
        let _ = wire::destination(attributes, family);
    }
}

proptest! {
    #[test]
    fn services_come_back(service in service()) {
        for change in [Change::AddService(service.clone()), Change::EditService(service.clone())] {
            let bytes = encoded(Request::Change(&change));
            prop_assert!(bytes.len() <= REQUEST_LEN_MAX && bytes.len().is_multiple_of(4));
            prop_assert_eq!(wire::service(part(&bytes)), Ok(Some(service.clone())));
        }
    }

    #[test]
    fn real_servers_come_back(key in key(), server in destination()) {
        for change in [
            Change::AddDestination(key, server.clone()),
            Change::EditDestination(key, server.clone()),
        ] {
            let bytes = encoded(Request::Change(&change));
            prop_assert!(bytes.len() <= REQUEST_LEN_MAX && bytes.len().is_multiple_of(4));
            let answer = wire::destination(part(&bytes), key.family());
            prop_assert_eq!(answer, Ok((server.clone(), Connections::default())));
        }
    }

    /// Every cut of a good message is refused or read, never more.
    #[test]
    fn cut_off_messages_are_refused(service in service(), at in 0..200usize) {
        let bytes = encoded(Request::Change(&Change::AddService(service)));
        let cut = &bytes[..at.min(bytes.len() - 1)];
        prop_assert!(wire::messages(cut).all(|message| message.is_err()));
        let whole = part(&bytes);
        let cut = &whole[..at.min(whole.len() - 1)];
        prop_assert!(wire::service(cut).is_err());
    }

    #[test]
    fn no_bytes_make_it_panic(datagram in proptest::collection::vec(any::<u8>(), 0..300)) {
        for message in wire::messages(&datagram).flatten() {
            if let Body::Part(attributes) = message.body {
                read_everything(attributes);
            }
        }
        read_everything(&datagram);
        let _ = Batch::new(0, 3).take(&datagram);
    }

    #[test]
    fn no_attributes_make_it_panic(attributes in attributes()) {
        read_everything(&attributes);
    }
}

/// The longest request that is possible stays below the limit that the batches rely on.
#[test]
fn the_longest_request() {
    let key = ServiceKey::Address {
        protocol: Protocol::Sctp,
        address: "fd00::1".parse().expect("an address"),
        port: 1,
    };
    let service = Service::new(key, "x".repeat(SCHEDULER_LEN_MAX));
    let server = Destination {
        key: DestinationKey {
            address: [10, 0, 0, 1].into(),
            port: 0,
        },
        forward: Forward::Ipip,
        weight: 1,
        upper_threshold: 2,
        lower_threshold: 1,
    };
    for change in [
        Change::AddService(service),
        Change::AddDestination(key, server),
    ] {
        assert_eq!(change.check(), Ok(()));
        assert!(encoded(Request::Change(&change)).len() <= REQUEST_LEN_MAX);
    }
}
