//! Handing a mail to a mail host by SMTP (`smtp=`, `ldirectord.md` 9). It blocks, within limits: for a thread.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use lvs_director::Mail;

use crate::mail;

/// For the connection, and for the next piece of an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// For all answers together: a host that drips is not waited for.
const PATIENCE_IN_ALL: Duration = Duration::from_secs(120);

/// An answer may be no longer.
const ANSWER_MAX: u64 = 16 * 1024;

/// Why the mail host did not take it.
#[derive(Debug)]
pub enum SmtpError {
    /// The connection failed.
    Io(io::Error),
    /// It said so.
    Refused(String),
}

impl fmt::Display for SmtpError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SmtpError::Io(error) => out.write_str(&ha_sys::errno_text(error)),
            SmtpError::Refused(answer) => out.write_str(answer),
        }
    }
}

impl From<io::Error> for SmtpError {
    fn from(error: io::Error) -> SmtpError {
        SmtpError::Io(error)
    }
}

/// Sends a mail through `host`, with the envelope sender `sender`. `own_name` is how we introduce ourselves.
///
/// # Errors
/// The connection failed, or the host refused.
pub(crate) fn send(
    host: &str,
    port: u16,
    sender: &str,
    own_name: &str,
    mail: &Mail,
    now: u64,
) -> Result<(), SmtpError> {
    let stream = connect(host, port)?;
    let input = BufReader::new(Hurried {
        stream: stream.try_clone()?,
        end: Instant::now() + PATIENCE_IN_ALL,
    });
    converse(input, stream, sender, own_name, mail, now)
}

/// The conversation with a mail host, which begins. `now` is seconds since 1970, for the date of the mail.
///
/// # Errors
/// Reading or writing failed, or the host refused.
pub fn converse(
    input: impl BufRead,
    output: impl Write,
    sender: &str,
    own_name: &str,
    mail: &Mail,
    now: u64,
) -> Result<(), SmtpError> {
    let mut session = Session { input, output };
    session.expect('2')?;
    let name = mail::one_line(own_name);
    if session.command(&format!("EHLO {name}"), '2').is_err() {
        session.command(&format!("HELO {name}"), '2')?;
    }
    session.command(&format!("MAIL FROM:<{}>", path(sender)), '2')?;
    for recipient in mail.to.split(',') {
        session.command(&format!("RCPT TO:<{}>", path(recipient)), '2')?;
    }
    session.command("DATA", '3')?;
    let text = mail::compose(mail, Some(&mail::date(now)));
    session.output.write_all(dotted(&text).as_bytes())?;
    session.expect('2')?;
    // It has the mail; how it says good-bye does not matter.
    let _ = session.command("QUIT", '2');
    Ok(())
}

fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "no address");
    for address in (host, port).to_socket_addrs()?.take(4) {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                stream.set_write_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A connection from which is read until a certain time, however little comes at a time.
struct Hurried {
    stream: TcpStream,
    end: Instant,
}

impl Read for Hurried {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left.min(PATIENCE)))?;
        self.stream.read(buffer)
    }
}

struct Session<I, O> {
    input: I,
    output: O,
}

impl<I: BufRead, O: Write> Session<I, O> {
    fn command(&mut self, command: &str, wanted: char) -> Result<(), SmtpError> {
        self.output.write_all(format!("{command}\r\n").as_bytes())?;
        self.expect(wanted)
    }

    /// Reads an answer of one or more lines, which shall begin with this digit.
    fn expect(&mut self, wanted: char) -> Result<(), SmtpError> {
        let mut answer = (&mut self.input).take(ANSWER_MAX);
        loop {
            let mut line = Vec::new();
            answer.read_until(b'\n', &mut line)?;
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            // `250-` goes on, `250 ` ends.
            if text.as_bytes().get(3) == Some(&b'-') {
                continue;
            }
            return match text.starts_with(wanted) {
                true => Ok(()),
                false if text.is_empty() => {
                    Err(SmtpError::Refused("the connection was closed".into()))
                }
                false => Err(SmtpError::Refused(text)),
            };
        }
    }
}

