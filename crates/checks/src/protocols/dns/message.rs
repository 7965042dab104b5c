//! Queries and answers of the domain name system as bytes (RFC 1035 4).
//!
//! ```text
//! id(2) flags(2) questions(2) answers(2) authorities(2) additionals(2)
//! question: name type(2) class(2)
//! record:   name type(2) class(2) ttl(4) length(2) data
//! flags:    QR opcode(4) AA TC RD  RA Z(3) rcode(4)
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A name on the wire, with the empty label at its end.
const NAME_MAX: usize = 255;
const LABEL_MAX: usize = 63;

const RESPONSE: u16 = 0x8000;
const OPCODE: u16 = 0x7800;
const TRUNCATED: u16 = 0x0200;
const RECURSION_DESIRED: u16 = 0x0100;
const RCODE: u16 = 0x000f;
const INTERNET: u16 = 1;

/// Kinds of records that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    A,
    Ptr,
    Aaaa,
}

impl Kind {
    fn number(self) -> u16 {
        match self {
            Kind::A => 1,
            Kind::Ptr => 12,
            Kind::Aaaa => 28,
        }
    }
}

/// One question of the internet class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// The name as it stands on the wire.
    name: Vec<u8>,
    kind: Kind,
}

impl Question {
    /// A question for a name whose labels are separated by dots; none if it is empty, has an empty label, or is too long.
    pub(super) fn new(name: &[u8], kind: Kind) -> Option<Question> {
        let mut wire = Vec::new();
        for label in name.split(|&byte| byte == b'.') {
            if label.is_empty() || label.len() > LABEL_MAX {
                return None;
            }
            wire.push(u8::try_from(label.len()).ok()?);
            wire.extend_from_slice(label);
        }
        wire.push(0);
        (wire.len() <= NAME_MAX).then_some(Question { name: wire, kind })
    }

    /// A question for the name of an address.
    pub(super) fn reverse(address: IpAddr) -> Question {
        let name = match address {
            IpAddr::V4(address) => {
                let [a, b, c, d] = address.octets();
                format!("{d}.{c}.{b}.{a}.in-addr.arpa")
            }
            IpAddr::V6(address) => {
                let nibbles = address.octets().into_iter().rev();
                nibbles
                    .map(|octet| format!("{:x}.{:x}.", octet & 15, octet >> 4))
                    .collect::<String>()
                    + "ip6.arpa"
            }
        };
        // Neither is long nor has empty labels.
        Question::new(name.as_bytes(), Kind::Ptr).unwrap_or(Question {
            name: vec![0],
            kind: Kind::Ptr,
        })
    }

    /// The query that asks it, with recursion desired.
    pub(super) fn query(&self, id: u16) -> Vec<u8> {
        let mut query = Vec::with_capacity(12 + self.name.len() + 4);
        for number in [id, RECURSION_DESIRED, 1, 0, 0, 0] {
            query.extend(number.to_be_bytes());
        }
        query.extend(&self.name);
        query.extend(self.kind.number().to_be_bytes());
        query.extend(INTERNET.to_be_bytes());
        query
    }
}

/// What an answer may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    A(Ipv4Addr),
    /// The name with dots between its labels; a dot or backslash within one has a backslash before it.
    Ptr(Vec<u8>),
    Aaaa(Ipv6Addr),
}

/// An answer to one's question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// 0: no error.
    pub(super) rcode: u16,
    /// It did not fit into the datagram.
    pub(super) truncated: bool,
    /// Number of records of any kind in its answer section.
    pub(super) records: u16,
    /// Those of the kind that was asked for.
    pub(super) wanted: Vec<Record>,
}

/// Why a message is not an answer to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadAnswer {
    /// It answers another question, or none: perhaps late, perhaps forged.
    NotOurs,
    /// It answers this question and then breaks off or is nonsense.
    Malformed,
}

