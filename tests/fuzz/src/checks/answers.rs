//! Good answers of servers, as recorded by the tests of `checks`, to start from.

use crate::seeds::{Seed, texts};

/// Each text once at once and once in pieces.
fn delivered(answers: &[&[u8]]) -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (name, text) in texts(answers) {
        seeds.push((format!("{name}-at-once"), [&text[..], &[0]].concat()));
        let pieces = [&text[..], &[0x0a, 0x20, 0xc0, 0x60, 4]].concat();
        seeds.push((format!("{name}-in-pieces"), pieces));
    }
    seeds
}

pub(super) fn dns() -> Vec<Seed> {
    const QUESTION: &[u8] = b"\x03www\x07example\x03com\0\0\x01\0\x01";
    const CNAME: &[u8] = b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x06\x03web\xc0\x10";
    const A: &[u8] = b"\xc0\x2d\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x07";
    let message = |flags: &[u8; 2], answers: u8, rest: &[u8]| {
        let counts = [0, 1, 0, answers, 0, 0, 0, 0];
        [&[0, 0], &flags[..], &counts, QUESTION, rest].concat()
    };
    let good = message(&[0x81, 0x80], 2, &[CNAME, A].concat());
    let none = message(&[0x81, 0x83], 0, b"");
    let cut = message(&[0x83, 0x80], 0, b"");
    let length = u16::try_from(good.len()).unwrap_or(0).to_be_bytes();
    let tcp = [&length, &good[..]].concat();
    delivered(&[&good, &none, &cut, &tcp])
}

pub(super) fn ftp() -> Vec<Seed> {
    const LOGIN: &str = "220 (vsFTPd 3.0.3)\r\n331 Please specify the password.\r\n230 Login successful.\r\n\
        250 Directory successfully changed.\r\n200 Switching to Binary mode.\r\n";
    let port = format!(
        "{LOGIN}200 PORT command successful. Consider using PASV.\r\n\
         150 Opening BINARY mode data connection for /check.txt (12 bytes).\r\n226 Transfer complete.\r\n"
    );
    let passive = format!(
        "{LOGIN}500 Illegal PORT command.\r\n227 Entering Passive Mode (192,0,2,2,10,1).\r\n150 Ok\r\nall is well\n\
         226 Transfer complete.\r\n"
    );
    delivered(&[
        port.as_bytes(),
        passive.as_bytes(),
        b"120 wait\r\n220-many\r\n220 lines\r\n530 Please login with USER and PASS.\r\n",
        b"421 Too many users\r\n",
    ])
}

pub(super) fn http() -> Vec<Seed> {
    delivered(&[
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 10\r\n\r\n<p>OK</p>\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nit i\r\n5;x=y\r\ns OK\n\r\n0\r\nTrailer: x\r\n\r\n",
        b"HTTP/1.0 302 Found\r\nLocation: http://www.example.com:8080/a/../b?c#d\r\n\r\n",
        b"HTTP/1.1 301 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 Fine\r\nConnection: close\r\n\r\nOK",
        b"<html>no status line, OK</html>",
        b"HTTP/1.1 503 Service Unavailable\nRetry-After: 1\n\nbusy",
    ])
}

pub(super) fn imap() -> Vec<Seed> {
    delivered(&[
        b"* OK [CAPABILITY IMAP4rev1] Dovecot ready.\r\nA1 OK Logged in\r\n",
        b"* OK ready\r\n* LIST () \"/\" {12}\r\nA1 NO no\r\nA1 OK x\r\n",
        b"* PREAUTH hi\r\n+ go on\r\nA1 NO [AUTHENTICATIONFAILED]\r\n",
        b"* BYE Too many connections\r\n",
    ])
}

pub(super) fn ldap() -> Vec<Seed> {
    const BOUND: &[u8] = b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\0\x04\0\x04\0";
    const ENTRY: &[u8] = b"\x30\x50\x02\x01\x02\x64\x4b\x04\x11dc=example,dc=com\x30\x36\
        \x30\x1c\x04\x0bobjectClass\x31\x0d\x04\x03top\x04\x06domain\
        \x30\x16\x04\x02dc\x31\x10\x04\x0eexample-domain";
    const DONE: &[u8] = b"\x30\x0c\x02\x01\x02\x65\x07\x0a\x01\0\x04\0\x04\0";
    const REFERENCE: &[u8] = b"\x30\x14\x02\x01\x02\x73\x0f\x04\x0dldap://other/";
    const DISCONNECTED: &[u8] = b"\x30\x2e\x02\x01\0\x78\x29\x0a\x01\x34\x04\0\x04\x0abusy today\
        \x8a\x161.3.6.1.4.1.1466.20036";
    delivered(&[
        &[BOUND, ENTRY, DONE].concat(),
        &[BOUND, REFERENCE, DONE].concat(),
        b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x31\x04\0\x04\0",
        &[BOUND, DISCONNECTED].concat(),
    ])
}

