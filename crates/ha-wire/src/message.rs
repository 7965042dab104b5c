//! The message: an ordered list of named, typed fields (`wire-protocol.md` 1).
//!
//! Order matters, because digests cover the fields in order. Names may repeat; a lookup finds the first. Names and
//! values are bytes: nothing forces a peer to send UTF-8.
//!
//! ```text
//!  bytes:    t status src nodea srcuuid ................
//!            ^-^^----^                    one arena, names and values in field order
//!  entries:  [start, name_len, value_len, kind] ...
//! ```
//!
//! A cleared message keeps its memory, so decoding into the same one again allocates nothing. Only struct fields,
//! which haresources clusters never use, cost an allocation of their own.

use std::fmt;

use crate::netstring;
use crate::number;

/// A cleared message gives memory beyond this back, so that one huge packet does not bind it for ever.
const KEPT_CAPACITY: usize = 64 * 1024;

/// An ordered list of fields.
#[derive(Clone, Default, PartialEq)]
pub struct Message {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

/// One field of a [`Message`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field<'a> {
    /// At least one byte, without `=`.
    pub name: &'a [u8],
    /// The typed value.
    pub value: Value<'a>,
}

/// The value of a field, by its type on the wire.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Type 0: bytes without NUL.
    Text(&'a [u8]),
    /// Type 1: any bytes, for example the 16 of a UUID.
    Binary(&'a [u8]),
    /// Type 2: a nested message.
    Struct(&'a Message),
    /// Type 3: a list of strings.
    List(List<'a>),
    /// Type 4: a compressed nested message, left as it is.
    Compressed(&'a [u8]),
}

/// An ordered list of strings, none of them empty.
#[derive(Clone, Copy, PartialEq)]
pub struct List<'a> {
    /// `3:abc,4:defg,`, checked when it was made.
    packed: &'a [u8],
}

#[derive(Clone, PartialEq)]
struct Entry {
    start: usize,
    name_len: usize,
    value_len: usize,
    kind: Kind,
}

#[derive(Clone, PartialEq)]
pub(crate) enum Kind {
    Text,
    Binary,
    Struct(Box<Message>),
    /// The value is the packed list, valid by construction.
    List,
    Compressed,
}

impl Message {
    /// An empty message.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Removes all fields. The memory is kept for the next use, unless it is exceptionally much.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_CAPACITY);
        self.entries.shrink_to(KEPT_CAPACITY / size_of::<Entry>());
    }

    /// The fields, in order.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = Field<'_>> + DoubleEndedIterator {
        self.entries.iter().map(|entry| self.field(entry))
    }

    /// Appends a text field.
    ///
    /// Names and values are not checked here; encoding refuses what the wire cannot carry.
    pub fn push(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.push_kind(name.as_bytes(), Kind::Text, value.as_ref());
    }

    /// Appends a binary field.
    pub fn push_binary(&mut self, name: &str, value: &[u8]) {
        self.push_kind(name.as_bytes(), Kind::Binary, value);
    }

    /// Appends a nested message.
    pub fn push_struct(&mut self, name: &str, value: Message) {
        self.push_kind(name.as_bytes(), Kind::Struct(Box::new(value)), b"");
    }

    /// Appends a list. Empty strings cannot be carried and are left out.
    pub fn push_list<I>(&mut self, name: &str, items: I)
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let mut packed = Vec::new();
        for item in items {
            if !item.as_ref().is_empty() {
                netstring::put_netstring(&mut packed, &[item.as_ref()]);
            }
        }
        self.push_kind(name.as_bytes(), Kind::List, &packed);
    }

    /// Appends a field that holds a compressed message.
    pub fn push_compressed(&mut self, name: &str, value: &[u8]) {
        self.push_kind(name.as_bytes(), Kind::Compressed, value);
    }

    /// Inserts a text field before all others.
    pub fn insert_front(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.insert(0, name.as_bytes(), Kind::Text, value.as_ref());
    }

    /// Gives the first field of this name a text value, keeping its position; appends the field if there is none.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.replace(name.as_bytes(), Kind::Text, value.as_ref());
    }

    /// Like [`Message::set`], for a binary value.
    pub fn set_binary(&mut self, name: &str, value: &[u8]) {
        self.replace(name.as_bytes(), Kind::Binary, value);
    }

    /// Removes every field of this name, and says whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let mut removed = false;
        while let Some(position) = self.position(name.as_bytes()) {
            self.remove_at(position);
            removed = true;
        }
        removed
    }

    /// Whether there is a field of this name, of whatever type.
    pub fn contains(&self, name: &str) -> bool {
        self.position(name.as_bytes()).is_some()
    }

    /// The value of the first field of this name, if it is text.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        match self.value(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Like [`Message::get`], if the text is UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// The value of the first field of this name, if it is binary.
    pub fn binary(&self, name: &str) -> Option<&[u8]> {
        match self.value(name)? {
            Value::Binary(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The value of the first field of this name.
    pub fn value(&self, name: &str) -> Option<Value<'_>> {
        let entry = self.entries.get(self.position(name.as_bytes())?)?;
        Some(self.field(entry).value)
    }

    /// The kind of message: the text of field `t`.
    pub fn kind(&self) -> Option<&str> {
        self.text("t")
    }

    /// A text field read as a hexadecimal number, as tolerant as C's `scanf`: white space before it, upper case, a
    /// `0x` and anything behind the number are accepted; signs and what does not fit 64 bits are not.
    pub fn hex(&self, name: &str) -> Option<u64> {
        number::hex(self.get(name)?)
    }

    /// A text field read as a decimal number, with the tolerance of [`Message::hex`].
    pub fn decimal(&self, name: &str) -> Option<u64> {
        number::decimal(self.get(name)?)
    }

    /// Appends a field of any type. A [`Kind::List`] must come with a packed list that [`List::parse`] accepts.
    pub(crate) fn push_kind(&mut self, name: &[u8], kind: Kind, value: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        self.entries.push(Entry {
            start,
            name_len: name.len(),
            value_len: value.len(),
            kind,
        });
    }

    /// Like [`Message::push_kind`], for a value that `write` appends directly to the message's own memory.
    pub(crate) fn push_written(
        &mut self,
        name: &[u8],
        kind: Kind,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        let value_start = self.bytes.len();
        write(&mut self.bytes);
        let value_len = self.bytes.len().saturating_sub(value_start);
        self.entries.push(Entry {
            start,
            name_len: name.len(),
            value_len,
            kind,
        });
    }

    fn insert(&mut self, position: usize, name: &[u8], kind: Kind, value: &[u8]) {
        let start = self
            .entries
            .get(position)
            .map_or(self.bytes.len(), |entry| entry.start);
        self.bytes
            .splice(start..start, name.iter().chain(value).copied());
        let grown = name.len() + value.len();
        for entry in &mut self.entries[position..] {
            entry.start += grown;
        }
        let entry = Entry {
            start,
            name_len: name.len(),
            value_len: value.len(),
            kind,
        };
        self.entries.insert(position, entry);
    }

    fn replace(&mut self, name: &[u8], kind: Kind, value: &[u8]) {
        match self.position(name) {
            None => self.push_kind(name, kind, value),
            Some(position) => {
                self.remove_at(position);
                self.insert(position, name, kind, value);
            }
        }
    }

    fn remove_at(&mut self, position: usize) {
        let gone = self.entries.remove(position);
        let shrunk = gone.name_len + gone.value_len;
        self.bytes.drain(gone.start..gone.start + shrunk);
        for entry in &mut self.entries[position..] {
            entry.start -= shrunk;
        }
    }

    fn position(&self, name: &[u8]) -> Option<usize> {
        self.entries
            .iter()
            .position(|entry| self.field(entry).name == name)
    }

    fn field<'a>(&'a self, entry: &'a Entry) -> Field<'a> {
        let (name, rest) = self.bytes[entry.start..].split_at(entry.name_len);
        let value = &rest[..entry.value_len];
        let value = match &entry.kind {
            Kind::Text => Value::Text(value),
            Kind::Binary => Value::Binary(value),
            Kind::Struct(message) => Value::Struct(message),
            Kind::List => Value::List(List { packed: value }),
            Kind::Compressed => Value::Compressed(value),
        };
        Field { name, value }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for field in self.fields() {
            map.entry(
                &format_args!("{}", field.name.escape_ascii()),
                &ShortValue(field.value),
            );
        }
        map.finish()
    }
}

struct ShortValue<'a>(Value<'a>);

