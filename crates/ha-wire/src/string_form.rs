//! The string form (`wire-protocol.md` 2.1).
//!
//! ```text
//! >>>LF
//! name=valueLF            text; an LF in the value travels as byte 0x13
//! (1)name=base64LF        binary
//! (2)name=messageLF       struct: a whole message, each LF replaced by one control byte chosen by depth
//! (3)name=3:abc,4:defg,LF list
//! (4)name=base64LF        compressed
//! <<<LF
//! NUL                     in datagrams only
//! ```
//!
//! The digest covers the field lines as they are on the wire, except those of fields named `auth`. The legacy
//! computes it over the fields written anew; we accept canonical values only, for which that is the same bytes, and so
//! can check the digest before anything is built from the packet.

use crate::base64;
use crate::error::{DecodeError, EncodeError, FieldProblem};
use crate::limits::MAX_DEPTH;
use crate::message::{Field, Kind, List, Message, Value};
use crate::sink::Sink;

/// The first four bytes.
pub(crate) const START: &[u8] = b">>>\n";
/// The line that ends the fields.
pub(crate) const END: &[u8] = b"<<<\n";
/// The field that carries index and digest.
pub(crate) const AUTH: &[u8] = b"auth";

/// Stands for LF in text values.
const LF_IN_TEXT: u8 = 0x13;
/// Stands for LF in a struct value at each depth.
const LF_IN_STRUCT: [u8; MAX_DEPTH] = [
    20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 15, 16, 17, 18,
];

/// Appends the whole message without NUL. With `auth`, the first field of that name gets this value in place and any
/// other is left out, since receivers go by the last; if there is none it is appended.
pub(crate) fn write(
    message: &Message,
    auth: Option<&[u8]>,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let Some(auth) = auth else {
        return write_at(message, out, 0);
    };
    let auth_field = Field {
        name: AUTH,
        value: Value::Text(auth),
    };
    let mut pending = Some(auth_field);
    out.put(START);
    for field in message.fields() {
        if field.name != AUTH {
            put_field(field, out, 0)?;
        } else if let Some(auth) = pending.take() {
            put_field(auth, out, 0)?;
        }
    }
    if let Some(auth) = pending {
        put_field(auth, out, 0)?;
    }
    out.put(END);
    Ok(())
}

/// Feeds `sink` what the digest covers.
pub(crate) fn put_digest_input(message: &Message, sink: &mut impl Sink) -> Result<(), EncodeError> {
    message
        .fields()
        .filter(|field| field.name != AUTH)
        .try_for_each(|field| put_field(field, sink, 0))
}

fn write_at(message: &Message, out: &mut Vec<u8>, depth: usize) -> Result<(), EncodeError> {
    out.put(START);
    for field in message.fields() {
        put_field(field, out, depth)?;
    }
    out.put(END);
    Ok(())
}

/// Writes one field line.
pub(crate) fn put_field(
    field: Field<'_>,
    sink: &mut impl Sink,
    depth: usize,
) -> Result<(), EncodeError> {
    let refuse = |problem| Err(EncodeError::field(field.name, problem));
    if !is_legal_name(field.name) {
        return refuse(FieldProblem::Name);
    }
    let number = field.value.type_number();
    if number != 0 {
        sink.put(&[b'(', b'0' + number, b')']);
    }
    sink.put(field.name);
    sink.put(b"=");
    match field.value {
        Value::Text(text) if text.contains(&0) => return refuse(FieldProblem::Nul),
        Value::Text(text) => put_replaced(text, b'\n', LF_IN_TEXT, sink),
        Value::Binary(bytes) | Value::Compressed(bytes) => base64::put(sink, bytes),
        Value::List(list) if list.packed().contains(&0) => return refuse(FieldProblem::Nul),
        Value::List(list) => put_replaced(list.packed(), b'\n', LF_IN_TEXT, sink),
        Value::Struct(message) => {
            let Some(&stand_in) = LF_IN_STRUCT.get(depth) else {
                return refuse(FieldProblem::Depth);
            };
            let mut nested = Vec::new();
            write_at(message, &mut nested, depth + 1)?;
            if nested.contains(&stand_in) {
                return refuse(FieldProblem::Struct);
            }
            put_replaced(&nested, b'\n', stand_in, sink);
        }
    }
    sink.put(b"\n");
    Ok(())
}

