//! `respawn` and `failfast` clients (`config-files.md` 7, `client-api.md` 6): started when communication is up, started
//! again when they end, stopped one by one in reverse order.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use ha_config::ClientChild;
use ha_sys::child::{End, Spawn};
use ha_sys::log::Priority;
use ha_sys::signals::Signal;
use ha_sys::users::Account;
use ha_sys::{clock, errno_text, process};

use crate::shell::{Due, Shell};

/// A client that ends with this code is not started again.
const NO_RESPAWN: i32 = 100;
/// A run shorter than this counts as short.
const SHORT_RUN: Duration = Duration::from_secs(30);
/// More short runs in a row than this are too many.
const SHORT_RUNS_MAX: u32 = 10;
/// Pause before a client is started again after a short run.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a client may take to end after SIGTERM before it is killed. The legacy waits for ever.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not started yet, or between two runs.
    Waiting,
    Running {
        pid: u32,
        since: Duration,
    },
    /// Never to be started again.
    Finished,
}

#[derive(Debug)]
struct Client {
    spec: ClientChild,
    account: Account,
    state: State,
    short_runs: u32,
}

/// What follows from the end of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Start it again after this pause.
    Respawn(Duration),
    /// It wants to rest.
    Rest,
    /// It cannot stay alive.
    GiveUp,
}

impl Client {
    fn judge(&mut self, end: End, lived: Duration) -> Next {
        if end == End::Code(NO_RESPAWN) {
            return Next::Rest;
        }
        if lived >= SHORT_RUN {
            self.short_runs = 0;
            return Next::Respawn(Duration::ZERO);
        }
        self.short_runs = self.short_runs.saturating_add(1);
        if self.short_runs > SHORT_RUNS_MAX {
            Next::GiveUp
        } else {
            Next::Respawn(PAUSE)
        }
    }
}

/// All clients, in the order of ha.cf.
#[derive(Debug)]
pub(crate) struct Clients {
    clients: Vec<Client>,
    environment: BTreeMap<OsString, OsString>,
    directory: PathBuf,
    keepalive: Duration,
    /// They are being stopped; nothing is started any more.
    stopping: bool,
    /// How many of them, from the first, have not had their turn to be stopped.
    unstopped: usize,
    /// The one that was told to end.
    told: Option<u32>,
    /// It has.
    stop_due: bool,
}

