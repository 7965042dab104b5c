//! The three digests, fed piece by piece (`wire-protocol.md` 3.1).

use hmac::{Hmac, Mac};
use md5::Md5;
use sha1::Sha1;

use crate::key::{Key, Method};
use crate::sink::Sink;

/// A digest in the making.
pub(crate) enum Digester {
    Crc(Crc),
    Md5(Hmac<Md5>),
    Sha1(Hmac<Sha1>),
}

impl Digester {
    /// Starts a digest by the key's own method.
    pub(crate) fn new(key: &Key) -> Self {
        Self::with_method(key.method, key)
    }

    /// Starts a digest by `method` with the bytes of `key`, whatever that key's own method is. This is the legacy's
    /// way with netstrings (`wire-protocol.md` 3.4).
    pub(crate) fn with_method(method: Method, key: &Key) -> Self {
        let secret = key.secret.expose();
        match method {
            Method::Crc => Self::Crc(Crc::new()),
            Method::Md5 => {
                Self::Md5(Hmac::new_from_slice(secret).expect("HMAC takes keys of any length"))
            }
            Method::Sha1 => {
                Self::Sha1(Hmac::new_from_slice(secret).expect("HMAC takes keys of any length"))
            }
        }
    }

    /// The digest as the wire shows it.
    pub(crate) fn finish(self) -> DigestText {
        match self {
            Self::Crc(crc) => DigestText::number(crc.finish()),
            Self::Md5(hmac) => DigestText::bytes(&hmac.finalize().into_bytes()),
            Self::Sha1(hmac) => DigestText::bytes(&hmac.finalize().into_bytes()),
        }
    }
}

impl Sink for Digester {
    fn put(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(crc) => crc.put(bytes),
            Self::Md5(hmac) => hmac.update(bytes),
            Self::Sha1(hmac) => hmac.update(bytes),
        }
    }
}

/// POSIX `cksum` without the appended length: polynomial 0x04C11DB7, most significant bit first, initial value 0,
/// complemented at the end.
///
/// `crc32fast` computes the mirrored variant, so each byte goes in mirrored and the result comes out mirrored.
pub(crate) struct Crc(crc32fast::Hasher);

impl Crc {
    fn new() -> Self {
        // The hasher complements on the way in and out: all ones make the register start at 0.
        Self(crc32fast::Hasher::new_with_initial(u32::MAX))
    }

    fn put(&mut self, bytes: &[u8]) {
        let mut mirrored = [0u8; 256];
        for chunk in bytes.chunks(mirrored.len()) {
            let mirrored = &mut mirrored[..chunk.len()];
            for (to, from) in mirrored.iter_mut().zip(chunk) {
                *to = from.reverse_bits();
            }
            self.0.update(mirrored);
        }
    }

    fn finish(self) -> u32 {
        self.0.finalize().reverse_bits()
    }
}

/// A digest in lower-case hex.
#[derive(Clone, Copy)]
pub(crate) struct DigestText {
    text: [u8; 40],
    len: usize,
}

impl DigestText {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text[..self.len]
    }

    /// Whether the packet's digest is this one. Takes the same time wherever they differ.
    pub(crate) fn matches(&self, theirs: &[u8]) -> bool {
        equal_in_constant_time(self.as_bytes(), theirs)
    }

    fn empty() -> Self {
        Self {
            text: [0; 40],
            len: 0,
        }
    }

    fn bytes(digest: &[u8]) -> Self {
        let mut this = Self::empty();
        for byte in digest {
            this.digit(byte >> 4);
            this.digit(byte & 15);
        }
        this
    }

    /// Printed with `%lx`: no leading zeros.
    fn number(number: u32) -> Self {
        let mut this = Self::empty();
        for shift in (0..8).rev() {
            let digit = (number >> (4 * shift)) & 15;
            if digit != 0 || this.len > 0 || shift == 0 {
                this.digit(digit as u8);
            }
        }
        this
    }

    fn digit(&mut self, digit: u8) {
        self.text[self.len] = b"0123456789abcdef"[usize::from(digit & 15)];
        self.len += 1;
    }
}

/// Compares without telling by its duration where the first difference is. Lengths are no secret.
pub(crate) fn equal_in_constant_time(ours: &[u8], theirs: &[u8]) -> bool {
    if ours.len() != theirs.len() {
        return false;
    }
    let difference = ours
        .iter()
        .zip(theirs)
        .fold(0u8, |sum, (a, b)| sum | (a ^ b));
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(method: Method, secret: &[u8], data: &[u8]) -> String {
        let mut digester = Digester::new(&Key::new(method, secret));
        digester.put(data);
        String::from_utf8(digester.finish().as_bytes().to_vec()).unwrap()
    }

    /// The plain definition, bit by bit.
    fn slow_crc(data: &[u8]) -> u32 {
        let mut register = 0u32;
        for &byte in data {
            register ^= u32::from(byte) << 24;
            for _ in 0..8 {
                register = (register << 1) ^ (0x04C1_1DB7 * (register >> 31));
            }
        }
        !register
    }

    #[test]
    fn crc_is_the_plain_definition() {
        let data: Vec<u8> = (0..1000u32).map(|i| (i * i % 251) as u8).collect();
        for end in [0, 1, 3, 255, 256, 257, 1000] {
            assert_eq!(
                digest(Method::Crc, b"", &data[..end]),
                format!("{:x}", slow_crc(&data[..end]))
            );
        }
    }

    #[test]
    fn crc_text_has_no_leading_zeros() {
        let short = (0..100_000u32)
            .map(|n| n.to_string())
            .find(|text| slow_crc(text.as_bytes()) < 0x1000_0000)
            .unwrap();
        assert!(digest(Method::Crc, b"", short.as_bytes()).len() < 8);
        assert_eq!(DigestText::number(0).as_bytes(), b"0");
    }

    #[test]
    fn rfc_2202_cases() {
        let data = b"what do ya want for nothing?";
        assert_eq!(
            digest(Method::Md5, b"Jefe", data),
            "750c783e6ab0b503eaa86e310a5db738"
        );
        assert_eq!(
            digest(Method::Sha1, b"Jefe", data),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
        );
        let long = [0xaa; 80];
        let data = b"Test Using Larger Than Block-Size Key - Hash Key First";
        assert_eq!(
            digest(Method::Md5, &long, data),
            "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"
        );
        assert_eq!(
            digest(Method::Sha1, &long, data),
            "aa4ae5e15272d00e95705637ce8a3b55ed402112"
        );
    }

    #[test]
    fn comparison() {
        assert!(equal_in_constant_time(b"abc", b"abc"));
        assert!(!equal_in_constant_time(b"abc", b"abd"));
        assert!(!equal_in_constant_time(b"abc", b"abcd"));
        assert!(equal_in_constant_time(b"", b""));
    }
}
