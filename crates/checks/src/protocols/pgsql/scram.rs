//! SCRAM-SHA-256 (RFC 5802, RFC 7677): both sides prove that they know the password.
//!
//! Deriving the key takes thousands of hashes, as many as the server says. It is done in pieces, so that one check does
//! not hold up the others.
//!
//! The password goes through no SASLprep: one of ASCII would come out as it is, and one of other characters almost
//! always too.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// The mechanism's name.
pub(super) const MECHANISM: &[u8] = b"SCRAM-SHA-256";

/// No channel binding, no other identity.
const HEADER: &str = "n,,";
/// [`HEADER`] in base64.
const BINDING: &str = "c=biws";
/// PostgreSQL's own is 4096. More than this takes longer than a check may.
const ITERATIONS_MAX: u32 = 10_000_000;
/// So many at a time: about a millisecond.
const STEP: u32 = 2048;

type HmacSha256 = Hmac<Sha256>;

/// Our side, having said who we are.
pub(super) struct First {
    /// `n=,r=NONCE`; PostgreSQL takes the user from the beginning of the conversation.
    bare: String,
}

/// Our side, deriving the key.
pub(super) struct Deriving {
    password: HmacSha256,
    /// U of the last iteration, and all of them together.
    last: [u8; 32],
    key: [u8; 32],
    left: u32,
    /// What is signed.
    message: String,
    /// The last message without its proof.
    without_proof: String,
}

/// Our side, waiting for the server's proof.
pub(super) struct Last {
    signature: [u8; 32],
}

/// One step of deriving.
pub(super) enum Step {
    /// More to do.
    More(Box<Deriving>),
    /// The last message, and what to expect after it.
    Done(String, Last),
}

impl First {
    /// With a nonce out of these bytes.
    pub(super) fn new(random: &[u8]) -> First {
        First::with_nonce(&BASE64_STANDARD.encode(random))
    }

    fn with_nonce(nonce: &str) -> First {
        First {
            bare: format!("n=,r={nonce}"),
        }
    }

    /// The first message.
    pub(super) fn message(&self) -> String {
        format!("{HEADER}{}", self.bare)
    }

    /// Takes the server's first message; none if it is not one that answers ours.
    pub(super) fn challenged(self, server: &[u8], password: &[u8]) -> Option<Box<Deriving>> {
        let server = std::str::from_utf8(server).ok()?;
        let mut attributes = server.split(',');
        let nonce = attributes.next()?.strip_prefix("r=")?;
        let salt = attributes.next()?.strip_prefix("s=")?;
        let iterations: u32 = attributes.next()?.strip_prefix("i=")?.parse().ok()?;
        let (_, ours) = self.bare.split_once("r=")?;
        if nonce.len() <= ours.len() || !nonce.starts_with(ours) {
            return None;
        }
        if !(1..=ITERATIONS_MAX).contains(&iterations) {
            return None;
        }
        let salt = BASE64_STANDARD.decode(salt).ok()?;
        let password = hmac(password);
        let mut first = password.clone();
        first.update(&salt);
        first.update(&1_u32.to_be_bytes());
        let first: [u8; 32] = first.finalize().into_bytes().into();
        let without_proof = format!("{BINDING},r={nonce}");
        Some(Box::new(Deriving {
            password,
            last: first,
            key: first,
            left: iterations - 1,
            message: format!("{},{server},{without_proof}", self.bare),
            without_proof,
        }))
    }
}

impl Deriving {
    /// Does a piece of the work.
    pub(super) fn step(mut self: Box<Self>) -> Step {
        let now = self.left.min(STEP);
        for _ in 0..now {
            let mut next = self.password.clone();
            next.update(&self.last);
            self.last = next.finalize().into_bytes().into();
            for (key, byte) in self.key.iter_mut().zip(self.last) {
                *key ^= byte;
            }
        }
        self.left -= now;
        if self.left > 0 {
            return Step::More(self);
        }
        let client_key = signed(&self.key, b"Client Key");
        let stored_key = Sha256::digest(client_key);
        let client_signature = signed(&stored_key, self.message.as_bytes());
        let proof: Vec<u8> = client_key
            .iter()
            .zip(client_signature)
            .map(|(key, byte)| key ^ byte)
            .collect();
        let server_key = signed(&self.key, b"Server Key");
        let signature = signed(&server_key, self.message.as_bytes());
        let message = format!("{},p={}", self.without_proof, BASE64_STANDARD.encode(proof));
        Step::Done(message, Last { signature })
    }
}

impl Last {
    /// Whether the server's last message proves that it knows the password too.
    pub(super) fn is_proved(&self, server: &[u8]) -> bool {
        let Some(proof) = server.strip_prefix(b"v=") else {
            return false;
        };
        let proof = proof.split(|&byte| byte == b',').next().unwrap_or_default();
        BASE64_STANDARD.decode(proof).is_ok_and(|proof| {
            let differ = proof.iter().zip(self.signature);
            proof.len() == self.signature.len() && differ.fold(0, |d, (a, b)| d | (a ^ b)) == 0
        })
    }
}

// Nonces are no secret, but what is derived from the password is one.
impl fmt::Debug for First {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("First")
    }
}

impl fmt::Debug for Deriving {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Deriving {{ left: {} }}", self.left)
    }
}

impl fmt::Debug for Last {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Last")
    }
}

fn hmac(key: &[u8]) -> HmacSha256 {
    HmacSha256::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn signed(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = hmac(key);
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7677 3, whose client names itself; PostgreSQL's does not.
    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
        s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    const SERVER_FINAL: &[u8] = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    fn rfc() -> First {
        First {
            bare: format!("n=user,r={NONCE}"),
        }
    }

    fn finish(mut deriving: Box<Deriving>) -> (String, Last, u32) {
        let mut steps = 1;
        loop {
            match deriving.step() {
                Step::More(more) => deriving = more,
                Step::Done(message, last) => return (message, last, steps),
            }
            steps += 1;
        }
    }

    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(rfc().message(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let deriving = rfc()
            .challenged(SERVER_FIRST.as_bytes(), b"pencil")
            .unwrap();
        let (message, last, steps) = finish(deriving);
        assert_eq!(message, CLIENT_FINAL);
        assert_eq!(steps, 2);
        assert!(last.is_proved(SERVER_FINAL));
        assert!(last.is_proved(&[SERVER_FINAL, b",x=y"].concat()));
        for wrong in [
            &b"v="[..],
            b"e=invalid-proof",
            &SERVER_FINAL[..40],
            b"v=AAAA",
        ] {
            assert!(!last.is_proved(wrong));
        }
        let (_, other, _) = finish(
            rfc()
                .challenged(SERVER_FIRST.as_bytes(), b"pencils")
                .unwrap(),
        );
        assert!(!other.is_proved(SERVER_FINAL));
    }

    #[test]
    fn challenges_that_are_none() {
        for server in [
            "",
            "r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            // Our nonce and nothing of the server's.
            "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4294967295",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==",
            "r=rOprNGfwEbeRWgbNEkqOx,s=!,i=4096",
            "m=what,r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        ] {
            assert!(
                rfc().challenged(server.as_bytes(), b"pencil").is_none(),
                "{server}"
            );
        }
    }

    #[test]
    fn one_iteration_is_one_step() {
        let server = "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1";
        let deriving = rfc().challenged(server.as_bytes(), b"pencil").unwrap();
        assert_eq!(finish(deriving).2, 1);
    }
}
