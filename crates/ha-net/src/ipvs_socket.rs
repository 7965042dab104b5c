//! Reading and changing the kernel's table of virtual services.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use ipvs::wire::{self, Batch, Body, Info, REQUEST_LEN_MAX, Request};
use ipvs::{Change, Connections, DestinationKey, Entry, Refusal, ServiceKey, Table};
use netlink_sys::protocols::NETLINK_GENERIC;
use nix::sys::socket::{setsockopt, sockopt};

use crate::error::{NetError, Trouble};
use crate::kernel_socket::KernelSocket;

/// Time allowed for one answer, unless [`Ipvs::set_patience`] says otherwise. The kernel does the work before the request
/// is even sent, so this is only reached when it is stuck.
const PATIENCE: Duration = Duration::from_millis(250);

/// So many changes are sent with one system call.
const BATCH_MAX: usize = 256;

/// Room for sending: a full batch twice.
const SEND_LEN: usize = 2 * BATCH_MAX * REQUEST_LEN_MAX;

/// Room for answers. A refused change costs the kernel 1 KiB at most, and a whole batch may be refused.
const RECEIVE_LEN: usize = 4 * BATCH_MAX * 1024;

/// A list that changes under our eyes is taken again so many times.
const DUMP_TRIES: u32 = 4;

/// More services than this are not read: a table of that size is a mistake, and memory is bounded.
const SERVICES_MAX: usize = 100_000;

/// More real servers than this are not read.
const DESTINATIONS_MAX: usize = 1_000_000;

/// What [`Ipvs::read_table`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Services and real servers.
    pub table: Table,
    /// What each real server carries; the same keys as in `table`.
    pub connections: BTreeMap<(ServiceKey, DestinationKey), Connections>,
}

/// A connection to the kernel's IPVS, to be opened once and kept. It belongs to the network namespace in which it was
/// opened, needs `CAP_NET_ADMIN`, is non-blocking and close-on-exec.
///
/// The kernel does the work inside the system call, so nothing is waited for in the normal case: a full table of 1,000
/// services with 10 real servers each is read, or made, in a few tens of milliseconds.
///
/// The family's number changes when the module is loaded anew. That is noticed at the next request, which is then sent
/// again under the new number; so the socket outlives the module.
#[derive(Debug)]
pub struct Ipvs {
    socket: KernelSocket,
    family: u16,
    sequence: u32,
    patience: Duration,
    messages_sent: u64,
    changes_sent: u64,
    batches_sent: u64,
}

impl Ipvs {
    /// Opens the socket and looks up the family. Fails with [`Trouble::NoIpvs`] when the kernel has none: then `modprobe
    /// ip_vs` may help, after which this can be tried again. (Kernels whose module carries the family's name as an alias
    /// load it by themselves.)
    pub fn open() -> Result<Ipvs, NetError> {
        let mut ipvs = Ipvs {
            socket: open_socket()?,
            family: 0,
            sequence: 0,
            patience: PATIENCE,
            messages_sent: 0,
            changes_sent: 0,
            batches_sent: 0,
        };
        ipvs.family = ipvs.look_up("reach IPVS")?;
        Ok(ipvs)
    }

    /// Sets the time allowed for one answer.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Netlink messages sent since the start: questions and changes.
    pub fn messages_sent(&self) -> u64 {
        self.messages_sent
    }

    /// Changes sent since the start; each is one of the messages of [`messages_sent`](Self::messages_sent).
    pub fn changes_sent(&self) -> u64 {
        self.changes_sent
    }

    /// System calls that sent changes since the start.
    pub fn batches_sent(&self) -> u64 {
        self.batches_sent
    }

    /// Version and size of the connection table.
    pub fn info(&mut self) -> Result<Info, NetError> {
        const DOING: &str = "ask for the version of IPVS";
        self.with_family(DOING, |ipvs| {
            let mut info = None;
            ipvs.ask(DOING, Request::Info, |attributes| {
                info = Some(wire::info(attributes)?);
                Ok(())
            })?;
            info.ok_or(NetError::malformed(DOING))
        })
    }

    /// The whole table. Services that vanish or appear meanwhile may be missing.
    pub fn read_table(&mut self) -> Result<Reading, NetError> {
        self.with_family("read the IPVS table", Ipvs::read)
    }

