//! Whose packets are believed, and what is logged about the others.

use crate::common::{ring, vector};
use ha_wire::{
    AuthCause, CompressionSettings, DecodeError, EncodeError, Encoding, Key, KeyRing, Message,
    Method, Severity, decode_datagram, decode_plain, encode_datagram,
};

fn status() -> Message {
    let mut message = Message::new();
    message.push("t", "status");
    message.push("src", "nodea");
    message.push_binary("srcuuid", &[7; 16]);
    message
}

fn packet(encoding: Encoding, keys: &KeyRing) -> Vec<u8> {
    let mut out = Vec::new();
    let settings = CompressionSettings::default();
    encode_datagram(&status(), encoding, keys, &settings, &mut out).unwrap();
    out
}

/// A packet that says index 2 and has the digest of this key.
fn says_two(encoding: Encoding, key: Key) -> Vec<u8> {
    packet(encoding, &ring(&[(2, key)]))
}

fn is_accepted(packet: &[u8], keys: &KeyRing) -> bool {
    match decode_datagram(packet, keys) {
        Ok(_) => true,
        Err(DecodeError::Authentication(failure)) => {
            assert_eq!(failure.cause, AuthCause::WrongDigest);
            false
        }
        Err(error) => panic!("{error}"),
    }
}

/// The same when the number itself may not be loaded.
fn believes(packet: &[u8], keys: &KeyRing) -> bool {
    decode_datagram(packet, keys).is_ok()
}

fn lines(packet: &[u8], error: &DecodeError) -> Vec<(Severity, String)> {
    error.legacy_lines(packet)
}

/// `wire-protocol.md` 3.4: `1 sha1 K`, `2 md5 k2`, `auth 1`.
#[test]
fn netstring_key_selection() {
    let keys = ring(&[
        (1, Key::new(Method::Sha1, "K")),
        (2, Key::new(Method::Md5, "k2")),
    ]);
    let netstring = |key| says_two(Encoding::Netstring, key);
    // As legacy receivers have it, and as it should be.
    assert!(is_accepted(&netstring(Key::new(Method::Md5, "K")), &keys));
    assert!(is_accepted(&netstring(Key::new(Method::Md5, "k2")), &keys));
    // The method is always that of the packet's index.
    assert!(!is_accepted(&netstring(Key::new(Method::Sha1, "K")), &keys));
    assert!(!is_accepted(
        &netstring(Key::new(Method::Sha1, "k2")),
        &keys
    ));
    assert!(!is_accepted(
        &netstring(Key::new(Method::Md5, "other")),
        &keys
    ));
}

#[test]
fn string_key_selection() {
    let keys = ring(&[
        (1, Key::new(Method::Sha1, "K")),
        (2, Key::new(Method::Md5, "k2")),
    ]);
    let string = |key| says_two(Encoding::String, key);
    assert!(is_accepted(&string(Key::new(Method::Md5, "k2")), &keys));
    assert!(!is_accepted(&string(Key::new(Method::Md5, "K")), &keys));
    assert!(!is_accepted(&string(Key::new(Method::Sha1, "K")), &keys));
}

/// How keys are changed without a pause (`docs/security.md`): the new key is loaded everywhere, then it signs, then the
/// old one goes. At no moment does a node refuse another one that is a step ahead or behind; before and after, the other
/// key is worth nothing.
#[test]
fn keys_are_changed_without_a_pause() {
    let old = || (1, Key::new(Method::Sha1, "old secret"));
    let new = || (2, Key::new(Method::Sha1, "new secret"));
    let steps = [
        ring(&[old()]),
        ring(&[old(), new()]),
        ring(&[new(), old()]),
        ring(&[new()]),
    ];
    for encoding in [Encoding::String, Encoding::Netstring] {
        for (number, sender) in steps.iter().enumerate() {
            for (other, receiver) in steps.iter().enumerate() {
                let accepted = believes(&packet(encoding, sender), receiver);
                if number.abs_diff(other) <= 1 {
                    assert!(accepted, "{encoding:?}: {number} to {other}");
                }
            }
        }
        assert!(!believes(&packet(encoding, &steps[0]), &steps[3]));
        assert!(!believes(&packet(encoding, &steps[3]), &steps[0]));
    }
}