pub(super) fn mysql() -> Vec<Seed> {
    const OK: &[u8] = b"\x07\0\0\x02\0\0\0\x02\0\0\0";
    let packet = |sequence: u8, payload: &[u8]| {
        let length = u8::try_from(payload.len()).unwrap_or(0);
        [&[length, 0, 0, sequence], payload].concat()
    };
    let greeting = |flags: [u8; 4], plugin: &str| {
        let [a, b, c, d] = flags;
        let payload = [
            b"\x0a8.0.36\0\x07\0\0\0abcdefgh\0",
            &[a, b, 0xff, 2, 0, c, d, 21] as &[u8],
            b"\0\0\0\0\0\0\0\0\0\0ijklmnopqrst\0",
            plugin.as_bytes(),
            b"\0",
        ];
        packet(0, &payload.concat())
    };
    let result = [
        packet(1, b"\x01"),
        packet(
            2,
            b"\x03def\0\0\0\x011\0\x0c\x3f\0\x01\0\0\0\x08\x81\0\0\0\0",
        ),
        packet(3, b"\xfe\0\0\x02\0"),
        packet(4, b"\x011"),
        packet(5, b"\xfe\0\0\x02\0"),
    ]
    .concat();
    const PLAIN: [u8; 4] = [0xff, 0xf7, 0xff, 0xfe];
    let native = greeting(PLAIN, "mysql_native_password");
    let sha2 = greeting(PLAIN, "caching_sha2_password");
    let tls = greeting([0xff; 4], "caching_sha2_password");
    let switch = packet(2, b"\xfemysql_native_password\0abcdefghijklmnopqrst\0");
    let denied = packet(2, b"\xff\x15\x04#28000Access denied");
    delivered(&[
        &[&native[..], OK, &result].concat(),
        &[
            &sha2[..],
            &packet(2, b"\x01\x03"),
            &packet(3, b"\0\0\0\x02\0\0\0"),
            &result,
        ]
        .concat(),
        &[&sha2[..], &packet(2, b"\x01\x04")].concat(),
        &[&tls[..], OK, &result].concat(),
        &[
            &native[..],
            &switch,
            &packet(4, b"\0\0\0\x02\0\0\0"),
            &result,
        ]
        .concat(),
        &[&native[..], &denied].concat(),
    ])
}

pub(super) fn nntp() -> Vec<Seed> {
    delivered(&[
        b"200 news.example InterNetNews server ready\r\n",
        b"201 no posting\r\n205 bye\r\n",
        b"502 access restriction\r\n",
    ])
}

pub(super) fn pgsql() -> Vec<Seed> {
    let message = |kind: u8, body: &[u8]| {
        let length = u32::try_from(body.len() + 4).unwrap_or(0).to_be_bytes();
        [&[kind], &length[..], body].concat()
    };
    let authentication =
        |method: u32, body: &[u8]| message(b'R', &[&method.to_be_bytes(), body].concat());
    let welcome = [
        authentication(0, b""),
        message(b'S', b"server_version\x0015.6\0"),
        message(b'K', &[0; 8]),
        message(b'Z', b"I"),
    ]
    .concat();
    let result = [
        message(
            b'T',
            b"\0\x01?column?\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0",
        ),
        message(b'D', b"\0\x01\0\0\0\x011"),
        message(b'C', b"SELECT 1\0"),
        message(b'Z', b"I"),
    ]
    .concat();
    let error = message(b'E', b"SFATAL\0VFATAL\0C28P01\0Mno such user\0\0");
    let md5 = authentication(5, b"salt");
    let clear = authentication(3, b"");
    let scram = authentication(10, b"SCRAM-SHA-256\0\0");
    let challenge = authentication(11, b"r=abc,s=c2FsdA==,i=4096");
    delivered(&[
        &[&b"N"[..], &welcome, &result].concat(),
        &[&b"N"[..], &md5, &welcome, &result].concat(),
        &[&b"N"[..], &clear, &welcome, &result].concat(),
        &[&b"S"[..], &scram, &challenge].concat(),
        &[&b"N"[..], &error].concat(),
    ])
}

pub(super) fn pop() -> Vec<Seed> {
    delivered(&[
        b"+OK Dovecot ready. <1896.697170952@pop.example>\r\n+OK\r\nCAPA\r\nUSER\r\n.\r\n+OK\r\n+OK Logged in.\r\n",
        b"+OK hello\n-ERR unknown command\n+OK joe\n+OK 2 320\n",
        b"-ERR [IN-USE] busy\r\n",
    ])
}

pub(super) fn radius() -> Vec<Seed> {
    let accept = [&[2, 0, 0, 26][..], &[9; 16], &[6, 6, 0, 0, 0, 1]].concat();
    let proof = [&[3, 0, 0, 38][..], &[9; 16], &[80, 18], &[1; 16]].concat();
    delivered(&[&accept, &proof])
}

pub(super) fn simpletcp() -> Vec<Seed> {
    delivered(&[b"OK 17\r\n", b"hello\nOK", b"OK"])
}

pub(super) fn sip() -> Vec<Seed> {
    delivered(&[
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKx\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        b"SIP/2.0 100 Trying\r\n\r\nSIP/2.0 404 Not Found\r\nContent-Length: 4\r\n\r\nbody",
    ])
}

pub(super) fn smtp() -> Vec<Seed> {
    delivered(&[
        b"220 mail.example ESMTP Postfix\r\n250-mail.example\r\n250-PIPELINING\r\n250 SMTPUTF8\r\n221 Bye\r\n",
        b"220-old\n220 server\n502 5.5.2 Error\n250 mail.example\n",
        b"421 4.3.2 All server ports are busy\r\n",
    ])
}

/// What answers contain.
pub(super) fn words() -> Vec<Vec<u8>> {
    let mut words = crate::seeds::words(
        "200 220- 220 250- 250 +OK -ERR OK NO BAD A1 * + {12} HTTP/1.1 Content-Length: Transfer-Encoding: chunked Location: \
         http:// https:// Connection: close SIP/2.0 SCRAM-SHA-256 r= s= i= mysql_native_password caching_sha2_password \
         227 229 150 226 (|||1234|) 192,0,2,2,10,1",
    );
    words.extend([
        b"\r\n".to_vec(),
        b"\r\n\r\n".to_vec(),
        b"0\r\n\r\n".to_vec(),
        vec![0xff; 4],
        vec![0; 4],
    ]);
    words
}