impl Clients {
    pub(crate) fn new(
        specs: Vec<ClientChild>,
        environment: BTreeMap<OsString, OsString>,
        directory: PathBuf,
        keepalive: Duration,
    ) -> Clients {
        // Looked up now: asking a directory service later would hold up the loop.
        let client = |spec: ClientChild| Client {
            account: account_of(&spec),
            spec,
            state: State::Waiting,
            short_runs: 0,
        };
        let clients: Vec<Client> = specs.into_iter().map(client).collect();
        Clients {
            unstopped: clients.len(),
            clients,
            environment,
            directory,
            keepalive,
            stopping: false,
            told: None,
            stop_due: false,
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.clients.len()
    }

    /// Starts a client, unless it runs or clients are being stopped. True if it is running now.
    pub(crate) fn start(&mut self, shell: &mut Shell, index: usize) -> bool {
        let Some(client) = self.clients.get_mut(index) else {
            return false;
        };
        if self.stopping || client.state != State::Waiting {
            return false;
        }
        let ClientChild {
            uid, gid, command, ..
        } = &client.spec;
        shell.info(format!("Starting child client \"{command}\" ({uid},{gid})"));
        let mut spawn = Spawn::new("/bin/sh");
        spawn.arguments = vec!["-c".into(), format!("exec {command}").into()];
        spawn.environment = self.environment.clone().into_iter().collect();
        spawn.directory = Some(self.directory.clone());
        spawn.account = Some(client.account.clone());
        match spawn.start() {
            Ok(child) => {
                let pid = child.pid;
                shell.info(format!(
                    "Starting \"{command}\" as uid {uid}  gid {gid} (pid {pid})"
                ));
                client.state = State::Running {
                    pid,
                    since: clock::monotonic(),
                };
                true
            }
            Err(error) => {
                shell.error(format!(
                    "Cannot start child client \"{command}\": {}",
                    errno_text(&error)
                ));
                self.ended(shell, index, End::Code(126), Duration::ZERO);
                false
            }
        }
    }

    /// A child of ours ended. False if it was no client.
    pub(crate) fn child_ended(&mut self, shell: &mut Shell, pid: u32, end: End) -> bool {
        let found =
            self.clients
                .iter()
                .enumerate()
                .find_map(|(index, client)| match client.state {
                    State::Running {
                        pid: running,
                        since,
                    } if running == pid => Some((index, since)),
                    _ => None,
                });
        let Some((index, since)) = found else {
            return false;
        };
        let lived = clock::monotonic().saturating_sub(since);
        if let Some(client) = self.clients.get(index) {
            report_end(shell, &client.spec.command, pid, end);
        }
        self.ended(shell, index, end, lived);
        if self.told == Some(pid) {
            self.told = None;
            self.stop_due = true;
        }
        true
    }

    fn ended(&mut self, shell: &mut Shell, index: usize, end: End, lived: Duration) {
        let Some(client) = self.clients.get_mut(index) else {
            return;
        };
        let command = client.spec.command.clone();
        client.state = State::Finished;
        let failed = match end {
            End::Signal(_) => true,
            End::Code(code) => code != 0 && !self.stopping,
        };
        if client.spec.failfast && failed && !self.stopping {
            shell.logger.log(
                Priority::Emerg,
                format!("Rebooting system.  Reason: {command}"),
            );
            // One keepalive, so that what the client said last still leaves the machine.
            shell.after(self.keepalive, Due::Reboot { client: index });
            return;
        }
        if self.stopping {
            return;
        }
        match client.judge(end, lived) {
            Next::Rest => {}
            Next::GiveUp => shell.error(format!("Client {command} \"respawning too fast\"")),
            Next::Respawn(pause) => {
                shell.error(format!("Respawning client \"{command}\":"));
                client.state = State::Waiting;
                shell.after(pause, Due::StartClient(index));
            }
        }
    }

    /// Tells the last running client to end; to be called again when one has. True when none is left.
    pub(crate) fn stop_next(&mut self, shell: &mut Shell) -> bool {
        self.stopping = true;
        if self.told.is_some() {
            return false;
        }
        while let Some(index) = self.unstopped.checked_sub(1) {
            self.unstopped = index;
            let Some(client) = self.clients.get_mut(index) else {
                continue;
            };
            let command = &client.spec.command;
            let State::Running { pid, .. } = client.state else {
                shell.info(format!("client [{command}] is not running."));
                client.state = State::Finished;
                continue;
            };
            shell.info(format!(
                "killing {command} process group {pid} with signal 15"
            ));
            // Gone already means that SIGCHLD is on its way.
            let _ = process::signal_group(pid, Signal::SIGTERM);
            shell.after(PATIENCE, Due::KillClient { index, pid });
            self.told = Some(pid);
            return false;
        }
        true
    }

    /// The client that was told to end has ended since the last call: it is the turn of [`Clients::stop_next`].
    pub(crate) fn stop_is_due(&mut self) -> bool {
        std::mem::take(&mut self.stop_due)
    }

    /// The patience with a client that was told to end is over.
    pub(crate) fn kill_if_running(&self, shell: &Shell, index: usize, pid: u32) {
        if let Some(client) = self.clients.get(index)
            && matches!(client.state, State::Running { pid: running, .. } if running == pid)
        {
            shell.warn(format!(
                "killing {} process group {pid} with signal 9",
                client.spec.command
            ));
            let _ = process::signal_group(pid, Signal::SIGKILL);
        }
    }

    /// Kills all of them at once, for an end without farewell.
    pub(crate) fn kill_all(&mut self) {
        self.stopping = true;
        for client in &self.clients {
            if let State::Running { pid, .. } = client.state {
                let _ = process::signal_group(pid, Signal::SIGKILL);
            }
        }
    }
}

fn account_of(spec: &ClientChild) -> Account {
    match Account::by_name(&spec.user) {
        Ok(Some(account)) => account,
        // It was there when the configuration was read.
        Ok(None) | Err(_) => Account {
            name: spec.user.clone(),
            uid: spec.uid,
            gid: spec.gid,
            groups: vec![spec.gid],
        },
    }
}

/// `Managed <name> process <pid> exited with return code <n>.`
pub(crate) fn report_end(shell: &Shell, name: &str, pid: u32, end: End) {
    match end {
        End::Code(0) => shell.info(format!(
            "Managed {name} process {pid} exited with return code 0."
        )),
        End::Code(code) => shell.warn(format!(
            "Managed {name} process {pid} exited with return code {code}."
        )),
        End::Signal(signal) => {
            shell.warn(format!(
                "Managed {name} process {pid} killed by signal {signal}."
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use ha_config::Span;

    use super::*;

    fn client() -> Client {
        let spec = ClientChild {
            user: "root".into(),
            uid: 0,
            gid: 0,
            command: "/bin/true".into(),
            failfast: false,
            span: Span {
                file: "ha.cf".into(),
                line: 1,
                column: 1,
            },
        };
        Client {
            account: account_of(&spec),
            spec,
            state: State::Waiting,
            short_runs: 0,
        }
    }

    #[test]
    fn the_eleventh_short_run_is_the_last() {
        let mut client = client();
        for _ in 0..10 {
            assert_eq!(
                client.judge(End::Code(1), Duration::from_secs(1)),
                Next::Respawn(PAUSE)
            );
        }
        assert_eq!(
            client.judge(End::Code(0), Duration::from_secs(29)),
            Next::GiveUp
        );
    }

    #[test]
    fn a_long_run_is_forgiven_and_restarted_at_once() {
        let mut client = client();
        for _ in 0..10 {
            client.judge(End::Signal(15), Duration::ZERO);
        }
        assert_eq!(
            client.judge(End::Signal(15), SHORT_RUN),
            Next::Respawn(Duration::ZERO)
        );
        assert_eq!(
            client.judge(End::Code(1), Duration::ZERO),
            Next::Respawn(PAUSE)
        );
    }

    #[test]
    fn code_100_means_rest() {
        assert_eq!(client().judge(End::Code(100), Duration::ZERO), Next::Rest);
    }
}
