//! The record that a client hands to the logging daemon (`client-api.md` 9).
//!
//! ```text
//!  0      4          8          12            16           20    24            24+e     24+e+l   total
//!  +------+----------+----------+-------------+------------+-----+-------------+--------+--------+
//!  | 2    | facility | priority | text length | with level | pid | entity, NUL | seconds| text,  |
//!  |      |          | 0 to 7   | with NUL    | 0 or 1     |     | padded      |        | NUL    |
//!  +------+----------+----------+-------------+------------+-----+-------------+--------+--------+
//!   all: u32 in the byte order of the machine                     e = 32 or 64   l = 4 or 8
//! ```
//!
//! Release 2.1 has room for 32 octets of entity, cluster-glue 1.0.12 for 64; seconds are a `long` of the sender, so 4
//! octets in a 32-bit program. Nothing in the record says which of the four it is, but what stands before the text is
//! 60, 64, 92 or 96 octets long, and that is the total length less the length of the text.

use std::fmt;

/// The only type of record there is.
const TYPE_TEXT: u32 = 2;

/// Octets before the entity.
const NUMBERS: usize = 24;

/// What a log client calls its facility, `LOG_USER`. A logging daemon uses the one of its configuration.
pub const FACILITY_USER: u32 = 8;

/// The library of release 2.1 cuts texts here, in octets without the NUL.
pub const CLASSIC_TEXT_MAX: usize = 511;

/// Longest text that is believed, in octets: the longest line that the legacy writes into a file, and then some.
pub const TEXT_MAX: usize = 16 * 1024;

/// How the record is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Release 2.1: an entity of 32 octets.
    Classic,
    /// cluster-glue 1.0.12: an entity of 64 octets.
    Glue,
}

impl Layout {
    /// Octets of the entity's field; the last one is always NUL.
    pub fn entity_len(self) -> usize {
        match self {
            Layout::Classic => 32,
            Layout::Glue => 64,
        }
    }
}

/// One line on its way to the logging daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// The sender's syslog facility, already shifted ([`FACILITY_USER`]).
    pub facility: u32,
    /// syslog priority, 0 (emergency) to 7 (debug).
    pub priority: u8,
    /// Whether the word for the priority is written in front of the text.
    pub with_level: bool,
    /// Process of the sender.
    pub pid: u32,
    /// Name of the sender.
    pub entity: String,
    /// When, in seconds since 1970.
    pub seconds: u64,
    /// The text, without the NUL.
    pub text: String,
}

impl LogRecord {
    /// The body of a frame. Entity and text are cut where the layout has no more room, at the border of a character;
    /// a NUL within them ends them.
    pub fn encode(&self, layout: Layout) -> Vec<u8> {
        let text = until_nul(cut(&self.text, TEXT_MAX));
        let entity = until_nul(cut(&self.entity, layout.entity_len() - 1));
        let mut body = Vec::with_capacity(NUMBERS + layout.entity_len() + 8 + text.len() + 1);
        let text_length = u32::try_from(text.len() + 1).unwrap_or(u32::MAX);
        for number in [
            TYPE_TEXT,
            self.facility,
            u32::from(self.priority),
            text_length,
            u32::from(self.with_level),
            self.pid,
        ] {
            body.extend_from_slice(&number.to_ne_bytes());
        }
        body.extend_from_slice(entity.as_bytes());
        body.resize(NUMBERS + layout.entity_len(), 0);
        // A `long` of this machine.
        if cfg!(target_pointer_width = "32") {
            let seconds = u32::try_from(self.seconds).unwrap_or(u32::MAX);
            body.extend_from_slice(&seconds.to_ne_bytes());
        } else {
            body.extend_from_slice(&self.seconds.to_ne_bytes());
        }
        body.extend_from_slice(text.as_bytes());
        body.push(0);
        body
    }

