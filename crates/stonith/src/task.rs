//! How the daemon and `stonith-device` talk: one task on standard input, lines on standard output, the result as exit code.
//!
//! ```text
//! task reset                         level CRIT external_reset_req: 'ssh reset' for host beta failed with rc 1
//! node beta                          id ssh STONITH device
//! type external/ssh                  end 5
//! source text
//!
//! beta
//! ```
//!
//! What follows the empty line is the parameters as written; they never are an argument or in the log.

use std::fmt::Write as _;
use std::io::{Read, Write};

use ha_sys::terminal;

use crate::{Code, Device, Kind, Level, Places, Refusal, Request, Source};

/// Longest task.
const TASK_MAX: u64 = 1 << 20;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Whether type and parameters are good, and what the device is called. The device itself is not touched.
    Check,
    /// Whether the device can be reached.
    Status,
    /// Reset a node.
    Reset(String),
}

/// One task.
#[derive(Clone, PartialEq, Eq)]
pub struct Task {
    /// What is asked.
    pub wanted: Wanted,
    /// The type, as written.
    pub kind: String,
    /// [`Source::Text`] or [`Source::File`].
    pub source: Source,
}

impl Task {
    /// The text to be read on standard input. Node and type are single words of ha.cf, so they fit into a line.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let _ = match &self.wanted {
            Wanted::Check => writeln!(text, "task check"),
            Wanted::Status => writeln!(text, "task status"),
            Wanted::Reset(node) => writeln!(text, "task reset\nnode {}", one_line(node)),
        };
        let (word, content) = match &self.source {
            Source::File(content) => ("file", content.as_str()),
            Source::Text(content) => ("text", content.as_str()),
            Source::Pairs(_) | Source::Environment => ("text", ""),
        };
        let _ = write!(
            text,
            "type {}\nsource {word}\n\n{content}",
            one_line(&self.kind)
        );
        text
    }

    /// Reads it again. Only a task that is whole is one.
    pub fn from_text(text: &str) -> Option<Task> {
        let (head, content) = text.split_once("\n\n")?;
        let field = |name: &str| {
            head.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        };
        let wanted = match (field("task")?, field("node")) {
            ("check", None) => Wanted::Check,
            ("status", None) => Wanted::Status,
            ("reset", Some(node)) if !node.is_empty() => Wanted::Reset(node.to_owned()),
            _ => return None,
        };
        let source = match field("source")? {
            "text" => Source::Text(content.to_owned()),
            "file" => Source::File(content.to_owned()),
            _ => return None,
        };
        Some(Task {
            wanted,
            kind: field("type")?.to_owned(),
            source,
        })
    }
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// One line of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To be logged.
    Line(Level, String),
    /// What the device is called.
    Id(String),
    /// The type is not there; what to use instead.
    UnknownType(Option<String>),
    /// The parameters are no good: the parameter at fault, or nothing.
    BadParameters(String),
    /// The last line. Without it the task did not come to its end.
    End(Code),
}

impl Answer {
    /// As printed, without newline.
    pub fn to_text(&self) -> String {
        match self {
            Answer::Line(level, text) => format!("level {} {}", level.word(), one_line(text)),
            Answer::Id(id) => format!("id {}", one_line(id)),
            Answer::UnknownType(advice) => {
                format!("unknown {}", one_line(advice.as_deref().unwrap_or("")))
            }
            Answer::BadParameters(at) => format!("bad {}", one_line(at)),
            Answer::End(code) => format!("end {}", code.0),
        }
    }

    /// Reads it again.
    pub fn from_text(line: &str) -> Option<Answer> {
        let (word, rest) = line.split_once(' ')?;
        Some(match word {
            "level" => {
                let (level, text) = rest.split_once(' ')?;
                Answer::Line(Level::from_word(level)?, text.to_owned())
            }
            "id" => Answer::Id(rest.to_owned()),
            "unknown" => Answer::UnknownType((!rest.is_empty()).then(|| rest.to_owned())),
            "bad" => Answer::BadParameters(rest.to_owned()),
            "end" => Answer::End(Code(rest.parse().ok()?)),
            _ => return None,
        })
    }
}

