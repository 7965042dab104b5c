//! The registration socket and its connections: frames go to the core, bodies come back (`client-api.md` 1).
//!
//! Nothing here waits for a client. Of each, at most one message is taken per turn of the loop; what it does not read is
//! queued within bounds, and whoever exceeds them is cut off. A flood of connections costs the flooders their
//! connections, and nobody a heartbeat.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::time::Duration;

use ha_cluster::{ClientId, Credentials, Gone, Notice};
use ha_ipc::REGISTER_SOCKET;
use ha_ipc::channel::{Channel, ReceiveError, SendError};
use ha_ipc::listener::Listener;
use ha_sys::log::Priority;
use ha_sys::signals::Signal;
use ha_sys::{Interest, Ready, clock, errno_text, process};

use crate::shell::{Due, Shell, Token};

/// Connections at most.
const CLIENTS_MAX: usize = 600;

/// Descriptors that are not for clients: media, scripts and their output, files, sockets to syslog.
const DESCRIPTORS_KEPT: u64 = 256;

/// Connections taken per turn of the loop.
const ACCEPTED_PER_TURN: usize = 16;

/// How long nobody is accepted after the system had no descriptor for it.
const PAUSE: Duration = Duration::from_secs(1);

/// Messages that may wait for a client, however many it asks for.
const QUEUE_MAX: usize = 4096;

/// Octets of unfinished frames that are kept for all clients together. An honest one sends its frames whole.
const UNREAD_MAX: usize = 16 * 1024 * 1024;

/// A complaint that clients can cause at will is logged this often.
const COMPLAINT_PERIOD: Duration = Duration::from_secs(10);

/// One connection.
struct Connection {
    channel: Channel,
    /// What the poller waits for; nothing while it is paused and nothing is queued.
    watched: Option<Interest>,
    paused: bool,
    /// Octets of an unfinished frame, as counted in the sum of all.
    unread: usize,
    /// It stands in the list of those with a whole frame left.
    listed: bool,
}

/// The socket and everybody who came through it.
#[derive(Default)]
pub(crate) struct Api {
    listener: Option<Listener>,
    limit: usize,
    connections: HashMap<u32, Connection>,
    last_number: u32,
    unread: usize,
    /// Who has a whole frame left that the kernel does not know of.
    ready: VecDeque<u32>,
    /// Whom we lost, for the core.
    gone: Vec<(ClientId, Gone)>,
    complaints: [Complaint; 4],
}

/// What clients can cause at will, and as often as they like.
#[derive(Clone, Copy)]
enum Trouble {
    /// The system does not let us accept or serve one.
    System,
    /// There are too many.
    Full,
    /// One sends rubbish, or a frame without end.
    Rubbish,
    /// A message for one is too large.
    Large,
}

/// When a trouble is worth a line again, and how often it was not.
#[derive(Clone, Copy, Default)]
struct Complaint {
    next: Duration,
    silent: u32,
}

impl Api {
    /// Makes the socket; before that, nobody can connect.
    pub(crate) fn open(&mut self, shell: &Shell) {
        let descriptors = process::raise_descriptor_limit(0).unwrap_or(1024);
        let for_clients = descriptors.saturating_sub(DESCRIPTORS_KEPT).max(16);
        self.limit = usize::try_from(for_clients)
            .unwrap_or(CLIENTS_MAX)
            .min(CLIENTS_MAX);
        let listener = Listener::bind(Path::new(REGISTER_SOCKET)).and_then(|listener| {
            let token = Token::Register.number();
            shell.poller.add(&listener, token, Interest::Read)?;
            Ok(listener)
        });
        match listener {
            Ok(listener) => self.listener = Some(listener),
            Err(error) => shell.error(format!(
                "Cannot create the socket for clients {REGISTER_SOCKET}: {}",
                errno_text(&error)
            )),
        }
    }

    /// Hangs up on everybody, and accepts nobody any more.
    pub(crate) fn close(&mut self, shell: &Shell) {
        if let Some(listener) = self.listener.take() {
            let _ = shell.poller.remove(&listener);
        }
        let numbers: Vec<u32> = self.connections.keys().copied().collect();
        for number in numbers {
            self.forget(shell, number);
        }
        self.ready.clear();
        self.gone.clear();
    }

    /// Takes some of those who wait to be accepted.
    pub(crate) fn accept(&mut self, shell: &mut Shell) -> Vec<(ClientId, Credentials)> {
        let mut accepted = Vec::new();
        for _ in 0..ACCEPTED_PER_TURN {
            let Some(listener) = &self.listener else {
                break;
            };
            match listener.accept() {
                Ok(None) => break,
                Ok(Some(channel)) => accepted.extend(self.admit(shell, channel)),
                Err(error) => {
                    let text = errno_text(&error);
                    self.complain(
                        shell,
                        Trouble::System,
                        format!("Cannot accept a client: {text}"),
                    );
                    self.pause_accepting(shell);
                    break;
                }
            }
        }
        accepted
    }

