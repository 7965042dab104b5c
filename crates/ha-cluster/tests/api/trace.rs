//! Recorded conversations (`tests/api/vectors`): 3.0.6 on the top level, 2.1.3 in `213`. The frames were written down
//! field by field; unprintable octets are `\xNN`.

use std::fs;
use std::path::{Path, PathBuf};

use ha_wire::Message;

/// One line of a recording.
#[derive(Clone, Debug)]
pub enum Step {
    /// The client sends a frame.
    Sent(Frame),
    /// The daemon sends a frame.
    Received(Frame),
    /// Anything else: `-- close`, `-- S>C EOF`, `-- note: ...`.
    Event(String),
}

/// A frame's body.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// A message; names with their type prefix.
    Fields(Vec<(String, String)>),
    /// Something else.
    Raw(String),
}

impl Frame {
    pub fn get(&self, name: &str) -> Option<&str> {
        match self {
            Frame::Fields(fields) => fields
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.as_str()),
            Frame::Raw(_) => None,
        }
    }

    pub fn kind(&self) -> &str {
        self.get("t").unwrap_or_default()
    }

    /// As it goes over the socket.
    pub fn body(&self) -> Vec<u8> {
        let mut text = String::new();
        match self {
            Frame::Raw(raw) => text.push_str(raw),
            Frame::Fields(fields) => {
                text.push_str(">>>\n");
                for (name, value) in fields {
                    text.push_str(&format!("{name}={value}\n"));
                }
                text.push_str("<<<\n");
            }
        }
        text.push('\0');
        text.into_bytes()
    }

    pub fn message(&self) -> Message {
        ha_wire::decode_plain(&self.body()).expect("a recorded message")
    }

    /// The other way: a body as a recording shows it.
    pub fn from_body(body: &[u8]) -> Frame {
        let text = body.strip_suffix(b"\0").expect("the NUL at the end");
        let text = String::from_utf8_lossy(text);
        let inner = text
            .strip_prefix(">>>\n")
            .and_then(|rest| rest.strip_suffix("<<<\n"))
            .expect("the marks around a message");
        Frame::Fields(inner.lines().map(field).collect())
    }
}

fn field(line: &str) -> (String, String) {
    let (name, value) = line.split_once('=').expect("a field has a value");
    (name.to_owned(), value.to_owned())
}

pub fn parse(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(event) = line.strip_prefix("-- ") {
            steps.push(Step::Event(event.trim().to_owned()));
        } else if line.starts_with('[') {
            let mut fields = Vec::new();
            let mut raw = None;
            while let Some(entry) = lines.next_if(|line| line.starts_with("  ")) {
                match entry.trim_start().split_once('=') {
                    Some((name, value)) => fields.push((name.to_owned(), value.to_owned())),
                    None => raw = Some(entry.trim_start().to_owned()),
                }
            }
            let frame = raw.map_or(Frame::Fields(fields), Frame::Raw);
            steps.push(match line.contains("C>S") {
                true => Step::Sent(frame),
                false => Step::Received(frame),
            });
        }
    }
    steps
}

pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/vectors")
}

/// Name within the directory of vectors, and content.
pub fn read(name: &str) -> Vec<Step> {
    let path = directory().join(name);
    parse(&fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// All recordings of one release: `""` or `"213"`.
pub fn names(release: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory().join(release))
        .expect("the vectors")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".txt"))
        .map(|name| {
            Path::new(release)
                .join(name)
                .to_str()
                .expect("a plain name")
                .to_owned()
        })
        .collect();
    names.sort();
    names
}
