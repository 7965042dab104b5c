//! Against answers as servers give them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::*;
use crate::protocols::bench::{self, Play};

const PASSWORD: &str = "open sesame";
const SEED: Seed = [7; 32];

fn negotiate() -> Negotiate {
    Negotiate {
        login: b"check".to_vec(),
        password: Password::new(PASSWORD),
        database: b"shop".to_vec(),
        ..bench::exchange("/SELECT 1", "")
    }
}

fn pgsql() -> Pgsql {
    Pgsql::new(bench::SERVER, 5432, &negotiate(), &SEED).unwrap()
}

fn play() -> Play {
    Play::new(|| Box::new(pgsql()))
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32 + 4).to_be_bytes();
    [&[kind], length.as_slice(), body].concat()
}

fn authentication(method: u32, body: &[u8]) -> Vec<u8> {
    message(b'R', &[&method.to_be_bytes(), body].concat())
}

fn error(code: &str, words: &str) -> Vec<u8> {
    let body = format!("SFATAL\0VFATAL\0C{code}\0M{words}\0Fauth.c\0L1\0\0");
    message(b'E', body.as_bytes())
}

/// Accepted, and ready.
fn welcome() -> Vec<u8> {
    [
        authentication(0, b""),
        message(b'S', b"server_version\x0015.6\0"),
        message(b'K', &[0; 8]),
        message(b'N', b"SNOTICE\0Mhello\0\0"),
        message(b'Z', b"I"),
    ]
    .concat()
}

fn result(rows: usize) -> Vec<u8> {
    let row = message(b'D', b"\0\x01\0\0\0\x011");
    [
        message(
            b'T',
            b"\0\x01?column?\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0",
        ),
        row.repeat(rows),
        message(b'C', b"SELECT 1\0"),
        message(b'Z', b"I"),
    ]
    .concat()
}

fn last_sent(play: &Play) -> Vec<u8> {
    let mut effects = play.effects.iter().rev();
    effects
        .find_map(|effect| match effect {
            Effect::Send(bytes) => Some(bytes.clone()),
            _ => None,
        })
        .unwrap()
}

#[test]
fn rows_are_up() {
    for rows in [0, 1, 3] {
        let end = play().hears(welcome()).hears(result(rows)).ends();
        assert_eq!(end.verdict.up, rows > 0, "{rows} rows");
        assert_eq!(
            end.said.as_bytes(),
            b"\0\0\0\x22\0\x03\0\0user\0check\0database\0shop\0\0Q\0\0\0\x0dSELECT 1\0X\0\0\0\x04"
        );
    }
}

#[test]
fn what_the_server_refuses() {
    let text = |play: Play| play.ends().verdict.text;
    let wrong = error("28P01", "password authentication failed for user \"check\"");
    let asked = || play().hears(authentication(5, b"salt"));
    assert_eq!(
        text(asked().hears(wrong)),
        "password authentication failed for user \"check\""
    );
    let starting = error("57P03", "the database system is starting up");
    assert_eq!(
        text(play().hears(starting)),
        "the database system is starting up"
    );
    let no_table = error("42P01", "relation \"x\" does not exist");
    assert_eq!(
        text(play().hears(welcome()).hears(&no_table)),
        "relation \"x\" does not exist"
    );
    // After a row: the result is not whole.
    let broken = [&result(1)[..result(1).len() - 20], &no_table].concat();
    assert_eq!(
        text(play().hears(welcome()).hears(broken)),
        "relation \"x\" does not exist"
    );
    // Statements that yield no rows: none at all, another kind, one that would wait for us.
    let nothing = [message(b'I', b""), message(b'Z', b"I")].concat();
    assert_eq!(text(play().hears(welcome()).hears(nothing)), "No rows");
    let set = [message(b'C', b"SET\0"), message(b'Z', b"I")].concat();
    assert_eq!(text(play().hears(welcome()).hears(set)), "No rows");
    assert_eq!(
        text(play().hears(welcome()).hears(message(b'G', b"\0\0\0"))),
        "Response mismatch"
    );
}

#[test]
fn md5() {
    let play = play().hears(authentication(5, b"\x01\x02\x03\x04"));
    // As python's hashlib computes it.
    assert_eq!(
        last_sent(&play),
        message(b'p', b"md542c111cc6c9dd52b4efca60d968ce74a\0")
    );
    assert!(play.hears(welcome()).hears(result(1)).ends().verdict.up);
}

