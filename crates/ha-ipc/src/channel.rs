//! One connection over a unix stream, which never blocks (`client-api.md` 1.4 and 1.5).
//!
//! A channel carries bodies both ways and knows who the peer is. What arrives is kept in a buffer for one frame; what
//! the kernel does not take at once waits in a queue that is bounded in messages and in octets. Whoever does not read is
//! thus found out by an error, never by waiting: the server cuts such a client off.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;

use ha_sys::Interest;
use ha_sys::peer::{PeerCredentials, peer_credentials};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, sendmsg};

use crate::frame::{FrameError, FrameReader, HEAD_LEN, Head};

/// How many messages may wait in a channel unless somebody says otherwise.
pub const SEND_QUEUE_DEFAULT: usize = 64;

/// Octets that may wait in a channel for each message that may.
const OCTETS_PER_MESSAGE: usize = 16 * 1024;

/// The fewest octets that a channel lets wait: one frame of the largest size, and then some.
const OCTETS_MIN: usize = 512 * 1024;

/// The most octets that a channel lets wait, however many messages it may hold.
const OCTETS_MAX: usize = 4 * 1024 * 1024;

/// How much is asked of the kernel at once.
const READ_CHUNK: usize = 8 * 1024;

/// A queue gives memory beyond this back when it is empty.
const KEPT_CAPACITY: usize = 16 * 1024;

/// One end of a connection.
#[derive(Debug)]
pub struct Channel {
    stream: UnixStream,
    peer: PeerCredentials,
    reader: FrameReader,
    queue: SendQueue,
}

/// Why a message could not be sent. After [`SendError::Overflow`] and [`SendError::Closed`] the channel is of no more use
/// to whoever needs every message to arrive.
#[derive(Debug)]
pub enum SendError {
    /// The peer does not read: the queue is full. Its text is the reason that the legacy gives in the leave message
    /// (`client-api.md` 1.5).
    Overflow {
        /// Messages that wait.
        queued: usize,
        /// Messages that may wait.
        limit: usize,
        /// The peer's process.
        pid: u32,
    },
    /// The peer is gone.
    Closed(io::Error),
    /// The message is too large for a frame. Nothing was sent; the channel is as it was.
    Frame(FrameError),
}

/// Why nothing more can be received.
#[derive(Debug)]
pub enum ReceiveError {
    /// The peer closed the connection (`EOF` in the leave message).
    Closed,
    /// What arrives are no frames.
    Frame(FrameError),
    /// The kernel says so.
    System(io::Error),
}

impl Channel {
    /// Takes over a connected stream, which becomes non-blocking.
    ///
    /// # Errors
    /// The stream is not connected, or the kernel refuses.
    pub fn new(stream: UnixStream) -> io::Result<Channel> {
        stream.set_nonblocking(true)?;
        Ok(Channel {
            peer: peer_credentials(&stream)?,
            stream,
            reader: FrameReader::new(),
            queue: SendQueue::new(SEND_QUEUE_DEFAULT),
        })
    }

    /// Who the peer was when it connected.
    pub fn peer(&self) -> PeerCredentials {
        self.peer
    }

    /// What to wait for: always something to read, and room to write while messages wait. A server that pauses a client
    /// waits for [`Interest::Write`] or nothing instead.
    pub fn interest(&self) -> Interest {
        match self.queue.is_empty() {
            true => Interest::Read,
            false => Interest::ReadWrite,
        }
    }

    /// How many messages wait, one that has been sent in part included.
    pub fn queued(&self) -> usize {
        self.queue.messages()
    }

    /// How many messages may wait.
    pub fn send_limit(&self) -> usize {
        self.queue.limit
    }

    /// Changes how many messages may wait (`client-api.md` 3.17), at least one. Whatever the number, their octets are
    /// bounded. Messages that wait already are kept.
    pub fn set_send_limit(&mut self, messages: usize) {
        self.queue.limit = messages.max(1);
    }

    /// Sends a body, or queues what the kernel does not take. Copies nothing as long as the peer reads.
    ///
    /// # Errors
    /// As [`SendError`] lists.
    pub fn send(&mut self, body: &[u8]) -> Result<(), SendError> {
        let head = Head::for_body(body.len()).map_err(SendError::Frame)?;
        self.flush()?;
        let head = head.octets();
        let sent = match self.queue.is_empty() {
            true => self.write(&[IoSlice::new(&head), IoSlice::new(body)])?,
            false => 0,
        };
        if sent == HEAD_LEN + body.len() {
            return Ok(());
        }
        if !self.queue.push(&head, body, sent) {
            return Err(SendError::Overflow {
                queued: self.queue.messages(),
                limit: self.queue.limit,
                pid: self.peer.pid,
            });
        }
        Ok(())
    }