    fn admit(&mut self, shell: &Shell, channel: Channel) -> Option<(ClientId, Credentials)> {
        let peer = channel.peer();
        if self.connections.len() >= self.limit {
            let (limit, pid) = (self.limit, peer.pid);
            let text = format!("There are {limit} clients already: pid {pid} is turned away");
            self.complain(shell, Trouble::Full, text);
            return None;
        }
        let number = self.last_number.checked_add(1)?;
        self.last_number = number;
        let token = Token::Client(number).number();
        if let Err(error) = shell.poller.add(&channel, token, Interest::Read) {
            let text = errno_text(&error);
            self.complain(
                shell,
                Trouble::System,
                format!("Cannot serve a client: {text}"),
            );
            return None;
        }
        let connection = Connection {
            channel,
            watched: Some(Interest::Read),
            paused: false,
            unread: 0,
            listed: false,
        };
        self.connections.insert(number, connection);
        let credentials = Credentials {
            pid: peer.pid,
            uid: peer.uid,
            gid: peer.gid,
        };
        Some((ClientId(u64::from(number)), credentials))
    }

    /// Without descriptors the waiting client stays in the queue of the socket, which would be reported for ever.
    fn pause_accepting(&mut self, shell: &mut Shell) {
        if let Some(listener) = &self.listener {
            let _ = shell.poller.remove(listener);
            shell.after(PAUSE, Due::AcceptClients);
        }
    }

    /// The pause is over.
    pub(crate) fn resume_accepting(&mut self, shell: &Shell) {
        if let Some(listener) = &self.listener {
            let token = Token::Register.number();
            let _ = shell.poller.add(listener, token, Interest::Read);
        }
    }

    // ---- Reading -------------------------------------------------------------------------------------------------

    /// The poller reports a connection: sends what waits, and takes at most one message.
    pub(crate) fn serve(
        &mut self,
        shell: &Shell,
        number: u32,
        event: Ready,
        heard: &mut dyn FnMut(ClientId, &[u8]),
    ) {
        if event.writable {
            self.flush(shell, number);
        }
        if event.readable {
            self.read(shell, number, heard);
        }
    }

    /// Whether somebody has a whole frame left, so that the loop need not wait.
    pub(crate) fn has_more(&self) -> bool {
        !self.ready.is_empty()
    }

    /// One message of each of those.
    pub(crate) fn serve_ready(&mut self, shell: &Shell, heard: &mut dyn FnMut(ClientId, &[u8])) {
        for _ in 0..self.ready.len() {
            let Some(number) = self.ready.pop_front() else {
                return;
            };
            if let Some(connection) = self.connections.get_mut(&number) {
                connection.listed = false;
                self.read(shell, number, heard);
            }
        }
    }

