//! Numbers in field values, read the way C's `scanf` reads them.
//!
//! Peers and scripts write plain lower-case hex or decimal, but what the legacy accepts is wider: white space before
//! the number, upper-case digits, a `0x` before hex digits, and anything after the number. We accept the same. A
//! number that does not fit 64 bits, or a negative one, is no number here; the legacy would wrap or saturate, which
//! can only ever do harm.

/// Reads a hexadecimal number (`%lx`).
pub(crate) fn hex(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii_start();
    let digits = match text {
        [b'0', b'x' | b'X', rest @ ..] if rest.first().is_some_and(u8::is_ascii_hexdigit) => rest,
        _ => text,
    };
    leading_number(digits, 16)
}

/// Reads a decimal number (`%ld`).
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    leading_number(text.trim_ascii_start(), 10)
}

fn leading_number(text: &[u8], radix: u32) -> Option<u64> {
    let mut number = None;
    for &byte in text {
        let Some(digit) = char::from(byte).to_digit(radix) else {
            break;
        };
        number = Some(
            number
                .unwrap_or(0u64)
                .checked_mul(u64::from(radix))?
                .checked_add(u64::from(digit))?,
        );
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_as_c_reads_it() {
        assert_eq!(hex(b"1b"), Some(0x1b));
        assert_eq!(hex(b"6b04b5a1"), Some(0x6b04_b5a1));
        assert_eq!(hex(b" \t0X1Fz"), Some(0x1f));
        assert_eq!(hex(b"0x"), Some(0));
        assert_eq!(hex(b"ffffffffffffffff"), Some(u64::MAX));
        assert_eq!(hex(b"10000000000000000"), None);
        assert_eq!(hex(b""), None);
        assert_eq!(hex(b"-1"), None);
        assert_eq!(hex(b"xyz"), None);
    }

    #[test]
    fn decimal_as_c_reads_it() {
        assert_eq!(decimal(b"1"), Some(1));
        assert_eq!(decimal(b"  42 and more"), Some(42));
        assert_eq!(decimal(b"0x10"), Some(0));
        assert_eq!(decimal(b"18446744073709551616"), None);
        assert_eq!(decimal(b"abc"), None);
    }
}
