//! Scripts of type `external` (`stonith.md` 5): `<path> <operation> [<node>]`, parameters in the environment, result in the
//! exit code.
//!
//! The legacy hands the node to a shell and waits for ever; here nothing goes through a shell, and there is a limit.

use std::time::Duration;

use crate::catalogue::{Safety, safety};
use crate::run::{Call, End, Finished};
use crate::{Code, Level, Parameters, Places, Request, Say};

/// Questions about the script itself.
const INFORMATION: Duration = Duration::from_secs(20);
/// Status and host list.
const STATUS: Duration = Duration::from_secs(60);
/// Where scripts expect their own tools (`ha_log.sh`) to be found: cluster-glue's place, and ours.
const TOOLS: &str = "/usr/share/cluster-glue:/usr/share/heartbeat";
/// When we have no search path ourselves.
const SEARCH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Reset, on, off. The legacy has no limit, and some scripts wait until a machine is down; a minute is too short for them.
const REQUEST: Duration = Duration::from_secs(300);

/// A script.
pub(crate) struct Script<'a> {
    pub(crate) name: &'a str,
    pub(crate) places: &'a Places,
    pub(crate) parameters: &'a Parameters,
}

impl Script<'_> {
    /// `getconfignames`: the names of its parameters, in positional order.
    pub(crate) fn names(&self, say: &mut Say<'_>) -> Result<Vec<String>, Code> {
        let none = Parameters::default();
        match self.call("getconfignames", None, &none, INFORMATION, say) {
            Some(done) if done.success() => Ok(words(&done.stdout)),
            Some(done) => {
                let text = self.failure("external_get_confignames", "getconfignames", &done);
                say(Level::Crit, &text);
                Err(Code::OOPS)
            }
            None => Err(Code::OOPS),
        }
    }

    /// `getinfo-<what>`: as printed; empty if it does not say.
    pub(crate) fn information(&self, what: &str, say: &mut Say<'_>) -> String {
        let operation = format!("getinfo-{what}");
        let none = Parameters::default();
        match self.call(&operation, None, &none, INFORMATION, say) {
            Some(done) if done.success() => done.stdout,
            _ => String::new(),
        }
    }

    /// `gethosts`.
    pub(crate) fn hosts(&self, say: &mut Say<'_>) -> Result<Vec<String>, Code> {
        let Some(done) = self.call("gethosts", None, self.parameters, STATUS, say) else {
            return Err(Code::OOPS);
        };
        let hosts = words(&done.stdout);
        if !done.success() {
            say(
                Level::Crit,
                &self.failure("external_hostlist", "gethosts", &done),
            );
            return Err(code(done.end));
        }
        if hosts.is_empty() {
            let text = format!(
                "external_hostlist: '{} gethosts' returned an empty hostlist",
                self.name
            );
            say(Level::Crit, &text);
            return Err(Code::OOPS);
        }
        Ok(hosts.iter().map(|host| host.to_ascii_lowercase()).collect())
    }

    /// `status`. What a failing script exits with is the result.
    pub(crate) fn status(&self, say: &mut Say<'_>) -> Code {
        let Some(done) = self.call("status", None, self.parameters, STATUS, say) else {
            return Code::OOPS;
        };
        if !done.success() {
            say(
                Level::Warn,
                &self.failure("external_status", "status", &done),
            );
        }
        code(done.end)
    }

    /// `reset`, `on` or `off`.
    pub(crate) fn request(&self, request: Request, node: &str, say: &mut Say<'_>) -> Code {
        let operation = request.word();
        let Some(done) = self.call(operation, Some(node), self.parameters, REQUEST, say) else {
            return Code::RESET_FAILED;
        };
        match done.end {
            End::Code(0) => Code::OK,
            End::Code(rc) => {
                let text = format!(
                    "external_reset_req: '{} {operation}' for host {node} failed with rc {rc}{}",
                    self.name,
                    reason(&done)
                );
                say(Level::Crit, &text);
                Code::RESET_FAILED
            }
            End::TimedOut => {
                let text = format!(
                    "external_reset_req: '{} {operation}' for host {node} did not end within {} s{}",
                    self.name,
                    REQUEST.as_secs(),
                    reason(&done)
                );
                say(Level::Crit, &text);
                Code::TIMEOUT
            }
        }
    }

    fn failure(&self, function: &str, operation: &str, done: &Finished) -> String {
        let how = match done.end {
            End::Code(rc) => format!("failed with rc {rc}"),
            End::TimedOut => "did not end in time".to_owned(),
        };
        format!(
            "{function}: '{} {operation}' {how}{}",
            self.name,
            reason(done)
        )
    }

    /// None if it could not be run, which has been said then.
    fn call(
        &self,
        operation: &str,
        node: Option<&str>,
        parameters: &Parameters,
        limit: Duration,
        say: &mut Say<'_>,
    ) -> Option<Finished> {
        let Some(path) = self.places.external_script(self.name) else {
            let text = format!("external/{}: there is no such script", self.name);
            say(Level::Crit, &text);
            return None;
        };
        match safety(&path) {
            Safety::Safe => {}
            Safety::Writable => {
                let text = format!(
                    "{} found to be writable by group/others, NOT executing for security purposes.",
                    path.display()
                );
                say(Level::Crit, &text);
                return None;
            }
            Safety::NoProgram => {
                say(
                    Level::Crit,
                    &format!("{} is not executable", path.display()),
                );
                return None;
            }
        }
        let mut arguments = vec![operation];
        arguments.extend(node);
        let inherited = std::env::var("PATH").unwrap_or_else(|_| SEARCH.to_owned());
        let search = format!("{TOOLS}:{inherited}");
        let tag = format!("external/{}", self.name);
        let given = parameters
            .iter()
            .filter(|(name, value)| is_variable(name) && !value.contains('\0'));
        let call = Call {
            program: path,
            arguments,
            environment: [("PATH", search.as_str()), ("HA_LOGTAG", tag.as_str())]
                .into_iter()
                .chain(given)
                .collect(),
            input: None,
            limit,
        };
        match call.run() {
            Ok(done) => Some(done),
            Err(error) => {
                let text = format!("{}: {error}", call.program.display());
                say(Level::Crit, &text);
                None
            }
        }
    }
}

/// A name that the environment can carry.
fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn reason(done: &Finished) -> String {
    match done.last_words() {
        words if words.is_empty() => String::new(),
        words => format!(": {words}"),
    }
}

fn code(end: End) -> Code {
    match end {
        // What does not fit must not become success.
        End::Code(rc) => u8::try_from(rc).map_or(Code::OOPS, Code),
        End::TimedOut => Code::TIMEOUT,
    }
}
