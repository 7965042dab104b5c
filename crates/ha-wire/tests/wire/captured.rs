//! Packets captured from real legacy nodes: each decodes, verifies, and is made again byte for byte.

use crate::common::{ring, vector, vectors};
use ha_wire::{
    AuthCause, Compression, CompressionSettings, DecodeError, Encoding, Key, KeyRing, MAX_MESSAGE,
    Message, Method, decode_datagram, decode_full, decode_plain, encode_datagram, encode_plain,
    encode_serial, reencode,
};

#[test]
fn every_packet_decodes_and_verifies() {
    for vector in vectors() {
        let message = decode_datagram(vector.packet(), &vector.ring())
            .unwrap_or_else(|error| panic!("{}: {error}", vector.name));
        if vector.kind == "(compressed)" {
            assert!(message.kind().is_some(), "{}: {message:?}", vector.name);
            assert!(!message.contains("_compressed_payload"), "{}", vector.name);
        } else {
            assert_eq!(message.kind(), Some(&vector.kind[..]), "{}", vector.name);
        }
        assert!(message.text("src").is_some(), "{}", vector.name);
        assert!(
            message.hex("ts").is_some_and(|ts| ts > 0x6000_0000),
            "{}",
            vector.name
        );
    }
}

#[test]
fn every_packet_is_made_again() {
    for vector in vectors() {
        let keys = vector.ring();
        let (message, envelope) = decode_full(vector.packet(), &keys).unwrap();
        let again = reencode(&message, &envelope, &keys).unwrap();
        assert_eq!(
            again.escape_ascii().to_string(),
            vector.packet().escape_ascii().to_string(),
            "{}",
            vector.name
        );
    }
}

/// What 2.1.3 sent is what we send, through the functions that the daemon uses.
#[test]
fn our_packets_are_those_of_2_1_3() {
    let mut count = 0;
    for vector in vectors()
        .iter()
        .filter(|vector| vector.name.contains("-213-"))
    {
        let keys = vector.ring();
        let (mut message, envelope) = decode_full(vector.packet(), &keys).unwrap();
        message.remove("auth");
        let mut out = Vec::new();
        if vector.name.contains("-serial-") {
            encode_serial(&message, &keys, &mut out).unwrap();
        } else if envelope.compressed.is_some() {
            // Compared in `compressed_packets`.
            continue;
        } else {
            let settings = CompressionSettings::default();
            encode_datagram(&message, envelope.encoding, &keys, &settings, &mut out).unwrap();
        }
        assert_eq!(
            out.escape_ascii().to_string(),
            vector.packet().escape_ascii().to_string(),
            "{}",
            vector.name
        );
        count += 1;
    }
    assert!(count > 40, "{count}");
}

/// A stale digest in a field `auth` is replaced where it stands.
#[test]
fn auth_is_replaced_in_place() {
    let vector = vector("str-sha1-213-06-status-active.bin");
    let keys = vector.ring();
    let mut message = decode_datagram(vector.packet(), &keys).unwrap();
    message.set("auth", "7 stale");
    let mut out = Vec::new();
    let settings = CompressionSettings::default();
    encode_datagram(&message, Encoding::String, &keys, &settings, &mut out).unwrap();
    assert_eq!(out, vector.packet());
}

/// miniz and zlib need not compress to the same bytes, so what is compared is the inside.
#[test]
fn compressed_packets() {
    for (name, algorithm) in [
        ("net-sha1-213-50-zlib.bin", Compression::Zlib),
        ("net-sha1-306-50-bz2.bin", Compression::Bz2),
    ] {
        let vector = vector(name);
        let keys = vector.ring();
        let (message, envelope) = decode_full(vector.packet(), &keys).unwrap();
        let compressed = envelope.compressed.as_ref().unwrap();
        assert_eq!(compressed.algorithm, algorithm);
        assert_eq!(compressed.inner.encoding, Encoding::String);
        assert_eq!(compressed.inner.auth_field, Some(1));
        assert!(compressed.inner.nul);

        let settings = CompressionSettings {
            algorithm,
            threshold: 200,
            traditional: true,
        };
        let mut out = Vec::new();
        encode_datagram(&message, Encoding::String, &keys, &settings, &mut out).unwrap();
        let (ours, our_envelope) = decode_full(&out, &keys).unwrap();
        assert_eq!(ours, message);
        assert_eq!(our_envelope.compressed.unwrap().inner, compressed.inner);
    }
}

