//! `uuidfrom nodename`: a UUID computed from the node's name (`wire-protocol.md` 8.2).
//!
//! The legacy seeds the C library's generator with a hash of the name and draws 32 hex digits. Peers may have stored
//! such a UUID, so the same digits must come out wherever we run: the generator (glibc's additive one) is written down
//! here instead of asking the C library at hand.

/// A UUID and the seed that it came from, for the log: `seed is N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NameUuid {
    pub(crate) bytes: [u8; 16],
    pub(crate) seed: i32,
}

/// The UUID of a node name (lower case).
pub(crate) fn uuid_of(name: &str) -> NameUuid {
    // The first byte itself, each further one folded in.
    let hash = name.bytes().fold(0u32, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    let mut generator = Generator::new(hash);
    let mut bytes = [0; 16];
    for byte in &mut bytes {
        let high = generator.next() % 16;
        let low = generator.next() % 16;
        *byte = (high << 4 | low) as u8;
    }
    NameUuid {
        bytes,
        seed: hash as i32,
    }
}

/// Length of the feedback and its tap.
const DEGREE: usize = 31;
const SEPARATION: usize = 3;

/// glibc's `rand(3)`: `x[n] = x[n-31] + x[n-3]`, the lowest bit dropped, the first 310 values thrown away.
struct Generator {
    state: [u32; DEGREE],
    front: usize,
}

impl Generator {
    fn new(seed: u32) -> Generator {
        let mut state = [0; DEGREE];
        let mut word = if seed == 0 { 1 } else { seed as i32 };
        for slot in &mut state {
            *slot = word as u32;
            // Lehmer's step without overflow, on signed numbers.
            let next = 16807 * i64::from(word % 127_773) - 2836 * i64::from(word / 127_773);
            word = (if next < 0 { next + 2_147_483_647 } else { next }) as i32;
        }
        let mut generator = Generator {
            state,
            front: SEPARATION,
        };
        for _ in 0..DEGREE * 10 {
            generator.next();
        }
        generator
    }

    fn next(&mut self) -> u32 {
        let rear = (self.front + DEGREE - SEPARATION) % DEGREE;
        let sum = self.state[self.front].wrapping_add(self.state[rear]);
        self.state[self.front] = sum;
        self.front = (self.front + 1) % DEGREE;
        sum >> 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(uuid: NameUuid) -> String {
        uuid.bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    #[test]
    fn agrees_with_the_legacy() {
        let nodea = uuid_of("nodea");
        assert_eq!(
            (text(nodea).as_str(), nodea.seed),
            ("14df500c050852f24c12790b4c59b6ac", 104_993_439)
        );
        assert_eq!(text(uuid_of("nodeb")), "082b3869a2b676288e623843759864d6");
    }
}
