//! Our own address agents, run in-process.

use std::collections::BTreeMap;
use std::ffi::OsString;

use ha_resources::{Invocation, NativeAgent, RunResult};

use crate::shell::Shell;

/// The agents and what they leave behind.
#[derive(Debug, Default)]
pub(crate) struct NativeAgents {}

impl NativeAgents {
    /// Runs an agent; none if it must be run as a program.
    pub(crate) fn run(
        &mut self,
        _shell: &mut Shell,
        _agent: NativeAgent,
        _invocation: &Invocation,
        _environment: &BTreeMap<OsString, OsString>,
    ) -> Option<RunResult> {
        None
    }

    /// Has the loop listen to what the agents want to hear.
    ///
    /// # Errors
    /// The poller refused.
    pub(crate) fn watch(&mut self, _shell: &Shell) -> std::io::Result<()> {
        Ok(())
    }

    /// Announces every address that we hold, once more.
    pub(crate) fn announce_all(&mut self, _shell: &Shell) {}

    /// When the next announcement is due.
    pub(crate) fn next_deadline(&self) -> Option<std::time::Duration> {
        None
    }

    /// Sends the announcements that are due.
    pub(crate) fn run_due(&mut self, _shell: &Shell, _now: std::time::Duration) {}

    /// Somebody else's announcement was heard.
    pub(crate) fn hear(&mut self, _shell: &Shell) {}
}