fn put_replaced(bytes: &[u8], from: u8, to: u8, sink: &mut impl Sink) {
    let mut pieces = bytes.split(|&byte| byte == from);
    if let Some(first) = pieces.next() {
        sink.put(first);
    }
    for piece in pieces {
        sink.put(&[to]);
        sink.put(piece);
    }
}

/// A packet in string form whose outline is sound: markers in place, each line with a `=`. Nothing in it is believed.
#[derive(Clone, Copy)]
pub(crate) struct Outline<'a> {
    /// The field lines, each with its LF.
    lines: &'a [u8],
    /// Whether a NUL ended the packet.
    pub(crate) nul: bool,
}

impl<'a> Outline<'a> {
    /// Checks the outline of a packet.
    pub(crate) fn new(packet: &'a [u8]) -> Result<Self, DecodeError> {
        if !packet.starts_with(START) {
            return Err(DecodeError::UnknownFraming);
        }
        let mut offset = START.len();
        loop {
            let rest = packet.get(offset..).unwrap_or_default();
            let length = rest.iter().position(|&byte| byte == b'\n');
            // Text that just stops is refused as a line without `=`, as the legacy does.
            let length = length.ok_or(DecodeError::LineWithoutEquals { offset })?;
            let line = &rest[..length];
            if line == b"<<<" {
                break;
            }
            if line.contains(&0) {
                return Err(DecodeError::Field {
                    offset,
                    problem: FieldProblem::Nul,
                });
            }
            if !line.is_empty() && !line.contains(&b'=') {
                return Err(DecodeError::LineWithoutEquals { offset });
            }
            offset += length + 1;
        }
        let (lines, rest) = packet.split_at(offset);
        let behind = &rest[END.len()..];
        if behind.iter().any(|&byte| byte != 0) {
            return Err(DecodeError::TrailingData {
                offset: offset + END.len(),
            });
        }
        Ok(Self {
            lines: &lines[START.len()..],
            nul: !behind.is_empty(),
        })
    }

    /// The value of the last field named `auth`, if it is text: `INDEX DIGEST`.
    pub(crate) fn auth(&self) -> Option<&'a [u8]> {
        self.lines()
            .filter(|line| line.name() == AUTH)
            .last()?
            .text()
    }

    /// The raw value of the first field named `src`.
    pub(crate) fn sender(&self) -> Option<&'a [u8]> {
        self.lines().find(|line| line.name() == b"src")?.text()
    }

    /// Feeds `sink` what the digest covers.
    pub(crate) fn put_digest_input(&self, sink: &mut impl Sink) {
        for line in self.lines().filter(|line| line.name() != AUTH) {
            sink.put(line.0);
            sink.put(b"\n");
        }
    }

    /// Appends the fields to `message`.
    pub(crate) fn parse(&self, message: &mut Message) -> Result<(), DecodeError> {
        self.parse_at(message, 0)
    }

    fn parse_at(&self, message: &mut Message, depth: usize) -> Result<(), DecodeError> {
        let mut offset = START.len();
        for line in self.lines.split(|&byte| byte == b'\n') {
            if !line.is_empty() {
                parse_line(Line(line), message, depth).map_err(|problem| match problem {
                    FieldProblem::Depth => DecodeError::TooDeep,
                    problem => DecodeError::Field { offset, problem },
                })?;
            }
            offset += line.len() + 1;
        }
        Ok(())
    }

    fn lines(&self) -> impl Iterator<Item = Line<'a>> + use<'a> {
        self.lines
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(Line)
    }
}

/// The fields before the bad one at `offset` of an untrusted packet, for the log.
pub(crate) fn readable_part(packet: &[u8], offset: usize) -> Message {
    let mut message = Message::new();
    let lines = packet.get(START.len()..offset).unwrap_or_default();
    // These lines were good when the packet was refused.
    let _ = Outline { lines, nul: false }.parse(&mut message);
    message
}

/// A line, without LF, that contains a `=`.
#[derive(Clone, Copy)]
struct Line<'a>(&'a [u8]);

impl<'a> Line<'a> {
    /// The type digit and what follows the prefix. Only a line that begins with a parenthesis has a prefix.
    fn split_prefix(self) -> Result<(u8, &'a [u8]), FieldProblem> {
        match self.0 {
            [b'(', digit @ b'1'..=b'4', b')', rest @ ..] => Ok((*digit, rest)),
            [b'(', ..] => Err(FieldProblem::Type),
            line => Ok((b'0', line)),
        }
    }

