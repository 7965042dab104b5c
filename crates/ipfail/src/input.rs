//! What the core is told.

use ha_wire::Message;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Input<'a> {
    /// The daemon delivered a message that is no answer.
    Message(&'a Message),
    /// The daemon answered the open question.
    Answer(Answer),
    /// The time is at or past [`crate::Ipfail::next_deadline`].
    Due,
    /// SIGTERM or SIGINT.
    Stop,
    /// The daemon closed the connection.
    Lost,
}

/// The answer to a [`crate::Question`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `result=OK` and the value asked for: what is held, a parameter, a status, a kind. None if there is none, as
    /// for a parameter that is not set.
    Value(Option<String>),
    /// The list of nodes, in the order in which the daemon sent it.
    Nodes(Vec<NodeEntry>),
    /// Any other result.
    Refused,
}

/// One line of the list of nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEntry {
    /// Its name.
    pub name: String,
    /// `normal` or `ping`, if the daemon says so in the list (3.0.6 does, 2.1 does not).
    pub kind: Option<String>,
    /// Its status word, likewise.
    pub status: Option<String>,
}