    fn read(&mut self) -> Result<Reading, NetError> {
        const SERVICES: &str = "list virtual services";
        const SERVERS: &str = "list real servers";
        let services = self.list(SERVICES, Request::Services, |attributes, services| {
            if services.len() == SERVICES_MAX {
                return Err(wire::Malformed);
            }
            services.extend(wire::service(attributes)?);
            Ok(())
        })?;
        let mut reading = Reading::default();
        for service in services {
            let key = service.key;
            let servers = self.list(SERVERS, Request::Destinations(&key), |attributes, list| {
                if reading.connections.len() + list.len() >= DESTINATIONS_MAX {
                    return Err(wire::Malformed);
                }
                list.push(wire::destination(attributes, key.family())?);
                Ok(())
            })?;
            let mut destinations = BTreeMap::new();
            for (server, connections) in servers {
                reading.connections.insert((key, server.key), connections);
                destinations.insert(server.key, server);
            }
            let entry = Entry {
                service,
                destinations,
            };
            reading.table.services.insert(key, entry);
        }
        Ok(reading)
    }

    /// Makes changes, one after the other in this order, and tells for each whether it was done. A refused change does
    /// not keep those behind it from being tried.
    ///
    /// The first use of a scheduler makes the kernel load its module, which lasts as long as a program needs to start.
    pub fn apply(&mut self, changes: &[Change]) -> Vec<Result<(), Refusal>> {
        let mut results: Vec<Result<(), Refusal>> = changes
            .iter()
            .map(|change| change.check().map_err(Refusal::Invalid))
            .collect();
        let (valid, mut places): (Vec<&Change>, Vec<&mut Result<(), Refusal>>) = changes
            .iter()
            .zip(&mut results)
            .filter(|(_, result)| result.is_ok())
            .unzip();
        let mut absent = false;
        for (changes, places) in valid.chunks(BATCH_MAX).zip(places.chunks_mut(BATCH_MAX)) {
            if absent {
                places
                    .iter_mut()
                    .for_each(|place| **place = Err(Refusal::NoIpvs));
                continue;
            }
            let answers = self.apply_batch(changes).unwrap_or_else(|error| {
                absent = matches!(error.trouble, Trouble::NoIpvs);
                let refusal = match (absent, error.errno()) {
                    (true, _) => Refusal::NoIpvs,
                    (false, Some(errno)) => Refusal::Errno(errno),
                    (false, None) => Refusal::Unknown,
                };
                vec![Err(refusal); changes.len()]
            });
            for (place, answer) in places.iter_mut().zip(answers) {
                **place = answer;
            }
        }
        results
    }

    /// An error means that nothing of the batch was done, except for [`Trouble::TimedOut`] and
    /// [`Trouble::Malformed`], after which nobody knows.
    fn apply_batch(&mut self, changes: &[&Change]) -> Result<Vec<Result<(), Refusal>>, NetError> {
        const DOING: &str = "change the IPVS table";
        let batch = self.send_batch(DOING, changes)?;
        // An out-of-date number is answered with ENOENT throughout, and so may be a batch of one with a scheduler that
        // the kernel lacks. Nothing was done in either case, so it can be sent again.
        if !batch.is_refused_throughout(libc::ENOENT) || !self.look_up_again(DOING)? {
            return Ok(batch.results().collect());
        }
        Ok(self.send_batch(DOING, changes)?.results().collect())
    }

    fn send_batch(&mut self, doing: &'static str, changes: &[&Change]) -> Result<Batch, NetError> {
        let mut bytes = Vec::with_capacity(changes.len() * REQUEST_LEN_MAX);
        let first = self.sequence.wrapping_add(1);
        for (index, change) in changes.iter().enumerate() {
            self.sequence = self.sequence.wrapping_add(1);
            let last = index + 1 == changes.len();
            Request::Change(change).encode(self.family, self.sequence, last, &mut bytes);
        }
        let count = u64::try_from(changes.len()).unwrap_or(u64::MAX);
        self.messages_sent += count;
        self.changes_sent += count;
        self.batches_sent += 1;
        self.socket.send(doing, &bytes)?;
        let mut batch = Batch::new(first, changes.len());
        let mut deadline = Instant::now() + self.patience;
        while !batch.is_answered() {
            match self.socket.receive(doing, deadline) {
                Ok(datagram) => batch
                    .take(datagram)
                    .map_err(|_| NetError::malformed(doing))?,
                Err(error) if error.errno() == Some(libc::ENOBUFS) => {
                    // Everything that fitted is in the queue already: take it and wait for no more.
                    batch.overrun();
                    deadline = Instant::now();
                }
                Err(error) if matches!(error.trouble, Trouble::TimedOut) => break,
                Err(error) => {
                    return Err(NetError {
                        doing: error.doing,
                        trouble: Trouble::Malformed,
                    });
                }
            }
        }
        Ok(batch)
    }

    /// Collects the parts of a list.
    fn list<T>(
        &mut self,
        doing: &'static str,
        request: Request<'_>,
        mut each: impl FnMut(&[u8], &mut Vec<T>) -> Result<(), wire::Malformed>,
    ) -> Result<Vec<T>, NetError> {
        for _ in 0..DUMP_TRIES {
            let mut list = Vec::new();
            if self.ask(doing, request, |attributes| each(attributes, &mut list))? {
                return Ok(list);
            }
        }
        Err(NetError::refused(doing, libc::EAGAIN))
    }