    fn name(self) -> &'a [u8] {
        let line = self.split_prefix().map_or(self.0, |(_, rest)| rest);
        line.split(|&byte| byte == b'=').next().unwrap_or_default()
    }

    fn text(self) -> Option<&'a [u8]> {
        let (b'0', line) = self.split_prefix().ok()? else {
            return None;
        };
        line.get(self.name().len() + 1..)
    }
}

fn parse_line(line: Line<'_>, message: &mut Message, depth: usize) -> Result<(), FieldProblem> {
    let (digit, rest) = line.split_prefix()?;
    let name = line.name();
    let value = rest.get(name.len() + 1..).ok_or(FieldProblem::Name)?;
    if !is_legal_name(name) {
        return Err(FieldProblem::Name);
    }
    match digit {
        b'1' | b'4' => {
            if !base64::is_canonical(value) {
                return Err(FieldProblem::Base64);
            }
            let kind = if digit == b'1' {
                Kind::Binary
            } else {
                Kind::Compressed
            };
            message.push_written(name, kind, |out| base64::decode_into(value, out));
        }
        b'2' => {
            let &stand_in = LF_IN_STRUCT.get(depth).ok_or(FieldProblem::Depth)?;
            let mut text = value.to_vec();
            replace(&mut text, stand_in, b'\n');
            let mut nested = Message::new();
            Outline::new(&text)
                .and_then(|outline| outline.parse_at(&mut nested, depth + 1))
                .map_err(|error| match error {
                    DecodeError::TooDeep => FieldProblem::Depth,
                    _ => FieldProblem::Struct,
                })?;
            message.push_kind(name, Kind::Struct(Box::new(nested)), b"");
        }
        b'3' => {
            let mut packed = value.to_vec();
            replace(&mut packed, LF_IN_TEXT, b'\n');
            List::parse(&packed).ok_or(FieldProblem::List)?;
            message.push_kind(name, Kind::List, &packed);
        }
        _ => message.push_written(name, Kind::Text, |out| {
            let start = out.len();
            out.extend_from_slice(value);
            replace(&mut out[start..], LF_IN_TEXT, b'\n');
        }),
    }
    Ok(())
}

fn replace(bytes: &mut [u8], from: u8, to: u8) {
    for byte in bytes.iter_mut().filter(|byte| **byte == from) {
        *byte = to;
    }
}

