//! An HTTP answer as it comes in, read as forgivingly as the legacy's library does.
//!
//! That library takes an answer without any status line for a page of HTTP/0.9, any version number, lines among the
//! headers that are none, chunks in HTTP/1.0, bare line feeds, and answers that are cut short. Engines that keep to the
//! standards refuse these, and a server that has been in service for years would be taken out of it.

/// Limits of the legacy's library.
const LINE_MAX: usize = 8192;
const HEADERS_MAX: usize = 128;

/// The answer is judged by so much of its body; the rest is not waited for.
pub(super) const BODY_MAX: usize = 1 << 20;

/// Reads one answer.
#[derive(Debug)]
pub(super) struct Answer {
    stage: Stage,
    /// Part of a line that is not complete.
    line: Vec<u8>,
    headers: usize,
    /// The header that a continuation line belongs to.
    last: Field,
    head_only: bool,
    /// What was read.
    pub(super) code: u16,
    /// The words behind the code.
    pub(super) reason: Vec<u8>,
    /// The first `Location`.
    pub(super) location: Option<Vec<u8>>,
    length: Option<u64>,
    chunked: bool,
    /// The body is kept, not only counted.
    keep: bool,
    /// How much of the body came.
    seen: usize,
    /// Without any transfer coding; empty if it is not kept.
    pub(super) body: Vec<u8>,
    /// There is more of the body than was read.
    pub(super) cut: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Status,
    Headers,
    /// To the end of the connection.
    Rest,
    Length(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailer,
    Complete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Other,
    Location,
}

/// Why an answer is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// A line of the head is too long.
    Line,
    /// The head has too many lines.
    Headers,
}

impl Answer {
    /// Nothing read yet. `head_only`: the answer to HEAD, which has no body whatever it says. `keep`: somebody will look at
    /// the body.
    pub(super) fn new(head_only: bool, keep: bool) -> Answer {
        Answer {
            stage: Stage::Status,
            line: Vec::new(),
            headers: 0,
            last: Field::Other,
            head_only,
            code: 0,
            reason: Vec::new(),
            location: None,
            length: None,
            chunked: false,
            keep,
            seen: 0,
            body: Vec::new(),
            cut: false,
        }
    }

