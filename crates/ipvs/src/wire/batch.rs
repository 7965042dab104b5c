//! From the answers to a batch of changes to one result for each.

use super::reply::{Body, Malformed, messages};
use crate::Refusal;

/// The answers to changes that were sent together under consecutive sequence numbers.
///
/// Only the last one asks for an acknowledgement: the kernel works through a batch in order and reports every error
/// without being asked, so when the last answer is there, a change without an answer was done. That saves the kernel a
/// datagram, and us a system call, for each change.
#[derive(Clone, Debug)]
pub struct Batch {
    first: u32,
    errnos: Vec<i32>,
    answered: bool,
    overrun: bool,
}

impl Batch {
    /// Before any answer to `count` changes numbered from `first`.
    pub fn new(first: u32, count: usize) -> Batch {
        Batch {
            first,
            errnos: vec![0; count],
            answered: count == 0,
            overrun: false,
        }
    }

    /// Takes a datagram from the kernel. Answers to earlier requests, given up meanwhile, are passed over.
    pub fn take(&mut self, datagram: &[u8]) -> Result<(), Malformed> {
        for message in messages(datagram) {
            let message = message?;
            let index = usize::try_from(message.sequence.wrapping_sub(self.first));
            match (message.body, index) {
                (Body::Overrun, _) => self.overrun = true,
                (Body::End(errno), Ok(index)) => {
                    let last = index + 1 == self.errnos.len();
                    if let Some(place) = self.errnos.get_mut(index) {
                        *place = errno;
                        self.answered |= last;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The socket's buffer was full, and answers may be missing.
    pub fn overrun(&mut self) {
        self.overrun = true;
    }

    /// Whether the last answer is there.
    pub fn is_answered(&self) -> bool {
        self.answered
    }

    /// Whether the kernel answered this errno to every change: what happens when the family's number is out of date.
    pub fn is_refused_throughout(&self, errno: i32) -> bool {
        self.answered && self.errnos.iter().all(|answer| *answer == errno)
    }

    /// One result for each change, in order.
    pub fn results(&self) -> impl Iterator<Item = Result<(), Refusal>> {
        let certain = self.answered && !self.overrun;
        let last = self.errnos.len().wrapping_sub(1);
        self.errnos
            .iter()
            .enumerate()
            .map(move |(index, errno)| match errno {
                0 if certain || (self.answered && index == last) => Ok(()),
                0 => Err(Refusal::Unknown),
                errno => Err(Refusal::Errno(*errno)),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer as the kernel gives it: code, then the header of the request.
    fn answer(sequence: u32, errno: i32) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(36u32.to_ne_bytes());
        bytes.extend(2u16.to_ne_bytes());
        bytes.extend(0u16.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend(7u32.to_ne_bytes());
        bytes.extend((-errno).to_ne_bytes());
        bytes.resize(36, 0);
        bytes
    }

    fn results(batch: &Batch) -> Vec<Result<(), Refusal>> {
        batch.results().collect()
    }

    #[test]
    fn silence_is_success_once_the_last_answer_is_there() {
        let mut batch = Batch::new(u32::MAX, 3);
        batch.take(&answer(0, 17)).expect("well formed");
        assert!(!batch.is_answered());
        assert_eq!(
            results(&batch),
            [
                Err(Refusal::Unknown),
                Err(Refusal::Errno(17)),
                Err(Refusal::Unknown)
            ]
        );
        batch.take(&answer(1, 0)).expect("well formed");
        assert!(batch.is_answered());
        assert_eq!(results(&batch), [Ok(()), Err(Refusal::Errno(17)), Ok(())]);
        assert!(!batch.is_refused_throughout(17));
    }

    #[test]
    fn after_a_loss_only_answers_that_are_there_count() {
        let mut batch = Batch::new(10, 3);
        batch.overrun();
        batch.take(&answer(11, 2)).expect("well formed");
        batch.take(&answer(12, 0)).expect("well formed");
        assert_eq!(
            results(&batch),
            [Err(Refusal::Unknown), Err(Refusal::Errno(2)), Ok(())]
        );
    }

    #[test]
    fn answers_to_others_are_passed_over() {
        let mut batch = Batch::new(10, 2);
        for sequence in [0, 9, 12, u32::MAX] {
            batch.take(&answer(sequence, 1)).expect("well formed");
        }
        assert!(!batch.is_answered());
        assert_eq!(
            results(&batch),
            [Err(Refusal::Unknown), Err(Refusal::Unknown)]
        );
    }

    #[test]
    fn several_answers_in_one_datagram() {
        let mut batch = Batch::new(1, 2);
        batch
            .take(&[answer(1, 2), answer(2, 2)].concat())
            .expect("well formed");
        assert!(batch.is_refused_throughout(2));
        assert!(batch.take(&answer(2, 0)[..20]).is_err());
    }
}