#[test]
fn compression_threshold_and_encodings() {
    let keys = ring(&[(1, Key::new(Method::Md5, "k"))]);
    let mut message = Message::new();
    message.push("t", "big");
    message.push("value", "x".repeat(3000));
    for encoding in [Encoding::String, Encoding::Netstring] {
        for (threshold, traditional, compressed) in [
            (2048, true, true),
            (2048, false, false),
            (4096, true, false),
        ] {
            let settings = CompressionSettings {
                threshold,
                traditional,
                ..CompressionSettings::default()
            };
            let mut out = Vec::new();
            encode_datagram(&message, encoding, &keys, &settings, &mut out).unwrap();
            let (mut back, envelope) = decode_full(&out, &keys).unwrap();
            assert_eq!(out.len() < 300, compressed);
            assert_eq!(envelope.compressed.is_some(), compressed);
            let inner = envelope
                .compressed
                .map_or(envelope.encoding, |it| it.inner.encoding);
            assert_eq!(inner, encoding);
            back.remove("auth");
            assert_eq!(back, message);
        }
    }
}

#[test]
fn the_foreign_packet_is_refused() {
    let vector = vector("neg-sha1-otherkey.bin");
    let keys = ring(&[(1, Key::new(Method::Sha1, "keyOne"))]);
    let Err(DecodeError::Authentication(failure)) = decode_datagram(vector.packet(), &keys) else {
        panic!("accepted");
    };
    assert_eq!(failure.cause, AuthCause::WrongDigest);
    assert_eq!(failure.encoding, Encoding::String);
    assert!(failure.node.is_some());
    assert!(decode_plain(vector.packet()).is_ok());
    let nobody = decode_datagram(vector.packet(), &KeyRing::new());
    assert!(
        matches!(nobody, Err(DecodeError::Authentication(_))),
        "{nobody:?}"
    );
}

#[test]
fn every_damaged_byte_is_noticed() {
    for name in [
        "str-sha1-213-06-status-active.bin",
        "str-md5-213-04-repnodes.bin",
        "str-crc-213-07-ackmsg-peer.bin",
        "net-sha1-306-06-status-active.bin",
        "net-md5-306-04-repnodes.bin",
        "net-crc-306-07-ackmsg-peer.bin",
        "net-sha1-213-50-zlib.bin",
        "net-sha1-306-50-bz2.bin",
    ] {
        let vector = vector(name);
        let keys = vector.ring();
        let mut packet = vector.packet().to_vec();
        for position in 0..packet.len() {
            let right = packet[position];
            for wrong in (0..=255).filter(|&wrong| wrong != right) {
                packet[position] = wrong;
                let result = decode_datagram(&packet, &keys);
                assert!(
                    result.is_err(),
                    "{name}: byte {position} as {wrong:#x}: {result:?}"
                );
            }
            packet[position] = right;
        }
        assert!(decode_datagram(&packet, &keys).is_ok());
    }
}

/// Without its NUL a string packet is still whole (`wire-protocol.md` 2.1); nothing else may be missing.
#[test]
fn cut_packets_are_refused() {
    for vector in vectors() {
        let keys = vector.ring();
        let packet = vector.packet();
        let whole = if packet.ends_with(&[0]) {
            packet.len() - 1
        } else {
            packet.len()
        };
        for length in 0..whole {
            assert!(
                decode_datagram(&packet[..length], &keys).is_err(),
                "{} {length}",
                vector.name
            );
            if let Err(error) = decode_plain(&packet[..length]) {
                error.legacy_lines(&packet[..length]);
            }
        }
        assert!(
            decode_datagram(&packet[..whole], &keys).is_ok(),
            "{}",
            vector.name
        );
    }
}

#[test]
fn icmp_packets_are_made_again() {
    let mut count = 0;
    for vector in vectors().iter().filter(|vector| vector.is_icmp()) {
        let echo = vector.echo();
        assert_eq!(
            echo.is_reply,
            vector.name.contains("reply"),
            "{}",
            vector.name
        );
        let mut out = Vec::new();
        echo.write(&mut out);
        assert_eq!(out, vector.bytes, "{}", vector.name);
        count += 1;
    }
    assert_eq!(count, 8);
}

