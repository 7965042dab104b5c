//! The field dump of the legacy's log (`wire-protocol.md` 3.5).

use std::fmt::Write;

use crate::base64;
use crate::message::{Field, Message, Value};
use crate::netstring;
use crate::string_form;

/// About this many lines are shown.
const FIELDS_MAX: usize = 64;
/// At most this many characters of a name or value are shown.
const VALUE_MAX: usize = 512;

impl Message {
    /// The message as the legacy dumps it to the log: a line with the number of fields, then one line per field.
    ///
    /// ```text
    /// MSG: Dumping message with 3 fields
    /// MSG[0] : [t=status]
    /// MSG[1] : [src=nodea]
    /// MSG[2] : [(1)srcuuid=0x9e40...(36 27)]
    /// ```
    ///
    /// The two numbers are the field's length in string and in netstring form. Where the legacy prints the address of a
    /// value we print the value, or for a nested message nothing: its own dump follows, as with the legacy. Unprintable
    /// characters are shown as `\xNN`; long values and long messages are cut.
    pub fn dump(&self) -> Vec<String> {
        let mut lines = Vec::new();
        dump_into(self, &mut lines);
        lines
    }
}

fn dump_into(message: &Message, lines: &mut Vec<String>) {
    lines.push(format!(
        "MSG: Dumping message with {} fields",
        message.len()
    ));
    for (i, field) in message.fields().enumerate() {
        if lines.len() > FIELDS_MAX {
            lines.push(format!("MSG: {} more fields", message.len() - i));
            return;
        }
        lines.push(show(i, field));
        if let Value::Struct(nested) = field.value {
            dump_into(nested, lines);
        }
    }
}

fn show(i: usize, field: Field<'_>) -> String {
    let name = printable(field.name, VALUE_MAX);
    let (value, text_len, raw_len) = match field.value {
        Value::Text(text) => {
            return format!("MSG[{i}] : [{name}={}]", printable(text, VALUE_MAX));
        }
        Value::List(list) => {
            let items: Vec<&[u8]> = list.iter().collect();
            // Without the blank before the colon, as the legacy has it.
            return format!(
                "MSG[{i}] :[(3){name}={}]",
                printable(&items.join(&b' '), VALUE_MAX)
            );
        }
        Value::Binary(bytes) | Value::Compressed(bytes) => (
            show_hex(bytes),
            base64::encoded_len(bytes.len()),
            bytes.len(),
        ),
        Value::Struct(nested) => {
            let (text_len, raw_len) = encoded_lengths(nested);
            (String::new(), text_len, raw_len)
        }
    };
    // `(T)`, the name and `=`; the string form adds the line end.
    let prefix_len = 3 + field.name.len() + 1;
    let (text_len, raw_len) = (prefix_len + text_len + 1, prefix_len + raw_len);
    let number = field.value.type_number();
    format!("MSG[{i}] : [({number}){name}={value}({text_len} {raw_len})]")
}

/// The lengths of a nested message in both forms, the string form with its NUL; 0 for a form that cannot carry it.
fn encoded_lengths(message: &Message) -> (usize, usize) {
    let mut bytes = Vec::new();
    let text_len = string_form::write(message, None, &mut bytes).map_or(0, |()| bytes.len() + 1);
    bytes.clear();
    let raw_len = netstring::write(message, &mut bytes).map_or(0, |()| bytes.len());
    (text_len, raw_len)
}

fn show_hex(bytes: &[u8]) -> String {
    let mut text = String::from("0x");
    for byte in bytes.iter().take(32) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    if bytes.len() > 32 {
        text.push_str("...");
    }
    text
}

/// `bytes` fit for a log line: UTF-8 stays, control characters and other bytes become `\xNN`, and after about `max`
/// characters it ends with `...`.
pub(crate) fn printable(bytes: &[u8], max: usize) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if text.len() >= max {
                return text + "...";
            }
            match character {
                '\t' => text.push(' '),
                character if character.is_control() => {
                    let _ = write!(text, "\\x{:02x}", u32::from(character));
                }
                character => text.push(character),
            }
        }
        for byte in chunk.invalid() {
            if text.len() >= max {
                return text + "...";
            }
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen in the log of 3.0.6, except for the values of binary fields.
    #[test]
    fn as_the_legacy_shows_it() {
        let mut nested = Message::new();
        nested.push("a", "1");
        let mut message = Message::new();
        message.push("t", "status");
        message.push_binary("srcuuid", &[0x9e; 16]);
        message.push("ld", "0.1\n");
        message.push_list("l", ["abc", "d"]);
        message.push_struct("s", nested);
        message.push_compressed("c", b"zz");
        assert_eq!(
            message.dump(),
            [
                "MSG: Dumping message with 6 fields",
                "MSG[0] : [t=status]",
                "MSG[1] : [(1)srcuuid=0x9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e(36 27)]",
                "MSG[2] : [ld=0.1\\x0a]",
                "MSG[3] :[(3)l=abc d]",
                "MSG[4] : [(2)s=(19 22)]",
                "MSG: Dumping message with 1 fields",
                "MSG[0] : [a=1]",
                "MSG[5] : [(4)c=0x7a7a(10 7)]",
            ]
        );
    }

    #[test]
    fn bounded() {
        let mut message = Message::new();
        for _ in 0..1000 {
            message.push("x", [0u8; 10_000]);
        }
        let lines = message.dump();
        assert_eq!(lines.len(), FIELDS_MAX + 2);
        assert_eq!(lines.last().unwrap(), "MSG: 936 more fields");
        assert!(lines.iter().all(|line| line.len() < 600));
    }

    #[test]
    fn printable_text() {
        assert_eq!(
            printable("n\u{f6}de\x1b[1m".as_bytes(), 100),
            "n\u{f6}de\\x1b[1m"
        );
        assert_eq!(printable(b"a\xffb", 100), "a\\xffb");
        assert_eq!(printable(b"abcdef", 3), "abc...");
        assert_eq!(printable(b"abc", 3), "abc");
    }
}
