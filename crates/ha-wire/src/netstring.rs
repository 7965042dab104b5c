//! The netstring form (`wire-protocol.md` 2.2).
//!
//! ```text
//! ###LF
//! LEN:(T)name=value,      per field; LEN counts (T)name=value; values are raw bytes
//! %%%LF
//! LEN:INDEX DIGEST,       trailer, covers everything from ### through %%%LF
//! ```
//!
//! A struct value is a complete netstring message without trailer, a list value a row of netstrings.

use crate::error::{DecodeError, EncodeError, FieldProblem};
use crate::limits::{LIST_MAX, MAX_DEPTH};
use crate::message::{Field, Kind, List, Message, Value};
use crate::sink::{Sink, put_decimal};

/// The first four bytes.
pub(crate) const START: &[u8] = b"###\n";
/// What ends the fields.
pub(crate) const END: &[u8] = b"%%%\n";

/// Writes `LEN:content,`, the content given in parts.
pub(crate) fn put_netstring(sink: &mut impl Sink, parts: &[&[u8]]) {
    put_decimal(sink, parts.iter().map(|part| part.len()).sum());
    sink.put(b":");
    for part in parts {
        sink.put(part);
    }
    sink.put(b",");
}

/// Splits `LEN:content,rest` into content and rest.
pub(crate) fn peel(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    // Seven digits are enough for the largest message that we accept.
    let digits = bytes
        .iter()
        .take(8)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (number, rest) = bytes.split_at_checked(digits)?;
    if digits == 0 || digits > 7 || (digits > 1 && number.starts_with(b"0")) {
        return None;
    }
    let (content, rest) = rest
        .strip_prefix(b":")?
        .split_at_checked(length_of(number))?;
    Some((content, rest.strip_prefix(b",")?))
}

/// Appends the whole message, from `###` through `%%%`, without trailer.
pub(crate) fn write(message: &Message, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    write_at(message, out, 0)
}

fn write_at(message: &Message, out: &mut Vec<u8>, depth: usize) -> Result<(), EncodeError> {
    out.put(START);
    for field in message.fields() {
        write_field(field, out, depth)?;
    }
    out.put(END);
    Ok(())
}

fn write_field(field: Field<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), EncodeError> {
    let nested;
    let value = match field.value {
        Value::Text(text) if text.contains(&0) => {
            return Err(EncodeError::field(field.name, FieldProblem::Nul));
        }
        Value::Text(bytes) | Value::Binary(bytes) | Value::Compressed(bytes) => bytes,
        Value::List(list) if list.packed().len() >= LIST_MAX => {
            return Err(EncodeError::field(field.name, FieldProblem::List));
        }
        Value::List(list) => list.packed(),
        Value::Struct(_) if depth >= MAX_DEPTH => {
            return Err(EncodeError::field(field.name, FieldProblem::Depth));
        }
        Value::Struct(message) => {
            let mut bytes = Vec::new();
            write_at(message, &mut bytes, depth + 1)?;
            nested = bytes;
            &nested
        }
    };
    if !is_legal_name(field.name) {
        return Err(EncodeError::field(field.name, FieldProblem::Name));
    }
    put_netstring(out, &[&type_prefix(field.value), field.name, b"=", value]);
    Ok(())
}

fn type_prefix(value: Value<'_>) -> [u8; 3] {
    [b'(', b'0' + value.type_number(), b')']
}

/// Finds the end of the fields without believing any: the position behind `%%%LF`.
pub(crate) fn body_end(bytes: &[u8]) -> Result<usize, DecodeError> {
    let mut rest = bytes
        .strip_prefix(START)
        .ok_or(DecodeError::UnknownFraming)?;
    loop {
        let offset = bytes.len() - rest.len();
        if rest.starts_with(END) {
            return Ok(offset + END.len());
        }
        (_, rest) = peel(rest).ok_or(DecodeError::Netstring { offset })?;
    }
}

