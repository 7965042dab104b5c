//! Against answers as servers give them.

use super::*;
use crate::protocols::bench::{self, Play};

const PASSWORD: &str = "open sesame";

fn negotiate() -> Negotiate {
    Negotiate {
        login: b"check".to_vec(),
        password: Password::new(PASSWORD),
        database: b"shop".to_vec(),
        ..bench::exchange("/SELECT 1", "")
    }
}

fn mysql() -> Mysql {
    Mysql::new(bench::SERVER, 3306, &negotiate()).unwrap()
}

fn play() -> Play {
    Play::new(|| Box::new(mysql()))
}

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    message::packets(sequence, payload)
}

const ALL: u32 = 0xffff_ffff;
const NO_TLS: u32 = ALL & !capability::SSL;
const OLD_EOF: u32 = ALL & !capability::DEPRECATE_EOF;

fn greeting(capabilities: u32, plugin: &str) -> Vec<u8> {
    let [a, b, c, d] = capabilities.to_le_bytes();
    let payload = [
        b"\x0a8.0.36\0\x07\0\0\0abcdefgh\0",
        &[a, b, 0xff, 2, 0, c, d, 21] as &[u8],
        b"\0\0\0\0\0\0\0\0\0\0ijklmnopqrst\0",
        plugin.as_bytes(),
        b"\0",
    ];
    packet(0, &payload.concat())
}

const NATIVE: &str = "mysql_native_password";
const SHA2: &str = "caching_sha2_password";
const OK: &[u8] = b"\0\0\0\x02\0\0\0";
const EOF: &[u8] = b"\xfe\0\0\x02\0";
const DENIED: &[u8] =
    b"\xff\x15\x04#28000Access denied for user 'check'@'lvs1' (using password: YES)";
const DEFINITION: &[u8] = b"\x03def\0\0\0\x011\0\x0c\x3f\0\x01\0\0\0\x08\x81\0\0\0\0";

/// A result with so many rows, as the answer to a statement.
fn result(new_format: bool, rows: usize) -> Vec<u8> {
    let mut payloads: Vec<&[u8]> = vec![b"\x01", DEFINITION];
    if !new_format {
        payloads.push(EOF);
    }
    payloads.extend(std::iter::repeat_n(&b"\x011"[..], rows));
    payloads.push(EOF);
    let numbered = payloads.iter().zip(1_u8..);
    numbered
        .flat_map(|(payload, number)| packet(number, payload))
        .collect()
}

/// All sent packets, with their sequence.
fn sent(play: &Play) -> Vec<(u8, Vec<u8>)> {
    play.effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send(bytes) => Some((bytes[3], bytes[4..].to_vec())),
            _ => None,
        })
        .collect()
}

#[test]
fn rows_are_up_in_both_formats() {
    for (capabilities, new_format) in [(ALL, true), (OLD_EOF, false)] {
        for rows in [0, 1, 3] {
            let end = play()
                .hears(greeting(capabilities, NATIVE))
                .hears(packet(2, OK))
                .hears(result(new_format, rows))
                .ends();
            assert_eq!(end.verdict.up, rows > 0, "{rows} rows, {new_format}");
            assert!(end.said.ends_with("\x03SELECT 1\x01\0\0\0\x01"));
        }
    }
}

#[test]
fn what_is_sent() {
    let play = play().hears(greeting(ALL, NATIVE)).hears(packet(2, OK));
    let sent = sent(&play);
    let answer = Plugin::Native.answer(
        &Challenge {
            plugin: Vec::new(),
            nonce: b"abcdefghijklmnopqrst".to_vec(),
        },
        PASSWORD.as_bytes(),
    );
    let login = [
        // Database, 4.1, transactions, long answers, methods, new ends; and no TLS.
        b"\x08\xa2\x08\x01\xff\xff\xff\0\x21".as_slice(),
        &[0; 23],
        b"check\0\x14",
        &answer.unwrap(),
        b"shop\0mysql_native_password\0",
    ];
    assert_eq!(sent, [(1, login.concat()), (0, b"\x03SELECT 1".to_vec())]);
}