/// What the string form can carry. Beyond the general rule (`wire-protocol.md` 1) a name must not look like a type
/// prefix, and must stay on its line.
fn is_legal_name(name: &[u8]) -> bool {
    !name.is_empty()
        && !name.starts_with(b">>>")
        && !name.starts_with(b"(")
        && !name.iter().any(|byte| matches!(byte, b'=' | b'\n' | 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &[u8]) -> Result<Message, DecodeError> {
        let mut message = Message::new();
        Outline::new(text)?.parse(&mut message)?;
        Ok(message)
    }

    fn written(message: &Message) -> Result<Vec<u8>, EncodeError> {
        let mut out = Vec::new();
        write(message, None, &mut out)?;
        Ok(out)
    }

    #[test]
    fn every_type_as_written() {
        let mut inner = Message::new();
        inner.push("a", "1\n2");
        let mut message = Message::new();
        message.push("t", "x\ny=z");
        message.push_binary("b", &[0]);
        message.push_struct("s", inner);
        message.push_list("l", ["abc", "defg"]);
        message.push_compressed("c", b"foo");
        let bytes = written(&message).unwrap();
        assert_eq!(
            bytes.escape_ascii().to_string(),
            concat!(
                ">>>\\nt=x\\x13y=z\\n(1)b=AA==\\n",
                "(2)s=>>>\\x14a=1\\x132\\x14<<<\\x14\\n(3)l=3:abc,4:defg,\\n(4)c=Zm9v\\n<<<\\n"
            )
        );
        assert_eq!(parse(&bytes), Ok(message));
    }

    #[test]
    fn liberties_of_the_sender() {
        let message = parse(b">>>\n\nt=status\n\n\nempty=\na=b=c\n<<<\n\0").unwrap();
        assert_eq!(message.len(), 3);
        assert_eq!(message.get("empty"), Some(&b""[..]));
        assert_eq!(message.get("a"), Some(&b"b=c"[..]));
        assert_eq!(parse(b">>>\n<<<\n"), Ok(Message::new()));
    }

    #[test]
    fn what_is_refused() {
        let field = |problem| DecodeError::Field { offset: 4, problem };
        let no_equals = |offset| DecodeError::LineWithoutEquals { offset };
        for (text, error) in [
            (">>>\nt=x\n", no_equals(8)),
            (">>>\nt=x", no_equals(4)),
            (">>>\nt=x\n<<<", no_equals(8)),
            (">>>\nt=x\nword\n<<<\n", no_equals(8)),
            (">>>\n(0)t=x\n<<<\n", field(FieldProblem::Type)),
            (">>>\n(5)t=x\n<<<\n", field(FieldProblem::Type)),
            (">>>\n(6)t=x\n<<<\n", field(FieldProblem::Type)),
            (">>>\n(1t=x\n<<<\n", field(FieldProblem::Type)),
            (">>>\n=x\n<<<\n", field(FieldProblem::Name)),
            (">>>\n(1)=AA==\n<<<\n", field(FieldProblem::Name)),
            (">>>\n(1)b=AA=\n<<<\n", field(FieldProblem::Base64)),
            (">>>\n(3)b=3:ab,\n<<<\n", field(FieldProblem::List)),
            (">>>\n(2)b=x\n<<<\n", field(FieldProblem::Struct)),
            (">>>\na=b\0c\n<<<\n", field(FieldProblem::Nul)),
            (">>>\n<<<\nmore", DecodeError::TrailingData { offset: 8 }),
            (">>>\n<<<\n\0x", DecodeError::TrailingData { offset: 8 }),
            (">>> \n<<<\n", DecodeError::UnknownFraming),
        ] {
            assert_eq!(parse(text.as_bytes()), Err(error), "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_written() {
        for name in ["", "a=b", "(1)a", ">>>", "a\nb", "a\0"] {
            let mut message = Message::new();
            message.push(name, "x");
            let expected = Err(EncodeError::field(name.as_bytes(), FieldProblem::Name));
            assert_eq!(written(&message), expected, "{name:?}");
        }
        let mut message = Message::new();
        message.push("a", "b\0c");
        assert_eq!(
            written(&message),
            Err(EncodeError::field(b"a", FieldProblem::Nul))
        );

        let mut inner = Message::new();
        inner.push("a", "\x14");
        let mut message = Message::new();
        message.push_struct("s", inner);
        assert_eq!(
            written(&message),
            Err(EncodeError::field(b"s", FieldProblem::Struct))
        );
    }

    #[test]
    fn nesting_ends_at_sixteen() {
        let mut message = Message::new();
        message.push("bottom", "yes");
        for _ in 0..MAX_DEPTH {
            let mut outer = Message::new();
            outer.push_struct("s", message);
            message = outer;
        }
        let bytes = written(&message).unwrap();
        assert_eq!(parse(&bytes).as_ref(), Ok(&message));
        let mut outer = Message::new();
        outer.push_struct("s", message);
        assert_eq!(
            written(&outer),
            Err(EncodeError::field(b"s", FieldProblem::Depth))
        );
    }

    #[test]
    fn auth_goes_last_or_stays_in_place() {
        let mut message = Message::new();
        message.push("t", "x");
        let mut out = Vec::new();
        write(&message, Some(b"1 ab"), &mut out).unwrap();
        assert_eq!(out, b">>>\nt=x\nauth=1 ab\n<<<\n");

        message.insert_front("auth", "old");
        message.push("auth", "older");
        out.clear();
        write(&message, Some(b"1 ab"), &mut out).unwrap();
        assert_eq!(out, b">>>\nauth=1 ab\nt=x\n<<<\n");
    }

    #[test]
    fn the_last_auth_counts_and_none_is_digested() {
        let outline =
            Outline::new(b">>>\nauth=1 a\nt=x\n\n(1)auth=AA==\nauth=2 b\nsrc=n\n<<<\n").unwrap();
        assert_eq!(outline.auth(), Some(&b"2 b"[..]));
        assert_eq!(outline.sender(), Some(&b"n"[..]));
        let mut digested = Vec::new();
        outline.put_digest_input(&mut digested);
        assert_eq!(digested, b"t=x\nsrc=n\n");
    }
}