/// Why `crc` must not be left in authkeys beside a secret: a packet chooses among the keys that are loaded.
#[test]
fn crc_is_believed_where_it_is_loaded_and_nowhere_else() {
    let secret = || (1, Key::new(Method::Sha1, "secret"));
    let crc = || (2, Key::new(Method::Crc, ""));
    for encoding in [Encoding::String, Encoding::Netstring] {
        let forged = packet(encoding, &ring(&[crc()]));
        assert!(believes(&forged, &ring(&[secret(), crc()])));
        assert!(!believes(&forged, &ring(&[secret()])));
        // Under the number of the secret it is not even tried.
        let renumbered = packet(encoding, &ring(&[(1, Key::new(Method::Crc, ""))]));
        assert!(!believes(&renumbered, &ring(&[secret()])));
        assert!(!believes(&renumbered, &ring(&[secret(), crc()])));
    }
}

#[test]
fn nothing_is_sent_without_key() {
    let mut keys = KeyRing::new();
    let mut out = vec![1];
    let settings = CompressionSettings::default();
    let result = encode_datagram(&status(), Encoding::String, &keys, &settings, &mut out);
    assert_eq!(result, Err(EncodeError::NoKey));
    assert!(out.is_empty());
    keys.set_outbound(3);
    let result = encode_datagram(&status(), Encoding::String, &keys, &settings, &mut out);
    assert_eq!(result, Err(EncodeError::NoKey));
}

#[test]
fn messages_with_structs_go_out_as_netstring() {
    let keys = ring(&[(1, Key::new(Method::Sha1, "K"))]);
    let settings = CompressionSettings::default();
    let mut message = status();
    message.push_struct("inner", status());
    let mut out = Vec::new();
    encode_datagram(&message, Encoding::String, &keys, &settings, &mut out).unwrap();
    assert!(out.starts_with(b"###\n"));
    assert_eq!(decode_datagram(&out, &keys), Ok(message));
}

#[test]
fn other_framing_is_dropped_silently() {
    for packet in [
        &b""[..],
        b">>>",
        b"hello, world",
        b"###",
        b">>> \n",
        b"\0\0\0\0",
        b"<<<\n",
    ] {
        let error = decode_datagram(packet, &KeyRing::new()).unwrap_err();
        assert_eq!(error, DecodeError::UnknownFraming, "{packet:?}");
        assert!(lines(packet, &error).is_empty());
        assert_eq!(decode_plain(packet), Err(DecodeError::UnknownFraming));
    }
}

#[test]
fn log_of_a_wrong_digest() {
    let keys = ring(&[(1, Key::new(Method::Sha1, "K"))]);
    let foreign = ring(&[(1, Key::new(Method::Sha1, "L"))]);

    let string = packet(Encoding::String, &foreign);
    let error = decode_datagram(&string, &keys).unwrap_err();
    let text = "string2msg_ll: node [nodea] failed authentication";
    assert_eq!(lines(&string, &error), [(Severity::Warning, text.into())]);

    let netstring = packet(Encoding::Netstring, &foreign);
    let error = decode_datagram(&netstring, &keys).unwrap_err();
    let logged = lines(&netstring, &error);
    assert!(
        logged
            .iter()
            .all(|(severity, _)| *severity == Severity::Error)
    );
    assert!(
        logged[0]
            .1
            .starts_with("authtoken does not match, authtoken="),
        "{logged:?}"
    );
    assert!(
        logged[1]
            .1
            .starts_with("netstring authentication failed, s=###\\x0a"),
        "{logged:?}"
    );
    assert!(logged[1].1.contains(", autotoken=1 "), "{logged:?}");
    assert_eq!(logged[2].1, "MSG: Dumping message with 3 fields");
    assert_eq!(logged[3].1, "MSG[0] : [t=status]");
    assert_eq!(logged.len(), 6);
}

/// Whoever can read the log must not learn how to sign that packet.
#[test]
fn our_digest_is_not_logged() {
    let keys = ring(&[(1, Key::new(Method::Sha1, "K"))]);
    for encoding in [Encoding::String, Encoding::Netstring] {
        let right = packet(encoding, &keys);
        let our_digest = right
            .split(|byte| !byte.is_ascii_hexdigit())
            .rfind(|word| word.len() == 40);
        let our_digest = String::from_utf8(our_digest.unwrap().to_vec()).unwrap();
        let foreign = packet(encoding, &ring(&[(1, Key::new(Method::Sha1, "L"))]));
        let error = decode_datagram(&foreign, &keys).unwrap_err();
        let said = format!("{error} {error:?} {:?}", lines(&foreign, &error));
        assert!(!said.contains(&our_digest), "{said}");
    }
}

