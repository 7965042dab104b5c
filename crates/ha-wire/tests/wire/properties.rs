//! What holds for all messages and all bytes.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::{ring, vectors};
use ha_wire::icmp::Echo;
use ha_wire::logd::{FACILITY_USER, Layout, LogRecord};
use ha_wire::stream::{Framing, StreamReader};
use ha_wire::{
    Compression, CompressionSettings, Encoding, Key, KeyRing, Message, Method, decode_datagram,
    decode_full, decode_plain, encode_client, encode_datagram, encode_plain, encode_serial,
    reencode,
};

fn keys() -> KeyRing {
    ring(&[
        (1, Key::new(Method::Sha1, "wireTestKey-1")),
        (2, Key::new(Method::Md5, "secretMd5")),
        (3, Key::new(Method::Crc, "")),
    ])
}

#[derive(Clone, Debug)]
enum Content {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    List(Vec<Vec<u8>>),
    Struct(Vec<(String, Content)>),
    Compressed(Vec<u8>),
}

/// Text that every form carries: no NUL, and none of the bytes that stand for a line end somewhere.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(b'\n'), 0x20u8..=0xff, Just(b'\r'), Just(b'\t')];
    vec(byte, 0..40)
}

fn name() -> impl Strategy<Value = String> {
    "[a-z_<][a-zA-Z0-9_ .:,()<>-]{0,12}".prop_filter("replaced when signing", |name| name != "auth")
}

fn flat() -> impl Strategy<Value = Content> {
    prop_oneof![
        4 => text().prop_map(Content::Text),
        2 => vec(any::<u8>(), 0..40).prop_map(Content::Binary),
        1 => vec(text().prop_filter("no empty items", |it| !it.is_empty()), 0..5)
            .prop_map(Content::List),
    ]
}

fn nested() -> impl Strategy<Value = Content> {
    let leaf = prop_oneof![4 => flat(), 1 => vec(any::<u8>(), 0..40).prop_map(Content::Compressed)];
    leaf.prop_recursive(4, 24, 4, |inner| {
        vec((name(), inner), 0..4).prop_map(Content::Struct)
    })
}

fn message(fields: Vec<(String, Content)>) -> Message {
    let mut message = Message::new();
    for (name, content) in fields {
        match content {
            Content::Text(text) => message.push(&name, text),
            Content::Binary(bytes) => message.push_binary(&name, &bytes),
            Content::List(items) => message.push_list(&name, items),
            Content::Struct(fields) => message.push_struct(&name, self::message(fields)),
            Content::Compressed(bytes) => message.push_compressed(&name, &bytes),
        }
    }
    message
}

fn any_message() -> impl Strategy<Value = Message> {
    vec((name(), nested()), 0..8).prop_map(message)
}

fn flat_message() -> impl Strategy<Value = Message> {
    vec((name(), flat()), 0..8).prop_map(message)
}

fn encoding() -> impl Strategy<Value = Encoding> {
    prop_oneof![Just(Encoding::String), Just(Encoding::Netstring)]
}

fn settings() -> impl Strategy<Value = CompressionSettings> {
    let algorithm = prop_oneof![Just(Compression::Zlib), Just(Compression::Bz2)];
    (algorithm, 0usize..400, any::<bool>()).prop_map(|(algorithm, threshold, traditional)| {
        CompressionSettings {
            algorithm,
            threshold,
            traditional,
        }
    })
}

/// Bytes that begin like a packet, so that the decoders get somewhere.
fn almost_packet() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"###\n".to_vec()),
        Just(b"%%%\n".to_vec()),
        Just(b">>>\n".to_vec()),
        Just(b"<<<\n".to_vec()),
        Just(b"6:(0)t=x,".to_vec()),
        Just(b"22:(2)s=###\n6:(0)a=1,%%%\n,".to_vec()),
        Just(b"9999999:".to_vec()),
        Just(b"(1)a=AA==\n".to_vec()),
        Just(b"(2)s=>>>\x14(2)s=>>>\x15<<<\x15\x14<<<\x14\n".to_vec()),
        Just(b"(3)l=1:a,\n".to_vec()),
        Just(b"auth=3 0\n".to_vec()),
        Just(b"_compression_algorithm=zlib\n".to_vec()),
        Just(b"(1)_compressed_payload=eJwDAAAAAAE=\n".to_vec()),
        vec(any::<u8>(), 0..12),
        "[0-9]{1,8}:\\(?[0-5]?\\)?[a-z]?=?[a-z]{0,3},?".prop_map(String::into_bytes),
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn decode_every_way(bytes: &[u8]) {
    let keys = keys();
    for result in [decode_datagram(bytes, &keys), decode_plain(bytes)] {
        match result {
            Ok(message) => assert!(!message.dump().is_empty()),
            Err(error) => {
                assert!(!error.to_string().is_empty());
                error.legacy_lines(bytes);
            }
        }
    }
    let _ = Echo::parse(bytes);
    let _ = Echo::parse_ipv4(bytes);
    for framing in [Framing::Any, Framing::String] {
        StreamReader::new(framing).feed(bytes, |message| {
            let _ = decode_plain(message);
        });
    }
}

