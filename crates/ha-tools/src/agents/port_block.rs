//! `portblock`: nobody reaches a port while the group is half up (`resource-scripts.md` 10.1). The first resource of a line
//! blocks, the last one unblocks; each undoes at stop what it did at start.
//!
//! The wrapper of 2.1 cannot be called at all: it wants three arguments and reads the operation from the fourth. This is
//! the repaired call.

use std::ffi::{OsStr, OsString};

use ha_resources::address::{AgentLevel, ocf};

use super::packet_filter::DropRule;
use super::pseudo::Note;
use super::wrapper::{Parameter, Script, Wish, Wrapper};
use crate::context::words;
use crate::output;

const SCRIPT: Script = Script {
    name: "portblock",
    arguments: "{udp|tcp} portno,portno {block|unblock}",
    usage_word: "usage",
    usage_to_stderr: false,
    purpose: "Blocks ports while a group is half up.",
    parameters: &[
        Parameter {
            name: "protocol",
            kind: "string",
            required: true,
            meaning: "tcp or udp.",
        },
        Parameter {
            name: "portno",
            kind: "string",
            required: true,
            meaning: "Ports, separated by commas.",
        },
        Parameter {
            name: "action",
            kind: "string",
            required: true,
            meaning: "block or unblock: what is done at start; the opposite is done at stop.",
        },
    ],
};

/// The script.
pub(crate) fn main(program: &OsStr, args: &[OsString]) -> i32 {
    let wrapper = Wrapper::new(SCRIPT, program);
    let words = words(args);
    let [protocol, ports, action, operation] = words.as_slice() else {
        return wrapper.wrong_words(&words);
    };
    let wish = match wrapper.wish(operation) {
        Ok(wish) => wish,
        Err(code) => return code,
    };
    let rule = DropRule { protocol, ports };
    let blocks = match action.as_str() {
        "block" => true,
        "unblock" => false,
        other => {
            wrapper.log(AgentLevel::Error, &format!("Invalid action [{other}]"));
            return wrapper.finish(wish, ocf::ARGUMENTS);
        }
    };
    if !rule.is_sane() {
        let text = format!("Invalid protocol or ports [{protocol} {ports}]");
        wrapper.log(AgentLevel::Error, &text);
        return wrapper.finish(wish, ocf::ARGUMENTS);
    }
    let note = Note::new(&format!("portblock_{protocol}_{ports}_{action}"));
    let code = run(
        wish,
        &rule,
        blocks,
        &note,
        &format!("{protocol} {ports} {action}"),
    );
    let code = code.unwrap_or_else(|complaint| {
        wrapper.log(AgentLevel::Error, &complaint);
        match complaint.starts_with("Setup problem") {
            true => ocf::INSTALLED,
            false => ocf::GENERIC,
        }
    });
    wrapper.finish(wish, code)
}

fn run(
    wish: Wish,
    rule: &DropRule<'_>,
    blocks: bool,
    note: &Note,
    shown: &str,
) -> Result<i32, String> {
    let present = rule.is_present()?;
    match wish {
        Wish::Monitor => {
            let answer = answer(blocks, present, note.exists());
            output::print(&format!(
                "portblock DROP rule for INPUT chain [{shown}]  {}\n",
                answer.text
            ));
            Ok(answer.code)
        }
        Wish::Start | Wish::Stop => {
            match (blocks == (wish == Wish::Start), present) {
                (true, false) => rule.insert()?,
                (false, true) => rule.delete()?,
                (true, true) | (false, false) => {}
            }
            let noted = match wish {
                Wish::Start => note.make(),
                _ => note.remove(),
            };
            noted.map_err(|error| format!("cannot keep the state: {error}"))?;
            Ok(ocf::SUCCESS)
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answer {
    text: &'static str,
    code: i32,
}

/// A block whose rule was taken out by the `unblock` at the end of the line still counts as running.
fn answer(blocks: bool, present: bool, noted: bool) -> Answer {
    let (text, code) = if blocks == present {
        ("is running (OK)", ocf::SUCCESS)
    } else if blocks && noted {
        ("considered to be running (OK)", ocf::SUCCESS)
    } else {
        ("is inactive", ocf::GENERIC)
    };
    Answer { text, code }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_as_running() {
        for (blocks, present, noted, code) in [
            (true, true, false, 0),
            (true, true, true, 0),
            (true, false, true, 0),
            (true, false, false, 1),
            (false, false, false, 0),
            (false, false, true, 0),
            (false, true, false, 1),
            (false, true, true, 1),
        ] {
            let answer = answer(blocks, present, noted);
            assert_eq!(answer.code, code, "{blocks} {present} {noted}");
            let says_running = ha_resources::judge_status(answer.text.as_bytes());
            assert_eq!(says_running, code == 0, "{answer:?}");
        }
    }
}
