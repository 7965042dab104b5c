//! Where encoded bytes go: into a packet or into a digest.
//!
//! The string form's digest covers exactly the lines that go on the wire, so one writer serves both, and neither needs
//! a buffer in between.

/// Takes bytes, in order.
pub(crate) trait Sink {
    /// Takes the next bytes.
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Writes `number` in decimal.
pub(crate) fn put_decimal(sink: &mut impl Sink, mut number: usize) {
    let mut digits = [0u8; 20];
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + (number % 10) as u8;
        number /= 10;
        used += 1;
        if number == 0 {
            break;
        }
    }
    sink.put(&digits[digits.len() - used..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals() {
        for number in [0, 1, 9, 10, 42, 100, 65_507, usize::MAX] {
            let mut out = Vec::new();
            put_decimal(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
    }
}