    fn read(&mut self, shell: &Shell, number: u32, heard: &mut dyn FnMut(ClientId, &[u8])) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        if connection.paused || connection.listed {
            return;
        }
        let pid = connection.channel.peer().pid;
        let complaint = match connection.channel.receive() {
            Ok(body) => {
                if let Some(body) = body {
                    heard(ClientId(u64::from(number)), body);
                }
                None
            }
            Err(ReceiveError::Closed) => return self.lose(shell, number, Gone::Closed),
            Err(error) => Some(format!("client pid {pid} is cut off: {error}")),
        };
        if let Some(text) = complaint {
            self.complain(shell, Trouble::Rubbish, text);
            return self.lose(shell, number, Gone::Closed);
        }
        let unread = connection.channel.unread();
        self.unread = (self.unread + unread).saturating_sub(connection.unread);
        connection.unread = unread;
        if connection.channel.is_ready() {
            connection.listed = true;
            self.ready.push_back(number);
        } else if self.unread > UNREAD_MAX {
            let text = format!("client pid {pid} is cut off: too many unfinished messages");
            self.complain(shell, Trouble::Rubbish, text);
            self.lose(shell, number, Gone::Closed);
        }
    }

    /// Stops reading from a client, or begins again.
    pub(crate) fn pause(&mut self, shell: &Shell, client: ClientId, paused: bool) {
        let Some((number, connection)) = self.find(client) else {
            return;
        };
        connection.paused = paused;
        if !paused && connection.channel.is_ready() && !connection.listed {
            connection.listed = true;
            self.ready.push_back(number);
        }
        self.watch(shell, number);
    }

    // ---- Writing -------------------------------------------------------------------------------------------------

    /// Sends or queues a message, and announces it if the client wants that.
    pub(crate) fn send(
        &mut self,
        shell: &Shell,
        client: ClientId,
        body: &[u8],
        notice: Option<Notice>,
    ) {
        let Some((number, connection)) = self.find(client) else {
            return;
        };
        let sent = connection.channel.send(body);
        self.judge(shell, number, sent);
        if let Some(notice) = notice
            && self.connections.contains_key(&number)
            && !announce(notice)
        {
            self.lose(shell, number, Gone::Died);
        }
    }

    fn flush(&mut self, shell: &Shell, number: u32) {
        if let Some(connection) = self.connections.get_mut(&number) {
            let sent = connection.channel.flush();
            self.judge(shell, number, sent);
        }
    }

    fn judge(&mut self, shell: &Shell, number: u32, sent: Result<(), SendError>) {
        match sent {
            Ok(()) => self.watch(shell, number),
            Err(SendError::Overflow { queued, limit, .. }) => {
                self.lose(shell, number, Gone::TooSlow { queued, limit });
            }
            Err(SendError::Closed(_)) => self.lose(shell, number, Gone::Closed),
            Err(error @ SendError::Frame(_)) => {
                self.complain(shell, Trouble::Large, error.to_string());
            }
        }
    }

    /// Changes how many messages may wait for a client.
    pub(crate) fn set_queue(&mut self, client: ClientId, length: usize) {
        if let Some((_, connection)) = self.find(client) {
            connection.channel.set_send_limit(length.min(QUEUE_MAX));
        }
    }

    // ---- The end of a connection ---------------------------------------------------------------------------------

    /// Hangs up. What the kernel has taken still reaches the client.
    pub(crate) fn hang_up(&mut self, shell: &Shell, client: ClientId) {
        if let Some((number, _)) = self.find(client) {
            self.forget(shell, number);
        }
    }

    /// Whom we lost since the last call.
    pub(crate) fn take_gone(&mut self) -> Vec<(ClientId, Gone)> {
        std::mem::take(&mut self.gone)
    }

    fn lose(&mut self, shell: &Shell, number: u32, gone: Gone) {
        self.forget(shell, number);
        self.gone.push((ClientId(u64::from(number)), gone));
    }

    fn forget(&mut self, shell: &Shell, number: u32) {
        if let Some(connection) = self.connections.remove(&number) {
            self.unread = self.unread.saturating_sub(connection.unread);
            if connection.watched.is_some() {
                let _ = shell.poller.remove(&connection.channel);
            }
        }
    }

    // ---- Small things --------------------------------------------------------------------------------------------

    fn find(&mut self, client: ClientId) -> Option<(u32, &mut Connection)> {
        let number = u32::try_from(client.0).ok()?;
        Some((number, self.connections.get_mut(&number)?))
    }

    /// Waits for what matters now: something to read unless the client is paused, room to write if something waits.
    fn watch(&mut self, shell: &Shell, number: u32) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let wanted = match (connection.paused, connection.channel.interest()) {
            (false, interest) => Some(interest),
            (true, Interest::Read) => None,
            (true, Interest::ReadWrite | Interest::Write) => Some(Interest::Write),
        };
        if wanted == connection.watched {
            return;
        }
        let token = Token::Client(number).number();
        let (poller, channel) = (&shell.poller, &connection.channel);
        let done = match (connection.watched, wanted) {
            (None, Some(interest)) => poller.add(channel, token, interest),
            (Some(_), Some(interest)) => poller.modify(channel, token, interest),
            (_, None) => poller.remove(channel),
        };
        match done {
            Ok(()) => connection.watched = wanted,
            Err(error) => {
                let text = errno_text(&error);
                self.complain(
                    shell,
                    Trouble::System,
                    format!("Cannot serve a client: {text}"),
                );
                self.lose(shell, number, Gone::Closed);
            }
        }
    }

    fn complain(&mut self, shell: &Shell, trouble: Trouble, text: String) {
        let now = clock::monotonic();
        let Some(complaint) = self.complaints.get_mut(trouble as usize) else {
            return;
        };
        if now < complaint.next {
            complaint.silent = complaint.silent.saturating_add(1);
            return;
        }
        complaint.next = now + COMPLAINT_PERIOD;
        shell.logger.log(Priority::Warn, text);
        let silent = std::mem::take(&mut complaint.silent);
        if silent > 0 {
            shell.info(format!(
                "{silent} more of the same in the last while were not logged"
            ));
        }
    }
}

/// Sends the signal that announces a message. False if the process is gone. One that now runs under another user is not
/// the one that asked for signals, whatever its number; nothing happens to it.
fn announce(notice: Notice) -> bool {
    let Ok(signal) = Signal::try_from(notice.signal) else {
        return true;
    };
    if !process::exists(notice.pid) {
        return false;
    }
    if process::effective_user(notice.pid) == Some(notice.uid) {
        let _ = process::signal_process(notice.pid, signal);
    }
    true
}