/// `stonith-device`: does the task on its standard input. The exit code.
pub(crate) fn main(places: &Places) -> u8 {
    let mut text = String::new();
    let read = std::io::stdin().take(TASK_MAX).read_to_string(&mut text);
    let Some(task) = read.ok().and_then(|_| Task::from_text(&text)) else {
        terminal::error("stonith-device: it is the heartbeat daemon that calls this program\n");
        return Code::OOPS.0;
    };
    let mut out = std::io::stdout();
    // Line by line, at once: the daemon logs them while we wait for a human being. Nobody listening is no reason to stop.
    let mut answer = |answer: Answer| {
        let _ = writeln!(out, "{}", answer.to_text());
        let _ = out.flush();
    };
    let code = perform(&task, places, &mut answer);
    answer(Answer::End(code));
    code.0
}

fn perform(task: &Task, places: &Places, answer: &mut dyn FnMut(Answer)) -> Code {
    let kind = match Kind::find(&task.kind, places) {
        Ok(kind) => kind,
        Err(unknown) => {
            if task.wanted != Wanted::Check {
                let text = format!("there is no device type {} any more", task.kind);
                answer(Answer::Line(Level::Crit, text));
            }
            answer(Answer::UnknownType(unknown.advice));
            return Code::OOPS;
        }
    };
    let mut say = |level: Level, text: &str| answer(Answer::Line(level, text.to_owned()));
    let device = match Device::new(kind, &task.source, places, &mut say) {
        Ok(device) => device,
        Err(refusal) => {
            let (code, at) = match refusal {
                Refusal::Broken(code) => return code,
                Refusal::Unusable => (Code::BAD_CONFIG, None),
                Refusal::Values { code, at, .. } => (code, at),
            };
            answer(Answer::BadParameters(at.unwrap_or_default()));
            return code;
        }
    };
    match &task.wanted {
        Wanted::Check => {
            let id = device.id(&mut say);
            answer(Answer::Id(id));
            Code::OK
        }
        Wanted::Status => device.status(&mut say),
        Wanted::Reset(node) => device.request(Request::Reset, node, &mut say),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_survive_the_pipe_and_parts_of_them_are_none() {
        for (wanted, source) in [
            (Wanted::Check, Source::Text("a b  c ".into())),
            (Wanted::Status, Source::File("#x\n\nfoo\n".into())),
            (Wanted::Reset("beta".into()), Source::Text(String::new())),
        ] {
            let task = Task {
                wanted,
                kind: "external/ssh".into(),
                source,
            };
            let text = task.to_text();
            assert!(Task::from_text(&text) == Some(task), "{text}");
            let head = text.find("\n\n").unwrap();
            for end in 0..=head {
                assert!(Task::from_text(&text[..end]).is_none(), "{}", &text[..end]);
            }
        }
        assert!(Task::from_text("task reset\ntype null\nsource text\n\nx").is_none());
        assert!(Task::from_text("task status\nnode x\ntype null\nsource text\n\nx").is_none());
    }

    #[test]
    fn answers_survive_the_pipe() {
        for answer in [
            Answer::Line(Level::Crit, "OPERATOR INTERVENTION".into()),
            Answer::Id("NULL STONITH device".into()),
            Answer::UnknownType(None),
            Answer::UnknownType(Some("use fence_apc".into())),
            Answer::BadParameters(String::new()),
            Answer::End(Code(5)),
        ] {
            assert_eq!(Answer::from_text(&answer.to_text()), Some(answer));
        }
        for line in ["", "end", "end x", "end 256", "level info", "level X y"] {
            assert_eq!(Answer::from_text(line), None, "{line}");
        }
    }
}
