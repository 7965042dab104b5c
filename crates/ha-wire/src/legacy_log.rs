//! The legacy's log lines about packets that it refuses (`wire-protocol.md` 2.1, 2.2, 3.5).
//!
//! Operators and scripts look for these texts. Two things differ on purpose: the digest that *our* key gives for a
//! foreign packet is not shown, since it would sign that packet for whoever can read the log; and what comes from the
//! packet is made printable and cut.

use crate::Encoding;
use crate::dump::printable;
use crate::error::{AuthCause, AuthFailure, DecodeError, FieldProblem};
use crate::message::Message;
use crate::netstring;
use crate::string_form;

/// At most this many characters of a packet go into one log line.
const SHOWN_MAX: usize = 1024;

/// How bad the legacy considers a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// `ERROR`
    Error,
    /// `WARN`
    Warning,
}

impl DecodeError {
    /// The lines that the legacy logs for this error, most of which `log_badpack off` suppresses. Empty for a packet that
    /// is to be dropped silently. `packet` is the refused packet.
    ///
    /// One foreign packet costs up to 70 lines; limiting how often this happens is the caller's task.
    pub fn legacy_lines(&self, packet: &[u8]) -> Vec<(Severity, String)> {
        let mut lines = Lines::default();
        match self {
            Self::UnknownFraming => {}
            Self::LineWithoutEquals { offset } => {
                lines.warning("ha_msg_add_nv_depth: line doesn't contain '='".into());
                lines.unreadable_string(packet, *offset);
            }
            Self::Field { offset, problem } if packet.starts_with(string_form::START) => {
                if *problem == FieldProblem::Type {
                    lines.error("ha_msg_addraw_ll(): wrong type".into());
                    lines.error("ha_msg_addraw_ll: addfield failed".into());
                    lines.error("ha_msg_addraw(): ha_msg_addraw_ll failed".into());
                } else {
                    lines.warning(format!("string2msg_ll: {self}"));
                }
                lines.unreadable_string(packet, *offset);
            }
            Self::MissingTrailer => lines.missing_trailer(packet),
            Self::Authentication(failure) => match failure.encoding {
                Encoding::String => lines.string_authentication(failure),
                Encoding::Netstring => lines.netstring_authentication(failure, packet),
            },
            Self::UnknownCompression { algorithm } => {
                lines.error(format!(
                    "cl_decompressmsg: compress method({algorithm}) is not supported in this machine"
                ));
                lines.error("decompress msg failed".into());
            }
            Self::Decompression => {
                lines.error("cl_decompressmsg: decompression failed".into());
                lines.error("decompress msg failed".into());
            }
            Self::TooBig { .. } | Self::TrailingData { .. } | Self::TooDeep => {
                lines.error(format!("wirefmt2msg: {self}"));
            }
            Self::Netstring { offset } => {
                let rest = printable(packet.get(*offset..).unwrap_or_default(), SHOWN_MAX);
                lines.error("netstring2msg_rec:peel_netstring fails for name/value pair".into());
                lines.error(format!("sp={rest}"));
                lines.bad_trailer(packet, packet);
            }
            Self::Field { .. } => {
                lines.warning(format!("process_netstring_nvpair: {self}"));
                lines.error("netstring2msg_rec: processing nvpair failed".into());
                lines.bad_trailer(packet, packet);
            }
        }
        lines.0
    }
}

#[derive(Default)]
struct Lines(Vec<(Severity, String)>);

impl Lines {
    fn error(&mut self, text: String) {
        self.0.push((Severity::Error, text));
    }

    fn warning(&mut self, text: String) {
        self.0.push((Severity::Warning, text));
    }

    fn dump(&mut self, message: &Message) {
        for line in message.dump() {
            self.error(line);
        }
    }

    fn unreadable_string(&mut self, packet: &[u8], offset: usize) {
        let rest = packet.get(offset..).unwrap_or_default();
        self.error("NV failure (string2msg_ll):".into());
        self.error(format!("Input string: [{}]", printable(packet, SHOWN_MAX)));
        self.error(format!("sp={}", printable(rest, SHOWN_MAX)));
        self.error("depth=0".into());
        self.dump(&string_form::readable_part(packet, offset));
    }

    fn string_authentication(&mut self, failure: &AuthFailure) {
        match failure.cause {
            AuthCause::WrongDigest => {}
            AuthCause::UnknownIndex(index) => {
                self.warning(format!("Invalid authentication type [{index}] in message!"));
            }
            AuthCause::BadToken => {
                let token = failure.token.as_deref().unwrap_or("(nil)");
                self.warning(format!("Bad/invalid auth token, authtoken={token}"));
            }
        }
        let node = failure.node.as_deref().unwrap_or("?");
        self.warning(format!(
            "string2msg_ll: node [{node}] failed authentication"
        ));
    }

    fn netstring_authentication(&mut self, failure: &AuthFailure, packet: &[u8]) {
        let token = failure.token.as_deref().unwrap_or_default();
        match failure.cause {
            AuthCause::WrongDigest => {
                let digest = token.split_once(' ').map_or(token, |(_, digest)| digest);
                self.error(format!("authtoken does not match, authtoken={digest}"));
            }
            AuthCause::UnknownIndex(index) => {
                self.warning(format!("Invalid authentication [{index}] in message!"));
            }
            AuthCause::BadToken => self.warning("Bad/invalid netstring auth string".into()),
        }
        let shown = printable(packet, SHOWN_MAX);
        self.error(format!(
            "netstring authentication failed, s={shown}, autotoken={token},"
        ));
        self.dump(&netstring::readable_part(packet));
    }

    fn missing_trailer(&mut self, packet: &[u8]) {
        let end = netstring::body_end(packet).unwrap_or(packet.len());
        let rest = packet.get(end..).unwrap_or_default();
        let shown = printable(rest, SHOWN_MAX);
        self.error(format!("cl_parse_int: Couldn't parse an int from: {shown}"));
        self.bad_trailer(rest, packet);
    }

    /// After any fault in the fields, the legacy looks for the trailer at the beginning of the packet.
    fn bad_trailer(&mut self, searched: &[u8], packet: &[u8]) {
        let searched = printable(searched, SHOWN_MAX);
        self.error(format!(
            "peel_netstring: Couldn't parse an int starting at: {searched}"
        ));
        self.error("peel_netstring() error in getting auth string".into());
        self.error(format!("sp={searched}"));
        self.error(format!("s={}", printable(packet, SHOWN_MAX)));
    }
}
