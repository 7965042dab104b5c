//! What the stock resource scripts have in common (`resource-scripts.md` 1.3): which operations there are, how a wrong call
//! is answered, the closing line and the exit code, and the description of the script for programs (`meta-data`).

use std::env;
use std::ffi::OsStr;
use std::fmt::Write as _;

use ha_resources::address::{AgentLevel, Kind, closing_line};
use ha_resources::{LogSettings, ScriptLog};

use crate::output;

/// What is wanted of the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Start,
    Stop,
    /// `status` and `monitor`: R1's question never reaches an agent's own `status`.
    Monitor,
}

/// A parameter of a script, for its description.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter {
    /// Name, as in `OCF_RESKEY_<name>`.
    pub(crate) name: &'static str,
    /// `string` or `integer`.
    pub(crate) kind: &'static str,
    /// The script does not work without it.
    pub(crate) required: bool,
    /// What it is.
    pub(crate) meaning: &'static str,
}

/// A script's constant half.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Script {
    /// Name in the log.
    pub(crate) name: &'static str,
    /// The usage line between the program's name and the list of operations.
    pub(crate) arguments: &'static str,
    /// The word before it: most say `usage`.
    pub(crate) usage_word: &'static str,
    /// Usage goes to standard error; only `IPsrcaddr` does that.
    pub(crate) usage_to_stderr: bool,
    /// One line on what it does.
    pub(crate) purpose: &'static str,
    /// Its parameters, in the order of its arguments.
    pub(crate) parameters: &'static [Parameter],
}

/// A script at work.
pub(crate) struct Wrapper {
    script: Script,
    program: String,
    log: ScriptLog,
}

impl Wrapper {
    pub(crate) fn new(script: Script, program: &OsStr) -> Wrapper {
        Wrapper {
            script,
            program: program.to_string_lossy().into_owned(),
            log: ScriptLog::new(LogSettings::from_environment(|name| env::var_os(name))),
        }
    }

    /// Understands the operation. `Err` is the exit code after everything has been said.
    pub(crate) fn wish(&self, operation: &str) -> Result<Wish, i32> {
        match operation {
            "start" => Ok(Wish::Start),
            "stop" => Ok(Wish::Stop),
            "status" | "monitor" => Ok(Wish::Monitor),
            // The legacy names it in its usage and refuses it.
            "meta-data" => Err(self.describe()),
            "usage" | "help" => Err(self.usage()),
            "" => Err(self.refuse("No action specfied.")),
            other => Err(self.refuse(&format!("Unknown operation: {other}"))),
        }
    }

    /// Writes the description for programs; the exit code.
    pub(crate) fn describe(&self) -> i32 {
        output::print(&self.meta_data());
        0
    }

    /// The answer to a call with the wrong number of words; the exit code. A description needs none of them.
    pub(crate) fn wrong_words(&self, words: &[String]) -> i32 {
        match words.last().map(String::as_str) {
            Some("meta-data") => self.describe(),
            _ => self.usage(),
        }
    }

    /// Writes the closing line; the exit code.
    pub(crate) fn finish(&self, wish: Wish, code: i32) -> i32 {
        let kind = match wish {
            Wish::Monitor => Kind::Question,
            Wish::Start | Wish::Stop => Kind::Change,
        };
        let (line, code) = closing_line(kind, code);
        self.say(&line.text);
        code
    }

    /// How it is called; the exit code for calls that are wrong.
    pub(crate) fn usage(&self) -> i32 {
        let Script {
            arguments,
            usage_word,
            ..
        } = self.script;
        let program = &self.program;
        let text =
            format!("{usage_word}: {program} {arguments} (start|stop|status|usage|meta-data)\n");
        match self.script.usage_to_stderr {
            true => output::error(&text),
            false => output::print(&text),
        }
        1
    }

    fn refuse(&self, reason: &str) -> i32 {
        self.say(&format!("ERROR: {reason}"));
        self.usage()
    }

    /// To the log.
    pub(crate) fn log(&self, level: AgentLevel, text: &str) {
        let word = match level {
            AgentLevel::Error => "ERROR",
            AgentLevel::Warning => "WARNING",
            AgentLevel::Info => "INFO",
            AgentLevel::Debug => {
                return self.log.debug(self.script.name, &format!("DEBUG: {text}"));
            }
        };
        self.log.log(self.script.name, &format!("{word}: {text}"));
    }

    /// To standard output and to the log.
    fn say(&self, text: &str) {
        output::print(&format!("{text}\n"));
        self.log.log(self.script.name, text);
    }

    /// The description in the form of the Open Cluster Framework.
    fn meta_data(&self) -> String {
        let Script {
            name,
            purpose,
            parameters,
            ..
        } = self.script;
        let mut text = format!(
            "<?xml version=\"1.0\"?>\n<!DOCTYPE resource-agent SYSTEM \"ra-api-1.dtd\">\n\
             <resource-agent name=\"{name}\">\n<version>1.0</version>\n\n\
             <longdesc lang=\"en\">{purpose}</longdesc>\n<shortdesc lang=\"en\">{purpose}</shortdesc>\n\n\
             <parameters>\n"
        );
        for parameter in parameters {
            let Parameter {
                name,
                kind,
                required,
                meaning,
            } = parameter;
            let required = u8::from(*required);
            let _ = write!(
                text,
                "<parameter name=\"{name}\" unique=\"0\" required=\"{required}\">\n\
                 <longdesc lang=\"en\">{meaning}</longdesc>\n<shortdesc lang=\"en\">{meaning}</shortdesc>\n\
                 <content type=\"{kind}\"/>\n</parameter>\n"
            );
        }
        text.push_str(
            "</parameters>\n\n<actions>\n\
             <action name=\"start\" timeout=\"90\"/>\n<action name=\"stop\" timeout=\"100\"/>\n\
             <action name=\"status\" depth=\"0\" timeout=\"20\" interval=\"10\"/>\n\
             <action name=\"monitor\" depth=\"0\" timeout=\"20\" interval=\"10\"/>\n\
             <action name=\"meta-data\" timeout=\"5\"/>\n</actions>\n</resource-agent>\n",
        );
        text
    }
}
