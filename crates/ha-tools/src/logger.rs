//! `ha_logger`: hands lines to the logging daemon (`install-and-cli.md` 10). Scripts fall back to syslog by themselves when
//! it fails.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use ha_ipc::frame::Head;
use ha_sys::clock;
use ha_sys::log::{Priority, connect_now, logd_sockets};
use ha_wire::logd::{FACILITY_USER, Layout, LogRecord};
use lexopt::{Arg, Parser};

use crate::output;

/// The tag unless `-t` says otherwise.
const TAG: &str = "cluster";

/// Octets of text in a record; what is longer becomes several records.
const RECORD_MAX: usize = 1022;

/// Octets of a line that are held at a time.
const LINE_MAX: u64 = 64 * 1024;

/// How long a daemon may take to make room. A script waits for us.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn main(program: &OsStr, args: &[OsString]) -> i32 {
    let wanted = match Wanted::parse(args) {
        Ok(wanted) => wanted,
        Err(complaint) => {
            if let Some(complaint) = complaint {
                let program = program.to_string_lossy();
                output::error(&format!("{program}: {complaint}\n"));
            }
            output::print("usage: ha_logger [-t tag] [-D <ha-log/ha-debug>] [message]\n");
            return 1;
        }
    };
    let Some(mut daemon) = Daemon::find() else {
        return not_running();
    };
    let sent = match &wanted.message {
        Some(message) => daemon.log(&wanted, message.as_bytes()),
        None => daemon.log_lines(&wanted, &mut io::stdin().lock()),
    };
    match sent {
        Ok(()) => 0,
        Err(_) => not_running(),
    }
}

/// Scripts get the exit code; there is no newline, as before.
fn not_running() -> i32 {
    output::error("logd is not running");
    1
}

/// What shall be logged.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    tag: String,
    priority: Priority,
    /// None: standard input, line by line.
    message: Option<String>,
}

impl Wanted {
    /// Reads the command line as getopt does.
    ///
    /// # Errors
    /// Usage is wanted; what getopt would have said before.
    fn parse(args: &[OsString]) -> Result<Wanted, Option<String>> {
        let mut wanted = Wanted {
            tag: TAG.to_owned(),
            priority: Priority::Info,
            message: None,
        };
        let mut words: Vec<String> = Vec::new();
        let mut parser = Parser::from_args(args);
        while let Some(arg) = parser.next().map_err(|error| Some(error.to_string()))? {
            let missing = |letter| Some(format!("option requires an argument -- '{letter}'"));
            match arg {
                Arg::Short('t') => {
                    let tag = parser.value().map_err(|_| missing('t'))?;
                    // The legacy loses a line without a tag.
                    if !tag.is_empty() {
                        wanted.tag = tag.to_string_lossy().into_owned();
                    }
                }
                Arg::Short('D') => {
                    let kind = parser.value().map_err(|_| missing('D'))?;
                    wanted.priority = match kind.to_str() {
                        Some("ha-log") => Priority::Info,
                        Some("ha-debug") => Priority::Debug,
                        _ => return Err(None),
                    };
                }
                Arg::Short('h') => return Err(None),
                Arg::Short(letter) => return Err(Some(format!("invalid option -- '{letter}'"))),
                Arg::Long(name) => return Err(Some(format!("unrecognized option '--{name}'"))),
                Arg::Value(word) => words.push(word.to_string_lossy().into_owned()),
            }
        }
        wanted.message = (!words.is_empty()).then(|| words.join(" "));
        Ok(wanted)
    }
}

/// A daemon that answers.
struct Daemon {
    stream: UnixStream,
    layout: Layout,
}

impl Daemon {
    /// The one of release 2.1 (which is ours, too) or else the one of cluster-glue.
    fn find() -> Option<Daemon> {
        logd_sockets().into_iter().find_map(|(path, layout)| {
            let stream = connect_now(&path).ok()?;
            stream.set_write_timeout(Some(PATIENCE)).ok()?;
            Some(Daemon { stream, layout })
        })
    }

    /// One record after the other for each line, as it comes.
    fn log_lines(&mut self, wanted: &Wanted, input: &mut impl BufRead) -> io::Result<()> {
        let mut line = Vec::new();
        loop {
            line.clear();
            // A line without an end is given out in pieces instead of being kept.
            let mut piece = io::Read::take(&mut *input, LINE_MAX);
            if piece.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            self.log(wanted, line.strip_suffix(b"\n").unwrap_or(&line))?;
        }
    }