#[test]
fn what_the_server_refuses() {
    let text = |play: Play| play.ends().verdict.text;
    let in_login = || play().hears(greeting(NO_TLS, NATIVE));
    let denied = "Access denied for user 'check'@'lvs1' (using password: YES)";
    assert_eq!(text(in_login().hears(packet(2, DENIED))), denied);
    let blocked = packet(0, b"\xff\x69\x04Host 'lvs1' is blocked");
    assert_eq!(text(play().hears(blocked)), "Host 'lvs1' is blocked");
    let in_query = || in_login().hears(packet(2, OK));
    let no_table = b"\xff\x7a\x04#42S02Table 'shop.x' doesn't exist";
    assert_eq!(
        text(in_query().hears(packet(1, no_table))),
        "Table 'shop.x' doesn't exist"
    );
    // A statement that yields no result at all.
    assert_eq!(text(in_query().hears(packet(1, OK))), "No rows");
    // A server that wants one of our files.
    assert_eq!(
        text(in_query().hears(packet(1, b"\xfb/etc/passwd"))),
        "Response mismatch"
    );
    // An error after a row: the result is not whole.
    let mut broken = result(true, 1);
    broken.truncate(broken.len() - 9);
    broken.extend(packet(
        4,
        b"\xff\x25\x05#70100Query execution was interrupted",
    ));
    assert_eq!(
        text(in_query().hears(broken)),
        "Query execution was interrupted"
    );
}

#[test]
fn without_login_or_request_nothing_is_tried() {
    for without in [
        Negotiate {
            login: Vec::new(),
            ..negotiate()
        },
        Negotiate {
            request: b"/".to_vec(),
            ..negotiate()
        },
    ] {
        let verdict = Mysql::new(bench::SERVER, 3306, &without).unwrap_err();
        assert_eq!(
            verdict.remark.unwrap(),
            "Error: Must specify a login and request string for MySQL, Oracle and PostgreSQL \
             checks. Not adding 192.0.2.2."
        );
    }
}

#[test]
fn another_method_for_this_account() {
    let switch = b"\xfecaching_sha2_password\0ABCDEFGHIJKLMNOPQRST\0";
    let play = play()
        .hears(greeting(ALL, "auth_gssapi_client"))
        .hears(packet(2, switch))
        .hears(packet(4, b"\x01\x03"))
        .hears(packet(5, OK));
    let sent = sent(&play);
    let answer = Plugin::CachingSha2.answer(
        &Challenge {
            plugin: Vec::new(),
            nonce: b"ABCDEFGHIJKLMNOPQRST".to_vec(),
        },
        PASSWORD.as_bytes(),
    );
    assert_eq!(sent[1], (3, answer.unwrap()));
    assert_eq!(sent[2], (0, b"\x03SELECT 1".to_vec()));
    assert!(play.hears(result(true, 1)).ends().verdict.up);
}

#[test]
fn unusable_methods() {
    let switched = |payload: &[u8]| {
        let end = play()
            .hears(greeting(ALL, NATIVE))
            .hears(packet(2, payload))
            .ends();
        assert!(end.verdict.remark.is_some());
        end.verdict.text
    };
    assert_eq!(switched(b"\xfe"), "Old password");
    assert_eq!(switched(b"\xfedialog\0?"), "Login method not known: dialog");
    // For ever changing its mind.
    let mut play = play().hears(greeting(ALL, NATIVE));
    for turn in 0..100 {
        if play.verdict().is_some() {
            break;
        }
        let switch = b"\xfemysql_native_password\0ABCDEFGHIJKLMNOPQRST\0";
        play = play.hears(packet(2 + 2 * turn, switch));
    }
    assert_eq!(play.ends().verdict, mismatch());
}

/// The second connection of a check that needs TLS.
fn over_tls(play: Play, plugin: &str) -> Play {
    assert!(
        matches!(play.effects.last(), Some(Effect::Reconnect(_))),
        "{:?}",
        play.effects
    );
    let play = play
        .event(Event::Connected {
            local: bench::LOCAL,
        })
        .hears(greeting(ALL, plugin));
    assert!(matches!(play.effects.last(), Some(Effect::StartTls { .. })));
    let (sequence, head) = sent(&play).pop().unwrap();
    assert_eq!((sequence, head.len()), (1, 32));
    assert!(head[1] & 8 != 0);
    let play = play.event(Event::TlsStarted);
    assert_eq!(sent(&play).pop().unwrap().0, 2);
    play
}

fn says_the_password(play: &Play) -> bool {
    sent(play).iter().any(|(_, payload)| {
        payload
            .windows(PASSWORD.len())
            .any(|window| window == PASSWORD.as_bytes())
    })
}

