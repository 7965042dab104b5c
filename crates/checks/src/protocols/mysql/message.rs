//! Packets of the mysql protocol, version 10, as bytes.
//!
//! ```text
//! packet:    length(3, little-endian) sequence(1) payload; one of ff ff ff bytes goes on in the next packet
//! greeting:  0a version\0 thread(4) nonce(8) 00 capabilities(2) charset(1) status(2) capabilities(2)
//!            nonce length(1) reserved(10) nonce(12) 00 plugin\0
//! login:     capabilities(4) largest packet(4) charset(1) reserved(23) user\0 length(1) answer database\0 plugin\0
//! error:     ff code(2) [# state(5)] text
//! switch:    fe plugin\0 nonce(20) 00
//! ```

use crate::protocols::frames::{BadFrame, Header};
use crate::protocols::sql::{take, take_text};

/// Capabilities, as far as they concern us.
pub(super) mod capability {
    /// The login may name a database.
    pub(crate) const CONNECT_WITH_DB: u32 = 0x8;
    pub(crate) const PROTOCOL_41: u32 = 0x200;
    /// TLS before the login.
    pub(crate) const SSL: u32 = 0x800;
    pub(crate) const TRANSACTIONS: u32 = 0x2000;
    /// Answers of 20 bytes and more, length first.
    pub(crate) const SECURE_CONNECTION: u32 = 0x8000;
    pub(crate) const PLUGIN_AUTH: u32 = 0x8_0000;
    /// No packet between column definitions and rows, and another one at their end.
    pub(crate) const DEPRECATE_EOF: u32 = 0x100_0000;
    /// Without these nothing can be said.
    pub(crate) const NEEDED: u32 = PROTOCOL_41 | SECURE_CONNECTION;
}

/// utf8, which every server since 4.1 knows.
const CHARSET: u8 = 33;
/// A packet of this length goes on in the next one.
pub(super) const GOES_ON: usize = 0xff_ffff;

/// How a server wants to know who we are, and its nonce (nothing if it gives none).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) plugin: Vec<u8>,
    pub(super) nonce: Vec<u8>,
}

/// The server's first packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    pub(super) capabilities: u32,
    pub(super) challenge: Challenge,
}

impl Greeting {
    /// Takes it apart; none if it is of another version or not well formed.
    pub(super) fn read(payload: &[u8]) -> Option<Greeting> {
        let mut rest = payload.strip_prefix(b"\x0a")?;
        take_text(&mut rest)?;
        take::<4>(&mut rest)?;
        let mut nonce = take::<8>(&mut rest)?.to_vec();
        take::<1>(&mut rest)?;
        let [a, b] = take(&mut rest)?;
        // Servers before 4.1 end here.
        let [_charset, _, _] = take(&mut rest)?;
        let [c, d] = take(&mut rest)?;
        let capabilities = u32::from_le_bytes([a, b, c, d]);
        let [length] = take(&mut rest)?;
        take::<10>(&mut rest)?;
        let length = usize::from(length).saturating_sub(8).max(13);
        let (second, rest) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        nonce.extend(second.strip_suffix(&[0]).unwrap_or(second));
        // Old 5.5 servers forget the zero at the end.
        let plugin = rest.strip_suffix(&[0]).unwrap_or(rest);
        Some(Greeting {
            capabilities,
            challenge: Challenge {
                plugin: plugin.to_vec(),
                nonce,
            },
        })
    }
}

/// What `fe` asks for: to begin again in another way. None if it wants the passwords of before 4.1.
pub(super) fn read_switch(payload: &[u8]) -> Option<Challenge> {
    let mut rest = payload.strip_prefix(b"\xfe")?;
    let plugin = take_text(&mut rest)?.to_vec();
    let nonce = rest.strip_suffix(&[0]).unwrap_or(rest).to_vec();
    Some(Challenge { plugin, nonce })
}

/// A server's no: its code and its words.
pub(super) fn read_error(payload: &[u8]) -> Option<(u16, &[u8])> {
    let mut rest = payload.strip_prefix(b"\xff")?;
    let code = u16::from_le_bytes(take(&mut rest)?);
    // `#` and five characters of SQLSTATE; missing before the login.
    if rest.first() == Some(&b'#') {
        rest = rest.get(6..)?;
    }
    Some((code, rest))
}