impl Answer {
    /// Takes a message apart, as an answer to this question asked under this number.
    pub(super) fn read(message: &[u8], id: u16, question: &Question) -> Result<Answer, BadAnswer> {
        let mut reader = Reader { message, place: 0 };
        let (flags, records) = reader.head(id, question).ok_or(BadAnswer::NotOurs)?;
        let truncated = flags & TRUNCATED != 0;
        let mut wanted = Vec::new();
        for _ in 0..records {
            match reader.record(question.kind) {
                Some(record) => wanted.extend(record),
                None if truncated => break,
                None => return Err(BadAnswer::Malformed),
            }
        }
        Ok(Answer {
            rcode: flags & RCODE,
            truncated,
            records,
            wanted,
        })
    }
}

struct Reader<'a> {
    message: &'a [u8],
    place: usize,
}

impl<'a> Reader<'a> {
    /// Flags and number of answers, if the message answers that question.
    fn head(&mut self, id: u16, question: &Question) -> Option<(u16, u16)> {
        let ours = self.number()? == id;
        let flags = self.number()?;
        let questions = self.number()?;
        let answers = self.number()?;
        self.bytes(4)?;
        let asked = self.bytes(question.name.len())?;
        let kind = self.number()?;
        let class = self.number()?;
        let ours = ours
            && flags & (RESPONSE | OPCODE) == RESPONSE
            && questions == 1
            // Length bytes are below the letters, so they compare as they are.
            && asked.eq_ignore_ascii_case(&question.name)
            && kind == question.kind.number()
            && class == INTERNET;
        ours.then_some((flags, answers))
    }

    /// Passes one record; gives it if it is of that kind.
    fn record(&mut self, kind: Kind) -> Option<Option<Record>> {
        self.name()?;
        let number = self.number()?;
        let class = self.number()?;
        self.bytes(4)?;
        let length = usize::from(self.number()?);
        let start = self.place;
        let data = self.bytes(length)?;
        if class != INTERNET || number != kind.number() {
            return Some(None);
        }
        Some(Some(match kind {
            Kind::A => Record::A(<[u8; 4]>::try_from(data).ok()?.into()),
            Kind::Aaaa => Record::Aaaa(<[u8; 16]>::try_from(data).ok()?.into()),
            Kind::Ptr => {
                let mut reader = Reader {
                    message: self.message,
                    place: start,
                };
                let name = reader.name()?;
                (reader.place == self.place).then_some(Record::Ptr(name))?
            }
        }))
    }

