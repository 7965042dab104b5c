//! The captured packets: files and what `index.tsv` says about them.

use std::fs;
use std::path::Path;

use ha_wire::icmp::{Echo, HEADER_LENGTH};
use ha_wire::{Key, KeyRing};

/// One captured packet.
pub struct Vector {
    /// File name.
    pub name: String,
    /// `crc`, `md5` or `sha1`.
    pub method: String,
    /// The key, empty for `crc`.
    pub key: String,
    /// Kind of message, field `t`.
    pub kind: String,
    /// Its authentication index, from the note.
    pub index: u8,
    /// The file's bytes.
    pub bytes: Vec<u8>,
}

impl Vector {
    pub fn is_icmp(&self) -> bool {
        self.name.ends_with(".icmp.bin")
    }

    /// The heartbeat packet, without ICMP header.
    pub fn packet(&self) -> &[u8] {
        if self.is_icmp() {
            &self.bytes[HEADER_LENGTH..]
        } else {
            &self.bytes
        }
    }

    /// A ring with the key of the sender as the only and outbound one.
    pub fn ring(&self) -> KeyRing {
        ring(&[(
            self.index,
            Key::new(self.method.parse().unwrap(), &self.key),
        )])
    }

    pub fn echo(&self) -> Echo<'_> {
        Echo::parse(&self.bytes).unwrap_or_else(|| panic!("{}: bad ICMP", self.name))
    }
}

/// A ring of these keys; the first is the outbound one.
pub fn ring(keys: &[(u8, Key)]) -> KeyRing {
    let mut ring = KeyRing::new();
    for (index, key) in keys {
        assert!(ring.insert(*index, key.clone()));
    }
    ring.set_outbound(keys[0].0);
    ring
}

/// Every captured packet.
pub fn vectors() -> Vec<Vector> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let index = fs::read_to_string(folder.join("index.tsv")).unwrap();
    let mut vectors = Vec::new();
    for line in index.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [name, method, key, kind, note] = columns[..] else {
            panic!("index.tsv: {line}")
        };
        let number = note.split("auth index ").nth(1).unwrap();
        let number = number.split(|c: char| !c.is_ascii_digit()).next().unwrap();
        vectors.push(Vector {
            name: name.into(),
            method: method.into(),
            key: if key == "-" {
                String::new()
            } else {
                key.into()
            },
            kind: kind.into(),
            index: number.parse().unwrap(),
            bytes: fs::read(folder.join(name)).unwrap(),
        });
    }
    assert_eq!(
        vectors.len(),
        122,
        "files without a line, or lines without a file"
    );
    vectors
}

/// One captured packet by file name.
pub fn vector(name: &str) -> Vector {
    vectors()
        .into_iter()
        .find(|vector| vector.name == name)
        .unwrap_or_else(|| panic!("{name}"))
}