    fn log(&mut self, wanted: &Wanted, text: &[u8]) -> io::Result<()> {
        for part in parts(&String::from_utf8_lossy(text)) {
            let body = record(wanted, part).encode(self.layout);
            // A record is far below what a frame may hold.
            let head = Head::for_body(body.len()).map_err(io::Error::other)?;
            let mut frame = head.octets().to_vec();
            frame.extend_from_slice(&body);
            self.stream.write_all(&frame)?;
        }
        Ok(())
    }
}

fn record(wanted: &Wanted, text: &str) -> LogRecord {
    LogRecord {
        facility: FACILITY_USER,
        priority: wanted.priority.number(),
        with_level: false,
        pid: std::process::id(),
        entity: wanted.tag.clone(),
        seconds: clock::wall(),
        text: text.to_owned(),
    }
}

/// Pieces of at most [`RECORD_MAX`] octets, cut between characters; one empty piece for an empty text.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while rest.len() > RECORD_MAX {
        let (part, more) = rest.split_at(rest.floor_char_boundary(RECORD_MAX));
        parts.push(part);
        rest = more;
    }
    if parts.is_empty() || !rest.is_empty() {
        parts.push(rest);
    }
    parts
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn parse(words: &[&str]) -> Result<Wanted, Option<String>> {
        let args: Vec<OsString> = words.iter().map(OsString::from).collect();
        Wanted::parse(&args)
    }

    #[test]
    fn words_are_joined_and_options_may_stand_anywhere() {
        let wanted = parse(&["hello", "-t", "mytag", "logd", "-D", "ha-debug", "world"]).unwrap();
        assert_eq!(wanted.message.as_deref(), Some("hello logd world"));
        assert_eq!(
            (wanted.tag.as_str(), wanted.priority),
            ("mytag", Priority::Debug)
        );
        assert_eq!(parse(&["-t", "", "x"]).unwrap().tag, TAG);
        assert_eq!(parse(&["--", "-x"]).unwrap().message.as_deref(), Some("-x"));
        assert_eq!(parse(&[]).unwrap().message, None);
        assert_eq!(parse(&[""]).unwrap().message.as_deref(), Some(""));
    }

    #[test]
    fn a_wrong_command_line_shows_the_usage() {
        for words in [&["-h"][..], &["-D", "foo"]] {
            assert_eq!(parse(words), Err(None));
        }
        assert_eq!(parse(&["-q"]), Err(Some("invalid option -- 'q'".into())));
        assert_eq!(
            parse(&["-t"]),
            Err(Some("option requires an argument -- 't'".into()))
        );
    }

    #[test]
    fn long_texts_become_several_records() {
        let lengths = |text: &str| {
            parts(text)
                .iter()
                .map(|part| part.len())
                .collect::<Vec<_>>()
        };
        assert_eq!(lengths(""), [0]);
        assert_eq!(lengths(&"x".repeat(1022)), [1022]);
        assert_eq!(lengths(&"x".repeat(1023)), [1022, 1]);
        assert_eq!(lengths(&"é".repeat(512)), [1022, 2]);
    }

    #[test]
    fn every_line_of_the_input_is_a_record() {
        let (stream, mut other) = UnixStream::pair().unwrap();
        let mut daemon = Daemon {
            stream,
            layout: Layout::Glue,
        };
        let wanted = parse(&["-t", "stdin"]).unwrap();
        let input = format!("one\n\ntwo\n{}\nno newline", "x".repeat(1500));
        daemon
            .log_lines(&wanted, &mut io::BufReader::new(input.as_bytes()))
            .unwrap();
        drop(daemon);
        let mut octets = Vec::new();
        other.read_to_end(&mut octets).unwrap();
        let mut reader = ha_ipc::frame::FrameReader::new();
        reader.feed(&octets);
        let mut texts = Vec::new();
        while let Some(body) = reader.body().unwrap() {
            texts.push(LogRecord::decode(body).unwrap().0.text);
        }
        let lengths: Vec<usize> = texts.iter().map(String::len).collect();
        assert_eq!(lengths, [3, 0, 3, 1022, 478, 10]);
    }
}
