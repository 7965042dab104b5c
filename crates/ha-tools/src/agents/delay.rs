//! `Delay`: a resource that waits (`resource-scripts.md` 10.2).

use std::ffi::{OsStr, OsString};
use std::thread;
use std::time::Duration;

use ha_resources::address::{AgentLevel, ocf};

use super::pseudo::Note;
use super::wrapper::{Parameter, Script, Wish, Wrapper};
use crate::context::words;
use crate::output;

const SCRIPT: Script = Script {
    name: "Delay",
    arguments: "[delay [stopdelay]]",
    usage_word: "usage",
    usage_to_stderr: false,
    purpose: "Waits when it is started, stopped and asked.",
    parameters: &[
        Parameter {
            name: "startdelay",
            kind: "string",
            required: false,
            meaning: "Seconds to wait at start; 30 if not given.",
        },
        Parameter {
            name: "stopdelay",
            kind: "string",
            required: false,
            meaning: "Seconds to wait at stop; as at start if not given.",
        },
        Parameter {
            name: "mondelay",
            kind: "string",
            required: false,
            meaning: "Seconds to wait before an answer; as at start if not given.",
        },
    ],
};

/// The agent's own default. That of the wrapper, 10, never reaches it and is only in the name of the note.
const DEFAULT: Duration = Duration::from_secs(30);
const DEFAULT_NAME: &str = "10";

/// The script.
pub(crate) fn main(program: &OsStr, args: &[OsString]) -> i32 {
    let wrapper = Wrapper::new(SCRIPT, program);
    let words = words(args);
    let (start, stop, operation) = match words.as_slice() {
        [operation] => (None, None, operation),
        [start, operation] => (Some(start), None, operation),
        [start, stop, operation] => (Some(start), Some(stop), operation),
        _ => return wrapper.usage(),
    };
    let wish = match wrapper.wish(operation) {
        Ok(wish) => wish,
        Err(code) => return code,
    };
    let name = start.map_or(DEFAULT_NAME, String::as_str);
    let start_delay = start.map_or(Some(DEFAULT), |word| seconds(word));
    let stop_delay = stop.map_or(start_delay, |word| seconds(word));
    let (Some(start_delay), Some(stop_delay)) = (start_delay, stop_delay) else {
        output::print("Some of the instance parameters are invalid\n");
        return wrapper.finish(wish, ocf::ARGUMENTS);
    };
    let note = Note::new(&format!("Delay_Delay_{name}"));
    let noted = match wish {
        Wish::Start if note.exists() => {
            wrapper.log(AgentLevel::Info, "Delay already running.");
            Ok(ocf::SUCCESS)
        }
        Wish::Stop if !note.exists() => {
            wrapper.log(AgentLevel::Info, "Delay already stopped.");
            Ok(ocf::SUCCESS)
        }
        Wish::Start => note.make().map(|()| {
            thread::sleep(start_delay);
            ocf::SUCCESS
        }),
        Wish::Stop => note.remove().map(|()| {
            thread::sleep(stop_delay);
            ocf::SUCCESS
        }),
        Wish::Monitor => {
            thread::sleep(start_delay);
            Ok(if note.exists() {
                ocf::SUCCESS
            } else {
                ocf::NOT_RUNNING
            })
        }
    };
    let code = noted.unwrap_or_else(|error| {
        wrapper.log(
            AgentLevel::Error,
            &format!("cannot keep the state: {error}"),
        );
        ocf::GENERIC
    });
    wrapper.finish(wish, code)
}

/// Digits with at most one dot.
fn seconds(word: &str) -> Option<Duration> {
    let only = word
        .chars()
        .all(|letter| letter.is_ascii_digit() || letter == '.');
    let number: f64 = word.parse().ok().filter(|_| only)?;
    Duration::try_from_secs_f64(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_seconds() {
        assert_eq!(seconds("0"), Some(Duration::ZERO));
        assert_eq!(seconds("0.25"), Some(Duration::from_millis(250)));
        assert_eq!(seconds("2."), Some(Duration::from_secs(2)));
        for bad in ["", ".", "-1", "1.2.3", "x", "1e3", "inf", "nan", "1 "] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