/// Whether more bytes could make `bytes` a netstring or an end marker, when they are neither yet.
pub(crate) fn is_beginning(bytes: &[u8]) -> bool {
    if END.starts_with(bytes) {
        return true;
    }
    let digits = bytes
        .iter()
        .take(8)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (number, rest) = bytes.split_at(digits);
    if digits == 0 || digits > 7 || (digits > 1 && number.starts_with(b"0")) {
        return false;
    }
    match rest.strip_prefix(b":") {
        None => rest.is_empty(),
        // Content and comma are still on their way.
        Some(content) => content.len() <= length_of(number),
    }
}

fn length_of(digits: &[u8]) -> usize {
    digits
        .iter()
        .fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'))
}

/// Whatever can be read of an untrusted packet, for the log.
pub(crate) fn readable_part(packet: &[u8]) -> Message {
    let mut message = Message::new();
    // The fields before the first bad one are there after an error too.
    if let Ok(end) = body_end(packet) {
        let _ = parse(&packet[..end], &mut message);
    }
    message
}

/// The value of the first field of type 0 named `src` in an untrusted body.
pub(crate) fn sender(body: &[u8]) -> Option<&[u8]> {
    let mut rest = body.strip_prefix(START)?;
    loop {
        let (content, behind) = peel(rest)?;
        if let Some(name) = content.strip_prefix(b"(0)src=") {
            return Some(name);
        }
        rest = behind;
    }
}

/// Appends the fields of `body`, which begins with `###` and ends with `%%%LF`, to `message`.
pub(crate) fn parse(body: &[u8], message: &mut Message) -> Result<(), DecodeError> {
    parse_at(body, message, 0)
}

fn parse_at(body: &[u8], message: &mut Message, depth: usize) -> Result<(), DecodeError> {
    let mut rest = body
        .strip_prefix(START)
        .ok_or(DecodeError::UnknownFraming)?;
    while rest != END {
        let offset = body.len() - rest.len();
        let (content, behind) = peel(rest).ok_or(DecodeError::Netstring { offset })?;
        parse_field(content, message, depth).map_err(|problem| match problem {
            FieldProblem::Depth => DecodeError::TooDeep,
            problem => DecodeError::Field { offset, problem },
        })?;
        rest = behind;
    }
    Ok(())
}

fn parse_field(content: &[u8], message: &mut Message, depth: usize) -> Result<(), FieldProblem> {
    let [b'(', number, b')', field @ ..] = content else {
        return Err(FieldProblem::Type);
    };
    let equals = field
        .iter()
        .position(|&byte| byte == b'=')
        .ok_or(FieldProblem::Name)?;
    let (name, value) = (&field[..equals], &field[equals + 1..]);
    if !is_legal_name(name) {
        return Err(FieldProblem::Name);
    }
    match number {
        b'0' if value.contains(&0) => return Err(FieldProblem::Nul),
        b'0' => message.push_kind(name, Kind::Text, value),
        b'1' => message.push_kind(name, Kind::Binary, value),
        b'2' if depth >= MAX_DEPTH => return Err(FieldProblem::Depth),
        b'2' => {
            let mut nested = Message::new();
            parse_at(value, &mut nested, depth + 1).map_err(|error| match error {
                DecodeError::TooDeep => FieldProblem::Depth,
                _ => FieldProblem::Struct,
            })?;
            message.push_kind(name, Kind::Struct(Box::new(nested)), b"");
        }
        b'3' => {
            List::parse(value).ok_or(FieldProblem::List)?;
            message.push_kind(name, Kind::List, value);
        }
        b'4' => message.push_kind(name, Kind::Compressed, value),
        _ => return Err(FieldProblem::Type),
    }
    Ok(())
}

