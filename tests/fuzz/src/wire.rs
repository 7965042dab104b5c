//! What arrives on a medium or the FIFO: messages in both forms, compressed and signed.

use ha_wire::icmp::Echo;
use ha_wire::stream::{Framing, StreamReader};
use ha_wire::{
    Compression, CompressionSettings, Encoding, Key, KeyRing, MAX_MESSAGE, MAX_UNCOMPRESSED,
    Message, Method, Value, decode_datagram, decode_full, decode_plain, encode_datagram,
    encode_plain, reencode,
};

use crate::Target;
use crate::seeds::{self, Seed};

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "wire_datagram",
        run: datagram,
        seeds: packets,
        words,
        length_max: 4096,
    },
    Target {
        name: "wire_string",
        run: string_form,
        seeds: string_bodies,
        words,
        length_max: 4096,
    },
    Target {
        name: "wire_netstring",
        run: netstring_form,
        seeds: netstring_bodies,
        words,
        length_max: 4096,
    },
    Target {
        name: "wire_compressed",
        run: compressed,
        seeds: payloads,
        words: seeds::no_words,
        length_max: 4096,
    },
    Target {
        name: "wire_stream",
        run: stream,
        seeds: streams,
        words,
        length_max: 8192,
    },
    Target {
        name: "icmp_echo",
        run: echo,
        seeds: echoes,
        words: seeds::no_words,
        length_max: 2048,
    },
];

/// The keys of the captured packets.
pub(crate) fn keys() -> KeyRing {
    let mut keys = KeyRing::new();
    keys.insert(1, Key::new(Method::Sha1, "wireTestKey-1"));
    keys.insert(2, Key::new(Method::Md5, "secretMd5"));
    keys.insert(3, Key::new(Method::Crc, ""));
    keys.set_outbound(1);
    keys
}

/// The captured packets.
pub(crate) fn packets() -> Vec<Seed> {
    let mut packets = seeds::files("crates/ha-wire/tests/vectors", ".bin");
    packets.extend(seeds::files("crates/ha-wire/tests/vectors/types", ".bin"));
    packets
}

fn words() -> Vec<Vec<u8>> {
    let mut words = seeds::words(
        ">>> <<< ### %%% t= src= (0) (1) (2) (3) (4) (5) auth=1 auth=2 auth=3 seq= hg= ts= ld= ttl= st= dt= \
         _compression_algorithm=zlib _compression_algorithm=bz2 (1)_compressed_payload= firstseq= lastseq=",
    );
    words.extend([
        b"\n".to_vec(),
        b"\x14".to_vec(),
        b"\x15".to_vec(),
        b"\0".to_vec(),
    ]);
    words
}

/// A datagram: nothing is believed without its digest, and what is accepted can be made again.
fn datagram(bytes: &[u8]) {
    let keys = keys();
    match decode_full(bytes, &keys) {
        Ok((message, envelope)) => {
            assert!(decode_datagram(bytes, &keys).as_ref() == Ok(&message));
            within_bounds(&message);
            if let Ok(again) = reencode(&message, &envelope, &keys) {
                let mut again = decode_datagram(&again, &keys).expect("our own packet");
                // The number of a key may be written in several ways.
                again.remove("auth");
                let mut message = message;
                message.remove("auth");
                assert_eq!(again, message);
            }
            assert!(
                decode_datagram(bytes, &KeyRing::new()).is_err(),
                "without keys nothing is believed"
            );
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            error.legacy_lines(bytes);
        }
    }
}

fn string_form(bytes: &[u8]) {
    plain(&[b">>>\n", bytes].concat());
}

fn netstring_form(bytes: &[u8]) {
    plain(&[b"###\n", bytes].concat());
}

/// A message without authentication: as it is, and signed by us with each method in each form.
fn plain(bytes: &[u8]) {
    let message = match decode_plain(bytes) {
        Ok(message) => message,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            error.legacy_lines(bytes);
            return;
        }
    };
    within_bounds(&message);
    assert!(!message.dump().is_empty());
    let mut out = Vec::new();
    for encoding in [Encoding::String, Encoding::Netstring] {
        let lossless = encoding == Encoding::Netstring || survives_as_string(&message);
        if encode_plain(&message, encoding, &mut out).is_ok() && lossless && !is_wrapper(&message) {
            assert!(out.len() < MAX_MESSAGE);
            assert_eq!(decode_plain(&out).as_ref(), Ok(&message), "{encoding:?}");
        }
    }
    if is_wrapper(&message) || message.contains("auth") {
        return;
    }
    let mut keys = keys();
    for index in 1..=3 {
        keys.set_outbound(index);
        for encoding in [Encoding::String, Encoding::Netstring] {
            let settings = CompressionSettings::default();
            let lossless = encoding == Encoding::Netstring || survives_as_string(&message);
            if encode_datagram(&message, encoding, &keys, &settings, &mut out).is_ok() && lossless {
                let mut decoded = decode_datagram(&out, &keys).expect("our own packet");
                decoded.remove("auth");
                assert_eq!(decoded, message, "{encoding:?} signed with key {index}");
            }
        }
    }
}

