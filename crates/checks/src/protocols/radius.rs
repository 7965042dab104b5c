//! radius: one Access-Request, and an Access-Accept that is really the server's (`ldirectord.md` 6.3).
//!
//! ```text
//! code(1) id(1) length(2) authenticator(16) then attributes: type(1) length(1) value
//! ```
//!
//! The request is authenticated by a Message-Authenticator (RFC 3579 3.2), which servers have begun to insist on; it
//! stands first, as they advise. An answer is believed only if its own authenticators are right for the secret.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ha_config::ldirectord::{Negotiate, Password};
use hmac::{Hmac, Mac};
use md5::{Digest, Md5};

use super::Seed;
use super::ending::{self, closed, failed, mismatch};
use crate::{Conversation, Effect, Effects, Event, Target, Transport, Verdict};

const ACCESS_REQUEST: u8 = 1;
const ACCESS_ACCEPT: u8 = 2;
const ACCESS_REJECT: u8 = 3;
const ACCESS_CHALLENGE: u8 = 11;

const USER_NAME: u8 = 1;
const USER_PASSWORD: u8 = 2;
const NAS_IP_ADDRESS: u8 = 4;
const MESSAGE_AUTHENTICATOR: u8 = 80;
const NAS_IPV6_ADDRESS: u8 = 95;

/// Of a packet before its attributes.
const HEAD: usize = 20;
/// RFC 2865 3: what is longer is no radius.
const PACKET_MAX: usize = 4096;
const VALUE_MAX: usize = 253;
/// RFC 2865 5.2.
const PASSWORD_MAX: usize = 128;

/// The first request is repeated after this time, the next after twice as long, and so on up to the longest. A server
/// delays a refusal by about a second, which is no reason to repeat anything.
const PATIENCE: Duration = Duration::from_secs(2);
const PATIENCE_MAX: Duration = Duration::from_secs(8);

/// One check.
#[derive(Debug)]
pub(super) struct Radius {
    target: Target,
    login: Vec<u8>,
    password: Password,
    secret: Password,
    id: u8,
    /// The request's authenticator.
    authenticator: [u8; 16],
    request: Vec<u8>,
    patience: Duration,
    /// An answer came that the secret does not fit.
    heard_a_stranger: bool,
}

impl Radius {
    /// A check with the login, password and secret of `negotiate`.
    pub(super) fn new(
        address: IpAddr,
        port: u16,
        negotiate: &Negotiate,
        seed: &Seed,
    ) -> Result<Radius, Verdict> {
        let target = ending::target(address, port, Transport::Udp)?;
        let unusable = |what: &str, remark: &str| {
            Err(Verdict::down(format!("Unusable {what}"))
                .remark(format!("a radius check {remark}")))
        };
        if negotiate.login.is_empty() || negotiate.login.len() > VALUE_MAX {
            return unusable("login", "needs login, of at most 253 bytes");
        }
        if negotiate.password.expose().len() > PASSWORD_MAX {
            return unusable("passwd", "cannot have a passwd of more than 128 bytes");
        }
        if negotiate.secret.is_empty() {
            return unusable("secret", "needs secret");
        }
        let [id, rest @ ..] = *seed;
        let mut authenticator = [0; 16];
        for (to, from) in authenticator.iter_mut().zip(rest) {
            *to = from;
        }
        Ok(Radius {
            target,
            login: negotiate.login.clone(),
            password: negotiate.password.clone(),
            secret: negotiate.secret.clone(),
            id,
            authenticator,
            request: Vec::new(),
            patience: PATIENCE,
            heard_a_stranger: false,
        })
    }

    fn access_request(&self, local: SocketAddr) -> Vec<u8> {
        let mut packet = vec![ACCESS_REQUEST, self.id, 0, 0];
        packet.extend(self.authenticator);
        attribute(&mut packet, MESSAGE_AUTHENTICATOR, &[0; 16]);
        attribute(&mut packet, USER_NAME, &self.login);
        let hidden = hide(
            self.password.expose(),
            self.secret.expose(),
            &self.authenticator,
        );
        attribute(&mut packet, USER_PASSWORD, &hidden);
        match local.ip().to_canonical() {
            IpAddr::V4(ip) => attribute(&mut packet, NAS_IP_ADDRESS, &ip.octets()),
            IpAddr::V6(ip) => attribute(&mut packet, NAS_IPV6_ADDRESS, &ip.octets()),
        }
        // All attributes together are far below PACKET_MAX.
        let length = u16::try_from(packet.len()).unwrap_or(0).to_be_bytes();
        overwrite(&mut packet, 2, &length);
        let proof = message_authenticator(self.secret.expose(), &packet);
        overwrite(&mut packet, HEAD + 2, &proof.finalize().into_bytes());
        packet
    }

