//! How a password is proved to a mysql server without being sent.

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::message::Challenge;

/// Length of the nonces of both hashing methods.
const NONCE: usize = 20;

/// Methods that are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plugin {
    /// mysql_native_password.
    Native,
    /// caching_sha2_password: a hash will do if the server remembers the account, else it wants the password itself.
    CachingSha2,
    /// sha256_password: the password itself.
    Sha256,
}

impl Plugin {
    /// By its name.
    pub(super) fn named(name: &[u8]) -> Option<Plugin> {
        [Plugin::Native, Plugin::CachingSha2, Plugin::Sha256]
            .into_iter()
            .find(|plugin| plugin.name() == name)
    }

    pub(super) fn name(self) -> &'static [u8] {
        match self {
            Plugin::Native => b"mysql_native_password",
            Plugin::CachingSha2 => b"caching_sha2_password",
            Plugin::Sha256 => b"sha256_password",
        }
    }

    /// The answer to a challenge. None if it is the password itself, which goes over TLS only, see [`in_clear`].
    pub(super) fn answer(self, challenge: &Challenge, password: &[u8]) -> Option<Vec<u8>> {
        let nonce = challenge.nonce.get(..NONCE).unwrap_or(&challenge.nonce);
        match self {
            // No password is no answer, in every method.
            Plugin::Native if password.is_empty() => Some(Vec::new()),
            Plugin::CachingSha2 if password.is_empty() => Some(Vec::new()),
            Plugin::Native => Some(native(nonce, password)),
            Plugin::CachingSha2 => Some(caching_sha2(nonce, password)),
            Plugin::Sha256 if password.is_empty() => Some(vec![0]),
            Plugin::Sha256 => None,
        }
    }
}

/// The password itself, as both SHA-256 methods want it over TLS.
pub(super) fn in_clear(password: &[u8]) -> Vec<u8> {
    [password, &[0]].concat()
}

/// SHA1(password) xor SHA1(nonce, SHA1(SHA1(password))).
fn native(nonce: &[u8], password: &[u8]) -> Vec<u8> {
    let once = Sha1::digest(password);
    let mask = Sha1::new()
        .chain_update(nonce)
        .chain_update(Sha1::digest(once))
        .finalize();
    once.iter().zip(mask).map(|(a, b)| a ^ b).collect()
}

/// SHA256(password) xor SHA256(SHA256(SHA256(password)), nonce).
fn caching_sha2(nonce: &[u8], password: &[u8]) -> Vec<u8> {
    let once = Sha256::digest(password);
    let mask = Sha256::new()
        .chain_update(Sha256::digest(once))
        .chain_update(nonce)
        .finalize();
    once.iter().zip(mask).map(|(a, b)| a ^ b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The server knows the hash of the hash; it must find it in the answer.
    #[test]
    fn a_server_can_tell() {
        let nonce = b"01234567890123456789";
        let stored = Sha1::digest(Sha1::digest(b"secret"));
        let mask = Sha1::new()
            .chain_update(nonce)
            .chain_update(stored)
            .finalize();
        let answer = native(nonce, b"secret");
        let once: Vec<u8> = answer.iter().zip(mask).map(|(a, b)| a ^ b).collect();
        assert_eq!(Sha1::digest(once), stored);

        let stored = Sha256::digest(Sha256::digest(b"secret"));
        let mask = Sha256::new()
            .chain_update(stored)
            .chain_update(nonce)
            .finalize();
        let answer = caching_sha2(nonce, b"secret");
        let once: Vec<u8> = answer.iter().zip(mask).map(|(a, b)| a ^ b).collect();
        assert_eq!(Sha256::digest(once), stored);
    }

    #[test]
    fn the_zero_behind_the_nonce_does_not_count() {
        let challenge = |nonce: &[u8]| Challenge {
            plugin: Vec::new(),
            nonce: nonce.to_vec(),
        };
        for plugin in [Plugin::Native, Plugin::CachingSha2] {
            let answer = |nonce| plugin.answer(&challenge(nonce), b"secret");
            assert_eq!(
                answer(b"01234567890123456789"),
                answer(b"01234567890123456789\0")
            );
            assert_eq!(plugin.answer(&challenge(b"x"), b""), Some(Vec::new()));
        }
    }
}
