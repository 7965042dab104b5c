//! A datagram on its way, and what the simulation knows of it without decoding it.

use std::rc::Rc;
use std::time::Duration;

/// A datagram of a node.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    /// The machine that sent it.
    pub(crate) from: usize,
    /// The generation of the process that sent it.
    pub(crate) generation: u64,
    /// When first.
    pub(crate) sent: Duration,
    pub(crate) bytes: Rc<[u8]>,
    /// Its number; none for the unnumbered.
    pub(crate) seq: Option<u64>,
    /// For a status: how long its sender may be silent from now on.
    pub(crate) status: Option<Duration>,
    /// It speaks of resources.
    pub(crate) resources: bool,
}

impl Packet {
    pub(crate) fn new(from: usize, generation: u64, sent: Duration, bytes: Rc<[u8]>) -> Packet {
        let kind = field(&bytes, b"t").unwrap_or_default();
        let seq = field(&bytes, b"seq").and_then(hex);
        let status = (kind == b"status")
            .then(|| field(&bytes, b"dt").and_then(hex))
            .flatten()
            .map(Duration::from_millis);
        let resources = matches!(
            kind,
            b"resource"
                | b"ask_resources"
                | b"starting"
                | b"shutdone"
                | b"ip-request"
                | b"ip-request-resp"
                | b"hb_takeover"
        );
        Packet {
            from,
            generation,
            sent,
            seq,
            status,
            resources,
            bytes,
        }
    }

    /// The message in one line, without what every message has.
    pub(crate) fn summary(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        let mut line = String::new();
        for part in text.split(['\n', ',']) {
            let part = part.rsplit("(0)").next().unwrap_or(part);
            let known = [
                "t=",
                "rsc_hold=",
                "isstable=",
                "info=",
                "dest=",
                "ipaddr=",
                "weown=",
                "node=",
                "result=",
                "seq=",
            ];
            if known.iter().any(|name| part.starts_with(name)) {
                line += part;
                line.push(' ');
            }
        }
        line
    }
}

/// The value of a text field in either form, found without parsing: fields begin after a line feed (string form) or after
/// their type digit (netstring form).
fn field<'a>(bytes: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let end = match bytes.starts_with(b"###") {
        true => b',',
        false => b'\n',
    };
    let mut at = 0;
    while let Some(offset) = bytes.get(at..)?.iter().position(|&byte| byte == b'=') {
        let equals = at + offset;
        let starts_at = equals.checked_sub(name.len() + 1)?;
        let separator = bytes.get(starts_at).copied();
        if matches!(separator, Some(b'\n' | b')')) && bytes.get(starts_at + 1..equals) == Some(name)
        {
            let value = bytes.get(equals + 1..)?;
            let length = value.iter().position(|&byte| byte == end)?;
            return value.get(..length);
        }
        at = equals + 1;
    }
    None
}

fn hex(text: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(bytes: &[u8]) -> Packet {
        Packet::new(0, 7, Duration::ZERO, Rc::from(bytes))
    }

    #[test]
    fn both_forms_tell_number_and_dead_time_of_a_status() {
        let string =
            packet(b">>>\nt=status\nst=up\ndt=2710\n(1)srcuuid=AA==\nseq=1f\nhg=7\n<<<\n\0");
        let netstring = packet(b"###\n11:(0)t=status,8:(0)st=up,10:(0)dt=2710,9:(0)seq=1f,%%%\n");
        for packet in [string, netstring] {
            assert_eq!(packet.status, Some(Duration::from_secs(10)));
            assert_eq!(packet.seq, Some(0x1f));
            assert!(!packet.resources);
        }
    }

    #[test]
    fn what_is_no_status_has_no_dead_time_and_the_unnumbered_no_number() {
        let packet = packet(b">>>\nt=NS_ackmsg\nackseq=5\ndest=a\n<<<\n\0");
        assert_eq!((packet.status, packet.seq), (None, None));
    }
}