    fn say(&mut self, effects: &mut Effects) {
        effects.send(self.request.clone());
        effects.push(Effect::Wake(self.patience));
        self.patience = (self.patience * 2).min(PATIENCE_MAX);
    }

    fn data(&mut self, datagram: &[u8], effects: &mut Effects) {
        match self.code(datagram) {
            Some(ACCESS_ACCEPT) => effects.done(Verdict::up("Access-Accept")),
            Some(ACCESS_REJECT) => effects.done(Verdict::down("Access-Reject")),
            Some(ACCESS_CHALLENGE) => effects.done(Verdict::down("Access-Challenge")),
            Some(_) => effects.done(mismatch()),
            // RFC 2865 3: discarded in silence, for the right one may still come.
            None => self.heard_a_stranger = true,
        }
    }

    /// What the server answers, if it is the server that knows the secret.
    fn code(&self, datagram: &[u8]) -> Option<u8> {
        let (&[code, id, high, low], _) = datagram.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if id != self.id || !(HEAD..=PACKET_MAX).contains(&length) {
            return None;
        }
        // Bytes beyond the length are padding.
        let packet = datagram.get(..length)?;
        let attributes = packet.get(HEAD..)?;
        let signature = Md5::new()
            .chain_update(packet.get(..4)?)
            .chain_update(self.authenticator)
            .chain_update(attributes)
            .chain_update(self.secret.expose())
            .finalize();
        if !same(&signature, packet.get(4..HEAD)?) {
            return None;
        }
        let proofs = places(attributes, MESSAGE_AUTHENTICATOR)?;
        let believed = proofs.iter().all(|place| self.proves(packet, HEAD + place));
        believed.then_some(code)
    }

    /// Whether the Message-Authenticator whose value stands there is right.
    fn proves(&self, packet: &[u8], place: usize) -> bool {
        let Some(proof) = packet.get(place..place + 16) else {
            return false;
        };
        let mut bare = packet.to_vec();
        overwrite(&mut bare, 4, &self.authenticator);
        overwrite(&mut bare, place, &[0; 16]);
        message_authenticator(self.secret.expose(), &bare)
            .verify_slice(proof)
            .is_ok()
    }
}

impl Conversation for Radius {
    fn target(&self) -> Target {
        self.target.clone()
    }

    fn handle(&mut self, event: Event<'_>, effects: &mut Effects) {
        match event {
            Event::Connected { local } => {
                self.request = self.access_request(local);
                self.say(effects);
            }
            Event::Data(bytes) => self.data(bytes, effects),
            Event::Woken if self.heard_a_stranger => effects.done(
                Verdict::down("Answer not authentic").remark("is secret the one of the server?"),
            ),
            Event::Woken => self.say(effects),
            Event::Closed => effects.done(closed(self.heard_a_stranger)),
            Event::Failed(cause) => effects.done(failed(cause)),
            _ => {}
        }
    }
}

/// Appends an attribute; its value has at most [`VALUE_MAX`] bytes.
fn attribute(packet: &mut Vec<u8>, kind: u8, value: &[u8]) {
    let length = u8::try_from(value.len() + 2).unwrap_or(u8::MAX);
    packet.extend([kind, length]);
    packet.extend(value);
}

fn overwrite(packet: &mut [u8], place: usize, bytes: &[u8]) {
    if let Some(to) = packet.get_mut(place..place + bytes.len()) {
        to.copy_from_slice(bytes);
    }
}

/// A password as it stands in User-Password (RFC 2865 5.2).
fn hide(password: &[u8], secret: &[u8], authenticator: &[u8; 16]) -> Vec<u8> {
    let mut hidden: Vec<u8> = Vec::new();
    let mut before = *authenticator;
    let blocks = password.len().div_ceil(16).max(1);
    for block in 0..blocks {
        let mask = Md5::new()
            .chain_update(secret)
            .chain_update(before)
            .finalize();
        let plain = password
            .iter()
            .skip(16 * block)
            .chain(std::iter::repeat(&0));
        for ((to, mask), plain) in before.iter_mut().zip(mask).zip(plain) {
            *to = mask ^ plain;
        }
        hidden.extend(before);
    }
    hidden
}

fn message_authenticator(secret: &[u8], packet: &[u8]) -> Hmac<Md5> {
    let mut mac =
        <Hmac<Md5> as Mac>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(packet);
    mac
}

