//! What the core asks the shell to do, in order.

use ha_config::ldirectord::Probe;
use ipvs::Change;

/// Names one check in progress; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckId(pub u64);

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Read the kernel's table and answer with [`crate::Input::Table`].
    ReadTable,
    /// Make these changes, in order, and answer with [`crate::Input::Programmed`] before anything else.
    Program(Vec<Change>),
    /// Begin a check.
    StartCheck {
        /// To be named in [`crate::Input::CheckEnded`].
        id: CheckId,
        /// What to do.
        probe: Probe,
    },
    /// Give up a check; no verdict is wanted any more.
    CancelCheck(CheckId),
    /// Log a line.
    Log(String),
    /// Send a mail.
    Mail(Mail),
    /// Run a command of the administrator's: the text of `fallbackcommand` and its words.
    RunCommand {
        /// As configured.
        command: String,
        /// `start` or `stop`, virtual service, protocol.
        arguments: Vec<String>,
    },
    /// Append to a monitor file: the shell puts time and process id in front.
    Monitor {
        /// Its path.
        path: String,
        /// `IDENTITY [up|down] TEXT`.
        text: String,
    },
    /// Start or stop another instance.
    Execute(Execute, String),
    /// End, with success.
    Exit,
}

/// What to do with the instance of an `execute=` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execute {
    /// `ldirectord CONFIG start`
    Start,
    /// `ldirectord CONFIG stop`
    Stop,
    /// `ldirectord CONFIG reload`
    Reload,
}

/// A mail (`ldirectord.md` 9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Recipient.
    pub to: String,
    /// `emailalertfrom`.
    pub from: Option<String>,
    /// Host that takes it; none: the local sendmail.
    pub smtp: Option<String>,
    /// One line.
    pub subject: String,
    /// Lines, each with its newline.
    pub body: String,
}
