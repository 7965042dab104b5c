//! What a mail host answers when ldirectord hands over a mail (`ldirectord.md` 9).

use std::io::{BufReader, Read};

use ldirectord::smtp::converse;
use lvs_director::Mail;

use crate::Target;
use crate::config::{BETWEEN, split};
use crate::seeds::{self, Seed};

pub(crate) const TARGETS: &[Target] = &[Target {
    name: "smtp_host",
    run: host,
    seeds: conversations,
    words,
    length_max: 4096,
}];

/// Gives what it has in pieces of one size, and counts.
struct Pieces<'a> {
    rest: &'a [u8],
    size: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.size.min(buffer.len()).min(self.rest.len());
        let (now, later) = self.rest.split_at(length);
        buffer[..length].copy_from_slice(now);
        self.rest = later;
        Ok(length)
    }
}

/// The host's answers, then what is in the mail: who it is for, its subject and its text. In whatever pieces the answers come,
/// the host hears the same: commands of one line each, and a mail that ends where it ends, only after the host asked for it.
fn host(bytes: &[u8]) {
    let Some((size, bytes)) = bytes.split_last() else {
        return;
    };
    let mut parts = split(bytes).into_iter();
    let answers = parts.next().unwrap_or_default();
    let mut text = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let mail = Mail {
        to: text(),
        from: None,
        smtp: None,
        subject: text(),
        body: text(),
    };
    let said = |size: usize| {
        let mut output = Vec::new();
        let input = BufReader::new(Pieces {
            rest: answers,
            size,
        });
        let done = converse(
            input,
            &mut output,
            "root@lvs1",
            "lvs1",
            &mail,
            1_700_000_000,
        );
        (done.map_err(|error| error.to_string()), output)
    };
    let (done, output) = said(usize::MAX);
    assert_eq!(
        said(usize::from(*size).max(1)),
        (done.clone(), output.clone())
    );

    let output = String::from_utf8(output).expect("text");
    assert_eq!(output.matches('\n').count(), output.matches("\r\n").count());
    assert_eq!(output.matches('\r').count(), output.matches("\r\n").count());
    let recipients = mail.to.split(',').count();
    let mut lines = output.split_terminator("\r\n");
    let commands: Vec<&str> = lines.by_ref().take_while(|line| *line != "DATA").collect();
    for (at, command) in commands.iter().enumerate() {
        let known = ["EHLO ", "HELO ", "MAIL FROM:<", "RCPT TO:<"];
        assert!(
            known.iter().any(|word| command.starts_with(word)),
            "{at}: {command}"
        );
        assert!(!command.chars().any(char::is_control));
    }
    assert!(commands.len() <= 3 + recipients);
    let accepted = answers
        .split(|byte| *byte == b'\n')
        .any(|line| line.starts_with(b"3"));
    let sent: Vec<&str> = lines.collect();
    if !sent.is_empty() {
        assert!(accepted, "nobody asked for the mail");
        // Of all lines only one is a lone dot, and behind it there is no more than a farewell.
        let end = sent.iter().position(|line| *line == ".");
        let end = end.expect("the end of the mail");
        assert!(matches!(sent[end + 1..], [] | ["QUIT"]), "{sent:?}");
    }
    if done.is_ok() {
        assert_eq!(sent.last(), Some(&"QUIT"));
    }
}

fn conversations() -> Vec<Seed> {
    let taken = "220-hello\r\n220 there\r\n500 what\r\n250 host\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n221 bye\r\n";
    let refused = "220 hello\n250-host\n250 8BITMIME\n550 not you\n";
    let mail: [&[u8]; 3] = [
        b"Ops <ops@example.org>",
        b"Deleted real server: 192.0.2.2:80",
        b"one\n.two\n.\nthree\n",
    ];
    let two: [&[u8]; 3] = [b"a@b, c@d", b"s\r\nBcc: x", b"one\r.\r\ntwo"];
    let input = |answers: &str, mail: [&[u8]; 3], size: u8| {
        let [to, subject, body] = mail;
        let mut bytes = [answers.as_bytes(), to, subject, body].join(BETWEEN);
        bytes.push(size);
        bytes
    };
    vec![
        ("taken".into(), input(taken, mail, 3)),
        ("refused".into(), input(refused, mail, 200)),
        (
            "two".into(),
            input(&taken.replace("354", "250 ok\r\n354"), two, 1),
        ),
        ("nothing".into(), input("", mail, 1)),
    ]
}

fn words() -> Vec<Vec<u8>> {
    let mut words = seeds::words("220 250 250- 354 221 500 550 220- . .. <a@b> , @");
    words.extend([
        b"\r\n".to_vec(),
        b"\r\n.\r\n".to_vec(),
        b"\n".to_vec(),
        b"\r".to_vec(),
        b"250 ok\r\n".to_vec(),
        b"354 go\r\n".to_vec(),
        BETWEEN.to_vec(),
    ]);
    words
}
