//! `ipfail`, which many an ha.cf names in a `respawn` line: who sees fewer ping nodes than the other gives its groups
//! away.
//!
//! The crate of the same name decides; this puts its questions to the daemon and tells it what comes back.

use std::ffi::{OsStr, OsString};
use std::io;
use std::time::Duration;

use ::ipfail::{Action, Answer, CLIENT_NAME, Input, Ipfail, Level, NodeEntry, Question, exit};
use ha_ipc::client::{Client, ClientError, SignOn};
use ha_sys::log::{Logger, Priority};
use ha_sys::signals::{Signal, SignalSource};
use ha_sys::{Poller, clock, errno_text};

use crate::client_log;

/// How long a question may stay without an answer. A daemon that is silent for longer does not get better by waiting:
/// ipfail ends, and is started again.
const PATIENCE: Duration = Duration::from_secs(15);

const DAEMON: u64 = 0;
const SIGNALS: u64 = 1;

pub(crate) fn main(_program: &OsStr, _args: &[OsString]) -> i32 {
    let log = client_log::logger(CLIENT_NAME);
    log.log(Priority::Debug, format!("PID={}", std::process::id()));
    // Blocked before the sign-on, so that there is no moment in which a signal ends us without a farewell.
    let signals = match SignalSource::new(&[Signal::SIGTERM, Signal::SIGINT]) {
        Ok(signals) => signals,
        Err(error) => return failed(&log, "Cannot wait for signals", &error),
    };
    log.log(Priority::Debug, "Signing in with heartbeat");
    let client = match SignOn::named(CLIENT_NAME).timeout(PATIENCE).connect() {
        Ok(client) => client,
        Err(error) => {
            log.log(Priority::Error, "Cannot sign on with heartbeat");
            log.log(
                Priority::Error,
                format!("REASON: {}", error.legacy_reason()),
            );
            return exit::SIGNON;
        }
    };
    let session = client.session();
    let core = Ipfail::new(&session.node, session.keepalive);
    let mut shell = Shell { log, client, core };
    match shell.run(&signals) {
        Ok(code) => shell.leave(code),
        Err(error) => failed(&shell.log, "Cannot wait for the daemon", &error),
    }
}

fn failed(log: &Logger, what: &str, error: &io::Error) -> i32 {
    log.log(Priority::Error, format!("{what}: {}", errno_text(error)));
    exit::SYSTEM
}

struct Shell {
    log: Logger,
    client: Client,
    core: Ipfail,
}

impl Shell {
    /// Runs until the core wants to end; its exit code.
    fn run(&mut self, signals: &SignalSource) -> io::Result<i32> {
        let mut poller = Poller::new()?;
        poller.add(&self.client, DAEMON, self.client.interest())?;
        poller.add(signals, SIGNALS, ha_sys::Interest::Read)?;
        let mut ready = Vec::new();
        loop {
            while let Some(action) = self.core.poll_action() {
                if let Some(code) = self.act(action) {
                    return Ok(code);
                }
            }
            match self.client.try_receive() {
                Ok(Some(message)) => {
                    self.core
                        .handle(clock::monotonic(), Input::Message(&message));
                    continue;
                }
                Ok(None) => {}
                Err(_) => {
                    self.core.handle(clock::monotonic(), Input::Lost);
                    continue;
                }
            }
            poller.modify(&self.client, DAEMON, self.client.interest())?;
            poller.wait(self.core.next_deadline(), &mut ready)?;
            let input = match signals.read()? {
                Some(_) => Input::Stop,
                None => Input::Due,
            };
            self.core.handle(clock::monotonic(), input);
        }
    }

    /// Does what the core wants; the exit code if it wants to end.
    fn act(&mut self, action: Action) -> Option<i32> {
        let lost = match action {
            Action::Exit(code) => return Some(code),
            Action::Log(level, text) => {
                self.log.log(priority(level), text);
                return None;
            }
            Action::Send(message) => self.client.send(&message).err(),
            Action::Ask(question) => match self.ask(question) {
                Ok(answer) => {
                    self.core.handle(clock::monotonic(), Input::Answer(answer));
                    None
                }
                Err(error) => Some(error),
            },
        };
        if let Some(error) = lost {
            self.log.log(Priority::Error, error.to_string());
            self.core.handle(clock::monotonic(), Input::Lost);
        }
        None
    }

    /// Puts a question to the daemon. An error if no answer is to be expected any more.
    fn ask(&mut self, question: Question) -> Result<Answer, ClientError> {
        let client = &mut self.client;
        let value = |value: String| Answer::Value(Some(value));
        let nothing = |()| Answer::Value(None);
        let answer = match question {
            Question::Resources => client.resources().map(value),
            Question::Parameter(name) => client.parameter(name).map(Answer::Value),
            Question::Filter(mask) => client.set_filter(mask).map(nothing),
            Question::Nodes => client.nodes().map(|nodes| {
                let entry = |node: ha_ipc::client::NodeEntry| NodeEntry {
                    name: node.name,
                    kind: node.kind,
                    status: node.status,
                };
                Answer::Nodes(nodes.into_iter().map(entry).collect())
            }),
            Question::NodeStatus(node) => client.node_status(&node).map(value),
            Question::NodeKind(node) => client.node_type(&node).map(value),
            Question::Signal(number) => client.set_signal(number).map(nothing),
        };
        match answer {
            Err(ClientError::Rejected { .. } | ClientError::BadAnswer { .. }) => {
                Ok(Answer::Refused)
            }
            answer => answer,
        }
    }

    /// Signs off, unless the daemon is gone.
    fn leave(self, code: i32) -> i32 {
        if code == exit::LOST {
            return code;
        }
        match self.client.sign_off() {
            Ok(()) => code,
            // Whoever is told to stop because the daemon ends may find it gone already.
            Err(error) if code == exit::STOPPED => {
                self.log
                    .log(Priority::Error, "Cannot sign off from heartbeat.");
                self.log.log(
                    Priority::Error,
                    format!("REASON: {}", error.legacy_reason()),
                );
                exit::SIGNOFF
            }
            Err(_) => code,
        }
    }
}

fn priority(level: Level) -> Priority {
    match level {
        Level::Error => Priority::Error,
        Level::Warn => Priority::Warn,
        Level::Info => Priority::Info,
        Level::Debug => Priority::Debug,
    }
}