    /// Takes bytes; true once the answer is complete.
    ///
    /// # Errors
    /// It is malformed beyond what is taken.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Result<bool, Malformed> {
        while !bytes.is_empty() && self.stage != Stage::Complete {
            bytes = match self.stage {
                Stage::Rest => self.take_body(bytes, u64::MAX).0,
                Stage::Length(left) => {
                    let (rest, left) = self.take_body(bytes, left);
                    self.advance(Stage::Length(left));
                    rest
                }
                Stage::Chunk(left) => {
                    let (rest, left) = self.take_body(bytes, left);
                    self.advance(Stage::Chunk(left));
                    rest
                }
                _ => self.take_line(bytes)?,
            };
        }
        Ok(self.stage == Stage::Complete)
    }

    /// The connection has ended: true if what there is can be judged, false if nothing came.
    pub(super) fn end(&mut self) -> bool {
        match self.stage {
            Stage::Status if self.line.is_empty() => return false,
            Stage::Status => {
                let line = std::mem::take(&mut self.line);
                if !self.status_line(&line) {
                    self.assume_page(&line);
                }
            }
            _ => {}
        }
        self.stage = Stage::Complete;
        true
    }

    /// The head is complete, so code and location are known.
    pub(super) fn has_head(&self) -> bool {
        !matches!(self.stage, Stage::Status | Stage::Headers)
    }

    /// The status line without the version. Where a server gives no words, the usual ones.
    pub(super) fn status_text(&self) -> String {
        if self.reason.is_empty() {
            format!("{} {}", self.code, usual_reason(self.code))
                .trim_end()
                .to_owned()
        } else {
            format!("{} {}", self.code, String::from_utf8_lossy(&self.reason))
        }
    }

    /// Moves on when a counted stage has run out, unless the answer was cut meanwhile.
    fn advance(&mut self, to: Stage) {
        if self.stage == Stage::Complete {
            return;
        }
        self.stage = match to {
            Stage::Length(0) => Stage::Complete,
            Stage::Chunk(0) => Stage::ChunkEnd,
            other => other,
        };
    }

    /// Body bytes, at most so many; the rest of the bytes, and what is left of the number.
    fn take_body<'a>(&mut self, bytes: &'a [u8], left: u64) -> (&'a [u8], u64) {
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let room = BODY_MAX.saturating_sub(self.seen);
        let (taken, rest) = bytes.split_at_checked(wanted).unwrap_or((bytes, b""));
        self.seen = self.seen.saturating_add(taken.len());
        if self.keep {
            self.body
                .extend_from_slice(taken.get(..room).unwrap_or(taken));
        }
        if taken.len() > room {
            self.cut = true;
            self.stage = Stage::Complete;
        }
        (rest, left.saturating_sub(taken.len() as u64))
    }

    fn take_line<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Malformed> {
        if self.stage == Stage::Status && self.is_no_status_line(bytes) {
            let begun = std::mem::take(&mut self.line);
            self.assume_page(&begun);
            return Ok(bytes);
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (part, rest) = match end {
            Some(end) => (
                bytes.get(..end).unwrap_or_default(),
                bytes.get(end + 1..).unwrap_or_default(),
            ),
            None => (bytes, &b""[..]),
        };
        if self.line.len() + part.len() > LINE_MAX {
            if self.has_head() {
                // A page that lost its way: what came so far is judged.
                self.stage = Stage::Complete;
                return Ok(b"");
            }
            return Err(Malformed::Line);
        }
        self.line.extend_from_slice(part);
        if end.is_some() {
            let mut line = std::mem::take(&mut self.line);
            let raw = line.clone();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            self.whole_line(&line, &raw)?;
        }
        Ok(rest)
    }

    /// Whether the first bytes already show that no status line comes.
    fn is_no_status_line(&self, bytes: &[u8]) -> bool {
        let begun = self.line.iter().chain(bytes);
        begun.zip(b"HTTP/").any(|(found, wanted)| found != wanted)
    }

    fn whole_line(&mut self, line: &[u8], raw: &[u8]) -> Result<(), Malformed> {
        match self.stage {
            Stage::Status => {
                if self.status_line(line) {
                    self.stage = Stage::Headers;
                } else {
                    self.assume_page(raw);
                    let _ = self.take_body(b"\n", 1);
                }
            }
            Stage::Headers if line.is_empty() => self.head_complete(),
            Stage::Headers => {
                self.headers += 1;
                if self.headers > HEADERS_MAX {
                    return Err(Malformed::Headers);
                }
                self.header(line);
            }
            Stage::ChunkSize => {
                self.stage = match chunk_size(line) {
                    Some(0) => Stage::Trailer,
                    Some(size) => Stage::Chunk(size),
                    None => Stage::Complete,
                };
            }
            Stage::ChunkEnd if line.is_empty() => self.stage = Stage::ChunkSize,
            Stage::ChunkEnd => self.stage = Stage::Complete,
            Stage::Trailer if line.is_empty() => self.stage = Stage::Complete,
            Stage::Trailer => {
                self.headers += 1;
                if self.headers > 2 * HEADERS_MAX {
                    self.stage = Stage::Complete;
                }
            }
            Stage::Rest | Stage::Length(_) | Stage::Chunk(_) | Stage::Complete => {}
        }
        Ok(())
    }

    /// HTTP/0.9: no head, and whatever comes is the page.
    fn assume_page(&mut self, begun: &[u8]) {
        self.code = 200;
        self.reason = b"Assumed OK".to_vec();
        self.stage = Stage::Rest;
        let _ = self.take_body(begun, u64::MAX);
    }

    /// `HTTP/N.N CODE WORDS`; false if it is none.
    fn status_line(&mut self, line: &[u8]) -> bool {
        let parsed = || {
            let rest = line.strip_prefix(b"HTTP/")?;
            let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
            let version_end = rest.iter().position(blank)?;
            let (version, rest) = rest.split_at_checked(version_end)?;
            let dot = version.iter().position(|byte| *byte == b'.')?;
            let (major, minor) = (version.get(..dot)?, version.get(dot + 1..)?);
            let number = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
            if !number(major) || !number(minor) {
                return None;
            }
            let (digits, words) = rest.trim_ascii_start().split_first_chunk::<3>()?;
            if !matches!(digits.first(), Some(b'1'..=b'5')) || !words.first().is_none_or(blank) {
                return None;
            }
            let code = std::str::from_utf8(digits).ok()?.parse().ok()?;
            Some((code, words.trim_ascii().to_vec()))
        };
        match parsed() {
            Some((code, reason)) => {
                self.code = code;
                self.reason = reason;
                true
            }
            None => false,
        }
    }

    fn header(&mut self, line: &[u8]) {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            if let (Field::Location, Some(location)) = (self.last, &mut self.location) {
                location.push(b' ');
                location.extend_from_slice(line.trim_ascii());
            }
            return;
        }
        self.last = Field::Other;
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return;
        };
        let name = line.get(..colon).unwrap_or_default().trim_ascii();
        let value = line.get(colon + 1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"location") {
            if self.location.is_none() {
                self.location = Some(value.to_vec());
                self.last = Field::Location;
            }
        } else if name.eq_ignore_ascii_case(b"content-length") {
            // Of several the last one counts; one that is no number, not at all.
            let digits = std::str::from_utf8(value).unwrap_or_default();
            self.length = digits.parse().ok();
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let last = value.split(|byte| *byte == b',').next_back();
            self.chunked =
                last.is_some_and(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"chunked"));
        }
    }

    fn head_complete(&mut self) {
        if matches!(self.code, 100..=199) && self.code != 101 {
            *self = Answer::new(self.head_only, self.keep);
            return;
        }
        let no_body = self.head_only || matches!(self.code, 101 | 204 | 304);
        self.stage = match self.length {
            _ if no_body => Stage::Complete,
            _ if self.chunked => Stage::ChunkSize,
            Some(0) => Stage::Complete,
            Some(length) => Stage::Length(length),
            None => Stage::Rest,
        };
    }
}

/// Hexadecimal, blanks around it, an extension behind it.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii();
    let digits = std::str::from_utf8(digits).ok()?;
    if digits.starts_with('+') {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}

/// The words of the standards, for servers that give none.
fn usual_reason(code: u16) -> &'static str {
    match code {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