/// What both encodings can carry: at least one byte, no `=`, not beginning like a string-form message
/// (`wire-protocol.md` 1).
fn is_legal_name(name: &[u8]) -> bool {
    !name.is_empty() && !name.contains(&b'=') && !name.starts_with(b">>>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roundtrip(message: &Message) -> Result<Message, DecodeError> {
        let mut bytes = Vec::new();
        write(message, &mut bytes).unwrap();
        assert_eq!(body_end(&bytes), Ok(bytes.len()));
        let mut back = Message::new();
        parse(&bytes, &mut back)?;
        Ok(back)
    }

    #[test]
    fn peeling() {
        assert_eq!(peel(b"3:abc,rest"), Some((&b"abc"[..], &b"rest"[..])));
        assert_eq!(peel(b"0:,"), Some((&b""[..], &b""[..])));
        for bad in [
            "",
            ":",
            "3",
            "3:",
            "3:ab,",
            "3:abcd",
            "03:abc,",
            "00:,",
            "-1:,",
            "99999999:,",
            "4:abc,",
        ] {
            assert_eq!(peel(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn every_type_as_written() {
        let mut inner = Message::new();
        inner.push("a", "1");
        let mut message = Message::new();
        message.push("t", "x,\ny");
        message.push_binary("b", &[0, b',']);
        message.push_struct("s", inner);
        message.push_list("l", ["abc", "defg"]);
        message.push_compressed("c", b"zz");
        let mut bytes = Vec::new();
        write(&message, &mut bytes).unwrap();
        assert_eq!(
            bytes.escape_ascii().to_string(),
            "###\\n9:(0)t=x,\\ny,7:(1)b=\\x00,,22:(2)s=###\\n6:(0)a=1,%%%\\n,18:(3)l=3:abc,4:defg,,7:(4)c=zz,%%%\\n"
        );
        assert_eq!(roundtrip(&message), Ok(message));
    }

    #[test]
    fn unknown_and_illegal_fields() {
        for (content, problem) in [
            ("(5)a=b", FieldProblem::Type),
            ("(9)a=b", FieldProblem::Type),
            ("a=b", FieldProblem::Type),
            ("(0)=b", FieldProblem::Name),
            ("(0)ab", FieldProblem::Name),
            ("(0)>>>a=b", FieldProblem::Name),
            ("(0)a=b\0", FieldProblem::Nul),
            ("(3)a=0:,", FieldProblem::List),
            ("(3)a=1:x", FieldProblem::List),
            ("(2)a=###\n", FieldProblem::Struct),
        ] {
            let mut bytes = START.to_vec();
            put_netstring(&mut bytes, &[content.as_bytes()]);
            bytes.extend_from_slice(END);
            assert_eq!(
                parse(&bytes, &mut Message::new()),
                Err(DecodeError::Field { offset: 4, problem }),
                "{content:?}"
            );
        }
    }

    fn nested(depth: usize) -> Message {
        let mut message = Message::new();
        message.push("bottom", "yes");
        for _ in 0..depth {
            let mut outer = Message::new();
            outer.push_struct("s", message);
            message = outer;
        }
        message
    }

    #[test]
    fn nesting_ends_at_sixteen() {
        let deepest = nested(MAX_DEPTH);
        assert_eq!(roundtrip(&deepest), Ok(deepest));
        assert!(write(&nested(MAX_DEPTH + 1), &mut Vec::new()).is_err());

        let mut bytes = b"###\n%%%\n".to_vec();
        for _ in 0..=MAX_DEPTH {
            let mut outer = START.to_vec();
            put_netstring(&mut outer, &[b"(2)s=", &bytes]);
            outer.extend_from_slice(END);
            bytes = outer;
        }
        assert_eq!(
            parse(&bytes, &mut Message::new()),
            Err(DecodeError::TooDeep)
        );
    }

    #[test]
    fn long_lists_are_refused() {
        let mut message = Message::new();
        message.push_list("l", [vec![b'x'; 1019]]);
        assert_eq!(
            write(&message, &mut Vec::new()),
            Err(EncodeError::field(b"l", FieldProblem::List))
        );
    }
}