/// A compressed message; the last byte chooses the method.
fn compressed(bytes: &[u8]) {
    let Some((choice, payload)) = bytes.split_last() else {
        return;
    };
    let method = if choice & 1 == 0 { "zlib" } else { "bz2" };
    let mut wrapper = Message::new();
    wrapper.push("_compression_algorithm", method);
    wrapper.push_binary("_compressed_payload", payload);
    let mut packet = Vec::new();
    if encode_plain(&wrapper, Encoding::Netstring, &mut packet).is_err() {
        return;
    }
    if let Ok(message) = decode_plain(&packet) {
        within_bounds(&message);
    }
    // As one field of a message.
    let mut message = Message::new();
    message.push("t", "x");
    message.push_compressed("field", payload);
    if encode_plain(&message, Encoding::Netstring, &mut packet).is_ok() {
        let _ = decode_plain(&packet).map(|message| within_bounds(&message));
    }
}

/// A stream, whole and in pieces; the last byte is the size of the pieces.
fn stream(bytes: &[u8]) {
    let Some((size, bytes)) = bytes.split_last() else {
        return;
    };
    for framing in [Framing::Any, Framing::String] {
        let mut whole = Vec::new();
        StreamReader::new(framing).feed(bytes, |message| whole.push(message.to_vec()));
        let mut reader = StreamReader::new(framing);
        let mut pieces = Vec::new();
        for piece in bytes.chunks(usize::from(*size).max(1)) {
            reader.feed(piece, |message| pieces.push(message.to_vec()));
        }
        assert_eq!(whole, pieces, "{framing:?}");
        assert!(whole.iter().map(Vec::len).sum::<usize>() <= bytes.len());
        for message in whole {
            assert!(message.len() < MAX_MESSAGE);
            let _ = decode_plain(&message);
        }
    }
}

/// An echo is read as it was written.
fn echo(bytes: &[u8]) {
    if let [kind, i0, i1, s0, s1, payload @ ..] = bytes {
        let written = Echo {
            is_reply: kind & 1 != 0,
            identifier: u16::from_ne_bytes([*i0, *i1]),
            sequence: u16::from_ne_bytes([*s0, *s1]),
            payload,
        };
        let mut out = Vec::new();
        written.write(&mut out);
        assert_eq!(Echo::parse(&out), Some(written));
    }
    if let Some(echo) = Echo::parse(bytes) {
        let mut out = Vec::new();
        echo.write(&mut out);
        assert_eq!(Echo::parse(&out), Some(echo));
        assert_eq!(out.len(), bytes.len());
    }
    if let Some(echo) = Echo::parse_ipv4(bytes) {
        assert!(echo.payload.len() < bytes.len());
    }
}

/// Whether the message stands for another one that is compressed in it.
fn is_wrapper(message: &Message) -> bool {
    message.contains("_compressed_payload")
}

/// The string form has control characters that stand for a line feed; in the netstring form they may be themselves.
fn survives_as_string(message: &Message) -> bool {
    let plain = |bytes: &[u8]| !bytes.iter().any(|byte| (0x0f..=0x1f).contains(byte));
    message.fields().all(|field| {
        plain(field.name)
            && match field.value {
                Value::Text(text) => plain(text),
                Value::List(list) => list.iter().all(plain),
                Value::Struct(inner) => survives_as_string(inner),
                Value::Binary(_) | Value::Compressed(_) => true,
            }
    })
}

/// All values together, in bytes.
fn size(message: &Message) -> usize {
    message
        .fields()
        .map(|field| match field.value {
            Value::Text(bytes) | Value::Binary(bytes) | Value::Compressed(bytes) => bytes.len(),
            Value::List(list) => list.iter().map(<[u8]>::len).sum(),
            Value::Struct(inner) => size(inner),
        })
        .sum()
}

fn within_bounds(message: &Message) {
    assert!(size(message) <= MAX_UNCOMPRESSED);
}

/// The packets that begin so, without that.
fn bodies(start: &[u8]) -> Vec<Seed> {
    packets()
        .into_iter()
        .filter_map(|(name, packet)| Some((name, packet.strip_prefix(start)?.to_vec())))
        .collect()
}

fn string_bodies() -> Vec<Seed> {
    bodies(b">>>\n")
}

fn netstring_bodies() -> Vec<Seed> {
    bodies(b"###\n")
}

fn payloads() -> Vec<Seed> {
    let mut payloads = Vec::new();
    for (name, packet) in packets() {
        let Ok(message) = decode_plain(&packet) else {
            continue;
        };
        for (algorithm, choice) in [(Compression::Zlib, 0), (Compression::Bz2, 1)] {
            let settings = CompressionSettings {
                algorithm,
                threshold: 0,
                traditional: true,
            };
            let mut out = Vec::new();
            let keys = keys();
            if encode_datagram(&message, Encoding::String, &keys, &settings, &mut out).is_err() {
                continue;
            }
            let envelope = decode_full(&out, &keys).map(|(_, envelope)| envelope);
            if let Some(inner) = envelope.ok().and_then(|envelope| envelope.compressed) {
                let mut seed = inner.payload;
                seed.push(choice);
                payloads.push((format!("{name}-{}", algorithm.name()), seed));
            }
        }
    }
    // A few of each will do: the messages are much alike.
    payloads.into_iter().step_by(7).collect()
}

fn streams() -> Vec<Seed> {
    let packets = packets();
    packets
        .chunks(4)
        .zip(1_u8..)
        .map(|(some, size)| {
            let mut stream: Vec<u8> = some
                .iter()
                .flat_map(|(_, packet)| [packet.as_slice(), b"noise\n"].concat())
                .collect();
            stream.push(size);
            (format!("stream-{size}"), stream)
        })
        .collect()
}

fn echoes() -> Vec<Seed> {
    seeds::files("crates/ha-wire/tests/vectors", ".icmp.bin")
}