    /// Reads the body of a frame, in whichever layout. Octets that are no UTF-8 become replacement characters; a text
    /// without NUL ends with the record.
    ///
    /// # Errors
    /// What does not fit together, as [`RecordError`] lists.
    pub fn decode(body: &[u8]) -> Result<(LogRecord, Layout), RecordError> {
        let number = |at: usize| read_u32(body, at).ok_or(RecordError::Short(body.len()));
        let kind = number(0)?;
        if kind != TYPE_TEXT {
            return Err(RecordError::Type(kind));
        }
        let priority = number(8)?;
        let text_length = number(12)?;
        let before_text = usize::try_from(text_length)
            .ok()
            .filter(|length| *length <= TEXT_MAX + 1)
            .and_then(|length| body.len().checked_sub(length));
        let (layout, long) = match before_text {
            Some(60) => (Layout::Classic, 4),
            Some(64) => (Layout::Classic, 8),
            Some(92) => (Layout::Glue, 4),
            Some(96) => (Layout::Glue, 8),
            _ => {
                return Err(RecordError::Length {
                    total: body.len(),
                    text: text_length,
                });
            }
        };
        let priority = u8::try_from(priority)
            .ok()
            .filter(|priority| *priority <= 7)
            .ok_or(RecordError::Priority(priority))?;
        let seconds_at = NUMBERS + layout.entity_len();
        let short = RecordError::Short(body.len());
        let seconds = match long {
            4 => read_u32(body, seconds_at).map(u64::from),
            _ => read_u64(body, seconds_at),
        };
        let record = LogRecord {
            facility: number(4)?,
            priority,
            with_level: number(16)? != 0,
            pid: number(20)?,
            entity: string(body.get(NUMBERS..seconds_at).ok_or(short)?),
            seconds: seconds.ok_or(short)?,
            text: string(body.get(seconds_at + long..).ok_or(short)?),
        };
        Ok((record, layout))
    }
}

/// Why a body is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// It ends before its numbers do.
    Short(usize),
    /// The first number is not 2.
    Type(u32),
    /// The priority is none of syslog's.
    Priority(u32),
    /// What stands before the text has the length of no known layout.
    Length {
        /// Octets of the whole body.
        total: usize,
        /// Octets of the text, as the body says.
        text: u32,
    },
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordError::Short(length) => write!(f, "log record of only {length} octets"),
            RecordError::Type(kind) => write!(f, "log record of unknown type {kind}"),
            RecordError::Priority(priority) => {
                write!(f, "log record with impossible priority {priority}")
            }
            RecordError::Length { total, text } => write!(
                f,
                "log record of unknown layout: {total} octets with a text of {text}"
            ),
        }
    }
}

impl std::error::Error for RecordError {}

fn read_u32(body: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*body.get(at..)?.first_chunk()?))
}

fn read_u64(body: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*body.get(at..)?.first_chunk()?))
}

/// The octets before the first NUL.
fn string(octets: &[u8]) -> String {
    let end = octets.iter().position(|octet| *octet == 0);
    String::from_utf8_lossy(octets.get(..end.unwrap_or(octets.len())).unwrap_or(octets))
        .into_owned()
}

fn until_nul(text: &str) -> &str {
    text.split('\0').next().unwrap_or_default()
}