/// An address between angle brackets: `Name <a@b>` is reduced to `a@b`.
fn path(address: &str) -> String {
    let bare = match address.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or(rest),
        None => address,
    };
    let clean = mail::one_line(bare);
    clean.chars().filter(|c| !"<> ".contains(*c)).collect()
}

/// Lines end with CRLF, a dot at their beginning is doubled, and a lone dot ends the whole. A carriage return elsewhere,
/// which some hosts take for the end of a line, is a blank.
fn dotted(text: &str) -> String {
    let mut dotted = String::with_capacity(text.len() + 64);
    for line in text.lines() {
        if line.starts_with('.') {
            dotted.push('.');
        }
        dotted.push_str(&line.replace('\r', " "));
        dotted.push_str("\r\n");
    }
    dotted.push_str(".\r\n");
    dotted
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn mail() -> Mail {
        Mail {
            to: "Ops <ops@example.org>, b@example.org".into(),
            from: Some("ld@example.org".into()),
            smtp: Some("127.0.0.1".into()),
            subject: "s".into(),
            body: "one\n.two\n".into(),
        }
    }

    /// A mail host that answers from a list; what it was told.
    fn host(answers: &'static [&'static str]) -> (u16, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut input = BufReader::new(stream.try_clone().unwrap());
            let mut heard = Vec::new();
            let mut in_data = false;
            for answer in answers {
                // An empty entry reads a line and says nothing.
                if !answer.is_empty() {
                    stream.write_all(answer.as_bytes()).unwrap();
                }
                in_data |= answer.starts_with('3');
                loop {
                    let mut line = String::new();
                    if input.read_line(&mut line).unwrap_or(0) == 0 {
                        return heard;
                    }
                    heard.push(line.trim_end().to_owned());
                    if !in_data || line == ".\r\n" {
                        break;
                    }
                }
                in_data &= heard.last().is_some_and(|line| line != ".");
            }
            heard
        });
        (port, thread)
    }

    #[test]
    fn a_mail_is_handed_over() {
        let (port, host) = host(&[
            "220-hello\r\n220 there\r\n",
            "500 what\r\n",
            "250 host\r\n",
            "250 ok\r\n",
            "250 ok\r\n",
            "250 ok\r\n",
            "354 go\r\n",
            "250 taken\r\n",
            "221 bye\r\n",
        ]);
        send("127.0.0.1", port, "root@lvs1", "lvs1", &mail(), 0).unwrap();
        assert_eq!(
            host.join().unwrap(),
            [
                "EHLO lvs1",
                "HELO lvs1",
                "MAIL FROM:<root@lvs1>",
                "RCPT TO:<ops@example.org>",
                "RCPT TO:<b@example.org>",
                "DATA",
                "Date: Thu, 1 Jan 1970 00:00:00 +0000",
                "From: ld@example.org",
                "To: Ops <ops@example.org>, b@example.org",
                "Subject: s",
                "",
                "one",
                "..two",
                ".",
                "QUIT",
            ]
        );
    }

    #[test]
    fn a_refusal_is_told_in_the_hosts_words() {
        let (port, host) = host(&["220 hello\r\n", "250 host\r\n", "550 not you\r\n"]);
        let error = send("127.0.0.1", port, "root@lvs1", "lvs1", &mail(), 0).unwrap_err();
        assert_eq!(error.to_string(), "550 not you");
        host.join().unwrap();
    }

    #[test]
    fn a_lone_carriage_return_ends_neither_line_nor_mail() {
        assert_eq!(dotted("one\r.\r\n.two"), "one .\r\n..two\r\n.\r\n");
    }

    #[test]
    fn a_host_that_drips_is_left_when_its_time_is_over() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut input = Hurried {
            stream,
            end: Instant::now(),
        };
        let (mut host, _) = listener.accept().unwrap();
        host.write_all(b"2").unwrap();
        let error = input.read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn no_host_no_mail() {
        let port = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let error = send("127.0.0.1", port, "a@b", "b", &mail(), 0).unwrap_err();
        assert_eq!(error.to_string(), "Connection refused");
    }
}
