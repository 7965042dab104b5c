//! `hb_identity`: UUID and generation once more, in one line that proves itself.
//!
//! ```text
//! uuid=14df500c-0508-52f2-4c12-790b4c59b6ac generation=1700000002 crc=0a1b2c3d
//! ```
//!
//! Either of the first two may be absent; `crc` is that of everything before it, as 8 hex digits.

use std::fmt::Write as _;

/// More than any line that we write.
pub(super) const LENGTH_MAX: u64 = 256;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Copy {
    pub(super) uuid: Option<[u8; 16]>,
    /// The highest generation used.
    pub(super) generation: Option<u64>,
}

impl Copy {
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        if let Some(uuid) = self.uuid {
            text.push_str("uuid=");
            for (position, byte) in uuid.iter().enumerate() {
                if matches!(position, 4 | 6 | 8 | 10) {
                    text.push('-');
                }
                let _ = write!(text, "{byte:02x}");
            }
            text.push(' ');
        }
        if let Some(generation) = self.generation {
            let _ = write!(text, "generation={generation} ");
        }
        let crc = crc32fast::hash(text.as_bytes());
        let _ = writeln!(text, "crc={crc:08x}");
        text
    }

    /// Nothing unless every byte is as we wrote it, and the generation is one that a node can have reached.
    pub(super) fn parse(bytes: &[u8]) -> Option<Copy> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut copy = Copy::default();
        for word in text.split_ascii_whitespace() {
            match word.split_once('=')? {
                ("uuid", digits) => copy.uuid = Some(uuid(digits)?),
                ("generation", number) => copy.generation = Some(number.parse().ok()?),
                // Compared as a whole below.
                ("crc", _) => {}
                _ => return None,
            }
        }
        let plausible = copy.generation.is_none_or(super::is_plausible);
        (plausible && copy.text() == text).then_some(copy)
    }
}

fn uuid(digits: &str) -> Option<[u8; 16]> {
    let digits: String = digits.chars().filter(|&c| c != '-').collect();
    if digits.len() != 32 {
        return None;
    }
    Some(u128::from_str_radix(&digits, 16).ok()?.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let whole = Copy {
            uuid: Some(*b"0123456789abcdef"),
            generation: Some(1_700_000_002),
        };
        let text = whole.text();
        assert!(
            text.starts_with(
                "uuid=30313233-3435-3637-3839-616263646566 generation=1700000002 crc="
            )
        );
        for copy in [
            whole,
            Copy {
                uuid: None,
                ..whole
            },
            Copy {
                generation: None,
                ..whole
            },
        ] {
            assert_eq!(Copy::parse(copy.text().as_bytes()), Some(copy));
        }
        for end in 0..text.len() {
            assert_eq!(Copy::parse(&text.as_bytes()[..end]), None, "{end}");
        }
        for position in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[position] ^= 1;
            assert_eq!(Copy::parse(&bytes), None, "{position}");
        }
        assert_eq!(Copy::parse(&[0xff; 256]), None);
        let last = Copy {
            generation: Some(u64::MAX),
            ..whole
        };
        assert_eq!(Copy::parse(last.text().as_bytes()), None, "none follows");
    }
}
