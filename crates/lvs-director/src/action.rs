//! What the core asks the shell to do, in order.

use std::net::IpAddr;
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
    /// A line for `-d` only, with its level (`DEBUG2: `...). Only with [`crate::Options::debug`].
    Debug(u8, String),
    /// Send a mail. That it is sent is in the log already.
    Mail(Mail),
    /// Run a command of the administrator's, after those that were asked for before; its exit status changes nothing.
    Run {
        /// Why, and so how.
        kind: Command,
        /// As configured.
        command: String,
        /// Further words.
        arguments: Vec<String>,
    },
    /// Append a line to a monitor file: the shell puts `[ctime] [PID] ` in front.
    Monitor {
        /// Its path.
        path: String,
        /// `IDENTITY [up|down] TEXT`
        text: String,
    },
    /// Look at the configuration file and answer with [`crate::Input::FileLooked`].
    LookAtFile,
    /// List a directory (`maintenancedir`) and answer with [`crate::Input::Maintenance`]. It may hang: do it beside the loop.
    LookAtMaintenance {
        /// Its path.
        directory: String,
    },
    /// Find the host name of an address and answer with [`crate::Input::ReverseName`]. It may take long: do it beside the
    /// loop.
    LookUpName(IpAddr),
    /// Read the configuration file and answer with [`crate::Input::Reload`] or [`crate::Input::ReloadFailed`]. Resolving
    /// names may take long: do it beside the loop. What the parser has to say is logged by the shell before the answer.
    ReadConfig,
    /// Have another instance of ldirectord started, stopped or reloaded: `ldirectord CONFIG start`, by the shell.
    Execute {
        /// What.
        what: Execute,
        /// Text after `execute=`, quotes included.
        config: String,
    },
    /// End, with success. Nothing comes after it.
    Exit,
}

/// Kinds of commands of the administrator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `fallbackcommand`: a text for `/bin/sh` with words after it.
    Fallback,
    /// `callback`: a program, run when it is executable.
    Callback,
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
