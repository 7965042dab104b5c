//! Fence agents (`stonith.md` 11): one `name=value` a line on standard input, result in the exit code.
//!
//! The trap of this contract: an agent that is not told its action **reboots**, and a line that it does not know it merely
//! ignores. So the action is always the first line, only actions and parameters that the metadata names are sent, and
//! nothing is ever asked of an agent with an empty input.

use std::time::Duration;

use crate::metadata::Metadata;
use crate::parameters::host_list;
use crate::run::{Call, End};
use crate::{Code, Level, Parameters, Places, Request, Say};

/// Metadata, status, list.
const MONITOR: Duration = Duration::from_secs(20);
/// Reset, on, off.
const REQUEST: Duration = Duration::from_secs(60);

/// Parameters that are ours: the agent never sees them.
pub(crate) const OURS: [&str; 2] = ["hostlist", "hostmap"];

/// An agent.
pub(crate) struct Agent<'a> {
    pub(crate) name: &'a str,
    pub(crate) places: &'a Places,
    pub(crate) parameters: &'a Parameters,
}

impl Agent<'_> {
    /// Its metadata as printed. Asked for by arguments, so that it does not look at its input.
    pub(crate) fn metadata_text(&self, say: &mut Say<'_>) -> Result<String, Code> {
        let call = Call {
            program: self.program(say)?,
            arguments: vec!["-o", "metadata"],
            environment: Vec::new(),
            // Should it read it all the same, it finds no leave to do anything else.
            input: Some("action=metadata\n".into()),
            limit: MONITOR,
        };
        let told = call.run().ok().filter(|done| done.success());
        let text = told.map(|done| done.stdout).unwrap_or_default();
        if Metadata::read(&text).actions.is_empty() {
            say(
                Level::Crit,
                &format!("fence_{} does not tell its metadata", self.name),
            );
            return Err(Code::OOPS);
        }
        Ok(text)
    }

    /// Its metadata.
    pub(crate) fn metadata(&self, say: &mut Say<'_>) -> Result<Metadata, Code> {
        Ok(Metadata::read(&self.metadata_text(say)?))
    }

    /// Whether every parameter is known to the agent and fits into a line.
    ///
    /// # Errors
    /// The name of one that does not.
    pub(crate) fn check(&self, metadata: &Metadata) -> Result<(), String> {
        for (name, value) in self.parameters.iter() {
            let ours = OURS.contains(&name);
            let known = ours || metadata.offered().any(|parameter| parameter.name == name);
            let fits = !value.chars().any(char::is_control);
            if !known || !fits {
                return Err(name.to_owned());
            }
        }
        Ok(())
    }

    /// The nodes that it can reset.
    pub(crate) fn hosts(&self, say: &mut Say<'_>) -> Result<Vec<String>, Code> {
        let known = self.known_hosts();
        if !known.is_empty() {
            return Ok(known);
        }
        let metadata = self.metadata(say)?;
        if !metadata.has_action("list") {
            return Err(Code::OOPS);
        }
        let output = self.run(&metadata, "list", None, MONITOR, say)?;
        let names = output
            .lines()
            .filter_map(|line| line.split(',').next())
            .map(|name| name.trim().to_ascii_lowercase())
            .filter(|name| !name.is_empty());
        Ok(names.collect())
    }

    pub(crate) fn status(&self, say: &mut Say<'_>) -> Code {
        let metadata = match self.metadata(say) {
            Ok(metadata) => metadata,
            Err(code) => return code,
        };
        if !metadata.has_action("monitor") {
            say(
                Level::Crit,
                &format!("fence_{} has no action monitor", self.name),
            );
            return Code::INVALID;
        }
        match self.run(&metadata, "monitor", None, MONITOR, say) {
            Ok(_) => Code::OK,
            Err(code) => code,
        }
    }

    pub(crate) fn request(&self, request: Request, node: &str, say: &mut Say<'_>) -> Code {
        let known = self.known_hosts();
        if !known.is_empty() && !known.iter().any(|host| host == node) {
            say(
                Level::Crit,
                &format!("fence_{} doesn't control host [{node}]", self.name),
            );
            return Code::BAD_HOST;
        }
        let metadata = match self.metadata(say) {
            Ok(metadata) => metadata,
            Err(code) => return code,
        };
        let actions: &[&str] = match request {
            Request::Reset if metadata.has_action("reboot") => &["reboot"],
            Request::Reset => &["off", "on"],
            Request::On => &["on"],
            Request::Off => &["off"],
        };
        if let Some(missing) = actions.iter().find(|action| !metadata.has_action(action)) {
            say(
                Level::Crit,
                &format!("fence_{} has no action {missing}", self.name),
            );
            return Code::INVALID;
        }
        for action in actions {
            match self.run(&metadata, action, Some(node), REQUEST, say) {
                Ok(_) => {}
                // Off is what protects the data. That it does not come on again is for a human being to see to.
                Err(_) if request == Request::Reset && *action == "on" => {
                    let text = format!("host {node} is off, and does not come on again");
                    say(Level::Crit, &text);
                }
                Err(code) => return code,
            }
        }
        Code::OK
    }

    /// The nodes that the administrator named.
    fn known_hosts(&self) -> Vec<String> {
        let hosts = self.parameters.hosts("hostlist");
        if hosts.is_empty() {
            return self.map().into_iter().map(|(node, _)| node).collect();
        }
        hosts
    }

    /// `hostmap`: `node:plug`, separated by semicolons.
    fn map(&self) -> Vec<(String, String)> {
        let text = self.parameters.get("hostmap").unwrap_or_default();
        let pair = |entry: &str| {
            let (node, plug) = entry.trim().split_once(':')?;
            Some((host_list(node).pop()?, plug.to_owned()))
        };
        text.split(';').filter_map(pair).collect()
    }

    /// What the agent reads.
    fn input(&self, metadata: &Metadata, action: &str, node: Option<&str>) -> String {
        let mut text = format!("action={action}\n");
        let mut line = |name: &str, value: &str| {
            text.push_str(&format!("{name}={value}\n"));
        };
        for (name, value) in self.parameters.iter() {
            if !OURS.contains(&name) {
                line(name, value);
            }
        }
        if let Some(node) = node {
            line("nodename", node);
            if let Some(plug) = metadata.plug()
                && self.parameters.get("port").is_none()
                && self.parameters.get("plug").is_none()
            {
                let map = self.map();
                let mapped = map.iter().find(|(known, _)| known == node);
                line(plug, mapped.map_or(node, |(_, plug)| plug));
            }
        }
        text
    }

    fn run(
        &self,
        metadata: &Metadata,
        action: &str,
        node: Option<&str>,
        limit: Duration,
        say: &mut Say<'_>,
    ) -> Result<String, Code> {
        if let Err(name) = self.check(metadata) {
            let text = format!("fence_{} does not know the parameter {name}", self.name);
            say(Level::Crit, &text);
            return Err(Code::BAD_CONFIG);
        }
        if node.is_some_and(|node| node.chars().any(char::is_control)) {
            return Err(Code::BAD_HOST);
        }
        let call = Call {
            program: self.program(say)?,
            arguments: Vec::new(),
            environment: Vec::new(),
            input: Some(self.input(metadata, action, node)),
            limit,
        };
        let of = node.map(|node| format!(" for host {node}"));
        let what = format!("'fence_{} {action}'{}", self.name, of.unwrap_or_default());
        let done = match call.run() {
            Ok(done) => done,
            Err(error) => {
                say(Level::Crit, &format!("{what}: {error}"));
                return Err(Code::OOPS);
            }
        };
        let (how, code) = match done.end {
            End::Code(0) => return Ok(done.stdout),
            End::Code(rc) => (format!("failed with rc {rc}"), code_of(rc)),
            End::TimedOut => (
                format!("did not end within {} s", limit.as_secs()),
                Code::TIMEOUT,
            ),
        };
        say(Level::Crit, &format!("{what} {how}: {}", done.last_words()));
        Err(code)
    }

    fn program(&self, say: &mut Say<'_>) -> Result<std::path::PathBuf, Code> {
        self.places.agent(self.name).ok_or_else(|| {
            let text = format!("there is no fence_{}", self.name);
            say(Level::Crit, &text);
            Code::OOPS
        })
    }
}

/// The meaning of an agent's exit code (11.1, 11.2).
fn code_of(rc: i32) -> Code {
    match rc {
        2 => Code::BAD_CONFIG,
        3 | 4 | 10 | 11 => Code::ACCESS,
        5..=7 => Code::TIMEOUT,
        _ => Code::RESET_FAILED,
    }
}