    /// Sends a question and hands every part of the answer to `each`. False when the list changed while it was being
    /// sent.
    fn ask(
        &mut self,
        doing: &'static str,
        request: Request<'_>,
        each: impl FnMut(&[u8]) -> Result<(), wire::Malformed>,
    ) -> Result<bool, NetError> {
        self.sequence = self.sequence.wrapping_add(1);
        self.messages_sent += 1;
        let mut bytes = Vec::with_capacity(REQUEST_LEN_MAX);
        request.encode(self.family, self.sequence, true, &mut bytes);
        self.socket.send(doing, &bytes)?;
        match self.hear(doing, each) {
            Ok((0, consistent)) => Ok(consistent),
            Ok((errno, _)) => Err(NetError::refused(doing, errno)),
            Err(error) => {
                // A list that was not read to its end keeps the socket busy: the kernel sends one at a time.
                self.socket = open_socket()?;
                Err(error)
            }
        }
    }

    /// The errno at the end of an answer, and whether all of it shows one state.
    fn hear(
        &mut self,
        doing: &'static str,
        mut each: impl FnMut(&[u8]) -> Result<(), wire::Malformed>,
    ) -> Result<(i32, bool), NetError> {
        let deadline = Instant::now() + self.patience;
        let mut consistent = true;
        loop {
            let datagram = self.socket.receive(doing, deadline)?;
            for message in wire::messages(datagram) {
                let message = message.map_err(|_| NetError::malformed(doing))?;
                if message.sequence != self.sequence {
                    // Late answer to a question that was given up.
                    continue;
                }
                consistent &= !message.interrupted;
                match message.body {
                    Body::End(errno) => return Ok((errno, consistent)),
                    Body::Overrun => consistent = false,
                    Body::Part(attributes) => {
                        each(attributes).map_err(|_| NetError::malformed(doing))?;
                    }
                    Body::Other => {}
                }
            }
        }
    }

    /// Runs a question, and once more if the family's number was out of date.
    fn with_family<T>(
        &mut self,
        doing: &'static str,
        mut question: impl FnMut(&mut Ipvs) -> Result<T, NetError>,
    ) -> Result<T, NetError> {
        match question(self) {
            Err(error) if error.errno() == Some(libc::ENOENT) && self.look_up_again(doing)? => {
                question(self)
            }
            result => result,
        }
    }

    /// Looks up the family's number again and tells whether it has changed.
    fn look_up_again(&mut self, doing: &'static str) -> Result<bool, NetError> {
        let family = self.look_up(doing)?;
        let changed = family != self.family;
        self.family = family;
        Ok(changed)
    }

    fn look_up(&mut self, doing: &'static str) -> Result<u16, NetError> {
        let mut family = None;
        let result = self.ask(doing, Request::Family, |attributes| {
            family = Some(wire::family_id(attributes)?);
            Ok(())
        });
        match result {
            Ok(_) => family.ok_or(NetError::malformed(doing)),
            Err(error) if error.errno() == Some(libc::ENOENT) => Err(NetError {
                doing,
                trouble: Trouble::NoIpvs,
            }),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Ipvs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn open_socket() -> Result<KernelSocket, NetError> {
    const DOING: &str = "open generic netlink";
    let socket = KernelSocket::open(DOING, NETLINK_GENERIC)?;
    // An error then does not carry the refused request. Kernels before 4.2 do not know it and have room all the same.
    let _ = socket.socket().set_cap_ack(true);
    // The limits of the system are for those without privileges; who may not pass them gets what they allow.
    if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_LEN).is_err() {
        let _ = setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_LEN);
    }
    if setsockopt(&socket, sockopt::SndBufForce, &SEND_LEN).is_err() {
        let _ = setsockopt(&socket, sockopt::SndBuf, &SEND_LEN);
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kernel has the controller of generic netlink, so the way there and back can be tried on any machine.
    #[test]
    fn a_kernel_without_ipvs_is_told_apart() {
        match Ipvs::open() {
            Ok(mut ipvs) => {
                // A kernel with IPVS: then we may or may not be allowed to read it.
                if let Err(error) = ipvs.read_table() {
                    assert_eq!(error.errno(), Some(libc::EPERM), "{error}");
                }
            }
            Err(error) => {
                assert!(matches!(error.trouble, Trouble::NoIpvs), "{error}");
                assert_eq!(
                    error.to_string(),
                    "cannot reach IPVS: no IPVS in the kernel"
                );
                assert_eq!(error.errno(), None);
            }
        }
    }
}
