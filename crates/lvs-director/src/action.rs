//! What the core asks the shell to do, in order.

use std::rc::Rc;

use ha_config::ldirectord::Probe;
use ipvs::Change;

/// Names one check in progress; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckId(pub u64);

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Read the kernel's table and answer with [`crate::Input::Table`] or [`crate::Input::TableUnreadable`]. Neither this
    /// nor [`Action::Program`] comes again before the answer to the last one.
    ReadTable,
    /// Make these changes, in order, each whatever became of the others, and answer with [`crate::Input::Programmed`]
    /// before anything else. Never empty.
    Program(Vec<Change>),
    /// Begin a check; it ends with [`crate::Input::CheckEnded`] or [`crate::Input::CheckImpossible`].
    StartCheck {
        /// To be named in the answer.
        id: CheckId,
        /// What to do.
        probe: Rc<Probe>,
    },
    /// Give up a check; no verdict is wanted any more.
    CancelCheck(CheckId),
    /// Append a line to the log.
    Log(String),
    /// Send a mail. That it is sent is in the log already.
    Mail(Mail),
    /// Run the command of `fallbackcommand=`: its text for `/bin/sh` with further words, after those that were asked for
    /// before. Its exit status changes nothing.
    RunCommand {
        /// As configured.
        command: String,
        /// `start` or `stop`, the virtual service, its protocol.
        arguments: Vec<String>,
    },
    /// Append a line to a monitor file: the shell puts `[ctime] [PID] ` in front.
    Monitor {
        /// Its path.
        path: String,
        /// `IDENTITY [up|down] TEXT`
        text: String,
    },
    /// Have another instance of ldirectord started, stopped or reloaded: `ldirectord CONFIG start` for the shell, where
    /// CONFIG is the text after `execute=`, quotes included.
    Execute(Execute, String),
    /// End, with success. Nothing comes after it.
    Exit,
}

/// What to do with the instance of an `execute=` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execute {
    /// It is new.
    Start,
    /// It is gone from the configuration, or this instance ends.
    Stop,
    /// This instance was reloaded.
    Reload,
}

impl Execute {
    /// The word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Execute::Start => "start",
            Execute::Stop => "stop",
            Execute::Reload => "reload",
        }
    }
}

/// A mail (`ldirectord.md` 9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Recipient.
    pub to: String,
    /// `emailalertfrom`.
    pub from: Option<String>,
    /// Host that takes it by SMTP; none: the local sendmail.
    pub smtp: Option<String>,
    /// One line.
    pub subject: String,
    /// Lines, each with its newline.
    pub body: String,
}