#[test]
fn other_methods() {
    for method in [2, 7, 9, 99] {
        let end = play().hears(authentication(method, b"")).ends();
        assert_eq!(end.verdict, not_known());
    }
    let end = play()
        .hears(authentication(10, b"SCRAM-SHA-512\0\0"))
        .ends();
    assert_eq!(end.verdict, not_known());
    let none = Negotiate {
        password: Password::default(),
        ..negotiate()
    };
    let play = Play::new(|| Box::new(Pgsql::new(bench::SERVER, 5432, &none, &SEED).unwrap()));
    let end = play.hears(authentication(5, b"salt")).ends();
    assert_eq!(end.verdict.text, "Password wanted, none given");
}

/// A server that knows the password: what it says after our first message, and after our last.
struct Server {
    nonce: String,
}

impl Server {
    fn challenge(play: &Play) -> (Server, Vec<u8>) {
        let said = last_sent(play);
        let text = String::from_utf8_lossy(&said).into_owned();
        assert!(text.contains("SCRAM-SHA-256\0"));
        let (_, nonce) = text.split_once("n,,n=,r=").unwrap();
        let nonce = format!("{nonce}and mine");
        let first = format!("r={nonce},s={},i=5000", BASE64_STANDARD.encode("salt"));
        (Server { nonce }, authentication(11, first.as_bytes()))
    }

    fn proof(&self, play: &Play, password: &str) -> Vec<u8> {
        let hmac = |key: &[u8], text: &[u8]| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
            mac.update(text);
            mac.finalize().into_bytes().to_vec()
        };
        let mut last = hmac(password.as_bytes(), b"salt\0\0\0\x01");
        let mut key = last.clone();
        for _ in 1..5000 {
            last = hmac(password.as_bytes(), &last);
            key.iter_mut()
                .zip(&last)
                .for_each(|(key, byte)| *key ^= byte);
        }
        let said = String::from_utf8_lossy(&last_sent(play)[5..]).into_owned();
        let (without_proof, _) = said.split_once(",p=").unwrap();
        let ours = self.nonce.strip_suffix("and mine").unwrap();
        let signed = format!(
            "n=,r={ours},r={},s={},i=5000,{without_proof}",
            self.nonce,
            BASE64_STANDARD.encode("salt")
        );
        let signature = hmac(&hmac(&key, b"Server Key"), signed.as_bytes());
        let text = format!("v={}", BASE64_STANDARD.encode(signature));
        authentication(12, text.as_bytes())
    }
}