    /// Sends what waits, as far as the kernel takes it.
    ///
    /// # Errors
    /// [`SendError::Closed`].
    pub fn flush(&mut self) -> Result<(), SendError> {
        while !self.queue.is_empty() {
            let (first, second) = self.queue.octets.as_slices();
            let sent = self.write(&[IoSlice::new(first), IoSlice::new(second)])?;
            if sent == 0 {
                return Ok(());
            }
            self.queue.advance(sent);
        }
        Ok(())
    }

    /// The next body. Reads from the kernel at most once, and only if no complete frame has arrived before; so `None`
    /// means "wait for the descriptor", and a server that takes one message per turn asks [`Channel::is_ready`] before it
    /// waits.
    ///
    /// # Errors
    /// As [`ReceiveError`] lists. Frames that arrived before the error have been given out.
    pub fn receive(&mut self) -> Result<Option<&[u8]>, ReceiveError> {
        if !self.reader.is_ready() {
            self.fill()?;
        }
        self.reader.body().map_err(ReceiveError::Frame)
    }

    /// Whether [`Channel::receive`] has something to give although the descriptor may have nothing to read.
    pub fn is_ready(&self) -> bool {
        self.reader.is_ready()
    }

    /// Octets that have arrived and were not given out yet: at most one frame, which may be large and never be finished.
    pub fn unread(&self) -> usize {
        self.reader.held()
    }

    fn fill(&mut self) -> Result<(), ReceiveError> {
        let mut chunk = [0; READ_CHUNK];
        let room = self.reader.room().min(READ_CHUNK);
        let place = chunk.get_mut(..room).unwrap_or_default();
        match (&self.stream).read(place) {
            Ok(0) => Err(ReceiveError::Closed),
            Ok(count) => {
                self.reader.feed(chunk.get(..count).unwrap_or_default());
                Ok(())
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                Ok(())
            }
            // A peer that ended with messages unread resets the connection. For us it is gone, no more.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                Err(ReceiveError::Closed)
            }
            Err(error) => Err(ReceiveError::System(error)),
        }
    }

    /// How much the kernel took; 0 if it is full.
    fn write(&self, parts: &[IoSlice<'_>]) -> Result<usize, SendError> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        loop {
            return match sendmsg::<()>(self.stream.as_raw_fd(), parts, &[], flags, None) {
                Ok(count) => Ok(count),
                Err(Errno::EINTR) => continue,
                Err(Errno::EAGAIN | Errno::ENOBUFS) => Ok(0),
                Err(error) => Err(SendError::Closed(error.into())),
            };
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl AsRawFd for Channel {
    fn as_raw_fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }
}

/// Frames that the kernel has not taken yet.
#[derive(Debug)]
struct SendQueue {
    /// What is still to be sent of all frames.
    octets: VecDeque<u8>,
    /// How much of that belongs to each frame, in order.
    lengths: VecDeque<usize>,
    limit: usize,
}

impl SendQueue {
    fn new(limit: usize) -> SendQueue {
        SendQueue {
            octets: VecDeque::new(),
            lengths: VecDeque::new(),
            limit,
        }
    }

    fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    fn messages(&self) -> usize {
        self.lengths.len()
    }

    fn octets_max(&self) -> usize {
        self.limit
            .saturating_mul(OCTETS_PER_MESSAGE)
            .clamp(OCTETS_MIN, OCTETS_MAX)
    }

    /// Appends a frame, of which `sent` octets are sent already; false if there is no room for it.
    fn push(&mut self, head: &[u8], body: &[u8], sent: usize) -> bool {
        let length = (head.len() + body.len()).saturating_sub(sent);
        let full = self.lengths.len() >= self.limit
            || self.octets.len().saturating_add(length) > self.octets_max();
        if full {
            return false;
        }
        let rest = head.iter().chain(body).skip(sent);
        self.octets.extend(rest);
        self.lengths.push_back(length);
        true
    }

    /// Forgets what was sent.
    fn advance(&mut self, mut sent: usize) {
        self.octets.drain(..sent.min(self.octets.len()));
        while let Some(first) = self.lengths.front_mut() {
            if *first > sent {
                *first -= sent;
                return;
            }
            sent -= *first;
            self.lengths.pop_front();
        }
        self.octets.shrink_to(KEPT_CAPACITY);
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overflow { queued, limit, pid } => write!(
                f,
                "send failed,farside_pid={pid}, sendq length={queued}(max is {limit})"
            ),
            Self::Closed(error) => write!(f, "send failed: {error}"),
            Self::Frame(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Overflow { .. } => None,
            Self::Closed(error) => Some(error),
            Self::Frame(error) => Some(error),
        }
    }
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the peer closed the connection"),
            Self::Frame(error) => error.fmt(f),
            Self::System(error) => write!(f, "receive failed: {error}"),
        }
    }
}

