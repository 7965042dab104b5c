//! Hardware addresses and ARP frames as bytes. Pure.

use std::error::Error;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// Bytes of an ARP frame on Ethernet, without padding and checksum.
pub const FRAME_LEN: usize = 42;

const ETHERTYPE_ARP: u16 = 0x0806;
const HARDWARE_ETHERNET: u16 = 1;
const PROTOCOL_IPV4: u16 = 0x0800;

/// An Ethernet hardware address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// All stations.
    pub const BROADCAST: Mac = Mac([0xff; 6]);
    /// The unknown target of a request.
    pub const ZERO: Mac = Mac([0; 6]);
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a hardware address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseMacError;

impl fmt::Display for ParseMacError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a hardware address: expected six bytes as 12 hexadecimal digits, with or without colons")
    }
}

impl Error for ParseMacError {}

impl FromStr for Mac {
    type Err = ParseMacError;

    /// Reads twelve hexadecimal digits with or without colons. The legacy's send_arp misreads the colon form
    /// (`resource-scripts.md` 4); both are accepted here.
    fn from_str(text: &str) -> Result<Mac, ParseMacError> {
        let digits: Vec<u8> = match text.contains(':') {
            false if text.len() == 12 => text.bytes().collect(),
            true if text.len() == 17 && text.split(':').all(|part| part.len() == 2) => {
                text.bytes().filter(|&byte| byte != b':').collect()
            }
            _ => return Err(ParseMacError),
        };
        let mut mac = [0; 6];
        for (byte, pair) in mac.iter_mut().zip(digits.chunks_exact(2)) {
            let mut value = 0;
            for &digit in pair {
                value = value * 16 + char::from(digit).to_digit(16).ok_or(ParseMacError)?;
            }
            *byte = u8::try_from(value).map_err(|_| ParseMacError)?;
        }
        Ok(Mac(mac))
    }
}

/// The operation field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// 1: who has the target address?
    Request,
    /// 2: I have the sender address.
    Reply,
}

/// One ARP frame for IPv4 on Ethernet.
///
/// ```text
///  0                   6                   12      14
/// +-------------------+-------------------+-------+
/// | ethernet target   | ethernet source   | 08 06 |
/// +-------+-------+---+---+-------+-------+-------+
/// | 00 01 | 08 00 | 6 | 4 | operation: 1 request, 2 reply       from byte 14
/// +-------+-------+---+---+-------+
/// | sender hardware (6)   | sender IPv4 (4)                      from byte 22
/// +-----------------------+-------+
/// | target hardware (6)   | target IPv4 (4)                      from byte 32
/// +-----------------------+-------+
/// ```
///
/// Numbers are big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArpFrame {
    /// Where the frame goes.
    pub ethernet_target: Mac,
    /// Who sends the frame.
    pub ethernet_source: Mac,
    /// Request or reply.
    pub purpose: Purpose,
    /// The hardware address that `sender_ip` is said to have.
    pub sender_mac: Mac,
    /// The address that is claimed.
    pub sender_ip: Ipv4Addr,
    /// The hardware address asked for (zero) or told.
    pub target_mac: Mac,
    /// The address asked for or told.
    pub target_ip: Ipv4Addr,
}

impl ArpFrame {
    /// An announcement, also called gratuitous ARP: broadcast, sender and target are the same address
    /// (`resource-scripts.md` 4.1). A request leaves the target's hardware address zero, a reply repeats the sender's.
    pub fn announcement(purpose: Purpose, device: Mac, mac: Mac, address: Ipv4Addr) -> ArpFrame {
        ArpFrame {
            ethernet_target: Mac::BROADCAST,
            ethernet_source: device,
            purpose,
            sender_mac: mac,
            sender_ip: address,
            target_mac: match purpose {
                Purpose::Request => Mac::ZERO,
                Purpose::Reply => mac,
            },
            target_ip: address,
        }
    }

    /// The frame's bytes.
    pub fn encode(&self) -> [u8; FRAME_LEN] {
        let operation: u16 = match self.purpose {
            Purpose::Request => 1,
            Purpose::Reply => 2,
        };
        let mut frame = [0; FRAME_LEN];
        let mut rest: &mut [u8] = &mut frame;
        put(&mut rest, &self.ethernet_target.0);
        put(&mut rest, &self.ethernet_source.0);
        put(&mut rest, &ETHERTYPE_ARP.to_be_bytes());
        put(&mut rest, &HARDWARE_ETHERNET.to_be_bytes());
        put(&mut rest, &PROTOCOL_IPV4.to_be_bytes());
        put(&mut rest, &[6, 4]);
        put(&mut rest, &operation.to_be_bytes());
        put(&mut rest, &self.sender_mac.0);
        put(&mut rest, &self.sender_ip.octets());
        put(&mut rest, &self.target_mac.0);
        put(&mut rest, &self.target_ip.octets());
        frame
    }