/// Up to the server's proof.
fn scram() -> (Server, Play) {
    let play = play().hears(authentication(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"));
    let (server, challenge) = Server::challenge(&play);
    let mut play = play.hears(challenge);
    let mut pieces = 0;
    while play.effects.last() == Some(&Effect::Wake(Duration::ZERO)) {
        play = play.event(Event::Woken);
        pieces += 1;
    }
    assert_eq!(pieces, 3);
    (server, play)
}

#[test]
fn scram_both_prove() {
    let (server, play) = scram();
    let proof = server.proof(&play, PASSWORD);
    let end = play.hears(proof).hears(welcome()).hears(result(1)).ends();
    assert!(end.verdict.up);
    assert!(!end.said.contains(PASSWORD));
}

#[test]
fn scram_with_a_server_that_only_pretends() {
    let (server, play) = scram();
    let proof = server.proof(&play, "another");
    assert_eq!(
        play.hears(proof).ends().verdict.text,
        "Server does not know the password"
    );
    // Ok without a proof, and before we have proved anything.
    assert_eq!(scram().1.hears(welcome()).ends().verdict, mismatch());
    let play = self::play().hears(authentication(10, b"SCRAM-SHA-256\0\0"));
    assert_eq!(play.hears(welcome()).ends().verdict, mismatch());
    let play = self::play().hears(authentication(10, b"SCRAM-SHA-256\0\0"));
    let (_, challenge) = Server::challenge(&play);
    assert_eq!(
        play.hears(challenge).hears(welcome()).ends().verdict,
        mismatch()
    );
}

fn reconnected(play: Play) -> Play {
    assert!(
        matches!(play.effects.last(), Some(Effect::Reconnect(_))),
        "{:?}",
        play.effects
    );
    let play = play.event(Event::Connected {
        local: bench::LOCAL,
    });
    assert_eq!(last_sent(&play), message::SSL_REQUEST);
    play
}

#[test]
fn a_password_in_the_clear_goes_over_tls_if_there_is_any() {
    let asked = || reconnected(play().hears(authentication(3, b"")));
    let play = asked().hears("S");
    assert!(matches!(play.effects.last(), Some(Effect::StartTls { .. })));
    let play = play.event(Event::TlsStarted).hears(authentication(3, b""));
    assert_eq!(last_sent(&play), message(b'p', b"open sesame\0"));
    assert!(play.hears(welcome()).hears(result(1)).ends().verdict.up);
    // As libpq does.
    let play = asked().hears("N").hears(authentication(3, b""));
    assert_eq!(last_sent(&play), message(b'p', b"open sesame\0"));
}

#[test]
fn a_server_that_takes_no_plain_connections() {
    let words = "no pg_hba.conf entry for host \"192.0.2.1\", user \"check\", no encryption";
    let refused = || reconnected(play().hears(error("28000", words)));
    let play = refused()
        .hears("S")
        .event(Event::TlsStarted)
        .hears(welcome());
    assert!(play.hears(result(1)).ends().verdict.up);
    // Twice is enough.
    let play = refused().hears("N").hears(error("28000", words));
    assert_eq!(play.ends().verdict.text, words);
}

#[test]
fn nothing_slips_in_before_tls() {
    let asked = || reconnected(play().hears(authentication(3, b"")));
    assert_eq!(
        asked()
            .hears([b"S", welcome().as_slice()].concat())
            .ends()
            .verdict,
        mismatch()
    );
    assert_eq!(
        asked().hears("S").hears(welcome()).ends().verdict,
        mismatch()
    );
    assert_eq!(asked().hears("?").ends().verdict, mismatch());
}

#[test]
fn large_rows_and_many_rows() {
    let row = message(b'D', &vec![0; 3_000_000]);
    let mut play = play().hears(welcome());
    for piece in bench::pieces(&row, &[]) {
        assert_eq!(play.verdict(), None);
        play = play.hears(piece);
    }
    // Whole, and more than what is waited for.
    assert!(play.ends().verdict.up);
    let mut play = self::play().hears(welcome());
    let rows = message(b'D', &[0; 1000]).repeat(10);
    for _ in 0..sql::RESULT_MAX / rows.len() + 1 {
        play = play.hears(&rows);
        if play.verdict().is_some() {
            break;
        }
    }
    assert!(play.ends().verdict.up);
}

#[test]
fn neither_noise_nor_packet_borders_matter() {
    bench::sturdy(play, &[welcome(), result(2)]);
    bench::sturdy(play, &[authentication(5, b"salt"), welcome(), result(0)]);
    bench::sturdy(play, &[authentication(5, b"salt"), error("28P01", "no")]);
    let challenge = b"r=BwcHBwcHBwcHBwcHBwcHBwcHBwcHmine,s=c2FsdA==,i=1";
    let scram = [
        authentication(10, b"SCRAM-SHA-256\0\0"),
        authentication(11, challenge),
    ];
    bench::sturdy(play, &scram);
}

#[test]
fn the_password_is_not_printed() {
    let mut pgsql = pgsql();
    let mut effects = Effects::new();
    let connected = Event::Connected {
        local: bench::LOCAL,
    };
    pgsql.handle(connected, &mut effects);
    pgsql.handle(
        Event::Data(&authentication(10, b"SCRAM-SHA-256\0\0")),
        &mut effects,
    );
    let challenge = b"r=BwcHBwcHBwcHBwcHBwcHBwcHmine,s=c2FsdA==,i=4096";
    pgsql.handle(Event::Data(&authentication(11, challenge)), &mut effects);
    let text = format!("{pgsql:?}");
    assert!(text.contains("Deriving { left: 4095 }"), "{text}");
    let bytes = format!("{:?}", PASSWORD.as_bytes());
    assert!(!text.contains(PASSWORD) && !text.contains(bytes.trim_matches(['[', ']'])));
}
