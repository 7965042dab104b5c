//! Finding messages in a stream of bytes: a serial line (`wire-protocol.md` 7.4) or the command FIFO
//! (`resource-protocol.md` 7.1).
//!
//! Bytes go in as they arrive; complete messages come out, still encoded, for [`crate::decode_datagram`] or
//! [`crate::decode_plain`]. Whatever stands before a start line is skipped. The legacy cuts lines of the FIFO after 511
//! bytes and then fails; here only the whole message is limited.

use crate::limits::MAX_MESSAGE;
use crate::netstring;
use crate::string_form;

/// Which start lines begin a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// The string form only: a serial line.
    String,
    /// Both forms: the FIFO.
    Any,
}

/// Collects bytes and cuts them into messages. Holds less than [`MAX_MESSAGE`] bytes.
#[derive(Clone, Debug)]
pub struct StreamReader {
    framing: Framing,
    state: State,
    /// What has arrived and is still needed. Within a message it begins with the start line.
    pending: Vec<u8>,
    /// How much of `pending` has been looked at.
    scanned: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Looking for a start line, at the beginning of a line.
    Seeking,
    /// Skipping the rest of a line that is no start line.
    Skipping,
    /// Within a message of the string form, at the beginning of a line.
    InString,
    /// Within a message of the netstring form, between two netstrings.
    InNetstring,
}

impl StreamReader {
    /// A reader at the beginning of a stream.
    pub fn new(framing: Framing) -> Self {
        Self {
            framing,
            state: State::Seeking,
            pending: Vec::new(),
            scanned: 0,
        }
    }

    /// Takes bytes that have arrived, and hands every message that is now complete to `deliver`, in order.
    pub fn feed(&mut self, mut bytes: &[u8], mut deliver: impl FnMut(&[u8])) {
        while !bytes.is_empty() {
            let room = MAX_MESSAGE - 1 - self.pending.len();
            let (now, later) = bytes.split_at(bytes.len().min(room));
            bytes = later;
            self.pending.extend_from_slice(now);
            while self.step(&mut deliver) {}
            if self.pending.len() == MAX_MESSAGE - 1 {
                // No message is that long. Give it up and look for the next.
                self.forget(self.pending.len());
                self.state = State::Skipping;
            }
        }
    }

    /// Forgets a message that has begun, for example because the line was hung up.
    pub fn reset(&mut self) {
        self.forget(self.pending.len());
        self.state = State::Seeking;
    }

    /// Takes one step; `false` if that needs more bytes.
    fn step(&mut self, deliver: &mut impl FnMut(&[u8])) -> bool {
        match self.state {
            State::Seeking => self.seek(),
            State::Skipping => self.skip(),
            State::InString => self.string_line(deliver),
            State::InNetstring => self.netstring(deliver),
        }
    }

    fn seek(&mut self) -> bool {
        let Some(start) = self.pending.first_chunk::<4>() else {
            // A short line is no start line.
            let line_end = self.pending.iter().position(|&byte| byte == b'\n');
            line_end.inspect(|&end| self.forget(end + 1));
            return line_end.is_some();
        };
        self.state = match &start[..] {
            string_form::START => State::InString,
            netstring::START if self.framing == Framing::Any => State::InNetstring,
            _ => State::Skipping,
        };
        if self.state != State::Skipping {
            self.scanned = 4;
        }
        true
    }

    fn skip(&mut self) -> bool {
        match self.pending.iter().position(|&byte| byte == b'\n') {
            Some(end) => {
                self.forget(end + 1);
                self.state = State::Seeking;
                true
            }
            None => {
                self.forget(self.pending.len());
                false
            }
        }
    }

    fn string_line(&mut self, deliver: &mut impl FnMut(&[u8])) -> bool {
        let rest = &self.pending[self.scanned..];
        let Some(length) = rest.iter().position(|&byte| byte == b'\n') else {
            return false;
        };
        let line_end = self.scanned + length + 1;
        match &rest[..=length] {
            string_form::END => {
                deliver(&self.pending[..line_end]);
                self.forget(line_end);
                self.state = State::Seeking;
            }
            // The end of the message before was lost. The legacy would mix the two.
            string_form::START => {
                self.forget(self.scanned);
                self.scanned = string_form::START.len();
            }
            _ => self.scanned = line_end,
        }
        true
    }