/// The number of columns that begins a result.
pub(super) fn read_count(payload: &[u8]) -> Option<u64> {
    let (&first, rest) = payload.split_first()?;
    let bytes = match first {
        0..=0xfa => return rest.is_empty().then_some(u64::from(first)),
        0xfc => 2,
        0xfd => 3,
        0xfe => 8,
        _ => return None,
    };
    (rest.len() == bytes).then(|| {
        rest.iter()
            .rev()
            .fold(0, |count, &byte| count << 8 | u64::from(byte))
    })
}

/// The beginning of a login, all of the request to begin TLS.
pub(super) fn login_head(capabilities: u32) -> Vec<u8> {
    let mut payload = capabilities.to_le_bytes().to_vec();
    payload.extend(0x00ff_ffff_u32.to_le_bytes());
    payload.push(CHARSET);
    payload.extend([0; 23]);
    payload
}

/// A login. The answer has at most 255 bytes.
pub(super) fn login(
    capabilities: u32,
    user: &[u8],
    answer: &[u8],
    database: &[u8],
    plugin: &[u8],
) -> Vec<u8> {
    let mut payload = login_head(capabilities);
    payload.extend(user);
    payload.push(0);
    payload.push(u8::try_from(answer.len()).unwrap_or(u8::MAX));
    payload.extend(answer);
    if capabilities & capability::CONNECT_WITH_DB != 0 {
        payload.extend(database);
        payload.push(0);
    }
    if capabilities & capability::PLUGIN_AUTH != 0 {
        payload.extend(plugin);
        payload.push(0);
    }
    payload
}

/// Payload in packets; more than one if it is that long. A line of a configuration file never is.
pub(super) fn packets(mut sequence: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 4);
    let mut rest = payload;
    loop {
        let piece = rest.get(..GOES_ON).unwrap_or(rest);
        let length = u32::try_from(piece.len()).unwrap_or(0).to_le_bytes();
        out.extend(length.get(..3).unwrap_or_default());
        out.push(sequence);
        out.extend(piece);
        rest = rest.get(piece.len()..).unwrap_or_default();
        sequence = sequence.wrapping_add(1);
        if piece.len() < GOES_ON {
            return out;
        }
    }
}

/// Where a packet ends.
pub(super) fn read_header(bytes: &[u8]) -> Result<Option<Header>, BadFrame> {
    Ok(bytes.first_chunk().map(|&[a, b, c, _sequence]| Header {
        length: 4,
        body: usize::from(c) << 16 | usize::from(b) << 8 | usize::from(a),
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn counts() {
        assert_eq!(read_count(b"\x05"), Some(5));
        assert_eq!(read_count(b"\xfc\x01\x02"), Some(0x201));
        assert_eq!(read_count(b"\xfd\x01\x02\x03"), Some(0x3_0201));
        assert_eq!(read_count(b"\xfe\x01\0\0\0\0\0\0\0"), Some(1));
        for bad in [
            &b""[..],
            b"\x05\x05",
            b"\xfb",
            b"\xff",
            b"\xfc\x01",
            b"\xfe\x01",
        ] {
            assert_eq!(read_count(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn errors() {
        let denied = b"\xff\x15\x04#28000Access denied";
        assert_eq!(read_error(denied), Some((1045, &b"Access denied"[..])));
        let blocked = b"\xff\x69\x04Host is blocked";
        assert_eq!(read_error(blocked), Some((1129, &b"Host is blocked"[..])));
        assert_eq!(read_error(b"\xff\x69"), None);
        assert_eq!(read_error(b"\xff\x69\x04#123"), None);
    }

    #[test]
    fn long_payload_goes_on() {
        let payload = vec![7; GOES_ON + 5];
        let packets = packets(3, &payload);
        assert_eq!(packets.len(), payload.len() + 8);
        assert_eq!(packets[..4], [0xff, 0xff, 0xff, 3]);
        assert_eq!(packets[4 + GOES_ON..][..5], [5, 0, 0, 4, 7]);
        // Exactly full: an empty one says that it ends.
        assert_eq!(super::packets(0, &payload[..GOES_ON]).len(), GOES_ON + 8);
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = (Greeting::read(&bytes), read_switch(&bytes), read_error(&bytes), read_count(&bytes));
            let _ = Greeting::read(&[b"\x0a5\0", bytes.as_slice()].concat());
        }
    }
}