impl fmt::Debug for ShortValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Text(text) => write!(f, "\"{}\"", text.escape_ascii()),
            Value::Binary(bytes) => write!(f, "b\"{}\"", bytes.escape_ascii()),
            Value::Compressed(bytes) => write!(f, "compressed b\"{}\"", bytes.escape_ascii()),
            Value::Struct(message) => message.fmt(f),
            Value::List(list) => list.fmt(f),
        }
    }
}

impl Value<'_> {
    /// The type number on the wire (`wire-protocol.md` 1).
    pub fn type_number(&self) -> u8 {
        match self {
            Value::Text(_) => 0,
            Value::Binary(_) => 1,
            Value::Struct(_) => 2,
            Value::List(_) => 3,
            Value::Compressed(_) => 4,
        }
    }
}

impl<'a> List<'a> {
    /// Checks a packed list: netstrings from end to end, none empty.
    pub(crate) fn parse(packed: &'a [u8]) -> Option<Self> {
        let mut rest = packed;
        while !rest.is_empty() {
            let (item, behind) = netstring::peel(rest)?;
            if item.is_empty() {
                return None;
            }
            rest = behind;
        }
        Some(Self { packed })
    }

    /// The strings, in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.packed;
        std::iter::from_fn(move || {
            let (item, behind) = netstring::peel(rest)?;
            rest = behind;
            Some(item)
        })
    }

    /// The packed form, as it goes on the wire.
    pub(crate) fn packed(&self) -> &'a [u8] {
        self.packed
    }
}

