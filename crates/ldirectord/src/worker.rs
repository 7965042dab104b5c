//! A thread beside the loop for what may block: file systems, name servers.
//!
//! Orders are worked off one after the other; answers wait in a queue, and a descriptor tells the loop of them.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};

/// The loop's end of a thread that turns orders into answers.
#[derive(Debug)]
pub(crate) struct Worker<Order, Answer> {
    orders: Sender<Order>,
    answers: Receiver<Answer>,
    /// Readable when there are answers.
    wake: UnixStream,
    open: usize,
}

impl<Order: Send + 'static, Answer: Send + 'static> Worker<Order, Answer> {
    /// Starts the thread.
    ///
    /// # Errors
    /// No thread or socket pair could be made.
    pub(crate) fn start(
        name: &str,
        mut work: impl FnMut(Order) -> Answer + Send + 'static,
    ) -> io::Result<Worker<Order, Answer>> {
        let (wake, mut done) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        // A byte that finds no room is not missed: there are others.
        done.set_nonblocking(true)?;
        let (orders, inbox) = channel();
        let (outbox, answers) = channel();
        std::thread::Builder::new()
            .name(name.to_owned())
            .stack_size(512 * 1024)
            .spawn(move || {
                for order in inbox {
                    if outbox.send(work(order)).is_err() {
                        return;
                    }
                    let _ = done.write(b"!");
                }
            })?;
        Ok(Worker {
            orders,
            answers,
            wake,
            open: 0,
        })
    }

    /// Gives an order. False if the thread is gone.
    pub(crate) fn order(&mut self, order: Order) -> bool {
        let sent = self.orders.send(order).is_ok();
        self.open += usize::from(sent);
        sent
    }

    /// Orders that were not answered yet.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// The next answer, if any. To be called until there is none when the descriptor is readable.
    pub(crate) fn answer(&mut self) -> Option<Answer> {
        let mut bytes = [0; 64];
        while matches!(self.wake.read(&mut bytes), Ok(count) if count == bytes.len()) {}
        let answer = self.answers.try_recv().ok()?;
        self.open = self.open.saturating_sub(1);
        Some(answer)
    }
}

impl<Order, Answer> AsFd for Worker<Order, Answer> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use ha_sys::{Interest, Poller};

    use super::*;

    #[test]
    fn answers_come_in_order_and_wake_the_loop() {
        let mut worker = Worker::start("test", |number: u32| number * 2).unwrap();
        let mut poller = Poller::new().unwrap();
        poller.add(&worker, 1, Interest::Read).unwrap();
        for number in 0..200 {
            assert!(worker.order(number));
        }
        assert_eq!(worker.open(), 200);
        let (mut ready, mut answers) = (Vec::new(), Vec::new());
        let deadline = ha_sys::clock::monotonic() + std::time::Duration::from_secs(20);
        while answers.len() < 200 && ha_sys::clock::monotonic() < deadline {
            poller.wait(Some(deadline), &mut ready).unwrap();
            while let Some(answer) = worker.answer() {
                answers.push(answer);
            }
        }
        assert_eq!(answers, (0..200).map(|n| n * 2).collect::<Vec<_>>());
        assert_eq!(worker.open(), 0);
        poller
            .wait(Some(std::time::Duration::ZERO), &mut ready)
            .unwrap();
        assert!(ready.is_empty(), "nothing is left to read");
    }
}