    /// A name, which may end in a pointer to an earlier one. Pointers only ever go back, so this comes to an end.
    fn name(&mut self) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        let mut length = 1;
        let mut at = self.place;
        // Where the reader goes on after the first pointer.
        let mut after = None;
        loop {
            let first = *self.message.get(at)?;
            match first >> 6 {
                0 if first == 0 => break,
                0 => {
                    let label = self.message.get(at + 1..at + 1 + usize::from(first))?;
                    length += 1 + label.len();
                    if length > NAME_MAX {
                        return None;
                    }
                    if !text.is_empty() {
                        text.push(b'.');
                    }
                    for &byte in label {
                        if matches!(byte, b'.' | b'\\') {
                            text.push(b'\\');
                        }
                        text.push(byte);
                    }
                    at += 1 + label.len();
                }
                3 => {
                    let second = *self.message.get(at + 1)?;
                    let to = usize::from(first & 0x3f) << 8 | usize::from(second);
                    if to >= at {
                        return None;
                    }
                    after.get_or_insert(at + 2);
                    at = to;
                }
                _ => return None,
            }
        }
        self.place = after.unwrap_or(at + 1);
        Some(text)
    }

    fn number(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.bytes(2)?.try_into().ok()?))
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let bytes = self.message.get(self.place..)?.get(..length)?;
        self.place += length;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn question() -> Question {
        Question::new(b"www.example.com", Kind::A).unwrap()
    }

    /// The answer to that question with one record made of these bytes.
    fn with_record(record: &[u8]) -> Vec<u8> {
        let mut message = question().query(7);
        message[2] = 0x81;
        message[7] = 1;
        message.extend(record);
        message
    }

    #[test]
    fn the_query_as_every_resolver_sends_it() {
        assert_eq!(
            question().query(0x1234),
            b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03com\x00\x00\x01\x00\x01"
        );
    }

    #[test]
    fn names_of_addresses() {
        let name = |address: &str| Question::reverse(address.parse().unwrap());
        let written = |name: &[u8]| Question::new(name, Kind::Ptr).unwrap();
        assert_eq!(name("192.0.2.17"), written(b"17.2.0.192.in-addr.arpa"));
        assert_eq!(
            name("2001:db8::1f"),
            written(b"f.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa")
        );
    }

    #[test]
    fn unusable_names() {
        for name in [
            "",
            ".",
            "a..b",
            "a.",
            ".a",
            &"x".repeat(64),
            &"x.".repeat(140),
        ] {
            assert_eq!(Question::new(name.as_bytes(), Kind::A), None, "{name}");
        }
    }

    #[test]
    fn another_answer_is_not_ours() {
        let good = with_record(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01");
        let answer = Answer::read(&good, 7, &question()).unwrap();
        assert_eq!(answer.wanted, [Record::A([192, 0, 2, 1].into())]);
        // Id, query instead of answer, opcode, number of questions, name, type, class.
        for (place, bits) in [
            (0, 1),
            (2, 0x80),
            (2, 0x08),
            (5, 3),
            (14, 1),
            (30, 1),
            (32, 2),
        ] {
            let mut wrong = good.clone();
            wrong[place] ^= bits;
            let read = Answer::read(&wrong, 7, &question());
            assert_eq!(read, Err(BadAnswer::NotOurs), "at {place}");
        }
        // Servers may answer in another case.
        let mut shouted = good;
        shouted[13..16].make_ascii_uppercase();
        assert!(Answer::read(&shouted, 7, &question()).is_ok());
    }

    #[test]
    fn pointers_that_go_nowhere_or_round_and_round() {
        for name in [
            &b"\xc0\x21"[..], // itself
            b"\xc0\x23",      // forward
            b"\xff\xff",      // out of the message
            b"\x01a\xc0\x21", // back to its own beginning: grows for ever
            b"\x41a\0",       // an unknown kind of label
            b"\x3fa\0",       // a label beyond the end
        ] {
            let message =
                with_record(&[name, b"\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01"].concat());
            let read = Answer::read(&message, 7, &question());
            assert_eq!(read, Err(BadAnswer::Malformed), "{name:?}");
        }
    }

    #[test]
    fn what_is_cut_off_is_an_error_only_if_the_server_does_not_say_so() {
        let record = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01";
        for length in 0..record.len() {
            let mut message = with_record(&record[..length]);
            let read = Answer::read(&message, 7, &question());
            assert_eq!(read, Err(BadAnswer::Malformed), "{length}");
            message[2] |= 0x02;
            let read = Answer::read(&message, 7, &question()).unwrap();
            assert!(read.truncated && read.wanted.is_empty());
        }
    }

    proptest! {
        #[test]
        fn any_bytes(records in proptest::collection::vec(
            prop_oneof![any::<u8>(), Just(0), Just(1), Just(0xc0), Just(12)], 0..300), count: u8, kind in 0..3_usize
        ) {
            let kind = [Kind::A, Kind::Ptr, Kind::Aaaa][kind];
            let question = Question::new(b"www.example.com", kind).unwrap();
            let mut message = question.query(7);
            message[2] = 0x81;
            message[7] = count;
            message.extend(&records);
            if let Ok(answer) = Answer::read(&message, 7, &question) {
                prop_assert!(answer.wanted.len() <= usize::from(count));
            }
            let _ = Answer::read(&records, 7, &question);
        }
    }
}