impl std::error::Error for ReceiveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Closed => None,
            Self::Frame(error) => Some(error),
            Self::System(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::frame::MAX_BODY;

    fn pair() -> (Channel, Channel) {
        let (one, other) = UnixStream::pair().unwrap();
        (Channel::new(one).unwrap(), Channel::new(other).unwrap())
    }

    fn received(channel: &mut Channel) -> Option<Vec<u8>> {
        channel.receive().unwrap().map(<[u8]>::to_vec)
    }

    #[test]
    fn bodies_arrive_in_order_and_the_peer_is_known() {
        let (mut one, mut other) = pair();
        one.send(b"first").unwrap();
        one.send(b"second").unwrap();
        assert_eq!(one.queued(), 0);
        assert_eq!(received(&mut other).unwrap(), b"first");
        assert!(other.is_ready());
        assert_eq!(received(&mut other).unwrap(), b"second");
        assert!(!other.is_ready());
        assert_eq!(received(&mut other), None);
        assert_eq!(other.peer().pid, std::process::id());
        drop(one);
        assert!(matches!(other.receive(), Err(ReceiveError::Closed)));
    }

    /// `client-api.md` 1.5: the queue has 64 places; beyond them the client is cut off.
    #[test]
    fn a_peer_that_does_not_read_is_found_out() {
        let (mut one, mut other) = pair();
        let body = vec![b'x'; 3000];
        let mut sent = 0;
        let error = loop {
            match one.send(&body) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
        };
        let pid = std::process::id();
        assert_eq!(
            error.to_string(),
            format!("send failed,farside_pid={pid}, sendq length=64(max is 64)")
        );
        assert_eq!(one.interest(), Interest::ReadWrite);
        // Whatever was accepted arrives whole when the peer wakes up.
        let mut arrived = 0;
        while arrived < sent {
            one.flush().unwrap();
            while let Some(body) = received(&mut other) {
                assert_eq!(body.len(), 3000);
                arrived += 1;
            }
        }
        assert_eq!(received(&mut other), None);
        assert_eq!((one.queued(), one.interest()), (0, Interest::Read));
        one.send(&body).unwrap();
    }

    #[test]
    fn few_large_messages_fill_the_queue_too() {
        let (mut one, _other) = pair();
        one.set_send_limit(1_000_000);
        let body = vec![b'x'; MAX_BODY];
        while one.send(&body).is_ok() {}
        assert!(one.queue.octets.len() <= OCTETS_MAX);
        assert!(one.queued() < 20, "{}", one.queued());
    }

    #[test]
    fn a_longer_queue_on_request() {
        let (mut one, _other) = pair();
        one.set_send_limit(200);
        while one.send(&[b'x'; 1000]).is_ok() {}
        assert_eq!(one.queued(), 200);
    }

    #[test]
    fn a_message_that_is_too_large_leaves_the_channel_as_it_was() {
        let (mut one, mut other) = pair();
        let error = one.send(&vec![0; MAX_BODY + 1]).unwrap_err();
        assert!(matches!(error, SendError::Frame(_)));
        one.send(b"next").unwrap();
        assert_eq!(received(&mut other).unwrap(), b"next");
    }

    #[test]
    fn garbage_is_an_error_and_never_ends_the_process() {
        let (stream, other) = UnixStream::pair().unwrap();
        let mut channel = Channel::new(other).unwrap();
        (&stream).write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        assert!(matches!(channel.receive(), Err(ReceiveError::Frame(_))));
    }

    #[test]
    fn a_peer_that_is_gone_raises_no_signal() {
        let (mut one, other) = pair();
        drop(other);
        assert!(matches!(one.send(b"x"), Err(SendError::Closed(_))));
    }

    #[test]
    fn the_largest_message_passes_in_pieces() {
        let (mut one, mut other) = pair();
        let body: Vec<u8> = (0..MAX_BODY).map(|at| at as u8).collect();
        one.send(&body).unwrap();
        let arrived = loop {
            one.flush().unwrap();
            if let Some(body) = received(&mut other) {
                break body;
            }
        };
        assert!(arrived == body);
    }
}
