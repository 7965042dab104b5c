//! Host names, looked up beside the loop. Only redirects and whole URLs need it.

use std::io::{Read, Write};
use std::net::{IpAddr, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex};

use ha_sys::{Interest, Poller};

use super::slots::{Part, Slots};

/// So many names may be looked up at once; the library's look-up takes many seconds when name servers are silent.
const THREADS: usize = 4;

/// So many more may wait.
const WAITING_MAX: usize = 256;

/// Addresses of one name, or the resolver's text.
pub(crate) type Answer = Result<Vec<IpAddr>, String>;

/// The threads and the way to them; they are started when first needed.
#[derive(Debug, Default)]
pub(crate) struct Resolver(Option<Threads>);

#[derive(Debug)]
struct Threads {
    questions: SyncSender<(u64, String)>,
    answers: Receiver<(u64, Answer)>,
    bell: UnixStream,
}

impl Resolver {
    /// Asks for the addresses of a name; the answer comes with the same ticket.
    ///
    /// # Errors
    /// Too many wait already, or no thread could be made: a matter of this machine.
    pub(crate) fn ask(&mut self, ticket: u64, name: &str, poller: &Poller) -> Result<(), String> {
        let threads = match &self.0 {
            Some(threads) => threads,
            None => {
                let started = Threads::start(poller)
                    .map_err(|error| format!("cannot look up names: {error}"))?;
                self.0.insert(started)
            }
        };
        match threads.questions.try_send((ticket, name.to_owned())) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                Err("too many names are being looked up".to_owned())
            }
        }
    }

    /// The next answer, with its ticket.
    pub(crate) fn answer(&mut self) -> Option<(u64, Answer)> {
        let threads = self.0.as_mut()?;
        // Bells are rung after the answer is put down, so none is missed by hearing first.
        let mut heard = [0; 256];
        let _ = threads.bell.read(&mut heard);
        threads.answers.try_recv().ok()
    }
}

impl Threads {
    fn start(poller: &Poller) -> std::io::Result<Threads> {
        let (bell, rung) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        rung.set_nonblocking(true)?;
        poller.add(&bell, Slots::common_token(Part::Lookup), Interest::Read)?;
        let (questions, asked) = sync_channel(WAITING_MAX);
        let (answered, answers) = channel();
        let asked = Arc::new(Mutex::new(asked));
        for _ in 0..THREADS {
            let (asked, answered, rung) = (asked.clone(), answered.clone(), rung.try_clone()?);
            std::thread::Builder::new()
                .name("lookup".to_owned())
                .stack_size(256 * 1024)
                .spawn(move || work(&asked, &answered, rung))?;
        }
        Ok(Threads {
            questions,
            answers,
            bell,
        })
    }
}

/// Ends when the other half is dropped.
fn work(
    asked: &Mutex<Receiver<(u64, String)>>,
    answered: &Sender<(u64, Answer)>,
    mut rung: UnixStream,
) {
    loop {
        let question = match asked.lock() {
            Ok(asked) => asked.recv(),
            Err(_) => return,
        };
        let Ok((ticket, name)) = question else {
            return;
        };
        let answer = match (name.as_str(), 0).to_socket_addrs() {
            Ok(found) => {
                let mut addresses: Vec<IpAddr> = Vec::new();
                for address in found.map(|address| address.ip()) {
                    if !addresses.contains(&address) {
                        addresses.push(address);
                    }
                }
                Ok(addresses)
            }
            Err(error) => Err(library_text(&error.to_string())),
        };
        if answered.send((ticket, answer)).is_err() {
            return;
        }
        // A full bell rings anyway.
        let _ = rung.write(&[0]);
    }
}

/// The C library's words without what the standard library puts before them.
fn library_text(text: &str) -> String {
    match text.split_once("failed to lookup address information: ") {
        Some((_, words)) => words.to_owned(),
        None => text.to_owned(),
    }
}