impl fmt::Debug for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|item| item.escape_ascii().to_string()))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(message: &Message) -> Vec<String> {
        message
            .fields()
            .map(|field| String::from_utf8_lossy(field.name).into_owned())
            .collect()
    }

    #[test]
    fn set_keeps_the_position() {
        let mut message = Message::new();
        message.push("t", "status");
        message.push("src", "client");
        message.push("x", "y");
        message.set("src", "a-much-longer-name");
        message.set("ts", "1");
        message.set_binary("t", b"\0");
        assert_eq!(names(&message), ["t", "src", "x", "ts"]);
        assert_eq!(message.text("src"), Some("a-much-longer-name"));
        assert_eq!(message.text("x"), Some("y"));
        assert_eq!(message.text("t"), None);
        assert_eq!(message.binary("t"), Some(&b"\0"[..]));
    }

    #[test]
    fn the_first_of_several_is_found_and_all_are_removed() {
        let mut message = Message::new();
        message.push("a", "1");
        message.push("b", "2");
        message.push("a", "3");
        assert_eq!(message.get("a"), Some(&b"1"[..]));
        assert!(message.remove("a"));
        assert!(!message.remove("a"));
        assert_eq!(names(&message), ["b"]);
        assert_eq!(message.get("b"), Some(&b"2"[..]));
    }

    #[test]
    fn front_insertion() {
        let mut message = Message::new();
        message.push("t", "repnodes");
        message.insert_front("dest", "nodeb");
        assert_eq!(names(&message), ["dest", "t"]);
        assert_eq!(message.kind(), Some("repnodes"));
    }

    #[test]
    fn equal_however_it_came_about() {
        let mut one = Message::new();
        one.push("a", "long value");
        one.push("b", "2");
        one.set("a", "1");
        let mut other = Message::new();
        other.push("b", "2");
        other.insert_front("a", "1");
        assert_eq!(one, other);
    }

    #[test]
    fn lists_leave_out_empty_strings() {
        let mut message = Message::new();
        message.push_list("nodes", ["abc", "", "defg"]);
        let Some(Value::List(list)) = message.value("nodes") else {
            panic!("{message:?}")
        };
        assert_eq!(list.packed(), b"3:abc,4:defg,");
        assert_eq!(list.iter().collect::<Vec<_>>(), [&b"abc"[..], b"defg"]);
    }

    #[test]
    fn a_cleared_message_keeps_ordinary_memory_only() {
        let mut message = Message::new();
        message.push("big", vec![b'x'; 200_000]);
        message.clear();
        assert!(message.is_empty());
        assert!(message.bytes.capacity() <= KEPT_CAPACITY);
    }

    #[test]
    fn debug_is_readable() {
        let mut message = Message::new();
        message.push("t", "status");
        message.push_binary("srcuuid", &[1]);
        assert_eq!(format!("{message:?}"), r#"{t: "status", srcuuid: b"\x01"}"#);
    }
}
