//! Authentication keys (`wire-protocol.md` 3.4): what `authkeys` holds once it is understood.

use std::fmt;
use std::hint::black_box;
use std::str::FromStr;

use crate::digest::equal_in_constant_time;
use crate::limits::MAX_AUTH_INDEX;

/// How a digest is computed (`wire-protocol.md` 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// A checksum without key: guards against damage, not against anybody.
    Crc,
    /// HMAC-MD5.
    Md5,
    /// HMAC-SHA1.
    Sha1,
}

impl Method {
    /// The word used in `authkeys`.
    pub fn name(self) -> &'static str {
        match self {
            Method::Crc => "crc",
            Method::Md5 => "md5",
            Method::Sha1 => "sha1",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Method {
    /// The word is none of the three.
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        [Method::Crc, Method::Md5, Method::Sha1]
            .into_iter()
            .find(|method| method.name() == word)
            .ok_or(())
    }
}

/// Key bytes that are never printed, are compared in constant time, and are wiped when dropped.
#[derive(Clone, Default)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes a copy of the key bytes. The caller's own copy is the caller's to wipe.
    pub fn new(bytes: impl AsRef<[u8]>) -> Self {
        Self(bytes.as_ref().to_vec())
    }

    /// The key bytes, for computing a digest.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        equal_in_constant_time(&self.0, &other.0)
    }
}

impl Eq for Secret {}

impl Drop for Secret {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Overwrites what was secret. For buffers that are about to be freed, such as a file of keys that has been read.
pub fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    // Without a reader the compiler may leave out writes to memory that is about to be freed.
    black_box(bytes);
}

/// One line of `authkeys`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// How to compute the digest.
    pub method: Method,
    /// The third word of the line; empty and unused for [`Method::Crc`].
    pub secret: Secret,
}

impl Key {
    /// A key for `method`.
    pub fn new(method: Method, secret: impl AsRef<[u8]>) -> Self {
        Self {
            method,
            secret: Secret::new(secret),
        }
    }
}

/// All loaded keys, by index 0 to 15, and which of them signs what we send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRing {
    slots: [Option<Key>; MAX_AUTH_INDEX as usize + 1],
    outbound: Option<u8>,
}

impl KeyRing {
    /// A ring without keys. It refuses every packet and cannot sign any.
    pub fn new() -> Self {
        Self::default()
    }

    /// Loads a key; a key that was there under the same index is replaced. An index above 15 does not exist: nothing is
    /// stored and the result is `false`.
    pub fn insert(&mut self, index: u8, key: Key) -> bool {
        match self.slots.get_mut(usize::from(index)) {
            Some(slot) => {
                *slot = Some(key);
                true
            }
            None => false,
        }
    }

    /// Chooses the key that signs what we send (`auth N`). It may be loaded afterwards.
    pub fn set_outbound(&mut self, index: u8) {
        self.outbound = Some(index);
    }

    /// The index that [`KeyRing::set_outbound`] chose.
    pub fn outbound(&self) -> Option<u8> {
        self.outbound
    }

    /// The key of an index, if it is loaded.
    pub fn get(&self, index: u8) -> Option<&Key> {
        self.slots.get(usize::from(index))?.as_ref()
    }

    /// The index and key that sign what we send, if chosen and loaded.
    pub fn outbound_key(&self) -> Option<(u8, &Key)> {
        let index = self.outbound?;
        Some((index, self.get(index)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let mut ring = KeyRing::new();
        assert!(ring.insert(1, Key::new(Method::Sha1, "hush")));
        let shown = format!("{ring:?}");
        assert!(shown.contains("Sha1"), "{shown}");
        assert!(!shown.contains("hush"), "{shown}");
        assert!(!shown.contains("104"), "{shown}");
    }

    #[test]
    fn sixteen_slots() {
        let mut ring = KeyRing::new();
        assert!(ring.insert(0, Key::new(Method::Crc, "")));
        assert!(ring.insert(15, Key::new(Method::Md5, "k")));
        assert!(!ring.insert(16, Key::new(Method::Md5, "k")));
        assert!(ring.get(16).is_none());
        assert_eq!(ring.outbound_key(), None);
        ring.set_outbound(15);
        assert_eq!(ring.outbound_key(), Some((15, &Key::new(Method::Md5, "k"))));
        ring.set_outbound(7);
        assert_eq!(ring.outbound_key(), None);
    }

    #[test]
    fn method_words() {
        assert_eq!("sha1".parse(), Ok(Method::Sha1));
        assert_eq!("SHA1".parse::<Method>(), Err(()));
    }
}
