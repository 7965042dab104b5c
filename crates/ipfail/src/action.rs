//! What the core wants done.

use ha_wire::Message;

/// One thing for the shell to do, in the order in which they are drained.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Put this to the daemon and hand back the answer. There is never more than one question open.
    Ask(Question),
    /// Send this to the cluster, as it is; the daemon adds who we are.
    Send(Message),
    /// Write a line to the log.
    Log(Level, String),
    /// End with this code; see [`crate::exit`]. Nothing follows.
    Exit(i32),
}

/// A request of the client API (`client-api.md` 3), all answered at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// `getrsc`: what this node holds.
    Resources,
    /// `getparm`: the value of a directive.
    Parameter(&'static str),
    /// `setfilter` with this mask.
    Filter(u32),
    /// `nodelist`.
    Nodes,
    /// `nodestatus` of a node.
    NodeStatus(String),
    /// `nodetype` of a node.
    NodeKind(String),
    /// `setsignal` with this number.
    Signal(i32),
}

/// How important a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// `ERROR`
    Error,
    /// `WARN`
    Warn,
    /// `info`
    Info,
    /// `debug`
    Debug,
}
