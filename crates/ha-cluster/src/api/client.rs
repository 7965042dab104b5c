//! The connections of local clients, and who is behind each.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::api::class::DEFAULT_MASK;

/// A connection to the registration socket, numbered by the shell. A number is not used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

/// Who is at the other end of a connection, as the kernel says (`SO_PEERCRED`, `client-api.md` 1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Process that connected; 0 when the kernel cannot name it here (another pid namespace).
    pub pid: u32,
    /// Its effective user.
    pub uid: u32,
    /// Its effective group. Supplementary groups do not count.
    pub gid: u32,
}

/// Asks the system whether a process exists.
pub type ProcessExists = fn(u32) -> bool;

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) peer: Credentials,
    pub(crate) accepted: Duration,
    /// Bodies in a row that were no message.
    pub(crate) bad_bodies: u32,
    /// Once it has signed on.
    pub(crate) member: Option<Member>,
}

impl Connection {
    /// The process as it calls itself, or before that as the kernel does.
    pub(crate) fn pid(&self) -> u32 {
        self.member
            .as_ref()
            .map_or(self.peer.pid, |member| member.pid)
    }
}

/// A client that has signed on.
#[derive(Debug)]
pub(crate) struct Member {
    /// For a casual client its pid in decimal.
    pub(crate) name: String,
    pub(crate) casual: bool,
    pub(crate) pid: u32,
    pub(crate) uid: u32,
    /// `client_gen`; the higher, the newer.
    pub(crate) generation: u64,
    /// Which classes of messages it wants to see.
    pub(crate) mask: u32,
    /// Signal that announces each message; 0 for none.
    pub(crate) signal: i32,
    /// The daemon saw its process end; its connection has not ended yet.
    pub(crate) died: bool,
    /// What it must not see because it was sent before it signed on.
    pub(crate) before: Vec<Before>,
}

impl Member {
    pub(crate) fn new(name: String, casual: bool, pid: u32, uid: u32, generation: u64) -> Member {
        Member {
            name,
            casual,
            pid,
            uid,
            generation,
            mask: DEFAULT_MASK,
            signal: 0,
            died: false,
            before: Vec::new(),
        }
    }
}

/// A node that still owed us messages when the client signed on.
#[derive(Debug)]
pub(crate) struct Before {
    pub(crate) node: String,
    /// The node's generation at that time.
    pub(crate) generation: u64,
    /// Its highest number at that time; lower ones are too old for the client.
    pub(crate) seq: u64,
}

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct Table {
    connections: BTreeMap<ClientId, Connection>,
    /// What at least one client wants to see, so that nothing is done for messages that nobody wants.
    wanted: u32,
}

impl Table {
    pub(crate) fn insert(&mut self, id: ClientId, peer: Credentials, accepted: Duration) {
        let connection = Connection {
            peer,
            accepted,
            bad_bodies: 0,
            member: None,
        };
        self.connections.insert(id, connection);
    }

    pub(crate) fn remove(&mut self, id: ClientId) -> Option<Connection> {
        let gone = self.connections.remove(&id);
        self.masks_changed();
        gone
    }

    pub(crate) fn contains(&self, id: ClientId) -> bool {
        self.connections.contains_key(&id)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    pub(crate) fn get(&self, id: ClientId) -> Option<&Connection> {
        self.connections.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: ClientId) -> Option<&mut Connection> {
        self.connections.get_mut(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ClientId, &Connection)> {
        self.connections.iter().map(|(id, found)| (*id, found))
    }

    pub(crate) fn member(&self, id: ClientId) -> Option<&Member> {
        self.get(id)?.member.as_ref()
    }

    pub(crate) fn member_mut(&mut self, id: ClientId) -> Option<&mut Member> {
        self.get_mut(id)?.member.as_mut()
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = (ClientId, &Member)> {
        self.iter()
            .filter_map(|(id, found)| Some((id, found.member.as_ref()?)))
    }

    pub(crate) fn members_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.connections
            .values_mut()
            .filter_map(|found| found.member.as_mut())
    }

    /// The newest client for which this holds.
    pub(crate) fn newest(&self, holds: impl Fn(&Member) -> bool) -> Option<(ClientId, &Member)> {
        self.members()
            .filter(|(_, member)| holds(member))
            .max_by_key(|(_, member)| member.generation)
    }

    /// The newest client of that name.
    pub(crate) fn named(&self, name: &[u8]) -> Option<(ClientId, &Member)> {
        self.newest(|member| member.name.as_bytes() == name)
    }

    /// Classes that at least one client wants to see.
    pub(crate) fn wanted(&self) -> u32 {
        self.wanted
    }

    /// To be called when somebody came, went or changed its mask.
    pub(crate) fn masks_changed(&mut self) {
        self.wanted = self.members().fold(0, |all, (_, member)| all | member.mask);
    }
}
