//! Echo requests and replies of ping media (`wire-protocol.md` 7.5).
//!
//! ```text
//!  0                   1                   2                   3
//! |     type      |     code      |           checksum            |
//! |          identifier           |           sequence            |
//! |            payload: a complete message ...                    |
//! ```
//!
//! Checksum and sequence are in network byte order. The legacy stores the identifier, which is the low half of a process
//! id, as the machine has it; only its sender ever reads it, so the order does not matter between nodes.

/// Length of the header in bytes.
pub const HEADER_LENGTH: usize = 8;

const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;

/// An echo request or reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo<'a> {
    /// Whether this is the reply, or the request itself.
    pub is_reply: bool,
    /// Whose request it is.
    pub identifier: u16,
    /// Which request it is.
    pub sequence: u16,
    /// What was sent and should come back unchanged.
    pub payload: &'a [u8],
}

impl<'a> Echo<'a> {
    /// Reads an ICMP message, without IP header. `None` if it is no echo request or reply, is too short, or its checksum
    /// is wrong.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (header, payload) = bytes.split_first_chunk::<HEADER_LENGTH>()?;
        let &[kind, code, _, _, i0, i1, s0, s1] = header;
        let is_reply = match kind {
            ECHO_REPLY => true,
            ECHO_REQUEST => false,
            _ => return None,
        };
        // Over a whole packet with a right checksum, the sum is all ones.
        if code != 0 || checksum(&[bytes]) != 0 {
            return None;
        }
        let identifier = u16::from_ne_bytes([i0, i1]);
        let sequence = u16::from_be_bytes([s0, s1]);
        Some(Self {
            is_reply,
            identifier,
            sequence,
            payload,
        })
    }

    /// Reads an IPv4 packet as a raw socket delivers it.
    pub fn parse_ipv4(packet: &'a [u8]) -> Option<Self> {
        let &[first, _, length_high, length_low, ..] = packet else {
            return None;
        };
        let header_length = usize::from(first & 0x0f) * 4;
        if first >> 4 != 4 || header_length < 20 {
            return None;
        }
        // What the link layer added behind the packet is not part of it.
        let length = usize::from(u16::from_be_bytes([length_high, length_low]));
        Self::parse(packet.get(header_length..length)?)
    }

    /// Writes the ICMP message. `out` is cleared first.
    pub fn write(&self, out: &mut Vec<u8>) {
        let kind = if self.is_reply {
            ECHO_REPLY
        } else {
            ECHO_REQUEST
        };
        let [i0, i1] = self.identifier.to_ne_bytes();
        let [s0, s1] = self.sequence.to_be_bytes();
        let header = [kind, 0, 0, 0, i0, i1, s0, s1];
        let [c0, c1] = checksum(&[&header, self.payload]).to_be_bytes();
        out.clear();
        out.extend_from_slice(&[kind, 0, c0, c1, i0, i1, s0, s1]);
        out.extend_from_slice(self.payload);
    }
}

/// The internet checksum (RFC 1071) over the parts one after the other. All but the last must be of even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u64;
    for part in parts {
        let (pairs, last) = part.as_chunks::<2>();
        sum += pairs
            .iter()
            .map(|&pair| u64::from(u16::from_be_bytes(pair)))
            .sum::<u64>();
        sum += last.iter().map(|&byte| u64::from(byte) << 8).sum::<u64>();
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: Echo<'static> = Echo {
        is_reply: false,
        identifier: 0x1234,
        sequence: 258,
        payload: b"odd",
    };

    fn written(echo: Echo<'_>) -> Vec<u8> {
        let mut out = vec![1, 2, 3];
        echo.write(&mut out);
        out
    }

    #[test]
    fn there_and_back() {
        let bytes = written(REQUEST);
        assert_eq!(bytes.len(), HEADER_LENGTH + 3);
        assert_eq!(&bytes[6..8], [1, 2]);
        assert_eq!(Echo::parse(&bytes), Some(REQUEST));
        let reply = Echo {
            is_reply: true,
            payload: b"even",
            ..REQUEST
        };
        assert_eq!(Echo::parse(&written(reply)), Some(reply));
    }

    #[test]
    fn damage_is_noticed() {
        let bytes = written(REQUEST);
        for i in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[i] ^= 0x10;
            assert_eq!(Echo::parse(&damaged), None, "byte {i}");
            assert_eq!(Echo::parse(&bytes[..i]), None, "first {i} bytes");
        }
    }

    #[test]
    fn behind_an_ip_header() {
        let icmp = written(REQUEST);
        let mut packet = vec![0u8; 24];
        packet[0] = 0x46;
        packet[3] = (24 + icmp.len()) as u8;
        packet.extend_from_slice(&icmp);
        assert_eq!(Echo::parse_ipv4(&packet), Some(REQUEST));
        packet.extend_from_slice(b"padding");
        assert_eq!(Echo::parse_ipv4(&packet), Some(REQUEST));
        packet[0] = 0x66;
        assert_eq!(Echo::parse_ipv4(&packet), None);
        packet[0] = 0x44;
        assert_eq!(Echo::parse_ipv4(&packet), None);
        assert_eq!(Echo::parse_ipv4(&[0x45]), None);
        assert_eq!(Echo::parse_ipv4(&[0x45, 0, 0xff, 0xff]), None);
    }
}