/// Low process id 0x0011 as a little-endian machine has it, number 3 in network order.
#[cfg(target_endian = "little")]
#[test]
fn icmp_byte_orders() {
    let vector = vector("str-sha1-213-40-ping-request.icmp.bin");
    assert_eq!(
        (vector.echo().identifier, vector.echo().sequence),
        (0x11, 3)
    );
}

#[test]
fn local_traffic_is_what_the_network_carries_without_its_authentication() {
    for vector in vectors() {
        let keys = vector.ring();
        let message = decode_datagram(vector.packet(), &keys).unwrap();
        for encoding in [Encoding::String, Encoding::Netstring] {
            let mut out = Vec::new();
            encode_plain(&message, encoding, &mut out).unwrap();
            assert_eq!(decode_plain(&out).as_ref(), Ok(&message), "{}", vector.name);
            assert!(decode_datagram(&out, &keys).is_err() || encoding == Encoding::String);
        }
    }
}

#[test]
fn oversize_packets() {
    let keys = ring(&[(1, Key::new(Method::Crc, ""))]);
    let settings = CompressionSettings::default();
    let mut out = Vec::new();
    let empty = {
        let mut message = Message::new();
        message.push("v", "");
        encode_datagram(&message, Encoding::String, &keys, &settings, &mut out).unwrap();
        out.len()
    };
    let mut message = Message::new();
    // A digest may be shorter by leading zeros, so leave it some room.
    message.push("v", vec![b'x'; MAX_MESSAGE - 1 - empty - 8]);
    encode_datagram(&message, Encoding::String, &keys, &settings, &mut out).unwrap();
    assert_eq!(
        decode_datagram(&out, &keys).unwrap().get("v"),
        message.get("v")
    );

    message.set("v", vec![b'x'; MAX_MESSAGE]);
    for encoding in [Encoding::String, Encoding::Netstring] {
        assert!(encode_datagram(&message, encoding, &keys, &settings, &mut out).is_err());
        assert!(out.is_empty());
        assert!(encode_plain(&message, encoding, &mut out).is_err());
    }
    assert!(encode_serial(&message, &keys, &mut out).is_err());
    let packet = vec![b'>'; MAX_MESSAGE];
    assert_eq!(
        decode_datagram(&packet, &keys),
        Err(DecodeError::TooBig {
            length: MAX_MESSAGE
        })
    );
}

/// Lists, structs, compressed fields and odd names, as 3.0.6 sends them (`tests/vectors/types/README.md`).
#[test]
fn rare_field_types() {
    let keys = ring(&[(1, Key::new(Method::Sha1, "K"))]);
    for (name, written) in [
        ("list", &b"t=exp1\nplain=v\n(3)l=3:abc,4:defg,\n"[..]),
        (
            "struct",
            b"t=exp2\n(2)s=>>>\x14a=1\x14b=x\x131\x14<<<\x14\nz=1\n",
        ),
        ("compressed", b"t=exp3\n(4)c=Zm9v\nz=1\n"),
        ("carriage-return", b"t=exp4\ncr=ab\rcd\nz=1\n"),
        (
            "empty-binary-and-line-feed",
            b"t=exp5\n(1)e=\nempty=\nz=a\x13b\n",
        ),
        (
            "struct-in-struct",
            b"t=exp6\n(2)s=>>>\x14a=1\x14(2)n=>>>\x15q=2\x15<<<\x15\x14<<<\x14\nz=1\n",
        ),
        ("odd-names", b"t=exp8\nx<<<=1\n<<<y=2\nz=1\n"),
    ] {
        let path = format!(
            "{}/tests/vectors/types/{name}.bin",
            env!("CARGO_MANIFEST_DIR")
        );
        let packet = std::fs::read(path).unwrap();
        let (mut message, envelope) = decode_full(&packet, &keys).unwrap();
        let again = reencode(&message, &envelope, &keys).unwrap();
        assert_eq!(
            again.escape_ascii().to_string(),
            packet.escape_ascii().to_string(),
            "{name}"
        );

        // What the sender added is taken away; what was written to its FIFO is left.
        for added in ["src", "srcuuid", "seq", "hg", "ts", "ld", "ttl", "auth"] {
            message.remove(added);
        }
        let fifo = [b">>>\n", written, b"<<<\n"].concat();
        assert_eq!(decode_plain(&fifo), Ok(message), "{name}");
    }
}