    /// Reads a frame, padded or not. `None` for anything but a request or reply for IPv4 on Ethernet.
    pub fn decode(bytes: &[u8]) -> Option<ArpFrame> {
        let mut rest = bytes;
        let ethernet_target = Mac(take(&mut rest)?);
        let ethernet_source = Mac(take(&mut rest)?);
        let kinds = [ETHERTYPE_ARP, HARDWARE_ETHERNET, PROTOCOL_IPV4];
        for kind in kinds {
            if u16::from_be_bytes(take(&mut rest)?) != kind {
                return None;
            }
        }
        if take(&mut rest)? != [6, 4] {
            return None;
        }
        let purpose = match u16::from_be_bytes(take(&mut rest)?) {
            1 => Purpose::Request,
            2 => Purpose::Reply,
            _ => return None,
        };
        Some(ArpFrame {
            ethernet_target,
            ethernet_source,
            purpose,
            sender_mac: Mac(take(&mut rest)?),
            sender_ip: take::<4>(&mut rest)?.into(),
            target_mac: Mac(take(&mut rest)?),
            target_ip: take::<4>(&mut rest)?.into(),
        })
    }
}

/// Writes `bytes` at the front of `rest` and moves `rest` behind them. The caller's fields add up to [`FRAME_LEN`].
fn put(rest: &mut &mut [u8], bytes: &[u8]) {
    if let Some((head, tail)) = std::mem::take(rest).split_at_mut_checked(bytes.len()) {
        head.copy_from_slice(bytes);
        *rest = tail;
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DEVICE: Mac = Mac([0x02, 0, 0, 0, 0, 0x0a]);

    #[test]
    fn request_form_is_the_legacys_byte_for_byte() {
        let vip = Ipv4Addr::new(192, 168, 6, 66);
        let frame = ArpFrame::announcement(Purpose::Request, DEVICE, DEVICE, vip).encode();
        let expected: [u8; FRAME_LEN] = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 0, 0x0a, 0x08,
            0x06, // Ethernet
            0, 1, 8, 0, 6, 4, 0, 1, // request
            0x02, 0, 0, 0, 0, 0x0a, 192, 168, 6, 66, // sender
            0, 0, 0, 0, 0, 0, 192, 168, 6, 66, // target
        ];
        assert_eq!(frame, expected);
    }

    #[test]
    fn reply_form_repeats_the_announced_hardware_address() {
        let vip = Ipv4Addr::new(10, 0, 0, 1);
        let announced = Mac([0, 0xa0, 0xcc, 0x34, 0xa8, 0x78]);
        let frame = ArpFrame::announcement(Purpose::Reply, DEVICE, announced, vip).encode();
        let expected: [u8; FRAME_LEN] = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 0, 0x0a, 0x08,
            0x06, // the device really sends
            0, 1, 8, 0, 6, 4, 0, 2, // reply
            0, 0xa0, 0xcc, 0x34, 0xa8, 0x78, 10, 0, 0, 1, // sender
            0, 0xa0, 0xcc, 0x34, 0xa8, 0x78, 10, 0, 0, 1, // target
        ];
        assert_eq!(frame, expected);
    }

    #[test]
    fn hardware_addresses_are_read_with_and_without_colons() {
        let mac = Mac([0x00, 0xa0, 0xcc, 0x34, 0xa8, 0x78]);
        assert_eq!("00a0cc34a878".parse(), Ok(mac));
        assert_eq!("00:A0:cc:34:a8:78".parse(), Ok(mac));
        assert_eq!(mac.to_string(), "00:a0:cc:34:a8:78");
        for bad in [
            "",
            "auto",
            "00a0cc34a8",
            "00a0cc34a87",
            "00a0cc34a8788",
            "00:a0:cc:34:a8",
            "0:0a0:cc:34:a8:78",
        ] {
            assert_eq!(bad.parse::<Mac>(), Err(ParseMacError), "{bad}");
        }
        assert_eq!("00a0cc34a8é".parse::<Mac>(), Err(ParseMacError));
        assert_eq!("+0a0cc34a878".parse::<Mac>(), Err(ParseMacError));
    }

    proptest! {
        #[test]
        fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = ArpFrame::decode(&bytes);
        }

        #[test]
        fn what_was_encoded_is_decoded(
            macs in any::<[[u8; 6]; 4]>(), ips in any::<[[u8; 4]; 2]>(), reply in any::<bool>(), padding in 0usize..20,
        ) {
            let frame = ArpFrame {
                ethernet_target: Mac(macs[0]),
                ethernet_source: Mac(macs[1]),
                purpose: if reply { Purpose::Reply } else { Purpose::Request },
                sender_mac: Mac(macs[2]),
                sender_ip: ips[0].into(),
                target_mac: Mac(macs[3]),
                target_ip: ips[1].into(),
            };
            let mut bytes = frame.encode().to_vec();
            bytes.resize(FRAME_LEN + padding, 0);
            prop_assert_eq!(ArpFrame::decode(&bytes), Some(frame));
        }

        #[test]
        fn a_short_frame_is_refused(length in 0..FRAME_LEN) {
            let frame = ArpFrame::announcement(Purpose::Reply, DEVICE, DEVICE, Ipv4Addr::LOCALHOST).encode();
            prop_assert_eq!(ArpFrame::decode(&frame[..length]), None);
        }
    }
}