    fn netstring(&mut self, deliver: &mut impl FnMut(&[u8])) -> bool {
        let rest = &self.pending[self.scanned..];
        if rest.starts_with(netstring::END) {
            let end = self.scanned + netstring::END.len();
            deliver(&self.pending[..end]);
            self.forget(end);
            self.state = State::Seeking;
        } else if let Some((_, behind)) = netstring::peel(rest) {
            self.scanned = self.pending.len() - behind.len();
        } else if netstring::is_beginning(rest) {
            return false;
        } else {
            self.forget(netstring::START.len());
            self.state = State::Seeking;
        }
        true
    }

    /// Drops the first `count` pending bytes.
    fn forget(&mut self, count: usize) {
        self.pending.drain(..count);
        self.scanned = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the text in pieces of every size; the result must not depend on it.
    fn messages(framing: Framing, text: &str) -> Vec<String> {
        let mut results = (1..=text.len()).map(|size| {
            let mut reader = StreamReader::new(framing);
            let mut found = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                reader.feed(piece, |message| {
                    found.push(String::from_utf8(message.to_vec()).unwrap());
                });
            }
            found
        });
        let first = results.next().unwrap();
        assert!(results.all(|other| other == first), "{text:?}");
        first
    }

    #[test]
    fn string_messages_among_noise() {
        let text =
            "noise\nx=>>>\n>>> \n\n>>>\nt=a\n\n<<<\nmore\n<<<\n>>>\nt=b\nld=<<<\n<<<\n>>>\nt=c";
        assert_eq!(
            messages(Framing::String, text),
            [">>>\nt=a\n\n<<<\n", ">>>\nt=b\nld=<<<\n<<<\n"]
        );
    }

    #[test]
    fn a_lost_end_costs_one_message() {
        assert_eq!(
            messages(Framing::String, ">>>\nt=a\nsrc=x\n>>>\nt=b\n<<<\n"),
            [">>>\nt=b\n<<<\n"]
        );
    }

    #[test]
    fn netstrings_where_they_are_understood() {
        let text = "x\n###\n11:(0)t=a\n%%%\n,%%%\n>>>\nt=b\n<<<\n";
        assert_eq!(
            messages(Framing::Any, text),
            ["###\n11:(0)t=a\n%%%\n,%%%\n", ">>>\nt=b\n<<<\n"]
        );
        assert_eq!(messages(Framing::String, text), [">>>\nt=b\n<<<\n"]);
    }

    #[test]
    fn a_broken_netstring_is_skipped() {
        let text = "###\n10:(0)t=a\n>>>\nt=b\n<<<\n";
        assert_eq!(messages(Framing::Any, text), [">>>\nt=b\n<<<\n"]);
    }

    #[test]
    fn endless_messages_are_given_up() {
        let mut reader = StreamReader::new(Framing::Any);
        let mut found = 0;
        reader.feed(b">>>\n", |_| found += 1);
        for _ in 0..10_000 {
            reader.feed(&[b'x'; 100], |_| found += 1);
        }
        assert!(reader.pending.capacity() <= 2 * MAX_MESSAGE);
        reader.feed(b"\n>>>\nt=a\n<<<\n", |_| found += 1);
        assert_eq!(found, 1);
    }

    #[test]
    fn reset_forgets_what_has_begun() {
        let mut reader = StreamReader::new(Framing::String);
        let mut found = Vec::new();
        reader.feed(b">>>\nt=a\n", |message| found.push(message.to_vec()));
        reader.reset();
        reader.feed(b">>>\nt=b\n<<<\n", |message| found.push(message.to_vec()));
        assert_eq!(found, [b">>>\nt=b\n<<<\n".to_vec()]);
    }
}
