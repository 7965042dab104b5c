//! What every tool knows about its surroundings.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;

use ha_resources::{
    Group, HaResources, Installed, LogLine, LogSettings, Outcome, Output, Paths, RunContext,
    Runner, ScriptLog, Severity, StopRetries, Task, inject, reboot,
};

use crate::output;

/// Surroundings of a tool: its name, its environment, and what follows from it.
pub(crate) struct Context {
    /// How it was called, for its texts.
    pub(crate) program: String,
    /// Where things are.
    pub(crate) paths: Paths,
    /// `HA_CURHOST`, or else our node name; lower case.
    pub(crate) host: String,
    variables: BTreeMap<OsString, OsString>,
    lookup: Installed,
}

impl Context {
    pub(crate) fn new(program: &OsStr) -> Self {
        let own: BTreeMap<OsString, OsString> = env::vars_os().collect();
        let paths = Paths::from_environment(|name| own.get(OsStr::new(name)).cloned());
        let library = Paths::library(|directory| directory.exists())
            .to_string_lossy()
            .into_owned();
        let host = own
            .get(OsStr::new("HA_CURHOST"))
            .map(|host| host.to_string_lossy().into_owned());
        let host = host
            .filter(|host| !host.is_empty())
            .unwrap_or_else(ha_sys::host::uname_node);
        Context {
            program: program.to_string_lossy().into_owned(),
            host: host.to_lowercase(),
            variables: ha_resources::environment::completed(own, &paths, &library),
            lookup: Installed::new(paths.clone(), env::current_exe().unwrap_or_default()),
            paths,
        }
    }

    /// A variable of the environment, empty if absent.
    pub(crate) fn variable(&self, name: &str) -> String {
        self.variables
            .get(OsStr::new(name))
            .map(|value| value.to_string_lossy().into_owned())
            .unwrap_or_default()
    }

    /// `HA_NICEFAILBACK=yes`: the coordinated mode.
    pub(crate) fn nice(&self) -> bool {
        self.variable("HA_NICEFAILBACK") == "yes"
    }

    /// haresources, read afresh. A file that cannot be read has no groups.
    pub(crate) fn haresources(&self) -> HaResources {
        let bytes = fs::read(&self.paths.haresources).unwrap_or_default();
        ha_config::haresources::parse(&bytes)
    }

    /// The group with this key, or else the first that has the word in it anywhere. The legacy looks for the word as a
    /// regular expression and merges everything that it finds into one group.
    pub(crate) fn group(&self, key: &str) -> Option<Group> {
        let file = self.haresources();
        let containing = || {
            file.groups
                .iter()
                .find(|group| group.resources.iter().any(|resource| resource.word == key))
        };
        file.group_with_key(key)
            .or_else(containing)
            .filter(|group| !group.resources.is_empty())
            .cloned()
    }

    /// The log for lines of this tool.
    pub(crate) fn log(&self) -> ScriptLog {
        ScriptLog::new(LogSettings::from_environment(|name| {
            self.variables.get(OsStr::new(name)).cloned()
        }))
    }

    pub(crate) fn stop_retries(&self) -> StopRetries {
        StopRetries::from_variable(Some(&self.variable("HA_STOPRETRYMAX")))
    }

    /// Runs a task that starts and stops: everything that would go to the terminal goes to the debug log.
    pub(crate) fn act(&self, task: Task) -> Outcome {
        self.run(task, &self.log().without_stderr(), Output::DebugLog)
    }

    /// Runs a task that only asks: standard error stays the terminal's.
    pub(crate) fn ask(&self, task: Task) -> Outcome {
        self.run(task, &self.log(), Output::Inherited)
    }

    fn run(&self, task: Task, log: &ScriptLog, output: Output) -> Outcome {
        let reboot = |_: &str| {
            reboot::kill_daemon(&self.paths.pidfile);
            if !reboot::force() {
                log.write(&LogLine::new(
                    "ResourceManager",
                    Severity::Crit,
                    reboot::UNABLE,
                ));
            }
        };
        let context = RunContext {
            log,
            environment: &self.variables,
            output,
        };
        Runner::new(&self.lookup, context, &reboot).run(task)
    }

    /// Whether a resource says that it runs; the word need not be in haresources.
    pub(crate) fn is_running(&self, word: &str) -> bool {
        let resources = vec![ha_resources::ResourceWord::new(word)];
        let group = Group {
            node: self.host.clone(),
            resources,
            line: 0,
        };
        self.ask(Task::query_keys(vec![group])).wanted.is_empty()
    }

    /// Hands a message to the daemon. False, with a text on standard error, if that is not possible.
    pub(crate) fn send(&self, fields: &[(&str, &str)]) -> bool {
        match inject::inject(&self.paths.fifo, fields) {
            Ok(()) => true,
            Err(error) => {
                let fifo = self.paths.fifo.display();
                output::error(&format!(
                    "{}: cannot send to {fifo}: {error}\n",
                    self.program
                ));
                false
            }
        }
    }

    /// As [`Context::send`], with the exit code of a tool that does nothing else.
    pub(crate) fn send_and_exit(&self, fields: &[(&str, &str)]) -> i32 {
        i32::from(!self.send(fields))
    }
}

/// The arguments as text.
pub(crate) fn words(args: &[OsString]) -> Vec<String> {
    args.iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect()
}
