//! What each host's init saw of the heartbeat traffic.
//!
//! Record: 8 bytes time (microseconds since 1970), 1 byte direction, 4 bytes interface index, 4 bytes
//! length, then the UDP payload; all numbers little endian. The file is only ever read by [`parse`].

use std::fs::File;
use std::io::Write;
use std::time::Duration;

/// UDP port of heartbeat (`udpport` is left at its default in the lab).
const HEARTBEAT_PORT: u16 = 694;

/// A capture is for understanding a failure, not for long term storage.
const CAPTURE_MAX: usize = 8 << 20;

/// Which way a packet went, as seen by the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The host sent it.
    Sent,
    /// The host received it.
    Received,
}

/// One heartbeat datagram.
#[derive(Clone, Debug)]
pub struct CapturedPacket {
    /// Wall-clock time since 1970.
    pub time: Duration,
    /// Sent or received.
    pub direction: Direction,
    /// The kernel's index of the interface inside the host.
    pub interface: u32,
    /// The UDP payload.
    pub payload: Vec<u8>,
}

/// Writes the capture file of one host.
pub(crate) struct Recorder {
    file: File,
    written: usize,
}

impl Recorder {
    pub(crate) fn new(file: File) -> Self {
        let written = file
            .metadata()
            .map_or(0, |m| usize::try_from(m.len()).unwrap_or(usize::MAX));
        Recorder { file, written }
    }

    /// Records the packet (an IPv4 packet without link header) if it is heartbeat's.
    pub(crate) fn record(
        &mut self,
        time: Duration,
        direction: Direction,
        interface: usize,
        packet: &[u8],
    ) {
        let Some(payload) = heartbeat_payload(packet) else {
            return;
        };
        if self.written >= CAPTURE_MAX {
            return;
        }
        let mut bytes = Vec::with_capacity(17 + payload.len());
        bytes.extend_from_slice(&u64::try_from(time.as_micros()).unwrap_or(0).to_le_bytes());
        bytes.push(u8::from(direction == Direction::Received));
        bytes.extend_from_slice(&u32::try_from(interface).unwrap_or(0).to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(0).to_le_bytes());
        bytes.extend_from_slice(payload);
        if self.file.write_all(&bytes).is_ok() {
            self.written += bytes.len();
        }
    }
}

/// The payload of a UDP packet to the heartbeat port; fragments are skipped.
fn heartbeat_payload(packet: &[u8]) -> Option<&[u8]> {
    let first = *packet.first()?;
    if first >> 4 != 4 || *packet.get(9)? != 17 {
        return None;
    }
    let header = usize::from(first & 15) * 4;
    let port = u16::from_be_bytes([*packet.get(header + 2)?, *packet.get(header + 3)?]);
    let length = usize::from(u16::from_be_bytes([
        *packet.get(header + 4)?,
        *packet.get(header + 5)?,
    ]));
    if port != HEARTBEAT_PORT {
        return None;
    }
    packet.get(header + 8..(header + length).min(packet.len()))
}

/// Reads a capture file back; an incomplete last record is left out.
pub(crate) fn parse(bytes: &[u8]) -> Vec<CapturedPacket> {
    let mut packets = Vec::new();
    let mut rest = bytes;
    while let Some((packet, tail)) = parse_one(rest) {
        packets.push(packet);
        rest = tail;
    }
    packets
}

fn parse_one(bytes: &[u8]) -> Option<(CapturedPacket, &[u8])> {
    let (time, rest) = bytes.split_first_chunk::<8>()?;
    let (direction, rest) = rest.split_first()?;
    let (interface, rest) = rest.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (payload, rest) =
        rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    let packet = CapturedPacket {
        time: Duration::from_micros(u64::from_le_bytes(*time)),
        direction: if *direction == 0 {
            Direction::Sent
        } else {
            Direction::Received
        },
        interface: u32::from_le_bytes(*interface),
        payload: payload.to_vec(),
    };
    Some((packet, rest))
}

impl CapturedPacket {
    /// One line for people: the fields that tell something, for string and netstring messages alike.
    pub fn summary(&self) -> String {
        let text = String::from_utf8_lossy(&self.payload);
        let separators = |c: char| c == '\n' || c == ',' || c == '\0';
        let dull = [
            "auth=",
            "srcuuid=",
            "destuuid=",
            "ts=",
            "ld=",
            "ttl=",
            "protocol=",
        ];
        let mut words = Vec::new();
        for part in text.split(separators) {
            // A netstring's piece ends where the length of the next one begins; that length is a part of
            // the piece after the comma and is cut at its colon.
            let part = part
                .split_once(':')
                .filter(|(n, _)| n.bytes().all(|b| b.is_ascii_digit()))
                .map_or(part, |(_, p)| p);
            // The field's type is shown as a leading "(0)" or "(1)" by both encodings of newer versions.
            let part = part
                .strip_prefix("(0)")
                .or_else(|| part.strip_prefix("(1)"))
                .unwrap_or(part);
            if part.contains('=') && !dull.iter().any(|d| part.starts_with(d)) {
                words.push(
                    part.chars()
                        .filter(|c| !c.is_control())
                        .take(80)
                        .collect::<String>(),
                );
            }
        }
        if words.is_empty() {
            return format!("{} bytes that are no message", self.payload.len());
        }
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ipv4_udp(port: u16, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45; 1];
        packet.resize(20, 0);
        packet[9] = 17;
        packet.extend_from_slice(&1000u16.to_be_bytes());
        packet.extend_from_slice(&port.to_be_bytes());
        packet.extend_from_slice(&u16::try_from(payload.len() + 8).unwrap().to_be_bytes());
        packet.extend_from_slice(&[0, 0]);
        packet.extend_from_slice(payload);
        packet
    }

    #[test]
    fn only_heartbeat_datagrams_count() {
        assert_eq!(
            heartbeat_payload(&ipv4_udp(694, b"hello")),
            Some(&b"hello"[..])
        );
        assert_eq!(heartbeat_payload(&ipv4_udp(53, b"hello")), None);
        for cut in 0..28 {
            assert_eq!(
                heartbeat_payload(&ipv4_udp(694, b"x")[..cut]),
                None,
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn a_capture_file_is_read_as_written() {
        let path = std::env::temp_dir().join(format!("ha-lab-capture-{}", std::process::id()));
        let mut recorder = Recorder::new(File::create(&path).unwrap());
        recorder.record(
            Duration::from_micros(7),
            Direction::Sent,
            2,
            &ipv4_udp(694, b"t=status\nst=up\n"),
        );
        recorder.record(
            Duration::from_micros(9),
            Direction::Received,
            3,
            &ipv4_udp(694, b"abc"),
        );
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let packets = parse(&bytes[..bytes.len()]);
        assert_eq!(packets.len(), 2);
        assert_eq!(packets[0].summary(), "t=status st=up");
        assert_eq!(packets[1].direction, Direction::Received);
        assert_eq!(packets[1].payload, b"abc");
        assert_eq!(parse(&bytes[..bytes.len() - 1]).len(), 1);
    }
}