/// Where the values of attributes of this kind begin; none if the attributes are not well formed.
fn places(attributes: &[u8], kind: u8) -> Option<Vec<usize>> {
    let mut places = Vec::new();
    let mut place = 0;
    while place < attributes.len() {
        let length = usize::from(*attributes.get(place + 1)?);
        if length < 2 || place + length > attributes.len() {
            return None;
        }
        if attributes.get(place) == Some(&kind) {
            if length != 18 {
                return None;
            }
            places.push(place + 2);
        }
        place += length;
    }
    Some(places)
}

/// Equality in a time that does not depend on the bytes.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocols::bench::{self, Play};

    // RFC 2865 7.1: nemo logs in with arctangent; the secret is xyzzy5461.
    const RFC_AUTHENTICATOR: [u8; 16] = [
        0x0f, 0x40, 0x3f, 0x94, 0x73, 0x97, 0x80, 0x57, 0xbd, 0x83, 0xd5, 0xcb, 0x98, 0xf4, 0x22,
        0x7a,
    ];
    const RFC_HIDDEN: [u8; 16] = [
        0x0d, 0xbe, 0x70, 0x8d, 0x93, 0xd4, 0x13, 0xce, 0x31, 0x96, 0xe4, 0x3f, 0x78, 0x2a, 0x0a,
        0xee,
    ];
    const RFC_ACCEPT: [u8; 38] = [
        0x02, 0x00, 0x00, 0x26, 0x86, 0xfe, 0x22, 0x0e, 0x76, 0x24, 0xba, 0x2a, 0x10, 0x05, 0xf6,
        0xbf, 0x9b, 0x55, 0xe0, 0xb2, 0x06, 0x06, 0x00, 0x00, 0x00, 0x01, 0x0f, 0x06, 0x00, 0x00,
        0x00, 0x00, 0x0e, 0x06, 0xc0, 0xa8, 0x01, 0x03,
    ];

    fn negotiate() -> Negotiate {
        Negotiate {
            secret: Password::new("xyzzy5461"),
            ..bench::login("nemo", "arctangent")
        }
    }

    fn seed() -> Seed {
        let mut seed = [0; 32];
        seed[1..17].copy_from_slice(&RFC_AUTHENTICATOR);
        seed
    }

    fn radius() -> Radius {
        Radius::new(bench::SERVER, 1812, &negotiate(), &seed()).unwrap()
    }

    fn play() -> Play {
        Play::new(|| Box::new(radius())).connected()
    }

    /// An answer that is signed with the secret, with or without a Message-Authenticator.
    fn answer(code: u8, secret: &str, proof: bool) -> Vec<u8> {
        let mut packet = vec![code, 0, 0, 20];
        packet.extend(RFC_AUTHENTICATOR);
        if proof {
            packet[3] += 18;
            attribute(&mut packet, MESSAGE_AUTHENTICATOR, &[0; 16]);
            let proof = message_authenticator(secret.as_bytes(), &packet).finalize();
            overwrite(&mut packet, 22, &proof.into_bytes());
        }
        sign(packet, secret)
    }

    fn sign(mut packet: Vec<u8>, secret: &str) -> Vec<u8> {
        let signature = Md5::new()
            .chain_update(&packet)
            .chain_update(secret)
            .finalize();
        packet[4..20].copy_from_slice(&signature);
        packet
    }

    #[test]
    fn the_example_of_the_rfc() {
        let hidden = hide(b"arctangent", b"xyzzy5461", &RFC_AUTHENTICATOR);
        assert_eq!(hidden, RFC_HIDDEN);
        assert_eq!(
            play().hears(RFC_ACCEPT).ends().verdict,
            Verdict::up("Access-Accept")
        );
    }

    #[test]
    fn what_is_sent() {
        let sent = radius().access_request(bench::LOCAL);
        let attributes = [
            &b"\x01\x06nemo\x02\x12"[..],
            &RFC_HIDDEN,
            b"\x04\x06\xc0\0\x02\x01",
        ]
        .concat();
        assert_eq!(sent[..4], [1, 0, 0, 68]);
        assert_eq!(sent[4..20], RFC_AUTHENTICATOR);
        assert_eq!(sent[20..22], [80, 18]);
        assert_eq!(sent[38..], attributes);
        // As python's hmac computes it.
        let proof = [
            0x91, 0x52, 0x90, 0x5a, 0xd2, 0xa0, 0xef, 0xfd, 0xaa, 0x80, 0xc5, 0xb0, 0x98, 0x66,
            0xd7, 0x3f,
        ];
        assert_eq!(sent[22..38], proof);
        let ipv6 = radius().access_request("[2001:db8::1]:4000".parse().unwrap());
        assert_eq!(ipv6[62..68], [95, 18, 0x20, 0x01, 0x0d, 0xb8]);
    }

    #[test]
    fn long_passwords_have_several_blocks() {
        for (length, hidden) in [(0, 16), (1, 16), (16, 16), (17, 32), (128, 128)] {
            let password = vec![b'x'; length];
            assert_eq!(hide(&password, b"s", &RFC_AUTHENTICATOR).len(), hidden);
        }
        // What the server does to read it.
        let password = b"more than sixteen, less than 48";
        let hidden = hide(password, b"s", &RFC_AUTHENTICATOR);
        let mut plain = Vec::new();
        let mut before = RFC_AUTHENTICATOR.as_slice();
        for block in hidden.chunks(16) {
            let mask = Md5::new()
                .chain_update(b"s")
                .chain_update(before)
                .finalize();
            plain.extend(block.iter().zip(mask).map(|(byte, mask)| byte ^ mask));
            before = block;
        }
        assert_eq!(plain.strip_suffix(&[0]), Some(password.as_slice()));
    }

    #[test]
    fn only_an_accept_is_up() {
        for proof in [false, true] {
            let end = |code| {
                play()
                    .hears(answer(code, "xyzzy5461", proof))
                    .ends()
                    .verdict
            };
            assert_eq!(end(2), Verdict::up("Access-Accept"));
            assert_eq!(end(3), Verdict::down("Access-Reject"));
            assert_eq!(end(11), Verdict::down("Access-Challenge"));
            assert_eq!(end(5), mismatch());
        }
    }

    #[test]
    fn a_wrong_authenticator_is_not_believed() {
        let stranger = play().hears(answer(2, "another", true));
        assert_eq!(stranger.verdict(), None);
        // The real one may still come ...
        let end = stranger.hears(answer(2, "xyzzy5461", true)).ends();
        assert!(end.verdict.up);
        // ... but is not waited for any longer than otherwise.
        let end = play()
            .hears(answer(2, "another", true))
            .event(Event::Woken)
            .ends();
        assert_eq!(end.verdict.text, "Answer not authentic");
        // A packet that is signed, but whose Message-Authenticator is not.
        let mut packet = vec![2, 0, 0, 38];
        packet.extend(RFC_AUTHENTICATOR);
        attribute(&mut packet, MESSAGE_AUTHENTICATOR, &[7; 16]);
        assert_eq!(play().hears(sign(packet, "xyzzy5461")).verdict(), None);
    }

    #[test]
    fn every_bit_of_an_answer_counts() {
        let good = answer(2, "xyzzy5461", true);
        for bit in 0..8 * good.len() {
            let mut wrong = good.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(play().hears(&wrong).verdict(), None, "bit {bit}");
        }
    }

    #[test]
    fn a_lost_datagram_is_sent_again_as_it_was() {
        let play = play().event(Event::Woken).event(Event::Woken);
        let [
            first,
            Effect::Wake(_),
            second,
            Effect::Wake(_),
            third,
            Effect::Wake(pause),
        ] = play.effects.as_slice()
        else {
            panic!("{:?}", play.effects);
        };
        assert!(first == second && second == third);
        assert_eq!(*pause, Duration::from_secs(8));
    }

    #[test]
    fn what_cannot_be_sent() {
        for (login, password, secret) in [
            ("", "p", "s"),
            (&"x".repeat(254), "p", "s"),
            ("l", &"x".repeat(129), "s"),
            ("l", "p", ""),
        ] {
            let negotiate = Negotiate {
                secret: Password::new(secret),
                ..bench::login(login, password)
            };
            let made = Radius::new(bench::SERVER, 1812, &negotiate, &seed());
            assert!(made.unwrap_err().remark.is_some());
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let text = format!("{:?}", radius());
        assert!(text.contains("nemo") || text.contains("110, 101, 109, 111"));
        for secret in ["arctangent", "xyzzy5461"] {
            let bytes = format!("{:?}", secret.as_bytes());
            let bytes = bytes.trim_matches(['[', ']']);
            assert!(!text.contains(secret) && !text.contains(bytes));
        }
    }

    proptest! {
        #[test]
        fn noise_is_never_believed(datagram in proptest::collection::vec(any::<u8>(), 0..100)) {
            let play = play().hears(datagram);
            prop_assert_eq!(play.verdict(), None);
        }

        /// Attributes that are nonsense, but signed by the server.
        #[test]
        fn signed_noise(attributes in proptest::collection::vec(
            prop_oneof![any::<u8>(), Just(80), Just(18), Just(2), Just(0)], 0..60)
        ) {
            let mut packet = vec![2, 0, 0, 20 + attributes.len() as u8];
            packet.extend(RFC_AUTHENTICATOR);
            packet.extend(attributes);
            let play = play().hears(sign(packet, "xyzzy5461"));
            prop_assert!(play.verdict().is_none_or(|verdict| verdict.up));
        }
    }
}