#[test]
fn log_of_an_unknown_index() {
    let keys = ring(&[(1, Key::new(Method::Sha1, "K"))]);
    let string = says_two(Encoding::String, Key::new(Method::Sha1, "K"));
    let error = decode_datagram(&string, &keys).unwrap_err();
    assert_eq!(
        error.to_string(),
        "node [nodea] failed authentication: no key with index 2"
    );
    assert_eq!(
        lines(&string, &error),
        [
            (
                Severity::Warning,
                "Invalid authentication type [2] in message!".into()
            ),
            (
                Severity::Warning,
                "string2msg_ll: node [nodea] failed authentication".into()
            ),
        ]
    );

    let netstring = says_two(Encoding::Netstring, Key::new(Method::Sha1, "K"));
    let error = decode_datagram(&netstring, &keys).unwrap_err();
    let logged = lines(&netstring, &error);
    assert_eq!(
        logged[0],
        (
            Severity::Warning,
            "Invalid authentication [2] in message!".into()
        )
    );
    assert!(
        logged[1]
            .1
            .starts_with("netstring authentication failed, s=")
    );

    for index in ["16", "-1", "99999999999999999"] {
        let text = format!(">>>\nt=x\nauth={index} abc\n<<<\n");
        let error = decode_datagram(text.as_bytes(), &keys).unwrap_err();
        let expected = format!("Invalid authentication type [{index}] in message!");
        assert_eq!(lines(text.as_bytes(), &error)[0].1, expected);
        assert_eq!(
            lines(text.as_bytes(), &error)[1].1,
            "string2msg_ll: node [?] failed authentication"
        );
    }
}

#[test]
fn log_of_a_bad_token() {
    let keys = ring(&[(1, Key::new(Method::Sha1, "K"))]);
    for (auth, shown) in [
        ("", "(nil)"),
        ("auth=\n", ""),
        ("auth=1\n", "1"),
        ("auth=1 \n", "1 "),
        ("auth=x abc\n", "x abc"),
        ("auth=1  abc\n", "1  abc"),
        ("(1)auth=AA==\n", "(nil)"),
        ("auth=1 a b\n", "1 a b"),
    ] {
        let text = format!(">>>\nsrc=n\n{auth}<<<\n");
        let error = decode_datagram(text.as_bytes(), &keys).unwrap_err();
        let expected = format!("Bad/invalid auth token, authtoken={shown}");
        let logged = lines(text.as_bytes(), &error);
        assert_eq!(logged[0], (Severity::Warning, expected), "{auth:?}");
        assert_eq!(logged[1].1, "string2msg_ll: node [n] failed authentication");
    }
    let netstring = b"###\n7:(0)t=xy,%%%\n3:abc,";
    let error = decode_datagram(netstring, &keys).unwrap_err();
    assert_eq!(
        lines(netstring, &error)[0],
        (
            Severity::Warning,
            "Bad/invalid netstring auth string".into()
        )
    );
}

#[test]
fn log_of_a_missing_trailer() {
    let keys = ring(&[(1, Key::new(Method::Sha1, "K"))]);
    let packet = b"###\n6:(0)t=x,%%%\n";
    let error = decode_datagram(packet, &keys).unwrap_err();
    assert_eq!(error, DecodeError::MissingTrailer);
    let texts: Vec<String> = lines(packet, &error)
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    assert_eq!(
        texts,
        [
            "cl_parse_int: Couldn't parse an int from: ",
            "peel_netstring: Couldn't parse an int starting at: ",
            "peel_netstring() error in getting auth string",
            "sp=",
            "s=###\\x0a6:(0)t=x,%%%\\x0a",
        ]
    );
}

#[test]
fn log_of_a_line_without_equals() {
    let packet = b">>>\nt=status\nsrc=a\nword\n<<<\n";
    let error = decode_datagram(packet, &KeyRing::new()).unwrap_err();
    assert_eq!(
        lines(packet, &error),
        [
            (
                Severity::Warning,
                "ha_msg_add_nv_depth: line doesn't contain '='".into()
            ),
            (Severity::Error, "NV failure (string2msg_ll):".into()),
            (
                Severity::Error,
                "Input string: [>>>\\x0at=status\\x0asrc=a\\x0aword\\x0a<<<\\x0a]".into()
            ),
            (Severity::Error, "sp=word\\x0a<<<\\x0a".into()),
            (Severity::Error, "depth=0".into()),
            (Severity::Error, "MSG: Dumping message with 2 fields".into()),
            (Severity::Error, "MSG[0] : [t=status]".into()),
            (Severity::Error, "MSG[1] : [src=a]".into()),
        ]
    );
}

