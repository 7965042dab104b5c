//! Base64 as string-form packets carry it: standard alphabet, padded, on one line (`wire-protocol.md` 2.1).
//!
//! Only the canonical text of some bytes is accepted. A receiver computes the digest over what it would send itself, so
//! two texts for the same bytes would be two messages with one digest.

use crate::sink::Sink;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Writes `bytes` as base64.
pub(crate) fn put(sink: &mut impl Sink, bytes: &[u8]) {
    for group in bytes.chunks(3) {
        let byte = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let mut text = [b'='; 4];
        for (i, letter) in text.iter_mut().take(group.len() + 1).enumerate() {
            *letter = ALPHABET[(bits >> (18 - 6 * i)) as usize & 63];
        }
        sink.put(&text);
    }
}

/// How long the base64 of `len` bytes is.
pub(crate) fn encoded_len(len: usize) -> usize {
    len.div_ceil(3).saturating_mul(4)
}

/// Whether `text` is canonical base64.
pub(crate) fn is_canonical(text: &[u8]) -> bool {
    decode(text, |_| ())
}

/// Appends the bytes behind `text`, which [`is_canonical`] has found good, to `out`.
pub(crate) fn decode_into(text: &[u8], out: &mut Vec<u8>) {
    decode(text, |bytes| out.extend_from_slice(bytes));
}

/// Hands the decoded bytes to `take`, in order, and says whether the text was good from end to end.
fn decode(text: &[u8], mut take: impl FnMut(&[u8])) -> bool {
    let (groups, []) = text.as_chunks::<4>() else {
        return false;
    };
    for (position, group) in groups.iter().enumerate() {
        let padding = group
            .iter()
            .rev()
            .take_while(|&&letter| letter == b'=')
            .count();
        if padding > 2 || (padding > 0 && position + 1 != groups.len()) {
            return false;
        }
        let mut bits = 0u32;
        for &letter in &group[..4 - padding] {
            let Some(value) = value_of(letter) else {
                return false;
            };
            bits = bits << 6 | value;
        }
        bits <<= 6 * padding;
        let [_, bytes @ ..] = bits.to_be_bytes();
        let (data, unused) = bytes.split_at(3 - padding);
        if unused.iter().any(|&byte| byte != 0) {
            return false;
        }
        take(data);
    }
    true
}

fn value_of(letter: u8) -> Option<u32> {
    let value = match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        put(&mut out, bytes);
        assert_eq!(out.len(), encoded_len(bytes.len()));
        String::from_utf8(out).unwrap()
    }

    fn decoded(text: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        is_canonical(text).then(|| decode_into(text, &mut out))?;
        Some(out)
    }

    #[test]
    fn rfc_4648_cases_both_ways() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encoded(plain.as_bytes()), text);
            assert_eq!(decoded(text.as_bytes()).as_deref(), Some(plain.as_bytes()));
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decoded(encoded(&all).as_bytes()), Some(all));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "Z", "Zg=", "Zg", "Zh==", "Zm9=", "====", "Z===", "Zg==Zg==", "Zm9v\n", "Zm-v", "=Zg=",
        ] {
            assert_eq!(decoded(text.as_bytes()), None, "{text}");
        }
    }
}