#[test]
fn the_password_itself_goes_over_tls_only() {
    let plain = play()
        .hears(greeting(ALL, SHA2))
        .hears(packet(2, b"\x01\x04"));
    assert!(!says_the_password(&plain));
    let play = over_tls(plain, SHA2).hears(packet(3, b"\x01\x04"));
    assert_eq!(sent(&play).pop().unwrap(), (4, b"open sesame\0".to_vec()));
    assert!(
        play.hears(packet(5, OK))
            .hears(result(true, 1))
            .ends()
            .verdict
            .up
    );

    let plain = self::play().hears(greeting(ALL, "sha256_password"));
    assert!(!says_the_password(&plain));
    assert!(says_the_password(&over_tls(plain, "sha256_password")));

    let none = self::play()
        .hears(greeting(NO_TLS, SHA2))
        .hears(packet(2, b"\x01\x04"));
    assert!(!says_the_password(&none));
    assert_eq!(none.ends().verdict, no_tls());
}

#[test]
fn a_server_that_takes_no_plain_connections() {
    let required = b"\xff\x57\x0c#HY000Connections using insecure transport are prohibited";
    for no in [required.as_slice(), DENIED] {
        let plain = || play().hears(greeting(ALL, NATIVE)).hears(packet(2, no));
        let play = over_tls(plain(), NATIVE)
            .hears(packet(3, OK))
            .hears(result(true, 1));
        assert!(play.ends().verdict.up);
        // Twice is enough.
        let end = over_tls(plain(), NATIVE).hears(packet(3, no)).ends();
        assert_eq!(end.verdict.text.as_bytes(), &no[9..]);
    }
}

#[test]
fn nothing_slips_in_before_tls() {
    let plain = || {
        play()
            .hears(greeting(ALL, SHA2))
            .hears(packet(2, b"\x01\x04"))
    };
    let second = || {
        plain().event(Event::Connected {
            local: bench::LOCAL,
        })
    };
    let with_more = [greeting(ALL, SHA2), packet(3, OK)].concat();
    assert_eq!(second().hears(with_more).ends().verdict, mismatch());
    let later = second().hears(greeting(ALL, SHA2)).hears(packet(2, OK));
    assert_eq!(later.ends().verdict, mismatch());
    let half = second()
        .hears(greeting(ALL, SHA2))
        .hears(b"\x07\0")
        .event(Event::TlsStarted);
    assert_eq!(half.ends().verdict, mismatch());
}

#[test]
fn a_row_of_many_megabytes_and_many_rows() {
    let in_query = || play().hears(greeting(OLD_EOF, NATIVE)).hears(packet(2, OK));
    let head = [packet(1, b"\x01"), packet(2, DEFINITION), packet(3, EOF)].concat();
    // A row of 17 MB begins with fe like an end does. It is enough, but only when it is whole.
    let row = [&b"\xfe"[..], &vec![0; 17_000_000]].concat();
    let row = packet(4, &row);
    let mut play = in_query().hears(&head);
    let mut fed = 0;
    for piece in bench::pieces(&row, &[]) {
        if play.verdict().is_some() {
            break;
        }
        play = play.hears(piece);
        fed += piece.len();
    }
    assert!(fed >= GOES_ON);
    assert!(play.ends().verdict.up);
    // Rows without end are not waited for.
    let mut play = in_query().hears(&head);
    let mut number = 4_u8;
    for _ in 0..sql::RESULT_MAX {
        if play.verdict().is_some() {
            break;
        }
        play = play.hears(packet(number, &[7; 1000]));
        number = number.wrapping_add(1);
    }
    assert!(play.ends().verdict.up);
}

#[test]
fn neither_noise_nor_packet_borders_matter() {
    let rows = [greeting(OLD_EOF, NATIVE), packet(2, OK), result(false, 2)];
    bench::sturdy(play, &rows);
    let rows = [
        greeting(ALL, SHA2),
        packet(2, b"\x01\x03"),
        packet(3, OK),
        result(true, 0),
    ];
    bench::sturdy(play, &rows);
    let switch = packet(2, b"\xfemysql_native_password\0ABCDEFGHIJKLMNOPQRST\0");
    bench::sturdy(play, &[greeting(ALL, SHA2), switch, packet(4, DENIED)]);
    bench::sturdy(play, &[greeting(ALL, SHA2), packet(2, b"\x01\x04")]);
}

#[test]
fn the_password_is_not_printed() {
    let text = format!("{:?}", mysql());
    let bytes = format!("{:?}", PASSWORD.as_bytes());
    assert!(!text.contains(PASSWORD) && !text.contains(bytes.trim_matches(['[', ']'])));
}