/// Seen in the log of 3.0.6.
#[test]
fn log_of_an_explicit_text_type() {
    let packet = b">>>\nt=x\n(0)q=x\n<<<\n";
    let error = decode_plain(packet).unwrap_err();
    let texts: Vec<String> = lines(packet, &error)
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    assert_eq!(
        texts,
        [
            "ha_msg_addraw_ll(): wrong type",
            "ha_msg_addraw_ll: addfield failed",
            "ha_msg_addraw(): ha_msg_addraw_ll failed",
            "NV failure (string2msg_ll):",
            "Input string: [>>>\\x0at=x\\x0a(0)q=x\\x0a<<<\\x0a]",
            "sp=(0)q=x\\x0a<<<\\x0a",
            "depth=0",
            "MSG: Dumping message with 1 fields",
            "MSG[0] : [t=x]",
        ]
    );
}

/// Seen in the log of 3.0.6.
#[test]
fn log_of_a_broken_netstring() {
    let packet = b"###\n99:(0)t=x,%%%\n";
    let error = decode_datagram(packet, &KeyRing::new()).unwrap_err();
    let texts: Vec<String> = lines(packet, &error)
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    assert_eq!(
        texts,
        [
            "netstring2msg_rec:peel_netstring fails for name/value pair",
            "sp=99:(0)t=x,%%%\\x0a",
            "peel_netstring: Couldn't parse an int starting at: ###\\x0a99:(0)t=x,%%%\\x0a",
            "peel_netstring() error in getting auth string",
            "sp=###\\x0a99:(0)t=x,%%%\\x0a",
            "s=###\\x0a99:(0)t=x,%%%\\x0a",
        ]
    );
}

#[test]
fn log_of_unknown_compression() {
    let mut outer = Message::new();
    outer.push_binary("_compressed_payload", b"whatever");
    outer.push("_compression_algorithm", "lzma");
    let mut packet = Vec::new();
    ha_wire::encode_plain(&outer, Encoding::Netstring, &mut packet).unwrap();
    let error = decode_plain(&packet).unwrap_err();
    assert_eq!(
        error,
        DecodeError::UnknownCompression {
            algorithm: "lzma".into()
        }
    );
    let logged = lines(&packet, &error);
    assert!(
        logged[0]
            .1
            .ends_with("compress method(lzma) is not supported in this machine")
    );
    assert_eq!(logged[1].1, "decompress msg failed");

    outer.set("_compression_algorithm", "zlib");
    ha_wire::encode_plain(&outer, Encoding::Netstring, &mut packet).unwrap();
    assert_eq!(decode_plain(&packet), Err(DecodeError::Decompression));
}

/// A huge packet must not become a huge log.
#[test]
fn logs_are_bounded() {
    let keys = ring(&[(1, Key::new(Method::Sha1, "K"))]);
    let mut big = status();
    for i in 0..2000 {
        big.push(&format!("f{i}"), "v".repeat(100));
    }
    for encoding in [Encoding::String, Encoding::Netstring] {
        let mut packet = Vec::new();
        let foreign = ring(&[(1, Key::new(Method::Sha1, "L"))]);
        let settings = CompressionSettings::default();
        encode_datagram(&big, encoding, &foreign, &settings, &mut packet).unwrap();
        let error = decode_datagram(&packet, &keys).unwrap_err();
        let logged = lines(&packet, &error);
        assert!(logged.len() <= 70, "{}", logged.len());
        assert!(logged.iter().all(|(_, text)| text.len() < 1400));
    }
}

/// The message is built only after the digest was found right.
#[test]
fn a_reused_message_is_empty_after_a_failure() {
    let vector = vector("str-sha1-213-06-status-active.bin");
    let mut message = status();
    let result = ha_wire::decode_datagram_into(vector.packet(), &KeyRing::new(), &mut message);
    assert!(result.is_err());
    assert!(message.is_empty());
    ha_wire::decode_datagram_into(vector.packet(), &vector.ring(), &mut message).unwrap();
    assert_eq!(message.text("st"), Some("active"));
    assert_eq!(message.hex("dt"), Some(0x1770));
    assert_eq!(message.decimal("ttl"), Some(3));
    assert_eq!(message.binary("srcuuid").map(<[u8]>::len), Some(16));
}