/// The longest beginning of at most `max` octets.
fn cut(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> LogRecord {
        LogRecord {
            facility: FACILITY_USER,
            priority: 4,
            with_level: true,
            pid: 77,
            entity: "heartbeat".into(),
            seconds: 1_700_000_000,
            text: "hello".into(),
        }
    }

    #[test]
    fn both_layouts_are_told_apart() {
        for layout in [Layout::Classic, Layout::Glue] {
            let body = record().encode(layout);
            assert_eq!(LogRecord::decode(&body), Ok((record(), layout)));
        }
        let long = size_of::<usize>();
        assert_eq!(record().encode(Layout::Classic).len(), 56 + long + 6);
        assert_eq!(record().encode(Layout::Glue).len(), 88 + long + 6);
    }

    /// A `long` of four octets.
    #[test]
    fn records_of_32_bit_programs() {
        for (layout, seconds_at) in [(Layout::Classic, 56), (Layout::Glue, 88)] {
            let mut body = record().encode(layout);
            if cfg!(target_pointer_width = "64") {
                body.drain(seconds_at..seconds_at + 8);
                for (at, octet) in 1_700_000_000_u32.to_ne_bytes().into_iter().enumerate() {
                    body.insert(seconds_at + at, octet);
                }
            }
            assert_eq!(LogRecord::decode(&body), Ok((record(), layout)));
        }
    }

    #[test]
    fn too_long_names_and_texts_are_cut_at_a_character() {
        let long = LogRecord {
            entity: "é".repeat(40),
            text: "x".repeat(TEXT_MAX + 9),
            ..record()
        };
        let (classic, _) = LogRecord::decode(&long.encode(Layout::Classic)).unwrap();
        assert_eq!(classic.entity, "é".repeat(15));
        assert_eq!(classic.text.len(), TEXT_MAX);
        let (glue, _) = LogRecord::decode(&long.encode(Layout::Glue)).unwrap();
        assert_eq!(glue.entity, "é".repeat(31));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let good = record().encode(Layout::Classic);
        // Four octets less than it should have, it is what a 32-bit program would send.
        let long = size_of::<usize>();
        for length in (0..good.len()).filter(|length| length + long != good.len() + 4) {
            assert!(LogRecord::decode(&good[..length]).is_err(), "{length}");
        }
        let with = |at: usize, number: u32| {
            let mut body = good.clone();
            body[at..at + 4].copy_from_slice(&number.to_ne_bytes());
            LogRecord::decode(&body).unwrap_err()
        };
        assert_eq!(with(0, 1), RecordError::Type(1));
        assert_eq!(with(8, 8), RecordError::Priority(8));
        for text in [0, 5, 7, u32::MAX] {
            let total = good.len();
            assert_eq!(with(12, text), RecordError::Length { total, text });
        }
    }

    /// Some octets, and how many NULs follow them.
    #[cfg(all(target_endian = "little", target_pointer_width = "64"))]
    type Part = (&'static [u8], usize);

    /// The octets of a recorded frame's body, run-length coded where they are NUL.
    #[cfg(all(target_endian = "little", target_pointer_width = "64"))]
    fn recorded(parts: &[Part]) -> Vec<u8> {
        let part = |(octets, nuls): &Part| [octets.to_vec(), vec![0; *nuls]].concat();
        parts.iter().flat_map(part).collect()
    }

    /// What Debian's ha_logger sent (`vectors/api/ha_logger.txt` and `ha_logger_debug.txt`): read, and made again.
    #[cfg(all(target_endian = "little", target_pointer_width = "64"))]
    #[test]
    fn the_recorded_records_of_ha_logger() {
        let cases: [(&[Part], LogRecord); 2] = [
            (
                &[
                    (b"\x02\0\0\0\x08\0\0\0\x06\0\0\0\x11", 7),
                    (b"\xb8\x0b\0\0mytag", 59),
                    (b"\x03\xba\x04\x6b", 4),
                    (b"hello logd world", 1),
                ],
                LogRecord {
                    facility: FACILITY_USER,
                    priority: 6,
                    with_level: false,
                    pid: 3000,
                    entity: "mytag".into(),
                    seconds: 0x6b04_ba03,
                    text: "hello logd world".into(),
                },
            ),
            (
                &[
                    (b"\x02\0\0\0\x08\0\0\0\x07\0\0\0\x07", 7),
                    (b"\xbd\x0b\0\0cluster", 57),
                    (b"\x03\xba\x04\x6b", 4),
                    (b"second", 1),
                ],
                LogRecord {
                    facility: FACILITY_USER,
                    priority: 7,
                    with_level: false,
                    pid: 3005,
                    entity: "cluster".into(),
                    seconds: 0x6b04_ba03,
                    text: "second".into(),
                },
            ),
        ];
        for (parts, expected) in cases {
            let octets = recorded(parts);
            assert_eq!(expected.encode(Layout::Glue), octets);
            assert_eq!(LogRecord::decode(&octets), Ok((expected, Layout::Glue)));
        }
    }

    #[test]
    fn a_text_ends_at_its_first_nul() {
        let mut body = record().encode(Layout::Glue);
        let end = body.len() - 4;
        body[end] = 0;
        assert_eq!(LogRecord::decode(&body).unwrap().0.text, "he");
    }
}