proptest! {
    #[test]
    fn decoding_never_panics(bytes in vec(any::<u8>(), 0..300)) {
        decode_every_way(&bytes);
    }

    #[test]
    fn decoding_near_packets_never_panics(bytes in almost_packet()) {
        decode_every_way(&bytes);
    }

    #[test]
    fn decoding_damaged_packets_never_panics(
        which in 0usize..122,
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut packet = vectors().swap_remove(which).packet().to_vec();
        for (position, byte) in damage {
            let position = position.index(packet.len());
            packet[position] = byte;
        }
        decode_every_way(&packet);
        packet.truncate(cut.index(packet.len()));
        decode_every_way(&packet);
    }

    #[test]
    fn what_is_accepted_can_be_made_again(bytes in almost_packet()) {
        // A plain decode accepts what a signed one would, and signing makes it one.
        if let Ok(message) = decode_plain(&bytes) {
            let mut out = Vec::new();
            if encode_datagram(
                &message, Encoding::Netstring, &keys(), &CompressionSettings::default(), &mut out,
            ).is_ok() {
                let compressed = message.binary("_compressed_payload").is_some();
                prop_assert!(compressed || decode_datagram(&out, &keys()) == Ok(message));
            }
        }
    }

    #[test]
    fn datagrams_there_and_back(
        original in any_message(), encoding in encoding(), settings in settings(), index in 1u8..=3,
    ) {
        let mut keys = keys();
        keys.set_outbound(index);
        let mut out = Vec::new();
        encode_datagram(&original, encoding, &keys, &settings, &mut out).unwrap();
        let (mut message, envelope) = decode_full(&out, &keys).unwrap();
        prop_assert_eq!(&reencode(&message, &envelope, &keys).unwrap(), &out);
        message.remove("auth");
        prop_assert_eq!(message, original);
    }

    #[test]
    fn plain_there_and_back(original in any_message(), encoding in encoding()) {
        let mut out = Vec::new();
        encode_plain(&original, encoding, &mut out).unwrap();
        prop_assert_eq!(&decode_plain(&out).unwrap(), &original);
        encode_client(&original, encoding, &mut out).unwrap();
        prop_assert_eq!(&decode_plain(&out).unwrap(), &original);
    }

    /// The string form carries structs too, on serial lines.
    #[test]
    fn serial_there_and_back(original in any_message()) {
        let keys = keys();
        let mut out = Vec::new();
        encode_serial(&original, &keys, &mut out).unwrap();
        let mut found = Vec::new();
        StreamReader::new(Framing::String).feed(&out, |message| found.push(message.to_vec()));
        prop_assert_eq!(&found, &[out]);
        let mut message = decode_datagram(&found[0], &keys).unwrap();
        message.remove("auth");
        prop_assert_eq!(message, original);
    }

    #[test]
    fn streams_deliver_every_message(
        originals in vec((flat_message(), encoding()), 0..5), size in 1usize..50,
    ) {
        let mut stream = Vec::new();
        let mut out = Vec::new();
        for (original, encoding) in &originals {
            encode_plain(original, *encoding, &mut out).unwrap();
            stream.extend_from_slice(&out);
        }
        let mut reader = StreamReader::new(Framing::Any);
        let mut found = Vec::new();
        for piece in stream.chunks(size) {
            reader.feed(piece, |bytes| found.push(decode_plain(bytes).unwrap()));
        }
        prop_assert_eq!(found, originals.into_iter().map(|(it, _)| it).collect::<Vec<_>>());
    }

    /// One message, changed at random, against a list that is changed alike.
    #[test]
    fn changes_to_a_message(
        changes in vec((0u8..6, "[abc]", "[a-z]{0,9}"), 0..40),
    ) {
        let mut message = Message::new();
        let mut model: Vec<(String, String)> = Vec::new();
        for (change, name, value) in changes {
            let found = model.iter_mut().find(|(other, _)| *other == name);
            match change {
                0 | 1 => {
                    message.push(&name, &value);
                    model.push((name, value));
                }
                2 => {
                    message.insert_front(&name, &value);
                    model.insert(0, (name, value));
                }
                3 => {
                    prop_assert_eq!(message.remove(&name), found.is_some());
                    model.retain(|(other, _)| *other != name);
                }
                _ => {
                    message.set(&name, &value);
                    match found {
                        Some(field) => field.1 = value,
                        None => model.push((name, value)),
                    }
                }
            }
        }
        let mut fresh = Message::new();
        for (name, value) in &model {
            fresh.push(name, value);
        }
        prop_assert_eq!(message.len(), model.len());
        prop_assert_eq!(message, fresh);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_log_record_panic(body in vec(any::<u8>(), 0..200), text in any::<u32>(), length in 0..40usize) {
        let _ = LogRecord::decode(&body);
        // The same with numbers that come close to making sense.
        let mut close = body;
        let total = [60, 64, 92, 96][length % 4] + length;
        close.resize(total, b'x');
        for (at, number) in [(0, 2), (8, text % 9), (12, if text % 3 == 0 { text } else { length as u32 })] {
            close[at..at + 4].copy_from_slice(&u32::to_ne_bytes(number));
        }
        let _ = LogRecord::decode(&close);
    }

    #[test]
    fn log_records_survive(priority in 0..8u8, with_level: bool, pid: u32, seconds: u32, entity in "[^\\x00]{0,8}", text in "[^\\x00]{0,60}", glue: bool) {
        let record = LogRecord { facility: FACILITY_USER, priority, with_level, pid, entity, seconds: seconds.into(), text };
        let layout = if glue { Layout::Glue } else { Layout::Classic };
        let decoded = LogRecord::decode(&record.encode(layout));
        // Eight characters may be as long as the field of 2.1; then they are cut.
        let cut = !glue && record.entity.len() > 31;
        prop_assert!(cut || decoded == Ok((record, layout)));
    }
}
